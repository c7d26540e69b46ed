"""Private files: readable by the site's own user alone, written completely or not at all, and locked by one holder."""

import os
import stat

import pytest

from flask_mixamo_privacy.storage.files import (
    append_private,
    create_private,
    lock_now,
    open_private,
    replace_private,
    try_lock,
)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("write", [append_private, create_private])
def test_files_and_their_new_folders_are_private(tmp_path, write):
    """Files have mode 0600 and folders 0700, whatever the umask is."""
    path = tmp_path / "folder" / "file"
    before = os.umask(0)
    try:
        write(str(path), b"one")
    finally:
        os.umask(before)
    assert (path.read_bytes(), mode_of(path), mode_of(path.parent)) == (b"one", 0o600, 0o700)


def test_a_file_is_replaced_completely_or_not_at_all(tmp_path):
    """No temporary file remains, also if the replacement fails."""
    path = tmp_path / "file"
    for content in (b"one", b"two"):
        replace_private(str(path), content)
    assert (path.read_bytes(), mode_of(path)) == (b"two", 0o600)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        replace_private(str(tmp_path / "folder"), b"three")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]


def test_a_file_is_created_once(tmp_path):
    """The second creation of a file leaves the first one's content."""
    for content in (b"one", b"two"):
        create_private(str(tmp_path / "file"), content)
    assert (tmp_path / "file").read_bytes() == b"one" and len(list(tmp_path.iterdir())) == 1


def test_a_file_accepts_lines_up_to_a_size(tmp_path):
    """The line that reaches the size is the last."""
    for _ in range(5):
        append_private(str(tmp_path / "file"), b"line\n", 8)
    assert (tmp_path / "file").read_bytes() == b"line\n" * 2


def test_a_lock_has_one_holder(tmp_path):
    """A lock is held until its descriptor is closed, or for a block."""
    one, other = (open_private(str(tmp_path / "file"), os.O_RDWR | os.O_CREAT) for _ in range(2))
    with try_lock(one) as first:
        assert first and not lock_now(other)
        with try_lock(other) as second:
            assert not second
    assert lock_now(other) and not lock_now(one)
    os.close(other)
    assert lock_now(one)
    os.close(one)
