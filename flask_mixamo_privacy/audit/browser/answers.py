"""Whether an answer is the visitor's own, can be given by everybody, and can be changed."""

from __future__ import annotations

from collections.abc import Iterator

from ...policy.model import Policy
from .evidence import Evidence
from .finding import Told
from .states import UNASKED

_LEAST = 0.2  # of the text that there is with JavaScript


def answers(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    for page in evidence.pages:
        shown = page.html and page.status < 400
        if shown and policy.optional and not page.settings_link:
            says = "No link to the settings page can be seen on it."
            yield Told("no-way-back-to-settings", "", page.place, says)
        for name in page.ticked if page.place.state == UNASKED else ():
            yield Told(
                "pre-ticked",
                name,
                page.place,
                "Its box is ticked when the page comes.",
                f"purposes.{name}",
                f'input[value="{name}"]',
            )
    yield from _plain(evidence)


def _plain(evidence: Evidence) -> Iterator[Told]:
    texts = {page.place.route: page.text for page in evidence.pages if page.place.state == UNASKED}
    for plain in evidence.plain:
        full = texts.get(plain.place.route, 0)
        if plain.answered is False:
            yield Told(
                "blocked-without-javascript",
                "answer",
                plain.place,
                "The form that refuses was sent, and nothing was refused.",
            )
        elif plain.text < _LEAST * full:
            says = f"{plain.text} characters to read, where with JavaScript there are {full}."
            yield Told("blocked-without-javascript", "page", plain.place, says)
