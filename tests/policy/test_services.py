"""Services: a visitor may grant a purpose and refuse one of its services."""

import json
import re
from dataclasses import replace

import pytest
from flask import render_template_string
from hypothesis import given
from hypothesis import strategies as st

from conftest import choose, cookie
from flask_mixamo_privacy import Policy, signals
from flask_mixamo_privacy.consent.decision import ConsentRecord, decide
from flask_mixamo_privacy.consent.decision import choose as decision_of
from flask_mixamo_privacy.errors import PolicyError, UndeclaredService
from flask_mixamo_privacy.policy.parts import Cookie, Purpose, Service
from flask_mixamo_privacy.web.current import current_consent
from support.service_site import with_services

POLICY, TODAY = with_services(), 20_000
NOBODY = decide(POLICY, None, gpc=False)


def decided(before=NOBODY, choice="save", purposes=(), services=(), **how):
    record = decision_of(POLICY, before, choice, purposes, services, **{"gpc": False, **how}, today=TODAY).record
    return decide(POLICY, record, gpc=how.get("gpc", False))


def allowed(visitor):
    state = visitor.get("/privacy/state.json").json
    return {name for name, decision in state["services"].items() if decision == "granted"}


def test_a_purpose_granted_alone_allows_all_its_services():
    """A purpose without listed services grants all of them."""
    assert decided(purposes=["media"]).services == decided(choice="accept_all").services == {"film", "map"}


def test_one_service_may_be_left_out():
    """The purpose is granted with the listed services only."""
    consent = decided(purposes=["media"], services=["film"])
    assert consent.allows("media") and consent.services == {"film"}


def test_a_service_granted_alone_is_allowed_alone():
    """An embed's button grants its service and purpose, and no other service."""
    consent = decided(services=["film"])
    assert (consent.granted, consent.services) == ({"media"}, {"film"})


def test_the_switch_of_a_purpose_overrides_those_of_its_services():
    """A service that is still ticked is off if its purpose is off."""
    assert decided(purposes=["statistics"], services=["film"], listed=True).services == set()
    assert decided(purposes=["media"], listed=True).services == set()


def test_a_service_may_be_added_to_a_grant():
    """Earlier grants and refusals stay."""
    before = decided(purposes=["statistics"])
    after = decided(before, services=["film"], keep=True)
    assert (after.granted, after.services) == ({"statistics", "media"}, {"film"})
    assert decided(after, services=["map"], keep=True).services == {"film", "map"}


def test_allowing_a_film_decides_no_other_purpose():
    """Statistics stays undecided, and allowing the film again changes nothing."""
    consent = decided(services=["film"], keep=True)
    assert (consent.state("statistics"), consent.state("media"), consent.must_ask) == ("unasked", "granted", True)
    again = decision_of(POLICY, consent, "save", [], ["film"], keep=True, gpc=False, today=TODAY)
    assert (again.kind, again.record) == (None, consent.record)
    assert decided(consent, "reject_all").record == decided(choice="reject_all").record


def test_promise_27_adding_a_service_restores_no_suspended_grant():
    """Under Global Privacy Control a film may be allowed, and suspended statistics stay off."""
    before = decide(POLICY, decided(purposes=["statistics", "media"]).record, gpc=True)
    after = decided(before, services=["film"], keep=True, gpc=True)
    assert (after.granted, after.services) == ({"media"}, {"film"})


def test_refusing_one_granted_service_is_a_withdrawal():
    """It needs no new grant, keeps the receipt and names the service."""
    before = decided(choice="accept_all")
    less = decision_of(POLICY, before, "save", [*POLICY.purpose_fingerprints], ["map"], gpc=False, today=TODAY)
    assert (less.kind, less.withdrawn, less.withdrawn_services) == ("withdrawal", set(), {"film"})
    assert less.record.receipt == before.record.receipt and decide(POLICY, less.record, False).services == {"map"}


def test_a_withdrawal_beside_a_failed_grant_takes_effect():
    """The fallback is the old grant without the withdrawn service."""
    before = decided(purposes=["media"])
    both = decision_of(POLICY, before, "save", ["media", "statistics"], ["map"], gpc=False, today=TODAY)
    left = both.withdrawal_only(before)
    assert (left.kind, left.services, left.granted) == ("withdrawal", {"map"}, {"media"})
    assert decide(POLICY, left.record, gpc=False).services == {"map"}


@given(st.sets(st.sampled_from(["film", "map"])), st.sets(st.sampled_from(["statistics", "customisation"])))
def test_a_record_keeps_every_granted_service(services, purposes):
    """A signed record is parsed completely and grants exactly its services."""
    consent = decided(purposes=purposes, services=services)
    if consent.record.granted:
        record = ConsentRecord.decode(consent.record.encode(), TODAY, 182)
        assert record == consent.record and decide(POLICY, record, gpc=False).services == services


def test_the_order_of_services_in_the_file_does_not_matter():
    """Two services that swap places in privacy.toml keep their decisions."""
    record = decided(purposes=["media"], services=["film"]).record
    turned = replace(POLICY, services=POLICY.services[::-1])
    assert decide(turned, record, gpc=False).services == {"film"}


def test_a_service_with_a_new_host_is_asked_about_again():
    """A new host may be another company, so the old consent does not cover it."""
    moved = replace(POLICY, services=(replace(POLICY.services[0], hosts=("other.example",)), POLICY.services[1]))
    consent = decide(moved, decided(choice="accept_all").record, gpc=False)
    assert (consent.state("media"), consent.state("statistics"), consent.services) == ("unasked", "granted", set())


def test_a_necessary_service_is_always_on():
    """A necessary service needs no consent, and is loaded after a refusal."""
    paying = replace(
        POLICY, services=(*POLICY.services, Service("pay", "Payment", "necessary", ("pay.example",), ("frame",)))
    )
    assert decide(paying, None, gpc=True).services == {"pay"}


def test_the_cookie_of_many_services_stays_under_400_characters():
    """A policy whose cookie would be longer is rejected with a message."""
    purposes = tuple(Purpose(f"p{n}", "Title", "Text") for n in range(30))
    services = tuple(Service(f"s{n}", "Title", f"p{n % 30}", ("a.example",), ("frame",)) for n in range(120))
    many = Policy("Site", purposes, services=services)
    record = decision_of(
        many, decide(many, None, False), "save", [], [f"s{n}" for n in range(30)], gpc=True, today=TODAY
    ).record
    assert len(record.encode()) + 44 <= 400
    with pytest.raises(PolicyError, match=r"services is '\d+ characters in the consent cookie'; allowed: 400 at most"):
        Policy("Site", purposes, services=tuple(replace(s, id=f"{s.id}x{n}") for n in range(10) for s in services))


def test_a_post_grants_a_service_and_the_ledger_has_it(tiny):
    """The ledger entry has the services, and the next page allows them."""
    site = tiny(PRIVACY_POLICY=POLICY)
    visitor = site.visitor()
    choose(visitor, "save", "media", service="film")
    assert json.loads(site.ledger("grant")[0]["services"]) == ["film"] and allowed(visitor) == {"film"}
    choose(visitor, "save", "media", service="map", keep="1")
    choose(visitor, "save", "media", services="listed", service="map")
    assert json.loads(site.ledger("withdrawal")[0]["withdrawn"]) == ["film"] and allowed(visitor) == {"map"}


def test_an_unknown_service_is_rejected_with_a_message(tiny):
    """The answer lists the services, and nothing is saved."""
    visitor = tiny(PRIVACY_POLICY=POLICY).visitor(Accept="application/json")
    response = choose(visitor, "save", service="radio")
    assert (response.status_code, cookie(visitor)) == (400, None)
    assert response.json["message"] == "There is no service 'radio' here; there are: film, map."


def test_signals_have_the_services(tiny):
    """The signals have the granted and the withdrawn services."""
    site, heard = tiny(PRIVACY_POLICY=POLICY), []
    with (
        signals.consent_granted.connected_to(lambda app, **values: heard.append(values["services"])),
        signals.consent_withdrawn.connected_to(lambda app, **values: heard.append(values["services"])),
    ):
        visitor = site.visitor()
        choose(visitor, "save", "media")
        choose(visitor, "save", "media", service="film")
    assert heard == [{"film", "map"}, {"map"}]


def test_code_may_check_a_service(tiny):
    """``allows`` accepts a service, and an unknown one raises."""
    site = tiny(PRIVACY_POLICY=POLICY)
    site.view("/ask", lambda: f"{current_consent.allows('media', 'film')} {current_consent.allows('media', 'map')}")
    visitor = site.visitor()
    choose(visitor, "save", service="film")
    assert visitor.get("/ask").text == "True False"
    with site.app.test_request_context(), pytest.raises(UndeclaredService) as raised:
        current_consent.allows("media", "radio")
    assert str(raised.value) == (
        "The service 'radio' is not declared; allowed: film, map. Use one of these, or add a [[services]] table "
        "with this id to privacy.toml."
    )


def test_the_settings_page_lists_services_under_their_purpose(tiny):
    """Each service has a checkbox with its decision, which works without JavaScript."""
    visitor = tiny(PRIVACY_POLICY=POLICY).visitor()
    choose(visitor, "save", "media", service="film")
    boxes = re.findall(
        r'<input type="checkbox" name="service" value="(\w+)"( checked)?>', visitor.get("/privacy/consent").text
    )
    assert boxes == [("film", " checked"), ("map", "")]


def test_the_text_shown_has_the_services_titles():
    """A renamed service makes a different text."""
    from flask_mixamo_privacy.consent import proof
    from flask_mixamo_privacy.i18n.language import language

    assert '"services":["Film","Map"]' in proof.settings(POLICY, language("en")).body


def test_a_cookie_of_a_service_must_have_a_purpose_of_the_service():
    """Another purpose raises."""
    with pytest.raises(PolicyError, match=r"cookies\._seen\.service is 'film'; allowed: nothing, as there are no services"):
        with_services(cookies=(Cookie("_seen", "statistics", "1 day", "Seen.", service="film"),))


def test_templates_may_check_a_service(tiny):
    """The consent tag accepts purpose and service."""
    site = tiny(PRIVACY_POLICY=POLICY)
    template = (
        '{% consent "media", service="film" %}film{% else %}none{% endconsent %} {% consent "media" %}media{% endconsent %}'
    )
    site.view("/tag", lambda: render_template_string(template))
    visitor = site.visitor()
    assert visitor.get("/tag").text == "none "
    choose(visitor, "save", "media", service="map")
    assert visitor.get("/tag").text == "none media"
