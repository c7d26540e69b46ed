"""The reference of the docs site: complete, because it is made from the code, and with a meaning for every entry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import flask_mixamo_privacy
from docs.generated import architecture, commands, declaration, expand, findings, pages, settings, signals, verbs
from flask_mixamo_privacy import config, errors
from flask_mixamo_privacy.audit.browser.findings import CODES

ROOT = Path(__file__).parents[1]


def page(name: str) -> str:
    """A page as the site has it, with its generated parts."""
    return expand((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8"))


def entries(name: str) -> list[str]:
    """The names of the entries of a page."""
    return re.findall(r"^::::\{(?:confval|py:data)\} (.+)$", page(name), re.MULTILINE)


def test_every_setting_appears_once_with_its_default() -> None:
    """The page of settings has each setting of the table, and no other."""
    assert sorted(entries("settings")) == sorted(config.DEFAULTS)
    assert ":default: `5`" in settings.settings("PRIVACY_MIN_CELL")


def test_every_key_of_the_declaration_appears_once() -> None:
    """The page of privacy.toml has each key that the reader accepts."""
    keys = [key for key, *_ in declaration.rows(*declaration.all_sections())]
    assert sorted(entries("privacy-toml")) == sorted(keys)


def test_every_key_of_the_declaration_has_a_meaning() -> None:
    """A new key needs a comment beside its field."""
    assert [key for key, _, _, meaning in declaration.rows(*declaration.all_sections()) if not meaning] == []


def test_a_meaning_lists_the_values_of_the_constant_that_it_names() -> None:
    """The allowed values come from the code that checks them."""
    assert '`"legitimate_interest"`' in declaration.keys("purposes")


@pytest.mark.parametrize("name", sorted(name for name, _ in commands.all_commands()))
def test_every_command_appears_with_its_options_and_exit_codes(name: str) -> None:
    """The page of commands has each command with all of Click's options."""
    command = dict(commands.all_commands())[name]
    heading, text = f"### `flask privacy {name.replace('.', ' ')}`\n", page("cli")
    section = text.partition(heading)[2].partition("\n### ")[0]
    assert command.help and commands.exit_codes(command)
    assert [
        option
        for each in command.params
        if each.param_type_name == "option"
        for option in each.opts
        if option not in section
    ] == []


def test_every_signal_appears_with_its_meaning() -> None:
    """The page of signals has each signal and the comment above it."""
    assert entries("signals") == list(signals.all_signals())
    assert all(signals.all_signals().values())


def test_every_url_appears_with_its_purpose(tmp_path: Path) -> None:
    """A view needs a docstring, whose first paragraph the page of URLs has."""
    rows = pages.url_rows(pages.sample_app(str(tmp_path)))
    assert [url for url, _, purpose in rows if not purpose or url not in page("urls")] == []


def test_every_finding_appears() -> None:
    """The page of findings has each code of the audit and each key of the check."""
    text, found = page("findings"), list(findings.all_check_findings())
    assert [code for code in CODES if f"| `{code}` |" not in text] == []
    assert [key for _, key, message in found if f"| `{key}` |" not in text or len(message) < 10] == []
    assert len(found) > 35


def test_every_template_verb_appears_with_its_promise() -> None:
    """Each public member of the object in templates has a docstring, and stands on the page of verbs."""
    text = page("template-verbs")
    assert [name for name, thing in verbs.members().items() if f"privacy.{name}" not in text or not thing.__doc__] == []


def test_the_signature_of_a_verb_has_its_defaults() -> None:
    """A default that is a text keeps its quotes, and annotations have none."""
    text = page("template-verbs")
    assert "privacy.problems(point: str = '', *, ids: Mapping[str, str] | None = None)" in text
    assert not re.search(r"= *[,)]|: '", "\n".join(re.findall(r"^::::\{py:function\} (.+)$", text, re.MULTILINE)))


def test_a_package_imports_only_from_those_above_it() -> None:
    """The table of packages agrees with the sentence above it."""
    layers = architecture.layers()
    for number, layer in enumerate(layers):
        above = {name for earlier in layers[:number] for name in earlier}
        assert [(name, architecture._imports(name) - above) for name in layer] == [(name, set()) for name in layer]


def test_every_name_that_an_example_imports_is_public() -> None:
    """A reader finds it on the page of the Python API, or on that of signals, and it is therefore kept."""
    public = page("api") + page("signals")
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    imported = re.findall(r"^from flask_mixamo_privacy[\w.]* import (.+)$", text, re.MULTILINE)
    assert sorted(name for names in imported for name in names.split(", ") if name not in public) == []


def test_every_public_name_appears() -> None:
    """The page of the Python API has each name that a site imports."""
    text = page("api")
    assert [name for name in flask_mixamo_privacy.__all__ if name not in text] == []
    assert [
        name
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, Exception) and not thing.__doc__
    ] == []


def test_every_event_of_the_scripts_appears() -> None:
    """The page of JavaScript has each DOM event that the scripts send or hear."""
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "static").glob("*.js"))
    assert [
        name for name in sorted(set(re.findall(r'"(privacy:\w+)"', scripts))) if f"`{name}`" not in page("javascript")
    ] == []
