"""The blog with django-request, which stores each page view in the database without asking the visitor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import django_blog

VERSIONS = ("django-request", "Django")
CASES = {"page view stored": ""}


def apps(folder: Path) -> tuple[Any, Any]:
    """Return the bare blog, and the blog with the package."""
    django_blog.start(folder, ["request"])
    return django_blog.handler(), django_blog.handler(["request.middleware.RequestMiddleware"])


def check(bare: Any, extended: Any) -> None:
    """Assert that a page view is a row."""
    from request.models import Request

    django_blog.body(bare)
    assert Request.objects.count() == 0
    assert django_blog.body(extended).count('<article class="post">') == 10
    assert Request.objects.count() == 1
