"""``mriuq train`` through the installed executable: weights, folds, resume after a kill, and what is refused."""

import json
import os
import subprocess
import time
from pathlib import Path

import exams
import pytest

from mriuq_cli.data.reader import fingerprint

RECIPE = """\
method: qrunet
preset: tiny
model: {crop: 16, widths: [4, 4, 8], hidden: [8, 8], reuse: 2}
seed: 5
folds: {count: 3, hold_out: 0}
train: {steps: 24, batch: 1, rate: 1e-2, warmup: 4, precision: float32, save_every: 2}
"""
CASES = 4
EXECUTABLE = str(exams.EXECUTABLE)


def words(*given):
    return [
        EXECUTABLE,
        "train",
        "qrunet",
        *map(str, given),
        "--device",
        "cpu",
        *(() if "--threads" in given else ("--threads", "1")),
    ]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "cohort").mkdir()
    for seed in range(CASES):
        exams.exam(folder / "cohort", f"case{seed}", seed)
    exams.exam(folder, "new", 9)
    return folder


@pytest.fixture(scope="module")
def mriuq(here):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}

    def run(*given, code=0):
        command = list(map(str, given))
        done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == code, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def trained(mriuq):
    """Train once without disturbance, with the JSON answer."""
    return mriuq(*words("recipe.yaml", "--data", "cohort", "--out", "run", "--json"))


def prints(seed):
    return sorted(fingerprint(exams.phantom(seed)[..., k], exams.GEOMETRY) for k in range(4))


def facts(run):
    return json.loads((run / "weights" / "weights.json").read_text())


def test_stdout_is_one_json_object_that_names_the_weights(here, trained):
    assert json.loads(trained.stdout) == {"method": "qrunet", "weights": "run/weights", "cases": CASES}


def test_the_run_folder_holds_recipe_log_state_and_weights(here, trained):
    run = here / "run"
    assert {path.name for path in run.iterdir()} == {"recipe.yaml", "cohort.json", "main", "weights"}
    assert len((run / "main" / "log.jsonl").read_text().splitlines()) == 24
    assert json.loads((run / "main" / "last" / "state.json").read_text())["step"] == 24
    assert "average: 0.998" in (run / "recipe.yaml").read_text(), "every default is spelled out"
    assert not list(run.rglob("*.part"))


def test_weights_state_method_network_and_the_subjects_that_they_saw_but_not_those_held_out(here, trained):
    stated = facts(here / "run")
    assert (stated["method"], stated["preset"], stated["config"]["seed"]) == ("qrunet", "tiny", 5)
    assert stated["training"]["subjects"] == 2
    assert stated["subjects"] == [prints(1), prints(2)]  # of cases 0 to 3 the fold 0 of 3 holds out 0 and 3


def test_predict_accepts_the_weights(here, mriuq, trained):
    mriuq(
        EXECUTABLE, "predict", "qrunet", "new.nii.gz", "--missing", "flair", "--weights", "run/weights", "--out", "out"
    )
    assert (here / "out" / "new_flair_upper.nii.gz").exists()
    assert json.loads((here / "out" / "new_flair.json").read_text())["Weights"]


def test_a_run_that_was_killed_and_resumed_gives_the_same_weights_to_the_byte(here, mriuq, trained):
    given = words("recipe.yaml", "--data", "cohort", "--out", "killed")
    state = here / "killed" / "main" / "last" / "state.json"
    process = subprocess.Popen(given, cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not state.exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert 0 < json.loads(state.read_text())["step"] < 24
    assert not (here / "killed" / "weights").exists()
    mriuq(*given, code=6)
    assert mriuq(*given, "--resume").stdout == "killed/weights\n"
    weights = [here / name / "weights" / "weights.safetensors" for name in ("run", "killed")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert facts(here / "killed")["subjects"] == facts(here / "run")["subjects"]
    mriuq(*given, "--resume", "--steps", "30", code=6)  # now it would be another training


def test_a_run_folder_that_holds_a_training_is_refused_and_left_as_it_is(here, mriuq, trained):
    before = {path: path.read_bytes() for path in (here / "run").rglob("*") if path.is_file()}
    done = mriuq(*words("recipe.yaml", "--data", "cohort", "--out", "run"), code=6)
    assert "run: holds a training already" in done.stderr and "--resume" in done.stderr
    assert before == {path: path.read_bytes() for path in (here / "run").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("recipe", "more", "code", "why"),
    [
        ("none.yaml", (), 3, "none.yaml: there is no such recipe"),
        (RECIPE.replace("qrunet", "puq"), (), 2, "the recipe is for 'puq', not 'qrunet'"),
        (RECIPE.replace("rate: 1e-2", "rate: -1"), (), 2, "line 6, column 30: train.rate: "),
        (RECIPE.replace("steps: 24, ", ""), (), 2, "no budget"),
        (RECIPE, ("--fold", "3"), 2, "fold 3 of 3 does not exist"),
        (RECIPE, ("--fold", "-1"), 2, "folds.hold_out: "),
        (RECIPE, ("--folds", "4"), 2, "--folds 4 takes --fold"),
        (RECIPE, ("--threads", "0"), 2, "--threads must be 1 or more"),
        (RECIPE, ("--out", "nowhere/run"), 6, "nowhere: the folder does not exist"),
        (RECIPE, ("--out", "recipe.yaml"), 6, "recipe.yaml: is a file"),
        (RECIPE, ("--steps", "0"), 2, "train.steps: "),
        (RECIPE.replace("folds:", "# "), ("--fold", "0"), 2, "--fold 0 takes --folds"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_words_before_a_folder_is_made(here, mriuq, recipe, more, code, why):
    name = Path(recipe)
    if "\n" in recipe:
        name = here / "other.yaml"
        name.write_text(recipe)
    done = mriuq(*words(name, "--data", "cohort", "--out", "refused", *more), code=code)
    assert why in done.stderr and len(done.stderr.splitlines()) <= 3
    assert not (here / "refused").exists()


def test_a_folder_with_the_name_of_a_recipe_that_ships_is_not_taken_for_it(mriuq, here):
    (here / "impute").mkdir()
    done = mriuq(*words("impute", "--data", "nowhere", "--out", "never"), code=3)
    assert "nowhere" in done.stderr
    assert "recipe" not in done.stderr
