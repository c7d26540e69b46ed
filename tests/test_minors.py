"""Children: a neutral question, of which a yes or a no is kept; nothing optional of a known child."""

import json
import re
from dataclasses import replace
from datetime import date

import pytest
from forms import born, policy, send, with_forms

from conftest import choose, cookie
from flask_mixamo_privacy import age
from flask_mixamo_privacy.declaration import built_in
from flask_mixamo_privacy.errors import BirthDateSeen, RightsUnavailable

pytestmark = pytest.mark.usefixtures("clock")

CHILD, ADULT = "child@family.example", "parent@family.example"
YOUNG, OLD = born(2015, 3, 17), born(1979, 11, 23)


def rights(site):
    return site.privacy.site(site.app).rights


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (("8", "5", "2013"), True), (("9", "5", "2013"), False), (("08", "05", "2013"), True), (("1", "1", "2000"), True),
        (("29", "2", "2012"), True), (("29", "2", "2013"), None), (("", "", "2012"), True), (("", "", "2013"), False),
        (("", "5", "2013"), False), (("", "4", "2013"), True), (("", "", "2026"), False), (("1", "1", "2027"), None),
        (("1", "1", "1800"), None), (("x", "1", "2000"), None), (("1", "1", ""), None), (("", "", ""), None),
        (("32", "1", "2000"), None), (("1", "13", "2000"), None), (("١", "١", "٢٠٠٠"), True), ((" 1 ", "1", " 2000 "), True),
    ],
)  # fmt: skip
def test_an_age_is_told_to_the_day(typed, answer):
    """What was left out counts as late as it can be; what is no day is asked again."""
    sent = dict(zip(age.FIELDS, typed, strict=True))
    assert age.old_enough(sent, 13, date(2026, 5, 8)) is answer


def test_promise_20_the_question_hints_at_nothing(tiny):
    """Day, month and year, empty, and no number of years anywhere; the same for who has answered no."""
    site = with_forms(tiny)
    site.view("/question", lambda: __import__("flask").render_template_string("{{ privacy.age_question() }}"))
    visitor = site.visitor()
    text = visitor.get("/question").text
    assert re.findall(r'name="(privacy_birth_\w+)"', text) == list(age.FIELDS)
    assert "When were you born?" in text and "13" not in re.sub(r"<link[^>]+>", "", text) and "value=" not in text
    send(visitor, "/newsletter", email=CHILD, **YOUNG)
    assert visitor.get("/question").text == text


def test_promise_20_a_childs_opt_in_is_refused(tiny):
    """The view is not reached, nothing is on record, and the child is known from then on."""
    site = with_forms(tiny)
    answer = send(site.visitor(), "/newsletter", email=CHILD, **YOUNG)
    assert answer.status_code == 403 and "We cannot sign you up." in answer.text
    assert site.ledger() == [] and site.privacy.site(site.app).mail.marketing.of(CHILD) == []
    assert rights(site).minors.is_minor(CHILD)


def with_a_raw_view(tiny, **config):
    """A site with a view that reads the answer for itself."""
    site = with_forms(tiny, **config)
    site.app.add_url_rule("/raw", "raw", lambda: __import__("flask").request.form.get("email", ""), methods=["POST"])
    return site


def test_promise_20_a_view_that_could_read_a_birth_date_is_told(tiny):
    """In tests and in debug mode, whatever it made of it; the error says what to put on it."""
    visitor = with_a_raw_view(tiny).visitor()
    with pytest.raises(BirthDateSeen) as told:
        visitor.post("/raw", data={"email": CHILD, **YOUNG})
    assert str(told.value) == (
        "The view 'raw' was sent the answer to privacy.age_question() and collects at no point, so it could read a birth "
        'date. Put @privacy.collects("newsletter") on it, with the point that the form is for, or use a CollectionForm: '
        "then it gets old_enough, a yes or a no, and nothing else of the answer."
    )
    assert visitor.post("/raw", data={"email": CHILD}).text == CHILD
    assert send(visitor, "/newsletter", email=ADULT, **OLD).status_code == 200


def test_in_production_a_birth_date_seen_is_logged_and_not_repeated(tiny, caplog):
    """The page is served, and the log has the view's name and no date."""
    site = with_a_raw_view(tiny, TESTING=False)
    assert site.visitor().post("/raw", data={"email": CHILD, **YOUNG}).text == CHILD
    assert "The view 'raw' was sent the answer" in caplog.text and "2015" not in caplog.text


def test_an_operator_knows_better(tiny):
    """By command, whom a parent tells of and who was marked by mistake; the ledger keeps who said so."""
    site = with_forms(tiny)
    assert site.cli("minors", "add", " Child@FAMILY.example").exit_code == 0 and rights(site).minors.is_minor(CHILD)
    assert send(site.visitor(), "/newsletter", email=CHILD, **OLD).status_code == 403
    assert site.cli("minors", "forget", CHILD).exit_code == 0 and not rights(site).minors.is_minor(CHILD)
    assert send(site.visitor(), "/newsletter", email=CHILD, **OLD).status_code == 200
    again = site.cli("minors", "forget", CHILD)
    assert (again.exit_code, again.output) == (1, "Nobody is known as a child under this name.\n")
    assert [row["kind"] for row in site.ledger()][:2] == ["minor added", "minor forgotten"]
    assert CHILD not in str(site.ledger())


def test_promise_19_a_child_is_known_by_one_spelling_of_the_address(tiny):
    """The one by which it is looked up as a mail leaves: a host in letters of its own is the same in ASCII."""
    site = with_forms(tiny)
    assert send(site.visitor(), "/newsletter", email="Kind@BÜCHER.example", **YOUNG).status_code == 403
    with site.app.app_context():
        for address in ("kind@bücher.example", "kind@xn--bcher-kva.example"):
            assert site.privacy.may_mail(address, "marketing").reason == "minor"


def test_promise_20_an_older_date_in_the_same_browser_is_still_refused(tiny, clock):
    """The first no stands, under another address and at another form too; another browser is asked anew."""
    site = with_forms(tiny, ("newsletter",))
    visitor = site.visitor()
    assert send(visitor, "/newsletter", email=CHILD, **YOUNG).status_code == 403
    clock.shift(3600)
    assert send(visitor, "/newsletter", email=ADULT, **OLD).status_code == 403
    found = send(visitor, "/registration", email=ADULT, privacy_opt_in="newsletter").json
    assert found["opt_ins"] == [] and site.ledger("opt-in") == []
    fresh = {"email": "other@family.example", "privacy_opt_in": "newsletter"}
    assert send(site.visitor(), "/newsletter", **fresh, **OLD).status_code == 200


def test_promise_20_a_known_childs_address_is_refused_in_any_browser(tiny):
    """Whoever types it, and whatever age they give."""
    site = with_forms(tiny)
    rights(site).minors.note(CHILD)
    assert send(site.visitor(), "/newsletter", email=CHILD, **OLD).status_code == 403


def test_the_first_answer_is_kept_though_the_form_was_incomplete(tiny):
    """Going back and changing the year does not help."""
    site = with_forms(tiny)
    visitor = site.visitor()
    assert send(visitor, "/newsletter", **YOUNG).status_code == 400
    assert send(visitor, "/newsletter", email=CHILD, **OLD).status_code == 403


def test_the_cookie_says_no_and_nothing_else(tiny):
    """It is the same for every child, ends with the browser, and is not readable to scripts; a yes sets none."""
    site = with_forms(tiny)
    one, other, old = (site.visitor() for _ in range(3))
    headers = [send(v, "/newsletter", email=f"{i}@family.example", **YOUNG).headers for i, v in enumerate((one, other))]
    assert cookie(one, "privacy_age") == cookie(other, "privacy_age") and cookie(one, "privacy_age").startswith("no.")
    [said] = headers[0].getlist("Set-Cookie")
    assert "HttpOnly" in said and "SameSite=Lax" in said and "Expires" not in said and "Max-Age" not in said
    send(old, "/newsletter", email=ADULT, **OLD)
    assert cookie(old, "privacy_age") is None


@pytest.mark.parametrize("garbage", ["no", "yes", "no.forged", "é", "x" * 5000, ""])
def test_a_forged_cookie_is_nothing(tiny, garbage):
    """Neither a child nor an error."""
    site = with_forms(tiny)
    visitor = site.visitor(Cookie=f"privacy_age={garbage}".encode().decode("latin-1"))
    assert visitor.get("/").status_code == 200
    assert send(visitor, "/newsletter", email=ADULT, **OLD).status_code == 200


def test_promise_20_only_a_yes_or_a_no_reaches_the_site(tiny):
    """The declared field holds it; the three of the question are gone before the view."""
    found = send(with_forms(tiny).visitor(), "/newsletter", email=ADULT, **OLD).json
    assert found["form"] == {"email": ADULT, "old_enough": "yes"} and found["old_enough"] is True and found["dropped"] == 0


def test_an_account_is_no_marketing(tiny):
    """A child may have one, where the site says so, and the site is told."""
    site = with_forms(tiny)
    found = send(site.visitor(), "/account", email=CHILD, **YOUNG).json
    assert found["form"] == {"email": CHILD, "old_enough": "no"} and found["old_enough"] is False


def test_what_is_declared_for_children_is_open_to_them(tiny):
    """``minors = true`` on a purpose."""
    site = with_forms(tiny)
    visitor = site.visitor()
    assert send(visitor, "/newsletter", email=CHILD, **YOUNG).status_code == 403
    assert send(visitor, "/pictures", email=CHILD).json["opt_ins"] == ["kids"]


@pytest.mark.parametrize("typed", [{}, born(2000, 2, 30), born("", 5, 5)], ids=["nothing", "no such day", "no year"])
def test_a_question_not_answered_is_asked_again(tiny, typed):
    """400 with a sentence, and no cookie."""
    visitor = with_forms(tiny).visitor()
    answer = send(visitor, "/newsletter", email=ADULT, **typed)
    assert answer.status_code == 400 and "Please give the day, the month and the year" in answer.text
    assert cookie(visitor, "privacy_age") is None


def test_a_yes_of_the_sites_own_question_counts(tiny):
    """Where it asks by other means and posts the declared field itself; a no is a no."""
    site = with_forms(tiny)
    assert send(site.visitor(), "/newsletter", email=ADULT, old_enough="on").json["form"]["old_enough"] == "yes"
    assert send(site.visitor(), "/newsletter", email=CHILD, old_enough="No").status_code == 403


def test_json_carries_the_answer_too(tiny):
    """For a form that a script sends."""
    site = tiny(PRIVACY_POLICY=policy())

    @site.app.post("/account")
    @site.privacy.collects("account")
    def account():
        from flask import request

        return request.json

    assert site.visitor().post("/account", json={"email": ADULT, **OLD}).json == {"email": ADULT, "old_enough": "yes"}


def test_while_it_cannot_be_told_who_is_a_child_nobody_is_signed_up(tiny, monkeypatch):
    """The database of rights is away: 503, nothing on record."""
    site = with_forms(tiny)

    def away(_):
        raise RightsUnavailable("away")

    monkeypatch.setattr(rights(site).minors, "is_minor", away)
    assert send(site.visitor(), "/newsletter", email=ADULT, **OLD).status_code == 503 and site.ledger() == []


def test_promise_20_no_birth_date_is_anywhere(tiny, caplog):
    """Not in a file, a log line, a cookie or a page, in any spelling; of child and adult, taken and refused."""
    site = with_forms(tiny)
    caplog.set_level("DEBUG")
    visitors = site.visitor(), site.visitor()
    for visitor in visitors:
        choose(visitor, "accept_all")
    pages = [send(visitors[0], "/newsletter", email=CHILD, **YOUNG), send(visitors[1], "/newsletter", email=ADULT, **OLD)]
    pages += [send(visitors[0], "/account", email=CHILD, **YOUNG), send(visitors[1], "/newsletter", **OLD)]
    site.events()
    written = b"".join(path.read_bytes() for path in site.folder.rglob("*") if path.is_file())
    said = [page.text + str(page.headers) for page in pages] + [
        caplog.text,
        str(visitors[0]._cookies),
        str(visitors[1]._cookies),
    ]
    assert len(written) > 10_000
    for year in (b"2015", b"1979"):
        assert year not in written and not [text for text in said if year.decode() in text.replace("-2015", "")]


# What is optional, in a known child's browser


def known_child(site):
    visitor = site.visitor()
    choose(visitor, "accept_all")
    send(visitor, "/newsletter", email=CHILD, **YOUNG)
    return visitor


def test_promise_20_what_is_optional_is_off_for_a_known_child(tiny):
    """Granted before or not: nothing is counted from then on, the visitor cookie goes, and nobody asks."""
    site = with_forms(tiny)
    visitor = known_child(site)
    before = len(site.events())
    assert "privacy-banner" not in visitor.get("/").text and cookie(visitor, "privacy_visitor") is None
    assert len(site.events()) == before
    state = visitor.get("/privacy/state.json").json
    assert (state["granted"], state["purposes"]["statistics"]) == (["necessary", "use", "purchase"], "refused")
    fresh = site.visitor()
    send(fresh, "/newsletter", email=CHILD, **YOUNG)
    assert "privacy-banner" not in fresh.get("/").text


@pytest.mark.parametrize("choice", [("accept_all",), ("save", "statistics", "customisation")])
def test_promise_20_a_known_child_cannot_grant_it(tiny, choice):
    """The answer is taken as a refusal, on record as such; the settings say that it stays off."""
    site = with_forms(tiny)
    visitor = known_child(site)
    choose(visitor, *choice)
    assert visitor.get("/privacy/state.json").json["purposes"]["statistics"] == "refused"
    assert len(site.ledger("grant")) == 1 and len(site.ledger("withdrawal")) == 1
    assert "Some of what is optional stays off in this browser." in visitor.get("/privacy/consent").text


def test_a_purpose_declared_for_children_stays_theirs_to_decide(tiny):
    """Statistics with ``minors = true`` can be granted and is counted; customisation cannot."""
    own = policy()
    purposes = [replace(p, minors=True) if p.id == "statistics" else p for p in own.purposes]
    site = with_forms(tiny, PRIVACY_POLICY=replace(own, purposes=tuple(purposes)))
    visitor = site.visitor()
    send(visitor, "/newsletter", email=CHILD, **YOUNG)
    assert "privacy-banner" in visitor.get("/").text
    choose(visitor, "accept_all")
    visitor.get("/")
    assert json.loads(site.ledger("grant")[0]["purposes"]) == ["statistics"] and site.events("page_view")


def test_promise_21_the_policy_asks_parents_to_go_along(tiny):
    """A sentence on the page, wherever children are spoken of."""
    text = with_forms(tiny).visitor().get("/privacy/").text
    assert re.search(r'data-promise="21"[^>]*>We ask parents to go with their children', text)
    assert 'data-promise="21"' not in tiny(PRIVACY_POLICY=built_in()).visitor().get("/privacy/").text
