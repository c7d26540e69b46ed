"""Posts with ``Origin: null`` and without ``Sec-Fetch-*``: they may take away, but they grant only with a form token."""

import pytest
from test_decisions import fields

from conftest import choose, cookie

HIDDEN = {"HTTP_ORIGIN": "null"}


@pytest.fixture
def site(tiny):
    return tiny()


def hidden(visitor, choice, *purposes, **more):
    """Post a decision as a browser does under ``Referrer-Policy: no-referrer`` on plain HTTP."""
    data = {"choice": choice, "purpose": list(purposes), **more}
    return visitor.post("/privacy/consent", data=data, environ_overrides=HIDDEN)


def granting(site, *purposes):
    visitor = site.visitor()
    choose(visitor, "save", *purposes)
    visitor.get("/")
    return visitor


def granted(visitor):
    return set(visitor.get("/privacy/state.json").json["granted"]) - {"necessary"}


@pytest.mark.parametrize("kept", [(), ("statistics",)], ids=["all", "part"])
def test_a_visitor_withdraws_by_a_post_that_hides_its_origin(site, kept):
    """The withdrawal takes effect in its own response, and the ledger has its entry."""
    visitor = granting(site, "statistics", "customisation")
    assert hidden(visitor, "save", *kept).status_code == 303
    assert granted(visitor) == set(kept) and len(site.ledger("withdrawal")) == 1


def test_a_visitor_refuses_by_a_post_that_hides_its_origin(site):
    """A refusal grants nothing, so it needs no proof of where it comes from."""
    visitor = site.visitor()
    assert hidden(visitor, "reject_all").status_code == 303
    assert cookie(visitor).startswith("r.") and "mixamo-ask" not in visitor.get("/").text


def test_a_visitor_erases_by_a_post_that_hides_its_origin(site):
    """The button on the visitor's own page withdraws and erases."""
    visitor = granting(site, "statistics")
    assert visitor.post("/privacy/me/erase", environ_overrides=HIDDEN).status_code == 303
    assert granted(visitor) == set() and site.events() == []


@pytest.mark.parametrize("choice", [("accept_all",), ("save", "statistics"), ("save", "customisation")], ids="-".join)
@pytest.mark.parametrize("before", [None, "reject_all"])
def test_a_post_that_hides_its_origin_grants_nothing(site, choice, before):
    """The visitor gets the settings page with an explanation, whether the visitor has refused before or not."""
    visitor = site.visitor()
    if before:
        choose(visitor, before)
    response = hidden(visitor, *choice, **fields(visitor.get("/").text))
    assert response.status_code == 403 and "Please choose here." in response.text
    assert granted(visitor) == set() and site.ledger("grant") == []


def test_a_grant_without_proof_still_withdraws(site):
    """A form that grants one purpose and withdraws another only withdraws."""
    visitor = granting(site, "statistics")
    assert hidden(visitor, "save", "customisation").status_code == 403
    assert granted(visitor) == set() and site.events() == []


@pytest.mark.parametrize("before", ["reject_all", "accept_all"])
def test_the_settings_page_can_grant_for_its_own_visitor(site, before):
    """Its form has a token of the consent cookie, which is SameSite=Lax: no other site's post has both."""
    visitor = site.visitor()
    choose(visitor, before)
    page = visitor.get("/privacy/consent")
    hidden(visitor, "reject_all")
    assert hidden(visitor, "accept_all", **fields(page.text)).status_code == (303 if before == "reject_all" else 403)
    assert page.headers["Cache-Control"] == "no-store" and cookie(visitor) not in page.text


def test_a_token_without_its_cookie_grants_nothing(site):
    """Another site can read the token of its own visit, but its posts have no cookie of this visitor."""
    other = site.visitor()
    choose(other, "reject_all")
    page = other.get("/privacy/consent").text
    for visitor in (site.visitor(), granting(site, "statistics")):
        hidden(visitor, "accept_all", **fields(page))
        assert "customisation" not in granted(visitor)


@pytest.mark.parametrize("header", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
def test_a_hidden_origin_excuses_no_foreign_post(site, header):
    """A browser that states where the post comes from is believed."""
    visitor = granting(site, "statistics")
    post = {"data": {"choice": "reject_all"}, "headers": header, "environ_overrides": HIDDEN}
    assert visitor.post("/privacy/consent", **post).status_code == 403 and granted(visitor) == {"statistics"}


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False])
def test_every_choice_works_on_a_site_without_referrers(site, serve, chromium, script):
    """On plain HTTP under no-referrer, a real browser grants, narrows and withdraws on the settings page."""
    from conftest import chromium_arguments, executable

    @site.app.after_request
    def strict(response):
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    address = serve(site.app).replace("127.0.0.1", "shop.test")
    rule = "--host-resolver-rules=MAP shop.test 127.0.0.1"
    browser = chromium.browser_type.launch(executable_path=executable(), args=[*chromium_arguments(), rule])
    page = browser.new_page(base_url=address, java_script_enabled=script)
    kinds = []
    for name in ("Accept all", "Reject all", "Accept all"):
        page.goto("/privacy/consent")
        page.get_by_role("button", name=name).click()
        page.get_by_role("status").wait_for()
        kinds.append(site.ledger()[-1]["kind"])
    page.goto("/privacy/me")
    for _ in ("the page", "the confirmation"):
        page.get_by_role("button", name="Erase everything").click()
    page.get_by_role("status").wait_for()
    browser.close()
    assert [*kinds, site.ledger()[-1]["kind"]] == ["grant", "withdrawal", "grant", "withdrawal"]


@pytest.mark.parametrize("path", ["/privacy/consent", "/privacy/me", "/privacy/requests", "/privacy/requests/confirm/x"])
def test_our_pages_with_forms_let_the_browser_send_their_origin(site, path):
    """The element takes precedence over a header, also over one that the site or its proxy adds."""
    assert '<meta name="referrer" content="strict-origin">' in site.visitor().get(path).text
