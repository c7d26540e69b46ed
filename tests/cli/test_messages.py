"""What commands print if there is nothing, or only one thing, to print, and what ``--help`` lists."""

import errno
import re
import sys

import pytest
from click.testing import CliRunner
from flask.cli import FlaskGroup

from conftest import choose
from flask_mixamo_privacy.cli import COMMANDS, privacy
from flask_mixamo_privacy.cli.common import exit_2_on_error, progress_bar
from flask_mixamo_privacy.policy import toml

GROUPS = ("ledger", "minors", "policy", "receipt", "requests")


@pytest.mark.parametrize("group", ["", *GROUPS])
def test_help_lists_whole_sentences(tiny, monkeypatch, group):
    """No line is cut with an ellipsis, and an abbreviation does not end a sentence."""
    output = tiny().cli(*group.split(), "--help").output
    listed = re.split(r"\n  (?=\S)", output.partition("Commands:")[2])[1:]
    assert listed and all(line.rstrip().endswith((".", ")")) and "..." not in line for line in listed), output
    assert "(GDPR art." not in re.sub(r"art\.\s+[0-9]+", "", output)


def test_every_command_has_a_summary(tiny):
    """A command without help would be an empty line."""
    with tiny().app.app_context():
        assert all(privacy.get_command(None, name).help for name in COMMANDS)


def test_a_diff_without_differences_says_so(tiny, tmp_path):
    """The message names the version, the exit code stays 0, and JSON stays an empty list."""
    declaration = tmp_path / "privacy.toml"
    declaration.write_text(toml.START.read_text())
    site = tiny(PRIVACY_POLICY=declaration)
    site.cli("policy", "freeze", "--date", "2026-01-02")
    outcome = site.cli("policy", "diff")
    assert (outcome.exit_code, outcome.output) == (0, "No differences from the version of 2026-01-02.\n")
    assert site.cli("policy", "diff", "--json").output == "[]\n"


def test_events_without_an_event_say_so_on_standard_error(tiny):
    """Standard output stays JSON lines."""
    outcome = tiny().cli("events")
    assert (outcome.exit_code, outcome.stdout) == (0, "") and outcome.stderr.startswith("No events.")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["requests", "list"], "1 request."),
        (["ledger", "verify"], "Intact: 1 entry."),
        (["access"], "1 access, 0 anonymous attempts denied."),
        (["demo-data", "--if-empty"], "The site has decisions of visitors already. Nothing was sent."),
    ],
)
def test_one_thing_is_singular(tiny, command, line):
    """A number has the noun in its own form."""
    site = tiny(PRIVACY_BASE_URL="https://tiny.example")
    choose(visitor := site.visitor(), "accept_all")
    visitor.get("/")
    if command[0] == "requests":
        site.cli("requests", "open", "--kind", "access", "--email", "ada@one.example")
    if command[0] == "access":
        site.cli("events")
    assert line in site.cli(*command).output.splitlines()


@pytest.mark.parametrize("arguments", [[], ["pages"], ["--period", "month"]])
def test_the_report_of_a_new_site_says_that_nothing_was_counted(tiny, arguments):
    """A table of zeros alone looks like a failure."""
    output = tiny().cli("report", *arguments).output
    assert output.rstrip().endswith("Visits are counted from a visitor's consent to statistics on.")


@pytest.mark.parametrize(
    ("visitors", "arguments", "sentence"),
    [
        (1, [], '"<5" means fewer than 5 visitors. Numbers appear once 5 visitors have been counted.'),
        (6, [], "A report has rows once 5 visitors are behind one of them."),
        (6, ["--period", "month"], "The month is not over. Its rows are those of the days that have closed,"),
        (6, ["visits", "--period", "month"], '"6+" means 6 or more: the exact number could single out a visitor.'),
    ],
)
def test_a_report_of_the_first_days_explains_its_cells(tiny, clock, visitors, arguments, sentence):
    """Signs are explained, and the reader learns when more will come."""
    site = tiny()
    for _ in range(visitors):
        choose(visitor := site.visitor(), "accept_all")
        visitor.get("/")
    assert sentence in site.cli("report", *arguments).output


@pytest.mark.parametrize("content", ["[site", "schema = 1"])
@pytest.mark.parametrize(
    "command", [["report"], ["policy", "diff"], ["ledger", "head"], ["demo-data"], ["init", "--path", "x"]]
)
def test_a_command_of_an_app_that_cannot_start_exits_with_2(tmp_path, monkeypatch, content, command):
    """The message names the file and the next step, without a traceback."""
    (tmp_path / "privacy.toml").write_text(content)
    source = (
        "import flask, flask_mixamo_privacy as p\napp = flask.Flask(__name__)\napp.secret_key = 16 * 'x'\np.Privacy(app)"
    )
    (tmp_path / "app_that_fails.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "app_that_fails", raising=False)
    outcome = CliRunner().invoke(FlaskGroup(), ["--app", "app_that_fails", "privacy", *command])
    assert outcome.exit_code == 2 and "Error: privacy.toml" in outcome.stderr and "Traceback" not in outcome.output


def test_progress_is_silent_without_a_terminal(capsys):
    """Click 8.1 cannot hide a bar, and prints its label into a file."""
    with progress_bar("Loading", 3) as bar:
        assert not bar.file.isatty() and bar.file is not sys.stderr
        bar.update(3)
    assert capsys.readouterr().err == ""


def test_a_reader_that_stops_reading_is_no_error(capsys):
    """`flask privacy check | head -1` ends as Click ends it, without a message."""

    @exit_2_on_error
    def print_lines():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        print_lines()
    assert capsys.readouterr().err == ""


def test_freezing_a_policy_without_a_controller_warns(tiny, tmp_path):
    """The version is published all the same, and the warning goes to standard error."""
    declaration = tmp_path / "privacy.toml"
    declaration.write_text(toml.START.read_text())
    outcome = tiny(PRIVACY_POLICY=declaration).cli("policy", "freeze")
    assert outcome.exit_code == 0 and "warning: The policy names no controller and no contact." in outcome.stderr
    assert "written. Commit it" in outcome.stdout and "warning" not in outcome.stdout
