"""Windows: one process works there. No Windows is available, so a process imitates it (see `support.windows`)."""

import ast
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path, PureWindowsPath

import pytest
import sqlalchemy as sa

from flask_mixamo_privacy import config
from flask_mixamo_privacy.errors import SettingError
from support import windows, windows_site

ROOT = Path(__file__).parents[1]
SOURCES = [path for folder in ("flask_mixamo_privacy", "example_site") for path in (ROOT / folder).rglob("*.py")]


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """Return the result of each function of ``support.windows_site``, all run in one process."""
    command = [sys.executable, "-W", "error", "-X", "warn_default_encoding", "-m", "support.windows_site"]
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    done = subprocess.run(
        [*command, str(tmp_path_factory.mktemp("there"))], capture_output=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", windows_site.SITES)
def test_one_process_works_there(there, name):
    """Grant, page view, load, report, withdrawal, spool and replay work without one POSIX module."""
    assert there[name] == "", there[name]


@pytest.mark.parametrize(
    ("folder", "url", "keys"),
    [
        (r"C:\Users\Ada B\site\instance", "sqlite:///C:/Users/Ada B/site/instance/privacy-ledger.sqlite", "C:/Users/Ada B/site/instance"),
        (r"\\server\share\site", "sqlite://///server/share/site/privacy-ledger.sqlite", "//server/share/site"),
    ],
)  # fmt: skip
def test_a_path_of_windows_becomes_a_url(monkeypatch, folder, url, keys):
    """Three slashes, the drive and forward slashes, which SQLAlchemy reads as the same path."""
    monkeypatch.setattr(config, "PurePath", PureWindowsPath)
    monkeypatch.setattr(config, "in_tests", None)
    settings = config.read({"SECRET_KEY": "not a secret, a test", "PRIVACY_KEYS": None}, folder, folder)
    assert settings.ledger_url == url and os.path.dirname(settings.keys_file) == keys
    assert PureWindowsPath(sa.make_url(url).database) == PureWindowsPath(folder, "privacy-ledger.sqlite")


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("sqlite:///C:/site/a.sqlite", True),
        (r"sqlite:///C:\site\a.sqlite", True),
        ("sqlite:///a.sqlite", False),
        ("sqlite:///C:a.sqlite", False),
        ("sqlite://", False),
        (r"C:\site\a.sqlite", False),
    ],
)
def test_only_an_absolute_path_is_a_database_on_windows(monkeypatch, value, allowed):
    """A path with a drive is absolute; a path that depends on the drive's current folder is not."""
    monkeypatch.setattr(config, "PurePath", PureWindowsPath)
    settings = {"SECRET_KEY": "not a secret, a test", "PRIVACY_EVENTS_URL": value}
    monkeypatch.setattr(config, "in_tests", None)
    with nullcontext() if allowed else pytest.raises(SettingError, match="PRIVACY_EVENTS_URL"):
        assert config.read(settings, r"C:\site", r"C:\site").events_url == value


def test_a_path_with_a_drive_is_relative_on_posix(tmp_path):
    """There ``C:`` is an ordinary folder name."""
    settings = {"SECRET_KEY": "not a secret, a test", "PRIVACY_EVENTS_URL": "sqlite:///C:/site/a.sqlite"}
    with pytest.raises(SettingError):
        config.read(settings, str(tmp_path), str(tmp_path))


def test_windows_gets_a_time_zone_database():
    """Windows has none, and without one not even UTC is found."""
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert 'tzdata>=2024.1; sys_platform == "win32"' in setup.partition("install_requires")[2].partition("[options")[0]


def test_what_windows_lacks_is_used_in_two_places():
    """Only the locks and the owner of the temporary folder need POSIX, and both ask first."""
    used = {
        f"{path.name} {name}"
        for path in SOURCES
        for name in names_in(path)
        if name in (*windows.MODULES, *windows.NAMES_IN_OS)
    }
    assert used == {"platform.py register_at_fork", "assets.py getuid"}


def names_in(path):
    """Return the modules that a file imports and the names of ``os`` that it uses."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (alias.name for alias in node.names if node.module == "os")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            yield node.attr


def test_every_text_file_is_opened_with_an_encoding():
    """The default on Windows is cp1252, in which no file of the extension is written."""
    calls = [(path, call) for path in SOURCES for call in ast.walk(ast.parse(path.read_text("utf-8"))) if is_text_open(call)]
    assert [f"{path.name}:{call.lineno}" for path, call in calls] == []


def is_text_open(call: ast.AST) -> bool:
    """Whether a call opens a text file without naming its encoding."""
    if not isinstance(call, ast.Call) or any(word.arg == "encoding" for word in call.keywords):
        return False
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("read_text", "write_text"):
        return True
    modes = [part.value for part in (*call.args, *(word.value for word in call.keywords)) if isinstance(part, ast.Constant)]
    return isinstance(call.func, ast.Name) and name == "open" and not any("b" in str(mode) for mode in modes)
