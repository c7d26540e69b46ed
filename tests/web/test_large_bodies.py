"""Bodies from clients that are not logged in are bounded, with every supported version of Flask."""

from __future__ import annotations

import io

import pytest
from flask import request

KIB = 1024
BOUNDED = {"/privacy/csp-report": 64 * KIB, "/privacy/requests": 64 * KIB, "/privacy/unsubscribe/x": 16 * KIB}
FORM = "application/x-www-form-urlencoded"


def send(site, path, size, declared, content_type=FORM):
    """Post a form of this size, with its length declared or in chunks, and return the status."""
    body = io.BytesIO(b"kind=access&message=".ljust(size, b"x"))
    length = {"CONTENT_LENGTH": str(size)} if declared else {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    visitor = site.visitor()
    return visitor.post(path, input_stream=body, content_type=content_type, environ_overrides=length).status_code


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
@pytest.mark.parametrize(("path", "most"), BOUNDED.items())
def test_a_body_above_the_limit_is_refused(tiny, path, most, declared):
    """One byte more than allowed is answered with 413, with a declared length or in chunks."""
    site = tiny()
    assert send(site, path, most, declared) != 413
    assert send(site, path, most + 1, declared) == 413


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_smaller_limit_of_the_site_applies(tiny, declared):
    """The site's own ``MAX_CONTENT_LENGTH`` is never raised."""
    site = tiny(MAX_CONTENT_LENGTH=KIB)
    assert send(site, "/privacy/requests", 2 * KIB, True) == 413
    assert send(site, "/privacy/requests", 512, declared) == 400


def test_a_form_that_the_site_has_read_is_still_used(tiny):
    """A hook of the site that reads the form first leaves it to the view."""
    site = tiny()
    site.app.before_request(lambda: request.form.get("missing"))
    response = site.visitor().post("/privacy/requests", data={"kind": "access", "email": "no address"})
    assert response.status_code == 400 and "Please give a mail address" in response.text
