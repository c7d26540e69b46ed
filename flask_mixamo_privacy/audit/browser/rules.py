"""The audit's rules: functions from evidence and policy to observations. They need no browser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from ...policy.model import Policy
from ...policy.parts import Cookie, Period, Service
from ...storage.clock import DAY
from .evidence import GPC, UNASKED, WITHDRAWN, Evidence, Link, RequestMade, StoredItem
from .findings import Observation
from .rules_interface import answers, banner, mask_addresses, personal_data
from .suggestion import declaration_of, is_undeclared

# Stored items: whether they are declared, with which lifetime, and with which attributes.

_SOURCES = {
    "http": "A cookie in a response of {}.",
    "js": "A cookie that a script sets, on a page of {}.",
    "local": "An entry of local storage, of {}.",
    "session": "An entry of session storage, of {}.",
    "idb": "A database in IndexedDB, of {}.",
    "cache": "A cache of Cache Storage, of {}.",
    "worker": "A service worker, of {}.",
}
_TOLERANCE = DAY  # seconds: months differ in length


def cookies(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for item in evidence.stored:
        cookie = declaration_of(item, policy)
        if cookie is None:
            host = "this site" if item.host == evidence.host else item.host
            yield Observation("used-not-declared", item.name, item.place, _SOURCES[item.kind].format(host), "cookies")
            continue
        if excess := _excess_lifetime(item, cookie):
            key = f"cookies.{cookie.name}.lifetime"
            yield Observation("lifetime-longer-than-declared", cookie.name, item.place, excess, key)
        for key, message in _mismatches(item, cookie, evidence.root):
            yield Observation("flag-mismatch", cookie.name, item.place, message, f"cookies.{cookie.name}.{key}")


def _excess_lifetime(item: StoredItem, cookie: Cookie) -> str:
    """Return a text on how far the lifetime exceeds the declared one, or ""."""
    if not item.is_cookie:
        stays = item.kind != "session" and cookie.lifetime == "session"
        return f"Declared for the browser session; stored in {item.kind} storage, which persists." if stays else ""
    if item.seconds is None:
        return ""
    days = item.seconds / DAY
    if cookie.lifetime == "session":
        return f"Declared for the browser session; set for {_days(days)}."
    longest = Period.parse(cookie.lifetime).days
    return f"Declared for {cookie.lifetime}; set for {_days(days)}." if item.seconds > longest * DAY + _TOLERANCE else ""


def _days(days: float) -> str:
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.1f} hours"


def _mismatches(item: StoredItem, cookie: Cookie, root: str) -> Iterator[tuple[str, str]]:
    """Yield the key of each attribute that differs from the declaration, with a message."""
    party = "third" if item.third_party else "first"
    if party != cookie.party:
        yield "party", f'Declared with party = "{cookie.party}"; set by {item.host}, which is a {party} party.'
    if not item.is_cookie:
        return
    if item.kind == "js" and cookie.kind == "http":
        yield "kind", 'Declared with kind = "http"; set by a script, so that every script can read it.'
    if item.path not in (cookie.path, root if cookie.path == "/" else cookie.path) and not item.third_party:
        yield "path", f'Declared with path = "{cookie.path}"; set with {item.path}, so that no withdrawal deletes it.'
    if item.https and not item.secure:
        yield "name", "It lacks Secure, although the site is served over HTTPS."


# Use without the required consent: before it, after a refusal, after a withdrawal, or despite GPC.

_CODES = {UNASKED: "before-consent", GPC: "ignores-gpc", WITHDRAWN: "survives-withdrawal"}


def consent(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    yield from _stored_without_consent(evidence, policy)
    yield from _requested_without_consent(evidence, policy)
    yield from _remaining(evidence, policy)


def _stored_without_consent(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for item in evidence.stored:
        cookie, state = declaration_of(item, policy), item.place.state
        if cookie is not None and _lacks_consent(policy, cookie.purpose, evidence.granted[state]) and not _is_choice(item):
            message = f"It is stored, although its purpose {cookie.purpose!r} is not granted."
            yield Observation(_code(state), cookie.name, item.place, message, f"cookies.{cookie.name}")


def _is_choice(item: StoredItem) -> bool:
    """Return whether the item is a choice kept for the session. It needs no consent: the visitor asked for it."""
    return item.name.removeprefix("__Host-").removeprefix("__Secure-") == "privacy_choices" and item.seconds is None


def _requested_without_consent(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for request in evidence.requests:
        if not request.load or request.refused:
            continue
        services, state = _services_of(request, policy), request.place.state
        withheld = [one for one in services if _lacks_consent(policy, one.purpose, evidence.granted[state])]
        if not withheld:
            continue
        url, subject = request.url.partition("?")[0], ", ".join(one.id for one in services)
        code, message = _code(state), f"{url} is requested, although {_not_granted(withheld)}."
        if len(withheld) < len(services):
            allowed = " and ".join(one.id for one in services if one not in withheld)
            code, message = "ambiguous-service", f"{url} is requested, as {allowed} may do. But {_not_granted(withheld)}."
        yield Observation(code, subject, request.place, message, f"services.{withheld[0].id}")


def _not_granted(services: Iterable[Service]) -> str:
    purposes = list(dict.fromkeys(repr(service.purpose) for service in services))
    return f"its purpose {purposes[0]} is not granted" if not purposes[1:] else f"{' and '.join(purposes)} are not granted"


def _services_of(request: RequestMade, policy: Policy) -> tuple[Service, ...]:
    """Return the services that may have made a request: those that declare its host and its load, or else its host alone."""
    load = "" if request.load == "prefetch" else request.load
    return policy.services_for(request.host, load) or policy.services_for(request.host)


def _remaining(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for item in evidence.remaining:
        cookie = policy.cookie(item.name, item.kind, "first")
        if cookie is not None and _lacks_consent(policy, cookie.purpose, evidence.granted[item.place.state]):
            if item.kind == "http" and cookie.name == "privacy_choices":
                continue  # kept for the session, as before the grant
            message = f"It is still on the device after the purpose {cookie.purpose!r} was withdrawn."
            yield Observation("survives-withdrawal", cookie.name, item.place, message, f"cookies.{cookie.name}")


def _code(state: str) -> str:
    return _CODES.get(state, "after-reject")


def _lacks_consent(policy: Policy, purpose: str, granted: frozenset[str]) -> bool:
    """Return whether the purpose is optional and not granted."""
    return policy.purpose(purpose).optional and purpose not in granted


# Third-party hosts: whether they are declared, and for which loads.

_REFUSED = " The browser refused it because of a Content-Security-Policy, but the page still attempts it."


def hosts(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for request in evidence.requests:
        if not request.third_party or not request.load:
            continue
        services = policy.services_for(request.host)
        if not services:
            if is_undeclared(request, policy):
                yield Observation("host-not-declared", request.host, request.place, _attempt(request), "services")
            continue
        loads = list(dict.fromkeys(load for service in services for load in service.loads))
        if request.load not in (*loads, "prefetch") and not request.inside and not request.refused:
            message, key = f"Declared for {', '.join(loads)}; the page loads", f"services.{services[0].id}.loads"
            yield Observation("host-not-declared", request.host, request.place, f"{message} {_load(request)} from it.", key)


def _attempt(request: RequestMade) -> str:
    initiator = f"A frame of {request.inside}" if request.inside else "The page"
    return f"{initiator} requests {_load(request)}." + (_REFUSED if request.refused else "")


def _load(request: RequestMade) -> str:
    """Return kind and URL of a request, without the query, because it may contain personal data."""
    return f"{request.load} {request.url.partition('?')[0]}"


# Declared items that the site does not use. A policy that declares more than the site does is not true either.


# The extension sets this cookie only for a visitor who customises the site, and a policy with that purpose must declare it.
_ON_CUSTOMISING = "privacy_choices"


def unused(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    found = [declaration_of(item, policy) for item in evidence.stored]
    used = {(cookie.name, cookie.party) for cookie in found if cookie is not None}
    # A cookie of a ready-made service may appear only after a click in a frame, which no audit makes.
    ready_made = {service.id for service in policy.services if service.use}
    for cookie in policy.cookies:
        if (cookie.name, cookie.party) not in used and cookie.name != _ON_CUSTOMISING and cookie.service not in ready_made:
            message = f"Nothing of kind {cookie.kind} with this name was stored in any state."
            yield Observation("declared-not-seen", cookie.name, None, message, f"cookies.{cookie.name}")
    contacted = {
        service.id for request in evidence.requests if not request.refused for service in policy.services_for(request.host)
    }
    for service in policy.services:
        if service.id not in contacted:
            message = f"Nothing was loaded from {', '.join(service.hosts)} in any state."
            yield Observation("declared-not-seen", service.id, None, message, f"services.{service.id}")


# Pages: external links with a notice, and no accessibility barriers.


def pages(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    if policy.notices.links:
        for page in evidence.pages:
            for link in page.links:
                if problem := _link_problem(link):
                    url = link.href.partition("?")[0]
                    selector = f'a[href^="{url}"]'
                    yield Observation("link-without-notice", url, page.place, problem, "notices.links", selector)
    for barrier in evidence.barriers:
        message = f"{barrier.message}: {barrier.target}"
        yield Observation("accessibility", barrier.rule, barrier.place, message, "", barrier.target)


def _link_problem(link: Link) -> str:
    if not link.noticed:
        return "Neither its text nor a description states that it leads to another site."
    if not {"noopener", "noreferrer", "external"} & set(link.rel):
        return "It lacks rel, such as noopener or external."
    return ""


# All rules.

Rule = Callable[[Evidence, Policy], Iterator[Observation]]

RULES: tuple[Rule, ...] = (cookies, hosts, unused, consent, personal_data, banner, answers, pages)


def apply_rules(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    """Yield the observations of every rule."""
    for rule in RULES:
        yield from map(_masked, rule(evidence, policy))


def _masked(observation: Observation) -> Observation:
    """Return the observation with every mail address masked, because a report is passed on."""
    place = observation.place and replace(observation.place, route=mask_addresses(observation.place.route))
    return replace(
        observation,
        subject=mask_addresses(observation.subject),
        evidence=mask_addresses(observation.evidence),
        place=place,
        selector=observation.selector if mask_addresses(observation.selector) == observation.selector else "",
    )
