"""A process that is killed while it records the end of statistics: no erasure is forgotten."""

import shutil

import pytest

from conftest import choose

pytestmark = pytest.mark.usefixtures("clock")

#: The steps of each decision that ends statistics. A grant is written to the ledger at once.
STEPS = {
    "save": (("ledger", "append"), ("store", "erase")),
    "reject_all": (("ledger", "spool"), ("store", "erase"), ("ledger", "drain_spool")),
}


class Killed(BaseException):
    """Stops the process at once."""


@pytest.fixture
def known(tiny):
    """A site, its visitor with consent and a loaded event, the visitor's ID, and a copy of the database of events."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "save", "statistics")  # so that a choice of customisation alone is a new grant
    visitor.get("/")
    runtime = site.privacy.runtime(site.app)
    runtime.load()
    [name] = runtime.store.visitors()
    shutil.copy(site.folder / "privacy-events.sqlite", site.folder.parent / "backup")
    return site, visitor, name


def restore(site):
    for path in site.folder.glob("privacy-events.sqlite*"):
        path.unlink()
    shutil.copy(site.folder.parent / "backup", site.folder / "privacy-events.sqlite")


def kill_at(site, monkeypatch, step, when):
    """Kill the process before or after the step. Processes that start later have the step."""
    part, name = step
    owner = getattr(site.privacy.runtime(site.app), part)
    original = getattr(owner, name)

    def killed(*args, **options):
        monkeypatch.undo()
        if when == "after":
            original(*args, **options)
        raise Killed

    monkeypatch.setattr(owner, name, killed)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("choice", "step"), [(choice, step) for choice, steps in STEPS.items() for step in steps])
def test_a_killed_decision_is_repeated_by_a_replay_or_was_never_made(known, monkeypatch, choice, step, when):
    """Either the ledger names the visitor and a replay erases, also after a restore, or nothing has happened."""
    site, visitor, name = known
    kill_at(site, monkeypatch, step, when)
    with pytest.raises(Killed):
        choose(visitor, choice, "customisation")
    site.cli("load")
    hashed = site.privacy.runtime(site.app).keys.pseudonymise(name)[1]
    is_recorded = [row["subject"] for row in site.ledger("grant", "withdrawal")[1:]] == [hashed]
    assert is_recorded is ((step, when) != (STEPS[choice][0], "before"))
    for prepare in (lambda site: None, restore):
        prepare(site)
        site.cli("replay")
        assert (site.events() == []) is is_recorded


def test_a_choice_that_ends_statistics_takes_effect_without_the_ledger(known):
    """The new grant fails, and the withdrawal in it is spooled, erases and ends statistics (law 3)."""
    site, visitor, _ = known
    (site.folder / "privacy-ledger.sqlite").rename(site.folder.parent / "ledger")
    (site.folder / "privacy-ledger.sqlite").mkdir()
    assert choose(visitor, "save", "customisation").status_code == 503
    assert site.events() == [] and visitor.get("/privacy/state.json").json["purposes"]["statistics"] == "refused"
