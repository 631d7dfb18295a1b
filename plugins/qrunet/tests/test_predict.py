"""Laws of prediction: one answer per voxel, left stays left, and the truth is never looked at."""

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mriuq_cli.api import Case, Context, InputError, Volume
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.model import build
from mriuq_qrunet.plugin import mriuq_method
from mriuq_qrunet.predict import predict

PRESETS = mriuq_method().presets
ORIENTATIONS = [
    [list(axes), list(signs)]
    for axes in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    for signs in np.ndindex(2, 2, 2)
]


def images(shape=(36, 44, 30), pad=0, seed=0):
    """Return four related contrasts of a lopsided ellipsoid, zero outside, with empty space around."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1.1, 1.1, n) for n in shape), indexing="ij")
    inside = x**2 + y**2 + (z + 0.2 * x) ** 2 < 1
    base = np.cos(3 * x + 1) + np.sin(4 * y) + z + 0.3 * rng.normal(size=shape)
    made = [inside * (100 + 20 * np.polyval(c, base)) for c in rng.normal(size=(4, 3))]
    return [np.pad(image.astype(np.float32), pad) for image in made]


def case(arrays, affine=None, names=("t1", "t1gd", "t2")):
    affine = np.eye(4) if affine is None else affine
    geometry = geometry_from_affine(arrays[0].shape, affine)
    all_of = dict(zip(CONTRASTS, arrays, strict=True))
    return Case("phantom", geometry, {name: Volume(all_of[name], geometry) for name in names})


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = build(PRESETS["tiny"])
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.3)
    torch.nn.init.normal_(model.head.linear.weight, std=0.2)
    return model.eval()


def ask(network, of, preset="tiny", options=None, **context):
    return predict(network, of, options or {}, Context(config=PRESETS[preset], **context))


def test_bounds_are_in_order_and_the_background_is_zero(network):
    estimate = ask(network, case(images())).estimates["flair"]
    assert (estimate.lower <= estimate.value).all() and (estimate.value <= estimate.upper).all()
    assert (estimate.upper[~estimate.mask] == 0).all() and estimate.mask.any()


def test_empty_space_around_changes_nothing(network):
    narrow = ask(network, case(images())).estimates["flair"].value
    wide = ask(network, case(images(pad=5))).estimates["flair"].value
    assert np.array_equal(narrow, wide[5:-5, 5:-5, 5:-5])


def test_tiles_give_the_answer_of_the_whole(network):
    of = case(images((144, 16, 16)))
    whole, tiled = ask(network, of).estimates["flair"], ask(network, of, tile=16).estimates["flair"]
    assert np.abs(whole.value - tiled.value).max() < 1e-4
    assert np.abs(whole.width - tiled.width).max() < 1e-4


LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
SMALL = (14, 20, 11)


@pytest.fixture(scope="module")
def upright(network):
    return ask(network, case(images(SMALL), LPS)).estimates["flair"].value


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_left_stays_left_in_every_orientation(network, upright, orientation):
    turn = np.array([[axis, 1 - 2 * sign] for axis, sign in zip(*orientation, strict=True)])
    turned = [nib.orientations.apply_orientation(a, turn) for a in images(SMALL)]
    moved = LPS @ nib.orientations.inv_ornt_aff(turn, SMALL)
    found = ask(network, case(turned, moved)).estimates["flair"].value
    assert np.array_equal(found, nib.orientations.apply_orientation(upright, turn))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-0.6, 0.6), min_size=3, max_size=3))
def test_an_oblique_frame_does_not_change_the_answer(network, angles):
    cx, cy, cz = np.cos(angles)
    sx, sy, sz = np.sin(angles)
    about = [
        [[1, 0, 0], [0, cx, -sx], [0, sx, cx]],
        [[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]],
        [[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]],
    ]
    oblique = np.eye(4)
    oblique[:3, :3] = np.array(about[0]) @ about[1] @ about[2]
    if (np.abs(oblique[:3, :3]).max(0) < 0.75).any():
        return
    straight = ask(network, case(images(SMALL))).estimates["flair"].value
    assert np.array_equal(ask(network, case(images(SMALL), oblique)).estimates["flair"].value, straight)


def test_the_scale_of_the_input_does_not_matter(network):
    arrays = images()
    scaled = [a * f for a, f in zip(arrays, (1, 4, 0.5, 16), strict=True)]
    one, other = (ask(network, case(a)).estimates["flair"].value for a in (arrays, scaled))
    assert np.abs(one - other).max() < 1e-4


def test_another_voxel_size_keeps_the_grid(network):
    of = case(images((36, 44, 12)), np.diag([1, 1, 2.5, 1]))
    estimate = ask(network, of).estimates["flair"]
    assert np.array_equal(estimate.mask, np.any([v.data != 0 for v in of.volumes.values()], axis=0))
    assert (estimate.lower <= estimate.value).all() and (estimate.value <= estimate.upper).all()


@pytest.mark.parametrize("bits", range(1, 15))
def test_every_set_of_given_contrasts_predicts_the_rest(network, bits):
    names = tuple(name for i, name in enumerate(CONTRASTS) if bits >> i & 1)
    found = ask(network, case(images(SMALL), names=names))
    assert set(found.estimates) == set(CONTRASTS) - set(names)
    assert set(found.checks) == (set(names) if len(names) > 1 else set())
    assert all(np.isfinite(e.value).all() for e in found.estimates.values())


def test_a_check_is_what_would_have_been_said_had_the_contrast_been_missing(network):
    check = ask(network, case(images())).checks["t2"]
    alone = ask(network, case(images(), names=("t1", "t1gd"))).estimates["t2"]
    assert np.abs(check.estimate.value - alone.value)[check.estimate.mask].max() < 1e-5


def test_outlier_maps_cover_the_brain_and_leave_the_self_check_as_it_is(network):
    of = case(images((88, 24, 24)))
    plain, mapped = ask(network, of), ask(network, of, options={"outliers": True})
    assert plain.outliers == {} and set(mapped.outliers) == set(mapped.checks)
    for name, check in mapped.outliers.items():
        part = mapped.checks[name].estimate.mask
        assert np.array_equal(check.estimate.mask, of.volumes[name].data != 0)
        assert part.sum() < check.estimate.mask.sum()
        for side in ("value", "lower", "upper", "mask"):
            one, other = (getattr(p.checks[name].estimate, side) for p in (plain, mapped))
            assert np.array_equal(one, other)


def test_outlier_maps_of_a_complete_exam_need_nothing_to_predict(network):
    found = ask(network, case(images(SMALL), names=CONTRASTS), options={"outliers": True})
    assert not found.estimates and set(found.outliers) == set(CONTRASTS)


def test_nothing_missing_is_refused(network):
    with pytest.raises(InputError, match="nothing is missing"):
        ask(network, case(images(), names=CONTRASTS))


def test_the_published_network_predicts_and_refuses_tiles():
    model = build(PRESETS["paper"]).eval()
    assert ask(model, case(images()), "paper").estimates["flair"].level == pytest.approx(0.954)
    with pytest.raises(Exception, match="one field of view"):
        ask(model, case(images()), "paper", tile=16)
