"""What has left the journal: the record of segments that an endpoint took."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Delivered:
    """Uses that were delivered to one endpoint and are no longer in the journal."""

    endpoint: str
    uses: int
    first: int
    """Unix nanoseconds of the oldest use."""
    last: int
    """Unix nanoseconds of the newest use."""


def read(home: Path, since: int | None, until: int | None) -> list[Delivered]:
    """Return what each endpoint took of the time from ``since`` to ``until`` (Unix nanoseconds).

    A line that tells of uses before and after a bound counts whole. Broken lines are passed over.
    """
    totals: dict[str, Delivered] = {}
    for line in _lines(home / "delivered.ndjson"):
        if _overlaps(line, since, until):
            so_far = totals.get(line.endpoint, line)
            totals[line.endpoint] = Delivered(
                endpoint=line.endpoint,
                uses=line.uses + (so_far.uses if so_far is not line else 0),
                first=min(line.first, so_far.first),
                last=max(line.last, so_far.last),
            )
    return list(totals.values())


def _lines(path: Path) -> Iterator[Delivered]:
    try:
        with path.open("rb") as file:
            for text in file:
                if (line := _parsed(text)) is not None:
                    yield line
    except FileNotFoundError:
        return


def _parsed(text: bytes) -> Delivered | None:
    try:
        line: Any = json.loads(text)
        return Delivered(
            endpoint=str(line["endpoint"]),
            uses=int(line["uses"]),
            first=int(line["first"]),
            last=int(line["last"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _overlaps(line: Delivered, since: int | None, until: int | None) -> bool:
    return (since is None or line.last >= since) and (until is None or line.first <= until)
