"""Before or beside six teams' configurations, every backend that can be built has the audit."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.kafka_broker import broker, spans_of
from collector.splunk_contract import splunk
from collector.teams import BUILT, TEAMS, rendered, settings
from sources import clickhouse_front
from support.cases import F1, K1
from support.otelcol import Receiver, collector, grpc_receiver, plain, post, receiver, span, traces
from support.waiting import eventually

Uses = list[tuple[str, str]]
"""The span ids and fingerprints that arrived."""
KEYED = [span(number, {"http.request.header.x-api-key": [K1]}) for number in range(1, 21)]
REST = [span(number, {"url.path": "/"}) for number in range(21, 101)]
OF_AUDIT = [(one.span_id.hex(), F1) for one in KEYED]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """ClickHouse's engine, empty."""
    with clickhouse_front.clickhouse(tmp_path_factory.mktemp("engine")) as port:
        yield port


@dataclass(frozen=True)
class Backend:
    """A running backend: how the Collector reaches it, and what it has."""

    environ: dict[str, str]
    uses: Callable[[], Uses]
    everything: Callable[[], bytes]
    headers: Callable[[], dict[str, str]] = dict
    """Of the first request, where the backend is one of OTLP."""


@contextmanager
def otlp_grpc() -> Iterator[Backend]:
    with grpc_receiver() as kept:
        environ = {
            "KEYTRAIL_AUDIT_ENDPOINT": f"127.0.0.1:{kept.port}",
            "KEYTRAIL_AUDIT_INSECURE": "true",
            "KEYTRAIL_AUDIT_AUTHORIZATION": "Bearer for-the-audit",
        }
        yield of_otlp(kept, environ)


@contextmanager
def over_http(variable: str) -> Iterator[Backend]:
    with receiver() as kept:
        yield of_otlp(kept, {variable: kept.url})


def of_otlp(kept: Receiver, environ: dict[str, str]) -> Backend:
    def headers() -> dict[str, str]:
        return {name.lower(): value for name, value in kept.headers[0].items()}

    return Backend(environ, lambda: uses_in(kept.spans()), kept.everything, headers)


def uses_in(spans: list[Span]) -> Uses:
    return [
        (one.span_id.hex(), str(plain(one.attributes).get("keytrail.key.hash"))) for one in spans
    ]


@contextmanager
def kafka() -> Iterator[Backend]:
    with broker("keytrail-audit") as (address, records):
        environ = {"KEYTRAIL_KAFKA_BROKER": address}
        yield Backend(environ, lambda: uses_in(spans_of(records)), lambda: b"".join(records))


@contextmanager
def clickhouse(engine: int) -> Iterator[Backend]:
    database = f"audit_{uuid4().hex}"

    def ask(columns: str) -> str:
        known = clickhouse_front.run(engine, "SHOW DATABASES", "default").split()
        if database not in known:
            return ""
        return clickhouse_front.run(engine, f"SELECT {columns} FROM otel_traces", database)

    def uses() -> Uses:
        rows = ask("SpanId, SpanAttributes['keytrail.key.hash']").splitlines()
        return [(row.split("\t")[0], row.split("\t")[1]) for row in rows]

    environ = {
        "KEYTRAIL_CLICKHOUSE_ENDPOINT": f"http://127.0.0.1:{engine}?compress=none",
        "KEYTRAIL_CLICKHOUSE_DATABASE": database,
        "KEYTRAIL_CLICKHOUSE_TTL": "0s",  # the spans are old
    }
    yield Backend(environ, uses, lambda: ask("*").encode())


@contextmanager
def hec() -> Iterator[Backend]:
    with splunk() as kept:

        def uses() -> Uses:
            told: list[dict[str, Any]] = [one["event"] for one in kept.events]
            return [(one["span_id"], one["attributes"]["keytrail.key.hash"]) for one in told]

        environ = {"KEYTRAIL_SPLUNK_ENDPOINT": kept.endpoint}
        yield Backend(environ, uses, lambda: repr(kept.events).encode())


@contextmanager
def all_that_are_built(engine: int) -> Iterator[dict[str, Backend]]:
    """Run every backend whose exporter our Collector has, but the plain OTLP over HTTP."""
    with ExitStack() as running:
        enter = running.enter_context
        yield {
            "otlp-grpc": enter(otlp_grpc()),
            "jaeger": enter(over_http("KEYTRAIL_JAEGER_ENDPOINT")),
            "tempo": enter(over_http("KEYTRAIL_TEMPO_ENDPOINT")),
            "clickhouse": enter(clickhouse(engine)),
            "kafka": enter(kafka()),
            "splunk": enter(hec()),
        }


@pytest.mark.parametrize("mode", ["beside", "in-front"])
@pytest.mark.parametrize("team", TEAMS)
def test_a_team_and_every_backend_get_every_span(
    team: str, mode: Any, engine: int, tmp_path: Path
) -> None:
    """Beside and before every team's configuration each destination gets each span once."""
    with ExitStack() as stack:
        sink = stack.enter_context(receiver())
        backends = stack.enter_context(all_that_are_built(engine))
        environ = settings(tmp_path, sink)
        for backend in backends.values():
            environ |= backend.environ
        ours = rendered(tmp_path, TEAMS[team], mode, *backends)
        running = stack.enter_context(collector(tmp_path, ours, **environ))
        assert post(running.port, "/v1/traces", traces(*KEYED, *REST)) == 200
        eventually(lambda: len(sink.spans()) >= 100)
        assert sorted(sink.span_ids()) == [f"{number:016x}" for number in range(1, 101)]
        assert (K1.encode() in sink.everything()) == (mode == "beside")
        for name, backend in backends.items():
            eventually(lambda: len(backend.uses()) >= len(KEYED))  # noqa: B023
            assert (name, sorted(backend.uses())) == (name, OF_AUDIT)
            assert (name, K1.encode() in backend.everything()) == (name, False)
        sent = {name: backend.headers() for name, backend in backends.items()}
        assert sent["otlp-grpc"]["authorization"] == "Bearer for-the-audit"
        assert sent["jaeger"]["x-tenant"] == sent["tempo"]["x-scope-orgid"] == "keytrail-audit"
        assert sent["tempo"]["authorization"] == f"Basic {b64encode(b'keytrail:none').decode()}"


def test_no_backend_that_is_built_is_left_out(engine: int) -> None:
    """Traffic is carried to every backend that the Collector has; OTLP over HTTP is Jaeger's."""
    with all_that_are_built(engine) as backends:
        assert {*backends, "otlp"} == set(BUILT)
