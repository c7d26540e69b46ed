"""The page of results, which `make bench-peers` writes from what it measured."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

if not (Path(__file__).parents[1] / "benchmarks").is_dir():
    pytest.skip("The source distribution has no benchmarks.", allow_module_level=True)

from benchmarks.peers import packages, results
from benchmarks.peers.results_plot import Bar, bars

TRACKERS = [
    {"name": "ours", "bytes": 1400, "reason": ""},
    {"name": "smaller.js", "bytes": 900, "reason": ""},
    {"name": "larger.js", "bytes": 2000, "reason": ""},
    {"name": "Elsewhere", "bytes": None, "reason": "no registry has it"},
]


def table(name, part, measured, monkeypatch, tmp_path):
    """Return one table of a page with these figures alone."""
    monkeypatch.setattr(results, "STORED", tmp_path / "results.json")
    results.store(part, {"conditions": {}, "measured": measured})
    return results._table(list(results._TABLES[name]()))


def test_the_page_has_the_tables_and_pictures_of_what_was_measured():
    """A changed figure, or a table changed by hand, shows: run `python -m benchmarks.peers --write`."""
    assert results.PAGE.read_text(encoding="utf-8") == results.written()
    for name, picture in results.pictures().items():
        assert (results.PICTURES / name).read_text(encoding="utf-8") == picture


def test_a_row_in_which_another_package_is_better_is_shown(monkeypatch, tmp_path):
    """A smaller script is in the table of what others do better, and a larger one is not."""
    rows = table("better", "trackers", TRACKERS, monkeypatch, tmp_path)
    assert "| bytes of a tracker | smaller.js: 900 | 1,400 |" in rows and "larger" not in rows


def test_a_package_without_a_figure_has_its_reason(monkeypatch, tmp_path):
    """No figure is quoted that was not measured."""
    assert "| Elsewhere | not measured: no registry has it |" in table(
        "trackers", "trackers", TRACKERS, monkeypatch, tmp_path
    )


def test_a_package_that_cannot_run_has_the_error(monkeypatch, tmp_path):
    """The row has the last line of what Python printed."""
    measured = [{"name": "Old", "reason": "ImportError: no such name", "rows": [], "versions": {}}]
    assert "| Old | cannot run | – | – | – | `ImportError: no such name` |" in table(
        "requests", "requests", measured, monkeypatch, tmp_path
    )


def test_a_missed_budget_is_on_the_page(monkeypatch, tmp_path):
    """Every row with a budget has its verdict."""
    figure = {"what": "page", "value": 1.2, "unit": "×", "budget": 1.1, "at_least": False}
    assert "| page | 1.200 × | ≤ 1.100 × | missed |" in table("budgets", "page", [figure], monkeypatch, tmp_path)


def test_a_picture_names_every_bar():
    """The names and values are text, so that no reader needs to see lengths or colours."""
    drawn = ElementTree.fromstring(bars("Bars & more", [Bar("ours", 1, "1 ms", True), Bar("other", 4, "4 ms", False)]))  # noqa: S314
    texts = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert texts == ["Bars & more", "ours", "1 ms", "other", "4 ms"]


def test_the_stored_figures_name_their_conditions():
    """Each part states its date, its machine and the load that other work caused."""
    parts = json.loads(results.STORED.read_text(encoding="utf-8"))
    for stored in parts.values():
        assert {"run", "date", "machine", "cores", "python", "load"} <= stored["conditions"].keys()


def test_every_version_is_pinned():
    """A run can be repeated with the same packages."""
    assert all("==" in one or "<" in one for each in packages.ENVIRONMENTS for one in each.requirements)
    assert all(version[0].isdigit() for version in packages.PACKAGES.values())
