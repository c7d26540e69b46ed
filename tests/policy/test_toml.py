"""``privacy.toml``: a valid file is read; an invalid one raises errors with place, problem and next step."""

import re
from dataclasses import FrozenInstanceError, replace

import pytest
from flask import Flask

from flask_mixamo_privacy import Policy, Privacy
from flask_mixamo_privacy.errors import PolicyError, Problem, SettingError
from flask_mixamo_privacy.policy.parts import Contact, Cookie, Period, Purpose, Recipient
from flask_mixamo_privacy.policy.promises import PROMISES
from flask_mixamo_privacy.policy.toml import built_in, read

#: A declaration with every kind of table, which makes all promises.
FULL = """\
schema = 1
promises = "all"

[site]
name = "Moving Figures"
language = "en"

[contact]
name = "Ada Hand"
email = "privacy@figures.example"
address = "1 Walk Lane, Berlin"

[banner]
text = "May we count your visits?"

[[purposes]]
id = "necessary"
title = "Necessary"
description = "Your decision and your basket."
basis = "necessary"
reason = "Without it nothing could be bought."
retention = "6 months"
minors = true

[[purposes]]
id = "statistics"
title = { en = "Statistics", de = "Statistik" }
description = "We count visits."
retention = "13 months"

[[purposes]]
id = "customisation"
title = "Customisation"
description = "We remember your theme."
basis = "consent"

[[purposes]]
id = "media"
title = "Films"
description = "Films from another company."

[[purposes]]
id = "purchase"
title = "Purchase"
description = "What you buy is paid and sent."
basis = "contract"
retention = "10 years"

[[purposes]]
id = "use"
title = "Use"
description = "Your account and your downloads."
basis = "contract"

[[purposes]]
id = "support"
title = "Support"
description = "Your questions are answered."
basis = "legitimate_interest"

[[purposes]]
id = "marketing"
title = "Newsletter"
description = "News by mail."

[[cookies]]
name = "privacy_consent"
purpose = "necessary"
lifetime = "182 days"
description = "Your decision, signed."

[[cookies]]
name = "privacy_visitor"
purpose = "statistics"
lifetime = "390 days"
description = "A random number."

[[cookies]]
name = "privacy_choices"
purpose = "customisation"
lifetime = "395 days"
description = "Your choices."

[[cookies]]
name = "basket"
purpose = "necessary"
lifetime = "session"
description = "What you put in."
kind = "local"
party = "first"

[[services]]
id = "films"
title = "Film Company"
purpose = "media"
hosts = ["films.example", "*.films.example"]
loads = ["frame", "image"]
link = "https://films.example/privacy"

[[fields]]
name = "email"
kind = "identifying"
description = "Your mail address."

[[fields]]
name = "street"
kind = "identifying"
description = "Where the parcel goes."

[[fields]]
name = "opinion"
kind = "anonymous"
description = "What you think of us."

[[collection]]
id = "registration"
title = "Registration"
purposes = ["use"]
notice = "Notice one."
required = ["email"]

[[collection]]
id = "licence"
title = "Licence"
purposes = ["use"]
notice = "Notice two."

[[collection]]
id = "feedback"
title = "Feedback"
purposes = ["support"]
notice = "Notice three."
required = ["opinion"]
optional = ["email"]

[[collection]]
id = "purchase"
title = "Checkout"
purposes = ["purchase"]
notice = "Notice four."
required = ["email", "street"]

[[collection]]
id = "account"
title = "Account"
purposes = ["use"]
notice = "Notice five."

[[collection]]
id = "newsletter"
title = "News"
purposes = ["marketing"]
notice = "Notice six."

[[collection]]
id = "posting"
title = "Gallery"
purposes = ["use"]
notice = "What you post is public."

[[recipients]]
id = "bank"
name = "Bank of Figures"
role = "takes the payment"
purposes = ["purchase"]
fields = ["email"]
country = "DE"
link = "https://bank.example/privacy"

[[recipients]]
id = "parcels"
name = "Parcel Post"
role = "brings the parcel"
purposes = ["purchase", "support"]
fields = ["street"]
country = "FR"
link = "https://parcels.example/privacy"
sells = false

[log]
fields = ["page", "browser", "network", "data"]

[retention]
events = "12 months"
aggregates = "24 months"
decisions = "5 years"
archives = "60 days"

[minors]
age = 14

[requests]
days = 20

[marketing]
unsubscribe = "unsubscribe@figures.example"

[notices]
security = true
changes = true
links = true
postings = true
licence = { en = "No licence, no download." }
law = true
transfer = true
"""

TEXT = 'a text in quotes, or one for each language: { en = "…", de = "…" }'
NO_KEY = "Correct the key's name, or remove it."
ON_DEVICE = "stores or reads data on the visitor's device (ePrivacy directive, art. 5(3))."
ID = "up to 32 of a-z, 0-9, _ and -, a letter first. Change the id; code, templates and cookies use it."
LANGUAGES = "en, bg, cs, da, de, el, es, et, fi, fr, ga, hr, hu, it, lt, lv, mt, nl, pl, pt, pt-BR, ro, sk, sl, sv, ar, he, uk, tr, zh, ja"
PURPOSES = "customisation, marketing, media, necessary, purchase, statistics, support, use"
FIELDS = "browser, data, email, network, opinion, page, platform, previous, provider, referrer, street"
KEYS = "banner, collection, contact, cookies, events, fields, funnels, goals, log, marketing, minors, notices, promises, purposes, recipients, requests, retention, schema, services, site"


def table(header, name=""):
    """Return a whole table of the valid file, from its header to the empty line."""
    found = [part for part in FULL.split("\n\n") if part.startswith(header) and name in part]
    assert len(found) == 1, (header, name, len(found))
    return found[0].rstrip("\n") + "\n"


def needs(number, key, example):
    """Return the message for a missing key that a promise needs."""
    hint = f"Promise {number} needs it: {PROMISES[number].summary}. Add it, or remove {number} from promises."
    return f"{key} is missing; allowed: {example}. {hint}"


def without(number, key, header, name="", example=None, at=""):
    """Return a case in which the table of a key that a promise needs is missing."""
    example = example or "a [[purposes]] table with this id"
    return (f"without {key}", [(table(header, name), "")], [(at, needs(number, key, example))])


#: Each case: its name, the replacements in the valid file, and the expected errors as pairs of a line's text ("" for none)
#: and a message.
BROKEN = [
    # Keys that do not exist, at every level.
    ("unknown table", [("schema = 1\n", "schema = 1\ncookie = 1\n")],
     [("cookie = 1", f"cookie is 1; allowed: {KEYS}. {NO_KEY}")]),
    ("unknown key of site", [('language = "en"', 'language = "en"\nowner = "Ada"')],
     [('owner = "Ada"', f"site.owner is 'Ada'; allowed: language, name. {NO_KEY}")]),
    ("unknown key of contact", [('email = "privacy@', 'phone = "1"\nemail = "privacy@')],
     [('phone = "1"', f"contact.phone is '1'; allowed: address, email, name. {NO_KEY}")]),
    ("unknown key of a purpose", [('basis = "consent"', 'basis = "consent"\nlawful = true')],
     [("lawful = true", f"purposes.customisation.lawful is True; allowed: ask, basis, description, id, minors, reason, retention, title. {NO_KEY}")]),
    ("unknown key of a cookie", [('party = "first"', 'party = "first"\nexpires = "1 day"')],
     [("expires", f"cookies.basket.expires is '1 day'; allowed: description, kind, lifetime, name, party, path, purpose, service. {NO_KEY}")]),
    ("unknown key of a recipient", [("sells = false", "sells = false\nrents = false")],
     [("rents", f"recipients.parcels.rents is False; allowed: country, fields, id, link, name, purposes, role, sells. {NO_KEY}")]),
    ("unknown key of retention", [('archives = "60 days"', 'archives = "60 days"\nlogs = "1 day"')],
     [("logs =", f"retention.logs is '1 day'; allowed: aggregates, archives, decisions, events, mail. {NO_KEY}")]),
    ("unknown key of the notices", [("transfer = true", "transfer = true\nmerger = true")],
     [("merger", f"notices.merger is True; allowed: changes, law, licence, links, postings, security, transfer. {NO_KEY}")]),
    # Values of the wrong type.
    ("a text is a number", [('title = "Films"', "title = 5")],
     [("title = 5", f"purposes.media.title is 5; allowed: {TEXT}. Change the value.")]),
    ("a text in a language that is not shipped", [('de = "Statistik"', 'tlh = "mI"')],
     [("tlh", f"purposes.statistics.title is {{'en': 'Statistics', 'tlh': 'mI'}}; allowed: {TEXT}. Change the value.")]),
    ("a switch is a text", [("minors = true", 'minors = "yes"')],
     [('minors = "yes"', "purposes.necessary.minors is 'yes'; allowed: true or false. Change the value.")]),
    ("a list is a text", [('loads = ["frame", "image"]', 'loads = "frame"')],
     [('loads = "frame"', 'services.films.loads is \'frame\'; allowed: a list of texts such as ["a", "b"]. Change the value.')]),
    ("a number is a text", [("age = 14", 'age = "14"')],
     [('age = "14"', "minors.age is '14'; allowed: a whole number. Change the value.")]),
    ("a notice is a number", [("law = true", "law = 1")],
     [("law = 1", 'notices.law is 1; allowed: true, false, a text in quotes, or one for each language: { en = "…", de = "…" }. Change the value.')]),
    ("a table is a list", [("[minors]", "[[minors]]")],
     [("", "minors is [{'age': 14}]; allowed: a [minors] table. Write the name in brackets, and its keys below.")]),
    ("a list is a table", [("[[services]]", "[services]")],
     [("[services]", "services is {'id': 'films', 'title': 'Film Company', 'purpose': 'media', 'hosts': ['films.example', '*.films.example'], 'loads': ['frame', 'image'], 'link': 'https://films.example/privacy'}; allowed: [[services]] tables, one each. Write the name in double brackets.")]),
    ("the site's name is missing", [('name = "Moving Figures"\n', "")],
     [("[site]", "site.name is missing; allowed: the site's name, in quotes. Set it; the policy page states it.")]),
    ("the site's name is empty", [('"Moving Figures"', '" "')],
     [('name = " "', "site.name is ' '; allowed: the site's name. Set it; the policy page states it.")]),
    ("the site's language is not shipped", [('language = "en"', 'language = "eo"')],
     [('language = "eo"', f"site.language is 'eo'; allowed: {LANGUAGES}. Set the language of texts without a language code.")]),
    # Periods.
    ("a period of a purpose without a unit", [('retention = "6 months"', 'retention = "6"')],
     [('retention = "6"', "purposes.necessary.retention is '6'; allowed: a period such as \"30 days\", \"13 months\" or \"2 years\". Change the value.")]),
    ("a period of nothing", [('events = "12 months"', 'events = "0 months"')],
     [('events = "0', "retention.events is '0 months'; allowed: a period such as \"30 days\", \"13 months\" or \"2 years\". Change the value.")]),
    ("a period that is a number", [('decisions = "5 years"', "decisions = 5")],
     [("decisions = 5", 'retention.decisions is 5; allowed: a period such as "30 days", "13 months" or "2 years". Change the value.')]),
    ("events kept for ever", [('events = "12 months"', 'events = "9 years"')],
     [('events = "9 years"', "retention.events is '9 years'; allowed: up to 39 months. Keep events no longer than they are needed.")]),
    # Ids.
    ("a bad id", [('id = "media"', 'id = "My Media"'), ('purpose = "media"', 'purpose = "My Media"')],
     [('id = "My Media"', f"purposes.My Media.id is 'My Media'; allowed: {ID}")]),
    ("an id with a capital letter", [('id = "films"', 'id = "Films"')],
     [('id = "Films"', f"services.Films.id is 'Films'; allowed: {ID}")]),
    ("two purposes of one id", [(table("[[purposes]]", '"marketing"'), table("[[purposes]]", '"marketing"') * 2)],
     [('last id = "marketing"', "purposes.marketing.id is 'marketing'; allowed: each id once in purposes. Change one of the two ids.")]),
    ("two recipients of one id", [('id = "parcels"', 'id = "bank"')],
     [('last id = "bank"', "recipients.bank.id is 'bank'; allowed: each id once in recipients. Change one of the two ids.")]),
    ("two cookies of one name", [(table("[[cookies]]", '"basket"'), table("[[cookies]]", '"basket"') * 2)],
     [('last name = "basket"', "cookies.basket.name is 'basket'; allowed: each name once in cookies. Change one of the two names.")]),
    ("two fields of one name", [('name = "street"', 'name = "email"'), ('"email", "street"', '"email"'), ('fields = ["street"]', 'fields = ["email"]')],
     [('last name = "email"', "fields.email.name is 'email'; allowed: each name once in fields. Change one of the two names.")]),
    # References to something that is not declared.
    ("a cookie of no purpose", [('name = "basket"\npurpose = "necessary"', 'name = "basket"\npurpose = "shopping"')],
     [('purpose = "shopping"', f"cookies.basket.purpose is 'shopping'; allowed: {PURPOSES}. Declare it under [[purposes]], or use one of these.")]),
    ("a service of no purpose", [('purpose = "media"', 'purpose = "films"')],
     [('purpose = "films"', f"services.films.purpose is 'films'; allowed: {PURPOSES}. Declare it under [[purposes]], or use one of these.")]),
    ("a collection point of no purpose", [('purposes = ["support"]', 'purposes = ["help"]')],
     [('purposes = ["help"]', f"collection.feedback.purposes is 'help'; allowed: {PURPOSES}. Declare it under [[purposes]], or use one of these.")]),
    ("a collection point with an unknown field", [('optional = ["email"]', 'optional = ["shoe_size"]')],
     [("shoe_size", f"collection.feedback.optional is 'shoe_size'; allowed: {FIELDS}. Declare it under [[fields]], or use one of these.")]),
    ("a recipient of an unknown field", [('fields = ["email"]', 'fields = ["iban"]')],
     [("iban", f"recipients.bank.fields is 'iban'; allowed: {FIELDS}. Declare it under [[fields]], or use one of these.")]),
    ("a recipient of no known purpose", [('purposes = ["purchase", "support"]', 'purposes = ["purchase", "parcels"]')],
     [('"parcels"]', f"recipients.parcels.purposes is 'parcels'; allowed: {PURPOSES}. Declare it under [[purposes]], or use one of these.")]),
    # Information that visitors must get.
    ("a purpose without a title", [('title = "Films"\n', "")],
     [('above id = "media"', f"purposes.media.title is missing; allowed: {TEXT}. Add the key.")]),
    ("a purpose with an empty title", [('title = "Films"', 'title = ""')],
     [('title = ""', "purposes.media.title is ''; allowed: a text. Write one: visitors must know what they consent to.")]),
    ("a purpose without a description", [('description = "News by mail."\n', "")],
     [('above id = "marketing"', f"purposes.marketing.description is missing; allowed: {TEXT}. Add the key.")]),
    ("a purpose described in one language by nothing", [('"What you buy is paid and sent."', '{ en = "Bought", de = " " }')],
     [('de = " "', "purposes.purchase.description is {'en': 'Bought', 'de': ' '}; allowed: a text. Write one: the policy page explains every purpose.")]),
    ("a purpose of an unknown basis", [('basis = "consent"', 'basis = "habit"')],
     [('basis = "habit"', "purposes.customisation.basis is 'habit'; allowed: consent, necessary, contract, legal_obligation, legitimate_interest. State the legal basis of the purpose.")]),
    ("necessary without a reason", [('reason = "Without it nothing could be bought."\n', "")],
     [('above id = "necessary"', "purposes.necessary.reason is ''; allowed: a text. State why the site cannot work without it, or use the basis \"consent\" (ePrivacy directive, art. 5(3)).")]),
    ("a cookie by legitimate interest", [('name = "basket"\npurpose = "necessary"', 'name = "basket"\npurpose = "support"')],
     [('basis = "legitimate_interest"', "purposes.support.basis is 'legitimate_interest'; allowed: consent, or necessary with a reason. Change it: cookies.basket " + ON_DEVICE)]),
    ("a service by contract", [('purpose = "media"', 'purpose = "purchase"')],
     [('id = "purchase"\ntitle = "Purchase"\ndescription = "What you buy is paid and sent."\nbasis', "purposes.purchase.basis is 'contract'; allowed: consent, or necessary with a reason. Change it: services.films " + ON_DEVICE)]),
    ("a purpose that is asked for nowhere", [('description = "News by mail."', 'description = "News by mail."\nask = "door"')],
     [('ask = "door"', "purposes.marketing.ask is 'door'; allowed: banner, form. State where consent is asked: in the banner, or at a form.")]),
    ("a service for what only a form asks for", [('description = "Films from another company."', 'description = "Films from another company."\nask = "form"')],
     [('ask = "form"', "purposes.media.ask is 'form'; allowed: banner. Change it: services.films accesses the visitor's device.")]),
    # Cookies.
    ("a cookie without a lifetime", [('lifetime = "session"\n', "")],
     [('above name = "basket"', "cookies.basket.lifetime is missing; allowed: a text in quotes. Add the key.")]),
    ("a cookie with an empty lifetime", [('lifetime = "session"', 'lifetime = ""')],
     [('lifetime = ""', "cookies.basket.lifetime is missing; allowed: a period such as \"13 months\", or \"session\". Declare how long the cookie is stored.")]),
    ("a cookie for ever", [('lifetime = "session"', 'lifetime = "for ever"')],
     [("for ever", "cookies.basket.lifetime is 'for ever'; allowed: a period such as \"13 months\", or \"session\". Declare how long the cookie is stored.")]),
    ("a cookie of an unknown kind", [('kind = "local"', 'kind = "flash"')],
     [("flash", "cookies.basket.kind is 'flash'; allowed: http, js, local, session, idb, cache, worker. State where it is stored.")]),
    ("a cookie of an unknown party", [('party = "first"', 'party = "second"')],
     [("second", "cookies.basket.party is 'second'; allowed: first, third. State whether the site or a third party sets it.")]),
    ("a cookie that says nothing", [('"What you put in."', '""')],
     [('description = ""', "cookies.basket.description is ''; allowed: a text. Write one: the cookie table describes every cookie.")]),
    ("our own cookie is not declared", [(table("[[cookies]]", "privacy_choices"), "")],
     [("", "cookies.privacy_choices is missing; allowed: a [[cookies]] table with name = \"privacy_choices\". Declare it, because the extension sets it.")]),
    ("our own cookie for longer than is right", [('"182 days"', '"2 years"')],
     [('lifetime = "2 years"', "cookies.privacy_consent.lifetime is '2 years'; allowed: a period of up to \"182 days\". Change it: the extension sets the cookie with this lifetime.")]),
    ("our own cookie for another purpose", [('purpose = "customisation"', 'purpose = "statistics"')],
     [('name = "privacy_choices"\npurpose', "cookies.privacy_choices.purpose is 'statistics'; allowed: customisation. Change it: the extension sets the cookie for this purpose.")]),
    # Services.
    ("a host with a scheme", [('hosts = ["films.example", ', 'hosts = ["https://films.example/", ')],
     [("https://films.example/\"", "services.films.hosts is 'https://films.example/'; allowed: a host such as \"video.example\" or \"*.video.example\". Leave out scheme and path.")]),
    ("a host with a star in the middle", [('"*.films.example"', '"films.*.example"')],
     [("films.*", "services.films.hosts is 'films.*.example'; allowed: a host such as \"video.example\" or \"*.video.example\". Leave out scheme and path.")]),
    ("a service without hosts", [('hosts = ["films.example", "*.films.example"]', "hosts = []")],
     [("hosts = []", "services.films.hosts is []; allowed: at least one host. List every host: browsers may block all others.")]),
    ("a service's link that leads nowhere", [('link = "https://films.example/privacy"', 'link = "javascript:alert(1)"')],
     [("javascript", "services.films.link is 'javascript:alert(1)'; allowed: the URL of its privacy policy, or none. Begin it with https://.")]),
    ("a service that loads something unknown", [('"frame", "image"', '"frame", "plugin"')],
     [("plugin", "services.films.loads is 'plugin'; allowed: script, style, image, font, frame, connect, media. State what pages may load from it.")]),
    # Fields, log and collection points.
    ("promise 4: a field of no kind", [('kind = "anonymous"', 'kind = "secret"')],
     [('kind = "secret"', "fields.opinion.kind is 'secret'; allowed: identifying, pseudonymous, anonymous. State whether the field identifies a person.")]),
    ("a field that is burnt", [('"What you think of us."', '"What you think of us."\non_erase = "burn"')],
     [("on_erase", "fields.opinion.on_erase is 'burn'; allowed: delete, anonymise, keep. State what an erasure does with the field.")]),
    ("a field kept without a word", [('"What you think of us."', '"What you think of us."\non_erase = "keep"')],
     [('above name = "opinion"', "fields.opinion.reason is ''; allowed: a text. State why it is kept (GDPR art. 17(3)), or let it be deleted."),
      ('above name = "opinion"', 'fields.opinion.kept_for is missing; allowed: a period such as "10 years". State how long it is kept.')]),
    ("a field with a reason and nothing kept", [('"What you think of us."', '"What you think of us."\nreason = "Tax."\nkept_for = "1 year"')],
     [("reason = \"Tax", "fields.opinion.reason is 'Tax.'; allowed: nothing, unless on_erase is \"keep\". Remove it, or keep the field."),
      ("kept_for", "fields.opinion.kept_for is '1 year'; allowed: nothing, unless on_erase is \"keep\". Remove it, or keep the field.")]),
    ("a field kept for a while", [('"What you think of us."', '"What you think of us."\non_erase = "keep"\nreason = "Tax."\nkept_for = "a while"')],
     [("kept_for", 'fields.opinion.kept_for is \'a while\'; allowed: a period such as "30 days", "13 months" or "2 years". Change the value.')]),
    ("a field with an unknown key", [('"What you think of us."', '"What you think of us."\nburns = true')],
     [("burns", f"fields.opinion.burns is True; allowed: description, kept_for, kind, label, name, on_erase, reason. {NO_KEY}")]),
    ("promise 14: a field the log never has", [('"network", "data"]', '"address", "data"]')],
     [('"address"', "log.fields is 'address'; allowed: page, previous, referrer, browser, platform, provider, network, data. Remove it: other fields are never recorded.")]),
    ("promise 9: a collection point without a notice", [('notice = "Notice three."\n', "")],
     [('above id = "feedback"', f"collection.feedback.notice is missing; allowed: {TEXT}. Add the key.")]),
    ("a collection point with an empty notice", [('"Notice three."', '" "')],
     [('notice = " "', "collection.feedback.notice is ' '; allowed: a text. Write one: it is shown at the form.")]),
    ("a collection point for nothing", [('purposes = ["marketing"]', "purposes = []")],
     [("purposes = []", "collection.newsletter.purposes is []; allowed: at least one purpose. Add one: data must not be collected without a purpose.")]),
    ("promise 10: a field both required and optional", [('optional = ["email"]', 'optional = ["opinion"]')],
     [('optional = ["opinion"]', "collection.feedback.optional is 'opinion'; allowed: fields that are not required. Remove it from one of the two lists.")]),
    # Recipients.
    ("promise 27: a recipient that sells", [("sells = false", "sells = true")],
     [("sells = true", "recipients.parcels.sells is True; allowed: false. Remove the recipient: data is never sold, traded or rented.")]),
    ("promise 27: a sale of data", [('id = "bank"', 'id = "sale-of-data"')],
     [('above id = "sale-of-data"', "recipients.sale-of-data.sells is 'sale-of-data'; allowed: false. Remove the recipient: data is never sold, traded or rented.")]),
    ("a country written out", [('country = "DE"', 'country = "Germany"')],
     [("Germany", "recipients.bank.country is 'Germany'; allowed: two letters such as \"DE\" (ISO 3166-1). State the recipient's country.")]),
    ("a link without a scheme", [('link = "https://bank', 'link = "bank')],
     [('link = "bank', "recipients.bank.link is 'bank.example/privacy'; allowed: the URL of its privacy policy. Begin it with https://.")]),
    ("a recipient of nothing", [('fields = ["street"]', "fields = []")],
     [("fields = []", "recipients.parcels.fields is []; allowed: at least one of the declared fields. List those that apply to the recipient.")]),
    ("a recipient without a country", [('country = "FR"\n', "")],
     [('above id = "parcels"', "recipients.parcels.country is missing; allowed: a text in quotes. Add the key.")]),
    # Limits.
    ("promise 33: an answer after a month", [("days = 20", "days = 31")],
     [("days = 31", "requests.days is 31; allowed: 1 to 30. Change it: GDPR art. 12(3) allows one month.")]),
    ("promise 19: children of twelve", [("age = 14", "age = 12")],
     [("age = 12", "minors.age is 12; allowed: 13 to 18. Change it: GDPR art. 8 allows 13 to 16, depending on the country.")]),
    ("promise 35: no mail address", [('"unsubscribe@figures.example"', '"figures.example"')],
     [("unsubscribe =", "marketing.unsubscribe is 'figures.example'; allowed: a mail address. Set the mailbox that receives replies with \"unsubscribe\".")]),
    ("promise 44: a contact that is no mail address", [('"privacy@figures.example"', '"by phone"')],
     [("by phone", "contact.email is 'by phone'; allowed: a mail address. Set one: data subjects send their requests to it.")]),
    ("a contact without an address to write to", [('email = "privacy@figures.example"\n', "")],
     [("[contact]", "contact.email is missing; allowed: a text in quotes. Add the key.")]),
    # Promises.
    ("a promise of another number", [('promises = "all"', "promises = [44, 46, 0]")],
     [("promises =", "promises is 46; allowed: 1 to 45. Remove the number."),
      ("promises =", "promises is 0; allowed: 1 to 45. Remove the number.")]),
    ("promises in words", [('promises = "all"', 'promises = "some"')],
     [("promises =", "promises is 'some'; allowed: a list of numbers from 1 to 45, or \"all\". Look up the numbers in the documentation.")]),
    without(32, "contact", "[contact]", example="a [contact] table with name and email"),
    without(32, "requests", "[requests]", example="a [requests] table with days"),
    without(19, "minors", "[minors]", example="a [minors] table with age"),
    without(19, "marketing", "[marketing]", example="a [marketing] table with unsubscribe"),
    without(31, "collection.posting", "[[collection]]", '"posting"', "[[collection]] tables"),
    ("without recipients", [(table("[[recipients]]", '"bank"'), ""), (table("[[recipients]]", '"parcels"'), "")],
     [("", needs(28, "recipients", "[[recipients]] tables"))]),
    ("without notices.links", [("links = true\n", "")],
     [("[notices]", needs(30, "notices.links", "true or a text under this key of [notices]"))]),
    ("without notices.postings", [("postings = true\n", "")],
     [("[notices]", needs(31, "notices.postings", "true or a text under this key of [notices]"))]),
    ("without notices.licence", [('licence = { en = "No licence, no download." }\n', "")],
     [("[notices]", needs(6, "notices.licence", "true or a text under this key of [notices]"))]),
    ("without notices.law", [("law = true\n", "")],
     [("[notices]", needs(38, "notices.law", "true or a text under this key of [notices]"))]),
    ("without notices.transfer", [("transfer = true\n", "")],
     [("[notices]", needs(39, "notices.transfer", "true or a text under this key of [notices]"))]),
    ("security is not said", [("security = true", "security = false")],
     [("security = false", needs(40, "notices.security", "true or a text under this key of [notices]"))]),
    ("changes are not said", [("changes = true", "changes = false")],
     [("changes = false", needs(43, "notices.changes", "true or a text under this key of [notices]"))]),
    ("a log without fields", [('fields = ["page", "browser", "network", "data"]', "fields = []")],
     [("fields = []", needs(14, "log.fields", "this name in the fields of [log]"))]),
    # A key with a default must be declared if a promise needs it.
    ("without notices.security", [("security = true\n", "")],
     [("[notices]", needs(40, "notices.security", "true or a text under this key of [notices]"))]),
    ("without notices.changes", [("changes = true\n", "")],
     [("[notices]", needs(43, "notices.changes", "true or a text under this key of [notices]"))]),
    ("without retention.archives", [('archives = "60 days"\n', "")],
     [("[retention]", needs(34, "retention.archives", "a period in the [retention] table"))]),
    ("without log.fields", [('fields = ["page", "browser", "network", "data"]\n', "")],
     [("[log]", needs(14, "log.fields", "this name in the fields of [log]"))]),
    ("a schema of another number", [("schema = 1", "schema = 2")],
     [("schema = 2", "schema is 2; allowed: 1. Set the version of the file format that the installed package reads.")]),
    ("statistics kept longer than is said", [('events = "12 months"', 'events = "20 months"')],
     [("events = ", "retention.events is '20 months'; allowed: up to 13 months. Shorten it to the retention of the purpose statistics.")]),
    ("a banner without words", [('text = "May we count your visits?"', 'text = ""')],
     [('text = ""', "banner.text is ''; allowed: a text. Write one: visitors must know what they consent to.")]),
    ("a recipient without a name", [('name = "Parcel Post"', 'name = " "')],
     [('name = " "', "recipients.parcels.name is ' '; allowed: a text. Set one: the policy page names every recipient.")]),
    ("a purpose without an id", [('id = "media"\n', ""), ('purpose = "media"', 'purpose = "use"'), ('basis = "contract"\n\n[[purposes]]\nid = "support"', '\n[[purposes]]\nid = "support"')],
     [('above title = "Films"', "purposes.[3].id is missing; allowed: a text in quotes. Add the key.")]),
    # Invalid TOML.
    ("no TOML", [('title = "Films"', "title = Films")],
     [("title = Films", "privacy.toml is 'Invalid value (at line LINE, column 9)'; allowed: TOML. Correct the syntax; https://toml.io describes it.")]),
    ("a key twice", [('title = "Films"', 'title = "Films"\ntitle = "Film"')],
     [('title = "Film"', "privacy.toml is 'Cannot overwrite a value (at line LINE, column 15)'; allowed: TOML. Correct the syntax; https://toml.io describes it.")]),
    # All errors at once, in the order of the file.
    ("many mistakes", [("days = 20", "days = 0"), ("age = 14", "age = 99"), ('kind = "local"', 'kind = "x"'), ('title = "Films"', "title = false"), ('"Ada Hand"', "1"), (table("[[cookies]]", "privacy_choices"), "")],
     [("name = 1", "contact.name is 1; allowed: a text in quotes. Change the value."),
      ("title = false", f"purposes.media.title is False; allowed: {TEXT}. Change the value."),
      ('kind = "x"', "cookies.basket.kind is 'x'; allowed: http, js, local, session, idb, cache, worker. State where it is stored."),
      ("age = 99", "minors.age is 99; allowed: 13 to 18. Change it: GDPR art. 8 allows 13 to 16, depending on the country."),
      ("days = 0", "requests.days is 0; allowed: 1 to 30. Change it: GDPR art. 12(3) allows one month."),
      ("", "cookies.privacy_choices is missing; allowed: a [[cookies]] table with name = \"privacy_choices\". Declare it, because the extension sets it.")]),
]  # fmt: skip


def line_of(text, at):
    """Return the line number where a text ends. The prefix "last" selects the last of two, "above" the line before."""
    which, _, piece = at.partition(" ") if at.startswith(("last ", "above ")) else ("", "", at)
    assert text.count(piece) == 1 or (which == "last" and text.count(piece) == 2), (piece, text.count(piece))
    return text[: text.rindex(piece) + len(piece)].count("\n") + (0 if which == "above" else 1)


def expected_lines(text, expected):
    """Yield the complete error lines for an invalid text."""
    for at, sentence in expected:
        line = line_of(text, at) if at else 0
        yield f"privacy.toml:{line}: {sentence.replace('LINE', str(line))}" if line else f"privacy.toml: {sentence}"


@pytest.fixture
def declared(tmp_path):
    """Return a function that reads a text as a site's privacy.toml."""

    def read_text(text):
        path = tmp_path / "privacy.toml"
        path.write_text(text, encoding="utf-8")
        return read(path)

    return read_text


def test_a_good_declaration_is_read(declared):
    """Every table is read: texts with languages, periods as `Period`, and defaults for missing keys."""
    policy = declared(FULL)
    assert (policy.site, policy.contact, policy.promises) == (
        "Moving Figures",
        Contact("Ada Hand", "privacy@figures.example", "1 Walk Lane, Berlin"),
        tuple(range(1, 46)),
    )
    assert policy.purpose("statistics").title == {"en": "Statistics", "de": "Statistik"}
    assert (policy.purpose("use").retention, policy.retention.archives) == (Period(13, "month"), Period(60, "day"))
    assert [len(getattr(policy, name)) for name in ("purposes", "cookies", "services", "fields", "collection", "recipients")] == [
        8, 4, 1, 3, 7, 2,
    ]  # fmt: skip
    assert (policy.minors.age, policy.requests.days, policy.notices.law) == (14, 20, True)


@pytest.mark.parametrize(("edits", "expected"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_an_invalid_declaration_raises_with_line_and_next_step(declared, edits, expected):
    """All errors are raised at once, each with file, line, key, value, allowed values and next step."""
    text = FULL
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(PolicyError) as raised:
        declared(text)
    assert str(raised.value).splitlines() == list(expected_lines(text, expected))


def test_promise_2_a_file_that_is_not_utf_8_raises_an_explanation(tmp_path):
    """A file saved as Latin-1 raises an explanation instead of a UnicodeDecodeError."""
    (tmp_path / "privacy.toml").write_bytes(FULL.replace("Walk Lane", "Gehgäßchen").encode("latin-1"))
    with pytest.raises(PolicyError, match=r"^privacy\.toml.*UTF-8"):
        read(tmp_path / "privacy.toml")


def test_the_start_file_reads_and_is_the_built_in_policy():
    """The output of `flask privacy init` is valid without a change."""
    policy = built_in()
    assert [purpose.id for purpose in policy.purposes] == ["necessary", "statistics", "customisation"]
    assert [cookie.name for cookie in policy.cookies] == [
        "privacy_consent",
        "privacy_visitor",
        "privacy_events",
        "privacy_choices",
        "session",
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", policy.version)


GOOD = {
    "site": "Tiny",
    "purposes": (Purpose("necessary", "Needed", "What is needed.", "necessary", reason="Because."), Purpose("extra", "Extra", "More.")),
    "cookies": (Cookie("privacy_consent", "necessary", "182 days", "Your decision."),),
}  # fmt: skip
RECIPIENT = Recipient("bank", "Bank", "pays", ("extra",), ("page",), "DE", "https://bank.example")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"site": ""}, "site.name is ''; allowed: the site's name. Set it; the policy page states it."),
        ({"purposes": (), "cookies": ()}, "purposes is missing; allowed: at least one [[purposes]] table. Start with the file that `flask privacy init` writes."),
        ({"purposes": (*GOOD["purposes"], Purpose("Two Words", "T", "D"))}, f"purposes.Two Words.id is 'Two Words'; allowed: {ID}"),
        ({"purposes": (*GOOD["purposes"], Purpose("more", " ", "D"))}, "purposes.more.title is ' '; allowed: a text. Write one: visitors must know what they consent to."),
        ({"cookies": (*GOOD["cookies"], Cookie("a", "tracking", "1 day", "D"))}, "cookies.a.purpose is 'tracking'; allowed: extra, necessary. Declare it under [[purposes]], or use one of these."),
        ({"cookies": (*GOOD["cookies"], Cookie("a", "extra", "", "D"))}, 'cookies.a.lifetime is missing; allowed: a period such as "13 months", or "session". Declare how long the cookie is stored.'),
        ({"cookies": ()}, 'cookies.privacy_consent is missing; allowed: a [[cookies]] table with name = "privacy_consent". Declare it, because the extension sets it.'),
        ({"recipients": (replace(RECIPIENT, sells=True),)}, "recipients.bank.sells is True; allowed: false. Remove the recipient: data is never sold, traded or rented."),
        ({"recipients": (replace(RECIPIENT, fields=("iban",)),)}, "recipients.bank.fields is 'iban'; allowed: browser, data, network, page, platform, previous, provider, referrer. Declare it under [[fields]], or use one of these."),
        ({"contact": Contact("Ada", "nowhere")}, "contact.email is 'nowhere'; allowed: a mail address. Set one: data subjects send their requests to it."),
        ({"promises": (44,)}, needs(44, "contact", "a [contact] table with name and email")),
    ],
)  # fmt: skip
def test_a_policy_built_in_python_has_the_same_checks(change, sentence):
    """The checks and messages are the same, without a file and a line."""
    with pytest.raises(PolicyError) as raised:
        Policy(**(GOOD | change))
    assert str(raised.value) == sentence
    assert [str(problem) for problem in raised.value.problems] == [sentence]


def test_a_valid_policy_in_python_is_immutable():
    """A policy is a value: it equals an identical policy and cannot be changed."""
    policy = Policy(**GOOD)
    assert policy == Policy(**GOOD)
    with pytest.raises(FrozenInstanceError):
        policy.site = "Other"


def test_a_policy_in_python_raises_all_problems_together():
    """The error has each problem as data: key, value, allowed values and next step."""
    with pytest.raises(PolicyError) as raised:
        Policy(**(GOOD | {"site": "", "promises": (99,)}))
    assert raised.value.problems == (
        Problem("site.name", "", "the site's name", "Set it; the policy page states it."),
        Problem("promises", 99, "1 to 45", "Remove the number."),
    )


@pytest.fixture
def app_in(tmp_path):
    """Return a function that builds an app in its own root folder with the given settings."""

    def build(**config):
        app = Flask("rooted", root_path=str(tmp_path), instance_path=str(tmp_path / "instance"))
        app.config.update(SECRET_KEY="not a secret, a test", TESTING=True, **config)
        return Privacy(app).runtime(app)

    return build


@pytest.mark.parametrize("given", ["conf/privacy.toml", "absolute", "path", "policy"])
def test_the_setting_names_a_file_from_the_apps_root_or_a_policy(app_in, tmp_path, given):
    """A relative path is resolved from the app's root, not the working directory. A Path and a Policy work too."""
    path = tmp_path / "conf" / "privacy.toml"
    path.parent.mkdir()
    path.write_text(FULL)
    value = {"absolute": str(path), "path": path, "policy": read(path)}.get(given, given)
    assert app_in(PRIVACY_POLICY=value).policy == read(path)


def test_without_the_setting_the_file_beside_the_app_is_used(app_in, tmp_path):
    """The file only has to exist."""
    (tmp_path / "privacy.toml").write_text(FULL)
    assert app_in().policy.site == "Moving Figures"


def test_without_any_file_the_built_in_policy_is_used(app_in):
    """Three lines of code are enough to start."""
    assert app_in().policy == built_in()


@pytest.mark.parametrize("value", ["missing.toml", "", ".", 5])
def test_a_setting_for_a_missing_file_raises(app_in, value):
    """The app raises at startup, with the allowed values and the command that writes a file."""
    with pytest.raises(SettingError) as raised:
        app_in(PRIVACY_POLICY=value)
    assert str(raised.value) == (
        f"PRIVACY_POLICY is {value!r}; allowed: the path of a privacy.toml, or a Policy. "
        "Write one with `flask privacy init`, or leave the setting out to use the built-in policy."
    )


def test_an_invalid_file_raises_at_startup(app_in, tmp_path):
    """The error appears at startup, not at the first request."""
    (tmp_path / "privacy.toml").write_text(FULL.replace("days = 20", "days = 31"))
    with pytest.raises(PolicyError, match=r"requests\.days is 31"):
        app_in()
