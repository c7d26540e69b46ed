"""What a form sent, sifted: from here on the request holds the declared fields, and nothing else that was typed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from flask import Request
from werkzeug.datastructures import CombinedMultiDict, ImmutableMultiDict, MultiDict

from ..collection.given import ACCEPTANCE, Sent

#: Our own controls at a form begin like this; they are read here and passed on to nobody.
OWN = "privacy_"


def sift(request: Request, declared: Collection[str], controls: Collection[str]) -> Sent:
    """Leave in the request's ``form``, ``files``, ``values`` and JSON only what is declared, or a control of the page.

    Controls say nothing about anybody: a token against forgery, the page to go to. They pass, and are not collected.
    Of the query string ``values`` holds controls alone, for what stands there is not put on record; ``args`` is left as it
    is, since pages, logins and others' extensions find their way by it.
    """
    form, files, body = request.form, request.files, _body(request)
    given = [(name, value) for name, value in form.items(multi=True)]
    given += [(name, each) for name, value in body.items() for each in (value if isinstance(value, list) else [value])]
    ours = [*given, *((name, "") for name, value in body.items() if value == [])]
    passing = frozenset((*declared, *controls))
    request.form = ImmutableMultiDict(_of(form.items(multi=True), passing))
    request.files = ImmutableMultiDict(_of(files.items(multi=True), passing))
    for name, file in files.items(multi=True):
        if name not in passing:
            file.close()
    _set_values(request, ImmutableMultiDict(_of(request.args.items(multi=True), controls)))
    _replace_body(request, {name: value for name, value in body.items() if name in passing})
    names = {name for name, _ in given} | set(files)
    own = [(name, str(value)) for name, value in ours if name.startswith(OWN) or name == ACCEPTANCE]
    kept = MultiDict(_of(files.items(multi=True), declared))
    return Sent(
        fields=dict(MultiDict(_of(given, declared)).lists()),
        own=dict(MultiDict(own).lists()),
        files=kept,
        uploaded=frozenset(name for name, file in kept.items(multi=True) if file.filename),
        dropped=sum(name not in passing and not name.startswith(OWN) for name in names),
    )


def put(request: Request, name: str, value: str) -> None:
    """Have the request say this of a field, whatever was sent."""
    body = request.get_json(silent=True)
    if isinstance(body, dict):
        _replace_body(request, body | {name: value})
        return
    query = request.values.dicts[0]
    kept = [(other, each) for other, each in request.form.items(multi=True) if other != name]
    request.form = ImmutableMultiDict([*kept, (name, value)])
    _set_values(request, query)


def empty(request: Request) -> None:
    """Leave nothing in the request."""
    sift(request, (), ())


def _set_values(request: Request, query: MultiDict[str, str]) -> None:
    """Whoever looks at query and form as one meets these, also if they looked before."""
    request.__dict__["values"] = CombinedMultiDict([query, request.form])


def _body(request: Request) -> dict[str, Any]:
    """What was sent as JSON, whatever it was called; nothing of what is no object."""
    if request.form or request.files:
        return {}
    found = request.get_json(force=True, silent=True)
    return found if isinstance(found, dict) else {}


def _replace_body(request: Request, kept: dict[str, Any]) -> None:
    """Whoever reads the body for itself meets what was kept too."""
    raw = json.dumps(kept).encode() if request.is_json or kept else b""
    given: Any = request
    given.data = raw
    given.get_data = lambda cache=True, as_text=False, parse_form_data=False: raw.decode() if as_text else raw
    given.get_json = lambda force=False, silent=False, cache=True: kept if request.is_json or force else None


def _of(items: Iterable[tuple[str, Any]], names: Collection[str]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in items if name in names]
