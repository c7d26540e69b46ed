"""Whether a request comes from the site itself, and where on the site a visitor may be sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request


def is_same_origin(request: Request) -> bool:
    """Whether a post was sent by a page of this very site, or by something that is no browser.

    Every browser since 2023 sends ``Sec-Fetch-Site`` on secure pages, which a page cannot forge; before that, and on
    plain HTTP, browsers send ``Origin`` with a post. So a post with neither was not sent by somebody else's page, and a
    token, which would tie each page to a session and make it uncacheable, adds nothing. (The same reasoning, and the
    same order of checks, as the CrossOriginProtection of Go's net/http.) Only hosts are compared: behind a proxy that
    ends TLS the scheme seen here may not be the browser's, and we never read X-Forwarded-*.
    """
    site = request.environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.environ.get("HTTP_ORIGIN")
    try:
        return origin is None or urlsplit(origin).netloc == request.host
    except ValueError:  # an address that is none
        return False


def local_path(target: str | None) -> str | None:
    """The target if it is a path of this site, else None.

    ``//host`` and ``/\\host`` lead elsewhere in browsers, which also drop tabs and newlines wherever they stand.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or not target.isprintable() or len(target) > 2000:
        return None
    return target
