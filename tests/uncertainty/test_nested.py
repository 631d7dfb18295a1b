"""Who is told less never states a narrower interval, and no subject is judged by itself."""

from __future__ import annotations

import numpy as np
import pytest

from mriuq_cli.uncertainty.nested import MARGIN, fit_nested, leave_one_out_nested
from mriuq_cli.uncertainty.scores import Scores, score_voxels
from mriuq_cli.uncertainty.stretch import Stretch, fit_stretch


def _subjects(error: float, seed: int = 0, n: int = 4) -> list[Scores]:
    """Normal errors of about one SD, about intervals of half-width 1."""
    rng = np.random.default_rng(seed)
    value = np.zeros(5000, np.float32)
    sds = error * np.linspace(0.8, 1.2, n)
    return [score_voxels(value, value - 1, value + 1, rng.normal(0, sd, 5000).astype(np.float32)) for sd in sds]


def _width(pair: Stretch, scores: list[Scores]) -> float:
    return float(np.mean([s.width(*pair) for s in scores]))


def test_a_situation_that_knows_less_is_widened_to_that_which_knows_more() -> None:
    scores = {"t1": _subjects(1.0, 1), "t1+t2": _subjects(1.3, 2), "flair+t1+t2": _subjects(1.1, 3)}
    pairs = fit_nested(scores, 0.9)
    assert pairs["t1+t2"] == fit_stretch(scores["t1+t2"], 0.9)
    assert pairs["flair+t1+t2"] == fit_stretch(scores["flair+t1+t2"], 0.9)
    assert _width(pairs["t1"], scores["t1"]) == pytest.approx(MARGIN * _width(pairs["t1+t2"], scores["t1+t2"]))
    alone = fit_stretch(scores["t1"], 0.9)
    assert pairs["t1"].lower / alone.lower == pytest.approx(pairs["t1"].upper / alone.upper)


def test_a_chain_of_three_is_in_order() -> None:
    scores = {"a": _subjects(0.5), "a+b": _subjects(0.7, 1), "a+b+c": _subjects(2.0, 2)}
    pairs = fit_nested(scores, 0.9)
    widths = [_width(pairs[key], scores[key]) for key in ("a+b+c", "a+b", "a")]
    assert widths[1:] == pytest.approx([MARGIN * widths[0], MARGIN**2 * widths[0]])


def test_situations_of_other_inputs_leave_each_other_alone() -> None:
    scores = {"t1": _subjects(0.5), "t2": _subjects(2.0, 1), "flair+t2": _subjects(1.0, 2)}
    assert fit_nested(scores, 0.9) == {key: fit_stretch(found, 0.9) for key, found in scores.items()}


def test_left_out_is_what_the_others_alone_ask_for() -> None:
    scores = {"t1": _subjects(1.0, 1), "t1+t2": _subjects(1.3, 2)}
    without = leave_one_out_nested(scores, 0.9)
    for i in range(4):
        others = {key: [s for k, s in enumerate(found) if k != i] for key, found in scores.items()}
        expected = fit_nested(others, 0.9)
        for key in scores:
            assert without[key][i] == pytest.approx(expected[key])
