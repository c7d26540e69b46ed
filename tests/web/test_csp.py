"""A Content-Security-Policy derived from the visitor's grants, so that the browser itself refuses everything else."""

import re

import pytest
from flask import Response, render_template_string
from flask_talisman import Talisman

from conftest import choose
from flask_mixamo_privacy.policy.parts import Service
from flask_mixamo_privacy.web.csp import BlockedLoad
from support.service_site import with_services

PAY = Service("pay", "Payment", "necessary", ("pay.example",), ("frame", "connect"))
POLICY = with_services(PAY)
CSP, REPORT_ONLY = "Content-Security-Policy", "Content-Security-Policy-Report-Only"


def strict(tiny, mode="enforce", **config):
    return tiny(PRIVACY_POLICY=POLICY, PRIVACY_CSP=mode, **config)


def directives(header):
    return {name: set(values.split()) for name, _, values in (part.strip().partition(" ") for part in header.split(";"))}


def hosts(header):
    return set(re.findall(r"[\w*.-]+\.example", header))


def test_no_policy_is_sent_unless_the_site_enables_it(tiny):
    """By default every header stays as the site set it."""
    headers = tiny(PRIVACY_POLICY=POLICY).visitor().get("/").headers
    assert CSP not in headers and REPORT_ONLY not in headers


def test_promise_1_only_granted_hosts_may_be_loaded_from(tiny):
    """Unasked or refused: only necessary hosts. Accepted: every declared host, for the declared kinds."""
    visitor = strict(tiny).visitor()
    assert hosts(visitor.get("/").headers[CSP]) == {"pay.example"}
    choose(visitor, "accept_all")
    sources = directives(visitor.get("/").headers[CSP])
    assert {"video.example", "*.map.example", "pay.example"} <= sources["frame-src"]
    assert "video.example" in sources["script-src"] and "*.map.example" not in sources["script-src"]
    choose(visitor, "reject_all")
    assert hosts(visitor.get("/").headers[CSP]) == {"pay.example"}


@pytest.mark.parametrize("cacheable", [False, True])
def test_a_granted_frame_is_allowed_whatever_the_caching_headers(tiny, cacheable):
    """A frame makes the page private: no cache stores it, and its header has the granted hosts."""
    page = '{{ privacy.banner() }}{{ privacy.embed("https://video.example/1", purpose="media", title="Film") }}'
    site = strict(tiny, PRIVACY_CACHEABLE=cacheable)
    site.view("/x", lambda: Response(render_template_string(page), headers={"Cache-Control": "public, max-age=60"}))
    visitor = site.visitor()
    assert hosts(visitor.get("/x").headers[CSP]) == {"pay.example"}
    choose(visitor, "accept_all")
    response = visitor.get("/x")
    assert "<iframe" in response.text and "video.example" in hosts(response.headers[CSP])
    assert "private" in response.headers["Cache-Control"] and "public" not in response.headers["Cache-Control"]


def test_a_workers_script_has_the_grants_policy(tiny):
    """A browser applies the policy of the worker's own script, not the page's. Other scripts need no policy."""
    site = strict(tiny)
    site.view("/w.js", lambda: Response("", content_type="text/javascript"))
    visitor = site.visitor()
    headers = {kind: visitor.get("/w.js", headers={"Sec-Fetch-Dest": kind}).headers.get(CSP)
             for kind in ("script", "worker", "sharedworker", "serviceworker")}  # fmt: skip
    assert headers.pop("script") is None
    assert {hosts(header) == {"pay.example"} for header in headers.values()} == {True}


@pytest.mark.parametrize("root", ["/x; script-src *", "/x, y", "/x\r\nSet-Cookie: a=b"])
def test_the_mount_path_is_not_in_the_header(tiny, root):
    """An attacker can choose the mount path by luring a visitor to an address."""
    header = strict(tiny).visitor().get("/", environ_overrides={"SCRIPT_NAME": root}).headers[CSP]
    assert set(directives(header)) == {"default-src", "frame-src", "connect-src", "report-uri"}
    assert "," not in header and "\n" not in header


def test_a_deselected_service_is_refused_by_the_browser(tiny):
    """The hosts of a deselected service are not in the header, although its purpose is granted."""
    visitor = strict(tiny).visitor()
    choose(visitor, "save", "media", service="map")
    assert hosts(visitor.get("/").headers[CSP]) == {"pay.example", "*.map.example"}


def test_promise_27_global_privacy_control_removes_the_hosts(tiny):
    """A grant made without the signal is suspended in the header too."""
    visitor = strict(tiny).visitor()
    choose(visitor, "accept_all")
    assert hosts(visitor.get("/", headers={"Sec-GPC": "1"}).headers[CSP]) == {"pay.example"}


@pytest.mark.parametrize("status", [404, 500])
def test_error_pages_have_the_policy(tiny, status):
    """The policy applies to every page of the site."""
    site = strict(tiny)
    site.view("/broken", lambda: ("<h1>Broken</h1>", status))
    assert "default-src 'self'" in site.visitor().get("/broken").headers[CSP]


def test_a_response_that_is_no_document_has_no_policy(tiny):
    """An image loads nothing."""
    site = strict(tiny)
    site.view("/data", lambda: {"a": 1})
    assert CSP not in site.visitor().get("/data").headers


def test_the_sites_own_policy_is_never_weakened(tiny):
    """The site's policy stays, and ours is added: the browser enforces both."""
    site = strict(tiny)
    site.app.after_request(
        lambda response: response.headers.setdefault(CSP, "default-src 'self'; frame-src a.example") and response
    )
    visitor = site.visitor()
    choose(visitor, "accept_all")
    site_policy, our_policy = visitor.get("/").headers[CSP].split(", ")
    assert site_policy == "default-src 'self'; frame-src a.example" and "video.example" in our_policy
    assert len(visitor.get("/").headers.getlist(CSP)) == 1


def test_the_policy_works_with_flask_talisman(tiny):
    """Either may be initialised first. The tags have Talisman's nonce, which our policy does not use."""
    site = strict(tiny)
    Talisman(
        site.app,
        force_https=False,
        content_security_policy={"script-src": "'self'"},
        content_security_policy_nonce_in=["script-src"],
    )
    response = site.visitor().get("/")
    talisman_policy, our_policy = response.headers[CSP].split(", ")
    nonce = re.fullmatch(r"script-src 'self' 'nonce-([^']+)'", talisman_policy)[1]
    assert f'defer nonce="{nonce}"></script>' in response.text and "nonce" not in our_policy


def test_report_only_leaves_the_enforced_policy_unchanged(tiny):
    """Report-only is a separate header; the site's own header stays as it was."""
    site = strict(tiny, "report-only")
    site.app.after_request(lambda response: response.headers.setdefault(CSP, "default-src 'none'") and response)
    headers = site.visitor().get("/").headers
    assert headers[CSP] == "default-src 'none'" and "pay.example" in headers[REPORT_ONLY]


def test_a_public_page_has_the_policy_for_all_visitors(tiny):
    """A public page has no host that only one visitor granted, and is not made private."""
    site = strict(tiny)
    site.view("/public", lambda: Response("<p>", headers={"Cache-Control": "public, max-age=60"}))
    visitor = site.visitor()
    choose(visitor, "accept_all")
    response = visitor.get("/public")
    assert hosts(response.headers[CSP]) == {"pay.example"} and response.headers["Cache-Control"] == "public, max-age=60"


def test_a_page_with_the_policy_varies_by_cookie(tiny):
    """The rule also covers a page with no other privacy markup."""
    site = strict(tiny)
    site.view("/plain", lambda: "<p>plain")
    visitor = site.visitor()
    assert visitor.get("/plain").headers["Vary"] == "Cookie, Sec-GPC"
    choose(visitor, "accept_all")
    assert visitor.get("/plain").headers["Cache-Control"] == "private"


REPORT = {
    "csp-report": {
        "effective-directive": "img-src",
        "blocked-uri": "https://evil.example/p.gif?who=me",
        "document-uri": "http://localhost/item/walk?q=1",
    }
}
MODERN = [
    {
        "type": "csp-violation",
        "body": {
            "effectiveDirective": "img-src",
            "blockedURL": "https://evil.example/p.gif",
            "documentURL": "http://localhost/item/x",
        },
    }
]


@pytest.mark.parametrize("report", [REPORT, MODERN], ids=["report-uri", "reporting API"])
def test_csp_reports_become_findings(tiny, report):
    """A finding has host, directive and URL rule, but no path, query, browser or time of day."""
    site = strict(tiny)
    for _ in range(3):
        assert site.visitor().post("/privacy/csp-report", json=report).status_code == 204
    outcome = site.cli("check")
    assert outcome.output.count("Browsers refused 'evil.example' by img-src on /item/<name>.") == 1
    kept = (site.folder / "privacy-log" / "blocked.jsonl").read_text()
    assert kept.count("\n") == 1 and "walk" not in kept and "who" not in kept and "T" not in kept


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b'"text"', b'{"csp-report": 1}', b'{"csp-report": {"blocked-uri": 1}}', b'{"csp-report": {"effective-directive": "img-src", "blocked-uri": "http://["}}',
     b'{"csp-report": {"effective-directive": "<script>", "blocked-uri": "https://a.example"}}',
     b'{"csp-report": {"effective-directive": "img-src", "blocked-uri": "chrome-extension"}}',
     b'{"csp-report": {"effective-directive": "img-src", "blocked-uri": "https://a.example", "source-file": "moz-extension"}}',
     b"[" * 60_000, b'{"csp-report": {"effective-directive": ' + b"[" * 900 + b"]" * 900 + b"}}"],
)  # fmt: skip
def test_invalid_reports_and_browser_extensions_are_no_finding(tiny, body):
    """The report is answered, and nothing is stored."""
    site = strict(tiny)
    assert site.visitor().post("/privacy/csp-report", data=body).status_code == 204
    assert site.files() == []


def blocked(site):
    """Return the recorded loads of the site."""
    return site.privacy.runtime(site.app).blocked_loads.entries()


def violation(host, directive="img-src", page="/"):
    return {"csp-report": {"effective-directive": directive, "blocked-uri": f"https://{host}", "document-uri": page}}


def test_one_network_cannot_silence_another(tiny):
    """Each may report forty hosts a day, and the first load of each kind is always recorded."""
    site = strict(tiny)
    flooding, other = site.visitor(), site.visitor()
    flooding.environ_base["REMOTE_ADDR"], other.environ_base["REMOTE_ADDR"] = "203.0.113.7", "198.51.100.7"
    for number in range(60):
        flooding.post("/privacy/csp-report", json=violation(f"a{number}.example"))
    assert len(blocked(site)) == 41
    flooding.post("/privacy/csp-report", json=violation("x.example", "font-src", "http://localhost/other"))
    other.post("/privacy/csp-report", json=violation("evil.example"))
    assert {"x.example", "evil.example"} < {load.host for load in blocked(site)} and len(blocked(site)) == 43


def test_reports_cannot_fill_the_disk_or_silence_what_is_new(tiny, monkeypatch):
    """At its limit, the file is halved. The first load of each kind stays, and the newest ones."""
    monkeypatch.setattr("flask_mixamo_privacy.web.csp._LARGEST", 4000)
    site = strict(tiny)
    loads, path = site.privacy.runtime(site.app).blocked_loads, site.folder / "privacy-log" / "blocked.jsonl"
    for number in range(300):
        directive = "font-src" if number == 0 else "img-src"
        loads.record(BlockedLoad("2026-05-08", directive, f"a{number}.example", "/"), f"2001:db8:{number}::/48")
        assert path.stat().st_size < 4100
    hosts_kept = {load.host for load in loads.entries()}
    assert {"a0.example", "a1.example", "a299.example"} < hosts_kept and "a2.example" not in hosts_kept


def test_a_process_remembers_a_bounded_number_of_loads(tiny, monkeypatch):
    """Many networks together cannot fill the memory."""
    monkeypatch.setattr("flask_mixamo_privacy.web.csp._MOST", 5)
    site = strict(tiny)
    loads = site.privacy.runtime(site.app).blocked_loads
    for number in range(20):
        loads.record(BlockedLoad("2026-05-08", "img-src", f"a{number}.example", "/"), f"2001:db8:{number}::/48")
    assert len(loads.entries()) == 6  # with the first of its kind
    loads.record(BlockedLoad("2026-05-09", "img-src", "next.example", "/"), "")
    assert len(loads.entries()) == 7


def test_a_flood_from_an_address_that_all_share_silences_a_process_for_a_minute(tiny, clock):
    """Behind an unknown proxy, all visitors have its address. A real report gets through after the flood."""
    site = strict(tiny)
    for post in range(52):
        flood = [{"type": "csp-violation", "body": violation(f"a{post}-{n}.example")["csp-report"]} for n in range(20)]
        assert site.visitor().post("/privacy/csp-report", json=flood).status_code == 204
    assert len(blocked(site)) == 1001  # with the first of its kind
    clock.shift(60)
    site.visitor().post("/privacy/csp-report", json=violation("evil.example"))
    assert "evil.example" in {load.host for load in blocked(site)} and len(blocked(site)) == 1002


@pytest.mark.parametrize("config", [{}, {"PRIVACY_CSP": "enforce"}], ids=["off", "another site"])
def test_reports_that_no_page_of_ours_can_send_cost_nothing(tiny, config, monkeypatch):
    """With the policy off, or from another site's page, the body is not even read."""
    site = tiny(**config)
    monkeypatch.setattr("flask_mixamo_privacy.web.views.beacons.limit_body", lambda *_: pytest.fail("the body was read"))
    headers = {"Sec-Fetch-Site": "cross-site"} if config else {}
    assert site.visitor().post("/privacy/csp-report", json=REPORT, headers=headers).status_code == 204
    assert site.files() == []


def test_reports_of_long_paths_stay_out_of_memory(tiny):
    """A load is stored with the URL rule that matches its path, and any client can send many paths."""
    site = strict(tiny)
    for number in range(5):
        path = f"http://localhost/item/{number}{'x' * 60_000}"
        assert site.visitor().post("/privacy/csp-report", json=violation("a.example", page=path)).status_code == 204
    assert site.privacy.runtime(site.app).pages._match_on.cache_info().currsize == 0
    assert [load.page for load in blocked(site)] == ["/item/<name>"]


def test_findings_expire_after_a_month(tiny, clock):
    """A fixed problem is no longer reported."""
    site = strict(tiny)
    site.visitor().post("/privacy/csp-report", json=REPORT)
    clock.shift(31 * 86400)
    assert "evil.example" not in site.cli("check").output


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("localhost", "localhost:*"),
        ("127.0.0.1", "127.0.0.1:*"),
        ("film.localhost", "film.localhost:*"),
        ("film.example", "film.example"),
    ],
)
def test_a_loopback_host_is_allowed_at_every_port(tiny, host, source):
    """A developer's server has any port; another host without a port has only its scheme's own."""
    site = tiny(
        PRIVACY_POLICY=with_services(Service("demo", "Demo", "necessary", (host,), ("frame",))), PRIVACY_CSP="enforce"
    )
    assert source in directives(site.visitor().get("/").headers[CSP])["frame-src"]
