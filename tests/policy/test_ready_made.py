"""Ready-made services: their facts, and what a declaration that uses one becomes."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from flask_mixamo_privacy.errors import PolicyError
from flask_mixamo_privacy.i18n.language import SHIPPED, language
from flask_mixamo_privacy.policy import ready_made as module
from flask_mixamo_privacy.policy.parts import LOADS, Banner, Period
from flask_mixamo_privacy.policy.ready_made import PURPOSES, banner_text, ready_made, services_of_host
from flask_mixamo_privacy.policy.toml import START, built_in, read
from flask_mixamo_privacy.policy.validation import COOKIE_KINDS, is_period
from flask_mixamo_privacy.policy.versions import Versions
from flask_mixamo_privacy.policy.writer import derive

ENTRIES = ready_made()
GOLDEN = json.loads((Path(__file__).parent / "ready_made.json").read_text(encoding="utf-8"))
YOUTUBE = '\n[[services]]\nuse = "youtube"\n'


@pytest.fixture
def policy(tmp_path):
    """Reads the start file with these tables appended."""

    def build(tables, start=None):
        path = tmp_path / "privacy.toml"
        path.write_text((start or START.read_text(encoding="utf-8")) + tables, encoding="utf-8")
        return read(path)

    return build


# The facts.


def test_there_are_some_forty_services_of_every_purpose():
    """The list covers what sites really embed, and each purpose has one of them."""
    assert len(ENTRIES) >= 40 and {entry.service["purpose"] for entry in ENTRIES.values()} == set(PURPOSES)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.id)
def test_a_service_has_sources_and_a_date(entry):
    """The list names a page of the vendor, each page that it relies on, and the day on which they were read."""
    pages = [*entry.sources, *entry.other_sources]
    addresses = [*pages, entry.service.get("link"), *(cookie["description"] for cookie in entry.cookies)]
    assert all(address.startswith("https://") for address in addresses if address is not None)
    assert entry.sources and len(set(pages)) == len(pages)
    assert date.fromisoformat(entry.checked).year >= 2026


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.id)
def test_a_service_has_the_keys_of_the_declaration_alone(entry):
    """Hosts are plain names, and loads, kinds and lifetimes are those that a declaration may have."""
    assert entry.service.keys() <= {"id", "title", "company", "country", "purpose", "hosts", "loads", "link"}
    assert all(re.fullmatch(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+", host) for host in entry.service["hosts"])
    assert set(entry.service["loads"]) <= set(LOADS)
    for cookie in entry.cookies:
        assert cookie["lifetime"] == "session" or is_period(cookie["lifetime"])
        assert cookie["kind"] in COOKIE_KINDS and cookie["party"] in ("first", "third")


def test_two_services_share_a_host_only_if_one_company_runs_both():
    """A host means one company, so that the policy page names the right one."""
    companies = {}
    for entry in ENTRIES.values():
        for host in entry.service["hosts"]:
            companies.setdefault(host, set()).add(entry.service.get("company"))
    assert {host: names for host, names in companies.items() if len(names) > 1} == {}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.id)
def test_what_a_service_means_changes_only_on_purpose(policy, entry):
    """A changed fingerprint asks the visitors of each site again: change the golden file and the list of changes too."""
    found = policy(f'\n[[services]]\nuse = "{entry.id}"\n')
    assert found.purpose_fingerprints[entry.service["purpose"]] == GOLDEN[entry.id]


@pytest.mark.parametrize("code", SHIPPED)
def test_every_language_has_the_sentences_of_ready_made_services(code):
    """Titles and descriptions of added purposes are in the visitor's language."""
    t = language(code)
    assert {t(text).lang for texts in PURPOSES.values() for text in texts} == {code}


# The declaration that results.


def test_a_service_in_one_line_becomes_a_whole_declaration(policy):
    """The purpose, the hosts, the company and the cookies are explicit."""
    found = policy(YOUTUBE)
    (service,) = found.services
    assert (service.id, service.purpose, service.company, service.country) == ("youtube", "media", "Google LLC", "US")
    assert (found.purpose("media").title, found.purpose("media").basis) == ("Videos and sound", "consent")
    assert {cookie.name for cookie in found.cookies if cookie.service == "youtube"} >= {"VISITOR_INFO1_LIVE", "YSC"}
    assert [table["id"] for table in found.as_dict()["services"]] == ["youtube"]


def test_a_key_of_the_site_takes_precedence(policy):
    """A site may change each key of the service, its purpose and each key of a cookie."""
    tables = '\n[[services]]\nuse = "google-analytics"\nid = "visits"\npurpose = "statistics"\nhosts = ["a.example"]\n'
    found = policy(tables + '\n[[cookies]]\nname = "_ga"\nlifetime = "13 months"\n')
    assert [(s.id, s.purpose, s.hosts) for s in found.services] == [("visits", "statistics", ("a.example",))]
    assert (found.cookie("_ga").lifetime, found.cookie("_ga").service, found.cookie("_ga").kind) == (
        "13 months",
        "visits",
        "js",
    )
    assert len(found.purposes) == len(built_in().purposes)


def test_a_site_may_name_the_cookies_that_it_uses(policy):
    """The key ``cookies`` leaves out the others, and an unknown name is an error."""
    found = policy(YOUTUBE + 'cookies = ["YSC"]\n')
    assert [cookie.name for cookie in found.cookies if cookie.service] == ["YSC"]
    with pytest.raises(PolicyError, match=r"services\.youtube\.cookies is \['x'\]; allowed: a list of VISITOR_INFO1_LIVE, "):
        policy(YOUTUBE + 'cookies = ["x"]\n')


def test_an_unknown_service_raises_with_near_names(policy):
    """The error has the line, names that resemble the wrong one, and the command that lists all."""
    with pytest.raises(PolicyError) as raised:
        policy('\n[[services]]\nuse = "youtub"\n')
    assert re.fullmatch(
        r"privacy\.toml:\d+: services\.youtub\.use is 'youtub'; allowed: the id of a ready-made service\. "
        r"Similar ids: youtube\. List all ids with `flask privacy services`\.",
        str(raised.value),
    )


@pytest.mark.parametrize(
    ("section", "fields"),
    [
        ("services", ["use", "id", "title", "purpose", "hosts", "loads", "link", "company", "country", "cookies"]),
        ("cookies", ["name", "purpose", "lifetime", "description", "kind", "party", "path", "service"]),
        ("purposes", ["id", "title", "description", "basis", "reason", "retention", "minors", "ask"]),
    ],
)
@pytest.mark.parametrize("value", ["{ a = [] }", "[[]]", "[{}]", "1", "2026-12-01"])
def test_a_value_of_a_wrong_type_is_a_problem_of_its_key(policy, section, fields, value):
    """Beside a ready-made service, too, the error names the key, whatever the value is."""
    first = {"services": "", "cookies": 'name = "player"', "purposes": 'id = "x"'}[section]
    for field in fields:
        table = "" if first.startswith(field) else first
        tables = f"{YOUTUBE}\n[[{section}]]\n{table}\n{field} = {value}\n"
        if section == "services" and field != "use":
            tables += 'use = "vimeo"\n'
        with pytest.raises(PolicyError, match=rf"{section}\..+{field} is "):
            policy(tables)


def test_an_added_purpose_is_kept_as_long_as_its_longest_cookie(policy):
    """The policy page states no retention that the declaration does not have."""
    assert str(policy(YOUTUBE).purpose("media").retention) == "13 months"
    assert str(policy('\n[[services]]\nuse = "openstreetmap"\n').purpose("maps").retention) == "6 months"


def test_a_purpose_of_the_site_keeps_its_texts(policy):
    """A purpose that the site declares itself is not replaced."""
    own = '\n[[purposes]]\nid = "media"\ntitle = "Films"\ndescription = "Our films."\n'
    assert policy(own + YOUTUBE).purpose("media").title == "Films"


def test_a_cookie_of_two_services_belongs_to_neither(policy):
    """One name has one table, and switching one service off deletes no cookie of the other."""
    both = "".join(f'\n[[services]]\nuse = "google-analytics"\nid = "{name}"\n' for name in ("first", "second"))
    assert [cookie.service for cookie in policy(both).cookies if cookie.name == "_ga"] == [""]


def test_a_cookie_of_the_site_is_not_the_one_of_a_service_with_its_name(policy):
    """A name that another company uses on its own host stays free for the site, and both are on the policy page."""
    own = '\n[[cookies]]\nname = "player"\npurpose = "customisation"\nlifetime = "1 day"\ndescription = "The volume."\n'
    found = policy('\n[[services]]\nuse = "vimeo"\n' + own)
    both = [(c.party, c.purpose, c.lifetime, c.service) for c in found.cookies if c.name == "player"]
    assert sorted(both) == [("first", "customisation", "1 day", ""), ("third", "media", "1 year", "vimeo")]


@pytest.mark.parametrize("purpose", ["", 'purpose = "media"\n', 'purpose = "statistics"\nparty = "third"\n'])
def test_a_table_of_the_site_changes_the_cookie_of_a_service(policy, purpose):
    """Without a purpose of its own, or with the party of the service's cookie, the table is about that cookie."""
    found = policy(f'\n[[services]]\nuse = "vimeo"\n\n[[cookies]]\nname = "player"\nlifetime = "1 day"\n{purpose}')
    assert [(c.party, c.lifetime) for c in found.cookies if c.name == "player"] == [("third", "1 day")]


def test_texts_are_translated_on_a_site_in_another_language(policy):
    """A German site shows German titles to Germans, and French ones to the French."""
    start = START.read_text(encoding="utf-8").replace('language = "en"', 'language = "de"')
    title = policy(YOUTUBE, start).purpose("media").title
    assert (language("de").of(title, "de").text, language("fr").of(title, "de").text) == ("Videos und Ton", "Vidéos et son")


def test_the_standard_banner_names_what_was_added(policy):
    """A visitor who accepts everything has read of each added purpose. A text of the site's own stays as it is."""
    found = policy(YOUTUBE)
    assert banner_text(found, language("en")).text == f"{Banner.text} Videos and sound – {module.LOADS}"
    assert banner_text(replace(found, banner=Banner("May we?")), language("en")).text == "May we?"
    assert banner_text(built_in(), language("en")).text == Banner.text


@pytest.mark.parametrize(
    ("purpose", "service", "added"),
    [
        ("statistics", 'use = "google-analytics"', f"Statistics – {module.RECORDS}"),
        ("customisation", 'use = "youtube"', f"Customisation – {module.LOADS}"),
        (
            "statistics",
            'company = "A"\nid = "a"\ntitle = "A"\nhosts = ["a.example"]\nloads = ["script"]',
            f"Statistics – {module.LOADS}",
        ),
        ("necessary", 'use = "turnstile"', ""),
    ],
)
def test_the_standard_banner_names_other_companies_for_every_purpose(policy, purpose, service, added):
    """A purpose that the site describes itself is named too, because "our own cookies" would not be true alone."""
    found = policy(f'\n[[services]]\n{service}\npurpose = "{purpose}"\n')
    assert banner_text(found, language("en")).text == f"{Banner.text} {added}".rstrip()


def test_the_standard_banner_states_each_thing_that_the_services_of_a_purpose_do(policy):
    """One purpose may have services of both kinds."""
    found = policy(YOUTUBE + '\n[[services]]\nuse = "google-analytics"\npurpose = "media"\n')
    both = f"Videos and sound – {module.LOADS} Videos and sound – {module.RECORDS}"
    assert banner_text(found, language("en")).text == f"{Banner.text} {both}"


# Fingerprints and versions.


def test_a_declaration_without_ready_made_services_keeps_its_fingerprints():
    """The built-in policy is the one that visitors have agreed to."""
    assert built_in().policy_fingerprint == GOLDEN[""]
    assert all("company" not in service for service in built_in().as_dict()["services"])


def test_a_new_host_or_company_asks_again_and_a_new_text_does_not(policy):
    """What the visitor agreed to is hosts, recipient and cookies, and not titles or links."""
    found = policy(YOUTUBE)
    (service,) = found.services

    def fingerprint(**changes):
        return replace(found, services=(replace(service, **changes),)).purpose_fingerprints["media"]

    same = found.purpose_fingerprints["media"]
    assert fingerprint(title="Films", link="https://other.example/", use="") == same
    assert same not in (fingerprint(hosts=("a.example",)), fingerprint(company="Other"), fingerprint(country="IE"))


def test_a_frozen_version_shows_a_later_change_of_a_ready_made_service(policy, tmp_path):
    """``policy diff`` lists the row of a service whose company has changed."""
    found = policy(YOUTUBE)
    versions = Versions(str(tmp_path / "versions"), min_cell=5, provider=False)
    versions.freeze(found, "2026-12-01")
    later = replace(found, services=(replace(found.services[0], company="Other Ltd"),))
    assert [
        (change.kind, "Other Ltd" in change.text) for change in versions.drift(later) if "YouTube · " in change.text
    ] == [
        ("removed", False),
        ("added", True),
    ]


def test_what_show_prints_declares_the_same(policy, tiny):
    """A site that pastes the printed TOML keeps it, whatever a later release lists."""
    shown = tiny().cli("services", "show", "youtube").output
    purpose, _, tables = shown.partition("# [[purposes]]")[2].partition("\n\n")
    pasted = policy("\n[[purposes]]" + purpose.replace("\n# ", "\n") + '\nretention = "13 months"\n\n' + tables)
    assert pasted.purpose_fingerprints == policy(YOUTUBE).purpose_fingerprints and pasted.services[0].use == ""


# Pages.


def test_the_policy_page_names_company_country_and_lifetimes(policy):
    """The sections on other companies and on cookies have what the list knows."""
    page = derive(policy(YOUTUBE), language("de")).as_markdown()
    assert (
        "| YouTube | Google LLC | Vereinigte Staaten | Videos und Ton | www.youtube-nocookie.com, www.youtube.com |" in page
    )
    assert "| VISITOR\\_INFO1\\_LIVE | Videos und Ton | Google LLC | 6 Monate | https://policies.google.com/" in page


@pytest.mark.parametrize("path", ["/privacy/", "/privacy/consent"])
def test_a_long_name_breaks_only_after_its_signs(policy, tiny, path):
    """The HTML marks where the name of a cookie or a host may break. A copied name has no other character."""
    page = tiny(PRIVACY_POLICY=policy(YOUTUBE)).visitor().get(path).text
    assert "VISITOR_<wbr>INFO1_<wbr>LIVE" in page and "www.<wbr>youtube-<wbr>nocookie.<wbr>com" in page
    assert "VISITOR_INFO1_LIVE" not in page and "YSC" in page


@pytest.mark.parametrize("code", SHIPPED)
def test_the_settings_page_describes_a_service_in_every_language(policy, tiny, code):
    """Company, country, what is loaded and cookies are shown beside the switch, in the visitor's language."""
    page = (
        tiny(PRIVACY_POLICY=policy(YOUTUBE)).visitor(Accept_Language=code).get("/privacy/consent").text.replace("<wbr>", "")
    )
    t = language(code)
    assert f"<small>Google LLC, {t.country('US')}</small>" in page
    assert f"<small>{t('embedded pages')}: www.youtube-nocookie.com, www.youtube.com</small>" in page
    assert f"<small>{t('Cookies')}: VISITOR_INFO1_LIVE ({t.period(Period(6, 'month'))})" in page


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("fonts.gstatic.com", ["google-fonts", "google-maps"]),
        ("a.hcaptcha.com", ["hcaptcha"]),
        ("www.google.com", ["google-maps", "recaptcha"]),
        ("analytics.google.com", ["google-analytics", "google-maps"]),
        ("a.example", []),
    ],
)
def test_a_host_is_found_in_every_service_that_has_it(host, names):
    """A whole name precedes a pattern of another service."""
    assert services_of_host(host) == names


def test_no_list_is_read_without_a_use(policy, monkeypatch):
    """A site without ready-made services reads none of their files."""
    monkeypatch.setattr(module, "ready_made", lambda: pytest.fail("the files were read"))
    assert policy("").services == ()
