"""The audit of a site with a fault of every kind: it reports each fault where it is, and nothing else."""

import pytest
from bad_site import create_app
from flask import Flask, Response

from conftest import serving
from flask_mixamo_privacy.audit.browser.crawl import audit
from flask_mixamo_privacy.audit.browser.findings import CODES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

#: Code, subject, routes and states of each fault.
ASKED = ("no choice", "rejected", "accepted", "withdrawn", "only media", "only statistics", "gpc")
REFUSED, COUNTED, UNASKED = ("rejected", "only statistics"), ("accepted", "only statistics"), ("no choice",)
FAULTS = {
    ("used-not-declared", "flash", ("/undeclared",), ASKED),
    ("used-not-declared", "hop", ("/hop",), ASKED),
    ("used-not-declared", "print", ("/undeclared",), ASKED),
    ("declared-not-seen", "ghost", (), ()),
    ("declared-not-seen", "radio", (), ()),
    ("host-not-declared", "pixel.example", ("/pixel",), ASKED),
    ("before-consent", "early", ("/early",), UNASKED),
    ("before-consent", "map", ("/frame",), UNASKED),
    ("after-reject", "map", ("/frame",), REFUSED),
    ("after-reject", "video", ("/stubborn",), REFUSED),
    ("ignores-gpc", "deaf", ("/deaf",), ("gpc",)),
    ("ignores-gpc", "map", ("/frame",), ("gpc",)),
    ("survives-withdrawal", "map", ("/frame",), ("withdrawn",)),
    ("survives-withdrawal", "sticky", ("/sticky",), ("withdrawn",)),
    ("survives-withdrawal", "video", ("/stubborn",), ("withdrawn",)),
    ("ambiguous-service", "captcha, clips", ("/shared",), ("no choice", "rejected", "withdrawn", "only statistics", "gpc")),
    ("lifetime-longer-than-declared", "long", ("/long",), COUNTED),
    ("flag-mismatch", "scripted", ("/scripted",), COUNTED),
    ("flag-mismatch", "sticky", ("/sticky",), COUNTED),
    ("personal-data-in-url", "/found", ("/found?email=…@…",), ASKED),
    ("link-without-notice", "https://shop.example/about", ("/away",), ASKED),
    ("no-way-back-to-settings", "", ("/lost",), ASKED),
    ("reject-harder-than-accept", "banner", ("/push",), UNASKED),
    ("pre-ticked", "newsletter", ("/newsletter",), UNASKED),
    ("blocked-without-javascript", "page", ("/app",), UNASKED),
    ("accessibility", "image-alt", ("/barred",), UNASKED),
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The audit's report on the bad site. This process also serves the site's third-party hosts."""
    others = Flask("others")
    others.add_url_rule("/<path:name>", "any", lambda name: Response("", content_type="text/javascript"))
    others.add_url_rule("/", "home", lambda: "<p>A map</p>")
    with serving(others) as url:
        hosts = dict.fromkeys(
            ("pixel.example", "video.example", "shared.example", "*.map.example"), url.removeprefix("http://")
        )
        return audit(create_app(tmp_path_factory.mktemp("bad")), offline=True, hosts=hosts)


def test_every_fault_is_reported_at_its_route_in_its_states(report):
    """The audit misses no fault and raises no false alarm."""
    assert {(one.code, one.subject, one.routes, one.states) for one in report.findings} == FAULTS
    assert report.exit_code == 1 and report.unseen == ()


def test_there_is_a_fault_for_every_code():
    """The bad site has at least one fault for each code of finding."""
    assert {code for code, *_ in FAULTS} == set(CODES)


def test_a_finding_names_its_line_of_the_declaration(report):
    """The line is that of the violated key, or of the table that the key belongs to."""
    with open("tests/bad_site/privacy.toml") as file:
        lines = file.read().splitlines()
    found = {(one.code, one.subject): lines[one.line - 1] for one in report.findings if one.line}
    assert found["lifetime-longer-than-declared", "long"] == 'lifetime = "1 day"'
    assert found["link-without-notice", "https://shop.example/about"] == "links = true"
    assert found["before-consent", "map"] == "[[services]]"


def test_a_report_contains_no_mail_address(report):
    """A mail address found in a URL is masked everywhere in the report."""
    assert "ada@people.example" not in str([finding.as_dict() for finding in report.findings])
