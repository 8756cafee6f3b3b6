"""Every server that keytrail reads the requests of, each as small as its library allows.

``python servers.py starlette=8001 grpc=8002`` runs them side by side in one process. Each answers
``/<its name>/status/<code>`` with that status; the gRPC ones end with that status code. There is no
word of keytrail in here.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server


def serve_asgi(app: Any, port: int) -> None:
    """Serve an ASGI application for ever."""
    import uvicorn

    uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning")).run()


def serve_wsgi(app: Any, port: int) -> None:
    """Serve a WSGI application for ever."""

    class Silent(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    make_server("127.0.0.1", port, app, handler_class=Silent).serve_forever()


def fastapi(port: int) -> None:
    """Serve with FastAPI."""
    from fastapi import FastAPI, Response

    app = FastAPI()

    @app.get("/{server}/status/{status}")
    def answer(server: str, status: int) -> Response:
        return Response(status_code=status)

    serve_asgi(app, port)


def starlette(port: int) -> None:
    """Serve with Starlette: requests, and a WebSocket that says its name."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    async def answer(request: Request) -> Response:
        return Response(status_code=request.path_params["status"])

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("starlette")
        await socket.close()

    routes = [Route("/{server}/status/{status:int}", answer), WebSocketRoute("/ws", talk)]
    serve_asgi(Starlette(routes=routes), port)


def litestar(port: int) -> None:
    """Serve with Litestar, its application inside the middleware as its users are told to."""
    from litestar import Litestar, Response, get
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    @get("/{server:str}/status/{status:int}", sync_to_thread=False)
    def answer(server: str, status: int) -> Response[None]:
        return Response(None, status_code=status)

    app = Litestar([answer], signature_namespace={"Response": Response})
    serve_asgi(OpenTelemetryMiddleware(app), port)


def raw_asgi(port: int) -> None:
    """Serve without a framework."""
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": int(scope["path"].split("/")[3])})
        await send({"type": "http.response.body"})

    serve_asgi(OpenTelemetryMiddleware(app), port)


def raw_wsgi(port: int) -> None:
    """Serve without a framework."""
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(f"{environ['PATH_INFO'].split('/')[3]} Told", [])
        return []

    serve_wsgi(OpenTelemetryMiddleware(app), port)


def flask(port: int) -> None:
    """Serve with Flask."""
    from flask import Flask, Response

    app = Flask("app")

    @app.get("/<server>/status/<int:status>")
    def answer(server: str, status: int) -> Response:
        return Response(status=status)

    serve_wsgi(app, port)


def django_wsgi(port: int) -> None:
    """Serve with Django, as WSGI."""
    import django_app  # type: ignore[import-not-found]

    serve_wsgi(django_app.wsgi(), port)


def django_asgi(port: int) -> None:
    """Serve with Django, as ASGI."""
    import django_app

    serve_asgi(django_app.asgi(), port)


def falcon(port: int) -> None:
    """Serve with Falcon."""
    import falcon

    class Answer:
        def on_get(self, _: Any, response: Any, server: str, status: int) -> None:
            response.status = falcon.code_to_http_status(status)

    app = falcon.App()
    app.add_route("/{server}/status/{status:int}", Answer())
    serve_wsgi(app, port)


def pyramid(port: int) -> None:
    """Serve with Pyramid."""
    from pyramid.config import Configurator
    from pyramid.response import Response

    with Configurator() as config:
        config.add_route("answer", "/{server}/status/{status}")
        config.add_view(
            lambda request: Response(status=int(request.matchdict["status"])), route_name="answer"
        )
        app = config.make_wsgi_app()
    serve_wsgi(app, port)


def tornado(port: int) -> None:
    """Serve with Tornado: requests, and a WebSocket that says its name."""
    import tornado.web
    import tornado.websocket

    class Answer(tornado.web.RequestHandler):
        def get(self, status: str) -> None:
            self.set_status(int(status))

    class Talk(tornado.websocket.WebSocketHandler):
        def open(self, *_: str, **__: str) -> None:
            self.write_message("tornado")
            self.close()

    async def run() -> None:
        app = tornado.web.Application([(r"/\w+/status/(\d+)", Answer), (r"/ws", Talk)])
        app.log_request = lambda handler: None  # type: ignore[method-assign]
        app.listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(run())


def aiohttp(port: int) -> None:
    """Serve with aiohttp."""
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    async def run() -> None:
        app = web.Application()
        app.router.add_get("/{server}/status/{status}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    asyncio.run(run())


def grpc(port: int) -> None:
    """Serve with gRPC in threads."""
    import grpc

    server = grpc.server(ThreadPoolExecutor(4), [grpc_handler(by_code(grpc.StatusCode))])
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def grpc_aio(port: int) -> None:
    """Serve with gRPC in tasks."""
    import grpc

    codes = by_code(grpc.StatusCode)

    async def answer(request: bytes, context: Any) -> bytes:
        if code := int(request):
            await context.abort(codes[code], "told")
        return b"done"

    async def stream(request: bytes, context: Any) -> Any:
        yield await answer(request, context)

    async def run() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((grpc_service(answer, stream),))
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        await server.wait_for_termination()

    asyncio.run(run())


def by_code(codes: Any) -> dict[int, Any]:
    """Return gRPC's status codes by their number."""
    return {code.value[0]: code for code in codes}


def grpc_handler(codes: dict[int, Any]) -> Any:
    """Return the service for servers with threads."""

    def answer(request: bytes, context: Any) -> bytes:
        if code := int(request):
            context.abort(codes[code], "told")
        return b"done"

    def stream(request: bytes, context: Any) -> Any:
        yield answer(request, context)

    return grpc_service(answer, stream)


def grpc_service(answer: Any, stream: Any) -> Any:
    """Return a service of one method for each way to answer; what it takes and gives is bytes."""
    import grpc

    return grpc.method_handlers_generic_handler(
        "test.Status",
        {
            "Get": grpc.unary_unary_rpc_method_handler(answer),
            "Stream": grpc.unary_stream_rpc_method_handler(stream),
        },
    )


SERVERS: dict[str, Callable[[int], None]] = {
    function.__name__: function
    for function in (
        fastapi,
        starlette,
        litestar,
        raw_asgi,
        raw_wsgi,
        flask,
        django_wsgi,
        django_asgi,
        falcon,
        pyramid,
        tornado,
        aiohttp,
        grpc,
        grpc_aio,
    )
}


def main(arguments: list[str]) -> None:
    """Run each ``name=port``, the last one in this thread."""
    for argument in arguments:
        name, port = re.fullmatch(r"(\w+)=(\d+)", argument).groups()  # type: ignore[union-attr]
        threading.Thread(target=SERVERS[name], args=(int(port),), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1:])
