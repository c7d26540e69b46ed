"""Sites that route by host or by subdomain: the extension's pages work on each host."""

import itertools
import json
import re

import pytest
from flask import Flask, render_template_string, url_for

from conftest import PAGE, choose
from flask_mixamo_privacy import Privacy, consent_required
from flask_mixamo_privacy.audit.browser.crawl import audit
from flask_mixamo_privacy.audit.browser.target import AuditError, Routes
from flask_mixamo_privacy.i18n.language import language
from flask_mixamo_privacy.web.rendering import render

HOSTS = ("one.example", "two.example:5000", "127.0.0.1")
SUBDOMAINS = ("shop.example", "blog.shop.example", "a.b.shop.example")


class Site:
    """A site with two pages on each of its hosts."""

    def __init__(self, folder, hosts, **options):
        self.app = Flask("routed", instance_path=str(folder), static_folder=None, **options)
        self.app.config.update(SECRET_KEY="not a secret, a test", TESTING=True, PRIVACY_ASSETS_DIR=str(folder / "assets"))
        if self.app.subdomain_matching:
            self.app.config["SERVER_NAME"] = "shop.example"
        self.privacy, self.hosts = Privacy(self.app), hosts
        for host in hosts:
            self.view(host, "/", lambda: render_template_string(PAGE))
            self.view(host, "/personal", consent_required("customisation")(lambda: "yours"))

    def view(self, host, path, function):
        if self.app.subdomain_matching:
            place = {"subdomain": host.removesuffix("shop.example").rstrip(".")}
        else:
            place = {"host": host}
        self.app.add_url_rule(path, f"{host} {path}".replace(".", "-"), function, **place)

    def visitor(self, host):
        return Visitor(self.app.test_client(), f"http://{host}")

    def events(self):
        lines = self.app.test_cli_runner().invoke(args=["privacy", "events"]).stdout.splitlines()
        return [(event["kind"], event["page"]) for event in map(json.loads, lines)]


class Visitor:
    """A browser on one host."""

    def __init__(self, client, base):
        self.client, self.base = client, base

    def get(self, path, **options):
        return self.client.get(path, base_url=self.base, **options)

    def post(self, path, **options):
        return self.client.post(path, base_url=self.base, **options)


@pytest.fixture(params=["hosts", "subdomains"])
def site(request, tmp_path):
    if request.param == "hosts":
        return Site(tmp_path, HOSTS, host_matching=True)
    return Site(tmp_path, SUBDOMAINS, subdomain_matching=True)


def test_a_visitor_accepts_is_counted_and_withdraws_on_each_host(site):
    """Banner, decision, tracker and events are on the host of the page, and every answer leads back to it."""
    for host in site.hosts:
        visitor = site.visitor(host)
        assert 'action="/privacy/consent"' in visitor.get("/").text
        assert choose(visitor, "accept_all", next="/").headers["Location"] == "/"
        tracker = re.search(r'src="(/privacy/tracker\.js[^"]*)"', visitor.get("/").text)[1].replace("&amp;", "&")
        assert visitor.get(tracker).status_code == 200
        event = {"id": "1", "kind": "click", "page": "/", "data": {}}
        assert visitor.post("/privacy/events", data=json.dumps([event])).status_code == 204
        # Two events of one millisecond are in the order of their random ids.
        assert sorted(site.events()) == [("click", "/"), ("page_view", "/"), ("visit_start", "/")]
        assert choose(visitor, "reject_all").headers["Location"].startswith("/privacy/consent?")
        assert site.events() == []


PATHS = ("/privacy/", "/privacy/policy.json", "/privacy/consent", "/privacy/state.json", "/privacy/me", "/privacy/requests",
         "/privacy/page.js", "/.well-known/gpc.json")  # fmt: skip


def test_each_page_is_on_each_host_and_links_to_it(site):
    """No link, form or style sheet of a page names another host, and each style sheet is there."""
    for visitor, path in itertools.product(map(site.visitor, site.hosts), PATHS):
        response = visitor.get(path)
        assert response.status_code == 200, path
        urls = re.findall(r'(?:href|src|action)="([^"]*)"', response.text) if response.mimetype == "text/html" else []
        assert all(url.startswith(("/", "#")) and not url.startswith("//") for url in urls)
        assert all(visitor.get(url).status_code == 200 for url in urls if "/static/" in url)


def test_a_page_that_requires_consent_asks_on_its_own_host(site):
    """The form of the 403 posts to the host of the page, and its JSON names a page there."""
    for host in site.hosts:
        visitor = site.visitor(host)
        refused = visitor.get("/personal")
        assert refused.status_code == 403 and 'action="/privacy/consent"' in refused.text
        problem = visitor.get("/personal", headers={"Accept": "application/json"}).json
        assert problem["consent_url"] == "/privacy/consent"
        choose(visitor, "accept_all")
        assert visitor.get("/personal").text == "yours"


def test_an_erasure_by_the_visitor_leads_back_to_the_host(site):
    """The visitor stays where the cookies are."""
    for host in site.hosts:
        visitor = site.visitor(host)
        choose(visitor, "accept_all")
        visitor.get("/")
        assert visitor.post("/privacy/me/erase").headers["Location"].startswith("/privacy/me?")
        assert site.events() == []


def test_a_path_without_its_slash_is_redirected_on_the_host(site):
    """Flask adds the slash of the policy page."""
    for host in site.hosts:
        assert site.visitor(host).get("/privacy").headers["Location"] == f"http://{host}/privacy/"


def test_marks_apply_to_reported_pages_of_each_host(site):
    """A page that is never counted on one host may be counted on another."""
    first, second, _ = site.hosts
    site.view(first, "/diagnosis", site.privacy.page("never")(lambda: "quiet"))
    site.view(second, "/diagnosis", lambda: "loud")
    for host, expected in ((first, []), (second, ["/diagnosis"])):
        visitor = site.visitor(host)
        choose(visitor, "accept_all")
        event = {"id": "1", "kind": "click", "page": "/diagnosis", "data": {}}
        visitor.post("/privacy/events", data=json.dumps([event]))
        assert [page for kind, page in site.events() if kind == "click"] == expected


def test_a_template_is_rendered_outside_a_request(site):
    """A task queue renders a page with links below the site's root."""
    with site.app.app_context():
        text = render("request_confirm.html", t=language("en"), asked=None, confirmed=False)
    assert 'href="/privacy/requests"' in text


def test_a_url_can_be_built_outside_a_request(tmp_path):
    """It has the host of ``SERVER_NAME``."""
    site = Site(tmp_path, SUBDOMAINS, subdomain_matching=True)
    with site.app.app_context():
        assert url_for("mixamo_privacy.settings") == "http://shop.example/privacy/consent"


def test_links_in_mails_lead_to_a_page_of_the_site(site):
    """The link to unsubscribe works on its host."""
    host = site.hosts[1]
    with site.app.test_request_context("/", base_url=f"http://{host}"):
        url = site.privacy.unsubscribe_url("ada@shop.example")
    assert site.app.test_client().get(url).status_code == 200


def test_a_route_of_a_host_that_hides_a_page_is_logged(site, caplog):
    """A route that names the host comes before one of all hosts, also a route with an argument."""
    host = site.hosts[1]
    site.view(host, "/<path:page>", lambda page: page)
    site.view(host, "/privacy/me", lambda: "mine")
    visitor = site.visitor(host)
    assert visitor.get("/privacy/me").text == "mine" and visitor.get("/privacy/consent").text == "privacy/consent"
    logged = [message for message in caplog.messages if "is never reached" in message]
    assert any(
        "The route /privacy/consent belongs to" in message and "mixamo_privacy.settings" in message for message in logged
    )
    assert any("The route /privacy/me belongs to" in message for message in logged)
    assert site.visitor(site.hosts[0]).get("/privacy/consent").status_code == 200


def test_the_audit_visits_the_pages_of_its_host(site):
    """The site's own page and those of the extension are visited, and no page of another host."""
    first, second, _ = site.hosts
    site.view(first, "/first", lambda: "first")
    site.view(second, "/second", lambda: "second")
    paths = Routes(site.app, "", {}, (), 40, second).first()
    assert "/" in paths and "/second" in paths and "/privacy/consent" in paths and "/first" not in paths
    assert Routes(site.app, "", {}, (), 40, second).rule_of("/second") == "/second"


def test_invented_visitors_visit_a_host_with_a_start_page(site):
    """``demo-data`` shows what the reports of this site will look like."""
    outcome = site.app.test_cli_runner().invoke(args=["privacy", "demo-data", "--visitors", "9", "--days", "3"])
    assert outcome.exit_code == 0 and "/other" in {page for _, page in site.events()}  # its start page has this link


def test_the_audit_needs_the_url_of_a_host(site):
    """At 127.0.0.1 it would see no page of the site, and must not call that clean."""
    with pytest.raises(AuditError, match="pass the URL of one host: flask privacy audit http"):
        audit(site.app)


@pytest.mark.parametrize("by", ["host", "subdomain"])
def test_a_site_with_an_argument_in_its_hosts_keeps_its_pages_and_gets_ours(tmp_path, by):
    """Each tenant's own catch-all comes after the pages of the extension."""
    site = Site(tmp_path, (), **{"host_matching" if by == "host" else "subdomain_matching": True})
    place = {by: "<tenant>.shop.example" if by == "host" else "<tenant>"}
    site.app.add_url_rule("/<path:page>", "page", lambda tenant, page: f"{tenant} {page}", **place)
    visitor = site.visitor("ada.shop.example")
    assert visitor.get("/a/b").text == "ada a/b"
    assert visitor.get("/privacy/consent").status_code == 200 and choose(visitor, "accept_all").status_code == 303


def test_a_site_of_one_host_is_as_before(tiny):
    """Without host matching no rule has an argument in place of the host."""
    site = tiny()
    assert {(rule.host, rule.subdomain) for rule in site.app.url_map.iter_rules()} == {(None, "")}
