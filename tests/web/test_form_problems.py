"""A rejected form is shown again, with what was typed, the reason, and a link to each field concerned."""

import io
import re
from dataclasses import replace

import pytest
from flask import Blueprint, redirect, render_template_string, request, url_for
from flask.views import MethodView

from flask_mixamo_privacy.errors import NotAllowed
from flask_mixamo_privacy.policy.parts import CollectionPoint, Field
from support.form_site import FIELDS, POINTS, born, hidden, policy, send, with_forms

pytestmark = pytest.mark.usefixtures("clock")

ADA = "ada@shop.example"
TITLE = "<title>{{ privacy.problem.prefix }}Register</title>{{ privacy.problems() }}"
FORM = """{% for name in ("email", "name") %}{% set it = privacy.field(name) %}<label>{{ name }}
<input id="{{ name }}" name="{{ name }}" value="{{ it.value }}"{{ it.attributes }}></label>{{ it.error }}{% endfor %}
{{ privacy.notice("registration") }}<input name="next" value="{{ request.form.next }}">"""


def with_own_form(tiny, page=TITLE + FORM, **config):
    """Build a site whose view shows its own form again, and returns what it received."""
    site = tiny(**{"PRIVACY_POLICY": policy()} | config)
    site.reached = []

    @site.app.route("/register", methods=["GET", "POST"], endpoint="register")
    @site.privacy.collects("registration", form="register", controls=("next",))
    def register():
        if request.method == "GET":
            return render_template_string(page)
        site.reached.append(request.form.to_dict())
        if "@" not in site.privacy.given["email"]:
            site.privacy.reject("Please enter a whole address.", "email")
        return redirect("/", 303)

    return site


def test_the_sites_own_form_is_shown_again_with_what_was_typed(tiny):
    """The answer is 400, the field has its message, the summary links to it, and the title begins with "Error:"."""
    site = with_own_form(tiny)
    answer = site.visitor().post("/register", data={"name": 'Ada "<b>"', "next": "/cart", "evil": "x"})
    assert (answer.status_code, answer.headers["Cache-Control"], site.reached) == (400, "no-store", [])
    for part in (
        "<title>Error: Register</title>", '<li><a href="#email">Please fill in: your email.</a></li>', ">There is a problem<",
        '<input id="email" name="email" value="" aria-invalid="true" aria-describedby="email-error">',
        '<p class="mixamo-wrong" id="email-error" lang="en" dir="ltr">Please fill in: your email.</p>',
        '<input id="name" name="name" value="Ada &#34;&lt;b&gt;&#34;">', '<input name="next" value="/cart">',
    ):  # fmt: skip
        assert part in answer.text, part
    assert "evil" not in answer.text and site.ledger() == []


def test_a_form_without_a_problem_shows_none(tiny):
    """A GET has neither a summary nor attributes, and an accepted form is answered as before."""
    site = with_own_form(tiny)
    page = site.visitor().get("/register")
    assert page.status_code == 200 and "<title>Register</title>" in page.text
    assert "aria-invalid" not in page.text and "mixamo-problems" not in page.text
    assert site.visitor().post("/register", data={"email": ADA}).location == "/"


def test_a_view_rejects_a_form_by_its_own_rule(tiny):
    """The answer is 422 with the same marks, and it keeps what was typed."""
    site = with_own_form(tiny)
    answer = site.visitor().post("/register", data={"email": "ada", "name": "Ada"})
    assert answer.status_code == 422 and 'href="#email">Please enter a whole address.' in answer.text
    assert 'value="ada" aria-invalid="true"' in answer.text and 'value="Ada">' in answer.text


def test_a_rejected_opt_in_has_no_effect(tiny):
    """A view that rejects a form signs no one up."""
    site = with_own_form(tiny)
    fields = {"email": "ada", "privacy_opt_in": "newsletter"}
    assert site.visitor().post("/register", data=fields).status_code == 422 and site.ledger("opt-in") == []


def test_the_form_may_be_on_the_page_of_another_view(tiny):
    """That view gets the arguments of the submitted URL, and may be named relative to its blueprint."""
    site, shop = tiny(PRIVACY_POLICY=policy()), Blueprint("shop", __name__)
    shop.add_url_rule("/<slug>", "clip", lambda slug: render_template_string("{{ privacy.problems('posting') }}" + slug))
    view = site.privacy.collects("posting", form=".clip")(lambda slug: "posted")
    shop.add_url_rule("/<slug>/reviews", "review", view, methods=["POST"])
    site.app.register_blueprint(shop)
    answer = site.visitor().post("/walk/reviews", data={"name": "Ada"})
    assert answer.status_code == 400 and answer.text.rstrip().endswith("walk") and 'href="#message"' in answer.text


def test_a_class_based_view_takes_part(tiny):
    """Its method for a GET shows the form."""
    site = tiny(PRIVACY_POLICY=policy())

    class Register(MethodView):
        decorators = (site.privacy.collects("registration", form="register"),)

        def get(self):
            return render_template_string(TITLE)

        def post(self):
            return "registered"

    site.app.add_url_rule("/register", view_func=Register.as_view("register"))
    assert "Error: Register" in site.visitor().post("/register", data={}).text
    assert site.visitor().post("/register", data={"email": ADA}).text == "registered"


@pytest.mark.parametrize("name", ["password", "card_pin"])
def test_a_password_is_never_shown_again(tiny, name):
    """Neither the site's own form nor the extension's page contains it."""
    point = CollectionPoint("registration", "Registration", ("use",), "Notice.", ("email", name))
    config = {"PRIVACY_POLICY": policy(point, fields=(*FIELDS, Field(name, "pseudonymous", "a secret")))}
    page = f"{TITLE}{{{{ privacy.field('{name}').value }}}}"
    for site, path in ((with_own_form(tiny, page, **config), "/register"), (with_forms(tiny, **config), "/registration")):
        answer = site.visitor().post(path, data={name: "correct horse"})
        assert answer.status_code == 400 and "correct horse" not in answer.text


def test_without_a_form_of_the_site_the_visitor_completes_ours(tiny):
    """The page of the extension has what was typed, the notice and the opt-in, and posts to the same URL."""
    site = with_forms(tiny, ("newsletter",))
    visitor = site.visitor()
    answer = send(visitor, "/registration?from=/cart", name="Ada")
    assert answer.status_code == 400 and "<title>Error: Your form was not sent</title>" in answer.text
    assert 'action="/registration?from=/cart"' in answer.text and 'name="name" value="Ada"' in answer.text
    assert 'type="email" id="email" name="email" required aria-invalid="true"' in answer.text
    fields = dict(re.findall(r'type="hidden" name="(privacy_\w+)" value="([^"]*)"', answer.text))
    assert fields.keys() == {"privacy_notice", "privacy_asked"}
    done = visitor.post("/registration", data=fields | {"email": ADA, "name": "Ada", "privacy_opt_in": "newsletter"})
    assert done.json["opt_ins"] == ["marketing"] and " checked" not in answer.text


def test_the_page_passes_on_controls_and_asks_for_files_again(tiny):
    """Fields that the site let pass stay hidden in the form. A file must be chosen again."""
    site = tiny(PRIVACY_POLICY=policy())
    view = site.privacy.collects("registration", controls=("next",))(lambda: "registered")
    site.app.add_url_rule("/register", "register", view, methods=["POST"])
    data = {"next": "/cart", "csrf_token": "t", "picture": (io.BytesIO(b"x"), "me.png"), "spy": "1"}
    text = site.visitor().post("/register", data=data).text
    assert '<input type="hidden" name="next" value="/cart">' in text and 'name="csrf_token" value="t"' in text
    assert 'type="file" id="picture" name="picture"' in text and 'enctype="multipart/form-data"' in text
    assert "me.png" not in text and "spy" not in text


@pytest.mark.parametrize(
    ("path", "fields", "status", "target"),
    [
        ("/posting", {"name": "Ada", "message": "Hello"}, 400, "mixamo-acknowledged-posting"),
        ("/newsletter", {"email": ADA, **born("", 5, 5)}, 400, "privacy_birth_day"),
        ("/pictures", {"email": ADA}, 400, "mixamo-opt-in-pictures"),
    ],
)
def test_a_problem_links_to_the_extensions_own_fields(tiny, path, fields, status, target):
    """The box of a notice, the age question and the opt-in are marked like fields of the site."""
    answer = send(with_forms(tiny, ("pictures",)).visitor(), path, **fields)
    element = re.search(rf'<input[^>]* id="{target}"[^>]*>', answer.text)
    assert answer.status_code == status and f'href="#{target}"' in answer.text
    assert element is not None and 'aria-invalid="true"' in element[0]
    described = re.search(r'aria-describedby="([^"]+)"', element[0])[1].split()
    assert all(f'id="{each}"' in answer.text for each in described)


def test_a_changed_notice_is_shown_with_the_form(tiny):
    """The visitor reads it and sends the form again, without typing anything twice."""
    before = hidden(with_forms(tiny).visitor(), "/registration")
    changed = [replace(POINTS[0], required=("email", "name"), optional=("picture",)), *POINTS[1:]]
    visitor = with_forms(tiny, PRIVACY_POLICY=policy(*changed)).visitor()
    answer = visitor.post("/registration", data=before | {"email": ADA, "name": "Ada"})
    [token] = re.findall(r'name="privacy_notice" value="([^"]*)"', answer.text)
    assert answer.status_code == 409 and f'value="{ADA}"' in answer.text
    assert visitor.post("/registration", data={"privacy_notice": token, "email": ADA, "name": "Ada"}).status_code == 200


def test_a_refused_sign_up_offers_no_form(tiny):
    """A child sees only the sentence, because no other answer would change it."""
    answer = send(with_forms(tiny).visitor(), "/newsletter", email=ADA, **born(2020))
    assert answer.status_code == 403 and "We cannot sign you up." in answer.text and "<form class" not in answer.text


def test_a_form_that_shows_no_problem_is_an_error_of_the_site(tiny, caplog):
    """It raises in tests. In production it is logged, and the extension's page has the reason."""
    with pytest.raises(NotAllowed, match=r"register.*\{\{ privacy.problems\(\) \}\}"):
        with_own_form(tiny, "a form").visitor().post("/register", data={})
    answer = with_own_form(tiny, "a form", TESTING=False).visitor().post("/register", data={})
    assert answer.status_code == 400 and "Please fill in: your email." in answer.text and "docs/forms.md" in caplog.text


def test_an_endpoint_that_does_not_exist_is_found_before_the_first_mistake(tiny):
    """The error names the endpoint when the form is opened."""
    site = tiny(PRIVACY_POLICY=policy())
    site.view("/register", site.privacy.collects("registration", form="regster")(lambda: "form"))
    with pytest.raises(NotAllowed, match="'regster'; allowed: an endpoint of this app"):
        site.visitor().get("/register")


def test_a_with_block_shows_the_form_again(tiny):
    """The view ends at the block, and the answer is the form."""
    site = tiny(PRIVACY_POLICY=policy())

    @site.app.route("/register", methods=["GET", "POST"], endpoint="register")
    def register():
        with site.privacy.collects("registration", form="register") as given:
            if given and "@" not in given["email"]:
                site.privacy.reject("Please enter a whole address.", "email")
        return "registered" if given else render_template_string(TITLE)

    visitor = site.visitor()
    answers = [visitor.post("/register", data=data) for data in ({}, {"email": "ada"}, {"email": ADA})]
    assert [answer.status_code for answer in answers] == [400, 422, 200]
    assert all("There is a problem" in answer.text for answer in answers[:2]) and answers[2].text == "registered"


def test_a_redirect_of_the_forms_view_stays_a_redirect(tiny):
    """A login that ended meanwhile leads to the login page."""
    site = tiny(PRIVACY_POLICY=policy())
    site.app.add_url_rule("/form", "form", lambda: redirect(url_for("/")))
    site.app.add_url_rule(
        "/send", "send", site.privacy.collects("registration", form="form")(lambda: "sent"), methods=["POST"]
    )
    assert site.visitor().post("/send", data={}).status_code == 302


def test_json_clients_get_the_problem_as_before(tiny):
    """They see no page, and the site's form is not called."""
    answer = with_own_form(tiny).visitor(Accept="application/json").post("/register", json={})
    assert (answer.status_code, answer.json["fields"]) == (400, ["email"])
    refused = with_own_form(tiny).visitor(Accept="application/json").post("/register", json={"email": "ada"})
    assert (refused.status_code, refused.json["message"]) == (422, "Please enter a whole address.")


def test_the_problem_is_in_the_visitors_language(tiny):
    """Summary, field and title are translated."""
    text = with_own_form(tiny).visitor(Accept_Language="de").post("/register", data={}).text
    assert 'class="mixamo-problems" lang="de"' in text and "Bitte ausfüllen" in text


def test_the_form_of_requests_lists_every_mistake_at_once(people):
    """Each links to its field, what was typed is kept, and the title begins with "Error:"."""
    typed = {"kind": "", "email": "ada", "message": "Hello\n"}
    text = people().site.visitor().post("/privacy/requests", data=typed).text
    assert re.findall(r'<li><a href="#([\w-]+)">', text) == ["mixamo-kind", "mixamo-email"]
    assert "<title>Error: Your data rights</title>" in text and 'value="ada"' in text and ">\nHello\n</textarea>" in text
    described = re.search(r'id="mixamo-email"[^>]*aria-describedby="([^"]+)"', text)[1].split()
    assert described == ["mixamo-email-about", "mixamo-email-error"] and all(f'id="{each}"' in text for each in described)


def test_every_mistake_of_a_form_is_listed_at_once(tiny):
    """A missing field, an invalid birth date and a missing tick each have an entry, so the form is sent once more only."""
    point = replace(POINTS[2], public=True, required=("email", "name", "old_enough"))
    visitor = with_forms(tiny, PRIVACY_POLICY=policy(point)).visitor()
    answer = send(visitor, "/newsletter", name="Ada", **born("", 5, 5))
    targets = re.findall(r'<li><a href="#([\w-]+)">', answer.text)
    assert answer.status_code == 400 and targets == ["privacy_birth_day", "email", "mixamo-acknowledged-newsletter"]


def test_a_message_uses_the_label_of_a_field(tiny):
    """A declared label is what people call the field; a description is a sentence of the policy."""
    field = Field("password", "pseudonymous", "a password, of which only a hash is kept", label="Password")
    config = {"PRIVACY_POLICY": policy(replace(POINTS[0], required=("password",)), fields=(*FIELDS, field))}
    text = with_forms(tiny, **config).visitor().post("/registration", data={}).text
    assert "Please fill in: Password." in text and '<label for="password">Password</label>' in text
