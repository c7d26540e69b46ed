"""Suppression of small cells, rule by rule. `test_report_attack` shows that the rules together reveal no visitor."""

from __future__ import annotations

import pytest

from flask_mixamo_privacy.reports.disclosure_control import CountedTable, Tally, suppress_small_cells, within_loss_limit

EMPTY = Tally()


def tally(persons: int, number: int | None = None) -> Tally:
    """Return the count of one event by each person, or of this number of events."""
    return Tally(persons if number is None else number, 0, persons, persons)


def suppressed(rows: dict[str, Tally], rest: Tally = EMPTY, min_cell: int = 5, **options: bool):
    """Return the rows that are shown, the row that was merged into "other" if any, and "other"."""
    merged: list[str] = []

    def merge(name: str) -> Tally:
        merged.append(name)
        return tally(rest.persons + rows[name].persons)

    shown, other = suppress_small_cells(CountedTable(rows, rest), min_cell, merge, **options)
    return list(shown), merged, other


def test_a_table_without_small_rows_is_shown_whole():
    """Without a rest there is nothing to hide, so no row is merged into it."""
    assert suppressed({"/a": tally(9), "/b": tally(5)}) == (["/a", "/b"], [], EMPTY)


def test_the_row_with_the_most_events_is_first():
    """Rows are sorted by their events, and rows of one size by name, so that the order reveals nothing else."""
    rows = {"/b": tally(5, 10), "/c": tally(9, 9), "/a": tally(5, 10), "/d": tally(5, 30)}
    assert suppressed(rows)[0] == ["/d", "/a", "/b", "/c"]


def test_a_rest_that_is_large_enough_is_shown():
    """Then the total reveals no more than the rest does."""
    assert suppressed({"/a": tally(9), "/b": tally(6)}, tally(5)) == (["/a", "/b"], [], tally(5))


@pytest.mark.parametrize("persons", [1, 4])
def test_a_small_rest_takes_the_smallest_row(persons):
    """Subtracting the rows from the total would reveal the rest, so the row with the fewest events joins it."""
    shown, merged, other = suppressed({"/a": tally(9), "/b": tally(6), "/c": tally(7)}, tally(persons))
    assert (shown, merged, other) == (["/a", "/c"], ["/b"], tally(6 + persons))


def test_of_two_smallest_rows_the_last_by_name_is_merged():
    """The choice depends on nothing that the shown rows do not show."""
    assert suppressed({"/b": tally(6), "/a": tally(6)}, tally(1))[:2] == (["/a"], ["/b"])


def test_a_small_rest_without_rows_stays():
    """There is no row to add. The rest itself is then hidden, because it is small."""
    assert suppressed({}, tally(3)) == ([], [], tally(3))
    assert not tally(3).is_publishable(5)


def test_after_an_erasure_the_rest_needs_other_visitors():
    """The erased events are in the total and no longer in the rest, so an empty rest would reveal them."""
    assert suppressed({"/a": tally(9), "/b": tally(6)}, complete=False)[:2] == (["/a"], ["/b"])
    assert suppressed({"/a": tally(9), "/b": tally(6)}, tally(5), complete=False)[:2] == (["/a", "/b"], [])


def test_a_site_that_suppresses_nothing_shows_every_row():
    """With a threshold of one, an erasure merges no row either."""
    assert suppressed({"/a": tally(2), "/b": tally(1)}, min_cell=1, complete=False)[:2] == (["/a", "/b"], [])


@pytest.mark.parametrize(("persons", "visitors", "shown"), [(5, 5, True), (4, 4, False), (4, 9, False), (0, 0, True)])
def test_the_threshold_counts_persons(persons, visitors, shown):
    """The visitors of one network are one person, and a count without visitors singles out none."""
    assert Tally(9, 0, visitors, persons).is_publishable(5) is shown


@pytest.mark.parametrize(("rest", "early"), [(10, True), (11, False), (0, True)])
def test_a_table_waits_if_more_than_a_tenth_is_lost(rest, early):
    """A table may be published before its month has ended if "other" has at most a tenth of its events."""
    table = CountedTable({"/a": tally(9, 100 - rest)}, tally(1, rest))
    assert (table.number, within_loss_limit(table, table.rest)) == (100, early)
