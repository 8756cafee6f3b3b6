"""Which fingerprints a person means: a whole one, its first digits, or a public key id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from keytrail.questions.errors import QuestionError
from keytrail.store.moments import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keytrail.sources.source import Identity, Source

_START: Final = re.compile(r"[0-9a-f]{8,64}", re.IGNORECASE)
_WHOLE: Final = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_SHOWN: Final = 16
_MOST_PEPPERS: Final = 8


class Meant(NamedTuple):
    """The fingerprints of a key, and whether any of them was seen."""

    keys: tuple[str, ...]
    seen: bool


def whose(source: Source, key: str | Sequence[str]) -> Meant:
    """Return every fingerprint of the key that is meant, those under earlier peppers included.

    ``key`` is a fingerprint, its first eight or more digits, or a public id; or several
    fingerprints that one key may have. What was not seen is meant only where it is a whole
    fingerprint, and none of the others was seen.

    Raises:
        QuestionError: the digits are the beginning of several keys' fingerprints, or none.
    """
    if isinstance(key, str):
        if not key.strip():
            raise QuestionError("--key: this is empty\nhint: give a fingerprint or a public id")
        family = _named(source, key)
        return Meant(
            (key.lower(),) if not family and _WHOLE.fullmatch(key) else family, bool(family)
        )
    all_meant = [whose(source, one) for one in key]
    seen = [meant for meant in all_meant if meant.seen]
    keys = dict.fromkeys(found for meant in seen or all_meant for found in meant.keys)
    return Meant(tuple(keys), bool(seen))


def _named(source: Source, key: str) -> tuple[str, ...]:
    found = source.identities(key)
    if not _START.fullmatch(key):
        return _family(source, [identity for identity in found if identity.key_id == key], key)
    return _family(source, _only(found, key), key)


def _family(source: Source, found: Sequence[Identity], asked: str) -> tuple[str, ...]:
    """Follow each fingerprint through the rotations of the pepper, back and on.

    What ``asked`` begins was looked for already, with all that names it as the one before.
    """
    family: dict[str, None] = {}
    for _ in range(_MOST_PEPPERS):
        named = [name for one in found for name in (one.key, one.previous) if name]
        others = [name for name in dict.fromkeys(named) if name not in family]
        family.update(dict.fromkeys(others))
        unasked = [name for name in others if not name.startswith(asked.lower())]
        if not unasked:
            break
        found = [identity for name in unasked for identity in source.identities(name)]
    return tuple(family)


def _only(found: Sequence[Identity], text: str) -> Sequence[Identity]:
    """Return those of the one key that ``text`` may mean; a public id may have several."""
    by_id = [identity for identity in found if identity.key_id == text]
    keys = _apart(found)
    if len(keys) > 1 and not by_id:
        candidates = "".join(f"\n  {_shown(key[0])}" for key in keys)
        raise QuestionError(
            f"--key: {len(keys)} keys have fingerprints that begin with these digits{candidates}"
            "\nhint: give more digits"
        )
    return by_id or found


def _apart(found: Sequence[Identity]) -> list[list[Identity]]:
    """Put together what is one key: its fingerprints under one pepper and the one before."""
    keys: list[tuple[set[str], list[Identity]]] = []
    for identity in found:
        names = {identity.key} | ({identity.previous} if identity.previous else set())
        members = [identity]
        for key in [key for key in keys if key[0] & names]:
            keys.remove(key)
            names |= key[0]
            members = [*key[1], *members]
        keys.append((names, members))
    return [members for _, members in keys]


def _shown(identity: Identity) -> str:
    names = (identity.key_id, identity.key_name, identity.owner)
    last = "" if identity.last_use is None else f"last used {seconds(identity.last_use)} UTC"
    return " ".join([identity.key[:_SHOWN], *(name for name in names if name), last]).strip()
