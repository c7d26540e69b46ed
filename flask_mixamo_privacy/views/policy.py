"""The policy page."""

from __future__ import annotations

from flask import Blueprint, render_template

from ..site import site


def add_to(pages: Blueprint) -> None:
    pages.add_url_rule("/", view_func=policy)


def policy() -> str:
    """What the site declares, drawn from the very objects that the code enforces."""
    here = site()
    return render_template("mixamo_privacy/policy.html", policy=here.policy, settings=here.settings)
