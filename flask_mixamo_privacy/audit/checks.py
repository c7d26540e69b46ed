"""What `flask privacy check` finds: where the declaration, its versions and the code are apart."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from flask import Flask, current_app
from sqlalchemy.orm import registry

from ..collection import notices
from ..config import DEFAULTS
from ..errors import UndeclaredCollection
from ..policy.model import Policy
from ..policy.toml import built_in
from ..rights.rows import columns_of, field_of, undeclared
from ..rights.stores import PersonalStores
from ..storage.clock import days_ago
from ..web.runtime import Runtime

# What `flask privacy check` finds at the app's forms: points without a declaration, and declared ones without a view.

Told = tuple[str, str, str, str]  # of a finding: level, key, what it says, a hint

#: Cookies that forms keep: what each is for, and how long it lives, as it is to be declared.
_COOKIES = {
    "privacy_age": ("session", "That somebody said in this browser to be too young, signed; nothing else."),
    "privacy_licence": ("365 days", "Which version of the licence was accepted in this browser, signed."),
}


def check_forms(app: Flask, policy: Policy) -> Iterator[Told]:
    """Each finding, as the check says it."""
    used = {name for view in app.view_functions.values() for name in _points(view)}
    for name in sorted(used):
        try:
            notices.find_point(policy, name)
        except UndeclaredCollection as error:
            yield "error", f"collection.{name}", str(error), "Nothing is collected there until it is declared."
    for name in _cookies(app, policy):
        if name not in {cookie.name for cookie in policy.cookies}:
            lifetime, says = _COOKIES[name]
            toml = f'[[cookies]]\nname = "{name}"\npurpose = "necessary"\nlifetime = "{lifetime}"\ndescription = "{says}"\n'
            yield "error", f"cookies.{name}", f"Forms set the cookie {name!r}, which is not declared.", f"Add:\n\n{toml}"


def _points(view: object) -> Iterator[str]:
    yield from getattr(view, "privacy_collects", ())
    yield from (point for point, *_ in getattr(view, "privacy_licences", ()))


def _cookies(app: Flask, policy: Policy) -> Iterator[str]:
    """The cookies that this site's forms set, as far as declaration and views tell."""
    if any(notices.AGE_FIELD in (*point.required, *point.optional) for point in policy.collection):
        yield "privacy_age"
    if any(getattr(view, "privacy_licences", ()) for view in app.view_functions.values()):
        yield "privacy_licence"


# The app's SQLAlchemy models, held against what is declared and what a store covers.


def check_models(app: Flask, policy: Policy, stores: PersonalStores) -> Iterator[Told]:
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
    for model, why, hint in store.unbounded_retention() if store.unbounded_retention is not None else ():
        says = f"The model {model} keeps something for a time, and it would stay for ever: {why}."
        yield "error", f"models.{model}.kept_for", says, hint
    for what in ("subject", "export", "erase", "correct"):
        if getattr(store, what) is None:
            says = f"The store {store.name!r} has no {what}; answers will say that it is not covered."
            yield "warning", f"stores.{store.name}.{what}", says, "Give it to privacy.register_store, or see to it by hand."
    if store.erase is not None and not store.supports_before:
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
    app_file = getattr(sys.modules.get(app.import_name), "__file__", None)
    there = getattr(sys.modules.get(model.__module__), "__file__", None)
    if inside or app_file is None or there is None or Path(app_file).name == "__init__.py":
        return False
    return Path(app_file).resolve().parent in Path(there).resolve().parents and "site-packages" not in there


@dataclass(frozen=True)
class CheckFinding:
    """One thing to mend (``error``) or to know (``warning``)."""

    level: str
    key: str
    message: str
    hint: str
    file: str = ""
    line: int = 0  # of the file, from 1

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}{self.level}: {self.message} {self.hint}".rstrip()

    def as_dict(self) -> dict[str, str | int]:
        """For JSON; file and line only where there are any."""
        found = {"level": self.level, "key": self.key, "says": self.message, "hint": self.hint}
        return found | {name: value for name, value in (("file", self.file), ("line", self.line)) if value}


def run_checks(runtime: Runtime) -> list[CheckFinding]:
    """Everything found; what cannot be read at all was an error at the start of the app already."""
    own = (
        _settings, _versions, _purposes, _tracker, _fields, _forms, _mail, _models, _enforcement, _caches, _keys,
        _blocked,
    )  # fmt: skip
    return [finding for look in own for finding in look(runtime)]


def _settings(runtime: Runtime) -> Iterator[CheckFinding]:
    """Settings that have no effect: of a name that there is not, or made after Privacy had read them."""
    for name, value in current_app.config.items():
        if not name.startswith("PRIVACY_"):
            continue
        if name not in DEFAULTS:
            near = get_close_matches(name, DEFAULTS, 1, 0.8)
            hint = f"Did you mean {near[0]}?" if near else "The README lists those there are; take it out."
            yield CheckFinding("error", name, f"There is no setting {name}.", hint)
        elif value != runtime.settings_read.get(name):
            says = f"{name} was set after Privacy(app), and has no effect."  # to what may be a secret
            yield CheckFinding("error", name, says, "Set it before Privacy(app) or privacy.init_app(app).")


def _caches(runtime: Runtime) -> Iterator[CheckFinding]:
    """Views that Flask-Caching keeps: it knows nothing of Vary, and shows one visitor's page to the next."""
    for endpoint, view in current_app.view_functions.items():
        if hasattr(view, "uncached") and hasattr(view, "make_cache_key"):
            says = f"Flask-Caching keeps what the view {endpoint!r} answers, and shows one visitor's answer to the next."
            banner = "" if runtime.settings.cacheable else "where there is a banner without PRIVACY_CACHEABLE, and "
            yield CheckFinding(
                "warning", "caches", says, f"Leave @cache.cached out {banner}where the view asks about consent."
            )


def _versions(runtime: Runtime) -> Iterator[CheckFinding]:
    if runtime.settings.versions_dir is None:
        yield _without_versions(runtime)
        return
    if not runtime.versions.dates():
        yield CheckFinding(
            "error", "version", "No version of the policy was ever frozen.", "Run `flask privacy policy freeze`."
        )
        return
    changed = runtime.versions.drift(runtime.policy)
    if changed:
        says = f"The policy says something else than its version of {runtime.versions.dates()[-1]} ({len(changed)} changes)."
        yield CheckFinding(
            "error", "version", says, "See `flask privacy policy diff`, then run `flask privacy policy freeze`."
        )


def _without_versions(runtime: Runtime) -> CheckFinding:
    if runtime.policy == built_in():
        says, hint = (
            "The site declares no policy of its own; the built-in one holds.",
            "`flask privacy init` writes one to start from.",
        )
    else:
        says, hint = "The policy is built in Python and has no folder for its versions.", "Set PRIVACY_VERSIONS_DIR."
    return CheckFinding("warning", "version", says, hint)


def _purposes(runtime: Runtime) -> Iterator[CheckFinding]:
    policy = runtime.policy
    used = {cookie.purpose for cookie in policy.cookies} | {service.purpose for service in policy.services}
    used |= {purpose for point in policy.collection for purpose in point.purposes}
    used |= {purpose for recipient in policy.recipients for purpose in recipient.purposes}
    for purpose in policy.purposes:
        if purpose.id not in used:
            says = f"Nothing uses the purpose {purpose.id!r}."
            yield CheckFinding(
                "warning", f"purposes.{purpose.id}", says, "Take it out, or name it where data is used for it."
            )


def _tracker(runtime: Runtime) -> Iterator[CheckFinding]:
    """What the tracker keeps in a tab is said like everything else that lies on a visitor's device."""
    counts = any(purpose.id == "statistics" and purpose.optional for purpose in runtime.policy.purposes)
    if counts and "privacy_events" not in {cookie.name for cookie in runtime.policy.cookies}:
        says = "The tracker keeps events in a tab's session storage until the site has them; the policy does not say so."
        hint = 'Add to privacy.toml: [[cookies]] with name = "privacy_events", kind = "session", purpose = "statistics", '
        yield CheckFinding(
            "warning", "cookies", says, hint + 'lifetime = "session" and a description; `flask privacy init` has one.'
        )


def _mail(runtime: Runtime) -> Iterator[CheckFinding]:
    """Whose word is taken for where a mail comes from."""
    if runtime.policy.marketing is not None and runtime.settings.mail_server is None:
        says = "Opt-outs come by mail, and PRIVACY_MAIL_SERVER is not set: the topmost Authentication-Results is believed."
        hint = "Set it to the name under which your mail server writes that header."
        yield CheckFinding("warning", "marketing", says, hint)


def _fields(runtime: Runtime) -> Iterator[CheckFinding]:
    policy = runtime.policy
    used = {name for point in policy.collection for name in (*point.required, *point.optional)}
    for field in policy.fields:
        if field.name not in used:
            yield CheckFinding(
                "warning", f"fields.{field.name}", f"No form asks for the field {field.name!r}.", "Take it out."
            )


def _forms(runtime: Runtime) -> Iterator[CheckFinding]:
    """What the app's views collect."""
    for told in check_forms(current_app, runtime.policy):
        yield CheckFinding(*told)


def _models(runtime: Runtime) -> Iterator[CheckFinding]:
    """Personal data in the site's own database."""
    for told in check_models(current_app, runtime.policy, runtime.rights.stores):
        yield CheckFinding(*told)


def _enforcement(runtime: Runtime) -> Iterator[CheckFinding]:
    if runtime.policy.services and runtime.settings.csp != "enforce":
        says = f"The policy names services, and PRIVACY_CSP is {runtime.settings.csp!r}: nothing hard-coded is refused."
        yield CheckFinding(
            "warning", "services", says, 'Set it to "report-only", look here for what is reported, then to "enforce".'
        )


def _keys(runtime: Runtime) -> Iterator[CheckFinding]:
    named = runtime.ledger.keys_named()
    for key_id in sorted(named.difference(runtime.keys) if named else ()):  # no file of keys is made to look at nothing
        says = f"Entries of the ledger name the key {key_id!r}, and PRIVACY_KEYS has it no more: they cannot be verified."
        yield CheckFinding(
            "error", "PRIVACY_KEYS", says, "Put the key back: a key that a row still names cannot be dropped."
        )


def _blocked(runtime: Runtime) -> Iterator[CheckFinding]:
    """What browsers reported within the last month; anybody can report, so it is to be looked at, not believed."""
    since = days_ago(30)
    told = dict.fromkeys((block.directive, block.host, block.page) for block in runtime.blocked_loads.entries(since))
    for directive, host, page in told:
        says = f"Browsers refused {host!r} by {directive} on {page or 'a page that is none of the routes'}."
        hint = (
            "Declare it under [[services]] and gate it, or take it out of the page; what visitors did not grant is refused."
        )
        yield CheckFinding("warning", "host-not-declared", says, hint)
