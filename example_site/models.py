"""What the shop knows of people, and no more: customers, orders, subscribers, feedback."""

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

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
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


#: Whose each row is.
SUBJECTS = {Customer: "email", Order: "email", Subscriber: "email", Feedback: "email"}
