"""Figures as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.keys import Asked
    from benchmarks.overhead import Result
    from benchmarks.pairs import Added, Comparison

GOALS: Final = {"recorded, with key": 0.10, "unsampled, no key": 0.04}
"""What may be added in the request's thread, by scenario."""
_WHOLE_PROCESS_GOAL: Final = 0.25


def of_overhead(results: Sequence[Result]) -> str:
    """Return every figure: a table of the request's thread, and one of the whole process."""
    thread = [(one, one.request_thread, GOALS.get(one.scenario)) for one in results]
    process = [(one, one.whole_process, _WHOLE_PROCESS_GOAL) for one in results]
    return "\n\n".join(
        [
            _table("request's thread", thread),
            _table("whole process", process),
            "µs of CPU a call: medians, and [quartiles] of the rounds.",
        ]
    )


def _table(part: str, rows: Sequence[tuple[Result, Comparison, float | None]]) -> str:
    lines = [
        f"| {part} | | stock | keytrail adds | | goal | a second stock adds |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for result, found, goal in rows:
        told = "" if goal is None else f"{goal:.0%}"
        lines.append(
            f"| {result.library} | {result.scenario} | {found.stock * 1e6:.0f} "
            f"| {_added(found.keytrail)} | {_share(found)} | {told} | {_added(found.twin)} |"
        )
    return "\n".join(lines)


def summary_of_overhead(results: Sequence[Result]) -> str:
    """Return one line a case: what keytrail adds to a call, in µs of CPU and per cent."""
    lines = [
        "| | | request's thread | | whole process | |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for result in results:
        thread, process = result.request_thread, result.whole_process
        lines.append(
            f"| {result.library} | {result.scenario} "
            f"| {thread.keytrail.median * 1e6:.0f} of {thread.stock * 1e6:.0f} | {_share(thread)} "
            f"| {process.keytrail.median * 1e6:.0f} of {process.stock * 1e6:.0f} "
            f"| {_share(process)} |"
        )
    return "\n".join(lines)


def of_keys(asked: Asked) -> str:
    """Return what ``keytrail keys`` took."""
    least, most = asked.least_and_most_seconds
    return "\n".join(
        [
            "| `keytrail keys` over | journal | median | least … most | CPU | peak memory |",
            "|--:|--:|--:|--:|--:|--:|",
            f"| {asked.uses:,} unsealed uses | {asked.journal_bytes / 1e6:,.0f} MB "
            f"| {asked.median_seconds:.2f} s | {least:.2f} … {most:.2f} s "
            f"| {asked.median_cpu_seconds:.2f} s | {asked.peak_bytes / 2**20:,.0f} MiB |",
        ]
    )


def _added(added: Added) -> str:
    middle, lower, upper = (seconds * 1e6 for seconds in (added.median, added.lower, added.upper))
    return f"{middle:.1f} [{lower:.1f} … {upper:.1f}]"


def _share(found: Comparison) -> str:
    return f"{found.keytrail.median / found.stock:.1%}"
