"""What the shop knows of people, and no more: customers, orders, subscribers, feedback, reviews."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base of the shop's models."""


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Customer(Base):
    """Somebody with an account."""

    __tablename__ = "customers"
    __table_args__ = ({"sqlite_autoincrement": True},)  # nobody inherits the number, and the sessions, of who was erased

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    software: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Order(Base):
    """A clip that was bought."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id", ondelete="SET NULL"))
    email: Mapped[str]
    name: Mapped[str]
    address: Mapped[str]
    clip: Mapped[str] = mapped_column(info={"privacy": "order"})
    price: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=_now)

    @property
    def order(self) -> str:
        """What it is called on its receipt."""
        return f"order {self.id}"


class Subscriber(Base):
    """Somebody who wants the newsletter."""

    __tablename__ = "subscribers"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    old_enough: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Feedback(Base):
    """What somebody wrote to the shop, with an address if an answer is wanted."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    message: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Review(Base):
    """What somebody posted about a clip, for everybody to read."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    clip: Mapped[str]
    name: Mapped[str]
    message: Mapped[str]
    email: Mapped[str | None]  # of the account, if one was signed in
    created_at: Mapped[datetime] = mapped_column(default=_now)


#: Whose each row is.
SUBJECTS = dict.fromkeys((Customer, Order, Subscriber, Feedback, Review), "email")
