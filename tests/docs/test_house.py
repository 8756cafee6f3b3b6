"""The directions of the imports: who may know whom."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pages import ROOT, blocks

PACKAGE = ROOT / "src/keytrail"
SECOND_HALF = ("store", "sources", "questions", "report", "cli", "demo")
FIRST_HALF = ("capture", "redaction", "journal", "otel")
DOOR = ("settings", "semconv", "faults", "native", "toml_file")
MAY_IMPORT = {
    "capture": ("capture", *DOOR),
    "redaction": ("redaction", "capture", *DOOR),
    "journal": ("journal", *DOOR),
    "otel": ("otel", "capture", "redaction", "journal", *DOOR),
    "store": ("store", "journal", "semconv"),
    "sources": ("sources", "store", "journal", *DOOR),
    "questions": ("questions", "sources", "store", "capture", "semconv", "toml_file"),
    "report": ("report", "questions", "sources", "store", "semconv"),
}
"""Room → the rooms that it may import from; what is not named here may import what it likes."""


def _modules(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def _imported(module: Path) -> Iterator[str]:
    """Yield the rooms of keytrail that a module imports from, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module_name = node.module or ""
            names = [f"{module_name}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("keytrail."):
                yield name.split(".")[1]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str) -> None:
    """A room imports only from the rooms that it may know."""
    wrong = {
        f"{module.relative_to(PACKAGE)} imports {found}"
        for module in _modules(room)
        for found in _imported(module)
        if found not in MAY_IMPORT[room]
    }
    assert wrong == set()


def test_a_service_knows_nothing_of_the_second_half() -> None:
    """Nothing that runs in a service imports from the half that answers questions."""
    modules = [*PACKAGE.glob("*.py"), *(path for room in FIRST_HALF for path in _modules(room))]
    wrong = {
        f"{module.relative_to(PACKAGE)} imports {found}"
        for module in modules
        if module.name != "__main__.py"
        for found in _imported(module)
        if found in SECOND_HALF
    }
    assert wrong == set()


def test_adapters_know_only_what_they_fill() -> None:
    """An adapter imports from ``capture``, and locks: it turns a carrier into a view."""
    found = {room for module in _modules("capture/adapters") for room in _imported(module)}
    assert found <= {"capture", "native"}


def test_a_service_loads_no_library_of_the_command_line() -> None:
    """Activating keytrail loads neither DuckDB nor Typer, Rich or Jinja."""
    heavy = ("duckdb", "typer", "rich", "jinja2")
    ran = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-c",
            "import keytrail; keytrail.instrument(); keytrail.uninstrument()",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in ran.stderr.splitlines()}
    assert "keytrail" in loaded
    assert loaded.isdisjoint(heavy)


def test_the_plan_of_the_house_has_every_room() -> None:
    """``docs/architecture.md`` names every module and folder of the package, and no other."""
    (plan,) = [
        block.text
        for block in blocks(ROOT / "docs/architecture.md", "")
        if block.text.startswith("src/keytrail/")
    ]
    rooms = {
        path.name + ("/" if path.is_dir() else "")
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert set(re.findall(r"^  (\w+(?:\.py|/))", plan, re.MULTILINE)) == rooms
