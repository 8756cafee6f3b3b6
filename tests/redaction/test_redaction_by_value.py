"""By value: the keys that were seen, in every spelling, and bounded by where they were seen."""

from __future__ import annotations

import html
import json
import secrets
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keytrail.capture.key import RawKey
from keytrail.redaction.memory import KeyMemory
from keytrail.redaction.names import SensitiveNames
from keytrail.redaction.redactor import Redactor
from redaction.redaction_kit import FORMS, TRACE, leaks, remember
from support.cases import K1, K2, K3


def _redactor(*keys: bytes, trace: int | None = None, ring: int = 64) -> Redactor:
    memory = KeyMemory(ring=ring)
    remembered = [memory.remember(RawKey(key), None) for key in keys]
    if trace is not None:
        memory.bind(trace, remembered)
    return Redactor(SensitiveNames(), memory)


@pytest.mark.parametrize("key", [K1, K2, K3], ids=["K1", "K2", "K3"])
@pytest.mark.parametrize("form", FORMS)
def test_every_spelling_is_redacted(redactor: Redactor, form: str, key: str) -> None:
    """However a key is spelled, its neighbours stay and no slice of it is left."""
    passed = redactor.text(f"seen <{FORMS[form](key)}> here")
    assert "REDACTED" in passed
    assert passed.startswith("seen <")
    assert passed.endswith("> here")
    assert leaks(passed.encode(), key) == []


SHAPELESS = "shop-9c41e07a5b3d"


def test_key_is_cut_out_exactly(redactor: Redactor) -> None:
    """What touches a key stays, several keys in one text all go."""
    assert redactor.text(f"é{K1}({K2}){K3}c") == "éREDACTED(REDACTED)REDACTEDc"


NEWEST = KeyMemory(ring=1)
OF_NEWEST = Redactor(SensitiveNames(), NEWEST)


@given(st.binary(min_size=8, max_size=40))
def test_any_key_is_found(raw: bytes) -> None:
    """Whatever bytes a key has, its text as servers decode it is redacted."""
    trace_id = hash(raw)
    NEWEST.bind(trace_id, [NEWEST.remember(RawKey(raw), None)])
    for text in (raw.decode("latin-1"), raw.decode("utf-8", "surrogateescape")):
        assert text not in OF_NEWEST.text(f"<{text}>", trace_id).replace("REDACTED", "")
    passed = OF_NEWEST.attributes({"blob": b"<" + raw + b">"}, trace_id)["blob"]
    assert raw not in passed.replace(b"REDACTED", b"")


def test_overlapping_keys_leave_nothing() -> None:
    """Of two keys that overlap in a text, neither leaves its tail."""
    redactor = _redactor(b"abcdefgh12345678", b"12345678ijklmnop", b"abcdefgh")
    assert redactor.text("<abcdefgh12345678ijklmnop>") == "<REDACTED>"


@pytest.mark.parametrize("length", range(12, len(K1)))
def test_key_that_a_length_limit_cut_off(redactor: Redactor, length: int) -> None:
    """The beginning of a key at the end of a text goes too."""
    assert redactor.text(f"GET /p/{K1[:length]}") == "GET /p/REDACTED"


def test_value_and_name_are_one_redaction(redactor: Redactor) -> None:
    """A known key with a blank in it, after a secret name, goes as a whole."""
    assert redactor.text(f"/p?api_key={K3}&page=2") == "/p?api_key=REDACTED&page=2"


def test_short_key_counts_in_its_trace_only() -> None:
    """A key shorter than eight bytes is redacted as a whole word, in its own trace."""
    redactor = _redactor(b"1234", trace=TRACE)
    text = "code 1234, not 51234 or 1234_5"
    assert redactor.text(text, TRACE) == "code REDACTED, not 51234 or 1234_5"
    assert redactor.text(text, TRACE + 1) == text
    assert redactor.text(text) == text


def test_shortest_keys_are_left_to_their_names() -> None:
    """Keys of fewer than four bytes cannot be told from ordinary text."""
    redactor = _redactor(b"GET", trace=TRACE)
    assert redactor.text("GET /p?api_key=GET", TRACE) == "GET /p?api_key=REDACTED"


def test_bound_key_is_found_after_a_flood() -> None:
    """A key that the ring forgot is still found in its own trace, and only there."""
    memory = KeyMemory(ring=4)
    redactor = Redactor(SensitiveNames(), memory)
    memory.bind(TRACE, remember(memory, SHAPELESS))
    for _ in range(100):
        memory.remember(RawKey(secrets.token_hex(8).encode()), None)
        redactor.text("x")
    assert redactor.text(f"see {SHAPELESS}", TRACE) == "see REDACTED"
    assert redactor.text(f"see {SHAPELESS}") == f"see {SHAPELESS}"


def test_new_key_is_found_at_once_and_an_old_one_forgotten() -> None:
    """Keys count from the moment they are remembered, indexed or not."""
    memory = KeyMemory(ring=20)
    redactor = Redactor(SensitiveNames(), memory)
    keys = [f"shop-{secrets.token_hex(8)}" for _ in range(50)]
    for position, key in enumerate(keys):
        remember(memory, key)
        for recent in keys[max(0, position - 19) : position + 1]:
            assert redactor.text(recent) == "REDACTED"
    assert redactor.text(keys[0]) == keys[0]


def test_clean_text_and_attributes_are_the_same_object(redactor: Redactor) -> None:
    """Nothing is copied where nothing is secret."""
    text = "GET /items/7 took 12 ms"
    attributes = {"http.route": "/items/{id}", "http.request.header.accept": ("*/*",), "n": 1}
    assert redactor.text(text) is text
    assert redactor.attributes(attributes) is attributes


def test_a_word_as_key_cannot_erase_the_audit() -> None:
    """Who presents keytrail's own words as a key does not redact what keytrail says."""
    redactor = _redactor(
        b"incoming", b"signed_url", b"rate_limited", b"wrong_host", b"0123abcd", trace=TRACE
    )
    attributes = {
        "keytrail.direction": "incoming",
        "keytrail.key.type": "signed_url",
        "keytrail.outcome": "rate_limited",
        "keytrail.findings": ("wrong_host", "redirected"),
        "keytrail.finding": "wrong_host",
        "keytrail.key.pepper_id": "0123abcd",
        "note": "incoming",
    }
    assert redactor.attributes(attributes, TRACE) == attributes | {"note": "REDACTED"}


def test_known_key_in_nested_names_and_objects(redactor: Redactor) -> None:
    """Mapping names, numbers' neighbours and objects that print a key are redacted."""

    class Shown:
        def __str__(self) -> str:
            return f"Shown({K1})"

    given = {"limits": {K1: {"left": 7}, 5: "x"}, "object": Shown(), "list": [1, None, [K2, 2.5]]}
    assert redactor.attributes(given) == {
        "limits": {"REDACTED": {"left": 7}, "5": "x"},
        "object": "Shown(REDACTED)",
        "list": (1, None, ("REDACTED", 2.5)),
    }


def test_a_caller_cannot_erase_its_own_address() -> None:
    """Who presents an address as a key redacts free text, not where an address stands."""
    redactor = _redactor(b"203.0.113.9", b"2001:db8::17", trace=TRACE)
    attributes = {
        "client.address": "203.0.113.9",
        "network.peer.address": "2001:db8::17",
        "note": "from 203.0.113.9",
    }
    assert redactor.attributes(attributes, TRACE) == {**attributes, "note": "from REDACTED"}
    assert redactor.attributes({"client.address": "x-203.0.113.9"}, TRACE) == {
        "client.address": "x-REDACTED"
    }


ODD = "zq4f9a2c7e+/= 8b1d\"'\\&%6053x"
NESTED = {
    "JSON in JSON in JSON": lambda key: json.dumps(json.dumps(json.dumps({"v": key}))),
    "repr of a repr": lambda key: repr(repr({"v": key})),
    "HTML": lambda key: html.escape(f'<a title="{html.escape(key)}">'),
    "HTML in JSON": lambda key: json.dumps(html.escape(key)),
    "URL in HTML": lambda key: html.escape(f"/x?a=1&v={quote(key)}"),
}


@pytest.mark.parametrize("nested", NESTED)
def test_key_is_found_however_often_it_was_escaped(nested: str) -> None:
    """Quotes, backslashes and ampersands in a key do not hide it in texts within texts."""
    memory = KeyMemory()
    remember(memory, ODD)
    passed = Redactor(SensitiveNames(), memory).text(f"see {NESTED[nested](ODD)} there")
    assert "REDACTED" in passed
    assert not [ODD[at : at + 8] for at in range(len(ODD) - 7) if ODD[at : at + 8] in passed]


@pytest.mark.parametrize("behind", ["...", "'", "\n", " and more", "", "…"])
def test_key_that_was_cut_off_goes(behind: str) -> None:
    """What a log's format or a limit left of a key is taken for it, from twelve bytes on."""
    memory = KeyMemory()
    remember(memory, K1)
    redactor = Redactor(SensitiveNames(), memory)
    assert redactor.text(f"see {K1[:16]}{behind}") == f"see REDACTED{behind}"
    assert redactor.text(f"see {K1[:9]}{behind} there") == f"see {K1[:9]}{behind} there"


def test_key_that_begins_like_a_known_one_stays() -> None:
    """Only what is cut off counts, not another key of the same maker."""
    memory = KeyMemory()
    remember(memory, K1)
    other = f"{K1[:14]}zzzzzzzz"
    assert Redactor(SensitiveNames(), memory).text(f"see {other}") == f"see {other}"
