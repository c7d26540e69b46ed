"""The checks of `flask privacy check`: the declaration compared with its versions, the settings and the app's code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask, current_app

from ..collection import notices
from ..config import DEFAULTS
from ..errors import ForeignKeys, LedgerUnavailable, UndeclaredCollection
from ..policy.model import Policy
from ..policy.toml import built_in
from ..reports.formatting import counted
from ..storage.clock import days_ago
from ..tracking.backlog import check_copy, check_hosts, check_servers
from ..web.http import configured_base_url
from ..web.other_extensions import is_cached
from ..web.runtime import Runtime
from ..web.startup import ROUTE_HINT, hidden_routes, route_message, unknown_settings
from ..web.view_marks import find_marks
from .model_checks import Finding, check_models

# The result.


@dataclass(frozen=True)
class CheckFinding:
    """An error, or a warning, of the check."""

    level: str  # "error" or "warning"
    key: str
    message: str
    hint: str
    file: str = ""
    line: int = 0  # of the file, from 1

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}{self.level}: {self.message} {self.hint}".rstrip()

    def as_dict(self) -> dict[str, str | int]:
        """Return the finding for JSON, with file and line if it has them."""
        fields = {"level": self.level, "key": self.key, "says": self.message, "hint": self.hint}
        return fields | {name: value for name, value in (("file", self.file), ("line", self.line)) if value}


def run_checks(runtime: Runtime) -> list[CheckFinding]:
    """Return all findings. A declaration that cannot be read has raised an error when the app started."""
    checks = (
        _settings, _proxy, _routes, _versions, check_controller, _purposes, _tracker, _fields, _forms, _mail, _enforcement,
        _caches, _keys, _blocked,
    )  # fmt: skip
    return [finding for check in checks for finding in check(runtime)]


# Forms: collection points without a declaration, and undeclared cookies that forms set.

#: Lifetime and description, in a declaration, of each cookie that a form may set.
_COOKIES = {
    "privacy_age": ("session", "Remembers that a visitor of this browser is too young, signed; nothing else."),
    "privacy_licence": ("365 days", "Remembers which version of the licence was accepted in this browser, signed."),
}


def check_forms(app: Flask, policy: Policy) -> Iterator[Finding]:
    """Yield the collection points that are not declared, and the undeclared cookies that forms set."""
    used = {name for view in app.view_functions.values() for name in _points(view)}
    for name in sorted(used):
        try:
            notices.find_point(policy, name)
        except UndeclaredCollection as error:
            yield "error", f"collection.{name}", str(error), "Until then, nothing is collected there."
    for name in _cookies(app, policy):
        if name not in {cookie.name for cookie in policy.cookies}:
            lifetime, text = _COOKIES[name]
            toml = f'[[cookies]]\nname = "{name}"\npurpose = "necessary"\nlifetime = "{lifetime}"\ndescription = "{text}"\n'
            yield "error", f"cookies.{name}", f"Forms set the cookie {name!r}, which is not declared.", f"Add:\n\n{toml}"


def _points(view: object) -> Iterator[str]:
    for _, points in find_marks(view, "privacy_collects"):
        yield from points
    for _, requirements in find_marks(view, "privacy_licences"):
        yield from (point for point, *_ in requirements)


def _cookies(app: Flask, policy: Policy) -> Iterator[str]:
    """Yield the cookies that the site's forms set, according to its declaration and views."""
    if any(notices.AGE_FIELD in (*point.required, *point.optional) for point in policy.collection):
        yield "privacy_age"
    if any(any(find_marks(view, "privacy_licences")) for view in app.view_functions.values()):
        yield "privacy_licence"


# Settings, versions, and the rest of the declaration.


def _settings(runtime: Runtime) -> Iterator[CheckFinding]:
    """Report settings without effect: an unknown name, or a value that was set too late. Report settings that weaken."""
    for name, near in unknown_settings(current_app.config):
        hint = f"Did you mean {near}?" if near else "Remove it; docs/settings.md lists all settings."
        yield CheckFinding("error", name, f"There is no setting {name}.", hint)
    for name, value in current_app.config.items():
        if name in DEFAULTS and value != runtime.settings_read.get(name):
            message = f"{name} was set after Privacy(app), and has no effect."  # without the value, which may be a secret
            yield CheckFinding("error", name, message, "Set it before Privacy(app) or privacy.init_app(app).")
    if domain := runtime.settings.cookie_domain:
        message = f"PRIVACY_COOKIE_DOMAIN is {domain!r}, so a page on any subdomain of it can plant a consent cookie."
        hint = "Leave it unset, unless subdomains share one decision and you trust every page on all of them."
        yield CheckFinding("warning", "PRIVACY_COOKIE_DOMAIN", message, hint)
    if runtime.settings.min_cell == 1:
        message = "PRIVACY_MIN_CELL is 1, so a report shows what a single visitor did, and rows of today at once."
        hint = (
            "Set 5, unless whoever reads the reports may read the events too. "
            "If the setting was larger before, run `flask privacy rebuild` to show what was suppressed."
        )
        yield CheckFinding("warning", "PRIVACY_MIN_CELL", message, hint)


def _proxy(runtime: Runtime) -> Iterator[CheckFinding]:
    """Report a proxy that the app does not know. A warning only, because a client can send its headers too."""
    number = sum(count for day, count in runtime.forwarded.days().items() if day >= days_ago(30))
    if number:
        message = (
            f"{counted(number, 'request')} in 30 days came by a proxy, and the app does not know the visitors' addresses."
        )
        hint = "Wrap app.wsgi_app in Werkzeug's ProxyFix; see docs/deployment.md. Until then, no limit by network applies."
        yield CheckFinding("warning", "proxy", message, hint)


def _routes(runtime: Runtime) -> Iterator[CheckFinding]:
    """Report routes of the site that replace one of the extension's, or are replaced by it."""
    for path, answers, hidden in dict.fromkeys(hidden_routes(current_app)):
        yield CheckFinding("error", "PRIVACY_URL_PREFIX", route_message(path, answers, hidden), ROUTE_HINT)


def _caches(runtime: Runtime) -> Iterator[CheckFinding]:
    """Report views that Flask-Caching caches. It ignores Vary, so one visitor's page is served to others."""
    for endpoint, view in current_app.view_functions.items():
        if is_cached(view):
            message = f"Flask-Caching caches the view {endpoint!r}, and serves one visitor's response to others."
            banner = "" if runtime.settings.cacheable else "from views with a banner, unless PRIVACY_CACHEABLE is set, and "
            yield CheckFinding("warning", "caches", message, f"Remove @cache.cached {banner}from views that use consent.")


def _versions(runtime: Runtime) -> Iterator[CheckFinding]:
    if runtime.settings.versions_dir is None:
        yield _without_versions(runtime)
        return
    if not runtime.versions.dates():
        message = "No version of the policy has been frozen."
        yield CheckFinding("error", "version", message, "Run `flask privacy policy freeze`.")
        return
    changed = runtime.versions.drift(runtime.policy)
    if changed:
        newest = runtime.versions.dates()[-1]
        message = f"The policy differs from its version of {newest} ({counted(len(changed), 'change')})."
        hint = "See `flask privacy policy diff`, then run `flask privacy policy freeze`."
        yield CheckFinding("error", "version", message, hint)


def _without_versions(runtime: Runtime) -> CheckFinding:
    if runtime.policy == built_in():
        message = "The site has no declaration, so the built-in policy applies."
        hint = "Run `flask privacy init` to write one."
    else:
        message = "The policy is built in Python, and PRIVACY_VERSIONS_DIR is not set, so no version can be frozen."
        hint = "Set PRIVACY_VERSIONS_DIR to a folder."
    return CheckFinding("warning", "version", message, hint)


def check_controller(runtime: Runtime) -> Iterator[CheckFinding]:
    """Report a policy that does not identify the controller (GDPR Art. 13(1)(a)), or has the start file's examples."""
    policy, contact = runtime.policy, runtime.policy.contact
    if contact is None:
        message = "The policy names no controller and no contact."
        hint = (
            "Visitors must learn who is responsible for their data: add [contact] with name and email of who runs the site."
        )
        yield CheckFinding("warning", "contact", message, hint)
    elif _EXAMPLE.search(contact.email) or not re.search(r"\w", contact.name):
        message = f"The contact of the policy is an example: {contact.about}."
        hint = "Set contact.name and contact.email to those of the person or company that runs the site."
        yield CheckFinding("warning", "contact", message, hint)
    if policy.site == built_in().site:
        message = f"The policy calls the site {policy.site!r}, so it does not name the site that visitors use."
        yield CheckFinding("warning", "site.name", message, "Set site.name to the site's name.")


_EXAMPLE = re.compile(r"[@.]example\.(com|net|org)$", re.IGNORECASE)  # reserved by RFC 2606


def _purposes(runtime: Runtime) -> Iterator[CheckFinding]:
    policy = runtime.policy
    used = {cookie.purpose for cookie in policy.cookies} | {service.purpose for service in policy.services}
    used |= {purpose for point in policy.collection for purpose in point.purposes}
    used |= {purpose for recipient in policy.recipients for purpose in recipient.purposes}
    for purpose in policy.purposes:
        if purpose.id not in used:
            message = f"Nothing uses the purpose {purpose.id!r}."
            hint = "Remove it, or name it in a cookie, service, collection point or recipient."
            yield CheckFinding("warning", f"purposes.{purpose.id}", message, hint)


def _tracker(runtime: Runtime) -> Iterator[CheckFinding]:
    """Report the tracker's session storage if it is not declared."""
    counts = any(purpose.id == "statistics" and purpose.optional for purpose in runtime.policy.purposes)
    if counts and "privacy_events" not in {cookie.name for cookie in runtime.policy.cookies}:
        message = "The tracker stores events in session storage until they are sent; the policy does not declare it."
        hint = (
            'Add to privacy.toml: [[cookies]] with name = "privacy_events", kind = "session", purpose = "statistics", '
            'lifetime = "session" and a description, as `flask privacy init` writes it.'
        )
        yield CheckFinding("warning", "cookies", message, hint)


def _mail(runtime: Runtime) -> Iterator[CheckFinding]:
    """Report requests and opt-ins that get no mail, and an inbox that cannot verify the sender of a mail."""
    key, problem = "requests", runtime.mailer.problem
    hint = "Until then, /requests shows the contact instead of the form, and no request that came by mail is confirmed."
    if not (problem or configured_base_url() or current_app.config.get("TRUSTED_HOSTS") or current_app.testing):
        key, problem = "PRIVACY_BASE_URL", "The links in mails need the site's base URL, which is unknown."
        hint = 'Set PRIVACY_BASE_URL, such as "https://shop.example".'
    if problem and runtime.policy.requests is not None:
        yield CheckFinding("error", key, problem, hint)
    if problem and runtime.settings.confirm_opt_ins != "never" and any(p.ask == "form" for p in runtime.policy.purposes):
        message = "No link in a mail confirms an opt-in by a form, so a visitor can subscribe another person."
        hint = f'{problem} Set PRIVACY_CONFIRM_OPT_INS to "never" if your site has confirmed the addresses itself. '
        hint += "The policy page then promises no link."
        yield CheckFinding("warning", "PRIVACY_CONFIRM_OPT_INS", message, hint)
    if runtime.policy.marketing is not None and runtime.settings.mail_server is None:
        message = "PRIVACY_MAIL_SERVER is not set, so `flask privacy inbox` trusts the topmost Authentication-Results."
        hint = "Set it to the name that your mail server writes into this header."
        yield CheckFinding("warning", "marketing", message, hint)


def _fields(runtime: Runtime) -> Iterator[CheckFinding]:
    policy = runtime.policy
    used = {name for point in policy.collection for name in (*point.required, *point.optional)}
    for field in policy.fields:
        if field.name not in used:
            message = f"No collection point asks for the field {field.name!r}."
            yield CheckFinding("warning", f"fields.{field.name}", message, "Remove it, or add it to a collection point.")


def _forms(runtime: Runtime) -> Iterator[CheckFinding]:
    """Report findings about forms, personal data in the site's own database, and hosts and servers of events."""
    models = check_models(current_app, runtime.policy, runtime.rights.stores)
    store = runtime.store
    events = (*check_hosts(store, runtime.settings.log_dir), *check_servers(store), *check_copy(store))
    for finding in (*check_forms(current_app, runtime.policy), *models, *events):
        yield CheckFinding(*finding)


def _enforcement(runtime: Runtime) -> Iterator[CheckFinding]:
    if runtime.policy.services and runtime.settings.csp != "enforce":
        message = f"The policy declares services, and PRIVACY_CSP is {runtime.settings.csp!r}, so a hard-coded load passes."
        hint = 'Set it to "report-only", check the reports with this command, then set it to "enforce".'
        yield CheckFinding("warning", "services", message, hint)


def _keys(runtime: Runtime) -> Iterator[CheckFinding]:
    """Report keys that are missing, unreadable or not shared by all hosts."""
    settings = runtime.settings
    urls = (settings.ledger_url, settings.books_url, settings.rights_url)
    if settings.keys is None and any(url.startswith("postgresql") for url in urls):
        message = "A database is on a server and PRIVACY_KEYS is not set, so each host would generate keys of its own."
        hint = f"Copy the keys from {settings.keys_file} into PRIVACY_KEYS, and set it on every host."
        yield CheckFinding("warning", "PRIVACY_KEYS", message, hint)
    try:
        runtime.keys.check_file()
        named = runtime.ledger.keys_named()
    except OSError as error:
        yield CheckFinding("error", "PRIVACY_KEYS", str(error), "")
        return
    except LedgerUnavailable as error:
        if not isinstance(error.__cause__, ForeignKeys):
            raise
        yield CheckFinding("error", "PRIVACY_KEYS", str(error.__cause__), "")
        return
    # Without entries no key is needed, so the key file is not created for this check.
    for key_id in sorted(named.difference(runtime.keys) if named else ()):
        message = f"Entries of the ledger name the key {key_id!r}, which PRIVACY_KEYS lacks: they cannot be verified."
        hint = "Add the key again, on every host. A key that an entry names must be kept."
        yield CheckFinding("error", "PRIVACY_KEYS", message, hint)


def _blocked(runtime: Runtime) -> Iterator[CheckFinding]:
    """Report the loads that browsers refused in the last month. A warning only, because a report can be forged."""
    since = days_ago(30)
    loads = dict.fromkeys((block.directive, block.host, block.page) for block in runtime.blocked_loads.entries(since))
    for directive, host, page in loads:
        message = f"Browsers refused {host!r} by {directive} on {page or 'a page without a route'}."
        hint = "Declare it under [[services]] and gate it, or remove it. A load without consent is refused as well."
        yield CheckFinding("warning", "host-not-declared", message, hint)
