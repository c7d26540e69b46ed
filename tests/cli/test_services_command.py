"""`flask privacy services`: the list of ready-made services, and one of them as TOML."""

import json
import tomllib

from flask_mixamo_privacy.policy.ready_made import PURPOSES, ready_made


def test_the_list_has_purpose_id_and_hosts(tiny):
    """One line for each service, sorted by purpose."""
    outcome = tiny().cli("services")
    lines = [line.split(maxsplit=2) for line in outcome.output.splitlines()]
    assert outcome.exit_code == 0 and ["maps", "openstreetmap", "tile.openstreetmap.org"] in lines
    assert [line[0] for line in lines] == sorted((line[0] for line in lines), key=list(PURPOSES).index)
    assert {line[1] for line in lines} == set(ready_made())


def test_the_list_as_json_has_sources(tiny):
    """A program reads each fact with the page that states it."""
    entries = {entry["id"]: entry for entry in json.loads(tiny().cli("services", "--json").output)}
    assert entries.keys() == ready_made().keys()
    assert entries["vimeo"]["sources"][0].startswith("https://help.vimeo.com/")
    assert entries["vimeo"]["other_sources"] and entries["vimeo"]["checked"] == "2026-12-01"


def test_one_service_is_shown_as_toml_to_paste(tiny):
    """The output is valid TOML with the tables that the name stands for."""
    shown = tiny().cli("services", "show", "vimeo").output
    tables = tomllib.loads(shown)
    assert tables["services"][0]["hosts"] == ["player.vimeo.com"]
    assert {cookie["service"] for cookie in tables["cookies"]} == {"vimeo"}
    assert '# In short: [[services]] use = "vimeo"' in shown
    assert "# Source: https://vimeo.com/privacy (read 2026-12-01)" in shown and "# Not of the vendor: https://" in shown
    assert json.loads(tiny().cli("services", "show", "vimeo", "--json").output)["country"] == "US"


def test_an_unknown_name_is_answered_with_near_ones(tiny):
    """Exit code 2, the names that resemble it, and the command that lists all."""
    message = "Error: The service is {!r}; allowed: the id of a ready-made service. {}List all ids with `flask privacy services`.\n"
    for name, similar in (("vimio", "Similar ids: vimeo. "), ("0", "")):
        outcome = tiny().cli("services", "show", name)
        assert (outcome.exit_code, outcome.stderr) == (2, message.format(name, similar))
