"""Sends the requests over loopback, a few at a time, and notes what was answered."""

from __future__ import annotations

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from keytrail.demo.plan import Request

TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and the status that came back."""

    request: Request
    status: int


def send_all(
    requests: Iterator[Request],
    ports: Mapping[str, int],
    *,
    connections: int,
    progress: Callable[[], None],
) -> list[Answered]:
    """Send every request to its service and return the answers in the order in which they came.

    Each of ``connections`` threads keeps one connection to each service alive; ``progress`` is
    called for every answer.

    Raises:
        OSError: a service could not be reached, or did not answer in time.
        http.client.HTTPException: a service closed the connection in the middle of an answer.

    """
    answers: list[Answered] = []
    lock = threading.Lock()

    def take() -> Request | None:
        with lock:
            return next(requests, None)

    def work() -> None:
        lines = {
            name: http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
            for name, port in ports.items()
        }
        while request := take():
            answer = Answered(request, _send(lines[request.caller.service], request))
            with lock:
                answers.append(answer)
                progress()
        for line in lines.values():
            line.close()

    with ThreadPoolExecutor(connections, "load") as pool:
        for future in [pool.submit(work) for _ in range(connections)]:
            future.result()
    return answers


def _send(line: http.client.HTTPConnection, request: Request) -> int:
    line.request(request.method, request.target(), request.body, request.headers())
    response = line.getresponse()
    response.read()
    if response.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        line.close()  # uvicorn hangs up, without saying so, after an exception in the application
    return response.status
