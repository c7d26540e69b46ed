"""What a finding is: pure functions from evidence and policy to what is to be told. No browser is needed for these."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...policy import Policy
from ..evidence import Evidence
from ..finding import Told
from .answers import answers
from .banner import banner
from .consent import consent
from .cookies import cookies
from .hosts import hosts
from .pages import pages
from .persons import persons
from .seen import seen

Rule = Callable[[Evidence, Policy], Iterator[Told]]

RULES: tuple[Rule, ...] = (cookies, hosts, seen, consent, persons, banner, answers, pages)


def judge(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    """Everything that any rule has to say."""
    for rule in RULES:
        yield from rule(evidence, policy)
