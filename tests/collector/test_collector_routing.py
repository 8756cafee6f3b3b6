"""Audit spans reach the audit whole, and the team's pipeline what it got before."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
import requests

from keytrail.collector import rendering, yours
from keytrail.collector.fragment import as_text
from support.cases import K1
from support.launch import service
from support.otelcol import collector, plain, post, receiver, span, traces
from support.services import free_port
from support.waiting import eventually

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
AND_ALL = """
exporters:
  otlp_http/all: {endpoint: "${env:ALL}"}
service:
  pipelines:
    traces/all: {receivers: [otlp], exporters: [otlp_http/all]}
"""
COUNT = 6000


WAYS: dict[str, tuple[rendering.Mode, rendering.Apart | None]] = {
    "in front": ("in-front", None),
    "beside, with a filter": ("beside", "filter"),
    "beside, with a receiver of its own": ("beside", "receiver"),
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Arrived:
    """What a team's destination gets without keytrail."""
    directory = tmp_path_factory.mktemp("alone")
    return sampled(directory / "run", configs(directory))


@pytest.mark.parametrize("way", WAYS)
def test_every_audit_span_passes_a_sampler_of_one_percent(
    way: str, alone: Arrived, tmp_path: Path
) -> None:
    """With a tail sampler at 1 % the audit gets all of its spans once, the team its own 1 %."""
    both = sampled(tmp_path / "both", configs(tmp_path, way), own="receiver" in WAYS[way])
    of_audit = [f"{number:016x}" for number in range(1, COUNT + 1) if kind(number) != "ordinary"]
    assert both.audit == of_audit
    unsampled = {f"{number:016x}" for number in range(1, COUNT + 1) if kind(number) == "audit only"}
    assert both.ordinary == [one for one in alone.ordinary if one not in unsampled]
    assert 0 < len(both.ordinary) < COUNT // 20


def configs(directory: Path, way: str | None = None, *more: str) -> list[Path]:
    """Return the team's files, and for a way what is rendered for them."""
    files = []
    for number, text in enumerate([SAMPLED_AT_ONE_PERCENT, *more]):
        files.append(directory / f"yours-{number}.yaml")
        files[-1].write_text(text)
    if way is None:
        return files
    mode, apart = WAYS[way]
    ours = directory / "keytrail.yaml"
    part = rendering.render(yours.read(files, {}), mode, environ={}, apart=apart)
    ours.write_text(as_text(part))
    return [*files, ours]


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


def sampled(directory: Path, configs: list[Path], *, own: bool = False) -> Arrived:
    """Send the same spans through a Collector; wait until nothing more arrives.

    With a receiver of the audit's ``own``, audit spans go there, and to the team's what is sampled.
    """
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
            numbers = range(start, start + 200)
            told = [number for number in numbers if own and kind(number) != "ordinary"]
            team = [number for number in numbers if not (own and kind(number) == "audit only")]
            for port, some in ((running.own, told), (running.port, team)):
                body = traces(*(span(number, attributes(number)) for number in some))
                assert not some or post(port, "/v1/traces", body) == 200
        if len(configs) > 1:
            eventually(lambda: len(audit.spans()) >= COUNT // 2)
        last = traces(span(COUNT * 2))
        eventually(lambda: bool(sink.spans()))
        assert post(running.port, "/v1/traces", last) == 200
        running.process.terminate()
        running.process.wait(60)  # the sampler decides on what it holds, the batch goes out
        return Arrived(
            [one for one in sink.span_ids() if int(one, 16) <= COUNT],
            audit.span_ids(),
        )


def fnv(data: bytes) -> int:
    """Return the 64-bit FNV-1a hash, by which the tail sampler chooses."""
    found = 0xCBF29CE484222325
    for byte in data:
        found = (found ^ byte) * 0x100000001B3 % 2**64
    return found


def is_chosen(trace: bytes) -> bool:
    """Tell whether a tail sampler at 1 % keeps a trace."""
    return fnv(b"default-hash-seed" + trace) <= 2**64 // 100


def is_sampled(trace: bytes) -> bool:
    """Tell whether the service's own sampler, at one half, records a trace."""
    return int.from_bytes(trace[8:], "big") < 2**63


@pytest.mark.parametrize("way", WAYS)
def test_real_services_have_every_use_in_the_audit(way: str, tmp_path: Path) -> None:
    """A service under keytrail: the audit has every use once, the team what both samplers chose."""
    dice = random.Random(9)
    drawn = [dice.randbytes(16) for _ in range(1500)]
    ids = list(dict.fromkeys([*drawn[:40], *filter(is_chosen, drawn)]))
    keyed = [one for number, one in enumerate(ids) if number % 3]
    with (
        receiver() as sink,
        receiver() as everything,
        receiver() as audit,
        collector(
            tmp_path,
            configs(tmp_path, way, AND_ALL),
            PORT=str(free_port()),
            SINK=sink.url,
            ALL=everything.url,
            KEYTRAIL_AUDIT_ENDPOINT=audit.url,
        ) as running,
    ):
        team = f"http://127.0.0.1:{running.port}"
        own = f"http://127.0.0.1:{running.own}" if WAYS[way][1] == "receiver" else "same"
        with service(
            "fastapi",
            tmp_path / "home",
            endpoint=team,
            KEYTRAIL_OTLP_ENDPOINT=own,
            OTEL_TRACES_SAMPLER="traceidratio",
            OTEL_TRACES_SAMPLER_ARG="0.5",
        ) as app:
            with requests.Session() as session:
                for one in ids:
                    sent = {"traceparent": f"00-{one.hex()}-{dice.randbytes(8).hex()}-01"}
                    key = {"X-API-Key": K1} if one in keyed else {}
                    session.get(f"{app.url}/ok/1", headers={**sent, **key}, timeout=60)
            eventually(lambda: len(audit.spans()) >= len(keyed))
        chosen = {one for one in ids if is_sampled(one) and is_chosen(one)}
        eventually(lambda: {one.trace_id for one in sink.spans()} >= chosen)
        running.process.terminate()
        running.process.wait(60)
        recorded = everything.spans()
        assert Counter(one.trace_id for one in audit.spans()) == Counter(keyed)
        assert {one.trace_id for one in recorded} == {one for one in ids if is_sampled(one)}
        assert [
            one for one in recorded if plain(one.attributes).get("keytrail.sampled") is False
        ] == []
        assert len({one.span_id for one in recorded}) == len(recorded)
        assert sorted(sink.span_ids()) == sorted(
            one.span_id.hex() for one in recorded if one.trace_id in chosen
        )
        assert chosen
