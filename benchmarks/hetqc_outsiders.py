"""Which images hetqc calls no T1-weighted heads, as `mriuq qc` does: real ones, and some that are made here.

    python benchmarks/hetqc_outsiders.py FILE ... [--t1w FILE ...] [--heads FOLDER]

Files are images of other kinds; ``--t1w`` names T1-weighted heads, which should pass; ``--heads`` is a folder of case
folders (``benchmarks/heads.py``) whose heads are shown with their brightnesses shuffled. Noise and blobs are added.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from mriuq_cli.data.case import Case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.nifti import read_volumes
from mriuq_cli.data.volume import Volume
from mriuq_cli.errors import MriuqError
from mriuq_cli.hooks.context import Context
from mriuq_cli.uncertainty.familiarity import exact_interval
from mriuq_hetqc.judge import judge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--t1w", type=Path, nargs="*", default=[])
    parser.add_argument("--heads", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    show("T1-weighted heads", named(words.t1w))
    show("images of other kinds", named(words.files))
    show("made of T1-weighted heads, of noise and of blobs", made(words.heads))


def show(title, images):
    """Print each image's verdict, and the share flagged; an image that is refused is not rated either."""
    flagged = []
    print(f"== {title}")
    for name, image, geometry in images:
        try:
            found = judge(Case(name, geometry, {"t1": Volume(image, geometry)}), {}, Context({})).familiarity
            flagged.append(not found.familiar)
            print(f"{'flagged' if flagged[-1] else 'passed':8} {name}: {'; '.join(found.reasons)}", flush=True)
        except MriuqError as error:
            flagged.append(True)
            print(f"refused  {name}: {error}", flush=True)
    if flagged:
        low, high = exact_interval(sum(flagged), len(flagged))
        print(f"{sum(flagged)} of {len(flagged)} flagged or refused (95 % interval {low:.1%} to {high:.1%})")


def named(files):
    for path in files:
        volume = read_volumes(path, (0,))[0]
        yield path.name, np.nan_to_num(volume.data), volume.geometry


def made(heads):
    rng = np.random.default_rng(0)
    for path in sorted(heads.glob("*/*_t1.nii.gz")) if heads else ():
        volume = read_volumes(path, (0,))[0]
        yield f"shuffled {path.name}", shuffled(volume.data, rng), volume.geometry
    geometry = geometry_from_affine((160, 176, 160), np.diag([-1.0, 1, 1, 1]))
    for number in range(6):
        noise = rng.normal(size=geometry.shape).astype(np.float32)
        yield f"noise-{number}", np.abs(noise) * 100, geometry
        smooth = ndimage.gaussian_filter(noise, rng.uniform(4, 14))
        blobs = np.where(smooth > 0, 200 + 100 * ndimage.gaussian_filter(noise, 2) / smooth.std(), 0).clip(0)
        yield f"blobs-{number}", blobs.astype(np.float32), geometry


def shuffled(image, rng):
    """Map brightnesses by a random curve that is not rising, air apart."""
    top = np.percentile(image, 99)
    knots = rng.permutation(np.linspace(0.1, 1, 7)) * top
    found = np.interp(image, np.linspace(0.1, 1.1, 7) * top, knots)
    return np.where(image > 0.1 * top, found, image).astype(np.float32)


if __name__ == "__main__":
    main()
