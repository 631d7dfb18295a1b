"""``mriuq qc`` through the installed executable, with a method that judges by the brightest and the darkest voxel."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import exams
import jsonschema
import nibabel as nib
import numpy as np
import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "qc.md"
SCHEMA, RECEIPT = (
    json.loads((HERE.parents[1] / "docs" / "schemas" / f"{name}.schema.json").read_text()) for name in ("qc", "receipt")
)
SHAPE = (22, 24, 20)
AFFINE = np.diag([-2.0, -2.0, 2.0, 1.0])


def scan(path, brightest=500, darkest=100, seed=0):
    """Write a ball in air; its brightest and its darkest voxel decide what the method says."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij"))
    noise = np.random.default_rng(seed).random(SHAPE)
    image = np.where((grid**2).sum(axis=0) < 0.6, 300 + 100 * noise, darkest + 20 * noise)
    image.flat[0], image.flat[-1] = brightest, darkest
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(image.astype(np.float32), AFFINE), path)
    return path


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Make a folder for the import path with the judging method, and none of the methods installed for real."""
    folder = exams.plugin_path(tmp_path_factory.mktemp("site"), HERE / "judging_method.py", "judging")
    return without_methods(folder)


def without_methods(folder):
    """Lay distributions without entry points over those that are installed: the first on the path is the one seen."""
    for name in ("mriuq_hetqc", "mriuq_qrunet"):
        info = folder / f"{name}-0.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 0.0\n")
    return folder


@pytest.fixture
def qc(mriuq, site, tmp_path):
    return lambda *words, **more: mriuq("qc", *words, site=site, cwd=tmp_path, **more)


@pytest.fixture
def lines(qc):
    """Return ``lines(*words)``: exit code and the records, each of which keeps to the published schema."""

    def run(*words):
        done = qc(*words, "--json")
        records = [json.loads(line) for line in done.stdout.splitlines()]
        for record in records:
            jsonschema.validate(record, SCHEMA)
        return done.returncode, records

    return run


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_scan_gets_a_row_with_its_verdict_the_reason_and_how_often_that_is_wrong(qc, tmp_path):
    done = qc(scan(tmp_path / "good.nii.gz"))
    assert done.returncode == 0, done.stderr
    heading, row, *legend = done.stdout.splitlines()
    assert heading.split()[:3] == ["scan", "visual", "algorithmic"]
    assert re.split(r"  +", row)[:5] == ["good", "20 (4 of 20)", "0 (0 of 20)", "-", "pass"]
    assert row.endswith("visual misses 1 of 5 spoilt; algorithmic misses 1 of 5 spoilt")
    assert "20 clean scans (20 of them simulated)" in legend[0]
    assert "warn from 95: false alarms 1 of 20 clean scans (0.1% to 24.9%); misses: noise 1 of 3, motion 0 of 2" in (
        done.stdout
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "good.nii.gz"]


def test_a_terminal_gets_a_ruled_table(site, tmp_path):
    script = f"import pty, sys; sys.exit(pty.spawn([{str(exams.EXECUTABLE)!r}, 'qc', 'bad.nii.gz']) >> 8)"
    scan(tmp_path / "bad.nii.gz", 2100)
    environment = {**os.environ, "PYTHONPATH": str(site), "TERM": "xterm", "COLUMNS": "160"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, stdin=-3
    )
    assert "┃" in done.stdout
    assert "beyond all 20" in done.stdout


@pytest.mark.parametrize(("brightest", "verdict"), [(500, "pass"), (1950, "warn"), (2100, "fail")])
def test_the_verdict_follows_from_the_percentile(lines, tmp_path, brightest, verdict):
    code, (record,) = lines(scan(tmp_path / "a.nii.gz", brightest))
    assert (code, record["status"], record["verdict"]) == (0, "done", verdict)
    assert record["artefact"] == {"name": "noise", "share": 0.75}
    assert record["visual"]["clean"] == record["visual"]["simulated"] == 20
    assert record["visual"]["error_rates"]["fail"]["false_alarms"] == 1
    assert record["judges"]["mriuq"]["verdict"] is None
    assert record["judges"]["mriuq"]["scores"]["efc"]["value"] > 0


def test_the_worse_of_visual_and_algorithmic_quality_decides(lines, tmp_path):
    _, (record,) = lines(scan(tmp_path / "a.nii.gz", 5000, darkest=280))
    assert record["verdict"] == "fail"
    assert record["algorithmic"]["percentile"] == 10
    assert record["reason"].startswith("judging: visual quality (brightest): beyond all 20 clean scans; false alarms")


def test_one_bad_file_among_good_ones_is_told_and_the_run_ends_with_7(lines, qc, tmp_path):
    scan(tmp_path / "a.nii.gz"), scan(tmp_path / "c.nii.gz")
    (tmp_path / "b.nii.gz").write_bytes(b"no image")
    code, records = lines(".")
    assert code == 7
    assert [record["status"] for record in records] == ["done", "failed", "done"]
    error = records[1]["error"]
    assert error["exit_code"] == 3
    assert "b.nii.gz" in error["message"]
    assert "1 of 3 scans could not be judged" in qc(".").stderr
    assert qc(".", "--fail-on", "warn").returncode == 7


def test_a_single_unreadable_scan_keeps_its_own_code(lines, tmp_path):
    (tmp_path / "b.nii.gz").write_bytes(b"no image")
    code, (record,) = lines("b.nii.gz")
    assert (code, record["error"]["exit_code"]) == (3, 3)
    code, (record,) = lines("absent.nii.gz")
    assert (code, record["error"]["message"]) == (3, "absent.nii.gz: no such file or folder")


def test_a_name_that_means_nothing_does_not_stop_the_others(lines, tmp_path):
    code, records = lines("absent.nii.gz", scan(tmp_path / "a.nii.gz"))
    assert code == 7
    assert [record["status"] for record in records] == ["failed", "done"]


def test_a_4d_file_is_refused_in_words(qc, tmp_path):
    nib.save(
        nib.Nifti1Image(np.random.default_rng(0).random((*SHAPE, 3)).astype(np.float32), AFFINE), tmp_path / "f.nii"
    )
    done = qc("f.nii")
    assert done.returncode == 3
    assert "holds 3 volumes" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("brightest", "level", "code"),
    [(500, "warn", 0), (1950, "warn", 8), (1950, "fail", 0), (2100, "warn", 8), (2100, "fail", 8)],
)
def test_fail_on_turns_a_verdict_into_exit_code_8(qc, tmp_path, brightest, level, code):
    assert qc(scan(tmp_path / "a.nii.gz", brightest), "--fail-on", level).returncode == code


def test_an_unfamiliar_scan_is_not_rated_and_counts_as_a_warning(lines, qc, tmp_path):
    _, (record,) = lines(scan(tmp_path / "strange.nii.gz"))
    assert (record["verdict"], record["visual"]) == ("unfamiliar", None)
    assert "an odd tone" in record["reason"]
    assert record["judges"]["judging"]["scores"]["brightest"] == {
        "value": 5.0, "better": "low", "meaning": "the brightest voxel", "group": "visual", "percentile": None,
    }  # fmt: skip
    assert record["artefact"]
    row = qc("strange.nii.gz").stdout.splitlines()[1].split()
    assert row[:5] == ["strange", "-", "-", "-", "unfamiliar"]
    assert qc("strange.nii.gz", "--fail-on", "warn").returncode == 8
    assert qc("strange.nii.gz", "--fail-on", "fail").returncode == 0
    (tmp_path / "strict.yaml").write_text("visual: {warn: 95}\nunfamiliar: fail\n")
    assert qc("strange.nii.gz", "--fail-on", "fail", "--thresholds", "strict.yaml").returncode == 8


def test_thresholds_are_the_users(lines, tmp_path):
    (tmp_path / "lax.yaml").write_text("visual: {fail: 100}\n")
    _, (record,) = lines(scan(tmp_path / "a.nii.gz", 1950), "--thresholds", "lax.yaml")
    assert record["verdict"] == "pass"
    assert list(record["visual"]["error_rates"]) == ["fail"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("visual: {warn: 95}\nvisible: {warn: 3}\n", "line 2, column 1: visible"),
        ("visual:\n  warn: much\n", "line 2, column 3: visual.warn"),
        ("visual:\n  warn: 101\n", "line 2, column 3: visual.warn"),
        ("visual:\n  warn: 99\n  fail: 90\n", "line 1, column 1: visual: Value error, warn must not be above fail"),
        ("visual: [\n", "line 2"),
    ],
)
def test_what_is_wrong_with_thresholds_is_said_with_file_and_line(qc, tmp_path, text, said):
    (tmp_path / "t.yaml").write_text(text)
    done = qc(scan(tmp_path / "a.nii.gz"), "--thresholds", "t.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "t.yaml" in done.stderr
    assert said in done.stderr


def test_thresholds_that_are_not_there_are_an_input_error(qc, tmp_path):
    assert qc(scan(tmp_path / "a.nii.gz"), "--thresholds", "none.yaml").returncode == 3


def test_out_keeps_images_scores_and_a_receipt_and_resume_skips_what_is_whole(lines, qc, tmp_path):
    for name in ("in/one/a.nii.gz", "in/two/a.nii.gz"):
        scan(tmp_path / name)
    code, records = lines("in", "--out", "out")
    assert code == 0
    endings = ("recovered", "recovered_lower", "recovered_upper", "sigma-recon")
    for record, place in zip(records, ("one", "two"), strict=True):
        files = {Path(path).name for path in record["outputs"]}
        assert files == {*(f"a_{ending}.nii.gz" for ending in endings), "a_qc.json", "a_qc.receipt.json"}
        assert {path.name for path in (tmp_path / "out" / place).iterdir()} == files
        jsonschema.validate(json.loads((tmp_path / "out" / place / "a_qc.receipt.json").read_text()), RECEIPT)
    made, given = nib.load(tmp_path / "out/one/a_sigma-recon.nii.gz"), nib.load(tmp_path / "in/one/a.nii.gz")
    assert np.array_equal(made.affine, given.affine)
    assert np.allclose(made.get_fdata(), given.get_fdata() / 10, rtol=1e-5)
    assert qc("in", "--out", "out").returncode == 6
    (tmp_path / "out/two/a_qc.json").write_text("{}")
    code, again = lines("in", "--out", "out", "--resume")
    assert [record["status"] for record in again] == ["skipped", "done"]
    assert again[0]["judges"] == records[0]["judges"]
    _, replaced = lines("in", "--out", "out", "--overwrite")
    assert [record["status"] for record in replaced] == ["done", "done"]


def test_outputs_are_never_taken_for_scans(lines, tmp_path):
    scan(tmp_path / "in" / "a.nii.gz")
    lines("in", "--out", "in")
    _, records = lines("in")
    assert [record["id"] for record in records] == ["a"]


def test_a_file_that_is_not_ours_is_never_replaced(qc, tmp_path):
    scan(tmp_path / "in" / "a.nii.gz")
    mine = scan(tmp_path / "out" / "a_sigma-recon.nii.gz").read_bytes()
    done = qc("in", "--out", "out", "--overwrite")
    assert done.returncode == 6
    assert "did not write" in done.stderr
    assert (tmp_path / "out" / "a_sigma-recon.nii.gz").read_bytes() == mine
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_nothing_is_left_of_a_scan_that_was_interrupted(mriuq_process, site, tmp_path):
    scan(tmp_path / "in" / "a.nii.gz"), scan(tmp_path / "in" / "slow.nii.gz")
    process = mriuq_process("qc", tmp_path / "in", "--out", tmp_path / "out", "--json", site=site)
    assert json.loads(process.stdout.readline())["id"] == "a"
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    assert {path.name.split("_")[0] for path in (tmp_path / "out").iterdir()} == {"a"}


def test_the_overview_is_a_picture(qc, tmp_path):
    pytest.importorskip("matplotlib")
    done = qc(scan(tmp_path / "a.nii.gz"), "--out", "out", "--png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "a_qc.png").read_bytes().startswith(b"\x89PNG")
    assert qc("a.nii.gz", "--png").returncode == 2


def test_the_table_file_has_the_names_of_mriqc_and_a_row_for_every_scan(qc, tmp_path):
    scan(tmp_path / "in" / "a.nii.gz")
    (tmp_path / "in" / "b.nii.gz").write_bytes(b"no image")
    assert qc("in", "--tsv", "t.tsv").returncode == 7
    names, a, b = [line.split("\t") for line in (tmp_path / "t.tsv").read_text().splitlines()]
    assert {"bids_name", "snr_total", "snrd_total", "cnr", "cjv", "efc", "fber", "wm2max", "qi_1"} <= set(names)
    row = dict(zip(names, a, strict=True))
    assert (row["bids_name"], row["verdict"], row["judging_brightest"], row["error"]) == ("a", "pass", "5", "n/a")
    assert dict(zip(names, b, strict=True))["efc"] == "n/a"
    assert qc("in", "--tsv", "t.tsv").returncode == 6


def test_of_a_bids_data_set_only_t1_weighted_scans_are_judged(lines, qc, tmp_path):
    data = tmp_path / "bids"
    for name in ("sub-01/anat/sub-01_T1w", "sub-01/anat/sub-01_T2w", "sub-02/ses-1/anat/sub-02_ses-1_T1w"):
        scan(data / f"{name}.nii.gz")
    scan(data / "sub-01/func/sub-01_bold.nii.gz"), scan(data / "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz")
    (data / "dataset_description.json").write_text("{}")
    _, records = lines(data)
    assert [record["id"] for record in records] == [
        "sub-01/anat/sub-01_T1w", "sub-02/ses-1/anat/sub-02_ses-1_T1w",
    ]  # fmt: skip
    assert "no anat/*_T1w file" in qc(data / "sub-01" / "func").stderr


def test_two_scans_of_one_name_are_refused_where_their_outputs_would_collide(qc, tmp_path):
    scan(tmp_path / "in" / "a.nii.gz"), scan(tmp_path / "in" / "a.nii")
    assert qc("in", "--out", "out").returncode == 2
    assert qc("in").returncode == 0


def test_a_method_that_fails_on_a_scan_is_that_scans_error(lines, tmp_path):
    for name in ("a", "stripped", "raise", "nonsense"):
        scan(tmp_path / "in" / f"{name}.nii.gz")
    code, records = lines("in")
    by_name = {record["id"]: record for record in records}
    assert code == 7
    assert by_name["a"]["status"] == "done"
    assert [by_name[name]["error"]["exit_code"] for name in ("stripped", "raise", "nonsense")] == [3, 4, 4]
    assert "the skull is gone" in by_name["stripped"]["error"]["message"]
    assert by_name["raise"]["judges"]["mriuq"]["scores"]


def test_weights_that_cannot_be_used_stop_the_run(lines, tmp_path):
    for name in ("a", "weightless", "z"):
        scan(tmp_path / "in" / f"{name}.nii.gz")
    code, records = lines("in")
    assert code == 5
    assert [record["status"] for record in records] == ["done", "failed"]


def test_a_scan_that_no_method_rates_has_no_verdict_and_counts_as_unfamiliar(lines, qc, tmp_path):
    code, (record,) = lines(scan(tmp_path / "silent.nii.gz"))
    assert (code, record["verdict"]) == (0, None)
    assert qc("silent.nii.gz", "--fail-on", "warn").returncode == 8


def test_without_a_method_that_rates_the_classical_measures_are_shown_and_it_is_said(mriuq, tmp_path):
    bare = without_methods(tmp_path / "bare")
    path = scan(tmp_path / "a.nii.gz")
    done = mriuq("qc", path, site=bare)
    assert done.returncode == 0
    assert "no installed method rates scans" in done.stderr
    assert done.stdout.split()[:3] == ["scan", "snr_total", "snrd_total"]
    assert mriuq("qc", path, "--fail-on", "warn", site=bare).returncode == 4


def test_options_reach_the_method(lines, tmp_path):
    _, (record,) = lines(scan(tmp_path / "a.nii.gz"), "--epistemic", "--threads", 1, "--seed", 7)
    said = record["judges"]["judging"]
    assert (said["scores"]["epistemic"]["value"], said["facts"]) == (1, {"threads": 1, "seed": 7})


@pytest.mark.parametrize(
    "words", [["--overwrite", "--resume"], ["--resume"], ["--threads", "0"], ["--device", "tpu"], ["--fail-on", "pass"]]
)
def test_words_that_do_not_fit_are_a_usage_error(qc, tmp_path, words):
    assert qc(scan(tmp_path / "a.nii.gz"), *words).returncode == 2


def test_the_pipelines_of_the_page_work(site, tmp_path):
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    assert any("xargs" in line for line in lines)
    scan(tmp_path / "scan.nii.gz"), scan(tmp_path / "scans" / "one two.nii.gz", 2100)
    scan(tmp_path / "bids/sub-01/anat/sub-01_T1w.nii.gz")
    (tmp_path / "bids" / "dataset_description.json").write_text("{}")
    (tmp_path / "mine.yaml").write_text("visual: {warn: 90, fail: 100}\n")
    path = f"{exams.EXECUTABLE.parent}{os.pathsep}{os.environ['PATH']}"
    for line in lines:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(site)},
        )  # fmt: skip
        assert done.returncode in (0, 8, 123), f"$ {line}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "bad.txt").read_text().split("\n")[0].endswith("one two.nii.gz")
    shutil.rmtree(tmp_path / "qc")
