"""Versions of the policy: what a change of one line affects, and which visitors are asked again."""

import json
import re

import pytest
from click.testing import CliRunner
from flask import Flask

from conftest import choose
from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.consent import proof
from flask_mixamo_privacy.i18n.language import FULLY_TRANSLATED, language
from flask_mixamo_privacy.policy.toml import START

TITLE = 'title = "Statistics"'
RECIPIENT = """
[[recipients]]
id = "lab"
name = "Counting Lab"
role = "adds up"
purposes = ["statistics"]
fields = ["page"]
country = "DE"
link = "https://lab.example/privacy"
"""
MAPS = """
[[purposes]]
id = "maps"
title = "Maps"
description = "Maps of another company."
"""
SERVICE = """
[[services]]
id = "charts"
title = "Charts"
purpose = "statistics"
hosts = ["charts.example"]
loads = ["script"]
"""
STORED = """
[[cookies]]
name = "zoom"
purpose = "customisation"
lifetime = "1 day"
description = "How near."
"""


NO_CONTACT = (
    '# [contact]\n# name = "…"\n# email = "privacy@example.com"\n',
    '[contact]\nname = "Tiny Ltd"\nemail = "privacy@tiny.example"\n',
)


@pytest.fixture
def declare(tiny, tmp_path):
    """Builds the site whose privacy.toml is the start file with these replacements and additions."""

    def build(*edits, add="", **config):
        text = START.read_text()
        for old, new in edits:
            assert text.count(old) == 1, (old, text.count(old))
            text = text.replace(old, new)
        path = tmp_path / "privacy.toml"
        path.write_text(text.replace(*NO_CONTACT).replace('"this site"', '"Tiny"') + add)
        return tiny(PRIVACY_POLICY=path, **config)

    return build


@pytest.fixture
def versions(tmp_path):
    """The folder of frozen versions, beside privacy.toml."""
    return tmp_path / "privacy-versions"


def frozen(site, day="2026-05-08"):
    outcome = site.cli("policy", "freeze", "--date", day)
    assert outcome.exit_code == 0, outcome.output
    return outcome


def revisit(visitor, site):
    """Return the same browser on a later state of the site."""
    later = site.visitor()
    for name in ("privacy_consent", "privacy_visitor", "privacy_choices"):
        if found := visitor.get_cookie(name):
            later.set_cookie(name, found.value)
    return later


def states(visitor):
    return visitor.get("/privacy/state.json").json["purposes"]


def test_promise_43_freeze_writes_a_dated_version_beside_the_declaration(declare, versions):
    """A version has the text in five languages, the banner's text, and its declaration."""
    outcome = frozen(declare())
    assert (
        outcome.output
        == f"{versions / '2026-05-08.json'} written. Commit it: it is the policy that visitors read from now on.\n"
    )
    found = json.loads((versions / "2026-05-08.json").read_text())
    assert (found["date"], tuple(found["documents"]), tuple(found["banner"])) == (
        "2026-05-08",
        FULLY_TRANSLATED,
        FULLY_TRANSLATED,
    )
    assert found["documents"]["en"]["sections"][0]["id"] == "summary"
    assert [purpose["id"] for purpose in found["declaration"]["purposes"]] == ["necessary", "statistics", "customisation"]


def test_freeze_uses_today_by_default(declare, versions, clock):
    """The date is that of UTC."""
    assert declare().cli("policy", "freeze").exit_code == 0
    assert [path.name for path in versions.iterdir()] == ["2026-05-08.json"]


def test_a_published_version_is_not_overwritten(declare, versions):
    """The same text on the same day is accepted; another text is rejected, and the file stays."""
    frozen(declare())
    frozen(declare())
    before = (versions / "2026-05-08.json").read_bytes()
    outcome = declare((TITLE, 'title = "Numbers"')).cli("policy", "freeze", "--date", "2026-05-08")
    assert (outcome.exit_code, (versions / "2026-05-08.json").read_bytes()) == (2, before)
    assert outcome.output == (
        "Error: version is '2026-05-08'; allowed: a day after 2026-05-08. "
        "Freeze under a later date with --date: a published version is never changed. "
        "If no visitor has seen it yet, delete 2026-05-08.json and freeze again.\n"
    )


def test_no_version_is_inserted_before_another(declare, versions):
    """A version that was in force cannot be changed later."""
    frozen(declare())
    outcome = declare((TITLE, 'title = "Numbers"')).cli("policy", "freeze", "--date", "2026-05-07")
    assert (outcome.exit_code, [path.name for path in versions.iterdir()]) == (2, ["2026-05-08.json"])
    assert "version is '2026-05-07'; allowed: a day after 2026-05-08." in outcome.output


@pytest.mark.parametrize("day", ["yesterday", "2026-5-8", "2026-02-30", "20260508", "../2026-05-08", "2026-05-08\n"])
def test_a_version_has_a_real_date(declare, versions, day):
    """Any other name is rejected with a message, and nothing is written."""
    outcome = declare().cli("policy", "freeze", "--date", day)
    assert (outcome.exit_code, versions.exists()) == (2, False)
    assert f"{day!r} is not a day; write it as 2026-05-08." in outcome.output


def test_a_site_without_a_declaration_has_nothing_to_freeze(tiny):
    """The message has the next step."""
    outcome = tiny().cli("policy", "freeze")
    assert (outcome.exit_code, outcome.output) == (
        2,
        "Error: privacy.toml is missing; allowed: a declaration of the site's own. "
        "Write one with `flask privacy init`; versions are stored beside it.\n",
    )


def test_diff_shows_changes_as_text(declare):
    """Each change is a line with its section, and the exit code is 1."""
    frozen(declare())
    outcome = declare(("We count visits, repeat visits", "We count clicks, repeat visits")).cli("policy", "diff")
    assert outcome.exit_code == 1
    removed, added = outcome.output.splitlines()
    assert removed.startswith("- What we use data for: Statistics · We count visits, repeat visits and")
    assert added.startswith("+ What we use data for: Statistics · We count clicks, repeat visits and")


def test_diff_shows_changes_as_json(declare):
    """Each change has its section, kind and text."""
    frozen(declare())
    outcome = declare(("aggregates = \"25 months\"", "aggregates = \"3 months\"")).cli("policy", "diff", "--json")  # fmt: skip
    assert (outcome.exit_code, json.loads(outcome.output)) == (
        1,
        [
            {"section": "Statistics about visitors as a whole", "kind": "removed", "text": "Totals are kept for 25 months."},
            {"section": "Statistics about visitors as a whole", "kind": "added", "text": "Totals are kept for 3 months."},
        ],
    )


def test_diff_of_the_published_text_is_empty(declare):
    """The exit code is 0 and no change is listed, also if only the date differs."""
    frozen(declare(), "2020-02-29")
    outcome = declare().cli("policy", "diff")
    assert (outcome.exit_code, outcome.output) == (0, "No differences from the version of 2020-02-29.\n")
    assert declare().cli("policy", "diff", "--json").output == "[]\n"


def test_diff_without_a_version_exits_with_2(declare):
    """The output has the command that writes a version."""
    outcome = declare().cli("policy", "diff")
    assert outcome.exit_code == 2
    assert outcome.output == "Error: there is no frozen version yet. Write one by `flask privacy policy freeze`.\n"


def test_promise_43_check_is_clean_once_the_text_is_published(declare):
    """After `freeze` the check exits with 0."""
    frozen(declare())
    outcome = declare().cli("check")
    assert (outcome.exit_code, outcome.output) == (0, "No findings.\n")
    assert (declare().cli("check", "--json").exit_code, declare().cli("check", "--json").output) == (0, "[]\n")


def test_promise_43_check_fails_if_the_text_changed_without_a_version(declare):
    """The exit code is 1, with the number of changes and the next step; a new version fixes it."""
    frozen(declare())
    changed = declare((TITLE, 'title = "Numbers"'))
    outcome = changed.cli("check")
    assert outcome.exit_code == 1
    assert re.fullmatch(
        r"error: The policy differs from its version of 2026-05-08 \(\d changes\)\. "
        r"See `flask privacy policy diff`, then run `flask privacy policy freeze`\.\n1 finding\.\n",
        outcome.output,
    )
    frozen(changed, "2026-05-09")
    assert changed.cli("check").exit_code == 0


def test_promise_43_check_fails_if_no_version_was_published(declare):
    """The exit code is 1, and the JSON has level, key, message and next step."""
    outcome = declare().cli("check", "--json")
    assert outcome.exit_code == 1
    assert json.loads(outcome.output) == [
        {
            "level": "error",
            "key": "version",
            "says": "No version of the policy has been frozen.",
            "hint": "Run `flask privacy policy freeze`.",
        }
    ]


@pytest.mark.parametrize(
    ("contact", "key", "message"),
    [
        ("", "contact", "The policy names no controller and no contact."),
        ('[contact]\nname = "…"\nemail = "a@tiny.example"', "contact", "The contact of the policy is an example: …, a@tiny.example."),
        ('[contact]\nname = "A"\nemail = "a@example.com"', "contact", "The contact of the policy is an example: A, a@example.com."),
        (NO_CONTACT[1], "site.name", "The policy calls the site 'this site', so it does not name the site that visitors use."),
    ],
)  # fmt: skip
def test_check_warns_of_a_policy_without_a_controller(tiny, tmp_path, contact, key, message):
    """A policy must identify the controller (GDPR Art. 13). The examples of the start file do not."""
    name = "this site" if key == "site.name" else "Tiny"
    text = START.read_text().replace(NO_CONTACT[0], contact + "\n").replace('"this site"', f'"{name}"')
    (tmp_path / "privacy.toml").write_text(text)
    site = tiny(PRIVACY_POLICY=tmp_path / "privacy.toml")
    frozen(site)
    outcome = site.cli("check", "--json")
    assert outcome.exit_code == 0
    assert [(each["level"], each["key"], each["says"]) for each in json.loads(outcome.output)] == [("warning", key, message)]


@pytest.mark.parametrize(
    ("edit", "key", "message"),
    [
        (("[log]", MAPS.replace("Maps", "Plans") + "[log]"), "purposes.maps", "Nothing uses the purpose 'maps'."),
        (("[log]", '[[fields]]\nname = "shoe"\nkind = "anonymous"\ndescription = "Size."\n\n[log]'), "fields.shoe", "No collection point asks for the field 'shoe'."),
        (('"privacy_events"', '"basket"'), "cookies", "The tracker stores events in session storage until they are sent; the policy does not declare it."),
    ],
)  # fmt: skip
def test_check_warns_of_unused_declarations(declare, edit, key, message):
    """A warning is printed, and the exit code stays 0."""
    site = declare(edit)
    frozen(site)
    outcome = site.cli("check", "--json")
    assert outcome.exit_code == 0
    assert [(found["level"], found["key"], found["says"]) for found in json.loads(outcome.output)] == [
        ("warning", key, message)
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('title = { en = "Statistics", it = "Statistiche" }', 'title = { en = "Statistics", it = "Statistica" }'),
        ('title = { en = "Statistics", de = "Statistik" }', 'title = { en = "Statistics", de = "Zahlen" }'),
    ],
)
def test_a_change_of_the_sites_text_in_any_language_is_a_change(declare, before, after):
    """A changed Italian text needs a version too."""
    frozen(declare((TITLE, before)))
    assert declare((TITLE, after)).cli("check").exit_code == 1


def test_a_change_of_the_banner_in_one_language_is_shown_in_that_language(declare):
    """The diff does not show two equal lines in English."""
    banner = '[banner]\ntext = {{ en = "May we?", de = "{}" }}\n\n[log]'
    frozen(declare(("[log]", banner.format("Dürfen wir?"))))
    outcome = declare(("[log]", banner.format("Ja oder nein?"))).cli("policy", "diff")
    assert (outcome.exit_code, outcome.output) == (1, "- Banner: Dürfen wir?\n+ Banner: Ja oder nein?\n")


def test_earlier_versions_stay_readable(declare):
    """An earlier version is marked as no longer in force; the current one has the new text."""
    frozen(declare())
    later = declare((TITLE, 'title = "Numbers"'))
    frozen(later, "2026-06-01")
    visitor = declare((TITLE, 'title = "Numbers"')).visitor()
    old, new = visitor.get("/privacy/versions/2026-05-08").text, visitor.get("/privacy/versions/2026-06-01").text
    assert '<th scope="row">Statistics</th>' in old and '<th scope="row">Numbers</th>' not in old
    assert '<th scope="row">Numbers</th>' in new and '<th scope="row">Statistics</th>' not in new
    assert ("no longer in force" in old, "no longer in force" in new) == (True, False)


def test_an_earlier_version_is_read_in_the_sites_other_language(declare):
    """The version was frozen in each language."""
    frozen(declare((TITLE, 'title = { en = "Statistics", de = "Zählung" }')))
    page = declare().visitor(Accept_Language="de").get("/privacy/versions/2026-05-08")
    assert page.status_code == 200 and "Zählung" in page.text


@pytest.mark.parametrize("day", ["2026-05-09", "..", "../privacy.toml", "%2e%2e", "2026-05-08.json", "2026-05-08%00", "x"])
def test_a_missing_version_is_not_found(declare, day):
    """No other file is served either."""
    frozen(declare())
    visitor = declare().visitor()
    assert visitor.get("/privacy/versions/2026-05-08").status_code == 200
    assert visitor.get(f"/privacy/versions/{day}").status_code == 404


def test_check_reports_what_prevents_the_app_from_starting(tmp_path):
    """An invalid declaration is a finding with its line, and no traceback."""
    from flask.cli import FlaskGroup, ScriptInfo

    (tmp_path / "privacy.toml").write_text(
        '[site]\nname = "A"\n\n[[purposes]]\nid = "use"\nbasis = "contract"\ntitle = "Use"\n'
    )

    def create_app():
        app = Flask("broken", root_path=str(tmp_path), instance_path=str(tmp_path))
        app.config["SECRET_KEY"] = "not a secret, a test"
        Privacy(app)
        return app

    outcome = CliRunner().invoke(
        FlaskGroup(create_app=create_app), ["privacy", "check"], obj=ScriptInfo(create_app=create_app)
    )
    assert outcome.exit_code == 1
    assert outcome.output.splitlines()[0].startswith("error: privacy.toml:4: purposes.use.description is missing; allowed:")


def test_what_changed_is_told_in_sentences(declare):
    """Each version is compared with the one before; the first has no comparison."""
    frozen(declare())
    frozen(declare(('aggregates = "25 months"', 'aggregates = "3 months"')), "2026-06-01")
    visitor = declare().visitor()
    text = visitor.get("/privacy/versions/2026-06-01").text.partition('id="what-changed"')[2]
    assert "What changed since the version of May 8, 2026" in text
    listed = re.findall(r'<li dir="auto">(.*?)</li>', text)
    assert listed == ["“Totals are kept for 25 months.” has become “Totals are kept for 3 months.”"]
    assert "what-changed" not in visitor.get("/privacy/versions/2026-05-08").text


def test_a_new_row_is_one_sentence(declare):
    """The sentences of its cells lose their full stops in the list of its details."""
    frozen(declare())
    frozen(declare(add=MAPS), "2026-06-01")
    text = declare(add=MAPS).visitor().get("/privacy/versions/2026-06-01").text
    assert "New: “Maps” (" in text and ".;" not in text and ".)" not in text


def test_changes_of_an_earlier_version_are_folded(declare):
    """Those of the newest version are open."""
    frozen(declare())
    frozen(declare((TITLE, 'title = "Numbers"')), "2026-06-01")
    frozen(declare((TITLE, 'title = "Totals"')), "2026-06-02")
    visitor = declare().visitor()
    assert "<details open>" in visitor.get("/privacy/versions/2026-06-02").text.partition('id="what-changed"')[2]
    assert "<details>" in visitor.get("/privacy/versions/2026-06-01").text.partition('id="what-changed"')[2]


def test_a_quoted_text_is_isolated_from_right_to_left(declare):
    """The full stop of an English text stays at its end on an Arabic page."""
    frozen(declare())
    frozen(declare((TITLE, 'title = "Numbers"')), "2026-06-01")
    text = declare().visitor(Accept_Language="ar").get("/privacy/versions/2026-06-01").text
    assert "\u2068Numbers\u2069" in text.partition('id="what-changed"')[2]


def test_the_policy_page_links_to_its_earlier_versions(declare):
    """The newest is first, without the current one; a site with one version lists none."""
    for day in ("2009-05-08", "2012-01-01", "2026-06-01"):
        frozen(declare((TITLE, f'title = "Numbers of {day}"')), day)
        text = declare().visitor().get("/privacy/").text
        assert ("Earlier versions" in text) == (day > "2009-05-08")
    listed = text.partition('class="mixamo-versions"')[2]
    assert re.findall(r'href="/privacy/versions/([\d-]+)"|aria-current="page"', listed) == ["2012-01-01", "2009-05-08"]


def test_promise_45_last_updated_is_the_newest_versions_date(declare, clock):
    """The page, the GPC resource and the ledger have the version's date."""
    frozen(declare(), "2009-05-08")
    frozen(declare((TITLE, 'title = "Numbers"')), "2026-02-03")
    site = declare((TITLE, 'title = "Numbers"'))
    assert "Last updated: February 3, 2026." in site.visitor().get("/privacy/").text
    assert site.visitor().get("/.well-known/gpc.json").json["lastUpdate"] == "2026-02-03"
    choose(site.visitor(), "accept_all")
    assert [row["policy"] for row in site.ledger()] == ["2026-02-03"]


def test_versions_may_be_in_another_folder(declare, tmp_path):
    """PRIVACY_VERSIONS_DIR is the folder."""
    site = declare(PRIVACY_VERSIONS_DIR=str(tmp_path / "elsewhere"))
    frozen(site)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["2026-05-08.json"]


def test_a_stray_file_is_no_version(declare, versions):
    """A file not named after a date is ignored, and the pages are served."""
    frozen(declare())
    for name in ("2026-13-45.json", "2026-06-01.json.orig", "notes.json"):
        (versions / name).write_text("{}")
    visitor = declare().visitor()
    assert visitor.get("/.well-known/gpc.json").json["lastUpdate"] == "2026-05-08"
    assert visitor.get("/privacy/versions/2026-13-45").status_code == 404


@pytest.mark.parametrize("command", [("check",), ("policy", "diff"), ("policy", "freeze", "--date", "2026-06-01")])
def test_a_damaged_version_exits_with_2(declare, versions, command):
    """The output has the file's name, and no finding or traceback."""
    frozen(declare())
    (versions / "2026-05-08.json").write_text("<<<<<<< HEAD")
    outcome = declare().cli(*command)
    assert outcome.exit_code == 2 and "2026-05-08.json" in outcome.output


def test_check_accepts_a_policy_built_in_python(declare, tiny):
    """Such a policy has no folder of versions yet, and is not mistaken for the built-in one."""
    site = declare()
    outcome = tiny(PRIVACY_POLICY=site.privacy.runtime(site.app).policy).cli("check")
    assert outcome.exit_code == 0 and "PRIVACY_VERSIONS_DIR" in outcome.output and "built-in" not in outcome.output


# One line of privacy.toml, and all its effects.


def test_a_purposes_title_changes_settings_and_policy(declare):
    """Both pages have the declared title."""
    visitor = declare((TITLE, 'title = "Numbers"')).visitor()
    for path in ("/privacy/", "/privacy/consent"):
        text = visitor.get(path).text
        assert ">Numbers</" in text and ">Statistics</" not in text


def test_the_banners_text_changes_the_banner(declare):
    """The new text is on every page of the site."""
    text = declare(("[log]", '[banner]\ntext = "Count?"\n\n[log]')).visitor().get("/other").text
    assert "<p>Count?</p>" in text and "May we count" not in text


def test_a_removed_purpose_is_removed_everywhere(declare):
    """Page, settings and cookie table omit it, and it cannot be granted."""
    toml = START.read_text()
    purpose = toml[toml.index('[[purposes]]\nid = "customisation"') : toml.index("# Everything that is stored")]
    cookie = toml[toml.index('[[cookies]]\nname = "privacy_choices"') : toml.index('[[cookies]]\nname = "session"')]
    visitor = declare((purpose, ""), (cookie, "")).visitor()
    for path in ("/privacy/", "/privacy/consent", "/privacy/policy.md"):
        assert "ustomisation" not in visitor.get(path).text and "privacy_choices" not in visitor.get(path).text
    assert choose(visitor, "save", "customisation").status_code == 400
    assert states(visitor) == {"necessary": "granted", "statistics": "unasked"}


def test_promise_11_the_decisions_lifetime_is_the_declared_one(declare, clock):
    """The declared lifetime is in the cookie table and in the cookie."""
    site = declare(('lifetime = "182 days"', 'lifetime = "30 days"'))
    cookie = choose(site.visitor(), "reject_all").headers["Set-Cookie"]
    assert "Expires=Sun, 07 Jun 2026 00:00:00 GMT" in cookie
    assert 'data-head="Kept for">30 days</td>' in site.visitor().get("/privacy/").text


def test_promise_11_the_decision_ends_with_its_declared_lifetime(declare, clock):
    """A browser that keeps the cookie longer is asked again."""
    visitor = declare(('lifetime = "182 days"', 'lifetime = "30 days"')).visitor()
    choose(visitor, "accept_all")
    value = visitor.get_cookie("privacy_consent").value
    clock.shift(31 * 86400)
    visitor.set_cookie("privacy_consent", value)
    assert states(visitor)["statistics"] == "unasked"


@pytest.mark.parametrize(("name", "purpose"), [("privacy_visitor", "statistics"), ("privacy_choices", "customisation")])
def test_promise_11_other_cookies_live_as_declared(declare, clock, name, purpose):
    """A declared lifetime of ten days is the cookie's max age."""
    lifetime = 'purpose = "{}"\nlifetime = "{} days"'
    site = declare((lifetime.format(purpose, 395), lifetime.format(purpose, 10)))
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/theme/dark")
    visitor.get("/")
    assert visitor.get_cookie(name).max_age == 10 * 86400


@pytest.mark.parametrize(("period", "days", "left"), [("1 month", 29, 2), ("1 month", 32, 0), ("13 months", 32, 2)])
def test_retention_is_what_prune_enforces(declare, clock, period, days, left):
    """Events are kept for the declared period and deleted after it."""
    site = declare(('events = "13 months"', f'events = "{period}"'))
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    assert len(site.events()) == 2
    clock.shift(days * 86400)
    outcome = site.cli("prune")
    assert (outcome.exit_code, outcome.output) == (0, f"{2 - left} events older than {period} deleted.\n")
    assert len(site.events()) == left


@pytest.mark.parametrize("undeclared", ["network", "browser", "page", "referrer"])
def test_promise_14_an_undeclared_field_is_not_recorded(declare, undeclared):
    """All other fields are recorded as before."""
    line = next(line for line in START.read_text().splitlines() if line.startswith("fields = "))
    site = declare((line, line.replace(f'"{undeclared}", ', "")))
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    visitor = site.visitor(User_Agent=agent, Referer="https://elsewhere.example/x")
    visitor.environ_base["REMOTE_ADDR"] = "203.0.113.9"
    choose(visitor, "accept_all")
    visitor.get("/other")
    found = {name: site.events("page_view")[0][name] for name in ("page", "referrer", "browser", "platform", "network")}
    assert [name for name, value in found.items() if value is None] == [undeclared]


# Which visitors are asked again.


@pytest.mark.parametrize(
    ("edits", "add", "again"),
    [
        ([], "", set()),
        ([(TITLE, 'title = "Statistic"')], "", set()),
        ([("We count visits, repeat visits", "We count vists, repeat visits")], "", set()),
        ([("[log]", '[banner]\ntext = "May we?"\n\n[log]')], "", set()),
        ([("[notices]", "[notices]\nlaw = true")], "", set()),
        ([], RECIPIENT.replace("statistics", "necessary"), set()),
        ([], RECIPIENT, {"statistics"}),
        ([], SERVICE, {"statistics"}),
        ([], STORED, {"customisation"}),
        ([('purpose = "statistics"\nlifetime = "395 days"', 'purpose = "statistics"\nlifetime = "100 days"')], "", {"statistics"}),
        ([('theme, for your next visit. If you also allow statistics, we count which options are chosen."\nretention = "13 months"', 'theme."\nretention = "14 months"')], "", {"customisation"}),
        ([], MAPS, {"maps"}),
    ],
    ids=["nothing", "a title", "a description", "the banner", "a notice", "a recipient of another purpose", "a recipient",
         "a service", "a cookie", "a lifetime", "a retention", "a purpose"],
)  # fmt: skip
def test_only_a_material_change_is_asked_again(declare, edits, add, again):
    """A decision stays valid for every purpose without a material change."""
    visitor = declare().visitor()
    choose(visitor, "save", "statistics", "customisation")
    later = revisit(visitor, declare(*edits, add=add))
    assert {purpose for purpose, state in states(later).items() if state == "unasked"} == again
    assert {state for purpose, state in states(later).items() if purpose not in again} == {"granted"}
    assert ("mixamo-ask" in later.get("/").text) == bool(again)


def test_a_refusal_stays_while_another_purpose_is_asked_again(declare):
    """A new recipient of statistics does not reopen the refusal of customisation."""
    visitor = declare().visitor()
    choose(visitor, "save", "statistics")
    later = revisit(visitor, declare(add=RECIPIENT))
    assert states(later) == {"necessary": "granted", "statistics": "unasked", "customisation": "refused"}


def test_a_smaller_threshold_needs_a_new_version_and_asks_no_one_again(declare):
    """PRIVACY_MIN_CELL changes a sentence of the page, and no fingerprint. The default changes nothing."""
    visitor = declare().visitor()
    choose(visitor, "accept_all")
    frozen(declare())
    later = declare(PRIVACY_MIN_CELL=1)
    assert "unasked" not in states(revisit(visitor, later)).values()
    diff = later.cli("policy", "diff")
    assert (diff.exit_code, diff.output.count("\n- "), diff.output.count("\n+ ")) == (1, 0, 1), diff.output
    assert declare(PRIVACY_MIN_CELL=5).cli("policy", "diff").exit_code == 0


def test_a_new_version_alone_asks_no_one_again(declare):
    """Publishing a version is no material change."""
    visitor = declare().visitor()
    choose(visitor, "accept_all")
    frozen(declare())
    assert "unasked" not in states(revisit(visitor, declare())).values()


def test_the_ledger_has_the_fingerprint_and_the_text(declare):
    """A corrected typo changes the digest of the text; a new recipient changes both."""
    rows = []
    for edits, add in ([], ""), ([(TITLE, 'title = "Statistic"')], ""), ([], RECIPIENT):
        site = declare(*edits, add=add)
        policy = site.privacy.runtime(site.app).policy
        words = proof.settings(policy, language("en"))
        choose(site.visitor(), "accept_all", shown=words.form_token)
        rows.append(site.ledger()[-1])
        assert (rows[-1]["fingerprint"], rows[-1]["text"]) == (policy.policy_fingerprint, words.digest)
        assert words.body in [text["body"] for text in site.ledger_texts() if text["digest"] == words.digest]
    assert len({row["text"] for row in rows}) == 3
    assert [row["fingerprint"] == rows[0]["fingerprint"] for row in rows] == [True, True, False]


def test_init_writes_a_start_file_and_overwrites_none(declare, tmp_path):
    """The written file is valid, and an existing one stays."""
    path = tmp_path / "new.toml"
    assert declare().cli("init", "--path", str(path)).exit_code == 0
    path.write_text("mine")
    outcome = declare().cli("init", "--path", str(path))
    assert (outcome.exit_code, path.read_text()) == (2, "mine")
    assert outcome.output == f"Error: {path} exists already. It was not changed.\n"


def test_the_record_of_processing_matches_the_declaration(declare):
    """The JSON has every purpose, cookie and period as declared."""
    found = json.loads(declare().cli("policy", "record").output)
    assert [cookie["name"] for cookie in found["cookies"]] == [
        "privacy_consent",
        "privacy_visitor",
        "privacy_events",
        "privacy_choices",
        "session",
    ]
    assert found["purposes"][1]["id"] == "statistics" and found["log"]["fields"][0] == "page"
