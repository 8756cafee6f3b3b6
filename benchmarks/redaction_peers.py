"""What others do to the same spans before they leave; each does less than keytrail does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import ReadableSpan

from benchmarks.redaction_corpus import HEADERS

Side = Callable[[], None]

PACKAGES = ("logfire", "sentry-sdk", "ddtrace")


def installed() -> list[str]:
    """Return which of the peers can be measured here."""
    return [name for name in PACKAGES if find_spec(name.replace("-", "_"))]


def side(package: str, spans: Sequence[ReadableSpan]) -> Callable[[], Side]:
    """Return what prepares, unmeasured, one run of ``package`` over ``spans``."""
    return {"logfire": _logfire, "sentry-sdk": _sentry, "ddtrace": _ddtrace}[package](spans)


def _logfire(spans: Sequence[ReadableSpan]) -> Callable[[], Side]:
    """Logfire's scrubber over the whole span; it takes URLs and exceptions for safe."""
    from logfire._internal.scrubbing import Scrubber
    from logfire._internal.utils import span_to_dict

    scrubber = Scrubber(None)

    def prepare() -> Side:
        copies = [span_to_dict(span) for span in spans]
        return lambda: _each(scrubber.scrub_span, [(one,) for one in copies])

    return prepare


def _sentry(spans: Sequence[ReadableSpan]) -> Callable[[], Side]:
    """Sentry's event scrubber over span data and headers; it reads names only."""
    from sentry_sdk.scrubber import EventScrubber

    scrubber = EventScrubber()

    def event(span: ReadableSpan) -> dict[str, Any]:
        attributes = dict(span.attributes or {})
        headers = {name: attributes[f"http.request.header.{name}"] for name in HEADERS}
        return {"spans": [{"data": attributes}], "request": {"headers": headers}}

    def prepare() -> Side:
        events: list[Any] = [event(span) for span in spans]
        return lambda: _each(scrubber.scrub_event, [(one,) for one in events])

    return prepare


def _ddtrace(spans: Sequence[ReadableSpan]) -> Callable[[], Side]:
    """Obfuscate as ddtrace does, which looks at the query string alone."""
    import re

    from ddtrace.internal.settings._config import DD_TRACE_OBFUSCATION_QUERY_STRING_REGEXP_DEFAULT
    from ddtrace.internal.utils.http import redact_query_string

    pattern = re.compile(DD_TRACE_OBFUSCATION_QUERY_STRING_REGEXP_DEFAULT.encode("ascii"))
    queries = [urlsplit(str((span.attributes or {})["url.full"])).query for span in spans]
    return lambda: lambda: _each(redact_query_string, [(one, pattern) for one in queries])


def _each(action: Callable[..., object], calls: Iterable[tuple[Any, ...]]) -> None:
    for arguments in calls:
        action(*arguments)
