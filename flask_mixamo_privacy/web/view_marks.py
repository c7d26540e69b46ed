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

from flask import Blueprint, Flask
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
                # A method that calls super() keeps the mark of the base class, so those of all base classes count.
                found = (vars(base).get(method) for base in layer.__mro__)
                marks = (_attribute(inner, name) for view in found for inner in _layers(view))
                if (mark := next((mark for mark in marks if isinstance(mark, _MARKS)), None)) is not None:
                    yield "" if method == "dispatch_request" else method.upper(), mark


def _layers(view: Any) -> Iterator[Any]:
    """Yield a view and the callables inside it, the outermost first."""
    queue, seen = deque([view]), set[int]()
    while queue and len(seen) < _MOST:
        layer = queue.popleft()
        # A proxy, such as flask.request, may raise for any attribute. An app or a blueprint has the other views too.
        if not isinstance(layer, LocalProxy | Flask | Blueprint) and callable(layer) and id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            queue.extend(_inside(layer))


def _inside(layer: Any) -> Iterator[Any]:
    """Yield what a callable wraps: its own view, or what it may call."""
    if isinstance(layer, type):
        return
    values = _values_of(layer)
    yield from (values[name] for name in ("view_class", "__wrapped__") if name in values)
    if isinstance(layer, functools.partial):
        yield from _loaded([layer.func, *layer.args, *layer.keywords.values()])
    elif inspect.ismethod(layer):
        yield layer.__func__
        yield from _loaded(_values_of(layer.__self__).values())
    elif inspect.isfunction(layer):
        if "__wrapped__" not in values:
            defaults = [*(layer.__defaults__ or ()), *(layer.__kwdefaults__ or {}).values()]
            yield from _loaded([*_closure(layer), *defaults])
    elif not inspect.isbuiltin(layer):  # an object with __call__, such as the lazily loaded view of Flask's documentation
        lazy = [name for name, value in vars(type(layer)).items() if isinstance(value, _CACHED)]
        yield from _loaded([*values.values(), *(_attribute(layer, name) for name in lazy), type(layer).__call__])


def _values_of(layer: Any) -> dict[str, Any]:
    """Return the attributes of an object itself, also those in slots."""
    if isinstance(layer, LocalProxy | Flask | Blueprint | type):
        return {}
    own = vars(layer) if hasattr(layer, "__dict__") else {}
    slots = [getattr(base, "__slots__", ()) for base in type(layer).__mro__]
    names = [name for found in slots for name in ([found] if isinstance(found, str) else found)]
    return {**{name: _attribute(layer, name) for name in names if name != "__weakref__"}, **own}


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
    """Yield the values that are callable, those in lists and mappings, and the objects that import names name."""
    for value in values:
        if type(value) in (list, tuple, set, dict):
            yield from filter(callable, value.values() if type(value) is dict else value)
        elif callable(value):
            yield value
        elif isinstance(value, str) and _IMPORT_NAME.fullmatch(value):
            yield _imported(value)


def _imported(name: str) -> Any:
    try:
        return import_string(name, silent=True)
    except Exception:  # the site's own code, as above
        return None
