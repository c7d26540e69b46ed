"""Cookies that a page of another subdomain planted: they neither grant nor outlive a decision, and show their sender nothing."""

import pytest
from werkzeug.test import Client

HOST = "http://shop.example.com"
SECURE = "https://shop.example.com"
PLACES = pytest.mark.parametrize(
    ("domain", "path"),
    [("example.com", "/"), ("shop.example.com", "/privacy"), ("example.com", "/privacy/consent"), ("example.com", "/item/")],
)


class Browser(Client):
    """A browser at one origin that keeps cookies of several domains and paths, and sends those of longer paths first."""

    def __init__(self, site, base=HOST):
        super().__init__(site.app)
        self.base = base

    def open(self, path="/", **options):
        return super().open(path, **{"base_url": self.base, **options})

    def plant(self, name, value, domain="example.com", path="/"):
        self.set_cookie(name, value, domain=domain, path=path, origin_only=False)


@pytest.fixture
def site(tiny, clock):
    return tiny()


@pytest.fixture
def attacker(site):
    """A visitor who granted everything and saw a page."""
    attacker = Browser(site)
    attacker.post("/privacy/consent", data={"choice": "accept_all"})
    attacker.get("/")
    return attacker


def pair_of(attacker):
    domain = attacker.base.partition("//")[2]
    return {name: attacker.get_cookie(name, domain=domain).value for name in ("privacy_consent", "privacy_visitor")}


def plant(browser, attacker, **place):
    for name, value in pair_of(attacker).items():
        browser.plant(name, value, **place)


def decide(browser, choice, **fields):
    return browser.post("/privacy/consent", data={"choice": choice, **fields})


def state(browser, path="/item/one"):
    """Return the state of statistics, as a page below a path sees it."""
    return (
        "banner" if "<form" in browser.get(path).text else browser.get("/privacy/state.json").json["purposes"]["statistics"]
    )


@PLACES
@pytest.mark.parametrize("own", ["accept_all", "reject_all"])
def test_two_different_decisions_count_as_none(site, attacker, domain, path, own):
    """Nothing is logged for either of them, and the banner asks."""
    victim = Browser(site)
    decide(victim, own)
    plant(victim, attacker, domain=domain, path=path)
    number = len(site.events())
    page = victim.get("/item/one" if path == "/item/" else "/privacy/consent" if path != "/" else "/")
    assert len(site.events()) == number and "checked" not in page.text


@PLACES
@pytest.mark.parametrize("choice", ["accept_all", "reject_all"])
@pytest.mark.parametrize("own", [None, "accept_all", "reject_all"])
def test_a_decision_deletes_what_was_planted(site, attacker, domain, path, choice, own):
    """A copy on a path that the decision cannot see is deleted by the first page below that path."""
    victim = Browser(site)
    if own:
        decide(victim, own)
    plant(victim, attacker, domain=domain, path=path)
    decide(victim, "reject_all", next="/item/one")
    if choice == "accept_all":
        decide(victim, choice, next="/item/one")
    victim.get("/item/one")
    assert state(victim) == ("granted" if choice == "accept_all" else "refused")
    assert all(event["page"] != "/item/one" for event in site.events()) == (choice == "reject_all")


def test_a_decision_ends_the_visitors_own_grant_too(site, attacker):
    """No request shows which of two grants is the visitor's own, so both end, and the visitor's events are erased."""
    victim = Browser(site)
    decide(victim, "accept_all")
    victim.get("/other")
    plant(victim, attacker)
    decide(victim, "reject_all")
    assert len(site.ledger("withdrawal")) == 2 and site.events() == []


def test_the_same_withdrawal_twice_ends_nothing_twice(site, attacker):
    """A program that repeats a request with many grants writes each end once."""
    victim = Browser(site)
    decide(victim, "accept_all")
    own = victim.get_cookie("privacy_consent", domain="shop.example.com").value
    header = f"privacy_consent={pair_of(attacker)['privacy_consent']}; privacy_consent={own}"
    for _ in range(3):
        Client(site.app, use_cookies=False).post(
            "/privacy/consent", base_url=HOST, data={"choice": "reject_all"}, headers={"Cookie": header}
        )
    assert len(site.ledger("withdrawal")) == 2


def test_the_headers_that_delete_copies_are_bounded(site, attacker):
    """Servers and proxies limit the size of all headers."""
    victim = Browser(site)
    plant(victim, attacker)
    response = decide(victim, "reject_all", next="/a" * 500)
    assert len(response.headers.getlist("Set-Cookie")) < 50


@pytest.mark.parametrize("next", ["/", "/a" * 500, "/a/b/c/d/e/f/g"])
@pytest.mark.parametrize("host", ["http://shop.example.com", f"http://{'a.' * 60}example.com"])
def test_the_headers_that_delete_copies_fit_into_the_buffer_of_a_proxy(site, next, host):
    """nginx answers 502 if all headers have more than 4,096 bytes, and the refusal would never arrive."""
    attacker, victim = Browser(site, host), Browser(site, host)
    for visitor in (attacker, victim):
        decide(visitor, "accept_all"), visitor.get("/"), visitor.get("/theme/dark")
    plant(victim, attacker)
    headers = decide(victim, "reject_all", next=next).headers
    assert len(str(headers)) < 4000 and len(headers.getlist("Set-Cookie")) > 8


def test_a_withdrawal_deletes_partitioned_copies_too(site, attacker):
    """Each has a header of its own, and the app's own cookie is set after them."""
    victim = Browser(site)
    plant(victim, attacker)
    headers = decide(victim, "reject_all").headers.getlist("Set-Cookie")
    deletion = "privacy_consent=; Domain=example.com; Max-Age=0; {}Path=/"
    assert {deletion.format(""), deletion.format("Secure; ") + "; Partitioned"} <= set(headers)
    assert [header[:17] for header in headers if header.startswith("privacy_consent=")][-1] == "privacy_consent=r"


def test_a_decision_without_a_copy_deletes_nothing(site):
    """A first decision sets one cookie, and an ordinary browser never pays for an attack."""
    assert len(decide(Browser(site), "accept_all").headers.getlist("Set-Cookie")) == 1


def test_no_copy_is_deleted_under_a_name_that_cannot_be_planted(site):
    """A __Host- cookie has no domain and the path /."""
    visitor = Browser(site, SECURE)
    decide(visitor, "accept_all")
    assert all("Domain" not in header for header in decide(visitor, "reject_all").headers.getlist("Set-Cookie"))


@pytest.mark.parametrize(
    ("domain", "path"), [("shop.example.com", "/privacy"), ("example.com", "/"), ("example.com", "/privacy")]
)
def test_the_cookie_of_another_app_on_the_host_is_no_copy(site, domain, path):
    """It does not verify. It stays, and the visitor's decision counts."""
    visitor = Browser(site)
    visitor.plant("privacy_consent", "g.of.another.app", domain, path)
    decide(visitor, "accept_all"), decide(visitor, "reject_all")
    assert visitor.get_cookie("privacy_consent", domain=domain, path=path).value == "g.of.another.app"
    assert state(visitor) == "refused"


def test_a_planted_visitor_cookie_does_not_hide_the_visitors_own(site, attacker):
    """It belongs to another grant, so it has no effect, whatever its path."""
    victim = Browser(site)
    decide(victim, "accept_all"), victim.get("/")
    victim.plant("privacy_visitor", pair_of(attacker)["privacy_visitor"], path="/item/")
    victim.get("/item/one")
    [event] = [event for event in site.events("page_view") if event["page"] == "/item/one"]
    assert len({event["visitor"] for event in site.events()}) == 2
    assert event["visitor"] != pair_of(attacker)["privacy_visitor"].partition(".")[0]


def test_two_different_sets_of_choices_count_as_none(site):
    """A planted choice does not take the place of the visitor's."""
    visitor, other = Browser(site), Browser(site)
    visitor.get("/theme/dark"), other.get("/theme/light")
    visitor.plant("privacy_choices", other.get_cookie("privacy_choices", domain="shop.example.com").value)
    assert visitor.get("/privacy/me.json").json["choices"] == {}


@PLACES
def test_the_next_choice_deletes_the_copies(site, domain, path):
    """A choice is kept from then on, as without an attack."""
    visitor, other = Browser(site), Browser(site)
    visitor.get("/theme/dark"), other.get("/theme/light")
    theme = other.get_cookie("privacy_choices", domain="shop.example.com").value
    visitor.plant("privacy_choices", theme, domain, "/theme" if path == "/item/" else "/")
    visitor.get("/theme/blue")
    assert visitor.get("/privacy/me.json").json["choices"] == {"theme": "blue"}


ODD = ["\x1c", "\x85", "\xa0", "\x0b", "\x0c", "\x1f", "%", "\u00ad".encode().decode("latin-1"), "x"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_name_that_only_looks_like_ours_is_not_read(site, attacker, odd, where):
    """Old Werkzeug strips odd bytes from names. The browser did not see the prefix __Host-, so a subdomain could plant it."""
    value = pair_of(attacker)["privacy_consent"]
    name = f"{odd}__Host-privacy_consent" if where == "before" else f"__Host-privacy_consent{odd}"
    assert granted_by(site, f"{name}={value}") == "unasked"


@pytest.mark.parametrize("header", ["{}={}", "a=b;{}={}", " {}={} ; a=b", "a=b; \t{} = {}", '{}="{}"', "__host-x=1;{}={};"])
def test_our_exact_name_is_read_wherever_it_stands(site, attacker, header):
    """Spaces, tabs and quotes around it are the browser's or a proxy's."""
    assert granted_by(site, header.format("__Host-privacy_consent", pair_of(attacker)["privacy_consent"])) == "granted"


def granted_by(site, header):
    response = Client(site.app, use_cookies=False).get("/privacy/state.json", base_url=SECURE, headers={"Cookie": header})
    return response.json["purposes"]["statistics"]


@pytest.mark.parametrize("config", [{}, {"TESTING": False}, {"PRIVACY_COOKIE_DOMAIN": "example.com"}])
def test_a_planted_pair_shows_its_sender_no_page(tiny, clock, config):
    """A victim without cookies browses under the attacker's. The attacker sees numbers, and neither pages nor events."""
    site = tiny(**{"PRIVACY_LOADER": False, **config})
    site.app.add_url_rule("/track", "track", lambda: site.privacy.track("clinic.booked") or "")
    attacker = Browser(site)
    decide(attacker, "accept_all"), attacker.get("/")
    attacker.get("/item/diagnosis"), attacker.get("/track")
    answer, page = attacker.get("/privacy/me.json"), attacker.get("/privacy/me")
    assert answer.json["events"]["total"] == 5 and answer.json["events"]["by_kind"]["page_view"] == 3
    assert (answer.json["events"]["all"], answer.json["events"]["pages"], answer.json["events"]["only_counts"]) == (
        [],
        {},
        True,
    )
    assert not any(word in text for word in ("diagnosis", "clinic") for text in (answer.text, page.text))


@pytest.mark.parametrize("forged", ["http://localhost", "http://127.0.0.1", "http://[::1]"])
def test_a_forged_host_shows_no_page_either(tiny, clock, forged):
    """Host is the client's to choose, so it counts only in tests and in debug mode."""
    site = tiny(TESTING=False, PRIVACY_LOADER=False)
    attacker = Browser(site, forged)
    decide(attacker, "accept_all"), attacker.get("/")
    assert attacker.get("/privacy/me.json").json["events"]["all"] == []


def test_a_visitor_whose_cookies_cannot_be_planted_sees_everything(tiny, clock):
    """Over HTTPS the names begin with __Host-, and browsers refuse them from another subdomain."""
    site = tiny(TESTING=False, PRIVACY_LOADER=False)
    visitor = Browser(site, SECURE)
    decide(visitor, "accept_all"), visitor.get("/item/one")
    events = visitor.get("/privacy/me.json").json["events"]
    assert [event["page"] for event in events["all"]][-1] == "/item/one" and "only_counts" not in events


def test_the_check_warns_of_a_shared_domain(tiny):
    """A page on any subdomain could plant a consent cookie."""
    assert "PRIVACY_COOKIE_DOMAIN is 'example.com'" in tiny(PRIVACY_COOKIE_DOMAIN="example.com").cli("check").output


def test_the_check_is_silent_about_the_domain_by_default(tiny):
    """Without the setting the cookies belong to the host."""
    assert "PRIVACY_COOKIE_DOMAIN" not in tiny().cli("check").output


@pytest.mark.browser
@pytest.mark.parametrize("path", ["/", "/item/"])
@pytest.mark.parametrize("more", ["", "; Secure; Partitioned"])
def test_a_refusal_ends_a_planted_grant_in_a_real_browser(tiny, serve, open_browser, path, more):
    """A page of another subdomain plants its pair; the refusal stands, and the browser keeps no copy."""
    site = tiny()
    attacker = Browser(site)
    decide(attacker, "accept_all"), attacker.get("/")
    port = serve(site.app).rpartition(":")[2]
    page = open_browser()
    page.goto(f"http://evil.site.localhost:{port}/privacy/")
    for name, value in pair_of(attacker).items():
        page.evaluate(f"document.cookie = '{name}={value}; Domain=site.localhost; Path={path}{more}'")
    shop = f"http://shop.site.localhost:{port}"
    page.goto(f"{shop}/item/one")
    assert page.locator(".mixamo-ask").count() == 0  # planted, and the visitor has not decided
    page.goto(f"{shop}/privacy/consent")
    page.click("[value=reject_all]")
    page.goto(f"{shop}/item/one")
    number = len(site.events())
    page.goto(f"{shop}/item/one")
    assert page.locator(".mixamo-ask").count() == 0 and len(site.events()) == number
    left = {(cookie["name"], cookie["domain"]) for cookie in page.context.cookies(f"{shop}/item/one")}
    assert left - {("privacy_visitor", ".site.localhost")} == {("privacy_consent", "shop.site.localhost")}
