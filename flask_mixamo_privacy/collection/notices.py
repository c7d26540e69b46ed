"""The words at a form: what is collected there and what for, what one opts in to, which licence one accepts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import date

from ..consent.proof import canonical_json
from ..errors import UndeclaredCollection
from ..i18n.language import Language, LocalizedText, language
from ..ledger.entry import ShownText
from ..policy.model import Policy
from ..policy.parts import CollectionPoint


def find_point(policy: Policy, point_id: str) -> CollectionPoint:
    """Return the collection point of this id; raises :class:`UndeclaredCollection`."""
    declared = {point.id: point for point in policy.collection}
    if point_id not in declared:
        raise UndeclaredCollection(point_id, declared)
    return declared[point_id]


def form_purposes(policy: Policy, point: CollectionPoint) -> tuple[str, ...]:
    """The purposes of a point that somebody signs up to there."""
    purposes = [policy.purpose(purpose) for purpose in point.purposes]
    return tuple(p.id for p in purposes if p.basis == "consent" and p.ask == "form")


def is_signup_only(policy: Policy, point: CollectionPoint) -> bool:
    """Whether a form serves nothing but what one signs up to: then sending it is the opt-in."""
    return form_purposes(policy, point) == point.purposes


def is_public(point: CollectionPoint) -> bool:
    """Whether others read what is given at a point."""
    return point.public or point.id == "posting"


def notice(policy: Policy, point: CollectionPoint, t: Language) -> ShownText:
    """The words of the notice at a form."""
    said = {
        "title": t.of(point.title, policy.language).text,
        "notice": t.of(point.notice, policy.language).text,
        "purposes": [t.of(policy.purpose(purpose).title, policy.language).text for purpose in point.purposes],
        "required": field_descriptions(policy, point.required, t),
        "optional": field_descriptions(policy, point.optional, t),
        "public": public_sentences(policy, point, t),
    }
    return ShownText(f"notice:{point.id}", t.code, canonical_json(said), notice_fingerprint(point))


def opt_in(policy: Policy, point: CollectionPoint, t: Language) -> ShownText:
    """The words of the box that is ticked to opt in."""
    said = {"label": opt_in_label(policy, point, t).text, "notice": t.of(point.notice, policy.language).text}
    return ShownText(f"opt-in:{point.id}", t.code, canonical_json(said), notice_fingerprint(point))


def opt_in_label(policy: Policy, point: CollectionPoint, t: Language) -> LocalizedText:
    return t("Yes, I want this: %(title)s", title=t.of(point.title, policy.language))


def field_descriptions(policy: Policy, names: Iterable[str], t: Language) -> list[str]:
    """What fields are, in words; the name of one that has none."""
    fields = {field.name: field.description for field in policy.fields}
    return [t.of(fields[name], policy.language).text if fields.get(name) else name for name in names]


def public_sentences(policy: Policy, point: CollectionPoint, t: Language) -> list[str]:
    """What is said where others read what is given, and what is acknowledged; nothing elsewhere."""
    if not is_public(point):
        return []
    own = policy.notices.postings
    said = [] if isinstance(own, bool) else [t.of(own, policy.language).text]
    return [*said, t("I know that everybody can read what I post here.").text]


def notice_fingerprint(point: CollectionPoint) -> str:
    """What matters to whoever reads the notice: another mark, and words shown before are no longer good."""
    matters = [sorted(point.purposes), sorted(point.required), sorted(point.optional), is_public(point)]
    return hashlib.sha256(canonical_json(matters).encode()).hexdigest()[:8]


_WORDS: dict[str, Callable[[Policy, CollectionPoint, Language], ShownText]] = {"notice": notice, "opt-in": opt_in}


def default_text(policy: Policy, kind: str, point: CollectionPoint) -> ShownText:
    """The words in force, in the declaration's own language: of a program, which does not say which it was shown."""
    return _WORDS[kind](policy, point, language(policy.language))


def current_text(policy: Policy, kind: str, point: CollectionPoint, source: str, t: Language) -> ShownText | None:
    """Return the text in use at a point; None if a form names another source."""
    return _WORDS[kind](policy, point, t) if source == f"{kind}:{point.id}" else None


# The answer to the question of age: yes or no. The date that was typed goes no further than this.

#: The three fields of the question, as one is used to give a date of birth.
BIRTH_DATE_FIELDS = ("privacy_birth_day", "privacy_birth_month", "privacy_birth_year")

#: The declared field that holds the answer, "yes" or "no".
AGE_FIELD = "old_enough"

_OLDEST = 130  # years


def was_age_answered(sent: Mapping[str, str]) -> bool:
    """Whether anything was typed."""
    return any(sent.get(name, "").strip() for name in BIRTH_DATE_FIELDS)


def is_old_enough(sent: Mapping[str, str], age: int, today: date) -> bool | None:
    """Whether somebody born on that day is of this age; None for what is no day of anybody's birth.

    What was left out counts as late as it can be: of a year alone the youngest is taken who may be meant.
    """
    day, month, year = (sent.get(name, "").strip() for name in BIRTH_DATE_FIELDS)
    try:
        born = date(int(year), int(month or 12), int(day or 28))
    except ValueError:
        return None
    if not today.year - _OLDEST <= born.year <= today.year:
        return None
    had_birthday = (born.month, int(day or 31)) <= (today.month, today.day)
    return today.year - born.year - (not had_birthday) >= age
