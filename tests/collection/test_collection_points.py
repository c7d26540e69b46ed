"""Collection points: the notice at the form, only declared fields, and a record before any data is used."""

import io
import json
from dataclasses import replace

import pytest
from flask import request

from conftest import in_a_thread
from flask_mixamo_privacy.errors import LedgerUnavailable, OtherPurpose, UndeclaredCollection, UndeclaredField
from flask_mixamo_privacy.i18n.language import language
from support.form_site import POINTS, RECIPIENTS, add_form, born, hidden, policy, send, with_forms

pytestmark = pytest.mark.usefixtures("clock")

ADA = "ada@shop.example"


def broken(*_, **__):
    raise LedgerUnavailable("no")


def test_promise_07_the_notice_is_in_the_form(tiny):
    """The notice contains the purpose, required and optional fields, and a link to the policy."""
    text = with_forms(tiny).visitor().get("/registration").text
    for words in ("We use this to help you.", "Use", "your email", "your name and your picture", 'href="/privacy/"'):
        assert words in text
    assert 'name="privacy_notice" value="' in text


@pytest.mark.parametrize(("code", "word"), [("de", "Erforderlich"), ("fr", "Obligatoire"), ("ar", "إلزامي")])
def test_the_notice_is_in_the_visitors_language(tiny, code, word):
    """Standard sentences are translated; the site's own sentences are used if they exist in that language."""
    text = with_forms(tiny).visitor(Accept_Language=code).get("/registration").text
    assert str(language(code)("Required")) in text and f'<div class="mixamo-about" lang="{code}"' in text, word


def test_promise_10_only_declared_fields_pass(tiny):
    """An extra field or file is dropped and counted, and the view never receives it."""
    site = with_forms(tiny)
    extra = {"shoe_size": "42", "spy": (io.BytesIO(b"x"), "spy.txt"), "picture": (io.BytesIO(b"x"), "me.png")}
    found = site.visitor().post("/registration", data={"email": ADA, **extra}).json
    assert (found["form"], found["values"], found["files"]) == ({"email": ADA}, {"email": ADA}, ["picture"])
    assert found["dropped"] == 2
    assert json.loads(site.ledger("collection")[0]["detail"])["dropped"] == 2


@pytest.mark.parametrize("looked_before", [True, False])
def test_promise_10_the_query_string_adds_no_values(tiny, looked_before):
    """Neither declared nor undeclared fields pass, because they would not be recorded. Control fields of the page pass."""
    site = tiny(PRIVACY_POLICY=policy())
    site.app.before_request(lambda: request.values.get("ssn") and None if looked_before else None)

    @site.app.post("/registration")
    @site.privacy.collects("registration", controls=("next",))
    def view():
        return [request.values.to_dict(), request.args.to_dict()]

    query = {"ssn": "1", "name": "Eve", "next": "/"}
    found = site.visitor().post("/registration", query_string=query, data={"email": ADA}).json
    assert found == [{"next": "/", "email": ADA}, query]


def test_promise_10_the_query_string_does_not_answer_the_age_question(tiny):
    """The view receives only the answer that the age gate applied."""
    site = with_forms(tiny)
    fields = {"email": ADA, **born(2020)}
    found = site.visitor().post("/account?old_enough=yes&privacy_birth_day=1", data=fields).json
    assert found["values"] == {"email": ADA, "old_enough": "no"}


def test_promise_10_json_is_filtered_too(tiny):
    """The view may read the body parsed, forced, or raw."""
    site = tiny(PRIVACY_POLICY=policy())

    @site.app.post("/registration")
    @site.privacy.collects("registration")
    def view():
        return [
            request.get_json(force=True),
            request.json,
            json.loads(request.data),
            json.loads(request.get_data(as_text=True)),
        ]

    visitor = site.visitor()
    kept = {"email": ADA, "name": "Ada"}
    assert visitor.post("/registration", json=kept | {"shoe_size": 42}).json == [kept] * 4
    assert visitor.post("/registration", json=[ADA]).status_code == 400
    raw = visitor.post("/registration", data=json.dumps(kept | {"shoe_size": 42}), content_type="text/plain")
    assert raw.status_code == 415 or "shoe_size" not in raw.text


def test_promise_10_optional_stays_optional(tiny):
    """A required field that is missing or blank is answered with 400 and a message that names it. Nothing is recorded."""
    site = with_forms(tiny)
    visitor = site.visitor()
    for email in (None, "", "   "):
        answer = visitor.post("/registration", data={"name": "Ada"} | ({"email": email} if email is not None else {}))
        assert answer.status_code == 400 and "Please fill in: your email." in answer.text
    assert site.ledger() == []
    assert visitor.post("/registration", data={"email": ADA}).status_code == 200


def test_an_api_client_gets_the_error_as_json(tiny):
    """The JSON contains the message and the fields."""
    answer = with_forms(tiny).visitor(Accept="application/json").post("/registration", data={})
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
    assert (answer.json["message"], answer.json["fields"]) == ("Please fill in: your email.", ["email"])


def test_a_site_can_handle_the_error_itself(tiny):
    """The error is an HTTP exception with the attributes that a handler needs."""
    site = with_forms(tiny)
    site.app.register_error_handler(400, lambda error: (f"{error.message} {error.fields}", 400))
    assert site.visitor().post("/registration").text == "Please fill in: your email. ('email',)"


def test_promise_10_no_box_is_pre_ticked(tiny):
    """No box of the extension has `checked`, before or after an invalid submission."""
    visitor = with_forms(tiny, ("newsletter", "pictures")).visitor()
    pages = [visitor.get(f"/{point.id}").text for point in POINTS]
    assert sum('type="checkbox"' in page for page in pages) == len(POINTS)
    pages.append(visitor.post("/registration", data={"privacy_opt_in": "newsletter"}).text)
    assert not any(" checked" in page for page in pages)


@pytest.mark.parametrize("point", ["registration", "newsletter", "account"])
def test_promise_09_a_record_is_written(tiny, point):
    """The record has time, version, digest of the shown text, field names without values, and a keyed hash."""
    site = with_forms(tiny)
    assert send(site.visitor(), f"/{point}", email=ADA, old_enough="yes").status_code == 200
    [row] = site.ledger("collection")
    assert (row["at"], row["policy"], row["source"], row["locale"]) == (
        "2026-05-08T12:00:00.000Z",
        "2026-05-08",
        "form",
        "en",
    )
    [words] = [text for text in site.ledger_texts() if text["digest"] == row["text"]]
    assert words["source"] == f"notice:{point}" and "your email" in words["body"]
    assert json.loads(row["detail"])["point"] == point and len(row["subject"]) == 64 and row["subject_key"]
    assert not [path for path in site.folder.rglob("*") if path.is_file() and ADA.encode() in path.read_bytes()]


def test_a_post_by_an_api_client_has_no_shown_text(tiny):
    """The record has no digest of a text."""
    site = with_forms(tiny)
    assert site.visitor().post("/registration", data={"email": ADA}).status_code == 200
    [row] = site.ledger("collection")
    assert (row["source"], row["text"], row["locale"]) == ("api", "", "")


def test_a_changed_notice_is_shown_again(tiny):
    """A visitor who read that a name is optional has not agreed that it is required: 409, and nothing is collected."""
    before = hidden(with_forms(tiny).visitor(), "/registration")
    changed = [replace(POINTS[0], required=("email", "name"), optional=("picture",)), *POINTS[1:]]
    site = with_forms(tiny, PRIVACY_POLICY=policy(*changed))
    answer = site.visitor().post("/registration", data=before | {"email": ADA, "name": "Ada"})
    assert answer.status_code == 409 and "has changed since you opened it" in answer.text and site.ledger() == []


def test_a_corrected_notice_is_valid_while_the_ledger_has_the_old_text(tiny):
    """A form opened before the correction is accepted, and the record has the text that was shown."""
    site = with_forms(tiny)
    before = hidden(site.visitor(), "/registration")
    assert site.visitor().post("/registration", data=before | {"email": ADA}).status_code == 200
    corrected = [replace(POINTS[0], notice="We use this in order to help you."), *POINTS[1:]]
    later = with_forms(tiny, PRIVACY_POLICY=policy(*corrected))
    assert later.visitor().post("/registration", data=before | {"email": ADA}).status_code == 200
    assert len({row["text"] for row in later.ledger("collection")}) == 1


@pytest.mark.parametrize(
    "garbage", ["x", "....", "a.notice:registration.en.b", "a.notice:registration.tlh.b", "\x00.é", "." * 9000]
)
def test_an_invalid_digest_is_never_an_error(tiny, garbage):
    """An invalid digest counts as a text that was never shown."""
    answer = with_forms(tiny).visitor().post("/registration", data={"email": ADA, "privacy_notice": garbage})
    assert answer.status_code == 409


@pytest.mark.parametrize("name", ["privacy_asked", "privacy_opt_in", "privacy_acknowledged", "privacy_whatever"])
def test_invalid_control_fields_are_ignored(tiny, name):
    """Invalid control fields cause no opt-in and no error."""
    found = with_forms(tiny).visitor().post("/registration", data={"email": ADA, name: ["x.y", "", "é" * 500]})
    assert found.status_code == 200 and found.json["opt_ins"] == [] and found.json["dropped"] == 0


def test_promise_07_an_undeclared_point_raises_in_tests(tiny):
    """View and template raise before any data is read, and the error contains the missing declaration."""
    site = with_forms(tiny)
    add_form(site, "survey")
    for visit in (site.visitor().get, site.visitor().post):
        with pytest.raises(UndeclaredCollection) as raised:
            visit("/survey")
        assert str(raised.value).startswith(
            "The collection point 'survey' is not declared; allowed: registration, licence, newsletter, pictures, "
            'account, posting. Use one of these, or add to privacy.toml:\n\n[[collection]]\nid = "survey"\n'
        )


def test_promise_07_in_production_an_undeclared_point_collects_nothing(tiny, caplog):
    """The page is served without a notice. Posts are answered with 503, logged, and never reach the view."""
    site = with_forms(tiny, TESTING=False)
    reached = []
    site.app.add_url_rule(
        "/survey", "survey", site.privacy.collects("survey")(lambda: reached.append(1) or "page"), methods=["GET", "POST"]
    )
    assert site.visitor().get("/survey").text == "page" and reached == [1]
    assert site.visitor().post("/survey", data={"email": ADA}).status_code == 503 and reached == [1]
    assert "The collection point 'survey' is not declared" in caplog.text and site.ledger() == []


def test_check_reports_undeclared_points_and_cookies(tiny):
    """The command finds them before any visitor comes."""
    site = with_forms(tiny)
    add_form(site, "survey")
    outcome = site.cli("check")
    assert outcome.exit_code == 1
    assert "error: The collection point 'survey' is not declared" in outcome.output
    assert "error: Forms set the cookie 'privacy_age', which is not declared." in outcome.output


def test_collects_as_a_context_manager(tiny):
    """``with privacy.collects(…) as given`` does the same; on a GET there is no data."""
    site = tiny(PRIVACY_POLICY=policy())

    @site.app.route("/register", methods=["GET", "POST"])
    def register():
        with site.privacy.collects("registration") as given:
            return {"sent": bool(given), **given}

    assert site.visitor().get("/register").json == {"sent": False}
    assert site.visitor().post("/register", data={"email": ADA, "evil": "1"}).json == {"sent": True, "email": ADA}
    assert site.visitor().post("/register", data={}).status_code == 400 and len(site.ledger("collection")) == 1


def test_control_fields_pass_and_are_not_collected(tiny):
    """Flask-WTF's token always passes, other control fields by name."""
    site = tiny(PRIVACY_POLICY=policy())

    @site.app.post("/register")
    @site.privacy.collects("registration", controls=["next"])
    def register():
        return {"seen": request.form, "given": dict(site.privacy.given)}

    found = site.visitor().post("/register", data={"email": ADA, "next": "/", "csrf_token": "t"}).json
    assert found == {"seen": {"email": ADA, "next": "/", "csrf_token": "t"}, "given": {"email": ADA}}
    assert json.loads(site.ledger("collection")[0]["detail"]) == {"point": "registration", "fields": ["email"], "dropped": 0}


def test_an_async_view_can_collect(tiny):
    """Flask allows any view to be async."""
    site = tiny(PRIVACY_POLICY=policy())

    @site.app.post("/register")
    @site.privacy.collects("registration")
    async def register():
        return dict(site.privacy.given)

    assert in_a_thread(lambda: site.visitor().post("/register", data={"email": ADA}).json) == {"email": ADA}


# Opt-ins


def optin(site, email=ADA, purpose="marketing"):
    preferences = site.privacy.runtime(site.app).mail.marketing.of(email)
    return next((choice for choice in preferences if choice.list == purpose and choice.is_in), None)


def test_promise_10_an_opt_in_is_recorded_with_its_text(tiny):
    """The ledger has time, version and digest, and the rights database has the opt-in."""
    site = with_forms(tiny, ("newsletter",))
    found = send(site.visitor(), "/registration", email=ADA, privacy_opt_in="newsletter").json
    [row] = site.ledger("opt-in")
    assert found["opt_ins"] == ["marketing"] and json.loads(row["purposes"]) == ["marketing"]
    assert (row["at"], row["policy"]) == ("2026-05-08T12:00:00.000Z", "2026-05-08")
    [words] = [text["body"] for text in site.ledger_texts() if text["digest"] == row["text"]]
    assert "Yes, I want this: Newsletter" in words
    assert (optin(site).text, optin(site).policy) == (row["text"], "2026-05-08")


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        ("/registration", {"privacy_opt_in": "newsletter"}, "Yes, I want this: Newsletter"),
        ("/registration", {"privacy_opt_in": "newsletter", "privacy_asked": ""}, "Yes, I want this: Newsletter"),
        ("/pictures", {}, "We send pictures."),
    ],
)
@pytest.mark.parametrize("kind", ["data", "json"])
def test_promise_10_an_opt_in_always_has_its_text(tiny, kind, path, fields, words):
    """An API client without a shown text opts in to the current text in the site's language, with source `api`."""
    site = with_forms(tiny)
    answer = site.visitor(Accept_Language="de").post(path, **{kind: {"email": ADA, **fields}})
    [row] = site.ledger("opt-in")
    [body] = [text["body"] for text in site.ledger_texts() if text["digest"] == row["text"]]
    assert answer.status_code == 200 and words in body
    assert (row["source"], row["locale"]) == ("api", "en") and optin(site, ADA, row["purposes"][2:-2]).text == row["text"]


def test_promise_10_an_unticked_box_is_no_opt_in(tiny):
    """No other field is an opt-in at a form that serves other purposes."""
    site = with_forms(tiny, ("newsletter",))
    assert send(site.visitor(), "/registration", email=ADA).json["opt_ins"] == []
    assert site.ledger("opt-in") == [] and optin(site) is None


def test_submitting_a_form_with_only_this_purpose_is_the_opt_in(tiny):
    """If that form has a box for the purpose, the box must be ticked."""
    site = with_forms(tiny, ("pictures",))
    visitor = site.visitor()
    fields = hidden(visitor, "/pictures") | {"email": ADA}
    refused = visitor.post("/pictures", data=fields)
    assert refused.status_code == 400 and "Please fill in: Yes, I want this: Pictures." in refused.text
    assert visitor.post("/pictures", data=fields | {"privacy_opt_in": "pictures"}).json["opt_ins"] == ["kids"]
    del fields["privacy_asked"]
    assert visitor.post("/pictures", data=fields).json["opt_ins"] == ["kids"]


def test_an_opt_in_has_no_effect_before_it_is_recorded(tiny, monkeypatch):
    """While the ledger is unavailable, the response is 503 and the view is not called."""
    site = with_forms(tiny)
    monkeypatch.setattr(site.privacy.runtime(site.app).ledger, "append", broken)
    answer = site.visitor().post("/pictures", data={"email": ADA})
    assert answer.status_code == 503 and "could not be recorded just now" in answer.text and optin(site, ADA, "kids") is None


def test_other_forms_are_spooled_while_the_ledger_is_unavailable(tiny, monkeypatch):
    """A purchase is accepted, and its record is written later."""
    site = with_forms(tiny)
    ledger = site.privacy.runtime(site.app).ledger
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append", broken)
        assert site.visitor().post("/registration", data={"email": ADA}).status_code == 200
    assert site.ledger() == [] and ledger.drain_spool() == 1 and len(site.ledger("collection")) == 1


@pytest.mark.parametrize("fails", [lambda: ("no", 422), lambda: 1 / 0], ids=["refused", "raised"])
def test_an_opt_in_has_no_effect_if_the_site_rejects_the_form(tiny, fails):
    """A rejected form leaves no ledger entry, because a replay would take it as proof of an opt-in."""
    site = tiny(PRIVACY_POLICY=policy())
    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    site.app.add_url_rule("/pictures", "pictures", site.privacy.collects("pictures")(fails), methods=["POST"])
    assert site.visitor().post("/pictures", data={"email": ADA}).status_code in (422, 500)
    assert site.ledger("opt-in") == [] and optin(site, ADA, "kids") is None
    assert json.loads(site.cli("replay", "--json").output)["choices"] == 0 and optin(site, ADA, "kids") is None


def test_an_opt_in_needs_an_address(tiny):
    """A form with an optional address requires it once the box is ticked."""
    points = (replace(POINTS[0], required=(), optional=("email", "name")), *POINTS[1:])
    site = with_forms(tiny, ("newsletter",), PRIVACY_POLICY=policy(*points))
    answer = send(site.visitor(), "/registration", name="Ada", privacy_opt_in="newsletter")
    assert answer.status_code == 400 and "Please fill in: your email." in answer.text and site.ledger() == []
    assert send(site.visitor(), "/registration", name="Ada").status_code == 200


def test_a_signup_only_form_fails_if_it_cannot_be_recorded(tiny, monkeypatch):
    """The response is 503 even after its view ran, and the sign-up has no effect. Any other form is accepted."""
    site = with_forms(tiny, ("newsletter",))
    monkeypatch.setattr(site.privacy.runtime(site.app).mail.marketing, "sign_up", broken)
    answer = send(site.visitor(), "/pictures", email=ADA, privacy_opt_in="pictures")
    assert answer.status_code == 503 and "could not be recorded just now" in answer.text
    assert send(site.visitor(), "/registration", email=ADA, privacy_opt_in="newsletter").status_code == 200


def test_each_signup_purpose_is_a_list_of_its_own(tiny):
    """An opt-in to another purpose permits no marketing mail, except mail of that purpose's list."""
    site = with_forms(tiny)
    send(site.visitor(), "/pictures", email=ADA)
    with site.app.app_context():
        found = [site.privacy.may_mail(ADA, "marketing", list=name).reason for name in (None, "marketing", "kids")]
    assert found == ["no-opt-in", "no-opt-in", "opted-in"]


def test_an_account_can_opt_in_like_an_address(tiny):
    """An account id of the site is a data subject too, and an erasure removes it from all lists."""
    site = with_forms(tiny)
    runtime = site.privacy.runtime(site.app)
    marketing = runtime.mail.marketing
    marketing.sign_up("17", "kids", None, "form")
    assert [choice.list for choice in marketing.of("17")] == ["kids"] and marketing.of("18") == []
    runtime.rights.data_subjects.erase("17", "operator")
    assert [choice.as_dict()["list"] for choice in marketing.of("17") if choice.opted_out[0]] == ["all lists"]


def test_an_erasure_ends_opt_ins(tiny):
    """An erased data subject is on no list. A known child stays known."""
    site = with_forms(tiny)
    send(site.visitor(), "/pictures", email=ADA)
    rights = site.privacy.runtime(site.app).rights
    rights.minors.add(ADA)
    rights.data_subjects.erase(ADA, "operator")
    with site.app.app_context():
        assert site.privacy.may_mail(ADA, "marketing", list="kids").reason == "minor"
        rights.minors.forget(ADA)
        assert site.privacy.may_mail(ADA, "marketing", list="kids").reason == "opted-out"


def test_promise_32_an_export_contains_the_opt_ins(tiny):
    """Each opt-in has its time, version and text digest; the text itself is in the ledger."""
    site = with_forms(tiny)
    send(site.visitor(), "/pictures", email=ADA)
    [choice] = json.loads(site.cli("export", ADA).output)["stores"]["opt-ins"]
    assert choice | {"text": len(choice["text"])} == {
        "list": "kids",
        "opted_in": "2026-05-08T12:00:00.000Z",
        "policy": "2026-05-08",
        "text": 64,
        "source": "form",
    }


# Postings


def test_promise_31_a_posting_without_the_acknowledgement_is_refused(tiny):
    """The notice has an unticked box. Without it the response is 400; with it the acknowledgement is recorded."""
    site = with_forms(tiny)
    visitor = site.visitor()
    assert "I know that everybody can read what I post here." in visitor.get("/posting").text
    refused = send(visitor, "/posting", name="Ada", message="Hello")
    assert (
        refused.status_code == 400 and "Please confirm that you know who can read it" in refused.text and site.ledger() == []
    )
    assert send(visitor, "/posting", name="Ada", message="Hello", privacy_acknowledged="1").status_code == 200
    [row] = site.ledger("collection")
    assert json.loads(row["detail"]) == {
        "point": "posting",
        "fields": ["name", "message"],
        "dropped": 0,
        "acknowledged": True,
    }
    assert "I know that everybody" in next(text["body"] for text in site.ledger_texts() if text["digest"] == row["text"])


NO = ["", " ", "0", "false", "no", "off"]


@pytest.mark.parametrize(
    "sent", [{"json": no} for no in (False, 0, None, [], {}, *NO)] + [{"data": no} for no in NO], ids=str
)
def test_promise_31_a_negative_acknowledgement_counts_as_missing(tiny, sent):
    """The rule covers every negative value that a form or an API client can send."""
    site = with_forms(tiny)
    [(kind, value)] = sent.items()
    post = {"name": "Ada", "message": "Hello", "privacy_acknowledged": value}
    answer = site.visitor().post("/posting", **{kind: post})
    assert (
        answer.status_code == 400 and "Please confirm that you know who can read it" in answer.text and site.ledger() == []
    )


def test_promise_31_a_ticked_box_overrides_a_hidden_default(tiny):
    """Some form builders send a hidden value for the empty box first, then the box."""
    post = {"name": "Ada", "message": "Hello", "privacy_acknowledged": ["0", "1"]}
    assert with_forms(tiny).visitor().post("/posting", data=post).status_code == 200


@pytest.mark.parametrize("value", [False, 0, None, [], {}, *NO])
def test_promise_10_a_negative_opt_in_is_no_opt_in(tiny, value):
    """The rule also covers forms whose submission would be the opt-in."""
    site = with_forms(tiny)
    answer = site.visitor().post("/pictures", json={"email": ADA, "privacy_opt_in": value})
    assert answer.status_code == 400 and site.ledger() == [] and optin(site, ADA, "kids") is None


def test_promise_31_any_point_can_be_public(tiny):
    """``public = true`` in the declaration, with the site's own text from ``notices.postings``."""
    own = policy(replace(POINTS[0], public=True))
    site = with_forms(tiny, PRIVACY_POLICY=replace(own, notices=replace(own.notices, postings="All the world reads it.")))
    assert "All the world reads it." in site.visitor().get("/registration").text
    assert site.visitor().post("/registration", data={"email": ADA}).status_code == 400


# Purpose limitation


def reading(tiny, *arguments, **values):
    site = tiny(PRIVACY_POLICY=policy())
    with site.app.app_context():
        return site.privacy.read(*arguments, **values)


def test_promise_08_collected_data_is_read_only_for_its_purpose(tiny):
    """The view reads the fields of points that serve the purpose, and no others."""
    record = {"email": ADA, "name": "Ada", "address": "1 Lane"}
    found = reading(tiny, record, "use")
    assert found == {"email": ADA, "name": "Ada"}
    with pytest.raises(UndeclaredField, match=r"The field 'address' is not declared for the purpose 'use'; allowed: email,"):
        found["address"]


@pytest.mark.parametrize(("purpose", "point"), [("purchase", None), ("marketing", "registration")])
def test_promise_08_reading_for_another_purpose_raises(tiny, purpose, point):
    """The error applies if no point, or not this point, collects for the purpose."""
    with pytest.raises(OtherPurpose, match=f"The purpose is '{purpose}'; allowed for the collection point"):
        reading(tiny, {"email": ADA}, purpose, point=point)
    assert RECIPIENTS[0].purposes == ("purchase",)
