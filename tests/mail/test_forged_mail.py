"""Forged mail: text that looks like an address or like an authentication result is neither."""

import pytest

from flask_mixamo_privacy.mail.message import unquoted
from support.messages import DECODED, TOKEN, action, decided, letter


@pytest.mark.parametrize(
    "header",
    ["=?utf-8?q?victim=40mail.example_=28?= <ada@mail.example>", "=?utf-8?Q?ada=40mail.example?= <ada@mail.example>",
     "ada@mail.example <ada@mail.example>", '"victim@mail.example" <Ada@Mail.example>', "=?utf-8?q?=3Cvictim=40mail.example=3E?= <ada@mail.example>",
     "(victim@mail.example) ada@mail.example", "=?utf-8?B?w4l2YQ==?= (\\)) <ada@mail.example>"],
)  # fmt: skip
def test_promise_35_a_display_name_is_no_address(header):
    """Only the address that the server authenticated counts, whatever the display name contains."""
    found = decided(letter(From=header))
    assert (found.action, found.address) == ("act", "ada@mail.example")


@pytest.mark.parametrize(
    "header",
    ["victim@mail.example <ada@mail.example>", "victim@mail.example (<ada@mail.example>", "victim@mail.example) <ada@mail.example>",
     "ada@mail.example, victim@mail.example", "<victim@mail.example> <ada@mail.example>", 'x" <victim@mail.example>',
     "Us: ada@mail.example;", "victim@mail.example\r\nFrom: ada@mail.example"],
)  # fmt: skip
def test_promise_35_an_ambiguous_from_header_names_no_sender(header):
    """The server may have parsed an ambiguous From header differently."""
    found = decided(letter(From=header))
    assert (found.action, found.address) == ("ask", "")


def test_promise_35_a_recipient_may_have_any_display_name():
    """An encoded colon or bracket in a display name is text."""
    to = f"=?utf-8?Q?Shop_=3A=28?= <unsubscribe+{TOKEN}@shop.example>"
    assert decided(letter("", "", To=to)).token == DECODED


@pytest.mark.parametrize(
    "results",
    [
        'mx; spf=pass smtp.mailfrom="x; dmarc=pass header.from=mail.example; y"@evil.example; dmarc=fail header.from=mail.example',
        r'mx; spf=pass smtp.mailfrom="x\"; dmarc=pass header.from=mail.example; y"@evil.example',
        "mx; dmarc=fail (p=none (x) ; dmarc=pass header.from=mail.example) header.from=mail.example",
        r"mx; dmarc=fail (p=none \) ; dmarc=pass header.from=mail.example) header.from=mail.example",
        "mx; dmarc=pass header.from=mail.example; dmarc=fail header.from=mail.example",
        "mx; spf=pass smtp.mailfrom==?utf-8?q?x=3B_dmarc=3Dpass_header.from=3Dmail.example=3B?=@evil.example",
        'mx; spf=pass smtp.mailfrom="ada@mail.example"@evil.example', 'mx; dmarc=pass header.from=mail.example; spf=pass smtp.mailfrom="x',
        "mx; spf=pass smtp.mailfrom=a@mail.example@evil.example",
    ],
)  # fmt: skip
def test_promise_35_text_injected_into_the_results_is_no_result(results):
    """Quoted strings, comments and encoded words are the sender's text (RFC 8601 2.2)."""
    assert action(Authentication_Results=results) == "ask"


@pytest.mark.parametrize(
    "results",
    ['mx; spf=pass smtp.mailfrom="a; b"@mail.example', "mx; dmarc=pass (p=none (a)) header.from=mail.example",
     'mx; dkim=pass reason="good (really" header.d=mail.example'],
)  # fmt: skip
def test_promise_35_text_beside_a_result_does_not_change_it(results):
    """The result stays what the server wrote."""
    assert action(Authentication_Results=results) == "act"


def test_quoted_strings_and_comments_are_parsed_exactly():
    """Backslashes, nested comments and unterminated strings are parsed as in the RFC."""
    assert unquoted(r'a "b\"(" (c (d) "\)) e') == ("a _   e", True)
    assert [unquoted(header)[1] for header in ('"', "(", ")", "(()", '"\\"', "()")] == [False] * 5 + [True]
