"""A site that has each page and each widget of the extension, and the paths of all of them."""

from __future__ import annotations

from typing import Any

from flask import render_template_string

from flask_mixamo_privacy.policy.parts import Contact
from flask_mixamo_privacy.web.access import consent_required
from support.form_site import PURPOSES, policy
from support.login_site import with_logins
from support.service_site import with_services

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Page</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<body style="background: Canvas; color: CanvasText">{{ privacy.banner() }}<main style="padding: 1rem"><h1>Page</h1>
{{ privacy.embed("https://video.example/1", purpose="media", title="Walk") }}
<form method="post">{{ privacy.notice("posting") }}{{ privacy.opt_in("newsletter") }}{{ privacy.age_question() }}</form></main>"""

PUBLIC = (
    *("/widgets", "/wardrobe", "/privacy/", "/privacy/consent", "/privacy/me", "/privacy/requests"),
    *("/privacy/requests/confirm/unknown", "/privacy/requests/answer/unknown", "/privacy/unsubscribe/unknown"),
)
STAFF = ("/privacy/requests/staff", "/privacy/requests/staff/1", "/privacy/reports")


def every_page(tiny: Any, **config: Any) -> Any:
    """Build the site. ``/enter/ann`` logs in staff."""
    services = with_services()
    declared = policy(
        purposes=(*services.purposes, *PURPOSES), services=services.services, contact=Contact("Shop", "privacy@shop.example")
    )
    site = with_logins(tiny(PRIVACY_POLICY=declared, PRIVACY_STAFF=lambda user, need: user.is_authenticated, **config))
    site.view("/widgets", lambda: render_template_string(PAGE))
    site.view("/wardrobe", consent_required("customisation")(lambda: "Dressed."))
    form = {"kind": "access", "email": "ada@people.example", "message": "What do you store?"}
    site.visitor(Sec_Fetch_Site="same-origin").post("/privacy/requests", data=form)
    return site
