"""Every command that README prints works, in the order in which it is printed."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import pytest
from readme import ROOT, SHIPPED, commands, starting

pytest.importorskip("nilearn", reason="needs the extra `simulate`: pip install 'mriuq[simulate]'")
needs_weights = pytest.mark.skipif(not SHIPPED.exists(), reason=f"no weights at {SHIPPED.relative_to(ROOT)}")

BIN = Path(sys.executable).parent
INSTALL = ("python3.11", ".venv/bin/pip", ".")


def run(line: str, folder: Path) -> None:
    done = subprocess.run(
        shlex.split(line),
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"$ {line}\nexit code {done.returncode}\n{done.stdout}\n{done.stderr}"


def test_every_command_is_executed_by_some_test() -> None:
    # mriuq: below. Installation: test_packaging. make demo: below; make lint and make test: .ci/run.
    left = set(commands()) - set(starting("mriuq", "make", *INSTALL))
    assert not left
    ours = (ROOT / ".ci" / "run").read_text()
    for line in starting("make"):
        assert line == "make demo" or f"\n{line}\n" in ours


@pytest.mark.slow
@needs_weights
def test_the_mriuq_commands_work_in_order(tmp_path: Path) -> None:
    # What README takes for given: an exam in one file, the same in single files, and a folder of exams.
    run("mriuq simulate exam given --format 4d", tmp_path)
    shutil.copy(tmp_path / "given/exam-0.nii.gz", tmp_path / "exam.nii.gz")
    exam = nib.load(tmp_path / "exam.nii.gz")
    for index, name in enumerate(("flair", "t1", "t1gd", "t2")):
        nib.save(nib.Nifti1Image(exam.dataobj[..., index], exam.affine, exam.header), tmp_path / f"{name}.nii.gz")
    (tmp_path / "exams").mkdir()
    shutil.copy(tmp_path / "exam.nii.gz", tmp_path / "exams")
    for line in starting("mriuq"):
        run(line, tmp_path)
    for ending in ("", "_lower", "_upper", "_width"):
        assert (tmp_path / f"exam_flair{ending}.nii.gz").exists()
    assert (tmp_path / "exam_flair.json").exists()


@pytest.mark.slow
@needs_weights
def test_make_demo_runs_a_script_that_succeeds_and_draws_the_picture(tmp_path: Path) -> None:
    planned = subprocess.run(["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "python benchmarks/demo.py demo" in planned
    run(f"python {ROOT / 'benchmarks' / 'demo.py'} demo", tmp_path)
    assert (tmp_path / "demo" / "demo.png").stat().st_size > 10_000


def test_the_picture_of_the_first_screen_is_there_and_small() -> None:
    assert "(docs/demo.png)" in (ROOT / "README.md").read_text()
    picture = ROOT / "docs" / "demo.png"
    assert picture.exists(), "make demo draws it: copy demo/demo.png"
    assert picture.stat().st_size < 400_000
