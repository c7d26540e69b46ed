"""A site with forms at collection points."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

from flask import jsonify, render_template_string, request

from flask_mixamo_privacy.policy.model import Policy
from flask_mixamo_privacy.policy.parts import CollectionPoint, Field, Minors, Notices, Purpose, Recipient
from flask_mixamo_privacy.policy.toml import built_in

PURPOSES = (
    Purpose("use", "Use", "To let you in.", basis="contract"),
    Purpose("purchase", "Purchases", "To sell.", basis="contract"),
    Purpose("marketing", "Newsletter", "To write to you.", ask="form"),
    Purpose("kids", "Colouring pages", "To send pictures.", ask="form", minors=True),
)
FIELDS = tuple(
    Field(name, "identifying", f"your {name}") for name in ("email", "name", "address", "message", "picture", "acceptance")
)
POINTS = (
    CollectionPoint("registration", "Registration", ("use",), "We use this to help you.", ("email",), ("name", "picture")),
    CollectionPoint("licence", "Licence", ("use",), "We keep that you accepted."),
    CollectionPoint("newsletter", "Newsletter", ("marketing",), "We write to you.", ("email", "old_enough")),
    CollectionPoint("pictures", "Pictures", ("kids",), "We send pictures.", ("email",)),
    CollectionPoint("account", "Account", ("use",), "We let you in.", ("email",), ("old_enough",)),
    CollectionPoint("posting", "Reviews", ("use",), "Everybody reads it.", ("name", "message")),
)
RECIPIENTS = (
    Recipient("payment", "Pay", "takes payments", ("purchase",), ("name", "email"), "IE", "https://pay.example/privacy"),
)


def policy(*points: CollectionPoint, **values: Any) -> Policy:
    """Return the built-in policy with these collection points, or with all of the above."""
    own = built_in()
    given: dict[str, Any] = {"notices": Notices(postings=True, licence=True), "version": "2026-05-08", "minors": Minors(13)}
    given |= {"purposes": (*own.purposes, *PURPOSES), "recipients": RECIPIENTS, "collection": points or POINTS}
    given |= {"fields": (*FIELDS, Field("old_enough", "anonymous", "a yes or a no"))}
    return replace(own, **given | values)


FORM = "<form method=post>{{ privacy.notice(point) }}{% for name in others %}{{ privacy.opt_in(name) }}{% endfor %}</form>"


def with_forms(tiny: Any, others: tuple[str, ...] = (), **config: Any) -> Any:
    """Build a site with a form at each point, whose response contains what the view received."""
    site = tiny(**{"PRIVACY_POLICY": policy()} | config)
    for point in site.app.config["PRIVACY_POLICY"].collection:
        add_form(site, point.id, others)
    return site


def add_form(site: Any, point: str, others: tuple[str, ...] = ()) -> None:
    def view() -> Any:
        if request.method == "GET":
            return render_template_string(FORM, point=point, others=others)
        given = site.privacy.given
        seen = {"form": request.form.to_dict(), "values": request.values.to_dict(), "files": sorted(request.files)}
        return jsonify(**seen, dropped=given.dropped, opt_ins=sorted(given.opt_ins), old_enough=given.old_enough)

    site.app.add_url_rule(f"/{point}", point, site.privacy.collects(point)(view), methods=["GET", "POST"])


def hidden(visitor: Any, path: str) -> dict[str, str]:
    """Return the hidden fields of the form at a path, as a browser would send them."""
    text = visitor.get(path).text.rpartition("<form")[2]
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", text)]
    return {each["name"]: unescape(each["value"]) for each in inputs if each.get("type") == "hidden"}


def send(visitor: Any, path: str, **fields: Any) -> Any:
    """Fill in the form at a path and submit it."""
    return visitor.post(path, data=hidden(visitor, path) | fields)


def born(year: int, month: int = 1, day: int = 1) -> dict[str, str]:
    """Return the fields of an answer to the age question."""
    return {"privacy_birth_day": str(day), "privacy_birth_month": str(month), "privacy_birth_year": str(year)}
