"""Retained data: what is kept after an erasure is deleted at the end of its period, whatever the row looks like."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_mixamo_privacy.policy.parts import Field, Period
from support.people_site import policy

ADA = "ada@shop.example"
YEAR = 366 * 86400
FIELDS = (
    Field("email", "identifying", "Your address."),
    Field("login", "identifying", "Your login."),
    Field("address", "identifying", "For the invoice.", "keep", "Tax.", Period(10, "year")),
    Field("phone", "identifying", "For repairs.", "keep", "Warranty.", Period(1, "year")),
    Field("nick", "identifying", "What you go by.", "anonymise"),
)

pytestmark = pytest.mark.usefixtures("clock")


def now():
    return datetime.now(UTC).replace(tzinfo=None)


class Own(DeclarativeBase):
    pass


class Account(Own):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(default="ada")
    email: Mapped[str]
    password_hash: Mapped[str] = mapped_column(default="scrypt")
    created_at: Mapped[datetime] = mapped_column(default=now)


class Invoice(Own):
    __tablename__ = "invoices"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id"))
    address: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Bill(Own):
    __tablename__ = "bills"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    address: Mapped[str]
    phone: Mapped[str] = mapped_column(default="0123")
    created_at: Mapped[datetime] = mapped_column(default=now)


class Post(Own):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    shop: Mapped[int] = mapped_column(default=1)
    email: Mapped[str]
    nick: Mapped[str]
    __table_args__ = (sa.UniqueConstraint("shop", "nick"),)


class Reply(Own):
    __tablename__ = "replies"
    id: Mapped[int] = mapped_column(primary_key=True)
    shop: Mapped[int] = mapped_column(default=1)
    email: Mapped[str]
    nick: Mapped[str]
    __table_args__ = (sa.Index("one_nick_a_shop", "shop", "nick", unique=True),)


class Shop:
    """A site with rows in some of these tables."""

    def __init__(self, tmp_path, tiny, subjects, *rows, fields=FIELDS):
        self.site = tiny(PRIVACY_POLICY=policy(*fields))
        self.engine = sa.create_engine(f"sqlite:///{tmp_path}/own.sqlite", poolclass=sa.NullPool)
        sa.event.listen(self.engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
        Own.metadata.create_all(self.engine)
        with Session(self.engine) as session:
            session.add_all(rows)
            session.commit()
        self.site.privacy.register_models(self.engine, subjects)

    def erase(self, subject=ADA):
        outcome = self.site.cli("erase", "--subject", subject)
        assert outcome.exit_code == 0, outcome.output

    def rows(self, model, *names):
        with self.engine.connect() as connection:
            table = model.__table__
            return [tuple(row) for row in connection.execute(sa.select(*(table.columns[name] for name in names)))]


BEHIND = {Account: "email", Invoice: "account_id.email"}


def test_data_retained_through_a_foreign_key_ends(tmp_path, tiny, clock):
    """The empty account stays until its retained invoice ends; then both are deleted, and no guest's invoice."""
    shop = Shop(
        tmp_path, tiny, BEHIND, Account(id=1, email=ADA), Invoice(account_id=1, address="1 Lane"), Invoice(address="G")
    )
    shop.erase()
    ((login, email, password),) = shop.rows(Account, "login", "email", "password_hash")
    assert (login, email[:7], password) == ("", "erased-", "")
    clock.shift(9 * YEAR)
    shop.site.cli("prune")
    assert len(shop.rows(Invoice, "id")) == 2
    clock.shift(YEAR)
    shop.site.cli("prune")
    assert (shop.rows(Invoice, "address"), shop.rows(Account, "id")) == ([("G",)], [])


def test_a_path_through_another_column_is_anonymised_too(tmp_path, tiny, clock):
    """An account found by its login and an invoice found by an address are both anonymised."""
    shop = Shop(
        tmp_path, tiny, BEHIND | {Account: "login"}, Account(id=1, email=ADA, login=ADA), Invoice(account_id=1, address="1")
    )
    shop.erase()
    clock.shift(10 * YEAR)
    shop.site.cli("prune")
    assert (shop.rows(Invoice, "id"), shop.rows(Account, "id")) == ([], [])


def test_an_erased_account_is_not_kept_by_an_invoice_of_another_person(tmp_path, tiny, clock):
    """Another person's invoice stays, and the erased account ends with its own invoice."""
    rows = [Account(id=1, email=ADA), Account(id=2, email="b@shop.example")]
    shop = Shop(tmp_path, tiny, BEHIND, *rows, *(Invoice(account_id=one, address=str(one)) for one in (1, 2)))
    shop.erase()
    clock.shift(10 * YEAR)
    shop.site.cli("prune")
    assert (shop.rows(Invoice, "address"), shop.rows(Account, "id")) == ([("2",)], [(2,)])


def test_two_retention_periods_end_independently(tmp_path, tiny, clock):
    """The telephone number ends after a year, and the address ends with the row after ten."""
    shop = Shop(
        tmp_path, tiny, {Bill: "email"}, Bill(email=ADA, address="1 Lane"), Bill(email="b@shop.example", address="2")
    )
    shop.erase()
    shop.site.cli("prune")
    assert shop.rows(Bill, "address", "phone") == [("1 Lane", "0123"), ("2", "0123")]
    clock.shift(YEAR)
    shop.site.cli("prune")
    assert shop.rows(Bill, "address", "phone") == [("1 Lane", ""), ("2", "0123")]
    clock.shift(9 * YEAR)
    shop.site.cli("prune")
    assert shop.rows(Bill, "address") == [("2",)]


def test_a_retained_address_ends(tmp_path, tiny, clock):
    """The ledger alone shows that the person was erased, and no other person's row ends."""
    kept = Field("email", "identifying", "Your address.", "keep", "A court asked.", Period(1, "year"))
    shop = Shop(tmp_path, tiny, {Account: "email"}, Account(email=ADA), Account(email="b@shop.example"), fields=[kept])
    shop.erase()
    clock.shift(YEAR - 2 * 86400)
    shop.site.cli("prune")
    assert len(shop.rows(Account, "email")) == 2
    clock.shift(2 * 86400)
    shop.site.cli("prune")
    assert shop.rows(Account, "email") == [("b@shop.example",)]


@pytest.mark.parametrize("model", [Post, Reply])
def test_unique_columns_are_anonymised_without_a_conflict(tmp_path, tiny, model):
    """Two erased persons get different placeholders under a unique constraint or index."""
    people = [ADA, "b@shop.example"]
    shop = Shop(tmp_path, tiny, {model: "email"}, *(model(email=one, nick=one) for one in people))
    for one in people:
        shop.erase(one)
    assert [nick[:7] for (nick,) in shop.rows(model, "nick")] == ["erased-"] * 2


class Numbered(Own):
    __tablename__ = "numbered"
    id: Mapped[int] = mapped_column(primary_key=True)
    person: Mapped[int]
    address: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Timeless(Own):
    __tablename__ = "timeless"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    address: Mapped[str]


LONG = Field("email", "identifying", "Your address.", "keep", "A court asked.", Period(90, "year"))


@pytest.mark.parametrize(
    ("subjects", "why", "fields"),
    [
        ({Numbered: "person"}, "'numbered.person' names its data subject, but cannot hold a text placeholder", FIELDS),
        ({Timeless: "email"}, "no column has the time of its rows", FIELDS),
        ({Invoice: "account_id.email"}, "its data subject is in 'accounts', which this store does not cover", FIELDS),
        ({Account: "email"}, "'accounts.email' is kept longer than the ledger keeps an erasure", [LONG]),
    ],
)
def test_retention_without_an_end_is_reported(tmp_path, tiny, subjects, why, fields):
    """`flask privacy check` reports a declaration whose retained data would never end."""
    outcome = Shop(tmp_path, tiny, subjects, fields=fields).site.cli("check")
    assert f"keeps data for a period that never ends: {why}." in outcome.output and outcome.exit_code == 1


def test_retention_with_an_end_is_not_reported(tmp_path, tiny):
    """No other table of this file is reported."""
    outcome = Shop(tmp_path, tiny, BEHIND | {Bill: "email", Post: "email"}).site.cli("check")
    assert "a period that never ends" not in outcome.output
