"""The simulated exam looks like a tumour exam and knows its truth."""

import numpy as np
import pytest

pytest.importorskip("nilearn", reason="needs the extra `simulate`: pip install 'mriuq[simulate]'")

from mriuq_cli.data.case import Case
from mriuq_cli.physics.anatomy import build_anatomy
from mriuq_cli.physics.exam import simulate_exam
from mriuq_cli.physics.field import smooth_field
from mriuq_cli.physics.grid import EXAM_GRID
from mriuq_cli.physics.presets import mriuq_simulate
from mriuq_cli.physics.tumour import grow_tumour


@pytest.fixture(scope="module")
def exam() -> Case:
    return simulate_exam(5)


def scores(exam: Case, contrast: str) -> np.ndarray:
    image = exam.volumes[contrast].data
    return (image - image[exam.mask].mean()) / image[exam.mask].std()


def test_it_has_the_grid_of_public_tumour_exams(exam: Case) -> None:
    assert exam.geometry.shape == EXAM_GRID.shape
    assert exam.geometry.axcodes == ("L", "P", "S")
    np.testing.assert_allclose(exam.geometry.spacing, 1)


def test_images_are_whole_numbers_above_zero_in_the_brain_and_zero_outside(exam: Case) -> None:
    for volume in exam.volumes.values():
        assert (volume.data[exam.mask] >= 1).all()
        assert not volume.data[~exam.mask].any()
        np.testing.assert_array_equal(volume.data, np.rint(volume.data))
        assert volume.data.max() < 2**15


def test_a_brain_has_the_size_of_a_brain_and_only_its_stem_leaves_the_field_of_view(exam: Case) -> None:
    assert 900_000 < exam.mask.sum() < 1_900_000
    x, y, z = EXAM_GRID.box
    for face in (exam.mask[x.start], exam.mask[x.stop - 1], exam.mask[:, y.start], exam.mask[:, y.stop - 1]):
        assert not face.any()
    assert not exam.mask[:, :, z.stop - 1].any()
    assert exam.mask[:, :, z.start].sum() < 5_000


def test_the_tumour_is_what_each_contrast_should_show(exam: Case) -> None:
    rim, wet, dead = (exam.regions[name] for name in ("enhancing", "oedema", "necrosis"))
    healthy = exam.mask & ~exam.regions["tumour"]
    flair, t1, t1gd, t2 = (scores(exam, name) for name in ("flair", "t1", "t1gd", "t2"))
    assert flair[wet].mean() > flair[healthy].mean() + 1
    assert t2[wet].mean() > t2[healthy].mean() + 0.5
    assert t1gd[rim].mean() > t1gd[healthy].mean() + 1
    assert t1[rim].mean() < t1gd[rim].mean() - 1
    assert t1gd[dead].mean() < t1gd[rim].mean() - 1


def test_regions_are_apart_and_make_up_the_tumour(exam: Case) -> None:
    parts = [exam.regions[name] for name in ("necrosis", "oedema", "enhancing")]
    np.testing.assert_array_equal(np.sum(parts, axis=0), exam.regions["tumour"])
    assert all(part.sum() > 100 for part in parts)
    assert not (exam.regions["tumour"] & ~exam.mask).any()


def test_the_truth_states_every_tissue_and_sequence(exam: Case) -> None:
    facts = exam.parameters
    assert facts["simulated"] is True
    assert set(facts["sequences"]) == set(exam.volumes)
    assert facts["sequences"]["flair"]["ti"] < facts["sequences"]["flair"]["tr"]
    assert facts["tissues"]["white"]["t1"] == pytest.approx(0.832)
    assert facts["tumour"]["voxels"]["oedema"] == exam.regions["oedema"].sum()


def test_fluid_is_dark_on_flair_and_bright_on_t2(exam: Case) -> None:
    sequences = exam.parameters["sequences"]
    flair, t2 = sequences["flair"]["tissue_signal"], sequences["t2"]["tissue_signal"]
    assert flair["csf"] < 0.6 * flair["white"] < flair["grey"]  # nulled nearly, by a vendor's inversion time
    assert t2["csf"] > 1.5 * t2["grey"] > t2["white"]


def test_the_hook_answers_and_another_seed_gives_another_exam(exam: Case) -> None:
    # That the same seed gives the same bytes is held by the tests of `mriuq simulate --resume`.
    (other,) = mriuq_simulate("exam", 6, {}, None)
    for name, volume in exam.volumes.items():
        assert (volume.data != other.volumes[name].data).mean() > 0.1
    assert other.parameters["tumour"] != exam.parameters["tumour"]


def test_adc_is_that_of_its_tissues_in_square_millimetres_a_second(exam: Case) -> None:
    adc, unit = exam.truth["adc"].data, exam.truth["adc"].unit
    assert unit == "mm^2/s"
    healthy = exam.mask & ~exam.regions["tumour"]
    assert 0.6e-3 < np.median(adc[healthy]) < 1.1e-3
    assert np.median(adc[exam.regions["necrosis"]]) > 1.3 * np.median(adc[healthy])
    assert not adc[~exam.mask].any()


def test_some_tumours_do_not_enhance() -> None:
    anatomy = build_anatomy(EXAM_GRID, np.random.default_rng(0))
    tumours = [grow_tumour(anatomy, np.random.default_rng(seed)) for seed in range(8)]
    for tumour in tumours:
        assert tumour.parameters["enhances"] == bool(tumour.enhancing.any()) != bool(tumour.infiltrated.any())
    assert 1 <= sum(not tumour.parameters["enhances"] for tumour in tumours) <= 5


def test_the_hook_leaves_presets_of_others_alone() -> None:
    assert mriuq_simulate("phantom", 0, {}, None) is None


@pytest.mark.parametrize("spacing", [3.0, 8.5, 40.0])
def test_smooth_fields_are_standardised_and_smoother_the_wider_their_knots(spacing: float) -> None:
    field = smooth_field((60, 50, 40), spacing, np.random.default_rng(1))
    assert field.dtype == np.float32
    assert field.mean() == pytest.approx(0, abs=1e-4)
    assert field.std() == pytest.approx(1, rel=1e-3)
    assert np.abs(np.diff(field, axis=0)).max() < 6 / spacing
