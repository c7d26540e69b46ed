"""What a declaration has to hold; each check gives the problems it finds, so that all are told at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from ..errors import Problem
from . import parts as declared
from .parts import Declaration, Field, Period
from .promises import PROMISES

# What every check of a declaration is made of.

Problems = Iterator[Problem]


def quoted(text: object) -> bool:
    """Whether it is a text that says something, in each language that it has."""
    if isinstance(text, str):
        return bool(text.strip())
    return isinstance(text, dict) and bool(text) and all(isinstance(said, str) and said.strip() for said in text.values())


def is_period(text: str) -> bool:
    try:
        return bool(Period.parse(text))
    except (ValueError, TypeError):
        return False


def one_of(key: str, value: str, allowed: Iterable[str], hint: str) -> Problems:
    if value not in allowed:
        yield Problem(key, value, ", ".join(allowed), hint)


def known(key: str, names: Iterable[str], known: Collection[str], section: str) -> Problems:
    for name in names:
        if name not in known:
            hint = f"Declare it under [[{section}]], or use one of these."
            yield Problem(key, name, ", ".join(sorted(known)) or f"nothing, as there are no {section}", hint)


# What becomes of each declared field when its person asks for deletion.

ON_ERASE = ("delete", "anonymise", "keep")


def on_erase(field: Field) -> Problems:
    """What is kept although its person asked for deletion has a reason and an end; what is not kept has neither."""
    key, hint = f"fields.{field.name}", "Say what becomes of it when its person asks for deletion."
    yield from one_of(f"{key}.on_erase", field.on_erase, ON_ERASE, hint)
    if field.on_erase == "keep":
        if not quoted(field.reason):
            hint = "The person is told why it stays (GDPR art. 17(3)), or let it be deleted."
            yield Problem(f"{key}.reason", field.reason, "a text", hint)
        if field.kept_for is None:
            yield Problem(f"{key}.kept_for", None, 'a period such as "10 years"', "The person is told how long it stays.")
        return
    for name in ("reason", "kept_for"):
        if value := getattr(field, name):
            shown = value if isinstance(value, dict) else str(value)
            yield Problem(f"{key}.{name}", shown, 'nothing, unless on_erase is "keep"', "Take it out, or keep the field.")


_ID = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?")
COOKIE_KINDS = ("http", "js", "local", "session", "idb", "cache", "worker")
FIELD_KINDS = ("identifying", "pseudonymous", "anonymous")
_LINK = re.compile(r"https?://[^\s/\\\[\]]+[^\s\\]*")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_ID_RULE = "up to 32 of a-z, 0-9, _ and -, a letter first"


def problems_of(policy: Declaration) -> list[Problem]:
    """Everything in a policy that cannot be kept or understood; empty for a good one."""
    return [problem for check in _CHECKS for problem in check(policy)]


def _by_id(policy: Declaration) -> dict[str, declared.Purpose]:
    return {purpose.id: purpose for purpose in policy.purposes}


def _ids(policy: Declaration) -> Problems:
    for section in ("purposes", "services", "collection", "recipients"):
        seen: set[str] = set()
        for item in getattr(policy, section):
            key = f"{section}.{item.id}.id"
            if not _ID.fullmatch(item.id):
                yield Problem(key, item.id, _ID_RULE, "It names the thing in code, in templates and in cookies.")
            if item.id in seen:
                yield Problem(key, item.id, f"each id once in {section}", "Give one of the two another id.")
            seen.add(item.id)


def _names(policy: Declaration) -> Problems:
    for section in ("cookies", "fields"):
        seen: set[str] = set()
        for item in getattr(policy, section):
            if item.name in seen:
                yield Problem(
                    f"{section}.{item.name}.name",
                    item.name,
                    f"each name once in {section}",
                    "Give one of the two another name.",
                )
            seen.add(item.name)


def _site(policy: Declaration) -> Problems:
    if not policy.site.strip():
        yield Problem("site.name", policy.site, "the site's name", "The policy says whose it is.")
    if not quoted(policy.banner.text):
        yield Problem("banner.text", policy.banner.text, "a text", "A visitor must know what is asked.")
    if policy.contact is not None and not _MAIL.fullmatch(policy.contact.email):
        yield Problem("contact.email", policy.contact.email, "a mail address", "People write there to ask for their rights.")


def _purposes(policy: Declaration) -> Problems:
    if not policy.purposes:
        yield Problem("purposes", None, "at least one [[purposes]] table", "Start from `flask privacy init`.")
    for purpose in policy.purposes:
        key = f"purposes.{purpose.id}"
        yield from one_of(f"{key}.basis", purpose.basis, declared.BASES, "Say on which legal basis the data is used.")
        hint = "Say whether the banner asks for it, or the form at which people sign up to it."
        yield from one_of(f"{key}.ask", purpose.ask, ("banner", "form"), hint)
        for name in ("title", "description"):
            if not quoted(getattr(purpose, name)):
                hint = (
                    "A visitor must know what is asked." if purpose.optional else "The policy page explains every purpose."
                )
                yield Problem(f"{key}.{name}", getattr(purpose, name), "a text", hint)
        if purpose.basis == "necessary" and not quoted(purpose.reason):
            hint = 'Say why the site cannot work without it, or use the basis "consent" (ePrivacy directive, art. 5(3)).'
            yield Problem(f"{key}.reason", purpose.reason, "a text", hint)
    optional = sum(purpose.optional for purpose in policy.purposes)
    if optional > 40:
        yield Problem("purposes", optional, "at most 40 with the basis consent", "A cookie has to hold the answers.")


def _device(policy: Declaration) -> Problems:
    """What stores or reads anything on the device needs consent, or a reason why the site cannot do without."""
    on_device = [("cookies", c.name, c.purpose) for c in policy.cookies]
    on_device += [("services", s.id, s.purpose) for s in policy.services]
    purposes = _by_id(policy)
    for section, name, purpose_id in on_device:
        purpose = purposes.get(purpose_id)
        if purpose is not None and purpose.ask != "banner":
            hint = f"{section}.{name} is on the visitor's device, so the banner has to ask."
            yield Problem(f"purposes.{purpose_id}.ask", purpose.ask, "banner", hint)
        if purpose is not None and purpose.basis not in ("consent", "necessary"):
            hint = f"{section}.{name} stores or reads on the visitor's device for it (ePrivacy directive, art. 5(3))."
            yield Problem(f"purposes.{purpose_id}.basis", purpose.basis, "consent, or necessary with a reason", hint)


def _references(policy: Declaration) -> Problems:
    purposes, fields = _by_id(policy), {field.name for field in policy.fields} | set(declared.LOG_FIELDS)
    for cookie in policy.cookies:
        yield from known(f"cookies.{cookie.name}.purpose", [cookie.purpose], purposes, "purposes")
        of_purpose = [service.id for service in policy.services if service.purpose == cookie.purpose]
        yield from known(f"cookies.{cookie.name}.service", filter(None, [cookie.service]), of_purpose, "services")
    for service in policy.services:
        yield from known(f"services.{service.id}.purpose", [service.purpose], purposes, "purposes")
    for point in policy.collection:
        yield from known(f"collection.{point.id}.purposes", point.purposes, purposes, "purposes")
        yield from known(f"collection.{point.id}.required", point.required, fields, "fields")
        yield from known(f"collection.{point.id}.optional", point.optional, fields, "fields")
    for recipient in policy.recipients:
        yield from known(f"recipients.{recipient.id}.purposes", recipient.purposes, purposes, "purposes")
        yield from known(f"recipients.{recipient.id}.fields", recipient.fields, fields, "fields")


def _cookies(policy: Declaration) -> Problems:
    for cookie in policy.cookies:
        key = f"cookies.{cookie.name}"
        yield from one_of(f"{key}.kind", cookie.kind, COOKIE_KINDS, "Say where it is stored.")
        yield from one_of(f"{key}.party", cookie.party, ("first", "third"), "Say whose it is.")
        if not cookie.path.startswith("/"):
            yield Problem(f"{key}.path", cookie.path, "a path such as /shop", "A withdrawal deletes the cookie there.")
        if not quoted(cookie.description):
            yield Problem(f"{key}.description", cookie.description, "a text", "The cookie table says what each is for.")
        if cookie.lifetime != "session" and not is_period(cookie.lifetime):
            hint = "A cookie without a declared end cannot be held to it."
            yield Problem(f"{key}.lifetime", cookie.lifetime or None, 'a period such as "13 months", or "session"', hint)


def _own_cookies(policy: Declaration) -> Problems:
    """The extension sets three cookies itself: declared, for their purpose, and not for longer than is right."""
    lifetimes = {cookie.name: cookie for cookie in policy.cookies}
    for name, (purpose, days) in declared.OWN_COOKIES.items():
        if name not in lifetimes and purpose in _by_id(policy):
            hint = "The extension sets it; a page that does not say so would not be true."
            yield Problem(f"cookies.{name}", None, f'a [[cookies]] table with name = "{name}"', hint)
        elif name in lifetimes:
            yield from _own_cookie(lifetimes[name], purpose, days)


def _own_cookie(cookie: declared.Cookie, purpose: str, days: int) -> Problems:
    key = f"cookies.{cookie.name}"
    if cookie.purpose != purpose:
        yield Problem(f"{key}.purpose", cookie.purpose, purpose, "That is what the extension sets it for.")
    if not is_period(cookie.lifetime) or Period.parse(cookie.lifetime).days > days:
        yield Problem(
            f"{key}.lifetime",
            cookie.lifetime or None,
            f'a period of up to "{days} days"',
            "It is set to live as long as this.",
        )


def _services(policy: Declaration) -> Problems:
    for service in policy.services:
        key = f"services.{service.id}"
        if not service.hosts:
            yield Problem(f"{key}.hosts", [], "at least one host", "The browser is told to refuse every other one.")
        for host in service.hosts:
            if not _HOST.fullmatch(host):
                yield Problem(
                    f"{key}.hosts", host, 'a host such as "video.example" or "*.video.example"', "Without scheme or path."
                )
        for load in service.loads:
            yield from one_of(f"{key}.loads", load, declared.LOADS, "Say what a page may load from it.")
        if service.link and not _LINK.fullmatch(service.link):
            yield Problem(
                f"{key}.link", service.link, "the address of its privacy policy, or none", "It begins with https://."
            )
        if not service.loads:
            yield Problem(f"{key}.loads", [], ", ".join(declared.LOADS), "Say what a page may load from it.")
    longest = _longest_grant(policy)
    if longest > 400:
        hint = "A cookie has to hold the answers, of which browsers and servers take only so much."
        yield Problem("services", f"{longest} characters in the consent cookie", "400 at most: fewer services", hint)


def _longest_grant(policy: Declaration) -> int:
    """Characters of a consent cookie with a bit for each purpose and each service, signature included."""
    services_of = Counter(service.purpose for service in policy.services)
    digits = [-(-services_of[purpose.id] // 4) or 1 for purpose in policy.purposes if purpose.optional]
    purposes = len(digits)
    services = sum(digits) + purposes if policy.services else 0
    return 6 * purposes + -(-purposes // 4) + services + len("g.4e20....1") + 22 + 44


def _fields(policy: Declaration) -> Problems:
    for field in policy.fields:
        hint = "Every field is said to be identifying, pseudonymous or anonymous."
        yield from one_of(f"fields.{field.name}.kind", field.kind, FIELD_KINDS, hint)
        yield from on_erase(field)
    for name in policy.log.fields:
        yield from one_of("log.fields", name, declared.LOG_FIELDS, "Other fields are never recorded.")


def _collection(policy: Declaration) -> Problems:
    for point in policy.collection:
        key = f"collection.{point.id}"
        if not quoted(point.notice):
            yield Problem(f"{key}.notice", point.notice, "a text", "It stands at the form, before anything is typed.")
        if not point.purposes:
            yield Problem(f"{key}.purposes", [], "at least one purpose", "Data without a purpose must not be collected.")
        for name in sorted(set(point.required) & set(point.optional)):
            yield Problem(f"{key}.optional", name, "fields that are not required", "A field is one or the other.")


def _recipients(policy: Declaration) -> Problems:
    for recipient in policy.recipients:
        key = f"recipients.{recipient.id}"
        if recipient.sells or recipient.id == "sale-of-data":
            shown = recipient.sells or recipient.id
            yield Problem(f"{key}.sells", shown, "false", "Data is not sold, traded or rented here: take the recipient out.")
        if not recipient.name.strip():
            yield Problem(f"{key}.name", recipient.name, "a text", "A visitor must know who gets data.")
        if not re.fullmatch(r"[A-Z]{2}", recipient.country):
            yield Problem(
                f"{key}.country", recipient.country, 'two letters such as "DE" (ISO 3166-1)', "Say where the data goes."
            )
        if not _LINK.fullmatch(recipient.link):
            yield Problem(f"{key}.link", recipient.link, "the address of its privacy policy", "It begins with https://.")
        for name in ("purposes", "fields"):
            if not getattr(recipient, name):
                yield Problem(f"{key}.{name}", [], f"at least one of the declared {name}", "It gets no more than these.")


def _limits(policy: Declaration) -> Problems:
    if policy.requests is not None and not 1 <= policy.requests.days <= 30:
        yield Problem(
            "requests.days", policy.requests.days, "1 to 30", "GDPR art. 12(3) gives a month; the policy says 30 days."
        )
    if policy.minors is not None and not 13 <= policy.minors.age <= 18:
        yield Problem("minors.age", policy.minors.age, "13 to 18", "GDPR art. 8 lets countries choose between 13 and 16.")
    if policy.marketing is not None and not _MAIL.fullmatch(policy.marketing.unsubscribe):
        hint = 'A mail with "unsubscribe" in its subject is read there.'
        yield Problem("marketing.unsubscribe", policy.marketing.unsubscribe, "a mail address", hint)
    statistics, events = _by_id(policy).get("statistics"), policy.retention.events
    if events.days > 1200:
        yield Problem("retention.events", str(events), "up to 39 months", "Keep events no longer than they are needed.")
    elif statistics is not None and events.days > statistics.retention.days:
        hint = "The purpose statistics says that its data is kept no longer."
        yield Problem("retention.events", str(events), f"up to {statistics.retention}", hint)


def _promises(policy: Declaration) -> Problems:
    for number in policy.promises:
        promise = PROMISES.get(number)
        if promise is None:
            yield Problem("promises", number, "1 to 45", "Take the number out.")
            continue
        for key in promise.needs:
            if not holds(policy, key):
                hint = f"Promise {number} needs it: {promise.says}. Add it, or take {number} out of promises."
                yield Problem(key, None, promise.example(key), hint)


def holds(policy: Declaration, key: str) -> bool:
    """Whether the policy declares what a key such as ``contact`` or ``purposes.support`` or ``log.fields.network`` names."""
    section, _, rest = key.partition(".")
    value: Any = getattr(policy, section)
    if section in ("purposes", "collection", "recipients", "services") and rest:
        return any(item.id == rest for item in value)
    if section == "cookies" and rest:
        return any(cookie.name == rest for cookie in value)
    for name in filter(None, rest.split(".")):
        value = name in value if isinstance(value, tuple) else getattr(value, name, None)
    return bool(value)


_CHECKS: tuple[Callable[[Declaration], Problems], ...] = (
    _site, _ids, _names, _purposes, _device, _references, _cookies, _own_cookies, _services, _fields, _collection,
    _recipients, _limits, _promises,
)  # fmt: skip
