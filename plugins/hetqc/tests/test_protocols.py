"""Evaluations: statistics against closed forms, copies that are fixed by a name, tables of rows."""

import math

import numpy as np
import pytest
import torch

from mriuq_cli.api import Context, InputError, UsageError
from mriuq_cli.data.case import Case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.volume import Volume
from mriuq_hetqc.network import FoldedUNet
from mriuq_hetqc.protocols import PROTOCOLS, artefacts, intervals, noise, pairs, regions
from mriuq_hetqc.protocols.statistics import against_truth, auroc_between, r_squared

SHAPE = (64, 72, 64)


def head():
    """Return a ball of tissue in quiet air."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    r = np.sqrt((grid**2).sum(0))
    rng = np.random.default_rng(0)
    image = np.where(r < 0.7, 400 + 200 * np.cos(9 * r), 0) + np.abs(rng.normal(0, 4, SHAPE))
    geometry = geometry_from_affine(SHAPE, np.eye(4))
    return Case("ball", geometry, {"t1": Volume(image.astype(np.float32), geometry)})


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return FoldedUNet((4, 4), multi_task=True).eval()


def test_errors_that_are_as_large_as_sigma_says():
    rng = np.random.default_rng(1)
    sigma = torch.from_numpy(rng.uniform(0.1, 1.0, 100_000)).float()
    found = against_truth(sigma * torch.from_numpy(rng.normal(size=100_000)).float(), sigma)
    assert found["rmse"] == pytest.approx(found["rms_sigma"], rel=0.02)
    assert found["spearman"] == pytest.approx(found["spearman_at_best"], abs=0.02)
    assert found["ence"] < 0.05


def test_orders():
    a = np.array([1.0, 2.0, 3.0, 4.0])
    assert r_squared(a, 3 - 2 * a) == pytest.approx(1)
    assert auroc_between([1, 2], [3, 2]) == pytest.approx(0.875)
    assert math.isnan(auroc_between([], [1]))


def test_a_plain_estimate_of_noise_is_its_sd():
    image = 100 + torch.randn(40, 41, 42, generator=torch.Generator().manual_seed(0)) * 7
    assert noise.noise_estimate(image) == pytest.approx(7, rel=0.03)


def test_copies_are_fixed_by_the_name():
    clean = torch.from_numpy(head().volumes["t1"].data)
    first, again, other = (list(artefacts.copies(clean, name)) for name in ("a", "a", "b"))
    assert [one[:2] for one in first] == [("clean", "")] + [
        (name, level) for name in ("motion", "ghosting", "spikes", "wrap-around", "low resolution", "noise")
        for level in ("moderate", "strong")
    ] + [("noise", "extreme"), ("noise", "worst")]  # fmt: skip
    assert all(torch.equal(a[2], b[2]) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a[2], b[2]) for a, b in zip(first[1:], other[1:], strict=True) if a[0] == "noise")
    assert all(image.shape == clean.shape and bool(torch.isfinite(image).all()) for _, _, image in first)


@pytest.mark.parametrize(("wanted", "step"), [({}, 0.5), ({"levels": 9}, 2.5), ({"levels": None}, 0.5)])
def test_levels_of_noise_are_even(wanted, step):
    found = noise.levels(wanted)
    assert (found[0], found[-1]) == (10, -10)
    assert np.diff(found) == pytest.approx(-step)


def test_one_level_of_noise_is_no_series():
    with pytest.raises(UsageError, match="--levels 1"):
        noise.levels({"levels": 1})


def test_a_perfect_sigma_is_linear_and_of_the_right_size():
    rows = [
        {"case": case, "decibel": level, "noise_estimate": 1.0 + k, "rmse": 2.0 * k + 1, "rms_sigma": 2.0 * k + 1,
         "median_sigma": 2.0 * k + 1, "median_error": k, "sigma_q1": k, "sigma_q3": 3.0 * k, "spearman": 0.1,
         "spearman_at_best": 0.2, "spearman_head": 0.6, "spearman_field": 0.7, "ause": 1.0, "ence": 0.0}
        for case in ("a", "b") for k, level in enumerate(noise.levels({}))
    ]  # fmt: skip
    found = noise.report(rows, {})
    line = dict(zip(found.tables[0].columns, found.tables[0].rows[0], strict=True))
    assert line["R² (RMSE)"] == pytest.approx(1)
    assert line["levels of right size"] == 41
    assert [curve.name for curve in found.plots[0].curves] == ["a", "b"]


def test_scores_that_rise_with_every_fault_are_worse_in_every_pair():
    n = torch.linspace(0, 2, 2000, dtype=torch.float64)
    sample = intervals.sample({"size": n, "sigma": torch.ones_like(n), "value": n / 2})
    plain = dict.fromkeys((f"classical {n}" for n in artefacts.CLASSICAL), 1.0)
    rows = [
        {"case": case, "artefact": "clean", "level": "", "algorithmic": 1.0, "visual_rms": 1.0,
         "sigma_recon_median": 1.0, "recoverable": 1.0, **plain}
        for case in "abc"
    ]  # fmt: skip
    worse = {f"classical {n}": 1.0 + sign for n, sign in artefacts.CLASSICAL.items()} | {"classical qi_1": None}
    rows += [
        {**row, "artefact": "motion", "level": "strong", "algorithmic": 0.5, "visual_rms": 2.0, **worse,
         "spearman": 0.0, "spearman_at_best": 0.5, "spearman_head": 0.4, "spearman_field": 0.4,
         "ause": 1.0, "ence": 0.5, "rmse": 2.0, "rms_sigma": 1.0, "gradient_spearman": 0.1, "gradient_ause": 0.9,
         "sample": sample}
        for row in rows
    ]  # fmt: skip
    pairs_table, areas, errors, rivals = artefacts.report(rows, {}).tables
    line = dict(zip(pairs_table.columns, pairs_table.rows[0], strict=True))
    assert (line["visual_rms"], line["algorithmic"], line["cnr"], line["cjv"]) == (1, 0, 1, 1)
    assert math.isnan(line["qi_1"])
    assert dict(zip(areas.columns, areas.rows[0], strict=True))["visual_rms"] == 1
    line = dict(zip(errors.columns, errors.rows[0], strict=True))
    assert line["RMSE / sigma"] == 2
    assert line["coverage"] == pytest.approx(0.9, abs=0.01)
    assert [row[:2] for row in rivals.rows] == [("motion", "strong"), ("all", "")]


@pytest.mark.parametrize("known", ["place", "intensity", "nothing"])
def test_sigma_beats_the_rivals_that_do_not_know_what_it_knows(known):
    rng = np.random.default_rng(0)
    rows = []
    for case in "abcd" * 8:  # as many copies of each scan
        value = rng.uniform(0, 1, 50_000)
        sigma = {"place": rng.choice([0.02, 0.2], value.size), "intensity": 0.02 + 0.2 * np.floor(value * 10) / 10,
                 "nothing": np.full(value.size, 0.1)}[known]  # fmt: skip
        size = np.abs(rng.normal(0, sigma))
        rows.append({"case": case, "artefact": "motion", "level": "strong",
                     "sample": intervals.sample({name: torch.from_numpy(part) for name, part in
                                                {"size": size, "sigma": sigma, "value": value}.items()})})  # fmt: skip
    assert intervals.stretch(rows) == pytest.approx(1.6449, rel=0.02)
    assert np.mean([intervals.held(row, 1.6449) for row in rows]) == pytest.approx(0.9, abs=0.01)
    orders = [f"spearman{kind}" for kind in ("", "_at_best", "_head", "_field")] + ["gradient_spearman"]
    other = dict.fromkeys([*orders, "ause", "gradient_ause", "ence", "rmse", "rms_sigma"], 1.0)
    held = intervals.errors([row | other for row in rows], dict.fromkeys("abcd", 1.6449))
    line = dict(zip(held.columns, held.rows[0], strict=True))
    assert [line[f"fifth {k}"] for k in range(1, 6)] == pytest.approx([0.9] * 5, abs=0.02)
    found = intervals.rivals(rows, intervals.stretches(rows))
    line = dict(zip(found.columns, found.rows[0], strict=True))
    truth = 2 * 1.6449 + 20 * 2 * (0.10314 - 1.6449 * 0.05)  # of a normal error of SD 1: width, and 20 E(|e| - 1.6449)+
    assert line["interval score"] == pytest.approx(np.mean(sigma) * truth, rel=0.02)
    assert (line["interval score"] < 0.9 * line["of one width"]) == (known != "nothing")
    assert (line["to"] < -0.1 * line["interval score"]) == (known == "place")
    assert line["lower on"] == 4 or known == "nothing"
    assert line["of width by intensity"] == pytest.approx(line["interval score"], rel=0.02) or known == "place"


def test_the_plane_of_partial_noise_covers_the_stated_share_of_grey_matter():
    classes = torch.zeros(20, 20, 80, dtype=torch.long)
    classes[5:15, 5:15, 20:70] = 2
    for overlap in (0.25, 0.5):
        assert float(regions._below(classes, overlap)[classes == 2].mean()) == pytest.approx(overlap, abs=0.02)
    assert float(regions._below(classes, 0.0)[classes == 2].max()) < 0.01


@pytest.mark.parametrize("name", ["artefacts", "regions", "partial-noise"])
def test_a_protocol_goes_from_a_scan_to_tables(network, name):
    protocol = PROTOCOLS[name]
    rows = [{"case": "ball", **row} for row in protocol.measure(network, head(), {}, Context())]
    if not rows:  # a fresh network finds no grey matter
        assert name == "partial-noise"
        return
    found = protocol.report(rows, {})
    assert found.tables
    assert all(len(line) == len(table.columns) for table in found.tables for line in table.rows)


def test_pairs_are_read_from_a_table(tmp_path):
    table = tmp_path / "pairs.tsv"
    table.write_text("flagged\tclean\nbad1\tgood1\nbad2\tgood2\n")
    rows = [{"case": case, "algorithmic": value, "visual_rms": value, "sigma_recon_median": 1.0, "recoverable": 1.0}
            for case, value in (("bad1", 2.0), ("good1", 1.0), ("bad2", 3.0), ("good2", 1.5))]  # fmt: skip
    (found,) = pairs.report(rows, {"pairs": table}).tables
    lines = {line[0]: dict(zip(found.columns, line, strict=True)) for line in found.rows}
    assert lines["visual_rms"]["pairs"] == 2
    assert lines["visual_rms"]["higher when flagged"] == 1
    assert lines["visual_rms"]["mean difference"] == pytest.approx(1.25)
    assert lines["recoverable"]["higher when flagged"] == 0


def test_a_table_that_holds_no_pairs_is_refused_before_any_work(network, tmp_path):
    with pytest.raises(UsageError, match="table of pairs"):
        pairs.measure(network, head(), {}, Context())
    with pytest.raises(InputError, match="cannot be read"):
        pairs.read_pairs(tmp_path / "none.tsv")
    empty = tmp_path / "empty.tsv"
    empty.write_text("bad\tgood\na\tb\n")
    with pytest.raises(InputError, match="no pairs"):
        pairs.read_pairs(empty)
