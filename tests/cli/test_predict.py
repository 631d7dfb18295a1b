"""``mriuq predict`` through the installed executable: what is written, what is said, and what survives a kill."""

import json
import shutil
import signal
import time
from pathlib import Path

import exams
import nibabel as nib
import numpy as np
import pytest

FLAIR = ("--missing", "flair")
PARTS = ("", "_lower", "_upper", "_width")


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    return exams.plugin_path(tmp_path_factory.mktemp("path"))


@pytest.fixture
def here(tmp_path):
    exams.exam(tmp_path)
    exams.weights(tmp_path / "weights")
    exams.calibration(tmp_path / "calibration.json")
    return tmp_path


@pytest.fixture
def predict(here, plugins):
    def run(*words, code=0, **extra):
        done = exams.mriuq("predict", "relay", *words, "--weights", "weights", plugins=plugins, cwd=here, **extra)
        assert done.returncode == code, done.stderr
        return done

    return run


def voxels(path):
    return np.asarray(nib.load(path).dataobj)


def contents(folder):
    """Return the bytes of every image and sidecar; receipts hold times."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".receipt.json"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_four_images_a_sidecar_and_a_receipt_lie_beside_the_input(here, predict):
    done = predict("exam.nii.gz", *FLAIR)
    names = {path.name for path in here.glob("exam_*")}
    images = {f"exam_flair{part}.nii.gz" for part in PARTS}
    assert names == images | {"exam_flair.json", "exam_flair.receipt.json"}
    assert done.stdout == f"{here / 'exam_flair.nii.gz'}\n"


def test_images_share_the_input_s_grid_and_codes_to_the_bit(here, predict):
    predict("exam.nii.gz", *FLAIR, "--out", "out")
    given = nib.load(here / "exam.nii.gz").header
    for part in PARTS:
        written = nib.load(here / "out" / f"exam_flair{part}.nii.gz").header
        for field in ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "qoffset_x"):
            assert written[field].tobytes() == given[field].tobytes()
        assert written.get_data_shape() == given.get_data_shape()[:3]
        assert written.get_data_dtype() == np.float32


def test_bounds_enclose_the_value_and_width_is_their_difference(here, predict):
    predict("exam.nii.gz", *FLAIR, "--out", "out", "--calibration", "calibration.json")
    value, lower, upper, width = (voxels(here / "out" / f"exam_flair{part}.nii.gz") for part in PARTS)
    brain = exams.phantom()[..., 1] != 0
    assert (lower <= value).all()
    assert (value <= upper).all()
    np.testing.assert_array_equal(width, upper - lower)
    assert (value[~brain] == 0).all()
    assert (width[~brain] == 0).all()
    # margin 1 z, stretched twice, in a display scale of SD 250
    np.testing.assert_allclose(width[brain], 1000, rtol=1e-5)


def test_the_sidecar_turns_the_file_back_into_z(here, predict):
    predict("exam.nii.gz", *FLAIR, "--out", "out")
    sidecar = json.loads((here / "out" / "exam_flair.json").read_text())
    data = exams.phantom()
    scores = []
    for index in (1, 2, 3):
        image = data[..., index].astype(np.float64)
        inside = image[image != 0]
        scores.append(np.where(image != 0, (image - inside.mean()) / inside.std(), 0))
    brain = data[..., 1] != 0
    file = voxels(here / "out" / "exam_flair.nii.gz")
    z = (file - sidecar["Scale"]["Mean"]) / sidecar["Scale"]["SD"]
    np.testing.assert_allclose(z[brain], np.mean(scores, axis=0)[brain], atol=1e-4)


def test_the_sidecar_says_what_made_the_image_and_names_no_folder(here, predict):
    predict("exam.nii.gz", *FLAIR, "--out", "out", "--calibration", "calibration.json")
    text = (here / "out" / "exam_flair.json").read_text()
    sidecar = json.loads(text)
    assert sidecar["Synthetic"] is True
    assert (sidecar["Method"], sidecar["MethodVersion"], sidecar["Target"]) == ("relay", "1.0", "flair")
    assert sidecar["Missing"] == ["flair"]
    assert set(sidecar["Inputs"]) == {"t1", "t1gd", "t2"}
    assert sidecar["Level"] == 0.9
    assert sidecar["Calibration"]["Situation"] == "t1+t1gd+t2"
    assert sidecar["ExpectedCoverage"] == 0.9
    assert sidecar["Familiarity"]["Familiar"] is True
    assert 0 < sidecar["SelfCheck"]["Coverage"] < 1
    assert sidecar["BrainVoxels"] == np.count_nonzero(exams.phantom()[..., 1])
    assert str(here) not in text


def test_sidecar_receipt_and_json_line_follow_their_published_schemas(here, predict):
    jsonschema = pytest.importorskip("jsonschema")
    done = predict("exam.nii.gz", *FLAIR, "--outliers", "--json", "--calibration", "calibration.json")
    schemas = exams.HERE.parents[1] / "docs" / "schemas"
    pairs = [
        (done.stdout, "predict"),
        ((here / "exam_flair.json").read_text(), "sidecar"),
        ((here / "exam_maps.json").read_text(), "sidecar"),
        ((here / "exam_flair.receipt.json").read_text(), "receipt"),
        (predict("exam.nii.gz", *FLAIR, "--dry-run", "--overwrite", "--json").stdout, "predict"),
        (predict("exam.nii.gz", *FLAIR, "--json", "--fail-on", "exam", "--overwrite", code=4).stdout, "predict"),
    ]
    for text, name in pairs:
        schema = json.loads((schemas / f"{name}.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(json.loads(text), schema)


def test_the_4d_form_and_the_per_file_form_agree_to_the_bit(here, predict):
    data = exams.phantom()
    words = []
    for index, name in enumerate(exams.NAMES[1:], start=1):
        exams.save(here / f"exam_{name}.nii.gz", data[..., index])
        words += [f"--{name}", f"exam_{name}.nii.gz"]
    predict("exam.nii.gz", *FLAIR, "--out", "a")
    predict(*words, "--out", "b")
    for part in PARTS:
        name = f"exam_flair{part}.nii.gz"
        assert (here / "a" / name).read_bytes() == (here / "b" / name).read_bytes()


def test_what_the_missing_volume_held_changes_nothing(here, predict):
    predict("exam.nii.gz", *FLAIR, "--out", "a")
    data = exams.phantom()
    data[..., 0] = 1e6
    exams.save(here / "exam.nii.gz", data)
    predict("exam.nii.gz", *FLAIR, "--out", "b")
    assert contents(here / "a") == contents(here / "b")


def test_two_runs_give_the_same_bytes(here, predict):
    for folder in ("a", "b"):
        predict("exam.nii.gz", *FLAIR, "--out", folder, "--outliers")
    assert contents(here / "a") == contents(here / "b")


def test_scale_like_gives_the_outputs_the_reference_s_mean_and_sd_whatever_its_grid(here, predict):
    reference = exams.phantom(seed=5, shape=(10, 12, 14))[..., 0]
    exams.save(here / "ref.nii.gz", reference)
    predict("exam.nii.gz", *FLAIR, "--scale-like", "ref.nii.gz", "--out", "out")
    scale = json.loads((here / "out" / "exam_flair.json").read_text())["Scale"]
    inside = reference[reference != 0].astype(np.float64)
    assert scale["Mean"] == pytest.approx(inside.mean(), rel=1e-6)
    assert scale["SD"] == pytest.approx(inside.std(), rel=1e-6)


def test_outlier_maps_say_inside_above_below_or_not_evaluable(here, predict):
    data = exams.phantom()
    data[12, 13, 11, 1] += 5000
    data[12, 13, 12, 1] = 1e-3
    exams.save(here / "exam.nii.gz", data)
    predict("exam.nii.gz", *FLAIR, "--outliers", "--out", "out")
    found = voxels(here / "out" / "exam_t1_outlier.nii.gz")
    assert found.dtype == np.uint8
    assert found[12, 13, 11] == 1
    assert found[12, 13, 12] == 2
    assert (found[data[..., 1] == 0] == 3).all()
    assert not (here / "out" / "exam_flair_outlier.nii.gz").exists()


def test_a_complete_exam_still_has_outlier_maps(here, predict):
    done = predict("exam.nii.gz", "--outliers", "--out", "out")
    assert [line.rsplit("/", 1)[1] for line in done.stdout.split()] == [
        f"exam_{name}_outlier.nii.gz" for name in exams.NAMES
    ]
    assert predict("exam.nii.gz", "--outliers", "--out", "out", "--resume").stderr.count("skipped") == 1


def test_a_json_line_names_every_file(here, predict):
    line = json.loads(predict("exam.nii.gz", *FLAIR, "--json", "--out", "out").stdout)
    assert (line["case"], line["status"], line["calibrated"]) == ("exam", "done", False)
    for path in line["outputs"]["flair"].values():
        assert path.startswith(str(here / "out"))
        assert Path(path).stat().st_size > 0


def test_a_dry_run_tells_cases_inputs_outputs_and_memory_and_writes_nothing(here, predict):
    before = contents(here)
    done = predict("exam.nii.gz", *FLAIR, "--out", "out", "--dry-run")
    assert "exam.nii.gz[1]" in done.stdout
    assert str(here / "out" / "exam_flair_width.nii.gz") in done.stdout
    assert "GiB of memory" in done.stdout
    assert contents(here) == before


def test_overwrite_leaves_nothing_of_the_old_set(here, predict):
    predict("exam.nii.gz", *FLAIR, "--outliers", "--out", "out")
    predict("exam.nii.gz", *FLAIR, "--stretch-by", "2", "--overwrite", "--out", "out")
    predict("exam.nii.gz", *FLAIR, "--stretch-by", "2", "--out", "fresh")
    assert contents(here / "out") == contents(here / "fresh")


def test_the_scan_that_was_left_out_is_never_replaced(here, predict):
    scan = exams.save(here / "exam_flair.nii.gz", exams.phantom()[..., 0])
    before = scan.read_bytes()
    for way in ("--overwrite", "--resume"):
        done = predict("exam.nii.gz", *FLAIR, way, code=6)
        assert "mriuq did not write" in done.stderr
    assert scan.read_bytes() == before


def test_resume_skips_what_is_whole_and_redoes_what_is_not(here, predict):
    words = ("exam.nii.gz", *FLAIR, "--out", "out")
    predict(*words)
    first = contents(here / "out")
    stamp = (here / "out" / "exam_flair.nii.gz").stat().st_mtime_ns
    assert "skipped" in predict(*words, "--resume").stderr
    assert (here / "out" / "exam_flair.nii.gz").stat().st_mtime_ns == stamp
    spoils = [
        lambda: (here / "out" / "exam_flair_width.nii.gz").write_bytes(b"cut"),
        lambda: (here / "out" / "exam_flair.receipt.json").write_text("{"),
    ]
    for spoil in spoils:
        spoil()
        assert "skipped" not in predict(*words, "--resume").stderr
        assert contents(here / "out") == first


def test_resume_redoes_a_case_whose_making_changed(here, predict):
    words = ["exam.nii.gz", *FLAIR, "--out", "out", "--calibration", "calibration.json"]
    predict(*words)
    changes = [
        lambda: exams.exam(here, seed=9),
        lambda: words.extend(["--stretch-by", "2"]),
        lambda: exams.weights(here / "weights", margin=3.0),
        lambda: exams.calibration(here / "calibration.json", factor=3.0),
    ]
    for change in changes:
        change()
        assert "skipped" not in predict(*words, "--resume").stderr
    assert "skipped" in predict(*words, "--resume").stderr


def cohort(here, count=3):
    for number in range(count):
        (here / "scans" / f"sub{number}").mkdir(parents=True)
        exams.exam(here / "scans" / f"sub{number}", seed=number)


def test_outputs_mirror_the_inputs_folders_so_that_equal_names_do_not_collide(here, predict):
    cohort(here)
    predict("scans", *FLAIR, "--out", "out")
    for number in range(3):
        assert (here / "out" / f"sub{number}" / "exam_flair.receipt.json").exists()


def test_a_failed_case_stops_no_other_and_the_run_ends_with_7(here, predict):
    for name in ("a", "b", "c"):
        (here / "scans").mkdir(exist_ok=True)
        exams.exam(here / "scans", name)
    data = (here / "scans" / "b.nii.gz").read_bytes()
    (here / "scans" / "b.nii.gz").write_bytes(data[:-200])
    done = predict("scans", *FLAIR, "--out", "out", "--json", "--fail-on", "c", code=7)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["status"] for line in lines] == ["done", "failed", "failed"]
    assert [line["error"]["exit_code"] for line in lines[1:]] == [3, 4]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ") and "of 3 cases" not in line]
    assert len(errors) == 2
    assert "2 of 3 cases failed" in done.stderr
    assert not list((here / "out").glob("[bc]_*"))


def test_a_failed_cohort_is_finished_by_resume(here, predict):
    cohort(here, 2)
    good = (here / "scans" / "sub1" / "exam.nii.gz").read_bytes()
    (here / "scans" / "sub1" / "exam.nii.gz").write_bytes(good[:-200])
    predict("scans", *FLAIR, "--out", "out", code=7)
    (here / "scans" / "sub1" / "exam.nii.gz").write_bytes(good)
    done = predict("scans", *FLAIR, "--out", "out", "--resume")
    assert done.stderr.count("skipped") == 1
    predict("scans", *FLAIR, "--out", "fresh")
    assert contents(here / "out") == contents(here / "fresh")


def test_a_second_run_in_the_same_folder_is_refused(here, plugins, predict):
    words = ("predict", "relay", "exam.nii.gz", *FLAIR, "--weights", "weights", "--out", "out")
    first = exams.start(*words, "--sleep", "60", plugins=plugins, cwd=here)
    try:
        end = time.monotonic() + 60
        while not (here / "out" / ".mriuq.lock").exists() and time.monotonic() < end:
            time.sleep(0.02)
        second = predict("exam.nii.gz", *FLAIR, "--out", "out", code=6)
        assert str(first.pid) in second.stderr
    finally:
        first.kill()
        first.communicate()
    # The dead run's lock is taken over.
    predict("exam.nii.gz", *FLAIR, "--out", "out", "--resume")
    assert not (here / "out" / ".mriuq.lock").exists()


def is_whole(folder):
    """Assert that each image and JSON file can be read to its end and that receipts tell the truth."""
    from mriuq_cli.cohort.receipts import is_whole as proven
    from mriuq_cli.cohort.receipts import read_receipt

    for path in folder.glob("exam*"):
        if path.name.endswith(".nii.gz"):
            voxels(path)
        else:
            facts = json.loads(path.read_text())
            if path.name.endswith(".receipt.json"):
                assert read_receipt(path) is not None
                assert proven(path, facts["Basis"])


def test_a_kill_at_any_moment_leaves_whole_files_and_resume_gives_the_same_bytes(here, plugins, predict):
    exams.save(here / "exam.nii.gz", exams.phantom(shape=(64, 64, 64)))
    words = ("exam.nii.gz", *FLAIR, "--outliers")
    predict(*words, "--out", "whole")
    expected = contents(here / "whole")
    command = ("predict", "relay", *words, "--weights", "weights", "--out", "out")
    for files in (1, 3, 6, 9):
        shutil.rmtree(here / "out", ignore_errors=True)
        process = exams.start(*command, plugins=plugins, cwd=here)
        while process.poll() is None and len(list((here / "out").glob("exam*"))) < files:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        is_whole(here / "out")
    predict(*words, "--out", "out", "--resume")
    assert contents(here / "out") == expected


def test_threads_are_counted_from_the_cores_this_process_may_use(here, predict):
    predict("exam.nii.gz", *FLAIR, "--out", "out", "--threads", "1")
    receipt = json.loads((here / "out" / "exam_flair.receipt.json").read_text())
    assert receipt["Basis"]["Threads"] == 1
    assert receipt["PeakMemoryBytes"] > 0
    assert {"read", "predict", "write"} <= set(receipt["Seconds"])


def test_predicting_imports_neither_monai_nor_other_slow_modules(here, plugins, predict):
    words = ("exam.nii.gz", *FLAIR, "--out", "out", "--calibration", "calibration.json")
    done = predict(*words, PYTHONPROFILEIMPORTTIME="1")
    assert "torch" in done.stderr
    assert "monai" not in done.stderr
    assert "scipy.stats" not in done.stderr
