"""Whether a recorded client lies in a network: its address is text, and written in many ways."""

from __future__ import annotations

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_within(client: str, network: Network) -> bool:
    """Return whether ``client`` is an address in ``network``; what is no address is in none.

    An IPv4 address that a server of both kinds wrote within IPv6 (``::ffff:192.0.2.1``) is either.
    """
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return False
    within = getattr(address, "ipv4_mapped", None)
    return any(
        form is not None and form.version == network.version and form in network
        for form in (address, within)
    )
