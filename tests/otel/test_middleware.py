"""B9: a middleware that takes the key out of the request, wherever it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import keytrail
from keytrail.activate import active_audit
from keytrail.settings import Secret, Settings
from support.cases import F1, K1, PEPPER
from support.exporters import SerialisingExporter
from support.journals import uses_in


class Stripping:
    """Takes the key out of header and query before the application sees them."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer without the key."""
        environ.pop("HTTP_X_API_KEY", None)
        environ["QUERY_STRING"] = ""
        return self._inner(environ, start_response)


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[SerialisingExporter]:
    """An exporter behind an active keytrail."""
    keytrail.instrument(Settings(pepper=Secret(PEPPER), home=tmp_path))
    yield SerialisingExporter()
    keytrail.uninstrument()


@pytest.mark.parametrize("placed", ["inside", "outside"])
@pytest.mark.parametrize("location", ["header", "query"])
def test_the_key_is_seen_before_a_middleware_takes_it(
    location: str, placed: str, exporter: SerialisingExporter, tmp_path: Path
) -> None:
    """The use is recorded whether the middleware runs before or after the instrumentation."""
    app = flask.Flask("app")
    app.add_url_rule("/x", view_func=lambda: flask.request.headers.get("X-API-Key", "no key"))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    if placed == "inside":
        app.wsgi_app = Stripping(app.wsgi_app)  # type: ignore[method-assign]
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)  # type: ignore[no-untyped-call]
    if placed == "outside":
        app.wsgi_app = Stripping(app.wsgi_app)  # type: ignore[method-assign]
    path, headers = ("/x", {"X-API-Key": K1}) if location == "header" else (f"/x?api_key={K1}", {})
    with app.test_client() as client:
        assert client.get(path, headers=headers).text == "no key"
    audit = active_audit()
    assert audit is not None
    audit.flush()
    (use,) = uses_in(tmp_path)
    assert (use["key"], use["location"]) == (F1, location)
    assert K1 not in str((use, exporter.spans))


def test_a_request_leaves_its_facts_to_one_span_only(
    exporter: SerialisingExporter, tmp_path: Path
) -> None:
    """An environ that is used again, as some servers do, does not carry an old key's facts."""
    app = flask.Flask("app")
    app.add_url_rule("/x", view_func=lambda: "ok")
    FlaskInstrumentor().instrument_app(app)  # type: ignore[no-untyped-call]
    with app.test_client() as client:
        environ = client.get("/x", headers={"X-API-Key": K1}).request.environ
    assert not [name for name in environ if name.startswith("keytrail")]
