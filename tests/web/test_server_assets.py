"""The built style sheets and scripts, with several processes that start at once and with read-only folders."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
from pathlib import Path

import pytest

from flask_mixamo_privacy.errors import PrivacyError
from flask_mixamo_privacy.web import assets
from flask_mixamo_privacy.web.assets import PUBLIC_FILES, Assets

#: The files that a page with the banner names. The browser loads the dialog's script when the visitor asks for the settings.
BANNER_FILES = ["banner.css", "banner.js", "settings-dialog.js"]


def is_whole(path: Path) -> bool:
    """Return whether a file's content matches the hash in its name."""
    return f".{hashlib.sha256(path.read_bytes()).hexdigest()[:10]}." in path.name


def build_and_look(folder: str, barrier: object, broken: object) -> None:
    """Build the assets repeatedly, as one of several processes that start at once."""
    barrier.wait()
    for _ in range(40):
        built = Assets(folder)
        for name in PUBLIC_FILES:
            built.filename(name)
            files = [path for path in Path(folder).iterdir() if path.suffix in (".css", ".js")]
            broken.value += sum(not is_whole(path) for path in files)


@pytest.mark.server
def test_several_processes_build_at_once_and_every_read_is_complete(tmp_path):
    """A reader of a built file sees all of it, even while other processes are writing."""
    context = multiprocessing.get_context("spawn")
    barrier, broken = context.Barrier(4), [context.Value("i", 0) for _ in range(4)]
    builders = [context.Process(target=build_and_look, args=(str(tmp_path), barrier, each)) for each in broken]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(60)
    assert [builder.exitcode for builder in builders] == [0] * 4
    assert [each.value for each in broken] == [0] * 4
    assert sorted(re.sub(r"\.[0-9a-f]{10}\.", ".", path.name) for path in tmp_path.iterdir()) == sorted(PUBLIC_FILES)


@pytest.mark.parametrize("name", PUBLIC_FILES)
def test_a_built_file_is_served_for_a_year(tiny, name):
    """The name contains the content's hash, so every cache may store the file; the content type is right."""
    site = tiny()
    with site.app.test_request_context():
        address = f"/privacy/static/{site.privacy.runtime(site.app).assets.filename(name)}"
    response = site.visitor().get(address)
    assert (response.status_code, response.mimetype) == (200, "text/css" if name.endswith("css") else "text/javascript")
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert f".{hashlib.sha256(response.data).hexdigest()[:10]}." in address and len(response.data) > 50


def test_assets_are_served_without_a_writable_cache_folder(tiny, tmp_path):
    """On a read-only file system the files are served from memory."""
    (tmp_path / "file").touch()
    site = tiny(PRIVACY_ASSETS_DIR=str(tmp_path / "file" / "assets"))
    addresses = re.findall(r'/privacy/static/[^"]+', site.visitor().get("/").text)
    assert sorted(re.sub(r".*/|\.[0-9a-f]{10}", "", address) for address in addresses) == BANNER_FILES
    assert {site.visitor().get(address).status_code for address in addresses} == {200}


def test_a_page_of_an_earlier_version_gets_its_files(tiny, tmp_path):
    """A new process serves a file that an old process built, if its content matches the hash in its name."""
    old_content = b".mixamo-ask{color:red}"
    name = f"banner.{hashlib.sha256(old_content).hexdigest()[:10]}.css"
    site = tiny(PRIVACY_ASSETS_DIR=str(tmp_path / "assets"))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / name).write_bytes(old_content)
    assert site.visitor().get(f"/privacy/static/{name}").data == old_content


@pytest.mark.parametrize(
    "name", ["banner.0123456789.js", "banner.js", "evil.js", ".js", "notes.txt", "banner.0123456789.js.map"]
)
def test_a_foreign_file_in_the_folder_is_not_served(tiny, tmp_path, name):
    """A file whose name lacks its content's hash is not an asset."""
    site = tiny(PRIVACY_ASSETS_DIR=str(tmp_path / "assets"))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / name).write_text("alert('not ours')")
    assert site.visitor().get(f"/privacy/static/{name}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "../instance/secret.css",
        "..%2Finstance%2Fsecret.css",
        "%2e%2e/secret.css",
        "..\\secret.css",
        "%00.css",
    ],
)
def test_nothing_outside_the_folder_is_served(tiny, tmp_path, path):
    """No file name leads out of the cache folder."""
    site = tiny()
    (tmp_path / "instance" / "secret.css").write_text("secret")
    response = site.visitor().get(f"/privacy/static/{path}")
    assert response.status_code == 404 and "secret" not in response.text


def test_a_shared_temporary_folder_is_used_only_if_the_user_owns_it(tiny, tmp_path, monkeypatch):
    """A folder that another user can write to is neither written nor read."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    site = tiny(PRIVACY_ASSETS_DIR=None)
    site.visitor().get("/")
    (folder,) = tmp_path.glob("flask-mixamo-privacy-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(re.sub(r"\.[0-9a-f]{10}", "", path.name) for path in folder.iterdir()) == BANNER_FILES
    for path in folder.iterdir():
        path.unlink()
    folder.chmod(0o777)
    again = tiny(PRIVACY_ASSETS_DIR=None)
    assert again.visitor().get("/").status_code == 200 and list(folder.iterdir()) == []


def test_apps_of_one_process_build_a_file_once_until_it_changes(tmp_path, monkeypatch):
    """A second app shares the built file, and an edited file is built again."""
    source = tmp_path / "static" / "banner.css"
    source.parent.mkdir()
    monkeypatch.setattr(assets, "folder", lambda name: tmp_path / name)
    for number, content in enumerate(("a{color:red}", "a{color:blue}")):
        source.write_text(content)
        os.utime(source, ns=(number, number))
        first, second = Assets(str(tmp_path)).built("banner.css"), Assets(str(tmp_path)).built("banner.css")
        assert first is second and first.plain == content.encode()


def test_an_error_for_a_missing_folder_names_both_places(monkeypatch, tmp_path):
    """The error of an incomplete installation lists the folders that were searched."""
    assets.folder.cache_clear()
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "site-packages" / "flask_mixamo_privacy")
    (tmp_path / "site-packages" / "static").mkdir(parents=True)  # another user's folder, without a checkout of the project
    with pytest.raises((FileNotFoundError, PrivacyError)) as raised:
        assets.folder("static")
    places = (tmp_path / "site-packages" / "flask_mixamo_privacy" / "static", tmp_path / "site-packages" / "static")
    assert all(str(place) in str(raised.value) for place in places)
    assets.folder.cache_clear()


def test_an_unknown_asset_names_the_known_ones(tiny):
    """A misspelt name in a template is an error with the names that exist."""
    site = tiny()
    with site.app.app_context(), pytest.raises(PrivacyError) as raised:
        site.app.jinja_env.globals["privacy"].asset("baner.css")
    assert "The asset is 'baner.css'; allowed: " in str(raised.value) and "banner.css" in str(raised.value)


@pytest.mark.parametrize("name", [name for name in PUBLIC_FILES if name.endswith(".css")])
def test_a_built_style_sheet_has_every_selector_of_its_source(name, tmp_path):
    """The minifier reads no ``@container``. There, it takes the space before ``:is`` away, and so changes the selector."""
    source = re.sub(r"/\*.*?\*/", "", (assets.folder("static") / name).read_text(), flags=re.DOTALL)
    written, built = (
        len(re.findall(r"[\w\])] :[a-z-]+\(", text)) for text in (source, Assets(str(tmp_path)).built(name).plain.decode())
    )
    assert built == written
