"""A visitor's consent: three states for each purpose, evaluated with the policy and Global Privacy Control."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import choose, cookie
from flask_mixamo_privacy import Policy
from flask_mixamo_privacy.consent.decision import BadRecord, ConsentRecord, decide, refusal
from flask_mixamo_privacy.consent.decision import choose as decision_of
from flask_mixamo_privacy.errors import UndeclaredPurpose
from flask_mixamo_privacy.policy.parts import Purpose
from flask_mixamo_privacy.policy.toml import built_in

TODAY = 20_000
BUILT_IN = built_in()
NOBODY = decide(BUILT_IN, None, gpc=False)


def accept(gpc=False, before=NOBODY, purposes=("statistics", "customisation")):
    return decision_of(BUILT_IN, before, "save", purposes, gpc=gpc, today=TODAY)


def test_a_new_visitor_has_decided_nothing():
    """Before a choice every optional purpose is unasked, the necessary one is allowed, and the visitor must be asked."""
    assert (NOBODY.state("statistics"), NOBODY.allows("statistics"), NOBODY.allows("necessary")) == ("unasked", False, True)
    assert NOBODY.must_ask


def test_a_choice_decides_every_purpose():
    """A purpose that was not switched on is refused, and no question remains."""
    consent = decide(BUILT_IN, accept(purposes=["statistics"]).record, gpc=False)
    assert (consent.state("statistics"), consent.state("customisation")) == ("granted", "refused")
    assert not consent.must_ask


@given(st.sets(st.sampled_from(["statistics", "customisation"])), st.booleans(), st.integers(1, 200_000))
def test_a_record_reads_back_as_it_was_written(purposes, gpc, today):
    """The compact text preserves every decision completely."""
    record = decision_of(BUILT_IN, NOBODY, "save", purposes, gpc=gpc, today=today).record
    assert ConsentRecord.decode(record.encode(), today, 182) == record


@given(st.text(max_size=100))
def test_any_text_reads_as_a_record_or_as_invalid(text):
    """No cookie value causes any other error."""
    with contextlib.suppress(BadRecord):
        assert isinstance(ConsentRecord.decode(text, TODAY, 182), ConsentRecord)


@pytest.mark.parametrize(("age", "granted"), [(0, True), (181, True), (182, False), (-1, True), (-2, False)])
def test_a_consent_lasts_182_days(age, granted):
    """A decision that is expired or from the future is invalid; a clock one day ahead is tolerated."""
    text = accept().record.encode()
    try:
        assert ConsentRecord.decode(text, TODAY + age, 182) and granted
    except BadRecord:
        assert not granted


def test_promise_27_gpc_alone_reads_as_a_refusal():
    """With Sec-GPC and no decision, no optional purpose is allowed, and the visitor is not asked."""
    consent = decide(BUILT_IN, None, gpc=True)
    assert (consent.state("statistics"), consent.must_ask) == ("refused", False)


def test_promise_27_a_grant_made_under_gpc_stands_and_another_is_suspended():
    """A grant made while GPC is sent is deliberate. A signal sent later suspends an earlier grant."""
    under, without = accept(gpc=True).record, accept(gpc=False).record
    assert decide(BUILT_IN, under, gpc=True).allows("statistics")
    assert decide(BUILT_IN, under, gpc=False).allows("statistics")
    assert not decide(BUILT_IN, without, gpc=True).allows("statistics")
    assert decide(BUILT_IN, without, gpc=False).allows("statistics")


def test_promise_27_granting_again_under_gpc_is_a_new_grant():
    """Only a decision made while GPC is sent reactivates a suspended grant."""
    before = decide(BUILT_IN, accept().record, gpc=True)
    again = accept(gpc=True, before=before)
    assert (again.kind, again.record.gpc) == ("grant", True)


@pytest.mark.parametrize("value", ["0", "true", "1, 1", "", "yes"])
def test_promise_27_only_exactly_1_is_gpc(tiny, value):
    """Any other value of the header is no signal."""
    assert "Accept all" in tiny().visitor(Sec_GPC=value).get("/").text


def test_a_repeated_decision_is_not_a_new_one():
    """The same button pressed again keeps the receipt and writes nothing."""
    before = decide(BUILT_IN, accept().record, gpc=False)
    again = accept(before=before)
    assert (again.kind, again.record) == (None, before.record)


def test_withdrawing_one_purpose_keeps_the_receipt_of_the_other():
    """A withdrawal needs no new grant, so nothing can prevent it."""
    before = decide(BUILT_IN, accept().record, gpc=False)
    less = accept(before=before, purposes=["statistics"])
    assert (less.kind, less.withdrawn, less.record.receipt) == ("withdrawal", {"customisation"}, before.record.receipt)


def test_a_new_purpose_is_unasked_while_the_others_stay_decided():
    """A policy with a new purpose asks for that purpose only."""
    grown = replace(BUILT_IN, purposes=(*BUILT_IN.purposes, Purpose("media", "Media", "Films from elsewhere.")))
    consent = decide(grown, accept(purposes=["statistics"]).record, gpc=False)
    assert [consent.state(p) for p in ("statistics", "customisation", "media")] == ["granted", "refused", "unasked"]
    assert consent.must_ask


def test_a_reworded_purpose_does_not_ask_again():
    """A corrected title leaves every decision unchanged."""
    statistics = replace(BUILT_IN.purpose("statistics"), title="Statistics, counted by us")
    reworded = replace(BUILT_IN, purposes=(BUILT_IN.purposes[0], statistics, BUILT_IN.purposes[2]))
    assert decide(reworded, accept().record, gpc=False).allows("statistics")


def test_an_undeclared_purpose_raises_with_the_next_step():
    """The error lists the declared purposes and the lines to add."""
    with pytest.raises(UndeclaredPurpose) as raised:
        NOBODY.allows("marketing")
    assert str(raised.value) == (
        "The purpose 'marketing' is not declared; allowed: necessary, statistics, customisation. Use one of these, or "
        'add to privacy.toml:\n\n[[purposes]]\nid = "marketing"\ntitle = "…"\ndescription = "…"\nbasis = "consent"\n'
    )


def test_every_way_to_refuse_sets_the_same_cookie(tiny):
    """The value of a day is the same for the button, saving nothing, GPC, a withdrawal and another language."""
    site = tiny()
    visitors = [
        site.visitor(),
        site.visitor(),
        site.visitor(Sec_GPC="1"),
        site.visitor(),
        site.visitor(Accept_Language="de"),
    ]
    choose(visitors[3], "accept_all")
    for visitor, choice in zip(visitors, ["reject_all", "save", "reject_all", "reject_all", "save"], strict=True):
        choose(visitor, choice)
    assert len({cookie(visitor) for visitor in visitors}) == 1


def test_refusals_are_the_same_header_to_the_byte(tiny, clock):
    """The cookie's expiry does not distinguish two refusals of the same day either."""
    site, headers = tiny(), set()
    for hour in (1, 13, 23):
        clock.move_to(f"2026-05-08T{hour:02}:30:00Z")
        headers.add(choose(site.visitor(), "reject_all").headers["Set-Cookie"])
    assert len(headers) == 1


def test_the_cookie_has_a_bounded_size(tiny):
    """The cookie has at most 200 bytes with the built-in policy, and 400 with forty purposes."""
    visitor = tiny().visitor()
    choose(visitor, "accept_all")
    assert len("privacy_consent=" + cookie(visitor)) <= 200
    many = Policy("Site", tuple(Purpose(f"p{n}", "Title", "Text") for n in range(40)))
    record = decision_of(many, decide(many, None, False), "accept_all", (), gpc=True, today=TODAY).record
    assert len(record.encode()) + 44 <= 400


def test_a_refusal_has_no_receipt():
    """A refusal contains nothing that distinguishes it from another refusal."""
    assert refusal(BUILT_IN, TODAY).encode() == f"r.{TODAY:x}.{BUILT_IN.policy_fingerprint}"
