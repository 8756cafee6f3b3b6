"""A request in, facts and what to redact out."""

from __future__ import annotations

from ipaddress import ip_network

from keytrail.capture.facts import KeyFacts, RequestFacts
from keytrail.capture.key import RawKey
from keytrail.capture.reader import Read
from support.capture import PEPPERS, READER, make_reader, make_view
from support.cases import F1, K1

HEADERS = (("user-agent", b"curl/8.5.0"), ("x-api-key", K1.encode()))
KEY = KeyFacts(F1, PEPPERS.id, "opaque", "header", "x-api-key", "none")
SECRETS = ((RawKey(K1.encode()), F1),)


def test_an_incoming_request() -> None:
    """Everything that is known when the request begins."""
    facts = RequestFacts(
        direction="incoming",
        keys=(KEY,),
        method="GET",
        scheme="https",
        host="api.example.com",
        port=443,
        path="/p",
        client="203.0.113.9",
        user_agent="curl/8.5.0",
    )
    assert READER.incoming(make_view(*HEADERS)) == Read(facts, SECRETS, 0)


def test_an_outgoing_request() -> None:
    """The client and its user agent are ourselves, and not told."""
    facts = RequestFacts(
        direction="outgoing",
        keys=(KEY,),
        method="GET",
        scheme="https",
        host="api.example.com",
        port=443,
        path="/p",
    )
    assert READER.outgoing(make_view(*HEADERS)) == Read(facts, SECRETS, 0)


def test_a_request_without_a_key() -> None:
    """It has facts, and nothing to redact."""
    read = READER.incoming(make_view(query=b"color=blue"))
    assert (read.facts.keys, read.secrets, read.user_tokens) == ((), (), 0)


def test_a_user_agent_is_bounded_text() -> None:
    """Whatever is sent as one is told as text of at most 512 characters."""
    read = READER.incoming(make_view(("user-agent", b"\xff" + b"a" * 70_000)))
    assert read.facts.user_agent == "\ufffd" + "a" * 511


def test_the_names_that_adapters_hand_over() -> None:
    """The same names for every carrier, and no more than the settings need."""
    reader = make_reader(
        headers=("X_Acme",), cookies=("sid",), trusted_proxies=(ip_network("10.0.0.0/8"),)
    )
    more = {"x_acme", "cookie", "forwarded", "x-forwarded-for"}
    assert reader.wanted == READER.wanted | more
    assert not READER.wanted & more
    assert reader.wanted_bytes == {name.encode() for name in reader.wanted}
    assert dict(reader.wanted_environ) == {
        "HTTP_" + name.upper().replace("-", "_"): name for name in reader.wanted
    }


def test_a_spelling_with_dashes_wins_in_wsgi() -> None:
    """Two headers share one name in the environment; the usual one is told."""
    environ = dict(make_reader(headers=("x_api_key",)).wanted_environ)
    assert environ["HTTP_X_API_KEY"] == "x-api-key"
