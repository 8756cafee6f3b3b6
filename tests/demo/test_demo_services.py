"""The example services are what they seem to be, and start and stop as the demo says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from keytrail.demo.errors import DemoError
from keytrail.demo.services import Service, examples, running

if TYPE_CHECKING:
    from pathlib import Path


def test_the_examples_know_nothing_of_us() -> None:
    """Not one line of them names OpenTelemetry or keytrail."""
    sources = {path.name: path.read_text() for path in examples().glob("*.py")}
    assert sorted(sources) == ["orders.py", "paid_api.py", "warehouse.py"]
    for source in sources.values():
        assert "opentelemetry" not in source.lower()
        assert "keytrail" not in source.lower()


def test_a_service_that_ends_at_once_is_shown_with_its_last_words(tmp_path: Path) -> None:
    """The message has the exit code, the path of the log and its end."""
    broken = Service("orders", (sys.executable, "-c", "raise SystemExit('no stock')"), {}, 9)
    with pytest.raises(DemoError) as caught, running((broken,), tmp_path):
        pytest.fail("a broken service was taken for a running one")
    assert str(caught.value) == (
        f"orders ended with code 1\nhint: see {tmp_path / 'orders.log'}\n  no stock"
    )
