"""The validation of a declaration. Each check yields problems, so that one error lists them all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from ..errors import Problem
from . import parts as declared
from .parts import Declaration, Field, Period
from .promises import PROMISES
from .report_checks import check_reports

Problems = Iterator[Problem]


def has_text(text: object) -> bool:
    """Return whether a text has content in each of its languages."""
    if isinstance(text, str):
        return bool(text.strip())
    return isinstance(text, dict) and bool(text) and all(isinstance(value, str) and value.strip() for value in text.values())


def is_period(text: str) -> bool:
    try:
        return bool(Period.parse(text))
    except (ValueError, TypeError):
        return False


def is_host(text: str) -> bool:
    """Return whether a service can declare a text as a host. No IPv6 address is one."""
    return _HOST.fullmatch(text) is not None


def check_choice(key: str, value: str, allowed: Iterable[str], hint: str) -> Problems:
    if value not in allowed:
        yield Problem(key, value, ", ".join(allowed), hint)


def check_names(key: str, names: Iterable[str], known: Collection[str], section: str) -> Problems:
    for name in names:
        if name not in known:
            hint = f"Declare it under [[{section}]], or use one of these."
            yield Problem(key, name, ", ".join(sorted(known)) or f"nothing, as there are no {section}", hint)


#: What an erasure does with a field.
ON_ERASE = ("delete", "anonymise", "keep")


def check_erasure(field: Field) -> Problems:
    """Check that a field has a reason and a period if and only if an erasure keeps it."""
    key, hint = f"fields.{field.name}", "State what an erasure does with the field."
    yield from check_choice(f"{key}.on_erase", field.on_erase, ON_ERASE, hint)
    if field.on_erase == "keep":
        if not has_text(field.reason):
            hint = "State why it is kept (GDPR art. 17(3)), or let it be deleted."
            yield Problem(f"{key}.reason", field.reason, "a text", hint)
        if field.kept_for is None:
            yield Problem(f"{key}.kept_for", None, 'a period such as "10 years"', "State how long it is kept.")
        return
    for name in ("reason", "kept_for"):
        if value := getattr(field, name):
            shown = value if isinstance(value, dict) else str(value)
            yield Problem(f"{key}.{name}", shown, 'nothing, unless on_erase is "keep"', "Remove it, or keep the field.")


_ID = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?")
COOKIE_KINDS = ("http", "js", "local", "session", "idb", "cache", "worker")
FIELD_KINDS = ("identifying", "pseudonymous", "anonymous")
_LINK = re.compile(r"https?://[^\s/\\\[\]]+[^\s\\]*")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_COUNTRY = re.compile(r"[A-Z]{2}")
_COUNTRY_RULE = 'two letters such as "DE" (ISO 3166-1)'
_ID_RULE = "up to 32 of a-z, 0-9, _ and -, a letter first"


def problems_of(policy: Declaration) -> list[Problem]:
    """Return every problem of a declaration. The list is empty for a valid one."""
    return [problem for check in _CHECKS for problem in check(policy)]


def _by_id(policy: Declaration) -> dict[str, declared.Purpose]:
    return {purpose.id: purpose for purpose in policy.purposes}


def _ids(policy: Declaration) -> Problems:
    for section in ("purposes", "services", "collection", "recipients"):
        seen: set[str] = set()
        for item in getattr(policy, section):
            key = f"{section}.{item.id}.id"
            if not _ID.fullmatch(item.id):
                yield Problem(key, item.id, _ID_RULE, "Change the id; code, templates and cookies use it.")
            if item.id in seen:
                yield Problem(key, item.id, f"each id once in {section}", "Change one of the two ids.")
            seen.add(item.id)


def _names(policy: Declaration) -> Problems:
    for section in ("cookies", "fields"):
        seen: set[tuple[str, str]] = set()
        for item in getattr(policy, section):
            name = (item.name, getattr(item, "party", ""))  # another company may use the name of a cookie of the site
            if name in seen:
                hint = "Change one of the two names."
                yield Problem(f"{section}.{item.name}.name", item.name, f"each name once in {section}", hint)
            seen.add(name)


def _site(policy: Declaration) -> Problems:
    if not policy.site.strip():
        yield Problem("site.name", policy.site, "the site's name", "Set it; the policy page states it.")
    if not has_text(policy.banner.text):
        yield Problem("banner.text", policy.banner.text, "a text", "Write one: visitors must know what they consent to.")
    if policy.contact is not None and not _MAIL.fullmatch(policy.contact.email):
        hint = "Set one: data subjects send their requests to it."
        yield Problem("contact.email", policy.contact.email, "a mail address", hint)


def _purposes(policy: Declaration) -> Problems:
    if not policy.purposes:
        hint = "Start with the file that `flask privacy init` writes."
        yield Problem("purposes", None, "at least one [[purposes]] table", hint)
    for purpose in policy.purposes:
        key = f"purposes.{purpose.id}"
        yield from check_choice(f"{key}.basis", purpose.basis, declared.BASES, "State the legal basis of the purpose.")
        hint = "State where consent is asked: in the banner, or at a form."
        yield from check_choice(f"{key}.ask", purpose.ask, ("banner", "form"), hint)
        for name in ("title", "description"):
            if not has_text(getattr(purpose, name)):
                hint = "Write one: the policy page explains every purpose."
                if purpose.optional:
                    hint = "Write one: visitors must know what they consent to."
                yield Problem(f"{key}.{name}", getattr(purpose, name), "a text", hint)
        if purpose.basis == "necessary" and not has_text(purpose.reason):
            hint = 'State why the site cannot work without it, or use the basis "consent" (ePrivacy directive, art. 5(3)).'
            yield Problem(f"{key}.reason", purpose.reason, "a text", hint)
    optional = sum(purpose.optional for purpose in policy.purposes)
    if optional > 40:
        hint = "Declare fewer: one cookie stores all answers."
        yield Problem("purposes", optional, "at most 40 with the basis consent", hint)


def _device(policy: Declaration) -> Problems:
    """Check that everything on the visitor's device has consent, or is necessary for a stated reason."""
    items = [("cookies", c.name, c.purpose) for c in policy.cookies]
    items += [("services", s.id, s.purpose) for s in policy.services]
    purposes = _by_id(policy)
    for section, name, purpose_id in items:
        purpose = purposes.get(purpose_id)
        if purpose is not None and purpose.ask != "banner":
            hint = f"Change it: {section}.{name} accesses the visitor's device."
            yield Problem(f"purposes.{purpose_id}.ask", purpose.ask, "banner", hint)
        if purpose is not None and purpose.basis not in ("consent", "necessary"):
            hint = (
                f"Change it: {section}.{name} stores or reads data on the visitor's device (ePrivacy directive, art. 5(3))."
            )
            yield Problem(f"purposes.{purpose_id}.basis", purpose.basis, "consent, or necessary with a reason", hint)


def _references(policy: Declaration) -> Problems:
    purposes, fields = _by_id(policy), {field.name for field in policy.fields} | set(declared.LOG_FIELDS)
    for cookie in policy.cookies:
        yield from check_names(f"cookies.{cookie.name}.purpose", [cookie.purpose], purposes, "purposes")
        services = [service.id for service in policy.services if service.purpose == cookie.purpose]
        yield from check_names(f"cookies.{cookie.name}.service", filter(None, [cookie.service]), services, "services")
    for service in policy.services:
        yield from check_names(f"services.{service.id}.purpose", [service.purpose], purposes, "purposes")
    for point in policy.collection:
        yield from check_names(f"collection.{point.id}.purposes", point.purposes, purposes, "purposes")
        yield from check_names(f"collection.{point.id}.required", point.required, fields, "fields")
        yield from check_names(f"collection.{point.id}.optional", point.optional, fields, "fields")
    for recipient in policy.recipients:
        yield from check_names(f"recipients.{recipient.id}.purposes", recipient.purposes, purposes, "purposes")
        yield from check_names(f"recipients.{recipient.id}.fields", recipient.fields, fields, "fields")


def _cookies(policy: Declaration) -> Problems:
    for cookie in policy.cookies:
        key = f"cookies.{cookie.name}"
        yield from check_choice(f"{key}.kind", cookie.kind, COOKIE_KINDS, "State where it is stored.")
        yield from check_choice(
            f"{key}.party", cookie.party, ("first", "third"), "State whether the site or a third party sets it."
        )
        if not cookie.path.startswith("/"):
            hint = "Set it: a withdrawal deletes the cookie under this path."
            yield Problem(f"{key}.path", cookie.path, "a path such as /shop", hint)
        if not has_text(cookie.description):
            hint = "Write one: the cookie table describes every cookie."
            yield Problem(f"{key}.description", cookie.description, "a text", hint)
        if cookie.lifetime != "session" and not is_period(cookie.lifetime):
            hint = "Declare how long the cookie is stored."
            yield Problem(f"{key}.lifetime", cookie.lifetime or None, 'a period such as "13 months", or "session"', hint)


def _own_cookies(policy: Declaration) -> Problems:
    """Check that the extension's own cookies are declared, with their purpose and no longer lifetime than allowed."""
    cookies = {cookie.name: cookie for cookie in policy.cookies if cookie.party == "first"}
    for name, (purpose, days) in declared.OWN_COOKIES.items():
        if name not in cookies and purpose in _by_id(policy):
            hint = "Declare it, because the extension sets it."
            yield Problem(f"cookies.{name}", None, f'a [[cookies]] table with name = "{name}"', hint)
        elif name in cookies:
            yield from _own_cookie(cookies[name], purpose, days)


def _own_cookie(cookie: declared.Cookie, purpose: str, days: int) -> Problems:
    key = f"cookies.{cookie.name}"
    if cookie.purpose != purpose:
        hint = "Change it: the extension sets the cookie for this purpose."
        yield Problem(f"{key}.purpose", cookie.purpose, purpose, hint)
    if not is_period(cookie.lifetime) or Period.parse(cookie.lifetime).days > days:
        hint = "Change it: the extension sets the cookie with this lifetime."
        yield Problem(f"{key}.lifetime", cookie.lifetime or None, f'a period of up to "{days} days"', hint)


def _services(policy: Declaration) -> Problems:
    for service in policy.services:
        yield from _service(service)
    longest = _longest_grant(policy)
    if longest > 400:
        hint = "Declare fewer services: the size of a cookie is limited."
        yield Problem("services", f"{longest} characters in the consent cookie", "400 at most: fewer services", hint)


def _service(service: declared.Service) -> Problems:
    key = f"services.{service.id}"
    if not service.hosts:
        yield Problem(f"{key}.hosts", [], "at least one host", "List every host: browsers may block all others.")
    for host in service.hosts:
        if not is_host(host):
            hint = "Leave out scheme and path."
            yield Problem(f"{key}.hosts", host, 'a host such as "video.example" or "*.video.example"', hint)
    for load in service.loads:
        yield from check_choice(f"{key}.loads", load, declared.LOADS, "State what pages may load from it.")
    if service.link and not _LINK.fullmatch(service.link):
        yield Problem(f"{key}.link", service.link, "the URL of its privacy policy, or none", "Begin it with https://.")
    if not service.loads:
        yield Problem(f"{key}.loads", [], ", ".join(declared.LOADS), "State what pages may load from it.")
    if service.country and not _COUNTRY.fullmatch(service.country):
        yield Problem(f"{key}.country", service.country, _COUNTRY_RULE, "State the company's country, or leave it out.")


def _longest_grant(policy: Declaration) -> int:
    """Return the length of a consent cookie with a bit for each purpose and service, including its signature."""
    services_of = Counter(service.purpose for service in policy.services)
    digits = [-(-services_of[purpose.id] // 4) or 1 for purpose in policy.purposes if purpose.optional]
    purposes = len(digits)
    services = sum(digits) + purposes if policy.services else 0
    return 6 * purposes + -(-purposes // 4) + services + len("g.4e20....1") + 22 + 44


def _fields(policy: Declaration) -> Problems:
    for field in policy.fields:
        hint = "State whether the field identifies a person."
        yield from check_choice(f"fields.{field.name}.kind", field.kind, FIELD_KINDS, hint)
        yield from check_erasure(field)
    for name in policy.log.fields:
        yield from check_choice("log.fields", name, declared.LOG_FIELDS, "Remove it: other fields are never recorded.")


def _collection(policy: Declaration) -> Problems:
    for point in policy.collection:
        key = f"collection.{point.id}"
        if not has_text(point.notice):
            yield Problem(f"{key}.notice", point.notice, "a text", "Write one: it is shown at the form.")
        if not point.purposes:
            hint = "Add one: data must not be collected without a purpose."
            yield Problem(f"{key}.purposes", [], "at least one purpose", hint)
        for name in sorted(set(point.required) & set(point.optional)):
            yield Problem(f"{key}.optional", name, "fields that are not required", "Remove it from one of the two lists.")


def _recipients(policy: Declaration) -> Problems:
    for recipient in policy.recipients:
        key = f"recipients.{recipient.id}"
        if recipient.sells or recipient.id == "sale-of-data":
            shown = recipient.sells or recipient.id
            yield Problem(f"{key}.sells", shown, "false", "Remove the recipient: data is never sold, traded or rented.")
        if not recipient.name.strip():
            yield Problem(f"{key}.name", recipient.name, "a text", "Set one: the policy page names every recipient.")
        if not _COUNTRY.fullmatch(recipient.country):
            yield Problem(f"{key}.country", recipient.country, _COUNTRY_RULE, "State the recipient's country.")
        if not _LINK.fullmatch(recipient.link):
            yield Problem(f"{key}.link", recipient.link, "the URL of its privacy policy", "Begin it with https://.")
        for name in ("purposes", "fields"):
            if not getattr(recipient, name):
                hint = "List those that apply to the recipient."
                yield Problem(f"{key}.{name}", [], f"at least one of the declared {name}", hint)


def _limits(policy: Declaration) -> Problems:
    if policy.requests is not None and not 1 <= policy.requests.days <= 30:
        yield Problem("requests.days", policy.requests.days, "1 to 30", "Change it: GDPR art. 12(3) allows one month.")
    if policy.minors is not None and not 13 <= policy.minors.age <= 18:
        hint = "Change it: GDPR art. 8 allows 13 to 16, depending on the country."
        yield Problem("minors.age", policy.minors.age, "13 to 18", hint)
    if policy.marketing is not None and not _MAIL.fullmatch(policy.marketing.unsubscribe):
        hint = 'Set the mailbox that receives replies with "unsubscribe".'
        yield Problem("marketing.unsubscribe", policy.marketing.unsubscribe, "a mail address", hint)
    statistics, events = _by_id(policy).get("statistics"), policy.retention.events
    if events.days > 1200:
        yield Problem("retention.events", str(events), "up to 39 months", "Keep events no longer than they are needed.")
    elif statistics is not None and events.days > statistics.retention.days:
        hint = "Shorten it to the retention of the purpose statistics."
        yield Problem("retention.events", str(events), f"up to {statistics.retention}", hint)


def _promises(policy: Declaration) -> Problems:
    for number in policy.promises:
        promise = PROMISES.get(number)
        if promise is None:
            yield Problem("promises", number, "1 to 45", "Remove the number.")
            continue
        for key in promise.needs:
            if not is_declared(policy, key):
                hint = f"Promise {number} needs it: {promise.summary}. Add it, or remove {number} from promises."
                yield Problem(key, None, promise.example(key), hint)


def is_declared(policy: Declaration, key: str) -> bool:
    """Return whether a policy declares a key such as ``contact``, ``purposes.support`` or ``log.fields.network``."""
    section, _, path = key.partition(".")
    value: Any = getattr(policy, section)
    if section in ("purposes", "collection", "recipients", "services") and path:
        return any(item.id == path for item in value)
    if section == "cookies" and path:
        return any(cookie.name == path for cookie in value)
    for name in filter(None, path.split(".")):
        value = name in value if isinstance(value, tuple) else getattr(value, name, None)
    return bool(value)


_CHECKS: tuple[Callable[[Declaration], Problems], ...] = (
    _site, _ids, _names, _purposes, _device, _references, _cookies, _own_cookies, _services, _fields, _collection,
    _recipients, _limits, _promises, check_reports,
)  # fmt: skip
