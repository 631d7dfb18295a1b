"""What a network is told of the whole scan."""

import pytest
import torch

from mriuq_cli.api import Artefact, corrupt
from mriuq_hetqc.marks import MARKS, UNSURE, as_input, noise_told, of_scan
from mriuq_hetqc.spoil import add_noise

NAMES = ("kspace_peak", "echo", "ghost", "noise", "noise_grain", "noise_contrast")
WHOLE = (1.0, 1.0, 1.0)


def rough():
    """Return smooth tissue of mean 0.5."""
    coarse = torch.rand(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(64, 70, 60), mode="trilinear", align_corners=True)[0, 0]


def told(image):
    return dict(zip(NAMES, as_input(of_scan(image, WHOLE)).tolist(), strict=True))


def test_a_network_is_told_figures_of_order_one():
    found = as_input(of_scan(add_noise(rough(), 20.0, torch.Generator().manual_seed(0)), WHOLE))
    assert found.shape == UNSURE.shape == (MARKS,)
    assert float(found.abs().max()) < 3
    loud = {"kspace_peak": 2.5, "echo": 0.5, "ghost": 0.5, "noise": 0.3, "noise_grain": 1.0, "noise_contrast": 0.03}
    louder = dict(zip(NAMES, as_input(loud).tolist(), strict=True))
    assert louder["kspace_peak"] == 0
    assert louder["echo"] > 2
    assert louder["ghost"] > 2


def test_it_is_told_more_noise_and_less_contrast_the_lower_the_ratio_of_signal_to_noise():
    by_level = [told(add_noise(rough(), level, torch.Generator().manual_seed(0))) for level in (30.0, 15.0, 0.0, -8.0)]
    contrasts = [found["noise_contrast"] for found in by_level]
    assert contrasts == sorted(contrasts, reverse=True)
    assert by_level[0]["noise"] < by_level[1]["noise"] < by_level[2]["noise"]


def test_it_is_told_of_ghosts():
    ghosts = Artefact("ghosting", {"axis": 0, "every": 3, "strength": 0.9, "restored": 0.04})
    noisy = add_noise(rough(), 30.0, torch.Generator().manual_seed(0))
    assert told(corrupt(noisy, [ghosts]))["ghost"] > told(noisy)["ghost"] + 1


def test_quiet_scans_are_told_alike():
    quiet = told(rough())
    assert quiet["noise_grain"] == told(rough().square())["noise_grain"]
    assert quiet["noise_contrast"] == 1


def test_the_noise_that_is_told_can_be_read_again():
    found = of_scan(add_noise(rough(), 5.0, torch.Generator().manual_seed(0)), WHOLE)
    assert float(noise_told(as_input(found)[None])) == pytest.approx(found["noise"], rel=1e-5)
