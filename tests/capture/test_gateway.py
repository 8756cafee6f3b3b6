"""A trusted gateway says which key it has checked; nobody else can."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from keytrail.capture.facts import KeyFacts
from keytrail.settings import Settings, SettingsError
from support.capture import PEPPERS, make_reader, make_view
from support.cases import F1, K1

HEADER = "x-credential-identifier"
TRUSTED = (ip_network("10.0.0.0/8"),)
NAMED = (HEADER, b" key-7 ")
KEY = ("x-api-key", K1.encode())


def _keys(*headers: tuple[str, bytes], peer: str = "10.0.0.5", **more: Any) -> tuple[KeyFacts, ...]:
    reader = make_reader(key_id_header="X-Credential-Identifier", trusted_proxies=TRUSTED, **more)
    assert HEADER in reader.wanted
    assert HEADER.encode() in reader.keyed_bytes
    assert "HTTP_X_CREDENTIAL_IDENTIFIER" in reader.keyed_environ
    return reader.incoming(make_view(*headers, peer=peer)).facts.keys


def test_the_gateways_id_is_the_keys() -> None:
    """It stands beside the fingerprint of what was presented, for the first key alone."""
    second = ("api-key", b"another-key-0123456789")
    first, other = _keys(NAMED, KEY, second)
    assert (first.hash, first.id, other.id) == (F1, "key-7", None)


def test_a_key_that_the_gateway_took_away_is_known_by_its_id() -> None:
    """The id is what is hashed, as with a signed request: it is no secret and not weak."""
    reader = make_reader(key_id_header=HEADER, trusted_proxies=TRUSTED)
    read = reader.incoming(make_view(NAMED, peer="10.0.0.5"))
    assert read.facts.keys == (
        KeyFacts(
            PEPPERS.fingerprint(b"key-7"),
            PEPPERS.id,
            "signature",
            "header",
            HEADER,
            "none",
            id="key-7",
        ),
    )
    assert (read.facts.findings, read.secrets) == ((), ())


@pytest.mark.parametrize(
    ("headers", "peer"),
    [
        ((NAMED,), "203.0.113.9"),
        ((NAMED, (HEADER, b"key-8")), "10.0.0.5"),
        (((HEADER, b""),), "10.0.0.5"),
        (((HEADER, b"\x00\x1b[0m"),), "10.0.0.5"),
    ],
)
def test_what_is_not_the_gateways_word_is_nothing(
    headers: tuple[tuple[str, bytes], ...], peer: str
) -> None:
    """A stranger, several lines, an empty or unprintable one."""
    assert _keys(*headers, peer=peer) == ()
    assert [key.id for key in _keys(KEY, *headers, peer=peer)] == [None]


def test_the_inventory_knows_the_gateways_id(tmp_path: Path) -> None:
    """An entry by public id gives the owner, and a long id is cut."""
    inventory = tmp_path / "keys.toml"
    inventory.write_text('[[keys]]\nid = "key-7"\nowner = "payments"\nrevoked = true')
    (key,) = _keys(NAMED, inventory=inventory)
    assert (key.owner, key.provider) == ("payments", "self")
    (long,) = _keys((HEADER, b"i" * 4000))
    assert long.id == "i" * 128


def test_without_trusted_proxies_the_header_has_no_effect(caplog: pytest.LogCaptureFixture) -> None:
    """And that is said once, at start."""
    reader = make_reader(key_id_header=HEADER)
    assert reader.incoming(make_view(NAMED, peer="10.0.0.5")).facts.keys == ()
    assert caplog.messages == [
        "KEYTRAIL_KEY_ID_HEADER has no effect: no proxy is trusted"
        "\nhint: name the gateway's network in KEYTRAIL_TRUSTED_PROXIES"
    ]


def test_outgoing_requests_are_not_asked() -> None:
    """What we pass on says nothing of our own keys."""
    reader = make_reader(key_id_header=HEADER, trusted_proxies=TRUSTED)
    assert not reader.may_go_out([HEADER], "/p", "api.example.com")
    assert reader.outgoing(make_view(NAMED, peer="10.0.0.5")).facts.keys == ()


def test_the_setting_is_one_header() -> None:
    """A list is named as a mistake."""
    settings = Settings.from_env({"KEYTRAIL_KEY_ID_HEADER": "X-Credential-Identifier"})
    assert settings.key_id_header == HEADER
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"KEYTRAIL_KEY_ID_HEADER": "a, b"})
    assert str(error.value) == "KEYTRAIL_KEY_ID_HEADER: expected the name of one header"
