"""Settings: validated once, with errors that state the next step."""

import pytest
from flask import Flask
from flask_caching import Cache

from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.config import DEFAULTS, ROWS
from flask_mixamo_privacy.errors import AlreadyInitialised, NotInitialised, SettingError
from flask_mixamo_privacy.web.current import current_consent


def app_with(tmp_path, **config):
    app = Flask("made", instance_path=str(tmp_path))
    app.config.update({"SECRET_KEY": "not a secret, a test", **config})
    return app


def settings_found(app):
    found = app.test_cli_runner().invoke(args=["privacy", "check"]).output.splitlines()
    return [line for line in found if line.startswith("error: ") and "PRIVACY_" in line]


def test_check_finds_an_unknown_setting_and_one_that_is_set_too_late(tmp_path):
    """Without the check such a setting has no effect, silently."""
    app = app_with(tmp_path, PRIVACY_CPS="enforce", PRIVACY_NOTHING=1, PRIVACY_MIN_CELL=7, PRIVACY_CSP="off")
    Privacy(app)
    app.config.update(PRIVACY_CSP="enforce", PRIVACY_KEYS={"key": "what nobody may read in a log"})
    assert settings_found(app) == [
        "error: There is no setting PRIVACY_CPS. Did you mean PRIVACY_CSP?",
        "error: There is no setting PRIVACY_NOTHING. Remove it; docs/settings.md lists all settings.",
        *(
            f"error: {name} was set after Privacy(app), and has no effect. "
            "Set it before Privacy(app) or privacy.init_app(app)."
            for name in ("PRIVACY_CSP", "PRIVACY_KEYS")
        ),
    ]


def test_check_warns_of_a_cache_that_ignores_vary(tmp_path):
    """Flask-Caching ignores Vary, so it might send one visitor's page to another."""
    app = app_with(tmp_path, CACHE_TYPE="SimpleCache")
    Privacy(app)
    app.add_url_rule("/", "home", Cache(app).cached()(lambda: "home"))
    assert (
        "warning: Flask-Caching caches the view 'home', and serves one visitor's response to others. Remove @cache.cached "
        "from views with a banner, unless PRIVACY_CACHEABLE is set, and from views that use consent.\n"
    ) in app.test_cli_runner().invoke(args=["privacy", "check"]).output


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SECRET_KEY", None, "SECRET_KEY is None; allowed: a long random text. Set it before Privacy(app), "
         "because it signs the privacy cookies. Generate one: python -c 'import secrets; print(secrets.token_hex())'."),
        ("PRIVACY_URL_PREFIX", "/a/..", "PRIVACY_URL_PREFIX is '/a/..'; allowed: a path with a leading and no trailing slash. "
         'The default is "/privacy".'),
        ("PRIVACY_URL_PREFIX", "privacy", "PRIVACY_URL_PREFIX is 'privacy'; allowed: a path with a leading and no trailing slash. "
         'The default is "/privacy".'),
        ("PRIVACY_EVENTS_URL", "sqlite:///events.db", "PRIVACY_EVENTS_URL is 'sqlite:///events.db'; allowed: "
         "sqlite:////absolute/path, or postgresql+psycopg://user@host/database. Set one of these: a relative or in-memory "
         "database would differ in each process."),
        ("PRIVACY_LEDGER_URL", "mysql://root:secret@db/x", "PRIVACY_LEDGER_URL is 'mysql://root:***@db/x'; allowed: "
         "sqlite:////absolute/path, or postgresql+psycopg://user@host/database. Set one of these: a relative or in-memory "
         "database would differ in each process."),
        ("PRIVACY_BOOKS_URL", "postgresql://shop:my@secret@db/x", "PRIVACY_BOOKS_URL is 'postgresql://shop:***@db/x'; allowed: "
         "sqlite:////absolute/path, or postgresql+psycopg://user@host/database. Correct the name of the host, or its port, which "
         "is at most 65535. In a password, write @ as %40, / as %2F, : as %3A and % as %25."),
        *((name, f"postgresql://db:{port}/x", f"{name} is 'postgresql://db:{port}/x'; allowed: "
         "sqlite:////absolute/path, or postgresql+psycopg://user@host/database. Correct the name of the host, or its port, which "
         "is at most 65535. In a password, write @ as %40, / as %2F, : as %3A and % as %25.")
         for name, port in (("PRIVACY_DATABASE_URL", "65536"), ("PRIVACY_EVENTS_URL", "0"), ("PRIVACY_LEDGER_URL", "x"))),
        ("PRIVACY_LOG_DIR", "logs", "PRIVACY_LOG_DIR is 'logs'; allowed: an absolute path. Set one, so that the path does not "
         "depend on the folder in which a process was started."),
        ("PRIVACY_LOG_KEEP", -1, "PRIVACY_LOG_KEEP is -1; allowed: a whole number of at least 0. The default is 0."),
        ("PRIVACY_LOADER", "no", "PRIVACY_LOADER is 'no'; allowed: True, False. The default is True."),
        ("PRIVACY_KEYS", {"a": "short"}, "PRIVACY_KEYS is ['a']; allowed: a mapping of short ids to secrets of 16 characters or more. "
         'Set, for example, {"2026": "…"}. To rotate, add a new key at the end, and keep the old ones.'),
        ("PRIVACY_COOKIE_SECURE", "yes", "PRIVACY_COOKIE_SECURE is 'yes'; allowed: None, True, False. The default is None."),
        ("PRIVACY_COOKIE_DOMAIN", "https://example.com", "PRIVACY_COOKIE_DOMAIN is 'https://example.com'; allowed: a domain name in "
         'lower case, or None. Set, for example, "example.com" to share one decision among its subdomains.'),
        ("PRIVACY_MIN_CELL", 0, "PRIVACY_MIN_CELL is 0; allowed: a whole number of at least 1. The default is 5."),
        ("PRIVACY_MIN_CELL", True, "PRIVACY_MIN_CELL is True; allowed: a whole number of at least 1. The default is 5."),
        ("PRIVACY_TIMEZONE", "Berlin", "PRIVACY_TIMEZONE is 'Berlin'; allowed: a name of the IANA time zone database, such as \"UTC\" or "
         '"Europe/Berlin". If the system lacks that database, run pip install tzdata.'),
        ("PRIVACY_TIMEZONE", None, "PRIVACY_TIMEZONE is None; allowed: a name of the IANA time zone database, such as \"UTC\" or "
         '"Europe/Berlin". If the system lacks that database, run pip install tzdata.'),
        ("PRIVACY_ISP_DATABASE", "isp.mmdb", "PRIVACY_ISP_DATABASE is 'isp.mmdb'; allowed: an absolute path. Set one, so that the path "
         "does not depend on the folder in which a process was started."),
        ("PRIVACY_LOGGED_IN", True, "PRIVACY_LOGGED_IN is True; allowed: a callable without arguments, or None. It is called once "
         "for each page view with consent."),
        ("PRIVACY_POLICY", 7, "PRIVACY_POLICY is 7; allowed: the path of a privacy.toml, or a Policy. Write one with "
         "`flask privacy init`, or leave the setting out to use the built-in policy."),
        ("PRIVACY_MAIL_FROM", "Shop", "PRIVACY_MAIL_FROM is 'Shop'; allowed: a mail address. The default is the policy's contact."),
        ("PRIVACY_MAIL_SERVER", "mx shop", "PRIVACY_MAIL_SERVER is 'mx shop'; allowed: a name such as \"mx.shop.example\". Copy it from "
         "the start of the Authentication-Results header of a received mail."),
        ("PRIVACY_MAIL_ASIDE", "aside", "PRIVACY_MAIL_ASIDE is 'aside'; allowed: an absolute path. Set one, so that the path does not "
         "depend on the folder in which a process was started."),
        ("PRIVACY_SMTP_URL", "smtp://ada:secret@mail example", "PRIVACY_SMTP_URL is 'smtp://ada:***@mail example'; allowed: a URL such as "
         "smtp://user:password@mail.example:587, or None. Change the URL, or leave the setting out."),
        ("PRIVACY_LOCALE", "xx", "PRIVACY_LOCALE is 'xx'; allowed: a callable, or one of: en, bg, cs, da, de, el, es, et, fi, fr, ga, hr, "
         "hu, it, lt, lv, mt, nl, pl, pt, pt-BR, ro, sk, sl, sv, ar, he, uk, tr, zh, ja. Leave it out to use the locale of Flask-Babel, if it is "
         "installed, or else the browser's languages."),
    ],
)  # fmt: skip
def test_an_invalid_setting_raises_with_the_next_step(tmp_path, name, value, sentence):
    """The error has name, value, allowed values and next step, and never a secret."""
    with pytest.raises(SettingError) as raised:
        Privacy(app_with(tmp_path, **{name: value}))
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    "url",
    [
        "stmp://shop@example.com:secret@mail.example:587",
        "ada:secret@mail.example",
        "smtp//ada:secret@mail.example",
        "smpt://ada:sec@secret@mail.example",
        "smtp:/x?PASSWORD=secret&y",
        "smtp:x?passwd=secret",
    ],
)
def test_no_error_about_a_misspelt_url_contains_its_password(tmp_path, url):
    with pytest.raises(SettingError) as raised:
        Privacy(app_with(tmp_path, PRIVACY_SMTP_URL=url))
    assert "secret" not in str(raised.value) and "***" in str(raised.value)


def test_every_setting_has_a_default_and_a_description(tmp_path):
    """An omitted setting has its default, and the table describes each setting."""
    app = app_with(tmp_path)
    Privacy(app)
    assert all(name in app.config for name in DEFAULTS)
    assert all(row.sentence.endswith(".") or "…" in row.sentence for row in ROWS.values())


def test_a_second_initialisation_raises(tmp_path):
    """Either form of initialisation is allowed once per app."""
    app = app_with(tmp_path)
    privacy = Privacy(app)
    with pytest.raises(AlreadyInitialised) as raised:
        privacy.init_app(app)
    assert str(raised.value) == (
        "Privacy is already initialised for the app 'made'. Call either Privacy(app) or privacy.init_app(app), once per app. "
        'To get the existing instance, use app.extensions["mixamo_privacy"].'
    )


def test_an_uninitialised_app_raises_a_clear_error(tmp_path):
    """The error is not an AttributeError."""
    with (
        app_with(tmp_path).test_request_context(),
        pytest.raises(NotInitialised, match="Privacy is not initialised for the app 'made'"),
    ):
        current_consent.allows("statistics")


def test_one_extension_serves_several_apps(tmp_path):
    """Each app has its own prefix, key and log."""
    privacy, apps = Privacy(), [app_with(tmp_path / name, PRIVACY_URL_PREFIX=f"/{name}") for name in ("one", "two")]
    for app in apps:
        privacy.init_app(app)
        name = app.config["PRIVACY_URL_PREFIX"]
        assert app.test_client().get(f"{name}/consent").status_code == 200
    assert privacy.runtime(apps[0]).log.folder != privacy.runtime(apps[1]).log.folder


def test_init_app_writes_nothing_and_starts_no_thread(tmp_path):
    """Building an app has no side effects."""
    import threading

    before = threading.active_count()
    Privacy(app_with(tmp_path / "instance"))
    assert not (tmp_path / "instance").exists() and threading.active_count() == before
