"""Query parameters that OpenTelemetry's declarative configuration calls sensitive."""

from __future__ import annotations

from pathlib import Path

import pytest

from keytrail import faults
from keytrail.otel.audit import Audit
from keytrail.otel.declared import sensitive_query_parameters
from keytrail.settings import Secret, Settings
from support.cases import PEPPER

CONFIGURATION = """
file_format: "1.0"
instrumentation/development:
  general:
    sanitization:
      url:
        sensitive_query_parameters: [shop_code, Zugang]
"""


def _audit(tmp_path: Path) -> Audit:
    return Audit(Settings(pepper=Secret(PEPPER), home=tmp_path))


def test_declared_parameters_are_redacted_beside_the_built_in_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The property adds names; keytrail's own, and their values by any case, stay redacted."""
    file = tmp_path / "otel.yaml"
    file.write_text(CONFIGURATION)
    monkeypatch.setenv("OTEL_CONFIG_FILE", str(file))
    audit = _audit(tmp_path)
    try:
        url = "http://h/p?shop_code=abc&zugang=x;page=2&api_key=y"
        assert audit.redactor.text(url) == (
            "http://h/p?shop_code=REDACTED&zugang=REDACTED;page=2&api_key=REDACTED"
        )
    finally:
        audit.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CONFIGURATION, ("shop_code", "Zugang")),
        ("instrumentation: {python: [{sensitive_query_parameters: [a]}]}", ("a",)),
        ("tracer_provider: {sensitive_query_parameters: [a]}", ()),
        ("instrumentation: {sensitive_query_parameters: a}", ()),
        ("instrumentation:", ()),
    ],
)
def test_where_the_property_may_stand(tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    """It counts anywhere under the instrumentation's part, and only as a list."""
    file = tmp_path / "otel.yaml"
    file.write_text(text)
    assert sensitive_query_parameters({"OTEL_CONFIG_FILE": str(file)}) == expected


@pytest.mark.parametrize("text", [None, "- a", "[", ""])
def test_unusable_file_is_a_counted_fault(tmp_path: Path, text: str | None) -> None:
    """A missing or broken file adds no names; the service starts."""
    faults.reraise = False
    file = tmp_path / "otel.yaml"
    if text is not None:
        file.write_text(text)
    before = faults.counts().get("declared", 0)
    assert sensitive_query_parameters({"OTEL_CONFIG_FILE": str(file)}) == ()
    assert faults.counts()["declared"] == before + 1
