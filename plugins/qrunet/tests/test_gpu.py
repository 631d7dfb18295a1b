"""What holds on a CUDA device: the CPU's answer to a stated tolerance, training, and tiles when memory is short."""

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

TOLERANCE = 2e-3
"""Largest difference between CPU and CUDA in z units (float32, sums in another order)."""

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
MRIUQ = str(Path(sys.executable).with_name("mriuq"))


def mriuq(*words):
    done = subprocess.run([MRIUQ, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    mriuq("simulate", "exam", folder, "--seed", 5, "--format", "4d")
    return folder / "exam-5.nii.gz"


def flair(exam, out, *words):
    mriuq("predict", "qrunet", exam, "--missing", "flair", "--out", out, *words)
    return nib.load(out / "exam-5_flair.nii.gz").get_fdata() / 250


@pytest.mark.parametrize("weights", ["impute", "paper"])
def test_cuda_gives_the_answer_of_the_cpu(exam, tmp_path, weights):
    cpu = flair(exam, tmp_path / "cpu", "--device", "cpu", "--weights", weights)
    cuda = flair(exam, tmp_path / "cuda", "--device", "cuda", "--weights", weights)
    assert np.abs(cpu - cuda).max() < TOLERANCE


def test_auto_takes_the_device(exam, tmp_path):
    flair(exam, tmp_path / "out", "--device", "auto")
    assert "cuda" in (tmp_path / "out" / "exam-5_flair.receipt.json").read_text()


def test_short_memory_falls_back_to_tiles(exam, tmp_path, monkeypatch):
    from mriuq_cli.main import main

    whole = flair(exam, tmp_path / "whole", "--device", "cuda")
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(700 * 2**20 / total)
    try:
        words = ["predict", "qrunet", exam, "--missing", "flair", "--device", "cuda", "--out", tmp_path / "short"]
        assert main([str(word) for word in words]) == 0
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    short = nib.load(tmp_path / "short" / "exam-5_flair.nii.gz").get_fdata() / 250
    assert np.abs(whole - short).max() < TOLERANCE


def test_training_runs_on_the_device(tmp_path):
    mriuq("simulate", "exam", tmp_path / "cohort", "--n", 2, "--seed", 7)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("method: qrunet\npreset: tiny\ntrain: {steps: 4, batch: 2}\n")
    mriuq("train", "qrunet", recipe, "--data", tmp_path / "cohort", "--out", tmp_path / "run", "--device", "cuda")
    assert (tmp_path / "run" / "weights" / "weights.safetensors").exists()
