"""What the weights that ship say of real scans: which are heads that they know, and which copy is the worse one."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mriuq_cli.api import Context
from mriuq_cli.data.case import CaseRef, VolumeRef
from mriuq_cli.data.reader import read_case
from mriuq_hetqc.judge import judge
from mriuq_hetqc.spoil import add_noise

HEAD = "heads/brain_only/oasis_1000.nii.gz"


@pytest.fixture(scope="module")
def scan():
    folder = Path(os.environ.get("MRIUQ_DATA") or Path.home() / ".cache" / "mriuq-data")
    if not folder.is_dir():
        pytest.skip(f"no real scans in {folder}: set MRIUQ_DATA to a folder that holds them")

    def read(name):
        return read_case(CaseRef(name, {"t1": VolumeRef(folder / name)}))

    return read


def said_of(case):
    return judge(case, {}, Context({}))


@pytest.mark.slow
def test_a_noisy_copy_of_a_head_scores_worse_by_either_figure(scan):
    head = scan(HEAD)
    image = torch.from_numpy(np.ascontiguousarray(head.volumes["t1"].data))
    noisy = add_noise(image, 5.0, torch.Generator().manual_seed(1)).numpy()
    spoilt = type(head)(head.id, head.geometry, {"t1": type(head.volumes["t1"])(noisy, head.geometry)})
    clean, worse = said_of(head), said_of(spoilt)
    assert clean.familiarity.familiar
    for name in ("visual", "algorithmic"):
        assert worse.scores[name].value > clean.scores[name].value
    assert max(worse.artefacts, key=worse.artefacts.get) == "noise"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["multicontrast/ms_patient19/ms_patient19_t2.nii.gz", "outside/pd_chris.nii.gz"])
def test_a_head_in_another_contrast_is_unfamiliar_for_its_contrast(scan, name):
    found = said_of(scan(name)).familiarity
    assert not found.familiar
    assert any("contrast" in reason for reason in found.reasons)
