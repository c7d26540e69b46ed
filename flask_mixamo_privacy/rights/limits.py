"""Limits on what one visitor can cause: requests by network, and links by mailbox.

A visitor can enter any address. So no limit of an address refuses a request, because it would refuse the person's own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from ..storage.clock import DAY, later, now, timestamp_of
from ..storage.keys import normalise_subject
from ..storage.memory import TokenBuckets
from ..tracking.scrub import without_port

PER_HOUR = 100  # requests from one network by the form
_PER_MAILBOX = 10  # requests from one network for one mailbox in a day
_LINKS_A_DAY = 3  # confirmation links to one mailbox in 24 hours
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


#: Returns the links sent since a timestamp: the hash of each subject, the address (empty if erased) and the time.
SentLinks = Callable[[str], Iterable[tuple[str, str, str]]]


class LinkLimit:
    """The limit of confirmation links to one mailbox, over all stores that send links."""

    def __init__(self, *sent: SentLinks) -> None:
        self._sent = sent

    def free_again(self, email: str, subject: str = "") -> str:
        """Return when a mailbox may get a further link, or an empty text if it may get one now."""
        mailbox, since = mailbox_of(email), later(days=-1)
        links = [link for sent in self._sent for link in sent(since)]
        times = sorted(at for by, to, at in links if (subject and by == subject) or mailbox_of(to) == mailbox)
        if len(times) < _LINKS_A_DAY:
            return ""
        return timestamp_of(datetime.fromisoformat(times[-_LINKS_A_DAY]) + timedelta(days=1, milliseconds=1))


def network_prefix(address: str) -> str:
    """Return the network of an IP address, or an empty text if it is no address."""
    try:
        found = ip_address(without_port(address).partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or found
    return str(ip_network((found, _V4_PREFIX if found.version == 4 else _V6_PREFIX), strict=False))


class LimitExceeded(Exception):
    """A network made too many requests."""


class NetworkLimit:
    """The limits of requests by network, and by network and mailbox. They are of this process, in memory."""

    def __init__(self) -> None:
        self._networks = TokenBuckets(PER_HOUR, PER_HOUR / 3600, _MOST)
        self._pairs = TokenBuckets(_PER_MAILBOX, _PER_MAILBOX / DAY, _MOST)
        self._lock = threading.Lock()

    def require(self, address: str, email: str) -> None:
        """Count a request from an IP address for an e-mail address. Raises :class:`LimitExceeded` if it is too many."""
        network = network_prefix(address)
        if not network:  # all visitors may share it
            return
        pair, moment = hash((network, mailbox_of(email))), now().timestamp()
        with self._lock:
            if self._pairs.wait(pair, moment) or self._networks.wait(network, moment):
                raise LimitExceeded
            self._pairs.take(pair, 1, moment)
            self._networks.take(network, 1, moment)
