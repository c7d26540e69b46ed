"""Marks on views, such as ``@privacy.page("never")``, wherever Flask takes a view from.

A mark is an attribute of a function. Here it is found below wrappers, ``functools.partial``, class-based views and views
that are loaded at their first request.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from flask.views import View
from werkzeug.local import LocalProxy
from werkzeug.utils import cached_property, import_string

_METHODS = ("dispatch_request", "get", "post", "put", "patch", "delete", "options")
_MARKS = (str, tuple)  # an object such as a mock may have every attribute
_MOST = 50  # objects of one view that are searched
_IMPORT_NAME = re.compile(r"[A-Za-z_]\w*([.:][A-Za-z_]\w*)+", re.ASCII)


def decorate_view(view: Any, decorate: Callable[[Any], Any], mark: str) -> Any:
    """Decorate a view function, or a class-based view by its ``decorators``. Raises :class:`TypeError` for other classes."""
    if not isinstance(view, type):
        return decorate(view)
    if not issubclass(view, View):
        raise TypeError(
            f"{mark} is given the class {view.__name__}; allowed: a view function, or a subclass of flask.views.View. "
            "Decorate the method that Flask calls."
        )
    view.decorators = [*view.decorators, decorate]  # a new list, because a base class may share the old one
    return view


def find_marks(view: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the method and the value of each mark of a view, the outermost first. The method is empty for the whole view."""
    for layer in _layers(view):
        if isinstance(mark := _attribute(layer, name), _MARKS):
            yield "", mark
        if isinstance(layer, type) and issubclass(layer, View):
            for method in _METHODS:
                marks = (_attribute(inner, name) for inner in _layers(getattr(layer, method, None)))
                if (mark := next((mark for mark in marks if isinstance(mark, _MARKS)), None)) is not None:
                    yield "" if method == "dispatch_request" else method.upper(), mark


def _layers(view: Any) -> Iterator[Any]:
    """Yield a view and the callables inside it, the outermost first."""
    queue, seen = deque([view]), set[int]()
    while queue and len(seen) < _MOST:
        layer = queue.popleft()
        # A proxy, such as flask.request, may raise for any attribute.
        if not isinstance(layer, LocalProxy) and callable(layer) and id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            queue.extend(_inside(layer))


def _inside(layer: Any) -> Iterator[Any]:
    """Yield what a callable wraps: its own view, or what it may call."""
    if isinstance(layer, type):
        return
    values = vars(layer) if hasattr(layer, "__dict__") else {}
    yield from (values[name] for name in ("view_class", "__wrapped__") if name in values)
    if isinstance(layer, functools.partial):
        yield from _loaded([layer.func, *layer.args])
    elif inspect.ismethod(layer):
        yield layer.__func__
    elif inspect.isfunction(layer):
        if "__wrapped__" not in values:
            yield from _loaded(_closure(layer))
    elif not inspect.isbuiltin(layer):  # an object with __call__, such as the lazily loaded view of Flask's documentation
        lazy = [name for name, value in vars(type(layer)).items() if isinstance(value, _CACHED)]
        yield from _loaded([*values.values(), *(_attribute(layer, name) for name in lazy), type(layer).__call__])


_CACHED = (functools.cached_property, cached_property)


def _closure(function: Any) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _attribute(layer: Any, name: str) -> Any:
    try:
        return getattr(layer, name)
    except Exception:  # the site's own code, which will raise again when the view is called
        return None


def _loaded(values: Any) -> Iterator[Any]:
    """Yield the values that are callable, and the objects whose import names are among them."""
    for value in values:
        if callable(value):
            yield value
        elif isinstance(value, str) and _IMPORT_NAME.fullmatch(value):
            yield _imported(value)


def _imported(name: str) -> Any:
    try:
        return import_string(name, silent=True)
    except Exception:  # the site's own code, as above
        return None
