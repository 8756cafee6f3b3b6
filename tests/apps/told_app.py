"""A service that does what its standard input tells it, a command and a number a line."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time

import flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import TracerProvider

import keytrail
from keytrail.activate import active_audit

_real_time, _real_time_ns = time.time, time.time_ns
_step = 0
time.time = lambda: _real_time() + _step
time.time_ns = sdk.time_ns = lambda: _real_time_ns() + _step * 10**9  # type: ignore[attr-defined]

KEY = os.environ["USED_KEY"]

app = flask.Flask(__name__)


@app.route("/orders/<number>")
def orders(number: str) -> str:
    return number


@app.route("/denied/<number>")
def denied(number: str) -> tuple[str, int]:
    return number, 401


def call(path: str, key: str) -> None:
    app.test_client().get(path, headers={"X-API-Key": key})


def use(first: int, last: int) -> None:
    for number in range(first, last):
        call(f"/orders/{number}", KEY)


def guess(first: int, last: int) -> None:
    for number in range(first, last):
        call(f"/denied/{number}", f"guessed-key-{number:032d}")


def fork(first: int, last: int) -> None:
    if os.fork() == 0:
        use(first, last)
        sys.exit(0)


def collect(*_: int) -> str:
    os.wait()
    return "collected"


def step(seconds: int, *_: int) -> None:
    global _step
    _step = seconds


def flush(*_: int) -> bool:
    audit = active_audit()
    return audit is not None and audit.flush(60)


def books(*_: int) -> dict[str, object]:
    audit = active_audit()
    assert audit is not None
    return dataclasses.asdict(audit.journal.accounting.snapshot())


COMMANDS = {
    command.__name__: command for command in (use, guess, fork, collect, step, flush, books)
}

keytrail.instrument()
FlaskInstrumentor().instrument_app(app, tracer_provider=TracerProvider())  # type: ignore[no-untyped-call]
call("/warm", "")
for line in sys.stdin:
    name, *numbers = line.split()
    sys.stdout.write(json.dumps(COMMANDS[name](*map(int, numbers))) + "\n")
    sys.stdout.flush()
