"""What is stored, against what is declared to be: whether at all, for how long, and as what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ...policy.model import Policy
from ...policy.parts import Cookie, Period
from ...storage.clock import DAY
from .evidence import GPC, UNASKED, WITHDRAWN, Evidence, Link, RequestMade, StoredItem
from .findings import Observation
from .rules_interface import answers, banner, hidden, persons

_WHERE = {
    "http": "a cookie in an answer of {}",
    "js": "a cookie that a script sets, on a page of {}",
    "local": "an entry of local storage, of {}",
    "session": "an entry of session storage, of {}",
    "idb": "a database in IndexedDB, of {}",
    "cache": "a cache of Cache Storage, of {}",
    "worker": "a service worker, of {}",
}
_SLACK = DAY  # seconds: a month is no exact number of days


def cookies(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for written in evidence.written:
        cookie = policy.cookie(written.name, written.kind)
        if cookie is None:
            yield Observation("used-not-declared", written.name, written.place, _where(written, evidence.host), "cookies")
            continue
        if longer := _longer(written, cookie):
            key = f"cookies.{cookie.name}.lifetime"
            yield Observation("lifetime-longer-than-declared", cookie.name, written.place, longer, key)
        for what, says in _mismatches(written, cookie, evidence.root):
            yield Observation("flag-mismatch", cookie.name, written.place, says, f"cookies.{cookie.name}.{what}")


def _where(written: StoredItem, own: str) -> str:
    said = _WHERE[written.kind].format("this site" if written.host == own else written.host)
    return f"{said[0].upper()}{said[1:]}."


def _longer(written: StoredItem, cookie: Cookie) -> str:
    """How much longer it lives than it is said to, or ""."""
    if not written.is_cookie:
        stays = written.kind != "session" and cookie.lifetime == "session"
        return f"Declared to end with the browser; it is in {written.kind} storage, which stays." if stays else ""
    if written.seconds is None:
        return ""
    days = written.seconds / DAY
    if cookie.lifetime == "session":
        return f"Declared to end with the browser; set for {_days(days)}."
    most = Period.parse(cookie.lifetime).days
    return f"Declared for {cookie.lifetime}; set for {_days(days)}." if written.seconds > most * DAY + _SLACK else ""


def _days(days: float) -> str:
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.1f} hours"


def _mismatches(written: StoredItem, cookie: Cookie, root: str) -> Iterator[tuple[str, str]]:
    party = "third" if written.third else "first"
    if party != cookie.party:
        yield "party", f'Declared with party = "{cookie.party}"; {written.host} sets it, which is {party} party here.'
    if not written.is_cookie:
        return
    if written.kind == "js" and cookie.kind == "http":
        yield "kind", 'Declared with kind = "http"; a script sets it, so that every script can read it.'
    if written.path not in (cookie.path, root if cookie.path == "/" else cookie.path) and not written.third:
        yield (
            "path",
            f'Declared with path = "{cookie.path}"; it has the path {written.path}, where no withdrawal deletes it.',
        )
    if written.https and not written.secure:
        yield "name", "It lacks Secure, although the site is served over HTTPS."


# What happens without the consent that it needs: before it, after a refusal, after a withdrawal, against the signal.

_CODES = {UNASKED: "before-consent", GPC: "ignores-gpc", WITHDRAWN: "survives-withdrawal"}


def consent(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    yield from _stored(evidence, policy)
    yield from _asked(evidence, policy)
    yield from _left(evidence, policy)


def _stored(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for written in evidence.written:
        cookie, state = policy.cookie(written.name, written.kind), written.place.state
        if cookie is not None and _needs(policy, cookie.purpose, evidence.granted[state]) and not _is_choice(written):
            says = f"It is set, and its purpose {cookie.purpose} is not granted."
            yield Observation(_code(state), cookie.name, written.place, says, f"cookies.{cookie.name}")


def _is_choice(written: StoredItem) -> bool:
    """A choice works without consent too, for the browser session: it is what the visitor asked for."""
    return written.name.removeprefix("__Host-") == "privacy_choices" and written.seconds is None


def _asked(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for asked in evidence.asked:
        service, state = policy.service_for(asked.host), asked.place.state
        if (
            service is not None
            and asked.load
            and not asked.refused
            and _needs(policy, service.purpose, evidence.granted[state])
        ):
            says = f"{asked.url.partition('?')[0]} is asked for, and its purpose {service.purpose} is not granted."
            yield Observation(_code(state), service.id, asked.place, says, f"services.{service.id}")


def _left(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for left in evidence.left:
        cookie = policy.cookie(left.name, left.kind)
        if cookie is not None and _needs(policy, cookie.purpose, evidence.granted[left.place.state]):
            if left.kind == "http" and cookie.name == "privacy_choices":
                continue  # kept for the session, as before the grant
            says = f"It is still on the device after {cookie.purpose} was withdrawn."
            yield Observation("survives-withdrawal", cookie.name, left.place, says, f"cookies.{cookie.name}")


def _code(state: str) -> str:
    return _CODES.get(state, "after-reject")


def _needs(policy: Policy, purpose: str, granted: frozenset[str]) -> bool:
    """Whether the purpose is the visitor's to grant, and is not granted."""
    return policy.purpose(purpose).optional and purpose not in granted


# Which other companies' hosts a page reaches out to, and what for.

_REFUSED = " The browser refused it because of a Content-Security-Policy; the page asks all the same."


def hosts(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for asked in evidence.asked:
        if not asked.third or not asked.load:
            continue
        service = policy.service_for(asked.host)
        if service is None:
            yield Observation("host-not-declared", asked.host, asked.place, _says(asked), "services")
        elif asked.load not in (*service.loads, "prefetch") and not asked.inside and not asked.refused:
            says = f"It is declared for {', '.join(service.loads)}; the page loads {_what(asked)} from it."
            yield Observation("host-not-declared", asked.host, asked.place, says, f"services.{service.id}.loads")


def _says(asked: RequestMade) -> str:
    who = f"A frame of {asked.inside}" if asked.inside else "The page"
    return f"{who} asks it for {_what(asked)}." + (_REFUSED if asked.refused else "")


def _what(asked: RequestMade) -> str:
    """What was asked for, without the query, in which there may be anything."""
    return f"{asked.load} {asked.url.partition('?')[0]}"


# What is declared and never happens: a policy that says more than the site does is not true either.


def seen(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    used = {cookie.name for w in evidence.written if (cookie := policy.cookie(w.name, w.kind)) is not None}
    for cookie in policy.cookies:
        if cookie.name not in used:
            says = f"Nothing of kind {cookie.kind} with this name was set, in any state."
            yield Observation("declared-not-seen", cookie.name, None, says, f"cookies.{cookie.name}")
    asked = {service.id for a in evidence.asked if not a.refused and (service := policy.service_for(a.host)) is not None}
    for service in policy.services:
        if service.id not in asked:
            says = f"Nothing was loaded from {', '.join(service.hosts)}, in any state."
            yield Observation("declared-not-seen", service.id, None, says, f"services.{service.id}")


# What the pages themselves have to keep: links that say where they lead, and no barriers.


def pages(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    if policy.notices.links:
        for page in evidence.pages:
            for link in page.links:
                if missing := _missing(link):
                    address = link.href.partition("?")[0]
                    yield Observation(
                        "link-without-notice", address, page.place, missing, "notices.links", f'a[href^="{address}"]'
                    )
    for barrier in evidence.barriers:
        yield Observation(
            "accessibility", barrier.rule, barrier.place, f"{barrier.says}: {barrier.target}", "", barrier.target
        )


def _missing(link: Link) -> str:
    if not link.noticed:
        return "Neither its text nor a description says that it leads to another site."
    if not {"noopener", "noreferrer", "external"} & set(link.rel):
        return "It lacks rel, such as noopener or external."
    return ""


# What a finding is: pure functions from evidence and policy to what is to be told. No browser is needed for these.

Rule = Callable[[Evidence, Policy], Iterator[Observation]]

RULES: tuple[Rule, ...] = (cookies, hosts, seen, consent, persons, banner, answers, pages)


def apply_rules(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    """Everything that any rule has to say."""
    for rule in RULES:
        yield from map(_discreet, rule(evidence, policy))


def _discreet(told: Observation) -> Observation:
    """A report shall not spread the mail addresses that stand in addresses, whatever it has to say of those."""
    place = told.place and replace(told.place, route=hidden(told.place.route))
    selector = told.selector if hidden(told.selector) == told.selector else ""
    return replace(told, subject=hidden(told.subject), evidence=hidden(told.evidence), place=place, selector=selector)
