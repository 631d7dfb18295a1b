"""`mriuq simulate`, through the installed executable."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("nilearn", reason="needs the extra `simulate`: pip install 'mriuq[simulate]'")

MRIUQ = Path(sys.executable).with_name("mriuq")


def simulate(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([MRIUQ, "simulate", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``made/exam-5``, simulated once for this module."""
    folder = tmp_path_factory.mktemp("simulate")
    done = simulate("exam", "made", "--seed", 5, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "made/exam-5\n"
    return folder


def test_an_exam_has_four_contrasts_labels_mask_and_truth(place: Path) -> None:
    names = sorted(path.name for path in (place / "made" / "exam-5").iterdir())
    endings = (
        "_adc.nii.gz",
        "_flair.nii.gz",
        "_mask.nii.gz",
        "_seg.nii.gz",
        "_t1.nii.gz",
        "_t1ce.nii.gz",
        "_t2.nii.gz",
        "_wmh.nii.gz",
    )
    assert names == ["exam-5.json", *(f"exam-5{ending}" for ending in endings)]


def test_images_are_stored_as_public_tumour_exams_are(place: Path) -> None:
    image = nib.load(place / "made/exam-5/exam-5_t1ce.nii.gz")
    assert image.shape == (240, 240, 155)
    assert image.get_data_dtype() == np.int16
    assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
    labels = np.asarray(nib.load(place / "made/exam-5/exam-5_seg.nii.gz").dataobj)
    assert set(np.unique(labels)) == {0, 1, 2, 4}
    mask = np.asarray(nib.load(place / "made/exam-5/exam-5_mask.nii.gz").dataobj)
    np.testing.assert_array_equal(mask > 0, np.asarray(image.dataobj) > 0)


def test_the_truth_says_that_it_is_simulated_and_proves_the_files(place: Path) -> None:
    folder = place / "made" / "exam-5"
    facts = json.loads((folder / "exam-5.json").read_text())
    assert facts["Simulated"] is True
    assert facts["Seed"] == 5
    assert facts["Files"] == {name: digest for name, digest in digests(folder).items() if not name.endswith(".json")}


def test_a_second_run_is_refused_before_any_work(place: Path) -> None:
    before = digests(place)
    done = simulate("exam", "made", "--seed", 4, "--n", 2, cwd=place)
    assert done.returncode == 6
    assert "--overwrite" in done.stderr
    assert digests(place) == before


def test_the_same_seed_gives_the_same_bytes_and_resume_repairs_what_is_damaged(place: Path) -> None:
    before = digests(place)
    damaged = place / "made" / "exam-5" / "exam-5_t2.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    done = simulate("exam", "made", "--seed", 5, "--resume", cwd=place)
    assert done.returncode == 0, done.stderr
    assert digests(place) == before


@pytest.mark.slow
def test_after_a_kill_resume_gives_the_bytes_of_a_run_in_one_piece(place: Path) -> None:
    """Killed in the middle of a case: some of its files are written, its truth is not."""
    words = [MRIUQ, "simulate", "exam", "killed", "--seed", "5"]
    case, running = place / "killed" / "exam-5", subprocess.Popen(words, cwd=place, stdout=subprocess.PIPE)
    while running.poll() is None and not list(case.glob("exam-5_*.nii.gz")):
        time.sleep(0.02)
    running.kill()
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    assert not (case / "exam-5.json").exists()
    done = simulate("exam", "killed", "--seed", 5, "--resume", cwd=place)
    assert done.returncode == 0, done.stderr
    assert digests(place / "killed") == digests(place / "made")


def test_resume_leaves_whole_cases_untouched(place: Path) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in (place / "made").rglob("*")}
    done = simulate("exam", "made", "--seed", 5, "--resume", cwd=place)
    assert done.stdout == "made/exam-5\n"
    assert {path: path.stat().st_mtime_ns for path in (place / "made").rglob("*")} == stamps


def test_the_4d_form_holds_the_same_voxels_in_the_order_of_the_contrasts(place: Path) -> None:
    done = simulate("exam", "joined", "--seed", 5, "--format", "4d", cwd=place)
    assert done.stdout == "joined/exam-5.nii.gz\n"
    joined = np.asarray(nib.load(place / "joined/exam-5.nii.gz").dataobj)
    for index, ending in enumerate(("flair", "t1", "t1ce", "t2")):
        single = np.asarray(nib.load(place / f"made/exam-5/exam-5_{ending}.nii.gz").dataobj)
        np.testing.assert_array_equal(joined[..., index], single)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("artefact", "new", "--scan", "four.nii.gz"), 3, "holds 2 images"),
        (("exam", "new", "--anatomy", "four.nii.gz"), 3, "no label map"),
        (("exam", "new", "--scan", "file"), 2, "--scan means nothing to preset exam"),
        (("exam", "new", "--field", 7), 2, "7 T"),
        (("exam", "new", "--anatomy", "absent"), 3, "absent"),
        (("exam", "new", "--labels", "freesurfer"), 2, "--anatomy"),
        (("artefact", "new", "--scan", "absent.nii.gz"), 3, "absent.nii.gz"),
        (("artefact", "new", "--region", "one.nii.gz"), 2, "Give --scan too"),
        (("artefact", "new", "--scan", "one.nii.gz", "--region", "absent.nii.gz"), 3, "absent.nii.gz"),
        (("artefact", "new", "--scan", "one.nii.gz", "--region", "other.nii.gz"), 3, "not on the grid of one.nii.gz"),
        (("artefact", "new", "--scan", "one.nii.gz", "--region", "empty.nii.gz"), 3, "no voxel above 0"),
        (("exam", "new", "--region", "one.nii.gz"), 2, "--region means nothing to preset exam"),
        (("exma", "new"), 2, "did you mean 'exam'"),
        (("exam", "absent/new"), 6, "absent/new"),
        (("exam", "file"), 6, "is a file"),
        (("exam", "new", "--n", 0), 2, "--n"),
        (("exam", "new", "--format", "5d"), 2, "5d"),
        (("exam", "new", "--overwrite", "--resume"), 2, "exclude each other"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(
    tmp_path: Path, words: tuple[object, ...], code: int, said: str
) -> None:
    (tmp_path / "file").touch()
    for name, shape, value in (
        ("four", (4, 4, 4, 2), 1), ("one", (16, 16, 16), 1), ("other", (16, 16, 12), 1), ("empty", (16, 16, 16), 0)
    ):  # fmt: skip
        nib.save(nib.Nifti1Image(np.full(shape, value, np.float32), np.eye(4)), tmp_path / f"{name}.nii.gz")
    there = sorted(tmp_path.iterdir())
    done = simulate(*words, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.iterdir()) == there


def test_a_region_keeps_the_rest_of_the_scan_clean(tmp_path: Path) -> None:
    """The affine swaps and flips axes, so a mask that were taken in another order would be seen."""
    affine = np.array([[0, 0, -1, 9], [1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 0, 1.0]])
    scan = np.random.default_rng(0).uniform(50, 100, (24, 20, 16)).astype(np.float32)
    mask = np.zeros(scan.shape, np.uint8)
    mask[4:15, 3:9, 2:14] = 1
    nib.save(nib.Nifti1Image(scan, affine), tmp_path / "scan.nii.gz")
    nib.save(nib.Nifti1Image(mask, affine), tmp_path / "mask.nii.gz")
    for out, more in (("whole", ()), ("part", ("--region", "mask.nii.gz"))):
        done = simulate("artefact", out, "--scan", "scan.nii.gz", "--seed", 4, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    whole, part = (nib.load(tmp_path / out / "artefact-4" / "artefact-4_corrupted.nii.gz") for out in ("whole", "part"))
    np.testing.assert_array_equal(part.affine, affine)
    outside = mask == 0
    np.testing.assert_allclose(part.get_fdata()[outside], scan[outside], rtol=1e-6)
    assert np.abs(part.get_fdata() - scan)[~outside].mean() > 1
    assert np.abs(whole.get_fdata() - scan)[outside].mean() > 1
    truths = [json.loads((tmp_path / out / "artefact-4/artefact-4.json").read_text()) for out in ("whole", "part")]
    assert truths[0]["Parameters"]["artefacts"] == truths[1]["Parameters"]["artefacts"]
    assert truths[1]["Parameters"]["region"]["voxels"] == mask.sum()
    done = simulate("artefact", "part", "--scan", "scan.nii.gz", "--seed", 4, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(
        nib.load(tmp_path / "part/artefact-4/artefact-4_corrupted.nii.gz").get_fdata(), whole.get_fdata()
    )


def test_without_nilearn_the_message_says_what_to_install(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "nilearn"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('hidden')")
    done = subprocess.run(
        [MRIUQ, "simulate", "exam", tmp_path / "new"],
        env={**os.environ, "PYTHONPATH": str(hidden.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6
    assert "mriuq[simulate]" in done.stderr
    assert not (tmp_path / "new").exists()
