"""The fuzzer, for a few seconds. ``make fuzz`` runs a million inputs."""

import re

import pytest

from support.fuzz.run import fault_of, fuzz
from support.fuzz.texts import Target


def test_no_hostile_input_is_a_fault():
    """No input raises, answers 5xx, grants, logs without consent, logs personal data, or takes long."""
    report: list[str] = []
    assert fuzz(2800, 1, report.append) == 0, "".join(report)
    counts = [int(found[1]) for line in report if (found := re.search(r": (\d+) inputs, 0 faults", line))]
    assert len(counts) == 13 and min(counts) >= 50


@pytest.mark.parametrize(("run", "fault"), [(lambda text: sum(range(10**7)), " ms"), (lambda text: {}[text], "KeyError")])
def test_the_fuzzer_finds_faults(run, fault):
    """An exception is a fault, and so is an input that takes long."""
    assert fault in fault_of(Target("planted", 1, lambda chance: "", run), "a")
    assert fault_of(Target("harmless", 1, lambda chance: "", len), "a") == ""
