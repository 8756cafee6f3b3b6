"""What is sent: one ordinary API request, from callers with a few dozen keys."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle, islice

_letters = random.Random(0)
KEYS = tuple(f"kt_bench_{_letters.getrandbits(160):040x}" for _ in range(64))
"""Made up; enough of them that no single one stays in the processor's caches."""

PATH = "/items/17"
QUERY = "page=2&color=blue"
KEY_HEADER = "X-API-Key"
HEADERS = {
    "Host": "api.example.com",
    "User-Agent": "billing-client/3.2 (linux; x86_64)",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
    "X-Request-Id": "4be0643f-1d98-573b-97cd-ca98a65347dd",
}


def headers(key: str | None) -> dict[str, str]:
    """Return the headers of a request, with ``key`` where there is one."""
    return HEADERS if key is None else {**HEADERS, KEY_HEADER: key}


def keys(calls: int, *, keyed: bool) -> Iterator[str | None]:
    """Return what each of ``calls`` calls carries: the keys in turn, or none."""
    return islice(cycle(KEYS if keyed else (None,)), calls)


def raw_request(key: str | None) -> bytes:
    """Return the request as bytes on the wire."""
    lines = [f"GET {PATH}?{QUERY} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers(key).items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii")
