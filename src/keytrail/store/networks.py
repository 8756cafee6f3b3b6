"""Whether a recorded client lies in a network: its address is text, and written in many ways."""

from __future__ import annotations

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def is_within(client: str, network: Network) -> bool:
    """Return whether ``client`` is an address in ``network``; what is no address is in none."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return False
    return address.version == network.version and address in network
