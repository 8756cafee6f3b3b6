"""WSGI: every application that is called with an environ, whatever framework it is written in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keytrail.capture.adapters.authority import split_authority
from keytrail.capture.view import RequestView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytrail.capture.reader import RequestReader


def is_environ(carrier: Mapping[str, Any]) -> bool:
    """Tell whether ``carrier`` is a WSGI environ."""
    return "REQUEST_METHOD" in carrier and "wsgi.version" in carrier


def may_carry_key(environ: Mapping[str, Any], reader: RequestReader) -> bool:
    """Tell whether a key may be in the environ; most requests without one need no closer look."""
    if not reader.keyed_environ.isdisjoint(environ):
        return True
    query = environ.get("QUERY_STRING") or ""
    return query != "" and reader.may_be_in(_wire(query))


def view(environ: Mapping[str, Any], reader: RequestReader) -> RequestView:
    """Read an environ."""
    wanted = reader.wanted_environ
    sent = sorted(wanted.keys() & environ.keys())
    headers = [(wanted[key], _wire(environ[key])) for key in sent]
    authority = environ.get("HTTP_HOST") or _server(environ)
    host, port = split_authority(authority)
    return RequestView(
        method=environ["REQUEST_METHOD"],
        scheme=environ.get("wsgi.url_scheme") or "http",
        host=host,
        port=port,
        path=_path(environ),
        query=_wire(environ.get("QUERY_STRING") or ""),
        headers=headers,
        peer=environ.get("REMOTE_ADDR") or "",
    )


def _wire(text: str) -> bytes:
    """Undo PEP 3333's Latin-1 reading; what no server would hand over is kept as UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _path(environ: Mapping[str, Any]) -> str:
    path = (environ.get("SCRIPT_NAME") or "") + (environ.get("PATH_INFO") or "")
    return path if path.isascii() else _wire(path).decode("utf-8", "replace")


def _server(environ: Mapping[str, Any]) -> str:
    return f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
