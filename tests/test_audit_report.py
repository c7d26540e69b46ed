"""What an audit comes to: findings, a baseline that puts up with some for a while, and how both are shown."""

from html.parser import HTMLParser

import pytest

from flask_mixamo_privacy.audit import baseline, terminal
from flask_mixamo_privacy.audit.evidence import Place
from flask_mixamo_privacy.audit.finding import CODES, Told, gather
from flask_mixamo_privacy.audit.page import as_html
from flask_mixamo_privacy.audit.report import Picture, Report
from flask_mixamo_privacy.audit.trouble import CouldNotLook

FILM, HOME = Place("/film", "rejected"), Place("/", "no choice", "staff")
TOLD = [
    Told("after-reject", "_ga", FILM, "It is set, and its purpose statistics is not granted.", "cookies._ga"),
    Told("after-reject", "_ga", HOME, "It is set, and its purpose statistics is not granted.", "cookies._ga"),
    Told("used-not-declared", "<b>", FILM, "A cookie in an answer of this site.", "cookies"),
]
KNOWN = """
[[known]]
code = "after-reject"
subject = "_ga"
reason = "The next release takes it out."
until = 2026-12-31
"""


def report(**more):
    findings = tuple(gather(TOLD, {"cookies._ga": 12}))
    return Report("Shop", "http://127.0.0.1:1", "privacy.toml", findings, states=("no choice", "rejected"), **more)


def read(tmp_path, text):
    path = tmp_path / "privacy-audit.toml"
    path.write_text(text)
    return baseline.read(path)


def test_one_finding_for_everything_told_of_one_thing():
    """In the order of the codes, with the places in the order of a visit, and the line of the declaration."""
    first, second = report().findings
    assert (first.code, second.code, second.line) == ("used-not-declared", "after-reject", 12)
    assert second.routes == ("/film", "/") and second.states == ("rejected", "no choice")
    assert second.evidence == ("It is set, and its purpose statistics is not granted.",)


def test_the_exit_code_says_whether_it_is_clean():
    """0 clean, 1 findings, 2 something could not be seen; what is known does not count."""
    seen = Report("Shop", "", "", ())
    assert [one.exit_code for one in (seen, report(), Report("Shop", "", "", (), unseen=(("/", "500"),)))] == [0, 1, 2]


def test_the_baseline_sets_known_findings_apart_until_they_are_over(tmp_path):
    """The day itself counts again."""
    entries = read(tmp_path, KNOWN)
    held = baseline.hold(report(), entries, "2026-12-30")
    assert [one.code for one in held.findings] == ["used-not-declared"]
    assert [(one.finding.subject, one.reason, one.until) for one in held.known] == [
        ("_ga", "The next release takes it out.", "2026-12-31")
    ]
    over = baseline.hold(report(), entries, "2026-12-31")
    assert len(over.findings) == 2 and over.known == ()
    assert over.notes == ("The baseline put up with after-reject _ga until 2026-12-31: The next release takes it out.",)


def test_the_baseline_may_speak_of_one_route_alone(tmp_path):
    """Then the same thing elsewhere is a finding."""
    entries = read(tmp_path, KNOWN + 'route = "/fi*"\n')
    held = baseline.hold(report(), entries, "2026-01-01")
    assert len(held.findings) == 2
    assert held.notes == ("The baseline knows of after-reject _ga, which was not found: take it out.",)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('"after-reject"', '"after"'), "privacy-audit.toml: code of [[known]] number 1 is 'after'; allowed: " + ", ".join(CODES) + "."),
        (('subject = "_ga"', ""), "privacy-audit.toml: subject of [[known]] number 1 is missing; allowed: the finding's subject, in quotes."),
        (('"The next release takes it out."', '" "'), "privacy-audit.toml: reason of [[known]] number 1 is ' '; allowed: why it is put up with."),
        (("2026-12-31", '"soon"'), "privacy-audit.toml: until of [[known]] number 1 is 'soon'; allowed: the day from which it counts again, such as "
         "2027-01-31, without quotes."),
        (("reason", "because"), "privacy-audit.toml: because of [[known]] number 1 is 'The next release takes it out.'; allowed: code, reason, "
         "route, subject, until."),
        (("[[known]]", "[[knwon]]"), "privacy-audit.toml is no baseline: it has [[known]] tables and nothing else."),
    ],
)  # fmt: skip
def test_a_baseline_that_cannot_be_used_says_what_is_allowed(tmp_path, change, says):
    """Nothing is put up with by mistake."""
    with pytest.raises(CouldNotLook) as raised:
        read(tmp_path, KNOWN.replace(*change))
    assert str(raised.value) == says


def test_the_terminal_shows_what_where_and_what_to_do():
    """One paragraph a finding, and the outcome last."""
    shown = list(terminal.lines(report(routes=("/", "/film"), pages=4, requests=9, seconds=3.2)))
    at = shown.index("after-reject _ga  [privacy.toml:12]")
    assert shown[at + 1 : at + 6] == [
        "  " + CODES["after-reject"].means,
        "  - It is set, and its purpose statistics is not granted.",
        "  at /film (rejected)",
        "  at / (no choice, signed in as staff)",
        "  " + CODES["after-reject"].hint,
    ]
    assert shown[0] == "used-not-declared <b>  [privacy.toml, under cookies]"
    assert shown[-1] == "2 findings: 2 routes in 2 states, 4 pages, 9 requests, 3 s."


def test_the_page_is_one_file_that_loads_nothing_and_runs_nothing():
    """Pictures are inside; what a site is called by is never taken for HTML; its own policy forbids the rest."""

    class Reader(HTMLParser):
        sources, tags = [], set()

        def handle_starttag(self, tag, attributes):
            self.tags.add(tag)
            self.sources += [value for name, value in attributes if name in ("src", "href")]

    text = as_html(report(at="2026-11-24T08:00:00.000Z", pictures={(FILM, ""): Picture("The film", b"jpeg")}))
    reader = Reader()
    reader.feed(text)
    assert all(source.startswith(("#", "data:image/jpeg;base64,")) for source in reader.sources)
    assert {"script", "link", "b"} & reader.tags == set() and "&lt;b&gt;" in text
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
