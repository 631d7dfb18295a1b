"""The losses: their optima, and finite gradients whatever the numbers."""

import math

import pytest
import torch

from mriuq_hetqc.loss import regression, segmentation


def test_the_optimum_of_the_regression_is_the_expected_squared_error():
    generator = torch.Generator().manual_seed(1)
    sigma = torch.tensor([0.02, 0.1, 0.5])
    error = sigma * torch.randn(4000, 3, generator=generator)
    s = torch.zeros(3, requires_grad=True)
    optimiser = torch.optim.Adam([s], lr=0.1)
    for _ in range(400):
        optimiser.zero_grad()
        regression(error, s.expand_as(error)).mean().backward()
        optimiser.step()
    assert torch.allclose(torch.exp(0.5 * s.detach()), sigma, rtol=0.1)


def test_the_optimum_of_the_segmentation_is_twice_the_expected_cross_entropy():
    entropy = -math.log(0.7)
    logits = torch.log(torch.tensor([0.7, 0.3])).reshape(1, 2, 1, 1, 1)
    labels = torch.zeros(1, 1, 1, 1, dtype=torch.long)
    best = math.log(2 * entropy)
    loss = [float(segmentation(logits, torch.full((1, 1, 1, 1, 1), best + d), labels)) for d in (-0.2, 0, 0.2)]
    assert loss[1] < min(loss[0], loss[2])


def test_voxels_without_a_label_do_not_count():
    logits, spread = torch.randn(1, 4, 1, 1, 2), torch.zeros(1, 1, 1, 1, 2)
    labels = torch.tensor([[[[1, 255]]]])
    loss = segmentation(logits, spread, labels)
    assert float(loss[..., 0]) > 0
    assert float(loss[..., 1]) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_gradients_are_finite(dtype, beta):
    error = torch.tensor([[0.0, 1e3]], dtype=dtype, requires_grad=True)
    s = torch.tensor([[-13.8, 4.0]], dtype=dtype, requires_grad=True)
    regression(error, s, beta).mean().backward()
    assert torch.isfinite(error.grad).all()
    assert torch.isfinite(s.grad).all()


def test_gradients_are_of_one_size_whatever_sigma_is():
    s = torch.tensor([-10.0, -4.0, 0.0])
    error, spread = torch.exp(0.5 * s).requires_grad_(), s.clone().requires_grad_()
    loss = regression(error, spread, 0.5)
    loss.sum().backward()
    torch.testing.assert_close(error.grad, torch.ones(3))
    torch.testing.assert_close(spread.grad, torch.zeros(3))
    torch.testing.assert_close(loss, regression(error, spread))


def test_sigma_has_the_gradient_as_printed():
    error, printed, ours = torch.tensor([0.1, 0.3]), *(torch.full((2,), -4.0, requires_grad=True) for _ in range(2))
    regression(error, printed).sum().backward()
    regression(error, ours, 0.5).sum().backward()
    torch.testing.assert_close(ours.grad, printed.grad)


def test_a_noisy_image_takes_nothing_from_a_clean_one_beside_it():
    error = torch.tensor([[0.1, 0.1], [0.001, 0.002]])
    s = torch.tensor([[-2.0, -2.0], [-10.0, -11.0]], requires_grad=True)
    regression(error, s, 0.5).sum().backward()
    beside = s.grad[1].clone()
    alone = s.detach()[1:].clone().requires_grad_()
    regression(error[1:], alone, 0.5).sum().backward()
    assert torch.allclose(beside, alone.grad[0])


def test_a_few_voxels_that_are_wrong_and_sure_of_it_do_not_drown_the_rest():
    logits = torch.tensor([[4.0, 0.2], [0.0, 0.0]]).reshape(1, 2, 1, 1, 2)
    sure = torch.tensor([-7.0, 0.0]).reshape(1, 1, 1, 1, 2)
    labels = torch.ones(1, 1, 1, 2, dtype=torch.long)
    printed, tempered = (segmentation(logits, sure, labels, beta)[0, 0, 0] for beta in (0.0, 0.5))
    assert float(printed[0] / printed[1]) > 5 * float(tempered[0] / tempered[1])
    even = torch.full_like(sure, -1.0)
    torch.testing.assert_close(segmentation(logits, even, labels, 0.5), segmentation(logits, even, labels))
