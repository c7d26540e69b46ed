"""The pages of docs/recipes as a whole: each is listed and tested."""

from __future__ import annotations

import re

import pytest

from support.recipes import PAGES, ROOT

pytestmark = pytest.mark.recipes

NAMES = sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "index")
#: The page whose examples are tested against a second host.
ELSEWHERE = {"third-party": "tests/browser/test_enforced.py"}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_run_by_a_test(name):
    """Each page has a test file of its own."""
    assert (ROOT / ELSEWHERE.get(name, f"tests/recipes/test_recipe_{name.replace('-', '_')}.py")).exists()


def test_the_index_lists_every_page():
    """A reader finds each page from the index."""
    listed = re.findall(r"^\| \[[\w-]+\.md\]\(([\w-]+)\.md\) \|", (PAGES / "index.md").read_text(), re.MULTILINE)
    assert sorted(listed) == NAMES
