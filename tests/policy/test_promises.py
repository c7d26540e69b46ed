"""Every promise of the policy has a test with its number."""

import re
from pathlib import Path

import pytest

import flask_mixamo_privacy
from flask_mixamo_privacy.policy.promises import PROMISES

ROOT = Path(__file__).parents[2]
PACKAGE = Path(flask_mixamo_privacy.__file__).parent
_TESTS = "\n".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
_SHOWN = {int(number) for number in re.findall(r"^ *(?:async )?def test_promise_0?(\d+)_", _TESTS, re.MULTILINE)}


@pytest.mark.parametrize("number", PROMISES)
def test_a_promise_has_a_test_with_its_number(number):
    """Each promise has a test_promise_N_…, so that a reader finds its evidence."""
    assert number in _SHOWN, f"Promise {number}: {PROMISES[number].summary}."


def test_no_test_has_the_number_of_an_unknown_promise():
    """A mistyped number in a test's name is found."""
    assert set(PROMISES) >= _SHOWN


def test_promise_42_nothing_claims_to_be_compliant() -> None:
    """No text of the product claims compliance, because a check tests only a mechanism."""
    folders = (PACKAGE.rglob("*.py"), ROOT.glob("templates/**/*.html"), ROOT.glob("static/*"), ROOT.glob("docs/*.md"))
    texts = [path for folder in folders for path in folder if path.is_file()] + [ROOT / "README.md"]
    assert not [str(path) for path in texts if "compliant" in path.read_text(encoding="utf-8").lower()]
