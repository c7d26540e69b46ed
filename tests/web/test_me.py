"""The visitor's own page: what is stored about this visitor, shown to no one else, and erased at a click."""

import json
import re

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.storage.keys import KeyRing

KEYS = {"test": "sixteen characters or more"}
COOKIES = ("privacy_consent", "privacy_visitor", "privacy_choices")


@pytest.fixture
def site(tiny):
    return tiny(PRIVACY_KEYS=KEYS)


@pytest.fixture
def visitor(site, clock):
    """A visitor who accepted, saw three pages and chose a theme."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    for path in ("/", "/other", "/other", "/theme/dark"):
        visitor.get(path)
    return visitor


def page_text(visitor):
    """Return the text of the page, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", visitor.get("/privacy/me").text.partition("<main>")[2]))


def stored(visitor):
    return visitor.get("/privacy/me.json").json


def kept(visitor):
    return {name: cookie(visitor, name) for name in COOKIES}


def with_cookies(site, cookies):
    """Return a browser with these cookies."""
    other = site.visitor()
    for name, value in cookies.items():
        if value is not None:
            other.set_cookie(name, value)
    return other


def erase(visitor, **headers):
    return visitor.post("/privacy/me/erase", headers=headers)


@pytest.mark.parametrize("load", [False, True], ids=["still in the log", "loaded"])
def test_promise_18_a_visitor_sees_what_is_stored(site, visitor, load):
    """Visits, events, days, pages, choices and the decision are the same before and after loading."""
    if load:
        site.cli("load")
    data = stored(visitor)
    assert data["stored"] and data["choices"] == {"theme": "dark"}
    assert data["events"]["by_kind"] == {"page_view": 4, "visit_start": 1, "customisation": 1}
    assert data["events"]["pages"] == {"/other": 2, "/": 1, "/theme/dark": 1}
    assert (data["events"]["first_day"], data["events"]["last_day"]) == ("2026-05-08", "2026-05-08")
    assert data["decision"] == {"day": "2026-05-08", "until": "2026-11-05"}
    assert data["receipt"]["record_id"] == site.ledger("grant")[0]["receipt"] and data["purposes"]["statistics"] == "granted"
    text = page_text(visitor)
    for sentence in ("Page views 4", "Visits 1", "/other 2", "Theme dark", "Your decision is valid until November 5, 2026."):
        assert sentence in text


def test_promise_16_the_page_contains_no_id(site, visitor):
    """The page has no visitor ID and no link to another visitor's data."""
    name = cookie(visitor, "privacy_visitor").partition(".")[0]
    assert len(name) > 20 and name not in visitor.get("/privacy/me").text + visitor.get("/privacy/me.json").text


@pytest.mark.parametrize("path", ["/privacy/me", "/privacy/me.json"])
def test_what_is_stored_is_never_cached(visitor, path):
    """No cache stores the page, including the browser's."""
    assert visitor.get(path).headers["Cache-Control"] == "no-store"


def test_promise_3_the_page_leaves_no_trace(site):
    """A visitor who was never asked has nothing stored, and looking stores nothing."""
    visitor = site.visitor()
    assert "Nothing is stored about you." in page_text(visitor) and not stored(visitor)["stored"]
    assert (site.files(), kept(visitor)) == ([], dict.fromkeys(COOKIES))


def test_promise_18_each_purpose_links_to_its_switch(visitor):
    """The link leads to the settings page, which shows the decision."""
    page, settings = visitor.get("/privacy/me").text, visitor.get("/privacy/consent").text
    for purpose in ("statistics", "customisation"):
        assert f'href="/privacy/consent#mixamo-{purpose}"' in page and f'id="mixamo-{purpose}"' in settings
        assert f'aria-labelledby="mixamo-{purpose}" disabled checked>' in page


def test_several_days_are_shown_as_a_span(visitor, clock):
    """Several days are shown from first to last, and a single day alone."""
    assert "From May 8" not in page_text(visitor)
    clock.shift(2 * 86400)
    visitor.get("/other")
    assert "From May 8, 2026 to May 10, 2026" in page_text(visitor) and "Repeat visits 1" in page_text(visitor)


def test_a_refusal_is_shown_and_nothing_else_is_stored(site, clock):
    """The page shows the refusal's day and the day when it expires."""
    visitor = site.visitor()
    choose(visitor, "reject_all")
    text = page_text(visitor)
    assert "Apart from your decision, nothing is stored about you." in text and "You decided on May 8, 2026." in text
    assert "Erase everything" not in page_text(visitor)


def test_the_erasure_asks_for_a_confirmation(site, visitor):
    """The dangerous button leads to a page with one more button and a way back. Opening that page erases nothing."""
    page = visitor.get("/privacy/me").text
    assert re.search(r'<form action="/privacy/me" method="get">\s+<input type="hidden" name="erase" value="1">', page)
    confirmation = visitor.get("/privacy/me?erase=1").text
    assert "<title>Erase everything?</title>" in confirmation and '<button class="mixamo-dangerous">Erase' in confirmation
    assert 'action="/privacy/me/erase" method="post"' in confirmation and ">Keep everything</a>" in confirmation
    assert stored(visitor)["stored"] and "Erase everything?" not in site.visitor().get("/privacy/me?erase=1").text


def test_a_visitor_without_a_decision_reads_no_contradiction(site):
    """Nothing is stored, nothing is decided, and so everything optional is off."""
    text = page_text(site.visitor())
    assert "Nothing is stored about you." in text and "You have not decided yet" in text and "You decided" not in text


def test_the_page_has_the_words_that_were_decided_on(site, visitor):
    """The receipt's number has its name, and the text is that of the banner or the settings."""
    text = page_text(visitor)
    assert "The text you decided on" in text or not site.ledger("grant")[0]["text"]
    shown = site.visitor()
    token = re.search(r'name="shown" value="([^"]+)"', shown.get("/").text)[1]
    choose(shown, "accept_all", shown=token)
    assert "May we count your visits" in page_text(shown) and "Number of the receipt:" in page_text(shown)


def test_promise_18_erasing_withdraws_everything_at_once(site, visitor):
    """The decision, the cookies and all events are erased: loaded, in the log and in flight."""
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
    assert withdrawal["subject"] == KeyRing(KEYS, "").pseudonymise(name)[1] and withdrawal["subject_key"] == "test"


def test_after_an_erasure_the_page_lists_what_stays_and_why(visitor):
    """The proof of the decision and the refusal cookie stay."""
    page = visitor.get(erase(visitor).headers["Location"])
    text = re.sub(r"<[^>]+>", " ", page.text)
    assert "Everything that was recorded about you here has been erased." in text
    assert (
        "the proof of your decision, under the number of your receipt" in text and "a cookie that says you refused" in text
    )
    assert "<form" not in page.text.partition("<main>")[2]


def test_the_page_claims_no_erasure_while_something_is_stored(visitor):
    """Opening the URL of the result does not show a false statement."""
    assert "Everything that was recorded about you here has been erased." not in visitor.get("/privacy/me?erased=1").text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    ],
)
def test_another_site_cannot_erase_a_visitor(site, visitor, headers):
    """A cross-site erasure is refused like a cross-site decision."""
    before = kept(visitor)
    assert erase(visitor, **headers).status_code == 403
    assert kept(visitor) == before and len(site.events()) == 6


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_only_a_post_erases(site, visitor, method):
    """A link erases nothing."""
    assert getattr(visitor, method)("/privacy/me/erase").status_code == 405 and len(site.events()) == 6


def forged(cookies):
    """Return another signature. Changing its last letter might encode the same bytes."""
    return {name: value and value[:-9] + ("A" if value[-9] != "A" else "B") + value[-8:] for name, value in cookies.items()}


def edited(cookies):
    return cookies | {"privacy_consent": "x" + cookies["privacy_consent"]}


def without_the_grant(cookies):
    return cookies | {"privacy_consent": None}


@pytest.mark.parametrize("change", [forged, edited, without_the_grant])
def test_incomplete_cookies_give_no_access(site, visitor, change):
    """With a forged or edited grant, or an ID without its grant, no event is shown or erased."""
    other = with_cookies(site, change(kept(visitor)))
    assert stored(other)["events"]["total"] == 0
    erase(with_cookies(site, change(kept(visitor))))
    assert len(site.events()) == 6


def test_an_id_with_another_visitors_grant_gives_no_access(site, visitor):
    """Each grant belongs to one visitor."""
    other = site.visitor()
    choose(other, "accept_all")
    mixed = with_cookies(site, kept(other) | {"privacy_visitor": kept(visitor)["privacy_visitor"]})
    assert stored(mixed)["events"]["total"] == 0


@pytest.mark.parametrize("how", ["erase", "withdraw"])
def test_cookies_from_before_a_withdrawal_give_no_access(site, visitor, how):
    """Cookies kept from before have valid signatures, and still have no effect."""
    before = kept(visitor)
    erase(visitor) if how == "erase" else choose(visitor, "reject_all")
    replayed = with_cookies(site, before)
    assert "Nothing is stored about you." in page_text(replayed) and not stored(replayed)["stored"]
    assert stored(replayed)["receipt"] is None


def test_unreadable_data_is_not_reported_as_empty(site, visitor):
    """The page and its JSON are answered 503 with a message."""
    site.cli("load")
    (site.folder / "privacy-events.sqlite").write_bytes(b"not a database" * 1000)
    for path in ("/privacy/me", "/privacy/me.json"):
        response = visitor.get(path)
        assert response.status_code == 503 and "could not be read just now" in response.text


def test_erasing_works_while_both_databases_are_unavailable(tiny, tmp_path):
    """The erasure takes effect at once, and the rest is spooled beside the log."""
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


def test_a_pending_erasure_is_not_reported_as_done(tiny, tmp_path):
    """The page and its JSON report the erasure as pending until the database is back."""
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
    assert "recorded about you here has been erased." in visitor.get(page).text and site.events() == []


def test_erasing_returns_json_to_a_script(visitor):
    """The JSON answer has the granted purposes and a message."""
    answer = erase(visitor, Accept="application/json").json
    assert answer["purposes"]["statistics"] == "refused" and "has been erased" in answer["message"]


@pytest.mark.parametrize("path", ["/privacy/", "/privacy/consent"])
def test_promise_18_the_link_to_what_is_stored_is_on_the_extensions_pages(site, path):
    """The link is there before and after the visitor decided."""
    assert 'href="/privacy/me" rel="nofollow">What is stored about you</a>' in site.visitor().get(path).text


class _Killed(BaseException):
    """Stops the process at once."""


@pytest.mark.parametrize("path", ["/privacy/me/erase", "/privacy/consent"])
def test_a_crash_between_an_erasure_and_its_entry_is_repaired(tiny, path, monkeypatch):
    """The next load writes the withdrawal with the erased visitor, so that a replay finds the events."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    runtime = site.privacy.runtime(site.app)
    runtime.load()
    [name], erase = runtime.store.visitors(), runtime.store.erase

    def killed(*args):
        erase(*args)
        raise _Killed

    monkeypatch.setattr(runtime.store, "erase", killed)
    with pytest.raises(_Killed):
        visitor.post(path, data={"choice": "reject_all"})
    runtime.load()
    assert [row["subject"] for row in site.ledger("withdrawal")] == [runtime.keys.pseudonymise(name)[1]]


def test_an_erasure_that_htmx_posts_opens_a_new_document(site, visitor):
    """htmx would swap the answer into the page in which withdrawn services still run, so it gets its own redirect."""
    response = erase(visitor, **{"HX-Request": "true"})
    assert response.status_code == 200 and response.headers["HX-Redirect"].startswith("/privacy/me?erased=1")
    assert response.headers["Cache-Control"] == "no-store" and site.events() == []


@pytest.mark.parametrize("path", ["/", "/privacy/consent", "/privacy/me"])
def test_no_library_submits_a_form_that_decides(site, path):
    """The browser itself submits the form, so that the next page is a new document: htmx, Turbo and Unpoly leave it alone."""
    page = site.visitor().get(path).text
    forms = [part.partition(">")[0] for part in page.split("<form ")[1:] if 'method="post"' in part.partition(">")[0]]
    assert all('hx-boost="false" data-turbo="false" up-submit="false"' in form for form in forms)
    assert forms or path == "/privacy/me"
