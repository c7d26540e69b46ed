"""The check of models: personal columns without a declaration, models without a store, and incomplete stores."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.orm import registry

from ..policy.model import Policy
from ..rights.rows import columns_of, field_of, undeclared
from ..rights.stores import PersonalStores
from ..web.other_extensions import extension_of

Finding = tuple[str, str, str, str]  # level, key, message, hint


def check_models(app: Flask, policy: Policy, stores: PersonalStores) -> Iterator[Finding]:
    """Yield the findings about the app's SQLAlchemy models and the stores of personal data."""
    names = {model: store.names for store in stores for model in store.models}
    for model in sorted({*_models_of(app), *names}, key=lambda model: model.__name__):
        for column in undeclared(model, policy, names.get(model, {})):
            message = (
                f"The model {model.__name__} has the column {column!r}, which looks personal, and no field declares it."
            )
            hint = (
                f'Add [[fields]] with name = "{column}". Or give the column info={{"privacy": "email"}} if it holds that '
                'field, or info={"privacy": False} if it holds no personal data.'
            )
            yield "error", f"models.{model.__name__}.{column}", message, hint
        if model not in names and any(field_of(name, column, policy, {}) for name, column in columns_of(model)):
            message = f"The model {model.__name__} has declared fields and no store, so an erasure does not cover it."
            yield "error", f"models.{model.__name__}", message, "Add it to privacy.register_models(…)."
    for store in stores:
        yield from _check_store(store)


def _check_store(store: Any) -> Iterator[Finding]:
    for model, reason, hint in store.unbounded_retention() if store.unbounded_retention is not None else ():
        message = f"The model {model} keeps data for a period that never ends: {reason}."
        yield "error", f"models.{model}.kept_for", message, hint
    for action in ("subject", "export", "erase", "correct"):
        if getattr(store, action) is None:
            message = f"The store {store.name!r} has no {action}; answers will list it as not covered."
            hint = "Pass it to privacy.register_store, or do it by hand for each request."
            yield "warning", f"stores.{store.name}.{action}", message, hint
    if store.erase is not None and not store.supports_before:
        message = f"The erase of the store {store.name!r} has no parameter before, so a restore cannot replay erasures."
        hint = "Add a parameter named before, a time; or erase by hand after each restore."
        yield "warning", f"stores.{store.name}.erase", message, hint


def _models_of(app: Flask) -> Iterator[Any]:
    """Yield the models of Flask-SQLAlchemy, and every model in the app's package or in a module beside the app.

    Every SQLAlchemy registry is searched, because each way to declare a model uses one.
    """
    flask_sqlalchemy = extension_of(app, "sqlalchemy", "flask_sqlalchemy")
    if flask_sqlalchemy is not None:
        yield from (mapper.class_ for mapper in flask_sqlalchemy.Model.registry.mappers)
    for models in [one for one in gc.get_objects() if issubclass(type(one), registry)]:
        yield from (mapper.class_ for mapper in models.mappers if _belongs_to(app, mapper.class_))


def _belongs_to(app: Flask, model: type) -> bool:
    """Return whether a model is in the app's package, or in its folder if the app is a single module."""
    package, _, submodule = app.import_name.partition(".")
    if model.__module__.partition(".")[0] == package:
        return True
    app_file = getattr(sys.modules.get(app.import_name), "__file__", None)
    model_file = getattr(sys.modules.get(model.__module__), "__file__", None)
    if submodule or app_file is None or model_file is None or Path(app_file).name == "__init__.py":
        return False
    return Path(app_file).resolve().parent in Path(model_file).resolve().parents and "site-packages" not in model_file
