"""What the views behind the shop's forms share. What the policy does not declare is gone before any of it is reached."""

from __future__ import annotations

import re
from typing import Any

from flask import render_template, request
from werkzeug.wrappers import Response

from .database import session

NO_ADDRESS = "Please give a whole e-mail address."

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def said(name: str, longest: int = 100) -> str:
    """What somebody typed, without space around it."""
    return request.form.get(name, "").strip()[:longest]


def email() -> str:
    """The address that somebody typed, in lower case."""
    return said("email", 254).lower()


def is_address(text: str) -> bool:
    """Whether it looks like one; only a mail to it can tell."""
    return _ADDRESS.fullmatch(text) is not None


def keep(row: Any) -> None:
    """Write one row into the shop's database."""
    with session() as open_session, open_session.begin():
        open_session.add(row)


def page(template: str, failed: str = "", **values: Any) -> Response | tuple[str, int]:
    """A page with a form, with what was typed and what was wrong with it."""
    shown = render_template(template, failed=failed, form=request.form, **values)
    return shown, 422 if failed else 200
