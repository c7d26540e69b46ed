"""Claims: the requests that staff act on at the moment, so that two members of staff never both answer one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import sqlalchemy as sa

from ..errors import RequestError
from ..storage.clock import later, timestamp
from ..storage.database import Database

Action = TypeVar("Action", bound=Callable[..., Any])

_LONGEST_ACTION = 600  # seconds


def claims_table(tables: sa.MetaData) -> sa.Table:
    """Return the table of claims. A killed process leaves its row behind, so a row counts only until a time."""
    number = sa.Column("number", sa.Integer, primary_key=True, autoincrement=False)
    return sa.Table("request_claims", tables, number, sa.Column("until", sa.Text, nullable=False))


class Claims:
    """The claims of the requests in one database."""

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database = database
        self._table = table

    @contextmanager
    def claimed(self, number: int) -> Iterator[None]:
        """Reserve a request for one action. Raises :class:`RequestError` while another member of staff acts on it."""
        until = later(seconds=_LONGEST_ACTION)
        if not self._claim(number, until):
            hint = "Wait until that is done, then look at the request again."
            raise RequestError(f"Request {number}", "being answered by someone else", "a request that nobody answers", hint)
        try:
            yield
        finally:
            with self._database.write() as connection:
                this_claim = (self._table.c.number == number) & (
                    self._table.c.until == until
                )  # another may have claimed since
                connection.execute(sa.delete(self._table).where(this_claim))

    def _claim(self, number: int, until: str) -> bool:
        row = {"number": number, "until": until}
        with self._database.write() as connection:
            ended = (self._table.c.number == number) & (self._table.c.until <= timestamp())
            connection.execute(sa.delete(self._table).where(ended))
            return connection.execute(self._database.insert_new(self._table), row).rowcount == 1


def one_at_a_time(action: Action) -> Action:
    """Claim a request before an action of a service. Raises :class:`RequestError` if there is no such request."""

    @wraps(action)
    def run(self: Any, number: int, *values: Any, **options: Any) -> Any:
        self.request_store.find(number)
        with self.request_store.claims.claimed(number):
            return action(self, number, *values, **options)

    return run  # type: ignore[return-value]
