"""The stored opt-ins and opt-outs, in the database of rights. People are stored as keyed hashes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import KeyMissing, RightsUnavailable
from ..rights.subject_flags import rewrite_rows
from ..storage.database import Database, KeyRegister
from .unsubscribe import list_hash

EVERYTHING = ""  # the name that means all lists

_tables = sa.MetaData()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, default="")


_preferences = sa.Table(
    "mail_choices",
    _tables,
    sa.Column("mark", sa.Text, primary_key=True),
    sa.Column("list", sa.Text, primary_key=True, index=True),
    sa.Column("key", sa.Text, nullable=False, index=True),
    *map(_text, ("in_at", "policy", "text", "in_source", "out_at", "out_source")),
    sa.Column("in_turn", sa.Integer, nullable=False, default=0),
    sa.Column("out_turn", sa.Integer, nullable=False, default=0),
)

#: Each hash under an older key (``mark``), with the hash that the person's rows have now. Tokens in old mails contain the
#: older hash. Its key need not be stored: a token under a dropped key cannot be read.
_renewed = sa.Table(
    "mail_renewed",
    _tables,
    sa.Column("mark", sa.Text, primary_key=True),
    sa.Column("now", sa.Text, nullable=False, index=True),
    sa.Column("key", sa.Text, nullable=False),
)

_OPT_IN_COLUMNS = ("in_at", "in_turn", "policy", "text", "in_source")
_OPT_OUT_COLUMNS = ("out_at", "out_turn", "out_source")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Preference:
    """A person's latest opt-in and opt-out of one list."""

    list: str
    opted_in: tuple[str, int]  # the timestamp, which is empty for never, and the sequence number
    opted_out: tuple[str, int]
    policy: str = ""  # the policy version of the opt-in
    text: str = ""  # the digest of the text that was shown
    source: str = ""  # where the person opted in

    @property
    def is_in(self) -> bool:
        return bool(self.opted_in[0]) and self.opted_in > self.opted_out

    def as_dict(self) -> dict[str, str]:
        """Return the fields for an export to the person, without empty ones."""
        fields = {"list": self.list or "all lists", "opted_in": self.opted_in[0], "opted_out": self.opted_out[0]}
        fields |= {"policy": self.policy, "text": self.text, "source": self.source}
        return {name: value for name, value in fields.items() if value}


class PreferenceStore:
    """One row for each person and list.

    A person is a mapping of key ids to keyed hashes, the newest key last. Every row names its key. A row under an older
    key is rewritten under the newest key when it is read. Its former hash is kept, because tokens in old mails contain it.

    Every method raises :class:`RightsUnavailable` if the database cannot be reached.
    """

    def __init__(self, url: str, register: KeyRegister) -> None:
        name = "The database of marketing preferences"
        self.database = self._database = Database(url, _tables, name, RightsUnavailable, durable=True, keys=register)

    def opt_in(self, subject_hashes: Mapping[str, str], list_name: str, at: str, **proof: str) -> None:
        """Store an opt-in. ``proof`` is the policy version, the digest of the text shown, and the source."""
        self._store(subject_hashes, list_name, {"in_at": at, **proof}, "in_turn")

    def opt_out(self, subject_hashes: Mapping[str, str], list_name: str, at: str, source: str) -> None:
        """Store an opt-out."""
        self._store(subject_hashes, list_name, {"out_at": at, "out_source": source}, "out_turn")

    def is_out(self, subject_hashes: Mapping[str, str], list_name: str, *, source: str = "", since: str = "") -> bool:
        """Return whether the person has an opt-out of exactly this list, and no later opt-in.

        ``source`` counts only those that were made there, and ``since`` those after a timestamp.
        """
        rows = [row for row in self._rows(subject_hashes) if row["list"] == list_name and row["out_at"] > since]
        rows = [row for row in rows if (row["out_at"], row["out_turn"]) > (row["in_at"], row["in_turn"])]
        return any(source in ("", row["out_source"]) for row in rows)

    def undo(self, subject_hashes: Mapping[str, str], list_name: str) -> bool:
        """Delete an opt-out, and return whether there was one."""
        matching = (
            _preferences.c.mark.in_(subject_hashes.values())
            & (_preferences.c.list == list_name)
            & (_preferences.c.out_at != "")
        )
        with self._database.write() as connection:
            undone = sa.update(_preferences).where(matching).values(out_at="", out_turn=0, out_source="")
            return connection.execute(undone).rowcount > 0

    def knows(self, subject_hashes: Mapping[str, str], list_name: str, at: str, direction: str) -> bool:
        """Return whether an opt-in (``"in"``) or opt-out (``"out"``) of this time is stored, or any later one."""
        rows = [row for row in self._rows(subject_hashes) if row["list"] == list_name]
        return any(max(row["in_at"], row["out_at"]) > at or row[f"{direction}_at"] == at for row in rows)

    def had_opted_in(self, subject_hashes: Mapping[str, str], at: str) -> bool:
        """Return whether the person had opted in to any list at this time."""
        return any(row["in_at"] and row["in_at"] <= at for row in self._rows(subject_hashes))

    def of(self, subject_hashes: Mapping[str, str]) -> list[Preference]:
        """Return the person's preferences, one for each list.

        Raises :class:`KeyMissing` if any row is under a key that is not configured, because it may be this person's.
        """
        with self._database.read() as connection:
            for key in _distinct(connection, _preferences.c.key) if connection else ():
                if key not in subject_hashes:
                    raise KeyMissing(key, subject_hashes)
            rows = _rows_of(connection, subject_hashes.values()) if connection else []
        if {row["mark"] for row in rows} - {list(subject_hashes.values())[-1]}:
            self._renew(subject_hashes)
            rows = self._rows(subject_hashes)
        return [_preference(row) for row in rows]

    def current_hashes(self, subject_hashes: Mapping[str, str]) -> dict[str, str]:
        """Return the person's hashes, followed by the hash under which the rows were rewritten, if they were.

        The transaction is a writing one, so that it fails whenever an opt-out would fail.
        """
        with self._database.write() as connection:
            query = sa.select(_renewed.c.key, _renewed.c.now).where(_renewed.c.mark.in_(subject_hashes.values()))
            newer = {row.key: row.now for row in connection.execute(query)}
        return {key: hashed for key, hashed in subject_hashes.items() if key not in newer} | newer

    def lists(self) -> dict[str, str]:
        """Return the names of the stored lists by their hashes in tokens."""
        with self._database.read() as connection:
            return {list_hash(name): name for name in _distinct(connection, _preferences.c.list)} if connection else {}

    def _store(self, subject_hashes: Mapping[str, str], list_name: str, values: dict[str, Any], sequence: str) -> None:
        key, newest = list(subject_hashes.items())[-1]
        with self._database.write() as connection:
            columns = values | {sequence: _next_sequence(connection, subject_hashes.values()), "key": key}
            row_matches = (_preferences.c.mark == newest) & (_preferences.c.list == list_name)
            if not connection.execute(sa.update(_preferences).where(row_matches).values(columns)).rowcount:
                connection.execute(sa.insert(_preferences).values(mark=newest, list=list_name, **columns))
            self._keep_older(connection, subject_hashes)

    def _rows(self, subject_hashes: Mapping[str, str]) -> list[Row]:
        with self._database.read() as connection:
            return _rows_of(connection, subject_hashes.values()) if connection else []

    def _renew(self, subject_hashes: Mapping[str, str]) -> None:
        """Rewrite the person's rows under the newest key. Of two rows for one list, the later values are kept."""
        key, newest = list(subject_hashes.items())[-1]

        def merged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            by_list: dict[str, dict[str, Any]] = {}
            for row in rows:
                by_list[row["list"]] = _later(by_list.get(row["list"]), row) | {"mark": newest, "key": key}
            return list(by_list.values())

        with self._database.write() as connection:
            rewrite_rows(connection, _preferences, _preferences.c.mark.in_(subject_hashes.values()), merged)
            self._keep_older(connection, subject_hashes)

    def _keep_older(self, connection: sa.Connection, subject_hashes: Mapping[str, str]) -> None:
        """Store which hashes under older keys belong to the newest one.

        Two processes may do so at once; both write the same rows.
        """
        *older, (key, newest) = subject_hashes.items()
        if older:
            connection.execute(sa.delete(_renewed).where(_renewed.c.mark.in_(subject_hashes.values())))
            connection.execute(
                sa.update(_renewed).where(_renewed.c.now.in_(subject_hashes.values())).values(now=newest, key=key)
            )
            rows = [{"mark": hashed, "now": newest, "key": key} for _, hashed in older]
            connection.execute(self._database.insert_new(_renewed), rows)


def _rows_of(connection: sa.Connection, subject_hashes: Collection[str]) -> list[Row]:
    query = sa.select(_preferences).where(_preferences.c.mark.in_(subject_hashes)).order_by(_preferences.c.list)
    return [dict(row) for row in connection.execute(query).mappings()]


def _distinct(connection: sa.Connection, column: sa.Column[str]) -> Iterator[str]:
    """Yield the distinct values of a column in order.

    Steps through the index instead of reading every row, because a newsletter calls this for each recipient.
    """
    value: str | None = ""
    while (value := connection.scalar(sa.select(sa.func.min(column)).where(column > value))) is not None:
        yield value


def _next_sequence(connection: sa.Connection, subject_hashes: Collection[str]) -> int:
    """Return the next sequence number of a person, which orders changes with equal timestamps."""
    rows = _rows_of(connection, subject_hashes)
    return max((number for row in rows for number in (row["in_turn"], row["out_turn"])), default=0) + 1


def _preference(row: Row) -> Preference:
    proof = (row["policy"], row["text"], row["in_source"])
    return Preference(row["list"], (row["in_at"], row["in_turn"]), (row["out_at"], row["out_turn"]), *proof)


def _later(one: Row | None, other: Row) -> dict[str, Any]:
    if one is None:
        return dict(other)
    newer_in = max(one, other, key=lambda row: (row["in_at"], row["in_turn"]))
    newer_out = max(one, other, key=lambda row: (row["out_at"], row["out_turn"]))
    merged = dict(one) | {name: newer_in[name] for name in _OPT_IN_COLUMNS}
    return merged | {name: newer_out[name] for name in _OPT_OUT_COLUMNS}
