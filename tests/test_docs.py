"""The documentation: complete, without broken links, and with working examples."""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from pathlib import Path

import pytest
from flask import Flask

from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.policy.ready_made import ready_made

ROOT = Path(__file__).parent
while not (ROOT / "README.md").exists():
    ROOT = ROOT.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGES.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]

#: The sdist has one image, the README's.
IS_SDIST = not (ROOT / "docs" / "screenshots.py").exists()

LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[a-z0-9]+\]: (\S+)", re.MULTILINE)

#: Idioms that a non-native reader must decode.
IDIOMS = re.compile(
    r"\b(whoever|whomever|nobody|somebody|anybody|anew|lest|be it|at hand|beforehand|mend|see to|sees to|seen to|"
    r"put up with|comes? to|so too|of which|any more)\b",
    re.IGNORECASE,
)


def app_in(folder):
    app = Flask("documented", instance_path=str(folder))
    app.config.update(SECRET_KEY="not a secret, a test")
    Privacy(app)
    return app


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def anchors(path):
    """Return the anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_docs_name_no_setting_that_does_not_exist(tmp_path):
    """A renamed setting must be renamed on every page."""
    known = {name for name in app_in(tmp_path).config if name.startswith("PRIVACY_")}
    named = {name for path in PAGES for name in re.findall(r"\bPRIVACY_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))}
    assert named <= known


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_has_a_target(path):
    """Links to pages, images and headings are checked."""
    for target in (one or other for one, other in LINK.findall(path.read_text(encoding="utf-8"))):
        if not target.startswith(("https://", "http://")):
            file, _, anchor = target.partition("#")
            found = path.parent / file if file else path
            assert found.exists() or (found.suffix == ".png" and IS_SDIST), target
            assert not anchor or anchor in anchors(found), target


def test_each_defence_of_the_threat_model_names_a_test():
    """A row that names no test claims a defence that nothing shows."""
    rows = [line for line in page("security.md").splitlines() if line.startswith("| ") and line.count("|") == 5]
    unproved = [row for row in rows if "`test_" not in row and not row.startswith("| attack |")]
    assert (unproved, len(rows) > 30) == ([], True)


def test_the_readme_can_be_read_on_a_package_index():
    """Without a public repository, a link shows its own path.

    Once setup.cfg names a repository, every link must point there.
    """
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    urls = dict(line.split(" = ") for line in setup["metadata"].get("project_urls", "").strip().splitlines())
    text = README.read_text(encoding="utf-8")
    targets = dict(re.findall(r"^\[([a-z0-9]+)\]: (\S+)", text, re.MULTILINE))
    if "Source" in urls:
        assert [target for target in targets.values() if not target.startswith("https://")] == []
    else:
        assert [name for name, target in targets.items() if f"[{target}][{name}]" not in text] == ["banner"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_examples_can_be_parsed(path):
    """Every example of Python and TOML parses."""
    for source in blocks(path, "python"):
        ast.parse(source)
    for source in blocks(path, "toml"):
        tomllib.loads(source)


def test_the_readmes_example_runs(tmp_path, monkeypatch):
    """The example runs unchanged: a visitor is asked, accepts, and receives what was granted."""
    monkeypatch.chdir(tmp_path)
    (source,) = blocks(README, "python")
    names = {"__name__": "shop"}
    exec(compile(source, "shop.py", "exec"), names)  # noqa: S102 — code of this repository
    app = names["app"]
    app.testing = True
    visitor = app.test_client()
    asked = visitor.get("/").text
    assert "Accept all" in asked and "You are not counted." in asked
    assert visitor.get("/recommended").status_code == 403
    visitor.post("/privacy/consent", data={"choice": "accept_all"})
    assert 'data-theme="dark"' in visitor.get("/dark").text
    welcome = visitor.get("/recommended").text
    assert 'data-theme="dark"' in welcome and "You are counted." in welcome
    report = app.test_cli_runner().invoke(args=["privacy", "report"])
    assert (report.exit_code, "Page views" in report.output) == (0, True)


def test_the_docs_name_tests_that_exist():
    """A reader can look up how a promise is tested, or a defence of the threat model."""
    paths = list((ROOT / "tests").rglob("test_*.py"))
    known = {path.stem for path in paths}
    known |= {name for path in paths for name in re.findall(r"\bdef (test_\w+)\(", path.read_text(encoding="utf-8"))}
    named = {name for path in PAGES for name in re.findall(r"`(test_\w+)`", path.read_text(encoding="utf-8"))}
    assert sorted(named - known) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_docs_contain_no_idioms(path):
    """No page contains an idiom that a non-native reader must decode."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert IDIOMS.findall(text) == []


def test_the_docs_list_every_ready_made_service():
    """The table has each service with its company, hosts, cookies, sources and date, and no other row."""
    expected = set()
    for entry in ready_made().values():
        service = entry.service
        company = ", ".join(filter(None, (service.get("company"), service.get("country")))) or "–"
        hosts = ", ".join(f"`{host}`" for host in service["hosts"])
        cookies = ", ".join(f"`{cookie['name']}` {cookie['lifetime']}" for cookie in entry.cookies) or "–"
        sources, others = (
            ", ".join(f"[{page.split('/')[2]}]({page})" for page in pages) or "–"
            for pages in (entry.sources, entry.other_sources)
        )
        facts = f"{service['purpose']} | {company} | {hosts} | {cookies} | {sources} | {others} | {entry.checked}"
        expected.add(f"| `{entry.id}` | {facts} |")
    assert set(page("services.md").partition("## The list")[2].splitlines()) >= expected
    assert sum(line.startswith("| `") for line in page("services.md").partition("## The list")[2].splitlines()) == len(
        expected
    )
