"""A journal of many uses: lines of real requests, copied with other ids, times and keys."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from werkzeug.test import EnvironBuilder

from benchmarks.sides import Keytrail
from benchmarks.traffic import headers
from keytrail.journal.journal import Journal
from keytrail.settings import Settings

WRITERS = 4
"""Processes whose segments the journal has."""
KEYS = 200
CLIENTS = 500
_ROUTES = 30
_TEMPLATES = 3000
_STATUSES = (200, 200, 200, 200, 200, 201, 401, 403, 404, 429, 500)
_SPAN = 6 * 3600 * 10**9
"""Nanoseconds from the first use to the last."""
_DAY = 24 * 3600 * 10**9
_PLACE = b"\x00"
"""Stands for a place's per cent sign until those of the line itself are doubled."""
_PUT_AT_ONCE = 20_000
_UNBOUNDED = 2**50

_random = random.Random(0)


def write_journal(home: Path, uses: int) -> Iterator[int]:
    """Write ``uses`` uses as segments under ``home``; yield how many each step has written."""
    lines = _lines(list(_templates()), uses)
    each, more = divmod(uses, WRITERS)
    for writer in range(WRITERS):
        yield from _write(home, lines, each + (more if writer == 0 else 0))


def _write(home: Path, lines: Iterator[bytes], uses: int) -> Iterator[int]:
    settings = Settings(home=home, journal_bytes=_UNBOUNDED, queue_size=_UNBOUNDED)
    journal: Journal[bytes] = Journal(settings, list, {})
    while uses:
        batch = min(uses, _PUT_AT_ONCE)
        for _ in range(batch):
            journal.put(next(lines))
        if not journal.flush(60):
            raise SystemExit("the journal was not written")
        uses -= batch
        yield batch
    journal.close(60)


def _lines(templates: list[bytes], uses: int) -> Iterator[bytes]:
    keys = [_hex(64) for _ in range(KEYS)]
    skewed = [1 / (rank + 1) for rank in range(KEYS)]
    clients = [b"198.51.%d.%d" % divmod(number, 250) for number in range(CLIENTS)]
    begin = _begin(time.time_ns())
    for number, key in enumerate(_random.choices(keys, skewed, k=uses)):
        yield _random.choice(templates) % {
            b"key": key,
            b"client": _random.choice(clients),
            **_times(begin + number * (_SPAN // uses)),
            b"trace": _hex(32),
            b"span": _hex(16),
            b"parent": _hex(16),
        }


def _begin(now: int) -> int:
    """Return the time of the first use, so that all are of one UTC day: a sealed file holds one."""
    midnight = now - now % _DAY
    return (midnight if now - _SPAN < midnight else now) - _SPAN


def _times(begin: int) -> dict[bytes, bytes]:
    took = int(_random.lognormvariate(16, 1))
    return {
        b"time": b"%d" % begin,
        b"duration": json.dumps(took / 1e9).encode(),
        b"end": b"%d" % (begin + took),
    }


def _hex(digits: int) -> bytes:
    return b"%0*x" % (digits, _random.getrandbits(4 * digits))


def _templates() -> Iterator[bytes]:
    """Yield lines that the codec wrote of real requests, with places for what is to vary."""
    for line in _real_lines():
        use = json.loads(line)
        places = {
            b"key": use["key"],
            b"client": use["client"],
            b"time": str(use["time"]),
            b"duration": json.dumps(use["duration"]),
            b"end": str(use["span"]["end"]),
            b"trace": use["trace_id"],
            b"span": use["span_id"],
        }
        template = _with_parent(line).replace(b"%", b"%%")
        for name, value in places.items():
            template = template.replace(value.encode(), b"%%(%b)b" % name)
        yield template.replace(_PLACE, b"%")


def _with_parent(line: bytes) -> bytes:
    """Return the line of a use as the callee of a traced caller journals it."""
    parent = b'"parent_span_id":"%(parent)b","attributes":'.replace(b"%", _PLACE)
    told = b'"parent":{"remote":true,"flags":0},"echoes":'
    return line.replace(b'"attributes":', parent, 1).replace(b'"echoes":', told, 1)


def _real_lines() -> list[bytes]:
    with TemporaryDirectory() as home:
        keytrail = Keytrail(ALWAYS_OFF, "http://127.0.0.1:9", Path(home))
        app = _app(keytrail.provider)
        with keytrail.in_force():
            for number in range(_TEMPLATES):
                _serve(app, number)
        keytrail.audit.close()
        keytrail.provider.shutdown()
        return [line for line in _journaled(Path(home)) if b'"key":' in line]


def _journaled(home: Path) -> Iterable[bytes]:
    for segment in home.glob("live/*/*.ndjson"):
        yield from segment.read_bytes().splitlines(keepends=True)


def _app(provider: TracerProvider) -> Flask:
    app = Flask("benchmark")
    for route in range(_ROUTES):
        app.add_url_rule(f"/v1/resource-{route}/<int:number>", f"route-{route}", _answer)
    FlaskInstrumentor.instrument_app(app, tracer_provider=provider)  # type: ignore[no-untyped-call]
    return app


def _answer(number: int) -> tuple[str, int]:
    return "", _STATUSES[number % len(_STATUSES)]


def _serve(app: Flask, number: int) -> None:
    environ = EnvironBuilder(
        path=f"/v1/resource-{number % _ROUTES}/{number}",
        query_string="page=2",
        headers=headers(f"kt_bench_{number:032x}").items(),
        environ_base={"REMOTE_ADDR": "192.0.2.7"},
    ).get_environ()
    body: Any = app(environ, lambda *_: BytesIO().write)
    body.close()
