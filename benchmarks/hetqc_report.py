"""Tables of what `benchmarks/hetqc.py` measured, and the yardsticks that ship with the weights.

    python benchmarks/hetqc_report.py --held ROWS.jsonl ... [--sweep ROWS.jsonl ...] [--all ROWS.jsonl] [--write FOLDER]

``--held``: rows of heads that the weights in question never saw. ``--all``: rows of the weights that ship, on all heads,
of which only the network's deepest features are used. ``--write``: the weights folder that gets ``quality.json``.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

AT = np.linspace(0.5, 0.995, 34)
"""Where the rows hold quantiles of |error| / sigma."""
LEVEL = 0.9
STANDARD = 1.6449


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held", type=Path, nargs="+", required=True)
    parser.add_argument("--sweep", type=Path, nargs="*", default=[])
    parser.add_argument("--all", type=Path)
    parser.add_argument("--write", type=Path)
    words = parser.parse_args()
    held, sweep = read(words.held), read(words.sweep)
    subjects = {row["subject"]: row["simulated"] for row in held}
    print(f"{len(subjects)} heads that the weights never saw, {sum(subjects.values())} of them simulated")
    for title, rows in (
        ("real", [r for r in held if not r["simulated"]]),
        ("simulated", [r for r in held if r["simulated"]]),
    ):
        print(f"\n== {title} heads")
        pairs(rows)
        errors(rows)
    noise_levels(sweep)
    if words.all:
        features = [row for row in read([words.all]) if row["features"]]
        reading = fit_reading(features)
        print(
            f"\nartefact named right, heads left out one at a time: {named_right(features):.1%} of {len(features)} copies"
        )
        if words.write:
            write(words.write, held, reading)


def read(paths):
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def kinds(rows):
    found = defaultdict(list)
    for row in rows:
        if row["artefact"] != "clean":
            found[row["artefact"], row["level"]].append(row)
    return found


def pairs(rows):
    """Print how many copies score worse than their original, and the AUROC of each figure."""
    clean = {row["subject"]: row["figures"] for row in rows if row["artefact"] == "clean"}
    names = [
        n for n in ("visual", "algorithmic", "sigma_recon_median", "recoverable") if all(n in f for f in clean.values())
    ]
    print("copies that score worse than their original, and AUROC clean against corrupted")
    print(f"{'artefact':26}" + "".join(f"{name:>28}" for name in names))
    total = dict.fromkeys(names, 0)
    count = 0
    for (artefact, level), copies in kinds(rows).items():
        line = f"{artefact + ', ' + str(level):26}"
        for name in names:
            worse = [row["figures"][name] > clean[row["subject"]][name] for row in copies]
            total[name] += sum(worse)
            area = auroc([f[name] for f in clean.values()], [row["figures"][name] for row in copies])
            line += f"{sum(worse):>14} of {len(worse):<3} {area:5.3f}  "
        count += len(copies)
        print(line)
    print(f"{'all':26}" + "".join(f"{total[name]:>14} of {count:<3} {total[name] / count:5.1%}  " for name in names))


def auroc(clean, spoilt):
    clean, spoilt = np.array(clean), np.array(spoilt)
    return float(np.mean((spoilt[:, None] > clean) + 0.5 * (spoilt[:, None] == clean)))


def errors(rows):
    """Print size, order and coverage of sigma by artefact."""
    print(
        f"\n{'artefact':26}{'rmse/sigma':>11}{'Spearman':>10}{'worst':>7}{'AUSE':>7}{'coverage':>10}{'worst':>7}   by width"
    )
    factor = stretches(rows)
    for (artefact, level), copies in kinds(rows).items():
        ratio = [row["rmse"] / row["rms_sigma"] for row in copies]
        order, area = [row["spearman"] for row in copies], [row["ause"] for row in copies]
        cover = [inside(row["z"], factor[row["subject"]]) for row in copies]
        fifths = np.mean([[inside(z, factor[row["subject"]]) for z in row["z_by_width"]] for row in copies], axis=0)
        print(f"{artefact + ', ' + str(level):26}{np.mean(ratio):11.2f}{np.mean(order):10.2f}{min(order):7.2f}{np.mean(area):7.2f}"
              f"{np.mean(cover):10.3f}{min(cover):7.2f}   {' '.join(f'{x:.2f}' for x in fifths)}")  # fmt: skip
    every = [inside(row["z"], factor[row["subject"]]) for copies in kinds(rows).values() for row in copies]
    by_head = defaultdict(list)
    for copies in kinds(rows).values():
        for row in copies:
            by_head[row["subject"]].append(inside(row["z"], factor[row["subject"]]))
    heads = [np.mean(v) for v in by_head.values()]
    print(
        f"{'all':26}{'coverage of the 90 % interval':>40} {np.mean(every):.3f}; worst head {min(heads):.3f}, n = {len(heads)}"
    )


def inside(z, factor):
    """Return the share of errors within ``factor`` sigma, from quantiles of |error| / sigma."""
    return float(np.interp(factor, [0, *z], [0, *AT], right=1.0))


def stretch(rows):
    """Return how many sigma hold 90 % of errors, on average over heads and copies."""
    low, high = 0.0, 50.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        by_head = defaultdict(list)
        for row in rows:
            by_head[row["subject"]].append(inside(row["z"], middle))
        low, high = (middle, high) if np.mean([np.mean(v) for v in by_head.values()]) < LEVEL else (low, middle)
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
    if not heads:
        return
    print(
        "\n41 levels of noise, 10 to -10 dB: R^2 of median sigma and RMSE (brain, unit of the scan); levels with RMSE within .8 to 1.25 of RMS sigma"
    )
    found = []
    for subject, levels in sorted(heads.items()):
        sigma = np.array([row["median_sigma"] * row["scale"] for row in levels])
        error = np.array([row["rmse"] * row["scale"] for row in levels])
        ratio = np.array([row["rmse"] / row["rms_sigma"] for row in levels])
        found.append((np.corrcoef(sigma, error)[0, 1] ** 2, int(np.sum((ratio >= 0.8) & (ratio <= 1.25))), len(levels)))
        print(f"  {subject:28} R^2 {found[-1][0]:.3f}   {found[-1][1]:2} of {found[-1][2]}   ratio {ratio.min():.2f} to {ratio.max():.2f}"
              f"   Spearman within scans {np.mean([row['spearman'] for row in levels]):.2f}")  # fmt: skip
    squares = [f[0] for f in found]
    print(f"  mean R^2 {np.mean(squares):.3f}, {min(squares):.3f} to {max(squares):.3f}, n = {len(squares)}; "
          f"35 levels or more at {sum(f[1] >= 35 for f in found)} of {len(found)} heads")  # fmt: skip


def table(rows):
    names = ["clean", *dict.fromkeys(row["artefact"] for row in rows if row["artefact"] != "clean")]
    x = np.array([row["features"] for row in rows])
    y = np.array([names.index(row["artefact"]) for row in rows])
    return names, x, y


def fit_reading(rows):
    """Fit a multinomial logistic reading of the features."""
    from sklearn.linear_model import LogisticRegression

    names, x, y = table(rows)
    mean, sd = x.mean(0), x.std(0) + 1e-6
    fitted = LogisticRegression(C=0.1, max_iter=5000, class_weight="balanced").fit((x - mean) / sd, y)
    return {"names": names, "mean": mean.round(6).tolist(), "sd": sd.round(6).tolist(),
            "weights": fitted.coef_.round(5).tolist(), "bias": fitted.intercept_.round(5).tolist()}  # fmt: skip


def named_right(rows):
    right = 0
    for subject in {row["subject"] for row in rows}:
        reading = fit_reading([row for row in rows if row["subject"] != subject])
        x = np.array([row["features"] for row in rows if row["subject"] == subject])
        logits = (x - reading["mean"]) / np.array(reading["sd"]) @ np.array(reading["weights"]).T + reading["bias"]
        right += sum(reading["names"][k] == row["artefact"] for k, row in
                     zip(logits.argmax(1), [r for r in rows if r["subject"] == subject], strict=True))  # fmt: skip
    return right / len(rows)


def write(folder, held, reading):
    """Write ``quality.json``: clean real heads first, then simulated ones."""
    ordered = sorted(held, key=lambda row: (row["simulated"], row["subject"]))
    clean = [row for row in ordered if row["artefact"] == "clean"]
    scores = {}
    for name in clean[0]["figures"]:
        spoilt = defaultdict(list)
        for row in ordered:
            if row["artefact"] != "clean":
                spoilt[row["artefact"]].append(round(row["figures"][name], 6))
        scores[name] = {"clean": [round(row["figures"][name], 6) for row in clean], "spoilt": spoilt}
    real = [row for row in ordered if not row["simulated"]]
    like = [row for row in real if row["artefact"] == "clean" or row["level"] == "moderate"]
    names = list(like[0]["kind"])
    rows = [[None if not np.isfinite(row["kind"][n]) else round(row["kind"][n], 6) for n in names] for row in like]
    factor = stretch([row for row in real if row["artefact"] != "clean"])
    data = {"simulated": sum(row["simulated"] for row in clean), "stretch": round(factor / STANDARD, 4), "scores": scores,
            "artefacts": reading, "kind": {"names": names, "rows": rows}}  # fmt: skip
    (folder / "quality.json").write_text(json.dumps(data) + "\n")
    print(f"\nwrote {folder / 'quality.json'}: {len(clean)} clean heads, stretch {data['stretch']}")


if __name__ == "__main__":
    main()
