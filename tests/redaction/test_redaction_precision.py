"""Precision: ordinary texts pass as they are."""

from __future__ import annotations

from keytrail.redaction.redactor import Redactor
from redaction.ordinary_texts import identifiers, ordinary_texts


def test_ordinary_texts_pass(by_name: Redactor) -> None:
    """Fewer than one in a thousand of more than 30,000 distinct ordinary texts is touched."""
    texts = ordinary_texts()
    touched = [text for text in texts if by_name.text(text) != text]
    assert len(texts) >= 30_000
    assert len(touched) < len(texts) / 1_000, touched


def test_no_identifier_is_ever_touched(by_name: Redactor) -> None:
    """Trace ids, span ids, UUIDs, digests and fingerprints pass, bare and in a sentence."""
    found = identifiers()
    texts = [*found, *(f"span {one} of {one.upper()}" for one in found)]
    assert [text for text in texts if by_name.text(text) != text] == []
