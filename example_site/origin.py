"""Same-origin checks of forms, and local redirects."""

from __future__ import annotations

from flask import abort, request


def refuse_foreign_posts() -> None:
    """Abort with 403 if another site sent the form, according to the browser. For ``before_request``."""
    sender = request.headers.get("Sec-Fetch-Site", "none")
    if request.method == "POST" and sender not in ("same-origin", "none"):
        abort(403)


def local_path(target: str | None) -> str | None:
    """Return the target if it is a path of this site, otherwise None."""
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    # Browsers read a backslash as a slash, and drop tabs and line ends anywhere.
    return target if "\\" not in target and target.isprintable() else None


def current_path() -> str | None:
    """Return the path and query of the current page. None after a POST, because a link cannot lead back to it."""
    return request.script_root + request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else None
