"""Judging one 1 mm whole head on the CPU, process start included, over the bare pass of hetqc's network.

    python benchmarks/qc.py [SCAN.nii.gz] [--rounds 5]

Without a scan a simulated head is judged (extra ``simulate``).
The numerator is a fresh process of ``mriuq qc SCAN --json``; a second row is that of hetqc alone, without the classical
measures (a process that imports, reads and judges through the same function). The denominator is the eager forward
pass of the network that ships on the padded scan as torch builds it, in a process that has imported everything; beside
it the ratio to the same pass in the layout in which mriuq runs it (channels last). Rounds interleave; medians of the
ratios are printed with their range, and the largest peak memory.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

MRIUQ = str(Path(sys.executable).with_name("mriuq"))
ALONE = """
import sys
import torch
from pathlib import Path
from mriuq_cli.data.nifti import read_volume
from mriuq_cli.data.case import Case
from mriuq_cli.hooks.context import Context
from mriuq_hetqc.judge import judge
torch.set_num_threads(int(sys.argv[2]))
volume = read_volume(Path(sys.argv[1]))
judge(Case("scan", volume.geometry, {"scan": volume}), {}, Context())
"""


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    if chosen.scan:
        measure(chosen.scan, chosen.rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([MRIUQ, "simulate", "t1w", folder, "--seed", "1"], check=True, stdout=subprocess.DEVNULL)
        measure(next(Path(folder).rglob("*_T1w.nii.gz")), chosen.rounds)


def measure(scan: Path, rounds: int) -> None:
    """Measure on one scan and print."""
    from mriuq_cli.data.nifti import read_volume
    from mriuq_cli.inference.shipped import shipped_model
    from mriuq_hetqc.marks import MARKS
    from mriuq_hetqc.scan import prepare

    model, _ = shipped_model("hetqc")
    marks = torch.zeros(1, MARKS)
    quick = copy.deepcopy(model).to(memory_format=torch.channels_last_3d)
    volume = read_volume(scan)
    batch = prepare(volume.data, volume.geometry).padded(int(model.multiple))
    threads = str(torch.get_num_threads())
    commands = {
        "mriuq qc, every judge": [MRIUQ, "qc", str(scan), "--json"],
        "hetqc alone": [sys.executable, "-c", ALONE, str(scan), threads],
    }
    ratios: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    peaks: dict[str, float] = {}
    bare(model, batch, marks), bare(quick, batch, marks)
    for _ in range(rounds):
        for name, command in commands.items():
            spent, peak = timed(command)
            peaks[name] = max(peak, peaks.get(name, 0.0))
            ratios[name].append((spent, bare(model, batch, marks), bare(quick, batch, marks)))
    print(f"{'x'.join(map(str, batch.shape[2:]))} voxels, {threads} threads")
    for name, times in ratios.items():
        found = [a / b for a, b, _ in times]
        ours, theirs, _ = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:24} {ours:6.2f} s / {theirs:6.2f} s = {statistics.median(found):.2f} "
              f"[{min(found):.2f}..{max(found):.2f}], over the pass in channels-last "
              f"{statistics.median(a / c for a, _, c in times):.2f}; peak {peaks[name]:.2f} GiB")  # fmt: skip


def timed(command: list[str]) -> tuple[float, float]:
    """Return the seconds of a process and its peak memory in GiB."""
    watch = "import json, resource, subprocess, sys, time; t = time.perf_counter(); " \
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); " \
            "print(json.dumps([time.perf_counter() - t, " \
            "resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20]))"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", watch, *command], check=True, capture_output=True, text=True)
    spent, peak = json.loads(done.stdout)
    return spent, peak


def bare(model, batch, marks) -> float:
    """Return the seconds of one forward pass."""
    start = time.perf_counter()
    with torch.inference_mode():
        model(batch, marks)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
