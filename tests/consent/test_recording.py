"""Recording a decision: its effects and their order, without an app."""

from types import SimpleNamespace

import pytest

from flask_mixamo_privacy.consent.decision import ConsentRecord, choose, decide
from flask_mixamo_privacy.consent.recording import DecisionRecorder
from flask_mixamo_privacy.errors import LedgerUnavailable
from flask_mixamo_privacy.ledger.ledger import Ledger
from flask_mixamo_privacy.policy.toml import built_in
from flask_mixamo_privacy.storage.keys import KeyRing

POLICY, KEYS = built_in(), KeyRing({"first": "a secret"}, "")
VISITOR, NOON = "a-visitor-id", "2026-05-08T12:00:00.000Z"
TODAY = 20581
MARKS = tuple(POLICY.purpose_fingerprints.values())
GRANTED = ConsentRecord(TODAY, MARKS, frozenset(MARKS), "a-receipt")


class Killed(BaseException):
    """Stops the process at once."""


class Acts(Ledger):
    """A ledger that records the order of the acts; those in ``fails`` raise their error."""

    def __init__(self, keys, fails):
        self._keys, self.fails, self.order, self.entries_seen = keys, fails, [], []
        self.refusals = SimpleNamespace(add=lambda *count: self.act("count", count))

    def act(self, name, *entry):
        self.order.append(name)
        self.entries_seen += entry
        if name in self.fails:
            raise self.fails[name]

    def append(self, entry, text=None):
        self.act("append", entry)

    def spool(self, entry, text=None):
        self.act("spool", entry)

    def drain_spool(self):
        self.act("drain")


@pytest.fixture
def record():
    """Record a visitor's choice while some acts fail, and return the acts."""

    def build(choice, *purposes, before=GRANTED, visitor=VISITOR, keys=KEYS, gpc=False, **fails):
        acts = Acts(keys, fails)
        consent = decide(POLICY, before, gpc)
        decision = choose(POLICY, consent, choice, purposes, gpc=gpc, today=TODAY)
        recorder = DecisionRecorder(POLICY, acts, lambda *_: acts.act("erase"), lambda _: acts.act("report"))
        try:
            recorder.record(decision, visitor=visitor, gpc=gpc, shown=None, timestamp=NOON)
        except (LedgerUnavailable, Killed) as error:
            acts.order.append(type(error).__name__)
        return acts

    return build


LEDGER_AWAY, STORE_AWAY, SPOOL_AWAY = {"append": LedgerUnavailable("")}, {"erase": OSError()}, {"spool": OSError()}
CANNOT_DRAIN = {"drain": LedgerUnavailable("")}


def test_a_grant_is_appended_to_the_ledger(record):
    """A first grant erases nothing and is never spooled."""
    acts = record("accept_all", before=None, visitor=None)
    assert acts.order == ["append"] and acts.entries_seen[0].kind == "grant"


@pytest.mark.parametrize("fails", [LEDGER_AWAY, LEDGER_AWAY | SPOOL_AWAY])
def test_a_grant_fails_if_the_ledger_is_away(record, fails):
    """A grant that cannot be proven is no grant, so it is not spooled either."""
    assert record("accept_all", before=None, visitor=None, **fails).order == ["append", "LedgerUnavailable"]


ENDS_STATISTICS = ConsentRecord(TODAY, MARKS, frozenset({POLICY.purpose_fingerprints["statistics"]}), "a-receipt")


def test_a_grant_that_ends_statistics_is_appended_before_the_erasure(record):
    """The entry names the visitor to erase by keyed hash, so that a replay finishes an interrupted erasure."""
    acts = record("save", "customisation", before=ENDS_STATISTICS)
    entry = acts.entries_seen[0]
    assert acts.order == ["append", "erase"]
    assert (entry.kind, entry.subject_key, entry.subject) == ("grant", *KEYS.pseudonymise(VISITOR))


@pytest.mark.parametrize(
    ("fails", "order"),
    [
        (LEDGER_AWAY, ["append", "LedgerUnavailable"]),
        (STORE_AWAY, ["append", "erase", "report"]),
        ({"append": Killed()}, ["append", "Killed"]),
        ({"erase": Killed()}, ["append", "erase", "Killed"]),
    ],
)
def test_a_grant_erases_nothing_without_its_entry(record, fails, order):
    """Only a grant can fail, and then it has erased nothing."""
    assert record("save", "customisation", before=ENDS_STATISTICS, **fails).order == order


def test_a_refusal_is_counted_by_day_policy_and_language(record):
    """It has no entry: an entry's place among others would reveal its time (law 4)."""
    acts = record("reject_all", before=None, visitor=None)
    assert acts.order == ["count"]
    assert acts.entries_seen == [("2026-05-08", POLICY.version, POLICY.policy_fingerprint, "")]


@pytest.mark.parametrize("error", [OSError("The disk is full."), RuntimeError()])
def test_a_refusal_takes_effect_whatever_fails(record, error):
    """The failure is reported and nothing is raised."""
    assert record("reject_all", before=None, visitor=None, count=error).order == ["count", "report"]


def test_a_withdrawal_is_spooled_before_the_erasure(record):
    """The order is: spool, erase, write to the ledger."""
    acts = record("reject_all")
    assert acts.order == ["spool", "erase", "drain"]
    assert (acts.entries_seen[0].kind, acts.entries_seen[0].at) == ("withdrawal", NOON)


def test_a_withdrawal_names_the_visitor_to_erase_by_keyed_hash(record):
    """A replay after a restore finds the visitor by it."""
    entry = record("reject_all").entries_seen[0]
    assert (entry.subject_key, entry.subject) == KEYS.pseudonymise(VISITOR)


def test_a_withdrawal_without_a_visitor_is_appended(record):
    """Nothing has to be erased, so nothing has to be spooled first."""
    assert record("reject_all", visitor=None).order == ["append"]


def test_a_withdrawal_that_keeps_statistics_erases_nothing(record):
    """Withdrawing customisation leaves the events alone."""
    acts = record("save", "statistics")
    assert acts.order == ["append"] and acts.entries_seen[0].subject == ""


def test_a_withdrawal_stays_spooled_if_the_ledger_is_away(record):
    """No failure is reported, because the spool is drained later."""
    assert record("reject_all", **CANNOT_DRAIN).order == ["spool", "erase", "drain"]


def test_a_withdrawal_takes_effect_if_the_store_is_away(record):
    """The erasure's failure is reported, and the entry is written to the ledger."""
    assert record("reject_all", **STORE_AWAY).order == ["spool", "erase", "report", "drain"]


def test_a_withdrawal_takes_effect_if_ledger_and_store_are_away(record):
    """The spool keeps the entry, which names the visitor to erase."""
    assert record("reject_all", **STORE_AWAY, **CANNOT_DRAIN).order == ["spool", "erase", "report", "drain"]


def test_a_withdrawal_is_appended_if_the_spool_is_away(record):
    """The erasure is still done before the entry is written to the ledger."""
    assert record("reject_all", **SPOOL_AWAY).order == ["spool", "erase", "append"]


def test_a_withdrawal_takes_effect_if_ledger_and_spool_are_away(record):
    """Every act is tried, the failures are reported, and nothing is raised."""
    acts = record("reject_all", **SPOOL_AWAY, **LEDGER_AWAY)
    assert acts.order == ["spool", "erase", "append", "spool", "report"]


def test_a_withdrawal_takes_effect_if_everything_is_away(record):
    """Two failures are reported, and nothing is raised."""
    acts = record("reject_all", **SPOOL_AWAY, **STORE_AWAY, **LEDGER_AWAY)
    assert acts.order == ["spool", "erase", "report", "append", "spool", "report"]


def test_a_withdrawal_takes_effect_if_draining_fails_unexpectedly(record):
    """An unexpected error of the ledger is reported."""
    assert record("reject_all", drain=RuntimeError()).order == ["spool", "erase", "drain", "report"]


def test_a_process_killed_while_it_erases_has_spooled_the_withdrawal(record):
    """The next drain writes the entry, so that a replay after a restore erases the visitor again."""
    assert record("reject_all", erase=Killed()).order == ["spool", "erase", "Killed"]


def test_a_process_killed_while_it_spools_has_erased_nothing(record):
    """The ledger never states an erasure that has not happened."""
    assert record("reject_all", spool=Killed()).order == ["spool", "Killed"]


def test_a_withdrawal_takes_effect_without_the_key_file(record, tmp_path):
    """The entry then has no subject."""
    (tmp_path / "keys.json").write_text("broken")
    acts = record("reject_all", keys=KeyRing(None, str(tmp_path / "keys.json")))
    assert acts.order == ["spool", "erase", "drain"] and acts.entries_seen[0].subject == ""


def test_a_repeated_refusal_writes_no_entry_but_erases(record):
    """A visitor ID that outlived its grant is erased; the ledger already has the refusal."""
    assert record("reject_all", before=ConsentRecord(TODAY, MARKS)).order == ["erase"]
