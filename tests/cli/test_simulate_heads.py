"""`mriuq simulate` of whole heads and of k-space, through the installed executable."""

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("nilearn", reason="needs the extra `simulate`: pip install 'mriuq[simulate]'")
pytest.importorskip("h5py", reason="needs the extra `simulate`: pip install 'mriuq[simulate]'")

from mriuq_cli.data.kspace import read_kspace

pytestmark = pytest.mark.slow

MRIUQ = Path(sys.executable).with_name("mriuq")


def simulate(*words: object) -> None:
    done = subprocess.run([MRIUQ, "simulate", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def load(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def test_a_clean_head_has_labels_noise_in_the_air_and_a_bids_sidecar(tmp_path: Path) -> None:
    simulate("t1w", tmp_path / "out", "--seed", 1, "--field", 1.5)
    image = load(tmp_path / "out/sub-t1w1/anat/sub-t1w1_T1w.nii.gz").astype(float)
    known = tmp_path / "out/derivatives/simulation/sub-t1w1/anat"
    labels, brain = load(known / "sub-t1w1_dseg.nii.gz"), load(known / "sub-t1w1_desc-brain_mask.nii.gz") > 0
    fluid, grey, white = (np.median(image[labels == label]) for label in (1, 2, 3))
    assert fluid < grey < white
    np.testing.assert_array_equal(labels > 0, brain)
    head = image > 0.3 * white
    assert 1.3 * brain.sum() < head.sum() < 6 * brain.sum()
    assert 0 < image[:5, :5, -5:].mean() < 0.2 * white
    sidecar = json.loads((tmp_path / "out/sub-t1w1/anat/sub-t1w1_T1w.json").read_text())
    assert sidecar["MagneticFieldStrength"] == 1.5
    assert 0.8 < sidecar["InversionTime"] < 1.2
    facts = json.loads((known / "sub-t1w1_truth.json").read_text())
    assert facts["Parameters"]["anatomy"]["invented_outside"] is True


def test_kspace_holds_images_of_the_head_coils_masks_and_truth(tmp_path: Path) -> None:
    simulate("qmri-t2", tmp_path / "out", "--seed", 2)
    found = read_kspace(tmp_path / "out/qmri-t2-2/qmri-t2-2.h5")
    slices, phases, coils, x, y = found.data.shape
    assert (phases, x, y) == (8, 160, 160)
    assert found.maps.shape == (slices, coils, x, y)
    assert {name: int(mask.sum(1)[0]) for name, mask in found.masks.items()} == {"R6": 26, "R8": 20, "R10": 16}
    axes = (-2, -1)
    images = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(found.data, axes), norm="ortho"), axes)
    joined = np.abs((images * found.maps[:, None].conj()).sum(2))
    brain, t2 = found.truth["brain"] > 0, found.truth["t2"]
    assert 0.06 < np.median(t2[brain]) < 0.12
    ratio = joined[:, 5][brain] / joined[:, 0][brain]
    wanted = np.exp(-(found.times[5] - found.times[0]) / t2[brain])
    assert np.median(np.abs(ratio - wanted)) < 0.02
