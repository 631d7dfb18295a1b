"""Small synthetic exams, written with nibabel alone so that our own writer is not its own judge."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

SHAPE = (40, 44, 36)
AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1.0, 0, 43.0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]])
CONTRASTS = ("flair", "t1", "t1gd", "t2")
ENDINGS = {
    2018: {"flair": "_flair", "t1": "_t1", "t1gd": "_t1ce", "t2": "_t2", "seg": "_seg"},
    2023: {"flair": "-t2f", "t1": "-t1n", "t1gd": "-t1c", "t2": "-t2w", "seg": "-seg"},
}
Images = dict[str, NDArray[np.int16]]


def pytest_configure() -> None:
    """Keep each worker, and the programs that it starts, to cores of its own: torch wastes those that it must share."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None and hasattr(os, "sched_setaffinity"):
        cores, workers = sorted(os.sched_getaffinity(0)), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        os.sched_setaffinity(0, set(cores[int(worker.removeprefix("gw")) :: workers]) or set(cores))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests, so that none of them is left to one worker at the end.

    Needs ``--no-loadscope-reorder``: pytest-xdist else begins with the files that hold most tests.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def synthetic_images(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> Images:
    """Return four contrasts and ``seg`` (0, 1, 2, 4), int16, of an ellipsoid with tissues and a tumour; zeros outside.

    The contrasts follow from one map of tissue and one of the tumour, each by a curve of its own, plus noise.
    """
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    brain = (x / 0.8) ** 2 + (y / 0.9) ** 2 + (z / 0.8) ** 2 < 1
    tissue = gaussian_filter(random.standard_normal(shape), 2)
    tissue = np.clip((tissue - tissue[brain].min()) / np.ptp(tissue[brain]), 0, 1)
    centre = random.uniform(-0.35, 0.35, 3)
    depth = 1 - np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2) / 0.35
    tumour = np.clip(depth, 0, 1)
    bright = {
        "flair": 300 + 500 * tissue * (1.6 - tissue) + 500 * (tumour > 0),
        "t1": 900 - 650 * tissue**1.5 - 150 * (tumour > 0),
        "t1gd": 850 - 600 * tissue**1.5 + 500 * ((tumour > 0.4) & (tumour < 0.7)),
        "t2": 150 + 900 * tissue**2 + 300 * np.sqrt(tumour),
    }
    images: Images = {}
    for name, image in bright.items():
        noisy = image + 25 * random.standard_normal(shape)
        images[name] = np.where(brain, np.clip(noisy, 1, 3000), 0).astype(np.int16)
    labels = np.select([tumour > 0.7, tumour > 0.4, tumour > 0], [1, 4, 2], 0)
    images["seg"] = np.where(brain, labels, 0).astype(np.int16)
    return images


def save(path: Path, array: NDArray[np.generic], affine: NDArray[np.float64] = AFFINE) -> Path:
    """Write with nibabel: sform and qform, code 1, mm."""
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def save_4d(path: Path, images: Images, order: tuple[str, ...] = CONTRASTS) -> Path:
    """Write contrasts as one 4-D file."""
    return save(path, np.stack([images[name] for name in order], axis=-1))


def save_files(folder: Path, images: Images, stem: str = "exam") -> dict[str, Path]:
    """Write ``STEM_t1.nii.gz`` and so on, without labels."""
    return {name: save(folder / f"{stem}_{name}.nii.gz", images[name]) for name in CONTRASTS}


def save_brats(root: Path, images: Images, case: str, year: int = 2018, without: tuple[str, ...] = ()) -> Path:
    """Write a case folder with names of ``year`` (2018 or 2023) and labels."""
    for name, ending in ENDINGS[year].items():
        if name not in without:
            save(root / case / f"{case}{ending}.nii.gz", images[name])
    return root / case


@pytest.fixture(scope="session")
def images() -> Images:
    """Four contrasts and labels of one synthetic exam; do not write into them."""
    made = synthetic_images()
    for image in made.values():
        image.setflags(write=False)
    return made


@pytest.fixture(scope="session")
def write() -> SimpleNamespace:
    """Lend the functions above: ``images(seed, shape)``, ``volume``, ``four_d``, ``files``, ``brats``."""
    return SimpleNamespace(
        images=synthetic_images, volume=save, four_d=save_4d, files=save_files, brats=save_brats, affine=AFFINE
    )


@pytest.fixture
def exam(tmp_path: Path, images: Images) -> Path:
    """``exam.nii.gz``: 40x44x36 voxels, four contrasts, int16, LPS, alone in its folder."""
    return save_4d(tmp_path / "scan" / "exam.nii.gz", images)


@pytest.fixture
def exam_files(tmp_path: Path, images: Images) -> dict[str, Path]:
    """Hold the same exam as one file a contrast."""
    return save_files(tmp_path / "files", images)


@pytest.fixture
def brats_folder(tmp_path: Path, images: Images) -> Path:
    """Two case folders with labels: ``BraTS18_A`` named as in 2018, ``BraTS-GLI-00001-000`` as in 2023."""
    root = tmp_path / "brats"
    save_brats(root, images, "BraTS18_A", 2018)
    save_brats(root, synthetic_images(1), "BraTS-GLI-00001-000", 2023)
    return root


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real scans, or skip."""
    folder = Path(os.environ.get("MRIUQ_DATA") or Path.home() / ".cache" / "mriuq-data")
    if not folder.is_dir():
        pytest.skip(f"no real scans in {folder}: set MRIUQ_DATA to a folder that holds them")
    return folder


@pytest.fixture
def install_method(tmp_path: Path) -> Callable[..., Path]:
    """Return ``install(name, source)``: lay a one-module distribution into a folder for the import path.

    The folder looks like site-packages after ``pip install``; calls of one test share it. With ``distribution``
    (default: made from the name) two distributions can contend for one name.
    """
    site = tmp_path / "site"

    def install(name: str, source: str, *, distribution: str | None = None, version: str = "1.0") -> Path:
        distribution = distribution or f"mriuq-{name}"
        module = f"{distribution.replace('-', '_')}_module"
        facts = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        facts.mkdir(parents=True)
        (site / f"{module}.py").write_text(source)
        header = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\nSummary: made by a test\n"
        (facts / "METADATA").write_text(header)
        (facts / "entry_points.txt").write_text(f"[mriuq.methods]\n{name} = {module}\n")
        return site

    return install
