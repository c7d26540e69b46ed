"""Every promise of the policy is shown by a test of its name."""

import re
from pathlib import Path

import pytest

from flask_mixamo_privacy.promises import PROMISES

_TESTS = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
_SHOWN = {int(number) for number in re.findall(r"^ *(?:async )?def test_promise_0?(\d+)_", _TESTS, re.MULTILINE)}


@pytest.mark.parametrize("number", PROMISES)
def test_a_promise_has_a_test_of_its_number(number):
    """Named test_promise_N_…, so that whoever doubts it finds what shows it."""
    assert number in _SHOWN, f"Promise {number}: {PROMISES[number].says}."


def test_no_test_shows_what_is_not_promised():
    """A number that is mistyped shows nothing."""
    assert set(PROMISES) >= _SHOWN
