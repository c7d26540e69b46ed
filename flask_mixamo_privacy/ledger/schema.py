"""Tables of the ledger: the entries, the texts that they name, and the end of the chain."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.Text, nullable=False, unique=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("receipt", sa.Text, nullable=False, index=True),
    sa.Column("replaces", sa.Text, nullable=False, index=True),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("purposes", sa.Text, nullable=False),
    sa.Column("services", sa.Text, nullable=False),
    sa.Column("withdrawn", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("gpc", sa.Boolean, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("subject_key", sa.Text, nullable=False),
    sa.Column("chain_key", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

texts = sa.Table(
    "texts",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

# The end of the chain, in one sealed row. Verification finds entries cut off at the end without a copy kept elsewhere.
heads = sa.Table(
    "head",
    metadata,
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("seal", sa.Text, nullable=False),
)
