"""The private names of servers and clients that keytrail's adapters rely on."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import TYPE_CHECKING, Any

from keytrail.seam import Seam, has

if TYPE_CHECKING:
    from collections.abc import Callable


def _all_have(module: str, owner: str, names: tuple[str, ...]) -> Callable[[], bool]:
    return lambda: all(has(module, owner, name)() for name in names)


def _on_pools(core: str, library: str) -> Callable[[], bool]:
    return lambda: (
        has(core, "ConnectionPool", "handle_request")()
        and has(core, "AsyncConnectionPool", "handle_async_request")()
        and has(library, "Client", "send")()
        and has(library, "AsyncClient", "send")()
    )


def _on_grpc_servers() -> bool:
    from grpc._server import _Server
    from grpc.aio._server import Server

    return all(
        list(signature(server.__init__).parameters)[1:4]
        == ["thread_pool", "generic_handlers", "interceptors"]
        for server in (_Server, Server)
    )


def _on_grpc_clients() -> bool:
    import grpc
    import grpc.aio

    from keytrail.capture.adapters.grpc_client import (
        ASYNC_CALLS,
        CORE,
        METADATA,
        METHOD,
        SYNC_CALLS,
    )

    channel: Any = grpc.insecure_channel("127.0.0.1:9")
    try:
        method = channel.unary_unary("/seam/seam")
        sync = method._channel is channel._channel and method._method == b"/seam/seam"
    finally:
        channel.close()
    calls = [list(signature(call.__init__).parameters)[1:] for call in ASYNC_CALLS]
    return (
        sync
        and all(hasattr(kind, name) for kind, names in SYNC_CALLS for name in names)
        and all(
            (call[METADATA], call[CORE], call[METHOD]) == ("metadata", "channel", "method")
            for call in calls
        )
    )


def _on_grpc_plugins() -> bool:
    from grpc._plugin_wrapping import _Plugin

    names = list(signature(_Plugin.__call__).parameters)
    return names == ["self", "service_url", "method_name", "callback"]


def _on_grpc_statuses() -> bool:
    import opentelemetry.instrumentation.grpc as instrumentation

    contexts = (
        ("_server", "_OpenTelemetryServicerContext"),
        ("_aio_server", "_OpenTelemetryAioServicerContext"),
    )
    for module, name in contexts:
        if find_spec(f"{instrumentation.__name__}.{module}") is None:
            return False
        context = getattr(import_module(f"{instrumentation.__name__}.{module}"), name)
        if list(signature(context.__init__).parameters)[1:] != ["servicer_context", "active_span"]:
            return False
    return True


def _on_inner_spans() -> bool:
    from opentelemetry.instrumentation.utils import _start_internal_or_server_span

    names = list(signature(_start_internal_or_server_span).parameters)
    return names[:4] == ["tracer", "span_name", "start_time", "context_carrier"]


LIBRARY_SEAMS = (
    Seam(
        "opentelemetry.instrumentation.asgi.OpenTelemetryMiddleware.__call__",
        "opentelemetry-instrumentation-asgi",
        "refused handshakes of WebSockets have the outcome unknown",
        has("opentelemetry.instrumentation.asgi", "OpenTelemetryMiddleware", "__call__"),
    ),
    Seam(
        "opentelemetry.instrumentation.utils._start_internal_or_server_span",
        "opentelemetry-instrumentation",
        "keys in requests that arrive while a span is current, as pipelined ones do, are not seen",
        _on_inner_spans,
    ),
    Seam(
        "flask.Flask.__call__",
        "flask",
        "keys that a middleware around wsgi_app takes away are not seen",
        has("flask", "Flask", "__call__"),
    ),
    Seam(
        "tornado.httputil.HTTPServerRequest",
        "tornado",
        "keys in requests to Tornado are not seen",
        has("tornado.httputil", "HTTPServerRequest", "__init__"),
    ),
    Seam(
        "aiohttp.web.BaseRequest",
        "aiohttp",
        "keys in requests to aiohttp's server are not seen",
        _all_have("aiohttp.web", "BaseRequest", ("raw_headers", "rel_url", "remote", "scheme")),
    ),
    Seam(
        "grpc: servers",
        "grpcio",
        "keys in calls to gRPC servers are not seen",
        _on_grpc_servers,
    ),
    Seam(
        "opentelemetry.instrumentation.grpc: servicer contexts",
        "opentelemetry-instrumentation-grpc",
        "calls to gRPC servers that end by abort_with_status, an exception, a cancellation or a "
        "deadline read as successes",
        _on_grpc_statuses,
    ),
    Seam(
        "urllib3.connection.HTTPConnection",
        "urllib3",
        "outgoing calls of requests and urllib3 are not seen",
        _all_have("urllib3.connection", "HTTPConnection", ("request", "getresponse")),
    ),
    Seam(
        "urllib3: urlopen",
        "urllib3",
        "a key that a redirect takes to another host is no finding in urllib3",
        lambda: (
            has("urllib3.connectionpool", "HTTPConnectionPool", "urlopen")()
            and has("urllib3.poolmanager", "PoolManager", "urlopen")()
        ),
    ),
    Seam(
        "requests.sessions.Session.send",
        "requests",
        "a key that a redirect takes to another host is no finding in requests that nobody traces",
        has("requests.sessions", "Session", "send"),
    ),
    Seam(
        "requests.models.PreparedRequest.prepare_headers",
        "requests",
        "a key in a header that requests refuses to send is not redacted",
        has("requests.models", "PreparedRequest", "prepare_headers"),
    ),
    Seam(
        "urllib3.connectionpool.HTTPConnectionPool._make_request",
        "urllib3",
        "a key in the path of an https call that cannot connect is not redacted",
        has("urllib3.connectionpool", "HTTPConnectionPool", "_make_request"),
    ),
    Seam(
        "http.client.HTTPConnection",
        "python",
        "outgoing calls of urllib are not seen",
        lambda: (
            _all_have("http.client", "HTTPConnection", ("request", "getresponse"))()
            and has("urllib.request", "OpenerDirector", "open")()
        ),
    ),
    Seam(
        "httpcore pools",
        "httpcore",
        "outgoing calls of httpx are not seen",
        _on_pools("httpcore", "httpx"),
    ),
    Seam(
        "httpcore2 pools",
        "httpcore2",
        "outgoing calls of httpx2 are not seen",
        _on_pools("httpcore2", "httpx2"),
    ),
    Seam(
        "aiohttp.client_reqrep",
        "aiohttp",
        "outgoing calls of aiohttp are not seen",
        lambda: (
            has("aiohttp.client_reqrep", "ClientRequest", "send")()
            and has("aiohttp.client_reqrep", "ClientResponse", "start")()
            and has("aiohttp.client", "ClientSession", "_request")()
        ),
    ),
    Seam("grpc: clients", "grpcio", "outgoing calls of gRPC are not seen", _on_grpc_clients),
    Seam(
        "grpc: credential plugins",
        "grpcio",
        "keys that a plugin adds to a call of gRPC are not seen",
        _on_grpc_plugins,
    ),
)
