"""What is kept for a time after an erasure ends when that time is over, whatever the shape of the row."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from people import policy
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_mixamo_privacy.period import Period
from flask_mixamo_privacy.policy import Field

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
        sa.event.listen(self.engine, "connect", lambda made, _: made.execute("PRAGMA foreign_keys=ON"))
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


def test_what_is_kept_behind_a_foreign_key_ends(tmp_path, tiny, clock):
    """The account stays empty for as long as it tells whose invoice that was; then both go, and no guest's invoice."""
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


def test_the_way_over_another_column_than_the_accounts_own_is_marked_too(tmp_path, tiny, clock):
    """An account that goes by its login, and an invoice that goes by the account's address."""
    shop = Shop(
        tmp_path, tiny, BEHIND | {Account: "login"}, Account(id=1, email=ADA, login=ADA), Invoice(account_id=1, address="1")
    )
    shop.erase()
    clock.shift(10 * YEAR)
    shop.site.cli("prune")
    assert (shop.rows(Invoice, "id"), shop.rows(Account, "id")) == ([], [])


def test_an_account_waits_for_no_living_persons_invoice(tmp_path, tiny, clock):
    """What is not erased stays when what was kept beside it ends."""
    rows = [Account(id=1, email=ADA), Account(id=2, email="b@shop.example")]
    shop = Shop(tmp_path, tiny, BEHIND, *rows, *(Invoice(account_id=one, address=str(one)) for one in (1, 2)))
    shop.erase()
    clock.shift(10 * YEAR)
    shop.site.cli("prune")
    assert (shop.rows(Invoice, "address"), shop.rows(Account, "id")) == ([("2",)], [(2,)])


def test_of_two_periods_each_ends_in_its_own_time(tmp_path, tiny, clock):
    """The telephone number after a year, the address after ten, and the row with it."""
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


def test_an_address_that_was_kept_ends(tmp_path, tiny, clock):
    """Nothing in the row says that its person was erased: the ledger does. Whoever was not erased stays."""
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
def test_what_is_unique_together_with_others_is_made_anonymous_twice(tmp_path, tiny, model):
    """By a constraint or by an index: one mark is as good as another, and no two are the same."""
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
        ({Numbered: "person"}, "'numbered.person', which names its person, has no room for a mark", FIELDS),
        ({Timeless: "email"}, "no column says since when", FIELDS),
        ({Invoice: "account_id.email"}, "this store does not cover 'accounts', where its person stands", FIELDS),
        ({Account: "email"}, "'accounts.email' is kept for longer than the ledger knows of an erasure", [LONG]),
    ],
)
def test_what_would_not_end_is_told(tmp_path, tiny, subjects, why, fields):
    """By `flask privacy check`, before anybody is promised that it ends."""
    outcome = Shop(tmp_path, tiny, subjects, fields=fields).site.cli("check")
    assert f"keeps something for a time, and it would stay for ever: {why}." in outcome.output and outcome.exit_code == 1


def test_what_ends_is_not_told(tmp_path, tiny):
    """Every other shape in this file is kept as long as is said."""
    outcome = Shop(tmp_path, tiny, BEHIND | {Bill: "email", Post: "email"}).site.cli("check")
    assert "would stay for ever" not in outcome.output
