"""What redaction costs a span, beside what others pay for reading less of it.

``python -m benchmarks.redaction``: in every round every side redacts the same spans, which nobody
has seen before, in batches of 512 and of one, after other memory was touched as it is between two
exports.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from unittest import mock

from opentelemetry.sdk.trace import ReadableSpan

from benchmarks import machine
from benchmarks.redaction_corpus import KEYS, hostile, redactor, spans
from benchmarks.redaction_peers import Side, installed, side
from keytrail.redaction import shapes
from keytrail.redaction.redactor import Redactor

BATCHES = {512: 12, 1: 40}
"""Rounds by batch size."""
SHAPES = (25, 50, 100, 200, 326)
SIZES = (1, 2, 4, 8, 16, 32)
"""Kilobytes that a span's attribute has more."""
_PASSED_BEFORE = 4
"""Hostile texts of each kind that were redacted before: an automaton grows with what it reads."""
_OTHER_MEMORY = bytearray(16 * 1024 * 1024)
_OURS = "keytrail"
_SAME = "keytrail, same frames"


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, each a median."""

    batches: dict[str, dict[str, float]]
    """A span's, by batch size and side."""
    shapes: dict[str, float]
    """A span's, by number of shapes."""
    sizes: dict[str, float]
    """A span's, by kilobytes of one more attribute."""
    hostile: dict[str, float]
    """A whole text's of a million bytes, by what it is made of."""


def measure(effort: float) -> Figures:
    """Measure everything, with ``effort`` times the usual rounds."""

    def rounds(usual: int) -> int:
        return max(2, int(usual * effort))

    return Figures(
        {str(size): _batches(size, rounds(usual)) for size, usual in BATCHES.items()},
        {str(number): _with_shapes(number, rounds(6)) for number in SHAPES},
        {str(size): _with_size(size, rounds(6)) for size in SIZES},
        _hostile(rounds(8)),
    )


def _batches(size: int, rounds: int) -> dict[str, float]:
    names = (_OURS, _SAME, *installed())
    ours = {name: redactor() for name in (_OURS, _SAME)}
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(2 * rounds):
        for name in names if number % 2 else reversed(names):
            batch = spans(size, same_frames=name == _SAME, seed=number)
            prepare = _redacting(ours[name], batch) if name in ours else side(name, batch)
            found[name].append(_timed(prepare) / size)
    return {name: median(seconds) for name, seconds in found.items()}


def _redacting(ours: Redactor, batch: Sequence[ReadableSpan]) -> Callable[[], Side]:
    def run() -> None:
        ours.spans(batch)

    return lambda: run


def _timed(prepare: Callable[[], Side]) -> float:
    run = prepare()
    gc.disable()
    _OTHER_MEMORY[::64] = bytes(len(_OTHER_MEMORY) // 64)
    start = time.thread_time()
    run()
    seconds = time.thread_time() - start
    gc.enable()
    return seconds


def _with_shapes(number: int, rounds: int) -> float:
    listed = shapes.listed()[:number]
    with mock.patch.object(shapes, "listed", return_value=listed):
        ours = redactor()
    batch = spans(512, same_frames=False)
    return median(_timed(_redacting(ours, batch)) / len(batch) for _ in range(rounds))


def _with_size(kilobytes: int, rounds: int) -> float:
    ours = redactor()
    batch = spans(64, same_frames=False)
    for number, span in enumerate(batch):
        text = f"the warehouse of order {number} did not answer in time; " * (kilobytes * 20)
        span._attributes = {**(span.attributes or {}), "app.text": text[: kilobytes * 1024]}
    return median(_timed(_redacting(ours, batch)) / len(batch) for _ in range(rounds))


def _hostile(rounds: int) -> dict[str, float]:
    """Return the seconds that hostile texts take once others of their kind have passed."""
    ours = redactor()
    span = spans(1, same_frames=False)[0]
    found: dict[str, list[float]] = {}
    for seed in range(_PASSED_BEFORE + rounds):
        for name, text in hostile(seed=seed):
            span._attributes = {"app.text": text}
            seconds = _timed(_redacting(ours, [span]))
            if seed >= _PASSED_BEFORE:
                found.setdefault(name, []).append(seconds)
    return {name: median(seconds) for name, seconds in found.items()}


def shown(figures: Figures) -> str:
    """Return the figures as Markdown."""
    names = list(figures.batches["512"])
    lines = ["| µs of CPU a span | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [
        f"| batches of {size} | " + " | ".join(f"{found[name] * 1e6:.1f}" for name in names) + " |"
        for size, found in figures.batches.items()
    ]
    for title, found, unit, factor in (
        ("shapes", figures.shapes, "µs a span", 1e6),
        ("kilobytes more", figures.sizes, "µs a span", 1e6),
        ("a million bytes of", figures.hostile, "ms", 1e3),
    ):
        lines += ["", f"| {title} | {unit} |", "|---|--:|"]
        lines += [f"| {name} | {seconds * factor:.1f} |" for name, seconds in found.items()]
    packages = ("google-re2", "ahocorasick-rs", *installed())
    return "\n".join([*lines, "", f"{KEYS} keys known. {machine.describe(packages)}."])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redaction", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="show only that it runs")
    parser.add_argument("--json", action="store_true", help="print seconds for programs")
    options = parser.parse_args()
    figures = measure(0.05 if options.quick else 1)
    print(json.dumps(asdict(figures)) if options.json else shown(figures))


if __name__ == "__main__":
    main()
