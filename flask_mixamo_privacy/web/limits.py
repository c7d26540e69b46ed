"""Limits of a request: the bytes of a body, the fields of a form and of a query, the length of a URL and of headers.

Each page of the extension applies them before it reads or parses anything. Flask before 3.1 has a limit for the whole app
only, and no version limits the fields of a URL-encoded form: 4 MB of them take seconds to parse.
"""

from __future__ import annotations

import sys
from io import BytesIO
from typing import Any

from flask import Request, request
from werkzeug.exceptions import RequestEntityTooLarge

from .context import current_request
from .http import abort_with, exempt_from_csrf_protect, mark_own_page

_KIB = 1024

#: Bytes of a body. Two pages have a limit of their own, because their visitors read its answer: see :mod:`.views.beacons`.
MOST_BYTES = 64 * _KIB
_MOST_BYTES_OF = {"stop": 16 * _KIB}
_LIMIT_THEMSELVES = ("events", "csp_report")

MOST_FIELDS = 1000  # of a form; Werkzeug has the same limit for multipart forms
_LONGEST_URL = 16 * _KIB  # characters of path and query
_LONGEST_CONTENT_TYPE = 1000  # characters
_PART = 64 * _KIB  # bytes read at once
_FORM = "application/x-www-form-urlencoded"


def prepare_request(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Mark a page of ours, limit its request, and exempt it from ``CSRFProtect``."""
    mark_own_page()
    limit_request(endpoint)
    exempt_from_csrf_protect(endpoint, values)


def limit_request(endpoint: str | None) -> None:
    """Refuse a request to a page of ours with 413, 414 or 431 if it is too large."""
    environ, name = current_request().environ, (endpoint or "").rpartition(".")[2]
    if len(environ.get("PATH_INFO", "")) + len(environ.get("QUERY_STRING", "")) > _LONGEST_URL:
        abort_with(414)
    if len(environ.get("CONTENT_TYPE", "")) > _LONGEST_CONTENT_TYPE:
        abort_with(431)
    if name not in _LIMIT_THEMSELVES and (environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ):
        try:
            limit_body(request, _MOST_BYTES_OF.get(name, MOST_BYTES))
        except RequestEntityTooLarge:
            abort_with(413)


def limit_body(request: Request, most: int) -> bytearray:
    """Bound the body of a request to this many bytes and to :data:`MOST_FIELDS`, and return it. It can be read again.

    Aborts with 413 if it is longer, with a declared length or in chunks. Werkzeug cuts off a longer body in chunks without
    an error.
    """
    length = request.content_length or 0
    if length > most:
        raise RequestEntityTooLarge
    is_form = _FORM in request.environ.get("CONTENT_TYPE", "").lower() and request.mimetype == _FORM
    body, stream, fields = bytearray(), request.stream, 0
    while part := stream.read(min(most + 1 - len(body), _PART)):
        body += part
        fields += part.count(b"&") if is_form else 0
        if len(body) > most or fields >= MOST_FIELDS:
            raise RequestEntityTooLarge
        if len(body) == length:
            break
    request.stream = BytesIO(body)
    return body


def limit_fields(request: Request) -> None:
    """Abort with 413 if the form of a page of the site has more than :data:`MOST_FIELDS` fields, before it is parsed.

    A form that is longer than the site allows is left to the parser, which refuses it. ``MAX_FORM_MEMORY_SIZE`` is no such
    limit: Werkzeug applies it to multipart forms only.
    """
    most = sys.maxsize if request.max_content_length is None else request.max_content_length
    if request.mimetype == _FORM and "form" not in vars(request) and (request.content_length or 0) <= most:
        limit_body(request, most)


def json_body(request: Request, *, force: bool = False) -> Any:
    """Return the JSON of a request, or None if it has none or thousands of nested lists."""
    try:
        return request.get_json(force=force, silent=True)
    except RecursionError:
        return None
