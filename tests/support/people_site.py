"""A site with data subjects in its own database, for the tests of data subject requests."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_mixamo_privacy.policy.model import Policy
from flask_mixamo_privacy.policy.parts import Contact, Field, Period, Requests
from flask_mixamo_privacy.policy.toml import built_in

FIELDS = (
    Field("email", "identifying", "Your address."),
    Field("name", "identifying", "Your name."),
    Field("address", "identifying", "For the invoice.", "keep", "The tax office asks for invoices.", Period(10, "year")),
    Field("message", "identifying", "What you wrote.", "anonymise"),
)


def policy(*fields: Field, **values: Any) -> Policy:
    """Return the built-in policy with a contact and these fields."""
    fields = fields or FIELDS
    return replace(
        built_in(),
        site="Shop",
        contact=Contact("Shop", "privacy@shop.example"),
        requests=Requests(),
        fields=fields,
        **values,
    )


class Base(DeclarativeBase):
    pass


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str] = mapped_column(default="scrypt")
    created_at: Mapped[datetime] = mapped_column(default=now)


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id"))
    email: Mapped[str]
    name: Mapped[str]
    address: Mapped[str]
    price: Mapped[int] = mapped_column(default=12)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Letter(Base):
    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    message: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Basket(Base):
    __tablename__ = "baskets"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"))
    clip: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


SUBJECTS = {Account: "email", Order: "email", Letter: "email", Basket: "account_id.email"}


class People:
    """The site, its database, and the mails it sent."""

    def __init__(self, site: Any, engine: sa.Engine) -> None:
        self.site, self.engine, self.mails = site, engine, []
        Base.metadata.create_all(engine)
        site.app.config["PRIVACY_SEND"] = None

    @property
    def rights(self) -> Any:
        return self.site.privacy.runtime(self.site.app).rights

    def add(self, email: str = "ada@shop.example", *, only: type | None = None) -> None:
        """Add a person with a row in every table."""
        with Session(self.engine) as session:
            if only is not Letter:
                name = email.partition("@")[0].title()
                account = Account(email=email, name=name)
                session.add(account)
                session.flush()
                session.add(Basket(account_id=account.id, clip="walk"))
                session.add(Order(account_id=account.id, email=email, name=name, address="1 Lane"))
            session.add(Letter(email=email, message="Hello"))
            session.commit()

    def rows(self, model: Any) -> list[Any]:
        with Session(self.engine) as session:
            return list(session.scalars(sa.select(model)))

    def mentions(self, text: str) -> list[str]:
        """Return the tables that contain this text, except in the random placeholders of erased people."""
        with self.engine.connect() as connection:
            found = [(table.name, connection.execute(sa.select(table)).all()) for table in Base.metadata.sorted_tables]
        return [name for name, rows in found if text.lower() in re.sub(r"erased-\w+", "", str(rows).lower())]

    def ask(self, kind: str = "delete", email: str = "ada@shop.example", visitor: Any = None, **fields: str) -> Any:
        visitor = visitor or self.site.visitor()
        return visitor.post("/privacy/requests", data={"kind": kind, "email": email, **fields})

    def process(self) -> Any:
        return self.site.cli("requests", "process")

    def link(self, mail: Any = None) -> str:
        """Return the path of the link in a mail."""
        text = (mail or self.mails[-1]).get_content()
        return re.search(r"http://localhost(/\S+)", text)[1]

    def confirmed(self, kind: str = "delete", email: str = "ada@shop.example", **fields: str) -> int:
        """Make a request, confirm it, and return its number."""
        self.ask(kind, email, **fields)
        self.process()
        assert self.site.visitor().post(self.link()).status_code == 200
        return self.rights.request_store.all()[-1].number


def settle(tiny: Any, folder: Any, **config: Any) -> People:
    """Build a site with data subjects that collects its mails in a list."""
    mails: list[Any] = []
    site = tiny(**{"PRIVACY_POLICY": policy(), "PRIVACY_SEND": mails.append} | config)
    people = People(site, sa.create_engine(f"sqlite:///{folder}/shop.sqlite", poolclass=sa.NullPool))
    people.mails = mails
    site.privacy.register_models(people.engine, SUBJECTS, name="shop")
    return people
