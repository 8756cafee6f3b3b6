"""gRPC's clients, in threads and in tasks: metadata, credentials of plugins, every kind of call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from keytrail.capture.fingerprint import Peppers
from keytrail.settings import Secret
from support.cases import F1, F2, K1, K2, PEPPER
from support.certificates import SelfSigned, self_signed
from support.instrumented import Instrumented

METADATA = (("x-api-key", K1),)
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
VOLATILE = (
    "time",
    "duration",
    "trace_id",
    "span_id",
    "parent_span_id",
    "service",
    "attributes",
    "span",
)


class Plugin(grpc.AuthMetadataPlugin):  # type: ignore[misc]
    """Adds a key to every call, as the libraries of cloud providers do."""

    def __call__(self, context: Any, callback: Callable[..., None]) -> None:
        callback((("authorization", f"Bearer {K2}"),), None)


def _handlers() -> Any:
    def answer(request: bytes, context: Any) -> bytes:
        seen.append(dict(context.invocation_metadata()))
        if int(request):
            context.abort({code.value[0]: code for code in grpc.StatusCode}[int(request)], "told")
        return b"done"

    def of_stream(requests: Iterator[bytes], context: Any) -> bytes:
        return answer(next(iter(requests)), context)

    return grpc.method_handlers_generic_handler(
        "test.Kinds",
        {
            "unary_unary": grpc.unary_unary_rpc_method_handler(answer),
            "unary_stream": grpc.unary_stream_rpc_method_handler(
                lambda request, context: iter([answer(request, context)])
            ),
            "stream_unary": grpc.stream_unary_rpc_method_handler(of_stream),
            "stream_stream": grpc.stream_stream_rpc_method_handler(
                lambda requests, context: iter([of_stream(requests, context)])
            ),
        },
    )


seen: list[dict[str, Any]] = []
"""The metadata of the calls that arrived."""


@pytest.fixture(scope="module")
def certificate() -> SelfSigned:
    """A certificate for ``localhost``."""
    return self_signed("localhost")


@pytest.fixture
def ports(certificate: SelfSigned) -> Iterator[tuple[int, int]]:
    """A server: its plain port and its encrypted one."""
    seen.clear()
    server = grpc.server(ThreadPoolExecutor(8), [_handlers()])
    plain = server.add_insecure_port("127.0.0.1:0")
    credentials = grpc.ssl_server_credentials([(certificate.key, certificate.certificate)])
    encrypted = server.add_secure_port("localhost:0", credentials)
    server.start()
    yield plain, encrypted
    server.stop(None).wait()


def _call(channel: Any, kind: str, code: int = 0, **options: Any) -> Any:
    method = getattr(channel, kind)(f"/test.Kinds/{kind}")
    request = str(code).encode()
    told = method(iter([request]) if kind.startswith("stream") else request, **options)
    return list(told) if kind.endswith("stream") else [told]


async def _call_async(channel: Any, kind: str, code: int = 0, **options: Any) -> Any:
    method = getattr(channel, kind)(f"/test.Kinds/{kind}")
    request = str(code).encode()
    call = method(iter([request]) if kind.startswith("stream") else request, **options)
    return [told async for told in call] if kind.endswith("stream") else [await call]


def _in_threads(target: str, kind: str, code: int = 0, **options: Any) -> Any:
    with grpc.insecure_channel(target) as channel:
        return _call(channel, kind, code, **options)


def _in_tasks(target: str, kind: str, code: int = 0, **options: Any) -> Any:
    async def call() -> Any:
        async with grpc.aio.insecure_channel(target) as channel:
            return await _call_async(channel, kind, code, **options)

    return asyncio.run(call())


EDGES = pytest.mark.parametrize("call", [_in_threads, _in_tasks])


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "dropped"])
@pytest.mark.parametrize(
    ("code", "outcome"), [(0, "success"), (16, "denied"), (8, "rate_limited"), (13, "error")]
)
@pytest.mark.parametrize("kind", KINDS)
@EDGES
def test_a_call_with_a_key_is_one_use_with_the_ids_of_its_span(
    call: Any,
    kind: str,
    code: int,
    outcome: str,
    sampler: Any,
    otel: Instrumented,
    ports: tuple[int, int],
) -> None:
    """The same row whatever kind of call it is and whatever the sampler says."""
    otel.start(sampler)
    if code:
        with pytest.raises(grpc.RpcError) as raised:
            call(f"127.0.0.1:{ports[0]}", kind, code, metadata=METADATA)
        assert raised.value.code().value[0] == code
    else:
        assert call(f"127.0.0.1:{ports[0]}", kind, metadata=METADATA) == [b"done"]
    (use,) = otel.uses(1)
    sampled = sampler is ALWAYS_ON
    error = {0: {}, 16: {"error": "UNAUTHENTICATED"}, 8: {"error": "RESOURCE_EXHAUSTED"}}
    assert {name: of for name, of in use.items() if name not in VOLATILE} == {
        "key": F1,
        "direction": "outgoing",
        "method": "POST",
        "path": f"/test.Kinds/{kind}",
        "host": "127.0.0.1",
        "outcome": outcome,
        "location": "metadata",
        "field": "x-api-key",
        "scheme": "none",
        "sampled": sampled,
        "pepper_id": Peppers(Secret(PEPPER)).id,
        **error.get(code, {"error": "INTERNAL"}),
    }
    assert use["attributes"]["rpc.grpc.status_code"] == code
    assert seen[0]["traceparent"].split("-")[1:3] == [use["trace_id"], use["span_id"]]
    assert len(otel.spans(sampled)) == sampled


@EDGES
def test_an_untraced_call_is_a_use_and_one_without_a_key_is_none(
    call: Any, untraced: Instrumented, ports: tuple[int, int]
) -> None:
    """Without instrumentation each call with a key is a use of its own."""
    untraced.start()
    call(f"127.0.0.1:{ports[0]}", "unary_unary")
    call(f"127.0.0.1:{ports[0]}", "unary_stream", metadata=METADATA)
    (use,) = untraced.uses(1)
    assert (use["key"], use["path"], use["sampled"]) == (F1, "/test.Kinds/unary_stream", False)


def _channel(certificate: SelfSigned, made_with: str) -> tuple[Any, dict[str, Any]]:
    """Return the credentials of a channel and the options of its calls; a plugin is in one."""
    plugin = grpc.metadata_call_credentials(Plugin())
    encrypted = grpc.ssl_channel_credentials(certificate.certificate)
    if made_with == "of the call":
        return encrypted, {"credentials": plugin}
    return grpc.composite_channel_credentials(encrypted, plugin), {}


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "dropped"])
@pytest.mark.parametrize("made_with", ["of the call", "of the channel"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_plugin_adds_is_seen(
    kind: str,
    made_with: str,
    sampler: Any,
    otel: Instrumented,
    ports: tuple[int, int],
    certificate: SelfSigned,
) -> None:
    """A key that comes into the call on its way is its use, on its span, in threads and tasks."""
    otel.start(sampler)
    target = f"localhost:{ports[1]}"
    credentials, options = _channel(certificate, made_with)
    with grpc.secure_channel(target, credentials) as channel:
        assert _call(channel, kind, **options) == [b"done"]

    async def call() -> Any:
        async with grpc.aio.secure_channel(target, credentials) as channel:
            return await _call_async(channel, kind, **options)

    assert asyncio.run(call()) == [b"done"]
    uses = otel.uses(2)
    assert [metadata["authorization"] for metadata in seen] == [f"Bearer {K2}"] * 2
    assert [(use["key"], use["scheme"], use["location"], use["outcome"]) for use in uses] == [
        (F2, "bearer", "metadata", "success")
    ] * 2
    assert [use["span_id"] for use in uses] == [m["traceparent"].split("-")[2] for m in seen]
    assert not any("findings" in use for use in uses)
    assert K2 not in str((uses, otel.exporter.spans))


def test_a_plugins_key_beside_one_of_the_call_is_the_same_use(
    otel: Instrumented, ports: tuple[int, int], certificate: SelfSigned
) -> None:
    """Two keys of one call are one row: the one that authenticates first, and the other."""
    otel.start()
    credentials, options = _channel(certificate, "of the call")
    with grpc.secure_channel(f"localhost:{ports[1]}", credentials) as channel:
        _call(channel, "unary_unary", metadata=METADATA, **options)
    (use,) = otel.uses(1)
    assert (use["key"], use["attributes"]["keytrail.key.other_hashes"]) == (F2, [F1])
    (span,) = otel.spans(1)
    assert span["attributes"]["keytrail.key.hash"] == F2
    assert span["attributes"]["keytrail.key.other_hashes"] == [F1]


def test_calls_at_once_get_each_its_own_use(
    otel: Instrumented, ports: tuple[int, int], certificate: SelfSigned
) -> None:
    """Twenty calls of one method with a plugin: twenty uses, one for each span."""
    otel.start()
    credentials, _ = _channel(certificate, "of the channel")
    with grpc.secure_channel(f"localhost:{ports[1]}", credentials) as channel:
        method = channel.unary_unary("/test.Kinds/unary_unary")
        futures = [method.future(b"0") for _ in range(20)]
        assert {future.result() for future in futures} == {b"done"}
    uses = otel.uses(20)
    spans = {span["context"]["span_id"] for span in otel.spans(20)}
    assert {f"0x{use['span_id']}" for use in uses} == spans
    assert len(spans) == 20


def test_an_unencrypted_channel_to_another_machine_is_cleartext(untraced: Instrumented) -> None:
    """The use says it, though nobody answers there."""
    untraced.start()
    with grpc.insecure_channel("ipv4:192.0.2.1:50051") as channel, pytest.raises(grpc.RpcError):
        _call(channel, "unary_unary", metadata=METADATA, timeout=0.05)
    (use,) = untraced.uses(1)
    assert (use["host"], use["findings"]) == ("192.0.2.1", ["cleartext_http"])
    assert (use["outcome"], use["error"] in ("DEADLINE_EXCEEDED", "UNAVAILABLE")) == ("error", True)


def test_an_abandoned_stream_is_cancelled_as_without_keytrail(
    untraced: Instrumented, ports: tuple[int, int]
) -> None:
    """A stream that is dropped unread ends, and so does its use."""
    untraced.start()
    with grpc.insecure_channel(f"127.0.0.1:{ports[0]}") as channel:
        method = channel.unary_stream("/test.Kinds/unary_stream")
        method(b"0", metadata=METADATA)
    (use,) = untraced.uses(1)
    assert use["key"] == F1
