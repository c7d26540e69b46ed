"""All personal data of the shop: customers, orders, subscribers, feedback, reviews."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The base class of the shop's models."""


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Customer(Base):
    """A user with an account."""

    __tablename__ = "customers"
    __table_args__ = ({"sqlite_autoincrement": True},)  # sessions may still name an erased customer's id

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    software: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Order(Base):
    """An animation that was bought."""

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
        """The order's name on its receipt."""
        return f"order {self.id}"


class Subscriber(Base):
    """A subscriber of the newsletter."""

    __tablename__ = "subscribers"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    old_enough: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Feedback(Base):
    """A message to the shop, with an address if the sender wants an answer."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None]
    message: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=_now)


class Review(Base):
    """A public review of an animation."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    clip: Mapped[str]
    name: Mapped[str]
    message: Mapped[str]
    email: Mapped[str | None]  # of the user, if one was signed in
    created_at: Mapped[datetime] = mapped_column(default=_now)


#: The column that identifies the data subject of a row, by model.
SUBJECTS = dict.fromkeys((Customer, Order, Subscriber, Feedback, Review), "email")
