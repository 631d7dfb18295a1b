"""From files to a case in memory."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from mriuq_cli.data import nifti, reader
from mriuq_cli.data.case import CaseRef, VolumeRef
from mriuq_cli.data.reader import read_case
from mriuq_cli.errors import InputError

NAMES = ("flair", "t1", "t1gd", "t2")


def four_d(path, names=NAMES, **more):
    return CaseRef("exam", {name: VolumeRef(path, NAMES.index(name)) for name in names}, **more)


def one(path, **more):
    return CaseRef("exam", {"t1": VolumeRef(path)}, **more)


def test_volumes_are_float32_in_file_order_and_as_they_were(exam, images):
    case = read_case(four_d(exam))
    assert list(case.volumes) == list(NAMES)
    for name, volume in case.volumes.items():
        assert volume.data.dtype == np.float32
        assert volume.data.flags.f_contiguous
        assert np.array_equal(volume.data, images[name])
    assert case.geometry.axcodes == ("L", "P", "S")
    assert (case.id, case.warnings, case.mask, dict(case.regions)) == ("exam", (), None, {})


def test_4d_and_one_file_a_contrast_give_the_same_case(exam, exam_files):
    a = read_case(four_d(exam, NAMES[1:]))
    b = read_case(CaseRef("exam", {name: VolumeRef(exam_files[name]) for name in NAMES[1:]}))
    assert a.fingerprints == b.fingerprints
    assert np.array_equal(a.geometry.affine, b.geometry.affine)
    assert all(np.array_equal(a.volumes[n].data, b.volumes[n].data) for n in NAMES[1:])


def test_a_4d_file_is_read_once_and_only_the_wanted_volumes_are_converted(exam, monkeypatch):
    calls = []
    monkeypatch.setattr(reader, "read_volumes", lambda p, i: calls.append((p, set(i))) or nifti.read_volumes(p, i))
    converted = []
    plain = nifti._read_scaled
    monkeypatch.setattr(nifti, "_read_scaled", lambda *a: converted.append(1) or plain(*a))
    read_case(four_d(exam, ("t1", "t2")))
    assert calls == [(exam, {1, 3})]
    assert len(converted) == 2


def test_a_fingerprint_depends_on_the_voxels_alone(exam, images, tmp_path, write):
    upright = images["t1"][::-1, ::-1]  # the exam is LPS; voxels count in RAS order
    expected = hashlib.sha256(upright.astype("<f4").tobytes(order="F")).hexdigest()
    other = write.volume(tmp_path / "renamed.nii", images["t1"].astype(np.float64))
    assert read_case(four_d(exam)).fingerprints["t1"] == expected
    assert read_case(one(other)).fingerprints["t1"] == expected


@pytest.mark.parametrize("codes", ["RAS", "LPS", "AIL", "SRP"])
def test_an_exam_is_known_again_whatever_the_order_of_its_axes(tmp_path, images, write, codes):
    path = write.volume(tmp_path / "a.nii.gz", images["t1"])
    image = nib.load(path)
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt(nib.aff2axcodes(image.affine)), nib.orientations.axcodes2ornt(codes)
    )
    nib.save(image.as_reoriented(turn), tmp_path / "b.nii.gz")
    assert nib.aff2axcodes(nib.load(tmp_path / "b.nii.gz").affine) == tuple(codes)
    assert read_case(one(tmp_path / "b.nii.gz")).fingerprints == read_case(one(path)).fingerprints


def test_voxels_that_are_not_finite_become_background_and_are_counted(tmp_path, images, write):
    data = images["t1"].astype(np.float32)
    data[20, 20, 20], data[20, 20, 21], data[20, 21, 21] = np.nan, np.inf, -np.inf
    case = read_case(one(write.volume(tmp_path / "a.nii.gz", data)))
    assert [case.volumes["t1"].data[i] for i in ((20, 20, 20), (20, 20, 21), (20, 21, 21))] == [0, 0, 0]
    assert np.isfinite(case.volumes["t1"].data).all()
    assert case.warnings == ("t1: 3 voxels are not finite numbers and count as background.",)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "no voxel of t1 is a finite number"),
        (0, "every voxel of t1 is 0"),
        (7, "t1 is constant"),
        (-7, "const"),
    ],
)
def test_an_image_that_shows_nothing_is_refused(tmp_path, value, words, write):
    path = write.volume(tmp_path / "a.nii.gz", np.full((8, 9, 10), value, dtype=np.float32))
    with pytest.raises(InputError, match=words) as caught:
        read_case(one(path))
    assert str(path) in str(caught.value)


def test_numbers_beyond_float32_with_nothing_else_but_0_are_called_by_their_name(tmp_path, images):
    nib.save(nib.Nifti1Image(images["t1"] * 1e300, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(InputError, match="finite number other than 0"):
        read_case(one(tmp_path / "a.nii"))


def test_a_mask_given_as_an_image_is_refused(tmp_path, images, write):
    path = write.volume(tmp_path / "a.nii.gz", (images["t1"] > 0).astype(np.uint8))
    with pytest.raises(InputError, match="constant"):
        read_case(one(path))


def test_contrasts_on_different_grids_are_refused_naming_both(tmp_path, images, write):
    shifted = write.affine.copy()
    shifted[0, 3] += 0.01
    a = write.volume(tmp_path / "a.nii.gz", images["t1"])
    b = write.volume(tmp_path / "b.nii.gz", images["t2"], shifted)
    with pytest.raises(InputError) as caught:
        read_case(CaseRef("x", {"t1": VolumeRef(a), "t2": VolumeRef(b)}))
    text = str(caught.value)
    assert str(a) in text
    assert str(b) in text
    assert "0.01 voxels apart" in text
    assert "Register" in text


def test_a_contradicting_qform_is_warned_of_with_the_files_name(tmp_path, images, write):
    path = write.volume(tmp_path / "a.nii", images["t1"])
    image = nib.load(path)
    moved = write.affine.copy()
    moved[1, 3] += 2
    image.set_qform(moved, code=1)
    nib.save(image, tmp_path / "b.nii")
    assert read_case(one(tmp_path / "b.nii")).warnings == (
        "b.nii: sform and qform place voxels up to 2 mm apart; the sform is used.",
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
def test_a_mask_is_what_is_above_a_half(tmp_path, exam, images, dtype, write):
    inside = images["t1"] > 0
    path = write.volume(tmp_path / "mask.nii.gz", inside.astype(dtype))
    case = read_case(four_d(exam, mask=VolumeRef(path)))
    assert case.mask.dtype == np.bool_
    assert np.array_equal(case.mask, inside)


def test_an_empty_mask_and_one_of_another_grid_are_refused(tmp_path, exam, images, write):
    empty = write.volume(tmp_path / "empty.nii.gz", np.zeros_like(images["t1"]))
    with pytest.raises(InputError, match="mask is empty"):
        read_case(four_d(exam, mask=VolumeRef(empty)))
    small = write.volume(tmp_path / "small.nii.gz", np.ones((8, 8, 8), dtype=np.uint8))
    with pytest.raises(InputError, match="40x44x36 there against 8x8x8"):
        read_case(four_d(exam, mask=VolumeRef(small)))


def test_labels_of_either_naming_become_regions(tmp_path, exam, images, write):
    old = write.volume(tmp_path / "old.nii.gz", images["seg"])
    new = write.volume(tmp_path / "new.nii.gz", np.where(images["seg"] == 4, 3, images["seg"]).astype(np.uint8))
    for path in (old, new):
        regions = read_case(four_d(exam, labels=VolumeRef(path))).regions
        assert set(regions) == {"tumour", "enhancing", "oedema", "necrosis"}
        assert np.array_equal(regions["tumour"], images["seg"] > 0)
        for name, label in (("enhancing", 4), ("oedema", 2), ("necrosis", 1)):
            assert np.array_equal(regions[name], images["seg"] == label)
            assert regions[name].any()


def test_labels_on_another_grid_do_not_stand_in_the_way(tmp_path, exam, write):
    path = write.volume(tmp_path / "seg.nii.gz", np.ones((8, 8, 8), dtype=np.uint8))
    case = read_case(four_d(exam, labels=VolumeRef(path)))
    assert not case.regions
    assert "labels are not used" in case.warnings[0]


def test_a_case_with_a_problem_raises_it_when_it_is_read(exam):
    with pytest.raises(InputError, match="known before"):
        read_case(four_d(exam, problem=InputError("known before")))


def test_hidden_volumes_are_never_read(tmp_path, exam_files):
    ref = CaseRef("x", {name: VolumeRef(path) for name, path in exam_files.items()})
    exam_files["flair"].unlink()
    assert list(read_case(ref.hiding(["flair"])).volumes) == list(NAMES[1:])


def test_real_exam_as_4d_equals_its_files(real_data, tmp_path):
    folder = next(iter(sorted((real_data / "brats18").iterdir())))
    paths = {name: folder / f"{folder.name}_{ending}.nii.gz" for name, ending in
             (("flair", "flair"), ("t1", "t1"), ("t1gd", "t1ce"), ("t2", "t2"))}  # fmt: skip
    loaded = [nib.load(path) for path in paths.values()]
    stacked = np.stack([np.asarray(image.dataobj) for image in loaded], axis=-1)
    nib.save(nib.Nifti1Image(stacked, loaded[0].affine, loaded[0].header), tmp_path / "exam.nii")
    a = read_case(four_d(tmp_path / "exam.nii"))
    b = read_case(CaseRef("x", {name: VolumeRef(path) for name, path in paths.items()}))
    assert a.fingerprints == b.fingerprints
    assert a.geometry.forms.srow == b.geometry.forms.srow
    shutil.rmtree(tmp_path)
    assert isinstance(a.volumes["t1"].source, Path)
