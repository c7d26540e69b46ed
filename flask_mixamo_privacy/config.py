"""The ``PRIVACY_*`` settings: one table of names, defaults, checks and descriptions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import PurePath
from typing import Any

from .errors import SettingError
from .i18n.site_catalogues import Languages, read_languages
from .policy import toml
from .policy.clickhouse_url import books_of, clickhouse_or, or_none
from .policy.model import Policy
from .policy.setting_checks import (
    ESCAPED,
    LAST_PORT,
    Check,
    ConfigValue,
    by_name,
    function,
    is_address,
    keys,
    locale,
    matching,
    one_of,
    staff_pages,
    timezone,
    token,
    url,
    url_prefix,
    valid,
    whole_number,
)
from .policy.versions import declared_policy

_DATABASES = "sqlite:////absolute/path, or postgresql+psycopg://user@host/database"
# As SQLAlchemy splits a URL: a password ends at its first @. So the rest of a password with another one looks like a host.
_split_server = re.compile(
    r"[^:]+://([^:/]*(:[^@]*)?@)?(\[[^/?\]]+\]|[^/:?@]*)(:(?P<port>[0-9]{0,5}))?([/?].*)?", re.DOTALL
).fullmatch
_SQLITE = "sqlite:///"  # an absolute path follows: /srv/file, or C:/file on Windows


def database_url(filename: str) -> Check:
    """Return a check for the URL of a database. None is this file in the instance folder."""

    def check(setting: ConfigValue) -> str:
        value = setting.value
        if value is None:
            return _SQLITE + PurePath(setting.instance_path, filename).as_posix()
        text = value if isinstance(value, str) else ""
        is_file = (path := text.removeprefix(_SQLITE)) != text and (path.startswith("/") or PurePath(path).is_absolute())
        if not is_file and not text.startswith(("postgresql+psycopg://", "postgresql://")):
            hint = "Set one of these: a relative or in-memory database would differ in each process."
            raise setting.error(_DATABASES, hint)
        if not is_file and not _has_host(text):
            hint = f"Correct the name of the host, or its port, which is at most {LAST_PORT}. {ESCAPED}"
            raise setting.error(_DATABASES, hint)
        # SQLAlchemy reads a bare postgresql:// as psycopg2; this package requires psycopg 3.
        return re.sub(r"^postgresql://", "postgresql+psycopg://", text)

    return check


def _has_host(url: str) -> bool:
    """Return whether the host and the port of a URL of PostgreSQL can exist. Both may be left out."""
    found = _split_server(url)
    return found is not None and 0 < int(found["port"] or LAST_PORT) <= LAST_PORT


def folder(name: str | None = None) -> Check:
    """Return a check for the path of a folder. With a name, the default is this folder in the instance folder."""

    def check(setting: ConfigValue) -> str | None:
        value = setting.value
        if value is None:
            return os.path.join(setting.instance_path, name) if name else None
        path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
        if not isinstance(path, str) or not os.path.isabs(path):
            hint = "Set one, so that the path does not depend on the folder in which a process was started."
            raise setting.error("an absolute path", hint)
        return path

    return check


def translations(setting: ConfigValue) -> Languages:
    """Return the translators, with the site's own catalogues: by default those in ``translations`` in the root folder."""
    value = "translations" if setting.value is None else setting.value
    path = os.path.join(setting.root_path, os.fspath(value)) if isinstance(value, str | os.PathLike) else ""
    if setting.value is not None and not os.path.isdir(path):
        raise setting.error(
            "the path of a folder", "Create it, with de/LC_MESSAGES/mixamo_privacy.po in it, or leave it out."
        )
    return read_languages(setting.name, path)


def isp_database(setting: ConfigValue) -> str | None:
    path: str | None = folder()(setting)
    if path is not None and find_spec("maxminddb") is None:
        raise setting.error("None while maxminddb is not installed", "Run pip install Flask-Mixamo-Privacy[isp].")
    return path


def policy_or_path(setting: ConfigValue) -> Policy | str | None:
    """Return the policy or the path of its declaration: by default ``privacy.toml`` in the root folder, if it exists."""
    value = setting.value
    if value is None:
        path = os.path.join(setting.root_path, toml.NAME)
        return path if os.path.exists(path) else None
    if isinstance(value, Policy):
        return value
    path = os.path.join(setting.root_path, os.fspath(value)) if isinstance(value, str | os.PathLike) else ""
    if not os.path.isfile(path):
        hint = "Write one with `flask privacy init`, or leave the setting out to use the built-in policy."
        raise setting.error("the path of a privacy.toml, or a Policy", hint)
    return path


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One row of the table."""

    name: str
    default: Any
    check: Check
    sentence: str


def _row(name: str, default: Any, check: Check, sentence: str) -> Any:
    return field(metadata={"row": SettingRow(name, default, check, sentence)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The validated settings of one app. A field with a row is a setting."""

    policy_file: str | None  # None for a Policy in Python and for the built-in policy
    keys_file: str

    # fmt: off
    policy: Policy = _row("PRIVACY_POLICY", None, policy_or_path,
        "The declaration: a path, relative to the app's root folder, or a Policy. "
        "None is privacy.toml in that folder, or else the built-in policy.")
    versions_dir: str | None = _row("PRIVACY_VERSIONS_DIR", None, folder(),
        "The folder of the policy's frozen versions: an absolute path. Commit this folder. "
        "None is privacy-versions beside privacy.toml.")
    locale: str | Callable[[], str | None] | None = _row("PRIVACY_LOCALE", None, locale,
        'The language for visitors: a code such as "de", or a callable without arguments that returns one. '
        "None uses Flask-Babel, or else the browser.")
    languages: Languages = _row("PRIVACY_TRANSLATIONS", None, translations,
        "The folder of the site's own catalogues. None is translations in the app's root folder.")
    url_prefix: str = _row("PRIVACY_URL_PREFIX", "/privacy", url_prefix,
        "The URL prefix of the extension's pages: a path with a leading slash and no trailing slash.")
    events_url: str = _row("PRIVACY_EVENTS_URL", None, clickhouse_or(database_url("privacy-events.sqlite")),
        "The database of events. None is privacy-events.sqlite in the instance folder.")
    books_url: str = _row("PRIVACY_BOOKS_URL", None, or_none(database_url("")),
        "The database of cursors, erasures and published reports. Required if events are in ClickHouse. "
        "Otherwise leave it out: None is PRIVACY_EVENTS_URL.")
    ledger_url: str = _row("PRIVACY_LEDGER_URL", None, database_url("privacy-ledger.sqlite"),
        "The database of the ledger. None is privacy-ledger.sqlite in the instance folder. "
        "Never restore it from a backup.")
    rights_url: str = _row("PRIVACY_DATABASE_URL", None, database_url("privacy-rights.sqlite"),
        "The database of data subject requests and marketing preferences. "
        "None is privacy-rights.sqlite in the instance folder.")
    base_url: str | None = _row("PRIVACY_BASE_URL", None, url(("https", "http"), "https://shop.example"),
        'The site\'s URL for links in mails, such as "https://shop.example". '
        "None uses SERVER_NAME, or the request's host if TRUSTED_HOSTS is set. "
        "In debug mode a loopback host counts too.")
    send: Callable[..., Any] | None = _row("PRIVACY_SEND", None,
        function("It is called with each mail, an email.message.EmailMessage.", "a mail"),
        "A callable `(email.message.EmailMessage)` that sends a mail. It takes precedence over PRIVACY_SMTP_URL.")
    smtp_url: str | None = _row("PRIVACY_SMTP_URL", None, url(("smtp", "smtps"), "smtp://user:password@mail.example:587"),
        "The mail server: `smtp://user:password@host:587` or `smtps://…`. "
        "With None and no PRIVACY_SEND, no mail is sent.")
    mail_from: str | None = _row("PRIVACY_MAIL_FROM", None,
        matching(r"[^@\s<>]+@[^@\s<>]+", "a mail address", "The default is the policy's contact."),
        "The sender of the extension's mails. None is the policy's contact.")
    confirm_opt_ins: Any = _row("PRIVACY_CONFIRM_OPT_INS", "always", one_of("always", "visitors", "never"),
        'Whether an opt-in by a form waits for a link in a mail: "always", '
        'for "visitors" who are not logged in, or "never". '
        "Choose one of the last two only if your site has confirmed the addresses itself.")
    mail_server: str | None = _row("PRIVACY_MAIL_SERVER", None,
        matching(r"[A-Za-z0-9._-]+", 'a name such as "mx.shop.example"',
                 "Copy it from the start of the Authentication-Results header of a received mail."),
        "The receiving mail server's name in Authentication-Results. None trusts the topmost such header.")
    mail_aside: str = _row("PRIVACY_MAIL_ASIDE", None, folder("privacy-mail-aside"),
        "The folder for copies of unreadable messages. None is privacy-mail-aside in the instance folder.")
    log_dir: str = _row("PRIVACY_LOG_DIR", None, folder("privacy-log"),
        "The folder of the append-only log, on a local and writable disk. "
        "None is privacy-log in the instance folder.")
    log_keep: int = _row("PRIVACY_LOG_KEEP", 0, whole_number(0),
        "The days for which a log file is kept after all its lines were loaded. "
        "An erasure removes the erased visitor's lines from kept files too.")
    log_most: int = _row("PRIVACY_LOG_MOST", 2 << 30, whole_number(1),
        "The largest size of all log files together, in bytes. "
        "Beyond it, events are refused and counted until some files are loaded. "
        "Files that PRIVACY_LOG_KEEP keeps are deleted early if they take half of this size.")
    loader: bool = _row("PRIVACY_LOADER", True, one_of(True, False),
        "Whether serving processes do the background work. "
        "They load the log, prune once a day, and send the mails of requests. "
        "Set False if `flask privacy load --follow` runs.")
    keys: Mapping[str, str] | None = _row("PRIVACY_KEYS", None, keys,
        'The secrets for keyed hashes, by id, the newest last: `{"2026": "a secret of 16 characters or more"}`. '
        "None is the file privacy-keys.json beside the ledger, created on first use.")
    banner: str = _row("PRIVACY_BANNER", "bar", one_of("bar", "card", "sheet"),
        'The banner\'s layout: a "bar" at the bottom, a "card" in a corner, or a "sheet" in the middle of the bottom.')
    cacheable: bool = _row("PRIVACY_CACHEABLE", False, one_of(False, True),
        "Whether shared caches may store pages with the banner. The pages are then identical for all visitors. "
        "An uncached script, page.js, adds each visitor's own part.")
    cookie_secure: bool | None = _row("PRIVACY_COOKIE_SECURE", None, one_of(None, True, False),
        "Whether cookies are Secure and have the prefix `__Host-`. None follows the scheme of each request.")
    cookie_domain: str | None = _row("PRIVACY_COOKIE_DOMAIN", None,
        matching(r"\.?[a-z0-9-]+(\.[a-z0-9-]+)+", "a domain name in lower case, or None",
                 'Set, for example, "example.com" to share one decision among its subdomains.'),
        'The Domain of the cookies, such as "example.com", for one decision on several subdomains. '
        "Their prefix is then `__Secure-`. None restricts them to the host.")
    cookie_name: str = _row("PRIVACY_COOKIE_NAME", "privacy",
        valid(lambda value: re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,31}", str(value)), "up to 32 letters, digits, _ and -"),
        'How the names of the cookies begin: "shop" makes `privacy_consent` `shop_consent`. '
        "Set it if two apps share a host, such as on two ports of localhost.")
    cookie_path: str | None = _row("PRIVACY_COOKIE_PATH", None,
        matching(r"/|(/[A-Za-z0-9._~%-]+)+", 'a path such as "/shop", or None', "Leave it out to use the mount's own path."),
        "The Path of the cookies. None is the path at which the app is mounted, so that apps on one host do not compete. "
        '"/" shares one decision among the mounts of apps with the same SECRET_KEY and policy.')
    csp: str = _row("PRIVACY_CSP", "off", one_of("off", "report-only", "enforce"),
        "Whether each page has a Content-Security-Policy that matches the visitor's grants: "
        '"off", "report-only" or "enforce".')
    csp_nonce: Callable[[], str | None] | None = _row("PRIVACY_CSP_NONCE", None,
        function("It is called for each tag that this extension writes."),
        "A callable without arguments that returns the nonce of the site's own policy. "
        "None uses that of Flask-Talisman, if there is one.")
    inline_style: bool = _row("PRIVACY_INLINE_STYLE", True, one_of(True, False),
        "Whether pages contain the banner's style, if their policy allows it. False always links it; see docs/theming.md.")
    undeclared_cookies: str = _row("PRIVACY_UNDECLARED_COOKIES", "log", one_of("log", "strip"),
        "What happens in production to a cookie of the app that is undeclared or not granted. "
        '"log" logs an error; "strip" also removes the cookie from the response. In tests it is an error.')
    min_cell: int = _row("PRIVACY_MIN_CELL", 5, whole_number(1),
        "The smallest number of visitors behind a value in a report. "
        "1 suppresses nothing: rows of today appear at once, and the policy page states it.")
    timezone: str = _row("PRIVACY_TIMEZONE", "UTC", timezone,
        'The time zone of the days in reports, as in the IANA database: "Europe/Berlin".')
    isp_database: str | None = _row("PRIVACY_ISP_DATABASE", None, isp_database,
        "A MaxMind database (.mmdb) of internet providers: an absolute path. It needs the extra `[isp]`. "
        "None records no provider.")
    logged_in: Callable[[], bool] | None = _row("PRIVACY_LOGGED_IN", None,
        function("It is called once for each page view with consent."),
        "A callable without arguments that returns whether a user is logged in. "
        "None uses Flask-Login, if the app uses it.")
    staff: Callable[[Any, str], bool] | None = _row("PRIVACY_STAFF", None,
        function("It is called with the user and the need for each access.", "user and need"),
        'A callable `(user, need)` that returns whether this Flask-Login user has the need, such as "reports". '
        "None grants no user access.")
    staff_pages: Mapping[str, tuple[str, Any]] = _row("PRIVACY_STAFF_PAGES", {}, staff_pages,
        'The site\'s own pages for staff, for their navigation: `{"orders.everything": ("support", "Orders")}` '
        "names an endpoint, the need and the title.")
    public_reports: bool = _row("PRIVACY_PUBLIC_REPORTS", False, one_of(False, True),
        "Whether every visitor may read the reports of closed months, at /privacy/reports/public.")
    weekly_report: tuple[str, ...] = _row("PRIVACY_WEEKLY_REPORT", (),
        valid(lambda value: isinstance(value, list | tuple) and all(map(is_address, value)), "a list of mail addresses",
              "Name the staff who asked for it. A serving process mails them each week once it has closed.", convert=tuple),
        "The mail addresses of staff who asked for the numbers of each closed week. Set it on one host.")
    health_token: str | None = _row("PRIVACY_HEALTH_TOKEN", None, token,
        "The token with which a monitor reads /privacy/health: at least 16 letters and digits. "
        'None lets only staff with the need "health" read it.')
    audit_logins: Mapping[str, str | Callable[..., Any]] = _row("PRIVACY_AUDIT_LOGINS", {},
        by_name("an id of a user, or a callable with a page"),
        "For the audit: the users for whom it signs in, by a name. "
        "Each is a user's id in Flask-Login, or an async callable `(page)`.")
    audit_examples: Mapping[str, str] = _row("PRIVACY_AUDIT_EXAMPLES", {}, by_name("a text", may_call=False),
        "For the audit: values for arguments of the URL map, by the argument's name.")
    audit_steps: tuple[Callable[..., Any], ...] = _row("PRIVACY_AUDIT_STEPS", (),
        valid(lambda value: isinstance(value, list | tuple) and all(map(callable, value)), "a list of callables",
              "Each is called with a page, after all pages were visited.", convert=tuple),
        "For the audit: async callables `(page)` for what visitors do besides opening pages, such as choosing a theme.")
    assets_dir: str | None = _row("PRIVACY_ASSETS_DIR", None, folder(),
        "The folder of the built CSS and JavaScript: an absolute path. "
        "None is a private folder in the system's temporary folder.")
    # fmt: on


#: The row of each setting, by the name of its field.
ROWS: dict[str, SettingRow] = {field.name: field.metadata["row"] for field in fields(Settings) if field.metadata}

#: The default of each setting, by the setting's name.
DEFAULTS = {row.name: row.default for row in ROWS.values()}

#: The settings of an isolated app: it uses none of the site's databases, log files and mail servers.
ISOLATED_SETTINGS: dict[str, Any] = {
    "PRIVACY_EVENTS_URL": None, "PRIVACY_BOOKS_URL": None, "PRIVACY_LEDGER_URL": None, "PRIVACY_DATABASE_URL": None,
    "PRIVACY_LOG_DIR": None, "PRIVACY_MAIL_ASIDE": None, "PRIVACY_SMTP_URL": None, "PRIVACY_SEND": lambda mail: None,
    "PRIVACY_LOADER": False,
}  # fmt: skip
_isolated_folder: ContextVar[str | None] = ContextVar("isolated_folder", default=None)

#: A test run's function of an app's config and instance path. It returns those that the app then uses.
in_tests: Callable[[dict[str, Any], str], tuple[dict[str, Any], str]] | None = None


@contextmanager
def isolated(folder: str) -> Iterator[None]:
    """Isolate the apps that are initialised in this block: they keep their files in this folder, and send no mail."""
    token = _isolated_folder.set(folder)
    try:
        yield
    finally:
        _isolated_folder.reset(token)


def read(config: dict[str, Any], instance_path: str, root_path: str) -> Settings:
    """Set the defaults, and return the validated settings.

    Raises :class:`SettingError` for the first invalid setting, and :class:`PolicyError` with every problem of the policy.
    """
    for name, default in DEFAULTS.items():
        config.setdefault(name, copy(default))  # an app may add to a mapping
    if (folder := _isolated_folder.get()) is not None:
        config, instance_path = {**config, **ISOLATED_SETTINGS}, folder
    elif in_tests is not None:
        config, instance_path = in_tests(config, instance_path)
    if not config.get("SECRET_KEY"):
        hint = "Set it before Privacy(app), because it signs the privacy cookies. "
        hint += "Generate one: python -c 'import secrets; print(secrets.token_hex())'."
        raise SettingError("SECRET_KEY", config.get("SECRET_KEY"), "a long random text", hint)
    folders = (instance_path, root_path)
    values = {key: row.check(ConfigValue(row.name, config[row.name], row.default, *folders)) for key, row in ROWS.items()}
    path = values["policy"] if isinstance(values["policy"], str) else None
    if path:
        toml.watch(path)
    values["versions_dir"] = values["versions_dir"] or (path and os.path.join(os.path.dirname(path), "privacy-versions"))
    values["policy"] = declared_policy(values["policy"], values["versions_dir"])
    values["books_url"] = books_of(values["events_url"], values["books_url"])
    ledger_file = values["ledger_url"].removeprefix(_SQLITE) if values["ledger_url"].startswith(_SQLITE) else ""
    keys_file = os.path.join(os.path.dirname(ledger_file) or instance_path, "privacy-keys.json")
    return Settings(policy_file=path, keys_file=keys_file, **values)
