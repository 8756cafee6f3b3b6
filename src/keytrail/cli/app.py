"""The commands put together, and the one place where their errors become messages."""

from __future__ import annotations

import sys

import typer

from keytrail.cli import (
    asking,
    collector,
    demo,
    doctor,
    erasing,
    exporting,
    fingerprinting,
    importing,
    redacting,
    running,
    sealing,
    sql,
)
from keytrail.cli.errors import CommandError
from keytrail.cli.unrepeated import UnrepeatingGroup

_ARGUMENTS_AS_THEY_ARE = {"ignore_unknown_options": True, "allow_interspersed_args": False}
_ARGUMENTS_UNSEEN = {"ignore_unknown_options": True, "allow_extra_args": True}
"""A key that is given as an argument by mistake must not be shown by the parser's message."""

app = typer.Typer(
    name="keytrail",
    cls=UnrepeatingGroup,
    help="Who used which API key, when, from where, on what, with what result.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("keys")(asking.keys)
app.command("uses")(asking.uses)
app.command("usage")(asking.usage)
app.command("unused")(asking.unused)
app.command("leak", context_settings=_ARGUMENTS_UNSEEN)(asking.leak)
app.command("flow")(asking.flow)
app.command("compare")(asking.compare)
app.command("seal")(sealing.seal)
app.command("verify")(sealing.verify)
app.command("erase")(erasing.erase)
app.command("sql")(sql.sql)
app.command("import")(importing.import_)
app.command("export")(exporting.export)
app.command("run", context_settings=_ARGUMENTS_AS_THEY_ARE)(running.run)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.command("fingerprint", context_settings=_ARGUMENTS_UNSEEN)(fingerprinting.fingerprint)
app.command("redact", context_settings=_ARGUMENTS_UNSEEN)(redacting.redact)
app.add_typer(collector.app, name="collector")


def run() -> None:
    """Run the command that the arguments name, and exit."""
    try:
        app()
    except CommandError as error:
        sys.stderr.write(f"keytrail: {error}\n")
        sys.exit(error.code)
