"""Pictures for the report: each finding where it was first seen, and each answer's first page."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from .browser import tools
from .evidence import Evidence, Place
from .finding import Finding
from .persons import HIDDEN
from .report import Picture
from .states import State, flat, states_of
from .target import Target
from .visitor import Visitor

if TYPE_CHECKING:
    from playwright.async_api import Browser

_MOST = 60  # pictures of findings: a report has to fit into a ticket
_OUTLINE = """selector => {
  for (const element of document.querySelectorAll(selector)) {
    element.style.setProperty("outline", "4px solid #d4002a", "important");
    element.style.setProperty("outline-offset", "2px", "important");
  }
  document.querySelector(selector)?.scrollIntoView({ block: "center", behavior: "instant" });
}"""

#: What a picture is of: a place, and what is outlined there.
Subject = tuple[Place, str]


def subject_of(finding: Finding) -> Subject | None:
    """What to take a picture of; None for what was seen nowhere, or only at addresses that are not told in full."""
    place = next((place for place in finding.places if HIDDEN not in place.route), None)
    return (place, finding.selector) if place is not None else None


async def take(browser: Browser, target: Target, findings: Iterable[Finding]) -> dict[Subject, Picture]:
    """Pictures by subject. Each answer is given once more, by a visitor of whom nothing is noted."""
    states = {state.name: state for state in states_of(target.policy)}
    wanted = {subject: None for finding in findings if (subject := subject_of(finding)) is not None}
    firsts = {(Place(target.home, state.name), ""): None for state in flat(list(states.values()))}
    wanted = dict(list(wanted.items())[:_MOST]) | firsts
    pictures: dict[Subject, Picture] = {}
    for state, login in dict.fromkeys((place.state, place.login) for place, _ in wanted):
        mine = [subject for subject in wanted if (subject[0].state, subject[0].login) == (state, login)]
        visitor = Visitor(target, Evidence(), _who(states, state), login)
        await visitor.arrive(browser)
        if visitor.state.then is not None and visitor.state.then.name == state:
            await visitor.answer(visitor.state.then)
        for subject in mine:
            with suppress(tools().Error):  # a page that has gone meanwhile has no picture
                pictures[subject] = await _one(visitor, subject)
        await visitor.finish()
    return pictures


def _who(states: dict[str, State], name: str) -> State:
    """The visitor who comes to this state, if only after another."""
    return states.get(name) or next(state for state in states.values() if state.then and state.then.name == name)


async def _one(visitor: Visitor, subject: Subject) -> Picture:
    place, selector = subject
    await visitor.page.goto(place.route)
    if selector:
        await visitor.page.evaluate(_OUTLINE, selector)
    jpeg = await visitor.page.screenshot(type="jpeg", quality=70)
    return Picture(str(place), jpeg)
