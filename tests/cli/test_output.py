"""Output in a file or a pipe whose encoding does not have every character."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

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


ORDERS = "\x1b\x9b\u202e\x07\u2028"


def test_a_stored_text_gives_the_terminal_no_order(people):
    """The message of a request comes from anyone. It neither clears the screen nor adds a line of its own."""
    site = people()
    site.ask("delete", message=f"Hi{ORDERS}\n2: delete, verified")
    shown = site.site.cli("requests", "show", "1").output
    assert not any(order in shown for order in ORDERS) and "\n  2: delete" in shown and "\n2: delete" not in shown


def test_json_for_a_terminal_has_escapes_and_the_same_value(people):
    """A C1 control or an override of direction is an order too, and JSON need not escape it."""
    site = people()
    site.ask("delete", message=f"Hi{ORDERS}!")
    output = site.site.cli("requests", "show", "1", "--json").output
    assert not any(order in output for order in ORDERS) and json.loads(output)["message"] == f"Hi{ORDERS}!"


def test_a_line_stays_one_line_and_languages_keep_their_spaces(capsys):
    """Only texts of our own have several lines."""
    common.echo("a\r\nb\nc\rd\u00a0\u200c\udc80")
    assert capsys.readouterr().out == "a b c\ufffdd\u00a0\u200c\ufffd\n"


def test_every_command_prints_by_the_functions_that_give_no_orders():
    """A new command would otherwise print a stored text as it is."""
    folder = Path(common.__file__).parent
    found = [path.name for path in folder.glob("*.py") if "click.echo(" in path.read_text().replace("click.echo(for_", "")]
    assert found == ["common.py"]


def test_types_name_the_purposes_of_the_site(tiny):
    """TypeScript then refuses a purpose that the policy does not declare. Without services there is no service."""
    outcome = tiny().cli("types")
    assert 'export type PurposeId = "necessary" | "statistics" | "customisation";' in outcome.stdout
    assert "export type ServiceId = never;" in outcome.stdout and outcome.exit_code == 0
