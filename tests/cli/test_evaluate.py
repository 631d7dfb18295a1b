"""``mriuq evaluate`` and ``mriuq calibrate`` through the installed executable."""

import json
import shutil
from pathlib import Path

import exams
import jsonschema
import numpy as np
import pytest

from mriuq_cli.data.reader import fingerprint

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
BASELINES = """

@hookimpl
def mriuq_baselines(config):
    import numpy as np

    def mean_image(cases, available, targets):
        images = {t: [_scores(case.volumes[t].data) for case in cases] for t in targets}
        return lambda case: {t: np.mean(images[t], axis=0) for t in targets}

    return {"mean image": mean_image, "trees": mean_image}


@hookimpl
def mriuq_metrics(config):
    return {"bias": lambda estimate, truth, masks: float((estimate.value - truth)[masks["brain"]].mean())}
"""


def prints(*seeds):
    """Return the fingerprints of phantoms, as weights hold them."""
    return [[fingerprint(exams.phantom(seed)[..., k], exams.GEOMETRY) for k in range(4)] for seed in seeds]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Make the relay method, four exams, and two folds of weights that have each seen half of them."""
    folder = tmp_path_factory.mktemp("evaluate")
    source = folder / "relay.py"
    source.write_text((exams.HERE / "relay_method.py").read_text() + BASELINES)
    exams.plugin_path(folder / "plugins", source)
    for seed in range(4):
        exams.exam(folder, f"case{seed}", seed)
    exams.weights(folder / "even", 0.7, subjects=prints(1, 3))
    exams.weights(folder / "odd", 1.4, subjects=prints(0, 2))
    return folder


@pytest.fixture
def here(template, tmp_path):
    """Lend a copy of them."""
    return Path(shutil.copytree(template, tmp_path / "here"))


@pytest.fixture(scope="module")
def whole(template):
    """Run a default evaluation: what it prints, and its JSON."""
    done = run(template, "evaluate", *FOLDS, "--out", "e.json", "--tsv", "e.tsv")
    assert done.returncode == 0, done.stderr
    return done, json.loads((template / "e.json").read_text())


def run(here, verb, *words, cases=range(4)):
    names = [f"case{k}.nii.gz" for k in cases]
    return exams.mriuq(verb, "relay", *names, *words, plugins=here / "plugins", cwd=here)


def check(data, schema):
    jsonschema.validate(data, json.loads((SCHEMAS / f"{schema}.schema.json").read_text()))


FOLDS = ("--weights", "even", "--weights", "odd")


def test_every_exam_is_judged_by_weights_that_never_saw_it_and_calibrated_by_the_others(whole):
    _, report = whole
    check(report, "evaluate")
    assert [w["cases"] for w in report["weights"]] == [["case0", "case2"], ["case1", "case3"]]
    (group,) = report["groups"]
    assert group["name"] == "unseen"
    assert group["calibration"]["kind"] == "leave-one-out"
    ours = [row for row in group["rows"] if row["predictor"] == "relay"]
    assert [(row["target"], row["n"]) for row in ours] == [(name, 4) for name in exams.NAMES]
    # Even cases have intervals half as wide as odd ones: leaving one out stretches them by other factors.
    assert all(0.5 < row["figures"]["coverage"]["mean"] < 1 for row in ours)
    assert {row["predictor"] for row in group["rows"]} == {"relay", "zero", "copy", "mean image", "trees"}
    assert {entry["kind"] for entry in group["paired"]} == {"best simple", "boosted trees"}
    assert set(ours[0]["authors"]) == {"bias"}
    assert {entry["target"] for entry in group["gate"]} == set(exams.NAMES)
    looks = group["familiarity"]["looks"]
    assert {(look["case"], look["situation"]) for look in looks} == {
        (f"case{k}", row["situation"]) for k in range(4) for row in ours
    }
    assert all(look["familiar"] is None for look in looks)  # three others are too few to compare with
    low = {c["case"] for row in ours for c in row["per_case"] if c["coverage"] < 0.7}
    assert set(group["familiarity"]["unflagged_below"]) == low


def test_figures_are_those_of_the_voxels(whole):
    rows = whole[1]["groups"][0]["rows"]
    data = exams.phantom(0)
    brain = data[..., 0] != 0
    z = [np.where(brain, (c - c[brain].mean()) / c[brain].std(), 0) for c in np.moveaxis(data, -1, 0)]
    error = (z[1] + z[2] + z[3]) / 3 - z[0]
    first = rows[0]["per_case"][0]
    assert (rows[0]["target"], first["case"]) == ("flair", "case0")
    assert first["mae"] == pytest.approx(np.abs(error[brain]).mean(), rel=1e-4)
    low, high = np.percentile(z[0][brain], [0.1, 99.9])
    assert first["psnr"] == pytest.approx(20 * np.log10((high - low) / np.sqrt((error[brain] ** 2).mean())), rel=1e-4)


def test_the_table_goes_to_stdout_and_the_files_hold_the_same_rows(whole, template):
    done, report = whole
    assert done.stderr == ""
    assert f"unflagged exams with coverage below .70: {len(report['groups'][0]['familiarity']['unflagged_below'])}" in (
        done.stdout
    )
    for word in (
        "0 voxels do not count",
        "PSNR",
        "coverage",
        "uncertainty gate",
        "paired over subjects",
        "authors' form",
        "mean image",
    ):
        assert word in done.stdout
    check(report, "evaluate")
    lines = (template / "e.tsv").read_text().splitlines()
    assert len(lines) == 1 + len(report["groups"][0]["rows"])
    assert len({line.count("\t") for line in lines}) == 1
    again = run(template, "evaluate", *FOLDS, "--out", "e.json")
    assert again.returncode == 6
    assert "--overwrite" in again.stderr


def test_one_set_of_inputs_predicts_all_the_rest(template):
    done = run(template, "evaluate", *FOLDS, "--available", "t2,t1", "--json")
    rows = json.loads(done.stdout)["groups"][0]["rows"]
    assert {(r["target"], r["situation"]) for r in rows} == {("flair", "t1+t2"), ("t1gd", "t1+t2")}
    assert any(r["predictor"] == "copy" for r in rows)


def test_all_fourteen_sets_of_inputs(template):
    done = run(template, "evaluate", *FOLDS, "--all-subsets", "--no-baselines", "--json")
    group = json.loads(done.stdout)["groups"][0]
    assert len({r["situation"] for r in group["rows"]}) == 14
    assert len(group["rows"]) == 28
    assert len(group["gate"]) == 4
    claim = next(c for c in group["claims"] if c["item"].startswith("fewer inputs"))
    assert claim["found"] == f"{len(group['narrower'])} of 48 pairs narrower"
    assert claim["passed"] == (not group["narrower"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--available", "t1", "--all-subsets"], 2, "contradict"),
        (["--available", "flair,t1,t1gd,t2"], 2, "some but not all"),
        (["--available", "t3"], 2, "t3"),
        (["--rule", "guess"], 2, "plug-in, risk"),
        (["--level", "90"], 2, "between 0 and 1"),
        (["--limit", "0"], 2, "1 or more"),
        (["--rule", "risk"], 5, "at least 9"),
        (["--calibration", "none.json"], 5, "cannot be read"),
        (["--out", "no/e.json"], 6, "does not exist"),
        (["--weights", "nowhere"], 5, "no such weights"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_right_code(template, words, code, said):
    done = run(template, "evaluate", *FOLDS, *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def test_exams_that_all_weights_have_learnt_from_are_left_out_or_shown_apart(template):
    done = run(template, "evaluate", "--weights", "even", "--json", "--no-baselines")
    report = json.loads(done.stdout)
    assert report["groups"][0]["cases"] == ["case0", "case2"]
    assert "2 of 4 exams are left out" in done.stderr
    both = json.loads(run(template, "evaluate", "--weights", "even", "--seen", "--json", "--no-baselines").stdout)
    check(both, "evaluate")
    assert [(g["name"], g["cases"]) for g in both["groups"]] == [
        ("unseen", ["case0", "case2"]),
        ("seen in training", ["case1", "case3"]),
    ]
    none = run(template, "evaluate", "--weights", "even", cases=(1, 3))
    assert none.returncode == 5
    assert "learnt from" in none.stderr


def test_baselines_learn_from_another_cohort_but_never_from_what_is_judged(template):
    words = ("--weights", "even", "--json", "--learn-from", "case1.nii.gz", "--learn-from", "case2.nii.gz")
    done = run(template, "evaluate", *words, cases=(0, 2))
    group = json.loads(done.stdout)["groups"][0]
    image = next(r for r in group["rows"] if r["predictor"] == "mean image" and r["target"] == "t1")
    learnt, judged = exams.phantom(1)[..., 1], [exams.phantom(seed)[..., 1] for seed in (0, 2)]
    z = [(c - c[c != 0].mean()) / c[c != 0].std() for c in (learnt, *judged)]
    brain = learnt != 0
    errors = [np.abs(z[0] - truth)[brain].mean() for truth in z[1:]]
    assert image["figures"]["mae"]["mean"] == pytest.approx(np.mean(errors), rel=1e-3)  # of case1 alone
    bare = run(template, "evaluate", "--weights", "even", "--json", cases=(0, 2))
    assert {r["predictor"] for r in json.loads(bare.stdout)["groups"][0]["rows"]} == {"relay", "zero"}
    assert "--learn-from" in bare.stderr


def test_folds_of_different_networks_or_that_know_no_exam_are_noticed(here):
    exams.weights(here / "odd", 1.4, subjects=prints(0, 2), config={"fov": "free", "widths": [4]})
    done = run(here, "evaluate", *FOLDS, "--no-baselines")
    assert done.returncode == 5
    assert "widths differ" in done.stderr
    exams.weights(here / "odd", 1.4, subjects=[["0"]], config={"fov": "free", "seed": 3})
    exams.weights(here / "even", 0.7, subjects=[["1"]])
    done = run(here, "evaluate", *FOLDS, "--no-baselines", "--json", cases=(0, 1))
    assert done.returncode == 0, done.stderr
    assert "none of these weights has learnt from any of these exams" in done.stderr


def test_a_limit_stops_the_reading(here):
    (here / "case3.nii.gz").write_bytes(b"no image")  # found by its name, unreadable
    done = run(here, "evaluate", *FOLDS, "--limit", "2", "--json", "--no-baselines", cases=(0, 1, 2))
    assert json.loads(done.stdout)["groups"][0]["cases"] == ["case0", "case1"]


def test_a_subject_that_comes_twice_counts_once(here):
    exams.exam(here, "case4", 0)
    done = run(here, "evaluate", *FOLDS, "--json", "--no-baselines", cases=range(5))
    assert json.loads(done.stdout)["groups"][0]["cases"] == [f"case{k}" for k in range(4)]
    assert "case4 is left out" in done.stderr


def test_an_exam_that_cannot_be_read_stops_no_other(here):
    whole = (here / "case2.nii.gz").read_bytes()
    (here / "case2.nii.gz").write_bytes(whole[: len(whole) // 2])
    done = run(here, "evaluate", *FOLDS, "--json", "--no-baselines")
    assert done.returncode == 7
    report = json.loads(done.stdout)
    assert report["groups"][0]["cases"] == ["case0", "case1", "case3"]
    assert report["failed"] == ["case2"]


def test_two_exams_use_the_calibration_of_the_weights_or_say_that_there_is_none(here):
    raw = json.loads(run(here, "evaluate", *FOLDS, "--json", "--no-baselines", cases=(0, 2)).stdout)["groups"][0]
    assert raw["calibration"]["kind"] == "none"
    exams.calibration(here / "even" / "calibration.json", factor=2.0)
    found = json.loads(run(here, "evaluate", *FOLDS, "--json", "--no-baselines", cases=(0, 2)).stdout)["groups"][0]
    assert found["calibration"]["kind"] == "file"
    assert found["rows"][0]["figures"]["width"]["mean"] == pytest.approx(2 * raw["rows"][0]["figures"]["width"]["mean"])


def test_a_calibration_is_cross_fitted_written_used_and_known_again(here):
    final = exams.weights(here / "final", 1.0, subjects=prints(0, 1, 2, 3))
    done = run(here, "calibrate", *FOLDS, "--for", "final", "--out", "c.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["c.json"]
    assert "coverage" in done.stderr
    found = json.loads((here / "c.json").read_text())
    check(found, "calibration")
    assert found["cross-fitted"]
    assert found["n"] == 4
    assert len(found["weights_sha256"]) == 2
    assert found["for"] == [json.loads((final / "weights.json").read_text())["sha256"]]
    assert "0 voxels do not count" in done.stderr
    assert {tuple(s) for s in found["subjects"]} == {tuple(sorted(s)) for s in prints(0, 1, 2, 3)}
    assert sum(len(known) for known in found["factors"].values()) == 28
    reference = found["familiarity"]["flair+t1+t1gd"]
    assert reference["names"] == ["brain voxels", "self-check coverage"]
    assert all(0 < share <= 1 for _, share in reference["rows"])
    used = exams.mriuq(
        "predict", "relay", "case0.nii.gz", "--missing", "flair", "--weights", "even", "--calibration", "c.json",
        "--json", plugins=here / "plugins", cwd=here,
    )  # fmt: skip
    assert used.returncode == 0, used.stderr
    judged = json.loads(run(here, "evaluate", *FOLDS, "--calibration", "c.json", "--json").stdout)
    assert any("looks better than it is" in warning for warning in judged["warnings"])
    # Fitted on these very subjects, the mean coverage is the level.
    rows = [r for r in judged["groups"][0]["rows"] if r["predictor"] == "relay"]
    assert [r["figures"]["coverage"]["mean"] for r in rows] == pytest.approx([0.9] * 4, abs=1e-3)


def test_copies_of_one_simulated_head_are_said_to_be_one_person_whom_weights_may_know(here):
    (here / "truth").mkdir()
    for case in ("case1", "case3"):
        truth = {"Simulated": True, "Parameters": {"anatomy": {"source": "MNI152"}}}
        (here / "truth" / f"{case}.json").write_text(json.dumps(truth))
    known = json.loads((here / "even" / "weights.json").read_text())
    (here / "even" / "weights.json").write_text(json.dumps(known | {"anatomies": ["MNI152"]}))
    for done in (
        run(here, "evaluate", *FOLDS, "--no-baselines"),
        run(here, "calibrate", *FOLDS, "--one-missing", "--out", "c.json"),
    ):
        assert done.returncode == 0, done.stderr
        warnings = " ".join(done.stderr.split())
        assert "2 simulated cases are deformed copies of one anatomy: one person, not 2" in warnings
        assert "learnt from other copies of the anatomy of 2 simulated cases" in warnings


def test_calibrating_refuses_subjects_that_the_weights_have_seen(template):
    done = run(template, "calibrate", "--weights", "even", "--out", "c.json", cases=(1, 3))
    assert done.returncode == 5
    assert "learnt from" in done.stderr
    assert not (template / "c.json").exists()


def test_the_risk_rule_says_how_many_exams_it_takes(template):
    done = run(template, "calibrate", *FOLDS, "--rule", "risk", "--out", "c.json")
    assert done.returncode == 5
    assert "at least 9" in done.stderr


def test_one_set_of_given_images_is_calibrated_alone(here):
    done = run(here, "calibrate", *FOLDS, "--available", "t2,flair", "--out", "c.json", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["factors"]
    assert {target: list(known) for target, known in found.items()} == {"t1": ["flair+t2"], "t1gd": ["flair+t2"]}
    for words, said in (
        (("--available", "t2", "--one-missing"), "contradicts"),
        (("--available", "t2", "--all-subsets"), "contradicts"),
        (("--available", "t2,flare"), "flare"),
        (("--available", "flair,t1,t1gd,t2"), "some but not all"),
    ):
        refused = run(here, "calibrate", *FOLDS, *words, "--out", "d.json")
        assert refused.returncode == 2
        assert said in refused.stderr
        assert not (here / "d.json").exists()


def test_calibrating_as_json_prints_one_object(here):
    done = run(here, "calibrate", *FOLDS, "--one-missing", "--out", "c.json", "--json")
    found = json.loads(done.stdout)
    assert found["calibration"] == "c.json"
    assert set(found["factors"]) == set(exams.NAMES)


PROTOCOL = """

@hookimpl
def mriuq_protocols():
    from mriuq_cli.api import Curve, Plot, Protocol, Report, Table

    def measure(model, case, options, context):
        assert context.weights is not None and model is not None
        means = {name: float(volume.data.mean()) for name, volume in case.volumes.items()}
        rest = {"nothing": float("nan"), "all": list(means)}
        return [{"image": name, "mean": mean, **rest} for name, mean in means.items()]

    def report(rows, options):
        lines = tuple((row["case"], row["image"], row["mean"]) for row in rows)
        columns = ("case", "image", "mean") if WIDE else ("case", "image")
        heights = (FIRST, *(row["mean"] for row in rows[1:]))
        curve = Curve("means", tuple(range(len(rows))), heights)
        return Report((Table("means of images", columns, lines),), (Plot("means", "means", "row", "mean", (curve,)),))

    return {"means": Protocol("The mean of every image", measure, report)}
"""


@pytest.fixture
def measuring(here):
    """Give the relay method a protocol; return what changes its source."""

    def give(wide=True, first="float('nan')"):
        source = here / "plugins" / "relay_method.py"
        source.write_text(source.read_text() + f"\nWIDE = {wide}\nFIRST = {first}\n" + PROTOCOL)
        return here

    return give


def test_a_protocol_judges_each_case_by_weights_that_have_not_seen_it(measuring):
    here = measuring()
    done = run(here, "evaluate", *FOLDS, "--protocol", "means", "--json", "--tsv", "rows.tsv", "--plots", "plots")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, json.loads((SCHEMAS / "protocol.schema.json").read_text()))
    assert {one["folder"].split("/")[-1]: one["cases"] for one in found["weights"]} == {
        "even": ["case0", "case2"], "odd": ["case1", "case3"]}  # fmt: skip
    (group,) = found["groups"]
    assert len(group["rows"]) == 16
    assert group["rows"][0]["nothing"] is None
    lines = (here / "rows.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["group", "case", "image", "mean", "nothing"]
    assert len(lines) == 17
    assert (here / "plots" / "means.png").read_bytes().startswith(b"\x89PNG")


def test_a_protocol_prints_its_tables(measuring):
    done = run(measuring(), "evaluate", *FOLDS, "--protocol", "means")
    assert "means of images (unseen, n 4)" in " ".join(done.stdout.split())
    assert "case3" in done.stdout


def test_protocols_that_do_not_exist_are_refused_by_name(measuring, here):
    assert run(here, "evaluate", *FOLDS, "--protocol", "means").returncode == 2
    done = run(measuring(), "evaluate", *FOLDS, "--protocol", "mean")
    assert done.returncode == 2
    assert "One of: means" in done.stderr
    assert run(here, "evaluate", *FOLDS, "--plots", "plots").returncode == 2


def test_a_table_whose_rows_do_not_fit_is_the_fault_of_the_method(measuring):
    done = run(measuring(wide=False), "evaluate", *FOLDS, "--protocol", "means")
    assert done.returncode == 4
    assert "relay" in done.stderr and "means of images" in done.stderr


@pytest.mark.parametrize(("old", "new"), [("assert context.weights is not None", "assert False"),
                                          ('for name, mean in means.items()]', 'for name, mean in means]'),
                                          ("heights = (FIRST", "heights = (rows[99]")])  # fmt: skip
def test_what_fails_inside_a_protocol_is_the_fault_of_the_method(measuring, old, new):
    here = measuring()
    source = here / "plugins" / "relay_method.py"
    assert old in source.read_text()
    source.write_text(source.read_text().replace(old, new))
    done = run(here, "evaluate", *FOLDS, "--protocol", "means", "--out", "found.json")
    assert done.returncode == 4
    assert "raised by method 'relay'" in " ".join(done.stderr.split())
    assert not (here / "found.json").exists()


def test_plots_that_are_there_are_kept_unless_told_otherwise(measuring):
    here = measuring()
    (here / "plots").mkdir()
    (here / "plots" / "means.png").write_text("mine")
    words = ("evaluate", *FOLDS, "--protocol", "means", "--plots", "plots")
    done = run(here, *words)
    assert done.returncode == 6
    assert "plots" in done.stderr and "--overwrite" in done.stderr
    assert (here / "plots" / "means.png").read_text() == "mine"
    assert run(here, *words, "--overwrite").returncode == 0
    assert (here / "plots" / "means.png").read_bytes().startswith(b"\x89PNG")
    assert run(here, *words[:-1], "no/plots").returncode == 6
