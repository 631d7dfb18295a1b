"""The networks: sizes of the published form, folding without loss, bounded spreads."""

import pytest
import torch

from mriuq_hetqc.marks import MARKS, noise_told
from mriuq_hetqc.network import BANDS, SIGMA, FoldedUNet, bands, bounded, fold, unfold
from mriuq_hetqc.published import PublishedUNet
from mriuq_hetqc.surroundings import Cubes

PAPER = (30, 60, 120, 240, 480)
NOTHING = torch.zeros(1, MARKS)


@pytest.mark.parametrize(("multi_task", "count"), [(False, 14_488_292), (True, 19_665_665)])
def test_the_published_network_has_the_size_of_its_sources(multi_task, count):
    with torch.device("meta"):
        network = PublishedUNet(PAPER, multi_task=multi_task)
    assert sum(p.numel() for p in network.parameters()) == count


def test_folding_loses_nothing():
    image = torch.randn(2, 3, 4, 6, 8)
    assert fold(image).shape == (2, 24, 2, 3, 4)
    assert torch.equal(unfold(fold(image)), image)


@pytest.mark.parametrize("network", [FoldedUNet((4, 4, 4), multi_task=True), PublishedUNet((4, 6, 8), multi_task=True)])
def test_a_fresh_network_hands_the_scan_back_and_is_unsure_by_the_same_everywhere(network):
    answer = network.eval()(torch.rand(1, 1, 16, 16, 16), NOTHING)
    assert float(answer.residual.detach().abs().max()) < 0.05
    assert torch.exp(0.5 * answer.log_variance.detach()).mean() == pytest.approx(0.05, rel=0.5)
    assert answer.logits.shape[2:] == answer.task_log_variance.shape[2:] == (16, 16, 16)


def test_a_spread_stays_within_bounds_and_keeps_a_gradient_between_them():
    z = torch.tensor([-50.0, -13.0, 0.0, 50.0], requires_grad=True)
    s = bounded(z, SIGMA)
    assert float(s.detach().min()) == pytest.approx(SIGMA[0])
    assert float(s.detach().max()) == pytest.approx(SIGMA[1])
    s.sum().backward()
    assert z.grad[1] > 0.5
    assert z.grad[2] > 0.1
    assert torch.isfinite(z.grad).all()


def test_what_is_said_of_a_voxel_does_not_depend_on_what_is_far_away():
    torch.manual_seed(0)
    network = FoldedUNet((4, 4), multi_task=False).eval()
    image = torch.rand(1, 1, 64, 16, 16)
    other = image.clone()
    other[:, :, 48:] = 0
    first, second = network(image, NOTHING), network(other, NOTHING)
    assert torch.equal(first.log_variance[:, :, :16], second.log_variance[:, :, :16])


QUIET, LOUD = torch.tensor([1e-6]), torch.tensor([0.3])


def parted(image, noise):
    return bands(image, Cubes(image, noise))


def test_bands_and_what_is_left_add_up_to_the_image():
    image = torch.rand(1, 1, 16, 24, 8)
    assert torch.allclose(sum(parted(image, LOUD)), image, atol=1e-6)
    *parts, left = parted(torch.ones(1, 1, 8, 8, 8), QUIET)
    assert len(parts) == len(BANDS)
    assert all(torch.allclose(band, torch.zeros(()), atol=1e-6) for band in parts)
    assert torch.allclose(left, torch.ones(()))


@pytest.mark.parametrize("true", [0.0, 0.2, 1.0])
def test_what_is_left_is_free_of_what_noise_adds_to_magnitudes(true):
    one, other = 0.3 * torch.randn(2, 1, 1, 64, 64, 64, generator=torch.Generator().manual_seed(0))
    image = ((true + one).square() + other.square()).sqrt()
    *_, left = parted(image, LOUD)
    assert float(left.mean()) == pytest.approx(true, abs=0.05)
    assert true > 0.5 or float(image.mean()) > true + 0.1


def test_what_is_empty_has_no_bands_and_does_not_darken_what_is_beside():
    image = torch.ones(1, 1, 16, 16, 16)
    image[..., :5] = 0
    *parts, left = parted(image, QUIET)
    assert all(torch.allclose(band, torch.zeros(()), atol=1e-6) for band in parts)
    assert torch.allclose(left, image)


def test_the_maps_put_something_in_and_take_shares_of_the_bands_out():
    network = FoldedUNet((4, 4), multi_task=False).eval()
    for last in (network.clean.head.plain, network.clean.head.bent[-1]):
        torch.nn.init.zeros_(last.weight)
    with torch.no_grad():
        network.clean.head.plain.bias.copy_(torch.tensor([0.25, -6.0, 1.0, 0.75, 0.5, 0.125]).repeat(8))
    image = torch.rand(1, 1, 16, 16, 16)
    fine, middle, coarse, left = parted(image, noise_told(NOTHING))
    expected = 0.25 - fine - 0.75 * middle - 0.5 * coarse - 0.125 * left
    assert torch.allclose(network(image, NOTHING).residual, expected, atol=1e-6)


def test_last_layers_are_told_what_is_around_a_voxel_once_they_have_learnt():
    torch.manual_seed(0)
    network = FoldedUNet((4, 4), multi_task=True).eval()
    for layer in network.encoder.modules():
        if isinstance(layer, torch.nn.Conv3d):
            torch.nn.init.zeros_(layer.weight)
    image = torch.rand(1, 1, 64, 16, 16)
    image[:, :, 32:] *= 0.5
    dark, bright = slice(48, 64), slice(0, 16)

    def apart(values):
        return abs(float((values[:, :, dark] - values[:, :, bright]).detach().mean()))

    assert apart(network(image, NOTHING).log_variance) < 1e-6
    torch.nn.init.normal_(network.clean.head.bent[-1].weight)
    answer = network(image, NOTHING)
    assert apart(answer.log_variance) > 0.01
    assert apart(answer.logits) < 1e-6


def test_what_was_measured_on_the_whole_reaches_the_decoder_that_cleans_and_no_other():
    torch.manual_seed(0)
    network = FoldedUNet((4, 4, 4), multi_task=True).eval()
    image, told = torch.rand(1, 1, 16, 16, 16), torch.tensor([[0.0, 2.0, 1.0, 0.0, 0.0, 0.0]])
    untaught = network(image, told)
    assert torch.equal(untaught.log_variance, network(image, NOTHING).log_variance)
    for film in network.clean.films:
        torch.nn.init.normal_(film.layers[-1].weight)
    first, second = network(image, NOTHING), network(image, told)
    assert not torch.equal(first.log_variance, second.log_variance)
    assert torch.equal(first.logits, second.logits)
    assert torch.equal(first.features, second.features)
