"""Where browsers report what the Content-Security-Policy made them refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from flask import Response, request

from ...policy.policy import host_of
from ...storage.moments import timestamp
from ..blocked import Block
from ..current import exchange
from .blueprint import pages

_LARGEST = 64 * 1024  # bytes
_DIRECTIVE = re.compile(r"[a-z-]{1,40}")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,100}")
_OF_EXTENSIONS = re.compile(r"[a-z-]*extension\b")  # chrome-extension, moz-extension, safari-web-extension

Json = dict[str, Any]


@pages.post("/csp-report", endpoint="csp_report")
def report() -> Response:
    """Note what was refused; 204 whatever it says, for a browser does not read the answer. 413 for too much of it."""
    request.max_content_length = _LARGEST
    here = exchange()
    for refused in _refusals(_body()):
        block = _block(timestamp(here.now)[:10], refused)
        if block is not None:
            try:
                here.site.blocked.note(block)
            except OSError as error:
                here.site.failed(error)
    return Response(status=204)


def _body() -> object:
    try:
        return request.get_json(force=True, silent=True)
    except RecursionError:  # thousands of lists, one in the other
        return None


def _refusals(body: object) -> Iterator[Json]:
    """What a body tells: in the form of ``report-uri``, or of the Reporting API."""
    if isinstance(body, dict) and isinstance(body.get("csp-report"), dict):
        yield body["csp-report"]
    for item in body[:20] if isinstance(body, list) else ():
        if isinstance(item, dict) and item.get("type") == "csp-violation" and isinstance(item.get("body"), dict):
            yield item["body"]


def _block(day: str, said: Json) -> Block | None:
    directive = _text(said, "effective-directive", "effectiveDirective", "violated-directive")
    blocked = _text(said, "blocked-uri", "blockedURL")
    source = _text(said, "source-file", "sourceFile")
    host = host_of(blocked) or blocked
    directive = directive.partition(" ")[0]
    if _OF_EXTENSIONS.match(blocked) or _OF_EXTENSIONS.match(source):
        return None  # what a visitor installed is no matter of the site's
    if not (_DIRECTIVE.fullmatch(directive) and _HOST.fullmatch(host)):
        return None
    return Block(day, directive, host, _rule(_text(said, "document-uri", "documentURL")))


def _text(said: Json, *names: str) -> str:
    """What is said under the first of these names that has a text; the names differ by browser and by form."""
    return next((found for name in names if (found := said.get(name)) and isinstance(found, str)), "")


def _rule(address: str) -> str:
    """The page by its URL rule, never by its path: who reports has granted nothing."""
    root = request.root_path
    return exchange().site.pages.rule_of(_split(address).path.removeprefix(root))


def _split(address: str) -> Any:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
