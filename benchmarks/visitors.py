"""Cookie headers of visitors, created by the package's own code."""

from __future__ import annotations

import time

from flask import Flask
from werkzeug.wrappers import Response

from flask_mixamo_privacy.consent.decision import Choice, choose, decide
from flask_mixamo_privacy.policy.toml import built_in
from flask_mixamo_privacy.tracking.events import Visitor
from flask_mixamo_privacy.web.runtime import RUNTIME

FORGED = "privacy_consent=g.500a.AAAAAAaaaaaa.3..Zm9yZ2VkIGZvcmdlZCBmb3Jn.0.c2lnbmVkIGJ5IG5vYm9keSwgcmVhbGx5IG5vYm9keSE"


def refused(app: Flask) -> str:
    """Return the cookies of any visitor who refused today. They are the same for all."""
    return _cookies(app, "reject_all")


def consented(app: Flask) -> str:
    """Return the cookies of a new visitor who granted every purpose just now."""
    return _cookies(app, "accept_all")


def _cookies(app: Flask, choice: Choice) -> str:
    cookies, now = app.extensions[RUNTIME].cookies_at("", False), time.time()
    today = int(now) // 86400
    policy = built_in()
    record = choose(policy, decide(policy, None, False), choice, (), gpc=False, today=today).record
    response = Response()
    cookies.issue_consent(response, record)
    if record.receipt:
        cookies.issue_visitor(response, Visitor.new(record.receipt, now), today)
    return "; ".join(line.partition(";")[0] for line in response.headers.getlist("Set-Cookie"))
