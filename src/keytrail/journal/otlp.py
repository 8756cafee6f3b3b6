"""The official OTLP exporter for the settings: where it sends, and with whose credentials.

``KEYTRAIL_OTLP_ENDPOINT=same``: ``OTEL_EXPORTER_OTLP_*`` decides everything. Any other endpoint
inherits nothing of these variables: a vendor's credential must not travel to another host. A URL
without a path gets ``/v1/traces`` (log events: ``/v1/logs``), as a base endpoint of the SDK does;
one with a path is used as it is. gRPC ignores the path.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import urlsplit

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
)
from opentelemetry.util.re import parse_env_headers

from keytrail.journal.exporter import ExporterMissingError
from keytrail.journal.listening import Heard, environment_session, grpc_listening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace.export import SpanExporter

    from keytrail.journal.exporter import Exporter
    from keytrail.settings import Settings

Protocol = Literal["http/protobuf", "grpc"]
Signal = Literal["traces", "logs"]

_TRACES_PATH: Final = "/v1/traces"
_LOGS_PATH: Final = "/v1/logs"
_DEFAULT_ENDPOINTS: Final[dict[Protocol, str]] = {
    "http/protobuf": "http://localhost:4318",
    "grpc": "http://localhost:4317",
}
_EXPORTERS: Final[dict[Protocol, str]] = {
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http",
    "grpc": "opentelemetry.exporter.otlp.proto.grpc",
}
_TRANSPORT_HEADERS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-encoding", "content-length"}
    | {"content-type", "host", "transfer-encoding", "user-agent"}
)
_OWN_METADATA: Final = (("keytrail-delivery", "1"),)
"""With no metadata at all the gRPC exporter would take the environment's."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the journal is delivered."""

    protocol: Protocol
    url: str
    inherited: bool
    """``same``: the environment's endpoint, headers and certificates."""

    @property
    def name(self) -> str:
        """Host and port alone, for records and messages."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        return f"{host}:{parts.port}" if parts.port else host

    def url_of(self, signal: Signal) -> str:
        """Return where ``signal`` goes; a path that is not the traces' own serves for both."""
        if signal == "logs" and self.url.endswith(_TRACES_PATH):
            return self.url.removesuffix(_TRACES_PATH) + _LOGS_PATH
        return self.url

    def is_of(self, exporter: SpanExporter) -> bool:
        """Return whether ``exporter`` is an official one that sends here; no where unclear."""
        if not type(exporter).__module__.startswith(_EXPORTERS[self.protocol]):
            return False
        target = urlsplit(self.url).netloc if self.protocol == "grpc" else self.url
        return bool(getattr(exporter, "_endpoint", None) == target)


def destination(settings: Settings, environ: Mapping[str, str] | None = None) -> Destination | None:
    """Return where ``settings`` deliver to; ``None`` where they do not."""
    if settings.otlp_endpoint is None:
        return None
    if settings.otlp_endpoint == "same":
        return _inherited(os.environ if environ is None else environ)
    url = settings.otlp_endpoint
    if settings.otlp_protocol == "http/protobuf":
        url = _with_path(url)
    return Destination(settings.otlp_protocol, url, inherited=False)


def _with_path(url: str) -> str:
    parts = urlsplit(url)
    return url if parts.path.strip("/") else parts._replace(path=_TRACES_PATH).geturl()


def _inherited(environ: Mapping[str, str]) -> Destination:
    protocol = _inherited_protocol(environ)
    whole = environ.get(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
    base = environ.get(OTEL_EXPORTER_OTLP_ENDPOINT) or _DEFAULT_ENDPOINTS[protocol]
    if protocol == "grpc":
        return Destination(protocol, whole or base, inherited=True)
    return Destination(protocol, whole or base.removesuffix("/") + _TRACES_PATH, inherited=True)


def _inherited_protocol(environ: Mapping[str, str]) -> Protocol:
    """As the SDK chooses the exporter: by name, else by protocol, else gRPC."""
    if "otlp_proto_http" in environ.get("OTEL_TRACES_EXPORTER", ""):
        return "http/protobuf"
    told = environ.get(OTEL_EXPORTER_OTLP_TRACES_PROTOCOL) or environ.get(
        OTEL_EXPORTER_OTLP_PROTOCOL
    )
    return "http/protobuf" if (told or "").strip() == "http/protobuf" else "grpc"


def build_exporter(
    destination: Destination, settings: Settings, heard: Heard, signal: Signal = "traces"
) -> Exporter:
    """Return the official exporter of ``signal``; ``heard`` gets what ``destination`` answers.

    Raises:
        ExporterMissingError: it is not installed.

    """
    try:
        if destination.protocol == "grpc":
            return _grpc(destination, settings, heard, signal)
        return _http(destination, settings, heard, signal)
    except ImportError as error:
        package = _EXPORTERS[destination.protocol].replace(".", "-")
        raise ExporterMissingError(
            f"delivery to {destination.name} needs the {destination.protocol} exporter; "
            f"uses wait in the journal\nhint: pip install {package}"
        ) from error


def _exporter_class(destination: Destination, signal: Signal) -> Any:
    module = {"traces": "trace_exporter", "logs": "_log_exporter"}[signal]
    name = {"traces": "OTLPSpanExporter", "logs": "OTLPLogExporter"}[signal]
    return getattr(import_module(f"{_EXPORTERS[destination.protocol]}.{module}"), name)


def _http(destination: Destination, settings: Settings, heard: Heard, signal: Signal) -> Exporter:
    from opentelemetry.exporter.otlp.proto.http import Compression

    exporter = _exporter_class(destination, signal)
    if destination.inherited:
        return cast("Exporter", exporter(session=environment_session(heard, signal.upper())))
    gzip = settings.otlp_compression == "gzip"
    headers = _headers(settings)
    return cast(
        "Exporter",
        exporter(
            endpoint=destination.url_of(signal),
            headers=headers,
            timeout=settings.otlp_timeout,
            compression=Compression.Gzip if gzip else Compression.NoCompression,
            session=heard.listen_on(_session(settings, headers)),
        ),
    )


def _session(settings: Settings, headers: Mapping[str, str]) -> Any:
    """Return a ``requests`` session that sends our headers and certificates, and no others.

    The exporter adds the environment's to whatever it is given.
    """
    import requests

    allowed = _TRANSPORT_HEADERS | headers.keys()
    verify = _text(settings.otlp_certificate) or os.environ.get("REQUESTS_CA_BUNDLE") or True
    certificate = _text(settings.otlp_client_certificate)
    key = _text(settings.otlp_client_key)
    pair = (certificate, key) if certificate and key else certificate

    class OwnSession(requests.Session):
        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            for name in [name for name in request.headers if name.lower() not in allowed]:
                del request.headers[name]
            return super().send(request, **{**options, "verify": verify, "cert": pair})

    session = OwnSession()
    session.auth = lambda request: request  # nor what ~/.netrc has for the host
    return session


def _grpc(destination: Destination, settings: Settings, heard: Heard, signal: Signal) -> Exporter:
    from grpc import Compression, ssl_channel_credentials

    listening = grpc_listening(_exporter_class(destination, signal), heard)
    if destination.inherited:
        return cast("Exporter", listening())
    secure = urlsplit(destination.url).scheme == "https"
    files = (settings.otlp_certificate, settings.otlp_client_key, settings.otlp_client_certificate)
    contents = [None if file is None else file.read_bytes() for file in files]
    exporter = listening(
        endpoint=destination.url,
        insecure=not secure,
        credentials=ssl_channel_credentials(*contents) if secure else None,
        headers=(*_OWN_METADATA, *_headers(settings).items()),
        timeout=settings.otlp_timeout,
        compression=Compression.Gzip
        if settings.otlp_compression == "gzip"
        else Compression.NoCompression,
    )
    return cast("Exporter", exporter)


def _headers(settings: Settings) -> dict[str, str]:
    if settings.otlp_headers is None:
        return {}
    return dict(parse_env_headers(settings.otlp_headers.reveal(), liberal=True))


def _text(path: Any) -> str | None:
    return None if path is None else str(path)
