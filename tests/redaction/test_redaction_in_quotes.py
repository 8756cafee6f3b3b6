"""The value of a secret name in quotes of every kind: doubled, tripled, joined, in backticks."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from keytrail.redaction.redactor import Redactor

SECRET = "hunter2"
WRITTEN = {
    "tripled": 'password="""hunter2"""',
    "tripled, single": "password='''hunter2'''",
    "tripled, two lines": 'password="""hunter2\nhunter2"""',
    "tripled, not closed": 'password="""hunter2',
    "tripled, quotes inside": 'password="""hunter2 "hunter2" hunter2"""',
    "tripled backticks": "password=```hunter2```",
    "doubled": 'password=""hunter2""',
    "doubled inside": "password='hunter2''hunter2'",
    "backticks": "password=`hunter2`",
    "backticks, two lines": "password=`hunter2\nhunter2`",
    "name in backticks": "`password` = 'hunter2'",
    "nothing first": 'password="" "hunter2"',
    "nothing first, wide": 'password=""   "hunter2"',
    "two parts": 'password="hunter2" "hunter2"',
    "two parts, touching": 'password="hunter2""hunter2"',
    "other quotes, touching": "password=\"\"'hunter2'",
    "sum": 'password = "hunter2" + "hunter2"',
    "in brackets": 'password=("hunter2" "hunter2")',
    "in brackets, lines": "password=(\n  'hunter2'\n  'hunter2'\n)",
    "raw": 'password=r"hunter2"',
    "raw bytes": "password=rb'hunter2'",
    "raw, tripled": 'password=r"""hunter2"""',
    "formatted": 'password=f"hunter2"',
    "verbatim": 'password=@"hunter2"',
    "wide": 'password=L"hunter2"',
    "Rust": 'password: r#"hunter2"#',
    "national": "password=N'hunter2'",
    "blanks inside": 'password=" hunter2 hunter2 "',
    "blanks before": 'password =   "hunter2"',
}
WRAPPERS: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text,
    "repr": repr,
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps({"m": json.dumps({"msg": text})}),
    "parameter": lambda text: f"http://h/?next={quote(text, safe='')}&z=1",
    "message": lambda text: f"ERROR call failed ({text}), retrying",
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("kind", WRITTEN)
def test_value_goes(by_name: Redactor, kind: str, wrapper: str) -> None:
    """However the value is written and the text around it quoted again, the value goes."""
    once = by_name.text(WRAPPERS[wrapper](WRITTEN[kind]))
    assert "REDACTED" in once
    assert SECRET not in once
    assert by_name.text(once) == once


@pytest.mark.parametrize(
    "text",
    [
        'password="" next="x"',
        "password='', user='bob'",
        '{"password": "", "user": "bob"}',
        'f(password="")',
        'password=""',
        "`password` is the name of the column",
    ],
)
def test_empty_value_stays_empty(by_name: Redactor, text: str) -> None:
    """Quotes with nothing in them hide nothing, and what follows them is no value."""
    assert by_name.text(text) == text


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("['password=\"x7\"', 'user']", "['password=\"REDACTED\"', 'user']"),
        ('"token":"x7" "user":"bob"', '"token":"REDACTED" "user":"bob"'),
        ('token="x7" user="bob"', 'token="REDACTED" user="bob"'),
        ('token="x7", "bob"', 'token="REDACTED", "bob"'),
        ('password="""x7""" "" user', 'password="""REDACTED""" "" user'),
    ],
)
def test_what_follows_the_value_stays(by_name: Redactor, text: str, passed: str) -> None:
    """The next name, the next element and the quote that closes it all are no part of the value."""
    assert by_name.text(text) == passed
