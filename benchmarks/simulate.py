"""Where simulation spends its time, in one run.

    python benchmarks/simulate.py [--anatomy FOLDER] [--device cuda]

One 1 mm head in four contrasts and ADC (preset `exam`, CPU), and 32 slices x 8 phases x 8 coils of k-space (preset
`qmri-t2`): seconds, and the shares of noise, Fourier transforms, resampling and smoothing. With ``--device cuda`` the
same k-space is measured on CUDA too, and the ratio is printed.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from mriuq_cli.physics import exam, qmri, signal
from mriuq_cli.physics.coils import birdcage_maps
from mriuq_cli.physics.labels import read_label_map

SLICES, COILS = 32, 8
WATCHED = (
    ("noise", signal, "rician"),
    ("noise", qmri, "complex_noise"),
    ("Fourier", qmri, "to_kspace"),
    ("resampling", ndimage, "map_coordinates"),
    ("smoothing", ndimage, "gaussian_filter"),
)


class Shares:
    """Seconds inside some functions while the block runs, waiting for the device after each."""

    def __init__(self, device: str) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.cuda = device.startswith("cuda")
        self.whole = 0.0

    def __enter__(self) -> Shares:
        self.kept = [(module, name, getattr(module, name)) for _, module, name in WATCHED]
        for (share, module, name), (_, _, function) in zip(WATCHED, self.kept, strict=True):
            setattr(module, name, self._timed(share, function))
        self.began = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        self.whole = self._now() - self.began
        for module, name, function in self.kept:
            setattr(module, name, function)

    def _now(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    def _timed(self, share, function):
        def run(*words, **named):
            began = self._now()
            answer = function(*words, **named)
            self.seconds[share] += self._now() - began
            return answer

        return run

    def line(self) -> str:
        """Return seconds and shares in words."""
        parts = [f"{name} {seconds / self.whole:.0%}" for name, seconds in self.seconds.items()]
        rest = 1 - sum(self.seconds.values()) / self.whole
        return f"{self.whole:7.2f} s: " + ", ".join([*parts, f"the rest {rest:.0%}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anatomy", type=Path, help="folder of label maps; the built-in template without")
    parser.add_argument("--device", default="cpu")
    words = parser.parse_args()
    source = read_label_map(sorted(words.anatomy.glob("*.nii*"))[0], None) if words.anatomy else None
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}; shares overlap nowhere")
    with Shares("cpu") as shares:
        exam.simulate_exam(1, source)
    print(f"exam, 1 mm, four contrasts, cpu          {shares.line()}")
    with Shares("cpu") as shares:
        qmri.simulate_qmri(1, "te", source, slices=SLICES, coils=COILS)
    print(f"qmri-t2, {SLICES} slices, head included, cpu  {shares.line()}")
    spent = {"cpu": measured("cpu")}
    if words.device != "cpu" and not torch.cuda.is_available():
        print(f"k-space on {words.device}: not measured: no CUDA device")
    elif words.device != "cpu":
        measured(words.device)  # the first run prepares transforms
        spent[words.device] = measured(words.device)
        print(f"k-space: CPU over {words.device} {spent['cpu'] / spent[words.device]:.1f}")


def measured(device: str) -> float:
    """Measure the k-space of one head's worth of maps on a device; return seconds."""
    rng = np.random.default_rng(0)
    size = (SLICES, qmri.MATRIX, qmri.MATRIX)
    truth = {"pd": rng.random(size, np.float32), "t2": 0.05 + 0.1 * rng.random(size, np.float32)}
    maps = torch.stack([birdcage_maps(size[1:], COILS)] * SLICES).to(device)
    with Shares(device) as shares:
        qmri.measure(truth, "te", maps, 40.0, rng)
    print(f"k-space alone, {device:24}  {shares.line()}")
    return shares.whole


if __name__ == "__main__":
    main()
