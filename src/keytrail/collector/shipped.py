"""The generated files of ``collector-config``, for those who merge by hand.

    python -m keytrail.collector.shipped

writes them anew; a test compares.
"""

from __future__ import annotations

from keytrail.collector import files, loki, modes, picking, rendering
from keytrail.collector.backends import backends
from keytrail.collector.components import with_older_names
from keytrail.collector.fragment import Part, as_text, together
from keytrail.collector.modes import SIGNALS, Way

_RECEIVERS = "${env:KEYTRAIL_RECEIVERS:-[otlp]}"
_EXTENSIONS = "${env:KEYTRAIL_EXTENSIONS:-[file_storage/keytrail]}"
_BY_HAND = """
KEYTRAIL_RECEIVERS: the receivers of your pipeline, [otlp] if not set.
KEYTRAIL_EXTENSIONS: your list of extensions and file_storage/keytrail; this list replaces yours."""
_LOKI = (
    "Loki, beside another backend: every use as a log event, read from the journal.\n"
    "Generated: python -m keytrail.collector.shipped"
)
_GENERATED = "Generated: python -m keytrail.collector.shipped"


def texts() -> dict[str, str]:
    """Return the files by name."""
    parts = _parts()
    new = {f"{name}.yaml": as_text(part, heading) for name, (part, heading) in parts.items()}
    older = {
        f"older/{name}.yaml": as_text(with_older_names(part), heading)
        for name, (part, heading) in parts.items()
    }
    return new | older | {"backends/loki.yaml": as_text(loki.part(), _LOKI)}


def _parts() -> dict[str, tuple[Part, str]]:
    otlp = backends(["otlp"])
    delivered, exporters, headers = otlp.part, otlp.exporters, picking.HEADERS
    extensions = Part({"service": {"extensions": _EXTENSIONS}})
    only_traces = [Way("traces", _RECEIVERS, ["traces"])]
    everything = [Way(signal, _RECEIVERS, [signal]) for signal in SIGNALS]
    return {
        "standalone": (
            rendering.standalone(),
            f"A whole configuration: OTLP in, audit and ordinary telemetry out.\n{_GENERATED}\n"
            "    KEYTRAIL_PEPPER=… otelcol --config standalone.yaml",
        ),
        "beside": (
            together(modes.beside(_RECEIVERS, exporters, headers), delivered, extensions),
            f"The audit beside your pipelines, which stay as they are.\n{_GENERATED}{_BY_HAND}\n"
            "    otelcol --config yours.yaml --config beside.yaml",
        ),
        "in-front": (
            together(
                modes.in_front(only_traces, exporters, headers),
                delivered,
                extensions,
                _moved(only_traces),
            ),
            f"Audit and redaction in front of your pipeline traces.\n{_GENERATED}{_BY_HAND}\n"
            "    otelcol --config yours.yaml --config in-front.yaml",
        ),
        "in-front-all": (
            together(
                modes.in_front(everything, exporters, headers),
                delivered,
                extensions,
                _moved(everything),
            ),
            "Audit and redaction in front of your pipelines traces, logs and metrics.\n"
            f"{_GENERATED}{_BY_HAND}\n"
            "    otelcol --config yours.yaml --config in-front-all.yaml",
        ),
    }


def _moved(ways: list[Way]) -> Part:
    pipelines = {
        pipeline: {"receivers": [modes.to_pipeline(pipeline)]}
        for way in ways
        for pipeline in way.pipelines
    }
    return Part({"service": {"pipelines": pipelines}})


def main() -> None:
    """Write the files."""
    for name, text in texts().items():
        path = files.directory() / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
