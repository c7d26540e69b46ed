"""What a visitor may have answered: each is looked at in a browser of its own."""

from __future__ import annotations

from dataclasses import dataclass

from ...policy.model import Policy

UNASKED, REJECTED, ACCEPTED, WITHDRAWN, GPC = "no choice", "rejected", "accepted", "withdrawn", "gpc"


@dataclass(frozen=True)
class State:
    """An answer, and what it allows."""

    name: str
    granted: frozenset[str]  # optional purposes
    choice: str = ""  # the button pressed: accept_all, reject_all or save
    gpc: bool = False
    then: State | None = None  # what the same visitor answers afterwards


def states_of(policy: Policy) -> list[State]:
    """Every answer that the policy leaves room for, the one not given first."""
    every, none = frozenset(purpose.id for purpose in policy.optional), frozenset[str]()
    unasked, gpc = State(UNASKED, none), State(GPC, none, gpc=True)
    if not every:
        return [unasked, gpc]
    withdrawn = State(WITHDRAWN, none, "reject_all")
    alone = [State(f"only {name}", frozenset({name}), "save") for name in sorted(every)] if len(every) > 1 else []
    return [unasked, State(REJECTED, none, "reject_all"), State(ACCEPTED, every, "accept_all", then=withdrawn), *alone, gpc]


def turn(name: str) -> tuple[int, str]:
    """The order in which states are told."""
    order = (UNASKED, REJECTED, ACCEPTED, WITHDRAWN)
    return (order.index(name) if name in order else len(order) + (name == GPC), name)


def flat(states: list[State]) -> list[State]:
    """The states with those that follow them."""
    return [one for state in states for one in (state, state.then) if one is not None]
