"""Requests and readers in one line, under the pepper of the cases."""

from __future__ import annotations

from typing import Any

from keytrail.capture.fingerprint import Peppers
from keytrail.capture.reader import RequestReader
from keytrail.capture.view import Header, RequestView
from keytrail.settings import Secret, Settings
from support.cases import PEPPER

PEPPERS = Peppers(Secret(PEPPER))


def make_reader(**settings: Any) -> RequestReader:
    """Return a reader with these settings, else the defaults."""
    return RequestReader(Settings(**settings), PEPPERS)


READER = make_reader()


def make_view(*headers: Header, **parts: Any) -> RequestView:
    """Return a request with these headers; ``parts`` are other fields of the view."""
    defaults: dict[str, Any] = {
        "method": "GET",
        "scheme": "https",
        "host": "api.example.com",
        "port": 443,
        "path": "/p",
        "query": b"",
        "peer": "203.0.113.9",
    }
    return RequestView(**(defaults | parts), headers=headers)
