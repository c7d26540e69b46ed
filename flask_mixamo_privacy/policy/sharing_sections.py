"""The second part of the policy page: who else gets data, the visitor's rights, security and changes."""

from __future__ import annotations

from collections.abc import Iterator

from ..i18n.language import Language, LocalizedText
from .document import Section, Table
from .draft import Draft
from .parts import Service


def recipients(draft: Draft) -> Section | None:
    """The companies that get data. States that none is sold."""
    t, policy = draft.t, draft.policy
    draft.say(t("We do not sell, trade or rent your data to anyone."), 27)
    draft.say(
        t(
            "If your browser sends Global Privacy Control, everything optional stays off and you are not asked. The signal is about selling and sharing data; we apply it more widely."
        ),
        27,
    )
    if not policy.recipients:
        return draft.done("recipients", t("Who else receives data"))
    draft.say(t("The following companies work for us and receive only the data that their task requires."), 28, 29)
    head = (t("Company"), t("Task"), t("Purpose"), t("Data"), t("Country"), t("Privacy policy"))
    rows = tuple(
        (
            draft.literal(recipient.name),
            draft.of(recipient.role),
            draft.purposes(recipient.purposes),
            draft.fields(recipient.fields),
            draft.literal(t.country(recipient.country)),
            draft.literal(recipient.link),
        )
        for recipient in policy.recipients
    )
    return draft.done("recipients", t("Who else receives data"), Table(head, rows, (28, 29)))


def services(draft: Draft) -> Section | None:
    """The companies from which pages load something."""
    t, policy = draft.t, draft.policy
    if not policy.services:
        return None
    draft.say(t("Pages may load content from the following companies once you allow it."), 1)
    if draft.facts.enforced:
        draft.say(t("We tell your browser to block all other companies, and to block these until you allow them."), 1)
    names_companies = any(service.company or service.country for service in policy.services)
    recipient = (t("Company"), t("Country")) if names_companies else ()
    head = (t("Service"), *recipient, t("Purpose"), t("Servers"), t("What is loaded"), t("Privacy policy"))
    rows = tuple(
        (
            draft.of(service.title),
            *(_recipient(draft, service) if names_companies else ()),
            draft.of(policy.purpose(service.purpose).title),
            draft.literal(", ".join(service.hosts)),
            draft.literal(", ".join(loaded(t, service))),
            draft.literal(service.link or "–"),
        )
        for service in policy.services
    )
    return draft.done("services", t("Content from other companies"), Table(head, rows, (1,)))


def _recipient(draft: Draft, service: Service) -> tuple[LocalizedText, LocalizedText]:
    country = draft.t.country(service.country) if service.country else "–"
    return draft.literal(service.company or "–"), draft.literal(country)


def loaded(t: Language, service: Service) -> list[str]:
    """Return what pages load from a service, in words."""
    words = {
        "script": t("scripts"),
        "style": t("style sheets"),
        "image": t("images"),
        "font": t("fonts"),
        "frame": t("embedded pages"),
        "connect": t("data requests"),
        "media": t("sound and video"),
    }
    return [words[kind].text for kind in service.loads]


def disclosure(draft: Draft) -> Section | None:
    """Disclosure by law, and a change of owner."""
    t, notices = draft.t, draft.policy.notices
    law = t("We disclose data if the law requires it or if someone's safety depends on it, and we record each disclosure.")
    sale = t("If the business is merged or sold, data may pass to the new owner, but only after this policy has said so.")
    draft.say_notice(notices.law, law, 38)
    draft.say_notice(notices.transfer, sale, 39)
    return draft.done("disclosure", t("Legal requirements, safety and a change of owner"))


def links(draft: Draft) -> Section | None:
    """Links to other sites."""
    t = draft.t
    away = t(
        "Links to other sites are marked as such. Those sites have their own policies, for which we are not responsible."
    )
    draft.say_notice(draft.policy.notices.links, away, 30)
    return draft.done("links", t("Links to other sites"))


def children(draft: Draft) -> Section | None:
    """The rules for children, if the site declares an age."""
    t, minors = draft.t, draft.policy.minors
    if minors is None:
        return None
    draft.say(t("We do not market to children under %(age)s.", age=minors.age), 19)
    draft.say(
        t(
            "We do not knowingly collect anything from them for marketing. Where we ask about age, we keep only a yes or a no."
        ),
        20,
    )
    draft.say(t("We encourage parents to supervise their children's use of the internet."), 21)
    return draft.done("children", t("Children"))


def opting_out(draft: Draft) -> Section | None:
    """The ways out of marketing mail."""
    t, marketing = draft.t, draft.policy.marketing
    if marketing is None:
        return None
    draft.say(t("You can unsubscribe from marketing e-mail at any time with the link in every message."), 26)
    draft.say(
        t(
            "You can also reply with “unsubscribe” in the subject, or ask us at %(address)s.",
            address=marketing.unsubscribe,
        ),
        35,
        36,
    )
    draft.say(t("You will still receive messages that matter for your purchases or your account."), 37)
    period = draft.period(draft.policy.retention.mail)
    draft.say(
        t(
            "If our software cannot read a message of yours, we keep a copy for up to %(period)s so that a person can read it.",
            period=period,
        ),
        36,
    )
    return draft.done("opting-out", t("Unsubscribing from marketing e-mail"))


def rights(draft: Draft) -> Section | None:
    """What data subjects may request, and what an erasure keeps."""
    t, requests = draft.t, draft.policy.requests
    if requests is None:
        return None
    draft.say(
        t("You can ask us what we store about you, and ask us to correct it, to delete it, or to change how we use it."),
        32,
    )
    draft.say(t("We answer promptly, and within %(number)s days at the latest.", number=requests.days), 33)
    period = draft.period(draft.policy.retention.archives)
    draft.say(
        t(
            "Archives may hold deleted data for up to %(period)s. If we restore one, we delete that data again.",
            period=period,
        ),
        34,
    )
    return draft.done("rights", t("Your data rights"), *_retained_fields(draft))


def _retained_fields(draft: Draft) -> Iterator[Table]:
    """Yield the table of fields that an erasure keeps, with period and reason."""
    t, fields = draft.t, draft.policy.fields
    if names := [draft.of(field.title) for field in fields if field.on_erase == "anonymise"]:
        draft.say(t("We make this anonymous instead of deleting it: %(names)s.", names=t.names(names)), 32)
    rows = tuple(
        (draft.of(field.title), draft.period(field.kept_for), draft.of(field.reason))
        for field in fields
        if field.kept_for is not None
    )
    if rows:
        draft.say(t("If you ask us to delete your data, we still keep the following for a while."), 32)
        yield Table((t("Data"), t("Kept for"), t("Why we keep it")), rows, (32, 34))


def security(draft: Draft) -> Section | None:
    """How data is protected."""
    t, notices = draft.t, draft.policy.notices
    if notices.security is True:
        draft.say(t("We protect data to industry standards, and only staff who need it for their work can see it."), 40, 41)
        draft.say(t("However, no one can promise that a system is completely secure."), 42)
    elif notices.security:
        draft.say(draft.of(notices.security), 40, 41, 42)
    return draft.done("security", t("Security"))


def changes(draft: Draft) -> Section | None:
    """How the policy changes, and when it last did."""
    t, version = draft.t, draft.policy.version
    posting = t("When we change this policy, we publish the new version here and keep the earlier ones available.")
    draft.say_notice(draft.policy.notices.changes, posting, 43)
    if version:
        draft.say(t("Last updated: %(date)s.", date=t.date(version)), 45)
    return draft.done("changes", t("Changes to this policy"))
