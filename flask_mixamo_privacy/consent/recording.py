"""Record a decision, and clean up after a withdrawal: the order of the acts, and the cookies to delete.

Nothing here needs an app or a request. Only a grant can fail; a refusal or a withdrawal always takes effect.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import LedgerUnavailable
from ..ledger.entry import LedgerEntry, ShownText
from ..policy.model import Policy
from ..policy.parts import COOKIES, OWN_COOKIES, Cookie
from .decision import Decision, decide

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger


logger = logging.getLogger("flask_mixamo_privacy")

#: Where a script has to remove it, as no header can.
STORAGES = ("local", "session", "idb", "cache", "worker")

#: Headers that delete cookies in one response: servers and proxies take only so much.
MOST_DELETIONS = 40


@dataclass(frozen=True)
class DecisionRecorder:
    """Records decisions in the ledger, and erases the events of a visitor who withdraws statistics.

    ``erase(visitor, day)`` erases one visitor's events, now or later. ``report_failure(error)`` reports what must not keep
    a refusal or a withdrawal from taking effect.
    """

    policy: Policy
    ledger: Ledger
    erase: Callable[[str, str], object]
    report_failure: Callable[[Exception], object]

    def record(
        self,
        decision: Decision,
        *,
        visitor: str | None,
        gpc: bool,
        shown: ShownText | None,
        timestamp: str,
        source: str = "api",
    ) -> None:
        """Erase first, then write to the ledger, so that the ledger never states an erasure that has not happened.

        ``visitor`` is the ID that statistics were recorded under until now. A withdrawal is spooled before the erasure:
        if the process is killed in between, the ledger still gets the entry, and a replay knows whom to erase again.
        Raises :class:`LedgerUnavailable`, only for a grant.
        """
        leaving = visitor if not self._keeps_statistics(decision, gpc) else None
        if decision.kind is None:
            self._erase(leaving, timestamp)
            return
        entry = self._entry(decision, leaving, shown, timestamp, source)
        spooled = decision.kind == "withdrawal" and leaving is not None and self._spool(entry, shown)
        self._erase(leaving, timestamp)
        if spooled:
            self._drain_spool()
        elif decision.kind == "grant":
            self.ledger.append(entry, shown)
        else:
            self._append_or_spool(entry, shown)

    def _keeps_statistics(self, decision: Decision, gpc: bool) -> bool:
        return "statistics" in decide(self.policy, decision.record, gpc).granted

    def _entry(
        self, decision: Decision, leaving: str | None, shown: ShownText | None, timestamp: str, source: str
    ) -> LedgerEntry:
        columns: dict[str, Any] = {
            "pseudonym": self._pseudonym(leaving),
            "policy": self.policy.version,
            "fingerprint": self.policy.policy_fingerprint,
            "source": shown.source.partition(":")[0] if shown else source,
        }
        if decision.kind == "refusal":  # the day alone, and nothing else that could tell one refusal from another
            return self.ledger.new_entry("refusal", at=timestamp[:10], text=shown, **columns)
        return self.ledger.new_entry(
            str(decision.kind),
            at=timestamp,
            text=shown,
            receipt=decision.record.receipt,
            replaces=decision.replaces if decision.replaces != decision.record.receipt else "",
            purposes=tuple(sorted(decision.granted)),
            services=tuple(sorted(decision.services)),
            withdrawn=tuple(sorted(decision.withdrawn | decision.withdrawn_services)),
            gpc=decision.record.gpc,
            **columns,
        )

    def _pseudonym(self, leaving: str | None) -> tuple[str, str] | None:
        """Return the key's id and the keyed hash of the visitor to erase, so that a replay can erase them again."""
        try:
            return self.ledger.pseudonym(leaving) if leaving is not None else None
        except (OSError, ValueError):  # the key file is unreadable; the decision counts nevertheless
            return None

    def _erase(self, leaving: str | None, timestamp: str) -> None:
        try:
            if leaving is not None:
                self.erase(leaving, timestamp[:10])
        except Exception as error:  # a withdrawal takes effect whatever fails
            self.report_failure(error)

    def _spool(self, entry: LedgerEntry, shown: ShownText | None) -> bool:
        """Return whether the spool has the entry."""
        try:
            self.ledger.spool(entry, shown)
        except OSError as error:  # the ledger itself may still accept it
            logger.error("A withdrawal could not be spooled: %s", error, exc_info=error)
            return False
        return True

    def _drain_spool(self) -> None:
        try:
            self.ledger.drain_spool()
        except LedgerUnavailable as error:
            logger.warning("The spool of the ledger will be drained later: %s", error)
        except Exception as error:  # a withdrawal takes effect whatever fails
            self.report_failure(error)

    def _append_or_spool(self, entry: LedgerEntry, shown: ShownText | None) -> None:
        try:
            self.ledger.append_or_spool(entry, shown)
        except Exception as error:  # a refusal takes effect whatever fails
            self.report_failure(error)


def names_by_storage(cookies: Iterable[Cookie]) -> dict[str, list[str]]:
    """Names, or patterns with ``*``, by where they are stored: cookies (``http`` and ``js``) and what a script removes."""
    found: dict[str, list[str]] = {"cookies": [], **{storage: [] for storage in STORAGES}}
    for cookie in cookies:
        found[cookie.kind if cookie.kind in STORAGES else "cookies"].append(cookie.name)
    return found


def without_own_cookies(cookies: Iterable[Cookie]) -> list[Cookie]:
    """Those that the extension does not set itself: its own are seen to at the end of each request."""
    return [cookie for cookie in cookies if cookie.name not in OWN_COOKIES]


class Deletion(NamedTuple):
    """One ``Set-Cookie`` that deletes."""

    name: str
    path: str
    domain: str | None


def stored_for(policy: Policy, purposes: Collection[str], services: Collection[str]) -> list[Cookie]:
    """All that is declared to be stored for these purposes, and by these services."""
    return [
        cookie for cookie in policy.cookies if cookie.purpose in purposes or (cookie.service and cookie.service in services)
    ]


def deletions(cookies: Collection[Cookie], sent: Collection[str], host: str) -> list[Deletion]:
    """How to delete cookies of which a request shows but the name: on every path and domain that they may have.

    ``sent`` are the names that the browser sent here. One with a path of its own is not sent here, so it is deleted on
    sight of its declaration. At most :data:`MOST_DELETIONS`: what is left is sent again with the next request.
    """
    return list(islice(_deletions(cookies, sent, host), MOST_DELETIONS))


def _deletions(cookies: Collection[Cookie], sent: Collection[str], host: str) -> Iterator[Deletion]:
    domains = [None, *cookie_domains(host)]
    for cookie in cookies:
        if cookie.kind not in COOKIES:
            continue
        names = [name for name in sent if cookie.matches(name)]
        elsewhere = cookie.path != "/" and "*" not in cookie.name
        for name in dict.fromkeys([*names, *([cookie.name] if elsewhere else [])]):
            for path in dict.fromkeys(("/", cookie.path)):
                yield from (Deletion(name, path, domain) for domain in domains if _fits(name, path, domain))


def _fits(name: str, path: str, domain: str | None) -> bool:
    return not name.startswith("__Host-") or (path == "/" and domain is None)


def cookie_domains(host: str) -> list[str]:
    """The domains that a cookie of this host may have: itself and those above, but no address and no lone word."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        labels = name.split(".")
        return [".".join(labels[start:]) for start in range(len(labels) - 1)]
    return []
