"""The grants that a grant replaced, found by the receipt in a visitor's consent cookie.

A visitor who changes a grant gets a new receipt, and each entry names the receipt that it replaces. So the newest receipt
leads to all earlier ones, and each of them to the visitor ID that is derived from it.
"""

from __future__ import annotations

import sqlalchemy as sa

from .ledger import Ledger
from .schema import entries

#: The most receipts to follow. A visitor changes a grant by hand, and a program must not make a withdrawal slow.
MOST_RECEIPTS = 100

_LATER = sa.select(entries.c.kind, entries.c.receipt).where(entries.c.replaces.in_(sa.bindparam("receipts", expanding=True)))


def earlier_receipts(ledger: Ledger, receipt: str) -> list[str]:
    """Return the receipts of the grants that led to this one, the newest first, and at most :data:`MOST_RECEIPTS`.

    Empty if there is no such grant. Raises :class:`LedgerUnavailable`.
    """
    found: list[str] = []
    with ledger.read() as connection:
        while connection is not None and receipt and len(found) < MOST_RECEIPTS:
            receipt = _replaced_by(connection, receipt)
            if receipt in found:  # only tampering makes a circle
                break
            found.append(receipt)
    return list(filter(None, found))


def is_withdrawn(ledger: Ledger, receipt: str) -> bool:
    """Return whether the visitor has withdrawn this grant, or a grant that replaced it.

    The answer to the later grant may never have arrived, so the replaced grant may still be the visitor's current one.
    Raises :class:`LedgerUnavailable`.
    """
    seen, waiting = {""}, [receipt]
    with ledger.read() as connection:
        while connection is not None and waiting and len(seen) <= MOST_RECEIPTS:
            later = list(connection.execute(_LATER, {"receipts": waiting}))
            if any(row.kind == "withdrawal" for row in later):
                return True
            seen.update(waiting)
            waiting = [row.receipt for row in later if row.receipt not in seen]
    return False


def _replaced_by(connection: sa.Connection, receipt: str) -> str:
    query = sa.select(entries.c.replaces).where(entries.c.receipt == receipt, entries.c.kind == "grant")
    return connection.scalar(query) or ""
