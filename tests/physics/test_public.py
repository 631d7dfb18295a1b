"""The physics that methods may import: every name is there and on the page, and they go together."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from mriuq_cli import api

PAGE = (Path(__file__).parents[2] / "docs" / "physics.md").read_text()
SECTION = PAGE.partition("\n## Public names\n")[2].partition("\n## ")[0]
FIRST_CELLS = [line.split("|")[1] for line in SECTION.splitlines() if line.startswith("| `")]
LISTED = [name for cell in FIRST_CELLS for name in re.findall(r"`(\w+)`", cell)]
PHYSICS = sorted(name for name, home in api._HOME.items() if home.startswith("mriuq_cli.physics."))


def test_the_page_lists_every_public_physics_name_once_and_no_other() -> None:
    assert sorted(LISTED) == sorted([*PHYSICS, "KSpace", "read_kspace"])


@pytest.mark.parametrize("name", PHYSICS)
def test_a_public_name_is_where_the_table_says_and_says_what_it_is(name: str) -> None:
    found = getattr(api, name)
    assert found.__doc__
    assert not name.startswith("_")


def test_no_public_name_has_two_homes() -> None:
    assert len(api._HOME) == sum(map(len, api._HOMES.values()))


def test_a_method_can_make_and_map_undersampled_kspace_with_public_names_alone() -> None:
    """Two tissues, four coils, eight echo times; every line measured: T2 comes back through maps found by ESPIRiT."""
    size, times, rng = 48, [0.02 * k for k in range(1, 9)], np.random.default_rng(0)
    x, y = np.ogrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    inside = torch.from_numpy(x**2 + y**2 < 0.7)
    values = api.tissues(3.0)
    t2 = torch.where(torch.from_numpy(x < 0).expand(size, size), values["white"].t2, values["grey"].t2)
    images = torch.stack([api.t2_decay(inside.float(), t2, te=te) for te in times])
    masks = torch.from_numpy(api.phase_masks(len(times), size, 2, 0.3, seed=1))[:, None, None]
    maps = api.birdcage_maps((size, size), 4)
    level = api.noise_level(images[0], inside, 45.0)
    noise = level * api.complex_noise((len(times), 4, size, size), rng, maps)
    measured = api.Encoding(maps, masks).forward(images.to(torch.complex64)) + noise * masks
    assert float((measured.abs() > 0).float().mean()) == pytest.approx(0.5)

    kspace = api.to_kspace(maps * images[:, None]) + noise
    middle = slice(size // 2 - 7, size // 2 + 7)
    found = api.estimate_sensitivities(kspace[..., middle], (size, size))
    joined = (found.maps.conj() * api.to_image(kspace)).sum(1).abs()
    fit = api.fit_t2(joined[:, inside].T, times)
    assert float((fit.value / t2[inside] - 1).abs().median()) < 0.03
