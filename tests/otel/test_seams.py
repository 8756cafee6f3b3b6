"""The private names that keytrail relies on, on the installed versions."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from opentelemetry import propagate
from opentelemetry.sdk.trace import SpanProcessor

from keytrail.seams import SEAMS


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.name)
def test_every_seam_holds(seam: object) -> None:
    """Each private name is there; CI runs this on the oldest and the newest supported versions."""
    assert seam.check() is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("owner", "name", "lost", "package"),
    [
        (propagate, "get_global_textmap", "incoming requests are not seen", "opentelemetry-api"),
        (
            SpanProcessor,
            "_on_ending",
            "outcomes are missing on ordinary spans",
            "opentelemetry-sdk",
        ),
    ],
)
def test_a_seam_that_is_gone_says_what_is_lost(
    owner: object, name: str, lost: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the loss, the release that moved it and the error that told it."""
    monkeypatch.delattr(owner, name)
    told = [message for seam in SEAMS if (message := seam.check()) is not None]
    assert told == [f"{lost} with {package} {version(package)} (AttributeError)"]
