"""The demo: simulate an exam, leave out FLAIR, predict it, compare it with the truth; fails unless that was worth it.

Run by ``make demo``; needs the extras ``simulate`` and ``figures``. Everything goes through the installed commands.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np

from mriuq_cli.api import Panel, comparison, read_volume

SEED = 3
CONTRASTS = ("flair", "t1", "t1gd", "t2")


def main(folder: Path) -> int:
    """Run the demo in a folder, which is emptied first, and return the exit code."""
    began = time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    exam, predicted = folder / f"exam-{SEED}.nii.gz", folder / "predicted"
    mriuq("simulate", "exam", folder, "--seed", SEED, "--format", "4d")
    mriuq("predict", "qrunet", exam, "--missing", "flair", "--out", predicted)

    stem = f"exam-{SEED}_flair"
    facts = json.loads((predicted / f"{stem}.json").read_text())
    mean, sd = facts["Scale"]["Mean"], facts["Scale"]["SD"]
    parts = {part: (load(predicted / f"{stem}{end}.nii.gz") - mean) / sd for part, end in ENDS.items()}
    images = np.moveaxis(load(exam), -1, 0)
    brain = images[1:].any(axis=0)
    scores = {name: score(image, brain) for name, image in zip(CONTRASTS, images, strict=True)}
    truth = scores.pop("flair")[brain]

    rows = {"qrunet, FLAIR not given": parts["value"][brain]} | rivals(scores, brain, truth)
    print(f"\nSynthetic FLAIR against the simulated truth, {brain.sum()} brain voxels, z units of the truth")
    print(f"{'':<58}  MAE   PSNR / dB")
    peak = float(np.subtract(*np.percentile(truth, (99.9, 0.1))))
    errors = {}
    for name, values in rows.items():
        errors[name] = float(np.abs(values - truth).mean())
        psnr = 20 * np.log10(peak / np.sqrt(np.mean((values - truth) ** 2)))
        print(f"{name:<58}  {errors[name]:.3f}  {psnr:.2f}")
    low, high = parts["lower"][brain], parts["upper"][brain]
    print(f"\nThe {facts['Level']:.0%} interval holds the truth in {np.mean((low <= truth) & (truth <= high)):.1%}")
    print(f"of the voxels; its mean width is {np.mean(high - low):.2f}.")

    picture = folder / "demo.png"
    draw(picture, exam, scores, parts, brain)
    print(f"\nexam       {exam}\nprediction {predicted}\npicture    {picture}")
    print(f"{time.perf_counter() - began:.0f} s")
    ours, *others = errors.values()
    if ours >= min(others):
        print("error: the synthesis does not beat copy and linear regression", file=sys.stderr)
        return 1
    return 0


ENDS = {"value": "", "lower": "_lower", "upper": "_upper"}


def mriuq(*words: object) -> None:
    """Show a command and run it."""
    line = [str(word) for word in words]
    print("$ mriuq", *line, flush=True)
    subprocess.run([Path(sys.executable).with_name("mriuq"), *line], check=True)


def load(path: Path) -> np.ndarray:
    """Read an image as float32."""
    return nib.load(path).get_fdata(dtype=np.float32)


def score(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Return standard scores over the brain, 0 outside."""
    return np.where(brain, (image - image[brain].mean()) / image[brain].std(), 0)


def rivals(scores: dict[str, np.ndarray], brain: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Return what needs no network; both are favoured, as they are chosen and fitted with the truth in hand."""
    copies = {name: image[brain] for name, image in scores.items()}
    best = min(copies, key=lambda name: np.abs(copies[name] - truth).mean())
    columns = np.stack([*copies.values(), np.ones_like(truth)], axis=1)
    fitted = columns @ np.linalg.lstsq(columns, truth, rcond=None)[0]
    return {
        f"copy of {best}, the best of the three": copies[best],
        "linear regression on the three, fitted to this very FLAIR": fitted,
    }


def draw(path: Path, exam: Path, scores: dict, parts: dict, brain: np.ndarray) -> None:
    """Draw inputs, synthesis, truth, error, interval width and what lies outside the interval."""
    truth = score(load(exam)[..., 0], brain)
    value, low, high = parts["value"], parts["lower"], parts["upper"]
    tumour = load(exam.parent / "labels" / exam.name) > 0
    outside = np.where(truth > high, 1, np.where(truth < low, 2, 0))
    grey = (-2.5, 3.5)
    panels = [Panel(f"given: {name.upper()}", image, unit="z", limits=grey) for name, image in scores.items()]
    panels += [
        Panel("true FLAIR (not given)", truth, unit="z", limits=grey),
        Panel("synthetic FLAIR", value, unit="z", limits=grey),
        Panel("error", value - truth, "error", "z"),
        Panel("width of the 90 % interval", high - low, "width", "z"),
        Panel("truth outside the interval", outside, "outliers"),
    ]
    geometry = read_volume(exam, 0).geometry
    comparison(path, panels, geometry, brain, outline=tumour, caption="Simulated exam, no patient.")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo")))
