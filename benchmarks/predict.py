"""Predicting one 240 x 240 x 155 exam on the CPU, process start and written images included, over bare networks.

    python benchmarks/predict.py [--exam FOUR_D.nii.gz] [--rounds 5] [--no-window]

The numerator is a fresh process of ``mriuq predict qrunet EXAM --missing flair`` (estimate, lower, upper, width,
sidecar, receipt). The denominators are eager forward passes on the full array padded to 240 x 240 x 160, in a process
that has imported everything: (a) preset ``paper`` over MONAI's UNet (4, 8, 16); (b) the shipped weights over their own
network, features included; (c) the shipped weights over MONAI's UNet. Rounds interleave; medians of the ratios are
printed with their range. At the end, once: MONAI's usual pipeline with the published network, that is its loader, its
normalisation and SlidingWindowInferer (64 cubed, overlap 0.5, Gaussian). Needs the extras ``train`` and ``simulate``.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

PADDED = (240, 240, 160)
MRIUQ = str(Path(sys.executable).with_name("mriuq"))
GIB = 2**30


def end_to_end(exam: Path, weights: str, *more: str) -> tuple[float, float]:
    """Run the command in a fresh process; return its wall time and its peak memory in GiB."""
    with tempfile.TemporaryDirectory() as out:
        command = [MRIUQ, "predict", "qrunet", str(exam), "--missing", "flair", "--weights", weights, "--out", out]
        start = time.perf_counter()
        subprocess.run([*command, *more], check=True, capture_output=True)
        spent = time.perf_counter() - start
        receipt = json.loads(next(Path(out).glob("*_flair.receipt.json")).read_text())
        return spent, receipt["PeakMemoryBytes"] / GIB


def shares(exam: Path, weights: str) -> dict[str, float]:
    """Return where the seconds of one run went, from its receipt."""
    with tempfile.TemporaryDirectory() as out:
        command = [MRIUQ, "predict", "qrunet", str(exam), "--missing", "flair", "--weights", weights, "--out", out]
        subprocess.run(command, check=True, capture_output=True)
        return dict(json.loads(next(Path(out).glob("*_flair.receipt.json")).read_text())["Seconds"])


def monai_unet() -> Callable[[], object]:
    """Return the bare pass of MONAI's UNet (4, 8, 16) on the padded array."""
    from monai.networks.nets import UNet

    network = UNet(3, 4, 12, (4, 8, 16), (2, 2), num_res_units=2).eval()
    image = torch.randn(1, 4, *PADDED)
    return lambda: network(image)


def own_network(weights: Path) -> Callable[[], object]:
    """Return the bare pass of the shipped network on the padded array, its features included."""
    from safetensors.torch import load_file

    from mriuq_qrunet import features
    from mriuq_qrunet.inputs import Scene, context, rows
    from mriuq_qrunet.model import build
    from mriuq_qrunet.network import fold

    network = build(json.loads((weights / "weights.json").read_text())["config"]).eval()
    network.load_state_dict(load_file(weights / "weights.safetensors"))
    z, everywhere = torch.randn(4, *PADDED), torch.ones(4, *PADDED, dtype=torch.bool)
    given, corner = torch.tensor([0.0, 1.0, 1.0, 1.0]), (0, 0, 0)

    def run() -> object:
        scene = Scene.of(z, everywhere, everywhere[0])
        smooth = features.fine(z, everywhere)
        place = scene.place.grid(corner, PADDED, 1)
        values = rows(z, smooth, given, place, torch.arange(everywhere[0].numel()))
        return network(fold(z[None]), context(scene, given, corner, PADDED)[None], values, everywhere[:1])

    return run


def importing() -> float:
    """Return the seconds that a fresh process needs to import torch: the floor of the numerator."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - start


def usual_pipeline(exam: Path) -> Callable[[], object]:
    """Return MONAI's loader, normalisation and sliding window with the same published network."""
    from monai.inferers import SlidingWindowInferer
    from monai.networks.nets import UNet
    from monai.transforms import Compose, EnsureChannelFirst, LoadImage, NormalizeIntensity, Orientation, SaveImage

    network = UNet(3, 4, 12, (4, 8, 16), (2, 2), num_res_units=2).eval()
    prepare = Compose([LoadImage(image_only=True), EnsureChannelFirst(), Orientation("RAS"),
                       NormalizeIntensity(nonzero=True, channel_wise=True)])  # fmt: skip
    window = SlidingWindowInferer((64, 64, 64), sw_batch_size=4, overlap=0.5, mode="gaussian")

    def run() -> object:
        with tempfile.TemporaryDirectory() as out:
            found = window(prepare(str(exam))[None], network)[0]
            return SaveImage(out, print_log=False)(found[[0, 4, 8]])

    return run


def timed(run: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    with torch.inference_mode():
        run()
    return time.perf_counter() - start


def show(name: str, pairs: list[tuple[float, float]]) -> None:
    """Print the ratio of paired times: median and range."""
    ratios = [a / b for a, b in pairs]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    low, high = min(ratios), max(ratios)
    print(f"{name:58} {ours:6.2f} s / {theirs:6.2f} s = {statistics.median(ratios):.2f} [{low:.2f}..{high:.2f}]")


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exam", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-window", dest="window", action="store_false", help="leave out MONAI's usual pipeline")
    chosen = parser.parse_args()
    import mriuq_qrunet

    shipped = Path(mriuq_qrunet.__file__).parent / "weights"
    with tempfile.TemporaryDirectory() as folder:
        exam = chosen.exam
        if exam is None:
            subprocess.run([MRIUQ, "simulate", "exam", folder, "--seed", "3", "--format", "4d"], check=True)
            exam = Path(folder) / "exam-3.nii.gz"
        monai, own = monai_unet(), own_network(shipped / "impute")
        timed(monai), timed(own)
        paper_ships = (shipped / "paper").exists()
        rows: dict[str, list[tuple[float, float]]] = {"a": [], "b": [], "c": [], "i": [], "o": []}
        peaks = []
        for _ in range(chosen.rounds):
            paper = end_to_end(exam, "paper")[0] if paper_ships else float("nan")
            bare = timed(monai)
            small, peak = end_to_end(exam, "impute")
            mine = timed(own)
            outliers, _ = end_to_end(exam, "impute", "--outliers")
            peaks.append(peak)
            for name, pair in zip(
                "abcio",
                ((paper, bare), (small, mine), (small, bare), (importing(), bare), (outliers, small)),
                strict=True,
            ):
                rows[name].append(pair)
        if paper_ships:
            show("(a) preset paper, end to end / MONAI UNet, bare", rows["a"])
        else:
            print("(a) preset paper: not measured, no weights of it ship yet")
        show("(b) shipped weights, end to end / own network, bare", rows["b"])
        show("(c) shipped weights, end to end / MONAI UNet, bare", rows["c"])
        show("import torch in a fresh process / MONAI UNet, bare", rows["i"])
        show("with --outliers / without", rows["o"])
        stake = 4 * 4 * 240 * 240 * 155 * 2 / GIB
        print(f"peak memory {statistics.median(peaks):.2f} GiB, {statistics.median(peaks) / stake:.1f} times the "
              f"{stake:.2f} GiB of four inputs and four outputs")  # fmt: skip
        for name in ("paper", "impute") if paper_ships else ("impute",):
            print(f"seconds, {name}: " + "  ".join(f"{k} {v:.2f}" for k, v in shares(exam, name).items()))
        if chosen.window and paper_ships:
            show(
                "(a) preset paper, end to end / MONAI's usual pipeline",
                [(rows["a"][-1][0], timed(usual_pipeline(exam)))],
            )
    print(f"{torch.get_num_threads()} threads; peak memory of this process "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")  # fmt: skip


if __name__ == "__main__":
    main()
