"""The official exporters with an ear on the wire: what the endpoint answered, not only whether.

Over HTTP the ear is the ``requests`` session that the exporter is given; over gRPC it stands around
the exporter's stub. An exporter that tries again by itself, and may not heed ``Retry-After``, is
told over HTTP that it is no use: when to try again is the sender's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from keytrail.journal.answer import Answer, of_grpc, of_http, unanswered

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

_PROVIDERS: Final = "opentelemetry_otlp_credential_provider"
_PROVIDER: Final = "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER"
_PROVIDER_OF: Final = "OTEL_PYTHON_EXPORTER_OTLP_HTTP_{}_CREDENTIAL_PROVIDER"
_RETRY_INFO: Final = "google.rpc.retryinfo-bin"


@dataclass(slots=True)
class Heard:
    """What was heard of the export that runs, or ran last."""

    asked: bool = False
    """Whether a request was made."""
    answer: Answer | None = None
    """The last answer; an exporter may ask several times."""
    deaf: bool = False
    """The exporter is not one that can be listened to: only its result is known."""

    @property
    def nothing_was_sent(self) -> bool:
        """Whether the exporter failed before it made a request."""
        return not self.asked and not self.deaf

    def forget(self) -> None:
        """Begin a new export."""
        self.asked, self.answer = False, None

    def listen_on(self, session: requests.Session) -> requests.Session:
        """Return ``session``, heard; it follows no redirect, which is no delivery, says OTLP.

        An answer that takes nothing is raised, as an error after which no exporter tries again. A
        connection may have been closed while nobody used it: that is worth one more attempt.
        """
        from requests import RequestException

        inner = session.send

        def send(request: requests.PreparedRequest, **options: Any) -> requests.Response:
            is_second, self.asked = self.asked, True
            try:
                response = inner(request, **{**options, "allow_redirects": False})
                self.answer = of_http(response.status_code, response.headers, response.content)
            except OSError as error:  # what requests raises is one
                self.answer = unanswered(error)
                if is_second:
                    raise RequestException(self.answer.told) from error
                raise
            if self.answer.meaning != "taken":
                raise RequestException(self.answer.told)
            return response

        session.send = send  # type: ignore[method-assign]
        return session


def environment_session(heard: Heard, signal: str) -> requests.Session:
    """Return the session that the environment asks for ``signal`` (TRACES, LOGS), heard.

    Raises:
        LookupError: the environment names a credential provider that is not installed.

    """
    import requests

    name = os.environ.get(_PROVIDER) or os.environ.get(_PROVIDER_OF.format(signal))
    if not name:
        return heard.listen_on(requests.Session())
    for provider in entry_points(group=_PROVIDERS, name=name):
        session: requests.Session = provider.load()()
        return heard.listen_on(session)
    raise LookupError(f"no {_PROVIDERS} is called {name}")


def grpc_listening(exporter: type[Any], heard: Heard) -> Callable[..., Any]:
    """Return a class like the gRPC ``exporter`` whose answers are heard."""
    if not hasattr(exporter, "_initialize_channel_and_stub"):
        heard.deaf = True
        return exporter

    class Listening(exporter):  # type: ignore[misc]
        def _initialize_channel_and_stub(self) -> None:
            super()._initialize_channel_and_stub()
            self._client: Any = _Stub(self._client, heard)

    Listening.__module__ = exporter.__module__
    return Listening


class _Stub:
    def __init__(self, inner: Any, heard: Heard) -> None:
        self._inner = inner
        self._heard = heard

    def Export(self, request: Any, **options: Any) -> Any:  # noqa: N802 - the protocol's name
        import grpc

        self._heard.asked = True
        try:
            response = self._inner.Export(request, **options)
        except grpc.RpcError as error:
            self._heard.answer = of_grpc(error.code().name, _retry_delay(error))
            raise
        self._heard.answer = of_http(200, {}, response.SerializeToString())
        return response


def _retry_delay(error: Any) -> float | None:
    from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]

    told = dict(error.trailing_metadata() or ()).get(_RETRY_INFO)
    if told is None:
        return None
    delay = RetryInfo.FromString(told).retry_delay
    return float(delay.seconds + delay.nanos / 1e9)
