"""What can be set, asked or read is documented, and nothing is that is not there."""

from __future__ import annotations

import re
import subprocess
import sys

from keytrail import semconv
from keytrail.capture.findings import GRAVITY
from keytrail.cli.app import app
from keytrail.journal.accounting import HINTS
from keytrail.journal.columns import COLUMNS
from keytrail.questions.keys import KEY_COLUMNS
from keytrail.settings import OTHER_VARIABLES, describe
from support.pages import PAGES, ROOT

ATTRIBUTES = (ROOT / "docs/attributes.md").read_text()
NAMES = {
    value
    for constant, value in vars(semconv).items()
    if constant.isupper() and str(value).startswith("keytrail.")
}


def _quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def test_generated_parts_are_what_the_code_says() -> None:
    """Settings, commands and options stand in the pages as the code has them."""
    checked = subprocess.run(
        [sys.executable, str(ROOT / "docs/generate.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_command_has_its_part() -> None:
    """``docs/cli.md`` has the generated part of every command, once."""
    page = (ROOT / "docs/cli.md").read_text()
    parts = re.findall(r"<!-- generated:([a-z-]+) -->", page)
    commands = [command.name or "" for command in app.registered_commands]
    grouped = [
        f"{group.name}-{command.callback.__name__}"
        for group in app.registered_groups
        if group.typer_instance is not None
        for command in group.typer_instance.registered_commands
        if command.callback is not None
    ]
    assert sorted(parts) == sorted([*commands, *grouped])


def test_every_attribute_and_metric_is_documented() -> None:
    """``docs/attributes.md`` has every name that keytrail writes."""
    assert _quoted(ATTRIBUTES) >= NAMES


def test_no_attribute_is_documented_that_does_not_exist() -> None:
    """Every ``keytrail.…`` name in a page is one that keytrail writes, or one of its modules."""
    modules = {
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        for path in (ROOT / "src/keytrail").rglob("*.py")
    }
    families = {"keytrail.key.", "keytrail.audit.", "keytrail."}
    named = {
        name
        for page in PAGES
        for name in _quoted(page.read_text())
        if re.fullmatch(r"keytrail\.[a-z_.]+", name)
    }
    known = NAMES | modules | {module.removesuffix(".__init__") for module in modules} | families
    assert named <= known


def test_every_column_is_documented() -> None:
    """``docs/attributes.md`` has every column of a use and of a key."""
    assert {*COLUMNS, *KEY_COLUMNS} <= _quoted(ATTRIBUTES)


def test_every_finding_is_documented() -> None:
    """``docs/attributes.md`` has every finding."""
    assert set(GRAVITY) <= _quoted(ATTRIBUTES)


def test_every_reason_for_a_lost_use_is_documented() -> None:
    """``docs/running.md`` says what each reason on ``keytrail.audit.dropped`` means."""
    assert set(HINTS) <= _quoted((ROOT / "docs/running.md").read_text())


def test_variables_that_pages_name_exist() -> None:
    """Every ``KEYTRAIL_*`` variable in a page is a setting."""
    settings = {variable for variable, _, _ in describe()} | OTHER_VARIABLES
    named = {
        name for page in PAGES for name in re.findall(r"KEYTRAIL_[A-Z_]*[A-Z]", page.read_text())
    }
    families = {"KEYTRAIL", "KEYTRAIL_OTLP"}
    assert named - families <= settings | _of_the_collector()


def _of_the_collector() -> set[str]:
    """Return the variables that the fragments for the Collector read."""
    files = (ROOT / "collector-config").rglob("*.yaml")
    return {
        name for file in files for name in re.findall(r"KEYTRAIL_[A-Z_]*[A-Z]", file.read_text())
    }
