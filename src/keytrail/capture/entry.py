"""One key that the user knows about, and what an inventory may say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from typing import Final

from keytrail import semconv

MAX_TEXT: Final = 128
MAX_HOSTS: Final = 64

IsRaw = Callable[[str, "str | None"], bool]
"""Tells of a text in an entry, and of the entry's fingerprint, whether the text is a raw key."""

_RAW_FIELDS = frozenset(
    {"key", "api_key", "apikey", "password", "plaintext", "raw", "raw_key", "secret", "token"}
)
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})


class InventoryError(ValueError):
    """An inventory that cannot be used; names file and line or entry, never a value."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the inventory says of one key. Times are Unix seconds."""

    fingerprint: str | None = None
    id: str | None = None
    name: str | None = None
    owner: str | None = None
    environment: str | None = None
    provider: str | None = None
    hosts: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    created: float | None = None
    expires: float | None = None
    revoked: float | None = None
    """Since when it must not be used; 0 where only that is said."""
    decoy: bool = False

    def turns_at(self, now: float) -> float:
        """Return when next after ``now`` something of this entry begins to hold."""
        later = [at for at in (self.expires, self.revoked) if at is not None and at > now]
        return min(later, default=float("inf"))


def read_entry(where: str, fields: Mapping[str, object], is_raw: IsRaw) -> Entry:
    """Return the entry that ``fields`` make, those with unknown names left alone.

    Raises:
        InventoryError: it cannot be used, or would hold a raw key; begins with ``where``.

    """
    fingerprint = _fingerprint(where, fields)
    _refuse_raw_keys(where, fields, fingerprint, is_raw)
    entry = Entry(
        fingerprint=fingerprint,
        id=_text(where, fields, "id"),
        name=_text(where, fields, "name"),
        owner=_text(where, fields, "owner"),
        environment=_text(where, fields, "environment"),
        provider=_text(where, fields, "provider"),
        hosts=tuple(host.lower() for host in _texts(where, fields, "hosts")),
        scopes=_texts(where, fields, "scopes"),
        created=_moment(where, fields, "created"),
        expires=_moment(where, fields, "expires"),
        revoked=_revoked(where, fields),
        decoy=_flag(where, fields, "decoy"),
    )
    if entry.fingerprint is None and entry.id is None:
        raise InventoryError(f"{where}: neither 'fingerprint' nor 'id'")
    return entry


def _refuse_raw_keys(
    where: str, fields: Mapping[str, object], fingerprint: str | None, is_raw: IsRaw
) -> None:
    named = [name for name in fields if name.lower() in _RAW_FIELDS and fields[name]]
    held = [
        name
        for name, value in fields.items()
        if isinstance(value, str) and name != "fingerprint" and is_raw(value.strip(), fingerprint)
    ]
    for name in sorted(named)[:1]:
        raise InventoryError(f"{where}: {name!r} would hold a raw key{_HINT}")
    for name in sorted(held)[:1]:
        raise InventoryError(f"{where}: {name!r} holds a raw key{_HINT}")


_HINT = "\nhint: write the output of `keytrail fingerprint` as 'fingerprint'"


def _fingerprint(where: str, fields: Mapping[str, object]) -> str | None:
    value = fields.get("fingerprint")
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not semconv.FINGERPRINT.fullmatch(value.strip().lower()):
        raise InventoryError(
            f"{where}: 'fingerprint' is not 64 hex digits"
            "\nhint: `keytrail fingerprint` prints it; never write the key itself"
        )
    return value.strip().lower()


def _text(where: str, fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InventoryError(f"{where}: {name!r} is not a text")
    if len(value) > MAX_TEXT:
        raise InventoryError(f"{where}: {name!r} is longer than {MAX_TEXT} characters")
    return value.strip() or None


def _texts(where: str, fields: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = fields.get(name) or ()
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise InventoryError(f"{where}: {name!r} is not a list of texts")
    if len(value) > MAX_HOSTS:
        raise InventoryError(f"{where}: {name!r} has more than {MAX_HOSTS} texts")
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in value):
        raise InventoryError(
            f"{where}: {name!r} is not a list of texts of at most {MAX_TEXT} characters"
        )
    return tuple(text.strip() for text in value if text.strip())


def _revoked(where: str, fields: Mapping[str, object]) -> float | None:
    value = fields.get("revoked")
    if isinstance(value, bool) or str(value).lower() in _TRUE | _FALSE:
        return 0.0 if _flag(where, fields, "revoked") else None
    return _moment(where, fields, "revoked")


def _flag(where: str, fields: Mapping[str, object], name: str) -> bool:
    value = fields.get(name)
    if value is None or value == "" or str(value).lower() in _FALSE:
        return False
    if str(value).lower() in _TRUE:
        return True
    raise InventoryError(f"{where}: {name!r} is neither true nor false")


def _moment(where: str, fields: Mapping[str, object], name: str) -> float | None:
    """Return a date or time in Unix seconds; a date alone is its beginning, in UTC like all else.

    Other zones count where they are written.
    """
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        return _seconds(datetime.fromisoformat(_zoned(value)) if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        raise InventoryError(
            f"{where}: {name!r} is not a date or time\nhint: 2026-12-31 or 2026-12-31T23:59:59Z"
        ) from None


def _zoned(text: str) -> str:
    """Spell UTC as Python 3.10 reads it."""
    text = text.strip()
    return text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text


def _seconds(value: object) -> float:
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    else:
        raise ValueError("no date")  # noqa: TRY004 - told as one kind of problem
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
