"""``make jaeger-demo``: the demo's services, a Collector, a real Jaeger, and the searches there."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from keytrail import semconv
from keytrail.capture.pepper import load_peppers
from keytrail.demo import check
from keytrail.demo.cast import assemble
from keytrail.demo.errors import DemoError
from keytrail.demo.jaeger_api import HASH, Jaeger
from keytrail.demo.jaeger_stack import stack
from keytrail.demo.play import perform
from keytrail.demo.stage import Stage
from keytrail.settings import Settings

if TYPE_CHECKING:
    from collections import Counter

    from keytrail.demo.check import Counted

_PATIENCE: Final = 180.0


def run(directory: Path, requests: int, keep: bool, talk: Console, page: Console) -> list[str]:
    """Play, wait until Jaeger has it all, print the searches; return what is wrong, if anything.

    Raises:
        DemoError: a program is missing, or did not start or answer.

    """
    stage, cast = Stage(directory), assemble()
    stage.clear()
    peppers = load_peppers(Settings(home=stage.home)).peppers
    stage.write_inventory(cast, lambda key: peppers.fingerprint(key.reveal().encode()))
    pepper = (stage.home / "pepper").read_text().strip()
    with stack(stage, pepper) as (jaeger, endpoint):
        delivering = {"KEYTRAIL_OTLP_ENDPOINT": endpoint, "KEYTRAIL_SHUTDOWN_TIMEOUT": "15"}
        answers = perform(stage, cast, requests, talk, delivering)
        expected = check.expected_uses(
            answers, cast, lambda key: peppers.fingerprint(key.reveal().encode())
        )
        recorded = _awaited(jaeger, expected)
        wrong = [
            f"{use.service}, {use.direction}, key {str(use.key)[:12]}, status {use.status}: "
            f"{recorded[use]} in Jaeger, {expected[use]} sent"
            for use in sorted(expected | recorded, key=str)
            if expected[use] != recorded[use]
        ]
        if not wrong:
            page.print(f"{expected.total()} uses in Jaeger, equal for every key and status.")
            _print(page, jaeger, peppers.fingerprint(cast.leaked.key.reveal().encode()))
        if keep and not wrong:
            talk.print("Jaeger runs until you press Ctrl-C")
            _until_interrupted()
    return wrong


def _awaited(jaeger: Jaeger, expected: Counter[Counted]) -> Counter[Counted]:
    """Return the uses that Jaeger has, once they are as many as were sent, or after minutes."""
    deadline = time.monotonic() + _PATIENCE
    while (
        found := jaeger.uses(semconv.SCHEMA_VERSION, semconv.SCHEMA)
    ).total() < expected.total() and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def _print(page: Console, jaeger: Jaeger, leaked: str) -> None:
    recorded = jaeger.uses(HASH, leaked)
    table = Table("service", "direction", "status", "uses", box=None)
    for use, count in sorted(recorded.items(), key=str):
        table.add_row(use.service, use.direction, str(use.status), str(count))
    page.print(f"\nThose of the leaked key {leaked[:12]}:\n")
    page.print(table)
    page.print("\nIn Jaeger's search page choose the service, and type into Tags:\n")
    page.print(f"  {HASH}={leaked}\n", soft_wrap=True)
    page.print("The search, filled in (a Jaeger with a page shows it; ours has the API only):\n")
    for service in sorted({use.service for use in recorded}):
        query = jaeger.search(service, HASH, leaked)
        page.print(f"  {jaeger.url}/search?{query}", soft_wrap=True, markup=False)
        page.print(f"  curl '{jaeger.url}/api/traces?{query}'\n", soft_wrap=True, markup=False)


def _until_interrupted() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass


def main() -> None:
    """Run the demo; exit 1 where Jaeger has not exactly what was sent."""
    parser = argparse.ArgumentParser(prog="make jaeger-demo", description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path(".demo-jaeger"))
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--keep", action="store_true", help="leave Jaeger running until Ctrl-C")
    options = parser.parse_args()
    page, talk = Console(highlight=False), Console(stderr=True, highlight=False)
    try:
        wrong = run(options.dir, options.requests, options.keep, talk, page)
    except DemoError as error:
        wrong = [str(error)]
    if wrong:
        sys.stderr.write("keytrail: " + "\n".join(wrong) + "\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
