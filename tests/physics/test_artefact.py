"""Artefacts do what their names say, leave the image in place, and can be made again from their parameters."""

import json

import numpy as np
import pytest
import torch
from scipy import ndimage

from mriuq_cli.errors import UsageError
from mriuq_cli.physics import artefact
from mriuq_cli.physics.artefact import MENU, Artefact, corrupt, draw_artefacts
from mriuq_cli.physics.fourier import to_kspace
from mriuq_cli.physics.motion import Motion, _resampled, _rigid, centred, draw_in_place, draw_motion, move, poses

SHAPE = (40, 44, 36)


def head(seed: int = 0) -> torch.Tensor:
    """A blob with lumps and texture in it."""
    rng = np.random.default_rng(seed)
    grids = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    image = 1 / (1 + np.exp((np.sqrt((grids[0] / 0.7) ** 2 + (grids[1] / 0.8) ** 2 + (grids[2] / 0.7) ** 2) - 1) * 20))
    for _ in range(12):
        centre = rng.uniform(-0.5, 0.5, 3)
        near = sum((g - c) ** 2 for g, c in zip(grids, centre, strict=True))
        image += rng.uniform(-0.4, 0.6) * np.exp(-near / 0.02)
    image *= 1 + 0.1 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 0.7)
    return torch.from_numpy(np.clip(image, 0, None).astype(np.float32)) * 100


def shift(image: torch.Tensor, other: torch.Tensor) -> float:
    """Length of the displacement between two images in voxels, as scikit-image finds it."""
    from skimage.registration import phase_cross_correlation

    found, _, _ = phase_cross_correlation(image.numpy(), other.numpy(), upsample_factor=20)
    return float(np.linalg.norm(found))


def test_no_motion_gives_the_image_back() -> None:
    still = Motion(1, (0.4, 0.6), ((0.0, 0.0, 0.0),) * 2, ((0.0, 0.0, 0.0),) * 2)
    assert float((move(head(), still) - head()).abs().max()) < 1e-3  # of 100
    assert torch.allclose(move(head(), Motion(0, (), (), ())), head(), atol=1e-3)


def test_the_mean_pose_is_the_identity() -> None:
    from scipy.linalg import logm

    found = poses(draw_motion(np.random.default_rng(3)))
    weights = np.random.default_rng(0).dirichlet(np.ones(len(found)))
    mean = sum(w * np.real(logm(p)) for w, p in zip(weights, centred(found, weights), strict=True))
    # Exact for poses that commute, to second order for the others.
    assert np.abs(mean[:3, :3]).max() < 0.02
    pure = [np.eye(4) for _ in range(3)]
    for pose, x in zip(pure, (0.0, 3.0, 9.0), strict=True):
        pose[0, 3] = x
    assert sum(
        w * p[0, 3] for w, p in zip((0.5, 0.3, 0.2), centred(pure, (0.5, 0.3, 0.2)), strict=True)
    ) == pytest.approx(0)


def test_a_whole_acquisition_in_one_pose_is_the_image_itself() -> None:
    """A jump before the first line that counts: all of it is measured in one pose, and the mean is taken off."""
    early = Motion(0, (0.001,), ((8.0, 0.0, 0.0),), ((0.0, 5.0, 0.0),))
    assert float((move(head(), early) - head()).abs().max()) < 1e-3


def test_motion_spoils_the_image_but_leaves_it_in_place() -> None:
    clean = head()
    for seed in range(3):
        moved = move(clean, draw_in_place(clean, np.random.default_rng(seed)))
        assert float((moved - clean).abs().mean()) > 0.05
        assert shift(clean, moved) < 0.5


def test_a_shift_of_whole_voxels_is_that_shift() -> None:
    """Against an oracle: half of k-space measured 4 voxels away is the mean of both with their spectra cut in half."""
    motion = Motion(2, (0.75,), ((0.0, 0.0, 0.0),), ((4.0, 0.0, 0.0),))
    clean = head()
    lines, late = to_kspace(clean, (0, 1, 2)), to_kspace(torch.roll(clean, 4, 0), (0, 1, 2))
    lines[..., 27:] = late[..., 27:]
    expected = torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(lines), norm="ortho")).abs()
    torch.testing.assert_close(move(clean, motion), expected, atol=0.05, rtol=0)


def test_a_pose_takes_a_point_to_where_it_says() -> None:
    """10 degrees about z, then 3 mm along y, with voxels of 1, 2 and 1 mm: from 12 mm along x."""
    point = torch.zeros(51, 51, 51)
    point[25 + 12, 25, 25] = 1
    found = _resampled(point, _rigid((0.0, 0.0, 10.0), (0.0, 3.0, 0.0)), (1.0, 2.0, 1.0))
    centre = [float((found.sum(tuple({0, 1, 2} - {axis})) * torch.arange(51)).sum() / found.sum()) for axis in range(3)]
    x, y = 12 * np.cos(np.deg2rad(10)), 12 * np.sin(np.deg2rad(10)) + 3
    assert centre == pytest.approx([25 + x, 25 + y / 2, 25], abs=0.25)


def test_ghosts_lie_at_the_distance_that_the_spacing_says() -> None:
    point = torch.zeros(40, 40, 40)
    point[20, 20, 20] = 1
    found = artefact.ghosting(point, axis=0, every=4, strength=0.8, restored=0.0)
    copies = torch.nonzero(found[:, 20, 20] > 0.05).flatten().tolist()
    assert copies == [0, 10, 20, 30]


def test_wrapping_folds_what_lies_outside_and_keeps_the_sum() -> None:
    image = torch.zeros(10, 4, 4)
    image[0], image[5] = 2.0, 1.0
    found = artefact.wrap_around(image, axis=0, kept=0.8)
    assert float(found.sum()) == float(image.sum())
    assert float(found[8, 0, 0]) == 2.0
    assert not found[0].any()


def test_low_resolution_keeps_the_middle_of_k_space_alone() -> None:
    image = 1000 + torch.from_numpy(np.random.default_rng(0).normal(size=SHAPE).astype(np.float32))
    before, after = (
        to_kspace(one, (0, 1, 2)) for one in (image, artefact.low_resolution(image, fractions=[0.5, 1, 1]))
    )
    assert float(after[:9].abs().max()) < 1e-3 * float(before[:9].abs().max()) + 1e-2
    torch.testing.assert_close(after[11:30], before[11:30], atol=2e-2, rtol=1e-4)


def test_a_bias_field_is_smooth_and_of_the_stated_size() -> None:
    flat = torch.ones(SHAPE)
    found = artefact.bias_field(flat, coefficients=[0.3] + [0.0] * 18)  # z
    torch.testing.assert_close(found[0, 0], torch.exp(0.3 * torch.linspace(-1, 1, SHAPE[2])).expand(SHAPE[2]))


def test_a_spike_is_a_stripe_of_the_stated_strength() -> None:
    """On an image that is strong everywhere the magnitude shows the stripe's real part: half here, half opposite."""
    image = 1000 + head()
    found = artefact.spikes(image, places=[[0.5, 0.75, 0.5]], strengths=[0.1])
    before, after = (to_kspace(one, (0, 1, 2)).abs() for one in (image, found))
    assert float((after - before)[20, 33, 18]) == pytest.approx(0.05 * float(before.max()), rel=0.05)


@pytest.mark.parametrize("name", MENU)
def test_each_is_made_again_from_its_parameters_and_confined_by_weights(name: str) -> None:
    one = Artefact(name, MENU[name][1](np.random.default_rng(1), head(), (1.0, 1.0, 1.0)))
    again = Artefact(name, json.loads(json.dumps(one.parameters)))
    clean, where = head(), torch.zeros(SHAPE)
    where[:, :20] = 1
    spoilt = corrupt(clean, [one])
    assert torch.equal(spoilt, corrupt(clean, [again]))
    assert spoilt.shape == clean.shape and bool((spoilt >= 0).all()) and bool(torch.isfinite(spoilt).all())
    assert float((spoilt - clean).abs().max()) > 0.5
    confined = corrupt(clean, [one], where)
    assert torch.equal(confined[:, 20:], clean[:, 20:])
    assert not torch.equal(confined, clean)


@pytest.mark.parametrize("name", [name for name in MENU if name != "noise"])
def test_none_displaces_the_image(name: str) -> None:
    """Noise adds to each voxel where it is; at -5 dB the peak of a phase correlation drowns in it."""
    clean = head()
    for seed in range(3):
        found = draw_artefacts(clean, np.random.default_rng(seed), untouched=0, names=[name])
        assert shift(clean, corrupt(clean, found)) < 0.5


def test_draws_are_as_often_clean_as_asked_hold_one_to_three_and_stand_in_order() -> None:
    rng, quick = np.random.default_rng(0), [name for name in MENU if name != "motion"]
    drawn = [draw_artefacts(head(), rng, names=quick) for _ in range(200)]
    assert 0.04 < np.mean([not one for one in drawn]) < 0.17
    assert {len(one) for one in drawn} == {0, 1, 2, 3}
    order = list(MENU)
    assert all([order.index(a.name) for a in one] == sorted(order.index(a.name) for a in one) for one in drawn)
    assert {a.name for one in drawn for a in one} == set(quick)
    assert [a.name for a in draw_artefacts(head(), rng, untouched=0, names=["motion"])] == ["motion"]


def test_an_unknown_artefact_is_refused() -> None:
    with pytest.raises(UsageError, match="aliasing"):
        draw_artefacts(head(), np.random.default_rng(0), names=["aliasing"])
    with pytest.raises(UsageError, match="aliasing"):
        corrupt(head(), [Artefact("aliasing", {})])
