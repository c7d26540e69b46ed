"""The parts of a declaration that add to the reports: values of own events, goals and funnels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OwnEvent:
    """An event of the site's own, and the properties whose values are counted in a table each."""

    name: str  # the name that is passed to privacy.track
    values: tuple[str, ...]  # the properties whose values are counted in a table each, such as ["quality"]


@dataclass(frozen=True)
class Goal:
    """A page that visitors should view, or an event of the site's own."""

    name: str  # what reports call it
    page: str = ""  # a path such as "/thanks", or the beginning of paths: "/animations/*"; or else an event
    event: str = ""  # the name of an event; required if there is no page


@dataclass(frozen=True)
class Funnel:
    """The steps on the way to a goal: pages, which may end with ``*``, and events of the site's own."""

    name: str  # what reports call it
    steps: tuple[str, ...]  # two to four pages or events, in order


def is_page(step: str) -> bool:
    """Return whether a step of a funnel is a page. Any other step is an event."""
    return step.startswith("/")


def overlap(one: str, other: str) -> bool:
    """Return whether one page or event may be both steps."""
    if one.endswith("*") and other.startswith(one[:-1]):
        return True
    return one == other or (other.endswith("*") and one.startswith(other[:-1]))
