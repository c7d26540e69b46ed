"""Flask-Smorest: a documented API beside pages. Calls of the API are no page views, and errors keep their form."""

from __future__ import annotations

from pathlib import Path

import marshmallow
import pytest
from flask import Flask, render_template_string
from flask_smorest import Api, Blueprint, abort

from flask_mixamo_privacy import Privacy, consent_required
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, new_app

JSON = {"Accept": "application/json"}


class Pet(marshmallow.Schema):
    id = marshmallow.fields.Int(dump_only=True)
    name = marshmallow.fields.String(required=True)


@pytest.fixture(params=[True, False], ids=["Flask-Smorest first", "Privacy first"])
def app(request, tmp_path: Path) -> Flask:
    app = new_app(tmp_path, API_TITLE="Pets", API_VERSION="v1", OPENAPI_VERSION="3.0.3", OPENAPI_URL_PREFIX="/docs")
    if not request.param:
        Privacy(app)
    pets = Blueprint("pets", __name__, url_prefix="/pets")

    @pets.route("/", methods=["POST"])
    @pets.arguments(Pet)
    @pets.response(201, Pet)
    def add(pet):
        return pet | {"id": 1}

    @pets.route("/<int:number>")
    @pets.response(200, Pet)
    def get(number):
        return {"id": number, "name": "Rex"} if number == 1 else abort(404)

    @pets.route("/suggested")
    @pets.response(200, Pet)
    @consent_required("customisation")
    def suggested():
        return {"id": 1, "name": "Rex"}

    Api(app).register_blueprint(pets)
    if request.param:
        Privacy(app)
    for path in ("/", "/news"):
        app.add_url_rule(path, path, lambda: render_template_string(LAYOUT, title="Pets"))
    return app


def test_accept_browse_withdraw(app):
    """The API answers in each state of consent, and counts nothing."""
    browser = Browser(app)

    def call_the_api():
        assert browser.request("/pets/", "POST", json={"name": "Rex"}, headers=JSON).json == {"id": 1, "name": "Rex"}
        assert browser.request("/pets/", "POST", json={}, headers=JSON).status_code == 422
        assert browser.request("/pets/1", headers=JSON).json["name"] == "Rex"
        assert browser.request("/pets/2", headers=JSON).json["status"] == "Not Found"
        assert "/pets/{number}" in browser.request("/docs/openapi.json", headers=JSON).json["paths"]

    accept_browse_withdraw(Application(app), browser, ["/", "/news"], own_feature=call_the_api)


def test_an_endpoint_can_require_consent(app):
    """The call is refused before the grant and after the withdrawal, and answered in between."""
    browser = Browser(app)
    refusal = browser.request("/pets/suggested", headers=JSON)
    assert refusal.content_type == "application/problem+json" and "mixamo-ask" in browser.request("/pets/suggested").text
    statuses = [refusal.status_code]
    for choice in ("accept_all", "reject_all"):
        browser.submit(browser.open("/privacy/consent").text, choice)
        statuses.append(browser.request("/pets/suggested", headers=JSON).status_code)
    assert statuses == [403, 200, 403]


def test_a_post_of_another_site_is_still_refused(app):
    """Flask-Smorest handles every HTTP error of the app, and the status stays."""
    answer = Browser(app, Sec_Fetch_Site="cross-site").request("/privacy/consent", "POST", data={"choice": "accept_all"})
    assert answer.status_code == 403 and not Application(app).decisions()
