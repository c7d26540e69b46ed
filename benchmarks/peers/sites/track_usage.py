"""The blog with Flask-Track-Usage, which stores each page view in SQLite without asking the visitor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy
from flask_track_usage import TrackUsage
from flask_track_usage.storage.sql import SQLStorage

from benchmarks.blog import blog

VERSIONS = ("Flask-Track-Usage", "Flask", "SQLAlchemy")
CASES = {"page view stored": ""}
_engine: list[Any] = []


def apps(folder: Path) -> tuple[Any, Any]:
    """Return the bare blog, and the blog with the package."""
    (folder / "bare").mkdir()
    (folder / "extended").mkdir()
    extended = blog(folder / "extended", False)
    engine = sqlalchemy.create_engine(f"sqlite:///{folder / 'extended' / 'usage.sqlite'}")
    _engine.append(engine)
    TrackUsage(extended, [SQLStorage(engine=engine)])
    return blog(folder / "bare", False), extended


def check(bare: Any, extended: Any) -> None:
    """Assert that a page view is a row."""
    extended.test_client().get("/")
    bare.test_client().get("/")
    with _engine[0].connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM flask_usage")).scalar() == 1
