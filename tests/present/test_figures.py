"""The comparison is one readable PNG that needs no display."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs the extra `figures`: pip install 'mriuq[figures]'")

from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.errors import MachineError
from mriuq_cli.present.figures import Panel, comparison

SHAPE = (20, 24, 16)


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    return np.sqrt(sum((g - c) ** 2 for g, c in zip(np.indices(SHAPE), centre, strict=True))) < radius


BRAIN = ball((10, 12, 8), 8)
RIGHT = np.diag([-1.0, 1, 1, 1])  # first axis to the patient's left


def pixels(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return imread(path)[..., :3]


def draw(path: Path, panels: list[Panel], affine: np.ndarray = RIGHT, **options: object) -> np.ndarray:
    comparison(path, panels, geometry_from_affine(SHAPE, affine), BRAIN, **options)
    return pixels(path)


def test_every_kind_of_panel_is_drawn(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=SHAPE)
    codes = np.random.default_rng(0).integers(0, 4, SHAPE)
    panels = [Panel("a", image, unit="z"), Panel("b", image, "error"), Panel("c", image**2, "width")]
    found = draw(tmp_path / "a.png", [*panels, Panel("d", codes, "outliers")], outline=ball((10, 12, 8), 3))
    assert found.shape[0] > 250
    assert found.std() > 0.1
    assert list(tmp_path.iterdir()) == [tmp_path / "a.png"]


def test_a_constant_image_is_drawn_too(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", [Panel("flat", np.ones(SHAPE)), Panel("none", np.zeros(SHAPE), "error")])


@pytest.mark.parametrize("flip", [False, True])
def test_the_patients_right_is_on_the_left_however_the_file_is_stored(tmp_path: Path, flip: bool) -> None:
    # Bright on the patient's right: low x index in a file whose first axis runs to the left, high in one to the right.
    index = np.indices(SHAPE)[0]
    bright = (index > 10) if flip else (index < 9)
    affine = np.eye(4) if flip else RIGHT
    found = draw(tmp_path / "a.png", [Panel("", bright * 1.0, limits=(0, 1))], affine, columns=1)
    white = np.argwhere((found > 0.99).all(axis=2)[40:-60, 10:-90])
    black = np.argwhere((found < 0.01).all(axis=2)[40:-60, 10:-90])
    assert white.size
    assert white[:, 1].mean() < black[:, 1].mean()


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=SHAPE)
    draw(tmp_path / "a.png", [Panel("a", image)])
    draw(tmp_path / "b.png", [Panel("a", image)])
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_missing_folder_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(MachineError):
        draw(tmp_path / "absent" / "a.png", [Panel("a", np.ones(SHAPE))])
