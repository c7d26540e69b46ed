"""What `flask privacy check` finds at the app's forms: points without a declaration, and declared ones without a view."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask

from ..collection import age, notices
from ..errors import UndeclaredCollection
from ..policy.model import Policy

Told = tuple[str, str, str, str]  # of a finding: level, key, what it says, a hint

#: Cookies that forms keep: what each is for, and how long it lives, as it is to be declared.
_COOKIES = {
    "privacy_age": ("session", "That somebody said in this browser to be too young, signed; nothing else."),
    "privacy_licence": ("365 days", "Which version of the licence was accepted in this browser, signed."),
}


def told_of_forms(app: Flask, policy: Policy) -> Iterator[Told]:
    """Each finding, as the check says it."""
    used = {name for view in app.view_functions.values() for name in _points(view)}
    for name in sorted(used):
        try:
            notices.point_of(policy, name)
        except UndeclaredCollection as error:
            yield "error", f"collection.{name}", str(error), "Nothing is collected there until it is declared."
    for name in _cookies(app, policy):
        if name not in {cookie.name for cookie in policy.cookies}:
            lifetime, says = _COOKIES[name]
            toml = f'[[cookies]]\nname = "{name}"\npurpose = "necessary"\nlifetime = "{lifetime}"\ndescription = "{says}"\n'
            yield "error", f"cookies.{name}", f"Forms set the cookie {name!r}, which is not declared.", f"Add:\n\n{toml}"


def _points(view: object) -> Iterator[str]:
    yield from getattr(view, "privacy_collects", ())
    yield from (point for point, *_ in getattr(view, "privacy_licences", ()))


def _cookies(app: Flask, policy: Policy) -> Iterator[str]:
    """The cookies that this site's forms set, as far as declaration and views tell."""
    if any(age.ANSWER in (*point.required, *point.optional) for point in policy.collection):
        yield "privacy_age"
    if any(getattr(view, "privacy_licences", ()) for view in app.view_functions.values()):
        yield "privacy_licence"
