"""The measured page: the index of the blog in Flask's tutorial, with ten posts."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path

from flask import Flask, current_app, g, render_template, session
from jinja2 import DictLoader

from .posts import post

_SCHEMA = """
CREATE TABLE user (id INTEGER PRIMARY KEY, username TEXT UNIQUE NOT NULL);
CREATE TABLE post (
  id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL REFERENCES user (id),
  created TIMESTAMP NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL
);
"""

_POSTS = """
SELECT p.id, title, body, created, author_id, username
FROM post p JOIN user u ON p.author_id = u.id ORDER BY created DESC
"""

_BASE = """<!doctype html>
<html lang="en">
<head>
<title>{% block title %}{% endblock %} - Flaskr</title>
<link rel="stylesheet" href="{{ url_for('static', filename='style.css') }}">
</head>
<body>@banner
<nav>
  <h1><a href="{{ url_for('index') }}">Flaskr</a></h1>
  <ul>
    {% if g.user %}
      <li><span>{{ g.user['username'] }}</span>
      <li><a href="{{ url_for('leave') }}">Log Out</a>
    {% else %}
      <li><a href="{{ url_for('register') }}">Register</a>
      <li><a href="{{ url_for('enter') }}">Log In</a>
    {% endif %}
  </ul>
</nav>
<section class="content">
  <header>{% block header %}{% endblock %}</header>
  {% for message in get_flashed_messages() %}
    <div class="flash">{{ message }}</div>
  {% endfor %}
  {% block content %}{% endblock %}
</section>
<footer>@settings</footer>
</body>
</html>
"""

_INDEX = """{% extends 'base.html' %}
{% block header %}
  <h1>{% block title %}Posts{% endblock %}</h1>
  {% if g.user %}<a class="action" href="{{ url_for('create') }}">New</a>{% endif %}
{% endblock %}
{% block content %}
  {% for post in posts %}
    <article class="post">
      <header>
        <div>
          <h1><a href="{{ url_for('show', id=post['id']) }}">{{ post['title'] }}</a></h1>
          <div class="about">by {{ post['username'] }} on {{ post['created'].strftime('%Y-%m-%d') }}</div>
        </div>
        {% if g.user['id'] == post['author_id'] %}
          <a class="action" href="{{ url_for('update', id=post['id']) }}">Edit</a>
        {% endif %}
      </header>
      <p class="body">{{ post['body'] }}</p>
    </article>
    {% if not loop.last %}<hr>{% endif %}
  {% endfor %}
{% endblock %}
"""

# The bare page has the same link, so that both sides send the same bytes.
_LINK = '<a class="mixamo-settings-link" href="/privacy/consent" rel="nofollow">Privacy settings</a>'

_RULES = {
    "/auth/register": "register", "/auth/login": "enter", "/auth/logout": "leave",
    "/create": "create", "/<int:id>": "show", "/<int:id>/update": "update",
}  # fmt: skip


sqlite3.register_converter("timestamp", lambda text: datetime.fromisoformat(text.decode()))  # as in the tutorial


def blog(folder: Path, with_privacy: bool, used: bool = True, banner: str = "") -> Flask:
    """Return the blog, bare or with the extension, used by its page or only installed. All its files are in the folder.

    ``banner`` is the markup of another extension. A bare blog imports nothing of this one.
    """
    app = Flask("blog", instance_path=str(folder))
    app.config.update(
        SECRET_KEY="not a secret, a benchmark", PRIVACY_LOADER=False, PRIVACY_ASSETS_DIR=str(folder / "assets")
    )
    app.jinja_loader = DictLoader({"base.html": _base(with_privacy and used, banner), "index.html": _INDEX})
    app.before_request(_load_logged_in_user)
    app.teardown_appcontext(_close_database)
    app.add_url_rule("/", "index", _index)
    for rule, endpoint in _RULES.items():
        app.add_url_rule(rule, endpoint, lambda **_: "")
    app.config["DATABASE"] = str(folder / "blog.sqlite")
    _fill(app.config["DATABASE"])
    if with_privacy:
        from flask_mixamo_privacy import Privacy

        Privacy(app)
    return app


def _base(with_privacy: bool, banner: str) -> str:
    settings = "{{ privacy.settings_link() }}" if with_privacy else _LINK
    banner = "{{ privacy.banner() }}" if with_privacy else banner
    return _BASE.replace("@banner", banner).replace("@settings", settings)


def _fill(path: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO user VALUES (?, ?)", [(1, "ada"), (2, "grace & co")])
        connection.executemany("INSERT INTO post VALUES (?, ?, ?, ?, ?)", map(post, range(1, 11)))
    connection.close()


def _load_logged_in_user() -> None:
    user_id = session.get("user_id")
    g.user = None if user_id is None else _database().execute("SELECT * FROM user WHERE id = ?", (user_id,)).fetchone()


def _index() -> str:
    return render_template("index.html", posts=_database().execute(_POSTS).fetchall())


def _database() -> sqlite3.Connection:
    if "database" not in g:
        g.database = sqlite3.connect(current_app.config["DATABASE"], detect_types=sqlite3.PARSE_DECLTYPES)
        g.database.row_factory = sqlite3.Row
    connection: sqlite3.Connection = g.database
    return connection


def _close_database(_error: BaseException | None = None) -> None:
    database = g.pop("database", None)
    if database is not None:
        database.close()
