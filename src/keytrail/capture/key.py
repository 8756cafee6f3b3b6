"""The raw key as a type that cannot be shown."""

from __future__ import annotations

from typing import NoReturn


class RawKey:
    """The bytes of a key as they were on the wire; shown as stars, never formatted or pickled.

    Only :meth:`reveal` gives the bytes: to the fingerprint and to redaction's memory.
    """

    __slots__ = ("__value",)

    def __init__(self, value: bytes) -> None:
        self.__value = value

    def reveal(self) -> bytes:
        """Return the key's bytes; the result must not outlive the caller's frame."""
        return self.__value

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __len__(self) -> int:
        return len(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RawKey) and self.__value == other.__value

    def __hash__(self) -> int:
        return hash(self.__value)

    def __repr__(self) -> str:
        return "RawKey('**********')"

    __str__ = __repr__

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a raw key cannot be formatted")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a raw key cannot be pickled or copied")
