"""What an application does with a key that it holds: it leaves it in every place of its telemetry.

``PLACES`` has one entry for each place. The functions know nothing of keytrail.
"""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from opentelemetry import baggage, context, metrics, trace
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from keytrail.leaks.canary import awkward_key_of, key_of, shaped_key_of

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("app")
_tracer = trace.get_tracer("app")
_ELSEWHERE = SpanContext(0x1234, 0x5678, is_remote=True, trace_flags=TraceFlags(1))


class ClientError(Exception):
    """What a client library of the application raises."""


def canary(carrier: str, place: str, outcome: str) -> str:
    """Return the key that a request with these parts carries."""
    name = f"incoming {carrier}, {place}, {outcome}"
    made = {"awkward header": awkward_key_of, "shaped path": shaped_key_of}.get(carrier, key_of)
    return made(name)


def url_with(key: str) -> str:
    """Return an address that holds the key, as applications build it."""
    return f"https://api.example.com/v1/items?color=blue&api_key={quote(key, safe='')}&page=2"


def _current(key: str) -> None:
    trace.get_current_span().set_attribute("app.note", f"called with {key} just now")


def _array(key: str) -> None:
    trace.get_current_span().set_attribute("app.headers", ["accept: */*", f"x-thing: {key}", key])


def _event(key: str) -> None:
    span = trace.get_current_span()
    span.add_event(f"asked {url_with(key)}", {"app.url": url_with(key), "app.keys": [key, key]})


def _span_name(key: str) -> None:
    trace.get_current_span().update_name(f"GET {url_with(key)}")
    with _tracer.start_as_current_span(f"use {key}"):
        pass


def _status(key: str) -> None:
    with _tracer.start_as_current_span("inner", set_status_on_exception=False) as span:
        span.set_status(Status(StatusCode.ERROR, f"401 for {url_with(key)}: {key} is unknown"))


def _link(key: str) -> None:
    with _tracer.start_as_current_span("linked", links=[Link(_ELSEWHERE, {"app.from": key})]):
        pass


def _baggage(key: str) -> None:
    token = context.attach(baggage.set_baggage("app.caller", key))
    with _tracer.start_as_current_span("inside") as span:
        span.set_attributes({f"baggage.{name}": str(v) for name, v in baggage.get_all().items()})
    context.detach(token)


def _encoded(key: str) -> None:
    trace.get_current_span().set_attributes(
        {
            "app.base64": [base64.b64encode(b"x" * n + key.encode()).decode() for n in range(3)],
            "app.hex": key.encode().hex(),
            "app.repr": repr({"value": key, "raw": key.encode()}),
            "app.json": json.dumps({"value": key, "list": [key]}),
            "app.quoted": quote(quote(key, safe=""), safe=""),
        }
    )


def _bytes(key: str) -> None:
    trace.get_current_span().set_attribute("app.raw", key.encode())


def _log_message(key: str) -> None:
    logger.warning(f"asked for {url_with(key)} with {key}")


def _log_arguments(key: str) -> None:
    logger.info("headers %r of %s", {"X-Thing": key, "list": [key]}, key)


def _log_extra(key: str) -> None:
    logger.info("with a field", extra={"app_caller": key, "app_headers": {"x-thing": [key]}})


def _log_body(key: str) -> None:
    logger.error({"event": "failed", "caller": key, "nested": {"keys": [key]}})


def _log_exception(key: str) -> None:
    try:
        _fail(key)
    except ClientError:
        logger.exception("the call failed")


def _log_stack(key: str) -> None:
    logger.warning("from here: %s", key, stack_info=True)


def _recorded_exception(key: str) -> None:
    try:
        _fail(key)
    except ClientError as error:
        trace.get_current_span().record_exception(error, {"app.key": key})


def _without_cause(key: str) -> None:
    with _tracer.start_as_current_span("cut off"):
        try:
            _fail(key)
        except ClientError as error:
            logger.warning("%s after %r", error, error.__cause__)


def _fail(key: str) -> None:
    """Raise a clean error from a cause from a cause that hold the key."""
    try:
        try:
            raise ConnectionError(f"no answer from {url_with(key)}")
        except ConnectionError as error:
            raise TimeoutError(f"gave up on {key}") from error
    except TimeoutError as error:
        raise ClientError("the call failed") from error


def _fail_from_none(key: str) -> None:
    try:
        raise ConnectionError(f"no answer from {url_with(key)}")
    except ConnectionError:
        raise ClientError(f"the call with {key} failed") from None


def _fragment(key: str) -> None:
    trace.get_current_span().set_attribute("app.back", f"http://h/cb#access_token={key}&state=1")
    logger.info("back at http://h/cb#access_token=%s&state=1", key)


def _measured(key: str) -> None:
    counter = metrics.get_meter("app").create_counter("app.calls")
    counter.add(1, {"app.url": url_with(key), "app.caller": key})


def _hash(key: str) -> None:
    trace.get_current_span().set_attributes(
        {"keytrail.key.hash": key, "keytrail.key.owner": key, "keytrail.key.other_hashes": [key]}
    )


PLACES: Final[dict[str, Callable[[str], None]]] = {
    "nowhere": lambda _: None,
    "attribute": _current,
    "array": _array,
    "bytes": _bytes,
    "encoded attribute": _encoded,
    "event": _event,
    "span name": _span_name,
    "status": _status,
    "link": _link,
    "baggage": _baggage,
    "recorded exception": _recorded_exception,
    "exception from none": _fail_from_none,
    "exception chain": _fail,
    "cut off exception": _without_cause,
    "log message": _log_message,
    "log arguments": _log_arguments,
    "log extra": _log_extra,
    "log body": _log_body,
    "log exception": _log_exception,
    "log stack": _log_stack,
    "fragment": _fragment,
    "forged hash": _hash,
    "measurement": _measured,
}
"""Place → the function that leaves a key there."""
STATUSES: Final = {"success": 200, "denied": 401, "error": 500}
"""Outcome → the status that the handler answers with."""


def plant(place: str, key: str) -> None:
    """Leave ``key`` in ``place``; raises where that is what leaves it there."""
    PLACES[place](key)
