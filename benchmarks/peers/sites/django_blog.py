"""The blog's page in Django, with the same posts in the same table, and Django's own templates and sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import HttpResponse
from django.test.utils import override_settings
from django.urls import path

from benchmarks.posts import post

_MIDDLEWARE = (
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
_APPS = ("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.staticfiles")
_PAGE = """{load}<!doctype html>
<html lang="en">
<head><title>Posts - Flaskr</title><link rel="stylesheet" href="/static/style.css"></head>
<body>{banner}
<nav><h1><a href="{{% url 'index' %}}">Flaskr</a></h1><ul>
{{% if request.user.is_authenticated %}}<li>{{{{ request.user.username }}}}<li><a href="{{% url 'leave' %}}">Log Out</a>
{{% else %}}<li><a href="{{% url 'register' %}}">Register</a>
<li><a href="{{% url 'enter' %}}">Log In</a>{{% endif %}}</ul></nav>
<section class="content"><header><h1>Posts</h1></header>
{{% for post in posts %}}<article class="post"><header><div>
<h1><a href="{{% url 'show' post.id %}}">{{{{ post.title }}}}</a></h1>
<div class="about">by {{{{ post.username }}}} on {{{{ post.created|date:"Y-m-d" }}}}</div></div></header>
<p class="body">{{{{ post.body }}}}</p></article>
{{% if not forloop.last %}}<hr>{{% endif %}}{{% endfor %}}</section></body></html>
"""


def start(folder: Path, apps: Sequence[str], **options: Any) -> None:
    """Set Django up with an SQLite database in the folder, and create its tables."""
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "blog.sqlite")}
    settings.configure(
        SECRET_KEY="not a secret, a benchmark",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        DATABASES={"default": database},
        INSTALLED_APPS=[*_APPS, *apps],
        MIDDLEWARE=list(_MIDDLEWARE),
        STATIC_URL="/static/",
        USE_TZ=True,
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
            }
        ],
        **options,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    _fill()


def _fill() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE post (id INTEGER PRIMARY KEY, username TEXT, created TIMESTAMP, title TEXT, body TEXT)")
        for number, author, created, title, body in map(post, range(1, 11)):
            name = ("ada", "grace & co")[author - 1]
            cursor.execute("INSERT INTO post VALUES (%s, %s, %s, %s, %s)", [number, name, created, title, body])


def handler(middleware: Sequence[str] = (), load: str = "", banner: str = "") -> Callable[..., Any]:
    """Return the WSGI application of the blog with more middleware, and markup of the package in its page."""
    from django.template import engines

    template = engines["django"].from_string(_PAGE.format(load=load, banner=banner))
    with override_settings(MIDDLEWARE=[*_MIDDLEWARE, *middleware]):
        application = WSGIHandler()

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return application(environ | {"blog.template": template}, start_response)

    return serve


def _index(request: Any) -> HttpResponse:
    from django.db import connection
    from django.utils.dateparse import parse_datetime

    with connection.cursor() as cursor:
        cursor.execute("SELECT id, username, created, title, body FROM post ORDER BY created DESC")
        names = [column[0] for column in cursor.description]
        posts = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for one in posts:
        one["created"] = parse_datetime(str(one["created"]))
    return HttpResponse(request.META["blog.template"].render({"posts": posts}, request))


def _empty(_request: Any, **_: Any) -> HttpResponse:
    return HttpResponse("")


urlpatterns = [
    path("", _index, name="index"),
    path("auth/register", _empty, name="register"),
    path("auth/login", _empty, name="enter"),
    path("auth/logout", _empty, name="leave"),
    path("<int:number>", _empty, name="show"),
]


def body(application: Callable[..., Any], cookie: str = "") -> str:
    """Return the page that a visitor with this Cookie header receives."""
    from benchmarks.turns import environs

    answer = application(environs([cookie])[0].copy(), lambda *_: None)
    text = b"".join(answer).decode()
    answer.close()
    return text
