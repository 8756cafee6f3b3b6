"""The fragments for backends: known keys, endless retry, a queue on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

BACKENDS = Path(__file__).parents[2] / "collector-config" / "backends"
HTTP = {"endpoint", "auth", "tls", "headers", "timeout", "compression"}
SCHEMAS: dict[str, set[str]] = {
    "elasticsearch": {
        *HTTP,
        *("endpoints", "cloudid", "api_key", "user", "password", "pipeline", "mapping", "retry"),
        *("traces_index", "traces_dynamic_index", "sending_queue", "flush", "discover"),
    },
    "opensearch": {
        *("http", "retry_on_failure", "mapping", "sending_queue", "dataset", "namespace"),
        *("bulk_action", "timeout"),
    },
}
"""What the exporters that cannot be built here have in their own configuration."""


def exporter(backend: str) -> dict[str, Any]:
    """Return the configuration of a backend's only exporter."""
    (config,) = yaml.safe_load((BACKENDS / f"{backend}.yaml").read_text())["exporters"].values()
    return dict(config)


@pytest.mark.parametrize("backend", SCHEMAS)
def test_untested_fragments_have_only_keys_of_their_schema(backend: str) -> None:
    """A fragment that no Collector here can check has only keys that its exporter knows."""
    assert set(exporter(backend)) <= SCHEMAS[backend]
    assert (BACKENDS / f"{backend}.yaml").read_text().startswith("# UNTESTED")


@pytest.mark.parametrize("backend", sorted(path.stem for path in BACKENDS.glob("*.yaml")))
def test_every_backend_queues_on_disk_and_retries_without_end(backend: str) -> None:
    """Whatever the backend, the queue is on disk, and retrying has no end."""
    config = exporter(backend)
    assert config["sending_queue"]["storage"] == "file_storage/keytrail"
    assert config["sending_queue"]["sizer"] == "items"
    if backend == "elasticsearch":
        assert config["retry"]["max_retries"] == 1_000_000
    else:
        assert config["retry_on_failure"]["max_elapsed_time"] == 0
