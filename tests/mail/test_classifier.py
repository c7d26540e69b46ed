"""Inbox classification, rule by rule: opt out, ask for review, or ignore."""

import base64
import unicodedata
from dataclasses import replace

import pytest

from flask_mixamo_privacy.i18n.language import SHIPPED, language
from flask_mixamo_privacy.mail.classifier import NeedsReview, OptOut
from flask_mixamo_privacy.mail.phrases import mentions_unsubscribe, words
from support.messages import DECODED, FAILED, INBOX, PASSED, TOKEN, action, decided, letter, report

APPLE = {"X_Apple_Unsubscribe": "true", "Auto_Submitted": "auto-replied", "Authentication_Results": None}
APPLE_SAYS = "Apple Mail sent this email to unsubscribe from the message “News”."


def encoded(subject, charset="utf-8"):
    return f"=?{charset}?b?{base64.b64encode(subject.encode(charset)).decode()}?="


@pytest.mark.parametrize(
    "subject",
    [
        "unsubscribe", "Unsubscribe", "UNSUBSCRIBE", " unsubscribe ", "unsubscribe.", "Unsubscribe!!!", '"unsubscribe"', "un-subscribe",
        "Re: unsubscribe", "RE: Re: re: UNSUBSCRIBE", "Re[2]: unsubscribe", "Re : unsubscribe", "[EXTERNAL] Re: unsubscribe",
        "AW: unsubscribe", "Antw: unsubscribe", "SV: unsubscribe", "VS: unsubscribe", "RIF: unsubscribe", "R: unsubscribe",
        "ODP: unsubscribe", "YNT: unsubscribe", "RES: unsubscribe", "Ответ: unsubscribe", "Отв: unsubscribe", "Отг: unsubscribe", "Vá: unsubscribe", "Réf: unsubscribe", "TL: unsubscribe", "Trả lời: unsubscribe",
        "Tra\u0309 lo\u031b\u0300i: unsubscribe", "답장: unsubscribe", "회신: unsubscribe", "השב: unsubscribe", "Ang: unsubscribe", "答复：unsubscribe",
        "回复: unsubscribe", "返信: unsubscribe", "תגובה: unsubscribe", "رد: unsubscribe", "ΑΠ: unsubscribe", "Atb: unsubscribe",
        "unsubscribe\u200b", "\ufeffunsubscribe", "ｕｎｓｕｂｓｃｒｉｂｅ", "Désinscription", "DESINSCRIPTION", "Abbestellen", "Abmelden!",
        "baja", "Odjava", "退订", "配信停止", "Rezygnuję", "Re: Abonelikten çık",
        encoded("Unsubscribe"), encoded("Désabonnement", "iso-8859-1"), encoded("退订", "gb2312"), "=?utf-8?q?Re=3A_unsubscribe?=",
        "=?utf-8?q?unsub?=\r\n =?utf-8?q?scribe?=", "=?x-nobody-knows?q?unsubscribe?=",
    ],
)  # fmt: skip
def test_promise_35_the_word_as_the_subject_opts_out(subject):
    """The test uses the spellings of people and mail programs."""
    assert action(subject) == "act"


@pytest.mark.parametrize("code", SHIPPED)
def test_promise_35_our_button_text_opts_out_in_every_language(code):
    """A person who replies in their own language is understood."""
    assert action(encoded(language(code)("Unsubscribe").text)) == "act"


@pytest.mark.parametrize(
    "subject",
    [
        "Re: New animations in May unsubscribe", "Re: New animations in May - UNSUBSCRIBE", "Unsubscribe Re: New animations in May",
        "Unsubscribe: Re: New animations", "RE: [Shop] News // unsubscribe", "AW: Neues im Mai – abbestellen", "Re: News (désabonnement)",
    ],
)  # fmt: skip
def test_promise_35_a_reply_that_adds_the_word_opts_out(subject):
    """The word may be at either end of the subject of our mail."""
    assert action(subject, In_Reply_To="<1@shop.example>") == "act"


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("How do I unsubscribe?", ""), ("How do I unsubscribe", ""), ("Please do not unsubscribe me", ""), ("Re: How do I unsubscribe?", ""),
        ("Fwd: unsubscribe", ""), ("WG: Abbestellen", ""), ("Tovább: unsubscribe", ""), ("TR: désabonnement", ""), ("Question", "I want to unsubscribe."),
        ("Hello", "unsubscribe"), ("", "Please take me off your list"), ("Re: News", "Please stop sending me this"), ("unsubscribed", ""),
        ("unsubscribe bob@mail.example", ""), ("Re: the unsubscribe page is broken", ""), ("opt out", ""), ("Hello", "> unsubscribe"),
    ],
)  # fmt: skip
def test_promise_36_a_mail_that_mentions_the_word_needs_review(subject, body):
    """No mail that mentions the word is ignored, and no doubtful mail opts out."""
    assert action(subject, body, To="privacy@shop.example") == "ask"


@pytest.mark.parametrize(
    ("subject", "body"),
    [("", "unsubscribe"), (None, "Unsubscribe."), ("Re: News", "unsubscribe\n\nOn Friday Shop wrote:\n> Hello"), ("Re:", "Abbestellen\n-- \nAda")],
)  # fmt: skip
def test_promise_36_a_mail_whose_text_is_the_word_opts_out(subject, body):
    """The rule applies if neither the subject nor the text contains anything else."""
    assert action(subject, body) == "act"


def test_promise_36_a_mail_to_the_unsubscribe_address_is_never_ignored():
    """A mail to unsubscribe@ without the word needs review, because the sender had a reason."""
    assert (action("Hello", "Thanks"), action("Hello", "Thanks", To="privacy@shop.example")) == ("ask", "ignore")


QUOTED = f"> No more of these: https://shop.example/privacy/unsubscribe/{TOKEN}\r\n> Or reply with unsubscribe.\r\n"
ANSWERS = {"To": "privacy@shop.example", "In_Reply_To": f"<{TOKEN}.0123456789abcdef@shop.example>"}


@pytest.mark.parametrize("headers", [ANSWERS, {"To": "privacy@shop.example"}], ids=["answers", "quotes the link"])
def test_promise_36_our_own_quoted_footer_is_ignored(headers):
    """Quoted words of our mailing are ignored. The sender's own words count."""
    found = decided(letter("Re: News", f"A fine walk!\r\n\r\nThe shop wrote:\r\n{QUOTED}", **headers))
    assert (found.action, found.reason) == ("ignore", "the word is only in the quoted footer of our own mail")
    for text in (f"How do I unsubscribe?\r\n{QUOTED}", f"Hello\r\n{QUOTED}Please unsubscribe me\r\n> News"):
        assert action("Re: News", text, **headers) == "ask"
    assert action("Re: News, or unsubscribe?", QUOTED, **headers) == "ask"


def of_html(own, **headers):
    """Classify a reply as mail programs without plain text write it."""
    quoted = f"""<p>Unsubscribe, or ask us to delete your data: <a class=x href="https://shop.example/privacy/unsubscribe/{TOKEN}">here</a>."""
    body = f"<style>p {{ color: red }}</style><div>{own}</div><p>On Friday\r\nthe shop wrote:</p><blockquote type=cite>{quoted}</blockquote>"
    return decided(letter("Re: News", body, Content_Type="text/html; charset=utf-8", **headers))


def test_promise_36_html_quotes_are_recognised():
    """Quoted text, including its link, is from our mail. Text before it is the sender's."""
    contact = {"To": "privacy@shop.example"}
    assert of_html("A fine <b>walk</b>!", **contact).reason == "the word is only in the quoted footer of our own mail"
    assert of_html("<b>un</b>subscribe", **contact).action == "act"
    assert of_html("Please delete<br>my&nbsp;data.", **contact).requested_right == "delete"


def test_promise_36_malformed_html_is_read_in_linear_time():
    """Slow parsing of one mail of a hundred kilobytes would block the inbox for a minute."""
    for part in ("<style>", "<script", "<!--", "<a ", "&#x"):
        bodies = [part * (100_000 // len(part))] * 3
        assert [
            decided(letter("Hi", body, Content_Type="text/html", To="privacy@shop.example")).action for body in bodies
        ] == ["ignore"] * 3


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u302e\U0001d165"])
def test_promise_36_marks_above_one_letter_are_bounded_before_they_are_sorted(marks, monkeypatch):
    """Sorting fifty thousand of them would take seconds. A language needs a few, and the word is still found."""
    sizes, normalize = [], unicodedata.normalize
    monkeypatch.setattr("unicodedata.normalize", lambda form, text: sizes.append(len(text)) or normalize(form, text))
    assert mentions_unsubscribe(f"se de\u0301sabonner a{marks * 50_000}") and max(sizes) < 100


@pytest.mark.parametrize("number", ["1" * 5000, "0" * 90_000 + "65"])
def test_promise_36_a_character_reference_of_thousands_of_digits_is_read(number):
    """Python raises an error for such a number."""
    assert of_html(f"unsubscribe<p>&#{number};</p>").action == "ask"


def test_promise_36_thousands_of_recipients_are_not_parsed(monkeypatch):
    """A message of eight megabytes has room for a thousand headers with addresses, and a long one is slow to parse."""
    parsed = []
    monkeypatch.setattr("flask_mixamo_privacy.mail.message.getaddresses", lambda values, **_: parsed.append(values) or [])
    decided((b"To: " + b"a@b.example, " * 400 + b"\r\n") * 900 + letter("Hi", "unsubscribe"))
    assert max(map(len, parsed)) == 50 and max(len(value) for values in parsed for value in values) == 4000


def test_promise_36_other_quoted_text_needs_review():
    """The quotation may be an earlier mail of the sender. A mail to the unsubscribe address always has a reason."""
    for text in ("Any news?\r\n> please unsubscribe me", f"Any news?\r\n{QUOTED.replace(TOKEN, 'b' * 45)}"):
        assert action("Re: News", text, To="privacy@shop.example") == "ask"
    assert action("Re: News", f"A fine walk!\r\n{QUOTED}", **ANSWERS | {"To": "unsubscribe@shop.example"}) == "ask"


def test_promise_35_a_reply_to_a_mail_whose_subject_had_the_word_adds_nothing():
    """The word in the subject comes from our own mail."""
    message_id = f"<{TOKEN}.0123456789abcdef.word@shop.example>"
    assert action("Re: Unsubscribe rates of newsletters", In_Reply_To=message_id) == "ask"
    assert action("Re: Unsubscribe rates of newsletters", In_Reply_To=message_id.replace(".word", "")) == "act"


@pytest.mark.parametrize(
    "headers",
    [
        {"Return_Path": "<>"}, {"From": "MAILER-DAEMON@mail.example"}, {"From": "postmaster@mail.example"}, {"X_Failed_Recipients": "a@b.c"},
        {"Content_Type": "multipart/report; report-type=delivery-status; boundary=x"},
        {"Content_Type": "multipart/report; report-type=disposition-notification; boundary=x"},
        {"Return_Path": "<>", "To": f"unsubscribe+{TOKEN}@shop.example"},
    ],
)  # fmt: skip
def test_promise_35_a_bounce_never_opts_out(headers):
    """Rule 1 comes first, so the bounce's quoted text does not matter."""
    assert action("unsubscribe", "unsubscribe", **headers) == "ignore"


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"}, {"Auto_Submitted": "auto-generated; x=y"}, {"Precedence": "bulk"}, {"Precedence": "auto_reply"},
        {"List_Id": "<list.example>"}, {"List_Unsubscribe": "<https://spam.example/>"}, {"X_Autoreply": "yes"}, {"X_Loop": "ada@mail.example"},
        {"X_Autorespond": ""}, {"From": "noreply@mail.example"},
    ],
)  # fmt: skip
def test_promise_35_automatic_and_bulk_mail_never_opts_out(headers):
    """Automatic replies, mailing lists and newsletters are covered."""
    assert action("Re: News unsubscribe", "unsubscribe", **headers) == "ignore"


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: unsubscribe", "Out of Office: unsubscribe", "Abwesenheitsnotiz: unsubscribe", "Réponse automatique : unsubscribe",
        "Respuesta automática: unsubscribe", "Automatisch antwoord: unsubscribe", "Autosvar: unsubscribe", "自動応答: unsubscribe", "Re: Out of office",
    ],
)  # fmt: skip
def test_promise_35_vacation_replies_are_recognised_by_their_subject(subject):
    """Some mail programs do not mark them as automatic."""
    assert action(subject) == "ignore"


def test_auto_submitted_no_is_a_persons_mail():
    """RFC 3834: a person's mail may have `Auto-Submitted: no`."""
    assert action(Auto_Submitted="no") == "act"


def test_promise_35_apple_mails_unsubscribe_opts_out():
    """The mail is Auto-Submitted and comes from the person's own account."""
    found = decided(letter("unsubscribe", APPLE_SAYS, **APPLE))
    assert isinstance(found, OptOut) and found.address == "ada@mail.example"
    assert action(f"{TOKEN}", APPLE_SAYS, **APPLE) == "act"


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"X_Apple_Unsubscribe": None}, "ignore"), ({"X_Apple_Unsubscribe": "false"}, "ignore"), ({"Authentication_Results": FAILED}, "ask"),
        ({"Return_Path": "<>"}, "ignore"), ({"From": None}, "ask"), ({"Authentication_Results": PASSED}, "act"),
    ],
)  # fmt: skip
def test_promise_35_an_imitation_of_apple_mails_unsubscribe_does_not_opt_out(headers, wanted):
    """The header must be true and the sender not known to be forged, and a bounce stays a bounce."""
    assert action("unsubscribe", APPLE_SAYS, **(APPLE | headers)) == wanted
    assert action("Hello", "Hi", **(APPLE | {"To": "privacy@shop.example"})) == "ask"


@pytest.mark.parametrize("header", ["To", "Cc", "Delivered_To", "X_Original_To"])
def test_promise_35_mail_to_a_signed_address_opts_out(header):
    """The mail may be automatic, empty, and from an unknown sender."""
    headers = {
        header: f"unsubscribe+{TOKEN}@shop.example",
        "Auto_Submitted": "auto-generated",
        "Authentication_Results": FAILED,
    }
    assert decided(letter("", "", **headers)) == OptOut("a signed address", DECODED, source="mail address")
    assert action("", "", **(headers | {header: f"unsubscribe+{TOKEN[:-1]}x@shop.example"})) == "ignore"


def test_promise_35_a_reply_is_attributed_by_its_message_id():
    """An address that forwards its mail can therefore be opted out itself."""
    for header in ("In_Reply_To", "References"):
        answered = {header: f"<0@x.example> <{TOKEN}.0123456789abcdef@shop.example>", "Authentication_Results": None}
        assert decided(letter(**answered)).token == DECODED


@pytest.mark.parametrize(
    ("results", "wanted"),
    [
        (PASSED, "act"), (FAILED, "ask"), (None, "ask"), ("mx.shop.example; none", "ask"), ("mx.shop.example", "ask"), ("", "ask"),
        ("mx.shop.example; dkim=pass header.d=mail.example", "act"), ("mx; dkim=pass header.i=@mail.example", "act"),
        ("mx; spf=pass smtp.mailfrom=ada@mail.example", "act"), ("mx; spf=pass smtp.mailfrom=evil.example", "ask"),
        ("mx; dkim=pass header.d=evil.example", "ask"), ("mx; dkim=pass header.d=example", "ask"), ("mx; dkim=pass header.d=xmail.example", "ask"),
        ("mx; dmarc=pass header.from=evil.example", "ask"), ("mx; dkim=pass header.d=mail.example; dmarc=fail header.from=mail.example", "ask"),
        ("mx; dmarc=fail (dmarc=pass) header.from=mail.example", "ask"), ("mx; dkim=(pass) fail header.d=mail.example", "ask"),
    ],
)  # fmt: skip
def test_promise_35_a_sender_counts_if_the_receiving_server_authenticated_it(results, wanted):
    """RFC 8601: a From header alone can be forged."""
    assert action(Authentication_Results=results) == wanted


def test_promise_35_a_senders_own_authentication_results_are_ignored():
    """A header below the server's own header, or with another server name, does not count."""
    forged = letter(Authentication_Results=FAILED).replace(
        b"Subject:", f"Authentication-Results: {PASSED}\r\nSubject:".encode()
    )
    assert decided(forged).action == "ask"
    named = replace(INBOX, server="mx.shop.example")
    assert decided(letter(Authentication_Results=PASSED.replace("mx.shop", "mx.evil")), named).action == "ask"
    assert decided(letter(), named).action == "act"
    assert decided(letter("unsubscribe", APPLE_SAYS, **APPLE), named).action == "ask"


def test_promise_35_a_mail_with_two_senders_has_no_sender():
    """A mail with two senders does not show which of the two wants to opt out."""
    assert action(From="ada@mail.example, bob@mail.example") == "ask"


@pytest.mark.parametrize("kind", ["abuse", "opt-out", "ABUSE"])
def test_promise_36_a_feedback_report_is_an_opt_out(kind):
    """The report names the recipient, or the original mail in it does (RFC 5965)."""
    assert decided(report(kind, Original_Rcpt_To="<Ada@Mail.example>")).address == "ada@mail.example"
    assert decided(report(kind, original="To: ada@mail.example\r\n")).address == "ada@mail.example"
    link = f"List-Unsubscribe: <https://shop.example/privacy/unsubscribe/{TOKEN}>\r\nTo: redacted@mail.example\r\n"
    assert decided(report(kind, original=link)).token == DECODED
    assert decided(report(kind, original=f"Message-ID: <{TOKEN}.0123456789abcdef@shop.example>\r\n")).token == DECODED


def test_promise_36_a_report_of_a_sender_who_is_not_authenticated_needs_review():
    """Any sender can write any address into a report. A token suffices, because only the recipient of our mail has it."""
    own = replace(INBOX, server="mx.shop.example")
    forged = b"Authentication-Results: " + FAILED.encode() + b"\r\n" + report("abuse", Original_Rcpt_To="ada@mail.example")
    for raw in (forged, report("abuse", Original_Rcpt_To="ada@mail.example"), report(original="To: ada@mail.example\r\n")):
        assert decided(raw, own) == NeedsReview(REVIEWED, address="ada@mail.example")
    by_token = report(original=f"Message-ID: <{TOKEN}.0123456789abcdef@shop.example>\r\n")
    assert decided(by_token, own).token == DECODED
    passed = PASSED.replace("mail.example", "provider.example").encode()
    genuine = b"Authentication-Results: " + passed + b"\r\n" + report("abuse", Original_Rcpt_To="ada@mail.example")
    assert decided(genuine, own).address == "ada@mail.example" and decided(genuine, own).action == "act"


REVIEWED = "a feedback report of the type abuse, from a sender who is not authenticated"


def test_promise_36_a_report_without_a_recipient_needs_review():
    """Providers omit the recipient who complained, so an operator must look."""
    assert decided(report()).action == "ask"
    assert (
        decided(report(Original_Rcpt_To="redacted@mail.example", original="To: redacted@mail.example\r\n")).action == "ask"
    )


@pytest.mark.parametrize("kind", ["auth-failure", "fraud", "not-spam", "virus", "other", "x"])
def test_promise_36_other_reports_are_no_opt_out(kind):
    """An authentication failure is about forged mail, and not-spam is the opposite of a complaint."""
    assert decided(report(kind, Original_Rcpt_To="ada@mail.example")).action == "ignore"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Please delete my account and all my data", "delete"), ("Bitte löschen Sie meine Daten", "delete"), ("Supprimez toutes mes données", "delete"),
        ("Quiero eliminar mis datos", "delete"), ("يرجى حذف بياناتي", "delete"), ("Please correct my address", "correct"),
        ("Bitte berichtigen Sie meine Adresse", "correct"), ("Send me a copy of my data", "access"), ("What data do you have about me?", "access"),
        ("Ich möchte Auskunft über meine Daten", "access"), ("Je voudrais une copie de mes données", "access"), ("export my data", "access"),
    ],
)  # fmt: skip
def test_promise_32_a_mail_to_the_contact_opens_a_request(text, kind):
    """The request may be to correct, delete or export, in the subject or the text, and is answered."""
    for subject, body in ((text, ""), ("Hello", text)):
        found = decided(letter(encoded(subject), body, To="privacy@shop.example"))
        assert (found.action, found.requested_right, found.answer) == ("ask", kind, True)


@pytest.mark.parametrize(
    "headers",
    [{"Authentication_Results": FAILED}, {"X_Auto_Response_Suppress": "All"}, {"From": "a@b.example, c@d.example"}],
)
def test_promise_32_an_unauthenticated_sender_is_not_answered(headers):
    """The request is still opened, and staff review it."""
    found = decided(letter("Delete my data", To="privacy@shop.example", **headers))
    assert (found.action, found.requested_right, found.answer) == ("ask", "delete", False)


def test_promise_32_nothing_automatic_is_ever_answered():
    """A reply to an automatic mail could start an endless exchange between two programs."""
    assert action("Delete my data", To="privacy@shop.example", Auto_Submitted="auto-replied") == "ignore"
    assert action("Delete my data", To="unsubscribe@shop.example") == "ask"


def test_a_mail_can_contain_an_opt_out_and_a_request():
    """The certain one is carried out, and the other opens a request."""
    found = decided(letter("unsubscribe", "And please delete my data.", To="privacy@shop.example"))
    assert (found.action, found.requested_right) == ("act", "delete")


def test_there_are_words_in_every_language():
    """Most languages have more than one."""
    assert len(words()) > 2 * len(SHIPPED)


@pytest.mark.parametrize(
    ("subject", "body"), [("Bitte streichen", ""), ("Re: News", "Bitte streichen!"), ("Re: News, bitte streichen", "")]
)
def test_the_word_of_a_sites_own_button_is_recognised(subject, body):
    """A site's catalogue may have another word on the button. Without that catalogue it means nothing."""
    own = replace(INBOX, own_words=frozenset({"Bitte streichen"}))
    mail = letter(subject, body, To="news@shop.example")
    assert (decided(mail, own).action, decided(mail).action) == ("act", "ignore")


def test_a_button_with_a_word_of_several_meanings_counts_only_alone():
    """ "Abmelden" may be about a course."""
    own = replace(INBOX, own_words=frozenset({"Abmelden"}))
    assert decided(letter("Abmelden"), own).action == "act"
    assert decided(letter("Re: Abmelden vom Kurs", To="news@shop.example"), own).action == "ignore"
