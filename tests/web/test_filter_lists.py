"""Names of elements that no filter list hides, and pages that work without what lists block."""

import re

import pytest

from flask_mixamo_privacy.web.assets import folder
from support.form_site import with_forms

#: Parts of the class names and ids in EasyList Cookie, Fanboy's Annoyances and uBlock's, such as ``.privacy-notice``.
HIDDEN = re.compile(
    r"cookie|consent|gdpr|ccpa|dsgvo|^privacy|banner|notice|notif|tracking|popup|pop-|overlay|modal|dialog|lightbox|toast"
    r"|disclaimer|alert|warning|prompt|opt-?in|opt-?out|age-|newsletter|subscribe|sponsor|promo|social|share|(^|-)ads?(-|$)",
    re.IGNORECASE,
)

TEMPLATES = sorted(folder("templates").rglob("*.html"))
STATIC = [path for path in sorted(folder("static").iterdir()) if path.suffix in (".css", ".js")]


def names_in(html):
    """Return the class names and ids in HTML or in a template."""
    without_expressions = re.sub(r"{{.*?}}|{%.*?%}|{#.*?#}", "", html, flags=re.DOTALL)
    return {name for names in re.findall(r'\b(?:class|id|for)="([^"]*)"', without_expressions) for name in names.split()}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_filter_list_hides_a_part_of_a_template(template):
    """No class name and no id in a template contains a word by which filter lists hide elements."""
    assert sorted(filter(HIDDEN.search, names_in(template.read_text()))) == []


@pytest.mark.parametrize("file", STATIC, ids=lambda path: path.name)
def test_no_style_sheet_or_script_names_what_a_filter_list_hides(file):
    """No class name and no id in a style sheet or script contains a word by which filter lists hide elements."""
    text = re.sub(r"/\*.*?\*/|//.*", "", file.read_text(), flags=re.DOTALL if file.suffix == ".css" else 0)
    names = re.findall(r"""[.#]([a-z][a-z0-9]*-[\w-]+)|className = "([^"]*)""", text)
    assert sorted(filter(HIDDEN.search, map("".join, names))) == []


PAGES = ("/", "/posting", "/privacy/", "/privacy/consent", "/privacy/me", "/privacy/requests", "/privacy/nothing-here")


@pytest.mark.parametrize("path", PAGES)
def test_no_filter_list_hides_a_part_of_a_page(tiny, path):
    """The same, for names made from the declaration. Links from elsewhere keep the policy's section ``#cookies``."""
    found = names_in(with_forms(tiny).visitor().get(path).text)
    assert sorted(name for name in found - {"cookies"} if HIDDEN.search(name)) == []
