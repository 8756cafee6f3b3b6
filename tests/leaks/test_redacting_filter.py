"""The public logging filter: for handlers that OpenTelemetry does not see."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.glogging import SafeAtoms  # type: ignore[import-untyped]
from uvicorn.logging import AccessFormatter

import keytrail
from keytrail import faults
from keytrail.redaction import record as records
from support.cases import K1

URL = f"/p?color=blue&api_key={K1}&page=2"
CLEAN_URL = "/p?color=blue&api_key=REDACTED&page=2"


class Log:
    """A logger with one handler that has the filter."""

    def __init__(self, formatter: logging.Formatter | None = None) -> None:
        self.stream = io.StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(formatter)
        self.handler.addFilter(keytrail.RedactingFilter())
        self.logger = logging.Logger("app")
        self.logger.addHandler(self.handler)

    def text(self) -> str:
        """Return what was written so far."""
        return self.stream.getvalue().rstrip("\n")


@pytest.fixture
def log() -> Log:
    """A logger with the filter on its handler."""
    return Log()


@pytest.mark.parametrize(
    ("message", "arguments", "written"),
    [
        (f"GET {URL} took 5 ms", (), f"GET {CLEAN_URL} took 5 ms"),
        ("GET %s took %d ms", (URL, 5), f"GET {CLEAN_URL} took 5 ms"),
        ("GET /p?api_key=%s", ("4f9a2c7e8b1d6053",), "GET /p?api_key=REDACTED"),
        ("100%% of /p?api_key=%s", ("4f9a2c7e8b1d6053",), "100% of /p?api_key=REDACTED"),
        ("%(url)s in %(n)d", ({"url": URL, "n": 3},), f"{CLEAN_URL} in 3"),
        ("%s", ({"x-api-key": K1, "accept": "*/*"},), "{'x-api-key': 'REDACTED', 'accept': '*/*'}"),
        ("%r", ([b"x-api-key: " + K1.encode()],), "[b'x-api-key: REDACTED']"),
        ({"event": "called", "api_key": K1}, (), "{'event': 'called', 'api_key': 'REDACTED'}"),
        ("nothing to hide in %s", ("author=me",), "nothing to hide in author=me"),
    ],
)
def test_messages_and_arguments(
    log: Log, message: Any, arguments: tuple[Any, ...], written: str
) -> None:
    """A key in the message, in an argument, or told by both together is redacted; no more is."""
    log.logger.warning(message, *arguments)
    assert log.text() == written


def test_an_argument_that_only_its_message_gives_away(log: Log) -> None:
    """What a formatter finds in ``args`` is redacted too, and there are as many of them."""
    seen = []
    log.handler.setFormatter(_Showing(lambda record: seen.append(record.args)))
    log.logger.warning("api_key=%s for %s", "an-unheard-of-key", "me")
    assert seen == [("REDACTED", "me")]


def test_an_object_whose_repr_holds_a_key(log: Log) -> None:
    """An argument is redacted where its repr, which ``%r`` shows, holds what its str does not."""

    class Client:
        def __repr__(self) -> str:
            return f"Client(api_key='{K1}')"

        def __str__(self) -> str:
            return "client"

    log.logger.warning("%s is %r", Client(), Client())
    assert log.text() == "client is Client(api_key='REDACTED')"


def test_arguments_that_do_not_fit(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    """``logging`` would print message and arguments to stderr: there is nothing to print."""
    log.logger.warning("%d calls", "an-unheard-of-key")
    assert log.text() == "%d calls (its arguments do not fit: REDACTED)"
    assert capsys.readouterr().err == ""


def test_an_exception_and_its_chain(log: Log) -> None:
    """Type, frames and causes stay readable; the keys in their texts are gone."""
    _log_failure(log.logger)
    lines = log.text().splitlines()
    assert lines[0] == "it failed"
    assert [line for line in lines if line.startswith(("ValueError", "test_"))] == [
        f"ValueError: no answer from {CLEAN_URL}",
        "test_redacting_filter._GaveUpError: gave up on {'api_key': 'REDACTED'}",
    ]
    assert sum("in _log_failure" in line for line in lines) == 2
    assert K1 not in log.text()


def test_formatters_that_print_the_exception_themselves(log: Log) -> None:
    """``exc_info`` is a stand-in of the same name, chain and frames."""
    told = []
    log.handler.setFormatter(_Showing(lambda record: told.append(record.exc_info)))
    _log_failure(log.logger)
    (kind, error, frames) = told[0]
    assert (kind.__name__, str(error)) == ("_GaveUpError", "gave up on {'api_key': 'REDACTED'}")
    assert (type(error.__cause__).__name__, str(error.__cause__)) == (
        "ValueError",
        f"no answer from {CLEAN_URL}",
    )
    assert frames.tb_frame.f_code.co_name == "_log_failure"


def test_extra_fields_and_stack(log: Log) -> None:
    """Fields of the application are redacted by name and by value, ``stack_info`` by value."""
    told: list[dict[str, Any]] = []
    log.handler.setFormatter(_Showing(lambda record: told.append({**vars(record)})))
    log.logger.warning(
        "with fields",
        extra={"api_key": "secret", "url": URL, "n": 5, "headers": {"x-api-key": [K1]}},
        stack_info=True,
    )
    fields = {name: told[0][name] for name in ("api_key", "url", "n", "headers")}
    assert fields == {
        "api_key": "REDACTED",
        "url": CLEAN_URL,
        "n": 5,
        "headers": {"x-api-key": ["REDACTED"]},
    }
    assert told[0]["stack_info"].startswith("Stack (most recent call last):")


def test_uvicorn_access() -> None:
    """The formatter of uvicorn takes the five arguments apart: they stay five."""
    log = Log(AccessFormatter('%(client_addr)s "%(request_line)s" %(status_code)s'))
    log.logger.info('%s - "%s %s HTTP/%s" %d', "1.2.3.4:5", "GET", URL, "1.1", 200)
    assert log.text() == f'1.2.3.4:5 "GET {CLEAN_URL} HTTP/1.1" 200 OK'


def test_gunicorn_access(log: Log) -> None:
    """The arguments of gunicorn look headers up in any case, and give a dash for a missing one."""
    atoms = SafeAtoms({"r": f"GET {URL}", "s": "200", "{x-api-key}i": K1, "{accept}i": "*/*"})
    log.logger.info('"%(r)s" %(s)s "%({X-API-Key}i)s" "%({Accept}i)s" %({x-none}i)s', atoms)
    assert log.text() == f'"GET {CLEAN_URL}" 200 "REDACTED" "*/*" -'


def test_other_handlers_get_the_record_as_it_was() -> None:
    """From 3.12 on the redacted record is a copy; before, handlers that follow get it redacted."""
    log = Log()
    others: list[str] = []
    other = logging.Handler()
    other.emit = lambda record: others.append(record.getMessage())  # type: ignore[method-assign]
    log.logger.addHandler(other)
    log.logger.warning("GET %s", URL)
    as_it_was = sys.version_info >= (3, 12)
    assert others == [f"GET {URL if as_it_was else CLEAN_URL}"]


def test_a_clean_record_is_the_very_same_object() -> None:
    """Nothing is copied where there is nothing to redact."""
    record = logging.makeLogRecord({"msg": "%s and %d", "args": ("a", 1), "extra": {"b": [1]}})
    assert keytrail.RedactingFilter().redacted(record) is record


def test_a_redacted_record_can_be_sent_to_another_process() -> None:
    """A redacted record is pickled as any other is, for ``SocketHandler`` and the like."""
    record = logging.makeLogRecord({"msg": "%(url)s %(x)s", "args": {"url": URL, "x": object}})
    sent = pickle.loads(pickle.dumps(keytrail.RedactingFilter().redacted(record)))
    assert sent.getMessage() == f"{CLEAN_URL} <class 'object'>"


def test_it_fails_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where redaction fails no text passes, nothing is raised, and the fault is counted."""
    monkeypatch.setattr(faults, "reraise", False)
    monkeypatch.setattr(records, "redacted", _broken)
    before = faults.counts().get("logs", 0)
    log = Log(logging.Formatter("%(levelname)s %(message)s %(url)s", defaults={"url": "-"}))
    log.logger.error("GET %s", URL, extra={"url": URL}, exc_info=ValueError(URL))
    assert log.text() == "ERROR REDACTED -"
    assert faults.counts()["logs"] == before + 1


def test_every_thread(log: Log) -> None:
    """Many threads log through one filter at once."""

    def write() -> None:
        for _ in range(50):
            log.logger.warning("GET %s", URL)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.text().splitlines() == [f"GET {CLEAN_URL}"] * 400


def test_keys_that_were_seen(tmp_path: Any) -> None:
    """Under ``instrument()`` a key of any form that a request carried is redacted by value."""
    seen = "qz81-vX0pL7-kQ22w"
    program = f"""
import logging, requests, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
import keytrail
keytrail.instrument()
logging.basicConfig(stream=sys.stdout, format="%(message)s")
logging.getLogger().handlers[0].addFilter(keytrail.RedactingFilter())
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204); self.end_headers()
    def log_message(self, *_): pass
server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{{server.server_port}}/"
requests.get(url, headers={{"X-API-Key": {seen!r}}})
logging.warning("called with %s", {seen!r})
"""
    ran = _run(program, KEYTRAIL_HOME=str(tmp_path))
    assert ran == "called with REDACTED\n"


def test_every_handler_by_a_setting(tmp_path: Any) -> None:
    """``KEYTRAIL_REDACT_LOGS`` covers handlers of any logger, those made later, and lastResort."""
    program = f"""
import logging, sys
import keytrail
keytrail.instrument()
logging.warning("first %s", {URL!r})
logging.getLogger().handlers[0].stream = sys.stdout
access = logging.getLogger("access")
access.propagate = False
access.addHandler(logging.StreamHandler(sys.stdout))
access.warning("second %s", {URL!r})
logging.getLogger("app").warning("third %s", {URL!r})
keytrail.uninstrument()
access.warning("fourth %s", "as before")
"""
    ran = _run(program, KEYTRAIL_HOME=str(tmp_path), KEYTRAIL_REDACT_LOGS="true")
    assert ran.splitlines() == [
        f"second {CLEAN_URL}",
        f"WARNING:app:third {CLEAN_URL}",
        "fourth as before",
    ]


def test_by_dictconfig() -> None:
    """The filter can be named in a logging configuration, and needs no ``instrument()``."""
    program = f"""
import logging.config
logging.config.dictConfig({{
    "version": 1,
    "filters": {{"keys": {{"()": "keytrail.RedactingFilter"}}}},
    "handlers": {{
        "out": {{
            "class": "logging.StreamHandler", "stream": "ext://sys.stdout", "filters": ["keys"]
        }}
    }},
    "root": {{"handlers": ["out"]}},
}})
logging.warning("GET %s", {URL!r})
"""
    assert _run(program) == f"GET {CLEAN_URL}\n"


class _GaveUpError(Exception):
    pass


class _Showing(logging.Formatter):
    """Hands the record to a function."""

    def __init__(self, show: Any) -> None:
        super().__init__()
        self._show = show

    def format(self, record: logging.LogRecord) -> str:
        self._show(record)
        return ""


def _log_failure(logger: logging.Logger) -> None:
    address = URL
    try:
        try:
            raise ValueError(f"no answer from {address}")
        except ValueError as error:
            raise _GaveUpError("gave up on " + str({"api_key": K1})) from error
    except _GaveUpError:
        logger.exception("it failed")


def _broken(*_: Any) -> Iterator[None]:
    raise RuntimeError(json.dumps({"api_key": K1}))


def _run(program: str, **environ: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
        env={"PATH": "", **environ},
    )
    assert K1 not in ran.stderr
    return ran.stdout
