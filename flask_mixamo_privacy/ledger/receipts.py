"""The grants that a grant replaced, found by the receipt in a visitor's consent cookie.

A visitor who changes a grant gets a new receipt, and each entry names the receipt that it replaces. So the newest receipt
leads to all earlier ones, and each of them to the visitor ID that is derived from it.
"""

from __future__ import annotations

import sqlalchemy as sa

from .ledger import Ledger, entries

#: The most receipts to follow. A visitor changes a grant by hand, and a program must not make a withdrawal slow.
MOST_RECEIPTS = 100


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


def is_replaced(ledger: Ledger, receipt: str) -> bool:
    """Return whether a later decision replaced this grant. Its events are then erased, or a later receipt finds them.

    Raises :class:`LedgerUnavailable`.
    """
    query = sa.select(entries.c.position).where(entries.c.replaces == receipt).limit(1)
    with ledger.read() as connection:
        return connection is not None and bool(receipt) and connection.scalar(query) is not None


def _replaced_by(connection: sa.Connection, receipt: str) -> str:
    query = sa.select(entries.c.replaces).where(entries.c.receipt == receipt, entries.c.kind == "grant")
    return connection.scalar(query) or ""
