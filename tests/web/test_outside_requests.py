"""Templates rendered outside a request, such as a layout in a task queue: a page without a visitor."""

from __future__ import annotations

import re

import pytest
from flask import render_template_string
from flask_babel import Babel

from flask_mixamo_privacy import current_consent, current_visitor
from support.form_site import policy
from support.service_site import with_services

EMBED = '{{ privacy.embed("https://video.example/1", purpose="media", title="Film") }}'


def render(site, source):
    with site.app.app_context():
        return render_template_string(source)


def without_links(text):
    """Leave out style sheets: each fragment has its own, because no page is known."""
    return re.sub(r"\s*<link[^>]*>\s*", "", text).strip()


@pytest.mark.parametrize(
    "source",
    [
        "{{ privacy.banner() }}",
        '{{ privacy.script("/x.js", purpose="statistics") }}',
        '{{ privacy.style("https://video.example/x.css", purpose="media") }}',
        '{% consent "statistics" %}granted{% endconsent %}',
    ],
)
def test_nothing_is_granted_outside_a_request(tiny, source):
    """No visitor is asked, and no gated content is rendered."""
    assert render(tiny(PRIVACY_POLICY=with_services()), source) == ""


@pytest.mark.parametrize("root", ["/café", "café", "/café/"])
def test_links_and_files_have_their_urls_outside_a_request(tiny, root):
    """They are paths below the configured mount, in the language of the policy."""
    site = tiny(APPLICATION_ROOT=root)
    text = render(site, "{{ privacy.settings_link() }}{{ privacy.policy_link() }}{{ privacy.asset('banner.css') }}")
    assert 'href="/caf%C3%A9/privacy/consent"' in text and ">Privacy settings</a>" in text
    assert 'href="/caf%C3%A9/privacy/"' in text and "/caf%C3%A9/privacy/static/banner." in text


@pytest.mark.parametrize("config", [{}, {"PRIVACY_BASE_URL": "https://shop.example"}, {"SERVER_NAME": "shop.example"}])
def test_an_embed_has_its_placeholder_outside_a_request(tiny, config):
    """The placeholder's form leads to the settings."""
    text = render(tiny(PRIVACY_POLICY=with_services(), **config), EMBED)
    assert 'action="/privacy/consent"' in text and "<iframe" not in text


@pytest.mark.parametrize("verb", ["notice('registration')", "opt_in('newsletter')", "age_question()", "acceptance()"])
def test_fragments_of_forms_are_rendered_outside_a_request(tiny, verb):
    """A form in a stored page has the same fields as in a page that is served."""
    site = tiny(PRIVACY_POLICY=policy())
    site.view("/download", site.privacy.acceptance_required("licence")(lambda: ""))
    source = "{{ privacy." + verb + " }}"
    site.view("/form", lambda: render_template_string(source))
    assert without_links(render(site, source)) == without_links(site.visitor().get("/form").text) != ""


def test_links_to_other_sites_are_marked_outside_a_request(tiny):
    """The site's own host is known only if it is configured."""
    site = tiny(SERVER_NAME="shop.example")
    assert "another site" in render(site, "{{ 'https://other.example/'|external_link }}")
    assert render(site, "{{ 'https://shop.example/' is external }}") == "False"


def test_a_shared_page_has_its_script_outside_a_request(tiny):
    """Under PRIVACY_CACHEABLE, a page rendered in advance asks its visitors by a script."""
    assert '<script src="/privacy/page.js" defer></script>' in render(tiny(PRIVACY_CACHEABLE=True), "{{ privacy.banner() }}")


def test_python_code_sees_no_visitor_outside_a_request(tiny):
    """Consent is refused, there is no visitor, and a remembered choice has its default."""
    site = tiny()
    with site.app.app_context():
        assert current_consent.allows("necessary") and not current_consent.allows("statistics")
        assert (bool(current_visitor), current_visitor.visit_number) == (False, 0)
        site.privacy.customise("theme", "dark")
        assert site.privacy.customisation("theme", "light") == "light"


@pytest.mark.parametrize(
    ("locale", "text"),
    [("fr", "Paramètres de confidentialité"), (lambda: 1 / 0, "Privacy settings"), (None, "Datenschutz")],
)
def test_the_language_outside_a_request_is_the_sites(tiny, locale, text):
    """A callable may need a request; if it fails, the policy's language is used."""
    site = tiny(PRIVACY_LOCALE=locale)
    Babel(site.app, default_locale="de")
    assert text in render(site, "{{ privacy.settings_link() }}")


def test_a_nonce_is_left_out_outside_a_request(tiny):
    """A nonce belongs to one response."""
    site = tiny(PRIVACY_CSP_NONCE=lambda: 1 / 0, PRIVACY_POLICY=policy())
    assert "nonce" not in render(site, "{{ privacy.notice('registration') }}")
