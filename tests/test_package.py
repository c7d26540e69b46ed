"""Packaging: the archives are complete, and an installation works without the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("package"), pytest.mark.timeout(900)]

ROOT = Path(__file__).parent.parent
UNSHIPPED = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist", "instance", "node_modules")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
STATIC = ("banner.css", "banner.js", "pages.css")
#: Tests that read files which only a complete package has: catalogues, templates, assets, the audit's page.
SMOKE = (
    "test_shop.py", "test_stored_formats.py", "test_import.py", "cli", "audit/test_audit_report.py",
    "i18n", "policy/test_versions.py", "reports/test_report_pages.py", "web/test_wtf.py", "web/test_endpoints.py",
)  # fmt: skip
TEMPLATES = ("banner.html", "base.html", "consent_required.html", "policy.html", "settings.html")

SITE = """
import re, sys, warnings
warnings.simplefilter("error")
import flask_mixamo_privacy
from flask import Flask, render_template_string
from flask_mixamo_privacy import Privacy

assert flask_mixamo_privacy.__file__.startswith(sys.argv[1]), flask_mixamo_privacy.__file__
app = Flask("outside", instance_path=sys.argv[2] + "/instance")
app.config.update(SECRET_KEY="not a secret, a test", TESTING=True, PRIVACY_ASSETS_DIR=sys.argv[2] + "/assets")
Privacy(app)
app.add_url_rule("/", "home", lambda: render_template_string("<body>{{ privacy.banner() }}<h1>Home</h1>"))
visitor = app.test_client()
page = visitor.get("/").text
assert all(f">{button}<" in page for button in ("Accept all", "Reject all", "Settings")), page
files = re.findall('/privacy/static/[^"]+', page)
assert len(files) == 3 and {visitor.get(file).status_code for file in files} == {200}, files
assert [visitor.get(path).status_code for path in ("/privacy/", "/privacy/consent")] == [200, 200]
assert visitor.post("/privacy/consent", data={"choice": "accept_all"}).status_code == 303
assert "Accept all" not in visitor.get("/").text
printed = app.test_cli_runner().invoke(args=["privacy", "events"]).output
assert '"kind": "page_view"' in printed, printed
print(app.test_cli_runner().invoke(args=["privacy", "report"]).output)
"""


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Return the output of a command, with its errors if it failed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "FLASK"))}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=clean | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=880,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def site_works(python: Path | str, package: Path, folder: Path, **environment: str) -> None:
    """Check a small site far from the repository, with the package from the expected place."""
    folder.mkdir()
    (folder / "site_outside.py").write_text(SITE)
    report = run(python, "site_outside.py", package, folder, cwd=folder, **environment)
    assert "Page views         <5" in report


def environment(folder: Path, *requirements: object) -> Path:
    """Return the Python of a new virtual environment with only these packages."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run(*PIP, "--python", python, "install", "--quiet", *requirements, cwd=folder)
    return python


def share_packages(python: Path) -> None:
    """Let an environment import this environment's packages after its own."""
    (packages,) = python.parent.parent.glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")


def members(archive: Path) -> set[str]:
    if archive.suffix == ".whl":
        return set(zipfile.ZipFile(archive).namelist())
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


class Built:
    """A copy of the repository, an sdist and a wheel built from it, and a wheel built from the copy itself."""

    def __init__(self, folder: Path) -> None:
        for copy in ("source", "other"):
            shutil.copytree(ROOT, folder / copy, ignore=UNSHIPPED)
        with ThreadPoolExecutor() as pool:
            build = (run, sys.executable, "-m", "build", "--outdir")
            both = pool.submit(*build, folder / "by-sdist", cwd=folder / "source")
            direct = pool.submit(*build, folder / "direct", "--wheel", cwd=folder / "other")
            both.result(), direct.result()
        (self.sdist,), (self.wheel,) = (folder / "by-sdist").glob("*.tar.gz"), (folder / "by-sdist").glob("*.whl")
        (self.direct,) = (folder / "direct").glob("*.whl")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with only the wheel and its requirements."""
    return environment(tmp_path_factory.mktemp("installed") / "env", built.wheel)


def test_the_wheel_is_named_and_versioned(built):
    """The wheel has the distribution's name and version."""
    assert built.sdist.name == "flask_mixamo_privacy-0.1.0.tar.gz"
    assert built.wheel.name == built.direct.name == "flask_mixamo_privacy-0.1.0-py3-none-any.whl"


def test_the_wheel_holds_everything_and_nothing_else(built):
    """The wheel has code, types, assets, templates and the licence, and neither tests nor the example site."""
    found, inside = members(built.wheel), "flask_mixamo_privacy/"
    own = [path for path in (ROOT / "flask_mixamo_privacy").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {str(path.relative_to(ROOT)) for path in own} <= found
    assert {f"{inside}static/{name}" for name in STATIC} <= found
    assert {f"{inside}templates/mixamo_privacy/{name}" for name in TEMPLATES} <= found
    assert any(name.endswith((".dist-info/licenses/LICENSE", ".dist-info/LICENSE")) for name in found)
    assert {name.partition("/")[0] for name in found} == {"flask_mixamo_privacy", "flask_mixamo_privacy-0.1.0.dist-info"}
    assert not [name for name in found if name.endswith((".pyc", ".pyo")) or "__pycache__" in name]


def test_every_static_file_and_template_is_shipped(built):
    """A file added to the two folders at any depth is shipped."""
    for name in ("static", "templates"):
        files = {str(path.relative_to(ROOT)) for path in (ROOT / name).rglob("*") if path.is_file()}
        assert {f"flask_mixamo_privacy/{file}" for file in files} == {
            file for file in members(built.wheel) if file.startswith(f"flask_mixamo_privacy/{name}/")
        }


def test_a_wheel_from_the_sdist_is_the_same(built):
    """A wheel built from the sdist is equal to one built from the repository."""
    assert members(built.wheel) == members(built.direct)
    shipped = {name for name in members(built.wheel) if not name.endswith("RECORD")}
    assert all(zipfile.ZipFile(built.wheel).read(name) == zipfile.ZipFile(built.direct).read(name) for name in shipped)


def test_the_sdist_can_be_tested(built):
    """The sdist has the tests, the licence and the two folders."""
    needed = {"LICENSE", "setup.cfg", "pyproject.toml", "tests/conftest.py", "tests/test_package.py", "static/banner.js"}
    assert needed | {"templates/mixamo_privacy/banner.html"} <= members(built.sdist)


def test_the_wheel_works_alone(installed, tmp_path):
    """In an empty environment banner, style sheet, script, consent, log and report work."""
    site_works(installed, installed.parent.parent, tmp_path / "outside")


def test_what_is_imported_is_required(installed, tmp_path):
    """Every imported dependency is declared, except the one that pytest itself imports."""
    run(*PIP, "--python", installed, "check", cwd=tmp_path)
    walk = (
        "import pkgutil, flask_mixamo_privacy as p; names = [m.name for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.')]; "
        "[__import__(name) for name in names if name != 'flask_mixamo_privacy.testing']"
    )
    run(installed, "-W", "error", "-c", walk, cwd=tmp_path)


def test_the_smoke_tests_pass_against_the_wheel(installed, tmp_path):
    """Tests of pages, forms, commands, languages and stored data pass with the repository's package hidden."""
    share_packages(installed)
    own_folders = {"flask_mixamo_privacy", "static", "templates"}
    rest = {str(ROOT): own_folders}  # the example's folders of these names are not the package's
    shutil.copytree(
        ROOT, tmp_path / "copy", ignore=lambda folder, names: UNSHIPPED(folder, names) | rest.get(str(folder), set())
    )
    location = run(installed, "-c", "import flask_mixamo_privacy as p; print(p.__file__)", cwd=tmp_path / "copy")
    assert location.startswith(str(installed.parent.parent))
    options = ("-q", "-p", "no:cacheprovider", "-n", "2", "-m", "not browser and not server")
    output = run(installed, "-m", "pytest", *options, *(f"tests/{path}" for path in SMOKE), cwd=tmp_path / "copy")
    assert " passed" in output and " failed" not in output


def test_a_plain_checkout_works(tmp_path):
    """A checkout works from PYTHONPATH without an installation."""
    shutil.copytree(ROOT, tmp_path / "checkout", ignore=UNSHIPPED)
    site_works(sys.executable, tmp_path / "checkout", tmp_path / "outside", PYTHONPATH=str(tmp_path / "checkout"))


def test_an_editable_installation_works(tmp_path):
    """An editable installation uses an edited file."""
    shutil.copytree(ROOT, tmp_path / "checkout", ignore=UNSHIPPED)
    python = environment(tmp_path / "env", "--no-deps", "--editable", tmp_path / "checkout")
    share_packages(python)
    site_works(python, tmp_path / "checkout", tmp_path / "outside")


def test_the_metadata_has_the_licence_and_python_versions():
    """The metadata has what package indexes show."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert (setup["metadata"]["license"], setup["options"]["python_requires"]) == ("BSD-3-Clause", ">=3.11")
    assert "BSD" in (ROOT / "LICENSE").read_text()
    assert len((ROOT / "pyproject.toml").read_text().splitlines()) == 3


def extras_of(name: str) -> set[str]:
    """Return the extras of an installed package."""
    return set(metadata.metadata(name).get_all("Provides-Extra"))


def test_every_requested_extra_exists():
    """Installers only warn of a missing extra; user agents were once parsed eighty times as slowly for that."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    asked = [one for one in map(Requirement, filter(None, "\n".join(wanted).splitlines())) if one.extras]
    own = {setup["metadata"]["name"]: set(setup["options.extras_require"])}  # those of this tree, not of what is installed
    missing = [one for one in asked if not one.extras <= (own.get(one.name) or extras_of(one.name))]
    assert missing == []
    assert {one.name for one in asked} >= {"ua-parser", "psycopg"}
