"""Audit reports: findings, the baseline of accepted findings, and their text and HTML forms."""

from html.parser import HTMLParser

import pytest

from flask_mixamo_privacy.audit.browser import report as baseline
from flask_mixamo_privacy.audit.browser import report as terminal
from flask_mixamo_privacy.audit.browser.evidence import Visited
from flask_mixamo_privacy.audit.browser.findings import CODES, Observation, merge_findings
from flask_mixamo_privacy.audit.browser.report import AuditReport, Picture, as_html
from flask_mixamo_privacy.audit.browser.target import AuditError

FILM, HOME = Visited("/film", "rejected"), Visited("/", "no choice", "staff")
OBSERVATIONS = [
    Observation("after-reject", "_ga", FILM, "It is set, and its purpose statistics is not granted.", "cookies._ga"),
    Observation("after-reject", "_ga", HOME, "It is set, and its purpose statistics is not granted.", "cookies._ga"),
    Observation("used-not-declared", "<b>", FILM, "A cookie in an answer of this site.", "cookies"),
]
KNOWN = """
[[known]]
code = "after-reject"
subject = "_ga"
reason = "The next release takes it out."
until = 2026-12-31
"""


def report(**more):
    findings = tuple(merge_findings(OBSERVATIONS, {"cookies._ga": 12}))
    return AuditReport("Shop", "http://127.0.0.1:1", "privacy.toml", findings, states=("no choice", "rejected"), **more)


def read(tmp_path, text):
    path = tmp_path / "privacy-audit.toml"
    path.write_text(text)
    return baseline.read(path)


def test_findings_about_one_subject_are_merged():
    """Findings are in the order of the codes, places in the order of the visit, and each names its line of the declaration."""
    first, second = report().findings
    assert (first.code, second.code, second.line) == ("used-not-declared", "after-reject", 12)
    assert second.routes == ("/film", "/") and second.states == ("rejected", "no choice")
    assert second.evidence == ("It is set, and its purpose statistics is not granted.",)


def test_the_exit_code_shows_whether_the_site_is_clean():
    """0: clean. 1: findings. 2: a page could not be audited. Accepted findings and warnings do not count."""
    seen = AuditReport("Shop", "", "", ())
    assert [one.exit_code for one in (seen, report(), AuditReport("Shop", "", "", (), unseen=(("/", "500"),)))] == [0, 1, 2]


def test_a_warning_is_shown_and_does_not_count():
    """The text marks it, JSON has its level, and the exit code stays 0."""
    found = merge_findings([Observation("ambiguous-service", "maps, bots", None, "https://a.example/ is requested.")], {})
    warned = AuditReport("Shop", "", "", tuple(found))
    assert (warned.exit_code, found[0].as_dict()["level"]) == (0, "warning")
    assert next(iter(terminal.lines(warned))) == "warning: ambiguous-service maps, bots"


def test_the_baseline_accepts_findings_until_their_date(tmp_path):
    """On the date itself the finding counts again."""
    entries = read(tmp_path, KNOWN)
    applied = baseline.apply_baseline(report(), entries, "2026-12-30")
    assert [one.code for one in applied.findings] == ["used-not-declared"]
    assert [(one.finding.subject, one.reason, one.until) for one in applied.known] == [
        ("_ga", "The next release takes it out.", "2026-12-31")
    ]
    expired = baseline.apply_baseline(report(), entries, "2026-12-31")
    assert len(expired.findings) == 2 and expired.known == ()
    assert expired.notes == ("The baseline accepted after-reject _ga until 2026-12-31: The next release takes it out.",)


def test_the_baseline_can_accept_a_finding_on_one_route(tmp_path):
    """The same thing on another route is still a finding."""
    entries = read(tmp_path, KNOWN + 'route = "/fi*"\n')
    applied = baseline.apply_baseline(report(), entries, "2026-01-01")
    assert len(applied.findings) == 2
    assert applied.notes == ("The baseline accepts after-reject _ga, which was not found. Remove the entry.",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"after-reject"', '"after"'), "privacy-audit.toml: code of [[known]] number 1 is 'after'; allowed: " + ", ".join(CODES) + "."),
        (('subject = "_ga"', ""), "privacy-audit.toml: subject of [[known]] number 1 is missing; allowed: the finding's subject, in quotes."),
        (('"The next release takes it out."', '" "'), "privacy-audit.toml: reason of [[known]] number 1 is ' '; allowed: a text that explains why the finding is accepted."),
        (("2026-12-31", '"soon"'), "privacy-audit.toml: until of [[known]] number 1 is 'soon'; allowed: the date on which it counts again, such as "
         "2027-01-31, without quotes."),
        (("reason", "because"), "privacy-audit.toml: because of [[known]] number 1 is 'The next release takes it out.'; allowed: code, reason, "
         "route, subject, until."),
        (("[[known]]", "[[knwon]]"), "privacy-audit.toml is not a valid baseline; allowed: [[known]] tables only. Remove everything else."),
    ],
)  # fmt: skip
def test_an_invalid_baseline_raises_an_error_with_what_is_allowed(tmp_path, change, message):
    """No finding is accepted by mistake."""
    with pytest.raises(AuditError) as raised:
        read(tmp_path, KNOWN.replace(*change))
    assert str(raised.value) == message


def test_the_text_report_shows_finding_place_and_next_step():
    """Each finding is one paragraph, and the result is last."""
    shown = list(terminal.lines(report(routes=("/", "/film"), pages=4, requests=9, seconds=3.2)))
    at = shown.index("after-reject _ga  [privacy.toml:12]")
    assert shown[at + 1 : at + 6] == [
        "  " + CODES["after-reject"].message,
        "  - It is set, and its purpose statistics is not granted.",
        "  at /film (rejected)",
        "  at / (no choice, signed in as staff)",
        "  " + CODES["after-reject"].hint,
    ]
    assert shown[0] == "used-not-declared <b>  [privacy.toml, under cookies]"
    assert shown[-1] == "2 findings: 2 routes in 2 states, 4 pages, 9 requests, 3 s."


def test_the_page_is_one_file_that_loads_nothing_and_runs_nothing():
    """Images are embedded, the site's name is escaped, and the page's own policy forbids everything else."""

    class Reader(HTMLParser):
        sources, tags = [], set()

        def handle_starttag(self, tag, attributes):
            self.tags.add(tag)
            self.sources += [value for name, value in attributes if name in ("src", "href")]

    text = as_html(report(timestamp="2026-11-24T08:00:00.000Z", pictures={(FILM, ""): Picture("The film", b"jpeg")}))
    reader = Reader()
    reader.feed(text)
    assert all(source.startswith(("#", "data:image/jpeg;base64,")) for source in reader.sources)
    assert {"script", "link", "b"} & reader.tags == set() and "&lt;b&gt;" in text
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


def test_the_documented_names_of_the_audit_can_be_imported():
    """``audit``, ``Report`` and ``AuditError`` are public names of the package, and any other name is an error."""
    from flask_mixamo_privacy import audit as package

    assert (package.Report, package.AuditError) == (AuditReport, AuditError) and callable(package.audit)
    with pytest.raises(AttributeError, match="no missing"):
        package.missing  # noqa: B018
