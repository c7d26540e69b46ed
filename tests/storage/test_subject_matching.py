"""Matching rows to a person: no other person's row is touched, and none of the person's is missed."""

import json
from datetime import datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_mixamo_privacy.policy.parts import Field
from support.people_site import policy

pytestmark = pytest.mark.usefixtures("clock")


class Own(DeclarativeBase):
    pass


class Member(Own):
    __tablename__ = "members"
    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime(2026, 5, 8))


def site_of(tmp_path, tiny, *logins):
    """A site with these members, and a function that returns the remaining logins."""
    site = tiny(PRIVACY_POLICY=policy(Field("login", "identifying", "Your login."), Field("name", "identifying", "Yours.")))
    engine = sa.create_engine(f"sqlite:///{tmp_path}/own.sqlite", poolclass=sa.NullPool)
    Own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Member(login=login) for login in logins])
        session.commit()
    site.privacy.register_models(engine, {Member: "login"})

    def remaining_logins():
        with engine.connect() as connection:
            return list(connection.scalars(sa.select(Member.login)))

    return site, remaining_logins


def test_an_id_is_compared_case_sensitively(tmp_path, tiny):
    """ "Bob" is not "bob": not exported, corrected, erased or replayed with him."""
    site, remaining_logins = site_of(tmp_path, tiny, "Bob", "bob")
    rights = site.privacy.runtime(site.app).rights
    assert [row["login"] for row in json.loads(site.cli("export", "bob").output)["stores"]["database"]["members"]] == ["bob"]
    assert [outcome.result.corrected for outcome in rights.data_subjects.correct("bob", {"name": "B"}, "staff")] == [1]
    site.cli("erase", "--subject", "bob")
    site.cli("replay")
    assert remaining_logins() == ["Bob"]


@pytest.mark.parametrize("stored", ["JÖRG@example.de", "jörg@Example.de", " Jörg@example.de"])
@pytest.mark.parametrize("asked", ["jörg@example.de", "JÖRG@EXAMPLE.DE"])
def test_an_address_is_found_in_any_case(tmp_path, tiny, stored, asked):
    """An address matches in any case, independent of the database's collation."""
    site, remaining_logins = site_of(tmp_path, tiny, stored, "jürg@example.de", "j_rg@example.de", "xjörg@example.de")
    site.cli("erase", "--subject", asked)
    assert remaining_logins() == ["jürg@example.de", "j_rg@example.de", "xjörg@example.de"]


@pytest.mark.parametrize("stored", ["100%_off@example.de", "a\\b@example.de", "\u212aim@example.de", "Ivo@example.de"])
def test_an_address_is_no_pattern(tmp_path, tiny, stored):
    """Wildcards of SQL in an address are compared as characters."""
    site, remaining_logins = site_of(tmp_path, tiny, stored, "100xxoff@example.de", "ab@example.de", "him@example.de")
    site.cli("erase", "--subject", stored.swapcase())
    assert remaining_logins() == ["100xxoff@example.de", "ab@example.de", "him@example.de"]


def test_a_value_that_resembles_a_placeholder_is_not_erased(tmp_path, tiny):
    """Only the exact placeholder marks an erased person."""
    alive = ["erased-lover@example.com", "Erased-0123456789ab", "erased-0123456789ab\n", "erased-0123456789abc", "erased-x"]
    site, remaining_logins = site_of(tmp_path, tiny, *alive, "erased-0123456789ab")
    site.cli("prune")
    assert remaining_logins() == alive
    assert sorted(next(iter(site.privacy.runtime(site.app).rights.stores)).subjects()) == sorted(alive)


class Visit(Own):
    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(sa.ForeignKey("members.id"))
    name: Mapped[str]


def test_a_new_address_is_set_after_the_rows_of_the_old_are_found(tmp_path, tiny):
    """Rows behind a foreign key are corrected together with the row of the person."""
    site, remaining_logins = site_of(tmp_path, tiny, "ada@example.de")
    engine = sa.create_engine(f"sqlite:///{tmp_path}/own.sqlite", poolclass=sa.NullPool)
    with Session(engine) as session:
        session.add(Visit(member_id=1, name="Ada"))
        session.commit()
    site.privacy.register_models(engine, {Member: "login", Visit: "member_id.login"}, name="visits")
    rights = site.privacy.runtime(site.app).rights
    found = list(rights.stores)[1].correct("ada@example.de", {"login": "grace@example.de", "name": "Grace"})
    with Session(engine) as session:
        assert (found, remaining_logins(), list(session.scalars(sa.select(Visit.name)))) == (
            2,
            ["grace@example.de"],
            ["Grace"],
        )


@pytest.mark.parametrize("args", [("export", "a\udc80@b.example"), ("erase", "\udc80"), ("access", "--subject", "\udc80")])
def test_a_subject_with_a_lone_surrogate_matches_nobody(tiny, args):
    """A terminal passes on bytes that are not UTF-8 as lone surrogates."""
    assert tiny(PRIVACY_KEYS={"k": "sixteen characters or more"}).cli(*args).exit_code == 0
