"""Every position of a span and of a log record, whichever rule knows the key.

Redacted where the rules work, withheld where they fail.
"""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState

from keytrail import faults
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from keytrail.redaction.rules import Secrets
from redaction.redaction_kit import TRACE, remember

BY_VALUE = "shop-9c41e07a5b3d"
BY_SHAPE = "ghp_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8"
CLEAN = SpanContext(TRACE, 7, False)


def _attributes(key: str) -> dict[str, Any]:
    return {
        "text": f"see {key}.",
        "tuple": ("a", key, "b"),
        "bytes": b"<" + key.encode() + b">",
        "nested": {"list": [{"deep": key}], "bytes": key.encode(), f"name {key}": 1},
        f"name.{key}": "x",
        f"http.request.header.{key}": ("x",),
    }


def _state(key: str) -> SpanContext:
    state = TraceState([("vendor", key), (f"{key}@other", "x")])
    return SpanContext(TRACE, 7, False, trace_state=state)


SPAN_PARTS: dict[str, Any] = {
    "name": lambda key: {"name": f"GET {key}"},
    "attributes": lambda key: {"attributes": _attributes(key)},
    "event name": lambda key: {"events": [Event(f"of {key}", {}, 5)]},
    "event attributes": lambda key: {"events": [Event("e", _attributes(key), 5)]},
    "exception": lambda key: {
        "events": [
            Event(
                "exception",
                {
                    "exception.message": f"no {key}",
                    "exception.stacktrace": f'  File "{key}.py"\n    f({key})\nE: {key}\n',
                },
                5,
            )
        ]
    },
    "frames alone": lambda key: {
        "events": [Event("exception", {"exception.stacktrace": f"  f({key})\nE: x\n"}, 5)]
    },
    "link attributes": lambda key: {"links": [Link(CLEAN, _attributes(key))]},
    "link trace state": lambda key: {"links": [Link(_state(key))]},
    "trace state": lambda key: {"context": _state(key)},
    "parent's trace state": lambda key: {"parent": _state(key)},
    "status": lambda key: {"status": Status(StatusCode.ERROR, f"no {key}")},
    "resource": lambda key: {"resource": Resource(_attributes(key))},
    "resource schema": lambda key: {"resource": Resource({}, f"https://h/{key}")},
    "scope name": lambda key: {"instrumentation_scope": InstrumentationScope(f"lib {key}")},
    "scope version": lambda key: {"instrumentation_scope": InstrumentationScope("l", key)},
    "scope schema": lambda key: {"instrumentation_scope": InstrumentationScope("l", "1", key)},
    "scope attributes": lambda key: {
        "instrumentation_scope": InstrumentationScope("l", "1", "", _attributes(key))
    },
}
LOG_PARTS: dict[str, Any] = {
    "body": lambda key: {"body": f"see {key}"},
    "bytes body": lambda key: {"body": key.encode()},
    "nested body": lambda key: {"body": [{"a": ({key: [key.encode()]}, key)}]},
    "attributes": lambda key: {"attributes": _attributes(key)},
    "event name": lambda key: {"event_name": f"of {key}"},
    "severity": lambda key: {"severity_text": key},
    "exception": lambda key: {"exception": ValueError(key)},
}


@pytest.fixture(params=["redacted", "withheld"])
def positioned(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Redactor:
    """A redactor that knows one key by value; in its second form every search fails."""
    memory = KeyMemory()
    remember(memory, BY_VALUE)
    if request.param == "withheld":
        faults.reraise = False

        def broken(*_args: Any) -> Any:
            raise RuntimeError

        monkeypatch.setattr(Secrets, "hinted", broken)
    return Redactor(SensitiveNames(), memory)


def _span(**parts: Any) -> ReadableSpan:
    defaults: dict[str, Any] = {
        "name": "n",
        "context": CLEAN,
        "resource": Resource({}),
        "instrumentation_scope": InstrumentationScope("l"),
        "kind": SpanKind.SERVER,
        "start_time": 1,
        "end_time": 2,
    }
    return ReadableSpan(**{**defaults, **parts})


@pytest.mark.parametrize("key", [BY_VALUE, BY_SHAPE], ids=["value", "shape"])
@pytest.mark.parametrize("part", SPAN_PARTS)
def test_every_position_of_a_span(positioned: Redactor, part: str, key: str) -> None:
    """The key is in the encoded span before and not after; ids and kind stay."""
    original = _span(**SPAN_PARTS[part](key))
    passed = positioned.spans([original, original])
    assert key.encode() in _shown(original)
    assert [key.encode() in _shown(one) for one in passed] == [False, False]
    assert {(one.context.trace_id, one.context.span_id, one.kind) for one in passed} == {
        (TRACE, 7, SpanKind.SERVER)
    }


def _shown(span: ReadableSpan) -> bytes:
    """Return the span as OTLP, and what of it this encoder leaves out."""
    contexts = repr([span.parent, *(link.context for link in span.links)])
    return bytes(encode_spans([span]).SerializeToString()) + contexts.encode()


@pytest.mark.parametrize("key", [BY_VALUE, BY_SHAPE], ids=["value", "shape"])
@pytest.mark.parametrize("part", LOG_PARTS)
def test_every_position_of_a_log_record(positioned: Redactor, part: str, key: str) -> None:
    """The key is nowhere in the encoded record, nor in an exception object that it holds."""
    parts = LOG_PARTS[part](key)
    if part == "exception" and not hasattr(LogRecord(), "exception"):
        pytest.skip("this SDK keeps no exception objects on records")
    record = ReadableLogRecord(LogRecord(timestamp=5, **parts), Resource({}))
    [passed] = positioned.logs([record])
    assert key.encode() not in encode_logs([passed]).SerializeToString()
    assert key not in repr(vars(passed.log_record))
    assert passed.log_record.timestamp == 5


def test_names_and_frames_are_searched_though_they_repeat() -> None:
    """What was clean in one span is searched again for the keys of another trace."""
    memory = KeyMemory(ring=1)
    redactor = Redactor(SensitiveNames(), memory)
    memory.bind(TRACE, remember(memory, BY_VALUE))
    remember(memory, "another-key-of-the-ring")
    frames = f"  File a.py\n    f({BY_VALUE})\nE: x\n"

    def span(trace_id: int) -> ReadableSpan:
        return _span(
            context=SpanContext(trace_id, 9, False),
            attributes={BY_VALUE: "x"},
            events=[Event("exception", {"exception.stacktrace": frames}, 5)],
        )

    other, own = redactor.spans([span(TRACE + 1), span(TRACE)])
    assert dict(other.attributes or {}) == {BY_VALUE: "x"}
    assert BY_VALUE not in own.to_json()
