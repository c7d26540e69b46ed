"""Clients that accept, browse, report events, refuse and withdraw, and remember each acknowledged answer."""

from __future__ import annotations

import json
import random
import threading
import time
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple
from urllib.parse import urlencode

from torture.people import People, Person
from torture.site import NOT_RECORDED

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_THINKS = 0.02  # seconds at most, between two requests
_NAME = "a-page-with-a-name-of-some-length"  # a part of it, so that lines of the log differ in length
_LONGEST_ANSWER = 60.0  # seconds; a request without an answer is a fault


class Answer(NamedTuple):
    """A complete response."""

    status: int
    is_recorded: bool


class Client(threading.Thread):
    """One browser after the other, until it is stopped. While ``busy`` is held by another thread, it sends nothing."""

    def __init__(self, port: int, people: People, seed: str) -> None:
        super().__init__(daemon=True)
        self.busy, self.stopped = threading.Lock(), threading.Event()
        self._people, self._random = people, random.Random(seed)  # noqa: S311 — invented data needs no secret
        self._connection = HTTPConnection("127.0.0.1", port, timeout=_LONGEST_ANSWER)
        self._cookies: dict[str, str] = {}

    def run(self) -> None:
        while not self.stopped.is_set():
            self._cookies = {}
            person = self._people.arrive()
            if self._random.random() < 0.2:
                self._decide(person, "reject_all", "refused")
                self._browse(person, 2)
            elif self._decide(person, "accept_all", "granted"):
                self._browse(person, self._random.randint(2, 8))
                if self._random.random() < 0.4:
                    self._decide(person, "reject_all", "withdrawn")
                    self._browse(person, 2)
        self._connection.close()

    def _browse(self, person: Person, requests: int) -> None:
        for _ in range(requests):
            if self.stopped.is_set():
                return
            if person.state == "granted" and self._random.random() < 0.4:
                self._report(person)
            else:
                self._open(person)

    def _open(self, person: Person) -> None:
        """Open a page. If it is answered and recorded, and the person granted statistics, its view is an event."""
        path = f"/n/{self._people.next_number()}/{_NAME[: self._random.randint(1, len(_NAME))]}"
        person.tried.add(path)
        answer = self._ask("GET", path)
        if answer is None:
            return
        if answer.status != 200:
            self._people.report_broken(f"GET {path}: {answer.status}")
        elif person.state == "granted" and answer.is_recorded:
            person.acknowledged.add(path)

    def _report(self, person: Person) -> None:
        """Report events, again and again until there is an answer, as the tracker does."""
        ids = [f"e{self._people.next_number()}" for _ in range(self._random.randint(1, 5))]
        person.tried.update(ids)
        body = json.dumps([{"id": name, "kind": "click", "page": "/n/1"} for name in ids])
        repeats = self._random.random() < 0.1  # a browser that has not seen its first answer
        for _ in range(5):
            answer = self._ask("POST", "/privacy/events", body, {"Content-Type": "application/json"})
            if answer is not None and answer.status == 204:
                person.acknowledged.update(ids)
                if not repeats:
                    return
                repeats = False
            elif answer is not None and answer.status != 503:
                self._people.report_broken(f"POST /privacy/events: {answer.status}")
                return
            self._people.count("reports sent again")

    def _decide(self, person: Person, choice: str, state: str) -> bool:
        """Post a decision until there is an answer. Returns whether it took effect; only a grant may not."""
        if person.state == "granted":
            person.state = "withdrawing"
        while not self.stopped.is_set():
            answer = self._ask("POST", "/privacy/consent", urlencode({"choice": choice}), _FORM)
            if answer is None:
                continue
            if answer.status == 303:
                self._settle(person, state, answer)
                return True
            if answer.status != 503 or state != "granted":
                self._people.report_broken(f"POST /privacy/consent {choice}: {answer.status}")
            self._people.count("grants answered with 503")
            return False
        return False

    def _settle(self, person: Person, state: str, answer: Answer) -> None:
        if state == "granted":
            person.cookies.append(self._cookies["privacy_consent"])
        else:
            person.is_recorded = answer.is_recorded
        person.state = state
        self._people.count(f"decisions: {state}")

    def _ask(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Answer | None:
        """Return the answer, or None if the connection broke before it was complete."""
        time.sleep(self._random.random() * _THINKS)
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items() if value)
        with self.busy:
            try:
                self._connection.request(method, path, body, {**(headers or {}), "Cookie": cookies})
                response = self._connection.getresponse()
                response.read()
            except (OSError, HTTPException) as error:
                self._connection.close()
                self._people.count("requests without an answer")
                if isinstance(error, TimeoutError):
                    self._people.report_broken(f"{method} {path}: no answer within {_LONGEST_ANSWER:.0f} seconds")
                return None
        for line in response.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        self._people.count("requests answered")
        return Answer(response.status, NOT_RECORDED not in response.headers)


class Crowd:
    """All clients together. They pause while the runner compares promises with records."""

    def __init__(self, port: int, people: People, number: int, seed: str) -> None:
        self._clients = [Client(port, people, f"{seed} client {client}") for client in range(number)]
        for client in self._clients:
            client.start()

    def pause(self) -> None:
        """Wait for every request that is under way, and let none begin."""
        for client in self._clients:
            client.busy.acquire()

    def resume(self) -> None:
        for client in self._clients:
            client.busy.release()

    def stop(self) -> None:
        """Let no client begin another request."""
        for client in self._clients:
            client.stopped.set()

    def join(self) -> None:
        """Wait for the clients, after :meth:`stop` and once the site is gone."""
        for client in self._clients:
            client.join(_LONGEST_ANSWER)
