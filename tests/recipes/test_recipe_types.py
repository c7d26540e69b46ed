"""The types for a site's front end: what compiles, what must not, and that real answers have them."""

from __future__ import annotations

import json

import pytest

from support.applications import Browser

pytestmark = pytest.mark.recipes

APP = """from flask import Flask, render_template_string
from flask_mixamo_privacy import Privacy, consent_required

app = Flask(__name__)
app.config["SECRET_KEY"] = "dev"
privacy = Privacy(app)
PAGE = "<!doctype html><title>x</title><body>{{ privacy.banner() }}<h1>x</h1>{{ privacy.settings_link() }}"
app.add_url_rule("/", "home", lambda: render_template_string(PAGE))
app.add_url_rule("/for-you", "for_you", consent_required("customisation")(lambda: "yours"))
"""
SERVICE = """[[services]]
id = "film"
title = "Film"
purpose = "statistics"
hosts = ["film.example"]
loads = ["frame"]
link = "https://film.example/privacy"
"""
# Each line is wrong by itself.
WRONG = """import type { PrivacyAnswer, PrivacyState, TrackedEvent } from "./privacy";
declare const state: PrivacyState, answer: PrivacyAnswer;
state.purposes.statistic;
state.services.map;
state.granted.includes("media");
state.purposes.statistics === "denied";
answer.go.length;
answer.removed.databases;
const named: TrackedEvent = { seconds: 30 };
const nested: TrackedEvent = { name: "a", where: { x: 1 } };
document.addEventListener("privacy:change", (event) => event.detail.allowed);
document.addEventListener("privacy:change", (event: MouseEvent) => event.button);
"""


@pytest.fixture
def page(recipe):
    """The page's front end, beside an app with a service, with its types written."""
    page = recipe("types")
    page.link_packages()
    page.write({"shop.py": APP, "privacy.toml": SERVICE})
    outcome = page.app("shop").test_cli_runner().invoke(args=["privacy", "types", "--path", "src/privacy.d.ts"])
    assert outcome.exit_code == 0, outcome.output
    return page


def errors(page):
    """Return the line of each error, by file."""
    done = page.node(page.commands()[-1])
    found = [line.partition("(") for line in done.stdout.splitlines() if "error TS" in line]
    assert bool(found) == bool(done.returncode), done.stdout
    return {(file, int(rest.partition(",")[0])) for file, _, rest in found}, done.stdout


def literal(name, kind, value):
    return f"export const {name}: {kind} = {json.dumps(value)};\n"


def test_the_pages_front_end_compiles(page):
    """TypeScript and checked JavaScript use the types without a cast of an event."""
    assert errors(page)[0] == set(), errors(page)[1]


def test_each_mistake_is_an_error(page):
    """A misspelt purpose, service, state, member or event does not compile."""
    page.write({"src/wrong.ts": WRONG})
    lines = {("src/wrong.ts", number) for number in range(3, len(WRONG.splitlines()) + 1)}
    found, output = errors(page)
    assert found == lines, output


def test_the_shipped_file_compiles_with_any_name(page):
    """Without the command, every string is an id."""
    from flask_mixamo_privacy.web.assets import folder

    page.write({"src/privacy.d.ts": (folder("static") / "privacy.d.ts").read_text()})
    assert errors(page)[0] == set(), errors(page)[1]


def test_real_answers_have_the_types(page, serve, open_browser):
    """``state.json``, each answer, each problem and the event of a real browser fit the types, with no member more."""
    app = page.app("shop")
    browser, json_only = Browser(app), {"Accept": "application/json"}

    def post(**fields):
        return browser.request("/privacy/consent", "POST", headers=json_only, data=fields).json

    found = literal("unasked", "PrivacyState", browser.request("/privacy/state.json").json)
    found += literal("required", "PrivacyProblem", browser.request("/for-you", headers=json_only).json)
    found += literal("granted", "PrivacyAnswer", post(choice="accept_all", next="/"))
    found += literal("withdrawn", "PrivacyAnswer", post(choice="reject_all", next="/"))
    found += literal("problem", "PrivacyProblem", post(choice="perhaps"))
    visitor = open_browser(base_url=serve(app))
    visitor.goto("/")
    visitor.evaluate(
        "document.addEventListener('privacy:change', (event) => { event.preventDefault(); window.heard = event.detail })"
    )
    visitor.get_by_role("button", name="Accept all", exact=True).click()
    found += literal("heard", "PrivacyAnswer", visitor.wait_for_function("window.heard").json_value())
    page.write({"src/real.ts": f'import type {{ PrivacyAnswer, PrivacyProblem, PrivacyState }} from "./privacy";\n{found}'})
    assert errors(page)[0] == set(), errors(page)[1]
    assert '"go"' in found and '"tracker"' in found and '"consent_url"' in found
