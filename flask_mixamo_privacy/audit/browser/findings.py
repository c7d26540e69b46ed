"""A finding of the audit: where the running site and its declaration are apart, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from .evidence import Visited, state_order


class Code(NamedTuple):
    """What a kind of finding means, and what to do about it."""

    means: str
    hint: str


CODES = {
    "used-not-declared": Code(
        "Something is stored on the visitor's device that privacy.toml does not declare.",
        "Take it out of the site, or declare it as a [[cookies]] table with its purpose, lifetime and kind.",
    ),
    "declared-not-seen": Code(
        "privacy.toml declares something that no page stored or loaded in any state.",
        "Take it out of privacy.toml; or show the audit how it comes about: a login, an example or a step.",
    ),
    "host-not-declared": Code(
        "A page reaches out to another company's host that no service declares.",
        "Take it out of the page, or declare the host, and what is loaded from it, under [[services]].",
    ),
    "before-consent": Code(
        "Something that needs consent happens before the visitor has decided.",
        "Put it behind its purpose: privacy.script, privacy.embed, {% consent %}, or current_consent.allows in the view.",
    ),
    "after-reject": Code(
        "Something happens although the visitor has refused its purpose.",
        "Put it behind its purpose: privacy.script, privacy.embed, {% consent %}, or current_consent.allows in the view.",
    ),
    "ignores-gpc": Code(
        "Something that needs consent happens although the browser sends Global Privacy Control.",
        "Ask current_consent, which reads the signal as a refusal; a script has to ask /privacy/state.json.",
    ),
    "survives-withdrawal": Code(
        "Something is still stored, or still happens, after the visitor has taken the consent back.",
        "Declare it with the path and the kind it really has, so that the withdrawal deletes it; stop what sets it again.",
    ),
    "lifetime-longer-than-declared": Code(
        "A cookie is set to live longer than privacy.toml says.",
        "Shorten it where it is set, or declare the lifetime that it has.",
    ),
    "flag-mismatch": Code(
        "A cookie is not what privacy.toml says it is: its kind, its party, its path; or it lacks Secure on an HTTPS site.",
        "Declare what it is, or set it as declared.",
    ),
    "personal-data-in-url": Code(
        "The address of a request names a person. Addresses end in logs, histories and referrers.",
        "Send it in the body of a POST request, or name the person by an id.",
    ),
    "link-without-notice": Code(
        "A link leads to another site and does not say so, though the policy says that such links do.",
        "Write it as {{ url|external_link(text) }}.",
    ),
    "no-way-back-to-settings": Code(
        "From this page nobody finds the way to change a decision.",
        "Put {{ privacy.settings_link() }} into the frame around every page, where it can be seen.",
    ),
    "reject-harder-than-accept": Code(
        "Refusing is harder than accepting.",
        "Make both buttons alike: side by side, as large, as bright, one press each.",
    ),
    "pre-ticked": Code(
        "A box is ticked before the visitor has touched it. That is no consent (CJEU C-673/17, Planet49).",
        "Leave out the attribute checked.",
    ),
    "blocked-without-javascript": Code(
        "Without JavaScript there is nothing to read here, or no answer can be given.",
        "Let the server write the page, and let the banner be a form that posts by itself.",
    ),
    "accessibility": Code(
        "Something keeps people out, says axe-core (WCAG 2.1, levels A and AA).",
        "See the rule's page for how to mend it.",
    ),
}


@dataclass(frozen=True)
class Observation:
    """What a rule says once: of one thing, in one place."""

    code: str
    subject: str  # the cookie's name, the host, the link, the axe rule; "" where the page itself is meant
    place: Visited | None  # None where it was seen nowhere
    evidence: str
    key: str = ""  # in privacy.toml, such as "cookies._ga"
    selector: str = ""  # of what a picture shall show


@dataclass(frozen=True)
class Finding:
    """Everything that was told of one thing under one code."""

    code: str
    subject: str
    evidence: tuple[str, ...]
    places: tuple[Visited, ...]
    key: str = ""
    line: int = 0  # of privacy.toml; 0 where nothing there speaks of it
    selector: str = ""

    @property
    def says(self) -> str:
        return CODES[self.code].means

    @property
    def hint(self) -> str:
        return CODES[self.code].hint

    @property
    def routes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(place.route for place in self.places))

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(place.state for place in self.places))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "says": self.says, "hint": self.hint}


def merge_findings(told: Iterable[Observation], lines: Mapping[str, int]) -> list[Finding]:
    """One finding for each code and subject, in the order of :data:`CODES`, with file lines by key."""
    heard: dict[tuple[str, str], list[Observation]] = {}
    for one in told:
        heard.setdefault((one.code, one.subject), []).append(one)
    order = list(CODES)
    return [_finding(heard[key], lines) for key in sorted(heard, key=lambda key: (order.index(key[0]), key[1]))]


def _finding(told: list[Observation], lines: Mapping[str, int]) -> Finding:
    first = told[0]
    seen = {one.place for one in told if one.place is not None}
    places = sorted(seen, key=lambda place: (place.login, state_order(place.state), place.route))
    evidence = tuple(sorted({one.evidence for one in told}))
    key = next((one.key for one in told if one.key), "")
    selector = next((one.selector for one in told if one.selector), "")
    return Finding(first.code, first.subject, evidence, tuple(places), key, _line(key, lines), selector)


def _line(key: str, lines: Mapping[str, int]) -> int:
    """Where a key stands, or else the table that it belongs to."""
    while key and key not in lines:
        key = key.rpartition(".")[0]
    return lines.get(key, 0)
