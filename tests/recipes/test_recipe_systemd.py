"""The recipe for systemd and cron: systemd checks the units, and each of their commands runs."""

from __future__ import annotations

import configparser
import re
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


def timed_commands(page):
    """Return the command that each timer starts, with its instance filled in as systemd does."""
    template = unit(page.folder / "systemd" / "shop-privacy@.service")["Service"]["ExecStart"]
    for path in sorted((page.folder / "systemd").glob("*.timer")):
        instance = re.fullmatch(r"shop-privacy@(.*)\.service", unit(path)["Timer"]["Unit"])[1]
        yield template.replace("%I", instance.replace(r"\x20", " "))


def run(page, command, *codes):
    done = subprocess.run(
        ["/bin/sh", "-c", f"set -a && . ./environment && {command}"], cwd=page.folder, env=clean_environment(),
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode in codes, (command, done.stdout, done.stderr)
    return done.stdout


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
    found = [command.rpartition("privacy ")[2] for command in timed_commands(page)]
    assert found == ["due", "inbox Maildir", "prune", "requests process"]
    for command in timed_commands(page):
        run(page, command, 0)


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
    """Each line names a user and a command that ends without an error."""
    lines = [line for line in (page.folder / "cron" / "shop").read_text().splitlines() if line[0] in "*0123456789"]
    assert len(lines) == 5
    for line in lines:
        *_, user, command = line.split(None, 6)
        assert user == "shop"
        run(page, command, 0)
