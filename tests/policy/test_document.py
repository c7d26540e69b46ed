"""The policy page: it contains everything that is declared and nothing else, in three formats."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import FileSystemBytecodeCache
from markupsafe import escape
from test_toml import FULL

from flask_mixamo_privacy import Policy, Privacy
from flask_mixamo_privacy.i18n.language import SHIPPED, language
from flask_mixamo_privacy.policy.parts import (
    LOADS,
    LOG_FIELDS,
    CollectionPoint,
    Contact,
    Cookie,
    Field,
    Log,
    Marketing,
    Minors,
    Notices,
    Period,
    Purpose,
    Recipient,
    Requests,
    Retention,
    Service,
)
from flask_mixamo_privacy.policy.promises import PROMISES
from flask_mixamo_privacy.policy.toml import read
from flask_mixamo_privacy.policy.validation import FIELD_KINDS
from flask_mixamo_privacy.policy.writer import derive

THRESHOLD = "No total is linked to a person: figures based on fewer than %(number)s visitors are not shown."
UNSUPPRESSED = (
    "No total names a visitor, but a total based on a single visitor is shown too, and reveals what that visitor did."
)
COUNTRIES = {"DE": "Germany", "FR": "France", "JP": "Japan", "US": "United States"}
LOADED = {
    "script": "scripts",
    "style": "style sheets",
    "image": "images",
    "font": "fonts",
    "frame": "embedded pages",
    "connect": "data requests",
    "media": "sound and video",
}
STORAGE = {
    "js": "JavaScript",
    "local": "localStorage",
    "session": "sessionStorage",
    "idb": "IndexedDB",
    "cache": "Cache Storage",
    "worker": "Service Worker",
}
LOGGED = {
    "page": "the page",
    "previous": "before it",
    "referrer": "the site you came from",
    "browser": "your browser",
    "platform": "your operating system",
    "provider": "your internet provider",
    "network": "your IP address, shortened",
    "data": "what you clicked",
}


class Page(HTMLParser):
    """The text of a page's article, and the first cell of every row by section."""

    def __init__(self, text):
        super().__init__()
        self.text, self.rows, self.sections = "", {}, []
        self._section = self._row = ""
        self.feed(text.partition("<article")[2])

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "section":
            self._section = found["id"]
            self.sections.append(self._section)
        if found.get("scope") == "row":
            self.rows.setdefault(self._section, []).append("")
            self._row = self._section
        if tag == "td":
            self._row = ""

    def handle_data(self, data):
        self.text += data
        if self._row:
            self.rows[self._row][-1] += data

    def handle_endtag(self, tag):
        if tag == "th":
            self._row = ""


def promised(text):
    """Return the numbers in a page's data-promise attributes."""
    return {int(number) for numbers in re.findall(r'data-promise="([\d ]+)"', text) for number in numbers.split()}


words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20)
ids = st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True)
periods = st.builds(Period, st.integers(1, 36), st.sampled_from(["day", "month"]))
hosts = st.from_regex(r"(\*\.)?[a-z]{1,8}\.example", fullmatch=True)
links = ids.map("https://{}.example/privacy".format)


def some(strategy, **limits):
    return st.lists(strategy, max_size=3, unique=True, **limits).map(tuple)


def unique_ids(*taken):
    return some(ids.filter(lambda one: one not in taken))


@st.composite
def policies(draw):
    """Generate a valid policy of any size."""
    retention = Retention(draw(periods), draw(periods), draw(periods), draw(periods))
    purposes = [Purpose("necessary", draw(words), draw(words), "necessary", draw(words), draw(periods))]
    cookies = [Cookie("privacy_consent", "necessary", f"{draw(st.integers(1, 182))} days", draw(words))]
    for name, cookie in (("statistics", "privacy_visitor"), ("customisation", "privacy_choices")):
        if draw(st.booleans()):
            purposes.append(Purpose(name, draw(words), draw(words), retention=retention.events))
            cookies.append(Cookie(cookie, name, f"{draw(st.integers(1, 395))} days", draw(words)))
    for name in draw(unique_ids("necessary", "statistics", "customisation")):
        purposes.append(Purpose(name, draw(words), draw(words), "consent", retention=draw(periods)))
    device = st.sampled_from([purpose.id for purpose in purposes])
    for name in draw(unique_ids()):
        bases = st.sampled_from(["contract", "legal_obligation", "legitimate_interest"])
        if name not in {purpose.id for purpose in purposes}:
            purposes.append(Purpose(name, draw(words), draw(words), draw(bases), retention=draw(periods)))
    lifetimes = st.one_of(st.just("session"), periods.map(str))
    for name in draw(some(words.filter(lambda one: not one.startswith("privacy_")))):
        kind = draw(st.sampled_from(["http", "js", "local", "session", "idb", "cache", "worker"]))
        cookies.append(
            Cookie(name, draw(device), draw(lifetimes), draw(words), kind, draw(st.sampled_from(["first", "third"])))
        )
    used = some(st.sampled_from([purpose.id for purpose in purposes]), min_size=1)
    fields = tuple(Field(name, draw(st.sampled_from(FIELD_KINDS)), draw(words)) for name in draw(unique_ids(*LOG_FIELDS)))
    known = st.sampled_from([*LOG_FIELDS, *(field.name for field in fields)])
    return Policy(
        site=draw(words),
        purposes=tuple(purposes),
        contact=draw(st.none() | st.builds(Contact, words, ids.map("{}@post.example".format), words)),
        cookies=tuple(cookies),
        services=tuple(
            Service(
                name,
                draw(words),
                draw(device),
                draw(some(hosts, min_size=1)),
                draw(some(st.sampled_from(LOADS), min_size=1)),
                draw(links),
            )
            for name in draw(unique_ids())
        ),
        fields=fields,
        collection=tuple(
            CollectionPoint(name, draw(words), draw(used), draw(words), draw(some(known))) for name in draw(unique_ids())
        ),
        recipients=tuple(
            Recipient(
                name,
                draw(words),
                draw(words),
                draw(used),
                draw(some(known, min_size=1)),
                draw(st.sampled_from(sorted(COUNTRIES))),
                draw(links),
            )
            for name in draw(unique_ids("sale-of-data"))
        ),
        log=Log(draw(some(st.sampled_from(LOG_FIELDS)))),
        retention=retention,
        minors=draw(st.none() | st.builds(Minors, st.integers(13, 18))),
        requests=draw(st.none() | st.builds(Requests, st.integers(1, 30))),
        marketing=draw(st.none() | st.builds(Marketing, ids.map("{}@out.example".format))),
        notices=draw(
            st.builds(
                Notices,
                *[st.booleans() | words for _ in ("security", "changes", "links", "postings", "licence", "law", "transfer")],
            )
        ),
        version=draw(st.sampled_from(["", "2026-05-08"])),
    )


def listed_in(policy):
    """Yield every text of a policy's lists that the page must contain."""
    for purpose in policy.purposes:
        yield from (purpose.title, purpose.description, purpose.reason, str(purpose.retention))
    for cookie in policy.cookies:
        yield from (cookie.name, cookie.description, lifetime_of(cookie))
    for service in policy.services:
        yield from (service.title, *service.hosts, *(LOADED[kind] for kind in service.loads), service.link)
    for point in policy.collection:
        yield from (point.title, *labels(policy, point.required), *labels(policy, point.optional))
    for recipient in policy.recipients:
        yield from (recipient.name, recipient.role, *labels(policy, recipient.fields))
        yield from (COUNTRIES[recipient.country], recipient.link)
    for field in policy.fields if policy.collection else ():
        yield from (field.title, field.description, field.kind)


def labels(policy, names):
    """Return the words for each field: its label, or the log's words."""
    titles = {field.name: field.title for field in policy.fields}
    return [titles.get(name) or LOGGED[name] for name in names]


def lifetime_of(cookie):
    return "Until you close the browser" if cookie.lifetime == "session" else str(Period.parse(cookie.lifetime))


def texts_of_tables(policy):
    """Yield every text of the policy's single tables."""
    kept, notices = policy.retention, policy.notices
    yield policy.site
    if "statistics" in policy.purpose_fingerprints:
        yield from (str(kept.events), str(kept.aggregates))
        yield from (LOGGED[name] for name in policy.log.fields if name != "provider")
    if policy.contact is not None:
        yield from (policy.contact.name, policy.contact.address, policy.contact.email)
    if policy.minors is not None:
        yield f"children under {policy.minors.age}."
    if policy.requests is not None:
        yield from (f"within {policy.requests.days} days", str(kept.archives))
    if policy.marketing is not None:
        yield policy.marketing.unsubscribe
    notice_texts = (notices.security, notices.changes, notices.links, notices.law, notices.transfer)
    yield from (notice for notice in notice_texts if isinstance(notice, str))


def rows_of(policy):
    """Return the first cell of every expected row, by section."""
    fields = [field.title for field in policy.fields]
    cells_by_section = {
        "purposes": [purpose.title for purpose in policy.purposes],
        "collection": [point.title for point in policy.collection] + fields,
        "cookies": [c.name if c.kind == "http" else f"{c.name} ({STORAGE[c.kind]})" for c in policy.cookies],
        "recipients": [recipient.name for recipient in policy.recipients],
        "services": [service.title for service in policy.services],
    }
    return {name: rows for name, rows in cells_by_section.items() if rows}


def sections_of(policy):
    """Return the policy's sections in order."""
    notices, log = policy.notices, "statistics" in policy.purpose_fingerprints
    sections = {
        "summary": True,
        "scope": True,
        "purposes": True,
        "collection": policy.collection or policy.fields or notices.licence or notices.postings,
        "cookies": True,
        "log": log,
        "aggregates": log,
        "recipients": True,
        "services": policy.services,
        "disclosure": notices.law or notices.transfer,
        "links": notices.links,
        "children": policy.minors,
        "opting-out": policy.marketing,
        "rights": policy.requests,
        "security": notices.security,
        "changes": notices.changes or policy.version,
    }
    return [name for name, is_present in sections.items() if is_present]


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Return a function that gets a page of a site with this policy, without Accept-Language."""
    folder = tmp_path_factory.mktemp("document")
    compiled = FileSystemBytecodeCache(str(folder))  # many sites are built from the same templates

    def get(policy, path="/privacy/", **headers):
        app = Flask("documented", instance_path=str(folder / "instance"))
        app.config.update(SECRET_KEY="not a secret, a test", TESTING=True, PRIVACY_POLICY=policy)
        app.config["PRIVACY_ASSETS_DIR"] = str(folder)
        Privacy(app)
        app.jinja_env.bytecode_cache = compiled
        response = app.test_client().get(path, headers=headers)
        assert response.status_code == 200
        return response

    return get


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The declaration with every kind of table, published once."""
    path = tmp_path_factory.mktemp("full") / "privacy.toml"
    path.write_text(FULL)
    return replace(read(path), version="2026-05-08")


any_policy = given(policy=policies())
slowly = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slowly
@any_policy
def test_promise_2_everything_declared_is_on_the_page(ask, policy):
    """For any policy, the page's text contains every title, name, host, field, link and period."""
    page = Page(ask(policy).text)
    assert [text for text in (*listed_in(policy), *texts_of_tables(policy)) if text not in page.text] == []


@slowly
@any_policy
def test_promise_2_nothing_undeclared_is_on_the_page(ask, policy):
    """For any policy, each table has one row for each declared item and no other, and no section is superfluous."""
    page = Page(ask(policy).text)
    assert page.rows == rows_of(policy)
    assert page.sections == sections_of(policy)
    log = page.text.partition("the number of your cookie, and:")[2].partition("These log files")[0]
    unlogged = (set(LOG_FIELDS) - set(policy.log.fields)) | {"provider"}
    assert [name for name in unlogged if LOGGED[name] in log.replace("the page before it", "before it")] == []


@slowly
@any_policy
def test_promise_2_html_markdown_and_json_have_the_same_content(ask, policy):
    """For any policy, the three formats have the same sections, sentences and cells."""
    found = ask(policy, "/privacy/policy.json").json
    text, markdown = Page(ask(policy).text).text, ask(policy, "/privacy/policy.md").text.replace("\\", "")
    sentences = [sentence["text"] for section in found["sections"] for sentence in section["sentences"]]
    cells = [cell for section in found["sections"] for table in section["tables"] for row in table["rows"] for cell in row]
    assert [
        text_part
        for text_part in (*sentences, *cells)
        if text_part not in text or text_part.replace("\\", "") not in markdown
    ] == []
    assert found["declaration"] == json.loads(json.dumps(policy.as_dict()))


def without(policy, section, name):
    """Return the policy without the item of this id or name."""
    kept = [item for item in getattr(policy, section) if name not in (getattr(item, "id", ""), getattr(item, "name", ""))]
    assert len(kept) == len(getattr(policy, section)) - 1
    return replace(policy, **{section: tuple(kept)})


@pytest.mark.parametrize(
    ("section", "name", "removed"),
    [
        ("cookies", "basket", "basket (localStorage)"),
        ("services", "films", "*.films.example"),
        ("collection", "feedback", "Feedback"),
        ("collection", "posting", "Gallery"),
        ("recipients", "bank", "Bank of Figures"),
        ("recipients", "parcels", "https://parcels.example/privacy"),
        ("purposes", "marketing", "News by mail."),
    ],
)
def test_promise_2_a_removed_item_disappears_from_the_text(ask, full, section, name, removed):
    """An item removed from the declaration is no longer on the page."""
    plain = replace(full, promises=(), collection=tuple(p for p in full.collection if p.id != "newsletter"))
    assert removed in Page(ask(plain).text).text
    assert removed not in Page(ask(without(plain, section, name)).text).text


@pytest.mark.parametrize(
    ("change", "was", "now"),
    [
        ({"retention": Retention(Period(7, "month"))}, "deleted after 12 months", "deleted after 7 months"),
        ({"retention": Retention(aggregates=Period(3, "year"))}, "Totals are kept for 24 months", "Totals are kept for 3 years"),
        ({"retention": Retention(archives=Period(5, "day"))}, "for up to 60 days", "for up to 5 days"),
        ({"retention": Retention(decisions=Period(4, "year"))}, "5 years", "4 years"),
        ({"requests": Requests(9)}, "within 20 days", "within 9 days"),
        ({"minors": Minors(16)}, "children under 14", "children under 16"),
        ({"contact": Contact("Eve", "eve@figures.example")}, "privacy@figures.example", "eve@figures.example"),
        ({"log": Log(("page",))}, "your browser (without its version)", "the page."),
        ({"notices": Notices(law="The law first.")}, "if the law requires it", "The law first."),
    ],
)  # fmt: skip
def test_promise_2_a_changed_item_changes_in_the_text(ask, full, change, was, now):
    """The new text replaces the old one."""
    before, after = (Page(ask(policy).text).text for policy in (full, replace(full, promises=(), **change)))
    assert was in before and now not in before
    assert was not in after and now in after


def test_a_field_that_only_a_recipient_gets_is_explained(full):
    """A recipient's fields are explained even if no form collects them."""
    policy = replace(full, promises=(), collection=())
    assert "Where the parcel goes." in derive(policy, language("en")).as_markdown()


def test_without_recipients_and_services_the_page_mentions_none(ask, full):
    """The page has no empty table and no sentence that refers to one. The page still states that no data is sold."""
    page = Page(ask(replace(full, promises=(), recipients=(), services=())).text)
    assert "services" not in page.sections and "recipients" not in page.rows
    assert "The following companies" not in page.text and "do not sell, trade or rent" in page.text


@pytest.mark.parametrize(("declares", "looked_up", "mentioned"), [(1, 1, True), (1, 0, False), (0, 1, False), (0, 0, False)])
def test_promise_14_the_provider_is_mentioned_only_if_it_is_looked_up(full, declares, looked_up, mentioned):
    """The provider is mentioned only if it is both declared and configured."""
    policy = replace(full, log=Log(("page", "provider") if declares else ("page",)))
    assert ("provider" in derive(policy, language("en"), provider=bool(looked_up)).as_markdown()) is mentioned


def test_promise_24_the_page_states_the_smallest_number_in_reports(tiny, full):
    """The number is the setting PRIVACY_MIN_CELL, which the reports apply."""
    assert "based on fewer than 9 visitors" in tiny(PRIVACY_POLICY=full, PRIVACY_MIN_CELL=9).visitor().get("/privacy/").text


@pytest.mark.parametrize("path", ["/privacy/", "/privacy/policy.md", "/privacy/policy.json"])
def test_promise_24_without_suppression_the_page_states_no_threshold(tiny, full, path):
    """With PRIVACY_MIN_CELL = 1 the page, the Markdown and the JSON state what a total can reveal."""
    text = tiny(PRIVACY_POLICY=full, PRIVACY_MIN_CELL=1).visitor().get(path).text
    assert UNSUPPRESSED in text and "fewer than" not in text and "No total is linked" not in text


@pytest.mark.parametrize("code", SHIPPED)
def test_promise_24_it_is_stated_in_every_language(full, code):
    """No language falls back to English, or promises a threshold."""
    t = language(code)
    sentence = t(UNSUPPRESSED)
    texts = {number: derive(full, t, min_cell=number).as_markdown() for number in (1, 2, 5)}
    assert (sentence.lang, sentence.text in texts[1]) == (code, True) and sentence.text not in texts[2] + texts[5]
    assert t(THRESHOLD, number=1).text not in texts[1] and t(THRESHOLD, number=5).text in texts[5]


def test_markup_in_a_declaration_is_text(ask, full):
    """A title with markup appears literally in every format."""
    title = """<b>Us & "them"</b> | 'x' <script>alert(1)</script> [a](b) `c` *d*"""
    policy = replace(full, purposes=(*full.purposes, Purpose("odd", title, title)), site=title)
    text = ask(policy).text
    assert "<b>" not in text and "alert(1)</script>" not in text and str(escape(title)) in text
    assert Page(text).rows["purposes"][-1] == title
    assert ask(policy, "/privacy/policy.json").json["sections"][2]["tables"][0]["rows"][-1][0] == title
    assert (
        r"\<b\>Us & " in ask(policy, "/privacy/policy.md").text
        and r"\| 'x' \<script\>" in ask(policy, "/privacy/policy.md").text
    )


@pytest.mark.parametrize("number", range(1, 46))
def test_a_policy_with_all_promises_states_each_on_its_page(ask, full, number):
    """Each promise's number is in the data attribute of its sentence or table."""
    assert full.promises == tuple(range(1, 46))
    assert number in promised(ask(full).text)


@pytest.mark.parametrize("text", [True, "We do what we can.", {"en": "We do what we can.", "de": "Was wir können."}])
def test_promises_40_to_42_can_be_in_the_sites_own_words(ask, full, text):
    """A site's own text on security replaces the standard text with all its promises."""
    assert {40, 41, 42} <= promised(ask(replace(full, notices=replace(full.notices, security=text))).text)


def test_a_policy_with_few_promises_states_few(ask, full):
    """Without declarations for marketing, children, requests or links, the page promises nothing about them."""
    small = Policy(site="Small", purposes=full.purposes[:1], cookies=full.cookies[:1], notices=Notices(False, False))
    assert promised(ask(small).text) == {1, 2, 3, 4, 5, 8, 11, 12, 13, 18, 22, 25, 27}


def test_every_promise_has_its_number():
    """The table of promises is complete."""
    assert list(PROMISES) == list(range(1, 46))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("image/png", "text/html; charset=utf-8"),
        ("text/markdown", "text/markdown; charset=utf-8"),
        ("text/markdown, text/html;q=0.5", "text/markdown; charset=utf-8"),
        ("application/json", "application/json"),
    ],
)
def test_the_format_is_negotiated(ask, full, accept, kind):
    """One address has three formats, and the response varies by the headers that chose one."""
    response = ask(full, Accept=accept)
    assert response.content_type == kind
    assert {"Accept", "Accept-Language"} <= set(response.headers["Vary"].split(", "))


@pytest.mark.parametrize(
    ("path", "kind"), [("policy.md", "text/markdown; charset=utf-8"), ("policy.json", "application/json")]
)
def test_each_format_has_its_own_address(ask, full, path, kind):
    """The address ignores the Accept header, can be linked to, and varies only by language."""
    response = ask(full, f"/privacy/{path}", Accept="text/html")
    assert (response.content_type, response.headers["Vary"]) == (kind, "Accept-Language")


def test_promise_27_the_gpc_resource_states_support(ask, full):
    """As the specification requires, it contains true and the date of the last change."""
    response = ask(full, "/.well-known/gpc.json")
    assert (response.content_type, response.json) == ("application/json", {"gpc": True, "lastUpdate": "2026-05-08"})


def test_promise_27_without_a_version_the_gpc_resource_has_no_date(ask, full):
    """The key is omitted, because an empty text is no date."""
    assert ask(replace(full, version=""), "/.well-known/gpc.json").json == {"gpc": True}


def test_promise_45_last_updated_is_the_versions_day(ask, full):
    """The date is in the page's metadata and at the end of its text. Without a version, neither exists."""
    text, unpublished = ask(full).text, ask(replace(full, version="")).text
    assert '<time datetime="2026-05-08"' in text and "Last updated: May 8, 2026." in text
    assert "<time" not in unpublished and "Last updated" not in unpublished
