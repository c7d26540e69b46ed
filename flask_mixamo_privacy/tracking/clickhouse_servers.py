"""The servers of a ClickHouse cluster: which of them answer, which have every block, and statements for one or for all."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

from ..errors import MissingExtra, StoreUnavailable
from ..policy.clickhouse_url import ClickHouseURL

_CONNECT = 3.0  # seconds; a machine that is down must not keep the loader
_ANSWER = 600.0  # seconds; a month of events may take minutes to count
_SOON = 2.0  # seconds for the state of a server, which a monitor waits for
_CODE = re.compile(r"\bCode: (\d+)")
_TOKENS_SINCE = (22, 2)  # the version that knows tokens of blocks

# A profile of the server must not let an answer leave out a shard, or an insertion return before the shards have the rows.
_SETTINGS: dict[str, Any] = {"skip_unavailable_shards": 0, "insert_distributed_sync": 1, "max_read_buffer_size": 65536}
_SETTINGS |= {"distributed_product_mode": "global"}  # a list of rows in a condition is that of all shards
_SETTINGS |= {"max_query_size": 1 << 24, "max_ast_elements": 1 << 20}  # a statement may have all tables of a month

Client = Any  # of clickhouse-connect, which has no stubs for what is used here


def connect(target: ClickHouseURL, address: tuple[str, int], *, soon: bool = False) -> Client:
    """Connect to one server, which must answer each statement within seconds if ``soon``. Raises the client's own errors."""
    try:
        import clickhouse_connect
    except ImportError:
        raise MissingExtra("ClickHouse", "clickhouse") from None
    host, port = address
    return clickhouse_connect.get_client(
        host=host, port=port, username=target.user, password=target.password, database=target.database,
        secure=target.is_encrypted, autogenerate_session_id=False, query_retries=0,
        connect_timeout=_SOON if soon else _CONNECT, send_receive_timeout=_SOON if soon else _ANSWER,
    )  # fmt: skip


class ClickHouseServer:
    """One server. Every method raises :class:`StoreUnavailable`, whose text quotes no value."""

    def __init__(self, name: str, connect: Callable[[], Client]) -> None:
        self.name = name
        self._connect = connect
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._process = 0
        self.shard, self.replica = "", ""

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return list(self._try(lambda client: client.query(statement, settings=_SETTINGS).result_rows))

    def stream(self, statement: str) -> Iterator[Sequence[tuple[Any, ...]]]:
        """Yield the rows of a query in blocks, so that any number of them needs little memory."""
        with self._try(lambda client: client.query_row_block_stream(statement, settings=_SETTINGS)) as blocks:
            blocks = iter(blocks)
            while (block := self._try(lambda _: next(blocks, None))) is not None:
                yield block

    def value(self, statement: str) -> Any:
        """Return the only value of a query."""
        return self.query(statement)[0][0]

    def run(self, statement: str) -> None:
        """Execute a statement without rows."""
        self._try(lambda client: client.command(statement, settings=_SETTINGS))

    def insert(self, table: str, columns: dict[str, str], values: Sequence[Sequence[Any]], settings: dict[str, Any]) -> None:
        """Insert columns with these names and types as one block."""
        self._try(
            lambda client: client.insert(
                table,
                values,
                column_names=list(columns),
                column_type_names=list(columns.values()),
                column_oriented=True,
                settings=_SETTINGS | settings,
            )
        )

    @cached_property
    def version(self) -> tuple[int, int]:
        major, minor = str(self.value("SELECT version()")).split(".")[:2]
        return int(major), int(minor)

    @property
    def knows_tokens(self) -> bool:
        """Whether a block may have a token, by which the server drops the same block when it comes again."""
        return self.version >= _TOKENS_SINCE

    def _try(self, action: Callable[[Client], Any]) -> Any:
        try:
            return action(self._connected())
        except (MissingExtra, StoreUnavailable):
            raise
        except Exception as error:  # the client's own classes, and those of its HTTP library
            if not type(error).__module__.startswith(("clickhouse_connect", "urllib3", "chdb")) and not isinstance(
                error, OSError
            ):
                raise
            code = _CODE.search(str(error))  # the rest of the text may quote a row
            detail = f"{type(error).__name__}{f', code {code[1]}' if code else ''}"
            raise StoreUnavailable(f"The ClickHouse server {self.name} could not be used: {detail}.") from None

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None or self._process != os.getpid():  # a connection does not survive a fork
                self._client, self._process = self._connect(), os.getpid()
            return self._client


class Servers:
    """All servers of a cluster, or the only one. The macros ``{shard}`` and ``{replica}`` of each state its place."""

    def __init__(
        self, servers: Sequence[ClickHouseServer], cluster: str, probes: Sequence[ClickHouseServer] | None = None
    ) -> None:
        """``probes`` are the same servers, with connections that do not wait long for an answer."""
        self.all = list(servers)
        self.cluster = cluster
        self._probes = self.all if probes is None else list(probes)

    @classmethod
    def at(cls, target: ClickHouseURL) -> Servers:
        """Return the servers of a target, without a connection yet."""
        servers, probes = (
            [
                ClickHouseServer(f"{host}:{port}", partial(connect, target, (host, port), soon=soon))
                for host, port in target.addresses
            ]
            for soon in (False, True)
        )
        return cls(servers, target.cluster, probes)

    def states(self) -> dict[str, str]:
        """Return the name of each server, with what its failure causes, or the empty string if it answers.

        All servers are asked at once, and one that does not answer within seconds is not available.
        """
        with ThreadPoolExecutor(len(self._probes)) as pool:
            errors = dict(zip(self._probes, pool.map(self._error, self._probes), strict=True))
        try:
            self._by_shard(errors)
            effect = "Another server has its shard, so loading goes on. No erasure is complete until it answers."
        except StoreUnavailable:
            effect = "A shard does not answer. Events stay in the log, and no day closes until it does."
        return {server.name: f"{error} {effect}" if error else "" for server, error in errors.items()}

    def any(self) -> ClickHouseServer:
        """Return the first server that answers. Raises :class:`StoreUnavailable` if none does."""
        errors = []
        for server in self.all:
            if (error := self._error(server)) is None:
                return server
            errors.append(error)
        raise errors[0]

    def shards(self) -> list[list[ClickHouseServer]]:
        """Return the answering servers of each shard. Raises :class:`StoreUnavailable` if a shard has none."""
        if not self.cluster:
            return [[self.any()]]
        return self._by_shard({server: self._error(server) for server in self.all})

    def _by_shard(self, errors: Mapping[ClickHouseServer, StoreUnavailable | None]) -> list[list[ClickHouseServer]]:
        """Return the servers without an error of each shard. Raises :class:`StoreUnavailable` if a shard has none."""
        shards: dict[str, list[ClickHouseServer]] = {}
        for server, error in errors.items():
            if error is None:
                shards.setdefault(server.shard, []).append(server)
        raised = [error for error in errors.values() if error is not None]
        if raised and (not shards or len(shards) < self._number_of_shards(shards)):
            raise StoreUnavailable(f"A shard of ClickHouse does not answer. {raised[0]}")
        return [shards[name] for name in sorted(shards)]

    def _number_of_shards(self, shards: dict[str, list[ClickHouseServer]]) -> int:
        if not self.cluster:
            return 1
        query = f"SELECT uniqExact(shard_num) FROM system.clusters WHERE cluster = '{self.cluster}'"  # noqa: S608 — a checked name
        return int(next(iter(shards.values()))[0].value(query))

    def require_all(self) -> None:
        """Raise :class:`StoreUnavailable` unless every server answers, and the URL names every server of the cluster."""
        for server in self.all:
            if (error := self._error(server)) is not None:
                raise error
        if self.cluster:
            number = self.all[0].value(f"SELECT count() FROM system.clusters WHERE cluster = '{self.cluster}'")  # noqa: S608 — a checked name
            if number != len(self.all):
                raise StoreUnavailable(
                    f"PRIVACY_EVENTS_URL names {len(self.all)} of the {number} servers of the cluster {self.cluster}. "
                    "Name every server, separated by commas, so that an erasure is complete on each."
                )

    def _error(self, server: ClickHouseServer) -> StoreUnavailable | None:
        try:
            if self.cluster and not server.shard:
                macros = dict(server.query("SELECT macro, substitution FROM system.macros"))
                if not {"shard", "replica"} <= macros.keys():
                    text = (
                        f"The ClickHouse server {server.name} has no macros. Define shard and replica in its configuration."
                    )
                    return StoreUnavailable(text)
                server.shard, server.replica = macros["shard"], macros["replica"]
            else:
                server.query("SELECT 1")
        except StoreUnavailable as error:
            return error
        return None
