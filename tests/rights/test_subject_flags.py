"""Flags of data subjects: minors, opt-ins and accepted licences, each stored under a keyed hash."""

import sqlite3
from contextlib import closing

import pytest

from flask_mixamo_privacy.errors import KeyMissing, RightsUnavailable
from flask_mixamo_privacy.policy.parts import Minors as Declared
from flask_mixamo_privacy.rights.subject_flags import Acceptances, KnownMinors, SubjectFlags
from flask_mixamo_privacy.storage.keys import KeyRing

OLD, NEW = {"old": "a secret of the year before"}, {"new": "a secret of this very year"}
CHILD = "child@family.example"


@pytest.fixture
def flags(tmp_path, clock):
    """Builds the flags of one database with these keys."""
    return lambda **keys: SubjectFlags(f"sqlite:///{tmp_path}/rights.sqlite", KeyRing(keys or OLD, ""))


@pytest.fixture
def rows(tmp_path):
    def read():
        with closing(sqlite3.connect(tmp_path / "rights.sqlite")) as connection:
            return connection.execute("SELECT subject_key, what, at, subject FROM standings").fetchall()

    return read


def test_promise_20_a_known_minor_is_a_keyed_hash_and_a_day(flags, rows, tmp_path):
    """The database has neither the address nor an age."""
    minors = KnownMinors(flags(), Declared(13))
    minors.add(CHILD)
    assert minors.is_minor(" Child@Family.example ") and not minors.is_minor("parent@family.example")
    assert [(key, what, at[:10], len(hashed)) for key, what, at, hashed in rows()] == [("old", "minor", "2026-05-08", 64)]
    assert b"family" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_promise_20_a_minors_flag_expires_with_childhood(flags, rows, clock):
    """The row is deleted after as many years as the declared age."""
    minors = KnownMinors(flags(), Declared(13))
    minors.add(CHILD)
    clock.shift(13 * 365 * 86400)
    assert minors.is_minor(CHILD) and minors.expire() == 0
    clock.shift(14 * 86400)
    assert not minors.is_minor(CHILD) and minors.expire() == 1 and rows() == []


def test_a_hit_is_rewritten_under_the_newest_key(flags, rows):
    """An old key is needed only until every person was looked up once."""
    KnownMinors(flags(), None).add(CHILD)
    assert KnownMinors(flags(**OLD, **NEW), None).is_minor(CHILD)
    assert [row[0] for row in rows()] == ["new"] and KnownMinors(flags(**NEW), None).is_minor(CHILD)


def test_a_missing_key_that_a_row_needs_raises(flags):
    """The row's subject is unknown, so the look-up fails instead of returning no."""
    KnownMinors(flags(), None).add(CHILD)
    with pytest.raises(KeyMissing, match=r"uses the key 'old', but PRIVACY_KEYS has only: new\. Restore the key"):
        KnownMinors(flags(**NEW), None).is_minor("parent@family.example")


def test_promise_06_only_the_current_version_is_accepted(flags):
    """A new version is not accepted yet; accepting it replaces the old one."""
    acceptances = Acceptances(flags())
    acceptances.add("7", "licence", policy="", version="one")
    assert acceptances.has("7", "licence", "one") and not acceptances.has("7", "licence", "two")
    acceptances.add("7", "licence", policy="", version="two")
    assert acceptances.has("7", "licence", "two") and not acceptances.has("7", "licence", "one")


def test_an_unavailable_database_raises(tmp_path):
    """The caller decides what follows: to send no mail, or to serve no file."""
    (tmp_path / "rights.sqlite").write_bytes(b"no database at all, but something else" * 100)
    minors = KnownMinors(SubjectFlags(f"sqlite:///{tmp_path}/rights.sqlite", KeyRing(OLD, "")), None)
    for use in (minors.add, minors.is_minor):
        with pytest.raises(RightsUnavailable, match="The database of rights could not be"):
            use(CHILD)
