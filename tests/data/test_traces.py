"""What tells an output of ours from somebody's scan."""

import json

import pytest

from mriuq_cli.data.traces import claim_of, is_ours, our_outputs, receipt_of

NAMES = ("x_t2.nii.gz", "x_t2_width.nii.gz", "x_t2_mine.nii.gz", "x_t1_outlier.nii.gz", "x.nii.gz")


@pytest.fixture
def receipt(tmp_path):
    return receipt_of(tmp_path, "x_t2")


def test_an_image_with_neither_receipt_nor_claim_is_a_scan(tmp_path, receipt):
    assert not is_ours(receipt, tmp_path / "x_t2.nii.gz")
    assert our_outputs(tmp_path, NAMES) == set()


def test_a_receipt_makes_ours_what_it_lists_and_nothing_else(tmp_path, receipt):
    receipt.write_text(json.dumps({"Outputs": {"x_t2.nii.gz": {}}}))
    assert is_ours(receipt, tmp_path / "x_t2.nii.gz")
    assert not is_ours(receipt, tmp_path / "x_t2_width.nii.gz")
    assert our_outputs(tmp_path, NAMES) == {"x_t2.nii.gz"}


def test_a_claim_or_a_damaged_receipt_makes_ours_what_a_run_would_have_written(tmp_path, receipt):
    for mark in (claim_of(receipt), receipt):
        mark.write_text("")
        assert is_ours(receipt, tmp_path / "x_t2_width.nii.gz")
        assert our_outputs(tmp_path, NAMES) == {"x_t2.nii.gz", "x_t2_width.nii.gz"}
        mark.unlink()
    claim_of(receipt_of(tmp_path, "x_maps")).touch()
    assert our_outputs(tmp_path, NAMES) == {"x_t1_outlier.nii.gz"}
