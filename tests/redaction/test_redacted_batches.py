"""Batches: what is remembered as clean stays right, and every span keeps its place."""

from __future__ import annotations

import random
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from keytrail.capture.key import RawKey
from keytrail.redaction.clean import Clean
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from redaction.redaction_kit import provider_for, remember
from support.cases import K1, K2

FRAMES = 'Traceback (most recent call last):\n  File "a.py", line 1, in {}\n    fetch()\n'


class _Kept(SpanExporter):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Any) -> SpanExportResult:
        """Keep the spans as the SDK hands them over."""
        self.spans += spans
        return SpanExportResult.SUCCESS


def _spans(count: int, **attributes: Any) -> list[ReadableSpan]:
    """Return finished spans with an exception each."""
    kept = _Kept()
    tracer = provider_for(kept).get_tracer("shop")
    for number in range(count):
        with tracer.start_as_current_span("GET /items") as span:
            span.set_attributes({"app.number": number, "app.note": f"note {number}", **attributes})
            span.add_event(
                "exception",
                {
                    "exception.message": f"none {number}",
                    "exception.stacktrace": FRAMES.format("view") + f"ValueError: none {number}\n",
                },
            )
    return kept.spans


def _shown(spans: list[ReadableSpan]) -> str:
    return "".join(span.to_json() for span in spans)


@pytest.mark.parametrize("count", [1, 2, 5, 16, 17, 64, 65, 300])
def test_clean_spans_are_the_same_objects(redactor: Redactor, count: int) -> None:
    """However many there are, and whether or not the like of them was seen before."""
    for _ in range(2):
        spans = _spans(count)
        assert all(a is b for a, b in zip(redactor.spans(spans), spans, strict=True))


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1])
def test_every_span_keeps_its_place(redactor: Redactor, share: float) -> None:
    """Wherever secrets stand in a batch, they go, and the spans around them are left alone."""
    dice = random.Random(7)
    spans = _spans(300)
    held = [dice.random() < share for _ in spans]
    dirty = iter(_spans(sum(held), **{"app.url": f"http://h/?api_key={K2}"}))
    batch = [next(dirty) if one else span for span, one in zip(spans, held, strict=True)]
    passed = redactor.spans(batch)
    assert [a is b for a, b in zip(passed, batch, strict=True)] == [not one for one in held]
    assert K2 not in _shown(passed)
    assert [span.name for span in passed] == [span.name for span in batch]


@pytest.mark.parametrize("place", ["name", "frames", "value"])
def test_what_was_clean_is_searched_again_when_its_key_comes(place: str) -> None:
    """A name or a frame that turns out to hold a key is redacted from then on."""
    memory = KeyMemory()
    redactor = Redactor(SensitiveNames(), memory)
    odd = "q7w8e9r1t2y3u4i5"

    def batch() -> list[ReadableSpan]:
        spans = _spans(20, **({f"app.{odd}": 1} if place == "name" else {"app.odd": odd}))
        if place == "frames":
            for span in spans:
                event = span.events[0]
                event._attributes = {
                    "exception.stacktrace": FRAMES.format(odd) + "ValueError: none\n"
                }
        return spans

    for _ in range(2):
        spans = batch()
        assert all(a is b for a, b in zip(redactor.spans(spans), spans, strict=True))
    memory.remember(RawKey(odd.encode()), None)
    assert odd not in _shown(redactor.spans(batch()))


def test_key_of_its_trace_alone_is_found_in_known_names_and_frames() -> None:
    """What is clean for the ring's keys is not taken to be clean for those of a trace."""
    memory = KeyMemory(ring=1)
    redactor = Redactor(SensitiveNames(), memory)
    word = "production-view"
    redactor.spans(_spans(20, **{word: 1, "app.note": FRAMES.format(word)}))
    spans = _spans(20, **{word: 1, "app.note": FRAMES.format(word)})
    for span in spans:
        assert span.context is not None
        memory.bind(span.context.trace_id, [memory.remember(RawKey(word.encode()), None)])
    assert word not in _shown(redactor.spans(spans))


@pytest.mark.parametrize(
    "mixed", [("a", None, "api_key=hunter2"), ("a", 7, b"x"), ("a", ("api_key=hunter2",))]
)
def test_sequence_of_many_kinds_is_read_whole(redactor: Redactor, mixed: tuple[Any, ...]) -> None:
    """What else stands among the texts of a sequence hides none of them."""
    redactor.spans(_spans(20, **{"app.mixed": ("a", "b")}))
    spans = _spans(20, **{"app.mixed": ("a", "b")})
    for span in spans:
        span._attributes = {**(span.attributes or {}), "app.mixed": mixed}
    passed = redactor.spans(spans)
    assert "hunter2" not in repr([span.attributes for span in passed])
    assert (passed[0] is spans[0]) == ("hunter2" not in repr(mixed))


@pytest.mark.parametrize("alike", [True, False])
def test_hundreds_of_known_keys_are_all_found(alike: bool) -> None:
    """However their spellings are spread over the searches, and whatever they begin with."""
    memory = KeyMemory(ring=300)
    dice = random.Random(3)
    keys = [("kt_" if alike else "") + dice.randbytes(16).hex() for _ in range(300)]
    remember(memory, *keys)
    redactor = Redactor(SensitiveNames(), memory)
    assert {redactor.text(f"saw {key} there") for key in keys} == {"saw REDACTED there"}
    assert {redactor.text(f"saw {key.encode().hex()} there") for key in keys} == {
        "saw REDACTED there"
    }


def test_what_is_remembered_as_clean_is_bounded() -> None:
    """Whatever names and stack traces callers make up, the memory of them starts anew when full."""
    clean = Clean()
    for number in range(3000):
        clean.learn_names([f"{number:01000d}"], {(f"{number:01000d}",): -1})
        clean.learn_frames({(4000, str(number)): "x" * 4000})
        clean.keep(object())
    assert sum(map(len, clean.names)) <= 1024 * 1024
    assert sum(len(name) for one in clean.sets for name in one) <= 1024 * 1024
    assert sum(map(len, clean.frames.values())) <= 2 * 1024 * 1024


def test_known_key_that_was_cut_off_early_goes(redactor: Redactor) -> None:
    """Eight characters at the end of a text tell that a known key began there."""
    assert redactor.text(f"saw {K1[:8]}") == "saw REDACTED"
