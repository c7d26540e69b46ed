"""Every ``PRIVACY_*`` setting, from the table in ``config.py``."""

from __future__ import annotations

from typing import Any

from flask_mixamo_privacy import config

from .markdown import block, literals


def settings(*names: str) -> str:
    """Return the named settings, each with its default and its meaning."""
    rows = {row.name: row for row in config.ROWS.values()}
    return "\n".join(
        block("confval", name, literals(rows[name].sentence), default=f"`{_text(rows[name].default)}`") for name in names
    )


def _text(default: Any) -> str:
    return f'"{default}"' if isinstance(default, str) else repr(default)
