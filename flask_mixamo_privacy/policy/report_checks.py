"""The validation of what a declaration adds to the reports: values of events, goals and funnels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

from ..errors import Problem
from .parts import Declaration
from .report_parts import Funnel, Goal, is_page, overlap

Problems = Iterator[Problem]

_EVENT = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PAGE = re.compile(r"/[^*?#\s]{0,249}\*?")
_RECORDED = ("visit_start", "repeat_visit", "page_view", "page_exit", "click", "exit_link", "customisation")
_PAGES = 'a path such as "/thanks", or the beginning of paths: "/animations/*"'
_EVENTS = 'the name of an event that the site tracks, such as "video.played"'
_MOST_STEPS = 4
_MOST = 100  # goals, funnels and values: the loader counts each of them for every day


def check_reports(policy: Declaration) -> Problems:
    """Check events, goals and funnels."""
    if too_many := list(_numbers(policy)):
        yield from too_many
        return  # the checks below compare each with all others
    yield from _unique_names(policy)
    for event in policy.events:
        yield from _check_step(f"events.{event.name}.name", event.name, _EVENTS, is_event=True)
        for value in event.values:
            if not _PROPERTY.fullmatch(value):
                hint = "Name a property that the site passes to privacy.track."
                yield Problem(f"events.{event.name}.values", value, 'the name of a property such as "quality"', hint)
        if not event.values or len({*event.values}) < len(event.values):
            hint = "List the properties to count; without any, leave the event out: every event is counted by name."
            yield Problem(f"events.{event.name}.values", list(event.values), "at least one property, each once", hint)
    for goal in policy.goals:
        yield from _check_goal(goal)
    for funnel in policy.funnels:
        yield from _check_funnel(funnel)
    yield from _check_beginnings(policy)


def _numbers(policy: Declaration) -> Problems:
    values = sum(len(event.values) for event in policy.events)
    for section, number in (("events", values), ("goals", len(policy.goals)), ("funnels", len(policy.funnels))):
        if number > _MOST:
            hint = "Leave some out: the loader counts each of them for every day."
            what = "values" if section == "events" else section
            yield Problem(section, f"{number} {what}", f"at most {_MOST} {what}", hint)


def _unique_names(policy: Declaration) -> Problems:
    for section in ("events", "goals", "funnels"):
        names = [item.name for item in getattr(policy, section)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Problem(f"{section}.{name}.name", name, f"each name once in {section}", "Change one of the two names.")
        if "" in {name.strip() for name in names}:
            yield Problem(f"{section}.name", "", "a text", "Write one: reports show it.")


def _check_goal(goal: Goal) -> Problems:
    if bool(goal.page) == bool(goal.event):
        hint = "Keep one of them."
        yield Problem(f"goals.{goal.name}.page", goal.page or None, "either page or event", hint)
    if goal.page:
        yield from _check_step(f"goals.{goal.name}.page", goal.page, _PAGES, is_event=False)
    if goal.event:
        yield from _check_step(f"goals.{goal.name}.event", goal.event, _EVENTS, is_event=True)


def _check_funnel(funnel: Funnel) -> Problems:
    key = f"funnels.{funnel.name}.steps"
    if not 2 <= len(funnel.steps) <= _MOST_STEPS:
        hint = "Declare one step as a goal, and leave out steps of a longer way."
        yield Problem(key, list(funnel.steps), f"2 to {_MOST_STEPS} steps", hint)
    for step in funnel.steps:
        yield from _check_step(key, step, f"{_PAGES}, or {_EVENTS}", is_event=not is_page(step))
    for one, other in combinations(funnel.steps, 2):
        if overlap(one, other):
            hint = f"Change it, or {one!r}: one event must not be two steps."
            yield Problem(key, other, "steps that have no page or event in common", hint)


def _check_beginnings(policy: Declaration) -> Problems:
    """Refuse funnels that begin alike: a step that is suppressed in one could be calculated from the other."""
    for one, other in combinations(policy.funnels, 2):
        if len(one.steps) > 1 and len(other.steps) > 1 and all(map(overlap, one.steps[:2], other.steps[:2])):
            hint = f"Join it with {one.name!r}: together, the two would reveal steps with too few visitors."
            yield Problem(f"funnels.{other.name}.steps", list(other.steps), "two first steps of its own", hint)


def _check_step(key: str, step: str, allowed: str, *, is_event: bool) -> Problems:
    pattern = _EVENT if is_event else _PAGE
    if not pattern.fullmatch(step) or (is_event and step in _RECORDED):
        yield Problem(key, step, allowed, "Change it.")
