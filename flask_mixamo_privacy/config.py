"""Every ``PRIVACY_*`` setting in one table: its name, its default, its check and one sentence about its effect."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from . import config_aside as aside
from . import config_setting as setting
from .config_setting import Check, ConfigValue
from .errors import SettingError
from .policy import declaration
from .policy.model import Policy
from .policy.versions import versions_in


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
        beside = os.path.join(given.root_path, declaration.NAME)
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
        "PRIVACY_VERSIONS_DIR", None, setting.folder(),
        "The folder of the policy's frozen versions; None is privacy-versions beside privacy.toml.")
    locale: str | Callable[[], str | None] | None = _row(
        "PRIVACY_LOCALE", None, setting.locale,
        "The language of our words: a code, or a callable that returns one; None asks Flask-Babel, else the browser.")
    url_prefix: str = _row(
        "PRIVACY_URL_PREFIX", "/privacy", setting.url_prefix,
        "Where the extension's own pages are.")
    events_url: str = _row(
        "PRIVACY_EVENTS_URL", None, setting.database_url("privacy-events.sqlite"),
        "The database of events (traffic); None is privacy-events.sqlite in the instance folder.")
    ledger_url: str = _row(
        "PRIVACY_LEDGER_URL", None, setting.database_url("privacy-ledger.sqlite"),
        "The database of decisions; None is privacy-ledger.sqlite in the instance folder. Never roll it back.")
    rights_url: str = _row(
        "PRIVACY_DATABASE_URL", None, setting.database_url("privacy-rights.sqlite"),
        "The database of data subject requests; None is privacy-rights.sqlite in the instance folder.")
    base_url: str | None = _row(
        "PRIVACY_BASE_URL", None, setting.url(("https", "http"), "https://shop.example"),
        'Where the site is, such as "https://shop.example", for links in mails; None takes SERVER_NAME, or TRUSTED_HOSTS.')
    send: Callable[..., Any] | None = _row(
        "PRIVACY_SEND", None, setting.function("It is called with each mail, an email.message.EmailMessage.", "a mail"),
        "A callable (email.message.EmailMessage) -> None that sends a mail; None sends by PRIVACY_SMTP_URL.")
    smtp_url: str | None = _row(
        "PRIVACY_SMTP_URL", None, setting.url(("smtp", "smtps"), "smtp://user:password@mail.example:587"),
        "The mail server: smtp://user:password@host:587, or smtps://…; None, and no PRIVACY_SEND: no mail is sent.")
    mail_from: str | None = _row(
        "PRIVACY_MAIL_FROM", None, setting.matching(r"[^@\s<>]+@[^@\s<>]+", "a mail address", "The contact is the default."),
        "The sender of our mails; None is the policy's contact.")
    mail_server: str | None = _row(
        "PRIVACY_MAIL_SERVER", None, setting.matching(r"[A-Za-z0-9._-]+", 'a name such as "mx.shop.example"',
                         "The Authentication-Results of any mail it took in begins with it."),
        "The name under which the receiving mail server writes Authentication-Results; None believes the topmost.")
    mail_aside: str = _row(
        "PRIVACY_MAIL_ASIDE", None, setting.folder("privacy-mail-aside"),
        "The folder of copies of the messages that could not be read; None is privacy-mail-aside in the instance folder.")
    log_dir: str = _row(
        "PRIVACY_LOG_DIR", None, setting.folder("privacy-log"),
        "The folder of the append-only log files; None is privacy-log in the instance folder. A local disk, writable.")
    log_keep: int = _row(
        "PRIVACY_LOG_KEEP", 0, setting.whole_number(0),
        "Days a log file is kept after every line of it was loaded.")
    loader: bool = _row(
        "PRIVACY_LOADER", True, setting.one_of(True, False),
        "Whether a serving process may load the log in the background; False where `flask privacy load --follow` runs.")
    keys: Mapping[str, str] | None = _row(
        "PRIVACY_KEYS", None, setting.keys,
        "Secrets by id, the newest last, for keyed hashes; None is a file made beside the ledger when one is first needed.")
    cacheable: bool = _row(
        "PRIVACY_CACHEABLE", False, setting.one_of(False, True),
        "Whether shared caches may keep pages with the banner: they are the same for every visitor, and a script that no "
        "cache keeps brings each visitor's own part.")
    cookie_secure: bool | None = _row(
        "PRIVACY_COOKIE_SECURE", None, setting.one_of(None, True, False),
        "Whether cookies are Secure and carry the __Host- prefix; None follows the scheme of each request.")
    cookie_domain: str | None = _row(
        "PRIVACY_COOKIE_DOMAIN", None, setting.cookie_domain,
        "The cookies' Domain, for one decision over several subdomains; None keeps them to the host.")
    csp: str = _row(
        "PRIVACY_CSP", "off", setting.one_of("off", "report-only", "enforce"),
        "Whether a Content-Security-Policy made of the visitor's grants goes with every page.")
    csp_nonce: Callable[[], str | None] | None = _row(
        "PRIVACY_CSP_NONCE", None, setting.function("It is called for each tag that this extension writes."),
        "A callable () -> str that returns the nonce of the site's own policy; None looks where Flask-Talisman keeps it.")
    undeclared_cookies: str = _row(
        "PRIVACY_UNDECLARED_COOKIES", "log", setting.one_of("log", "strip"),
        "What happens to a cookie that the app sets undeclared or ungranted, besides an error in tests.")
    min_cell: int = _row(
        "PRIVACY_MIN_CELL", 5, setting.whole_number(2),
        "The least number of visitors behind any value that a report shows.")
    timezone: str = _row(
        "PRIVACY_TIMEZONE", "UTC", setting.timezone,
        'The time zone in which reports begin and end their days, as in the IANA database: "Europe/Berlin".')
    isp_database: str | None = _row(
        "PRIVACY_ISP_DATABASE", None, setting.isp_database,
        "A MaxMind database (.mmdb) of internet providers; None records no provider.")
    logged_in: Callable[[], bool] | None = _row(
        "PRIVACY_LOGGED_IN", None, setting.function("It is called once a consented page view."),
        "A callable () -> bool: whether a user is logged in; None asks Flask-Login if it is installed.")
    staff: Callable[[Any, str], bool] | None = _row(
        "PRIVACY_STAFF", None, setting.function("It is called with the user and the need at each look.", "user and need"),
        "A callable (user, need) -> bool: whether this user of Flask-Login's has the need, such as \"reports\"; None admits "
        "no user.")
    audit_logins: Mapping[str, str | Callable[..., Any]] = _row(
        "PRIVACY_AUDIT_LOGINS", {}, setting.by_name("an id of a user, or a callable with a page"),
        "Who signs in for `flask privacy audit`, by a name: a user's id as Flask-Login knows it, or an async callable "
        "(page).")
    audit_examples: Mapping[str, str] = _row(
        "PRIVACY_AUDIT_EXAMPLES", {}, setting.by_name("a text", may_call=False),
        "For the audit: values for arguments of the URL map, by the argument's name.")
    audit_steps: tuple[Callable[..., Any], ...] = _row(
        "PRIVACY_AUDIT_STEPS", (), setting.functions("Each is called with a page, after the others are seen."),
        "For the audit: async callables (page) that do what visitors may do besides looking, such as choosing a theme.")
    assets_dir: str | None = _row(
        "PRIVACY_ASSETS_DIR", None, setting.folder(),
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
    if (folder := aside.folder()) is not None:
        config, instance_path = {**config, **aside.SETTINGS}, folder
    _check_secret_key(config)
    values = {
        name: row.check(ConfigValue(row.name, config[row.name], row.default, instance_path, root_path))
        for name, row in ROWS.items()
    }
    path = values["policy"] if isinstance(values["policy"], str) else None
    values["versions_dir"] = values["versions_dir"] or (path and os.path.join(os.path.dirname(path), "privacy-versions"))
    values["policy"] = _policy(values["policy"], values["versions_dir"])
    keys_file = os.path.join(setting.folder_of(values["ledger_url"]) or instance_path, "privacy-keys.json")
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
    policy = declared if isinstance(declared, Policy) else declaration.read(declared) if declared else declaration.built_in()
    newest = max(versions_in(versions), default="") if versions else ""
    return replace(policy, version=newest) if newest else policy
