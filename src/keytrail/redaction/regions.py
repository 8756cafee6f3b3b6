"""Stretches of a text that must not leave the process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from keytrail import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable

Rule = Literal["name", "value", "not_a_hash", "overflow", "fault"]
REDACTED: Final = semconv.REDACTED.encode()


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """Bytes from ``start`` up to ``end``, and why they must go."""

    start: int
    end: int
    rule: Rule = "name"
    fingerprints: tuple[str, ...] = ()


class Source(Protocol):
    """One way of telling what is secret in a text."""

    def hinted(self, data: bytes) -> bool:
        """Tell in one search whether ``data`` may hold a secret; never wrong when it says no."""
        ...

    def regions(self, data: bytes) -> Iterable[Region]:
        """Return where the secrets are, in any order."""
        ...


def merged(regions: Iterable[Region]) -> list[Region]:
    """Return the regions in order, those that overlap as one; a known value outranks a name."""
    found: list[Region] = []
    for region in sorted(regions):
        if found and region.start < found[-1].end:
            found[-1] = _joined(found[-1], region)
        else:
            found.append(region)
    return found


def _joined(one: Region, other: Region) -> Region:
    rule: Rule = "value" if "value" in (one.rule, other.rule) else one.rule
    fingerprints = tuple(dict.fromkeys(one.fingerprints + other.fingerprints))
    return Region(one.start, max(one.end, other.end), rule, fingerprints)


def replaced(data: bytes, regions: Iterable[Region]) -> bytes:
    """Return ``data`` with ``REDACTED`` where the ordered, separate ``regions`` were."""
    pieces: list[bytes] = []
    end = 0
    for region in regions:
        pieces += (data[end : region.start], REDACTED)
        end = region.end
    pieces.append(data[end:])
    return b"".join(pieces)
