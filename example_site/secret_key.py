"""The secret key of a site that configures none."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile

_NAME = "secret.key"


def load(folder: str) -> str:
    """Return the key in the folder's ``secret.key``. Create the file at first use, readable only by its owner."""
    path = os.path.join(folder, _NAME)
    if not os.path.exists(path):
        _create(path)
    with open(path, encoding="ascii") as file:
        return file.read()


def _create(path: str) -> None:
    """Create the file atomically, or keep the one that another worker created in the meantime."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # mkstemp opens with O_EXCL and mode 0600. Only a complete file gets the name, so no process reads half a key.
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
