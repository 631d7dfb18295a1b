"""What holds on a CUDA device: the CPU's answer to a stated tolerance, training, and tiles when memory is short."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from mriuq_cli.api import Case, Volume
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.main import main
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.dataset import Crops
from mriuq_qrunet.plugin import mriuq_method

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


def phantom_images(seed, shape):
    """Return four related contrasts of an ellipsoid, zero outside."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1.05, 1.05, n) for n in shape), indexing="ij")
    tissue = np.sin(5 * x + 1) * np.cos(4 * y) + np.sin(6 * z + 2 * y) + 0.1 * rng.standard_normal(shape)
    curves = ((90, 30, 400), (-120, 10, 600), (-110, -20, 650), (150, -40, 700))
    images = [(np.polyval((b, a, c), tissue) + 10 * rng.standard_normal(shape)).clip(1) for a, b, c in curves]
    brain = x**2 + y**2 + (z + 0.1 * y) ** 2 < 1
    return [(image * brain).round().astype(np.float32) for image in images]


def phantom(path, seed, shape=(128, 152, 120)):
    """Write a phantom as one 4-D file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.stack(phantom_images(seed, shape), -1).astype(np.int16)
    nib.save(nib.Nifti1Image(data, np.diag([-1.0, -1.0, 1.0, 1.0])), path)
    return path


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    return phantom(tmp_path_factory.mktemp("gpu") / "exam.nii.gz", 5)


def flair(out):
    return nib.load(out / "exam_flair.nii.gz").get_fdata() / 250


def predicted(exam, out, *words):
    mriuq("predict", "qrunet", exam, "--missing", "flair", "--out", out, *words)
    return flair(out)


@pytest.mark.parametrize("weights", ["impute", "paper"])
def test_cuda_gives_the_answer_of_the_cpu(exam, tmp_path, weights):
    value, width = [], []
    for folder, device in (("here", "cpu"), ("there", "cuda")):
        value.append(predicted(exam, tmp_path / folder, "--device", device, "--weights", weights))
        width.append(nib.load(tmp_path / folder / "exam_flair_width.nii.gz").get_fdata() / 250)
    apart, wider = (float(np.abs(one - other).max()) for one, other in (value, width))
    print(f"{weights}: value off by {apart:.1e} z, width by {wider:.1e}")
    assert apart < TOLERANCE and wider < 2 * TOLERANCE


def test_auto_takes_the_device(exam, tmp_path):
    predicted(exam, tmp_path / "out", "--device", "auto")
    assert "cuda" in (tmp_path / "out" / "exam_flair.receipt.json").read_text()


def test_doctor_runs_a_kernel_on_the_device():
    # Its exit code is about the whole installation, this test about the device.
    done = subprocess.run([MRIUQ, "doctor", "--json"], capture_output=True, text=True, check=False)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    (found,) = [finding for finding in findings if finding["name"] == "cuda:0"]
    assert found["status"] == "ok" and "convolution" in found["detail"]


def test_short_memory_falls_back_to_tiles_and_says_so(exam, tmp_path, capsys):
    def ask(folder):
        gc.collect()
        torch.cuda.empty_cache()
        words = ["predict", "qrunet", exam, "--missing", "flair", "--device", "cuda", "--json", "--out", folder]
        code = main([str(word) for word in words])
        return code, json.loads(capsys.readouterr().out) if code == 0 else None

    torch.cuda.reset_peak_memory_stats()
    code, facts = ask(tmp_path / "whole")
    peak, total = torch.cuda.max_memory_reserved(), torch.cuda.get_device_properties(0).total_memory
    assert (code, facts["tile"]) == (0, None)
    # Convolutions reserve far more than they need while there is room, so what is short is found by halving: little
    # below the least that the whole takes, tiles must do. Nothing is said of how much less they take.
    short, enough, seen = 0, peak, []
    try:
        for turn in range(9):
            limit = (short + enough) // 2
            torch.cuda.set_per_process_memory_fraction(limit / total)
            code, facts = ask(tmp_path / f"turn{turn}")
            tile = facts and facts["tile"]
            seen.append((limit // 2**20, code, tile))
            if code == 0:
                assert np.abs(flair(tmp_path / "whole") - flair(tmp_path / f"turn{turn}")).max() < TOLERANCE
            short, enough = (short, limit) if code == 0 and tile is None else (limit, enough)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    print(f"whole: {peak / 2**20:.0f} MiB; limit in MiB, exit code and tile: {seen}")
    assert {code for _, code, _ in seen} <= {0, 6}, seen
    assert any(tile for _, _, tile in seen), seen


def test_crops_are_the_same_on_the_device():
    images = phantom_images(3, (56, 64, 48))
    geometry = geometry_from_affine(images[0].shape, np.eye(4))
    case = Case("phantom", geometry, {n: Volume(i, geometry) for n, i in zip(CONTRASTS, images, strict=True)})
    config = {**mriuq_method().presets["tiny"], "seed": 3, "reuse": 2, "slots": 2, "augment": 1.0}
    here, there = (Crops(config, [lambda: case], change=True, device=device) for device in ("cpu", "cuda:0"))
    for index in range(8):
        one, other = here[index], there[index]
        for name, value in one.items():
            assert other[name].is_cuda
            assert torch.allclose(value.float(), other[name].cpu().float(), atol=1e-3), name


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_training_on_the_device_learns_and_its_weights_predict_on_the_cpu(exam, tmp_path, precision):
    for seed in (1, 2):
        phantom(tmp_path / "cohort" / f"exam{seed}.nii.gz", seed, (56, 64, 48))
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text(
        "method: qrunet\npreset: tiny\n"
        f"train: {{steps: 80, batch: 4, rate: 0.003, warmup: 5, precision: {precision}, save_every: 10}}\n"
    )
    words = ("train", "qrunet", recipe, "--data", tmp_path / "cohort", "--out", run, "--device", "cuda")
    mriuq(*words)
    losses = [json.loads(line)["loss"] for line in (run / "main" / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 80 and np.mean(losses[-20:]) < np.mean(losses[:5]), losses
    state = (run / "main" / "last" / "state.json").read_text()
    mriuq(*words, "--resume")
    assert json.loads((run / "main" / "last" / "state.json").read_text())["step"] == json.loads(state)["step"] == 80
    predicted(exam, tmp_path / "out", "--weights", run / "weights", "--device", "cpu")


def test_the_published_network_trains_on_the_device(tmp_path):
    phantom(tmp_path / "cohort" / "exam1.nii.gz", 1, (40, 48, 40))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("method: qrunet\npreset: paper\ntrain: {steps: 3, batch: 1}\n")
    mriuq("train", "qrunet", recipe, "--data", tmp_path / "cohort", "--out", tmp_path / "run", "--device", "cuda")
    assert (tmp_path / "run" / "weights" / "weights.safetensors").exists()
