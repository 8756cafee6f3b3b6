"""What OpenTelemetry's declarative configuration file says about redaction."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from keytrail import faults

_FILE: Final = "OTEL_CONFIG_FILE"
_PROPERTY: Final = "sensitive_query_parameters"


@faults.guarded("declared", ())
def sensitive_query_parameters(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the names under ``instrumentation/development`` in the file that the SDK reads.

    They count beside keytrail's own names. A file that cannot be read is a counted fault: the SDK,
    which needs it more, says what is wrong with it.
    """
    path = environ.get(_FILE)
    if not path:
        return ()
    import yaml  # what reads the file for the SDK brings it

    read = yaml.safe_load(Path(path).read_text("utf-8"))
    sections = [value for name, value in read.items() if str(name).startswith("instrumentation")]
    return tuple(dict.fromkeys(_listed(sections)))


def _listed(node: Any) -> Iterator[str]:
    """Yield the names that the property lists, wherever a version of the schema has it."""
    if isinstance(node, Mapping):
        names = node.get(_PROPERTY)
        yield from [str(name) for name in names] if isinstance(names, list) else []
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from _listed(inner)
