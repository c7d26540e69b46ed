"""The endpoints: sites use their names in ``url_for``, also in templates that they override."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from flask_wtf import CSRFProtect

from flask_mixamo_privacy import Privacy

ENDPOINTS = {
    ("mixamo_privacy.accept", "/privacy/licence/<point_id>", ("POST",)),
    ("mixamo_privacy.act_on_request", "/privacy/requests/staff/<int:number>", ("POST",)),
    ("mixamo_privacy.ask", "/privacy/requests", ("POST",)),
    ("mixamo_privacy.confirm_request", "/privacy/requests/confirm/<token>", ("GET", "POST")),
    ("mixamo_privacy.csp_report", "/privacy/csp-report", ("POST",)),
    ("mixamo_privacy.decide", "/privacy/consent", ("POST",)),
    ("mixamo_privacy.erase", "/privacy/me/erase", ("POST",)),
    ("mixamo_privacy.events", "/privacy/events", ("POST",)),
    ("mixamo_privacy.health", "/privacy/health", ("GET",)),
    ("mixamo_privacy.licence", "/privacy/licence/<point_id>", ("GET",)),
    ("mixamo_privacy.me", "/privacy/me", ("GET",)),
    ("mixamo_privacy.me_json", "/privacy/me.json", ("GET",)),
    ("mixamo_privacy.page", "/privacy/page.js", ("GET",)),
    ("mixamo_privacy.policy", "/privacy/", ("GET",)),
    ("mixamo_privacy.policy_json", "/privacy/policy.json", ("GET",)),
    ("mixamo_privacy.policy_markdown", "/privacy/policy.md", ("GET",)),
    ("mixamo_privacy.public_reports", "/privacy/reports/public", ("GET",)),
    ("mixamo_privacy.read_answer", "/privacy/requests/answer/<token>", ("GET", "POST")),
    ("mixamo_privacy.receipt", "/privacy/receipt", ("GET",)),
    ("mixamo_privacy.report_csv", "/privacy/reports/<name>.csv", ("GET",)),
    ("mixamo_privacy.report_json", "/privacy/reports/<name>.json", ("GET",)),
    ("mixamo_privacy.report_page", "/privacy/reports/page", ("GET",)),
    ("mixamo_privacy.reports", "/privacy/reports", ("GET",)),
    ("mixamo_privacy.requests", "/privacy/requests", ("GET",)),
    ("mixamo_privacy.settings", "/privacy/consent", ("GET",)),
    ("mixamo_privacy.staff", "/privacy/staff", ("GET",)),
    ("mixamo_privacy.staff_request", "/privacy/requests/staff/<int:number>", ("GET",)),
    ("mixamo_privacy.staff_requests", "/privacy/requests/staff", ("GET",)),
    ("mixamo_privacy.state", "/privacy/state.json", ("GET",)),
    ("mixamo_privacy.static", "/privacy/static/<filename>", ("GET",)),
    ("mixamo_privacy.stop", "/privacy/unsubscribe/<token>", ("POST",)),
    ("mixamo_privacy.tracker", "/privacy/tracker.js", ("GET",)),
    ("mixamo_privacy.unsubscribe", "/privacy/unsubscribe/<token>", ("GET",)),
    ("mixamo_privacy.version", "/privacy/versions/<day>", ("GET",)),
    ("mixamo_privacy_gpc", "/.well-known/gpc.json", ("GET",)),
}


def endpoints(app: Flask) -> set[tuple[str, str, tuple[str, ...]]]:
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("mixamo_privacy")]
    return {(rule.endpoint, rule.rule, tuple(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))) for rule in rules}


def app_in(folder: Path, **config: object) -> Flask:
    app = Flask("several", instance_path=str(folder))
    app.config.update(SECRET_KEY="not a secret, a test", TESTING=True, **config)
    Privacy(app)
    return app


def test_every_endpoint_has_its_stable_name(tmp_path: Path) -> None:
    assert endpoints(app_in(tmp_path)) == ENDPOINTS


def test_several_apps_of_one_process_share_no_state(tmp_path: Path) -> None:
    """Each app has its own prefix, its own hooks and its own exemption from Flask-WTF."""
    first, second = app_in(tmp_path / "a"), app_in(tmp_path / "b", PRIVACY_URL_PREFIX="/data")
    CSRFProtect(second)
    third = app_in(tmp_path / "c")
    assert endpoints(first) == endpoints(third) == ENDPOINTS
    assert {rule for _, rule, _ in endpoints(second)} == {rule.replace("/privacy", "/data") for _, rule, _ in ENDPOINTS}
    for app, prefix in ((first, "/privacy"), (second, "/data"), (third, "/privacy")):
        hooks = app.url_value_preprocessors["mixamo_privacy"]
        assert len(hooks) == 1
        client = app.test_client()
        assert client.get(f"{prefix}/consent").status_code == 200
        assert client.post(f"{prefix}/consent", data={"choice": "reject_all"}).status_code == 303
