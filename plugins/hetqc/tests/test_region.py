"""Regions as masks."""

import pytest
import torch
from torch.nn import functional

from mriuq_hetqc.region import widened


@pytest.mark.parametrize("reach", [0, 1, 2, 3, 5, 8, 20])
@pytest.mark.parametrize("shape", [(17, 9, 12), (1, 2, 30), (2, 6, 5, 4)])
def test_widening_is_a_maximum_over_windows(shape, reach):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(reach)) > 0.98
    before = mask.clone()
    windows = functional.max_pool3d(mask.float().reshape(-1, 1, *shape[-3:]), 2 * reach + 1, 1, reach) > 0
    assert torch.equal(widened(mask, reach), windows.reshape(shape))
    assert torch.equal(mask, before)
