"""A rejected form in a real browser: the summary has the focus, its links lead to the fields, and axe-core finds nothing."""

import pytest
from flask import redirect, render_template_string, request
from playwright.sync_api import expect

from support.axe import faults
from support.form_site import policy
from support.swapping_site import swap

pytestmark = pytest.mark.browser

CONFIG = """<meta name="htmx-config" content='{"responseHandling": [{"code": "204", "swap": false},
{"code": "[2345]..", "swap": true}]}'>"""
FRAME = """<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width"><meta name="color-scheme"
content="light dark"><title>{% block title %}{% endblock %}</title>{% block head %}{% endblock %}</head><body style="background: Canvas"><main>
{% block content %}{% endblock %}</main></body></html>"""
PAGE = """{% extends frame %}{% block title %}{{ privacy.problem.prefix }}Register{% endblock %}
{% block head %}HEAD{% endblock %}{% block content %}<h1>Register</h1>{{ privacy.problems() }}<form method="post" novalidate>
{% set email = privacy.field("email") %}<label for="email">E-mail</label> <input id="email" name="email" value="{{ email.value }}"
{{ email.attributes }}> {{ email.error }}<label for="name">Name</label> <input id="name" name="name"
value="{{ privacy.field("name").value }}">{{ privacy.notice("registration") }}<button>Send</button></form>{% endblock %}"""


@pytest.fixture
def enter(tiny, serve, open_browser):
    """Return a function that opens a form, with or without a library that swaps the body."""

    def build(library="", own=True, **options):
        site = tiny(PRIVACY_POLICY=policy())
        if library:
            swap(site, library)

        @site.app.route("/register", methods=["GET", "POST"], endpoint="register")
        @site.privacy.collects("registration", form="register" if own else "")
        def register():
            form = PAGE.replace("HEAD", "{{ super() }}" + CONFIG * (library == "htmx"))
            frame = site.app.jinja_env.from_string(FRAME) if not library else "mixamo_privacy/base.html"
            return render_template_string(form, frame=frame) if request.method == "GET" else redirect("/other")

        page = open_browser(**options)
        page.goto(f"{serve(site.app)}/register")
        page.get_by_label("Name").fill("Ada")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("There is a problem")).to_be_visible()
        return page

    return build


@pytest.mark.parametrize("own", [True, False], ids=["the site's form", "the extension's page"])
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_mistake_is_corrected_in_place(enter, own, scripts):
    """The summary has the focus, its link leads to the field, and the completed form is accepted."""
    page = enter(own=own, java_script_enabled=scripts)
    assert page.title().startswith("Error: ") and page.locator("[name=name]").input_value() == "Ada"
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Please fill in: your email.")).to_be_focused()
    page.keyboard.press("Enter")
    field = page.locator("#email")
    expect(field).to_be_focused()
    assert field.get_attribute("aria-invalid") == "true"
    field.fill("ada@shop.example")
    page.locator("main form button").click()
    expect(page.get_by_role("heading", name="Tiny")).to_be_visible()


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_small_phone_and_a_screen_reader(enter, own, scheme):
    """Nothing overflows at 320 pixels, and axe-core finds no violation."""
    page = enter(own=own, color_scheme=scheme, viewport={"width": 320, "height": 568})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320 and faults(page) == []


@pytest.mark.parametrize("library", ["htmx", "turbo"])
def test_a_library_that_swaps_the_body_shows_the_mistake(enter, library):
    """The form is in the answer of a fetch, and the link of the summary still leads to the field."""
    page = enter(library)
    assert page.locator("[name=name]").input_value() == "Ada"
    page.get_by_role("link", name="Please fill in: your email.").click()
    expect(page.locator("#email")).to_be_focused()
