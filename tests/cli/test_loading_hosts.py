"""Hosts that share a database: the commands that list and forget them, the check and the health figures."""

from __future__ import annotations

import json

import pytest

from conftest import Tiny, choose
from flask_mixamo_privacy.tracking.watermarks import own_id

TOKEN = "a-token-of-a-monitor"
KEYS = {"2026": "sixteen characters or more"}

pytestmark = pytest.mark.usefixtures("clock")  # noon of 8 May 2026


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """Two sites on one database. Each had a visitor, and has loaded its log."""
    url = f"sqlite:///{tmp_path}/shared.sqlite"
    sites = []
    for name in ("web-1", "web-2"):
        monkeypatch.setattr("socket.gethostname", lambda name=name: name)
        site = Tiny(tmp_path / name, PRIVACY_EVENTS_URL=url, PRIVACY_HEALTH_TOKEN=TOKEN, PRIVACY_KEYS=KEYS)
        visit(site)
        site.cli("load")
        sites.append(site)
    return sites


def visit(site):
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")


def id_of(site):
    return own_id(str(site.folder / "privacy-log"))


def health(site, query=""):
    return site.visitor().get(f"/privacy/health{query}", headers={"Authorization": f"Bearer {TOKEN}"})


def warned(site):
    return [each for each in json.loads(site.cli("check", "--json").output) if each["key"].startswith("hosts.")]


def test_hosts_are_listed(pair):
    """Each line has name, id, state and both times, and JSON has the same."""
    first, second = pair
    times = "loaded up to 2026-05-08T12:00:00.000Z, last report 2026-05-08T12:00:00.000Z"
    expected = [f"web-1 ({id_of(first)}): reporting, {times}", f"web-2 ({id_of(second)}): reporting, {times}"]
    assert first.cli("hosts").output.splitlines() == expected
    assert json.loads(first.cli("hosts", "--json").output)[1] == {
        "id": id_of(second), "name": "web-2", "state": "reporting",
        "watermark": "2026-05-08T12:00:00.000Z", "reported": "2026-05-08T12:00:00.000Z",
    }  # fmt: skip


def test_a_new_site_has_no_host(tiny):
    """The list is a sentence, and no file is created."""
    site = tiny()
    assert site.cli("hosts").output == "No host has loaded an event yet.\n"
    assert (site.cli("hosts", "--json").output, site.files()) == ("[]\n", [])


def test_a_host_is_forgotten_by_its_id(pair):
    """A second time, the error has the next step, and the exit code is 1."""
    first, second = pair
    forgotten = first.cli("hosts", "--forget", id_of(second))
    assert forgotten.output == f"The host {id_of(second)} was forgotten. It is listed again once it loads a line.\n"
    again = first.cli("hosts", "--forget", id_of(second))
    assert (forgotten.exit_code, again.exit_code) == (0, 1)
    assert again.stderr == f"There is no host '{id_of(second)}'. `flask privacy hosts` lists the ids.\n"


def test_a_host_that_is_removed_leaves_after_it_has_loaded(pair):
    """The lines that wait are loaded first. A further line registers the host again."""
    first, second = pair
    visit(second)
    left = second.cli("load", "--leave").output
    assert left == (
        "2 events loaded from 2 lines, 0 malformed, 0 torn.\nNo day waits for this host, until it loads another line.\n"
    )
    assert [each["name"] for each in json.loads(first.cli("hosts", "--json").output)] == ["web-1"]
    assert second.cli("load", "--leave").output == "0 events loaded from 0 lines, 0 malformed, 0 torn.\n"
    visit(second)
    second.cli("load")
    assert len(json.loads(first.cli("hosts", "--json").output)) == 2


def test_a_host_that_follows_its_log_does_not_leave(tiny):
    """The loop never ends, so the two options contradict each other."""
    refused = tiny().cli("load", "--follow", "--leave")
    assert refused.exit_code == 2 and "--follow and --leave exclude each other: choose one." in refused.output


@pytest.mark.parametrize(
    ("hours", "consequence"),
    [
        (1, "For 24 hours from then, no later day closes unless that host loads its log."),
        (24, "Days close without it. No line of its log waited then."),
    ],
)
def test_the_check_names_another_host_that_no_longer_reports(pair, clock, hours, consequence):
    """A host is no warning about itself: a site without visitors starts no loader."""
    first, second = pair
    assert warned(first) == []
    clock.shift(hours * 3600)
    (found,) = warned(first)
    assert (found["level"], found["key"]) == ("warning", f"hosts.{id_of(second)}")
    beginning = f"The host web-2 ({id_of(second)}) has not reported since 2026-05-08T12:00:00.000Z."
    assert found["says"] == f"{beginning} {consequence}"
    assert found["hint"] == (
        f"Run `flask privacy load` on that host. If it was removed, run `flask privacy hosts --forget {id_of(second)}`."
    )


def test_the_check_needs_no_database_of_events(tiny):
    """An unavailable database is a matter of the health figures."""
    site = tiny(PRIVACY_KEYS=KEYS, PRIVACY_HEALTH_TOKEN=TOKEN)
    (site.folder / "privacy-events.sqlite").mkdir()
    assert warned(site) == [] and health(site).json["hosts"] is None


@pytest.mark.parametrize(("hours", "state"), [(0, "reporting"), (1, "silent"), (24, "left out")])
def test_health_has_the_other_hosts(pair, clock, hours, state):
    """A silent host makes no host unhealthy, because a load balancer would then drop them all."""
    first, second = pair
    clock.shift(hours * 3600)
    found = health(first)
    assert (found.status_code, found.json["hosts"]) == (
        200,
        [
            {
                "host": "web-2", "id": id_of(second), "state": state,
                "reported_seconds": hours * 3600, "behind_seconds": hours * 3600,
            }
        ],
    )  # fmt: skip


def test_prometheus_has_the_other_hosts(pair, clock):
    """A monitor warns if ``host_reporting`` is 0."""
    first, second = pair
    clock.shift(3600)
    lines = health(first, "?format=prometheus").text.splitlines()
    labels = f'{{host="web-2",id="{id_of(second)}"}}'
    figures = {"reporting": 0, "reported_seconds": 3600, "behind_seconds": 3600}
    assert {f"mixamo_privacy_host_{name}{labels} {number}" for name, number in figures.items()} <= set(lines)
