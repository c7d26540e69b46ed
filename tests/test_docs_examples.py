"""The examples of README and docs: each is checked against the real library, and the readme's, the tutorial's and the recipes' run."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import click
import pytest
from flask import Flask
from jinja2 import ChainableUndefined, nodes

from flask_mixamo_privacy import Privacy, current_consent, current_visitor
from flask_mixamo_privacy.audit.browser import report as baseline
from flask_mixamo_privacy.cli import privacy as commands
from flask_mixamo_privacy.config import ROWS
from flask_mixamo_privacy.policy import toml
from flask_mixamo_privacy.policy.model import Policy
from flask_mixamo_privacy.policy.setting_checks import ConfigValue
from flask_mixamo_privacy.web.templates import TemplateHelpers

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SECTIONS = {"schema", "site", "promises", *toml._LISTS, *toml._TABLES}
#: What a page with a template passes to it.
VALUES = {
    "url": "https://other.example/",
    "url_for": lambda *_, **__: "/",
    "csp_nonce": lambda: "nonce",
    "form": MagicMock(),
}


def of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("path", PAGES, ids=of)


def blocks(path: Path, *languages: str) -> list[str]:
    """The code blocks of a page in one of these languages."""
    found = re.findall(r"^```([^\n`]*)\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [code for language, code in found if language in languages]


def calls(tree: ast.AST, name: str) -> Iterator[tuple[str, ast.Call | None]]:
    """Each attribute of a name, with the call of it."""
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
            yield node.attr, called.get(id(node))


def bind(function: Any, call: ast.Call) -> None:
    """Raise TypeError if a function does not take the arguments of a call."""
    if any(keyword.arg is None for keyword in call.keywords) or any(isinstance(each, ast.Starred) for each in call.args):
        return
    inspect.signature(function).bind(None, *call.args, **{str(keyword.arg): keyword.value for keyword in call.keywords})


@each_page
def test_python_examples_use_what_the_library_has(path: Path) -> None:
    """Imports exist, and methods take the arguments that an example passes."""
    objects = {"privacy": Privacy, "current_consent": type(current_consent), "current_visitor": type(current_visitor)}
    for source in blocks(path, "python"):
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flask_mixamo_privacy"):
                module = import_module(str(node.module))
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
        for name, kind in objects.items():
            for attribute, call in calls(tree, name):
                member = inspect.getattr_static(kind, attribute)
                if call is not None and inspect.isfunction(member):
                    bind(member, call)


@each_page
def test_literal_settings_of_examples_are_valid(path: Path) -> None:
    """A setting in an example passes the check that the app makes."""
    rows = {row.name: row for row in ROWS.values()}
    for source in blocks(path, "python"):
        for name, value in re.findall(r'config\["(PRIVACY_\w+)"\] = (.+?)(?:  #.*)?$', source, re.MULTILINE):
            try:
                literal = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                continue  # an expression
            row = rows[name]
            if not isinstance(literal, str) or "/" not in literal:  # a file of the reader's
                row.check(ConfigValue(name, literal, row.default, "/instance", "/site"))


def declared(*fragments: dict[str, Any]) -> Policy:
    """The policy of the example shop, which uses everything, with the tables of examples added to it."""
    tables = tomllib.loads((ROOT / "example_site" / "privacy.toml").read_text(encoding="utf-8"))
    for fragment in fragments:
        for section, value in fragment.items():
            if section in toml._LISTS:
                names = {_name(item) for item in value}
                kept = [item for item in tables.get(section, []) if _name(item) not in names]
                tables[section] = [*kept, *value]
            else:
                tables[section] = tables.get(section, {}) | value if isinstance(value, dict) else value
    return toml._DeclarationReader(tables, "privacy.toml", {}).policy()


def _name(item: dict[str, Any]) -> str:
    return item.get("id") or item.get("name") or item["use"]


def fragments(path: Path) -> list[dict[str, Any]]:
    found = [tomllib.loads(source) for source in blocks(path, "toml")]
    return [tables for tables in found if tables.keys() <= SECTIONS]


@each_page
def test_declarations_of_examples_are_valid(path: Path, tmp_path: Path) -> None:
    """The loader accepts each example of privacy.toml and of the audit's baseline."""
    for tables in fragments(path):
        declared(tables)
    for source in blocks(path, "toml"):
        if "[[known]]" in source:
            (tmp_path / "privacy-audit.toml").write_text(source, encoding="utf-8")
            assert baseline.read(tmp_path / "privacy-audit.toml")


@each_page
def test_commands_of_examples_exist(path: Path) -> None:
    """Each `flask privacy` line has a command and options that exist, and each `make` line a target."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in "\n".join(blocks(path, "", "sh", "console", "bash")).splitlines():
        line = line.removeprefix("$ ")
        words = shlex.split(line, comments=True) if line.startswith(("make ", "flask ")) else []
        if words[:1] == ["make"]:
            assert [
                word for word in words[1:] if "=" not in word and not re.search(rf"^{word}:", makefile, re.MULTILINE)
            ] == []
        elif words[:1] == ["flask"] and "privacy" in words[1:4]:
            arguments = words[words.index("privacy", 1) + 1 :]
            parse(list(takewhile(lambda word: word not in (">", ">>", "|"), arguments)))


def parse(words: list[str]) -> None:
    """Let Click parse a command line. Raises its error for what does not exist."""
    command: click.Command = commands
    context = click.Context(command)
    while isinstance(command, click.Group) and words:
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command, context = found, click.Context(found, parent=context, info_name=name)
    command.make_parser(context).parse_args(words)


@each_page
def test_template_examples_render(path: Path, tmp_path: Path) -> None:
    """Each example of a template names verbs that exist, with arguments that they take, and renders."""
    assert [source for source in blocks(path, "html") if "{{" in source or "{%" in source] == [], "use html+jinja"
    app = Flask("documented", instance_path=str(tmp_path), root_path=str(tmp_path))
    app.config.update(SECRET_KEY="not a secret, a test", PRIVACY_POLICY=declared(*fragments(path)), TESTING=True)
    Privacy(app)
    environment = app.jinja_env.overlay(undefined=ChainableUndefined)
    for source in blocks(path, "html+jinja", "jinja"):
        if re.search(r"{%-? *assets ", source):
            continue  # a tag of Flask-Assets
        check_verbs(environment.parse(source))
        if not re.search(r"{%-? *(extends|include|import|from)", source):
            with app.test_request_context():
                environment.from_string(source).render(VALUES)


def check_verbs(tree: nodes.Template) -> None:
    """Raise an error for a verb that does not exist, or for arguments that it does not take."""
    for node in tree.find_all(nodes.Getattr):
        if isinstance(node.node, nodes.Name) and node.node.name == "privacy":
            assert hasattr(TemplateHelpers, node.attr), node.attr
    for call in tree.find_all(nodes.Call):
        verb = call.node
        if isinstance(verb, nodes.Getattr) and isinstance(verb.node, nodes.Name) and verb.node.name == "privacy":
            inspect.signature(getattr(TemplateHelpers, verb.attr)).bind(
                None, *call.args, **{each.key: each for each in call.kwargs}
            )
