"""The suggestion: TOML for what an audit recorded and ``privacy.toml`` does not declare.

A person has to read it: an audit sees what is stored, and not what for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...policy.model import Policy
from ...policy.parts import COOKIES, Cookie
from ...policy.ready_made import PURPOSES, ReadyMade, ready_made
from ...policy.toml_text import exact_name, table_text
from ...policy.validation import is_host
from ...storage.clock import DAY
from .evidence import Evidence, RequestMade, StoredItem
from .known_cookies import KnownCookie, KnownCookies
from .rules_interface import MASK, mask_addresses

_UNDECIDED = "undecided"
_TEXTS = {_UNDECIDED: ("To be decided", "Decide what this is for, and describe it to visitors."), **PURPOSES}

#: The purpose for a category of the Open Cookie Database. For the others, a person must decide.
_OF_CATEGORY = {"analytics": "analytics", "marketing": "advertising"}


@dataclass(frozen=True)
class Undeclared:
    """What an audit recorded, and the declaration does not have."""

    items: tuple[StoredItem, ...] = ()
    requests: tuple[RequestMade, ...] = ()


def undeclared_of(evidence: Evidence, policy: Policy) -> Undeclared:
    """Return the items and the requests to third parties that a policy does not declare."""
    items = tuple(item for item in evidence.stored if declaration_of(item, policy) is None)
    return Undeclared(items, tuple(request for request in evidence.requests if is_undeclared(request, policy)))


def declaration_of(item: StoredItem, policy: Policy) -> Cookie | None:
    """Return the declaration of an item. Only an item of a third party may be declared with the other party by mistake."""
    if not item.third_party:
        return policy.cookie(item.name, item.kind, "first")
    return policy.cookie(item.name, item.kind, "third") or policy.cookie(item.name, item.kind)


def is_undeclared(request: RequestMade, policy: Policy) -> bool:
    """Return whether a request goes to a third party that no service declares.

    What a frame of a ready-made service loads is its vendor's decision, and no policy of the page governs it.
    """
    if not request.third_party or not request.load or policy.services_for(request.host):
        return False
    framing = policy.services_for(request.inside, "frame") if request.inside else ()
    return not framing or not all(service.use for service in framing)


class Suggestion:
    """The tables for one policy."""

    def __init__(self, undeclared: Undeclared, policy: Policy, known: KnownCookies | None = None) -> None:
        self._policy, self._known = policy, known or KnownCookies()
        self._items = {item.key: item for item in reversed(undeclared.items)}
        self._hosts: dict[str, list[str]] = {}
        for request in undeclared.requests:
            loads = self._hosts.setdefault(request.host, [])
            if request.load not in (*loads, "prefetch"):
                loads.append(request.load)
        self._ids = {service.id for service in policy.services}
        self._taken = {(cookie.name, cookie.party): cookie.kind for cookie in policy.cookies}
        self._purposes: dict[str, None] = {}

    def as_toml(self) -> str:
        """Return the tables as TOML, to be appended to the declaration. Empty if there are none."""
        services = [*self._ready_made_services(), *self._other_services()]
        tables = services + list(self._cookies())
        purposes = [self._purpose(name) for name in self._purposes]
        return "\n".join(purposes + tables)

    def _ready_made_services(self) -> Iterator[str]:
        """Yield a table for each ready-made service, that with the most hosts and cookies first."""
        while (best := max(ready_made().values(), key=self._score)) and sum(self._score(best)[:2]):
            hosts = [host for host in self._hosts if best.covers(host)]
            keys = [key for key, item in self._items.items() if _sets(best, item)]
            comments = [f"The audit saw: {', '.join([*hosts, *(mask_addresses(name) for _, name, _ in keys)])}."]
            if hosts and (others := _others(best, hosts)):
                comments.append(f"Or {', '.join(others)}: these hosts belong to each of them. Keep what the site uses.")
            own_id = self._new_id(best.id)
            yield table_text("services", {"use": best.id} | ({"id": own_id} if own_id != best.id else {}), comments)
            for host in hosts:
                del self._hosts[host]
            for key in keys:
                del self._items[key]
            self._taken |= {(cookie["name"], cookie["party"]): cookie["kind"] for cookie in best.cookies}

    def _score(self, entry: ReadyMade) -> tuple[int, ...]:
        """Return how much of the rest a service explains: hosts, cookies, loads, hosts by whole names, fewest hosts."""
        hosts = [host for host in self._hosts if entry.covers(host)]
        cookies = sum(_sets(entry, item) for item in self._items.values())
        loads = sum(entry.covers(host, load) for host in hosts for load in self._hosts[host])
        whole = sum(host in entry.service["hosts"] for host in hosts)
        return len(hosts), cookies, loads, whole, -len(entry.service["hosts"])

    def _other_services(self) -> Iterator[str]:
        for host, loads in self._hosts.items():
            if not is_host(host):
                yield f"# {host!r} ({', '.join(loads)}) is no host that privacy.toml can declare. Load it from a name.\n"
                continue
            name = self._new_id("".join(char if char.isalnum() else "-" for char in f"to-{host}")[:28])
            values = {
                "id": name,
                "title": host,
                "purpose": self._use(_UNDECIDED),
                "hosts": [host],
                "loads": loads or ["connect"],
            }
            yield table_text(
                "services", values, ["Name the company, its country and its privacy policy: company, country, link."]
            )

    def _cookies(self) -> Iterator[str]:
        for (_, name, _), item in self._items.items():
            known = self._known.find(name)
            declared = f"{exact_name(known.name)}*" if known and known.is_pattern else exact_name(mask_addresses(name))
            declared = declared.replace(MASK, "*")
            key = (declared, _party(item))
            if key in self._taken:
                yield _repeated(declared, item, self._taken[key])
                continue
            self._taken[key] = item.kind
            yield self._cookie(declared, item, known)

    def _cookie(self, name: str, item: StoredItem, known: KnownCookie | None) -> str:
        purpose = _OF_CATEGORY.get(known.category.lower(), _UNDECIDED) if known else _UNDECIDED
        values = {"name": name, "purpose": self._use(purpose), "lifetime": _lifetime(item, known)}
        values |= {"kind": item.kind} if item.kind != "http" else {}
        values |= {"party": "third"} if item.third_party else {}
        values |= {"path": item.path} if item.is_cookie and not item.third_party and item.path != "/" else {}
        values["description"] = (known.description if known else "") or "To be described."
        comments = [f"Known as a cookie of {known.controller or 'another company'}: {known.category}."] if known else []
        return table_text("cookies", values, comments)

    def _use(self, purpose: str) -> str:
        """Note that a purpose is needed, and return its id."""
        if all(declared.id != purpose for declared in self._policy.purposes):
            self._purposes[purpose] = None
        return purpose

    def _purpose(self, name: str) -> str:
        title, description = _TEXTS[name]
        return table_text("purposes", {"id": name, "title": title, "description": description, "basis": "consent"})

    def _new_id(self, wanted: str) -> str:
        """Return an id of a service that is not taken yet."""
        names = (wanted, *(f"{wanted}-{number}" for number in range(2, 1000)))
        chosen = next(name for name in names if name not in self._ids)
        self._ids.add(chosen)
        return chosen


def _party(item: StoredItem) -> str:
    return "third" if item.third_party else "first"


def _repeated(name: str, item: StoredItem, kind: str) -> str:
    """Return a comment on an item whose name has a table already."""
    if kind != item.kind and not {kind, item.kind} <= set(COOKIES):
        return f"# {name!r} is declared, but not with the kind {item.kind!r}. Change its table.\n"
    return f"# {name!r} is declared, but {item.host} stores it too. Describe both in its table.\n"


def _others(best: ReadyMade, hosts: list[str]) -> list[str]:
    """Return the other ready-made services that have all of these hosts."""
    return [entry.id for entry in ready_made().values() if entry is not best and all(map(entry.covers, hosts))]


def _sets(entry: ReadyMade, item: StoredItem) -> bool:
    """Return whether a ready-made service documents an item: its name, where it is stored, and by whom."""
    if item.third_party and not _has(entry, item.host):
        return False
    return any(
        cookie["party"] == _party(item) and Cookie(cookie["name"], "", "", "", cookie["kind"]).matches(item.name, item.kind)
        for cookie in entry.cookies
    )


def _has(entry: ReadyMade, domain: str) -> bool:
    """Return whether a cookie of this domain is one of a service: it has the host, or a host below it."""
    return entry.covers(domain) or any(host.endswith(f".{domain}") for host in entry.service["hosts"])


def _lifetime(item: StoredItem, known: KnownCookie | None) -> str:
    """Return the lifetime that was seen, rounded up to days, or else the known one."""
    if item.seconds is not None:
        days = max(1, -(-int(item.seconds) // int(DAY)))
        return f"{min(days, 9999)} day{'s' if days > 1 else ''}"
    if item.is_cookie or item.kind == "session":
        return "session"
    return (known.lifetime if known else "") or "1 year"


def suggestion_text(undeclared: Undeclared, policy: Policy, known: KnownCookies | None = None) -> Iterable[str]:
    """Yield the lines to print: how to use the suggestion, and its tables."""
    tables = Suggestion(undeclared, policy, known).as_toml()
    if not tables:
        yield "# Everything that the audit recorded is declared."
        return
    yield "# Append this to privacy.toml, read every line, and decide each purpose that is undecided."
    yield ""
    yield tables.rstrip()
