"""Faults born in k-space leave marks that figures of it show; what interpolation leaves is not taken for one."""

import numpy as np
import pytest
import torch

from mriuq_cli.api import Artefact, corrupt
from mriuq_hetqc.kspace import of_kspace
from mriuq_hetqc.scan import along, interpolation

WHOLE = (1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def clean():
    """Return rough tissue in a ball of quiet air."""
    shape = (64, 70, 60)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    r = np.sqrt(grid[0] ** 2 + 1.2 * grid[1] ** 2 + 1.4 * grid[2] ** 2)
    rng = np.random.default_rng(0)
    rough = torch.from_numpy(rng.normal(size=(1, 1, 16, 16, 16))).float()
    tissue = torch.nn.functional.interpolate(rough, size=shape, mode="trilinear", align_corners=True)[0, 0]
    ball = torch.from_numpy(1 / (1 + np.exp(40 * (r - 0.7)))).float()
    return ball * (1 + 0.3 * tissue) + torch.from_numpy(np.abs(rng.normal(0, 0.01, shape))).float()


def test_spikes_are_points(clean):
    spiky = corrupt(clean, [Artefact("spikes", {"places": [[0.3, 0.2, 0.4]], "strengths": [0.05]})])
    assert of_kspace(clean, WHOLE)["kspace_peak"] < 3
    assert of_kspace(spiky, WHOLE)["kspace_peak"] > 4


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_regular_ghosts_are_echoes_that_stand_alone(clean, axis):
    ghosts = {"axis": axis, "every": 3, "strength": 0.5, "restored": 0.04}
    before, after = (of_kspace(image, WHOLE) for image in (clean, corrupt(clean, [Artefact("ghosting", ghosts)])))
    assert after["ghost"] > 5 * before["ghost"]
    assert after["echo"] > 5 * before["echo"]


def test_interpolation_is_no_echo(clean):
    thick = along(clean, interpolation(20, 60), 2)
    thin = along(thick, interpolation(60, 20), 2)
    all_of_it, band = of_kspace(thin, WHOLE), of_kspace(thin, (1.0, 1.0, 1 / 3))
    assert band["echo"] < all_of_it["echo"] / 2


def test_left_or_right_and_bright_or_dark_make_no_difference(clean):
    found, other = of_kspace(clean, WHOLE), of_kspace(7 * clean.flip(0), WHOLE)
    assert other == pytest.approx(found, rel=0.05)


def test_an_image_of_one_value_has_no_marks():
    found = of_kspace(torch.ones(32, 32, 32), WHOLE)
    assert all(np.isfinite(value) for value in found.values())
    assert found["ghost"] == pytest.approx(1e-3)
