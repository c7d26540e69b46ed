"""Promises compared with records: events, decisions and the chain of the ledger, by the operator's own commands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from flask import Flask

from flask_mixamo_privacy.ledger.refusals import REFUSALS, number_of
from flask_mixamo_privacy.web.context import current_runtime, privacy_context
from torture.people import People, Person


def key_of(event: dict[str, Any]) -> str | None:
    """Return the name of an event that a client asked for, or None for the start of a visit."""
    if event["kind"] == "page_view":
        return str(event["page"])
    return str(event["id"]) if event["kind"] == "click" else None


class Verifier:
    """Compares what the site recorded with what it answered.

    ``damaged`` are the events in lines that the runner damaged on purpose. They may be missing or altered.
    """

    def __init__(self, app: Flask, people: People) -> None:
        self._app, self._people = app, people
        self.damaged: set[str] = set()
        self.found: Counter[str] = Counter()
        self._must: set[str] = set()  # as of the last check: the clients continue after it
        self._reported: set[str] = set()  # each event is reported once, and not after each later failure

    def findings(self) -> list[str]:
        """Load the log, and return each promise that is broken. Call it while no client sends a request."""
        events, verified = self._flask("events"), self._flask("ledger", "verify")
        found = [f"A command failed: {result.output}" for result in (events, verified) if result.exit_code]
        if not events.exit_code:
            lines = map(json.loads, events.stdout.splitlines())
            self.found = Counter(key for line in lines if (key := key_of(line)))
            self._must = set().union(*(person.acknowledged for person in self._people.in_state("granted"))) - self.damaged
            found += [*self._events(), *self._decisions()]
        found += self._people.broken
        self._people.broken.clear()
        return found

    def _flask(self, *arguments: str) -> Any:
        return self._app.test_cli_runner().invoke(args=["privacy", *arguments])

    def _events(self) -> Iterator[str]:
        everyone = self._people.in_state("unasked", "granted", "refused", "withdrawing", "withdrawn")
        lost, kept, tried = set(), set(), set()
        for person in everyone:
            tried |= person.tried
            if person.state == "granted":
                lost |= person.acknowledged - self.found.keys()
            if person.state in ("refused", "withdrawn"):
                kept |= person.tried & self.found.keys()
        yield from self._report("Acknowledged events were lost", lost)
        yield from self._report("Events exist although their visitors have refused or withdrawn", kept)
        yield from self._report("Events were counted twice", {key for key, number in self.found.items() if number > 1})
        yield from self._report("Events exist that no client sent", self.found.keys() - tried)

    def _report(self, what: str, keys: Collection[str]) -> Iterator[str]:
        if new := set(keys) - self.damaged - self._reported:
            self._reported |= new
            yield f"{what}: {sorted(new)}"

    def _decisions(self) -> Iterator[str]:
        with self._app.app_context():
            ledger = current_runtime().ledger
            rows = list(ledger.entries("grant", "withdrawal", "refusal", REFUSALS))
            refusals = sum(count.number for count in ledger.refusals.counts())
        refusals += sum(number_of(row["detail"]) if row["kind"] == REFUSALS else row["kind"] == "refusal" for row in rows)
        granted = {row["receipt"] for row in rows if row["kind"] == "grant"}
        withdrawn = {row["replaces"] for row in rows if row["kind"] == "withdrawal"}
        for person in self._people.in_state("granted", "withdrawing", "withdrawn"):
            receipts = {self._receipt(cookie) for cookie in person.cookies}
            if receipts - granted:
                yield f"An acknowledged grant is not in the ledger: {receipts}"
            if person.state == "withdrawn" and person.is_recorded and receipts - withdrawn:
                yield f"An acknowledged withdrawal is not in the ledger: {receipts}"
        refused = [person for person in self._people.in_state("refused") if person.is_recorded]
        if refusals < len(refused):
            yield f"{len(refused)} refusals were acknowledged, and {refusals} are counted"

    def _receipt(self, cookie: str) -> str:
        with self._app.test_request_context("/", headers={"Cookie": f"privacy_consent={cookie}"}):
            return str(privacy_context().receipt)

    def acknowledged(self) -> tuple[int, int]:
        """Return the number of events that had to exist at the last check, and how many of them did."""
        return len(self._must), len(self._must & self.found.keys())


def settled(people: list[Person]) -> int:
    """Return the number of people whose last decision was answered."""
    return sum(person.state in ("granted", "refused", "withdrawn") for person in people)
