"""A head of shells that several tests share."""

import numpy as np

from mriuq_cli.data.case import Case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.volume import Volume


def head(labels=True):
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in (48, 56, 48)), indexing="ij"))
    r = np.sqrt((grid**2).sum(0))
    image = np.where(r < 0.9, 400 + 300 * np.cos(9 * r), 0).astype(np.float32)
    geometry = geometry_from_affine(image.shape, np.eye(4))
    tissues = np.select([r < 0.3, r < 0.5, r < 0.7], [3, 2, 1], 0).astype(np.int16) if labels else None
    return Case("head", geometry, {"t1": Volume(image, geometry)}, labels=tissues)
