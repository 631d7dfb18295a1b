"""What hetqc's network makes of images that are no T1-weighted heads: a row each, for the familiarity check.

    python benchmarks/hetqc_outsiders.py ROWS.jsonl [FILE ...] --weights DIR
                                         [--exams FOLDER] [--heads FOLDER] [--fse FOLDER]

Learning material: T2 and FLAIR of the exams in ``--exams`` (BraTS folders), the heads in ``--heads`` with intensities
turned over or shuffled, the PD-, T2- and FLAIR-weighted images in ``--fse`` (made by `mriuq simulate fse`), noise and
blobs. Named files are taken as they are, as test material.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.nifti import read_volumes
from mriuq_cli.errors import MriuqError
from mriuq_cli.hooks.manager import get_plugin
from mriuq_cli.inference.weights import find_weights, load_model
from mriuq_hetqc.infer import read_scan
from mriuq_hetqc.kind import describe
from mriuq_hetqc.quality import figures
from mriuq_hetqc.scan import prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--weights", type=Path)
    for name in ("exams", "heads", "fse"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    plugin = get_plugin("hetqc")
    model = load_model(plugin, find_weights(plugin, words.weights), "cpu")
    with words.rows.open("w") as out:
        for kind, name, image, geometry in [*images(words)] if not words.files else named(words.files):
            try:
                scan = prepare(image, geometry, name)
            except MriuqError as error:
                print(f"{name}: refused, {error}")
                continue
            reading = read_scan(model, scan)
            row = {
                "kind_of": kind, "case": name, "features": reading.features.tolist(), **figures(reading),
                "kind": {d.name: d.value for d in describe(reading, volume=scan.voxel_volume)},
            }  # fmt: skip
            out.write(json.dumps(row) + "\n")
            out.flush()


def named(files):
    for path in files:
        volume = read_volumes(path, (0,))[0]
        yield "named", path.name, np.nan_to_num(volume.data), volume.geometry


def images(words):
    rng = np.random.default_rng(0)
    for path in sorted(words.exams.glob("*/*")) if words.exams else ():
        if path.name.split(".")[0].endswith(("_t2", "_flair")):
            volume = read_volumes(path, (0,))[0]
            yield "other contrast, stripped", path.name, volume.data, volume.geometry
    for path in sorted(words.fse.glob("*/anat/*")) if words.fse else ():
        if path.name.endswith(("_PDw.nii.gz", "_T2w.nii.gz", "_FLAIR.nii.gz")):
            volume = read_volumes(path, (0,))[0]
            yield "other contrast, simulated", path.name, volume.data, volume.geometry
    for path in sorted(words.heads.glob("*/*_t1.nii.gz")) if words.heads else ():
        volume = read_volumes(path, (0,))[0]
        yield "shuffled intensities", path.name, shuffled(volume.data, rng), volume.geometry
    geometry = geometry_from_affine((160, 176, 160), np.diag([-1.0, 1, 1, 1]))
    for number in range(6):
        noise = rng.normal(size=geometry.shape).astype(np.float32)
        yield "noise", f"noise-{number}", np.abs(noise) * 100, geometry
        smooth = ndimage.gaussian_filter(noise, rng.uniform(4, 14))
        blobs = np.where(smooth > 0, 200 + 100 * ndimage.gaussian_filter(noise, 2) / smooth.std(), 0).clip(0)
        yield "blobs", f"blobs-{number}", blobs.astype(np.float32), geometry


def shuffled(image, rng):
    """Map intensities by a random curve that is not rising, air apart."""
    top = np.percentile(image, 99)
    knots = rng.permutation(np.linspace(0.1, 1, 7)) * top
    found = np.interp(image, np.linspace(0.1, 1.1, 7) * top, knots)
    return np.where(image > 0.1 * top, found, image).astype(np.float32)


if __name__ == "__main__":
    main()
