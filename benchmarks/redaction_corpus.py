"""What redaction is measured on: differing spans without a secret, and texts made to be slow."""

from __future__ import annotations

import base64
import json
import random
import uuid
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from keytrail.capture.key import RawKey
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from keytrail.redaction.shapes import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = 64
HEADERS = ("user_agent", "accept", "accept_encoding", "x_request_id")
_STACK_BYTES = 2048
_TO_ASCII = bytes(32 + number % 95 for number in range(256))


def redactor(keys: int = KEYS) -> Redactor:
    """Return a redactor that looks for ``keys`` known keys too."""
    memory = KeyMemory(ring=max(keys, 1))
    for number in range(keys):
        memory.remember(RawKey(_key(number).encode()), None)
    return Redactor(SensitiveNames(), memory)


def _key(number: int) -> str:
    return f"kt_{random.Random(number).randbytes(16).hex()}"


def spans(count: int, *, same_frames: bool, seed: int = 1) -> list[ReadableSpan]:
    """Return finished spans: 20 attributes, a URL, four captured headers, a 2 KB stack trace.

    Ids, URLs and messages differ, with the ``seed`` too, and so do the frames of the stack traces
    unless they are to be the ``same_frames`` everywhere.
    """
    dice = random.Random(seed)
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("benchmark")
    frames = _frames(random.Random(0))
    for _ in range(count):
        with tracer.start_as_current_span("GET /orders/{id}") as span:
            span.set_attributes(_attributes(dice))
            trace = frames if same_frames else _frames(dice)
            message = f"no route to {dice.randbytes(4).hex()}.shop.example"
            span.add_event(
                "exception",
                {
                    "exception.type": "ConnectionError",
                    "exception.message": message,
                    "exception.stacktrace": f"{trace}ConnectionError: {message}\n",
                },
            )
    return list(exporter.get_finished_spans())


def _attributes(dice: random.Random) -> dict[str, str | int | tuple[str]]:
    order = uuid.UUID(int=dice.getrandbits(128))
    path = f"/orders/{order}"
    query = f"page={dice.randint(1, 99)}&color=blue&after={dice.randbytes(6).hex()}"
    return {
        "http.request.method": "GET",
        "http.response.status_code": 502,
        "http.route": "/orders/{id}",
        "url.full": f"https://shop.example:8443{path}?{query}",
        "url.path": path,
        "url.query": query,
        "url.scheme": "https",
        "server.address": "shop.example",
        "server.port": 8443,
        "client.address": f"10.1.{dice.randint(0, 255)}.{dice.randint(0, 255)}",
        "network.protocol.version": "1.1",
        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        "error.type": "ConnectionError",
        "app.order": str(order),
        "app.customer": f"customer-{dice.randint(1, 10**6)}",
        "app.note": "retried after the warehouse did not answer in time",
        **{f"http.request.header.{name}": (_header(name, dice),) for name in HEADERS},
    }


def _header(name: str, dice: random.Random) -> str:
    return (
        f"{name}/{dice.randint(1, 9)}.{dice.randint(0, 99)} (compatible; {dice.randbytes(4).hex()})"
    )


def _frames(dice: random.Random) -> str:
    lines = ["Traceback (most recent call last):\n"]
    while sum(map(len, lines)) < _STACK_BYTES - 100:
        module = f"{dice.choice(('views', 'models', 'client', 'pool'))}_{dice.randint(0, 999)}"
        lines.append(
            f'  File "/srv/shop/{module}.py", line {dice.randint(1, 900)}, in handle_{module}\n'
            f"    answer = self.{module}.fetch(order, timeout={dice.randint(1, 30)})\n"
        )
    return "".join(lines)


def hostile(size: int = 1_000_000, seed: int = 3) -> Iterator[tuple[str, str]]:
    """Yield texts of ``size`` bytes that a caller might send to make redaction work.

    What is random in them differs with the ``seed``.
    """
    for name, part in (*_repeated(size), *_drawn_out(size), *_random(size, random.Random(seed))):
        yield name, _cut(part * (size // len(part.encode()) + 1), size)


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _repeated(size: int) -> Iterator[tuple[str, str]]:
    """Yield what is dear again and again."""
    beginnings = [shape.expression[:4] for shape in listed() if shape.expression[0] not in "(["]
    nested = "api_key=hunter2"
    for _ in range(10):
        nested = json.dumps({"token": nested})
    yield from {
        "one letter": "A",
        "equals signs": "=",
        "ampersands": "&",
        "percent signs": "%25",
        "backslashes": "\\",
        "open quotes": "\"'`",
        "NULs": "\0",
        "letters of four bytes": "\U0001d4b6",
        "sk_ over and over": "sk_",
        "the beginning of every shape": "".join(beginnings),
        "beginnings with a tail too short": "a1B2 ".join(beginnings),
        "marks inside of a word": "xbot1:AA" + "b" * 32 + " ",
        "names without values": "api_key=&token=&",
        "names in prose": "password secret token: api_key, the password: ",
        "named values": "api_key=a&token=b&",
        "tokens": "ghp_" + "a1B2" * 9 + " ",
        "known keys": " ".join(map(_key, range(KEYS))) + " ",
        "beginnings of known keys": " ".join(_key(number)[:9] for number in range(KEYS)) + " ",
        "URLs with a user": "http://u:p@h/ ",
        "words behind schemes": "Bearer of Basic tokens; bot one, token two ",
        "escapes": "%253Fapi_key%253D\\u0022\\n",
        "quotes": 'token="\\\\',
        "JSON in JSON, ten deep": nested,
        "the first line of a private key": "-----BEGIN RSA PRIVATE KEY-----\n",
        "a lone secret at the end": "the warehouse did not answer; " * (size // 30 - 1)
        + "token=a ",
    }.items()


def _drawn_out(size: int) -> Iterator[tuple[str, str]]:
    """Yield what does not end."""
    run = "a1B2" * (size // 4)
    yield from {
        "one endless token": "ghp_" + run,
        "one endless JWT": "eyJhbGciOiJIUzI1NiIsInR5.eyJhbGciOiJIUzI1NiIsInR5." + run,
        "one endless secret": "live_" + run,
        "one list of values": "token=[" + "'a'," * (size // 4),
        "blanks after a name": "token" + " " * (size - 6) + "=",
        "one endless user": "http://" + "a" * (size - 10) + "@h/",
        "one endless block of a private key": "-----BEGIN PRIVATE KEY-----\n" + run,
    }.items()


def _random(size: int, dice: random.Random) -> Iterator[tuple[str, str]]:
    """Yield what nobody has seen before."""
    packed = base64.b64encode(dice.randbytes(size // 4 * 3))
    yield from {
        "hex": dice.randbytes(size // 2).hex(),
        "base64": packed.decode(),
        "base64 of base64": base64.b64encode(packed).decode(),
        "base64 for URLs": base64.urlsafe_b64encode(dice.randbytes(size // 4 * 3)).decode(),
        "random ASCII": dice.randbytes(size).translate(_TO_ASCII).decode(),
        "random letters of all languages": dice.randbytes(size).decode("utf-16-le", "ignore"),
    }.items()
