"""From a request to files: what is planned, what is never touched, and what an interruption leaves."""

import errno
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mriuq_cli.cohort import case as case_module
from mriuq_cli.cohort import lock, receipts
from mriuq_cli.cohort.plan import basis_of, make_plan
from mriuq_cli.cohort.planned import Request
from mriuq_cli.cohort.report import show_plan
from mriuq_cli.cohort.run import run_plan
from mriuq_cli.data.traces import claim_of, is_ours
from mriuq_cli.errors import MachineError, PartialFailure
from mriuq_cli.hooks.method import Method, Role
from mriuq_cli.uncertainty.estimate import Check, Estimate, Prediction

NAMES = ("flair", "t1", "t1gd", "t2")
ROLES = tuple(Role(name, name, ("t1ce",) if name == "t1gd" else ()) for name in NAMES)
METHOD = Method(1, "a test", ROLES, ROLES, partial=True, outliers=True)


def fake(maps=(), watch=lambda case: None):
    """Return a method that needs no network and predicts a ramp, plus the named further maps."""

    def call(hook, *, case, options, **_):
        watch(case)
        brain = np.logical_or.reduce([volume.data != 0 for volume in case.volumes.values()])
        ramp = np.linspace(0, 1, brain.size, dtype=np.float32).reshape(brain.shape) * brain
        estimate = Estimate(ramp, ramp - ramp, ramp + ramp, brain, 0.9, display=(1000.0, 250.0))
        checks = {name: Check(estimate, ramp, ()) for name in case.volumes} if options.get("outliers") else {}
        missing = {name: estimate for name in NAMES if name not in case.volumes}
        return Prediction(missing, tuple(case.volumes), dict.fromkeys(maps, ramp), outliers=checks)

    return SimpleNamespace(
        name="fake", version="1", distribution="mriuq-fake", method=METHOD, has=lambda hook: False, call=call
    )


def wish(*inputs, **changes):
    return Request(tuple(inputs), **{"missing": ("flair",), "device": "cpu", "threads": 1, **changes})


def predict(request, plugin=None):
    outcomes = []
    plugin = plugin or fake()
    run_plan(make_plan(plugin, request), plugin, outcomes.append, lambda done, what: None)
    return outcomes


def names(folder):
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_among_exams_that_lack_something_complete_ones_get_their_outlier_maps(tmp_path, images, write):
    write.brats(tmp_path, images, "A", without=("flair",))
    write.brats(tmp_path, images, "B")
    plan = make_plan(fake(), wish(tmp_path, missing=(), outliers=True))
    assert [case.ref.problem for case in plan.cases] == [None, None]
    assert [case.targets for case in plan.cases] == [("flair",), ()]
    assert plan.cases[1].checks == NAMES


def test_a_file_that_somebody_else_wrote_is_never_replaced_whatever_it_is(exam):
    for name in ("exam_flair.json", "exam_flair_width.nii.gz"):
        place = exam.with_name(name)
        place.write_text("precious")
        with pytest.raises(MachineError, match="did not write"):
            make_plan(fake(), wish(exam, overwrite=True))
        place.unlink()


def test_a_further_map_of_a_method_replaces_no_scan_even_where_a_receipt_of_ours_lies(exam):
    predict(wish(exam), fake(maps=("odd",)))
    scan = exam.with_name("exam_other.nii.gz")
    scan.write_text("precious")
    with pytest.raises(MachineError, match="did not write"):
        predict(wish(exam, overwrite=True), fake(maps=("other",)))
    assert scan.read_text() == "precious"


def test_a_prediction_given_as_a_scan_is_warned_of(exam):
    predict(wish(exam))
    files = {"t1": exam.with_name("exam_flair.nii.gz"), "t2": exam.with_name("exam_flair_width.nii.gz")}
    (outcome,) = predict(wish(files=files, missing=(), out=exam.parent / "out"))
    for path in files.values():
        assert any(path.name in warning and "not a scan" in warning for warning in outcome.facts["warnings"])


def test_the_tile_is_part_of_the_basis_whoever_chose_it(exam):
    plan = make_plan(fake(), wish(exam))
    (case,) = plan.cases
    assert basis_of(case, plan.shared) != basis_of(replace(case, tile=64), plan.shared)


def test_refusing_unfamiliar_exams_is_part_of_the_basis(exam):
    plan = make_plan(fake(), wish(exam))
    assert plan.shared["RefuseUnfamiliar"] is False


def test_labels_are_not_read_for_a_prediction(tmp_path, images, write):
    folder = write.brats(tmp_path, images, "A", without=("flair",))
    (folder / "A_seg.nii.gz").write_bytes(b"damaged")
    shown = []
    predict(wish(folder), fake(watch=lambda case: shown.append(case.regions)))
    assert shown == [{}]


def test_without_an_output_folder_each_case_s_folder_is_held_while_it_is_worked_on_and_no_longer(
    tmp_path, images, write
):
    for name in "ABC":
        write.brats(tmp_path, images, name, without=("flair",))
    held = []

    def watch(case):
        held.append([path.parent.name for path in tmp_path.rglob(lock.NAME)])

    predict(wish(tmp_path), fake(watch=watch))
    assert held == [["A"], ["B"], ["C"]]
    assert not list(tmp_path.rglob(lock.NAME))


def test_a_dry_run_names_the_cases_that_cannot_be_used(tmp_path, images, write, capsys):
    write.brats(tmp_path, images, "A", without=("flair",))
    (write.brats(tmp_path, images, "B", without=("flair",)) / "B_t1.nii.gz").write_bytes(b"")
    plan = make_plan(fake(), wish(tmp_path))
    with pytest.raises(PartialFailure, match="1 of 2"):
        show_plan(plan, as_json=False)
    told = capsys.readouterr()
    assert "B_t1.nii.gz" in told.err
    assert "B_flair" not in told.out
    assert "A_flair" in told.out


def test_claims_lie_there_before_anything_old_is_removed(exam, monkeypatch):
    predict(wish(exam, outliers=True, options={"outliers": True}))
    seen = {}

    def killed(old, others):
        for receipt in old:
            seen[receipt.name] = claim_of(receipt).exists()
        for receipt in old:
            receipt.unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(receipts, "clear", killed)
    monkeypatch.setattr(case_module, "_removed", lambda paths: False)
    with pytest.raises(KeyboardInterrupt):
        predict(wish(exam, overwrite=True))
    assert seen == {"exam_flair.receipt.json": True, "exam_maps.receipt.json": True}
    for path in exam.parent.glob("exam_flair*.nii.gz"):
        assert is_ours(exam.with_name("exam_flair.receipt.json"), path)
    monkeypatch.undo()
    predict(wish(exam, resume=True))
    assert "exam_flair.receipt.json" in names(exam.parent)


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.fixture
def interruptible():
    """Interrupts reach Python, also where the tests were started in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_interrupt_does_not_cut_short_the_clean_up(exam, monkeypatch, interruptible):
    removed = case_module._removed

    def impatient(paths):
        os.kill(os.getpid(), signal.SIGINT)
        return removed(paths)

    monkeypatch.setattr(case_module, "_removed", impatient)
    monkeypatch.setattr(case_module, "write_json", interrupt)
    with pytest.raises(KeyboardInterrupt):
        predict(wish(exam))
    assert names(exam.parent) == {"exam.nii.gz"}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_set_that_cannot_be_removed_keeps_its_claim(exam, monkeypatch):
    unlink = Path.unlink

    def stuck(path, missing_ok=False):
        if path.name.endswith("_width.nii.gz"):
            raise OSError(errno.EIO, "the disk reports an error")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", stuck)
    monkeypatch.setattr(case_module, "write_json", interrupt)
    with pytest.raises(KeyboardInterrupt):
        predict(wish(exam))
    assert names(exam.parent) == {"exam.nii.gz", "exam_flair_width.nii.gz", ".exam_flair.claim"}


def test_a_disk_without_room_for_a_claim_is_the_machine_s_fault(exam, monkeypatch):
    def full(path, *_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(MachineError, match="disk is full"):
        predict(wish(exam))


def test_signals_are_left_alone_outside_the_main_thread():
    seen = []

    def work():
        with lock.undisturbed():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
