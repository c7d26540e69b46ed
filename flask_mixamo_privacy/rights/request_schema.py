"""The tables of data subject requests and of their links, and the step from the tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa

from .claims import claims_table

tables = sa.MetaData()

#: Answers that are stored in English, and shown in the reader's language: to a request that was open when its data subject
#: was erased, that was not confirmed, and whose link was postponed for too long. Sentences of the catalogues.
ERASED = "Everything that was stored about you has been erased."
UNCONFIRMED = "This request was not confirmed in time."
UNSENT = "No confirmation link could be sent for this request, because too many others were sent to the same address."

#: A condition of an index, which a query must repeat word for word. A database cannot compare it with a bound value.
NAMES_A_PERSON = sa.text("(email != '' OR message != '')")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, default="")


#: A request without an address is one of many closed ones, which no frequent query reads.
requests = sa.Table(
    "requests",
    tables,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    *map(_text, ("kind", "state", "email", "message", "locale", "base", "source", "subject", "subject_key")),
    *map(_text, ("opened", "verified", "identity", "mailed", "mail_after", "mail_error", "reminded")),
    sa.Column("extended", sa.Integer, nullable=False, default=0),
    *map(_text, ("extended_at", "reason", "closed", "done", "answer")),
    sa.Column("origin", sa.Text, nullable=False, default="", server_default=""),  # until the request is closed
    sa.Index("requests_by_state", "state", "mailed", "mail_after"),
    sa.Index("requests_of", "email"),
    sa.Index("requests_with_name", "state", sqlite_where=NAMES_A_PERSON, postgresql_where=NAMES_A_PERSON),
    sqlite_autoincrement=True,  # never reuse a number
)

links = sa.Table(
    "links",
    tables,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, index=True),
    sa.Column("opens", sa.Text, nullable=False),
    sa.Column("expires", sa.Text, nullable=False),
)

claims = claims_table(tables)


def _add_origin_and_indexes(connection: sa.Connection) -> None:
    for statement in (
        "ALTER TABLE requests ADD COLUMN origin TEXT DEFAULT '' NOT NULL",
        "CREATE INDEX requests_by_state ON requests (state, mailed, mail_after)",
        "CREATE INDEX requests_of ON requests (email)",
        "CREATE INDEX requests_with_name ON requests (state) WHERE (email != '' OR message != '')",
        "CREATE INDEX ix_links_number ON links (number)",
    ):
        connection.exec_driver_sql(statement)


STEPS = (_add_origin_and_indexes,)
