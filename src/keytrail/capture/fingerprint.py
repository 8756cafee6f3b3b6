"""HMAC-SHA256 of a key under a pepper: the one name that a key has outside a request."""

from __future__ import annotations

import hmac
from hashlib import sha256, sha512
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keytrail.settings import Secret

_ID_TEXT = b"keytrail pepper id"
_ID_DIGITS = 8
_MANIFEST_TEXT = b"keytrail manifest"


class Peppers:
    """The current pepper and those it replaced, ready to fingerprint.

    The HMAC key is the ASCII bytes of a pepper's text, as the Collector takes it from its
    environment; nothing is decoded.
    """

    __slots__ = ("__manifest_keys", "__states", "id")

    id: str
    """First eight hex digits of ``HMAC(pepper, "keytrail pepper id")``, of the current pepper."""

    def __init__(self, current: Secret, previous: tuple[Secret, ...] = ()) -> None:
        self.__states = tuple(
            hmac.new(pepper.reveal().encode("ascii"), digestmod=sha256)
            for pepper in (current, *previous)
        )
        self.__manifest_keys = tuple(
            hmac.digest(pepper.reveal().encode("ascii"), _MANIFEST_TEXT, sha512)
            for pepper in (current, *previous)
        )
        self.id = self.fingerprint(_ID_TEXT)[:_ID_DIGITS]

    def fingerprint(self, key: bytes) -> str:
        """Return the 64 lower-case hex digits that stand for ``key``.

        Raises:
            ValueError: ``key`` is empty; what has no key must have no fingerprint.

        """
        return _hexdigest(self.__states[0], key)

    def previous(self, key: bytes) -> str | None:
        """Return the fingerprint under the pepper before the current one, if there was one."""
        return _hexdigest(self.__states[1], key) if len(self.__states) > 1 else None

    def all(self, key: bytes) -> list[str]:
        """Return the fingerprints under every pepper, the current one's first."""
        return [_hexdigest(state, key) for state in self.__states]

    def manifest_keys(self) -> dict[str, bytes]:
        """Return the store's signing key of every pepper by the pepper's id, the current one first.

        They come from SHA-512: a caller may present "keytrail manifest" as its key, and read its
        fingerprint in the journal.
        """
        ids = (text[:_ID_DIGITS] for text in self.all(_ID_TEXT))
        return dict(zip(ids, self.__manifest_keys, strict=True))

    def __repr__(self) -> str:
        return f"Peppers(id={self.id!r})"


def _hexdigest(state: hmac.HMAC, key: bytes) -> str:
    if not key:
        raise ValueError("an empty key has no fingerprint")
    keyed = state.copy()
    keyed.update(key)
    return keyed.hexdigest()
