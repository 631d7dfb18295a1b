"""What augmentation does to an exam of another source: two short trainings that differ in nothing else.

    python benchmarks/augmentation.py COHORT OTHER [--steps 3000] [--fold 0] [--folds 3] [--out runs/augmentation]

Trains qrunet's recipe ``impute`` twice on the exams of COHORT outside a fold, with its augmentation (each contrast
apart: gain, shift, gamma, bias field, smoothing) and with none but the mirror, both by one thread and side by side;
then each contrast is predicted from the other three on the exams of the fold and on those of OTHER, another centre's
or scanner's. Printed are MAE in z units and the coverage of the 90 % intervals: those of the fold calibrated by one
another, those of OTHER by the fold. Interrupted, it goes on where it was when it is started again. Needs the extra
``train``; without COHORT and OTHER it says so and does nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

MRIUQ = str(Path(sys.executable).with_name("mriuq"))
KINDS = {"with augmentation": None, "without": 0.0}


def recipe(strength: float | None) -> dict[str, Any]:
    """Return the shipped recipe, its augmentation set to a strength if one is given."""
    import mriuq_qrunet

    shipped = Path(mriuq_qrunet.__file__).parent / "recipes" / "impute.yaml"
    found: dict[str, Any] = yaml.safe_load(shipped.read_text())
    return found if strength is None else found | {"model": {"augment": strength}}


def start(folder: Path, strength: float | None, chosen: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Begin one training, or go on with it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wanted.yaml").write_text(yaml.safe_dump(recipe(strength)))
    words = ["train", "qrunet", folder / "wanted.yaml", "--data", chosen.cohort, "--out", folder / "run", "--resume",
             "--fold", chosen.fold, "--folds", chosen.folds, "--steps", chosen.steps, "--threads", 1]  # fmt: skip
    return subprocess.Popen([MRIUQ, *map(str, words)], stdout=subprocess.DEVNULL)


def judge(exams: Path, weights: Path, *more: Path | str) -> list[dict[str, Any]]:
    """Return one row a contrast, on the exams of a folder that these weights have not seen."""
    words = ["evaluate", "qrunet", exams, "--weights", weights, "--no-baselines", "--json", *more]
    done = subprocess.run([MRIUQ, *map(str, words)], check=True, capture_output=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout)["groups"][0]["rows"]
    return rows


def show(words: str, name: str, rows: list[dict[str, Any]]) -> None:
    """Print one line a contrast."""
    for row in rows:
        mae, coverage = (row["figures"][key]["mean"] for key in ("mae", "coverage"))
        print(f"{words:<28} {name:<18} {row['target']:<9} {row['n']:>2} {mae:6.3f} {coverage:9.3f}")


def main() -> None:
    """Train twice, judge on both kinds of exam, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path, nargs="?")
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/augmentation"))
    chosen = parser.parse_args()
    if chosen.other is None:
        print("not measured: name a folder of exams to learn from and one of another source")
        return
    folders = {name: chosen.out / name.replace(" ", "-") for name in KINDS}
    running = [start(folders[name], strength, chosen) for name, strength in KINDS.items()]
    if [training for training in running if training.wait()]:
        sys.exit("a training failed")
    print(f"{'exams':<28} {'training':<18} {'contrast':<9} {'n':>2} {'MAE':>6} {'coverage':>9}")
    for name, folder in folders.items():
        weights, calibration = folder / "run" / "weights", folder / "calibration.json"
        words = ["calibrate", "qrunet", chosen.cohort, "--weights", weights, "--one-missing", "--overwrite"]
        subprocess.run([MRIUQ, *map(str, words), "--out", str(calibration)], check=True, capture_output=True)
        show(f"fold {chosen.fold}, not learnt from", name, judge(chosen.cohort, weights))
        show(chosen.other.name, name, judge(chosen.other, weights, "--calibration", calibration))


if __name__ == "__main__":
    main()
