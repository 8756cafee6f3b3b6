"""Texts that telemetry is full of and that hold no key: what redaction must leave alone."""

from __future__ import annotations

import base64
import random
import sysconfig
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

EACH = 1_500
SOURCE_LINES = 18_000
_WORDS = (
    "order", "basket", "invoice", "author", "session", "page", "customer", "shelf", "basis",
    "token_count", "stock", "tariff", "monkey", "keyboard", "sketch", "public", "test", "live",
    "api", "web", "secretary", "password_changed", "signal", "design", "passage",
)  # fmt: skip
_HOSTS = ("shop.example", "api.example.com", "10.1.2.3:8080", "localhost", "files.example.org")


def ordinary_texts(seed: int = 20_261_125) -> list[str]:
    """Return more than 30,000 distinct texts, the same ones for the same Python and ``seed``."""
    dice = random.Random(seed)
    generated = [make(dice) for make in _KINDS for _ in range(EACH)]
    return list(dict.fromkeys([*generated, *islice(_source_lines(), SOURCE_LINES)]))


def identifiers(seed: int = 7) -> list[str]:
    """Return trace ids, span ids, UUIDs, digests and fingerprints: no id may ever be touched."""
    dice = random.Random(seed)
    return [make(dice) for make in _IDENTIFIERS for _ in range(4_000)]


def _hex(bits: int) -> Callable[[random.Random], str]:
    return lambda dice: f"{dice.getrandbits(bits):0{bits // 4}x}"


def _uuid(dice: random.Random) -> str:
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))


def _traceparent(dice: random.Random) -> str:
    return f"00-{_hex(128)(dice)}-{_hex(64)(dice)}-01"


def _base64(dice: random.Random) -> str:
    return base64.b64encode(dice.randbytes(dice.randint(12, 400))).decode()


def _image(dice: random.Random) -> str:
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    return f"data:image/png;base64,{base64.b64encode(header + dice.randbytes(300)).decode()}"


def _url(dice: random.Random) -> str:
    path = "/".join(dice.choices(_WORDS, k=3))
    query = "&".join(f"{word}={dice.randint(0, 9_999)}" for word in dice.sample(_WORDS, 3))
    return f"https://{dice.choice(_HOSTS)}/{path}/{_uuid(dice)}?{query}&author={_hex(32)(dice)}"


def _sql(dice: random.Random) -> str:
    table, one, two = dice.sample(_WORDS, 3)
    return (
        f"SELECT {one}, {two} FROM {table}s WHERE {one}_id = {dice.randint(1, 10**9)} "
        f"AND {two} LIKE '%{_hex(32)(dice)}%' ORDER BY {one} LIMIT 50"
    )


def _statement(dice: random.Random) -> str:
    table = dice.choice(_WORDS)
    return f"UPDATE {table} SET page = $1, session_count = $2 WHERE id = '{_uuid(dice)}'"


def _stack_trace(dice: random.Random) -> str:
    frames = "".join(
        f'  File "/srv/{one}/{two}.py", line {dice.randint(1, 999)}, in {two}_{three}\n'
        f"    return self.{three}(token_count={dice.randint(1, 99)})\n"
        for one, two, three in (dice.sample(_WORDS, 3) for _ in range(12))
    )
    return f"Traceback (most recent call last):\n{frames}KeyError: '{dice.choice(_WORDS)}'\n"


def _json(dice: random.Random) -> str:
    return (
        f'{{"author": "{dice.choice(_WORDS)}", "auth_id": {dice.randint(1, 10**8)}, '
        f'"session_count": {dice.randint(1, 99)}, "page": "{_hex(40)(dice)}"}}'
    )


def _image_name(dice: random.Random) -> str:
    return f"registry.example/{dice.choice(_WORDS)}/{dice.choice(_WORDS)}@sha256:{_hex(256)(dice)}"


def _prose(dice: random.Random) -> str:
    return f"{' '.join(dice.choices(_WORDS, k=9))} took {dice.random() * 900:.3f} ms"


def _log_line(dice: random.Random) -> str:
    return (
        f"2026-11-25 10:{dice.randint(0, 59):02}:07 INFO {dice.choice(_WORDS)}.views "
        f"request_id={_uuid(dice)} status={dice.choice((200, 404))} key_{dice.randint(1, 99)}=no"
    )


_IDENTIFIERS = (
    _hex(64), _hex(128), _hex(160), _hex(256), _hex(512), _uuid, _traceparent,
)  # fmt: skip
_KINDS = (
    *_IDENTIFIERS, _base64, _image, _url, _sql, _statement, _stack_trace, _json, _image_name,
    _prose, _log_line,
)  # fmt: skip


def _source_lines() -> Iterator[str]:
    """Yield the distinct lines of the standard library, file by file."""
    root = Path(sysconfig.get_path("stdlib"))
    for file in sorted(root.glob("*.py")):
        for line in file.read_text("utf-8", "replace").splitlines():
            if line.strip():
                yield line
