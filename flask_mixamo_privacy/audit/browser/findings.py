"""The audit's findings: a difference between the running site and its declaration, and the next step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from .evidence import Visited, state_order


class Code(NamedTuple):
    """The message of a kind of finding, and the next step. A warning does not count for the exit code."""

    message: str
    hint: str
    level: str = "error"  # or "warning"


CODES = {
    "used-not-declared": Code(
        "An item is stored on the visitor's device that privacy.toml does not declare.",
        "Remove it from the site, or declare it in a [[cookies]] table with its purpose, lifetime and kind.",
    ),
    "declared-not-seen": Code(
        "privacy.toml declares an item that no page stored or loaded in any state.",
        "Remove it from privacy.toml, or add the login, example or step with which the site uses it.",
    ),
    "host-not-declared": Code(
        "A page contacts a third-party host that no service declares.",
        "Remove it from the page, or declare the host and its loads under [[services]].",
    ),
    "before-consent": Code(
        "Something that needs consent happens before the visitor has decided.",
        "Gate it by its purpose: privacy.script, privacy.embed, {% consent %}, or current_consent.allows in the view.",
    ),
    "after-reject": Code(
        "Something happens although the visitor has refused its purpose.",
        "Gate it by its purpose: privacy.script, privacy.embed, {% consent %}, or current_consent.allows in the view.",
    ),
    "ignores-gpc": Code(
        "Something that needs consent happens although the browser sends Global Privacy Control.",
        "Use current_consent, which treats the signal as a refusal. In a script, read /privacy/state.json.",
    ),
    "survives-withdrawal": Code(
        "An item is still stored, or something still happens, after the visitor has withdrawn the consent.",
        "Declare the item's real path and kind, so that the withdrawal deletes it, and stop the code that sets it again.",
    ),
    "ambiguous-service": Code(
        "A page contacts a host of several services, and not all of them are granted.",
        "Load it with privacy.script, style or embed, and name its service there. Check that no other service makes it.",
        "warning",
    ),
    "lifetime-longer-than-declared": Code(
        "A cookie has a longer lifetime than privacy.toml declares.",
        "Set a shorter lifetime, or declare the real one.",
    ),
    "flag-mismatch": Code(
        "A cookie's kind, party or path differs from privacy.toml, or it lacks Secure on an HTTPS site.",
        "Declare its real attributes, or set it as declared.",
    ),
    "personal-data-in-url": Code(
        "The URL of a request identifies a person. URLs are stored in logs, histories and referrers.",
        "Send the data in the body of a POST request, or identify the person by an id.",
    ),
    "link-without-notice": Code(
        "A link leads to another site without saying so, although the policy promises a notice.",
        "Write it as {{ url|external_link(text) }}.",
    ),
    "no-way-back-to-settings": Code(
        "The page has no visible link to the settings page, so a visitor cannot change the decision.",
        "Put {{ privacy.settings_link() }} into the layout of every page.",
    ),
    "reject-harder-than-accept": Code(
        "Rejecting is harder than accepting.",
        "Make both buttons alike: side by side, with the same size and contrast, one click each.",
    ),
    "pre-ticked": Code(
        "A box is pre-ticked. A pre-ticked box is no consent (CJEU C-673/17, Planet49).",
        "Remove the attribute checked.",
    ),
    "blocked-without-javascript": Code(
        "Without JavaScript the page has no readable text, or the visitor cannot decide.",
        "Render the page on the server, and make the banner a form that works without a script.",
    ),
    "accessibility": Code(
        "axe-core reports an accessibility barrier (WCAG 2.1, levels A and AA).",
        "Follow the instructions on the rule's page.",
    ),
}


@dataclass(frozen=True)
class Observation:
    """One violation that a rule reports, about one subject in one place."""

    code: str
    subject: str  # the cookie's name, the host, the link, the axe rule; "" for the page itself
    place: Visited | None  # None if it was observed nowhere
    evidence: str
    key: str = ""  # in privacy.toml, such as "cookies._ga"
    selector: str = ""  # of the element to outline in a screenshot


@dataclass(frozen=True)
class Finding:
    """All observations of one subject under one code."""

    code: str
    subject: str
    evidence: tuple[str, ...]
    places: tuple[Visited, ...]
    key: str = ""
    line: int = 0  # of privacy.toml; 0 if no line there is about it
    selector: str = ""

    @property
    def message(self) -> str:
        return CODES[self.code].message

    @property
    def hint(self) -> str:
        return CODES[self.code].hint

    @property
    def level(self) -> str:
        return CODES[self.code].level

    @property
    def routes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(place.route for place in self.places))

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(place.state for place in self.places))

    def as_dict(self) -> dict[str, Any]:
        """Return the finding for JSON."""
        return {**asdict(self), "level": self.level, "says": self.message, "hint": self.hint}


def merge_findings(observations: Iterable[Observation], lines: Mapping[str, int]) -> list[Finding]:
    """Return one finding for each code and subject, in the order of :data:`CODES`, with file lines by key."""
    groups: dict[tuple[str, str], list[Observation]] = {}
    for observation in observations:
        groups.setdefault((observation.code, observation.subject), []).append(observation)
    order = list(CODES)
    return [_finding(groups[key], lines) for key in sorted(groups, key=lambda key: (order.index(key[0]), key[1]))]


def _finding(observations: list[Observation], lines: Mapping[str, int]) -> Finding:
    first = observations[0]
    visited = {one.place for one in observations if one.place is not None}
    places = sorted(visited, key=lambda place: (place.login, state_order(place.state), place.route))
    evidence = tuple(sorted({one.evidence for one in observations}))
    key = next((one.key for one in observations if one.key), "")
    selector = next((one.selector for one in observations if one.selector), "")
    return Finding(first.code, first.subject, evidence, tuple(places), key, _line(key, lines), selector)


def _line(key: str, lines: Mapping[str, int]) -> int:
    """Return the line of a key, or of the table that the key belongs to; 0 if neither has one."""
    while key and key not in lines:
        key = key.rpartition(".")[0]
    return lines.get(key, 0)
