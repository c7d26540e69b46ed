"""Values of own events, goals and funnels are declared, and errors name the key, the value and what is allowed."""

from __future__ import annotations

import dataclasses

import pytest

from flask_mixamo_privacy.errors import PolicyError
from flask_mixamo_privacy.i18n.language import SHIPPED, language
from flask_mixamo_privacy.policy.report_parts import Funnel, Goal, OwnEvent
from flask_mixamo_privacy.policy.toml import START, built_in, read
from flask_mixamo_privacy.policy.writer import derive

TABLES = """
[[events]]
name = "video.played"
values = ["quality"]

[[goals]]
name = "Bought"
event = "order.placed"

[[funnels]]
name = "To an order"
steps = ["/animations/*", "basket.filled", "/order"]
"""


def declared(**sections):
    return dataclasses.replace(built_in(), **sections)


def test_a_file_declares_values_goals_and_funnels(tmp_path):
    path = tmp_path / "privacy.toml"
    path.write_text(START.read_text() + TABLES)
    policy = read(path)
    assert policy.events == (OwnEvent("video.played", ("quality",)),) and policy.goals[0].event == "order.placed"
    assert policy.funnels == (Funnel("To an order", ("/animations/*", "basket.filled", "/order")),)


def test_a_declared_report_asks_no_visitor_again():
    """Fingerprints cover what a decision depends on. Reports are totals of what is recorded already."""
    policy = declared(goals=(Goal("Bought", event="order.placed"),), events=(OwnEvent("video.played", ("quality",)),))
    assert policy.purpose_fingerprints == built_in().purpose_fingerprints


WRONG = {
    "events.video played.name is 'video played'": {"events": (OwnEvent("video played", ("quality",)),)},
    "events.click.name is 'click'": {"events": (OwnEvent("click", ("on",)),)},
    "events.a.values is []; allowed: at least one property": {"events": (OwnEvent("a", ()),)},
    "events.a.values is 'a b'; allowed: the name of a property": {"events": (OwnEvent("a", ("a b",)),)},
    "goals.A.page is missing; allowed: either page or event": {"goals": (Goal("A"),)},
    "goals.A.page is '/a'; allowed: either page or event": {"goals": (Goal("A", "/a", "b"),)},
    "goals.A.page is 'a'; allowed: a path such as": {"goals": (Goal("A", "a"),)},
    "goals.A.page is '/*/a'; allowed: a path": {"goals": (Goal("A", "/*/a"),)},
    "goals.A.name is 'A'; allowed: each name once in goals": {"goals": (Goal("A", "/a"), Goal("A", "/b"))},
    "goals.name is": {"goals": (Goal(" ", "/a"),)},
    "funnels.A.steps is ['/a']; allowed: 2 to 4 steps": {"funnels": (Funnel("A", ("/a",)),)},
    "allowed: 2 to 4 steps": {"funnels": (Funnel("A", tuple("abcde")),)},
    "goals is '101 goals'; allowed: at most 100 goals.": {"goals": tuple(Goal(f"{n}", f"/{n}") for n in range(101))},
    "events is '101 values'; allowed: at most 100 values.": {"events": (OwnEvent("a", tuple(f"v{n}" for n in range(101))),)},
    "funnels.A.steps is 'page_view'": {"funnels": (Funnel("A", ("page_view", "/a")),)},
    "funnels.A.steps is '/a/b'; allowed: steps that have no page": {"funnels": (Funnel("A", ("/a/*", "/a/b")),)},
    "allowed: two first steps of its own. Join it with 'A'": {
        "funnels": (Funnel("A", ("/a", "b", "c")), Funnel("B", ("/*", "b")))
    },
}


@pytest.mark.parametrize(("message", "sections"), WRONG.items(), ids=WRONG)
def test_an_invalid_declaration_names_key_value_and_what_is_allowed(message, sections):
    with pytest.raises(PolicyError) as raised:
        declared(**sections)
    assert message in str(raised.value)


def test_the_policy_page_states_what_is_counted():
    """Declared events with their values, goals and funnels are on the page, in the words of their names."""
    policy = declared(
        events=(OwnEvent("video.played", ("quality", "in_full")),),
        goals=(Goal("A sign-up", event="signed_up"), Goal("An order", page="/thanks")),
        funnels=(Funnel("From a film to an order", ("/films/*", "/thanks")),),
    )
    text = derive(policy, language("en")).as_markdown()
    assert "counted too, each with the details in brackets: video played (quality and in full)." in text
    assert "how many visitors reach these goals: A sign-up and An order." in text
    assert "follow these paths, step by step: From a film to an order." in text


@pytest.mark.parametrize("code", SHIPPED)
def test_the_statements_of_what_is_counted_exist_in_every_language(code):
    """No sentence falls back to English. In Arabic and Hebrew, a name keeps its own direction."""
    policy = declared(goals=(Goal("An order", page="/thanks"),))
    section = next(part for part in derive(policy, language(code)).sections if part.id == "aggregates")
    (stated,) = [sentence.text for sentence in section.sentences if "An order" in sentence.text.text]
    assert stated.lang == code and ("\u2068An order\u2069" in stated.text) == (code in ("ar", "he"))


@pytest.mark.parametrize("is_public", [True, False])
def test_the_policy_page_states_that_reports_are_public(tiny, is_public):
    """The page states it if PRIVACY_PUBLIC_REPORTS is on, and only then."""
    page = tiny(PRIVACY_PUBLIC_REPORTS=is_public).visitor().get("/privacy/").text
    assert ("Anyone can read the totals of past months on this site." in page) == is_public
