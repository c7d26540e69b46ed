"""Copies of events that are counted: each event once, in order of time, on one server of each shard.

The table of events is in order of visitors. So a copy is made once for the windows that a transaction closes, and reading
a day of it is cheap. Each shard groups its own visitors, and only the groups are read from all shards. A copy lives as long
as the transaction, which keeps out erasures. What a killed loader has left is dropped by the next copy, and before an
erasure or a pruning is complete.
"""

# ruff: noqa: S608 — statements have only numbers and our own names

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import StoreUnavailable
from ..storage.failures import log_failure
from .clickhouse_servers import ClickHouseServer
from .clickhouse_tables import COPIES, LOCAL, NAMES, ClickHouseTables
from .row_names import STORED_NAMES

_GROUPS = "table_name String, row_name String, visitor UInt64, network String, n Int64, a Int64"
_HOUR = 3_600_000  # milliseconds
_EVENT = {"slot": "Int64", "visitor": "UInt64", "id": "String", "kind": "String", "visit": "String"}
_COLUMNS = _EVENT | {"happened": "Int64", "hour_row": "String"}
_COLUMNS |= {name: "String" if kind is str else NAMES[name] for name, kind in STORED_NAMES.items()}

#: Ends of ranges of moments, each with the difference of the site's time to UTC in the range. All are in milliseconds.
Offsets = Sequence[tuple[int, int]]


class ClickHouseCopy:
    """A copy of some events, with the columns by which the statements of reports count. Raises :class:`StoreUnavailable`."""

    def __init__(self, tables: ClickHouseTables) -> None:
        # Any server of a shard that has the table may be asked. With a new name, none of them has an older copy.
        self.of_shard = f"{COPIES}{secrets.token_hex(8)}"
        self._groups = f"{self.of_shard}_groups"
        self._tables = tables
        self._servers = tables.current()
        self.days: list[tuple[int, int]] = []
        all_shards = "_all" if tables.servers.cluster else ""
        self.name, self.groups = f"{self.of_shard}{all_shards}", f"{self._groups}{all_shards}"

    def fill(self, condition: str, offsets: Offsets) -> None:
        """Create the copy of the events that a condition includes."""
        drop_copies(self._servers)
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        engine = "ENGINE = MergeTree PARTITION BY tuple() ORDER BY"
        self._run_on_shards(
            f"CREATE TABLE {self._groups} ({_GROUPS}) {engine} table_name",
            f"CREATE TABLE {self.of_shard} ({columns}) {engine} slot",
            f"INSERT INTO {self.of_shard} SELECT {_selected(offsets)} FROM {LOCAL} FINAL WHERE {condition}",
        )
        first = self._servers[0]
        if cluster := self._tables.servers.cluster:
            database = first.value("SELECT currentDatabase()")
            for all_shards, one in ((self.name, self.of_shard), (self.groups, self._groups)):
                first.run(f"CREATE TABLE {all_shards} AS {one} ENGINE = Distributed({cluster}, {database}, {one})")
        query = f"SELECT min(slot), max(slot) FROM {self.name} GROUP BY intDiv(slot, {24 * _HOUR})"
        self.days = [(int(first), int(last)) for first, last in self.query(query)]

    def store(self, statement: str) -> None:
        """Store the rows of a statement about the copy of a shard in place of those of an earlier one."""
        self._run_on_shards(f"TRUNCATE TABLE {self._groups}", f"INSERT INTO {self._groups} {statement}")

    def _run_on_shards(self, *statements: str) -> None:
        """Execute statements on the server of each shard, on all of them at once."""

        def run(server: ClickHouseServer) -> None:
            for statement in statements:
                server.run(statement)

        if len(self._servers) == 1:
            run(self._servers[0])  # ClickHouse in process belongs to a thread
            return
        with ThreadPoolExecutor(len(self._servers)) as pool:
            list(pool.map(run, self._servers))

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement about the copy."""
        return self._servers[0].query(statement)

    def drop(self) -> None:
        """Drop the copy. If that fails, the next copy drops it."""
        try:
            drop_copies(self._servers, self.of_shard)
        except StoreUnavailable as error:
            log_failure("A copy of counted events is dropped later", error, level=logging.WARNING)


def drop_copies(servers: Sequence[ClickHouseServer], name: str = COPIES) -> None:
    """Drop the copies on these servers whose names begin with a text, so that no file of theirs is left."""
    query = f"SELECT name, engine FROM system.tables WHERE database = currentDatabase() AND name LIKE '{name}%'"
    for server in servers:
        for table, engine in server.query(query):
            if engine != "Distributed":
                server.run(f"TRUNCATE TABLE {table}")  # a current server keeps the files of a dropped table for minutes
            server.run(f"DROP TABLE {table}")


def _selected(offsets: Offsets) -> str:
    """Return the expressions of the columns of a copy."""
    moment = "ifNull(at, slot)"
    ranges = "".join(f"{moment} < {end:d}, {offset:d}, " for end, offset in offsets[:-1])
    offset = f"multiIf({ranges}{offsets[-1][1]:d})" if ranges else f"{offsets[-1][1]:d}"
    hour = f"substring(toString(100 + intDiv({moment} + {offset}, {_HOUR}) % 24), 2)"
    expressions = {"happened": moment, "hour_row": f"if(kind = 'page_view', {hour}, '')"}
    return ", ".join(expressions.get(name, name) for name in _COLUMNS)
