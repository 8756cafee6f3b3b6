"""The pages that the demo prints: the story of the leaked key, and what to ask next."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from keytrail.demo.story import Address, StolenCall, Theft, Use

_SHORT = 12
_NANOSECONDS = 1_000_000_000


def heading(text: str) -> Rule:
    """Return a rule with ``text`` at its left."""
    return Rule(Text(text, style="bold"), align="left", style="dim")


def opening(requests: int, uses: Sequence[Use]) -> RenderableType:
    """Return what has happened, in three sentences."""
    sampled = sum(use["sampled"] for use in uses)
    told = (
        f"{requests:,} requests went to two services, of which not one line was changed. The "
        f"journal has {len(uses):,} uses, those downstream included. Ordinary tracing, "
        f"which keeps 1 % of the traces here, has {sampled:,} of them."
    )
    return Group(heading("keytrail demo"), Padding(Text(told), 1, expand=False))


def closing(requests: int, uses: int, home: Path, theft: Theft) -> RenderableType:
    """Return what was checked and found right, and the commands to go on with."""
    checked = (
        f"{requests:,} requests sent, {requests:,} recorded: equal for every key and status",
        f"{uses - requests:,} uses downstream, as those requests must have caused: equal too",
        "no raw key, nor a part of one, in any file left behind or on this page",
    )
    commands = (
        f"uses --key {theft.key[:_SHORT]} --client {theft.new.client}",
        "uses --outcome denied --limit 20",
        "keys --finding key_in_url --format json",
    )
    return Group(
        heading("Checked"),
        *(Text.assemble((" ✓ ", "green"), sentence) for sentence in checked),
        Text(),
        heading("Go on asking"),
        *(Text(f" {command_name()} {command} --home {home}", "cyan") for command in commands),
    )


def command_name() -> str:
    """Return what a person types to run keytrail here."""
    if shutil.which("keytrail") == sys.argv[0]:
        return "keytrail"
    return os.path.relpath(sys.argv[0])


def story(theft: Theft) -> RenderableType:
    """Return the theft on one page: whose key, where from, and every call with its consequences."""
    return Group(
        Text(),
        heading("One of these keys was leaked"),
        Padding(_addresses(theft), (1, 0, 1, 1), expand=False),
        Text(f" Everything it did at {theft.new.client}, and what our own keys did for it:\n"),
        Padding(_calls(theft), (0, 0, 1, 1), expand=False),
        Text(f" {_sum(theft)}\n", style="bold"),
    )


def _addresses(theft: Theft) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("key", Text(theft.key[:_SHORT], "bold"), f"{theft.name}, {theft.owner}")
    for address in theft.usual:
        table.add_row("usual", address.client, _visits(address))
    new = Text(theft.new.client, "bold red")
    table.add_row(
        "new", new, Text(f"{_visits(theft.new)}, first {_clock(theft.new.first_use)} UTC", "red")
    )
    return table


def _visits(address: Address) -> str:
    return f"{address.uses} uses, {', '.join(address.user_agents)}"


def _calls(theft: Theft) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("time", "call", "status", "downstream, with our own key"):
        table.add_column(title, no_wrap=True)
    for call in theft.calls:
        use = call.use
        table.add_row(
            Text(_clock(use["time"]), "dim"),
            f"{use['method']} {use['path']}",
            _status(use),
            _downstream(call),
        )
    return table


def _downstream(call: StolenCall) -> Table:
    grid = Table.grid(padding=(0, 1))
    for use in call.downstream:
        branch = "└ " if use["service"] == call.use["service"] else "  └ "
        grid.add_row(
            Text.assemble(
                (branch, "dim"), use["service"], (" → ", "dim"), (use["key_name"], "cyan")
            ),
            f"{use['method']} {use['path']}",
            _status(use),
        )
    return grid


def _status(use: Use) -> Text:
    good = use["outcome"] == "success"
    return Text(str(use["status"]), style="green" if good else "yellow")


def _sum(theft: Theft) -> str:
    seconds = (theft.calls[-1].use["time"] - theft.calls[0].use["time"]) / _NANOSECONDS
    answered = sum(call.use["outcome"] == "success" for call in theft.calls)
    spent = Counter(use["key_name"] for call in theft.calls for use in call.downstream)
    ours = ", ".join(f"{name} {count}" for name, count in spent.most_common())
    return (
        f"{len(theft.calls)} calls in {seconds:.1f} s, {answered} of them answered. "
        f"With our own keys we made {spent.total()} more for them: {ours}."
    )


def _clock(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / _NANOSECONDS, timezone.utc)
    return moment.strftime("%H:%M:%S.%f")[:_SHORT]
