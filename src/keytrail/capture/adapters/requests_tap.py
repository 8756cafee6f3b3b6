"""requests: it follows redirects above urllib3, and tells in errors what it refuses to send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests.exceptions import InvalidHeader
from requests.models import PreparedRequest
from requests.sessions import Session

from keytrail.capture.adapters.taps import Tap, Wire, holding, put
from keytrail.capture.adapters.url_userinfo import minding, userinfo_in
from keytrail.capture.view import RequestView

if TYPE_CHECKING:
    from collections.abc import Callable


def install(wire: Wire) -> list[Tap]:
    """Hold the hops of one ``send`` together, and tap the check of a request's headers."""

    def tapping_check(check: Callable[..., Any]) -> Callable[..., Any]:
        def prepare_headers(request: PreparedRequest, headers: Any) -> Any:
            try:
                return check(request, headers)
            except InvalidHeader:
                wire.refused(lambda: _view(request, headers))
                raise

        return prepare_headers

    return [
        put(Session, "send", minding(lambda _, request, **__: userinfo_in(str(request.url)))),
        put(Session, "send", holding(wire, "urllib3")),
        put(PreparedRequest, "prepare_headers", tapping_check),
    ]


def _view(request: PreparedRequest, headers: Any) -> RequestView:
    target = urlsplit(str(request.url))
    return RequestView(
        method=str(request.method),
        scheme=target.scheme,
        host=target.hostname or "",
        port=target.port,
        path=target.path,
        query=target.query.encode("utf-8", "surrogatepass"),
        headers=[(_text(name).lower(), _text(value).encode()) for name, value in headers.items()],
    )


def _text(part: Any) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else str(part)
