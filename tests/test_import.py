"""Imports of a serving process: no command, and nothing that only a command needs."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from click import Context

from flask_mixamo_privacy.cli import COMMANDS, privacy

PACKAGE = "flask_mixamo_privacy"
SERVE = """
import sys
from flask import Flask
from flask_mixamo_privacy import Privacy
app = Flask("bare", instance_path=sys.argv[1])
app.secret_key = "not a secret, a test"
Privacy(app)
print(*sys.modules)
"""
LIBRARIES = (
    "sqlalchemy",
    "webassets",
    "babel",
    "ua_parser",
    "crawleruseragents",
    "brotli",
    "rjsmin",
    "maxminddb",
    "ctypes",
    "idna",
    "smtplib",
)
COMMANDS_ONLY = ("audit", "scan", "findings", "modelling", "told_of_forms", "demo", "crowd", "playing", "reporting")
INBOX_ONLY = (
    "inbox",
    "boxes",
    "seen",
    "classifier",
    "verdict",
    "wishes",
    "automatic",
    "authentication",
    "feedback",
)


def loaded(folder: Path) -> set[str]:
    done = subprocess.run([sys.executable, "-c", SERVE, str(folder)], stdout=subprocess.PIPE, text=True, check=True)
    return set(done.stdout.split())


def test_a_serving_process_imports_no_command(tmp_path: Path) -> None:
    """A serving process imports no command and no module that only commands need."""
    own_modules = {name.removeprefix(f"{PACKAGE}.") for name in loaded(tmp_path) if name.startswith(f"{PACKAGE}.")}
    assert len(own_modules) < 100
    assert not {name for name in own_modules if name.split(".")[0] in COMMANDS_ONLY or name.startswith("cli_")}
    assert not {name for name in own_modules if name.startswith("mail.") and name.split(".")[1] in INBOX_ONLY}


def test_a_library_is_imported_at_its_first_use(tmp_path: Path) -> None:
    """A bare app imports no optional library; SQLAlchemy alone would double its start-up time."""
    assert not {name for name in loaded(tmp_path) if name.split(".")[0] in LIBRARIES}


def test_a_part_of_a_site_is_built_once(tiny) -> None:
    """Several threads that use a part for the first time at once get the same object."""
    site = tiny()
    runtime = site.privacy.runtime(site.app)
    with ThreadPoolExecutor(8) as threads:
        assert len({id(ledger) for ledger in threads.map(lambda _: runtime.ledger, range(64))}) == 1


def test_help_lists_every_command_with_its_summary(tiny) -> None:
    """``--help`` lists every command with its summary."""
    output = tiny().app.test_cli_runner().invoke(args=["privacy", "--help"]).output
    for name in COMMANDS:
        command = privacy.get_command(Context(privacy), name)
        assert command is not None
        assert command.name == name
        assert f"  {name} " in output
    assert "Load the log into the database of events." in output


def test_an_unknown_command_is_refused(tiny) -> None:
    """An unknown command exits with 2."""
    assert tiny().app.test_cli_runner().invoke(args=["privacy", "nothing"]).exit_code == 2
