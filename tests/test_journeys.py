"""The journeys through the code that a newcomer follows."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_each_journey_crosses_few_files():
    """A page view, a decision, a form and an erasure each stay within the number of files that a reader can hold."""
    command = [sys.executable, "-m", "benchmarks.journeys"]
    printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    crossed = [(int(files), int(most)) for files, most in re.findall(r": (\d+) files, of (\d+);", printed)]
    assert len(crossed) == 4 and all(files <= most for files, most in crossed), printed
