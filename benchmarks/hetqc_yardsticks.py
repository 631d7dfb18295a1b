"""From measured copies of heads to what ships beside hetqc's weights: ``quality.json`` and ``calibration.json``.

Figures of the readings are printed.

    mriuq evaluate hetqc HEADS --weights HALF --protocol artefacts --out held.json
    mriuq evaluate hetqc HEADS --weights ALL --seen --protocol artefacts --out shipped.json
    python benchmarks/hetqc_yardsticks.py --held held.json --shipped shipped.json [--write FOLDER --heads HEADS]

``--held``: heads that the weights in question never saw, a file for each set of weights. ``--shipped``: heads read by
the weights that ship. A linear reading never sees the head that it is tried on, and the stretch of an interval neither.
Ids that begin with ``t1w-`` are simulated heads.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from mriuq_cli.data.layouts import find_cohort
from mriuq_cli.data.reader import read_case
from mriuq_cli.hooks.manager import get_plugin
from mriuq_cli.present.protocol import protocol_tables
from mriuq_cli.uncertainty.conformal import Calibration, Factors, write_calibration
from mriuq_cli.uncertainty.estimate import Descriptor
from mriuq_cli.uncertainty.familiarity import Reference, exact_interval, judge
from mriuq_hetqc.kspace import KSPACE
from mriuq_hetqc.protocols.artefacts import report
from mriuq_hetqc.protocols.intervals import LEVEL, stretch, stretches
from mriuq_hetqc.protocols.statistics import inside
from mriuq_hetqc.quality import LEAST_LOSS, MEANINGS, brain_grounds_of, grounds_of

STANDARD = 1.6449
STRENGTH, RIDGE = 0.3, 30.0
"""Inverse regularisation of what tells names apart, and regularisation of what foretells the loss of overlap."""
EMPHASIS = 3.0
"""How much larger than the network's features those figures count, before regularisation, that k-space shows."""
HEADLINES = ("visual", "algorithmic")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("held", "shipped"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", default=[])
    for name in ("write", "heads"):
        parser.add_argument(f"--{name}", type=Path)
    words = parser.parse_args()
    held = rows_of(words.held)
    for title, wanted in (("real", False), ("simulated", True)):
        rows = [row for row in held if simulated(row) is wanted]
        if rows:
            show(title, rows)
    if words.shipped:
        data, reference = descriptions(held, rows_of(words.shipped))
    if words.shipped and words.write:
        (words.write / "quality.json").write_text(json.dumps(data) + "\n")
        write_calibration(words.write / "calibration.json", calibration(held, reference, words))
        print(f"wrote quality.json and calibration.json into {words.write}")


def rows_of(paths):
    """Return the rows of some files, with headlines by readings of the same weights that never saw the head."""
    found = defaultdict(list)
    for data in (json.loads(path.read_text()) for path in paths):
        found[tuple(one["sha256"] for one in data["weights"])] += [
            row for group in data["groups"] for row in group["rows"]
        ]
    return [row for rows in found.values() for row in with_headlines(rows)]


def simulated(row):
    return row["case"].startswith("t1w-")


def show(title, rows):
    """Print the tables of the protocol, with the reading that the weights do not have yet."""
    from dataclasses import asdict

    from rich.console import Console

    found = report(rows, {})
    group = {"name": f"{title} heads", "rows": rows, "tables": [asdict(table) for table in found.tables]}
    console = Console(width=240)
    for table in protocol_tables({"groups": [group]}):
        console.print(table)


# Linear readings ------------------------------------------------------------------------------------------------------


def fit(rows, names, label):
    """Fit a multinomial logistic reading of some rows; ``label(row)`` is one of ``names``."""
    from sklearn.linear_model import LogisticRegression

    x = np.array([grounds_of(row["features"], row) for row in rows])
    y = np.array([names.index(label(row)) for row in rows])
    mean, sd = x.mean(0), x.std(0) + 1e-6
    sd[-KSPACE:] /= EMPHASIS
    fitted = LogisticRegression(C=STRENGTH, max_iter=5000, class_weight="balanced").fit((x - mean) / sd, y)
    weights, bias = fitted.coef_, fitted.intercept_
    if len(names) == 2:
        weights, bias = np.vstack([-weights, weights]) / 2, np.array([-bias[0], bias[0]]) / 2
    return as_data(names, mean, sd, weights, bias)


def fit_loss(rows):
    """Fit the logarithm of what overlap of tissues a copy has lost, read off the brain."""
    from sklearn.linear_model import Ridge

    x = np.array([brain_grounds_of(row["brain_features"], row) for row in rows])
    y = np.log([row["loss"] + LEAST_LOSS for row in rows])
    mean, sd = x.mean(0), x.std(0) + 1e-6
    fitted = Ridge(alpha=RIDGE).fit((x - mean) / sd, y)
    return as_data(("loss",), mean, sd, fitted.coef_[None], np.array([fitted.intercept_]))


def as_data(names, mean, sd, weights, bias):
    numbers = {"mean": mean, "sd": sd, "weights": weights, "bias": bias}
    return {"names": list(names), **{name: values.round(6).tolist() for name, values in numbers.items()}}


def values(reading, grounds):
    x = (grounds - np.array(reading["mean"])) / np.array(reading["sd"])
    return np.array(reading["weights"]) @ x + np.array(reading["bias"])


def logits(reading, row):
    return values(reading, grounds_of(row["features"], row))


def is_spoilt(row):
    return "clean" if row["artefact"] == "clean" else "spoilt"


def with_headlines(rows):
    """Give each row the headlines by readings that never saw its head."""
    found = []
    for case in dict.fromkeys(row["case"] for row in rows):
        others = [row for row in rows if row["case"] != case]
        reading, loss = fit(others, ("clean", "spoilt"), is_spoilt), fit_loss(others)
        for row in rows:
            if row["case"] == case:
                clean, spoilt = logits(reading, row)
                (lost,) = values(loss, brain_grounds_of(row["brain_features"], row))
                headlines = {"visual": float(spoilt - clean), "algorithmic": float(np.exp(lost)) - LEAST_LOSS}
                found.append({**row, **headlines})
    return found


# What ships -----------------------------------------------------------------------------------------------------------


def descriptions(held, shipped):
    """Print how the readings do on heads left out; return what ``quality.json`` holds, and descriptors of heads."""
    artefacts = tuple(dict.fromkeys(row["artefact"] for row in shipped))
    right = named_right(shipped, artefacts)
    print(f"artefact named right, heads left out one at a time: {right:.1%} of {len(shipped)}")
    readings = {
        "spoilt": fit(shipped, ("clean", "spoilt"), is_spoilt),
        "artefacts": fit(shipped, artefacts, lambda row: row["artefact"]),
        "loss": fit_loss(shipped),
    }
    reference = reference_rows(shipped)
    familiar(shipped, reference)
    scores = {n: yardstick(shipped if n in HEADLINES else held, n) for n in MEANINGS if n in held[0]}
    return {"scores": scores, "readings": readings}, reference


def calibration(held, reference, words):
    """Return how far sigma is stretched, what that holds on real heads left out, and how these look."""
    spoilt = [row for row in held if not simulated(row) and row["artefact"] != "clean"]
    factors, own = stretches(spoilt), stretch(spoilt) / STANDARD
    by_head, by_artefact = defaultdict(list), defaultdict(list)
    for row in spoilt:
        share = inside(row["z"], factors[row["case"]])
        by_head[row["case"]].append(share)
        by_artefact[f"simulated {row['artefact']}"].append(share)
    shares = [np.mean(found) for found in by_head.values()]
    found = Factors(own, own, float(np.mean(shares)), float(np.std(shares, ddof=1)), float(min(shares)),
                    {name: float(np.mean(found)) for name, found in by_artefact.items()})  # fmt: skip
    print(f"stretch {own:.4f}, coverage by head {found.coverage:.3f}, SD {found.sd:.3f}, worst {found.worst:.3f}")
    rows = np.array([[known(v) for v in row.values()] for row in reference], dtype=float)
    weights = {one["sha256"] for path in words.held for one in json.loads(path.read_text())["weights"]}
    return Calibration(
        method="hetqc", weights_sha256=tuple(sorted(weights)), level=LEVEL, rule="plug-in", n=len(by_head),
        subjects=fingerprints(words.heads, by_head), factors={"recovered": {"t1": found}},
        familiarity={"t1": Reference(tuple(reference[0]), rows)},
    )  # fmt: skip


def fingerprints(folder, names):
    """Return the fingerprints of the heads of these names."""
    refs = find_cohort([folder], get_plugin("hetqc").method.inputs, complete=True).refs
    cases = [read_case(ref) for ref in refs if ref.id in names]
    if len(cases) < len(names):
        raise SystemExit(f"{folder} holds {len(cases)} of {len(names)} heads")
    return tuple(tuple(sorted(case.fingerprints.values())) for case in cases)


def known(value):
    return np.nan if value is None else round(float(value), 5)


def yardstick(rows, name):
    """Return clean scores, real heads first, and spoilt ones by artefact."""
    ordered = sorted(rows, key=lambda row: (simulated(row), row["case"]))
    spoilt = defaultdict(list)
    for row in ordered:
        if row["artefact"] != "clean":
            spoilt[row["artefact"]].append(round(row[name], 5))
    clean = [row for row in ordered if row["artefact"] == "clean"]
    return {"clean": [round(row[name], 5) for row in clean], "spoilt": spoilt,
            "simulated": sum(simulated(row) for row in clean)}  # fmt: skip


def named_right(rows, names):
    right = 0
    for case in {row["case"] for row in rows}:
        reading = fit([row for row in rows if row["case"] != case], names, lambda row: row["artefact"])
        mine = [row for row in rows if row["case"] == case]
        right += sum(names[int(logits(reading, row).argmax())] == row["artefact"] for row in mine)
    return right / len(rows)


def reference_rows(heads):
    """Return the descriptors of real heads, clean and moderately spoilt: being spoilt is no reason to be unfamiliar."""
    return [row["kind"] for row in heads if not simulated(row) and row["level"] != "strong"]


def familiar(heads, reference):
    """Print how many heads, left out one at a time, are flagged."""
    names = list(reference[0])
    floors = {d.name: d.floor for d in descriptors_of_nothing()}

    def value(row, name):
        return np.nan if row[name] is None else row[name]

    def flagged(found, rows):
        known = Reference(tuple(names), np.array([[value(row, n) for n in names] for row in rows], dtype=float))
        words = tuple(Descriptor(n, value(found, n), "high", "low", floors[n]) for n in names)
        return not judge(words, known).familiar

    alarms = defaultdict(list)
    for row in heads:
        if not simulated(row):
            rest = reference_rows([other for other in heads if other["case"] != row["case"]])
            alarms[is_spoilt(row)].append(flagged(row["kind"], rest))
    for title, found in alarms.items():
        low, high = exact_interval(sum(found), len(found))
        print(f"real heads flagged, {title}: {sum(found)} of {len(found)} (95 % interval {low:.1%} to {high:.1%})")


def descriptors_of_nothing():
    """Return the descriptors of an empty image: for their names and floors."""
    import torch

    from mriuq_hetqc.infer import Reading
    from mriuq_hetqc.kind import describe

    empty = torch.zeros(4, 4, 4)
    nothing = Reading(image=empty, residual=empty, sigma=empty, head=empty > 0, classes=empty.long(), sigma_task=empty,
                      kspace={}, features=torch.zeros(1), brain_features=torch.zeros(1))  # fmt: skip
    return describe(nothing, 0.0)


if __name__ == "__main__":
    main()
