"""The public page: closed months alone, under the same threshold, and only if the site chose it."""

from __future__ import annotations

import re

import pytest

from conftest import choose

DAY = 86400
PATH = "/privacy/reports/public"


@pytest.fixture
def seen(tiny, clock):
    """Build a site that twelve consenting visitors saw in May, and six in June; it is the 2nd of July."""

    def build(**config):
        site = tiny(**config)
        for people, path in ((12, "/item/may"), (6, "/item/june"), (1, "/item/lonely")):
            for _ in range(people):
                visitor = site.visitor()
                choose(visitor, "accept_all")
                visitor.get(path)
            clock.shift(28 * DAY if path == "/item/may" else 13 * DAY)
            site.cli("load")
        return site

    return build


def test_a_site_shows_nothing_in_public_by_default(seen):
    """Without the setting, the page does not exist."""
    assert seen().visitor().get(PATH).status_code == 404


def test_every_visitor_reads_closed_months(seen):
    """The newest closed month opens first, and leads to the earlier one. There is no way to the open month."""
    visitor = seen(PRIVACY_PUBLIC_REPORTS=True).visitor()
    text = visitor.get(PATH).text
    assert "June 2026" in text and "/item/june" in text and f"{PATH}?window=2026-05" in text
    assert "/item/may" in visitor.get(f"{PATH}?window=2026-05").text
    answers = [
        visitor.get(f"{PATH}?window={window}").status_code for window in ("2026-07", "2026-06-05", "all", "2026-W23", "x")
    ]
    assert answers == [404] * 5


def test_the_public_page_has_the_threshold_of_the_reports(seen):
    """A page that a single visitor saw is not named, and no link leads to a page for staff."""
    text = seen(PRIVACY_PUBLIC_REPORTS=True).visitor().get(PATH).text
    article = text.partition("<article")[2].partition("</article>")[0]
    assert "lonely" not in text and not re.findall(r'href="/privacy/reports(?!/public)', article)


def test_the_public_page_has_no_day_of_the_month_after(seen, clock):
    """The last week of June ends in July, which is open: the trend leaves it out, however often July's days close."""
    site = seen(PRIVACY_PUBLIC_REPORTS=True)
    before = site.visitor().get(f"{PATH}?window=2026-06").text
    for visitor in [site.visitor() for _ in range(9)]:
        choose(visitor, "reject_all")
    clock.shift(5 * DAY)
    site.cli("load")
    after = site.visitor().get(f"{PATH}?window=2026-06").text
    figures = [text.partition("<article")[2].partition("</article>")[0] for text in (before, after)]
    assert figures[0] == figures[1] and "Jul" not in figures[0]


def test_no_month_is_public_before_one_has_closed(tiny):
    """A new site answers 404, and no error."""
    assert tiny(PRIVACY_PUBLIC_REPORTS=True).visitor().get(PATH).status_code == 404
