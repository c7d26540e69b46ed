"""``/privacy/health``: counts and states for staff and for a monitor, and nothing about a person."""

from __future__ import annotations

import pytest

from conftest import choose
from flask_mixamo_privacy.errors import SettingError
from support.login_site import entered, with_logins

pytestmark = pytest.mark.usefixtures("clock")

TOKEN = "a-token-of-a-monitor"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@pytest.fixture
def site(tiny):
    return tiny(PRIVACY_HEALTH_TOKEN=TOKEN, PRIVACY_KEYS={"2025": "sixteen characters or more", "2026": "other " * 3})


def make_file(path):
    """Write a file where a folder should be."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("no folder")


def health(site, status=200):
    response = site.visitor().get("/privacy/health", headers=BEARER)
    assert (response.status_code, response.headers["Cache-Control"]) == (status, "no-store")
    return response.json


def granted(site):
    visitor = site.visitor()
    choose(visitor, "accept_all")
    return visitor


def test_a_new_site_is_healthy_and_creates_no_file(site):
    """A monitor may ask before the first visitor comes."""
    assert health(site) == {
        "healthy": True,
        "log": {"waiting_bytes": 0, "oldest_seconds": None, "limit_bytes": 2 << 30},
        "today": {"refused": 0, "denied": 0},
        "malformed_lines": 0,
        "hosts": [],
        "databases": {
            "events": {"state": "ok", "waiting": 0},
            "ledger": {"state": "ok", "waiting": 0, "unsealed_refusals": 0},
            "rights": {"state": "ok"},
        },
        "mails": {"waiting": 0, "held_back": 0, "undeliverable": 0, "opt_in_links": 0},
        "keys": {"state": "ok", "kept": ["2025", "2026"], "newest": "2026"},
        "recording_failures": 0,
    }
    assert site.files() == []


def test_health_creates_no_key(tiny):
    """The first write creates the key file, and a monitor only reads."""
    site = tiny(PRIVACY_HEALTH_TOKEN=TOKEN)
    assert health(site)["keys"] == {"state": "ok", "kept": [], "newest": None}
    assert site.files() == []


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer another", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \u00e9"])
def test_without_the_token_health_is_a_staff_page(site, sent):
    """An anonymous user gets 401 as on every staff page, and the denial is counted."""
    assert site.visitor().get("/privacy/health", headers={"Authorization": sent}).status_code == 401
    assert health(site)["today"]["denied"] == 1


def test_an_empty_token_opens_nothing(tiny):
    """Without a setting no token matches, not even none."""
    assert tiny().visitor().get("/privacy/health", headers={"Authorization": "Bearer "}).status_code == 401


@pytest.mark.parametrize(("name", "status"), [("ann", 200), ("bob", 403)])
def test_staff_with_the_need_read_health(tiny, name, status):
    """The access of staff is recorded, unlike that of a monitor."""
    site = with_logins(tiny(PRIVACY_STAFF=lambda user, need: (user.id, need) == ("ann", "health")))
    assert entered(site, name).get("/privacy/health").status_code == status
    assert [entry["kind"] for entry in site.ledger()] == ["access"]


def test_a_token_is_no_secret_of_a_few_characters(tiny):
    """The error has the allowed values and not the token."""
    with pytest.raises(SettingError) as raised:
        tiny(PRIVACY_HEALTH_TOKEN="short")
    assert str(raised.value) == (
        "PRIVACY_HEALTH_TOKEN is 'a text of 5 characters'; allowed: at least 16 letters, digits and characters of ._~+/-, or "
        "None. Generate one: python -c 'import secrets; print(secrets.token_urlsafe())'."
    )


def test_the_log_waits_until_it_is_loaded(site, clock):
    """The size and the age of what waits are those of the lines beyond the cursors."""
    visitor = granted(site)
    visitor.get("/")
    clock.shift(90)
    size = sum(path.stat().st_size for path in site.folder.glob("privacy-log/*.events"))
    assert health(site)["log"] == {"waiting_bytes": size, "oldest_seconds": 90, "limit_bytes": 2 << 30}
    assert site.cli("load").exit_code == 0
    assert (health(site)["log"]["waiting_bytes"], health(site)["log"]["oldest_seconds"]) == (0, None)
    clock.shift(5)
    visitor.get("/other")
    assert 0 < health(site)["log"]["waiting_bytes"] < size and health(site)["log"]["oldest_seconds"] == 0


def test_malformed_lines_and_refused_events_are_counted(site):
    """An operator sees both without a look into the log."""
    granted(site).get("/")
    segment = next(site.folder.glob("privacy-log/*.events"))
    segment.write_text(segment.read_text() + "not an event\n")
    assert site.cli("load").exit_code == 0
    site.privacy.runtime(site.app).count_refused("a limit")
    assert (health(site)["malformed_lines"], health(site)["today"]["refused"]) == (1, 1)


@pytest.mark.parametrize("name", ["events", "ledger", "rights"])
def test_an_unavailable_database_is_a_503_with_its_name(site, name):
    """A load balancer reads the status, and an operator the name."""
    (site.folder / f"privacy-{name}.sqlite").mkdir()
    databases = health(site, 503)["databases"]
    assert {each for each, figures in databases.items() if figures["state"] == "unavailable"} == {name}


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("privacy-log", ("log", "waiting_bytes")),
        ("privacy-log/ledger.pending", ("databases", "ledger", "waiting")),
        ("privacy-log/erasures.pending", ("databases", "events", "waiting")),
        ("privacy-log/refusals", ("databases", "ledger", "unsealed_refusals")),
    ],
)
def test_a_file_that_cannot_be_read_is_an_unknown_figure(site, name, figure):
    """The monitor learns of the trouble, instead of an error page without figures."""
    path = site.folder / name
    path.mkdir(parents=True) if "pending" in name else make_file(path)
    found = health(site, 503 if name == "privacy-log" else 200)
    for key in figure:
        found = found[key]
    assert found is None and "500" not in site.visitor().get("/privacy/health?format=prometheus", headers=BEARER).status


def test_what_waits_beside_the_ledger_is_counted(site):
    """A withdrawal takes effect while the ledger is unavailable, and waits in the spool."""
    visitor, path = granted(site), site.folder / "privacy-ledger.sqlite"
    path.rename(path.with_suffix(".kept"))
    path.mkdir()
    choose(visitor, "reject_all")
    assert health(site, 503)["databases"]["ledger"] == {"state": "unavailable", "waiting": 1, "unsealed_refusals": 0}


def test_refusals_of_a_past_day_wait_for_the_ledger(site, clock):
    """Those of today are no figure, because they are not over."""
    choose(site.visitor(), "reject_all")
    assert health(site)["databases"]["ledger"]["unsealed_refusals"] == 0
    clock.shift(86400)
    assert health(site)["databases"]["ledger"]["unsealed_refusals"] == 1


def test_a_full_log_is_a_503(site):
    """No event is recorded until some are loaded."""
    granted(site).get("/")
    object.__setattr__(site.privacy.runtime(site.app).settings, "log_most", 10)
    assert not health(site, 503)["healthy"]


def test_the_keys_of_another_host_are_named(site, tiny):
    """The next step is another one than for a database that is away."""
    granted(site)
    other = tiny(PRIVACY_HEALTH_TOKEN=TOKEN, PRIVACY_KEYS={"2025": "sixteen characters or more", "2026": "another " * 3})
    assert health(other, 503)["databases"]["ledger"]["state"] == "other keys"


def test_a_damaged_key_file_is_named(tiny):
    """The ids are unknown, and the file stays as it is."""
    site = tiny(PRIVACY_HEALTH_TOKEN=TOKEN)
    (site.folder / "privacy-keys.json").write_text("{")
    assert health(site, 503)["keys"] == {"state": "unavailable", "kept": [], "newest": None}


def test_a_newer_schema_is_named(site):
    """This host was not upgraded yet."""
    granted(site).get("/")
    site.cli("load")
    with site.privacy.runtime(site.app).store.write() as connection:
        connection.exec_driver_sql("UPDATE privacy_schema SET version = 99")
    assert health(site, 503)["databases"]["events"]["state"] == "newer schema"


def test_a_moved_database_is_named(site):
    """The settings of this host still name the old one."""
    assert site.cli("move", "--events", f"sqlite:///{site.folder}/new.sqlite", "--finish").exit_code == 0
    assert health(site, 503)["databases"]["events"]["state"] == "moved"


def test_mails_of_requests_are_counted_by_state(tiny):
    """A mail is due, held back until later, or was refused by the mail server."""
    site = tiny(PRIVACY_HEALTH_TOKEN=TOKEN)
    store = site.privacy.runtime(site.app).rights.request_store
    for values in ({}, {"mail_after": "9999"}, {"mail_error": "refused"}, {"mail_error": "refused", "mail_after": "9999"}):
        store.open("2026-05-08T12:00:00.000Z", kind="access", email="ada@shop.example", **values)
    unconfirmed = site.privacy.runtime(site.app).mail.marketing.unconfirmed
    unconfirmed.add(email="ada@shop.example", list="newsletter", at="2026-05-08T12:00:00.000Z")
    assert health(site)["mails"] == {"waiting": 1, "held_back": 1, "undeliverable": 2, "opt_in_links": 1}


@pytest.mark.parametrize(("query", "accept"), [("?format=prometheus", "*/*"), ("", PROMETHEUS), ("", "text/plain")])
def test_prometheus_reads_the_same_figures(site, query, accept):
    """An unhealthy app answers 200 here, because Prometheus drops the figures of any other answer."""
    (site.folder / "privacy-rights.sqlite").mkdir()
    response = site.visitor().get(f"/privacy/health{query}", headers=BEARER | {"Accept": accept})
    assert (response.status_code, response.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = response.text.splitlines()
    assert "# TYPE mixamo_privacy_healthy gauge" in lines and "mixamo_privacy_healthy 0" in lines
    assert 'mixamo_privacy_database_up{database="rights"} 0' in lines
    assert 'mixamo_privacy_database_waiting_entries{database="ledger"} 0' in lines
    assert 'mixamo_privacy_key_info{key="2026",newest="true"} 1' in lines
    assert "mixamo_privacy_mails" not in response.text


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html,*/*;q=0.8", "text/plain;q=0, */*", "application/json, text/plain;q=0.5"]
)
def test_other_clients_get_json(site, accept):
    """A browser and curl name no format, and a refused format is not used."""
    response = site.visitor().get("/privacy/health", headers=BEARER | {"Accept": accept})
    assert response.content_type == "application/json"


def test_an_unknown_format_is_a_400(site):
    """The error names the allowed formats."""
    response = site.visitor().get("/privacy/health?format=xml", headers=BEARER)
    assert response.status_code == 400 and "allowed: json, prometheus." in response.text


def test_health_names_no_person(site):
    """Neither the id of a visitor nor an address is in any figure."""
    visitor = granted(site)
    visitor.get("/item/ada@shop.example")
    visitor.post("/privacy/requests", data={"kind": "access", "email": "ada@shop.example", "message": ""})
    name = site.events()[0]["visitor"]
    for query in ("", "?format=prometheus"):
        text = site.visitor().get(f"/privacy/health{query}", headers=BEARER).text
        assert name not in text and "shop.example" not in text
