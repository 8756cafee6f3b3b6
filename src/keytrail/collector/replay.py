"""What the Collector's journal holds of a span of time, sent again."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from os.path import sameopenfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests

from keytrail.collector.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from io import BufferedReader

FILES: Final = "audit*.jsonl"
PACKED: Final = f"{FILES}.gz"
"""What somebody made of files that are not written any more."""
NEWEST: Final = "audit.jsonl"
_BEGINNING: Final = b'{"resourceSpans":'
_RETRIED: Final = frozenset({429, 502, 503, 504})
_TIMEOUT: Final = 30.0
_LONGEST_WAIT: Final = 30.0


@dataclass(slots=True)
class Replayed:
    """What was sent."""

    spans: int = 0
    requests: int = 0
    unreadable: list[str] = field(default_factory=list)
    """``file:line`` of lines that are no request, or that something stands before.

    A packed file that cannot be unpacked to its end is named by the line at which it breaks off.
    """


def replay(
    journal: Path,
    send: Callable[[bytes], None],
    begin: int | None = None,
    end: int | None = None,
) -> Replayed:
    """Send every span of the files in ``journal`` that began in [begin, end), Unix nanoseconds.

    Ids stay as they are, so a destination that tells spans by them keeps each once.

    Raises:
        CollectorError: there are no files, or what ``send`` raised.

    """
    done = Replayed()
    found = False
    for file in _files(journal):
        found = True
        for number, line in enumerate(_lines(file), 1):
            chosen = _chosen(line, begin, end)
            if chosen is None:
                done.unreadable.append(f"{Path(file.name).name}:{number}")
                chosen = _chosen(_behind_what_is_torn(line), begin, end)
            if chosen is not None and chosen[1]:
                send(chosen[0])
                done.spans += chosen[1]
                done.requests += 1
    if not found:
        raise CollectorError(
            f"{journal}: no {FILES} here\nhint: the journal is in $KEYTRAIL_DIR/journal"
        )
    return done


def sender(
    endpoint: str, headers: Mapping[str, str], patience: float = 300.0
) -> Callable[[bytes], None]:
    """Return what sends one request over OTLP/HTTP, and again where the destination is busy.

    It raises ``CollectorError`` where the destination refuses, or is busy for ``patience`` seconds.
    """
    url = endpoint if endpoint.endswith("/v1/traces") else endpoint.rstrip("/") + "/v1/traces"
    session = requests.Session()
    session.headers.update({"Content-Type": "application/json", **headers})

    def send(body: bytes) -> None:
        deadline, wait = time.monotonic() + patience, 0.5
        while (problem := _refusal(session, url, body)) is not None:
            if time.monotonic() + wait > deadline:
                raise CollectorError(
                    f"{url}: {problem}\nhint: nothing is lost; replay the same time again"
                )
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    return send


def _refusal(session: requests.Session, url: str, body: bytes) -> str | None:
    """Return why the request may be sent again; ``None`` once it was taken."""
    try:
        answer = session.post(url, body, timeout=_TIMEOUT, allow_redirects=False)
    except requests.ConnectionError:
        return "no connection"
    except requests.Timeout:
        return "no answer in time"
    if answer.status_code in _RETRIED:
        return f"status {answer.status_code}"
    if not answer.ok or answer.is_redirect:
        raise CollectorError(
            f"{url}: status {answer.status_code}\nhint: mend it and replay the same time again"
        )
    return None


def _files(journal: Path) -> Iterator[BufferedReader]:
    """Open the files one after the other, the oldest first, each once.

    A Collector that writes meanwhile renames the newest when it is full, and deletes the oldest.
    """
    with ExitStack() as held:
        newest: list[BufferedReader] = []
        with suppress(FileNotFoundError):
            newest.append(held.enter_context((journal / NEWEST).open("rb")))
        older = {*journal.glob(FILES), *journal.glob(PACKED)} - {journal / NEWEST}
        for path in sorted(older):
            with suppress(FileNotFoundError), path.open("rb") as file:
                if not any(sameopenfile(file.fileno(), one.fileno()) for one in newest):
                    yield file
        yield from newest


def _lines(file: BufferedReader) -> Iterator[bytes]:
    """Yield the lines of a file, unpacked; what cannot be unpacked is a line that is no request."""
    if not file.name.endswith(".gz"):
        yield from file
        return
    try:
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield from unpacked
    except (OSError, EOFError, zlib.error):
        yield b""


def _behind_what_is_torn(line: bytes) -> bytes:
    """Return what begins last in a line: a full disk may have kept half of a request before it."""
    return line[max(0, line.rfind(_BEGINNING)) :]


def _chosen(line: bytes, begin: int | None, end: int | None) -> tuple[bytes, int] | None:
    """Return the request with only what began in time, and its spans; no request: ``None``."""
    try:
        message = json.loads(line)
        kept = [_resource(one, begin, end) for one in message["resourceSpans"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    message["resourceSpans"] = [resource for resource, count in kept if count]
    count = sum(count for _, count in kept)
    return json.dumps(message, separators=(",", ":")).encode(), count


def _resource(
    resource: dict[str, Any], begin: int | None, end: int | None
) -> tuple[dict[str, Any], int]:
    scopes = []
    count = 0
    for scope in resource.get("scopeSpans", []):
        spans = [span for span in scope.get("spans", []) if _in_time(span, begin, end)]
        count += len(spans)
        if spans:
            scopes.append({**scope, "spans": spans})
    return {**resource, "scopeSpans": scopes}, count


def _in_time(span: dict[str, Any], begin: int | None, end: int | None) -> bool:
    began = int(span["startTimeUnixNano"])
    return (begin is None or began >= begin) and (end is None or began < end)
