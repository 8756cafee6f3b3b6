"""How a backend is asked over HTTP, and how it is told when it does not answer."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any, Final

import httpx

from keytrail.sources.source import CannotAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keytrail.sources.address import Address

_HINTS: Final = {
    401: "hint: give credentials: headers in a profile, or user:password@ in the address",
    403: "hint: these credentials may not read here",
    404: "hint: is this the address of its query API?",
    429: "hint: it is asked too often: ask for less time",
}
_TIMEOUT: Final = 30.0
_WAITS: Final = (0.5, 2.0)
"""Seconds before a request that may succeed later is tried again."""
_ONCE_MORE: Final = frozenset({429, 502, 503, 504})


class TooSlowError(Exception):
    """The backend did not answer in time: ask it for less."""


class Http:
    """One backend's API."""

    def __init__(self, address: Address) -> None:
        self._address = address
        password = address.password.reveal() if address.password else ""
        self._client = httpx.Client(
            base_url=address.url,
            headers={name: value.reveal() for name, value in address.headers},
            auth=None if address.user is None else (address.user, password),
            verify=_tls(address),
            timeout=_TIMEOUT,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def get(
        self, path: str, query: Mapping[str, Any], accept: str = "application/json"
    ) -> httpx.Response:
        """Return the answer, whatever its status but for those below.

        Raises:
            CannotAnswer: the backend cannot be reached, or refuses.
            TooSlowError: it did not answer in time.
        """
        answer = self._once(path, query, accept)
        for wait in _WAITS:
            if answer.status_code not in _ONCE_MORE:
                break
            time.sleep(wait)
            answer = self._once(path, query, accept)
        if answer.status_code in (401, 403, 429) or answer.status_code >= 500:
            raise self.refused(path, answer)
        return answer

    def json(self, path: str, answer: httpx.Response) -> dict[str, Any]:
        """Return the object in an answer.

        Raises:
            CannotAnswer: the backend refused, or answered something else.
        """
        if answer.status_code != 200:
            raise self.refused(path, answer)
        try:
            content = answer.json()
        except ValueError:
            content = None
        if isinstance(content, dict):
            return content
        raise CannotAnswer(
            f"{self._address} answered {path} with something else than {self._address.kind} does"
            "\nhint: is this the address of its query API?"
        )

    def _once(self, path: str, query: Mapping[str, Any], accept: str) -> httpx.Response:
        try:
            return self._client.get(path, params=dict(query), headers={"Accept": accept})
        except httpx.TimeoutException:
            raise TooSlowError from None
        except httpx.HTTPError as error:
            raise CannotAnswer(
                f"{self._address} cannot be reached: {type(error).__name__}"
                "\nhint: is the address right, and is it running?"
            ) from None

    def refused(self, path: str, answer: httpx.Response) -> CannotAnswer:
        """Return the error that says what was answered where, without what was asked."""
        hint = _HINTS.get(answer.status_code, "hint: its own log says more")
        return CannotAnswer(f"{self._address} answered {answer.status_code} to {path}\n{hint}")


def _tls(address: Address) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=None if address.certificate is None else str(address.certificate)
    )
    if address.client_certificate is not None:
        key = None if address.client_key is None else str(address.client_key)
        context.load_cert_chain(str(address.client_certificate), key)
    return context
