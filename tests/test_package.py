"""Packaging: the archives are complete, and an installation works without the repository."""

from __future__ import annotations

import json
import re
import shutil
import sys
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support.packages import PIP, ROOT, UNSHIPPED, Built, contents, environment, matches, members, run, share_packages
from support.readme_links import PICTURES, absolute, source_url

pytestmark = [pytest.mark.release, pytest.mark.xdist_group("package"), pytest.mark.timeout(900)]

STATIC = ("banner.css", "banner.js", "pages.css")
#: Tests that read files which only a complete package has: catalogues, templates, assets, the audit's page.
SMOKE = (
    "test_shop.py", "test_stored_formats.py", "test_import.py", "cli", "audit/test_audit_report.py",
    "i18n", "policy/test_versions.py", "reports/test_report_pages.py", "web/test_wtf.py", "web/test_endpoints.py",
)  # fmt: skip
TRANSLATIONS = ROOT / "flask_mixamo_privacy" / "i18n" / "translations"
TEMPLATES = ("banner.html", "base.html", "consent_required.html", "policy.html", "settings.html")

#: What an installation without extras brings besides the extension, and why; docs/releasing.md has the same list.
INSTALLED = {
    "Flask", "Werkzeug", "Jinja2", "MarkupSafe", "itsdangerous", "click", "blinker",  # Flask and its requirements
    "Flask-Login", "webassets", "rjsmin", "rcssmin", "brotli", "SQLAlchemy", "typing-extensions", "PyYAML", "zope.dottedname",
    "ua-parser", "ua-parser-builtins", "ua-parser-rs", "crawler-user-agents", "orjson", "Babel", "idna",
}  # fmt: skip

#: A site whose types a strict checker knows only if the installed package has them.
TYPED = """
from flask import Flask
from flask_mixamo_privacy import Policy, Privacy, Purpose, consent_required, current_consent, current_visitor

privacy = Privacy()

def create_app() -> Flask:
    app = Flask(__name__)
    privacy.init_app(app)
    app.add_url_rule("/", view_func=home)
    return app

@consent_required("customisation")
def home() -> str:
    privacy.track("video.played", seconds=30)
    allowed: bool = current_consent.allows("statistics")
    return f"{allowed} {current_visitor.visit_number}"

reveal_type(privacy)
reveal_type(privacy.opt_out)
privacy.customise(1, "dark")
"""

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


def site_works(python: Path | str, package: Path, folder: Path, **environment: str) -> None:
    """Check a small site far from the repository, with the package from the expected place."""
    folder.mkdir()
    (folder / "site_outside.py").write_text(SITE)
    report = run(python, "site_outside.py", package, folder, cwd=folder, **environment)
    assert "Page views         <5" in report


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


def test_the_wheel_is_described_by_the_list(built):
    """A file of a kind that the list does not name is shipped only once someone has added it there."""
    patterns = [line for line in (ROOT / "tests" / "wheel_contents.txt").read_text().splitlines() if line and line[0] != "#"]
    found = {name for name in members(built.wheel) if not name.endswith("/")}
    assert sorted(name for name in found if not any(matches(name, pattern) for pattern in patterns)) == []
    assert [pattern for pattern in patterns if not any(matches(name, pattern) for name in found)] == []


def test_every_catalogue_is_shipped(built):
    """A language without its catalogue would be English without an error."""
    catalogues = {f"flask_mixamo_privacy/i18n/translations/{path.name}" for path in TRANSLATIONS.iterdir() if path.is_file()}
    assert len(catalogues) > 30 and catalogues <= members(built.wheel)


def test_a_wheel_from_the_sdist_is_the_same(built):
    """The wheel of the sdist equals that of the repository byte for byte, so two builds are equal too."""
    assert built.wheel.read_bytes() == built.direct.read_bytes()


def test_two_sdists_have_the_same_files(built):
    """The files of two source archives are equal; setuptools writes the time of the build into the archive's header."""
    assert contents(built.sdist) == contents(built.direct_sdist)


def test_the_sdist_can_be_tested(built):
    """The sdist has the tests, the licence and the two folders."""
    needed = {"LICENSE", "setup.cfg", "pyproject.toml", "tests/conftest.py", "tests/test_package.py", "static/banner.js"}
    assert needed | {"templates/mixamo_privacy/banner.html"} <= members(built.sdist)


def test_the_wheel_works_alone(installed, tmp_path):
    """In an empty environment banner, style sheet, script, consent, log and report work."""
    site_works(installed, installed.parent.parent, tmp_path / "outside")


def test_three_lines_pass_the_check(installed, tmp_path):
    """A new app in an empty environment starts, and `flask privacy check` finds no error in it."""
    (tmp_path / "app.py").write_text(
        "from flask import Flask\nfrom flask_mixamo_privacy import Privacy\n\napp = Flask(__name__)\n"
        'app.config["SECRET_KEY"] = "a long random text"\nprivacy = Privacy(app)\n'
    )
    output = run(installed, "-m", "flask", "privacy", "check", cwd=tmp_path)
    assert "Error" not in output and "Traceback" not in output


def test_an_installation_brings_no_other_packages(installed, tmp_path):
    """Each package that a site must trust and update is one that someone has decided to need."""
    found = json.loads(run(*PIP, "--python", installed, "list", "--format", "json", cwd=tmp_path))
    names = {normal(package["name"]) for package in found} - {"pip", "setuptools", "flask-mixamo-privacy"}
    assert names == set(map(normal, INSTALLED))
    page = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8").partition("## What an installation brings")[2]
    assert sorted(name for name in INSTALLED if name not in page.partition("`tzdata`")[0]) == []


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def test_a_site_is_checked_with_the_packages_types(installed, tmp_path):
    """A strict type checker reads the installed package, and finds the one fault of a small site."""
    (tmp_path / "typed_site.py").write_text(TYPED)
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", installed, "--cache-dir", tmp_path / "cache")
    found = run(*mypy, "typed_site.py", cwd=tmp_path, expect=1)
    assert 'Revealed type is "flask_mixamo_privacy.extension.Privacy"' in found
    assert 'Revealed type is "def (address:' in found and "Any" not in found
    errors = [line for line in found.splitlines() if ": error:" in line]
    assert len(errors) == 1 and 'Argument 1 to "customise" of "Privacy"' in errors[0], found


def test_an_sdist_can_be_installed(built, tmp_path):
    """Where no wheel may be used, the source archive builds and works."""
    python = environment(tmp_path / "env", "--no-deps", built.sdist)
    share_packages(python)
    site_works(python, python.parent.parent, tmp_path / "outside")


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


def test_the_metadata_is_complete(built, tmp_path):
    """An index accepts both archives, knows each classifier, and shows an author."""
    from trove_classifiers import classifiers  # installed only by `make release-check`, as the renderer below

    run(sys.executable, "-m", "twine", "check", "--strict", built.sdist, built.wheel, cwd=tmp_path)
    (folder,) = (name for name in members(built.wheel) if name.endswith("/METADATA"))
    described = metadata.Distribution.at(unpacked(built.wheel, tmp_path) / folder.partition("/")[0]).metadata
    assert (
        described["Author"] == "Flask-Mixamo-Privacy maintainers" and described["Author"] in (ROOT / "LICENSE").read_text()
    )
    assert set(described.get_all("Classifier")) <= classifiers
    assert {"Source"} <= {url.partition(",")[0] for url in described.get_all("Project-URL", ())} or not source_url()


def unpacked(wheel: Path, folder: Path) -> Path:
    shutil.unpack_archive(wheel, folder, "zip")
    return folder


@pytest.mark.parametrize("source", ["", "https://repository.example/privacy"])
def test_the_readme_works_on_an_index(source):
    """An index renders it. Below the repository's address, each link and the picture lead to a file that exists.

    Without a public repository, a relative picture cannot be shown: `Source` in setup.cfg is all that the owner adds.
    """
    from readme_renderer import markdown

    source = source_url() or source
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    page = markdown.render(absolute(text, source) if source else text)
    assert page is not None and "<h1" in page and "<table>" in page and "<pre" in page
    targets = [target for target in re.findall(r'(?:src|href)="([^"]+)"', page) if target[0] != "#"]
    assert len(targets) > 20
    for target in targets if source else ():
        kind = "raw" if target.endswith(PICTURES) else "blob"
        assert (ROOT / target.removeprefix(f"{source}/{kind}/HEAD/").partition("#")[0]).is_file(), target


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
