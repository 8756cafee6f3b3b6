"""Audit spans reach the audit whole, and the team's pipeline what it got before."""

from __future__ import annotations

from pathlib import Path

from keytrail.collector import rendering, yours
from keytrail.collector.fragment import as_text
from support.otelcol import collector, eventually, post, receiver, span, traces
from support.services import free_port

SAMPLED_AT_ONE_PERCENT = """
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:${env:PORT}"}}}
processors:
  tail_sampling:
    decision_wait: 1s
    policies:
      - {name: some, type: probabilistic, probabilistic: {sampling_percentage: 1}}
  batch: {timeout: 100ms}
exporters:
  otlp_http: {endpoint: "${env:SINK}"}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [tail_sampling, batch], exporters: [otlp_http]}
"""
COUNT = 6000


def test_every_audit_span_passes_a_sampler_of_one_percent(tmp_path: Path) -> None:
    """With a tail sampler at 1 % the audit gets all of its spans, the team its own 1 %."""
    base, ours = tmp_path / "yours.yaml", tmp_path / "keytrail.yaml"
    base.write_text(SAMPLED_AT_ONE_PERCENT)
    ours.write_text(as_text(rendering.render(yours.read([base], {}), "in-front", environ={})))
    alone, beside = sampled(tmp_path / "alone", [base]), sampled(tmp_path / "both", [base, ours])
    of_audit = {f"{number:016x}" for number in range(1, COUNT + 1) if kind(number) != "ordinary"}
    assert beside.audit == sorted(of_audit)
    unsampled = {f"{number:016x}" for number in range(1, COUNT + 1) if kind(number) == "audit only"}
    assert beside.ordinary == [one for one in alone.ordinary if one not in unsampled]
    assert 0 < len(beside.ordinary) < COUNT // 20


def kind(number: int) -> str:
    return ("audit only", "audit and ordinary", "ordinary", "ordinary")[number % 4]


def attributes(number: int) -> dict[str, object]:
    if kind(number) == "ordinary":
        return {"url.path": "/"}
    sampled = kind(number) == "audit and ordinary"
    return {"keytrail.schema_version": "1.0", "keytrail.sampled": sampled}


class Arrived:
    """The span ids that a team's destination and the audit's got, sorted."""

    def __init__(self, ordinary: list[str], audit: list[str]) -> None:
        self.ordinary, self.audit = sorted(ordinary), sorted(audit)


def sampled(directory: Path, configs: list[Path]) -> Arrived:
    """Send the same spans through a Collector; wait until nothing more arrives."""
    directory.mkdir()
    with (
        receiver() as sink,
        receiver() as audit,
        collector(
            directory,
            configs,
            PORT=str(free_port()),
            SINK=sink.url,
            KEYTRAIL_AUDIT_ENDPOINT=audit.url,
        ) as running,
    ):
        for start in range(1, COUNT + 1, 200):
            spans = (span(number, attributes(number)) for number in range(start, start + 200))
            assert post(running.port, "/v1/traces", traces(*spans)) == 200
        if len(configs) > 1:
            eventually(lambda: len(audit.spans()) >= COUNT // 2)
        last = traces(span(COUNT * 2))
        eventually(lambda: bool(sink.spans()))
        assert post(running.port, "/v1/traces", last) == 200
        running.process.terminate()
        running.process.wait(20)  # the sampler decides on what it holds, the batch goes out
        return Arrived(
            [one for one in sink.span_ids() if int(one, 16) <= COUNT],
            audit.span_ids(),
        )
