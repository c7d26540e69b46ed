"""A state machine of a site, three people, three visitors, a clock and backups, with invariants after every step.

Hypothesis chooses the steps. Only steps that had an effect are counted, because others test nothing.
"""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import sqlalchemy as sa
import time_machine
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy.orm import Session

from conftest import Tiny, choose, cookie
from flask_mixamo_privacy.ledger.entry import BEGINNING
from flask_mixamo_privacy.ledger.refusals import number_of
from flask_mixamo_privacy.ledger.verify import verify
from flask_mixamo_privacy.web.context import privacy_context
from support.backups import PARTS, Disk, Files
from support.people_site import SUBJECTS, Account, Base, Letter, People, policy

EMAILS = ("quixote@shop.example", "xylophone@shop.example", "zeppelin@shop.example")
COOKIES = ("privacy_consent", "privacy_visitor", "privacy_choices")
NOTHING = object()  # returned by a step that had nothing to do, which is not counted
LONGEST = 40  # steps before a new site starts

people = st.sampled_from(EMAILS)
visitors = st.sampled_from((0, 1, 2))
moments = st.one_of(st.none(), st.sampled_from((0, 1, 2)))  # the number of a backup, or none


def step(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., Any]], Any]:
    """Declare a rule that is counted once it had an effect."""

    def decorate(act: Callable[..., Any]) -> Any:
        @functools.wraps(act)
        def counted(self: Machine, **values: Any) -> None:
            if act(self, **values) is not NOTHING:
                self.taken[act.__name__] += 1

        return rule(**strategies)(counted)

    return decorate


@dataclass
class Known:
    """The expected content of a part that can be restored."""

    rows: set[tuple[str, datetime]] = field(default_factory=set)  # e-mail or letter, and the time it was added
    accepted: dict[str, datetime] = field(default_factory=dict)  # licence acceptances: e-mail and time
    requests: dict[str, datetime] = field(default_factory=dict)  # requests: e-mail and time of the last one


class Machine(RuleBasedStateMachine):
    """The expected state is kept beside the site and never read from it."""

    taken: ClassVar[Counter[str]]
    make_disk: ClassVar[Callable[[Path], Disk]] = staticmethod(Files)
    parent: ClassVar[Path | None] = None  # of each site's folder; None is the system's temporary folder

    @initialize()
    def open_the_site(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=self.parent))
        (self.folder / "instance").mkdir()
        self.clock = time_machine.travel("2026-05-08T12:00:00Z", tick=False)
        self.now = self.clock.start()
        self.disk = self.make_disk(self.folder)
        self.keys = {"key0": "sixteen characters"}
        self.engine = sa.create_engine(self.disk.people, poolclass=sa.NullPool)
        Base.metadata.create_all(self.engine)
        self.known = Known()
        self.erased: dict[str, datetime] = {}  # e-mail and time of the last erasure
        self.wanted: dict[str, bool] = {}  # e-mail and marketing permission, as the ledger has it
        self.decisions: list[tuple[str, str]] = []  # the kind and the time of each grant and withdrawal
        self.refusals: Counter[str] = Counter()  # by day
        self.granted: dict[int, bool] = {}  # each visitor's last decision
        self.erased_visitors: set[str] = set()  # the IDs of erased visitors
        self.backups: list[tuple[dict[str, Any], Known]] = []
        self.in_doubt = False  # True between a restore or a crash and the replay
        self.head = BEGINNING  # the ledger's head, kept outside the ledger
        self.cookies: dict[int, dict[str, str]] = {0: {}, 1: {}, 2: {}}
        self.site: Tiny | None = None
        self.start()
        for email in EMAILS:
            self._register(email)
        for number in (0, 1):
            self._consent(number)
            self._browse(number)
        self._back_up()

    def start(self) -> None:
        """Start the app as a new process would: all its state is on the disk."""
        if self.site is not None:
            self.runtime.log.close()
        self.mails: list[Any] = []
        config = {"PRIVACY_POLICY": policy(), "PRIVACY_SEND": self.mails.append, "PRIVACY_KEYS": dict(self.keys)}
        self.site = Tiny(self.folder / "instance", PRIVACY_LOG_KEEP=30, **config, **self.disk.config)
        self.runtime.log._background = False  # otherwise thousands of processes would each leave a thread
        self.people = People(self.site, self.engine)
        self.people.mails = self.mails
        self.site.privacy.register_models(self.engine, SUBJECTS, name="shop")

    def teardown(self) -> None:
        if hasattr(self, "clock"):
            self.clock.stop()
            self.engine.dispose()
            shutil.rmtree(self.folder)

    @property
    def runtime(self) -> Any:
        return self.site.privacy.runtime(self.site.app)

    def later(self, seconds: int = 60) -> datetime:
        self.now.shift(seconds)
        return datetime.now(UTC).replace(tzinfo=None)

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        outcome = self.site.cli(*arguments)
        assert outcome.exit_code in codes, outcome.output
        return outcome.output

    def visit(self, number: int, act: Callable[[Any], Any]) -> Any:
        """Run an action in a visitor's browser, which keeps its cookies."""
        client = self.site.visitor()
        for name, value in self.cookies[number].items():
            client.set_cookie(name, value)
        result = act(client)
        self.cookies[number] = {name: cookie(client, name) for name in COOKIES if cookie(client, name)}
        return result

    def visitor_ids(self, number: int) -> set[str]:
        """Return the ID in a visitor's cookie."""
        header = "; ".join(f"{name}={value}" for name, value in self.cookies[number].items())
        with self.site.app.test_request_context(headers={"Cookie": header}):
            known = privacy_context().known_visitor()
        return {known.id} if known is not None else set()

    def stamp(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @contextmanager
    def killed_at(self, where: str) -> Any:
        """Kill the process at this function, then start a new one."""
        with mock.patch(f"flask_mixamo_privacy.{where}", side_effect=KeyboardInterrupt):
            yield
        self.start()

    # Steps of visitors.

    @step(number=visitors)
    def consent(self, number: int) -> Any:
        return self._consent(number)

    def _consent(self, number: int) -> Any:
        self.later()
        self.visit(number, lambda client: choose(client, "accept_all"))
        if self.granted.get(number) is not True:
            self.decisions.append(("grant", self.stamp()))
        self.granted[number] = True

    @step(number=visitors)
    def browse(self, number: int) -> Any:
        return self._browse(number)

    def _browse(self, number: int) -> None:
        self.later()
        self.visit(number, lambda client: client.get("/other"))

    @step(number=visitors)
    def withdraw(self, number: int) -> Any:
        self.later()
        self.erased_visitors |= self.visitor_ids(number)
        self.visit(number, lambda client: choose(client, "reject_all"))
        was = self.granted.get(number)
        if was is not False:
            if was:
                self.decisions.append(("withdrawal", self.stamp()))
            else:
                self.refusals[self.stamp()[:10]] += 1
        self.granted[number] = False

    @step(number=visitors)
    def erase_a_visitor(self, number: int) -> Any:
        self.later()
        for visitor in self.visitor_ids(number):
            self.run("erase", visitor)
            self.erased_visitors.add(visitor)
            return None
        return NOTHING

    # Steps of people with an account or an address.

    @step(email=people)
    def register(self, email: str) -> Any:
        return self._register(email)

    def _register(self, email: str) -> Any:
        if any(email == one for one, _ in self.known.rows):
            return NOTHING
        at = self.later()
        self.people.add(email)
        self.known.rows.add((email, at))
        return None

    @step(email=people)
    def leave_and_come_back(self, email: str) -> None:
        self._erase(email)
        self._register(email)

    @step(email=people)
    def write_a_letter(self, email: str) -> None:
        at = self.later()
        self.people.add(email, only=Letter)
        self.known.rows.add((f"letter of {email}", at))

    @step(email=people)
    def accept_the_licence(self, email: str) -> None:
        self.known.accepted[email] = self.later()
        self.runtime.rights.acceptances.add(email, "licence", policy="1", version="1")

    @step(email=people)
    def sign_up_for_mail(self, email: str) -> None:
        self.later()
        with self.site.app.app_context():
            assert self.site.privacy.opt_in(email)
        self.wanted[email] = True

    @step(email=people)
    def opt_out_of_mail(self, email: str) -> None:
        self.later()
        with self.site.app.app_context():
            self.site.privacy.opt_out(email)
        self.wanted[email] = False

    @step(email=people, kind=st.sampled_from(["access", "delete", "object"]))
    def ask(self, email: str, kind: str) -> None:
        self.known.requests[email] = self.later()
        behind_a_proxy = self.site.visitor(X_Forwarded_For="203.0.113.9")  # has no limit
        assert self.people.ask(kind, email, behind_a_proxy).status_code == 303

    # Steps of the site and its operator.

    @step(email=people)
    def erase(self, email: str) -> Any:
        self._erase(email)

    def _erase(self, email: str) -> None:
        at = self.later()
        self.run("erase", "--subject", email)
        self._forget(email, at)

    @step()
    def answer_open_requests(self) -> Any:
        self.later()
        self.run("requests", "process", codes=(0, 1))
        for mail in self.mails:
            if "/confirm/" in mail.get_content():
                self.site.visitor().post(self.people.link(mail))
        self.mails.clear()
        answered = [self._answer(request.number) for request in self.people.rights.request_store.all("verified")]
        return None if answered else NOTHING

    def _answer(self, number: int) -> None:
        request = self.people.rights.request_store.find(number)
        if request.state != "verified":
            return  # an erasure just before closed the request
        at = self.later()
        self.run("requests", "answer", str(number))
        if request.kind == "delete":
            self._forget(request.email, at)
        if request.kind == "object":
            self.wanted[request.email] = False

    def _forget(self, email: str, at: datetime) -> None:
        """Apply the effect of a completed erasure to the expected state."""
        self.erased[email] = at
        self.known.rows = {row for row in self.known.rows if _email_of(row) != email}
        self.known.accepted.pop(email, None)
        self.wanted[email] = False
        self.known.requests.pop(email, None)

    @step()
    def rotate_keys(self) -> None:
        self.keys[f"key{len(self.keys)}"] = f"another sixteen characters {len(self.keys)}"
        self.start()

    @step()
    def a_day_passes(self) -> None:
        """One day passes: closed intervals are published, and the reports have their working sets."""
        self.later(86400)
        self.run("load")

    @step()
    def prune(self) -> None:
        self.later()
        self.run("prune")

    # Crashes, backups and restores.

    @step(email=people)
    def crash_while_erasing(self, email: str) -> None:
        """Crash after the ledger entry, before any other effect."""
        self.erased[email] = self.later()
        with self.killed_at("rights.stores.PersonalStores.erase"):
            assert self.site.cli("erase", "--subject", email).exit_code == 1
        self.wanted[email] = False
        self.in_doubt = True

    @step(number=visitors)
    def crash_while_erasing_a_visitor(self, number: int) -> Any:
        """Crash after the events are erased. The next load scrubs the log."""
        self.later()
        for visitor in self.visitor_ids(number):
            with self.killed_at("tracking.loader.blank_erased_lines"):
                assert self.site.cli("erase", visitor).exit_code == 1
            self.run("erase", visitor)  # the command reported a failure, so the operator repeats it
            self.erased_visitors.add(visitor)
            return None
        return NOTHING

    @step(number=visitors)
    def crash_while_loading(self, number: int) -> None:
        """Crash after events are inserted, before the commit and the cursor."""
        self._browse(number)
        with self.killed_at("tracking.loader._move_cursors"):
            self.site.cli("load")

    @step(number=visitors)
    def crash_while_deciding(self, number: int) -> None:
        """Crash before the response: the visitor has not decided, and the log continues as before."""
        self.later()
        kept = dict(self.cookies[number])
        with self.killed_at("ledger.ledger.Ledger._write"):
            try:
                self.visit(number, lambda client: choose(client, "accept_all"))
            except KeyboardInterrupt:
                self.cookies[number] = kept

    @step()
    def back_up(self) -> None:
        self._back_up()

    def _back_up(self) -> None:
        self.later()
        copy = self.disk.copy()
        known = Known(set(self.known.rows), dict(self.known.accepted), dict(self.known.requests))
        self.backups = [*self.backups, (copy, known)][-3:]

    @step(of=st.fixed_dictionaries(dict.fromkeys(PARTS, moments)))
    def restore(self, of: dict[str, int | None]) -> Any:
        return self._restore(of)

    @step(of=st.fixed_dictionaries(dict.fromkeys(PARTS, moments)))
    def restore_and_replay(self, of: dict[str, int | None]) -> Any:
        if self._restore(of) is NOTHING:
            return NOTHING
        return self._replay()

    @step(email=people)
    def restore_after_erasure(self, email: str) -> None:
        """Back up, erase, restore and replay, as in the promise."""
        self._back_up()
        self._erase(email)
        self._restore(dict.fromkeys(PARTS, len(self.backups) - 1))
        self._replay()

    def _restore(self, of: dict[str, int | None]) -> Any:
        """Restore each part from its own backup."""
        self.later()
        chosen = {part: self.backups[moment % len(self.backups)] for part, moment in of.items() if moment is not None}
        if not chosen:
            return NOTHING
        self.runtime.log.close()
        for part, (copy, _) in chosen.items():
            self.disk.put_back(part, copy)
        if "shop" in chosen:
            self.known.rows = set(chosen["shop"][1].rows)
        if "rights" in chosen:
            self.known.accepted = dict(chosen["rights"][1].accepted)
            self.known.requests = dict(chosen["rights"][1].requests)
        self.in_doubt = True
        self.start()
        return None

    @step()
    def replay(self) -> Any:
        self._replay()

    def _replay(self) -> None:
        self.later()
        self.run("replay", "--json", codes=(0, 1))
        self.known.rows = {row for row in self.known.rows if row[1] > self.erased.get(_email_of(row), datetime.min)}
        self.known.accepted = self._since_erased(self.known.accepted)
        self.known.requests = self._since_erased(self.known.requests)
        self.in_doubt = False
        again = json.loads(self.run("replay", "--json", codes=(0, 1)))
        assert again["changed"] == 0, again

    def _since_erased(self, times: dict[str, datetime]) -> dict[str, datetime]:
        return {email: at for email, at in times.items() if at > self.erased.get(email, datetime.min)}

    # Invariants after every step.

    @invariant()
    def every_promise_is_kept(self) -> None:
        if not hasattr(self, "site"):
            return
        self.no_decision_is_lost()
        self.the_chain_is_whole()
        if not self.in_doubt:
            self.the_database_has_exactly_the_registered_people()
            self.no_file_contains_an_erased_person()
            self.only_people_who_opted_in_get_mail()
            self.every_acceptance_is_newer_than_the_erasure()

    def no_decision_is_lost(self) -> None:
        """Every decision is in the ledger, in order and with its time, and applies in its visitor's browser."""
        entries = self.runtime.ledger.entries("grant", "withdrawal")
        assert [(row["kind"], row["at"]) for row in entries] == self.decisions
        counted = Counter({count.day: count.number for count in self.runtime.ledger.refusals.counts()})
        for row in self.runtime.ledger.entries("refusals"):
            counted[row["at"]] += number_of(row["detail"])
        assert counted == self.refusals
        for number, granted in self.granted.items():
            state = self.visit(number, lambda client: client.get("/privacy/state.json")).json["purposes"]
            assert (state["statistics"] == "granted") is granted

    def the_chain_is_whole(self) -> None:
        """The chain is valid and continues from the external head of the previous step."""
        assert verify(self.runtime.ledger, self.head).discrepancies == []
        self.head = self.runtime.ledger.head()

    def the_database_has_exactly_the_registered_people(self) -> None:
        with Session(self.engine) as session:
            accounts = {(row.email, row.created_at) for row in session.scalars(sa.select(Account))}
            letters = [
                row for row in session.scalars(sa.select(Letter)) if not (row.email or "erased-").startswith("erased-")
            ]
        assert accounts == {row for row in self.known.rows if not row[0].startswith("letter")}
        wanted = [row[0] for row in self.known.rows if row[0].startswith("letter")]
        assert len(letters) == len(wanted) + len(accounts), (letters, self.known.rows)

    def no_file_contains_an_erased_person(self) -> None:
        """After a load, no row, free page, WAL, segment or spool contains a name of an erased person or visitor."""
        self.run("load")
        alive = {_email_of(row) for row in self.known.rows} | self.known.requests.keys()
        names = {email.partition("@")[0] for email in self.erased.keys() - alive}
        assert self.disk.holding(names | self.erased_visitors) == {}

    def only_people_who_opted_in_get_mail(self) -> None:
        with self.site.app.app_context():
            may = {email: bool(self.site.privacy.may_mail(email, "marketing")) for email in EMAILS}
        assert may == {email: self.wanted.get(email, False) for email in EMAILS}

    def every_acceptance_is_newer_than_the_erasure(self) -> None:
        accepted = {email for email in EMAILS if self.runtime.rights.acceptances.has(email, "licence", "1")}
        assert accepted == set(self.known.accepted)


def _email_of(row: tuple[str, datetime]) -> str:
    return row[0].rpartition(" ")[2]


def run(machine: type[Machine], steps: int, *, shrink: bool = True, taken: Counter[str] | None = None) -> Counter[str]:
    """Run a machine for at least this many steps, always the same ones, and return how often each step was taken."""
    taken, rounds = Counter() if taken is None else taken, 0
    while taken.total() < steps:
        rounds += 1
        examples = max(1, min(25, (steps - taken.total()) // LONGEST + 1))
        options = settings(
            max_examples=examples,
            stateful_step_count=LONGEST,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )
        run_state_machine_as_test(seed(rounds)(type(machine.__name__, (machine,), {"taken": taken})), settings=options)
    return taken
