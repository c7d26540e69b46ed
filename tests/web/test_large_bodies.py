"""Bodies, forms, URLs and headers are bounded before they are parsed, with every supported version of Flask."""

from __future__ import annotations

import io

import pytest
from flask import request

from support.form_site import policy

KIB = 1024
BOUNDED = {
    "/privacy/csp-report": 64 * KIB,
    "/privacy/requests": 64 * KIB,
    "/privacy/consent": 64 * KIB,
    "/privacy/me/erase": 64 * KIB,
    "/privacy/requests/staff/1": 64 * KIB,
    "/privacy/unsubscribe/x": 16 * KIB,
}
MOST_FIELDS, LONGEST_URL = 1000, 16 * KIB
FORM = "application/x-www-form-urlencoded"


def post(visitor, path, body, declared):
    """Post a form with its length declared or in chunks."""
    chunked = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    length = {"CONTENT_LENGTH": str(len(body))} if declared else chunked
    return visitor.post(path, input_stream=io.BytesIO(body), content_type=FORM, environ_overrides=length)


def send(site, path, size, declared):
    """Post a form of this size and return the status."""
    return post(site.visitor(), path, b"kind=access&message=".ljust(size, b"x"), declared).status_code


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
@pytest.mark.parametrize(("path", "most"), BOUNDED.items())
def test_a_body_above_the_limit_is_refused(tiny, path, most, declared):
    """One byte more than allowed is answered with 413, with a declared length or in chunks."""
    site = tiny(PRIVACY_CSP="enforce")
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
    assert response.status_code == 400 and "Please enter your e-mail address" in response.text


class Unread(io.BytesIO):
    """A body that no one may read, of a hundred million bytes by its header."""

    def read(self, *_):
        pytest.fail("the body was read")

    readinto = readline = readlines = read


def send_unread(visitor, path, content_type=FORM):
    declared = {"CONTENT_LENGTH": str(10**8)}
    return visitor.post(path, input_stream=Unread(), content_type=content_type, environ_overrides=declared)


def test_every_page_of_ours_refuses_a_long_body_without_reading_it(tiny):
    """A page that is added later is bounded too."""
    site = tiny(PRIVACY_CSP="enforce")
    rules = [rule for rule in site.app.url_map.iter_rules() if rule.endpoint.startswith("mixamo_privacy.")]
    posts = [rule.rule for rule in rules if "POST" in rule.methods and not rule.endpoint.endswith(".events")]
    for path in posts:
        path = path.replace("<int:number>", "1").replace("<token>", "x").replace("<point_id>", "x")
        assert send_unread(site.visitor(), path).status_code == 413, path
    assert len(posts) > 7


def test_the_tracker_reads_no_body_of_a_visitor_without_consent(tiny):
    """Its own answer is 403."""
    assert send_unread(tiny().visitor(), "/privacy/events").status_code == 403


@pytest.mark.parametrize("path", ["/privacy/consent", "/privacy/requests", "/privacy/unsubscribe/x"])
def test_a_form_with_too_many_fields_is_not_parsed(tiny, path):
    """Parsing takes time for each field, however short it is."""
    site = tiny()
    statuses = [site.visitor().post(path, data=b"a&" * count, content_type=FORM).status_code for count in (500, MOST_FIELDS)]
    assert statuses[0] != 413 and statuses[1] == 413


@pytest.mark.parametrize("path", ["/privacy/consent", "/privacy/me/erase", "/privacy/requests", "/privacy/licence/x"])
def test_a_form_from_another_site_is_never_parsed(tiny, path, monkeypatch):
    """The check of the origin comes first, and the answer needs no field."""
    site = tiny()
    monkeypatch.setattr("werkzeug.formparser.FormDataParser.parse", lambda *_: pytest.fail("the form was parsed"))
    response = site.visitor(Sec_Fetch_Site="cross-site").post(path, data={"choice": "accept_all", "next": "/other"})
    assert response.status_code in (403, 404)


def test_a_long_url_or_content_type_is_refused(tiny):
    """A query of 100,000 fields is never parsed."""
    visitor = tiny().visitor()
    assert visitor.get("/privacy/consent?" + "a&" * 100_000).status_code == 414
    assert visitor.get("/privacy/versions/" + "a" * LONGEST_URL).status_code == 414
    assert visitor.post("/privacy/requests", data=b"", content_type="text/" + "x" * 2000).status_code == 431
    assert visitor.get("/privacy/consent?next=/" + "a" * 1500).status_code == 200


def test_a_program_gets_the_refusal_as_a_problem(tiny):
    """It is JSON for a client that asks for JSON."""
    visitor = tiny().visitor(Accept="application/json")
    response = visitor.post("/privacy/consent", data=b"x" * 100_000, content_type=FORM)
    assert (response.status_code, response.content_type) == (413, "application/problem+json")


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"kind": ' * 5000])
def test_deeply_nested_json_is_no_request(tiny, body):
    """It is answered as a form without fields."""
    response = tiny().visitor().post("/privacy/requests", data=body, content_type="application/json")
    assert response.status_code == 400


@pytest.mark.parametrize("path", ["/privacy/", "/privacy/requests?sent=", "/privacy/unsubscribe/x"])
def test_a_long_accept_header_is_cut_before_it_is_parsed(tiny, path, monkeypatch):
    """Werkzeug takes seconds for a header of 64 KB of spaces."""
    monkeypatch.setattr("werkzeug.wrappers.Request.accept_mimetypes", property(lambda _: pytest.fail("it was parsed")))
    visitor = tiny().visitor(Accept="application/json," + " " * 60_000 + "]")
    assert visitor.get(path).status_code < 500
    assert visitor.post("/privacy/consent").content_type == "application/problem+json"


def test_our_limits_leave_the_pages_of_the_site_alone(tiny):
    """A site's own page may take larger bodies and longer URLs."""
    site = tiny()
    site.app.add_url_rule("/upload", "upload", lambda: str(len(request.get_data())), methods=["POST"])
    assert site.visitor().post("/upload?" + "a&" * 20_000, data=b"x" * 500_000).text == "500000"


def collecting(tiny, **config):
    """A visitor of a site whose registration answers with what its view sees."""
    site = tiny(PRIVACY_POLICY=policy(), **config)

    @site.app.post("/registration")
    @site.privacy.collects("registration", controls=("next",))
    def registration():
        return {"values": request.values.to_dict(), "data": len(request.get_data())}

    return site.visitor()


@pytest.mark.parametrize("config", [{}, {"MAX_FORM_MEMORY_SIZE": 8 * KIB * KIB}, {"MAX_CONTENT_LENGTH": 8 * KIB * KIB}])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_collection_point_parses_no_form_with_too_many_fields(tiny, declared, config, monkeypatch):
    """Four megabytes of short fields would take seconds. A long field is the site's own business."""
    visitor = collecting(tiny, **config)
    assert post(visitor, "/registration", b"email=ada@shop.example&x=" + b"x" * KIB * KIB, declared).status_code == 200
    monkeypatch.setattr("werkzeug.formparser.FormDataParser.parse", lambda *_: pytest.fail("the form was parsed"))
    assert post(visitor, "/registration", b"a&" * 2 * KIB * KIB, declared).status_code == 413


@pytest.mark.parametrize("most", [{"email": [1] * MOST_FIELDS}, {f"x{number}": 1 for number in range(MOST_FIELDS)}])
def test_a_collection_point_takes_no_json_with_too_many_values(tiny, most):
    """Each value of a list is a field, as in a form."""
    visitor = collecting(tiny)
    statuses = [visitor.post("/registration", json=sent).status_code for sent in (most, most | {"name": "Ada"})]
    assert statuses[0] != 413 and statuses[1] == 413


def test_a_collection_point_keeps_the_limits_of_the_site(tiny):
    """Where the site allows less, the site's own limit answers."""
    visitor = collecting(tiny, MAX_CONTENT_LENGTH=KIB)
    assert post(visitor, "/registration", b"email=ada@shop.example&x=" + b"x" * KIB, True).status_code == 413
    assert send_unread(visitor, "/registration").status_code == 413


def test_a_collection_point_reads_no_large_body_that_the_site_would_not_parse(tiny):
    """A short one may be JSON without its content type. A view sees neither the fields nor the bytes of a long one."""
    visitor = collecting(tiny)
    short = visitor.post("/registration", data=b'{"email": "ada@shop.example", "x": 1}', content_type="text/plain")
    long = send_unread(visitor, "/registration", "text/plain")
    assert short.json["data"] == 29 and long.status_code == 400


def test_a_collection_point_takes_no_control_from_a_query_of_a_thousand_fields(tiny):
    """The query is not parsed for it."""
    visitor, form = collecting(tiny), {"email": "ada@shop.example"}
    assert visitor.post("/registration?next=/a", data=form).json["values"] == {"next": "/a", **form}
    assert visitor.post("/registration?next=/a&" + "a&" * 100_000, data=form).json["values"] == form


def test_deeply_nested_json_is_an_empty_form_at_a_collection_point(tiny):
    """It is no error of the server."""
    assert collecting(tiny).post("/registration", data=b"[" * 60_000, content_type="application/json").status_code == 400
