"""A redactor without an audit: for log handlers and files, where no request is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keytrail.capture.extraction import Extraction
from keytrail.capture.reader import load_catalogue
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor

if TYPE_CHECKING:
    from keytrail.settings import Settings


def redactor(settings: Settings, memory: KeyMemory | None = None) -> Redactor:
    """Return what redacts by name and by shape as ``settings`` say, and the keys of ``memory``."""
    known = Extraction(settings, load_catalogue(settings))
    names = SensitiveNames(known.added_headers, known.added_query, settings.cookies)
    return Redactor(names, memory or KeyMemory())
