"""Minors: a neutral age question that leaves only yes or no, and nothing optional for a known minor."""

import io
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.collection import notices
from flask_mixamo_privacy.errors import BirthDateSeen, RightsUnavailable
from flask_mixamo_privacy.policy.toml import built_in
from support.form_site import born, policy, send, with_forms

pytestmark = pytest.mark.usefixtures("clock")

CHILD, ADULT = "child@family.example", "parent@family.example"
YOUNG, OLD = born(2015, 3, 17), born(1979, 11, 23)


def rights(site):
    return site.privacy.runtime(site.app).rights


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (("8", "5", "2013"), True), (("9", "5", "2013"), False), (("08", "05", "2013"), True), (("1", "1", "2000"), True),
        (("29", "2", "2012"), True), (("29", "2", "2013"), None), (("", "", "2012"), True), (("", "", "2013"), False),
        (("", "5", "2013"), False), (("", "4", "2013"), True), (("", "", "2026"), False), (("1", "1", "2027"), None),
        (("1", "1", "1800"), None), (("x", "1", "2000"), None), (("1", "1", ""), None), (("", "", ""), None),
        (("32", "1", "2000"), None), (("9" * 400, "1", "2000"), None), (("1", "1", "9" * 5000), None),
        (("1", "13", "2000"), None), (("١", "١", "٢٠٠٠"), True), ((" 1 ", "1", " 2000 "), True),
    ],
)  # fmt: skip
def test_the_age_is_exact_to_the_day(typed, answer):
    """An omitted day or month counts as the latest possible; an invalid date is asked for again."""
    sent = dict(zip(notices.BIRTH_DATE_FIELDS, typed, strict=True))
    assert notices.is_old_enough(sent, 13, date(2026, 5, 8)) is answer


def test_promise_20_the_question_does_not_hint_at_the_age(tiny):
    """The fields are empty and no age is named, also for a visitor who has answered no."""
    site = with_forms(tiny)
    site.view("/question", lambda: __import__("flask").render_template_string("{{ privacy.age_question() }}"))
    visitor = site.visitor()
    text = visitor.get("/question").text
    assert re.findall(r'name="(privacy_birth_\w+)"', text) == list(notices.BIRTH_DATE_FIELDS)
    assert "When were you born?" in text and "13" not in re.sub(r"<link[^>]+>", "", text) and "value=" not in text
    send(visitor, "/newsletter", email=CHILD, **YOUNG)
    assert visitor.get("/question").text == text


def test_promise_20_a_minors_opt_in_is_refused(tiny):
    """The view is not called, nothing is recorded, and a site that confirms its addresses remembers the minor."""
    site = with_forms(tiny, PRIVACY_CONFIRM_OPT_INS="never")
    answer = send(site.visitor(), "/newsletter", email=CHILD, **YOUNG)
    assert answer.status_code == 403 and "We cannot sign you up." in answer.text
    assert site.ledger() == [] and site.privacy.runtime(site.app).mail.marketing.of(CHILD) == []
    assert rights(site).minors.is_minor(CHILD)


@pytest.mark.parametrize("texts", [(), (" ",)])
def test_a_file_does_not_answer_the_age_question(tiny, texts):
    """With a file as ``old_enough``, and with a blank text beside it, a required answer is missing; an optional one is None."""
    site = with_forms(tiny)

    def post(path):
        file = (io.BytesIO(b"yes"), "yes.txt")
        return site.visitor().post(path, data={"email": ADULT, "old_enough": [file, *texts]})

    assert post("/newsletter").status_code == 400 and site.ledger() == []
    answer = post("/account")
    assert (answer.status_code, answer.json["old_enough"]) == (200, None)
    assert not rights(site).minors.is_minor(ADULT)


def with_a_raw_view(tiny, **config):
    """A site with a view that reads the answer itself."""
    site = with_forms(tiny, **config)
    site.app.add_url_rule("/raw", "raw", lambda: __import__("flask").request.form.get("email", ""), methods=["POST"])
    return site


def test_promise_20_a_view_that_could_read_a_birth_date_is_reported(tiny):
    """In tests and in debug mode the view raises, and the error states which decorator it needs."""
    visitor = with_a_raw_view(tiny).visitor()
    with pytest.raises(BirthDateSeen) as raised:
        visitor.post("/raw", data={"email": CHILD, **YOUNG})
    assert str(raised.value) == (
        "The view 'raw' received a birth date from privacy.age_question(), because it is not a collection point. "
        'Decorate it with @privacy.collects("newsletter"), or use a CollectionForm. '
        'The view then receives only old_enough: "yes" or "no".'
    )
    assert visitor.post("/raw", data={"email": CHILD}).text == CHILD
    assert send(visitor, "/newsletter", email=ADULT, **OLD).status_code == 200


@pytest.mark.parametrize("page", ["consent", "requests", "unsubscribe/a"])
def test_a_birth_date_sent_to_a_page_of_ours_is_no_error(tiny, page):
    """Our own views read none, so a visitor who sends one fills no log."""
    site = with_forms(tiny)
    assert site.visitor().post(f"/privacy/{page}", data=YOUNG).status_code < 500
    assert site.privacy.runtime(site.app).failures == 0


def test_in_production_the_log_names_the_view_and_not_the_date(tiny, caplog):
    """The page is served, and the log has the view's name and no date."""
    site = with_a_raw_view(tiny, TESTING=False)
    assert site.visitor().post("/raw", data={"email": CHILD, **YOUNG}).text == CHILD
    assert "The view 'raw' received a birth date" in caplog.text and "2015" not in caplog.text


def test_an_operator_may_add_and_remove_a_minor(tiny):
    """The commands add or remove a known minor, and the ledger records both without the address."""
    site = with_forms(tiny)
    assert site.cli("minors", "add", " Child@FAMILY.example").exit_code == 0 and rights(site).minors.is_minor(CHILD)
    assert send(site.visitor(), "/newsletter", email=CHILD, **OLD).status_code == 403
    assert site.cli("minors", "forget", CHILD).exit_code == 0 and not rights(site).minors.is_minor(CHILD)
    assert send(site.visitor(), "/newsletter", email=CHILD, **OLD).status_code == 200
    again = site.cli("minors", "forget", CHILD)
    assert (again.exit_code, again.output) == (1, "There is no record of a child under this name.\n")
    assert [row["kind"] for row in site.ledger()][:2] == ["minor added", "minor forgotten"]
    assert CHILD not in str(site.ledger())


def test_promise_19_a_minor_is_known_by_the_normalised_address(tiny):
    """A minor's address is found in ASCII and in Unicode, as the mail gate looks it up."""
    site = with_forms(tiny, PRIVACY_CONFIRM_OPT_INS="never")
    assert send(site.visitor(), "/newsletter", email="Kind@BÜCHER.example", **YOUNG).status_code == 403
    with site.app.app_context():
        for address in ("kind@bücher.example", "kind@xn--bcher-kva.example"):
            assert site.privacy.may_mail(address, "marketing").reason == "minor"


def test_promise_20_an_older_date_in_the_same_browser_is_still_refused(tiny, clock):
    """The first no counts for every address and form in this browser; another browser is asked again."""
    site = with_forms(tiny, ("newsletter",))
    visitor = site.visitor()
    assert send(visitor, "/newsletter", email=CHILD, **YOUNG).status_code == 403
    clock.shift(3600)
    assert send(visitor, "/newsletter", email=ADULT, **OLD).status_code == 403
    found = send(visitor, "/registration", email=ADULT, privacy_opt_in="newsletter").json
    assert found["opt_ins"] == [] and site.ledger("opt-in") == []
    fresh = {"email": "other@family.example", "privacy_opt_in": "newsletter"}
    assert send(site.visitor(), "/newsletter", **fresh, **OLD).status_code == 200


@pytest.mark.parametrize(
    ("headers", "is_bound"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, False), ({"Origin": "https://evil.example"}, False),
        ({"Sec-Fetch-Site": "same-site"}, True), ({"Sec-Fetch-Site": "same-origin"}, True), ({"Origin": "null"}, True), ({}, True),
    ],
)  # fmt: skip
def test_another_site_cannot_mark_a_browser_as_a_childs(tiny, headers, is_bound):
    """Its page can send the form with a child's birth date from any visitor's browser. The form is refused, and no more."""
    site = with_forms(tiny)
    visitor = site.visitor()
    assert visitor.post("/newsletter", data={"email": CHILD, **YOUNG}, headers=headers).status_code == 403
    assert (cookie(visitor, "privacy_age") is not None) == is_bound


def test_promise_20_a_known_minors_address_is_refused_in_any_browser(tiny):
    """A known minor's address is refused with any birth date."""
    site = with_forms(tiny)
    rights(site).minors.add(CHILD)
    assert send(site.visitor(), "/newsletter", email=CHILD, **OLD).status_code == 403


def test_the_first_answer_is_kept_if_the_form_was_incomplete(tiny):
    """Going back and changing the year does not change the answer."""
    site = with_forms(tiny)
    visitor = site.visitor()
    assert send(visitor, "/newsletter", **YOUNG).status_code == 400
    assert send(visitor, "/newsletter", email=CHILD, **OLD).status_code == 403


def test_the_age_cookie_contains_no_alone(tiny):
    """The cookie is equal for every minor, a session cookie and HttpOnly; a yes sets no cookie."""
    site = with_forms(tiny)
    one, other, adult = (site.visitor() for _ in range(3))
    headers = [send(v, "/newsletter", email=f"{i}@family.example", **YOUNG).headers for i, v in enumerate((one, other))]
    assert cookie(one, "privacy_age") == cookie(other, "privacy_age") and cookie(one, "privacy_age").startswith("no.")
    [header] = headers[0].getlist("Set-Cookie")
    assert "HttpOnly" in header and "SameSite=Lax" in header and "Expires" not in header and "Max-Age" not in header
    send(adult, "/newsletter", email=ADULT, **OLD)
    assert cookie(adult, "privacy_age") is None


@pytest.mark.parametrize("garbage", ["no", "yes", "no.forged", "é", "x" * 5000, ""])
def test_a_forged_age_cookie_is_ignored(tiny, garbage):
    """A forged cookie neither marks a minor nor raises."""
    site = with_forms(tiny)
    visitor = site.visitor(Cookie=f"privacy_age={garbage}".encode().decode("latin-1"))
    assert visitor.get("/").status_code == 200
    assert send(visitor, "/newsletter", email=ADULT, **OLD).status_code == 200


def test_promise_20_only_yes_or_no_reaches_the_site(tiny):
    """The view gets the declared field, and none of the three fields of the question."""
    found = send(with_forms(tiny).visitor(), "/newsletter", email=ADULT, **OLD).json
    assert found["form"] == {"email": ADULT, "old_enough": "yes"} and found["old_enough"] is True and found["dropped"] == 0


def test_an_account_is_not_marketing(tiny):
    """A minor may have an account if the site allows it, and the view gets the answer."""
    site = with_forms(tiny)
    found = send(site.visitor(), "/account", email=CHILD, **YOUNG).json
    assert found["form"] == {"email": CHILD, "old_enough": "no"} and found["old_enough"] is False


def test_a_purpose_declared_for_minors_is_open_to_them(tiny):
    """A minor may opt in to a purpose with ``minors = true``."""
    site = with_forms(tiny)
    visitor = site.visitor()
    assert send(visitor, "/newsletter", email=CHILD, **YOUNG).status_code == 403
    assert send(visitor, "/pictures", email=CHILD).json["opt_ins"] == ["kids"]


@pytest.mark.parametrize("typed", [{}, born(2000, 2, 30), born("", 5, 5)], ids=["nothing", "no such day", "no year"])
def test_an_unanswered_question_is_asked_again(tiny, typed):
    """The form is answered 400 with a message and sets no cookie."""
    visitor = with_forms(tiny).visitor()
    answer = send(visitor, "/newsletter", email=ADULT, **typed)
    assert answer.status_code == 400 and "Please enter the day, month and year" in answer.text
    assert cookie(visitor, "privacy_age") is None


def test_the_answer_of_the_sites_own_question_counts(tiny):
    """A site may ask in another way and post the declared field itself; a no is a no."""
    site = with_forms(tiny)
    assert send(site.visitor(), "/newsletter", email=ADULT, old_enough="on").json["form"]["old_enough"] == "yes"
    assert send(site.visitor(), "/newsletter", email=CHILD, old_enough="No").status_code == 403


def test_the_answer_may_be_sent_as_json(tiny):
    """A script may send the answer as JSON."""
    site = tiny(PRIVACY_POLICY=policy())

    @site.app.post("/account")
    @site.privacy.collects("account")
    def account():
        from flask import request

        return request.json

    assert site.visitor().post("/account", json={"email": ADULT, **OLD}).json == {"email": ADULT, "old_enough": "yes"}


def test_no_one_is_signed_up_while_minors_cannot_be_looked_up(tiny, monkeypatch):
    """Without the rights database the form is answered 503 and records nothing."""
    site = with_forms(tiny)

    def away(_):
        raise RightsUnavailable("away")

    monkeypatch.setattr(rights(site).minors, "is_minor", away)
    assert send(site.visitor(), "/newsletter", email=ADULT, **OLD).status_code == 503 and site.ledger() == []


#: A digest, a random id or another long run of hex digits. Four of its digits may be a year by chance.
HEX_RUN = re.compile(r"[0-9a-f]{16,}")


def stored(folder):
    """Return the text of every file, and every value of every database on its own."""
    texts = [path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()]
    for path in folder.glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                texts += [str(value) for row in connection.execute(f'SELECT * FROM "{table}"') for value in row]
    return texts


def has_birth_date(text, born):
    """Return whether a text has the year of birth outside long runs of hex digits, or the date anywhere."""
    year, month, day = (born[name] for name in reversed(notices.BIRTH_DATE_FIELDS))
    for form in ((year, month, day), (day, month, year), (month, day, year)):
        if re.search(r"0?" + r"[^0-9A-Za-z]{0,3}0?".join(form), text):
            return True
    return year in HEX_RUN.sub("", text)


@pytest.mark.parametrize("text", ["1979", "1979-11-23", "23.11.1979", '"23", "11", "1979"', "a" * 64 + "19791123" + "b" * 8])
def test_a_birth_date_is_found_in_every_form(text):
    """The search of the next test finds a year, every form of a date, and a date beside a digest."""
    assert has_birth_date(text, OLD) and not has_birth_date("a" * 16 + "1979" + "b" * 44, OLD)


def test_promise_20_no_birth_date_is_anywhere(tiny, caplog):
    """No file, database, log line, cookie or page has the birth date of a child or an adult in any form."""
    site = with_forms(tiny)
    caplog.set_level("DEBUG")
    visitors = site.visitor(), site.visitor()
    for visitor in visitors:
        choose(visitor, "accept_all")
    pages = [send(visitors[0], "/newsletter", email=CHILD, **YOUNG), send(visitors[1], "/newsletter", email=ADULT, **OLD)]
    pages += [send(visitors[0], "/account", email=CHILD, **YOUNG), send(visitors[1], "/newsletter", **OLD)]
    site.events()
    texts = stored(site.folder)
    assert len("".join(texts)) > 10_000 and CHILD not in "".join(texts)
    texts += [page.text + str(page.headers) for page in pages]
    texts += [caplog.text, *(str(visitor._cookies) for visitor in visitors)]
    assert not [text for text in texts if has_birth_date(text, YOUNG) or has_birth_date(text, OLD)]


# Optional purposes in a known minor's browser


def known_minor(site):
    visitor = site.visitor()
    choose(visitor, "accept_all")
    send(visitor, "/newsletter", email=CHILD, **YOUNG)
    return visitor


def test_promise_20_optional_purposes_are_off_for_a_known_minor(tiny):
    """Nothing is counted, even after a grant, the visitor cookie is deleted, and no banner is shown."""
    site = with_forms(tiny)
    visitor = known_minor(site)
    before = len(site.events())
    assert "mixamo-ask" not in visitor.get("/").text and cookie(visitor, "privacy_visitor") is None
    assert len(site.events()) == before
    state = visitor.get("/privacy/state.json").json
    assert (state["granted"], state["purposes"]["statistics"]) == (["necessary", "use", "purchase"], "refused")
    fresh = site.visitor()
    send(fresh, "/newsletter", email=CHILD, **YOUNG)
    assert "mixamo-ask" not in fresh.get("/").text


@pytest.mark.parametrize("choice", [("accept_all",), ("save", "statistics", "customisation")])
def test_promise_20_a_known_minor_cannot_grant_optional_purposes(tiny, choice):
    """A grant is recorded as a refusal, and the settings page states that the purposes stay off."""
    site = with_forms(tiny)
    visitor = known_minor(site)
    choose(visitor, *choice)
    assert visitor.get("/privacy/state.json").json["purposes"]["statistics"] == "refused"
    assert len(site.ledger("grant")) == 1 and len(site.ledger("withdrawal")) == 1
    assert "Some optional features stay off in this browser." in visitor.get("/privacy/consent").text


def test_a_purpose_declared_for_minors_can_be_granted_by_them(tiny):
    """Statistics with ``minors = true`` can be granted and is counted; customisation cannot."""
    own = policy()
    purposes = [replace(p, minors=True) if p.id == "statistics" else p for p in own.purposes]
    site = with_forms(tiny, PRIVACY_POLICY=replace(own, purposes=tuple(purposes)))
    visitor = site.visitor()
    send(visitor, "/newsletter", email=CHILD, **YOUNG)
    assert "mixamo-ask" in visitor.get("/").text
    choose(visitor, "accept_all")
    visitor.get("/")
    assert json.loads(site.ledger("grant")[0]["purposes"]) == ["statistics"] and site.events("page_view")


def test_promise_21_the_policy_addresses_parents(tiny):
    """The sentence for parents is on the page if the policy mentions minors."""
    text = with_forms(tiny).visitor().get("/privacy/").text
    assert re.search(r'data-promise="21"[^>]*>We encourage parents to supervise their children', text)
    assert 'data-promise="21"' not in tiny(PRIVACY_POLICY=built_in()).visitor().get("/privacy/").text
