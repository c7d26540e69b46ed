"""Every ``PRIVACY_*`` setting in one table: its name, its default, its check and one sentence about its effect."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from typing import Any
from zoneinfo import ZoneInfo

from .errors import SettingError
from .i18n.language import SHIPPED
from .policy import toml
from .policy.model import Policy
from .policy.versions import versions_in

# The checks of settings. Each returns the setting's value, or raises :class:`SettingError` with the next step.


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """The value that a site gave to one setting, and the folders of its app."""

    name: str
    value: Any
    default: Any
    instance_path: str
    root_path: str

    def error(self, allowed: str, hint: str) -> SettingError:
        """The error to raise. A password in the value's address is not repeated."""
        value = self.value
        if isinstance(value, str):
            value = re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", value)
        return SettingError(self.name, value, allowed, hint)


Check = Callable[[ConfigValue], Any]


def valid(
    is_valid: Callable[[Any], object], allowed: str, hint: str = "", *, convert: Callable[[Any], Any] = lambda value: value
) -> Check:
    """A check by one condition. Without a hint, the error states the default."""

    def check(given: ConfigValue) -> Any:
        if not is_valid(given.value):
            raise given.error(allowed, hint or f"The default is {given.default}.")
        return convert(given.value)

    return check


def one_of(*allowed: Any) -> Check:
    return valid(
        lambda value: any(value is one or (isinstance(one, str) and value == one) for one in allowed),
        ", ".join(map(str, allowed)),
    )


def whole_number(least: int) -> Check:
    return valid(lambda value: type(value) is int and value >= least, f"a whole number of at least {least}")


def matching(pattern: str, allowed: str, hint: str) -> Check:
    """A text that matches the whole pattern, or None."""
    return valid(lambda value: value is None or (isinstance(value, str) and re.fullmatch(pattern, value)), allowed, hint)


def url(schemes: tuple[str, ...], example: str) -> Check:
    """An address with one of these schemes, or None."""
    fits = re.compile(rf"({'|'.join(schemes)})://[^?#\s]+").fullmatch
    return valid(
        lambda value: value is None or (isinstance(value, str) and fits(value)),
        f"such as {example}",
        "Leave it out to do without.",
        convert=lambda value: value.rstrip("/") if value else None,
    )


def function(hint: str, takes: str = "") -> Check:
    arguments = f"with {takes} as its arguments" if takes else "without arguments"
    return valid(lambda value: value is None or callable(value), f"a callable {arguments}, or None", hint)


def functions(hint: str) -> Check:
    return valid(
        lambda value: isinstance(value, list | tuple) and all(map(callable, value)),
        "a list of callables",
        hint,
        convert=tuple,
    )


def by_name(each: str, *, may_call: bool = True) -> Check:
    """A mapping of names to texts or, unless ``may_call`` is False, to callables."""

    def is_valid(value: Any) -> bool:
        return isinstance(value, Mapping) and all(
            isinstance(key, str) and (isinstance(one, str) or (may_call and callable(one))) for key, one in value.items()
        )

    return valid(is_valid, f"a mapping of names, each to {each}", "Leave it out to do without.", convert=dict)


url_prefix = valid(
    lambda value: isinstance(value, str) and re.fullmatch(r"(/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)+", value),
    "a path with a leading and no trailing slash",
    'The default is "/privacy".',
)
cookie_domain = matching(
    r"\.?[a-z0-9-]+(\.[a-z0-9-]+)+",
    "a domain name in lower case, or None",
    'For example "example.com", to share one decision among its subdomains.',
)
locale = valid(
    lambda value: value is None or callable(value) or value in SHIPPED,
    f"a callable, or one of: {', '.join(SHIPPED)}",
    "Left out, Flask-Babel is asked where it is installed, else the browser.",
)


def database_url(filename: str) -> Check:
    """The address of a database; None is this file in the instance folder."""

    def check(given: ConfigValue) -> str:
        value = given.value
        if value is None:
            return "sqlite:///" + os.path.join(given.instance_path, filename)
        if not isinstance(value, str) or not value.startswith(("sqlite:////", "postgresql+psycopg://", "postgresql://")):
            raise given.error(
                "sqlite:////absolute/path, or postgresql+psycopg://user@host/database",
                "A relative or in-memory database would be another one in each process.",
            )
        # SQLAlchemy reads a bare postgresql:// as psycopg2; this package ships with psycopg 3.
        return re.sub(r"^postgresql://", "postgresql+psycopg://", value)

    return check


def folder_of(url: str) -> str | None:
    return os.path.dirname(url.removeprefix("sqlite:///")) if url.startswith("sqlite:////") else None


def folder(name: str | None = None) -> Check:
    """The path of a folder; None is the folder of this name in the instance folder, if there is one by default."""

    def check(given: ConfigValue) -> str | None:
        value = given.value
        if value is None:
            return os.path.join(given.instance_path, name) if name else None
        path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
        if not isinstance(path, str) or not os.path.isabs(path):
            raise given.error("an absolute path", "Where a process was started must not change where data goes.")
        return path

    return check


def keys(given: ConfigValue) -> Mapping[str, str] | None:
    value = given.value
    if value is None:
        return None
    good = isinstance(value, Mapping) and value and all(_is_key(k, v) for k, v in value.items())
    if not good:
        shown = sorted(value) if isinstance(value, Mapping) else type(value).__name__
        hint = 'For example {"2026": "…"}; add a new one at the end to rotate, and keep the old ones.'
        raise SettingError(given.name, shown, "a mapping of short ids to secrets of 16 characters or more", hint)
    return dict(value)


def _is_key(key_id: object, secret: object) -> bool:
    named = isinstance(key_id, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,32}", key_id) is not None
    return named and isinstance(secret, str) and len(secret) >= 16


def timezone(given: ConfigValue) -> str:
    try:
        return ZoneInfo(given.value).key
    except (TypeError, ValueError, LookupError, OSError):
        allowed = 'a name of the IANA time zone database, such as "UTC" or "Europe/Berlin"'
        raise given.error(allowed, "Where the system has no such database, pip install tzdata.") from None


def isp_database(given: ConfigValue) -> str | None:
    path: str | None = folder()(given)
    if path is None:
        return None
    try:
        import maxminddb  # noqa: F401
    except ImportError:
        hint = "Install the reader: pip install Flask-Mixamo-Privacy[isp]."
        raise given.error("None while maxminddb is not installed", hint) from None
    return path


# Keeps what an app writes out of its usual place for as long as somebody only looks at it.

_FOLDER: ContextVar[str | None] = ContextVar("folder", default=None)

#: What holds in place of an app's own settings: its databases, its log and its mail are left alone.
SETTINGS: dict[str, Any] = {
    "PRIVACY_EVENTS_URL": None,
    "PRIVACY_LEDGER_URL": None,
    "PRIVACY_DATABASE_URL": None,
    "PRIVACY_LOG_DIR": None,
    "PRIVACY_LOADER": False,
    "PRIVACY_SEND": lambda mail: None,
    "PRIVACY_SMTP_URL": None,
    "PRIVACY_MAIL_ASIDE": None,
}


@contextmanager
def isolated(folder: str) -> Iterator[None]:
    """Apps that are initialised meanwhile keep the extension's files in this folder, and send no mail."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def isolated_folder() -> str | None:
    """The folder, if apps are to keep their files aside."""
    return _FOLDER.get()


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting."""

    name: str
    default: Any
    check: Check
    sentence: str


def _row(name: str, default: Any, check: Check, sentence: str) -> Any:
    return field(metadata={"row": SettingRow(name, default, check, sentence)})


def _policy_or_path(given: ConfigValue) -> Policy | str | None:
    """The policy, or the path of the declaration: the one that is set, or the one beside the app."""
    value = given.value
    if value is None:
        beside = os.path.join(given.root_path, toml.NAME)
        return beside if os.path.exists(beside) else None
    if isinstance(value, Policy):
        return value
    path = os.path.join(given.root_path, os.fspath(value)) if isinstance(value, str | os.PathLike) else None
    if path is None or not os.path.isfile(path):
        hint = "`flask privacy init` writes one to start from; without any the built-in policy holds."
        raise given.error("the path of a privacy.toml, or a Policy", hint)
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one app, checked. Each field with a row is the setting that the row names."""

    policy_file: str | None  # of the declaration, unless it is a Policy or the built-in one
    keys_file: str

    # fmt: off
    policy: Policy = _row(
        "PRIVACY_POLICY", None, _policy_or_path,
        "What the site declares: a path, or a Policy. None is privacy.toml beside the app, else the built-in policy.")
    versions_dir: str | None = _row(
        "PRIVACY_VERSIONS_DIR", None, folder(),
        "The folder of the policy's frozen versions; None is privacy-versions beside privacy.toml.")
    locale: str | Callable[[], str | None] | None = _row(
        "PRIVACY_LOCALE", None, locale,
        "The language of our words: a code, or a callable that returns one; None asks Flask-Babel, else the browser.")
    url_prefix: str = _row(
        "PRIVACY_URL_PREFIX", "/privacy", url_prefix,
        "Where the extension's own pages are.")
    events_url: str = _row(
        "PRIVACY_EVENTS_URL", None, database_url("privacy-events.sqlite"),
        "The database of events (traffic); None is privacy-events.sqlite in the instance folder.")
    ledger_url: str = _row(
        "PRIVACY_LEDGER_URL", None, database_url("privacy-ledger.sqlite"),
        "The database of decisions; None is privacy-ledger.sqlite in the instance folder. Never roll it back.")
    rights_url: str = _row(
        "PRIVACY_DATABASE_URL", None, database_url("privacy-rights.sqlite"),
        "The database of data subject requests; None is privacy-rights.sqlite in the instance folder.")
    base_url: str | None = _row(
        "PRIVACY_BASE_URL", None, url(("https", "http"), "https://shop.example"),
        'Where the site is, such as "https://shop.example", for links in mails; None takes SERVER_NAME, or TRUSTED_HOSTS.')
    send: Callable[..., Any] | None = _row(
        "PRIVACY_SEND", None, function("It is called with each mail, an email.message.EmailMessage.", "a mail"),
        "A callable (email.message.EmailMessage) -> None that sends a mail; None sends by PRIVACY_SMTP_URL.")
    smtp_url: str | None = _row(
        "PRIVACY_SMTP_URL", None, url(("smtp", "smtps"), "smtp://user:password@mail.example:587"),
        "The mail server: smtp://user:password@host:587, or smtps://…; None, and no PRIVACY_SEND: no mail is sent.")
    mail_from: str | None = _row(
        "PRIVACY_MAIL_FROM", None, matching(r"[^@\s<>]+@[^@\s<>]+", "a mail address", "The contact is the default."),
        "The sender of our mails; None is the policy's contact.")
    mail_server: str | None = _row(
        "PRIVACY_MAIL_SERVER", None, matching(r"[A-Za-z0-9._-]+", 'a name such as "mx.shop.example"',
                         "The Authentication-Results of any mail it took in begins with it."),
        "The name under which the receiving mail server writes Authentication-Results; None believes the topmost.")
    mail_aside: str = _row(
        "PRIVACY_MAIL_ASIDE", None, folder("privacy-mail-aside"),
        "The folder of copies of the messages that could not be read; None is privacy-mail-aside in the instance folder.")
    log_dir: str = _row(
        "PRIVACY_LOG_DIR", None, folder("privacy-log"),
        "The folder of the append-only log files; None is privacy-log in the instance folder. A local disk, writable.")
    log_keep: int = _row(
        "PRIVACY_LOG_KEEP", 0, whole_number(0),
        "Days a log file is kept after every line of it was loaded.")
    loader: bool = _row(
        "PRIVACY_LOADER", True, one_of(True, False),
        "Whether a serving process may load the log in the background; False where `flask privacy load --follow` runs.")
    keys: Mapping[str, str] | None = _row(
        "PRIVACY_KEYS", None, keys,
        "Secrets by id, the newest last, for keyed hashes; None is a file made beside the ledger when one is first needed.")
    cacheable: bool = _row(
        "PRIVACY_CACHEABLE", False, one_of(False, True),
        "Whether shared caches may keep pages with the banner: they are the same for every visitor, and a script that no "
        "cache keeps brings each visitor's own part.")
    cookie_secure: bool | None = _row(
        "PRIVACY_COOKIE_SECURE", None, one_of(None, True, False),
        "Whether cookies are Secure and carry the __Host- prefix; None follows the scheme of each request.")
    cookie_domain: str | None = _row(
        "PRIVACY_COOKIE_DOMAIN", None, cookie_domain,
        "The cookies' Domain, for one decision over several subdomains; None keeps them to the host.")
    csp: str = _row(
        "PRIVACY_CSP", "off", one_of("off", "report-only", "enforce"),
        "Whether a Content-Security-Policy made of the visitor's grants goes with every page.")
    csp_nonce: Callable[[], str | None] | None = _row(
        "PRIVACY_CSP_NONCE", None, function("It is called for each tag that this extension writes."),
        "A callable () -> str that returns the nonce of the site's own policy; None looks where Flask-Talisman keeps it.")
    undeclared_cookies: str = _row(
        "PRIVACY_UNDECLARED_COOKIES", "log", one_of("log", "strip"),
        "What happens to a cookie that the app sets undeclared or ungranted, besides an error in tests.")
    min_cell: int = _row(
        "PRIVACY_MIN_CELL", 5, whole_number(2),
        "The least number of visitors behind any value that a report shows.")
    timezone: str = _row(
        "PRIVACY_TIMEZONE", "UTC", timezone,
        'The time zone in which reports begin and end their days, as in the IANA database: "Europe/Berlin".')
    isp_database: str | None = _row(
        "PRIVACY_ISP_DATABASE", None, isp_database,
        "A MaxMind database (.mmdb) of internet providers; None records no provider.")
    logged_in: Callable[[], bool] | None = _row(
        "PRIVACY_LOGGED_IN", None, function("It is called once a consented page view."),
        "A callable () -> bool: whether a user is logged in; None asks Flask-Login if it is installed.")
    staff: Callable[[Any, str], bool] | None = _row(
        "PRIVACY_STAFF", None, function("It is called with the user and the need at each look.", "user and need"),
        "A callable (user, need) -> bool: whether this user of Flask-Login's has the need, such as \"reports\"; None admits "
        "no user.")
    audit_logins: Mapping[str, str | Callable[..., Any]] = _row(
        "PRIVACY_AUDIT_LOGINS", {}, by_name("an id of a user, or a callable with a page"),
        "Who signs in for `flask privacy audit`, by a name: a user's id as Flask-Login knows it, or an async callable "
        "(page).")
    audit_examples: Mapping[str, str] = _row(
        "PRIVACY_AUDIT_EXAMPLES", {}, by_name("a text", may_call=False),
        "For the audit: values for arguments of the URL map, by the argument's name.")
    audit_steps: tuple[Callable[..., Any], ...] = _row(
        "PRIVACY_AUDIT_STEPS", (), functions("Each is called with a page, after the others are seen."),
        "For the audit: async callables (page) that do what visitors may do besides looking, such as choosing a theme.")
    assets_dir: str | None = _row(
        "PRIVACY_ASSETS_DIR", None, folder(),
        "The folder of the built CSS and JavaScript; None is a folder of this user's below the system's temporary folder.")
    # fmt: on


#: The row of each setting, by the name of its field.
ROWS: dict[str, SettingRow] = {field.name: field.metadata["row"] for field in fields(Settings) if field.metadata}

#: The default of each setting, by the setting's name.
DEFAULTS = {row.name: row.default for row in ROWS.values()}


def read(config: dict[str, Any], instance_path: str, root_path: str) -> Settings:
    """Fill in the defaults and return the checked settings.

    Raises :class:`SettingError` on the first that cannot work, :class:`PolicyError` with all that is wrong in the policy.
    """
    for name, default in DEFAULTS.items():
        config.setdefault(name, default)
    if (folder := isolated_folder()) is not None:
        config, instance_path = {**config, **SETTINGS}, folder
    _check_secret_key(config)
    values = {
        name: row.check(ConfigValue(row.name, config[row.name], row.default, instance_path, root_path))
        for name, row in ROWS.items()
    }
    path = values["policy"] if isinstance(values["policy"], str) else None
    values["versions_dir"] = values["versions_dir"] or (path and os.path.join(os.path.dirname(path), "privacy-versions"))
    values["policy"] = _policy(values["policy"], values["versions_dir"])
    keys_file = os.path.join(folder_of(values["ledger_url"]) or instance_path, "privacy-keys.json")
    return Settings(policy_file=path, keys_file=keys_file, **values)


def _check_secret_key(config: dict[str, Any]) -> None:
    if not config.get("SECRET_KEY"):
        raise SettingError(
            "SECRET_KEY",
            config.get("SECRET_KEY"),
            "a long random text",
            "The privacy cookies are signed with it, so set it before Privacy(app): "
            "python -c 'import secrets; print(secrets.token_hex())' makes one.",
        )


def _policy(declared: Policy | str | None, versions: str | None) -> Policy:
    policy = declared if isinstance(declared, Policy) else toml.read(declared) if declared else toml.built_in()
    newest = max(versions_in(versions), default="") if versions else ""
    return replace(policy, version=newest) if newest else policy
