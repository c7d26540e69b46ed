"""The promises a policy can make, by number: what each says, what it needs declared, and what keeps it."""

from __future__ import annotations

from dataclasses import dataclass

#: Keeps a promise by saying it.
TEXT = "text"


@dataclass(frozen=True)
class Promise:
    """One promise: its sentence in short, the keys that have to be declared for it, and the module that keeps it."""

    says: str
    kept_by: str
    needs: tuple[str, ...] = ()

    def example(self, key: str) -> str:
        """What to declare under a key, for an error to say."""
        return _EXAMPLES.get(key, _EXAMPLES.get(key.partition(".")[0], "something under it"))


_EXAMPLES = {
    "contact": "a [contact] table with name and email",
    "purposes": "a [[purposes]] table with this id",
    "cookies": "a [[cookies]] table with this name",
    "collection": "[[collection]] tables",
    "recipients": "[[recipients]] tables",
    "fields": "[[fields]] tables",
    "log": "this name in the fields of [log]",
    "minors": "a [minors] table with age",
    "requests": "a [requests] table with days",
    "marketing": "a [marketing] table with unsubscribe",
    "notices": "true or a text under this key of [notices]",
    "retention": "a period in the [retention] table",
}

_SIX = tuple(f"collection.{point}" for point in ("registration", "licence", "feedback", "purchase", "account", "newsletter"))

#: What the policy promises, by number. A module named here that is not there yet is told by ``flask privacy check``.
PROMISES = {
    1: Promise("information is protected from third parties", "csp"),
    2: Promise("the policy says how information is used and shared", "document", ("purposes",)),
    3: Promise("use of the site is not taken as consent", "consent"),
    4: Promise("anonymous and personal data are both covered", "checks", ("fields",)),
    5: Promise("purchase, use and support are covered", "checks", ("purposes.purchase", "purposes.use", "purposes.support")),
    6: Promise("who does not agree does not download", "licences", ("notices.licence", "collection.licence")),
    7: Promise("personal data is collected at declared points", "collection", ("collection",)),
    8: Promise("data is used for the purposes it was collected for", "disclosure", ("purposes",)),
    9: Promise("six points of collection, each with its notice", "collection", _SIX),
    10: Promise("what is given is given voluntarily", "collection", ("collection",)),
    11: Promise("each cookie is declared", "document", ("cookies",)),
    12: Promise("a cookie holds a unique identifier, set by our server", "cookies", ("cookies.privacy_visitor",)),
    13: Promise("use patterns, repeat visitors and customised content", "tracking.visits", ("purposes.statistics", "purposes.customisation")),
    14: Promise("the log's fields are the declared ones", "tracking.events", ("log.fields",)),
    15: Promise("log files are used for trends and aggregate movement", "tracking.reports", ("log.fields",)),
    16: Promise("log files are not linked to personal data", "tracking.addresses", ("log.fields",)),
    17: Promise("a tracking utility uses the log files", "tracking.log", ("log.fields",)),
    18: Promise("whoever does not want this finds the way out", "views.consent", ("purposes.statistics",)),
    19: Promise("children are not marketed to", "mail", ("minors", "marketing")),
    20: Promise("nothing is knowingly collected from children for marketing", "collection", ("minors",)),
    21: Promise("parental supervision is encouraged", TEXT, ("minors",)),
    22: Promise("information is used to improve the service", "consent", ("purposes.statistics",)),
    23: Promise("statistics on visitors as a whole", "tracking.reports", ("purposes.statistics",)),
    24: Promise("aggregates are not linked to persons", "tracking.reports", ("purposes.statistics",)),
    25: Promise("personal data serves purchases, support and marketing mail", "mail", ("purposes.purchase", "purposes.support", "purposes.marketing")),
    26: Promise("marketing can be declined", "mail", ("marketing",)),
    27: Promise("data is not sold, traded or rented", "checks"),
    28: Promise("contractors are named", "document", ("recipients",)),
    29: Promise("contractors get only what is necessary", "disclosure", ("recipients",)),
    30: Promise("other sites have their own policies", "markup", ("notices.links",)),
    31: Promise("postings are public", "collection", ("notices.postings", "collection.posting")),
    32: Promise("correct, delete or change the use of data: ask", "rights.desk", ("requests", "contact")),
    33: Promise("requests are answered in not more than 30 days", "rights.duration", ("requests",)),
    34: Promise("archives may keep what the live database deleted", "rights.replay", ("retention.archives",)),
    35: Promise('opt out by a reply with "unsubscribe" in the subject', "mail", ("marketing",)),
    36: Promise("opt out by a mail that says so", "mail", ("marketing", "contact")),
    37: Promise("crucial information on purchases is still sent", "mail", ("purposes.purchase",)),
    38: Promise("data is disclosed where law or safety requires", "disclosure", ("notices.law",)),
    39: Promise("or in a merger or sale", "disclosure", ("notices.transfer",)),
    40: Promise("industry-standard security", "cookies", ("notices.security",)),
    41: Promise("access only with a business need", "need", ("notices.security",)),
    42: Promise("nobody can promise complete security", TEXT, ("notices.security",)),
    43: Promise("the policy is amended by posting", "versions", ("notices.changes",)),
    44: Promise("a contact", "document", ("contact",)),
    45: Promise("last updated", "versions", ("notices.changes",)),
}  # fmt: skip
