"""What a finding is: pure functions from evidence and policy to what is to be told. No browser is needed for these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ...policy.model import Policy
from .answers import answers
from .audit_rules_hosts import hosts
from .banner import banner
from .consent import consent
from .cookies import cookies
from .evidence import Evidence
from .finding import Told
from .pages import pages
from .persons import hidden, persons
from .seen import seen

Rule = Callable[[Evidence, Policy], Iterator[Told]]

RULES: tuple[Rule, ...] = (cookies, hosts, seen, consent, persons, banner, answers, pages)


def judge(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    """Everything that any rule has to say."""
    for rule in RULES:
        yield from map(_discreet, rule(evidence, policy))


def _discreet(told: Told) -> Told:
    """A report shall not spread the mail addresses that stand in addresses, whatever it has to say of those."""
    place = told.place and replace(told.place, route=hidden(told.place.route))
    selector = told.selector if hidden(told.selector) == told.selector else ""
    return replace(told, subject=hidden(told.subject), evidence=hidden(told.evidence), place=place, selector=selector)
