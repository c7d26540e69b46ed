"""Storage of the state machine's site: backed up and restored in parts, and searched completely."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

PARTS = ("shop", "rights", "events", "log")  # each part can be restored alone; the ledger is never restored

Found = dict[str, list[str]]


class Disk:
    """The log's segments, which are files whatever the databases are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "instance" / "privacy-log"

    def copy(self) -> dict[str, Any]:
        """Back up every part in its current state."""
        return {"log": {path.name: path.read_bytes() for path in self._log.glob("*.events")}}

    def put_back(self, part: str, copy: dict[str, Any]) -> None:
        """Restore one part; the others stay."""
        assert part == "log"
        for path in self._log.glob("*.events"):
            path.unlink()
        self._log.mkdir(exist_ok=True)
        for name, content in copy[part].items():
            (self._log / name).write_bytes(content)

    def holding(self, texts: Iterable[str]) -> Found:
        """Return the places of each text that is found. Texts that are found nowhere are omitted."""
        places = list(self._places())
        found = {text: [name for name, content in places if text.encode() in content] for text in texts}
        return {text: names for text, names in found.items() if names}

    def _places(self) -> Iterator[tuple[str, bytes]]:
        """Yield every file: databases with free pages, WAL, segments and spools."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                yield str(path.relative_to(self.folder)), path.read_bytes()


class Files(Disk):
    """Databases that are files: backed up by copying, searched byte by byte."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.config: dict[str, str] = {}
        self.people = f"sqlite:///{folder}/shop.sqlite"
        instance = folder / "instance"
        self._paths = {
            "shop": folder / "shop.sqlite",
            "rights": instance / "privacy-rights.sqlite",
            "events": instance / "privacy-events.sqlite",
        }

    def copy(self) -> dict[str, Any]:
        return super().copy() | {part: _content(path) for part, path in self._paths.items()}

    def put_back(self, part: str, copy: dict[str, Any]) -> None:
        if part not in self._paths:
            super().put_back(part, copy)
            return
        path = self._paths[part]
        for beside in path.parent.glob(f"{path.name}*"):
            beside.unlink()
        if copy[part] is not None:
            path.write_bytes(copy[part])


def _content(path: Path) -> bytes | None:
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


class Tables(Disk):
    """Databases of a server: backed up and searched row by row."""

    def __init__(self, folder: Path, urls: dict[str, str]) -> None:
        super().__init__(folder)
        settings = {"ledger": "LEDGER", "events": "EVENTS", "rights": "DATABASE"}
        self.config = {f"PRIVACY_{name}_URL": urls[part] for part, name in settings.items()}
        self.people = urls["shop"]
        self._engines = {part: sa.create_engine(url, poolclass=sa.NullPool) for part, url in urls.items()}

    def copy(self) -> dict[str, Any]:
        return super().copy() | {part: self._rows(part) for part in self._engines if part in PARTS}

    def put_back(self, part: str, copy: dict[str, Any]) -> None:
        if part not in self._engines:
            super().put_back(part, copy)
            return
        tables = sa.MetaData()
        with self._engines[part].begin() as connection:
            tables.reflect(connection)
            for table in reversed(tables.sorted_tables):
                if table.name in copy[part]:
                    connection.execute(sa.delete(table))
                else:
                    table.drop(connection)  # it was not created yet
            for table in tables.sorted_tables:
                if rows := copy[part].get(table.name):
                    connection.execute(sa.insert(table), rows)

    def _places(self) -> Iterator[tuple[str, bytes]]:
        yield from super()._places()
        for part in self._engines:
            for name, rows in self._rows(part).items():
                yield f"{part}.{name}", str(rows).encode()

    def _rows(self, part: str) -> dict[str, list[dict[str, Any]]]:
        with self._engines[part].connect() as connection:
            names = sa.inspect(connection).get_table_names()
            return {name: [dict(row) for row in _all(connection, name)] for name in names}


def _all(connection: sa.Connection, name: str) -> Iterable[Any]:
    return connection.exec_driver_sql(f'SELECT * FROM "{name}"').mappings()
