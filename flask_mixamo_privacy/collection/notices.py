"""The notice at a form: the fields and purposes of its collection point, the opt-in text, and the age question."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import lru_cache

from ..errors import UndeclaredCollection
from ..i18n.language import Language, LocalizedText
from ..ledger.entry import ShownText, canonical_json
from ..policy.model import Policy
from ..policy.parts import CollectionPoint


def find_point(policy: Policy, point_id: str) -> CollectionPoint:
    """Return the collection point of this id; raises :class:`UndeclaredCollection`."""
    declared = {point.id: point for point in policy.collection}
    if point_id not in declared:
        raise UndeclaredCollection(point_id, declared)
    return declared[point_id]


def form_purposes(policy: Policy, point: CollectionPoint) -> tuple[str, ...]:
    """Return the purposes of a point that a visitor signs up to at its form."""
    purposes = [policy.purpose(purpose) for purpose in point.purposes]
    return tuple(p.id for p in purposes if p.basis == "consent" and p.ask == "form")


def is_signup_only(policy: Policy, point: CollectionPoint) -> bool:
    """Whether all purposes of a form need a sign-up. Sending such a form is the opt-in."""
    return form_purposes(policy, point) == point.purposes


def is_public(point: CollectionPoint) -> bool:
    """Whether the data submitted at a point is published."""
    return point.public or point.id == "posting"


def notice(policy: Policy, point: CollectionPoint, t: Language) -> ShownText:
    """Return the text of the notice at a form."""
    text = {
        "title": t.of(point.title, policy.language).text,
        "notice": t.of(point.notice, policy.language).text,
        "purposes": [t.of(policy.purpose(purpose).title, policy.language).text for purpose in point.purposes],
        "required": field_descriptions(policy, point.required, t),
        "optional": field_descriptions(policy, point.optional, t),
        "public": [sentence.text for sentence in public_sentences(policy, point, t)],
    }
    return ShownText(f"notice:{point.id}", t.code, canonical_json(text), notice_fingerprint(point))


def opt_in(policy: Policy, point: CollectionPoint, t: Language) -> ShownText:
    """Return the text of the opt-in checkbox."""
    text = {"label": opt_in_label(policy, point, t).text, "notice": t.of(point.notice, policy.language).text}
    return ShownText(f"opt-in:{point.id}", t.code, canonical_json(text), notice_fingerprint(point))


def opt_in_label(policy: Policy, point: CollectionPoint, t: Language) -> LocalizedText:
    return t("Yes, I want this: %(title)s", title=t.of(point.title, policy.language))


def field_descriptions(policy: Policy, names: Iterable[str], t: Language) -> list[str]:
    """Return the description of each field, or its name if it has none."""
    descriptions = {field.name: field.description for field in policy.fields}
    return [t.of(descriptions[name], policy.language).text if descriptions.get(name) else name for name in names]


def public_sentences(policy: Policy, point: CollectionPoint, t: Language) -> list[LocalizedText]:
    """Return the notice of a public point and the sentence that the visitor acknowledges; empty unless it is public."""
    if not is_public(point):
        return []
    own = policy.notices.postings
    site_notice = [] if isinstance(own, bool) else [t.of(own, policy.language)]
    return [*site_notice, t("I know that everybody can read what I post here.")]


def notice_fingerprint(point: CollectionPoint) -> str:
    """Return a hash of what a notice asks. If it changes, a text shown earlier is no longer valid."""
    terms = [sorted(point.purposes), sorted(point.required), sorted(point.optional), is_public(point)]
    return hashlib.sha256(canonical_json(terms).encode()).hexdigest()[:8]


_TEXTS: dict[str, Callable[[Policy, CollectionPoint, Language], ShownText]] = {"notice": notice, "opt-in": opt_in}


def default_text(policy: Policy, kind: str, point: CollectionPoint, t: Language) -> ShownText:
    """Return the current text in a language, for a program that does not name the text it showed."""
    return _TEXTS[kind](policy, point, t)


def current_text(policy: Policy, kind: str, point: CollectionPoint, source: str, t: Language) -> ShownText | None:
    """Return the text in use at a point; None if a form names another source."""
    return _text(policy, kind, point.id, t) if source == f"{kind}:{point.id}" else None


@lru_cache(maxsize=512)
def _text(policy: Policy, kind: str, point_id: str, t: Language) -> ShownText:
    """Return a text of a point, built once: its digest is compared with the digest in every submitted form."""
    return _TEXTS[kind](policy, find_point(policy, point_id), t)


# The age question. Only yes or no leaves this module; the date of birth does not.

#: The three fields of the age question, in the order in which people write a date of birth.
BIRTH_DATE_FIELDS = ("privacy_birth_day", "privacy_birth_month", "privacy_birth_year")

#: The declared field that holds the answer, "yes" or "no".
AGE_FIELD = "old_enough"

_OLDEST = 130  # years


def was_age_answered(sent: Mapping[str, str]) -> bool:
    """Whether any of the three fields is filled in."""
    return any(sent.get(name, "").strip() for name in BIRTH_DATE_FIELDS)


def is_old_enough(sent: Mapping[str, str], age: int, today: date) -> bool | None:
    """Return whether a person born on that date has reached the age; None if it is not a plausible date of birth.

    A missing day or month counts as the latest possible one, so the result never overestimates the age.
    """
    day, month, year = (sent.get(name, "").strip() for name in BIRTH_DATE_FIELDS)
    try:
        born = date(int(year), int(month or 12), int(day or 28))
    except (ValueError, OverflowError):  # a number with many digits
        return None
    if not today.year - _OLDEST <= born.year <= today.year:
        return None
    had_birthday = (born.month, int(day or 31)) <= (today.month, today.day)
    return today.year - born.year - (not had_birthday) >= age
