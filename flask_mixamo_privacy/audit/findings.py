"""What `flask privacy check` finds: where the declaration, its versions and the code are apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import get_close_matches

from flask import current_app

from ..config import DEFAULTS
from ..policy.declaration import built_in
from ..storage.moments import days_ago
from ..web.site import Site
from .modelling import told_of_models
from .told_of_forms import told_of_forms


@dataclass(frozen=True)
class Finding:
    """One thing to mend (``error``) or to know (``warning``)."""

    level: str
    key: str
    says: str
    hint: str
    file: str = ""
    line: int = 0  # of the file, from 1

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}{self.level}: {self.says} {self.hint}".rstrip()

    def as_dict(self) -> dict[str, str | int]:
        """For JSON; file and line only where there are any."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("file", "line")}


def check(here: Site) -> list[Finding]:
    """Everything found; what cannot be read at all was an error at the start of the app already."""
    own = (
        _settings, _versions, _purposes, _tracker, _fields, _forms, _mail, _models, _enforcement, _caches, _keys,
        _blocked,
    )  # fmt: skip
    return [finding for look in own for finding in look(here)]


def _settings(here: Site) -> Iterator[Finding]:
    """Settings that have no effect: of a name that there is not, or made after Privacy had read them."""
    for name, value in current_app.config.items():
        if not name.startswith("PRIVACY_"):
            continue
        if name not in DEFAULTS:
            near = get_close_matches(name, DEFAULTS, 1, 0.8)
            hint = f"Did you mean {near[0]}?" if near else "The README lists those there are; take it out."
            yield Finding("error", name, f"There is no setting {name}.", hint)
        elif value != here.read_from.get(name):
            says = f"{name} was set after Privacy(app), and has no effect."  # to what may be a secret
            yield Finding("error", name, says, "Set it before Privacy(app) or privacy.init_app(app).")


def _caches(here: Site) -> Iterator[Finding]:
    """Views that Flask-Caching keeps: it knows nothing of Vary, and shows one visitor's page to the next."""
    for endpoint, view in current_app.view_functions.items():
        if hasattr(view, "uncached") and hasattr(view, "make_cache_key"):
            says = f"Flask-Caching keeps what the view {endpoint!r} answers, and shows one visitor's answer to the next."
            banner = "" if here.settings.cacheable else "where there is a banner without PRIVACY_CACHEABLE, and "
            yield Finding("warning", "caches", says, f"Leave @cache.cached out {banner}where the view asks about consent.")


def _versions(here: Site) -> Iterator[Finding]:
    if here.settings.versions_dir is None:
        yield _without_versions(here)
        return
    if not here.versions.dates():
        yield Finding("error", "version", "No version of the policy was ever frozen.", "Run `flask privacy policy freeze`.")
        return
    changed = here.versions.drift(here.policy)
    if changed:
        says = f"The policy says something else than its version of {here.versions.dates()[-1]} ({len(changed)} changes)."
        yield Finding("error", "version", says, "See `flask privacy policy diff`, then run `flask privacy policy freeze`.")


def _without_versions(here: Site) -> Finding:
    if here.policy == built_in():
        says, hint = (
            "The site declares no policy of its own; the built-in one holds.",
            "`flask privacy init` writes one to start from.",
        )
    else:
        says, hint = "The policy is built in Python and has no folder for its versions.", "Set PRIVACY_VERSIONS_DIR."
    return Finding("warning", "version", says, hint)


def _purposes(here: Site) -> Iterator[Finding]:
    policy = here.policy
    used = {cookie.purpose for cookie in policy.cookies} | {service.purpose for service in policy.services}
    used |= {purpose for point in policy.collection for purpose in point.purposes}
    used |= {purpose for recipient in policy.recipients for purpose in recipient.purposes}
    for purpose in policy.purposes:
        if purpose.id not in used:
            says = f"Nothing uses the purpose {purpose.id!r}."
            yield Finding("warning", f"purposes.{purpose.id}", says, "Take it out, or name it where data is used for it.")


def _tracker(here: Site) -> Iterator[Finding]:
    """What the tracker keeps in a tab is said like everything else that lies on a visitor's device."""
    counts = any(purpose.id == "statistics" and purpose.optional for purpose in here.policy.purposes)
    if counts and "privacy_events" not in {cookie.name for cookie in here.policy.cookies}:
        says = "The tracker keeps events in a tab's session storage until the site has them; the policy does not say so."
        hint = 'Add to privacy.toml: [[cookies]] with name = "privacy_events", kind = "session", purpose = "statistics", '
        yield Finding(
            "warning", "cookies", says, hint + 'lifetime = "session" and a description; `flask privacy init` has one.'
        )


def _mail(here: Site) -> Iterator[Finding]:
    """Whose word is taken for where a mail comes from."""
    if here.policy.marketing is not None and here.settings.mail_server is None:
        says = "Opt-outs come by mail, and PRIVACY_MAIL_SERVER is not set: the topmost Authentication-Results is believed."
        hint = "Set it to the name under which your mail server writes that header."
        yield Finding("warning", "marketing", says, hint)


def _fields(here: Site) -> Iterator[Finding]:
    policy = here.policy
    used = {name for point in policy.collection for name in (*point.required, *point.optional)}
    for field in policy.fields:
        if field.name not in used:
            yield Finding("warning", f"fields.{field.name}", f"No form asks for the field {field.name!r}.", "Take it out.")


def _forms(here: Site) -> Iterator[Finding]:
    """What the app's views collect."""
    for told in told_of_forms(current_app, here.policy):
        yield Finding(*told)


def _models(here: Site) -> Iterator[Finding]:
    """Personal data in the site's own database."""
    for told in told_of_models(current_app, here.policy, here.rights.stores):
        yield Finding(*told)


def _enforcement(here: Site) -> Iterator[Finding]:
    if here.policy.services and here.settings.csp != "enforce":
        says = f"The policy names services, and PRIVACY_CSP is {here.settings.csp!r}: nothing hard-coded is refused."
        yield Finding(
            "warning", "services", says, 'Set it to "report-only", look here for what is reported, then to "enforce".'
        )


def _keys(here: Site) -> Iterator[Finding]:
    named = here.ledger.keys_named()
    for key_id in sorted(named.difference(here.keys) if named else ()):  # no file of keys is made to look at nothing
        says = f"Entries of the ledger name the key {key_id!r}, and PRIVACY_KEYS has it no more: they cannot be verified."
        yield Finding("error", "PRIVACY_KEYS", says, "Put the key back: a key that a row still names cannot be dropped.")


def _blocked(here: Site) -> Iterator[Finding]:
    """What browsers reported within the last month; anybody can report, so it is to be looked at, not believed."""
    since = days_ago(30)
    told = dict.fromkeys((block.directive, block.host, block.page) for block in here.blocked.entries(since))
    for directive, host, page in told:
        says = f"Browsers refused {host!r} by {directive} on {page or 'a page that is none of the routes'}."
        hint = (
            "Declare it under [[services]] and gate it, or take it out of the page; what visitors did not grant is refused."
        )
        yield Finding("warning", "host-not-declared", says, hint)
