"""A redactor that remembers K1, K2 and K3, and a tracer behind it."""

from __future__ import annotations

import pytest
from opentelemetry.trace import Tracer

from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from redaction.redaction_kit import RedactingExporter, provider_for, remember
from support.cases import K1, K2, K3


@pytest.fixture
def memory() -> KeyMemory:
    """A memory with the three keys of the cases in its ring."""
    memory = KeyMemory()
    remember(memory, K1, K2, K3)
    return memory


@pytest.fixture
def redactor(memory: KeyMemory) -> Redactor:
    """By the built-in names, and by the values of the memory."""
    return Redactor(SensitiveNames(), memory)


@pytest.fixture
def by_name() -> Redactor:
    """By the built-in names only: nothing is remembered."""
    return Redactor(SensitiveNames(), KeyMemory())


@pytest.fixture
def exporter(redactor: Redactor) -> RedactingExporter:
    """Serialises what the redactor lets pass."""
    return RedactingExporter(redactor)


@pytest.fixture
def tracer(exporter: RedactingExporter) -> Tracer:
    """A real tracer that ends at the redacting exporter."""
    return provider_for(exporter).get_tracer("shop")
