"""By shape: tokens that no name announces and that nobody has seen before."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from urllib.parse import quote

import pytest

from keytrail.collector.shapes import example, shapes
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor

BY_SHAPE = Redactor(SensitiveNames(), KeyMemory())
EACH = 4
SURROUNDINGS: dict[str, Callable[[str], str]] = {
    "bare": lambda text: text,
    "url": lambda text: f"//host/v1/items?page=2&value={quote(text, safe='')}&sort=up",
    "json": lambda text: json.dumps({"value": text, "page": 2}),
    "header dump": lambda text: f"Host: h\r\nX-Thing: {text}\r\nAccept: */*",
    "python repr": lambda text: repr({"value": text, "raw": text.encode()}),
    "stack trace": lambda text: (
        'Traceback (most recent call last):\n  File "/srv/app.py", line 3, in run\n'
        f"    raise ValueError(value)\nValueError: not accepted: {text}\n"
    ),
}
GITHUB = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_tokens_of_every_shape_are_redacted(surrounding: str) -> None:
    """At least 99 of 100 generated tokens go, in every surrounding, and with them their tails."""
    dice = random.Random(6)
    around = SURROUNDINGS[surrounding]
    tokens = [example(shape, dice) for shape in shapes() for _ in range(EACH)]
    expected = around("REDACTED")
    missed = [token for token in tokens if not _is_gone(token, BY_SHAPE.text(around(token)))]
    strange = [
        passed
        for token in tokens
        if (passed := BY_SHAPE.text(around(token))) != expected and token not in missed
    ]
    assert len(missed) <= len(tokens) / 100, missed
    assert len(strange) <= len(tokens) / 100, strange


def _is_gone(token: str, passed: str) -> bool:
    """Tell whether no eight characters of the token, as it is or percent-encoded, are left."""
    spellings = {token, quote(token, safe="")}
    return not any(
        spelling[start : start + 8] in passed
        for spelling in spellings
        for start in range(len(spelling) - 7)
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""), (" ", " "), ('"', '"'), ("'", "',"), ("=", "&x=1"), ("/", "/x"), (":", ""),
        ("%20", "%20x"), ("%3d", "%26x"), ("%253D", "%2526"), ("=3D", "=\r\n"),
        ("\\n", "\\n"), ("\\x22", "\\x22"),
        ("\\u0022", "\\u0022"),
        ("é", "é"), ("_", "."), ("-", ")"), ("\x1f", "\x1f"), ("𝄞", "𝄞"),
    ],
)  # fmt: skip
def test_what_may_stand_around_a_token(before: str, after: str) -> None:
    """A token begins after any escape or separator and ends where its characters end."""
    assert BY_SHAPE.text(f"{before}{GITHUB}{after}") == f"{before}REDACTED{after}"


INNER = {
    "of hex": "0a1b2c3d" * 4 + "-us12",
    "behind a word": "bot123456789:AA" + "Hk3-" * 9,
    "of two runs": "a1B2c3_" + "d4E5" * 5 + "_mmk",
    "with a dot": "a1B2" * 4 + ".atlasv1." + "c3D4" * 8,
}


@pytest.mark.parametrize("kind", INNER)
@pytest.mark.parametrize("before", ["", " ", "=", "%3D", "%253D", "\\n", "\\u0022", "é", "a_", "/"])
def test_token_with_its_mark_inside_goes_from_its_beginning(kind: str, before: str) -> None:
    """What tells of it stands in its middle; it is redacted from where its word begins."""
    passed = BY_SHAPE.text(f"see {before}{INNER[kind]} there")
    assert passed == f"see {before}REDACTED there"


@pytest.mark.parametrize("kind", INNER)
def test_mark_without_what_must_stand_before_it_passes(kind: str) -> None:
    """A word that only holds the mark, or begins too late, is no token."""
    mark = INNER[kind][-40:]
    assert BY_SHAPE.text(f"see {mark[-6:]} there") == f"see {mark[-6:]} there"


def test_many_words_with_a_mark_are_cut_off() -> None:
    """A caller cannot make redaction look at thousands of them."""
    words = "xbot1:AA" + "b" * 32 + " "
    assert BY_SHAPE.text(words * 100) == words * 100
    assert BY_SHAPE.text(words * 1000).endswith("REDACTED")


@pytest.mark.parametrize(
    "text",
    [
        "x" + GITHUB,
        "sk-learning-with-many-words-and-no-digits",
        "api_key_names_are_not_values",
        "4b1d" + "0123456789abcdef" * 2 + "0123",
        "test_a_behaviour_of_the_house",
        "live_performance_of_the_orchestra",
        "https://hooks.slack.com/services",
        "ghp_tooshort",
    ],
)
def test_what_only_begins_like_a_token_passes(text: str) -> None:
    """A word around it, words without digits, digests and short texts are no tokens."""
    assert BY_SHAPE.text(text) == text


def test_the_users_catalogue_adds_shapes() -> None:
    """A pattern of the user's counts like a listed one."""
    redactor = Redactor(SensitiveNames(), KeyMemory(), ["acme_[0-9a-z]{8}"])
    assert redactor.text("see acme_0a1b2c3d, acme_x") == "see REDACTED, acme_x"


@pytest.mark.parametrize("name", ["keytrail.key.id", "aws.access_key.id"])
def test_public_id_passes_in_its_own_place_only(name: str) -> None:
    """An AWS access key id is public, but only where keytrail says so."""
    passed = BY_SHAPE.attributes({name: "AKIAIOSFODNN7EXAMPLE"})
    assert (passed[name] == "REDACTED") is (name != "keytrail.key.id")


def test_the_longest_shape_counts() -> None:
    """Where one shape begins another, nothing is left behind the shorter one."""
    slack = "xoxe.xoxp-1-" + "Mi0yLTA" * 24
    assert BY_SHAPE.text(f"<{slack}>") == "<REDACTED>"
