"""Orientations, grids and their inverses."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mriuq_cli.data.geometry import from_ras, geometry_from_affine, grid_difference, ras_geometry, to_ras

ORIENTATIONS = [(p, s) for p in permutations(range(3)) for s in product((1, -1), repeat=3)]
SHAPE = (4, 5, 6)


def axis_affine(order, signs, spacing=(1.0, 2.0, 3.0), origin=(-7.0, 11.0, 5.0)):
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis in range(3):
        affine[order[axis], axis] = signs[axis] * spacing[axis]
    affine[:3, 3] = origin
    return affine


def rotation(angles):
    a, b, c = angles
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return x @ y @ z


@st.composite
def affines(draw):
    """Any of the 48 orientations, turned by angles of up to 180 degrees, any voxel size and origin."""
    affine = axis_affine(*draw(st.sampled_from(ORIENTATIONS)), spacing=draw(st.tuples(*[st.floats(0.2, 6)] * 3)))
    affine[:3, :3] = rotation(draw(st.tuples(*[st.floats(-3.1, 3.1)] * 3))) @ affine[:3, :3]
    affine[:3, 3] = draw(st.tuples(*[st.floats(-200, 200)] * 3))
    return affine


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_each_of_the_48_orientations_comes_to_ras_and_back(order, signs):
    geometry = geometry_from_affine(SHAPE, axis_affine(order, signs))
    array = np.arange(120).reshape(SHAPE)
    ras = to_ras(array, geometry)
    assert np.array_equal(from_ras(ras, geometry), array)
    assert ras_geometry(geometry).axcodes == ("R", "A", "S")
    assert geometry.axcodes == nib.aff2axcodes(geometry.affine)
    reference = nib.as_closest_canonical(nib.Nifti1Image(array.astype(np.int16), geometry.affine))
    assert np.array_equal(ras, np.asarray(reference.dataobj))
    assert np.allclose(ras_geometry(geometry).affine, reference.affine)


@settings(max_examples=150, deadline=None)
@given(affines(), st.tuples(*[st.integers(1, 5)] * 3), st.integers(0, 3))
def test_from_ras_undoes_to_ras_on_any_grid(affine, shape, volumes):
    geometry = geometry_from_affine(shape, affine)
    array = np.random.default_rng(0).random((*shape, volumes) if volumes else shape).astype(np.float32)
    ras = to_ras(array, geometry)
    assert ras.flags.c_contiguous
    assert not np.shares_memory(ras, array)
    assert ras.shape[:3] == ras_geometry(geometry).shape
    back = from_ras(ras, geometry)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


@settings(max_examples=150, deadline=None)
@given(affines(), st.tuples(*[st.integers(1, 9)] * 3))
def test_a_voxel_keeps_its_place_in_the_world(affine, shape):
    geometry = geometry_from_affine(shape, affine)
    indices = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    world = indices @ affine[:3, :3].T + affine[:3, 3]
    moved = to_ras(world, geometry)
    ras = ras_geometry(geometry)
    ras_indices = np.stack(np.meshgrid(*map(np.arange, ras.shape), indexing="ij"), -1)
    assert np.allclose(moved, ras_indices @ ras.affine[:3, :3].T + ras.affine[:3, 3], atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(affines(), st.sampled_from(ORIENTATIONS))
def test_the_way_a_file_is_stored_does_not_change_what_ras_shows(affine, stored):
    """Reorienting a file (any permutation and flips of its axes) leaves the RAS array as it was."""
    geometry = geometry_from_affine(SHAPE, affine)
    ranks = np.sort(np.abs(affine[:3, :3] / geometry.spacing), axis=None)
    if np.min(np.diff(ranks)) < 1e-6:
        return  # at exactly 45 degrees two axes are equally close, either answer is right
    array = np.arange(120).reshape(SHAPE)
    change = np.zeros((4, 4))
    change[3, 3] = 1
    order, signs = stored
    for new, old in enumerate(order):
        change[old, new] = signs[new]
        change[old, 3] = SHAPE[old] - 1 if signs[new] < 0 else 0
    other = array.transpose(order)[tuple(slice(None, None, s) for s in signs)]
    again = geometry_from_affine(other.shape, affine @ change)
    assert np.array_equal(to_ras(other, again), to_ras(array, geometry))


def test_spacing_is_the_length_of_each_axis():
    turned = axis_affine((2, 0, 1), (1, -1, 1))
    turned[:3, :3] = rotation((0.3, 0.2, 0.1)) @ turned[:3, :3]
    assert np.allclose(geometry_from_affine(SHAPE, turned).spacing, (1, 2, 3))


def test_grids_are_the_same_up_to_a_thousandth_of_a_voxel():
    a = geometry_from_affine(SHAPE, axis_affine((0, 1, 2), (1, 1, 1)))
    near, far = a.affine.copy(), a.affine.copy()
    near[2, 3] += 0.0029  # voxels are 3 mm along this axis
    far[2, 3] += 0.0031
    assert grid_difference(a, geometry_from_affine(SHAPE, near)) is None
    assert "voxels apart" in grid_difference(a, geometry_from_affine(SHAPE, far))


@pytest.mark.parametrize(
    ("shape", "affine", "words"),
    [
        ((4, 5, 7), axis_affine((0, 1, 2), (1, 1, 1)), "4x5x6 against 4x5x7 voxels"),
        (SHAPE, axis_affine((0, 1, 2), (-1, 1, 1)), "axes RAS against LAS"),
        (SHAPE, axis_affine((0, 1, 2), (1, 1, 1), spacing=(1, 2, 4)), "voxels of 1x2x3 against 1x2x4 mm"),
    ],
)
def test_a_difference_of_grids_is_told_in_words(shape, affine, words):
    here = geometry_from_affine(SHAPE, axis_affine((0, 1, 2), (1, 1, 1)))
    assert grid_difference(here, geometry_from_affine(shape, affine)) == words


def test_an_array_of_another_grid_is_refused():
    geometry = geometry_from_affine(SHAPE, axis_affine((1, 0, 2), (1, 1, 1)))
    with pytest.raises(ValueError, match="not on the file's grid"):
        to_ras(np.zeros((5, 4, 6)), geometry)
    with pytest.raises(ValueError, match="not on the RAS grid"):
        from_ras(np.zeros(SHAPE), geometry)


@pytest.mark.parametrize("broken", [np.zeros((4, 4)), np.diag([1, 1, 0, 1]), np.full((4, 4), np.nan), np.eye(3)])
def test_a_matrix_that_cannot_be_inverted_makes_no_grid(broken):
    with pytest.raises(ValueError, match="invertible"):
        geometry_from_affine(SHAPE, broken)
