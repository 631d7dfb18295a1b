"""The core's classical judge on made-up heads: nothing depends on how the file lies, and noise shows."""

import math

import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

from mriuq_cli.data.case import Case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.volume import Volume
from mriuq_cli.hooks.manager import CORE, broadcast, implementers
from mriuq_cli.metrics.judge import MEANINGS, mriuq_judge
from mriuq_cli.metrics.regions import find_regions


def head(spacing=(2.0, 2.0, 2.0), noise=30.0, seed=0, air=True):
    """Return a head of shells (scalp, fluid, grey, white, ventricles) in Rician noise, in RAS, and its affine."""
    sides = [round(220 / step) for step in spacing]
    mm = np.meshgrid(*(np.arange(n) * step - 110 for n, step in zip(sides, spacing, strict=True)), indexing="ij")
    r = np.sqrt((mm[0] / 75) ** 2 + (mm[1] / 90) ** 2 + (mm[2] / 85) ** 2)
    inner = np.sqrt((mm[0] / 20) ** 2 + (mm[1] / 25) ** 2 + (mm[2] / 15) ** 2)
    image = np.select([inner < 1, r < 0.55, r < 0.8, r < 0.87, r < 0.92, r < 1], [250, 1000, 700, 250, 100, 900], 0.0)
    rng = np.random.default_rng(seed)
    noisy = np.hypot(image + noise * rng.normal(size=image.shape), noise * rng.normal(size=image.shape))
    if not air:
        noisy[r >= 1] = 0
    return noisy.astype(np.float32), np.diag([*spacing, 1.0])


def case(image, affine):
    geometry = geometry_from_affine(image.shape, affine)
    return Case("head", geometry, {"scan": Volume(image, geometry)})


def figures(image, affine):
    judgement = mriuq_judge(scan=case(image, affine), options={}, context=None)
    return {name: score.value for name, score in judgement.scores.items()}, judgement


@pytest.fixture(scope="module")
def usual():
    return head()


def test_every_measure_can_be_had_of_a_whole_head_and_none_is_judged(usual):
    values, judgement = figures(*usual)
    assert list(values) == list(MEANINGS)
    assert all(math.isfinite(value) for value in values.values())
    assert all((score.group, score.yardstick) == ("", None) for score in judgement.scores.values())
    assert judgement.notes == ()


def test_the_measures_of_a_known_head_are_near_what_was_put_in(usual):
    values, _ = figures(*usual)
    # The classes hold some voxels of their borders, which no noise put there.
    assert values["snr_wm"] == pytest.approx(1000 / 30, rel=0.15)
    assert values["snr_gm"] == pytest.approx(700 / 30, rel=0.15)
    assert values["snrd_wm"] == pytest.approx(1000 / 30, rel=0.1)
    assert values["cjv"] == pytest.approx(60 / 300, rel=0.15)
    assert values["qi_1"] == 0


@pytest.mark.parametrize("codes", ["LPS", "PIR", "SAL", "ILA", "RSP"])
def test_the_order_and_direction_of_the_axes_change_nothing(usual, codes):
    image, affine = usual
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    turned, placed = apply_orientation(image, turn), affine @ inv_ornt_aff(turn, image.shape)
    # Sums run through memory in another order, so the last digits may differ.
    assert figures(np.asfortranarray(turned), placed)[0] == pytest.approx(figures(image, affine)[0], rel=1e-6)


def test_voxels_of_unequal_sides_give_nearly_the_same_figures(usual):
    values, flat = figures(*usual)[0], figures(*head((1.0, 1.0, 4.0)))[0]
    for name in ("snr_wm", "snrd_wm", "cnr", "cjv", "wm2max"):
        assert flat[name] == pytest.approx(values[name], rel=0.2), name


def test_the_scale_of_the_image_changes_nothing(usual):
    image, affine = usual
    assert figures(image * np.float32(7.3), affine)[0] == pytest.approx(figures(image, affine)[0], rel=1e-4)


def test_noise_worsens_every_measure_of_noise(usual):
    quiet, loud = figures(*usual)[0], figures(*head(noise=90.0))[0]
    for name in ("snr_wm", "snrd_wm", "cnr", "fber"):
        assert loud[name] < quiet[name], name
    assert loud["cjv"] > quiet["cjv"]
    assert loud["efc"] > quiet["efc"]


def test_what_shines_in_the_air_is_counted(usual):
    image, affine = usual
    ghost = image.copy()
    ghost[4:14, 4:14, 75:85] += 800
    values = figures(ghost, affine)[0]
    assert 1000 * 0.8 < values["qi_1"] * np.count_nonzero(find_regions(ghost, case(ghost, affine).geometry).hat) < 1000


def test_without_air_what_needs_it_is_nan_with_the_reason():
    values, judgement = figures(*head(air=False))
    lost = {name for name, value in values.items() if math.isnan(value)}
    assert lost == {"snrd_csf", "snrd_gm", "snrd_wm", "snrd_total", "cnr", "fber", "qi_1"}
    (note,) = judgement.notes
    assert "no measured air" in note
    assert all(name in note for name in lost)


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 40, 5), (64, 64, 2)])
def test_no_image_is_too_small_or_too_flat_to_be_asked(shape):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    assert set(figures(image, np.eye(4))[0]) == set(MEANINGS)


def test_classes_lie_deep_in_the_head_in_the_order_of_their_brightness(usual):
    image, affine = usual
    regions = find_regions(image, geometry_from_affine(image.shape, affine))
    medians = [float(np.median(regions.image[regions.tissues[name]])) for name in ("csf", "gm", "wm")]
    assert medians == pytest.approx([250, 700, 1000], rel=0.05)
    assert not (regions.air & regions.head).any()


def test_the_core_answers_the_broadcast_first(usual):
    assert implementers("mriuq_judge")[0].name == CORE
    answers = broadcast("mriuq_judge", scan=case(*usual), options={}, context=None)
    assert next(answers)[0] == CORE
