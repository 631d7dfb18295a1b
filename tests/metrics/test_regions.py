"""Coarse regions: the quick ways give what the plain ones give."""

import numpy as np
import pytest
from scipy import ndimage

from mriuq_cli.metrics.regions import _block_means, _near


@pytest.mark.parametrize("steps", [(2.0, 2.0, 2.0), (1.7, 2.3, 5.1), (30.0, 1.9, 2.1)])
@pytest.mark.parametrize("reach", [0.5, 6.0, 14.3])
def test_near_is_a_threshold_on_the_distance(steps, reach):
    mask = np.random.default_rng(3).random((14, 11, 9)) > 0.985
    expected = ndimage.distance_transform_edt(~mask, sampling=steps) <= reach
    np.testing.assert_array_equal(_near(mask, reach, np.array(steps)), expected)
    assert not _near(np.zeros_like(mask), reach, np.array(steps)).any()


def test_block_means_average_blocks_and_what_is_left_at_the_end():
    image = np.random.default_rng(4).random((5, 7, 4)).astype(np.float32)
    found = _block_means(image, np.array([2, 3, 1]))
    assert found.shape == (3, 3, 4)
    assert found.dtype == np.float32
    for i, j in np.ndindex(3, 3):
        np.testing.assert_allclose(found[i, j], image[2 * i : 2 * i + 2, 3 * j : 3 * j + 3].mean((0, 1)), rtol=1e-6)
