"""Who wants marketing mail and who does not: of each a keyed hash, in the database of rights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import KeyMissing, RightsUnavailable
from ..storage.database import Database, rewrite_rows
from .unsubscribe import list_mark

EVERYTHING = ""  # the list that stands for all of them

_tables = sa.MetaData()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, default="")


_choices = sa.Table(
    "mail_choices",
    _tables,
    sa.Column("mark", sa.Text, primary_key=True),
    sa.Column("list", sa.Text, primary_key=True, index=True),
    sa.Column("key", sa.Text, nullable=False, index=True),
    *map(_text, ("in_at", "policy", "text", "in_source", "out_at", "out_source")),
    sa.Column("in_turn", sa.Integer, nullable=False, default=0),
    sa.Column("out_turn", sa.Integer, nullable=False, default=0),
)

#: The mark that a token in an old mail has, and the one that the rows of the same person have now. It names no key, for a
#: key that is gone makes nobody unknown by it: no token under that key is read any longer.
_renewed = sa.Table(
    "mail_renewed",
    _tables,
    sa.Column("mark", sa.Text, primary_key=True),
    sa.Column("now", sa.Text, nullable=False, index=True),
    sa.Column("key", sa.Text, nullable=False),
)

_IN = ("in_at", "in_turn", "policy", "text", "in_source")
_OUT = ("out_at", "out_turn", "out_source")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Preference:
    """What somebody said last of one list."""

    list: str
    opted_in: tuple[str, int]  # when, and in which turn of all that was written; empty for never
    opted_out: tuple[str, int]
    policy: str = ""  # the version under which they opted in,
    text: str = ""  # the digest of the words that stood there,
    source: str = ""  # and where

    @property
    def is_in(self) -> bool:
        return bool(self.opted_in[0]) and self.opted_in > self.opted_out

    def as_dict(self) -> dict[str, str]:
        """For the person to read: what is empty is left out, and the list that stands for all is called so."""
        said = {"list": self.list or "all lists", "opted_in": self.opted_in[0], "opted_out": self.opted_out[0]}
        said |= {"policy": self.policy, "text": self.text, "source": self.source}
        return {name: value for name, value in said.items() if value}


class PreferenceStore:
    """One row a person and list. Every row names its key, and what is found is written anew under the newest.

    The marks under the older keys are kept beside it, for the tokens in old mails name no other.

    People are given as their keyed hashes by the key's id, the newest last. Every method raises
    :class:`RightsUnavailable` when the database is away.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url, _tables, "What people want of marketing mail", RightsUnavailable, durable=True)

    def opt_in(self, marks: Mapping[str, str], list_name: str, at: str, **proof: str) -> None:
        """Let an opt-in take effect; ``proof`` is the policy's version, the text's digest, and where it was given."""
        self._note(marks, list_name, {"in_at": at, **proof}, "in_turn")

    def opt_out(self, marks: Mapping[str, str], list_name: str, at: str, source: str) -> None:
        """Let an opt-out take effect."""
        self._note(marks, list_name, {"out_at": at, "out_source": source}, "out_turn")

    def is_out(self, marks: Mapping[str, str], list_name: str) -> bool:
        """Whether somebody opted out of just this list, and it stands."""
        return any(row["out_at"] for row in self._rows(marks) if row["list"] == list_name)

    def undo(self, marks: Mapping[str, str], list_name: str) -> bool:
        """Undo an opt-out; gives whether there was one."""
        mine = _choices.c.mark.in_(marks.values()) & (_choices.c.list == list_name) & (_choices.c.out_at != "")
        with self._database.write() as connection:
            undone = sa.update(_choices).where(mine).values(out_at="", out_turn=0, out_source="")
            return connection.execute(undone).rowcount > 0

    def knows(self, marks: Mapping[str, str], list_name: str, at: str, what: str) -> bool:
        """Whether an ``"in"`` or ``"out"`` of that moment is written down, or anything later."""
        rows = [row for row in self._rows(marks) if row["list"] == list_name]
        return any(max(row["in_at"], row["out_at"]) > at or row[f"{what}_at"] == at for row in rows)

    def had_opted_in(self, marks: Mapping[str, str], at: str) -> bool:
        """Whether somebody had opted in to anything by a moment."""
        return any(row["in_at"] and row["in_at"] <= at for row in self._rows(marks))

    def of(self, marks: Mapping[str, str]) -> list[Preference]:
        """All that somebody said, a list each.

        Raises :class:`KeyMissing` where any row names a key that is gone: it may be this person's.
        """
        with self._database.read() as connection:
            for key in _each(connection, _choices.c.key) if connection else ():
                if key not in marks:
                    raise KeyMissing(key, marks)
            rows = _theirs(connection, marks.values()) if connection else []
        if {row["mark"] for row in rows} - {list(marks.values())[-1]}:
            self._renew(marks)
            rows = self._rows(marks)
        return [_choice(row) for row in rows]

    def current_hashes(self, marks: Mapping[str, str]) -> dict[str, str]:
        """Marks, and last the one under which these people's rows were written anew since then.

        A writing transaction, so that it fails whenever an opt-out would.
        """
        with self._database.write() as connection:
            chosen = sa.select(_renewed.c.key, _renewed.c.now).where(_renewed.c.mark.in_(marks.values()))
            newer = {row.key: row.now for row in connection.execute(chosen)}
        return {key: mark for key, mark in marks.items() if key not in newer} | newer

    def lists(self) -> dict[str, str]:
        """The names of the lists, by what a token says of them."""
        with self._database.read() as connection:
            return {list_mark(name): name for name in _each(connection, _choices.c.list)} if connection else {}

    def _note(self, marks: Mapping[str, str], list_name: str, values: dict[str, Any], turn: str) -> None:
        key, mark = list(marks.items())[-1]
        with self._database.write() as connection:
            said = values | {turn: _next_turn(connection, marks.values()), "key": key}
            row_matches = (_choices.c.mark == mark) & (_choices.c.list == list_name)
            if not connection.execute(sa.update(_choices).where(row_matches).values(said)).rowcount:
                connection.execute(sa.insert(_choices).values(mark=mark, list=list_name, **said))
            self._keep_older(connection, marks)

    def _rows(self, marks: Mapping[str, str]) -> list[Row]:
        with self._database.read() as connection:
            return _theirs(connection, marks.values()) if connection else []

    def _renew(self, marks: Mapping[str, str]) -> None:
        """Write somebody's rows anew under the newest key; of two about one list, what was said later stands."""
        key, mark = list(marks.items())[-1]

        def merged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            by_list: dict[str, dict[str, Any]] = {}
            for row in rows:
                by_list[row["list"]] = _later(by_list.get(row["list"]), row) | {"mark": mark, "key": key}
            return list(by_list.values())

        with self._database.write() as connection:
            rewrite_rows(connection, _choices, _choices.c.mark.in_(marks.values()), merged)
            self._keep_older(connection, marks)

    def _keep_older(self, connection: sa.Connection, marks: Mapping[str, str]) -> None:
        """Remember which marks under older keys are the one under the newest; of two who do so at once, either will do."""
        *older, (key, now) = marks.items()
        if older:
            connection.execute(sa.delete(_renewed).where(_renewed.c.mark.in_(marks.values())))
            connection.execute(sa.update(_renewed).where(_renewed.c.now.in_(marks.values())).values(now=now, key=key))
            rows = [{"mark": mark, "now": now, "key": key} for _, mark in older]
            connection.execute(self._database.insert_new(_renewed), rows)


def _theirs(connection: sa.Connection, marks: Collection[str]) -> list[Row]:
    chosen = sa.select(_choices).where(_choices.c.mark.in_(marks)).order_by(_choices.c.list)
    return [dict(row) for row in connection.execute(chosen).mappings()]


def _each(connection: sa.Connection, column: sa.Column[str]) -> Iterator[str]:
    """Every value of a column, from one to the next by its index: a newsletter asks for each of its readers."""
    value: str | None = ""
    while (value := connection.scalar(sa.select(sa.func.min(column)).where(column > value))) is not None:
        yield value


def _next_turn(connection: sa.Connection, marks: Collection[str]) -> int:
    """The clock may stand still between two things that one person says, so they are counted as well."""
    return max((turn for row in _theirs(connection, marks) for turn in (row["in_turn"], row["out_turn"])), default=0) + 1


def _choice(row: Row) -> Preference:
    said = (row["policy"], row["text"], row["in_source"])
    return Preference(row["list"], (row["in_at"], row["in_turn"]), (row["out_at"], row["out_turn"]), *said)


def _later(one: Row | None, other: Row) -> dict[str, Any]:
    if one is None:
        return dict(other)
    newer_in = max(one, other, key=lambda row: (row["in_at"], row["in_turn"]))
    newer_out = max(one, other, key=lambda row: (row["out_at"], row["out_turn"]))
    merged = dict(one) | {name: newer_in[name] for name in _IN}
    return merged | {name: newer_out[name] for name in _OUT}
