"""Rounds that several tests look at are played once."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from leaks import rounds
from leaks.receivers import Protocol
from leaks.rounds import Round

FULL = os.environ.get("LEAKS_FULL") == "1"
"""Every service in every convention over both protocols, not each of them once."""
Kind = tuple[str, str, Protocol]
ONCE_EACH: list[Kind] = [
    ("fastapi", "", "http/protobuf"),
    ("flask", "http/dup", "grpc"),
    ("asgi", "http", "grpc"),
    ("wsgi", "http/dup", "http/protobuf"),
]
_PROTOCOLS: tuple[Protocol, ...] = ("http/protobuf", "grpc")
KINDS = ONCE_EACH
if FULL:
    KINDS = [
        (name, convention, protocol)
        for name in rounds.SERVICES
        for convention in ("", "http", "http/dup")
        for protocol in _PROTOCOLS
    ]


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Round]:
    """Return the round of (service, convention, protocol)."""
    known: dict[Kind, Round] = {}

    def play(kind: Kind) -> Round:
        if kind not in known:
            name, convention, protocol = kind
            known[kind] = rounds.play(
                name,
                tmp_path_factory.mktemp("round"),
                protocol,
                OTEL_SEMCONV_STABILITY_OPT_IN=convention,
            )
        return known[kind]

    return play
