"""What large pages are worth: verbs with them, as they run, over the same verbs without, in fresh processes.

    python benchmarks/pages.py [--rounds 5]

On one simulated head: ``mriuq qc``, and ``mriuq train hetqc`` for some steps in bfloat16. Each pair runs one after the
other, in turn the one and the other first. Printed: the median of the ratios with their range, and peak memory of both.
Needs the extras ``train`` and ``simulate``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from qc import MRIUQ, timed

SWITCH = "THP_MEM_ALLOC_ENABLE"
RECIPE = """
method: hetqc
preset: small
model: {reuse: 10, slots: 1}
train: {steps: 20, batch: 2, precision: bfloat16}
"""


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        heads, recipe = Path(folder) / "heads", Path(folder) / "recipe.yaml"
        recipe.write_text(RECIPE)
        subprocess.run([MRIUQ, "simulate", "t1w", str(heads), "--format", "brats"], check=True, capture_output=True)
        scan = next(heads.rglob("*_t1.nii.gz"))
        train = [MRIUQ, "train", "hetqc", str(recipe), "--data", str(heads), "--out"]
        compare("mriuq qc", lambda _: [MRIUQ, "qc", str(scan), "--json"], rounds)
        compare("mriuq train hetqc, 20 steps", lambda name: [*train, str(Path(folder) / name)], rounds)


def compare(title, command, rounds: int) -> None:
    """Run a command with large pages and without, and print; ``command`` gets a name that is new each time."""
    runs: dict[str, list[tuple[float, float]]] = {"1": [], "0": []}
    for number in range(rounds):
        for switch in ("1", "0") if number % 2 else ("0", "1"):
            os.environ[SWITCH] = switch
            runs[switch].append(timed(command(f"{switch}-{number}")))
    ratios = [ours[0] / plain[0] for ours, plain in zip(runs["1"], runs["0"], strict=True)]
    (ours, held), (plain, held_else) = (map(statistics.median, zip(*found, strict=True)) for found in runs.values())
    print(f"{title:28} {ours:6.2f} s / {plain:6.2f} s = {statistics.median(ratios):.2f} "
          f"[{min(ratios):.2f}..{max(ratios):.2f}]; peak {held:.2f} and {held_else:.2f} GiB", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
