"""Style sheets and scripts: built with webassets, compressed, named by their content, stored in a cache folder."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import stat
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NotAllowed
from ..storage.files import make_private_folder, replace_private
from ..storage.platform import IS_WINDOWS

if TYPE_CHECKING:
    from webassets.bundle import Bundle

_PACKAGE = Path(__file__).parents[1]
_FILTERS = {".js": "rjsmin", ".css": "rcssmin"}

#: Files served to every visitor, by the names that templates use.
PUBLIC_FILES = (
    "banner.css",
    "banner.js",
    "settings-dialog.js",
    "pages.css",
    "widgets.css",
    "google-consent-mode.js",
    "clear-storage.js",
    "new-document.js",
    "reports.css",
    "policy.css",
    "staff.css",
)

#: Files served by a view only to some visitors. They are not in the cache folder, which is served to every visitor.
TRACKER, VISITOR_FRAGMENT = "tracker.js", "visitor-fragment.js"


@cache
def folder(name: str) -> Path:
    """Return the folder ``static`` or ``templates``: inside the installed package, or beside it in a checkout."""
    inside, beside = _PACKAGE / name, _PACKAGE.parent / name
    if inside.is_dir():
        return inside
    # In site-packages, a folder "static" beside the package belongs to another project; only a checkout has setup.cfg.
    if beside.is_dir() and (_PACKAGE.parent / "setup.cfg").is_file():
        return beside
    raise FileNotFoundError(
        f"The folder {name!r} of Flask-Mixamo-Privacy is neither at {inside} nor at {beside}. Reinstall the package."
    )


def bundle(name: str) -> Bundle:
    """Return a webassets bundle of one of the extension's files, to register in the site's own webassets Environment.

    Also under ``ASSETS_DEBUG`` it is built into the site's static folder, because the original has no URL there.
    """
    from webassets.bundle import Bundle

    source, filters = str(folder("static") / name), _FILTERS[Path(name).suffix]
    return Bundle(source, filters=filters, output=f"flask-mixamo-privacy/{name}", debug=False)


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A file ready to be sent. ``contents`` maps each ``Content-Encoding`` to the bytes, and ``""`` to the plain content."""

    digest: str
    contents: Mapping[str, bytes]

    @classmethod
    def compress(cls, content: bytes) -> BuiltFile:
        """Compress the content at the highest levels. Omit an encoding that makes it larger."""
        import brotli

        encoded = {"br": brotli.compress(content, quality=11), "gzip": gzip.compress(content, 9, mtime=0)}
        smaller = {coding: data for coding, data in encoded.items() if len(data) < len(content)}
        return cls(_digest(content), smaller | {"": content})

    @property
    def plain(self) -> bytes:
        return self.contents[""]


class Assets:
    """The built files of one app. A file is built when the first page needs it."""

    def __init__(self, cache_folder: str | None) -> None:
        self._configured_folder = cache_folder
        self._built: dict[str, BuiltFile] = {}
        self._folder: str | None = None
        self._lock = threading.Lock()

    def filename(self, name: str) -> str:
        """Return the file's name with the hash of its content: ``banner.0123456789.js``."""
        return _with_digest(name, self.built(name).digest)

    def find(self, filename: str) -> BuiltFile | None:
        """Return a public file built by this process or by an earlier version of the site, or None."""
        for name in PUBLIC_FILES:
            if self.filename(name) == filename:
                return self.built(name)
        content = self._read_earlier(filename)
        return BuiltFile(_digest(content), {"": content}) if content is not None else None

    def built(self, name: str) -> BuiltFile:
        """Return the file of this name. Build it on the first call."""
        file = self._built.get(name)
        if file is None:
            with self._lock:
                file = self._built.get(name) or self._build(name)
        return file

    def _build(self, name: str) -> BuiltFile:
        source = folder("static") / name
        if name not in PUBLIC_FILES and not source.is_file():
            raise NotAllowed("The asset", name, ", ".join(PUBLIC_FILES), "Change the name in the template.")
        file = _built_once(name, os.stat(source).st_mtime_ns)
        if name in PUBLIC_FILES:
            self._write(_with_digest(name, file.digest), file.plain)
        self._built[name] = file
        return file

    def _write(self, filename: str, content: bytes) -> None:
        """Store the file for a later version of the site: its visitors may still have a page open that needs this file."""
        with contextlib.suppress(OSError):  # on a read-only file system, serve from memory
            replace_private(
                os.path.join(self._cache_folder(), filename), content
            )  # atomic, because several processes may start together

    def _read_earlier(self, filename: str) -> bytes | None:
        """Read a file that an earlier version of the site stored."""
        try:
            content = Path(self._cache_folder(), filename).read_bytes()
        except (OSError, ValueError):  # ValueError: the name contains NUL
            return None
        # Another program may have written to the folder, so serve only content that matches the digest in the name.
        return content if f".{_digest(content)}." in filename else None

    def _cache_folder(self) -> str:
        if self._folder is None:
            self._folder = self._configured_folder or _temporary_folder()
            make_private_folder(self._folder)
        if self._configured_folder is None and not IS_WINDOWS:
            _check_owner(self._folder)
        return self._folder


@lru_cache(maxsize=32)
def _built_once(name: str, changed: int) -> BuiltFile:
    """Return the file that all apps of this process share, until it changes: a test suite makes hundreds of apps."""
    return BuiltFile.compress(build(name))


def build(name: str) -> bytes:
    """Return the minified file. It is built in memory, because webassets does not write files atomically."""
    from webassets.env import Environment

    environment = Environment(directory=str(folder("static")), cache=False, manifest=False, debug=False)
    output = io.StringIO()
    environment.register(name, bundle(name), output=name)
    environment[name].build(force=True, output=output, disable_cache=True)
    return output.getvalue().encode()


def _with_digest(name: str, digest: str) -> str:
    stem, suffix = os.path.splitext(name)
    return f"{stem}.{digest}{suffix}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:10]


def _temporary_folder() -> str:
    """Return the default of PRIVACY_ASSETS_DIR. On Windows each user has a temporary folder of their own."""
    name = "flask-mixamo-privacy" if IS_WINDOWS else f"flask-mixamo-privacy-{os.getuid()}"
    return os.path.join(tempfile.gettempdir(), name)


def _check_owner(directory: str) -> None:
    """Raise :class:`PermissionError` if another user owns or can write to the folder in the shared temporary folder."""
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(
            f"The default of PRIVACY_ASSETS_DIR is {directory}, which another user owns or can write to; "
            "allowed: a folder that only this user can write to. Set PRIVACY_ASSETS_DIR to a folder of the site."
        )
