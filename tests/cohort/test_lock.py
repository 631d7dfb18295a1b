"""One run at a time in a folder."""

import subprocess
import sys

import pytest

from mriuq_cli.cohort.lock import NAME, exclusive
from mriuq_cli.errors import MachineError

HOLD = "import sys, pathlib; from mriuq_cli.cohort.lock import exclusive\n"
HOLD += "with exclusive([pathlib.Path(sys.argv[1])]): print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_and_told_who_holds_the_folder(tmp_path, holder):
    with pytest.raises(MachineError, match=str(holder.pid)), exclusive([tmp_path]):
        pass


def test_the_lock_of_a_killed_run_is_taken_over(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert (tmp_path / NAME).exists()
    with exclusive([tmp_path]):
        pass
    assert not (tmp_path / NAME).exists()


def test_nothing_is_left_after_an_error(tmp_path):
    with pytest.raises(KeyError), exclusive([tmp_path]):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_the_machine_s_fault(tmp_path):
    with pytest.raises(MachineError), exclusive([tmp_path / "nowhere"]):
        pass
