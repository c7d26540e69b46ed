"""Helpers of the views behind forms. Undeclared fields are removed from the request before a view begins."""

from __future__ import annotations

import re
from typing import Any

from flask import request

from .database import session
from .extensions import privacy

NO_ADDRESS = "Please give a whole e-mail address."

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def form_value(name: str, longest: int = 100) -> str:
    """Return the submitted value of a field, stripped and cut."""
    return request.form.get(name, "").strip()[:longest]


def email() -> str:
    """Return the submitted e-mail address, in lower case."""
    return form_value("email", 254).lower()


def is_address(text: str) -> bool:
    """Return whether a text looks like an e-mail address. Only a mail can prove that it is one."""
    return _ADDRESS.fullmatch(text) is not None


def keep(row: Any) -> None:
    """Insert one row into the shop's database."""
    with session() as open_session, open_session.begin():
        open_session.add(row)


def require_address() -> None:
    """Show the form again unless it has a whole e-mail address."""
    if not is_address(email()):
        privacy.reject(NO_ADDRESS, "email")
