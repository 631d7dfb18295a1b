"""Receipts: what they prove, and what makes them worth nothing."""

import json
from pathlib import Path

import pytest

from mriuq_cli.cohort import receipts
from mriuq_cli.data.case import CaseRef, VolumeRef

SHARED = {"Method": "m", "Options": {"a": (1, 2)}, "Weights": "w", "Threads": 2}
RUN = receipts.Run({"read": 0.12345}, 10, {"mriuq": "0"})


@pytest.fixture
def made(tmp_path):
    """Return a case's reference, its basis, its outputs and its receipt."""
    scan = tmp_path / "scan.nii.gz"
    scan.write_bytes(b"voxels")
    ref = CaseRef("scan", {"t1": VolumeRef(scan, 1), "t2": VolumeRef(scan, 3)})
    outputs = [tmp_path / name for name in ("scan_a.nii.gz", "scan_a.json")]
    for path in outputs:
        path.write_bytes(path.name.encode())
    base = receipts.basis(ref, SHARED)
    receipt = tmp_path / "scan_a.receipt.json"
    receipts.write_receipt(receipt, base, outputs, ["a"], RUN)
    return ref, base, outputs, receipt


def test_a_receipt_holds_while_nothing_changed(made):
    ref, base, _, receipt = made
    assert receipts.is_whole(receipt, base)
    assert receipts.is_whole(receipt, receipts.basis(ref, SHARED))


@pytest.mark.parametrize("change", [{"Method": "n"}, {"Options": {"a": (1, 3)}}, {"Weights": None}, {"Threads": 1}])
def test_another_basis_voids_it(made, change):
    ref, _, _, receipt = made
    assert not receipts.is_whole(receipt, receipts.basis(ref, SHARED | change))


def test_another_input_voids_it(made):
    ref, _, _, receipt = made
    ref.volumes["t1"].path.write_bytes(b"other voxels")
    assert not receipts.is_whole(receipt, receipts.basis(ref, SHARED))


def test_another_volume_of_the_same_file_is_another_input(made):
    ref, base, _, _ = made
    swapped = CaseRef("scan", {"t1": ref.volumes["t2"], "t2": ref.volumes["t1"]})
    assert receipts.basis(swapped, SHARED) != base


@pytest.mark.parametrize("spoil", [lambda p: p.write_bytes(b"x"), lambda p: p.unlink()])
def test_an_output_that_changed_or_is_gone_voids_it(made, spoil):
    _, base, outputs, receipt = made
    spoil(outputs[0])
    assert not receipts.is_whole(receipt, base)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Format": 2}', '{"Format": 1, "Basis": {}, "Outputs": []}'])
def test_what_is_no_receipt_proves_nothing(made, text):
    _, base, _, receipt = made
    receipt.write_text(text)
    assert receipts.read_receipt(receipt) is None
    assert not receipts.is_whole(receipt, base)


def test_a_receipt_that_names_files_elsewhere_is_none(made, tmp_path):
    _, _, _, receipt = made
    facts = json.loads(receipt.read_text())
    facts["Outputs"]["../precious"] = {"SHA256": "", "Bytes": 0}
    receipt.write_text(json.dumps(facts))
    assert receipts.read_receipt(receipt) is None


def test_clearing_removes_receipts_and_what_they_list_and_nothing_else(made, tmp_path):
    ref, _, outputs, receipt = made
    receipts.clear([receipt], [Path(tmp_path / "never_there")])
    assert not receipt.exists()
    assert not any(path.exists() for path in outputs)
    assert ref.volumes["t1"].path.exists()
