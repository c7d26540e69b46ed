"""What one process does on the imitated Windows: each function gets a new site there.

``python -m support.windows_site FOLDER`` prints a JSON object: for each function its traceback, or an empty text.
"""

import json
import sys
import traceback
import warnings
from pathlib import Path

if __name__ == "__main__":
    from support.windows import imitate

    imitate()
    warnings.simplefilter("ignore", EncodingWarning)
    warnings.filterwarnings("error", category=EncodingWarning, module="flask_mixamo_privacy")

SITES = ("counted", "blanked", "open_elsewhere", "full_disk", "spooled", "elected", "files")


def runtime_of(site):
    return site.privacy.runtime(site.app)


def segments(site):
    return list((site.folder / "privacy-log").glob("*.events"))


def visit(site):
    """Return a visitor who granted everything and has viewed a page."""
    from conftest import choose

    visitor = site.visitor()
    assert visitor.get("/").status_code == 200 and choose(visitor, "accept_all").status_code == 303
    assert visitor.get("/").status_code == 200
    return visitor


def withdraw(visitor):
    from conftest import choose

    assert choose(visitor, "reject_all").status_code == 303


def counted(site):
    """A visitor grants, is counted and withdraws."""
    visitor = visit(site)
    written = segments(site)[0].read_bytes()
    assert b"\r" not in written and b'"page_view"' in written
    assert [event["kind"] for event in site.events()] == ["visit_start", "page_view"]
    assert len(segments(site)) == 1  # its writer has it open
    assert site.cli("report").exit_code == 0
    assert visitor.get(f"/privacy/static/{runtime_of(site).assets.filename('banner.js')}").status_code == 200
    withdraw(visitor)
    runtime_of(site).log.close()
    assert site.events() == [] == segments(site)
    assert site.cli("replay").exit_code == site.cli("ledger", "verify").exit_code == 0
    assert [row["kind"] for row in site.ledger("grant", "withdrawal")] == ["grant", "withdrawal"]


def blanked(site):
    """The lines of an erased visitor are overwritten while the process still writes to the segment."""
    visitor = visit(site)
    runtime_of(site).load()
    withdraw(visitor)
    runtime_of(site).load(wait=1)
    [segment] = segments(site)
    assert segment.read_bytes().strip() == b"" and segment.stat().st_size > 100


def open_elsewhere(site):
    """A segment that another thread reads is deleted in a later pass."""
    visit(site)
    runtime_of(site).log.close()
    with segments(site)[0].open("rb"):
        runtime_of(site).load()
        assert len(segments(site)) == 1
    runtime_of(site).load()
    assert segments(site) == [] and len(site.events()) == 2


def full_disk(site):
    """A failed write leaves no empty segment."""
    from flask_mixamo_privacy.errors import LogUnavailable
    from flask_mixamo_privacy.tracking import log

    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    write, log._write = log._write, full
    try:
        runtime_of(site).log.append("line\n")
    except LogUnavailable:
        assert segments(site) == []
    finally:
        log._write = write


def spooled(site):
    """While the databases are away, entry and erasure wait in spools."""
    visitor = visit(site)
    runtime_of(site).load()
    site.app.testing = False
    files = [site.folder / f"privacy-{name}.sqlite" for name in ("ledger", "events")]
    for file in files:
        file.rename(f"{file}.away")
        file.mkdir()
    withdraw(visitor)
    for file in files:
        file.rmdir()
        Path(f"{file}.away").rename(file)
    spools = [site.folder / "privacy-log" / f"{name}.pending" for name in ("ledger", "erasures")]
    assert all(path.stat().st_size and b"\r" not in path.read_bytes() for path in spools)
    assert site.events() == [] and [path.stat().st_size for path in spools] == [0, 0]


def elected(site):
    """Two loaders exclude each other."""
    from flask_mixamo_privacy.errors import LoaderBusy

    visit(site)
    with runtime_of(site).loader._elected(0):
        try:
            runtime_of(site).load(wait=0.1)
        except LoaderBusy:
            return
    raise AssertionError("two loaders at once")


def files(site):
    """A file is replaced once no thread reads it, and created once; the default folder of assets works."""
    from threading import Timer

    from flask_mixamo_privacy.storage.files import create_private, replace_private
    from flask_mixamo_privacy.web.assets import Assets

    path = site.folder / "file"
    create_private(str(path), b"one\n")
    create_private(str(path), b"two\n")
    assert path.read_bytes() == b"one\n"
    reader = path.open("rb")
    Timer(0.05, reader.close).start()
    replace_private(str(path), b"three\n")
    assert path.read_bytes() == b"three\n" and len(list(site.folder.iterdir())) == 1
    assert Assets(None).filename("banner.js")


def run(name, folder):
    from conftest import Tiny

    folder.mkdir()
    try:
        globals()[name](Tiny(folder))
    except BaseException:
        return traceback.format_exc()
    return ""


if __name__ == "__main__":
    sys.stdout.write(json.dumps({name: run(name, Path(sys.argv[1]) / name) for name in SITES}))
