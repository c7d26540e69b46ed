"""Whether a form was sent by this site, and where on this site a visitor may be sent."""

from __future__ import annotations

from flask import abort, request


def refuse_foreign_posts() -> None:
    """Answer 403 to a form that a browser says another site has sent; for ``before_request``."""
    sender = request.headers.get("Sec-Fetch-Site", "none")
    if request.method == "POST" and sender not in ("same-origin", "none"):
        abort(403)


def local_path(target: str | None) -> str | None:
    """The target if it is a path of this site, else None."""
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    # Browsers take a backslash for a slash, and drop tabs and line ends wherever they stand.
    return target if "\\" not in target and target.isprintable() else None


def current_path() -> str | None:
    """The page at hand, to come back to; None after a form was sent, as nobody can go back to that."""
    return request.script_root + request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else None
