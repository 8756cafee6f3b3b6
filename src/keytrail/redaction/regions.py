"""Stretches of a text that must not leave the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from keytrail import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable

Rule = Literal["name", "shape", "value", "not_a_hash", "overflow", "fault"]
_TELLING: Final[tuple[Rule, ...]] = ("name", "shape", "value")
REDACTED: Final = semconv.REDACTED.encode()
MOST_IN_ONE_TEXT: Final = 128
"""So many secrets are cut out of a text one by one; then all the rest of it goes. It bounds what a
caller can make redaction work."""
LONG_TEXT: Final = 64 * 1024
"""Bytes from which on a text is read so that no content makes it dearer than its length."""

MOST_TOGETHER: Final = 4 * LONG_TEXT
"""Bytes of many texts that are searched at once."""


class Region(NamedTuple):
    """Bytes from ``start`` up to ``end``, and why they must go."""

    start: int
    end: int
    rule: Rule = "name"
    fingerprints: tuple[str, ...] = ()


def merged(regions: Iterable[Region]) -> list[Region]:
    """Return the regions in order, those that overlap as one.

    Of two rules the one that says more about the value counts.
    """
    found: list[Region] = []
    for region in sorted(regions):
        if found and region.start < found[-1].end:
            found[-1] = _joined(found[-1], region)
        else:
            found.append(region)
    return found


def _joined(one: Region, other: Region) -> Region:
    rule = max(one.rule, other.rule, key=_TELLING.index)
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
