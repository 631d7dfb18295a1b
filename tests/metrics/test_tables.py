"""Means over subjects and paired comparisons."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mriuq_cli.metrics.tables import paired_difference, summarise


def test_a_summary_is_over_the_subjects_that_have_the_figure() -> None:
    found = summarise([1.0, 3.0, math.nan])
    assert (found.mean, found.smallest, found.largest, found.n) == (2, 1, 3, 2)
    assert found.sd == pytest.approx(math.sqrt(2))
    json.dumps(summarise([]).facts(), allow_nan=False)


def test_pairing_sees_what_the_spread_between_subjects_hides() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.normal(0, 10, 14)
    ours = theirs - 0.1 - rng.normal(0, 0.05, 14)
    found = paired_difference(ours, theirs)
    assert found.below_zero
    assert found.low < -0.1 < found.high


def test_no_difference_is_rarely_found_significant() -> None:
    rng = np.random.default_rng(1)
    found = [paired_difference(rng.normal(size=30), rng.normal(size=30), draws=1000) for _ in range(200)]
    assert np.mean([p.below_zero or p.above_zero for p in found]) < 0.12


def test_the_bootstrap_is_the_same_every_time() -> None:
    a, b = np.arange(8.0), np.arange(8.0) ** 1.1
    assert paired_difference(a, b) == paired_difference(a, b)
    assert paired_difference([math.nan], [1.0]).n == 0
