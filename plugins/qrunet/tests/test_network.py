"""Laws of the networks and of what they are fed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mriuq_qrunet import features
from mriuq_qrunet.dataset import Crops, Kept, draw_given
from mriuq_qrunet.inputs import Scene, context, rows
from mriuq_qrunet.loss import pinball
from mriuq_qrunet.network import PyramidNet, fold
from mriuq_qrunet.published import Brains, ResidualUNet
from mriuq_qrunet.voxels import VoxelHead


def brain(shape=(48, 40, 32)):
    axes = [np.linspace(-1.2, 1.2, n) for n in shape]
    radius = sum(a**2 for a in np.meshgrid(*axes, indexing="ij"))
    return torch.from_numpy(radius < 1)


def scene(seed=0, shape=(48, 40, 32)):
    mask = brain(shape)
    own = mask[None].expand(4, -1, -1, -1)
    z = torch.from_numpy(np.random.default_rng(seed).normal(size=(4, *shape)).astype(np.float32)) * own
    return Scene.of(z, own, mask)


def test_the_published_preset_has_24877_parameters():
    assert sum(p.numel() for p in ResidualUNet((4, 8, 16), 3).parameters()) == 24_877


def test_the_published_network_is_monai_s_to_the_bit():
    nets = pytest.importorskip("monai.networks.nets", reason="needs MONAI: pip install 'mriuq[train]'")
    theirs, ours = nets.UNet(3, 4, 12, (4, 8, 16), (2, 2), num_res_units=2), ResidualUNet((4, 8, 16), 3)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 4, 24, 16, 32)
    assert torch.equal(theirs(x), ours(x).flatten(1, 2))


def test_the_upper_tau_learns_the_upper_quantile():
    truth = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    q = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.SGD([q], lr=1.0)
    for _ in range(400):
        loss = pinball(q.expand(len(truth), 2), truth, (0.023, 0.977)).mean(0).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert q.detach().numpy() == pytest.approx([-2.0, 2.0], abs=0.1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=3), st.floats(-5, 5))
def test_sorting_quantiles_never_raises_the_pinball_loss(quantiles, truth):
    taus, q, y = (0.05, 0.5, 0.95), torch.tensor([quantiles]), torch.tensor([truth])
    assert pinball(q.sort(-1).values, y, taus).sum() <= pinball(q, y, taus).sum() + 1e-5


def test_smooth_copies_of_a_constant_are_that_constant_inside():
    mask = brain()
    own = mask[None].expand(4, -1, -1, -1)
    found = features.fine(2.0 * own, own)
    assert found[:, mask].numpy() == pytest.approx(2.0, abs=1e-4)


def test_what_is_not_given_leaves_no_trace_in_the_coarse_copies_of_the_others():
    whole = scene()
    own = whole.own.clone()
    own[0] = False
    without = Scene.of(whole.z * own, own, own.any(0))
    others = [level * 4 + c for level in range(features.LEVELS) for c in (1, 2, 3)]
    assert torch.equal(whole.coarse[others], without.coarse[others])


def test_the_mask_draw_never_gives_all_or_nothing():
    rng = np.random.default_rng(0)
    drawn = np.array([draw_given(rng) for _ in range(2000)])
    assert set(drawn.sum(1)) == {1, 2, 3}


def test_the_paper_s_masking_has_its_marginals():
    data = Brains.__new__(Brains)
    data.config = {"masked": [0.40, 0.12, 0.30, 0.15]}
    rng = np.random.default_rng(0)
    masked = 1 - np.mean([data.draw_given(rng) for _ in range(50_000)], axis=0)
    assert masked == pytest.approx([0.399, 0.118, 0.298, 0.148], abs=0.01)


class _Stored(Crops):
    def __init__(self, config, whole):
        self.config, self.strength, self.ready, self.device = config, 1.0, {}, "cpu"
        self.exams = [Kept.of(whole.z.half(), whole.own, whole.brain, "cpu")]


CONFIG = {"crop": 16, "reuse": 4, "slots": 2, "augment": 1.0, "share": 0.5, "given_weight": 0.05, "seed": 3}


def test_an_item_is_a_function_of_seed_and_number_alone():
    whole = scene()
    ahead, fresh = _Stored(CONFIG, whole), _Stored(CONFIG, whole)
    for i in range(12):
        ahead[i]
    again = fresh[12]
    assert all(torch.equal(value, again[name]) for name, value in ahead[12].items())


def test_what_is_masked_is_zero_in_what_the_network_sees():
    item = _Stored(CONFIG, scene())[0]
    hidden = [c for c in range(4) if float(item["context"][13 + c].max()) == 0]
    rows = item["rows"]
    assert hidden
    assert all(float(rows[:, c].abs().max()) == 0 and float(rows[:, 4 + c].abs().max()) == 0 for c in hidden)


def test_the_head_over_a_brain_is_the_network_s_own():
    torch.manual_seed(0)
    model, whole = PyramidNet((8, 8, 16), 8, (16, 16), 6).eval(), scene()
    torch.nn.init.normal_(model.head.linear.weight)
    seen, corner, shape = torch.tensor([1.0, 0.0, 1.0, 1.0]), (0, 0, 0), tuple(whole.brain.shape)
    folded = fold((whole.z * seen[:, None, None, None])[None])
    around, smooth = context(whole, seen, corner, shape)[None], features.fine(whole.z, whole.own)
    values = rows(whole.z, smooth, seen, whole.place.grid(corner, shape, 1), whole.brain.flatten().nonzero()[:, 0])
    with torch.inference_mode():
        plain = model(folded, around, values, whole.brain[None])[:, [3, 1]]
        head = VoxelHead(model, torch.tensor([3, 1]))
        hidden = model.trunk.hidden(folded, around)[0]
        fast = head(hidden, whole.z, smooth, seen, whole.place.axes(corner, shape, 1), whole.brain)
    assert torch.allclose(plain, fast, atol=1e-4)


def test_some_outputs_of_the_published_network_are_those_of_all():
    torch.manual_seed(0)
    model, x, columns = ResidualUNet((4, 8, 16), 3).eval(), torch.randn(1, 4, 16, 24, 8), torch.tensor([2, 0])
    with torch.inference_mode():
        assert torch.allclose(model.some(x, columns), model(x)[:, :, columns], atol=1e-5)
