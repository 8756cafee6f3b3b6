"""What an endpoint's answer means for the uses that it was sent, as the OTLP specification has it.

An exporter tells success from failure only, and a partial success for a success. The difference
decides whether uses wait, for how long, or are kept aside so that others can pass.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Meaning = Literal["taken", "later", "closed", "refused", "doubtful"]
"""What becomes of what was sent:

*taken* · *later*: the endpoint cannot now · *closed*: it takes nothing from us, whatever it is sent
(credentials, path) · *refused*: not these uses, as they are · *doubtful*: not these, or nothing at
all (a firewall's 403, a server's 500).
"""

MAX_WAIT: Final = 600.0
"""Most seconds that ``Retry-After`` may ask for."""

_LATER: Final = frozenset({408, 425, 429, 502, 503, 504})
_CLOSED: Final = frozenset({401, 404, 405, 407, 410, 415, 421, 426, 501, 505, 511})
_GRPC: Final[dict[str, Meaning]] = {
    "CANCELLED": "later",
    "DEADLINE_EXCEEDED": "later",
    "ABORTED": "later",
    "OUT_OF_RANGE": "later",
    "UNAVAILABLE": "later",
    "DATA_LOSS": "later",
    "UNAUTHENTICATED": "closed",
    "UNIMPLEMENTED": "closed",
    "NOT_FOUND": "closed",
    "INVALID_ARGUMENT": "refused",
    "ALREADY_EXISTS": "refused",
    "FAILED_PRECONDITION": "refused",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of an endpoint."""

    meaning: Meaning
    told: str
    """The answer in two words, such as ``HTTP 401``; nothing of what the endpoint wrote."""
    rejected: int = 0
    """Of what was taken, how many the endpoint would not have; it does not say which."""
    wait: float = 0.0
    """Seconds to leave it alone, where it asked for that."""


def of_http(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Return what an HTTP answer means; ``headers`` are found in any case."""
    told = f"HTTP {status}"
    if 200 <= status < 300:
        if "html" in headers.get("Content-Type", ""):
            return Answer("closed", f"{told} with a web page")
        return Answer("taken", told, rejected=_rejected(body))
    if status in _LATER:
        return Answer("later", told, wait=_seconds(headers.get("Retry-After")))
    if status in _CLOSED or status < 400:
        return Answer("closed", told)
    return Answer("doubtful" if status == 403 or status >= 500 else "refused", told)


def of_grpc(code: str, retry_delay: float | None) -> Answer:
    """Return what the gRPC status ``code`` means; ``retry_delay`` is its ``RetryInfo``'s."""
    told = f"gRPC {code}"
    if code == "RESOURCE_EXHAUSTED" and retry_delay is not None:
        return Answer("later", told, wait=_bounded(retry_delay))
    return Answer(_GRPC.get(code, "doubtful"), told, wait=_bounded(retry_delay or 0.0))


def unanswered(error: BaseException | None = None) -> Answer:
    """Return what it means that no answer came; only the error's type is told."""
    return Answer("later", "no answer" if error is None else type(error).__name__)


UNSENT: Final = Answer("refused", "not encodable")
"""The exporter made no request of the uses."""


def _rejected(body: bytes) -> int:
    """Traces and logs have the same message here: what was rejected is the first field."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        response = ExportTraceServiceResponse.FromString(body)
    except DecodeError:
        return 0
    return int(max(0, response.partial_success.rejected_spans))


def _seconds(retry_after: str | None) -> float:
    text = (retry_after or "").strip()
    if text.isdigit():
        return _bounded(float(text))
    try:
        return _bounded(parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_WAIT)
