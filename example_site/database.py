"""The shop's own database: a file in the instance folder, created at first use."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa
from flask import Flask, current_app
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from .models import Base

_KEY = "shop_database"


def init_app(app: Flask) -> None:
    """Create the engine, without touching the disk. ``SHOP_DATABASE_URL`` names another database."""
    app.config.setdefault("SHOP_DATABASE_URL", f"sqlite:///{Path(app.instance_path, 'shop.sqlite').as_posix()}")
    engine = sa.create_engine(app.config["SHOP_DATABASE_URL"], poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    app.extensions[_KEY] = engine


def session() -> Session:
    """Return a session of the current app's database. Create missing tables first."""
    engine: sa.Engine = current_app.extensions[_KEY]
    if engine.dialect.name == "sqlite":
        os.makedirs(os.path.dirname(engine.url.database or ""), exist_ok=True)
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:  # one statement each, because several workers may do this at once
            connection.execute(CreateTable(table, if_not_exists=True))
    return Session(engine, expire_on_commit=False)
