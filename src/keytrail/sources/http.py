"""How a backend is asked over HTTP, and how it is told when it does not answer."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx

from keytrail.sources.source import CannotAnswer
from keytrail.sources.tls import context
from keytrail.sources.unreachable import unreachable
from keytrail.sources.windows import TooSlowError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.sources.address import Address
    from keytrail.sources.limits import Limits

_HINTS: Final = {
    400: "hint: its own log says more; does it want TLS? then +https://",
    401: "hint: give credentials: headers in a profile, or user:password@ in the address",
    **dict.fromkeys((408, 504), "hint: it is too slow for this: ask for less time"),
    403: "hint: these credentials may not read here; is the tenant right?",
    404: "hint: is this the address of its query API?",
    429: "hint: it is asked too often: ask for less time, or later",
}
_REDIRECTED: Final = (
    "hint: it sends its callers elsewhere, perhaps to log in: give the address of its query API, "
    "and credentials"
)
_ITS_LOG: Final = "hint: its own log says more"
_TIMEOUT: Final = 30.0
_WAITS: Final = (0.5, 2.0)
"""Seconds before a request that may succeed later is tried again, where the backend says none."""
_LONGEST_WAIT: Final = 60.0
_LATER: Final = frozenset({429, 502, 503})
_TOO_SLOW: Final = frozenset({408, 504})
_REFUSED: Final = frozenset({401, 403, 429})
_BROKEN_OFF: Final = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


class RefusedError(CannotAnswer):
    """The backend answered that it does not; the words of ``answer`` are not to be shown."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer


class Answer(NamedTuple):
    """What came back."""

    status: int
    wait: float | None
    """Seconds after which the backend wants to be asked again."""
    content: bytes

    @property
    def text(self) -> str:
        """Of an error's message."""
        return self.content.decode("utf-8", "replace")

    def object(self) -> dict[str, Any] | None:
        """Return the JSON object that it is, if it is one."""
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


class Http:
    """One backend's API, asked as long as the limits allow."""

    def __init__(self, address: Address, limits: Limits) -> None:
        self._address = address
        self._limits = limits
        password = address.password.reveal() if address.password else ""
        self._client = httpx.Client(
            base_url=address.url,
            headers={name: value.reveal() for name, value in address.headers},
            auth=None if address.user is None else (address.user, password),
            verify=context(address),
            follow_redirects=False,
        )

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def get(self, path: str, query: Mapping[str, Any], accept: str = "application/json") -> Answer:
        """Return the answer, whatever its status but for those below.

        Raises:
            CannotAnswer: the backend cannot be reached.
            RefusedError: it refuses.
            TooSlowError: it did not answer in time.
            StoppedError: the question's own time is over.
        """
        for least in _WAITS:
            try:
                answer = self._ask(path, query, accept)
            except _BROKEN_OFF:
                self._sleep(least)
                continue
            wait = least if answer.wait is None else answer.wait
            if answer.status not in _LATER or wait > _LONGEST_WAIT:
                return self._accepted(path, answer)
            self._sleep(wait)
        try:
            return self._accepted(path, self._ask(path, query, accept))
        except _BROKEN_OFF as error:
            raise unreachable(self._address, error) from None

    def object(self, path: str, answer: Answer) -> dict[str, Any]:
        """Return the object in an answer.

        Raises:
            CannotAnswer: the backend refused, or answered something else.
        """
        if answer.status != 200:
            raise self.refused(path, answer)
        found = answer.object()
        if found is None:
            raise self.misunderstood(path)
        return found

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Tell of an answer that turns out to be something else while it is read."""
        try:
            yield
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise self.misunderstood(path) from None

    def refused(self, path: str, answer: Answer) -> RefusedError:
        """Return the error that says what was answered where, without what was asked."""
        hint = _REDIRECTED if 300 <= answer.status < 400 else _HINTS.get(answer.status, _ITS_LOG)
        later = f" and wants {answer.wait:g} seconds of rest" if answer.wait else ""
        message = f"{self._address} answered {answer.status} to {path}{later}\n{hint}"
        return RefusedError(message, answer)

    def misunderstood(self, path: str) -> CannotAnswer:
        """Return the error that says that the answer is not the backend's."""
        return CannotAnswer(
            f"{self._address} answered {path} with something else than {self._address.kind} does"
            "\nhint: is this the address of its query API?"
        )

    def _accepted(self, path: str, answer: Answer) -> Answer:
        if answer.status in _TOO_SLOW:
            raise TooSlowError(str(self.refused(path, answer)))
        if answer.status in _REFUSED or answer.status >= 500:
            raise self.refused(path, answer)
        return answer

    def _ask(self, path: str, query: Mapping[str, Any], accept: str) -> Answer:
        self._limits.check()
        seconds = min(_TIMEOUT, self._limits.remaining() or _TIMEOUT)
        try:
            with self._client.stream(
                "GET", path, params=dict(query), headers={"Accept": accept}, timeout=seconds
            ) as answer:
                return Answer(answer.status_code, _wait(answer), self._content(answer))
        except httpx.ConnectTimeout as error:
            self._limits.check()
            raise unreachable(self._address, error) from None
        except httpx.TimeoutException:
            self._limits.check()
            raise TooSlowError(
                f"{self._address} did not answer within {seconds:g} seconds\n{_HINTS[504]}"
            ) from None
        except _BROKEN_OFF:
            raise
        except httpx.DecodingError:
            raise self.misunderstood(path) from None
        except httpx.HTTPError as error:
            raise unreachable(self._address, error) from None

    def _content(self, answer: httpx.Response) -> bytes:
        """Read as long as there is time: each part may come just before it is given up."""
        content = bytearray()
        for part in answer.iter_bytes():
            content += part
            self._limits.check()
        return bytes(content)

    def _sleep(self, seconds: float) -> None:
        self._limits.progress(f"{self._address} wants to be asked again in {seconds:g} seconds")
        time.sleep(min(seconds, self._limits.remaining() or seconds))


def _wait(answer: httpx.Response) -> float | None:
    """Read ``Retry-After``: seconds, or a date."""
    text = answer.headers.get("Retry-After", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
