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

from keytrail.demo.play import SAMPLED

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
    """Return what has happened, in two sentences."""
    sampled = sum(use["sampled"] for use in uses)
    told = (
        f"{requests:,} requests went to two services, of which not one line was changed. The "
        f"journal has {len(uses):,} uses, those downstream too; "
        f"tracing at {SAMPLED:.0%} kept {sampled:,}."
    )
    return Group(heading("keytrail demo"), Padding(Text(told), 1, expand=False))


def closing(requests: int, uses: int) -> RenderableType:
    """Return what was checked and found right."""
    checked = (
        f"{requests:,} requests sent, {requests:,} recorded: equal for every key and status",
        f"{uses - requests:,} uses downstream, as those requests must have caused: equal too",
        "no raw key, nor a part of one, in any file left behind or on this page",
    )
    return Group(
        heading("Checked"),
        *(Text.assemble((" ✓ ", "green"), sentence) for sentence in checked),
        Text(),
        heading("Go on asking"),
    )


def commands(home: Path, theft: Theft) -> list[Text]:
    """Return the commands to go on with; they must not be wrapped, since people copy them."""
    asking = (
        f"uses --key {theft.key[:_SHORT]} --client {theft.new.client}",
        "uses --outcome denied --limit 20",
        "keys --finding key_in_url --format json",
    )
    return [Text(f" {command_name()} {words} --home {home}", "cyan") for words in asking]


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
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("time", "call", "status", "with our own key", "what it caused", ""):
        table.add_column(title, no_wrap=True)
    for call in theft.calls:
        use = call.use
        cells = Text(_clock(use["time"]), "dim"), _call(use), _status(use)
        first, *others = call.downstream or (None,)
        table.add_row(*cells, *_downstream(first, call))
        for other in others:
            table.add_row("", "", "", *_downstream(other, call))
    return table


def _downstream(use: Use | None, cause: StolenCall) -> tuple[Text, ...]:
    if use is None:
        return ()
    branch = "└ " if use["service"] == cause.use["service"] else "  └ "
    key = Text.assemble((branch, "dim"), use["service"], (" → ", "dim"), (use["key_name"], "cyan"))
    return key, _call(use), _status(use)


def _call(use: Use) -> Text:
    return Text(f"{use['method']} {use['path']}")


def _status(use: Use) -> Text:
    good = use["outcome"] == "success"
    return Text(str(use["status"]), style="green" if good else "yellow")


def _sum(theft: Theft) -> str:
    seconds = (theft.calls[-1].use["time"] - theft.calls[0].use["time"]) / _NANOSECONDS
    answered = sum(call.use["outcome"] == "success" for call in theft.calls)
    spent = Counter(use["key_name"] for call in theft.calls for use in call.downstream)
    ours = ", ".join(f"{name} {count}" for name, count in spent.most_common())
    return (
        f"{len(theft.calls)} calls in {seconds:.1f} s, {answered} answered; "
        f"they cost us {spent.total()} of our own: {ours}."
    )


def _clock(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / _NANOSECONDS, timezone.utc)
    return moment.strftime("%H:%M:%S.%f")[:-3]
