"""The style sheets and scripts: found, built by webassets, named by their content, kept in a cache folder."""

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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..storage.files import make_private_folder, replace_private

if TYPE_CHECKING:
    from webassets.bundle import Bundle

_PACKAGE = Path(__file__).parents[1]
_FILTERS = {".js": "rjsmin", ".css": "rcssmin"}

#: What is built and served to everybody, by the name that templates use.
PUBLIC_FILES = (
    "banner.css",
    "banner.js",
    "pages.css",
    "widgets.css",
    "google-consent-mode.js",
    "clear-storage.js",
    "reports.css",
)

#: What is built and served only by a view that knows to whom; it is not kept in the cache folder, which everybody is served.
TRACKER, VISITOR_FRAGMENT = "tracker.js", "visitor-fragment.js"


@cache
def folder(name: str) -> Path:
    """The folder ``static`` or ``templates``: inside the installed package, or beside it in a checkout."""
    inside, beside = _PACKAGE / name, _PACKAGE.parent / name
    if inside.is_dir():
        return inside
    # An unrelated folder named "static" beside site-packages' packages must not be taken for ours.
    if beside.is_dir() and (_PACKAGE.parent / "setup.cfg").is_file():
        return beside
    raise FileNotFoundError(
        f"Flask-Mixamo-Privacy finds its {name!r} neither at {inside} nor at {beside}. Install it again."
    )


def bundle(name: str) -> Bundle:
    """A webassets bundle of one of our files, to register in a site's own webassets Environment."""
    from webassets.bundle import Bundle

    return Bundle(str(folder("static") / name), filters=_FILTERS[Path(name).suffix])


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A file ready to be sent: its content by the ``Content-Encoding`` it is sent in, the plain one under ``""``."""

    digest: str
    contents: Mapping[str, bytes]

    @classmethod
    def compress(cls, content: bytes) -> BuiltFile:
        """Compress once, as well as can be; what grows by it is left out."""
        import brotli

        encoded = {"br": brotli.compress(content, quality=11), "gzip": gzip.compress(content, 9, mtime=0)}
        smaller = {coding: data for coding, data in encoded.items() if len(data) < len(content)}
        return cls(_digest(content), smaller | {"": content})

    @property
    def plain(self) -> bytes:
        return self.contents[""]


class Assets:
    """The built files of one app. Nothing is built or written before the first page that shows one."""

    def __init__(self, cache_folder: str | None) -> None:
        self._given_folder = cache_folder
        self._built: dict[str, BuiltFile] = {}
        self._folder: str | None = None
        self._lock = threading.Lock()

    def filename(self, name: str) -> str:
        """The file's name with its content's hash: ``banner.0123456789.js``."""
        return _with_digest(name, self.built(name).digest)

    def find(self, filename: str) -> BuiltFile | None:
        """A public file built by this process, or by an earlier version of the site; else None."""
        for name in PUBLIC_FILES:
            if self.filename(name) == filename:
                return self.built(name)
        content = self._read_earlier(filename)
        return BuiltFile(_digest(content), {"": content}) if content is not None else None

    def built(self, name: str) -> BuiltFile:
        """The file of this name, built at the first call."""
        found = self._built.get(name)
        if found is None:
            with self._lock:
                found = self._built.get(name) or self._build(name)
        return found

    def _build(self, name: str) -> BuiltFile:
        made = BuiltFile.compress(build(name))
        if name in PUBLIC_FILES:
            self._write(_with_digest(name, made.digest), made.plain)
        self._built[name] = made
        return made

    def _write(self, filename: str, content: bytes) -> None:
        """Keep the file for processes of a later version, whose visitors still have a page of ours open."""
        with contextlib.suppress(OSError):  # a read-only system serves from memory
            replace_private(os.path.join(self._cache_folder(), filename), content)  # several processes start at once

    def _read_earlier(self, filename: str) -> bytes | None:
        try:
            content = Path(self._cache_folder(), filename).read_bytes()
        except (OSError, ValueError):  # ValueError: a name with a NUL
            return None
        # The name promises the content: what another program may have put there is not served.
        return content if f".{_digest(content)}." in filename else None

    def _cache_folder(self) -> str:
        if self._folder is None:
            self._folder = self._given_folder or os.path.join(tempfile.gettempdir(), f"flask-mixamo-privacy-{os.getuid()}")
            make_private_folder(self._folder)
        if self._given_folder is None:
            _check_owner(self._folder)
        return self._folder


def build(name: str) -> bytes:
    """The file, minified in memory: webassets' own writing is not atomic."""
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


def _check_owner(directory: str) -> None:
    """Refuse a folder in the shared temporary folder that somebody else made before us."""
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"{directory} belongs to somebody else; set PRIVACY_ASSETS_DIR to a folder of the site's own.")
