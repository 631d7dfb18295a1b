"""Figures of a reading, and the two headlines that linear readings make of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mriuq_hetqc.infer import Reading
from mriuq_hetqc.quality import (
    LEAST_LOSS,
    MEANINGS,
    brain_grounds_of,
    figures,
    for_users,
    grounds_of,
    headlines,
    sigma_grounds_of,
)
from mriuq_hetqc.yardsticks import SIGMA_TERMS, LinearReading, Yardsticks

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
    said = headlines(reading, found, Yardsticks({}, readings))
    assert said["visual"] == pytest.approx(math.log(1 + math.exp(5.0)))
    assert said["algorithmic"] == pytest.approx(math.exp(-1.5) - LEAST_LOSS)


def test_sigma_is_as_wide_as_scans_that_look_like_it_need(reading):
    found = figures(reading)
    artefacts = linear(("clean", "motion"), len(grounds_of([1.0, 2.0], found)), 1.0)
    n = len(sigma_grounds_of({"clean": 1.0, "motion": 0.0}, found))
    sigma = replace(linear(SIGMA_TERMS, n, -2.0), bias=np.array([-2.5, 0.5, 0.1, 0.3, 0.2, 0.0]))
    known = Yardsticks({}, {"artefacts": artefacts, "sigma": sigma})
    bright, filled = reading.recovered.clamp(0, 1) - 0.5, reading.image > 0
    for first in (-50.0, 0.0, 50.0):
        like = replace(reading, features=torch.tensor([first, 2.0]))
        spread, removed = reading.sigma.log() + 3, 0.7 * (math.log(0.033) + 3.5) * -2 / (1 + math.exp(first))
        expected = -2.5 + 0.5 * spread + 0.1 * (spread**2 - 0.5) + 0.3 * bright + 0.2 * (bright**2 - 0.08) + removed
        expected = torch.where(filled, expected.exp(), reading.sigma)
        assert torch.allclose(for_users(like, known).sigma, expected)
        assert figures(like) == found


def test_what_is_no_head_does_not_get_a_sigma_without_bounds():
    for bias, expected in ((50.0, (2.5**2 + 0.15**2) ** 0.5), (-50.0, (0.25**2 + 0.001**2) ** 0.5)):
        reading = replace(linear(SIGMA_TERMS, 1, 0.0), bias=np.array([bias, 0.0, 0.0, 0.0, 0.0, 0.0]))
        found = Yardsticks({}, {"sigma": reading}).told(*torch.ones(3, 2), np.zeros(1))
        assert torch.allclose(found, torch.full((2,), expected))


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
