"""Every ``PRIVACY_*`` setting: its default, what it may be, and one sentence on what it does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import aside, declaration, setting
from .errors import SettingError
from .language import SHIPPED
from .model import Policy
from .versions import versions_in

DEFAULTS: dict[str, Any] = {
    # What the site declares: a path, or a Policy. None is privacy.toml beside the app, else the built-in policy.
    "PRIVACY_POLICY": None,
    # The folder of the policy's frozen versions; None is privacy-versions beside privacy.toml.
    "PRIVACY_VERSIONS_DIR": None,
    # The language of our words: a code, or a callable that gives one; None asks Flask-Babel, else the browser.
    "PRIVACY_LOCALE": None,
    # Where the extension's own pages live.
    "PRIVACY_URL_PREFIX": "/privacy",
    # The database of events (traffic); None is privacy-events.sqlite in the instance folder.
    "PRIVACY_EVENTS_URL": None,
    # The database of decisions; None is privacy-ledger.sqlite in the instance folder. Never roll it back.
    "PRIVACY_LEDGER_URL": None,
    # The database of requests for one's rights; None is privacy-rights.sqlite in the instance folder.
    "PRIVACY_DATABASE_URL": None,
    # Where the site is, such as "https://shop.example", for links in mails; None takes SERVER_NAME, or TRUSTED_HOSTS.
    "PRIVACY_BASE_URL": None,
    # A callable (email.message.EmailMessage) -> None that sends a mail; None sends by PRIVACY_SMTP_URL.
    "PRIVACY_SEND": None,
    # The mail server: smtp://user:password@host:587, or smtps://…; None, and no PRIVACY_SEND: no mail goes out.
    "PRIVACY_SMTP_URL": None,
    # The sender of our mails; None is the policy's contact.
    "PRIVACY_MAIL_FROM": None,
    # The name under which the receiving mail server writes Authentication-Results; None believes the topmost.
    "PRIVACY_MAIL_SERVER": None,
    # The folder of copies of the messages that could not be read; None is privacy-mail-aside in the instance folder.
    "PRIVACY_MAIL_ASIDE": None,
    # The folder of the append-only log files; None is privacy-log in the instance folder. A local disk, writable.
    "PRIVACY_LOG_DIR": None,
    # Days a log file is kept after every line of it was loaded.
    "PRIVACY_LOG_KEEP": 0,
    # Whether a serving process may load the log in the background; False where `flask privacy load --follow` runs.
    "PRIVACY_LOADER": True,
    # Secrets by id, the newest last, for keyed hashes; None is a file made beside the ledger when one is first needed.
    "PRIVACY_KEYS": None,
    # Whether pages with the banner may be kept by shared caches: they are the same for everybody, and a script that no
    # cache keeps brings each visitor's own part.
    "PRIVACY_CACHEABLE": False,
    # Whether cookies are Secure and carry the __Host- prefix; None follows the scheme of each request.
    "PRIVACY_COOKIE_SECURE": None,
    # The cookies' Domain, for one decision over several subdomains; None keeps them to the host.
    "PRIVACY_COOKIE_DOMAIN": None,
    # Whether a Content-Security-Policy made of the visitor's grants goes with every page: "off", "report-only" or "enforce".
    "PRIVACY_CSP": "off",
    # A callable () -> str that gives the nonce of the site's own policy; None looks where Flask-Talisman keeps it.
    "PRIVACY_CSP_NONCE": None,
    # What becomes of a cookie that the app sets undeclared or ungranted, besides an error in tests: "log" or "strip".
    "PRIVACY_UNDECLARED_COOKIES": "log",
    # The least number of visitors behind any value that a report shows.
    "PRIVACY_MIN_CELL": 5,
    # The time zone in which reports begin and end their days, as in the IANA database: "Europe/Berlin".
    "PRIVACY_TIMEZONE": "UTC",
    # A MaxMind database (.mmdb) of internet providers; None records no provider.
    "PRIVACY_ISP_DATABASE": None,
    # A callable () -> bool that says whether somebody is logged in; None asks Flask-Login where it is installed.
    "PRIVACY_LOGGED_IN": None,
    # A callable (user, need) -> bool: whether this user of Flask-Login's needs to look at "reports"; None lets nobody.
    "PRIVACY_STAFF": None,
    # Who signs in for `flask privacy audit`, by a name: a user's id as Flask-Login knows it, or an async callable (page).
    "PRIVACY_AUDIT_LOGINS": {},
    # For the audit: values for arguments of the URL map, by the argument's name.
    "PRIVACY_AUDIT_EXAMPLES": {},
    # For the audit: async callables (page) that do what visitors may do besides looking, such as choosing a theme.
    "PRIVACY_AUDIT_STEPS": (),
    # The folder of the built CSS and JavaScript; None is a folder of this user's below the system's temporary folder.
    "PRIVACY_ASSETS_DIR": None,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one app, checked."""

    policy: Policy
    policy_file: str | None  # the declaration's, where it is one
    versions_dir: str | None
    locale: str | Callable[[], str | None] | None
    url_prefix: str
    events_url: str
    ledger_url: str
    rights_url: str
    base_url: str | None
    send: Callable[..., Any] | None
    smtp_url: str | None
    mail_from: str | None
    mail_server: str | None
    mail_aside: str
    log_dir: str
    log_keep: int
    loader: bool
    keys: Mapping[str, str] | None
    keys_file: str
    cacheable: bool
    cookie_secure: bool | None
    cookie_domain: str | None
    csp: str
    csp_nonce: Callable[[], str | None] | None
    undeclared_cookies: str
    min_cell: int
    timezone: str
    isp_database: str | None
    logged_in: Callable[[], bool] | None
    staff: Callable[[Any, str], bool] | None
    audit_logins: Mapping[str, str | Callable[..., Any]]
    audit_examples: Mapping[str, str]
    audit_steps: tuple[Callable[..., Any], ...]
    assets_dir: str | None


def read(config: dict[str, Any], instance_path: str, root_path: str) -> Settings:
    """Fill in the defaults and return the checked settings.

    Raises :class:`SettingError` on the first that cannot work, :class:`PolicyError` with all that is wrong in the policy.
    """
    for name, default in DEFAULTS.items():
        config.setdefault(name, default)
    if (folder := aside.folder()) is not None:
        config, instance_path = {**config, **aside.SETTINGS}, folder

    def one_of(name: str, *allowed: Any) -> Any:
        return setting.one_of(config, name, allowed, DEFAULTS[name])

    def whole_number(name: str, least: int) -> int:
        return setting.whole_number(config, name, least, DEFAULTS[name])

    _check_secret_key(config)
    ledger_url = setting.database_url(config, "PRIVACY_LEDGER_URL", instance_path, "privacy-ledger.sqlite")
    path = _policy_path(config, root_path)
    versions = setting.folder(config, "PRIVACY_VERSIONS_DIR") or (
        path and os.path.join(os.path.dirname(path), "privacy-versions")
    )
    return Settings(
        policy=_policy(config, path, versions),
        policy_file=path,
        versions_dir=versions,
        locale=_locale(config),
        url_prefix=setting.url_prefix(config),
        events_url=setting.database_url(config, "PRIVACY_EVENTS_URL", instance_path, "privacy-events.sqlite"),
        ledger_url=ledger_url,
        rights_url=setting.database_url(config, "PRIVACY_DATABASE_URL", instance_path, "privacy-rights.sqlite"),
        base_url=setting.url(config, "PRIVACY_BASE_URL", ("https", "http"), "https://shop.example"),
        send=setting.function(
            config, "PRIVACY_SEND", "It is called with each mail, an email.message.EmailMessage.", "a mail"
        ),
        smtp_url=setting.url(config, "PRIVACY_SMTP_URL", ("smtp", "smtps"), "smtp://user:password@mail.example:587"),
        mail_from=setting.matching(
            config, "PRIVACY_MAIL_FROM", r"[^@\s<>]+@[^@\s<>]+", "a mail address", "The contact is the default."
        ),
        mail_server=setting.matching(
            config,
            "PRIVACY_MAIL_SERVER",
            r"[A-Za-z0-9._-]+",
            'a name such as "mx.shop.example"',
            "The Authentication-Results of any mail it took in begins with it.",
        ),
        mail_aside=setting.folder(config, "PRIVACY_MAIL_ASIDE") or os.path.join(instance_path, "privacy-mail-aside"),
        log_dir=setting.folder(config, "PRIVACY_LOG_DIR") or os.path.join(instance_path, "privacy-log"),
        log_keep=whole_number("PRIVACY_LOG_KEEP", 0),
        loader=one_of("PRIVACY_LOADER", True, False),
        keys=setting.keys(config),
        keys_file=os.path.join(setting.folder_of(ledger_url) or instance_path, "privacy-keys.json"),
        cacheable=one_of("PRIVACY_CACHEABLE", False, True),
        cookie_secure=one_of("PRIVACY_COOKIE_SECURE", None, True, False),
        cookie_domain=setting.cookie_domain(config),
        csp=one_of("PRIVACY_CSP", "off", "report-only", "enforce"),
        csp_nonce=setting.function(config, "PRIVACY_CSP_NONCE", "It is called for each tag that this extension writes."),
        undeclared_cookies=one_of("PRIVACY_UNDECLARED_COOKIES", "log", "strip"),
        min_cell=whole_number("PRIVACY_MIN_CELL", 2),
        timezone=setting.timezone(config),
        isp_database=setting.isp_database(config),
        logged_in=setting.function(config, "PRIVACY_LOGGED_IN", "It is called once a consented page view."),
        staff=setting.function(
            config, "PRIVACY_STAFF", "It is called with the user and the need at each look.", "user and need"
        ),
        audit_logins=setting.by_name(config, "PRIVACY_AUDIT_LOGINS", "an id of a user, or a callable with a page"),
        audit_examples=setting.by_name(config, "PRIVACY_AUDIT_EXAMPLES", "a text", may_call=False),
        audit_steps=setting.functions(
            config, "PRIVACY_AUDIT_STEPS", "Each is called with a page, after the others are seen."
        ),
        assets_dir=setting.folder(config, "PRIVACY_ASSETS_DIR"),
    )


def _check_secret_key(config: dict[str, Any]) -> None:
    if not config.get("SECRET_KEY"):
        raise SettingError(
            "SECRET_KEY",
            config.get("SECRET_KEY"),
            "a long random text",
            "The privacy cookies are signed with it, so set it before Privacy(app): "
            "python -c 'import secrets; print(secrets.token_hex())' makes one.",
        )


def _policy_path(config: dict[str, Any], root_path: str) -> str | None:
    """The declaration's file: the one that is set, or the one beside the app."""
    value = config["PRIVACY_POLICY"]
    if value is None:
        beside = os.path.join(root_path, declaration.NAME)
        return beside if os.path.exists(beside) else None
    if isinstance(value, Policy):
        return None
    path = os.path.join(root_path, os.fspath(value)) if isinstance(value, str | os.PathLike) else None
    if path is None or not os.path.isfile(path):
        hint = "`flask privacy init` writes one to start from; without any the built-in policy holds."
        raise SettingError("PRIVACY_POLICY", value, "the path of a privacy.toml, or a Policy", hint)
    return path


def _policy(config: dict[str, Any], path: str | None, versions: str | None) -> Policy:
    value = config["PRIVACY_POLICY"]
    policy = value if isinstance(value, Policy) else declaration.read(path) if path else declaration.built_in()
    newest = max(versions_in(versions), default="") if versions else ""
    return replace(policy, version=newest) if newest else policy


def _locale(config: dict[str, Any]) -> Any:
    value = config["PRIVACY_LOCALE"]
    if value is not None and not callable(value) and value not in SHIPPED:
        hint = "Left out, Flask-Babel is asked where it is installed, else the browser."
        raise SettingError("PRIVACY_LOCALE", value, f"a callable, or one of: {', '.join(SHIPPED)}", hint)
    return value
