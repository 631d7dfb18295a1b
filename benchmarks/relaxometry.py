"""Least-squares fits of real brain images, beside the maps that came with them and beside the literature.

    python benchmarks/relaxometry.py

Reads the folder ``qmri`` of ``$MRIUQ_DATA`` (default ``~/.cache/mriuq-data``); without it says so and does nothing.
Printed are medians in milliseconds over white matter and cortex beside the range of published means (healthy adults),
over fluid (which no series here is long enough to measure), and the median relative difference to the map that came
with the images. The classes lie between three peaks (multi-Otsu) of the logarithm of T1 in the brain, which is the
largest piece of what has signal (around it lie the skull's gap and the scalp); a series without T1 has one median, over
its whole mask, and no range: what its classes would be, only another contrast could say.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from scipy import ndimage
from scipy.io import loadmat

from mriuq_cli.physics.fit import Fit, fit_inversion_recovery, fit_t2

DATA = Path(os.environ.get("MRIUQ_DATA", Path.home() / ".cache" / "mriuq-data")).expanduser() / "qmri"
RANGES = {
    # Stanisz et al. 2005, Wansapura et al. 1999, Lu et al. 2005 (3 T); Deoni et al. 2005, Rooney et al. 2007 (1.5 T)
    ("T1", 3.0): ((728, 1110), (1165, 1820)), ("T2", 3.0): ((54, 85), (65, 110)),
    ("T1", 1.5): ((560, 790), (900, 1340)), ("T2", 1.5): ((60, 95), (75, 115)),
}  # fmt: skip


def classes(fit: Fit, *, scalp: bool = False) -> np.ndarray:
    """Return 0, 1, 2 for short, middle and long T1; -1 at a bound and, where there is scalp, in fat."""
    from skimage.filters import threshold_multiotsu

    log, bound = fit.value.log().numpy(), fit.at_bound.numpy()
    low, high = np.quantile(log[~bound], [0.02, 0.98])
    found = np.digitize(log, threshold_multiotsu(np.clip(log[~bound], low, high), 3 + scalp))
    return np.where(bound, -1, found - scalp)


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """Return the largest piece of a mask that a border of one voxel does not hold together."""
    pieces, _ = ndimage.label(ndimage.binary_erosion(mask))
    largest = pieces == np.argmax(np.bincount(pieces.ravel())[1:]) + 1
    return ndimage.binary_dilation(largest) & mask


def fitted(images: np.ndarray, mask: np.ndarray, kind: str, times: list[float], **more: object) -> tuple[Fit, float]:
    """Fit the voxels of a mask; return the fit and the seconds that it took."""
    signal = torch.from_numpy(images[mask].astype(np.float64))
    start = time.perf_counter()
    fit = (fit_t2 if kind == "T2" else fit_inversion_recovery)(signal, times, **more)  # type: ignore[operator]
    return fit, time.perf_counter() - start


def show(
    name: str, kind: str, tesla: float, fit: Fit, spent: float, which: np.ndarray | None, came: np.ndarray | None = None
) -> None:
    """Print one line: medians, published ranges, difference to the map that came with the images."""
    found = fit.value.numpy()
    if which is None:
        words = [f"{1000 * np.median(found):5.0f} in all", "", ""]
    else:
        medians = [1000 * float(np.median(found[which == k])) for k in range(3)]
        words = [f"{m:5.0f} ({low}-{high})" for m, (low, high) in zip(medians, RANGES[kind, tesla], strict=False)]
        words.append(f"{medians[2]:.0f}")
    known = None if came is None else came > 0
    apart = "" if came is None else f"{100 * np.median(np.abs(found[known] / came[known] - 1)):.2f} %"
    print(f"{name:36} {kind} {tesla:3} T {len(found):6} {words[0]:>17} {words[1]:>17} {words[2]:>6} {apart:>9} "
          f"{1e6 * spent / len(found):6.0f}")  # fmt: skip


def main() -> None:
    """Fit every series that is there."""
    if not DATA.is_dir():
        print(f"not measured: {DATA} is absent (set MRIUQ_DATA)")
        return
    print(f"{'images':36} {'fit':9} {'voxels':>6} {'white, ms':>17} {'grey, ms':>17} {'fluid':>6} {'to map':>9} us/vox")
    slice_ = np.load(DATA / "fsantini_example" / "brain_ir_se.npz")
    strong = largest_piece(np.abs(slice_["ir"]).max(-1) > 0.15 * np.abs(slice_["ir"]).max())
    ti, te = (slice_[name].astype(float) / 1000 for name in ("ti_ms", "te_ms"))
    t1, spent1 = fitted(slice_["ir"], strong, "T1", ti.tolist(), signed=True)
    kinds = classes(t1)
    show("slice, signed inversion recovery", "T1", 3.0, t1, spent1, kinds)
    t1m, spent = fitted(np.abs(slice_["ir"]), strong, "T1", ti.tolist())
    show("the same from magnitudes", "T1", 3.0, t1m, spent, kinds, t1.value.numpy())
    t2, spent2 = fitted(slice_["se"], strong, "T2", te.tolist())
    show("the same slice, spin echoes", "T2", 3.0, t2, spent2, kinds)
    brain = np.load(DATA / "barral_ir" / "ir_brain_qmrlab.npz")
    mask = brain["mask"] > 0
    stored = loadmat(DATA / "barral_ir" / "fitdata" / "T1FitRD-NLS-PR_IRData.mat")["ll_T1"][:, :, 0, 0][mask] / 1000
    t1, spent = fitted(brain["ir"], mask, "T1", (brain["ti_ms"] / 1000).astype(float).tolist())
    show("brain, magnitude inversion recovery", "T1", 1.5, t1, spent, classes(t1, scalp=True), stored)
    prepared = np.load(DATA / "puq" / "puq_t2_slice.npz")
    roi = prepared["roi"]
    times = (prepared["te_prep_ms"] / 1000).astype(float).tolist()
    t2, spent = fitted(np.moveaxis(prepared["image"], 0, -1), roi, "T2", times)
    show("slice, T2-prepared", "T2", 3.0, t2, spent, None, prepared["t2_s"][roi])
    folder = DATA / "qmrlab_mooc_t2" / "mono_t2_demo"
    echoes = np.squeeze(nib.load(folder / "mono_t2_data" / "SEdata.nii.gz").get_fdata())
    inside = np.squeeze(nib.load(folder / "mono_t2_data" / "Mask.nii.gz").get_fdata()) > 0
    came = np.squeeze(nib.load(folder / "FitResults" / "T2.nii.gz").get_fdata())[inside] / 1000
    t2, spent = fitted(echoes, inside, "T2", [0.0128 * k for k in range(1, 31)])
    show("slice, 30 echoes", "T2", 3.0, t2, spent, None, came)


if __name__ == "__main__":
    main()
