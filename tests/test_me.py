"""What is stored about a visitor: said to this visitor in plain words, to nobody else, and erased at a click."""

import json
import re

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.keys import Keys

KEYS = {"test": "sixteen characters or more"}
COOKIES = ("privacy_consent", "privacy_visitor", "privacy_choices")


@pytest.fixture
def site(tiny):
    return tiny(PRIVACY_KEYS=KEYS)


@pytest.fixture
def visitor(site, clock):
    """Somebody who accepted, saw three pages and chose a theme."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    for path in ("/", "/other", "/other", "/theme/dark"):
        visitor.get(path)
    return visitor


def words(visitor):
    """The page's words, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", visitor.get("/privacy/me").text.partition("<main>")[2]))


def stored(visitor):
    return visitor.get("/privacy/me.json").json


def kept(visitor):
    return {name: cookie(visitor, name) for name in COOKIES}


def with_cookies(site, cookies):
    """A browser with these cookies."""
    other = site.visitor()
    for name, value in cookies.items():
        if value is not None:
            other.set_cookie(name, value)
    return other


def erase(visitor, **headers):
    return visitor.post("/privacy/me/erase", headers=headers)


@pytest.mark.parametrize("load", [False, True], ids=["still in the log", "loaded"])
def test_promise_18_a_visitor_sees_what_is_stored(site, visitor, load):
    """Visits, events by kind, days, pages, choices, the decision and its end: the same before and after loading."""
    if load:
        site.cli("load")
    said = stored(visitor)
    assert said["stored"] and said["choices"] == {"theme": "dark"}
    assert said["events"]["by_kind"] == {"page_view": 4, "visit_start": 1, "customisation": 1}
    assert said["events"]["pages"] == {"/other": 2, "/": 1, "/theme/dark": 1}
    assert (said["events"]["first_day"], said["events"]["last_day"]) == ("2026-05-08", "2026-05-08")
    assert said["decision"] == {"day": "2026-05-08", "until": "2026-11-05"}
    assert said["receipt"]["record_id"] == site.ledger("grant")[0]["receipt"] and said["purposes"]["statistics"] == "granted"
    text = words(visitor)
    for sentence in ("Page views 4", "Visits 1", "/other 2", "theme dark", "Your decision holds until November 5, 2026."):
        assert sentence in text


def test_promise_16_the_page_tells_no_id(site, visitor):
    """Neither the visitor's own nor a way to another's."""
    name = cookie(visitor, "privacy_visitor").partition(".")[0]
    assert len(name) > 20 and name not in visitor.get("/privacy/me").text + visitor.get("/privacy/me.json").text


@pytest.mark.parametrize("path", ["/privacy/me", "/privacy/me.json"])
def test_what_is_stored_is_never_cached(visitor, path):
    """Not even by the visitor's own browser."""
    assert visitor.get(path).headers["Cache-Control"] == "no-store"


def test_promise_3_looking_leaves_no_trace(site):
    """Nothing is stored about whoever was not asked, and looking changes nothing."""
    visitor = site.visitor()
    assert "Nothing is stored about you." in words(visitor) and not stored(visitor)["stored"]
    assert (site.files(), kept(visitor)) == ([], dict.fromkeys(COOKIES))


def test_promise_18_each_purpose_leads_to_its_switch(visitor):
    """Which is one of the settings page's, and shows what was decided."""
    page, settings = visitor.get("/privacy/me").text, visitor.get("/privacy/consent").text
    for purpose in ("statistics", "customisation"):
        assert f'href="/privacy/consent#privacy-{purpose}"' in page and f'id="privacy-{purpose}"' in settings
        assert f'aria-labelledby="privacy-{purpose}" disabled checked>' in page


def test_days_apart_are_said_as_a_span(visitor, clock):
    """And one day as itself."""
    assert "From May 8" not in words(visitor)
    clock.shift(2 * 86400)
    visitor.get("/other")
    assert "From May 8, 2026 to May 10, 2026" in words(visitor) and "Repeat visits 1" in words(visitor)


def test_a_refusal_is_said_and_nothing_else_is_stored(site, clock):
    """When it was decided and until when it holds."""
    visitor = site.visitor()
    choose(visitor, "reject_all")
    assert "Nothing is stored about you." in words(visitor) and "You decided on May 8, 2026." in words(visitor)
    assert "Erase everything" not in words(visitor)


def test_promise_18_erasing_takes_back_everything_at_once(site, visitor):
    """The decision, the cookies and every event: loaded, in the log, and in flight."""
    name = cookie(visitor, "privacy_visitor").partition(".")[0]
    site.cli("load")
    visitor.get("/other")
    response = erase(visitor)
    assert response.status_code == 303 and response.headers["Cache-Control"] == "no-store"
    assert kept(visitor)["privacy_consent"].startswith("r.")
    assert (kept(visitor)["privacy_visitor"], kept(visitor)["privacy_choices"]) == (None, None)
    assert site.events() == [] and not stored(visitor)["stored"]
    withdrawal = site.ledger("withdrawal")[0]
    assert (withdrawal["source"], json.loads(withdrawal["withdrawn"])) == ("me", ["customisation", "statistics"])
    assert withdrawal["subject"] == Keys(KEYS, "").hash(name)[1] and withdrawal["subject_key"] == "test"


def test_after_an_erasure_the_page_says_what_stays_and_why(visitor):
    """The proof of the decision, and the cookie that says no."""
    page = visitor.get(erase(visitor).headers["Location"])
    text = re.sub(r"<[^>]+>", " ", page.text)
    assert "Everything that was recorded about you here is erased." in text
    assert (
        "the proof of your decision, under the number of your receipt" in text and "a cookie that says you refused" in text
    )
    assert "<form" not in page.text.partition("<main>")[2]


def test_that_everything_is_erased_is_not_said_to_whoever_has_something(visitor):
    """An address alone makes no page tell what is not so."""
    assert "Everything that was recorded about you here is erased." not in visitor.get("/privacy/me?erased=1").text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_nobody_elses_page_can_have_a_visitor_erased(site, visitor, headers):
    """The same check as for a decision."""
    before = kept(visitor)
    assert erase(visitor, **headers).status_code == 403
    assert kept(visitor) == before and len(site.events()) == 6


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_only_a_post_erases(site, visitor, method):
    """A link does not."""
    assert getattr(visitor, method)("/privacy/me/erase").status_code == 405 and len(site.events()) == 6


def forged(cookies):
    """Another signature; not another last letter of it, which may stand for the same bytes."""
    return {name: value and value[:-9] + ("A" if value[-9] != "A" else "B") + value[-8:] for name, value in cookies.items()}


def edited(cookies):
    return cookies | {"privacy_visitor": "x" + cookies["privacy_visitor"]}


def without_the_grant(cookies):
    return cookies | {"privacy_consent": None}


@pytest.mark.parametrize("change", [forged, edited, without_the_grant])
def test_cookies_that_are_not_whole_open_nothing(site, visitor, change):
    """Forged, edited, or an ID without the grant it serves: no event is shown, and none is erased."""
    other = with_cookies(site, change(kept(visitor)))
    assert stored(other)["events"]["total"] == 0
    erase(with_cookies(site, change(kept(visitor))))
    assert len(site.events()) == 6


def test_an_id_with_another_ones_grant_opens_nothing(site, visitor):
    """Each grant has its own visitor."""
    other = site.visitor()
    choose(other, "accept_all")
    mixed = with_cookies(site, kept(other) | {"privacy_visitor": kept(visitor)["privacy_visitor"]})
    assert stored(mixed)["events"]["total"] == 0


@pytest.mark.parametrize("how", ["erase", "withdraw"])
def test_cookies_kept_from_before_a_withdrawal_open_nothing(site, visitor, how):
    """Whoever has them, and although their signatures are good."""
    before = kept(visitor)
    erase(visitor) if how == "erase" else choose(visitor, "reject_all")
    replayed = with_cookies(site, before)
    assert "Nothing is stored about you." in words(replayed) and not stored(replayed)["stored"]
    assert stored(replayed)["receipt"] is None


def test_what_cannot_be_read_is_not_said_to_be_nothing(site, visitor):
    """503 and a sentence, as a page and as JSON."""
    site.cli("load")
    (site.folder / "privacy-events.sqlite").write_bytes(b"not a database" * 1000)
    for path in ("/privacy/me", "/privacy/me.json"):
        response = visitor.get(path)
        assert response.status_code == 503 and "could not be read just now" in response.text


def test_erasing_works_while_both_databases_are_away(tiny, tmp_path):
    """It takes effect at once, and what could not be done waits beside the log."""
    site = tiny(PRIVACY_KEYS=KEYS, TESTING=False, PRIVACY_LOADER=False)
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    (site.folder / "privacy-ledger.sqlite").rename(tmp_path / "ledger")
    for name in ("privacy-ledger.sqlite", "privacy-events.sqlite"):
        (site.folder / name).mkdir()
    assert erase(visitor).status_code == 303 and kept(visitor)["privacy_consent"].startswith("r.")
    for name in ("privacy-ledger.sqlite", "privacy-events.sqlite"):
        (site.folder / name).rmdir()
    (tmp_path / "ledger").rename(site.folder / "privacy-ledger.sqlite")
    site.cli("load")
    assert site.events() == [] and [row["kind"] for row in site.ledger()][:2] == ["grant", "withdrawal"]
    assert site.cli("ledger", "verify").exit_code == 0


def test_an_erasure_that_waits_is_not_said_to_be_done(tiny, tmp_path):
    """It is under way as long as the database is away, and done once it was carried out; as a page and as JSON."""
    site = tiny(PRIVACY_KEYS=KEYS, TESTING=False, PRIVACY_LOADER=False)
    visitor, other = site.visitor(), site.visitor()
    choose(visitor, "accept_all"), choose(other, "accept_all")
    visitor.get("/"), other.get("/")
    (site.folder / "privacy-events.sqlite").mkdir()
    page = erase(visitor).headers["Location"]
    assert "recorded about you here is being erased." in visitor.get(page).text
    assert "is being erased." in erase(other, Accept="application/json").json["message"]
    (site.folder / "privacy-events.sqlite").rmdir()
    site.cli("load")
    assert "recorded about you here is erased." in visitor.get(page).text and site.events() == []


def test_erasing_answers_a_script_in_json(visitor):
    """What is granted now, and a sentence."""
    answer = erase(visitor, Accept="application/json").json
    assert answer["purposes"]["statistics"] == "refused" and "is erased" in answer["message"]


@pytest.mark.parametrize("path", ["/privacy/", "/privacy/consent"])
def test_promise_18_the_way_to_what_is_stored_is_on_our_pages(site, path):
    """For whoever was asked and whoever was not."""
    assert 'href="/privacy/me" rel="nofollow">What is stored about you</a>' in site.visitor().get(path).text


class _Killed(BaseException):
    """What ends a process at once."""


@pytest.mark.parametrize("path", ["/privacy/me/erase", "/privacy/consent"])
def test_a_crash_between_an_erasure_and_its_entry_is_made_good(tiny, path, monkeypatch):
    """The next load writes the withdrawal with whose events went, so that a replay after a restore finds them."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    here = site.privacy.site(site.app)
    here.load()
    [name], erase = here.store.visitors(), here.store.erase

    def killed(*given):
        erase(*given)
        raise _Killed

    monkeypatch.setattr(here.store, "erase", killed)
    with pytest.raises(_Killed):
        visitor.post(path, data={"choice": "reject_all"})
    here.load()
    assert [row["subject"] for row in site.ledger("withdrawal")] == [here.keys.hash(name)[1]]
