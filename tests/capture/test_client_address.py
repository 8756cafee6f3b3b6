"""Whose address is told, and who is believed (case B5)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal

import pytest

from keytrail.capture.client_address import MAX_HOPS, ClientAddress
from support.capture import make_view

TRUSTED = tuple(ip_network(text) for text in ("10.0.0.0/8", "2001:db8:ffff::/48"))
PROXY = "10.0.0.5"


def _client(
    *lines: tuple[str, str],
    peer: str = PROXY,
    policy: Literal["full", "truncated", "none"] = "full",
) -> str | None:
    view = make_view(*((name, value.encode()) for name, value in lines), peer=peer)
    return ClientAddress(TRUSTED, policy).find(view)


XFF, FORWARDED = "x-forwarded-for", "forwarded"


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("6.6.6.6, 198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7, 10.1.1.1", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("6.6.6.6,2001:db8:ffff::9", "6.6.6.6"),
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("6.6.6.6, unknown, 10.1.1.1", "10.1.1.1"),
        ("6.6.6.6, _hidden", PROXY),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("[2001:db8::1", "2001:db8::1"),
        ("198.51.100.7:", "198.51.100.7"),
        (' "198.51.100.7" ', "198.51.100.7"),
        ("198.51.100.7:4711:1", PROXY),
        ("198.51.100.007", PROXY),
        ("\x00", PROXY),
        ("6.6.6.6, ", PROXY),
        ("", PROXY),
        ("%&/()", PROXY),
        ("1" * 70_000, PROXY),
    ],
)
def test_the_right_most_address_that_is_not_trusted(value: str, client: str) -> None:
    """Garbage ends the walk: what stands to its left is vouched for by nobody."""
    assert _client((XFF, value)) == client


def test_a_stranger_is_not_believed() -> None:
    """A peer outside the trusted networks is the client, whatever it says."""
    assert _client((XFF, "1.2.3.4"), (FORWARDED, "for=1.2.3.4"), peer="203.0.113.9") == (
        "203.0.113.9"
    )


def test_a_peer_on_a_dual_stack_socket_is_trusted() -> None:
    """An IPv4 address that is mapped into IPv6 is in the IPv4 network."""
    assert _client((XFF, "198.51.100.7"), peer="::ffff:10.0.0.5") == "198.51.100.7"


def test_a_peer_behind_a_unix_socket_is_believed_where_any_proxy_is() -> None:
    """It has no address, and is on this machine."""
    assert _client((XFF, "6.6.6.6, 198.51.100.7"), peer="") == "198.51.100.7"
    view = make_view((XFF, b"6.6.6.6"), peer="")
    assert ClientAddress((), "full").find(view) is None


def test_several_lines_are_one_list() -> None:
    """The last line is the nearest."""
    assert _client((XFF, "6.6.6.6"), (XFF, "198.51.100.7"), (XFF, "10.1.1.1")) == "198.51.100.7"


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("for=6.6.6.6, for=198.51.100.7;proto=https;by=10.0.0.5", "198.51.100.7"),
        ('proto=https;For="[2001:db8::1]:4711"', "2001:db8::1"),
        ('for="198.51.100.7:80"', "198.51.100.7"),
        ("for=6.6.6.6, for=_hidden", PROXY),
        ("for=6.6.6.6, for=unknown", PROXY),
        ('for="_gazonk:80"', PROXY),
        ('for="[fe80::1%25eth0]"', "fe80::1"),
        ('for = "198.51.100.7"', "198.51.100.7"),
        ('for="198.51.100.7', PROXY),
        ("host=for=1.2.3.4", PROXY),
        ("proto=https", PROXY),
    ],
)
def test_forwarded(value: str, client: str) -> None:
    """RFC 7239's header is read like the other; an obfuscated name is no address."""
    assert _client((FORWARDED, value)) == client


def test_where_both_are_sent_the_one_that_proxies_append_to_is_read() -> None:
    """A proxy that does not write ``Forwarded`` passes on what the client put there."""
    assert _client((FORWARDED, "for=1.2.3.4"), (XFF, "198.51.100.7")) == "198.51.100.7"


def test_ten_thousand_entries_are_not_walked() -> None:
    """At most ``MAX_HOPS`` entries from the right are looked at."""
    hops = ", ".join(["6.6.6.6", *["10.1.1.1"] * 10_000])
    assert _client((XFF, hops)) == "10.1.1.1"
    at_the_bound = ", ".join(["6.6.6.6", *["10.1.1.1"] * (MAX_HOPS - 1)])
    assert _client((XFF, at_the_bound)) == "6.6.6.6"


@pytest.mark.parametrize(
    ("peer", "full", "truncated"),
    [
        ("203.0.113.9", "203.0.113.9", "203.0.113.0"),
        ("2001:db8:1:2::9", "2001:db8:1:2::9", "2001:db8:1::"),
        ("::ffff:203.0.113.9", "::ffff:203.0.113.9", "203.0.113.0"),
        ("testclient", "testclient", None),
        ("", None, None),
    ],
)
def test_the_policy(peer: str, full: str | None, truncated: str | None) -> None:
    """``truncated`` keeps /24 or /48 and tells no names; ``none`` tells nothing."""
    assert _client(peer=peer) == full
    assert _client(peer=peer, policy="truncated") == truncated
    assert _client(peer=peer, policy="none") is None


def test_forwarding_headers_are_asked_for_only_where_proxies_are_trusted() -> None:
    """Without trusted proxies no adapter need look them up."""
    assert ClientAddress((), "full").wanted == frozenset()
    assert ClientAddress(TRUSTED, "full").wanted == {XFF, FORWARDED}
