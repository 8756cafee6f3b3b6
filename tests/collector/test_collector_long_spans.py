"""A span that is too long for any batch is delivered shortened, and takes no other with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support.otelcol import collector, key_values, post, receiver, span, traces
from support.waiting import eventually

STANDALONE = Path(__file__).parents[2] / "collector-config" / "standalone.yaml"
LONGEST = 900_000
USE = {
    "keytrail.schema_version": "1.0",
    "keytrail.sampled": False,
    "keytrail.key.hash": "0d0e063a215e" + "0" * 52,
    "http.request.method": "GET",
    "url.path": "/orders",
}
LONG = "words of an answer " * 60_000
TRACE = "  File app.py, line 1, in handle\n" * 600
STEPS = 128
"""As many events as SDKs keep."""


def of_texts(number: int) -> Span:
    return span(number, USE | {"db.query.text": LONG})


def of_lists(number: int) -> Span:
    return span(number, USE | {"http.request.header.x-trace": [LONG, "second"]})


def of_many_lists(number: int) -> Span:
    return span(number, USE | {f"list.{one}": ["words " * 3_000] for one in range(100)})


def of_many_attributes(number: int) -> Span:
    return span(number, USE | {f"http.text.{one}": "words " * 1_200 for one in range(128)})


def of_a_long_name(number: int) -> Span:
    return span(number, USE, name=LONG)


def of_a_long_status(number: int) -> Span:
    long = span(number, USE)
    long.status.message = LONG
    return long


def of_a_long_event(number: int) -> Span:
    long = span(number, USE)
    long.events.add(name="exception", attributes=key_values({"exception.stacktrace": LONG}))
    return long


def of_many_events(number: int) -> Span:
    long = span(number, USE)
    told = key_values({"exception.type": "ValueError", "exception.stacktrace": TRACE})
    for _ in range(STEPS):
        long.events.add(name="exception", attributes=told)
    return long


def of_all_at_once(number: int) -> Span:
    long = of_many_events(number)
    long.name = long.status.message = LONG
    long.attributes.extend(key_values({f"list.{one}": ["words " * 3_000] for one in range(100)}))
    return long


KINDS: dict[str, Callable[[int], Span]] = {
    "texts": of_texts,
    "lists": of_lists,
    "many lists": of_many_lists,
    "many attributes": of_many_attributes,
    "a long name": of_a_long_name,
    "a long status": of_a_long_status,
    "a long event": of_a_long_event,
    "many events": of_many_events,
    "all at once": of_all_at_once,
}
NUMBERS = {kind: 10 * number for number, kind in enumerate(KINDS, 1)}
BESIDE = 5
"""How many ordinary spans stand behind the long one in its request."""


def ordinary(number: int) -> list[Span]:
    """Return those that follow ``number``, as a Collector writes them: with an empty status."""
    spans = [span(one, USE) for one in range(number + 1, number + 1 + BESIDE)]
    for one in spans:
        one.status.SetInParent()
    return spans


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Span]:
    """What arrives of a long span of each kind, with ordinary ones in the same request."""
    directory = tmp_path_factory.mktemp("long")
    with (
        receiver() as destination,
        collector(directory, [STANDALONE], KEYTRAIL_AUDIT_ENDPOINT=destination.url) as running,
    ):
        for kind, number in NUMBERS.items():
            request = traces(KINDS[kind](number), *ordinary(number))
            assert len(request) > LONGEST
            assert post(running.port, "/v1/traces", request) == 200
        sent = len(KINDS) * (1 + BESIDE)
        eventually(lambda: len(set(destination.span_ids())) == sent)
        return {int.from_bytes(one.span_id, "big"): one for one in destination.spans()}


@pytest.mark.parametrize("kind", KINDS)
def test_spans_beside_a_long_one_arrive_as_they_were(kind: str, delivered: dict[int, Span]) -> None:
    """What stands behind a long span in its request is delivered, and not touched."""
    sent = ordinary(NUMBERS[kind])
    assert [delivered[NUMBERS[kind] + number] for number in range(1, BESIDE + 1)] == sent


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_span_is_shortened_and_says_so(kind: str, delivered: dict[int, Span]) -> None:
    """The use stays whole: who, what, which key. Only long texts and other attributes go."""
    arrived = delivered[NUMBERS[kind]]
    attributes = {one.key: one.value for one in arrived.attributes}
    facts = key_values(USE | {"keytrail.collector.cut": True})
    assert len(arrived.SerializeToString()) < LONGEST
    assert {one.key: attributes.get(one.key) for one in facts} == {
        one.key: one.value for one in facts
    }


def test_a_stack_trace_keeps_its_beginning(delivered: dict[int, Span]) -> None:
    """Of an exception in a long span its type stays, and the beginning of its trace."""
    for event in delivered[NUMBERS["many events"]].events:
        told = {one.key: one.value.string_value for one in event.attributes}
        assert told == {"exception.type": "ValueError", "exception.stacktrace": TRACE[:1024]}


def test_a_long_resource_is_shortened(tmp_path: Path) -> None:
    """The command line of a service may be longer than a batch; its uses arrive nevertheless."""
    resource = {"service.name": "shop", "process.command_args": [LONG, "-x"], "text": LONG}
    with (
        receiver() as destination,
        collector(tmp_path, [STANDALONE], KEYTRAIL_AUDIT_ENDPOINT=destination.url) as running,
    ):
        message = ExportTraceServiceRequest.FromString(traces(*ordinary(1)))
        del message.resource_spans[0].resource.attributes[:]
        message.resource_spans[0].resource.attributes.extend(key_values(resource))
        assert post(running.port, "/v1/traces", message.SerializeToString()) == 200
        eventually(lambda: len(destination.spans()) == BESIDE)
        (arrived,) = destination.messages("/v1/traces")
    assert destination.spans() == ordinary(1)
    assert list(arrived.resource_spans[0].resource.attributes) == key_values(
        {"service.name": "shop"}
    )
