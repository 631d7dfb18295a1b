"""How the simulated exam's tissue contrasts compare with those of real exams.

    python benchmarks/realism.py COHORT [--anatomy LABEL-MAPS] [--n 4] [--seed 100]

COHORT is a folder of BraTS exams. Every exam, real or simulated, is parted by the same rule: outside the tumour and
8 mm around it, k-means of three classes on the standard scores of T1, T2 and FLAIR, voxels at the border of classes
left out; fluid is the class that is darkest on FLAIR minus T2, white matter the brighter on T1 of the other two.
Printed are the ratios of class medians, grey to white matter and fluid to white matter, for each contrast: mean over
exams, and the difference of simulated to real. Tissue values and protocols are those of the simulator as it stands;
nothing is fitted here. Needs the extras ``simulate`` and ``train``; without COHORT it says so and does nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

MRIUQ = Path(sys.executable).with_name("mriuq")
CONTRASTS = ("t1", "t2", "flair")


def load(folder: Path, ending: str) -> np.ndarray:
    """Return one image of an exam."""
    (path,) = folder.glob(f"*_{ending}.nii.gz")
    return np.asarray(nib.load(path).dataobj, np.float32)


def ratios(folder: Path) -> dict[str, tuple[float, float]]:
    """Return grey over white and fluid over white matter for each contrast of one exam."""
    from sklearn.cluster import KMeans

    images = {name: load(folder, name) for name in CONTRASTS}
    brain = np.logical_and.reduce([image > 0 for image in images.values()])
    healthy = ndimage.binary_erosion(brain, iterations=2)
    healthy &= ~ndimage.binary_dilation(load(folder, "seg") > 0, iterations=8)
    values = np.stack([images[name][healthy] for name in CONTRASTS], axis=1)
    low, high = np.percentile(values, (1, 99), axis=0)
    scores = (np.clip(values, low, high) - values.mean(0)) / values.std(0)
    found = KMeans(3, n_init=3, random_state=0).fit(scores[::7]).predict(scores)
    t1, t2, flair = (np.array([np.median(scores[found == k, c]) for k in range(3)]) for c in range(3))
    fluid = int(np.argmax(t2 - flair))
    rest = sorted((k for k in range(3) if k != fluid), key=lambda k: t1[k])
    labels = np.zeros(brain.shape, np.uint8)
    labels[healthy] = found + 1
    same = (ndimage.minimum_filter(labels, 3) == ndimage.maximum_filter(labels, 3))[healthy]
    medians = {
        kind: [float(np.median(values[same & (found == k), c])) for c in range(3)]
        for kind, k in {"fluid": fluid, "grey": rest[0], "white": rest[1]}.items()
    }
    return {
        name: (medians["grey"][c] / medians["white"][c], medians["fluid"][c] / medians["white"][c])
        for c, name in enumerate(CONTRASTS)
    }


def main() -> None:
    """Part real and simulated exams and print their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", nargs="?", type=Path)
    parser.add_argument("--anatomy")
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--seed", type=int, default=100, help="of the first simulated exam")
    chosen = parser.parse_args()
    if chosen.cohort is None:
        print("not measured: no COHORT of real exams was given")
        return
    real = [ratios(folder) for folder in sorted(chosen.cohort.iterdir()) if folder.is_dir()]
    with tempfile.TemporaryDirectory() as place:
        words = ["simulate", "exam", f"{place}/sim", "--n", chosen.n, "--seed", chosen.seed]
        words += ["--anatomy", chosen.anatomy] if chosen.anatomy else []
        subprocess.run([MRIUQ, *map(str, words)], check=True, stdout=subprocess.DEVNULL)
        made = [ratios(folder) for folder in sorted(Path(place, "sim").iterdir())]
    anatomy = chosen.anatomy or "template"
    print(f"{len(real)} real and {len(made)} simulated exams from seed {chosen.seed} (anatomy: {anatomy})")
    print(f"{'contrast':<9} {'ratio':<12} {'real, mean and SD':<19} {'simulated':<15} difference")
    for name in CONTRASTS:
        for part, text in enumerate(("grey/white", "fluid/white")):
            ours, theirs = (np.array([one[name][part] for one in exams]) for exams in (made, real))
            print(
                f"{name:<9} {text:<12} {theirs.mean():.3f} +- {theirs.std():.3f}     "
                f"{ours.mean():.3f} +- {ours.std():.3f}  {ours.mean() / theirs.mean() - 1:+.0%}"
            )


if __name__ == "__main__":
    main()
