"""Archives built from a copy of the repository, and environments in which they are installed."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
UNSHIPPED = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "_build", "dist", "instance", "node_modules")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
#: The time of every file in an archive, in seconds, so that two builds are equal. `make build` takes that of the commit.
EPOCH = "1767225600"


def run(*command: object, cwd: Path, expect: int = 0, **environment: str) -> str:
    """Return the output of a command that exits as expected, with its errors if it does not."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "FLASK"))}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=clean | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=880,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout[-4000:]
    return done.stdout


def environment(folder: Path, *requirements: object) -> Path:
    """Return the Python of a new virtual environment with only these packages."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run(*PIP, "--python", python, "install", "--quiet", *requirements, cwd=folder)
    return python


def share_packages(python: Path) -> None:
    """Let an environment import this environment's packages after its own."""
    (packages,) = python.parent.parent.glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")


def members(archive: Path) -> set[str]:
    if archive.suffix == ".whl":
        return set(zipfile.ZipFile(archive).namelist())
    with tarfile.open(archive) as opened:
        return {name.partition("/")[2] for name in opened.getnames()}


def contents(sdist: Path) -> dict[str, tuple[int, str]]:
    """Return the mode and the digest of each file. A source archive also has the time at which it was made."""
    found = {}
    with tarfile.open(fileobj=BytesIO(gzip.decompress(sdist.read_bytes()))) as opened:
        for member in opened.getmembers():
            if (file := opened.extractfile(member)) is not None:
                found[member.name] = member.mode, hashlib.sha256(file.read()).hexdigest()
    return found


def matches(name: str, pattern: str) -> bool:
    """Return whether a pattern describes a file. A ``*`` stands for one part of a path or less."""
    return name.count("/") == pattern.count("/") and PurePosixPath(name).match(pattern)


class Built:
    """Two copies of the repository: an sdist and a wheel built from it, and both built from the other copy itself."""

    def __init__(self, folder: Path) -> None:
        for copy in ("source", "other"):
            shutil.copytree(ROOT, folder / copy, ignore=UNSHIPPED)
        with ThreadPoolExecutor() as pool:
            build = (run, sys.executable, "-m", "build", "--outdir")
            both = pool.submit(*build, folder / "by-sdist", cwd=folder / "source", SOURCE_DATE_EPOCH=EPOCH)
            direct = pool.submit(
                *build, folder / "direct", "--wheel", "--sdist", cwd=folder / "other", SOURCE_DATE_EPOCH=EPOCH
            )
            both.result(), direct.result()
        self.sdist, self.direct_sdist = (next((folder / name).glob("*.tar.gz")) for name in ("by-sdist", "direct"))
        self.wheel, self.direct = (next((folder / name).glob("*.whl")) for name in ("by-sdist", "direct"))
