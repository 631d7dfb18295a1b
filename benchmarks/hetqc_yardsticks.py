"""From measured copies of heads to what ships beside hetqc's weights: ``quality.json`` and ``calibration.json``.

    mriuq evaluate hetqc HEADS --weights BARE --protocol artefacts --out rows.json
    mriuq evaluate hetqc HEADS --weights BARE --protocol noise --levels 9 --out noise.json
    python benchmarks/hetqc_yardsticks.py rows.json noise.json ... [--write WEIGHTS --heads HEADS]

The heads are real ones that the weights never saw; BARE are the weights without either file. Sigma is fitted to rows of
both protocols, all else to those of the first. Tables are printed: there, no reading and no stretch has seen the head
that it is tried on.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from mriuq_cli.api import ause, spearman
from mriuq_cli.data.layouts import find_cohort
from mriuq_cli.data.reader import read_case
from mriuq_cli.hooks.manager import get_plugin
from mriuq_cli.present.protocol import protocol_tables
from mriuq_cli.uncertainty.conformal import Calibration, Factors, write_calibration
from mriuq_cli.uncertainty.estimate import Descriptor
from mriuq_cli.uncertainty.familiarity import Reference, exact_interval, judge
from mriuq_hetqc.predict import STANDARD
from mriuq_hetqc.protocols.artefacts import report
from mriuq_hetqc.protocols.intervals import LEVEL, OF_SIGMA, held, stretch, stretches
from mriuq_hetqc.protocols.noise import RIGHT
from mriuq_hetqc.quality import CLEAN, LEAST_LOSS, MEANINGS, TRACES, brain_grounds_of, grounds_of, sigma_grounds_of
from mriuq_hetqc.yardsticks import SIGMA_TERMS, LinearReading, Yardsticks, sigma_terms

STRENGTH, RIDGE = 0.03, 3.0
"""Inverse regularisation of what tells names apart, and regularisation of what foretells loss of overlap."""
FIRST, SIGMA_RIDGE = (-3.0, 1.0, 0.0, 0.0, 0.0, 0.0), 0.005
"""Weights of the terms of sigma before anything is seen (the network's sigma), and regularisation of what is read."""
AROUND = 0.1
"""How much the whole image counts beside the brain when sigma is fitted."""
EMPHASIS = 10.0
"""How much larger than the network's features those figures count, before regularisation, that k-space shows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+")
    for name in ("write", "heads"):
        parser.add_argument(f"--{name}", type=Path)
    words = parser.parse_args()
    sha256, rows, series = rows_of(words.rows)
    rows, series = (with_readings(some, rows) for some in (rows, series))
    data, reference = descriptions(rows, series)
    told = with_sigmas(rows + series)
    rows, series = told[: len(rows)], told[len(rows) :]
    show(rows)
    show_sizes(series)
    if words.write:
        (words.write / "quality.json").write_text(json.dumps(data) + "\n")
        write_calibration(words.write / "calibration.json", calibration(rows, reference, sha256, words.heads))
        print(f"wrote quality.json and calibration.json into {words.write}")


def rows_of(paths):
    """Return the hash of the weights that measured, the rows of copies, and those of levels of noise."""
    reports = [json.loads(path.read_text()) for path in paths]
    (sha256,) = {one["sha256"] for report in reports for one in report["weights"]}
    rows = [row for report in reports for group in report["groups"] for row in group["rows"]]
    series = [{**row, "artefact": "noise", "level": f"{row['decibel']:g} dB"} for row in rows if "decibel" in row]
    return sha256, [row for row in rows if "decibel" not in row], series


def show(rows):
    """Print the tables of the protocol, with the readings that the weights do not have yet."""
    from dataclasses import asdict

    from rich.console import Console

    group = {"name": "unseen", "rows": rows, "tables": [asdict(table) for table in report(rows, {}).tables]}
    console = Console(width=240)
    for table in protocol_tables({"groups": [group]}):
        console.print(table)


def show_sizes(series):
    """Print at how many levels of noise sigma has the right size."""
    ratios = defaultdict(list)
    for row in series:
        ratios[row["case"]].append(np.sqrt(np.mean(np.square(row["sample"]["size"]))) / row["rms_sigma"])
    for case, found in ratios.items():
        right = sum(RIGHT[0] <= ratio <= RIGHT[1] for ratio in found)
        print(f"{case}: sigma of the right size at {right} of {len(found)} levels of noise, "
              f"RMSE over it {min(found):.2f} to {max(found):.2f}")  # fmt: skip


# Linear readings ------------------------------------------------------------------------------------------------------


def fit(rows):
    """Fit what tells artefacts and clean scans apart."""
    from sklearn.linear_model import LogisticRegression

    names = tuple(dict.fromkeys(row["artefact"] for row in rows))
    x = np.array([grounds_of(row["features"], row) for row in rows])
    y = np.array([names.index(row["artefact"]) for row in rows])
    mean, sd = x.mean(0), x.std(0) + 1e-6
    sd[-len(TRACES) :] /= EMPHASIS
    fitted = LogisticRegression(C=STRENGTH, max_iter=5000, class_weight="balanced").fit((x - mean) / sd, y)
    return as_data(names, mean, sd, fitted.coef_, fitted.intercept_)


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


def read(data):
    """Return a reading as the plugin does."""
    return LinearReading(tuple(data["names"]), *(np.array(data[n]) for n in ("mean", "sd", "weights", "bias")))


def with_readings(rows, copies):
    """Give each row headlines and what it looks like, by readings of copies that never saw its head."""
    found = []
    for case, others in left_out(copies):
        artefacts, loss = read(fit(others)), read(fit_loss(others))
        for row in (row for row in rows if row["case"] == case):
            grounds = grounds_of(row["features"], row)
            (lost,) = loss.logits(brain_grounds_of(row["brain_features"], row))
            found.append({**row, "visual": artefacts.odds_against(grounds, CLEAN), "shares": artefacts.shares(grounds),
                          "algorithmic": float(np.exp(lost)) - LEAST_LOSS})  # fmt: skip
    return found


def left_out(rows):
    for case in dict.fromkeys(row["case"] for row in rows):
        yield case, [row for row in rows if row["case"] != case]


def fit_sigma(rows):
    """Fit how much each term weighs in the sigma that users are told.

    The likelihood of errors is maximised, taken to be normal with these sigma; every copy counts alike.
    """
    import torch

    spoilt = [row for row in rows if row["artefact"] != CLEAN]
    x = np.array([sigma_grounds_of(row["shares"], row) for row in spoilt])
    mean, sd = x.mean(0), x.std(0) + 1e-6
    grounds = torch.tensor((x - mean) / sd).float()
    regions = {"sample": 1.0, "around": AROUND}
    seen = [(share, *terms_of(spoilt, region)) for region, share in regions.items()]
    weights = torch.zeros(len(SIGMA_TERMS), x.shape[1], requires_grad=True)
    bias = torch.tensor(FIRST, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=80, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        found = SIGMA_RIDGE * weights.square().sum()
        for share, terms, size, filled in seen:
            told = torch.einsum("nvt,nt->nv", terms, grounds @ weights.T + bias)
            found = found + share * (filled * (told + 0.5 * (size * (-told).exp()).square())).mean()
        found.backward()
        return found

    optimiser.step(loss)
    return as_data(SIGMA_TERMS, mean, sd, *(t.detach().double().numpy() for t in (weights, bias)))


def terms_of(rows, region):
    """Return the terms of sigma, ``(n, v, t)``, size of errors, and what is not empty, in half of the voxels kept."""
    import torch

    image, *others, size = (torch.tensor([row[region][name][::2] for row in rows]) for name in (*OF_SIGMA, "size"))
    return torch.stack(list(sigma_terms(image, *others)), -1), size, (image > 0).float()


def with_sigmas(rows):
    """Give each spoilt row the sigma that users would be told, had its head not been seen."""
    known = {case: Yardsticks({}, {"sigma": read(fit_sigma(others))}) for case, others in left_out(rows)}
    return [row if row["artefact"] == CLEAN else with_sigma(row, known[row["case"]]) for row in rows]


def with_sigma(row, known):
    """Return a row as it would be with the sigma that users are told."""
    import torch

    grounds, found = sigma_grounds_of(row["shares"], row), {}
    for name in ("sample", "around"):
        parts = [torch.tensor(row[name][key], dtype=torch.float64) for key in OF_SIGMA]
        found[name] = {**row[name], "sigma": known.told(*parts, grounds).tolist()}
    size, told = (np.array(found["sample"][key]) for key in ("size", "sigma"))
    error, sigma, head = (np.array(found["around"][key]) for key in ("size", "sigma", "head"))
    inside = head > 0
    return {**row, **found, "rms_sigma": float(np.sqrt(np.mean(told**2))), "ence": np.nan,
            "spearman": spearman(size, told), "ause": ause(size, told), "spearman_field": spearman(error, sigma),
            "spearman_head": spearman(error[inside], sigma[inside])}  # fmt: skip


# What ships -----------------------------------------------------------------------------------------------------------


def descriptions(rows, series):
    """Print how the readings do on heads left out; return what ``quality.json`` holds, and descriptors of heads."""
    right = sum(max(row["shares"], key=row["shares"].get) == row["artefact"] for row in rows)
    print(f"artefact named right, heads left out one at a time: {right / len(rows):.1%} of {len(rows)}")
    reference = reference_rows(rows)
    familiar(rows, reference)
    scores = {name: yardstick(rows, name) for name in MEANINGS if name in rows[0]}
    readings = {"artefacts": fit(rows), "loss": fit_loss(rows), "sigma": fit_sigma(rows + series)}
    return {"scores": scores, "readings": readings}, reference


def calibration(rows, reference, sha256, folder):
    """Return how far sigma is stretched, what that holds on real heads left out, and how these look."""
    spoilt = [row for row in rows if row["artefact"] != CLEAN]
    factors, own = stretches(spoilt), stretch(spoilt) / STANDARD
    by_head, by_artefact = defaultdict(list), defaultdict(list)
    for row in spoilt:
        share = held(row, factors[row["case"]])
        by_head[row["case"]].append(share)
        by_artefact[f"simulated {row['artefact']}"].append(share)
    shares = [np.mean(found) for found in by_head.values()]
    found = Factors(own, own, float(np.mean(shares)), float(np.std(shares, ddof=1)), float(min(shares)),
                    {name: float(np.mean(found)) for name, found in by_artefact.items()})  # fmt: skip
    print(f"stretch {own:.4f}, coverage by head {found.coverage:.3f}, SD {found.sd:.3f}, worst {found.worst:.3f}")
    looks = np.array([[known(v) for v in row.values()] for row in reference], dtype=float)
    return Calibration(
        method="hetqc", weights_sha256=(sha256,), level=LEVEL, rule="plug-in", n=len(by_head),
        subjects=fingerprints(folder, by_head), factors={"recovered": {"t1": found}},
        familiarity={"t1": Reference(tuple(reference[0]), looks)},
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
    """Return clean scores, and spoilt ones by artefact."""
    found = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["case"]):
        found[row["artefact"]].append(round(row[name], 5))
    return {"clean": found.pop(CLEAN), "spoilt": found, "simulated": 0}


def reference_rows(rows):
    """Return the descriptors of heads, clean and moderately spoilt: being spoilt is no reason to be unfamiliar."""
    return [row["kind"] for row in rows if row["level"] in ("", "moderate")]


def familiar(rows, reference):
    """Print how many heads, left out one at a time, are flagged."""
    names = list(reference[0])
    floors = {d.name: d.floor for d in descriptors_of_nothing()}

    def value(row, name):
        return np.nan if row[name] is None else row[name]

    def flagged(found, rest):
        known = Reference(tuple(names), np.array([[value(row, n) for n in names] for row in rest], dtype=float))
        words = tuple(Descriptor(n, value(found, n), "high", "low", floors[n]) for n in names)
        return not judge(words, known).familiar

    alarms = defaultdict(list)
    for row in rows:
        rest = reference_rows([other for other in rows if other["case"] != row["case"]])
        alarms["clean" if row["artefact"] == CLEAN else "spoilt"].append(flagged(row["kind"], rest))
    for title, found in alarms.items():
        low, high = exact_interval(sum(found), len(found))
        print(f"heads flagged, {title}: {sum(found)} of {len(found)} (95 % interval {low:.1%} to {high:.1%})")


def descriptors_of_nothing():
    """Return the descriptors of an empty image: for their names and floors."""
    import torch

    from mriuq_hetqc.infer import Reading
    from mriuq_hetqc.kind import describe

    empty = torch.zeros(4, 4, 4)
    nothing = Reading(image=empty, residual=empty, sigma=empty, head=empty > 0, classes=empty.long(), sigma_task=empty,
                      marks={}, features=torch.zeros(1), brain_features=torch.zeros(1))  # fmt: skip
    return describe(nothing, 0.0)


if __name__ == "__main__":
    main()
