"""What is suspicious about a key at the point of its use."""

from __future__ import annotations

import pytest

from keytrail.settings import Settings, SettingsError
from support.capture import READER, make_reader, make_view
from support.cases import K1

KEY = ("x-api-key", K1.encode())
OPENAI = ("authorization", b"Bearer sk-proj-" + b"aB3_xyz" * 6)


def _outgoing(
    *headers: tuple[str, bytes],
    first: tuple[str, int | None] | None = None,
    redirected: bool = False,
    **parts: object,
) -> tuple[tuple[str, ...], str | None]:
    facts = READER.outgoing(make_view(*headers, **parts), first, redirected).facts
    return facts.findings, facts.host_expected


@pytest.mark.parametrize(
    ("first", "host", "port", "expected"),
    [
        (("127.0.0.1", 80), "localhost", 80, "127.0.0.1"),
        (("a.example", 443), "b.example", 8443, "a.example"),
        (("localhost", 8001), "localhost", 8002, "localhost:8001"),
        (("localhost", None), "localhost", 8002, "localhost"),
        (("a.example", 80), "a.example", 443, None),
        (("a.example", None), "a.example", 443, None),
        (("a.example", 8001), "a.example", 8001, None),
    ],
)
def test_a_redirect_that_carries_the_key_to_another_host(
    first: tuple[str, int | None], host: str, port: int, expected: str | None
) -> None:
    """The first hop's host is where the key was meant to go; http to https is no other host."""
    findings, host_expected = _outgoing(KEY, first=first, redirected=True, host=host, port=port)
    wrong = () if expected is None else ("wrong_host",)
    assert (findings, host_expected) == ((*wrong, "redirected"), expected)


def test_a_providers_key_on_its_way_to_another_host() -> None:
    """The shape of the key says whose it is, and the catalogue where it may go."""
    assert _outgoing(OPENAI, host="api.openai.com") == ((), None)
    assert _outgoing(OPENAI, host="eu.api.openai.com") == ((), None)
    assert _outgoing(OPENAI, host="evil.example") == (("wrong_host",), "api.openai.com")
    assert _outgoing(OPENAI, host="notapi.openai.com.evil.example")[0] == ("wrong_host",)


def test_a_redirect_within_the_providers_hosts_is_no_wrong_host() -> None:
    """The catalogue's hosts are all right for the key, whichever came first."""
    stripe = ("authorization", b"Bearer sk_live_" + b"aB3" * 8)
    first = ("api.stripe.com", 443)
    assert _outgoing(stripe, first=first, redirected=True, host="files.stripe.com") == (
        ("redirected",),
        None,
    )
    assert _outgoing(
        stripe, first=("files.stripe.com", 443), redirected=True, host="x.example"
    ) == (
        ("wrong_host", "redirected"),
        "files.stripe.com",
    )


def test_a_product_that_others_run_too_has_no_wrong_host() -> None:
    """A GitLab token is at home on any GitLab."""
    gitlab = ("private-token", b"glpat-" + b"aB3_xyz" * 4)
    assert _outgoing(gitlab, host="git.company.example") == ((), None)


def test_the_findings_come_gravest_first() -> None:
    """All at once, in the order of their gravity."""
    findings, _ = _outgoing(
        first=("other.example", 80),
        redirected=True,
        scheme="http",
        query=b"api_key=1234",
        userinfo=b"u:" + K1.encode(),
    )
    assert findings == (
        "wrong_host",
        "cleartext_http",
        "weak",
        "userinfo",
        "key_in_url",
        "redirected",
    )


@pytest.mark.parametrize(
    ("scheme", "host", "found"),
    [
        ("http", "api.example.com", True),
        ("ws", "10.0.0.1", True),
        ("https", "api.example.com", False),
        ("http", "localhost", False),
        ("http", "app.localhost", False),
        ("http", "127.8.0.1", False),
        ("http", "::1", False),
    ],
)
def test_cleartext_is_told_of_outgoing_requests_that_leave_the_machine(
    scheme: str, host: str, found: bool
) -> None:
    """Incoming requests say nothing about it: TLS usually ends at a proxy."""
    assert _outgoing(KEY, scheme=scheme, host=host)[0] == (("cleartext_http",) if found else ())
    assert READER.incoming(make_view(KEY, scheme=scheme, host=host)).facts.findings == ()


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("10.1.2.3", False),
        ("::ffff:10.1.2.3", False),
        ("fd00::7", False),
        ("billing.svc.internal", False),
        ("svc.internal", False),
        ("gateway", False),
        ("192.0.2.1", True),
        ("fe80::7", True),
        ("svc.internal.evil.example", True),
        ("notgateway", True),
    ],
)
def test_cleartext_to_where_the_user_allows_it(host: str, found: bool) -> None:
    """Networks, hosts and domains of one's own are no finding."""
    settings = Settings.from_env(
        {"KEYTRAIL_CLEARTEXT_TO": "10.0.0.0/8, fd00::/8, .SVC.internal,gateway"}
    )
    reader = make_reader(cleartext_to=settings.cleartext_to)
    facts = reader.outgoing(make_view(KEY, scheme="http", host=host)).facts
    assert facts.findings == (("cleartext_http",) if found else ())


def test_what_is_neither_network_nor_host_is_named() -> None:
    """A URL there would never match."""
    with pytest.raises(SettingsError) as error:
        Settings.from_env({"KEYTRAIL_CLEARTEXT_TO": "http://gateway"})
    assert str(error.value).startswith("KEYTRAIL_CLEARTEXT_TO: expected networks such as 10.0.0.0")


@pytest.mark.parametrize(
    ("headers", "query", "found"),
    [
        ((KEY, KEY), b"", True),
        ((KEY, ("x-api-key", b"another-key-0123456789")), b"", True),
        ((KEY,), b"api_key=" + K1.encode(), True),
        ((), b"api_key=" + K1.encode() + b"&api_key=another-key-0123456789", True),
        ((KEY, ("authorization", b"Bearer another-key-0123456789")), b"", False),
        ((("dd-api-key", b"0" * 4 + b"1f2e3d4c" * 4), ("dd-application-key", KEY[1])), b"", False),
        ((KEY, ("x-api-key", b"")), b"", False),
    ],
)
def test_a_key_that_is_presented_twice(
    headers: tuple[tuple[str, bytes], ...], query: bytes, found: bool
) -> None:
    """One key in two places, or two keys in one; two credentials that go together are neither."""
    findings = READER.incoming(make_view(*headers, query=query)).facts.findings
    assert ("duplicate" in findings) is found


@pytest.mark.parametrize(
    ("key", "weak"),
    [
        ("1234", True),
        ("changeme", True),
        ("password1234", True),
        ("123456789012345", True),
        ("a" * 64, True),
        ("abcabcabcabcabcabcabcabc", True),
        (K1, False),
        ("kt_test+a/b=c d", False),
        ("0123456789abcdef", False),
        ("9b2f6f0e-5a5e-4d0e-9f5e-0d5b8b6d5f10", False),
    ],
)
def test_a_key_that_can_be_guessed(key: str, weak: bool) -> None:
    """Case B8: it is told, and still fingerprinted."""
    facts = READER.incoming(make_view(("x-api-key", key.encode()))).facts
    assert (len(facts.keys), facts.findings) == (1, ("weak",) if weak else ())


def test_a_call_without_a_key_has_no_findings() -> None:
    """A redirect of a request without a key is nobody's concern."""
    assert _outgoing(first=("a.example", 80), redirected=True, scheme="http") == ((), None)
