"""The app's SQLAlchemy models, held against what is declared and what a store covers."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.orm import registry

from ..policy.model import Policy
from ..rights.columns import columns_of, field_of, undeclared
from ..rights.stores import Stores

Told = tuple[str, str, str, str]  # level, key, what is found, what to do


def told_of_models(app: Flask, policy: Policy, stores: Stores) -> Iterator[Told]:
    """Columns that look personal and are not declared; models with declared fields that no store covers; stores that
    cannot do what may be asked of them."""
    names = {model: store.names for store in stores for model in store.models}
    for model in sorted({*_models_of(app), *names}, key=lambda model: model.__name__):
        for column in undeclared(model, policy, names.get(model, {})):
            says = f"The model {model.__name__} has the column {column!r}, which looks personal, and no field declares it."
            hint = f'Add [[fields]] with name = "{column}", or say info={{"privacy": "…"}} on the column, or False.'
            yield "error", f"models.{model.__name__}.{column}", says, hint
        if model not in names and any(field_of(name, column, policy, {}) for name, column in columns_of(model)):
            says = f"The model {model.__name__} holds declared fields, and no store covers it: nothing of it is erased."
            yield "error", f"models.{model.__name__}", says, "Name it in privacy.register_models(…)."
    for store in stores:
        yield from _told_of(store)


def _told_of(store: Any) -> Iterator[Told]:
    for model, why, hint in store.endless() if store.endless is not None else ():
        says = f"The model {model} keeps something for a time, and it would stay for ever: {why}."
        yield "error", f"models.{model}.kept_for", says, hint
    for what in ("subject", "export", "erase", "correct"):
        if getattr(store, what) is None:
            says = f"The store {store.name!r} has no {what}; answers will say that it is not covered."
            yield "warning", f"stores.{store.name}.{what}", says, "Give it to privacy.register_store, or see to it by hand."
    if store.erase is not None and not store.tells_ages:
        says = f"The erase of the store {store.name!r} takes no before; after a restore it is left to you."
        yield "warning", f"stores.{store.name}.erase", says, "Give it a parameter named before, a moment."


def _models_of(app: Flask) -> Iterator[Any]:
    """The models of Flask-SQLAlchemy, and every one that lies where the app does: in its package, or in a module beside
    it. However a model is declared, it is in a registry."""
    base: Any = getattr(app.extensions.get("sqlalchemy"), "Model", None)
    if base is not None:
        yield from (mapper.class_ for mapper in base.registry.mappers)
    for found in [one for one in gc.get_objects() if issubclass(type(one), registry)]:
        yield from (mapper.class_ for mapper in found.mappers if _is_of(app, mapper.class_))


def _is_of(app: Flask, model: type) -> bool:
    """Whether a model is the app's own: of its package or, where the app is a module by itself, of its folder."""
    package, _, inside = app.import_name.partition(".")
    if model.__module__.partition(".")[0] == package:
        return True
    here = getattr(sys.modules.get(app.import_name), "__file__", None)
    there = getattr(sys.modules.get(model.__module__), "__file__", None)
    if inside or here is None or there is None or Path(here).name == "__init__.py":
        return False
    return Path(here).resolve().parent in Path(there).resolve().parents and "site-packages" not in there
