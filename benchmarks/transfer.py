"""What a network that has seen only simulated exams does on real ones, beside one that has seen real ones.

    python benchmarks/transfer.py COHORT [--anatomy LABEL-MAPS] [--simulated 12] [--folds 3] [--steps 1000]
                                  [--device cpu] [--threads 2]

COHORT is a folder of BraTS exams, one a subject. A small U-Net learns FLAIR from T1 and T2, all in z units over the
brain, once from simulated exams alone and once a fold from the real exams outside that fold; all else (network, first
weights, size and number of patches, steps, learning rate) is the same. Every real exam is then predicted by the network
of simulated exams and by the one that has not seen its fold. Printed are MAE in z units and PSNR over the brain (range:
99.9th minus 0.1th percentile of the exam), mean and SD over exams, of both and of the best constant, and the gap with
the 95 % interval of Student's *t* over the exams' differences. Nothing is chosen by what it gives on real exams: steps
are fixed and the last weights count. Trainings run side by side, each on one thread. Needs the extras ``simulate`` and
``train``; without COHORT it says so and does nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from scipy import stats
from torch import nn

from mriuq_cli.metrics import image as measure

MRIUQ = Path(sys.executable).with_name("mriuq")
CONTRASTS = ("t1", "t2", "flair")
PATCH, RATE = 48, 3e-3
MULTIPLE = 4
"""Sides of what the network takes, since it halves them twice."""


@dataclass(frozen=True)
class Exam:
    """One exam in the box of its brain: T1, T2, FLAIR ``(3, x, y, z)`` in z units, 0 outside the brain."""

    name: str
    images: np.ndarray
    brain: np.ndarray


def read(folder: Path) -> Exam:
    """Read one exam; the brain is where all three contrasts have something."""
    found = []
    for name in CONTRASTS:
        (path,) = folder.glob(f"*_{name}.nii.gz")
        found.append(np.asarray(nib.load(path).dataobj, np.float32))
    brain = np.logical_and.reduce([image > 0 for image in found])
    box = measure.bounding_box(brain, 2)
    inside = brain[box]
    images = np.stack([np.where(inside, (image[box] - image[brain].mean()) / image[brain].std(), 0) for image in found])
    return Exam(folder.name, images.astype(np.float32), inside)


def read_all(place: Path) -> list[Exam]:
    """Read every exam of a folder."""
    return [read(folder) for folder in sorted(place.iterdir()) if folder.is_dir()]


class UNet(nn.Module):
    """Three scales of two 3 x 3 x 3 convolutions, 8 to 32 channels; batch norm, fixed once trained."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()

        def pair(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv3d(before, after, 3, padding=1), nn.BatchNorm3d(after), nn.LeakyReLU(0.1),
                nn.Conv3d(after, after, 3, padding=1), nn.BatchNorm3d(after), nn.LeakyReLU(0.1),
            )  # fmt: skip

        self.top, self.middle, self.bottom = pair(2, width), pair(width, 2 * width), pair(2 * width, 4 * width)
        self.shrink = nn.AvgPool3d(2)
        self.grow = nn.Upsample(scale_factor=2)
        self.rise, self.last = pair(6 * width, 2 * width), pair(3 * width, width)
        self.out = nn.Conv3d(width, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return FLAIR ``(n, 1, x, y, z)`` from T1 and T2 ``(n, 2, x, y, z)``."""
        fine = self.top(x)
        coarse = self.middle(self.shrink(fine))
        deep = self.bottom(self.shrink(coarse))
        coarse = self.rise(torch.cat([coarse, self.grow(deep)], 1))
        return self.out(self.last(torch.cat([fine, self.grow(coarse)], 1)))


def patch(exam: Exam, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return images and brain of a cube about a random voxel of the brain, left and right swapped half of the time."""
    middle = np.array(np.unravel_index(rng.choice(np.flatnonzero(exam.brain)), exam.brain.shape))
    start = np.clip(middle - PATCH // 2, 0, np.array(exam.brain.shape) - PATCH)
    cube = tuple(slice(s, s + PATCH) for s in start)
    step = -1 if rng.random() < 0.5 else 1
    return exam.images[(slice(None), *cube)][:, ::step].copy(), exam.brain[cube][::step].copy()


def train(net: UNet, exams: list[Exam], steps: int) -> tuple[UNet, float]:
    """Fit a network by MAE over the brain, a patch a step, in bfloat16; return it and the mean of the last losses."""
    rng = np.random.default_rng(0)
    device = next(net.parameters()).device
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    losses = []
    for _ in range(steps):
        images, brain = patch(exams[rng.integers(len(exams))], rng)
        given = torch.from_numpy(images[None]).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            made = net(given[:, :2])[0, 0]
        loss = (made.float() - given[0, 2]).abs()[torch.from_numpy(brain).to(device)].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return net.eval(), float(np.mean(losses[-30:]))


@torch.no_grad()
def predict(net: UNet, exam: Exam) -> np.ndarray:
    """Return the FLAIR of a whole exam, in z units."""
    shape = exam.brain.shape
    fill = [(0, 0)] + [(0, -size % MULTIPLE) for size in shape]
    given = torch.from_numpy(np.pad(exam.images[:2], fill)).to(next(net.parameters()).device)
    made = net(given[None])[0, 0].cpu().numpy()
    return np.asarray(made[tuple(slice(0, size) for size in shape)])


def judge(value: np.ndarray, exam: Exam) -> tuple[float, float]:
    """Return MAE in z units and PSNR in dB over the brain."""
    truth, ours = exam.images[2][exam.brain], value[exam.brain]
    return measure.mae(ours, truth), measure.psnr(ours, truth, measure.peak(truth))


def constant(exam: Exam) -> np.ndarray:
    """Return the image that is the median of the exam's own FLAIR everywhere: of constants the one of least MAE."""
    return np.full(exam.brain.shape, np.median(exam.images[2][exam.brain]), np.float32)


def simulated(n: int, anatomy: str | None) -> list[Exam]:
    """Simulate exams and read them."""
    with tempfile.TemporaryDirectory() as place:
        words = ["simulate", "exam", f"{place}/sim", "--n", n, "--seed", 300]
        words += ["--anatomy", anatomy] if anatomy else []
        subprocess.run([MRIUQ, *map(str, words)], check=True, stdout=subprocess.DEVNULL)
        return read_all(Path(place, "sim"))


def untrained(device: str) -> UNet:
    """Return a network with always the same first weights; channels last is the faster layout on CPUs."""
    torch.manual_seed(0)
    return UNet().to(device, memory_format=torch.channels_last_3d)


def report(rows: dict[str, list[tuple[float, float]]]) -> None:
    """Print means over exams, and the paired gap."""
    print(f"{'learnt from':<20} {'n':>3}  {'MAE (z)':<16} PSNR (dB)")
    for name, figures in rows.items():
        (mae, psnr), (mae_sd, psnr_sd) = np.mean(figures, 0), np.std(figures, 0, ddof=1)
        print(f"{name:<20} {len(figures):>3}  {mae:.3f} +- {mae_sd:.3f}   {psnr:.2f} +- {psnr_sd:.2f}")
    gap = np.array(rows["simulated exams"]) - np.array(rows["real exams"])
    mae, psnr = gap.mean(0)
    mae_half, psnr_half = stats.t.ppf(0.975, len(gap) - 1) * stats.sem(gap)
    print(f"gap, simulated - real: MAE {mae:+.3f} +- {mae_half:.3f} z, PSNR {psnr:+.2f} +- {psnr_half:.2f} dB")
    print(f"the network of simulated exams has the larger MAE on {np.sum(gap[:, 0] > 0)} of {len(gap)} exams")


def main() -> None:
    """Simulate, train on each kind of exam, judge on the real ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", nargs="?", type=Path)
    parser.add_argument("--anatomy", help="label maps of the simulated heads; default: the template")
    parser.add_argument("--simulated", type=int, default=12, help="how many exams to simulate")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="trainings at a time")
    chosen = parser.parse_args()
    if chosen.cohort is None:
        print("not measured: no COHORT of real exams was given")
        return
    began = time.monotonic()
    real = read_all(chosen.cohort)
    if not 2 <= chosen.folds <= len(real):
        parser.error(f"{len(real)} exams cannot be parted into {chosen.folds} folds")
    fold_of = [number % chosen.folds for number in range(len(real))]
    sets = [[exam for exam, own in zip(real, fold_of, strict=True) if own != fold] for fold in range(chosen.folds)]
    sets.append(simulated(chosen.simulated, chosen.anatomy))

    torch.set_num_threads(1)
    with ThreadPoolExecutor(chosen.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        fresh = [untrained(chosen.device) for _ in sets]
        *of_real, of_simulated = pool.map(lambda net, exams: train(net, exams, chosen.steps), fresh, sets)
        rows = {
            "simulated exams": list(pool.map(lambda exam: judge(predict(of_simulated[0], exam), exam), real)),
            "real exams": list(pool.map(lambda exam, own: judge(predict(of_real[own][0], exam), exam), real, fold_of)),
            "nothing (the median)": [judge(constant(exam), exam) for exam in real],
        }
    print(f"{len(sets[-1])} simulated exams (anatomy: {chosen.anatomy or 'template'})")
    learnt = " or ".join(str(n) for n in sorted({len(one) for one in sets[:-1]}))
    print(f"{len(real)} real ones, {learnt} learnt from in each of {chosen.folds} folds")
    print(f"{chosen.steps} steps, {time.monotonic() - began:.0f} s on {chosen.device}")
    print(f"MAE of the last 30 patches learnt from: simulated {of_simulated[1]:.3f}, "
          f"real {', '.join(f'{loss:.3f}' for _, loss in of_real)}")  # fmt: skip
    report(rows)


if __name__ == "__main__":
    main()
