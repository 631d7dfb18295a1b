"""The working grid: what goes in comes back in its place, however the file is stored."""

import numpy as np
import pytest
import torch

from mriuq_cli.api import InputError
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_hetqc.scan import full_scale, interpolation, prepare


def image_of(shape, seed=0):
    image = np.zeros(shape, np.float32)
    inner = tuple(slice(2, n - 3) for n in shape)
    image[inner] = np.random.default_rng(seed).uniform(50, 900, tuple(n - 5 for n in shape))
    return image


@pytest.mark.parametrize("affine", [np.diag([1, 1, 1, 1]), np.diag([-0.9, 1.1, 1, 1]),
                                    [[0, 0, -1, 9], [1, 0, 0, 3], [0, -1, 0, 4], [0, 0, 0, 1]]])  # fmt: skip
def test_voxels_near_a_millimetre_come_back_to_the_bit(affine):
    image = image_of((40, 36, 32))
    scan = prepare(image, geometry_from_affine(image.shape, affine))
    assert np.array_equal(scan.restore(scan.image), image)


def test_thick_slices_are_brought_to_a_millimetre_and_back():
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (40, 40, 12)), indexing="ij")
    image = (500 + 200 * x + 100 * y + 150 * z).astype(np.float32)
    scan = prepare(image, geometry_from_affine(image.shape, np.diag([1, 1, 3.0, 1])))
    assert scan.image.shape == (40, 40, 36)
    assert np.abs(scan.restore(scan.image) - image)[:, :, 2:-2].max() < 2


def test_labels_keep_their_place_on_a_thick_grid():
    image = image_of((32, 32, 12))
    scan = prepare(image, geometry_from_affine(image.shape, np.diag([1, 1, 3.0, 1])))
    labels = torch.zeros(scan.image.shape, dtype=torch.long)
    labels[:, :, : labels.shape[2] // 2] = 3
    back = scan.restore_labels(labels)
    filled = np.flatnonzero((back == 3).any(axis=(0, 1)))
    assert (filled[0], filled[-1]) == (2, 4)


def test_empty_space_changes_nothing():
    image = image_of((40, 36, 32))
    wide = np.pad(image, ((5, 9), (0, 4), (7, 1)))
    first, second = (prepare(i, geometry_from_affine(i.shape, np.eye(4))) for i in (image, wide))
    assert first.scale == second.scale
    assert torch.equal(first.image, second.image)


def test_full_scale_follows_the_unit():
    image = torch.from_numpy(image_of((30, 30, 30)))
    assert full_scale(7 * image) == pytest.approx(7 * full_scale(image), rel=1e-5)


@pytest.mark.parametrize(("to", "size"), [(7, 7), (20, 7), (7, 20), (1, 5)])
def test_interpolation_keeps_constants(to, size):
    matrix = interpolation(to, size)
    assert matrix.shape == (to, size)
    assert torch.allclose(matrix.sum(1), torch.ones(to))


def test_what_is_no_head_by_size_is_refused():
    image = np.ones((10, 40, 40), np.float32)
    with pytest.raises(InputError, match="too small"):
        prepare(image, geometry_from_affine(image.shape, np.eye(4)))
