"""Copies as they would have been acquired: a brain that came stripped was a head when it was scanned."""

from dataclasses import replace

import torch

from mriuq_cli.api import Context
from mriuq_hetqc.infer import Reading
from mriuq_hetqc.protocols.reading import Bench


def bench_of(brain_edge):
    """Return a filled cube of 20 voxels in empty space; the brain is a cube of so many voxels in its midst."""
    clean = torch.zeros(32, 32, 32)
    clean[6:26, 6:26, 6:26] = 1
    classes = torch.zeros(32, 32, 32, dtype=torch.long)
    inner = slice(16 - brain_edge // 2, 16 + brain_edge // 2)
    classes[inner, inner, inner] = 2
    truth = Reading(image=clean, residual=clean, sigma=clean, head=clean > 0, classes=classes, sigma_task=clean,
                    marks={}, features=torch.zeros(1), brain_features=torch.zeros(1))  # fmt: skip
    return Bench(None, Context(), None, clean, truth)


def test_faults_reach_the_air_around_a_head():
    noisy = torch.rand(32, 32, 32)
    assert torch.equal(bench_of(12).cut(noisy), noisy)


def test_the_surroundings_of_a_stripped_brain_stay_empty():
    bench = bench_of(20)
    found = bench.cut(torch.rand(32, 32, 32) + 0.5)
    assert torch.equal(found > 0, bench.clean > 0)


def test_what_is_lost_of_the_tissues_grows_with_what_is_moved():
    bench = bench_of(12)

    def lost(shift):
        return bench.lost(replace(bench.truth, classes=bench.truth.classes.roll(shift, 0)))["loss"]

    assert lost(0) == 0
    assert [round(lost(shift), 3) for shift in (1, 3, 12)] == [0.042, 0.125, 0.5]  # class 1 is absent from both
    assert bench.lost(replace(bench.truth, classes=None)) == {}
