"""The tables of events on every server of ClickHouse: created, inserted into, and what is deleted from each verified."""

# ruff: noqa: S608 — statements have only numbers and our own names

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..errors import StoreUnavailable
from .clickhouse_servers import ClickHouseServer, Servers
from .event_table import STORED
from .row_names import STORED_NAMES
from .schema import CODED

#: The table of one server, and the table of all shards, which a cluster has.
LOCAL, ALL = "privacy_events_local", "privacy_events"

#: The beginning of the names of copies that are counted.
COPIES = "privacy_counted_"

_TEXT = "LowCardinality(Nullable(String))"
_TYPES = {"slot": "Int64", "visitor": "UInt64", "id": "String", "at": "Nullable(Int64)", "visit": "String"}
_TYPES |= dict.fromkeys(CODED, _TEXT) | {"kind": "LowCardinality(String)", "data": "String"}

#: The columns of an event with their types, in the order of its stored row.
COLUMNS = {name: _TYPES[name] for name in STORED}

#: The names of rows in reports, which are stored with an event.
NAMES = {name: "LowCardinality(String)" if kind is str else "Int32" for name, kind in STORED_NAMES.items()}
NAMES |= {"properties": "String"}

# The row with the largest version is kept, so the smallest slot must have the largest. Ends in the year 2286.
_VERSION = "version UInt64 DEFAULT toUInt64(9999999999999 - slot)"
_KEEPER = "/clickhouse/tables/{shard}/%s"  # with the database: sites that share a cluster have one each
_WAIT = 20.0  # seconds for a replica to receive a block, or for a deletion; a later pass goes on
_PAUSE = 0.05
_THIS = f"database = currentDatabase() AND table = '{LOCAL}'"


class ClickHouseTables:
    """The tables of one site."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self._exist = False

    def insert(self, columns: Sequence[Sequence[Any]], token: str) -> None:
        """Insert one block. The server drops it if one with the same token was inserted, so the token has its content."""
        self.create()
        server = self.servers.any()
        settings = {"insert_deduplication_token": token} if server.knows_tokens else {}
        server.insert(ALL if self.servers.cluster else LOCAL, COLUMNS | NAMES, columns, settings)
        self._replicate()

    def _replicate(self) -> None:
        """Wait until every server that answers has every block: the log may be deleted, and then the server that had it."""
        deadline = time.monotonic() + _WAIT
        while not all(map(self._is_complete, chain_of(self.servers.shards()))):
            if time.monotonic() > deadline:
                raise StoreUnavailable("A replica of ClickHouse that answers does not receive the block.")
            time.sleep(_PAUSE)

    def create(self) -> None:
        """Create the tables on every server, unless each server that answers has them."""
        if self._exist:
            return
        wanted = {LOCAL, ALL} if self.servers.cluster else {LOCAL}
        query = "SELECT name FROM system.tables WHERE database = currentDatabase()"
        shards = self.servers.shards()
        if not all(wanted <= {name for (name,) in server.query(query)} for shard in shards for server in shard):
            self.servers.require_all()
            for server in self.servers.all:
                for statement in self._statements(server):
                    server.run(statement)
        self._exist = True

    def _statements(self, server: ClickHouseServer) -> list[str]:
        columns = ", ".join(f"{name} {kind}" for name, kind in (COLUMNS | NAMES).items())
        database = server.value("SELECT currentDatabase()")
        is_replicated = bool(self.servers.cluster)
        path = f"'{_KEEPER % database}/{LOCAL}', '{{replica}}', "
        engine = f"ReplicatedReplacingMergeTree({path}version)" if is_replicated else "ReplacingMergeTree(version)"
        window = " SETTINGS non_replicated_deduplication_window = 1000" if not is_replicated and server.knows_tokens else ""
        statements = [
            f"CREATE TABLE IF NOT EXISTS {LOCAL} ({columns}, {_VERSION}) ENGINE = {engine} "
            f"PARTITION BY visitor % 8 ORDER BY (visitor, id){window}"
        ]
        if is_replicated:
            distributed = f"Distributed({self.servers.cluster}, {database}, {LOCAL}, intHash64(visitor))"
            statements.append(f"CREATE TABLE IF NOT EXISTS {ALL} AS {LOCAL} ENGINE = {distributed}")
        return statements

    def current(self) -> list[ClickHouseServer]:
        """Return one server of each shard that has every block. Waits for one that is receiving blocks.

        Raises :class:`StoreUnavailable` if a shard does not answer, or has no such server.
        """
        self.create()
        deadline = time.monotonic() + _WAIT
        found: list[ClickHouseServer] = []
        for shard in self.servers.shards():
            while not (complete := [server for server in shard if self._is_complete(server)]):
                if time.monotonic() > deadline:
                    names = ", ".join(server.name for server in shard)
                    raise StoreUnavailable(f"No replica of a shard has every block yet: {names}.")
                time.sleep(_PAUSE)
            found.append(complete[0])
        return found

    def _is_complete(self, server: ClickHouseServer) -> bool:
        if not self.servers.cluster:
            return True
        names = "log_pointer, log_max_index, inserts_in_queue, is_readonly OR is_session_expired, zookeeper_path"
        rows = server.query(f"SELECT {names} FROM system.replicas WHERE {_THIS}")
        if len(rows) != 1 or rows[0][3] or rows[0][2]:
            return False
        known, last, _, _, path = rows[0]
        if known or last:
            return bool(known > last)
        # Both are zero before the first block, and while a replica does not know the first block yet.
        return not server.value(f"SELECT count() FROM system.zookeeper WHERE path = '{path}/log'")

    @property
    def place(self) -> str:
        """The name of the database, and those of all servers."""
        return " ".join([self.servers.any().value("SELECT currentDatabase()"), *(each.name for each in self.servers.all)])

    def is_at(self, place: str) -> bool:
        """Return whether a :attr:`place` is the same database of at least one of these servers."""
        (database, *servers), (other, *others) = self.place.split(), place.split()
        return database == other and not set(servers).isdisjoint(others)

    def count_rows(self) -> int:
        """Return the number of rows. Several rows may be one event."""
        return sum(int(server.value(f"SELECT count() FROM {LOCAL}")) for server in self.current())

    def last_slot(self) -> int:
        """Return the last slot, or 0 without rows."""
        return max(int(server.value(f"SELECT max(slot) FROM {LOCAL}")) for server in self.current())

    def truncate(self) -> None:
        """Delete every row on every server."""
        self.delete("1")
        self.require_none("1")

    def require_quiet(self) -> None:
        """Wait until no server inserts. The caller keeps out the loaders, so such a block is of a loader that was killed.

        Raises :class:`StoreUnavailable` if one does not end.
        """
        query = (
            f"SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO %{ALL}%' AND NOT query LIKE '%{COPIES}%'"
        )
        deadline = time.monotonic() + _WAIT
        for server in chain_of(self.servers.shards()):
            while server.value(query):
                if time.monotonic() > deadline:
                    raise StoreUnavailable(f"The ClickHouse server {server.name} still inserts a block of another loader.")
                time.sleep(_PAUSE)

    def delete(self, condition: str) -> None:
        """Delete rows on every server, and wait for it. Raises :class:`StoreUnavailable` unless every server answers."""
        self.create()
        self.servers.require_all()
        for shard in self.servers.shards():
            if any(map(self._count(condition), shard)) and not any(map(_unfinished, shard)):
                shard[0].run(f"ALTER TABLE {LOCAL} DELETE WHERE {condition}")
        deadline = time.monotonic() + _WAIT
        for server in self.servers.all:
            while _unfinished(server) and time.monotonic() < deadline:
                time.sleep(_PAUSE)

    def require_none(self, condition: str) -> int:
        """Return a moment of the servers' clocks since which no server has such a row. Raises :class:`StoreUnavailable`."""
        self.servers.require_all()
        count = self._count(condition)
        for server in self.servers.all:
            if not self._is_complete(server) or _unfinished(server) or count(server):
                raise StoreUnavailable(f"The deletion of events on the ClickHouse server {server.name} is not finished yet.")
        return 1 + max(int(server.value("SELECT toUInt32(now())")) for server in self.servers.all)

    def _count(self, condition: str) -> Any:
        return lambda server: server.value(f"SELECT count() FROM {LOCAL} WHERE {condition}")

    def has_old_parts(self, moment: int) -> bool:
        """Return whether a server still has the file of a part that was replaced up to a moment of its clock.

        Raises :class:`StoreUnavailable` unless every server answers.
        """
        self.servers.require_all()
        query = f"SELECT count() FROM system.parts WHERE {_THIS} AND NOT active AND toUInt32(remove_time) <= {moment:d}"
        return any(server.value(query) for server in self.servers.all)


def chain_of(shards: list[list[ClickHouseServer]]) -> list[ClickHouseServer]:
    return [server for shard in shards for server in shard]


def _unfinished(server: ClickHouseServer) -> bool:
    return bool(server.value(f"SELECT count() FROM system.mutations WHERE {_THIS} AND NOT is_done"))
