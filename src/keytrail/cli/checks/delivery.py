"""Whether the record is delivered, and the endpoint takes it."""

from __future__ import annotations

import logging
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from keytrail.cli.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from keytrail.journal.otlp import Destination
    from keytrail.settings import Settings

_TIMEOUT: Final = 3.0
_PORTS: Final = {"http": 80, "https": 443}


def checks(settings: Settings, environ: Mapping[str, str]) -> Iterator[Check]:
    """Check the endpoint with a connection and an empty OTLP export."""
    from keytrail.journal.otlp import destination

    target = destination(settings, environ)
    if target is None:
        yield Check(
            "delivery",
            "ok",
            "not configured: the complete record stays in the journal; "
            "KEYTRAIL_OTLP_ENDPOINT delivers it",
        )
    else:
        yield _connection(target) or _export(target, settings)


def _connection(target: Destination) -> Check | None:
    parts = urlsplit(target.url if "://" in target.url else f"//{target.url}")
    address = (parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 4317))
    try:
        socket.create_connection(address, _TIMEOUT).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no answer in time"
        return Check(
            "delivery",
            "fail",
            f"{target.name} cannot be reached: {reason}; uses wait in the journal",
            "start the collector, or correct KEYTRAIL_OTLP_ENDPOINT",
        )
    return None


def _export(target: Destination, settings: Settings) -> Check:
    from keytrail.journal.answer import unanswered
    from keytrail.journal.exporter import ExporterMissingError
    from keytrail.journal.listening import Heard
    from keytrail.journal.otlp import build_exporter
    from keytrail.journal.sender import HINTS

    heard = Heard()
    try:
        exporter = build_exporter(target, replace(settings, otlp_timeout=_TIMEOUT), heard)
    except (ExporterMissingError, OSError) as error:
        return Check.failed("delivery", error, "correct the KEYTRAIL_OTLP_* files")
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    try:
        exporter.export([])
    finally:
        exporter.shutdown()
    answer = heard.answer or unanswered()
    if answer.meaning == "taken":
        return Check("delivery", "ok", f"{target.name} takes OTLP over {target.protocol}")
    return Check(
        "delivery",
        "fail",
        f"{target.name} answers but does not take OTLP over {target.protocol}: {answer.told}",
        HINTS[answer.meaning],
    )
