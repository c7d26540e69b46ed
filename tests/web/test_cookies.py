"""The signed cookies: a forged, edited, expired or oversized cookie counts as absent."""

import base64

import pytest

from conftest import choose, cookie


def granted(site, **headers):
    visitor = site.visitor(**headers)
    choose(visitor, "accept_all")
    visitor.get("/")
    return visitor


def edits(value):
    """Yield corrupted variants of a signed value."""
    payload, _, signature = value.rpartition(".")
    return {
        "truncated": value[:-3],
        "flipped": value[:-9] + ("A" if value[-9] != "A" else "B") + value[-8:],
        "payload edited": payload.replace("g.", "g.0", 1) + "." + signature,
        "unsigned": payload,
        "empty": "",
        "oversized": value + "A" * 3500,
        "not ascii": "é" * 20,
        "binary": base64.b64encode(bytes(range(256))).decode(),
        "only dots": "....",
        "null bytes": "\\000\\000",
    }


@pytest.mark.parametrize("spoil", edits("g.x." + "s" * 43))
@pytest.mark.parametrize("name", ["privacy_consent", "privacy_visitor", "privacy_choices"])
def test_an_invalid_cookie_means_unasked_and_never_an_error(tiny, spoil, name):
    """An invalid cookie grants nothing and causes no error."""
    site = tiny()
    visitor = granted(site)
    visitor.get("/theme/dark")
    visitor.set_cookie(name, edits(cookie(visitor, name))[spoil])
    response = visitor.get("/")
    assert response.status_code == 200
    assert ("Accept all" in response.text) == (name == "privacy_consent")


def test_promise_12_a_tampered_visitor_id_is_ignored(tiny):
    """A visitor who edits the ID in the cookie becomes a new visitor, not another existing one."""
    site = tiny()
    visitor = granted(site)
    value = cookie(visitor, "privacy_visitor")
    visitor.set_cookie("privacy_visitor", "A" * 22 + value[22:])
    visitor.get("/")
    assert "A" * 22 not in {event["visitor"] for event in site.events()}


def test_promise_12_two_visitors_have_two_ids_but_none_before_consent(tiny):
    """Each ID has 128 random bits and exists only after a grant."""
    site = tiny()
    one, two, undecided = granted(site), granted(site), site.visitor()
    undecided.get("/")
    assert cookie(one, "privacy_visitor")[:22] != cookie(two, "privacy_visitor")[:22]
    assert cookie(undecided, "privacy_visitor") is None


def test_one_kind_of_cookie_cannot_replace_another(tiny):
    """Each kind is signed with its own salt."""
    site = tiny()
    visitor = granted(site)
    visitor.set_cookie("privacy_consent", cookie(visitor, "privacy_visitor"))
    assert "Accept all" in visitor.get("/").text


def test_a_key_rotation_keeps_every_decision(tiny):
    """Values signed with a former key verify as long as the key is in SECRET_KEY_FALLBACKS, and not after."""
    site = tiny(SECRET_KEY="old key of the site")
    visitor = granted(site)
    site.app.config.update(SECRET_KEY="new key of the site", SECRET_KEY_FALLBACKS=["old key of the site"])
    assert "Accept all" not in visitor.get("/").text
    site.app.config["SECRET_KEY_FALLBACKS"].clear()
    assert "Accept all" in visitor.get("/").text


def test_new_values_are_signed_with_the_newest_key(tiny):
    """A decision made after a rotation stays valid without the old key."""
    site = tiny(SECRET_KEY="new key of the site", SECRET_KEY_FALLBACKS=["old key of the site"])
    visitor = granted(site)
    site.app.config.update(SECRET_KEY_FALLBACKS=None)
    assert "Accept all" not in visitor.get("/").text


def test_an_expired_consent_asks_again(tiny, clock):
    """After 182 days the visitor is asked as for the first time, and nothing more is recorded."""
    clock.move_to("2026-01-01T12:00:00Z")
    site = tiny()
    visitor = granted(site)
    value, number = cookie(visitor), len(site.events())
    clock.shift(182 * 86400)
    visitor.set_cookie("privacy_consent", value)
    assert "Accept all" in visitor.get("/").text
    assert len(site.events()) == number


def test_a_replayed_grant_restores_no_erased_visitor(tiny):
    """Old copies of both cookies, sent after a withdrawal, record nothing under the erased ID."""
    site = tiny()
    visitor = granted(site)
    old_cookies = {name: cookie(visitor, name) for name in ("privacy_consent", "privacy_visitor")}
    choose(visitor, "reject_all")
    for name, value in old_cookies.items():
        visitor.set_cookie(name, value)
    visitor.get("/")
    assert old_cookies["privacy_visitor"][:22] not in {event["visitor"] for event in site.events()}


def test_promise_40_every_cookie_has_its_flags(tiny):
    """HttpOnly and SameSite are always set.

    Over HTTPS, Secure and the __Host- prefix prevent a subdomain from setting one.
    """
    site = tiny()
    plain = choose(site.visitor(), "accept_all").headers["Set-Cookie"]
    visitor = site.app.test_client()
    secure = visitor.post("/privacy/consent", data={"choice": "accept_all"}, base_url="https://localhost").headers[
        "Set-Cookie"
    ]
    assert plain.startswith("privacy_consent=") and {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(plain.split("; "))
    assert secure.startswith("__Host-privacy_consent=") and {"Secure", "HttpOnly", "Path=/"} <= set(secure.split("; "))
    assert "Domain" not in secure


def test_only_the_name_for_the_scheme_is_read(tiny):
    """A cookie set over plain HTTP has no effect on HTTPS."""
    site = tiny()
    visitor = granted(site)
    assert "Accept all" in visitor.get("/", base_url="https://localhost").text


def test_a_shared_domain_uses_no_host_prefix(tiny):
    """One decision applies to several subdomains: Domain is set, and the prefix is __Secure-."""
    site = tiny(PRIVACY_COOKIE_DOMAIN="example.com", PRIVACY_COOKIE_SECURE=True)
    header = choose(site.visitor(), "accept_all").headers["Set-Cookie"]
    assert header.startswith("__Secure-privacy_consent=") and "Domain=example.com" in header


def test_a_visitor_cookie_without_its_grant_is_deleted(tiny):
    """An ID whose grant no longer exists has no effect and is deleted with the next page."""
    site = tiny()
    visitor = granted(site)
    visitor.delete_cookie("privacy_consent")
    response = visitor.get("/")
    assert "privacy_visitor=;" in response.headers["Set-Cookie"]


def test_a_slow_page_after_a_withdrawal_restores_nothing(tiny):
    """A late response sets the old ID again. Without the grant the ID has no effect and is deleted."""
    site = tiny()
    visitor = granted(site)
    late = cookie(visitor, "privacy_visitor")
    choose(visitor, "reject_all")
    visitor.set_cookie("privacy_visitor", late)
    visitor.get("/")
    assert cookie(visitor, "privacy_visitor") is None
    assert site.events() == []


def test_the_id_ends_395_days_after_its_first_issue(tiny, clock):
    """Renewing the cookie does not extend its life. After the end a new ID begins."""
    clock.move_to("2026-01-01T12:00:00Z")
    site = tiny()
    visitor = granted(site)
    first = cookie(visitor, "privacy_visitor")[:22]
    clock.shift(181 * 86400)
    header = visitor.get("/").headers["Set-Cookie"]
    assert f"Max-Age={(395 - 181) * 86400}" in header and first in header
