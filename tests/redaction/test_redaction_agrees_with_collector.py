"""The Collector's generated patterns and the redactor of the process, on one corpus.

Both are made from ``token-shapes.json``. They differ where Go's regexp would be too slow:

* shapes whose mark stands inside are found by the process only: no literal begins them;
* the Collector may leave a token's public beginning, such as ``dop``, the process nothing;
* the process knows more names, and reads what is quoted or encoded around them;
* the Collector looks for no boundary on the left, and does not ask whether a weak shape's tail
  looks random: it touches a little more of what is no token.
"""

from __future__ import annotations

import random
import re

import re2

from keytrail.collector import shapes as collector
from keytrail.redaction.pattern import Pattern
from keytrail.redaction.redactor import Redactor
from redaction.ordinary_texts import ordinary_texts

INSIDE = {one["id"] for one in collector.shapes() if not collector.patterns_of(one)}
PATTERNS = [re2.compile(pattern) for pattern in collector.for_audit_and_logs()]


def _by_collector(text: str) -> str:
    for pattern in PATTERNS:
        text = pattern.sub("REDACTED", text)
    return text


def _tokens(each: int) -> list[tuple[str, str]]:
    """Return so many texts with a token of each shape, and the shape's id."""
    dice = random.Random(6)
    return [
        (one["id"], f"see {collector.example(one, dice)} there")
        for one in collector.shapes()
        for _ in range(each)
    ]


def test_tokens_are_redacted_by_both_but_for_the_listed_shapes(by_name: Redactor) -> None:
    """Every token goes in the process and in the Collector, but for the listed ones."""
    texts = dict(_tokens(each=1))
    in_process = {name for name, text in texts.items() if by_name.text(text) != text}
    in_collector = {name for name, text in texts.items() if _by_collector(text) != text}
    assert set(texts) - in_process == set()
    assert in_process - in_collector == INSIDE
    assert {by_name.text(text) for text in texts.values()} == {"see REDACTED there"}


def test_of_a_token_the_collector_leaves_its_beginning_at_most() -> None:
    """Whatever stands in a token, nothing behind its public beginning is left of it."""
    left = {
        (name, passed)
        for name, text in _tokens(each=20)
        if name not in INSIDE
        and not re.fullmatch(r"see \w{0,15}REDACTED there", passed := _by_collector(text))
    }
    assert left == set()


def test_ordinary_texts_pass_both(by_name: Redactor) -> None:
    """Of ordinary texts the two touch other ones, and both hardly any."""
    texts = ordinary_texts()[::5]
    anything = Pattern.anywhere("|".join(f"(?:{one})" for one in collector.for_audit_and_logs()))
    in_process = {text for text in texts if by_name.text(text) != text}
    in_collector = {text for text in texts if anything.is_in(text.encode())}
    assert len(in_process ^ in_collector) < len(texts) / 500, in_process ^ in_collector
