"""Figures of a reading, and the two headlines that linear readings make of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mriuq_hetqc.infer import Reading
from mriuq_hetqc.quality import LEAST_LOSS, MEANINGS, brain_grounds_of, figures, for_users, grounds_of, headlines
from mriuq_hetqc.yardsticks import LinearReading, Yardsticks

SHOWN = {"kspace_peak": 2.0, "echo": 0.01, "ghost": 0.002, "noise": 0.02, "noise_grain": 2.0, "noise_contrast": 9.0}


@pytest.fixture(scope="module")
def reading():
    """Return a cube of brain, sigma .2 outside its tissues and .1 in them."""
    image = torch.zeros(48, 48, 48)
    image[8:40, 8:40, 8:40] = 1 + 0.1 * torch.randn(32, 32, 32, generator=torch.Generator().manual_seed(0))
    classes = torch.zeros(48, 48, 48, dtype=torch.long)
    classes[10:38, 10:38, 10:38] = 2
    sigma = torch.full((48, 48, 48), 0.2).masked_fill(classes > 0, 0.1)
    return Reading(
        image=image, residual=torch.full_like(image, 0.03), sigma=sigma, head=image > 0, classes=classes,
        sigma_task=torch.full_like(image, 0.7), marks=SHOWN, features=torch.tensor([1.0, 2.0]),
        brain_features=torch.tensor([3.0]),
    )  # fmt: skip


def linear(names, n, last):
    """Return a reading that takes the first ground alone for the last name."""
    weights = np.zeros((len(names), n))
    weights[-1, 0] = last
    return LinearReading(names, np.zeros(n), np.ones(n), weights, np.zeros(len(names)))


def test_figures_are_those_that_are_explained(reading):
    found = figures(reading)
    assert set(found) <= set(MEANINGS)
    assert found["sigma_recon_median"] == pytest.approx(0.1)
    assert found["sigma_task_mean"] == pytest.approx(0.7)
    assert found["recoverable"] == pytest.approx(0.03)
    assert {name: found[name] for name in SHOWN} == SHOWN


def test_headlines_read_the_head_and_the_brain_apart(reading):
    found = figures(reading)
    whole, inner = grounds_of([1.0, 2.0], found), brain_grounds_of([3.0], found)
    readings = {
        "artefacts": linear(("clean", "noise", "motion"), len(whole), 5.0),
        "loss": linear(("loss",), len(inner), -0.5),
    }
    said = headlines(reading, found, Yardsticks({}, readings, {}))
    assert said["visual"] == pytest.approx(math.log(1 + math.exp(5.0)))
    assert said["algorithmic"] == pytest.approx(math.exp(-1.5) - LEAST_LOSS)


def test_sigma_is_as_wide_as_what_the_scan_looks_like_needs(reading):
    reading = replace(reading, sigma=4 * reading.sigma)
    found = figures(reading)
    n = len(grounds_of([1.0, 2.0], found))
    needs = {"clean": (1.0, 0.0), "noise": (1.5, 0.0), "motion": (3.0, 0.05)}
    for surely, factor, floor in ((50.0, 3.0, 0.05), (0.0, (1.5 * 3.0) ** (1 / 3), 0.05 / 3**0.5)):
        known = Yardsticks({}, {"artefacts": linear(tuple(needs), n, surely)}, needs)
        expected = ((factor * reading.sigma) ** 2 + floor**2).sqrt()
        assert torch.allclose(for_users(reading, known).sigma, expected)
        assert figures(reading) == found


def test_what_lies_outside_the_brain_does_not_reach_its_grounds(reading):
    outside = reading.classes == 0
    other = figures(
        Reading(
            image=reading.image + outside * 0.5, residual=reading.residual, sigma=reading.sigma + outside * 1.0,
            head=reading.head, classes=reading.classes, sigma_task=reading.sigma_task, marks=SHOWN,
            features=reading.features, brain_features=reading.brain_features,
        )
    )  # fmt: skip
    assert np.array_equal(brain_grounds_of([3.0], other)[:5], brain_grounds_of([3.0], figures(reading))[:5])
    assert other["visual_rms"] > 2 * figures(reading)["visual_rms"]
