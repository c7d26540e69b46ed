"""Where messages lie: a file, an mbox, a Maildir, a folder of files, the standard input. Nothing there is changed."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

STDIN = "-"


@dataclass(frozen=True)
class Found:
    """One message, and where it lies; the number tells those of one mbox apart."""

    path: str
    raw: bytes
    number: int = 0


def messages(path: str, stdin: BinaryIO) -> Iterator[Found]:
    """The messages at a path, one at a time; raises :class:`OSError` for one that cannot be read."""
    if path == STDIN:
        if raw := stdin.read():
            yield Found(path, _without_envelope(raw))
    elif Path(path).is_dir():
        yield from _of_folder(Path(path))
    else:
        yield from _of_file(Path(path))


def _of_folder(folder: Path) -> Iterator[Found]:
    """A Maildir's ``new`` and ``cur``, else every file of the folder."""
    parts = [folder / name for name in ("new", "cur") if (folder / name).is_dir()] or [folder]
    for path in sorted(path for part in parts for path in part.iterdir() if path.is_file() and path.name[0] != "."):
        if parts == [folder]:
            yield from _of_file(path)
        else:
            yield Found(str(path), path.read_bytes())


def _of_file(path: Path) -> Iterator[Found]:
    """An mbox, or one message; a file that is empty is an mbox without any."""
    with path.open("rb") as file:
        begins = file.read(5)
    if not begins:
        return
    if begins != b"From ":
        yield Found(str(path), path.read_bytes())
        return
    box = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.keys(), start=1):
            yield Found(str(path), box.get_bytes(key), number)
    finally:
        box.close()


def _without_envelope(raw: bytes) -> bytes:
    """What a mail server pipes in may begin with the "From " line of an mbox, and is one message all the same."""
    return raw.partition(b"\n")[2] if raw.startswith(b"From ") else raw
