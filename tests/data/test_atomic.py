"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from mriuq_cli.data import atomic
from mriuq_cli.data.atomic import atomic_file, part_name
from mriuq_cli.errors import MachineError


def test_the_file_appears_when_the_block_ends_and_not_before(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_file(target) as part:
        assert part.parent == tmp_path
        assert part.name.startswith(".")
        part.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_there_is_replaced(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old and longer")
    with atomic_file(target) as part:
        part.write_text("new")
    assert target.read_text() == "new"


@pytest.mark.parametrize("reason", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_whatever_ends_the_block_nothing_is_left_and_the_old_file_stays(tmp_path, reason):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def work():
        with atomic_file(target) as part:
            part.write_text("half")
            raise reason

    with pytest.raises(reason):
        work()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "no permission"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "disk reports an error"),
    ],
)
def test_errors_of_the_system_become_words(tmp_path, code, words):
    with pytest.raises(MachineError, match=words) as caught, atomic_file(tmp_path / "a.txt"):
        raise OSError(code, os.strerror(code))
    assert str(tmp_path / "a.txt") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(MachineError, match="folder does not exist"), atomic_file(tmp_path / "none" / "a.txt"):
        pass


def test_a_full_disk_is_noticed_however_late_the_system_tells(tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "_flush", full)
    with pytest.raises(MachineError, match="the disk is full"), atomic_file(tmp_path / "a.txt") as part:
        part.write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_file_that_a_killed_process_left_is_taken_over(tmp_path):
    target = tmp_path / "a.txt"
    program = (
        "import os, signal, sys; from pathlib import Path; from mriuq_cli.data.atomic import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as part:\n"
        "    part.write_text('half of something long')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == [part_name(target)]
    with atomic_file(target) as part:
        assert part.read_text() == ""
        part.write_text("new")
    assert list(tmp_path.iterdir()) == [target]


def test_two_processes_do_not_write_the_same_file(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_file(target) as part:
        part.write_text("first")
        with pytest.raises(MachineError, match="another process"), atomic_file(target):
            pass
    assert target.read_text() == "first"


def test_a_link_is_not_followed_when_the_temporary_file_is_made(tmp_path):
    (tmp_path / "victim").write_text("keep")
    part_name(tmp_path / "a.txt").symlink_to(tmp_path / "victim")
    with pytest.raises(MachineError, match="link"), atomic_file(tmp_path / "a.txt"):
        pass
    assert (tmp_path / "victim").read_text() == "keep"


def test_files_get_the_permissions_that_the_user_wants(tmp_path):
    old = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "a.txt") as part:
            part.write_text("x")
    finally:
        os.umask(old)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
