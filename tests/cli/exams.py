"""Small exams, weights of the relay method, and the installed executable, for the tests of the command line."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from mriuq_cli.data.geometry import geometry_from_affine

NAMES = ("flair", "t1", "t1gd", "t2")
SHAPE = (24, 26, 22)
EXECUTABLE = Path(sys.executable).with_name("mriuq")
AFFINE = np.array([[-1.0, 0, 0, 12], [0, -1.0, 0, 13], [0, 0, 1.0, -11], [0, 0, 0, 1]])
GEOMETRY = geometry_from_affine(SHAPE, AFFINE)
HERE = Path(__file__).parent


def phantom(seed=0, shape=SHAPE):
    """Return four related contrasts, float32 (x, y, z, 4), zero outside a ball."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    brain = (grid**2).sum(axis=0) < 0.7
    tissue = np.sin(3 * grid[0]) + grid[1] * grid[2] + 0.1 * rng.standard_normal(shape)
    gains = ((100, 900), (-150, 700), (-120, 800), (200, 1000))
    images = [(gain * tissue + base + 10 * rng.standard_normal(shape)).round() * brain for gain, base in gains]
    return np.stack(images, axis=-1).astype(np.float32)


def save(path, data, affine=AFFINE):
    """Write an image with both forms set."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nib.save(image, path)
    return Path(path)


def exam(folder, name="exam", seed=0):
    """Write a 4-D exam."""
    return save(Path(folder) / f"{name}.nii.gz", phantom(seed))


def plugin_path(folder, source=HERE / "relay_method.py", name="relay"):
    """Make a folder for the import path that holds a method as an installed distribution would."""
    folder = Path(folder)
    info = folder / f"mriuq_{name}-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, folder / f"{name}_method.py")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mriuq-{name}\nVersion: 1.0\nSummary: a test\n")
    (info / "entry_points.txt").write_text(f"[mriuq.methods]\n{name} = {name}_method\n")
    return folder


def weights(folder, margin=1.0, method="relay", **changes):
    """Write a weights folder of the relay method."""
    from safetensors.numpy import save as pack

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data = pack({"weight": np.array([[margin]], dtype=np.float32)})
    (folder / "weights.safetensors").write_bytes(data)
    facts = {"format": 1, "method": method, "api_version": 1, "preset": "one", "config": {"fov": "free"}}
    facts |= {"sha256": hashlib.sha256(data).hexdigest(), "parameters": 1, "subjects": [], "versions": {}}
    (folder / "weights.json").write_text(json.dumps(facts | changes))
    return folder


def calibration(path, factor=2.0, heads=range(2000, 6500, 500), **changes):
    """Write a calibration of the relay method for every single-missing situation, for the weights beside it."""
    from mriuq_cli.data.sidecar import sha256_file

    tensors = Path(path).parent / "weights" / "weights.safetensors"
    ours = [sha256_file(tensors)] if tensors.is_file() else []
    keys = ["+".join(n for n in NAMES if n != target) for target in NAMES]
    found = {"lower": factor, "upper": factor, "coverage": 0.9, "sd": 0.02, "worst": 0.85, "regions": {}}
    facts = {
        "format": 1, "method": "relay", "weights_sha256": [], "for": ours, "level": 0.9, "rule": "plug-in", "n": 9,
        "subjects": [], "cross-fitted": True, "factors": {target: dict.fromkeys(keys, found) for target in NAMES},
        "familiarity": {key: {"names": ["brain voxels"], "rows": [[float(h)] for h in heads]} for key in keys},
    }  # fmt: skip
    Path(path).write_text(json.dumps(facts | changes))
    return Path(path)


def environment(plugins, **extra):
    """Return the environment for the executable: one method more on the path, two threads at most."""
    return {**os.environ, "PYTHONPATH": str(plugins), "OMP_NUM_THREADS": "1", **extra}


def heed_signals():
    """Heed in a new process the signals that ``nohup`` and shells without a terminal make it ignore."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def start(*words, plugins, cwd, **extra):
    """Start the installed executable."""
    command = [str(EXECUTABLE), *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    variables = environment(plugins, **extra)
    return subprocess.Popen(command, cwd=cwd, env=variables, text=True, preexec_fn=heed_signals, **pipes)


def mriuq(*words, plugins, cwd, **extra):
    """Run the installed executable to its end."""
    process = start(*words, plugins=plugins, cwd=cwd, **extra)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
