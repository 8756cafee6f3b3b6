"""Texts of a million characters: every secret found, and what is made to be dear cut short."""

from __future__ import annotations

import pytest

from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from keytrail.redaction.regions import LONG_TEXT
from redaction.redaction_kit import FORMS
from support.cases import K1

WORDS = "the warehouse of the order did not answer in time; "
LONG = WORDS * (300_000 // len(WORDS))
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
SECRETS = {
    "known": (f"saw {K1} there", "saw REDACTED there"),
    "named": ("api_key=hunter2 there", "api_key=REDACTED there"),
    "shaped": (f"saw {TOKEN} there", "saw REDACTED there"),
    "userinfo": ("https://me:hunter2@shop/ there", "https://REDACTED:REDACTED@shop/ there"),
}
FLOODS = {
    "named": "api_key=hunter2 ",
    "names without values": "api_key=&token=&",
    "tokens": f"{TOKEN} ",
    "users": "http://u:p4ssw0rd@h/ ",
}


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("before", [0, LONG_TEXT - 12, len(LONG)])
def test_secret_is_found_wherever_it_stands(redactor: Redactor, kind: str, before: int) -> None:
    """At the beginning, across the limit, at the end: only the secret goes."""
    secret, passed = SECRETS[kind]
    text = f"{LONG[:before]} {{}} {LONG[before:]}"
    assert redactor.text(text.format(secret)) == text.format(passed)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "basic"])
def test_known_key_is_found_in_every_spelling(redactor: Redactor, form: str) -> None:
    """The one automaton for long texts knows what the many for short ones know."""
    assert redactor.text(f"{LONG} {FORMS[form](K1)} ").startswith(LONG)
    assert "REDACTED" in redactor.text(f"{LONG} {FORMS[form](K1)} ")


def test_clean_text_passes_as_it_is(redactor: Redactor) -> None:
    """Length alone is no reason to cut."""
    assert redactor.text(LONG) is LONG


@pytest.mark.parametrize("flood", FLOODS)
def test_flood_goes_as_a_whole(redactor: Redactor, flood: str) -> None:
    """After hundreds of secrets all the rest goes, known keys at its end too."""
    passed = redactor.text(WORDS + FLOODS[flood] * 20_000 + K1)
    assert passed.startswith(WORDS)
    assert passed.endswith("REDACTED")
    assert len(passed) < 20_000
    assert not {"hunter2", TOKEN, "p4ssw0rd", K1} & {*passed.replace("@", " ").split()}


def test_known_key_at_the_edge_of_the_flood_goes(redactor: Redactor) -> None:
    """The flood's first bytes hide no key that begins before them."""
    for between in range(0, 64, 7):
        text = "api_key=a&" * 255 + "x" * between + f" {K1}" + "api_key=a&" * 20_000
        assert K1[8:16] not in redactor.text(text)


def test_password_that_a_secret_interrupts_goes(redactor: Redactor) -> None:
    """An endless value inside a URL's userinfo does not save what stands before it there."""
    password = "hunter2&token=" + "a1B2" * 50_000
    assert redactor.text(f"at https://me:{password}@shop/ there") == "at REDACTED"


@pytest.mark.parametrize(
    "text",
    [
        "token" + " " * 100_000 + "= hunter2-hunter2-1 ",
        "token%" + "25" * 50_000 + "3dhunter2-hunter2-1 ",
        "http://" + "a" * 100_000 + ":hunter2-hunter2-1@h/",
        "header value:" + " " * 100_000 + "'hunter2-hunter2-1'",
        "bearer" + " " * 100_000 + "hunter2-hunter2-1",
        "token=[" + "'a'," * 100_000 + "'hunter2-hunter2-1']",
        "token='" + "\\'" * 100_000 + "hunter2-hunter2-1'",
        "basic " + "a1" * 50_000 + "hunter2-hunter2-1",
    ],
)
@pytest.mark.parametrize("before", ["", LONG])
def test_endless_place_saves_no_secret(redactor: Redactor, text: str, before: str) -> None:
    """However long the name of a secret is drawn out, what it names goes."""
    passed = redactor.text(f"{before} {text}")
    assert passed.startswith(before)
    assert "REDACTED" in passed[len(before) :]
    assert "hunter2" not in passed


def test_endless_secret_of_a_secret_attribute_keeps_its_name(redactor: Redactor) -> None:
    """A value that its attribute's name makes secret goes as a whole, however long."""
    assert redactor.attributes({"app.api_key": TOKEN * 20_000}) == {"app.api_key": "REDACTED"}


def test_long_text_without_known_keys_is_searched() -> None:
    """A memory without keys has no automaton to build."""
    redactor = Redactor(SensitiveNames(), KeyMemory())
    assert redactor.text(f"{LONG} {TOKEN}") == f"{LONG} REDACTED"


@pytest.mark.parametrize("words", ["password is wrong; ", "the token: none; ", "sk_the_words "])
def test_long_text_with_much_that_may_be_secret_is_cut_off(redactor: Redactor, words: str) -> None:
    """A part of it passes as it is, the rest goes as a whole."""
    text = words * (1_000_000 // len(words))
    passed = redactor.text(text)
    assert passed in (text, text[: len(passed) - 8] + "REDACTED")


@pytest.mark.parametrize("apart", [20_000, 40_000, 60_000, 100_000, 200_000])
def test_secrets_far_apart_all_go(redactor: Redactor, apart: int) -> None:
    """What stands between them passes as far as they are few."""
    between = WORDS * (apart // len(WORDS))
    text = between.join(["", "api_key=hunter2 ", f"saw {TOKEN} there", "token=hunter2 ", ""])
    assert redactor.text(text) == text.replace("hunter2", "REDACTED").replace(TOKEN, "REDACTED")


@pytest.mark.parametrize("shift", range(0, 40_000, 1_999))
def test_secret_is_found_across_every_part(redactor: Redactor, shift: int) -> None:
    """Wherever a part ends, what stands there is read whole."""
    between = LONG[: 30_000 + shift]
    text = f"token=hunter2 {between} api_key='hunter2 hunter2' {LONG}"
    assert "hunter2" not in redactor.text(text)
    assert LONG[:30_000] in redactor.text(text)


def test_long_statement_passes(redactor: Redactor) -> None:
    """Nothing is cut off where nothing looks like a secret."""
    rows = "('bob', 'a@shop.example', 7, 'the author of page 3'), "
    text = "INSERT INTO users (name, mail, visits, note) VALUES " + rows * 20_000
    assert redactor.text(text) is text
