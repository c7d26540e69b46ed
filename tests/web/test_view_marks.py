"""Marks of the extension on views: honoured wherever Flask takes a view from."""

from __future__ import annotations

import functools
import sys
import types
from unittest.mock import Mock

import pytest
from flask import request
from flask.views import MethodView, View
from werkzeug.utils import cached_property, import_string

from conftest import choose
from flask_mixamo_privacy import consent_required
from flask_mixamo_privacy.errors import UndeclaredCollection
from support.form_site import policy
from support.login_site import entered, with_logins

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"


def page(**_):
    return "<p>page"


def careless(view):
    """A decorator without ``functools.wraps``."""
    return lambda **values: view(**values)


def wrapped(view):
    return functools.wraps(view)(careless(view))


class LazyView:
    """The lazily loaded view of Flask's documentation."""

    def __init__(self, import_name):
        self.import_name = import_name

    @cached_property
    def view(self):
        return import_string(self.import_name)

    def __call__(self, **values):
        return self.view(**values)


class Slots:
    """A wrapper without ``__dict__``."""

    __slots__ = ("_view",)

    def __init__(self, view):
        self._view = view

    def __call__(self, **values):
        return self._view(**values)


class Holder:
    """A controller with views, whose method is registered."""

    def __init__(self, view):
        self.views = {"GET": view}

    def serve(self, **values):
        return self.views["GET"](**values)


def by_default(view):
    return lambda _view=view, **values: _view(**values)


def by_table(view):
    views = [view]
    return lambda **values: views[0](**values)


def method_view(mark, view=page):
    return type("Item", (MethodView,), {"get": mark(lambda self, **values: view(**values))}).as_view("item")


def marked_class(mark):
    return mark(type("Item", (MethodView,), {"get": lambda self, **_: page()})).as_view("item")


def with_decorators(mark):
    return type("Item", (View,), {"decorators": [mark, careless], "dispatch_request": lambda self, **_: page()}).as_view("i")


def lazy(mark):
    module = sys.modules["lazy_views"] = types.ModuleType("lazy_views")
    module.item = mark(page)
    return LazyView("lazy_views.item")


def lazy_function(mark):
    lazy(mark)
    name = "lazy_views.item"
    return lambda **values: import_string(name)(**values)


VIEWS = {
    "method": method_view,
    "subclass": lambda mark: type("Sub", (method_view(mark).view_class,), {}).as_view("sub"),
    "dispatch_request": lambda mark: type("V", (View,), {"dispatch_request": mark(lambda self, **_: page())}).as_view("v"),
    "class": marked_class,
    "decorators": with_decorators,
    "partial": lambda mark: functools.partial(mark(page), extra=1),
    "partial marked": lambda mark: mark(functools.partial(page, extra=1)),
    "wrapped": lambda mark: wrapped(mark(page)),
    "careless": lambda mark: careless(careless(mark(page))),
    "lazy": lazy,
    "lazy function": lazy_function,
    "slots": lambda mark: Slots(mark(page)),
    "controller": lambda mark: Holder(mark(page)).serve,
    "default": lambda mark: by_default(mark(page)),
    "table": lambda mark: by_table(mark(page)),
    "partial keyword": lambda mark: functools.partial(lambda view, **values: view(**values), view=mark(page)),
    "bound method": lambda mark: mark(types.MethodType(lambda self, **_: page(), object())),
}


@pytest.fixture(params=VIEWS)
def build(request, tiny):
    """Builds a site whose view ``/diagnosis/<name>`` has a mark of the site."""

    def build(mark, **config):
        site = tiny(**config)
        view = VIEWS[request.param](mark(site))
        site.app.add_url_rule("/diagnosis/<name>", "diagnosis", view)
        return site

    return build


def granted(site):
    visitor = site.visitor(User_Agent=CHROME)
    choose(visitor, "accept_all")
    return visitor


def test_a_page_is_named_by_its_rule(build):
    """The path is in no event: neither of the page, nor of the next page, nor in a report of the browser."""
    site = build(lambda site: site.privacy.page("rule"))
    visitor = granted(site)
    visitor.get("/", headers={"Referer": "http://localhost/diagnosis/ada"})
    visitor.get("/diagnosis/ada")
    visitor.post("/privacy/events", json=[{"kind": "click", "page": "/diagnosis/ada", "age": 0}])
    assert "ada" not in str(site.events()) and {"/diagnosis/<name>"} < {event["page"] for event in site.events()}


def test_a_page_is_never_counted(build):
    """The page has no event, and is not named as the page before another one."""
    site = build(lambda site: site.privacy.page("never"))
    visitor = granted(site)
    assert visitor.get("/diagnosis/ada").text == "<p>page"
    visitor.get("/", headers={"Referer": "http://localhost/diagnosis/ada"})
    assert "diagnosis" not in str(site.events()) and len(site.events("page_view")) == 1


def test_consent_is_required(build):
    """Without the grant the view is not called."""
    site = build(lambda site: consent_required("statistics"))
    assert site.visitor().get("/diagnosis/ada").status_code == 403
    assert granted(site).get("/diagnosis/ada").text == "<p>page"


def test_a_need_is_checked_and_its_data_subject_recorded(build):
    """``whose`` gets the values of the URL, not the object of a class-based view."""
    subjects = []
    site = build(
        lambda site: site.privacy.need("support", whose=lambda name, **_: subjects.append(name)),
        PRIVACY_STAFF=lambda user, need: user.get_id() == "ann",
    )
    with_logins(site)
    assert [entered(site, name).get("/diagnosis/ada").status_code for name in ("ann", "bob")] == [200, 403]
    assert subjects == ["ada"]


def test_the_licence_of_a_marked_view_is_found(build):
    """The extension's page of the licence exists, and the check knows its collection point."""
    site = build(lambda site: site.privacy.acceptance_required("licence", text="Be kind."), PRIVACY_POLICY=policy())
    assert site.visitor().get("/diagnosis/ada").headers["Location"].startswith("/privacy/licence/licence?")
    assert "Be kind." in site.visitor().get("/privacy/licence/licence").text


def test_an_undeclared_collection_point_of_a_marked_view_is_reported(build):
    """The check finds it before the first form is sent."""
    site = build(lambda site: site.privacy.collects("nowhere"))
    assert "The collection point 'nowhere' is not declared" in site.cli("check").output
    with pytest.raises(UndeclaredCollection):
        site.visitor().get("/diagnosis/ada")


def test_other_objects_in_a_views_closure_are_no_marks(tiny):
    """A proxy raises outside a request, a mock has every attribute, and a host may look like a module's name."""
    site, others = tiny(), (request, Mock(), "shop.example", 7)
    proxy, mock, host, number = others
    site.view("/own", lambda: str((proxy.path, mock and "mock", host, number)))
    assert site.cli("check").exit_code == 0
    granted(site).get("/own")
    assert [event["page"] for event in site.events("page_view")] == ["/own"]


@pytest.mark.parametrize(("get", "post", "named"), [("path", "rule", "ada"), (None, "rule", "<name>"), (None, None, "ada")])
def test_a_method_without_a_mark_has_the_strictest_of_the_other_methods(tiny, get, post, named):
    """All methods have the same path. A mark of the method itself comes first."""
    site = tiny()
    marks = {"get": get, "post": post}
    views = {name: site.privacy.page(mark)(lambda self, **_: page()) if mark else lambda self, **_: page()
             for name, mark in marks.items()}  # fmt: skip
    site.app.add_url_rule("/diagnosis/<name>", view_func=type("Item", (MethodView,), views).as_view("item"))
    granted(site).get("/diagnosis/ada")
    assert [event["page"] for event in site.events("page_view")] == [f"/diagnosis/{named}"]


def test_a_mark_on_another_class_is_an_error(tiny):
    """The message names the mark, the class and what is allowed."""
    with pytest.raises(TypeError, match=r"@privacy.page is given the class Tiny; allowed: .* flask.views.View"):
        tiny().privacy.page("never")(type("Tiny", (), {}))


def test_a_mark_below_a_registered_view_has_no_effect_outside_a_request(tiny):
    """A marked function can be called directly, as in a test."""
    assert tiny().privacy.page("never")(page)() == "<p>page"


def test_the_mark_may_stand_above_the_route(tiny):
    """The function that Flask registered has the mark too."""
    site = tiny()
    site.privacy.page("never")(site.app.get("/diagnosis/<name>")(page))
    granted(site).get("/diagnosis/ada")
    assert site.events("page_view") == []


def test_a_subclass_with_decorators_of_its_own_keeps_the_mark_of_its_base(tiny):
    """A subclass that replaces the decorators has the same path, so the mark stays."""
    site = tiny()
    base = site.privacy.page("rule")(type("Item", (MethodView,), {"get": lambda self, **_: page()}))
    view = type("Sub", (base,), {"decorators": [careless]}).as_view("item")
    site.app.add_url_rule("/diagnosis/<name>", view_func=view)
    granted(site).get("/diagnosis/ada")
    assert [event["page"] for event in site.events("page_view")] == ["/diagnosis/<name>"]


def test_an_app_in_a_views_closure_marks_no_view(tiny):
    """An app and a blueprint hold the other views, whose marks are not this view's."""
    site = tiny()
    site.app.add_url_rule("/never", "never", site.privacy.page("never")(page))
    app, tools = site.app, {"app": site.app}
    site.view("/own", lambda: f"{app.name} {len(tools)}")
    granted(site).get("/own")
    assert [event["page"] for event in site.events("page_view")] == ["/own"]


def test_a_method_that_calls_its_base_keeps_the_mark_of_the_base(tiny):
    """A process that has not served the page yet knows the mark too."""
    site = tiny()
    base = type("Item", (MethodView,), {"get": site.privacy.page("rule")(lambda self, **_: page())})
    view = type("Sub", (base,), {"get": lambda self, **values: base.get(self, **values)}).as_view("item")
    site.app.add_url_rule("/diagnosis/<name>", view_func=view)
    granted(site).post("/privacy/events", json=[{"kind": "click", "page": "/diagnosis/ada", "age": 0}])
    assert [event["page"] for event in site.events("click")] == ["/diagnosis/<name>"]
