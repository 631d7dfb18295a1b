"""One picture of everything that ``mriuq simulate`` makes, to be looked at.

    python benchmarks/sheet.py [OUT.png] [--anatomy LABEL-MAPS] [--seed 1]

Simulates every preset of the core by the installed command into a temporary folder, takes middle slices of what was
written, and draws them: ``docs/simulated.png`` was made without options. Needs the extras ``simulate`` and ``figures``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import nibabel as nib
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

from mriuq_cli.data.kspace import read_kspace

MRIUQ = Path(sys.executable).with_name("mriuq")
Tile = tuple[str, np.ndarray]


def simulate(preset: str, out: Path, chosen: argparse.Namespace, *more: str) -> None:
    """Run the command for one case."""
    words = ["simulate", preset, out, "--seed", chosen.seed, *more]
    if chosen.anatomy:
        words += ["--anatomy", chosen.anatomy]
    print("$ mriuq", *words, flush=True)
    subprocess.run([MRIUQ, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def cut(path: Path, axis: int, share: float = 0.5) -> np.ndarray:
    """Return a slice of an image in RAS order, up and to the front upwards."""
    data = np.asarray(nib.as_closest_canonical(nib.load(path)).dataobj, np.float32)
    return np.take(data, int(share * data.shape[axis]), axis).T[::-1]


def exam(out: Path, seed: int) -> list[Tile]:
    """Return a tumour's slice in every image of an exam."""
    folder = out / f"exam-{seed}"
    labels = np.asarray(nib.as_closest_canonical(nib.load(folder / f"exam-{seed}_seg.nii.gz")).dataobj)
    share = np.argmax((labels > 0).sum((0, 1))) / labels.shape[2]
    names = {"t1": "T1", "t1ce": "T1 with agent", "t2": "T2", "flair": "FLAIR", "adc": "ADC", "seg": "labels"}
    return [(f"exam: {text}", cut(folder / f"exam-{seed}_{name}.nii.gz", 2, share)) for name, text in names.items()]


def heads(out: Path, seed: int) -> list[Tile]:
    """Return three cuts of a clean head, its labels, and its corrupted copies."""
    folder = out / f"sub-t1w{seed}" / "anat" / f"sub-t1w{seed}_T1w.nii.gz"
    labels = out / "derivatives" / "simulation" / f"sub-t1w{seed}" / "anat" / f"sub-t1w{seed}_dseg.nii.gz"
    cuts = [(f"t1w: {name}", cut(folder, axis)) for axis, name in enumerate(("sagittal", "coronal", "axial"))]
    return [*cuts, ("t1w: labels", cut(labels, 2))]


def artefacts(out: Path, seeds: range) -> list[Tile]:
    """Return a cut of corrupted copies, named by what was done."""
    import json

    tiles = []
    for seed in seeds:
        folder = out / f"artefact-{seed}"
        facts = json.loads((folder / f"artefact-{seed}.json").read_text())
        name = ", ".join(one["name"] for one in facts["Parameters"]["artefacts"])
        tiles.append((f"artefact: {name}", cut(folder / f"artefact-{seed}_corrupted.nii.gz", 0)))
    return tiles


def sequences(out: Path, seed: int) -> list[Tile]:
    """Return an axial cut of each fast spin echo and of the true maps."""
    folder = out / f"sub-fse{seed}" / "anat"
    known = out / "derivatives" / "simulation" / f"sub-fse{seed}" / "anat"
    tiles = [
        (f"fse: {p.name.split('acq-')[1].split('.')[0]}", cut(p, 2, 0.62)) for p in sorted(folder.glob("*.nii.gz"))
    ]
    return tiles + [
        (f"fse: true {n}", cut(known / f"sub-fse{seed}_{n}map.nii.gz", 2, 0.62)) for n in ("PD", "T1", "T2")
    ]


def kspace(out: Path, seed: int, kind: str) -> list[Tile]:
    """Return one slice's k-space, images of the first and last phase, a coil, a mask and the truth."""
    found = read_kspace(out / f"qmri-{kind}-{seed}" / f"qmri-{kind}-{seed}.h5")
    middle = len(found.data) // 2
    data = found.data[middle]
    images = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(data, (-2, -1)), norm="ortho"), (-2, -1))
    joined = np.abs((images * found.maps[middle].conj()).sum(1))
    truth = np.where(found.truth["brain"][middle], found.truth[kind][middle], 0)
    tiles = {
        "k-space, coil 1": np.log(np.abs(data[0, 0]) + 1e-3),
        "coil 1": np.abs(images[0, 0]),
        f"{found.times[0] * 1000:.0f} ms": joined[0],
        f"{found.times[-1] * 1000:.0f} ms": joined[-1],
        "lines kept, R = 8": np.repeat(found.masks["R8"], 20, 0).T.astype(np.float32).T,
        f"true {kind.upper()}": truth,
    }
    upright = {name: image if "lines" in name else image.T[::-1] for name, image in tiles.items()}
    return [(f"qmri-{kind}: {name}", image) for name, image in upright.items()]


def main() -> None:
    """Simulate, cut, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, default=Path("simulated.png"))
    parser.add_argument("--anatomy")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        out = Path(place)
        for preset in ("exam", "t1w", "fse", "qmri-t2", "qmri-t1"):
            simulate(preset, out / preset, chosen)
        simulate("artefact", out / "artefact", chosen, "--n", "6")
        seed = chosen.seed
        rows = [
            exam(out / "exam", seed),
            heads(out / "t1w", seed),
            artefacts(out / "artefact", range(seed, seed + 6)),
            *(lambda tiles: (tiles[:6], tiles[6:]))(sequences(out / "fse", seed)),
            kspace(out / "qmri-t2", seed, "t2"),
            kspace(out / "qmri-t1", seed, "t1"),
        ]
    figure, axes = plt.subplots(len(rows), 6, figsize=(15, 2.7 * len(rows)), facecolor="black")
    for ax in axes.flat:
        ax.axis("off")
    for row, tiles in zip(axes, rows, strict=True):
        for ax, (name, image) in zip(row, tiles, strict=False):
            top = np.percentile(image[image > 0], 99.5) if (image > 0).any() else 1
            low = np.percentile(image, 1) if "k-space" in name else 0
            ax.imshow(image, cmap="gray", vmin=low, vmax=top)
            ax.set_title(name, color="white", fontsize=8)
    figure.suptitle("Simulated by mriuq: no scans of people", color="white", y=0.998)
    figure.tight_layout(rect=(0, 0, 1, 0.985))
    figure.savefig(chosen.out, dpi=60)
    print(f"picture    {chosen.out}")


if __name__ == "__main__":
    main()
