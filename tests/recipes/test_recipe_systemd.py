"""The recipe for systemd and cron: systemd checks the units, and each of their commands runs."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress

import pytest

from support.applications import Browser
from support.recipes import ROOT, clean_environment, wait_until

pytestmark = pytest.mark.recipes

MAIL = """From: ada@shop.example
To: shop@shop.example
Subject: Re: News

Please unsubscribe me.
"""


def environment(page):
    """Return what ``EnvironmentFile`` sets."""
    return dict(line.split("=", 1) for line in (page.folder / "environment").read_text().splitlines())


def loaded(page):
    """Return the number of events in the database."""
    path = page.folder / "instance" / "privacy-events.sqlite"
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM events").fetchone()[0]
    return 0


@pytest.fixture
def page(recipe, monkeypatch):
    """The page's folder in place of /srv/shop, with a virtual environment that leads to this Python."""
    page = recipe("systemd")
    for name, value in environment(page).items():
        monkeypatch.setenv(name, value)  # for the app that this process imports
    for path in [*(page.folder / "systemd").iterdir(), *(page.folder / "cron").iterdir()]:
        path.write_text(path.read_text().replace("/srv/shop", str(page.folder)))
    flask = page.folder / ".venv" / "bin" / "flask"
    flask.parent.mkdir(parents=True)
    flask.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m flask "$@"\n')
    flask.chmod(0o755)
    (page.folder / "Maildir" / "new").mkdir(parents=True)
    (page.folder / "Maildir" / "new" / "1").write_text(MAIL)
    return page


def unit(path):
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read(path)
    return parser


def words(service, instance):
    """Return the words of a command as systemd makes them.

    systemd splits the line first, and then fills in ``%I``. It splits the value of a word such as ``$COMMAND`` again.
    """
    variables = dict(pair.split("=", 1) for pair in shlex.split(service.get("Environment", "")))
    for word in shlex.split(service["ExecStart"]):
        if word.startswith("$"):
            yield from variables[word[1:]].replace("%I", instance).split()
        else:
            yield word.replace("%I", instance)


def timed_commands(page):
    """Return the words of the command that each timer starts."""
    service = unit(page.folder / "systemd" / "shop-privacy@.service")["Service"]
    for path in sorted((page.folder / "systemd").glob("*.timer")):
        instance = re.fullmatch(r"shop-privacy@(.*)\.service", unit(path)["Timer"]["Unit"])[1]
        yield list(words(service, instance.replace(r"\x20", " ")))


def run(page, command, **variables):
    """Run the words of a command without a shell."""
    environment = clean_environment() | variables
    done = subprocess.run(command, cwd=page.folder, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


def cron_lines(page):
    """Return the user and the command of each line for cron."""
    lines = [line for line in (page.folder / "cron" / "shop").read_text().splitlines() if line[0] in "*0123456789"]
    return [line.split(None, 6)[5:] for line in lines]


def mailed(page, command):
    """Return what cron mails after a command: all that it prints."""
    return run(page, ["/bin/sh", "-c", command])


def test_systemd_accepts_each_unit(page):
    """``systemd-analyze verify`` has nothing to report about our files."""
    program = shutil.which("systemd-analyze")
    assert program, "systemd-analyze is not installed; the Debian package systemd has it."
    units = sorted(map(str, (page.folder / "systemd").iterdir()))
    for name in ("shop-privacy@", "shop-mail@"):  # a template is checked by an instance
        units[units.index(f"{page.folder}/systemd/{name}.service")] = f"{page.folder}/systemd/{name}prune.service"
    for path in units:
        if "@prune" in path:
            shutil.copy(path.replace("@prune", "@"), path)
    done = subprocess.run([program, "verify", "--man=no", "--recursive-errors=no", *units], capture_output=True, text=True)
    reported = [line for line in done.stderr.splitlines() if str(page.folder) in line or "shop-" in line]
    assert (reported, done.returncode) == ([], 0), done.stderr


def test_each_timer_starts_a_command_that_works(page):
    """Each command ends without an error on a site with one visitor and one mail."""
    app = page.app("shop")
    Browser(app).open("/")
    found = [command[2:] for command in timed_commands(page)]
    assert found == [["due"], ["inbox", "Maildir"], ["prune"], ["requests", "process"]]
    for command in timed_commands(page):
        run(page, command, **environment(page))


def test_the_loader_loads_until_it_is_stopped(page):
    """``ExecStart`` of the service loads what a visitor's page recorded."""
    start = unit(page.folder / "systemd" / "shop-load.service")["Service"]["ExecStart"]
    app = page.app("shop")
    browser = Browser(app)
    browser.submit(browser.open("/").text, "accept_all")
    with page.following(start, **environment(page)) as process:
        wait_until(lambda: process.poll() is not None or loaded(page), page.output)
        assert process.poll() is None, page.output()  # it follows until systemd stops it


def test_each_line_for_cron_works(page):
    """Each line names a user and a command that ends without an error. cron has nothing to mail."""
    assert [user for user, _ in cron_lines(page)] == ["shop"] * 5
    assert [mailed(page, command) for _, command in cron_lines(page)] == [""] * 5


def test_cron_mails_a_request_that_is_due_and_an_error(page):
    """The operator learns of both, although a command that succeeds is silent."""
    commands = {command.partition("privacy ")[2].split(")")[0]: command for _, command in cron_lines(page)}
    mailed(page, commands["load"])
    opening = ["flask", "privacy", "requests", "open", "--kind", "access", "--email", "ada@shop.example", "--identity", "x"]
    run(page, [sys.executable, "-m", *opening], **environment(page))
    assert "1 request overdue or due" in mailed(page, commands["due"].replace("privacy due", "privacy due --within 60"))
    (page.folder / "privacy.toml").write_text("not a policy")
    assert "privacy.toml" in mailed(page, commands["load"])
