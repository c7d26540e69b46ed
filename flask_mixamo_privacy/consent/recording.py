"""Recording a decision, and the cookies to delete after a withdrawal.

Needs neither an app nor a request. Only a grant can fail; a refusal or a withdrawal always takes effect.
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
from ..storage.failures import log_failure
from .decision import Decision, decide

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger


#: Storage that only a script can clear; no header can.
STORAGES = ("local", "session", "idb", "cache", "worker")

#: The maximum number of cookies deleted in one response, because servers and proxies limit the size of all headers.
MOST_DELETIONS = 40

_MOST_SENT = 200  # cookies of a request that are compared with the declared ones; browsers keep at most 180 for a site
_LONGEST_HOST = 253  # characters; RFC 1035, 2.3.4


@dataclass(frozen=True)
class DecisionRecorder:
    """Records decisions in the ledger, and erases the events of a visitor who withdraws statistics.

    ``erase(visitor, day)`` erases one visitor's events, now or later. ``report_failure(error)`` reports an error that must
    not prevent a refusal or a withdrawal.
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
        others: Callable[[], Iterable[str]] = tuple,
        gpc: bool,
        shown: ShownText | None,
        timestamp: str,
        source: str = "api",
    ) -> None:
        """Put the entry on disk, then erase. If the process is killed in between, a replay erases the visitor.

        ``visitor`` is the current visitor ID of statistics, or None. ``others()`` returns the visitor's further IDs. If it
        raises :class:`LedgerUnavailable`, a replay finds them later by the receipt. A grant is written to the ledger. A
        withdrawal with an erasure is spooled, and written to the ledger once the visitor is erased. A refusal is only
        counted. Raises :class:`LedgerUnavailable`, only for a grant; nothing is erased then.
        """
        to_erase = visitor if not self._keeps_statistics(decision, gpc) else None
        all_to_erase = [to_erase, *self._others(others)] if to_erase is not None else []
        if decision.kind in (None, "refusal"):
            if decision.kind == "refusal":
                self._count_refusal(timestamp[:10], shown)
            self._erase(all_to_erase, timestamp)
            return
        entry = self._entry(decision, to_erase, shown, timestamp, source)
        if decision.kind == "grant":
            self.ledger.append(entry, shown)
            self._erase(all_to_erase, timestamp)
            return
        spooled = decision.kind == "withdrawal" and to_erase is not None and self._spool(entry, shown)
        self._erase(all_to_erase, timestamp)
        if spooled:
            self._drain_spool()
        else:
            self._append_or_spool(entry, shown)

    def _count_refusal(self, day: str, shown: ShownText | None) -> None:
        """Count a refusal by day, policy and language. An entry of its own would reveal its time."""
        try:
            policy = self.policy
            self.ledger.refusals.add(day, policy.version, policy.policy_fingerprint, shown.locale if shown else "")
        except Exception as error:  # no failure may prevent a refusal
            self.report_failure(error)

    def _keeps_statistics(self, decision: Decision, gpc: bool) -> bool:
        return "statistics" in decide(self.policy, decision.record, gpc).held  # suspended by Global Privacy Control or not

    def _others(self, others: Callable[[], Iterable[str]]) -> list[str]:
        found: list[str] = []
        try:
            found.extend(others())
        except LedgerUnavailable as error:
            message = "Earlier visitor IDs could not be found; `flask privacy replay` erases them later"
            log_failure(message, error, level=logging.WARNING)
        return found

    def _entry(
        self, decision: Decision, to_erase: str | None, shown: ShownText | None, timestamp: str, source: str
    ) -> LedgerEntry:
        columns: dict[str, Any] = {
            "pseudonym": self._pseudonym(to_erase),
            "policy": self.policy.version,
            "fingerprint": self.policy.policy_fingerprint,
            "source": shown.source.partition(":")[0] if shown else source,
        }
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

    def _pseudonym(self, to_erase: str | None) -> tuple[str, str] | None:
        """Return the key id and the keyed hash of the visitor to erase, which a replay needs."""
        try:
            return self.ledger.pseudonym(to_erase) if to_erase is not None else None
        except (OSError, ValueError):  # the key file cannot be read; the decision still takes effect
            return None

    def _erase(self, to_erase: Iterable[str], timestamp: str) -> None:
        for visitor in dict.fromkeys(to_erase):
            try:
                self.erase(visitor, timestamp[:10])
            except Exception as error:  # no failure may prevent a withdrawal
                self.report_failure(error)

    def _spool(self, entry: LedgerEntry, shown: ShownText | None) -> bool:
        """Spool an entry, and return whether that succeeded."""
        try:
            self.ledger.spool(entry, shown)
        except OSError as error:  # the ledger itself may still accept it
            log_failure("A withdrawal could not be spooled. Check the disk of the folder PRIVACY_LOG_DIR", error)
            return False
        return True

    def _drain_spool(self) -> None:
        try:
            self.ledger.drain_spool()
        except LedgerUnavailable as error:
            log_failure("The spool of the ledger will be drained later", error, level=logging.WARNING)
        except Exception as error:  # no failure may prevent a withdrawal
            self.report_failure(error)

    def _append_or_spool(self, entry: LedgerEntry, shown: ShownText | None) -> None:
        try:
            self.ledger.append_or_spool(entry, shown)
        except Exception as error:  # no failure may prevent a withdrawal
            self.report_failure(error)


def names_by_storage(cookies: Iterable[Cookie]) -> dict[str, list[str]]:
    """Return names, or patterns with ``*``, by storage: "cookies" (``http`` and ``js``) and each of :data:`STORAGES`."""
    names: dict[str, list[str]] = {"cookies": [], **{storage: [] for storage in STORAGES}}
    for cookie in cookies:
        names[cookie.kind if cookie.kind in STORAGES else "cookies"].append(cookie.name)
    return names


def without_own_cookies(cookies: Iterable[Cookie]) -> list[Cookie]:
    """Return the cookies that the extension does not set itself. It deletes its own at the end of each request."""
    return [cookie for cookie in cookies if cookie.name not in OWN_COOKIES]


class Deletion(NamedTuple):
    """One ``Set-Cookie`` header that deletes a cookie."""

    name: str
    path: str
    domain: str | None


def stored_for(policy: Policy, purposes: Collection[str], services: Collection[str]) -> list[Cookie]:
    """Return every cookie and storage item of the site that is declared for these purposes or services.

    Those of third parties are left out. The site can delete none of them, and may have items of its own with their names.
    """
    return [
        cookie
        for cookie in policy.cookies
        if cookie.party == "first" and (cookie.purpose in purposes or (cookie.service and cookie.service in services))
    ]


def deletions(cookies: Collection[Cookie], sent: Collection[str], host: str) -> list[Deletion]:
    """Return the headers that delete these cookies, on every path and domain that each may have.

    A request shows only the names of cookies, in ``sent``. A cookie with another path is not sent to this page, so it is
    deleted because it is declared. Returns at most :data:`MOST_DELETIONS`; the next request sends the remaining cookies.
    """
    return list(islice(_deletions(cookies, list(islice(sent, _MOST_SENT)), host), MOST_DELETIONS))


def _deletions(cookies: Collection[Cookie], sent: Collection[str], host: str) -> Iterator[Deletion]:
    domains = [None, *cookie_domains(host)]
    for cookie in cookies:
        if cookie.kind not in COOKIES or cookie.party == "third":
            continue
        names = [name for name in sent if cookie.matches(name)]
        has_other_path = cookie.path != "/" and "*" not in cookie.name
        for name in dict.fromkeys([*names, *([cookie.name] if has_other_path else [])]):
            for path in dict.fromkeys(("/", cookie.path)):
                yield from (Deletion(name, path, domain) for domain in domains if _fits(name, path, domain))


def _fits(name: str, path: str, domain: str | None) -> bool:
    return not name.startswith("__Host-") or (path == "/" and domain is None)


_ODD = frozenset(" \"#%&'()*+,/;<=>?@[\\]^`{|}")  # characters of no host name, except the brackets of an IP address


def cookie_domains(host: str) -> list[str]:
    """Return the domains that a cookie of this host may have: the host and its parents, without a top-level domain.

    Empty if the host is an IP address, a single label, too long for a name, or odd, such as ``shop.example@evil.example``.
    """
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if len(name) > _LONGEST_HOST or not (name.isascii() and name.isprintable()) or _ODD.intersection(name):
        return []
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        labels = name.split(".")
        return [".".join(labels[start:]) for start in range(len(labels) - 1)]
    return []
