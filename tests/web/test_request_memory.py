"""The memory of a request ends with the request."""

import gc
import weakref

import pytest
from flask import request
from werkzeug.test import create_environ

from conftest import choose, cookie


@pytest.fixture
def without_gc():
    """Disable the garbage collector, so that only reference counts free memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("choice", [None, "reject_all", "accept_all"])
@pytest.mark.usefixtures("without_gc")
def test_a_request_is_freed_without_the_garbage_collector(tiny, choice):
    """A cycle of references would keep each request in memory until the next collection, and cost time in each."""
    site, requests = tiny(), []
    site.app.before_request(lambda: requests.append(weakref.ref(request._get_current_object())))
    visitor = site.visitor()
    if choice:
        choose(visitor, choice)
    requests.clear()
    headers = {"Cookie": f"privacy_consent={cookie(visitor)}"} if choice else {}
    body = site.app.wsgi_app(create_environ("/", headers=headers), lambda *_: None)
    assert b"Tiny" in b"".join(body)
    body.close()
    del body
    assert [known() for known in requests] == [None]
