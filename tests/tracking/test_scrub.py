"""Scrubbing of page addresses and network addresses."""

import base64
import random
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import ua_parser
from hypothesis import given
from hypothesis import strategies as st

from flask_mixamo_privacy.tracking.scrub import client_of, network_of, scrub_path, scrub_text, split_referrer


@pytest.mark.parametrize(
    ("path", "scrubbed"),
    [
        ("/", "/"),
        ("", "/"),
        ("/animations/walk-cycle-2024-v2", "/animations/walk-cycle-2024-v2"),
        ("/how-to-make-a-character-run-in-12-frames", "/how-to-make-a-character-run-in-12-frames"),
        ("/item/12345678", "/item/12345678"),
        ("/Ärger/straße", "/Ärger/straße"),
        ("/releases/3.12.1rc1", "/releases/3.12.1rc1"),
        ("/2026/05/08/a-post", "/2026/05/08/a-post"),
        ("/users/a@b.example", "/users/:email"),
        ("/users/a%40b.example/orders", "/users/:email/orders"),
        ("/reset/550e8400-e29b-41d4-a716-446655440000", "/reset/:token"),
        ("/reset/ImFAYi5jIg.aRk2Lw.Xh3kQ9vT1yZ0pLmNbVcXsDfGhJk", "/reset/:token"),
        ("/confirm/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP", "/confirm/:token"),
        ("/t/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/t/:token"),
        ("/call/0049301234567", "/call/:number"),
        ("/a?x=1#y", "/a"),
        ("/a%00b", "/a\N{REPLACEMENT CHARACTER}b"),
    ],
)
def test_a_path_keeps_words_and_loses_identifiers(path, scrubbed):
    """Words and small numbers stay; mail addresses, long numbers and tokens are removed."""
    assert scrub_path(path) == scrubbed


SUPPORT = Path(__file__).parents[1] / "support"
KINDS = (":email", ":address", ":number", ":token")


def corpus(name):
    """Return the paths in a file: the lines that begin with a slash."""
    lines = (SUPPORT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("/")]


def is_scrubbed(text):
    return any(kind in text for kind in KINDS)


INNOCENT, PERSONAL = corpus("innocent_paths.txt"), corpus("personal_paths.txt")


def test_no_personal_path_is_kept():
    """Of 150 paths with a mail address, telephone number, card, account, network address or token, none is missed."""
    kept = [path for path in PERSONAL if not is_scrubbed(scrub_path(path))]
    assert kept == [] and len(PERSONAL) >= 150


def test_innocent_paths_stay_readable():
    """Of 350 paths of shops, blogs, docs, wikis and forums, fewer than one in a hundred changes."""
    changed = {path: scrub_path(path) for path in INNOCENT if scrub_path(path) != shown(path)}
    assert len(changed) / len(INNOCENT) < 0.01 and len(INNOCENT) >= 350, changed


def shown(path):
    return unquote(path.partition("?")[0].partition("#")[0]).partition("#")[0]


def test_values_follow_the_rules_of_paths():
    """A value loses what a segment loses, also inside a sentence, and an innocent value stays as it is."""
    values = [path.partition("/")[2].partition("/")[2] or path[1:] for path in PERSONAL]
    kept = [value for value in values if not is_scrubbed(scrub_text(f"Please use {value} today"))]
    assert kept == []
    changed = [path for path in INNOCENT if scrub_text(path) != path]
    assert len(changed) / len(INNOCENT) < 0.01, changed


def test_referrers_follow_the_rules_of_paths():
    """The page of another site loses what a path loses."""
    paths = [quote(path, safe="/%&;:@+=[]()") for path in PERSONAL]
    kept = [path for path in paths if not is_scrubbed(split_referrer(f"https://other.example{path}", "me.example")[1])]
    assert kept == []


@pytest.mark.parametrize(
    ("value", "scrubbed"),
    [
        ("ada%40mail.example", ":email"),
        ("ada%2525252525252540mail.example", ":email"),
        ("write to ada @ mail.example", "write to :email"),
        ("email=ada@mail.example;phone=+49 30 123456", ":email;phone=:number"),
        ("ada@mail.example,eve@mail.example;cy@mail.example", ":email,:email;:email"),
        ("ada\uff20mail.example", ":email"),
        ("ada&#64;mail.example", ":email"),
        ("call +49 30 1234567 now", "call :number now"),
        ("call 030 / 1234567, or 030-7654321", "call :number, or :number"),
        ("DE89 3704 0044 0532 0130 00", ":number"),
        ("GB82 WEST 1234 5698 7654 32", ":number"),
        ("pay NL91 ABNA 0417 1643 00 or GB82_WEST_1234_5698_7654_32 today", "pay :number or :number today"),
        ("from 203.0.113.77 at 12:30:45", "from :address at 12:30:45"),
        ('"ada lovelace"@mail.example wrote', ":email wrote"),
        ("ada\u200d@\u200dmail.example", ":email"),
        ("ada&#64mail.example", ":email"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("soft\u00adware", "software"),
        ("[2001:db8::1]:443", "[:address]:443"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP", "Bearer :token"),
        ("v=dQw4w9WgXcQ&t=10", ":token"),
        ("v=Zi_XLOBDo_Y", ":token"),
        ("2,147,483,647 bytes", "2,147,483,647 bytes"),
        ("ISBN 0-8044-2957-X", "ISBN 0-8044-2957-X"),
        ("100%25 wool, size 42, 2026-05-08T12:30:00Z", "100%25 wool, size 42, 2026-05-08T12:30:00Z"),
        ("10, 20, 30, 40, 50, 60, 70, 80", "10, 20, 30, 40, 50, 60, 70, 80"),
    ],
)
def test_a_value_loses_what_identifies_a_person(value, scrubbed):
    """Each identifier is replaced by its kind, however it is written, and the rest of the text stays."""
    assert scrub_text(value) == scrubbed


def test_few_video_ids_are_taken_for_words():
    """Of a thousand random ids of eleven characters, fewer than one in twenty is kept."""
    chance = random.Random(1)  # noqa: S311 — invented data needs no secret
    ids = [base64.urlsafe_b64encode(chance.randbytes(8))[:11].decode() for _ in range(1000)]
    assert sum(scrub_path(f"/watch/{name}") != "/watch/:token" for name in ids) < 50


@pytest.mark.parametrize("part", ["a@", "1-", "%25", "&#", "0:", "aB1", "1.", "(", "DE12-", "\ufdfa", "/030/123", " @"])
def test_a_scrubbed_text_is_bounded(part):
    """A hostile text of any length is cut before it is examined, and has at most 200 characters."""
    assert len(scrub_path(part * 50_000)) <= 200 and len(scrub_text(part * 50_000)) <= 200


@given(st.text())
def test_a_scrubbed_path_has_no_mail_address_and_bounded_length(path):
    """A page name never contains an @ and has at most 200 characters, whatever the path."""
    scrubbed = scrub_path("/" + path)
    assert "@" not in scrubbed and len(scrubbed) <= 200


@given(st.binary(min_size=16, max_size=32))
def test_random_tokens_are_removed(secret):
    """Tokens of secrets.token_hex and token_urlsafe are removed, apart from a very rare exception."""
    assert scrub_path(f"/reset/{secret.hex()}") in ("/reset/:token", "/reset/:number")


@given(st.text(max_size=500))
def test_no_text_keeps_a_mail_address(text):
    """A text property loses every mail address, and everything after 200 characters."""
    assert "a@b.example" not in scrub_text(f"a@b.example {text} a@b.example") and len(scrub_text(text)) <= 200


@pytest.mark.parametrize(
    ("app", "browser"),
    [
        ("ada@mail.example", ":email"),
        ("App 030-1234567", "App :number"),
        ("0d9f1c2a-77aa-4e1b", ":token"),
        ("DuckDuckGo", "DuckDuckGo"),
    ],
)
def test_promise_16_what_an_app_calls_itself_is_scrubbed(app, browser):
    """The family of an app of iOS is whatever its User-Agent begins with."""
    assert client_of(f"{app}/1.0 CFNetwork/978.0.7 Darwin/18.7.0").browser == browser


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("203.0.113.77:4711", "203.0.113.0/24"),
        (" 203.0.113.77:", "203.0.113.0/24"),
        ("[2001:db8:aaaa:bbbb::1]:4711", "2001:db8:aaaa::/48"),
        ("[2001:db8:aaaa:bbbb::1]", "2001:db8:aaaa::/48"),
        ('"[2001:db8:aaaa:bbbb::1]:4711"', "2001:db8:aaaa::/48"),
        ("[::ffff:203.0.113.77]:4711", "203.0.113.0/24"),
        ("[fe80::1%eth0]:4711", "fe80::/48"),
        ("203.0.113.77:_hidden-1", "203.0.113.0/24"),
        ("[2001:db8:aaaa:bbbb::1]:_hidden.1", "2001:db8:aaaa::/48"),
        ("_hidden:4711", ""),
        ("203.0.113.77:port", ""),
        ("shop.example:4711", ""),
        ("[203.0.113.77", ""),
        ("", ""),
        ("unix:", ""),
        ("not an address", ""),
    ],
)
def test_a_network_is_a_24_or_48_prefix(address, network):
    """The network is the address's /24 or /48 prefix, and empty for an invalid address."""
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("referrer", "found"),
    [
        ("http://me.example/a?b", ("/a", "")),
        ("https://me.example/", ("/", "")),
        ("https://other.example/a?q=secret#x", ("", "https://other.example/a")),
        ("https://user:pass@other.example/", ("", "https://other.example/")),
        ("android-app://com.example", ("", "")),
        ("http://203.0.113.77:8080/a", ("", "http://:address:8080/a")),
        ("http://[2001:db8::1]/a", ("", "http://[:address]/a")),
        ("https://host-203-0-113-77.isp.example/", ("", "https://host-:number.isp.example/")),
        ("http://[broken", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_referrer_is_a_page_of_this_or_another_site(referrer, found):
    """The referrer's query, credentials, fragment and network address are never kept."""
    assert split_referrer(referrer, "me.example") == found


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
        "Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Edg/141.0.0.0",
        "curl/8.9.1",
        "",
    ],
)
def test_families_are_those_of_the_complete_parser(user_agent):
    """The patterns of devices, which are not loaded, change neither the browser nor the platform."""
    parsed, found = ua_parser.parse(user_agent), client_of(user_agent)
    assert found.browser == (parsed.user_agent.family if parsed.user_agent else "Other")
    assert found.platform == (parsed.os.family if parsed.os else "Other")


@pytest.mark.parametrize(
    ("path", "scrubbed"),
    [
        ("/call/030/1234567", "/call/:number"),
        ("/büro/DE12/a/b/c", "/büro/DE12/a/b/c"),
        ("/call +49 30 1234567 from 192.0.2.7", "/:number"),
        ("/from 192.0.2.7 call +49 30 1234567", "/:address"),
        ("/a/0176\u200d1234567", "/a/:number"),
    ],
)
def test_an_identifier_becomes_the_first_kind(path, scrubbed):
    """A segment is the kind of its first identifier, segments of one number become one, and others stay."""
    assert scrub_path(path) == scrubbed


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("seen at 255.1.2.3", "seen at :address"),
        ("build 256.1.2.3", "build 256.1.2.3"),
        ("build 257.1.2.3", "build 257.1.2.3"),
        ("host ip-192-0-2-7", "host ip-:address"),
        ("host ip-192-0-2-256", "host ip-192-0-2-256"),
        ("call a::b there", "call a::b there"),
        ("seen at 2001:db8::7", "seen at :address"),
    ],
)
def test_only_what_can_be_a_network_address_is_removed(text, scrubbed):
    """A part above 255 is no address, and neither is a name of a program with two colons."""
    assert scrub_text(text) == scrubbed
