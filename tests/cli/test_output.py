"""Output in a file or a pipe whose encoding does not have every character."""

import io
import os
import subprocess
import sys

import pytest

from flask_mixamo_privacy.cli import common

COMMAND = """
from flask_mixamo_privacy.cli import privacy
@privacy.command("show", with_appcontext=False)
def show(): print("\\u65e5\\u672c \\u2192")
privacy(["show"])
"""


def test_a_command_prints_an_escape_for_a_character_that_the_locale_lacks():
    """A report with the page /\u65e5\u672c would otherwise end in UnicodeEncodeError."""
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([sys.executable, "-c", COMMAND], capture_output=True, env=environment)
    assert (done.stdout, done.returncode) == (rb"\u65e5\u672c \u2192" + b"\n", 0), done.stderr


@pytest.mark.parametrize("is_windows", [True, False])
def test_a_file_gets_utf_8_on_windows(monkeypatch, is_windows):
    """CSV ends its lines with CR LF, which Windows would double."""
    monkeypatch.setattr(common, "IS_WINDOWS", is_windows)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="\r\n" if is_windows else "\n")
    common.accept_every_character(stream)
    stream.write("\u65e5\r\n")
    stream.flush()
    assert stream.buffer.getvalue() == ("\u65e5\r\n".encode() if is_windows else b"\\u65e5\r\n")


def test_another_stream_stays_as_it_is():
    """A site may have replaced the standard output."""
    stream = io.StringIO()
    common.accept_every_character(stream)
    stream.write("\u65e5")
    assert stream.getvalue() == "\u65e5"
