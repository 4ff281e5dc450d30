"""Whether an address is one of those that settings name."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks and single addresses as settings have them; collector.settings has checked how they are written."""
    return tuple(ip_network(one) for one in texts)


def is_among(text: str, networks: Iterable[Network]) -> bool:
    """Whether a text is an address in one of the networks; one of IPv4 also where it is written as one of IPv6."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in networks)
