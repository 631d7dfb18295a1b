"""Laws of the way to the 1 mm box and back: background never mixes into tissue, and own voxels stay the same ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mriuq_cli.api import Case, InputError, Volume
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.exam import brain_voxels, observed, own_voxels, prepare, restore, restore_mask

SIZES = st.tuples(*[st.sampled_from([0.4, 0.5, 0.8, 1.0, 1.2, 1.7, 2.5, 4.0])] * 3)
"""Voxel sizes along the three axes, mm."""


def ellipsoid(spacing, names=("t1", "t2"), mask=None, edge=32.0):
    """Return a case of ``edge`` mm along each axis: bright tissue (about 1000) with detail, zero around."""
    shape = tuple(max(4, round(edge / s)) for s in spacing)
    x, y, z = np.meshgrid(*((np.arange(n) + 0.5) * 2 / n - 1 for n in shape), indexing="ij")
    inside = x**2 + y**2 + (z + 0.2 * x) ** 2 < 0.7
    geometry = geometry_from_affine(shape, np.diag([-spacing[0], spacing[1], spacing[2], 1]))
    images = [inside * (1000 + 50 * np.sin(k * x + y) + 30 * z) for k in range(1, 1 + len(names))]
    volumes = {n: Volume(i.astype(np.float32), geometry) for n, i in zip(names, images, strict=True)}
    return Case("ellipsoid", geometry, volumes, mask=mask)


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_scores_have_mean_0_and_sd_1_over_the_own_voxels_of_the_case_at_any_voxel_size(spacing):
    case = ellipsoid(spacing)
    exam = prepare(case)
    for name in case.volumes:
        own = own_voxels(case, name)
        z = observed(case, exam, name)
        assert z[own].mean() == pytest.approx(0, abs=1e-3) and z[own].std() == pytest.approx(1, abs=1e-3)
        assert not z[~own].any()


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_voxels_of_the_rim_are_as_bright_on_the_box_as_in_the_file(spacing):
    case = ellipsoid(spacing)
    exam = prepare(case)
    for name in case.volumes:
        channel, values = CONTRASTS.index(name), observed(case, exam, name)[own_voxels(case, name)]
        found = exam.z[channel][exam.own[channel]]
        assert values.min() - 1e-3 <= found.min() and found.max() <= values.max() + 1e-3


@settings(max_examples=30, deadline=None)
@given(SIZES)
def test_an_image_that_is_constant_over_the_brain_comes_back_constant(spacing):
    case = ellipsoid(spacing)
    exam = prepare(case)
    brain = brain_voxels(case, ("t1", "t2"))
    mask = restore_mask(exam.brain, exam, case, brain)
    back = restore(np.where(exam.brain, np.float32(3.7), np.float32(0)), exam, case)
    assert back.shape == case.geometry.shape
    assert np.allclose(back[mask], 3.7, rtol=1e-5)
    assert mask.sum() >= 0.99 * brain.sum() and not (mask & ~brain).any()


@settings(max_examples=15, deadline=None)
@given(SIZES)
def test_what_does_not_count_is_not_mixed_in(spacing):
    case = ellipsoid(spacing)
    exam = prepare(case)
    wild = np.where(exam.brain, np.float32(1), np.float32(1e6))
    assert restore(wild, exam, case).max() <= 1 + 1e-5


def test_slices_of_2_5_mm_give_the_scores_of_1_mm_slices():
    thin, thick = (prepare(ellipsoid((1, 1, s), edge=40.0)) for s in (1, 2.5))
    both = thin.own[:, :32, :32, :32] & thick.own[:, :32, :32, :32]
    assert thin.grid == thick.grid and both.sum() > 0.9 * thin.own.sum()
    assert np.abs(thin.z[:, :32, :32, :32] - thick.z[:, :32, :32, :32])[both].max() < 0.3


@pytest.mark.parametrize("thick", [1.0, 2.5])
def test_a_mask_bounds_own_voxels_scores_and_answer_alike(thick):
    whole = ellipsoid((1, 1, thick))
    mask = np.zeros(whole.geometry.shape, bool)
    mask[10:22, 10:22, 3:-3] = True
    case = ellipsoid((1, 1, thick), mask=mask)
    exam = prepare(case)
    own, z = own_voxels(case, "t1"), observed(case, exam, "t1")
    assert np.array_equal(own, mask & (case.volumes["t1"].data != 0))
    assert z[own].mean() == pytest.approx(0, abs=1e-3) and not z[~mask].any()
    assert np.array_equal(restore_mask(exam.brain, exam, case, brain_voxels(case, ("t1",))), mask)
    assert not (exam.own & ~exam.brain).any()


@pytest.mark.parametrize("thick", [1.0, 2.5])
def test_a_contrast_that_is_empty_inside_the_mask_is_refused_by_name(thick):
    mask = np.zeros(ellipsoid((1, 1, thick)).geometry.shape, bool)
    mask[:8, :8] = True
    case = ellipsoid((1, 1, thick), mask=mask)
    case.volumes["t1"].data[case.mask] = 5
    case.volumes["t2"].data[case.mask] = 0
    with pytest.raises(InputError, match="t2 has no voxel other than 0 inside the mask"):
        prepare(case)


def test_a_field_of_view_larger_than_any_head_is_refused_before_anything_is_made_of_it():
    geometry = geometry_from_affine((240, 240, 240), np.diag([10.0, 10, 10, 1]))
    image = np.broadcast_to(np.float32(1), geometry.shape)
    with pytest.raises(InputError, match="2400 x 2400 x 2400 mm"):
        prepare(Case("huge", geometry, {"t1": Volume(image, geometry)}))
