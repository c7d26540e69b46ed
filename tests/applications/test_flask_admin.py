"""Flask-Admin: its pages work in each state of consent, and its class-based views take the mark of a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, render_template_string
from flask_admin import Admin, BaseView, expose
from flask_admin.contrib.sqla import ModelView
from flask_babel import Babel
from flask_sqlalchemy import SQLAlchemy

from flask_mixamo_privacy import Privacy
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, new_app

MASTER = """{% extends "admin/base.html" %}
{% block page_body %}{{ privacy.banner() }}{{ super() }}{% endblock %}"""


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    (tmp_path / "templates" / "admin").mkdir(parents=True)
    (tmp_path / "templates" / "admin" / "master.html").write_text(MASTER)
    app = new_app(tmp_path, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/site.sqlite")
    app.template_folder = str(tmp_path / "templates")
    db = SQLAlchemy(app)
    Babel(app)  # Flask-Admin translates its pages if Flask-Babel is installed, and then needs it in the app
    privacy = Privacy(app)

    class Article(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        title = db.Column(db.String(80))

    class Diagnoses(BaseView):
        @expose("/")
        @privacy.page("never")
        def index(self):
            return self.render("admin/index.html")

        @expose("/<illness>")
        @privacy.page("rule")
        def named(self, illness):
            return self.render("admin/index.html")

    admin = Admin(app)
    admin.add_view(ModelView(Article, db, endpoint="articles", url="/admin/articles"))
    admin.add_view(Diagnoses(endpoint="diagnoses", url="/admin/diagnoses"))
    for path in ("/", "/news"):
        app.add_url_rule(path, path, lambda: render_template_string(LAYOUT, title="News"))
    with app.app_context():
        db.create_all()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def test_accept_browse_withdraw(app):
    """The staff can add an article in each state of consent, and the pages of Flask-Admin are pages of the site."""
    browser = Browser(app)
    titles = []

    def add_article():
        titles.append(f"title {len(titles)}.")
        answer = browser.request("/admin/articles/new/", "POST", data={"title": titles[-1]})
        assert answer.status_code == 302, answer.text

    pages = ["/admin/", "/admin/articles/", "/"]
    accept_browse_withdraw(Application(app), browser, pages, own_feature=add_article)
    assert len(titles) == 3 and all(title in browser.open("/admin/articles/").text for title in titles)


def test_a_mark_on_an_exposed_method_is_honoured(app):
    """``@privacy.page`` below ``@expose`` leaves the page out of the log, or names it by its rule."""
    browser = Browser(app)
    browser.submit(browser.open("/").text, "accept_all")
    browser.open("/admin/diagnoses/")
    browser.open("/admin/diagnoses/flu")
    assert Application(app).pages_viewed() == ["/", "/admin/diagnoses/<illness>"]
