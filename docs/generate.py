"""Writes the parts of these pages that are read from the code: settings, commands and options.

``python docs/generate.py`` rewrites them; with ``--check`` it changes nothing and exits 1, naming
the pages, where they are not what the code says. A generated part stands between
``<!-- generated:<name> -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args, get_type_hints

from typer.models import CommandInfo, OptionInfo, ParameterInfo

from keytrail.cli.app import app
from keytrail.settings import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typer import Typer

DOCS = Path(__file__).parent
PAGES = (DOCS / "settings.md", DOCS / "cli.md")

_PART = re.compile(r"(<!-- generated:([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(page: Path) -> str:
    """Return ``page`` as it should be."""
    parts = generated_parts()
    return _PART.sub(
        lambda part: f"{part[1]}\n{parts[part[2]].strip()}\n\n{part[3]}", page.read_text()
    )


def generated_parts() -> dict[str, str]:
    """Return every part by its name: ``settings``, and each command's."""
    return {"settings": _table(("variable", "default", "meaning"), _settings())} | {
        name.replace(" ", "-"): _command(name, command) for name, command in commands(app)
    }


def commands(of: Typer, group: str = "") -> Iterator[tuple[str, CommandInfo]]:
    """Yield every command by what is typed for it, those of groups with the group's name."""
    for command in of.registered_commands:
        callback: Callable[..., object] = command.callback or app
        yield group + (command.name or callback.__name__.replace("_", "-")), command
    for one in of.registered_groups:
        if one.typer_instance is not None and one.name:
            yield from commands(one.typer_instance, f"{group}{one.name} ")


def _settings() -> Iterator[tuple[str, str, str]]:
    for variable, default, meaning in describe():
        yield f"`{variable}`", f"`{default}`" if default else "", meaning


def _command(name: str, command: CommandInfo) -> str:
    callback: Callable[..., object] = command.callback or app
    parameters = list(_parameters(callback))
    options = [parameter for parameter in parameters if isinstance(parameter.info, OptionInfo)]
    usage = [parameter.info.metavar or "" for parameter in parameters if parameter not in options]
    table = _table(("option", "default", "meaning"), [_row(option) for option in options])
    line = " ".join([name, *(["[OPTIONS]"] if options else []), *usage])
    return f"```\nkeytrail {line}\n```\n\n{inspect.getdoc(callback)}\n\n{table if options else ''}"


class _Parameter(NamedTuple):
    name: str
    type: object
    info: ParameterInfo
    default: object


def _parameters(callback: Callable[..., object]) -> Iterator[_Parameter]:
    hints = get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        hint = _annotated(hints[name])
        for info in getattr(hint, "__metadata__", ()):
            yield _Parameter(name, get_args(hint)[0], info, parameter.default)


def _annotated(hint: object) -> object:
    """Undo what Python 3.10 makes of a default of ``None``: an ``Optional`` around the hint."""
    inner = [part for part in get_args(hint) if hasattr(part, "__metadata__")]
    return hint if hasattr(hint, "__metadata__") or not inner else inner[0]


def _row(option: _Parameter) -> tuple[str, str, str]:
    given = getattr(option.info, "default", None)
    first = (given,) if isinstance(given, str) and given.startswith("-") else ()
    names = (*first, *(option.info.param_decls or ())) or (f"--{option.name.replace('_', '-')}",)
    spelled = ", ".join(f"`{name}`" for name in names)
    taken = "" if option.type is bool else f" `{_taken(option)}`"
    return spelled + taken, _default(option), option.info.help or ""


def _default(option: _Parameter) -> str:
    if option.default is inspect.Parameter.empty:
        return "required"
    if isinstance(option.default, list):
        return " ".join(f"`{one}`" for one in option.default)
    return "" if option.default in (None, False) else f"`{option.default}`"


def _taken(option: _Parameter) -> str:
    if option.info.metavar:
        return option.info.metavar
    choices = get_args(option.type)
    if choices and get_args(choices[0]):  # a Literal, or None
        choices = get_args(choices[0])
    if all(isinstance(choice, str) for choice in choices) and choices:
        return "|".join(choices)
    kind = choices[0] if choices else option.type
    return str(getattr(kind, "__name__", kind)).upper()


def _table(header: Sequence[str], rows: Sequence[Sequence[str]] | Iterator[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    escaped = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def main() -> None:
    """Rewrite the pages, or check them."""
    stale = [page for page in PAGES if render(page) != page.read_text()]
    if "--check" not in sys.argv:
        for page in stale:
            page.write_text(render(page))
    elif stale:
        sys.exit(
            f"not what the code says: {', '.join(page.name for page in stale)}\n"
            "hint: python docs/generate.py"
        )


if __name__ == "__main__":
    main()
