"""What an endpoint answers the application's own exporter, which tells more than its result.

An exporter takes a partial success and a login page for a success, and the newest ones a redirect.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from keytrail import faults
from keytrail.journal.answer import Answer, of_http

if TYPE_CHECKING:
    import requests

_OVER_HTTP: Final = "opentelemetry.exporter.otlp.proto.http"
_SESSIONS: Final = (("_session",), ("_client", "_transport", "_session"))
"""Where an official exporter has its session, the older releases first."""
_answer: ContextVar[Answer | None] = ContextVar("keytrail.overheard", default=None)


@faults.guarded("journal.overhear", False)
def overhear(exporter: Any) -> bool:
    """Hear what ``exporter`` is answered from now on; return whether its success can be believed.

    One over gRPC is believed, unheard.
    """
    if not type(exporter).__module__.startswith(_OVER_HTTP):
        return True
    session = session_of(exporter)
    if session is None:
        return False
    if _hear not in session.hooks["response"]:
        session.hooks["response"].append(_hear)
    return True


def session_of(exporter: Any) -> requests.Session | None:
    """Return the session of an official exporter over HTTP; ``None`` where it has no such thing."""
    import requests

    for path in _SESSIONS:
        found = exporter
        for name in path:
            found = getattr(found, name, None)
        if isinstance(found, requests.Session):
            return found
    return None


def forget() -> None:
    """Begin a new export in this thread."""
    _answer.set(None)


def took_all() -> bool:
    """Return whether nothing speaks against the success of the export that just ended here."""
    answer = _answer.get()
    return answer is None or (answer.meaning == "taken" and not answer.rejected)


def _hear(response: requests.Response, *_: Any, **__: Any) -> None:
    """Hear an answer; one that breaks off raises here what the exporter would meet itself."""
    _understand(response, response.content)


@faults.guarded("journal.overheard", None)
def _understand(response: requests.Response, body: bytes) -> None:
    if response.request.method == "POST":
        _answer.set(of_http(response.status_code, response.headers, body))
    else:
        _answer.set(Answer("closed", "redirected"))  # what follows takes nothing with it
