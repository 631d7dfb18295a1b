"""How long the command line takes to answer, over a bare Typer application with one command.

    python benchmarks/startup.py [--rounds 15]

Prints the median over rounds of (ours / bare), each pair run one after the other, and the heavy modules that were
imported (there should be none).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import typer
app = typer.Typer()
@app.command()
def hello(name: str = "you", times: int = 1) -> None:
    \"\"\"Say hello.\"\"\"
app()
"""
COMMANDS = (["--help"], ["--version"], ["predict", "qrunet", "--help"])
HEAVY = ("torch", "numpy", "nibabel", "monai", "scipy")


def seconds(command: list[str]) -> float:
    """Run a command and return its wall time."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def imported(command: list[str]) -> list[str]:
    """Return which heavy packages a command imports."""
    found = subprocess.run([sys.executable, "-X", "importtime", *command], capture_output=True, text=True, check=True)
    names = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in found.stderr.splitlines() if "|" in line}
    return sorted(names.intersection(HEAVY))


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        for words in COMMANDS:
            ours = ["-m", "mriuq_cli", *words]
            pairs = [
                (seconds([sys.executable, *ours]), seconds([sys.executable, str(bare), "--help"]))
                for _ in range(rounds)
            ]
            ratio = statistics.median(a / b for a, b in pairs)
            mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
            heavy = ", ".join(imported(ours)) or "none"
            print(
                f"mriuq {' '.join(words):24} {mine:.3f} s / bare {theirs:.3f} s = {ratio:.2f}   heavy imports: {heavy}"
            )


if __name__ == "__main__":
    main()
