"""Limits on the requests of one network, and the spelling of a mailbox for limits.

A visitor can enter any address. So no limit of an address refuses a request, because it would refuse the person's own.
"""

from __future__ import annotations

import threading
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from ..storage.clock import DAY, now
from ..storage.keys import normalise_subject
from ..storage.memory import TokenBuckets
from ..tracking.scrub import without_port

PER_HOUR = 100  # requests from one network by the form
PER_HOUR_OF_UNKNOWN = 3000  # requests of all visitors whose network is unknown; bounds the size of the database
LINKS_A_DAY = 3  # confirmation links to one mailbox in 24 hours
PER_MAILBOX = 10  # requests from one network for one mailbox in a day
_MOST = 20_000  # networks, and pairs of a network and a mailbox, in memory
_V4_PREFIX, _V6_PREFIX = 24, 56  # bits; a household usually has one IPv6 prefix of 56 bits (RFC 6177)

#: Hosts that ignore dots before the @, each with the host that it shares its mailboxes with.
_WITHOUT_DOTS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}


def mailbox_of(address: str) -> str:
    """Return the mailbox to which many spellings of an address may be delivered. Use it for limits only.

    ``Ada.L+shop@googlemail.com`` becomes ``adal@gmail.com``. Two people at an unusual host may share the result.
    """
    name, at, host = normalise_subject(address).rpartition("@")
    name = name.strip('"')
    if host in _WITHOUT_DOTS:
        name, host = name.replace(".", ""), _WITHOUT_DOTS[host]
    return f"{name.partition('+')[0] or name}{at}{host}"


def network_prefix(address: str, v6_prefix: int = _V6_PREFIX) -> str:
    """Return the network of an IP address, or an empty text if it is no address."""
    try:
        found = ip_address(without_port(address).partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    return str(ip_network((found, _V4_PREFIX if found.version == 4 else v6_prefix), strict=False))


def group_of(address: str) -> str:
    """Return one of 256 groups of networks, by which requests take turns; empty for an unknown network.

    Each group has tens of thousands of networks, so it identifies none. An IPv6 customer may have a prefix of 48 bits.
    """
    network = network_prefix(address, 48)
    return sha256(network.encode()).hexdigest()[:2] if network else ""


class LimitExceeded(Exception):
    """A network made too many requests."""


class NetworkLimit:
    """The limits of requests by network, and by network and mailbox. They are of this process, in memory."""

    def __init__(self) -> None:
        self._networks = TokenBuckets(PER_HOUR, PER_HOUR / 3600, _MOST)
        self._pairs = TokenBuckets(PER_MAILBOX, PER_MAILBOX / DAY, _MOST)
        self._unknown = TokenBuckets(PER_HOUR_OF_UNKNOWN, PER_HOUR_OF_UNKNOWN / 3600, 1)
        self._lock = threading.Lock()

    def require(self, address: str, email: str) -> None:
        """Count a request from an IP address for an e-mail address. Raises :class:`LimitExceeded` if it is too many.

        Visitors without an address, such as those behind an unknown proxy, share one limit, which is high.
        """
        network, moment = network_prefix(address), now().timestamp()
        limits = [(self._networks, network), (self._pairs, hash((network, mailbox_of(email))))]
        with self._lock:
            for buckets, key in limits if network else [(self._unknown, "")]:
                if buckets.wait(key, moment):
                    raise LimitExceeded
            for buckets, key in limits if network else [(self._unknown, "")]:
                buckets.take(key, 1, moment)
