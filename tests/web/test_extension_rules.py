"""Flask's rules for extensions: no app is kept, apps share nothing, and the site can replace settings, pages and templates."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from pathlib import Path

from flask import Flask, render_template_string
from jinja2 import DictLoader
from packaging.requirements import Requirement

import flask_mixamo_privacy
from conftest import Tiny, choose
from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.config import DEFAULTS

ROOT = Path(__file__).parents[2]
PACKAGE = Path(flask_mixamo_privacy.__file__).parent

#: What an import could leave behind in a process, printed as JSON before and after it.
IMPORT = """
import json, logging, os, signal, sys, threading, warnings
def state():
    return [threading.active_count(), len(logging.root.handlers), dict(os.environ), sys.path, warnings.filters,
            [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())], sorted(os.listdir())]
import flask
before = json.dumps(state(), default=str)
import flask_mixamo_privacy
print(json.dumps(state(), default=str) == before)
"""


#: Serves one page, and prints the app once nothing of the site refers to it. A process of its own has no fixture that does.
FREED = """
import gc, weakref
from flask import Flask
from flask_mixamo_privacy import Privacy
app = Flask("freed")
app.config.update(SECRET_KEY="not a secret, a test", PRIVACY_LOADER=False)
Privacy(app)
app.test_client().get("/privacy/")
found = weakref.ref(app)
del app
gc.collect()
print(found())
"""


def printed(program: str, folder: Path) -> str:
    """Return what a program prints in a process of its own, where every warning is an error."""
    command, environ = [sys.executable, "-W", "error", "-c", program], os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def bare(folder: Path, name: str = "bare", **config) -> Flask:
    """Return an app without the extension."""
    app = Flask(name, instance_path=str(folder))
    app.config.update({"SECRET_KEY": "not a secret, a test", "TESTING": True, "PRIVACY_LOADER": False, **config})
    app.add_url_rule("/", "home", lambda: render_template_string("<body>{{ privacy.banner() }}"))
    return app


def test_the_extension_keeps_no_app(tmp_path):
    """One object can serve many apps, so it holds none of them."""
    app = bare(tmp_path)
    privacy = Privacy(app)
    assert not [name for name, value in vars(privacy).items() if isinstance(value, Flask)]
    assert not [node for node in ast.walk(ast.parse(inspect.getsource(Privacy))) if is_self_app(node)]


def is_self_app(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr.strip("_") == "app" and ast.unparse(node.value) == "self"


def test_an_app_without_users_is_freed(tmp_path):
    """Nothing in the process keeps an app alive, so that a site's test suite with a thousand apps does not grow."""
    assert printed(FREED, tmp_path) == "None"


def test_the_state_is_in_the_apps_extensions(tmp_path):
    """The object is found under the extension's name, as other extensions and the site's own code expect."""
    app = bare(tmp_path)
    privacy = Privacy(app)
    assert app.extensions["mixamo_privacy"] is privacy


def test_one_object_serves_several_apps(tmp_path):
    """``init_app`` is called for each app, with the settings of that app."""
    privacy = Privacy()
    shop, blog = bare(tmp_path / "shop"), bare(tmp_path / "blog", PRIVACY_URL_PREFIX="/datenschutz", PRIVACY_BANNER="card")
    privacy.init_app(shop), privacy.init_app(blog)
    assert privacy.runtime(shop) is not privacy.runtime(blog)
    assert [app.test_client().get("/datenschutz/").status_code for app in (shop, blog)] == [404, 200]


def test_apps_that_serve_at_once_keep_their_settings(tmp_path):
    """Threads that serve two apps in turns show each app's own banner."""
    layouts = ("bar", "card", "sheet")
    for layout in layouts:
        (tmp_path / layout).mkdir()
    sites = {layout: Tiny(tmp_path / layout, PRIVACY_BANNER=layout, PRIVACY_URL_PREFIX=f"/{layout}") for layout in layouts}

    def page(number: int) -> bool:
        layout = layouts[number % 3]
        return f'action="/{layout}/consent"' in sites[layout].visitor().get("/").text

    with ThreadPoolExecutor(3) as threads:
        assert all(threads.map(page, range(30)))


def test_a_default_is_not_shared_by_apps(tmp_path):
    """An app that adds to a default, such as a page for staff, changes no other app."""
    first, second = bare(tmp_path / "first"), bare(tmp_path / "second")
    Privacy(first), Privacy(second)
    mutable = [name for name, value in DEFAULTS.items() if isinstance(value, dict | list | set)]
    assert "PRIVACY_STAFF_PAGES" in mutable
    assert not [
        name for name in mutable if first.config[name] is second.config[name] or second.config[name] is DEFAULTS[name]
    ]


def test_a_setting_of_the_site_is_not_replaced(tmp_path):
    """Defaults are set with ``setdefault``, so that the app's configuration shows each setting."""
    app = bare(tmp_path, PRIVACY_BANNER="sheet")
    Privacy(app)
    assert (app.config["PRIVACY_BANNER"], app.config["PRIVACY_MIN_CELL"]) == ("sheet", 5)


def test_a_template_of_the_site_replaces_ours(tmp_path):
    """The blueprint's templates come after those of the app."""
    app = bare(tmp_path)
    app.jinja_loader = DictLoader({"mixamo_privacy/policy.html": "our own policy"})
    Privacy(app)
    assert app.test_client().get("/privacy/").text == "our own policy"


def test_a_page_of_the_site_replaces_ours(tmp_path):
    """A route that was added before the blueprint takes precedence."""
    app = bare(tmp_path)
    app.add_url_rule("/privacy/", "own", lambda: "our own policy")
    Privacy(app)
    assert app.test_client().get("/privacy/").text == "our own policy"


def test_a_view_of_the_site_replaces_ours(tmp_path):
    """A view is replaced under its endpoint, as for every blueprint, and links lead to it."""
    app = bare(tmp_path)
    Privacy(app)
    app.view_functions["mixamo_privacy.policy"] = lambda: "our own policy"
    assert app.test_client().get("/privacy/").text == "our own policy"


def test_init_app_may_come_after_the_views(tmp_path):
    """An app factory creates the object first, and its decorators are used before there is an app."""
    privacy = Privacy()
    view = privacy.acceptance_required("licence")(lambda: "")
    app = bare(tmp_path)
    app.add_url_rule("/named", "named", privacy.page("rule")(lambda: "named"))
    app.add_url_rule("/file", "file", view)
    privacy.init_app(app)
    assert app.test_client().get("/named").text == "named"


def test_init_app_leaves_no_trace(tmp_path):
    """A start touches no disk, so a read-only image and a build step work."""
    Privacy(bare(tmp_path / "instance"))
    assert not (tmp_path / "instance").exists()


def test_no_database_stays_open_after_a_request(tiny):
    """The app context's end leaves no connection to a database behind."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all"), visitor.get("/privacy/me")
    opened = [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if is_open(number)]
    assert (site.folder / "privacy-ledger.sqlite").exists()
    assert not [path for path in opened if path.startswith(str(site.folder)) and ".sqlite" in path]


def is_open(number: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{number}")


def test_an_import_has_no_effect(tmp_path):
    """An import starts no thread, adds no handler of logs or signals, and writes no file."""
    assert printed(IMPORT, tmp_path) == "True"


def test_every_public_name_is_typed():
    """A site's type checker knows each argument and each result."""
    assert (PACKAGE / "py.typed").exists()
    public = [getattr(flask_mixamo_privacy, name) for name in flask_mixamo_privacy.__all__]
    methods = [value for name, value in vars(Privacy).items() if name[0] != "_" and inspect.isfunction(value)]
    functions = [value for value in (*public, *methods, Privacy.__init__) if inspect.isfunction(value)]
    untyped = [function.__qualname__ for function in functions if is_untyped(function)]
    assert (untyped, len(functions) > 15) == ([], True)


def is_untyped(function: object) -> bool:
    signature = inspect.signature(function)  # type: ignore[arg-type]
    parameters = [one for name, one in signature.parameters.items() if name != "self"]
    return signature.return_annotation is signature.empty or any(one.annotation is one.empty for one in parameters)


def test_no_requirement_has_an_upper_bound():
    """A site decides when to use a newer Flask, so no version is excluded in advance, in extras neither."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    groups = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    asked = [Requirement(line) for group in groups for line in group.splitlines() if line and line[0] != "#"]
    assert len(asked) > 30
    assert [str(one) for one in asked if any(each.operator not in (">=", ">") for each in one.specifier)] == []
