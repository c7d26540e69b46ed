"""The first part of the policy page: what is collected and stored, for which purposes, and what statistics show."""

from __future__ import annotations

import re

from ..i18n.language import Language, LocalizedText
from .document import Section, Table
from .draft import Draft
from .parts import LOG_FIELDS, Cookie, Period, Text, own_cookie_name


def summary(draft: Draft) -> Section | None:
    """The whole page in a few sentences, each derived from the declaration too."""
    t, policy = draft.t, draft.policy
    if policy.optional:
        titles = draft.purposes(tuple(purpose.id for purpose in policy.optional))
        draft.say(t("Optional, and off until you turn it on: %(purposes)s.", purposes=titles), 3)
        draft.say(t("You can change your mind at any time under “Privacy settings”."), 18)
    if policy.collection:
        draft.say(t("We ask for personal data only in forms, and every form says why."), 7)
    draft.say(t("We never sell your data."), 27)
    if policy.recipients:
        names = t.names([recipient.name for recipient in policy.recipients])
        draft.say(t("These companies work for us and receive some of your data: %(names)s.", names=names), 28)
    if policy.requests is not None:
        draft.say(t("You can ask to see, correct or delete your data."), 32)
    return draft.done("summary", t("In short"))


def scope(draft: Draft) -> Section | None:
    """What the policy covers, and the contact."""
    t, policy = draft.t, draft.policy
    draft.say(
        t("This policy explains how %(site)s uses and shares information, both anonymous and personal.", site=policy.site),
        2,
        4,
    )
    draft.say(t("Browsing this site does not count as consent: everything optional stays off until you turn it on."), 3)
    draft.say(
        t(
            "Pages load nothing from companies that are not named here, and personal data is passed on only as described here."
        ),
        1,
    )
    if policy.contact is not None:
        draft.say(t("Questions about privacy? Contact us: %(contact)s.", contact=policy.contact.about), 44)
    return draft.done("scope", t("What this policy covers"))


def purposes(draft: Draft) -> Section | None:
    """The table of purposes."""
    t = draft.t
    head = (t("Purpose"), t("What we do"), t("Legal basis"), t("Kept for"))
    rows = tuple(
        (
            draft.of(purpose.title),
            _with_reason(draft, purpose.description, purpose.reason),
            _basis(draft, purpose.basis),
            draft.period(purpose.retention),
        )
        for purpose in draft.policy.purposes
    )
    draft.say(t("We use data for the following purposes and no others."), 5, 8, 22, 25)
    draft.say(t("You can use the site without agreeing to any of the optional purposes."), 3)
    return draft.done("purposes", t("What we use data for"), Table(head, rows, (8, 13)))


def _with_reason(draft: Draft, description: Text, reason: Text) -> LocalizedText:
    first, second = draft.of(description), draft.of(reason)
    return LocalizedText(" ".join(filter(None, (first.text, second.text))), first.lang, first.foreign)


def _basis(draft: Draft, basis: str) -> LocalizedText:
    t = draft.t
    return {
        "consent": t("your consent"),
        "necessary": t("necessary to provide what you asked for"),
        "contract": t("a contract with you"),
        "legal_obligation": t("a legal obligation"),
        "legitimate_interest": t("our legitimate interest"),
    }[basis]


def collection(draft: Draft) -> Section | None:
    """The forms, and the fields that they collect."""
    t, policy = draft.t, draft.policy
    tables = []
    if policy.collection:
        draft.say(t("We ask for personal data only in the following forms, each of which has its own privacy notice."), 7, 9)
        draft.say(t("What you tell us is up to you: optional fields can stay empty, and no box is ticked in advance."), 10)
        _say_confirmation(draft)
        tables.append(_points(draft))
    draft.say_notice(policy.notices.licence, t("You can download files only after accepting the licence."), 6)
    posted = t("Anyone can read what you post in public; the form reminds you of this.")
    draft.say_notice(policy.notices.postings, posted, 31)
    if policy.fields:
        tables.append(_fields(draft))
    return draft.done("collection", t("Where we ask for data"), *tables)


def _say_confirmation(draft: Draft) -> None:
    """State double opt-in, if a form signs up to a mailing list and the site confirms addresses by a link."""
    t, used = draft.t, {purpose for point in draft.policy.collection for purpose in point.purposes}
    asked = any(p.id in used and p.basis == "consent" and p.ask == "form" for p in draft.policy.purposes)
    if not asked or draft.facts.confirm_opt_ins == "never":
        return
    draft.say(
        t("An address receives marketing e-mail only after its owner has confirmed it with a link that we send there."), 10
    )
    if draft.facts.confirm_opt_ins == "visitors":
        draft.say(t("The address of the account that you are signed in to needs no confirmation."), 10)


def _points(draft: Draft) -> Table:
    t = draft.t
    rows = tuple(
        (
            draft.of(point.title),
            draft.purposes(point.purposes),
            draft.fields(point.required),
            draft.fields(point.optional),
        )
        for point in draft.policy.collection
    )
    return Table((t("Form"), t("Purpose"), t("Required"), t("Optional")), rows, (7, 9, 10))


def _fields(draft: Draft) -> Table:
    t = draft.t
    kinds = {"identifying": t("identifying"), "pseudonymous": t("pseudonymous"), "anonymous": t("anonymous")}
    rows = tuple((draft.of(field.title), draft.of(field.description), kinds[field.kind]) for field in draft.policy.fields)
    return Table((t("Data"), t("Description"), t("Type")), rows, (4,))


def cookies(draft: Draft) -> Section | None:
    """Everything that is stored on the visitor's device."""
    t, policy = draft.t, draft.policy
    if not policy.cookies:
        return None
    draft.say(t("This is everything we store on your device, including cookies."), 11)
    if "privacy_visitor" in {cookie.name for cookie in policy.cookies}:
        draft.say(
            t("One cookie holds a unique number. Our own server sets it once you allow statistics, and never before."), 12
        )
    draft.say(
        t(
            "To opt out, use “Privacy settings” on any page: one click stops the cookie and the log, and erases what they recorded."
        ),
        18,
    )
    decisions = draft.period(policy.retention.decisions)
    draft.say(t("We keep a record of your decision for %(period)s, as proof.", period=decisions), 18)
    head = (t("Name"), t("Purpose"), t("Set by"), t("Kept for"), t("What it contains"))
    rows = tuple(_cookie(draft, cookie) for cookie in policy.cookies)
    return draft.done("cookies", t("Cookies"), Table(head, rows, (11, 12)))


#: Names of storage that people meet in a browser's own settings.
_STORAGE = {"js": "JavaScript", "local": "localStorage", "session": "sessionStorage", "idb": "IndexedDB"}
_STORAGE |= {"cache": "Cache Storage", "worker": "Service Worker"}


def _cookie(draft: Draft, cookie: Cookie) -> tuple[LocalizedText, ...]:
    t = draft.t
    name = own_cookie_name(cookie.name, draft.facts.cookies_begin)
    if cookie.kind != "http":
        name += f" ({_STORAGE[cookie.kind]})"
    return (
        draft.literal(name),
        draft.of(draft.policy.purpose(cookie.purpose).title),
        _setter(draft, cookie),
        lifetime_of(t, cookie),
        draft.of(cookie.description),
    )


def lifetime_of(t: Language, cookie: Cookie) -> LocalizedText:
    """Return how long a cookie is kept, in words."""
    if cookie.lifetime == "session":
        return t("Until you close the browser")
    return LocalizedText(t.period(Period.parse(cookie.lifetime)), t.code)


def _setter(draft: Draft, cookie: Cookie) -> LocalizedText:
    """Return who sets a cookie: this site, the company of its service, or another company."""
    if cookie.party == "first":
        return draft.t("us")
    company = next((service.company for service in draft.policy.services if service.id == cookie.service), "")
    return draft.literal(company) if company else draft.t("another company")


def log(draft: Draft) -> Section | None:
    """The log files, if statistics are optional."""
    t, policy = draft.t, draft.policy
    if "statistics" not in {purpose.id for purpose in policy.optional}:
        return None
    draft.say(t("If you allow statistics, our server keeps log files, which our own tracking utility reads."), 14, 17)
    draft.say(t("Each entry records the time, what happened, the number of your cookie, and:"), 14)
    recorded = [draft.logged(name) for name in LOG_FIELDS if name in policy.log.fields and _is_recorded(draft, name)]
    draft.say(draft.literal(t.names(recorded) + "."), 14)
    draft.say(
        t(
            "These log files are not linked to personal data: they contain no name, account, e-mail address or full IP address."
        ),
        16,
    )
    draft.say(t("We use them to see trends, to run the site, and to see how people move through it as a whole."), 13, 15)
    draft.say(t("Entries are deleted after %(period)s.", period=draft.period(policy.retention.events)), 14)
    return draft.done("log", t("Log files"))


def _is_recorded(draft: Draft, name: str) -> bool:
    """The provider is recorded only if it is looked up."""
    return name != "provider" or draft.facts.provider


def aggregates(draft: Draft) -> Section | None:
    """What statistics show, if they are optional."""
    t, policy = draft.t, draft.policy
    if "statistics" not in {purpose.id for purpose in policy.optional}:
        return None
    draft.say(t("We look at totals for all visitors together, such as how popular one page is compared with another."), 23)
    if draft.facts.min_cell > 1:
        unlinked = t(
            "No total is linked to a person: figures based on fewer than %(number)s visitors are not shown.",
            number=draft.facts.min_cell,
        )
    else:
        unlinked = t(
            "No total names a visitor, but a total based on a single visitor is shown too, and reveals what that visitor did."
        )
    draft.say(unlinked, 24)
    _say_own_reports(draft)
    if draft.facts.public_reports:
        draft.say(t("Anyone can read the totals of past months on this site."), 23)
    draft.say(t("Totals are kept for %(period)s.", period=draft.period(policy.retention.aggregates)), 23)
    return draft.done("aggregates", t("Statistics about visitors as a whole"))


def _say_own_reports(draft: Draft) -> None:
    """State which events of the site's own, goals and funnels are counted, if any are declared."""
    t, policy = draft.t, draft.policy
    if policy.events:
        actions = [f"{_own_words(event.name)} ({t.names(list(map(_own_words, event.values)))})" for event in policy.events]
        draft.say(
            t("These actions are counted too, each with the details in brackets: %(actions)s.", actions=_listed(t, actions)),
            23,
        )
    if policy.goals:
        goals = _listed(t, [goal.name for goal in policy.goals])
        draft.say(t("We count how many visitors reach these goals: %(goals)s.", goals=goals), 23)
    if policy.funnels:
        paths = _listed(t, [funnel.name for funnel in policy.funnels])
        draft.say(t("We count how many visitors follow these paths, step by step: %(paths)s.", paths=paths), 23)


def _own_words(name: str) -> str:
    """Return the name of an event or of a property in words: "order placed" for ``order.placed``."""
    return " ".join(re.split(r"[._:-]+", name)).strip().lower()


def _listed(t: Language, names: list[str]) -> str:
    """Return the site's own names as a list. If the language runs from right to left, each is isolated (Unicode TR 9)."""
    return t.names([f"\u2068{name}\u2069" for name in names] if t.dir == "rtl" else names)
