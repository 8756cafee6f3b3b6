"""Fixtures of the tests that start real, unmodified services under auto-instrumentation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.sink import Sink, otlp_sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    """An OTLP receiver that takes the ordinary pipeline's spans."""
    with otlp_sink() as sink:
        yield sink


@pytest.fixture
def second_sink() -> Iterator[Sink]:
    """Another OTLP receiver, for delivery."""
    with otlp_sink() as sink:
        yield sink
