"""Names of report rows as columns, for an engine that counts by SQL."""

from __future__ import annotations

from typing import Any

from flask_mixamo_privacy.reports.windows import Calendar
from flask_mixamo_privacy.tracking.parsing import COLUMNS
from flask_mixamo_privacy.tracking.row_names import ROW_COLUMNS
from support.sql_engines import row_columns

EVENT = dict.fromkeys(COLUMNS) | {"at": "2026-07-01T22:30:00.000Z", "visitor": "v", "id": "1", "visit": "s", "data": "{}"}


def names_of(zone: str = "UTC", **fields: Any) -> dict[str, Any]:
    """Return the names of an event with these fields that are not empty."""
    columns = row_columns([tuple((EVENT | fields)[name] for name in COLUMNS)], Calendar(zone).hour_of)
    assert list(columns) == list(ROW_COLUMNS)
    return {name: column[0] for name, column in columns.items() if column[0] not in ("", -1) and name != "happened"}


def test_a_view_has_its_page_its_move_and_the_hour_of_the_site():
    view = names_of("Europe/Berlin", kind="page_view", page="/b", previous="/a")
    assert view == {"page_row": "/b", "move_row": '["/a","/b"]', "hour_row": "00"}


def test_a_visit_has_the_site_that_sent_it_and_what_was_not_recorded():
    start = names_of(kind="visit_start", page="other", referrer="https://search.example/q", browser="Firefox")
    expected = {"page_row": "“other”", "site_row": "https://search.example", "browser_row": "Firefox"}
    assert start == expected | {"platform_row": "(not recorded)"}


def test_a_repeat_visit_has_its_number_and_its_gap():
    repeat = names_of(kind="repeat_visit", data='{"visit_number":4,"days_since_last":8}')
    assert repeat == {"number_row": "4–5", "gap_row": "1 week"}


def test_a_page_exit_has_its_seconds_if_they_are_valid():
    assert names_of(kind="page_exit", page="/a", data='{"seconds":7.9}') == {"page_row": "/a", "seconds": 7}
    assert names_of(kind="page_exit", page="/a", data='{"seconds":"7"}') == {"page_row": "/a"}


def test_a_choice_has_its_name_and_value_apart_and_together():
    choice = names_of(kind="customisation", data='{"name":"theme","value":"dark"}')
    assert choice == {"choice_row": '["theme","dark"]', "setting_row": "theme", "setting_value": "dark"}


def test_a_click_and_an_exit_link_have_their_targets():
    assert names_of(kind="click", data='{"on":"menu"}') == {"click_row": '["(not recorded)","menu"]'}
    assert names_of(kind="exit_link", data='{"to":"https://x.example"}') == {"link_row": "https://x.example"}


def test_a_network_counts_as_one_person_unless_it_is_a_proxys():
    assert names_of(kind="own", network="198.51.100.0/24") == {"limited": "198.51.100.0/24"}
    assert names_of(kind="own", network="10.0.0.0/24") == {}
