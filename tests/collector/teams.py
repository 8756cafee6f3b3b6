"""Six teams' configurations, and keytrail's rendered for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keytrail.collector import rendering, yours
from keytrail.collector.fragment import as_text
from support.cases import PEPPER
from support.otelcol import Receiver
from support.services import free_port

# As the teams write. Each listens on PORT and sends to SINK.
PLAIN = """
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:${env:PORT}"}}}
exporters:
  otlp_http: {endpoint: "${env:SINK}", sending_queue: {enabled: false}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_http]}
"""
USUAL = """
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "127.0.0.1:${env:GRPC_PORT}"}
      http: {endpoint: "127.0.0.1:${env:PORT}"}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: 512}
  batch: {timeout: 100ms, send_batch_size: 512}
  attributes:
    actions: [{key: team, value: on, action: insert}]
exporters:
  otlphttp:
    endpoint: ${env:SINK}
    sending_queue: {enabled: false}
  debug: {verbosity: basic}
extensions:
  health_check: {endpoint: "127.0.0.1:${env:HEALTH_PORT}"}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, attributes, batch]
      exporters: [otlphttp, debug]
    logs:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [otlphttp]
    metrics:
      receivers: [otlp]
      exporters: [otlphttp]
"""
SAMPLING = """
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:${env:PORT}"}}}
processors:
  tail_sampling:
    decision_wait: 500ms
    policies:
      - {name: one in a hundred, type: probabilistic, probabilistic: {sampling_percentage: 100}}
  batch/late: {timeout: 100ms}
exporters:
  otlp_http/vendor: {endpoint: "${env:SINK}", headers: {x-vendor: "1e3"}}
  otlp_http/copy: {endpoint: "${env:SINK}/copy"}
service:
  pipelines:
    traces/all:
      receivers: [otlp]
      processors: [tail_sampling, batch/late]
      exporters: [otlp_http/vendor, otlp_http/copy]
"""
SEVERAL = """
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:${env:PORT}"}}}
  otlp/internal: {protocols: {http: {endpoint: "127.0.0.1:${env:PORT_2}"}}}
exporters:
  otlp_http: {endpoint: "${env:SINK}"}
  file/debug: {path: "${env:DIRECTORY}/debug.json"}
service:
  pipelines:
    traces/public: {receivers: [otlp], exporters: [otlp_http]}
    traces/internal: {receivers: [otlp/internal], exporters: [otlp_http]}
    traces/everything: {receivers: [otlp, otlp/internal], exporters: [file/debug]}
"""
CONNECTED = """
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:${env:PORT}"}}}
processors: {batch: {timeout: 100ms}}
connectors:
  span_metrics: {}
  routing:
    default_pipelines: [traces/rest]
    table: [{condition: 'attributes["service.name"] == "shop"', pipelines: [traces/shop]}]
exporters:
  otlp_http: {endpoint: "${env:SINK}"}
  debug: {}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [routing, span_metrics]}
    traces/shop: {receivers: [routing], processors: [batch], exporters: [otlp_http]}
    traces/rest: {receivers: [routing], exporters: [debug]}
    metrics: {receivers: [span_metrics], exporters: [debug]}
"""
FROM_ENVIRONMENT = """
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:${env:PORT}"}}}
processors: {batch: {timeout: 100ms}}
exporters:
  otlp_http: {endpoint: "${env:SINK}"}
extensions:
  health_check: {endpoint: "127.0.0.1:${env:HEALTH_PORT}"}
service:
  extensions: ${env:EXTENSIONS:-[health_check]}
  pipelines:
    traces:
      receivers: ${env:RECEIVERS:-[otlp]}
      processors: ${env:PROCESSORS:-[batch]}
      exporters: [otlp_http]
"""
ANCHORED = """
x-retry: &retry {retry_on_failure: {enabled: yes, max_interval: 5s}}
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:${env:PORT}"}}}
exporters:
  otlp_http:
    <<: *retry
    endpoint: ${env:SINK}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_http]}
"""
TEAMS = {
    "plain": PLAIN,
    "usual": USUAL,
    "sampling": SAMPLING,
    "several": SEVERAL,
    "connected": CONNECTED,
    "from the environment": FROM_ENVIRONMENT,
}
"""The teams whose files the Collector takes as they are."""


def settings(tmp_path: Path, sink: Receiver | None = None) -> dict[str, str]:
    ports = ("PORT", "GRPC_PORT", "HEALTH_PORT", "PORT_2")
    return {
        "SINK": sink.url if sink else "http://127.0.0.1:9",
        "DIRECTORY": str(tmp_path),
        "KEYTRAIL_DIR": str(tmp_path / "state"),
        "KEYTRAIL_PEPPER": PEPPER,
        **{name: str(free_port()) for name in ports},
    }


BUILT = ("otlp", "otlp-grpc", "jaeger", "tempo", "clickhouse", "kafka", "splunk")
"""The backends whose exporters our Collector has."""


def rendered(tmp_path: Path, team: str, mode: Any, *backends: str) -> list[Path]:
    base, ours = tmp_path / "yours.yaml", tmp_path / "keytrail.yaml"
    base.write_text(team)
    part = rendering.render(yours.read([base], {}), mode, backends or ["otlp"], environ={})
    ours.write_text(as_text(part))
    return [base, ours]
