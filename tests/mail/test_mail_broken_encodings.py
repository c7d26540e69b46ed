"""Unencodable mail: surrogates, raw bytes and unexpected errors stop no batch."""

import json
import os

import pytest

from flask_mixamo_privacy.errors import RightsUnavailable
from flask_mixamo_privacy.mail import inbox as inbox_module
from support.mail_site import Shop
from support.messages import letter, report

pytestmark = pytest.mark.usefixtures("clock")

HALF = "=?utf-7?Q?+2AA-?="


@pytest.fixture
def shop(tiny):
    with Shop(tiny) as shop:
        yield shop


def results_of(shop, folder, *raws, name=b"%d.eml"):
    """Process the messages from a Maildir, and return the results."""
    (folder / "cur").mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(raws):
        path = os.path.join(os.fsencode(folder), b"cur", name % number)
        with open(path, "wb") as file:
            file.write(raw)
    outcome = shop.site.cli("inbox", "--json", str(folder))
    assert outcome.exit_code == 0, outcome.output
    return [json.loads(line) for line in outcome.output.splitlines()]


@pytest.mark.parametrize(
    ("raw", "action"),
    [
        (letter("Hi", Message_ID=HALF), "ask"),
        (letter("Hi", Auto_Submitted=HALF), "ignore"),
        (letter(HALF, "+2AA-", Content_Type="text/plain; charset=utf-7"), "ask"),
        (report("spam").replace(b"Type: spam", b"Type: x\xff"), "ignore"),
    ],
)
def test_promise_36_a_lone_surrogate_stops_no_batch(shop, tmp_path, raw, action):
    """A lone surrogate in a header, text or report stops no batch, and the next message is processed."""
    results = results_of(shop, tmp_path / "in", raw, letter(Message_ID="<good@x>"))
    assert [one["action"] for one in results] == [action, "act"]


def test_promise_36_a_file_name_that_is_no_utf_8_stops_no_batch(shop, tmp_path):
    """The file name is printed with replacement characters."""
    (result,) = results_of(shop, tmp_path / "in", letter(), name=b"%d.\xff\x1b[31m")
    assert result["path"].endswith("/cur/0.\ufffd\ufffd[31m") and result["action"] == "act"
    assert "(already processed)" in shop.site.cli("inbox", str(tmp_path / "in")).output


def test_promise_36_no_error_of_a_message_stops_the_batch(shop, tmp_path, monkeypatch):
    """A failing message is quarantined and becomes one request, even without a Message-ID."""
    classify = inbox_module.classify_parsed
    monkeypatch.setattr(
        inbox_module,
        "classify_parsed",
        lambda parsed, config: 1 / 0 if parsed.message["X-Bad"] else classify(parsed, config),
    )
    bad, good = letter(X_Bad="yes", Message_ID=HALF), letter(Message_ID="<good@x>")
    first, second = results_of(shop, tmp_path / "in", bad, good)
    assert (first["action"], first["request"], second["action"]) == ("ask", 1, "act")
    assert "(ZeroDivisionError)" in first["reason"] and first["kept"].endswith(".eml")
    assert "request" not in results_of(shop, tmp_path / "in", bad, good)[0]
    dry = shop.site.cli("inbox", "--dry-run", str(tmp_path / "in"))
    assert dry.exit_code == 0 and "(ZeroDivisionError)" in dry.output


def test_an_unavailable_database_quarantines_no_message(shop, tmp_path, monkeypatch):
    """The command exits with 2, and no message is quarantined."""

    def away(*_):
        raise RightsUnavailable("away")

    monkeypatch.setattr("flask_mixamo_privacy.mail.inbox.ProcessedMessages.find", away)
    (tmp_path / "1.eml").write_bytes(letter())
    assert shop.site.cli("inbox", str(tmp_path / "1.eml")).exit_code == 2
