"""What the shop keeps of people, in a database of its own; what becomes of it is said in privacy.toml."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from flask import Flask, current_app
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

_KEY = "pacework"


class Base(DeclarativeBase):
    """Every row knows when it was made."""


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Customer(Base):
    """An account that somebody made."""

    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Order(Base):
    """One clip, bought once."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True, default=lambda: secrets.token_hex(4).upper())  # nobody guesses it
    email: Mapped[str]
    name: Mapped[str]
    address: Mapped[str]
    order: Mapped[str]  # the clip's slug
    price: Mapped[int]
    account: Mapped[str | None]  # on whose shelf it is, if on any
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Ownership(Base):
    """An order that was registered, for updates and help."""

    __tablename__ = "ownerships"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str]
    number: Mapped[str]  # of the order
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Letter(Base):
    """What somebody told the shop."""

    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    message: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Subscription(Base):
    """An address that the newsletter goes to, if nobody declined since; that is asked when it is sent."""

    __tablename__ = "subscriptions"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Review(Base):
    """What somebody posted about a clip, for everybody to read."""

    __tablename__ = "reviews"
    id: Mapped[int] = mapped_column(primary_key=True)
    clip: Mapped[str]
    name: Mapped[str]
    message: Mapped[str]
    email: Mapped[str | None]  # of the account, if one was signed in; nobody is shown it
    created_at: Mapped[datetime] = mapped_column(default=_now)


#: The models with people in them, and the column that says who.
SUBJECTS = dict.fromkeys((Customer, Order, Ownership, Letter, Subscription, Review), "email")


def init_app(app: Flask) -> None:
    """Know the database: ``SHOP_DATABASE_URL``, or a file in the instance folder. It is made when first needed."""
    url = app.config.setdefault("SHOP_DATABASE_URL", "sqlite:///" + os.path.join(app.instance_path, "pacework.sqlite"))
    app.extensions[_KEY] = sa.create_engine(url, poolclass=sa.NullPool)


def engine() -> sa.Engine:
    """The app's."""
    found: sa.Engine = current_app.extensions[_KEY]
    if found.url.database:
        os.makedirs(os.path.dirname(found.url.database), exist_ok=True)
    Base.metadata.create_all(found)
    return found


def session() -> Session:
    """A new one, to be used in a ``with`` statement."""
    return Session(engine(), expire_on_commit=False)
