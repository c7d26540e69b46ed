"""Every template verb, from the ``privacy`` object of templates, its tag, its filters and its tests."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from jinja2 import Environment

from flask_mixamo_privacy.web.template_tags import ConsentTag, add_filters
from flask_mixamo_privacy.web.templates import TemplateHelpers

from .markdown import block, docstring

#: What the extension's own templates use.
_INTERNAL = {"templates", "visitor_fragment"}

_TAG = """## Tag `consent`

```jinja
{% consent "purpose" %}…{% else %}…{% endconsent %}
```
"""


def verbs() -> str:
    """Return every verb with its arguments and its docstring."""
    parts = [
        block("py:function", f"privacy.{name}{_signature(thing)}", docstring(thing)) for name, thing in members().items()
    ]
    environment = Environment(autoescape=True)
    own = set(environment.filters) | set(environment.tests)
    add_filters(environment)
    parts.append(f"{_TAG}\n{docstring(ConsentTag)}\n")
    for kind, found in (("Filter", environment.filters), ("Test", environment.tests)):
        parts += [f"## {kind} `{name}`\n\n{docstring(found[name])}\n" for name in sorted(set(found) - own)]
    return "\n".join(parts)


def members() -> dict[str, Any]:
    """Return the public members of ``privacy`` by their names, in the order of the source."""
    names = [name for name in vars(TemplateHelpers) if not name.startswith("_") and name not in _INTERNAL]
    return {name: vars(TemplateHelpers)[name] for name in names}


def _signature(thing: Callable[..., Any] | property) -> str:
    if not callable(thing):
        return ""
    parameters = list(inspect.signature(thing).parameters.values())[1:]
    return re.sub(r"(: )'([^']*)'", r"\1\2", str(inspect.Signature(parameters)))  # only annotations lose their quotes
