"""The promises of a policy, by number: a summary, and the keys that must be declared."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """One promise: a summary, and the keys that must be declared for it."""

    summary: str
    needs: tuple[str, ...] = ()

    def example(self, key: str) -> str:
        """Return an example of what to declare under a key, for an error."""
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

#: The promises by number.
PROMISES = {
    1: Promise("information is protected from third parties"),
    2: Promise("the policy says how information is used and shared", ("purposes",)),
    3: Promise("use of the site is not taken as consent"),
    4: Promise("anonymous and personal data are both covered", ("fields",)),
    5: Promise("purchase, use and support are covered", ("purposes.purchase", "purposes.use", "purposes.support")),
    6: Promise("a download requires agreement to the licence", ("notices.licence", "collection.licence")),
    7: Promise("personal data is collected at declared points", ("collection",)),
    8: Promise("data is used for the purposes it was collected for", ("purposes",)),
    9: Promise("six points of collection, each with its notice", _SIX),
    10: Promise("personal data is given voluntarily", ("collection",)),
    11: Promise("each cookie is declared", ("cookies",)),
    12: Promise("a cookie holds a unique identifier, set by our server", ("cookies.privacy_visitor",)),
    13: Promise("use patterns, repeat visitors and customised content", ("purposes.statistics", "purposes.customisation")),
    14: Promise("the log's fields are the declared ones", ("log.fields",)),
    15: Promise("log files are used for trends and aggregate movements", ("log.fields",)),
    16: Promise("log files are not linked to personal data", ("log.fields",)),
    17: Promise("a tracking utility uses the log files", ("log.fields",)),
    18: Promise("visitors can opt out of the statistics", ("purposes.statistics",)),
    19: Promise("children are not marketed to", ("minors", "marketing")),
    20: Promise("nothing is knowingly collected from children for marketing", ("minors",)),
    21: Promise("parental supervision is encouraged", ("minors",)),
    22: Promise("information is used to improve the service", ("purposes.statistics",)),
    23: Promise("statistics on visitors as a whole", ("purposes.statistics",)),
    24: Promise("aggregates are not linked to persons", ("purposes.statistics",)),
    25: Promise("personal data is used for purchases, support and marketing mail", ("purposes.purchase", "purposes.support", "purposes.marketing")),
    26: Promise("marketing can be declined", ("marketing",)),
    27: Promise("data is not sold, traded or rented"),
    28: Promise("contractors are named", ("recipients",)),
    29: Promise("contractors get only what is necessary", ("recipients",)),
    30: Promise("other sites have their own policies", ("notices.links",)),
    31: Promise("postings are public", ("notices.postings", "collection.posting")),
    32: Promise("people can ask to correct or delete their data, or to change its use", ("requests", "contact")),
    33: Promise("requests are answered in not more than 30 days", ("requests",)),
    34: Promise("archives may keep what the live database deleted", ("retention.archives",)),
    35: Promise('opt out by a reply with "unsubscribe" in the subject', ("marketing",)),
    36: Promise("opt out by a mail that asks for it", ("marketing", "contact")),
    37: Promise("crucial information on purchases is still sent", ("purposes.purchase",)),
    38: Promise("data is disclosed where law or safety requires", ("notices.law",)),
    39: Promise("data may pass on in a merger or sale", ("notices.transfer",)),
    40: Promise("industry-standard security", ("notices.security",)),
    41: Promise("access only with a business need", ("notices.security",)),
    42: Promise("complete security cannot be promised", ("notices.security",)),
    43: Promise("the policy is amended by posting", ("notices.changes",)),
    44: Promise("the policy names a contact", ("contact",)),
    45: Promise("the policy has the date of its last update", ("notices.changes",)),
}  # fmt: skip
