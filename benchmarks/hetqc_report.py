"""Tables of what `benchmarks/hetqc.py` measured, and the yardsticks that ship with the weights.

    python benchmarks/hetqc_report.py --held ROWS ... [--sweep ROWS ...] [--classical ROWS] [--write FOLDER
                                      --shipped ROWS ... --outsiders ROWS [--test ROWS]]

``--held``: rows of heads that the weights in question never saw, one file a fold. ``--write``: the weights folder that
gets ``quality.json``; then ``--shipped`` are rows of the weights that ship and ``--outsiders`` what
`benchmarks/hetqc_outsiders.py` wrote with them. A linear reading never sees the head that it is tried on.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from mriuq_cli.uncertainty.estimate import Descriptor
from mriuq_cli.uncertainty.familiarity import Reference, exact_interval, judge
from mriuq_hetqc.kind import contrast
from mriuq_hetqc.quality import grounds_of

AT = np.linspace(0.5, 0.995, 34)
"""Where the rows hold quantiles of |error| / sigma."""
LEVEL, STANDARD = 0.9, 1.6449
STRENGTH = 0.1
"""Of the linear readings: the inverse of their regularisation."""
SHOWN = ("visual", "algorithmic", "visual_rms", "sigma_recon_median", "recoverable")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("held", "sweep", "classical", "shipped", "outsiders", "test"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", default=[])
    parser.add_argument("--write", type=Path)
    words = parser.parse_args()
    folds = [read([path]) for path in words.held]
    for rows in folds:
        add_visual(rows)
    held = [row for rows in folds for row in rows]
    subjects = {row["subject"]: row["simulated"] for row in held}
    print(f"{len(subjects)} heads that the weights never saw, {sum(subjects.values())} of them simulated")
    for title, wanted in (("real", False), ("simulated", True)):
        rows = [row for row in held if row["simulated"] is wanted]
        print(f"\n== {title} heads")
        pairs(rows)
        errors(rows)
    classical(read(words.classical), [row for row in held if not row["simulated"]])
    noise_levels(read(words.sweep))
    if words.write:
        write(words.write, held, read(words.shipped), read(words.outsiders), read(words.test))


def read(paths):
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    for row in rows:
        if "visual" in row.get("figures", {}):
            row["figures"]["visual_rms"] = row["figures"].pop("visual")
    return rows


def kinds(rows):
    found = defaultdict(list)
    for row in rows:
        if row["artefact"] != "clean":
            found[row["artefact"], row["level"]].append(row)
    return found


# Linear readings ------------------------------------------------------------------------------------------------------


def fit(rows, names, label):
    """Fit a multinomial logistic reading of some rows; ``label(row)`` is one of ``names``."""
    from sklearn.linear_model import LogisticRegression

    x = np.array([grounds_of(row["features"], row.get("figures", {})) for row in rows])
    y = np.array([names.index(label(row)) for row in rows])
    mean, sd = x.mean(0), x.std(0) + 1e-6
    fitted = LogisticRegression(C=STRENGTH, max_iter=5000, class_weight="balanced").fit((x - mean) / sd, y)
    weights, bias = fitted.coef_, fitted.intercept_
    if len(names) == 2:
        weights, bias = np.vstack([-weights, weights]) / 2, np.array([-bias[0], bias[0]]) / 2
    return {"names": list(names), "mean": mean.round(6).tolist(), "sd": sd.round(6).tolist(),
            "weights": weights.round(6).tolist(), "bias": bias.round(6).tolist()}  # fmt: skip


def logits(reading, row):
    x = (grounds_of(row["features"], row.get("figures", {})) - np.array(reading["mean"])) / np.array(reading["sd"])
    return np.array(reading["weights"]) @ x + np.array(reading["bias"])


def is_spoilt(row):
    return "clean" if row["artefact"] == "clean" else "spoilt"


def add_visual(rows):
    """Give each row the log-odds of being spoilt by a reading that never saw its head."""
    for subject in {row["subject"] for row in rows}:
        reading = fit([row for row in rows if row["subject"] != subject], ("clean", "spoilt"), is_spoilt)
        for row in rows:
            if row["subject"] == subject:
                clean, spoilt = logits(reading, row)
                row["figures"]["visual"] = float(spoilt - clean)


# Tables ---------------------------------------------------------------------------------------------------------------


def pairs(rows):
    """Print how many copies score worse than their original, and the AUROC of each figure."""
    clean = {row["subject"]: row["figures"] for row in rows if row["artefact"] == "clean"}
    print("copies that score worse than their original, and AUROC clean against corrupted")
    print(f"{'artefact':26}" + "".join(f"{name:>22}" for name in SHOWN))
    total, count = dict.fromkeys(SHOWN, 0), 0
    for (artefact, level), copies in kinds(rows).items():
        line = f"{artefact + ', ' + str(level):26}"
        for name in SHOWN:
            worse = sum(row["figures"][name] > clean[row["subject"]][name] for row in copies)
            total[name] += worse
            area = auroc([f[name] for f in clean.values()], [row["figures"][name] for row in copies])
            line += f"{worse:>9} of {len(copies):<3} {area:5.3f} "
        count += len(copies)
        print(line)
    print(f"{'all':26}" + "".join(f"{total[n]:>9} of {count:<3} {total[n] / count:5.1%} " for n in SHOWN))


def auroc(clean, spoilt):
    clean, spoilt = np.array(clean), np.array(spoilt)
    return float(np.mean((spoilt[:, None] > clean) + 0.5 * (spoilt[:, None] == clean)))


def classical(rows, held):
    """Print the AUROC of every classical measure on the same heads and copies, the better end taken for each."""
    if not rows:
        return
    low = {"cjv", "efc", "qi_1"}
    names = list(dict.fromkeys(name for row in rows for name in row["classical"]))
    ours = {(row["subject"], row["artefact"], row["level"]): row["figures"]["visual"] for row in held}
    print("\nAUROC clean against corrupted of the classical measures, heads that have the measure")
    print(f"{'artefact':26}{'hetqc':>11}" + "".join(f"{name:>11}" for name in names))
    same = [row for row in rows if (row["subject"], row["artefact"], row["level"]) in ours]
    for (artefact, level), copies in kinds(same).items():
        line = f"{artefact + ', ' + str(level):26}"
        clean = [v for (_, a, _), v in ours.items() if a == "clean"]
        line += f"{auroc(clean, [ours[r['subject'], artefact, level] for r in copies]):11.3f}"
        for name in names:
            sign = 1 if name in low else -1
            good = [sign * r["classical"][name] for r in same if r["artefact"] == "clean" and name in r["classical"]]
            bad = [sign * r["classical"][name] for r in copies if name in r["classical"]]
            line += f"{auroc(good, bad):11.3f}" if good and bad else f"{'':11}"
        print(line)


def errors(rows):
    """Print size, order and coverage of sigma by artefact."""
    head = f"{'artefact':26}{'rmse/sigma':>11}{'Spearman':>10}{'perfect':>9}{'AUSE':>7}{'coverage':>10}{'worst':>7}"
    print(f"\n{head}   by width")
    factor = stretches(rows)
    for (artefact, level), copies in kinds(rows).items():
        ratio = [row["rmse"] / row["rms_sigma"] for row in copies]
        order, area = [row["spearman"] for row in copies], [row["ause"] for row in copies]
        cover = [inside(row["z"], factor[row["subject"]]) for row in copies]
        fifths = np.mean([[inside(z, factor[row["subject"]]) for z in row["z_by_width"]] for row in copies], axis=0)
        best = np.mean([row["perfect"] for row in copies]) if "perfect" in copies[0] else np.nan
        print(
            f"{artefact + ', ' + str(level):26}{np.mean(ratio):11.2f}{np.mean(order):10.2f}{best:9.2f}"
            f"{np.mean(area):7.2f}{np.mean(cover):10.3f}{min(cover):7.2f}   {' '.join(f'{x:.2f}' for x in fifths)}"
        )
    by_head = defaultdict(list)
    for copies in kinds(rows).values():
        for row in copies:
            by_head[row["subject"]].append(inside(row["z"], factor[row["subject"]]))
    heads = [np.mean(found) for found in by_head.values()]
    print(f"coverage of the 90 % interval {np.mean(heads):.3f}, worst head {min(heads):.3f}, n = {len(heads)}")


def inside(z, factor):
    """Return the share of errors within ``factor`` sigma, from quantiles of |error| / sigma."""
    return float(np.interp(factor, [0, *z], [0, *AT], right=1.0))


def stretch(rows):
    """Return how many sigma hold 90 % of errors, on average over heads and copies."""
    by_head = defaultdict(list)
    for row in rows:
        by_head[row["subject"]].append(row["z"])
    low, high = 0.0, 50.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        share = np.mean([np.mean([inside(z, middle) for z in found]) for found in by_head.values()])
        low, high = (middle, high) if share < LEVEL else (low, middle)
    return high


def stretches(rows):
    """Return for each head the factor that the others give."""
    bad = [row for row in rows if row["artefact"] != "clean"]
    return {s: stretch([row for row in bad if row["subject"] != s]) for s in {row["subject"] for row in bad}}


def noise_levels(rows):
    """Print the squared correlation of sigma and error over 41 levels of noise, and how often sizes agree."""
    heads = defaultdict(list)
    for row in rows:
        heads[row["subject"]].append(row)
    whole = {subject: levels for subject, levels in sorted(heads.items()) if len(levels) == 41}
    if not whole:
        return
    print("\n41 levels of noise, 10 to -10 dB: R^2 of median sigma and RMSE (brain, unit of the scan),")
    print("levels at which RMSE is .8 to 1.25 of RMS sigma, voxelwise Spearman within scans")
    found = []
    for subject, levels in whole.items():
        sigma = np.array([row["median_sigma"] * row["scale"] for row in levels])
        error = np.array([row["rmse"] * row["scale"] for row in levels])
        ratio = np.array([row["rmse"] / row["rms_sigma"] for row in levels])
        square, right = np.corrcoef(sigma, error)[0, 1] ** 2, int(np.sum((ratio >= 0.8) & (ratio <= 1.25)))
        found.append((square, right))
        order = np.mean([row["spearman"] for row in levels])
        print(f" {subject:25} R^2 {square:.3f}   {right:2} of 41, {ratio.min():.2f} to {ratio.max():.2f}  {order:5.2f}")
    squares = [f[0] for f in found]
    print(f"  mean R^2 {np.mean(squares):.3f}, {min(squares):.3f} to {max(squares):.3f}, n = {len(squares)}; "
          f"35 levels or more at {sum(f[1] >= 35 for f in found)} of {len(found)} heads")  # fmt: skip


# What ships -----------------------------------------------------------------------------------------------------------


def write(folder, held, shipped, outsiders, test):
    """Write ``quality.json`` and print how the readings do on heads and images left out."""
    add_visual(shipped)
    artefacts = tuple(dict.fromkeys(row["artefact"] for row in shipped))
    right = named_right(shipped, artefacts)
    print(f"\nartefact named right, heads left out one at a time: {right:.1%} of {len(shipped)} copies and originals")
    add_kind(shipped, outsiders)
    kind = fit([*shipped, *outsiders], ("head", "other"), lambda row: "head" if "artefact" in row else "other")
    readings = {
        "spoilt": fit(shipped, ("clean", "spoilt"), is_spoilt),
        "artefacts": fit(shipped, artefacts, lambda row: row["artefact"]),
        "kind": kind,
    }
    reference = reference_rows(shipped)
    familiar(shipped, reference, outsiders, test, kind)
    real = [row for row in held if not row["simulated"] and row["artefact"] != "clean"]
    data = {
        "stretch": round(stretch(real) / STANDARD, 4),
        "scores": {name: yardstick(shipped if name == "visual" else held, name) for name in held[0]["figures"]},
        "readings": readings,
        "kind": {"names": list(reference[0]), "rows": [[known(v) for v in row.values()] for row in reference]},
    }
    (folder / "quality.json").write_text(json.dumps(data) + "\n")
    print(f"wrote {folder / 'quality.json'}, stretch {data['stretch']}")


def known(value):
    return round(float(value), 5) if np.isfinite(value) else None


def yardstick(rows, name):
    """Return clean scores, real heads first, and spoilt ones by artefact."""
    ordered = sorted(rows, key=lambda row: (row["simulated"], row["subject"]))
    spoilt = defaultdict(list)
    for row in ordered:
        if row["artefact"] != "clean":
            spoilt[row["artefact"]].append(round(row["figures"][name], 5))
    clean = [row for row in ordered if row["artefact"] == "clean"]
    return {"clean": [round(row["figures"][name], 5) for row in clean], "spoilt": spoilt,
            "simulated": sum(row["simulated"] for row in clean)}  # fmt: skip


def named_right(rows, names):
    right = 0
    for subject in {row["subject"] for row in rows}:
        reading = fit([row for row in rows if row["subject"] != subject], names, lambda row: row["artefact"])
        mine = [row for row in rows if row["subject"] == subject]
        right += sum(names[int(logits(reading, row).argmax())] == row["artefact"] for row in mine)
    return right / len(rows)


def add_kind(heads, outsiders):
    """Give each head the log-odds of being another kind of image, by a reading that never saw it."""
    for subject in {row["subject"] for row in heads}:
        rest = [row for row in heads if row["subject"] != subject]
        reading = fit([*rest, *outsiders], ("head", "other"), lambda row: "head" if "artefact" in row else "other")
        for row in heads:
            if row["subject"] == subject:
                head, other = logits(reading, row)
                row["kind"] = {contrast(0).name: contrast(float(other - head)).value, **row["kind"]}


def reference_rows(heads):
    """Return the descriptors of real heads, clean and moderately spoilt: being spoilt is no reason to be unfamiliar."""
    wanted = [row for row in heads if not row["simulated"] and row["level"] != "strong"]
    return [row["kind"] for row in wanted]


def familiar(heads, reference, outsiders, test, kind):
    """Print how many heads, left out one at a time, and how many images of other kinds are flagged."""
    names = list(reference[0])

    def flagged(found, rows):
        known = Reference(tuple(names), np.array([[row[n] for n in names] for row in rows], dtype=float))
        floors = {contrast(0).name: contrast(0).floor, "brain volume": 0.1, "doubt about tissues": 0.1}
        words = tuple(Descriptor(n, found[n], "high", "low", floors.get(n, 0.04)) for n in names)
        return not judge(words, known).familiar

    alarms = defaultdict(list)
    for row in heads:
        if not row["simulated"]:
            rest = reference_rows([other for other in heads if other["subject"] != row["subject"]])
            alarms[is_spoilt(row)].append(flagged(row["kind"], rest))
    for title, found in alarms.items():
        low, high = exact_interval(sum(found), len(found))
        print(f"real heads flagged, {title}: {sum(found)} of {len(found)} (95 % interval {low:.1%} to {high:.1%})")
    for title, rows in (("learnt from", outsiders), ("never learnt from", test)):
        seen = []
        for row in rows:
            head, other = logits(kind, row)
            found = {contrast(0).name: contrast(float(other - head)).value, **row["kind"]}
            seen.append((flagged(found, reference), row))
        missed = [row["subject"] for found, row in seen if not found]
        print(f"images of other kinds flagged, {title}: {len(seen) - len(missed)} of {len(seen)}; missed: {missed}")


if __name__ == "__main__":
    main()
