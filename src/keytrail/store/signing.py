"""Message authentication codes under the pepper, which whoever edits a file does not have."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Signer:
    """The manifest keys of the current pepper and of those before."""

    __slots__ = ("__keys", "pepper_id")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """``keys`` by pepper id, the current one first; see ``Peppers.manifest_keys``."""
        self.__keys = dict(keys)
        self.pepper_id = next(iter(self.__keys))

    def sign(self, message: bytes) -> str:
        """Return the code of ``message`` under the current pepper, 64 hex digits."""
        return _code(self.__keys[self.pepper_id], message)

    def knows(self, pepper_id: str) -> bool:
        """Return whether what was signed under that pepper can be checked."""
        return pepper_id in self.__keys

    def is_signed(self, message: bytes, code: str, pepper_id: str) -> bool:
        """Return whether ``code`` is that of ``message`` under the pepper of that id."""
        key = self.__keys.get(pepper_id)
        return key is not None and hmac.compare_digest(_code(key, message), code)

    def tags(self, message: bytes) -> set[str]:
        """Return the first eight digits of the code of ``message`` under every pepper."""
        return {_code(key, message)[:8] for key in self.__keys.values()}

    def __repr__(self) -> str:
        return f"Signer(pepper_id={self.pepper_id!r})"


def _code(key: bytes, message: bytes) -> str:
    return hmac.new(key, message, sha256).hexdigest()
