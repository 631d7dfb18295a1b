"""What holds on real exams: the two forms of input agree, the grid is kept, and odd exams are called unfamiliar."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from mriuq_cli.api import Volume
from mriuq_cli.data.case import CaseRef, VolumeRef
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.reader import read_case
from mriuq_cli.uncertainty.conformal import read_calibration
from mriuq_cli.uncertainty.familiarity import judge, reference_for
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.describe import describe
from mriuq_qrunet.exam import prepare
from mriuq_qrunet.plugin import mriuq_method

MRIUQ = str(Path(sys.executable).with_name("mriuq"))
FILES = dict(zip(CONTRASTS, ("flair", "t1", "t1ce", "t2"), strict=True))
GIVEN = ("t1", "t1gd", "t2")
SHIPPED = mriuq_method().weights / "impute"


def read(files, names=GIVEN):
    return read_case(CaseRef("exam", {name: VolumeRef(files[name]) for name in names}))


@pytest.fixture(scope="module")
def exam(real_data):
    folder = sorted((real_data / "brats18").iterdir())[1]
    return {name: folder / f"{folder.name}_{ending}.nii.gz" for name, ending in FILES.items()}


@pytest.mark.slow
def test_the_4d_form_and_the_per_file_form_agree_to_the_bit_and_keep_the_grid(exam, tmp_path):
    images = {name: nib.load(path) for name, path in exam.items()}
    joined = np.stack([np.asarray(images[name].dataobj) for name in CONTRASTS], -1)
    nib.save(nib.Nifti1Image(joined, images["t1"].affine, images["t1"].header), tmp_path / "exam.nii")
    single = [word for name in GIVEN for word in (f"--{name}", exam[name])]
    for words in (["exam.nii", "--missing", "flair", "--out", "a"], [*single, "--id", "exam", "--out", "b"]):
        command = [MRIUQ, "predict", "qrunet", *map(str, words)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for part in ("", "_lower", "_upper", "_width"):
        one, other = ((tmp_path / form / f"exam_flair{part}.nii.gz").read_bytes() for form in "ab")
        assert one == other
        made = nib.load(tmp_path / "a" / f"exam_flair{part}.nii.gz")
        assert made.shape == images["t1"].shape
        assert made.header["sform_code"] == images["t1"].header["sform_code"]
        assert np.array_equal(made.header.get_sform(), images["t1"].header.get_sform())
        assert made.header["qform_code"] == images["t1"].header["qform_code"]
    facts = json.loads((tmp_path / "a" / "exam_flair.json").read_text())
    brain = np.any([np.asarray(images[name].dataobj) != 0 for name in GIVEN], axis=0)
    value = nib.load(tmp_path / "a" / "exam_flair.nii.gz").get_fdata()
    assert facts["Level"] == 0.9 and (value[~brain] == 0).all() and (value[brain] != 0).any()


@pytest.mark.slow
def test_memory_is_foretold_within_15_percent(exam, tmp_path):
    command = [MRIUQ, "predict", "qrunet", "--t1", str(exam["t1"]), "--id", "exam"]
    foretold, done = (
        subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for more in (["--dry-run", "--json"], ["--out", "o"])
    )
    receipt = json.loads(next((tmp_path / "o").glob("*.receipt.json")).read_text())
    assert done and json.loads(foretold)["memory_bytes"] == pytest.approx(receipt["PeakMemoryBytes"], rel=0.15)


def verdict(case):
    calibration = read_calibration(SHIPPED / "calibration.json")
    descriptors = describe(case, prepare(case))
    return judge(descriptors, reference_for(calibration.familiarity, tuple(case.volumes)))


def changed(case, change):
    volumes = {n: Volume(np.ascontiguousarray(change(v.data)), v.geometry) for n, v in case.volumes.items()}
    return replace(case, volumes=volumes)


def thick(case, slices=5):
    geometry, volumes = case.geometry, {}
    affine = geometry.affine @ np.diag([1, 1, slices, 1])
    for name, volume in case.volumes.items():
        data = volume.data[..., : volume.data.shape[2] // slices * slices]
        data = data.reshape(*data.shape[:2], -1, slices).mean(-1)
        geometry = geometry_from_affine(data.shape, affine)
        volumes[name] = Volume(data.astype(np.float32), geometry)
    return replace(case, volumes=volumes, geometry=geometry)


def test_an_exam_that_was_learnt_from_is_familiar(exam):
    assert verdict(read(exam)).familiar


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("upside down", lambda case: changed(case, lambda a: a[:, :, ::-1]), "orientation"),
        ("front to back", lambda case: changed(case, lambda a: a[:, ::-1]), "orientation"),
        ("5 mm slices", thick, "5.0 mm thick"),
        (
            "T1 given as T2",
            lambda case: replace(case, volumes={**case.volumes, "t2": case.volumes["t1"]}),
            "contrast order",
        ),
    ],
)
def test_odd_exams_are_called_unfamiliar_with_the_reason(exam, name, change, words):
    found = verdict(change(read(exam)))
    assert not found.familiar
    assert any(words in reason for reason in found.reasons)


def test_a_head_with_skull_is_unfamiliar(real_data):
    head = next(iter(sorted((real_data / "heads" / "t1w").glob("colin27*"))))
    found = verdict(read({"t1": head}, ("t1",)))
    assert not found.familiar
    assert any("skull" in reason for reason in found.reasons)


def test_an_exam_of_another_disease_and_source_is_unfamiliar(real_data):
    folder = real_data / "multicontrast" / "ms_patient19"
    assert not verdict(read({name: folder / f"ms_patient19_{name}.nii.gz" for name in GIVEN})).familiar
