"""Heads from label maps, whole heads, k-space and corrupted copies: what is written is what was asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("nilearn", reason="needs the extra `simulate`: pip install 'mriuq[simulate]'")
pytest.importorskip("h5py", reason="needs the extra `simulate`: pip install 'mriuq[simulate]'")

from mriuq_cli.cohort.simulated import Form, Place, is_whole, write_case
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.kspace import read_kspace, write_kspace
from mriuq_cli.data.nifti import write_volume
from mriuq_cli.errors import InputError, UsageError
from mriuq_cli.physics.anatomy import build_anatomy
from mriuq_cli.physics.artefact import Artefact, corrupt
from mriuq_cli.physics.espirit import estimate_sensitivities
from mriuq_cli.physics.fit import fit_look_locker, fit_t2
from mriuq_cli.physics.fourier import to_image, to_kspace
from mriuq_cli.physics.grid import EXAM_GRID
from mriuq_cli.physics.labels import CLASSES, TABLES, find_label_maps, read_label_map, read_table
from mriuq_cli.physics.qmri import MATRIX, TIMES, measure, series, simulate_qmri
from mriuq_cli.physics.spoilt import simulate_artefact
from mriuq_cli.physics.tissue import FIELDS, tissues


def ball_head() -> np.ndarray:
    """Labels of FreeSurfer in shells: white matter (left and right), cortex, fluid, bone, fat; ventricles inside."""
    x, y, z = np.ogrid[-80:80, -80:80, -80:80]
    away = np.sqrt(x**2 + y**2 + z**2)
    labels = np.zeros((160, 160, 160), np.int16)
    for radius, left, right in ((75, 507, 507), (68, 515, 515), (63, 24, 24), (60, 3, 42), (50, 2, 41), (12, 4, 43)):
        labels[(away < radius) & (x < 0)] = left
        labels[(away < radius) & (x >= 0)] = right
    return labels


@pytest.fixture(scope="module")
def label_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labels") / "person.nii.gz"
    affine = np.diag([1.0, 1, 1, 1])
    affine[:3, 3] = -80
    write_volume(path, ball_head(), geometry_from_affine((160, 160, 160), affine), dtype="int16")
    return path


def test_every_label_of_a_built_in_table_is_a_known_tissue() -> None:
    for table in TABLES.values():
        assert {tissue for tissue, _ in table.values()} <= set(CLASSES)


def test_both_field_strengths_know_every_tissue_in_seconds() -> None:
    for table in FIELDS.values():
        assert set(table) == set(CLASSES)
        for tissue in table.values():
            assert 0 < tissue.t2star <= tissue.t2 < tissue.t1 < 5
    assert all(FIELDS[1.5][name].t1 <= FIELDS[3.0][name].t1 for name in CLASSES)
    with pytest.raises(UsageError, match="7 T"):
        tissues(7.0)


def test_fractions_of_a_labelled_head_add_up_to_one_in_its_brain(label_map: Path) -> None:
    anatomy = build_anatomy(EXAM_GRID, np.random.default_rng(0), read_label_map(label_map))
    total = anatomy.grey + anatomy.white + anatomy.csf + anatomy.blood
    np.testing.assert_allclose(total[anatomy.brain], 1, atol=1e-4)
    assert not total[~anatomy.brain].any()
    assert {"bone", "fat"} <= set(anatomy.outside)
    volume = 4 / 3 * np.pi * 60**3
    assert 0.7 < anatomy.brain.sum() / volume < 1.3
    assert anatomy.source == "person"
    # ventricles belong to a stripped brain
    assert anatomy.csf[anatomy.brain].sum() > 0.3 * 4 / 3 * np.pi * 12**3


def test_ageing_widens_fluid(label_map: Path) -> None:
    source, found = read_label_map(label_map), []
    for seed in range(3):
        anatomy = build_anatomy(EXAM_GRID, np.random.default_rng(seed), source)
        found.append((anatomy.parameters["age"], anatomy.csf[anatomy.brain].mean()))
    ages, fluid = zip(*sorted(found), strict=True)
    assert ages[-1] - ages[0] > 0.3
    assert fluid[-1] > 1.1 * fluid[0]


def test_what_is_no_label_map_is_refused_in_words(label_map: Path, tmp_path: Path) -> None:
    geometry = geometry_from_affine((8, 8, 8), np.eye(4))
    write_volume(tmp_path / "half.nii.gz", np.full((8, 8, 8), 0.5, np.float32), geometry)
    with pytest.raises(InputError, match="no label map"):
        read_label_map(tmp_path / "half.nii.gz")
    write_volume(tmp_path / "three.nii.gz", np.full((8, 8, 8), 3, np.int16), geometry, dtype="int16")
    with pytest.raises(InputError, match="not those of FreeSurfer"):
        read_label_map(tmp_path / "three.nii.gz")
    with pytest.raises(InputError, match="does not have: 2, 4, 24, 41, 43"):
        read_label_map(label_map, {3: ("grey", 0.0), 42: ("grey", 0.0)})
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no label maps"):
        find_label_maps(tmp_path / "empty")


def test_a_table_of_ones_own_is_yaml(label_map: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text('grey -0.1: "3 42"\nwhite: "2 41"\ncsf: "4 43 24"\nbone: 515\nfat: 507\n')
    found = read_label_map(label_map, read_table(str(own)))
    assert found.detail[found.classes == CLASSES.index("grey") + 1] == pytest.approx(-0.1)
    own.write_text("jelly: 3\n")
    with pytest.raises(UsageError, match="no tissue is called jelly"):
        read_table(str(own))
    own.write_text("grey: three\n")
    with pytest.raises(UsageError, match="no table"):
        read_table(str(own))
    with pytest.raises(UsageError, match="freesurfer"):
        read_table("freesufer")


def truth() -> dict[str, np.ndarray]:
    """One slice of a disc with two tissues."""
    x, y = np.ogrid[-1 : 1 : MATRIX * 1j, -1 : 1 : MATRIX * 1j]
    disc, left = x**2 + y**2 < 0.7, np.broadcast_to(x < 0, (MATRIX, MATRIX))
    maps = {"pd": 0.8 * disc, "t1": np.where(left, 0.9, 1.4), "t2": np.where(left, 0.07, 0.1)}
    return {name: np.asarray(image, np.float32)[None] for name, image in maps.items()}


@pytest.mark.parametrize("kind", ["te", "ti"])
def test_the_truth_comes_back_from_simulated_kspace(kind: str) -> None:
    from mriuq_cli.physics.coils import birdcage_maps

    maps = birdcage_maps((MATRIX, MATRIX), 4)[None]
    data = measure(truth(), kind, maps, 60.0, np.random.default_rng(0))
    images = (to_image(data) * maps[:, None].conj()).sum(2)[0]  # (phases, x, y)
    sign = torch.from_numpy(np.sign(series(truth(), kind)[0]))
    inside = torch.from_numpy(truth()["pd"][0] > 0)
    values = (images.abs() * sign)[:, inside].T.double()
    if kind == "te":
        found, wanted = fit_t2(values, TIMES["te"]).value, truth()["t2"][0]
    else:
        found, wanted = fit_look_locker(values, TIMES["ti"], signed=True).value, truth()["t1"][0]
    error = np.median(np.abs(found.numpy() / wanted[inside.numpy()] - 1))
    assert error < 0.03


def test_coil_maps_may_be_given(label_map: Path) -> None:
    from mriuq_cli.physics.coils import birdcage_maps

    given = birdcage_maps((MATRIX, MATRIX), 3, radius=1.2)
    case = simulate_qmri(0, "te", read_label_map(label_map), slices=1, maps=given)
    assert case.kspace is not None
    assert case.kspace.data.shape == (1, 8, 3, MATRIX, MATRIX)
    np.testing.assert_array_equal(case.kspace.maps[0], given.numpy())
    assert (case.parameters["coils"], case.parameters["coil_maps"]) == (3, "given")
    images = to_image(torch.from_numpy(case.kspace.data[0, 0]))
    inside = torch.from_numpy(case.kspace.truth["brain"][0])
    agreement = (images.conj() * given).sum(0).abs() / images.norm(dim=0)
    assert float(agreement[inside].median()) > 0.99
    for wrong in (given[:, :80], given.abs(), given[None].expand(2, -1, -1, -1)):
        with pytest.raises(InputError, match="coil maps"):
            simulate_qmri(0, "te", slices=1, maps=wrong)


def test_simulated_coils_pass_through_the_espirit_that_real_ones_pass() -> None:
    from mriuq_cli.physics.coils import birdcage_maps

    maps = birdcage_maps((MATRIX, MATRIX), 8)
    data = measure(truth(), "te", maps[None], 40.0, np.random.default_rng(1))[0, 0]
    middle = slice(MATRIX // 2 - 12, MATRIX // 2 + 12)
    found = estimate_sensitivities(data[:, middle, middle], (MATRIX, MATRIX))
    inside = torch.from_numpy(truth()["pd"][0] > 0)
    agreement = (found.maps.conj() * maps).sum(0).abs()[inside]
    assert float(agreement.median()) > 0.995
    assert float(found.confidence[inside].median()) > 0.95


def test_kspace_comes_back_from_its_file_and_the_same_has_the_same_bytes(tmp_path: Path) -> None:
    from mriuq_cli.data.kspace import KSpace

    data = np.random.default_rng(0).normal(size=(1, 2, 3, 4, 4, 2)).astype(np.float32).view(np.complex64)[..., 0]
    made = KSpace(data, (0.0, 0.1), "te", np.zeros(0, np.complex64), {"t2": np.ones((1, 4, 4), np.float32)},
                  {"R2": np.eye(2, 4, dtype=bool)}, (1.0, 1.0, 8.0))  # fmt: skip
    for name in ("a.h5", "b.h5"):
        write_kspace(tmp_path / name, made, {"simulated": 1})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    found = read_kspace(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.data, made.data)
    np.testing.assert_array_equal(found.masks["R2"], made.masks["R2"])
    assert (found.times, found.kind, found.spacing) == (made.times, made.kind, made.spacing)
    (tmp_path / "c.h5").write_text("no")
    with pytest.raises(InputError, match="k-space"):
        read_kspace(tmp_path / "c.h5")
    with pytest.raises(InputError, match="no such file"):
        read_kspace(tmp_path / "d.h5")
    assert torch.allclose(to_kspace(to_image(torch.from_numpy(data))), torch.from_numpy(data), atol=1e-5)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "scan.nii.gz"
    affine = np.diag([-2.0, 2, 2, 1])
    image = np.where(ball_head()[::4, ::4, ::4] > 0, 300, 0) + ball_head()[::4, ::4, ::4] % 97
    write_volume(path, image.astype(np.float32), geometry_from_affine((40, 40, 40), affine))
    return path


def test_a_corrupted_copy_keeps_grid_and_can_be_made_again_from_its_parameters(scan: Path, tmp_path: Path) -> None:
    case = simulate_artefact(3, scan)
    clean, spoilt = case.truth["clean"], case.volumes["corrupted"]
    assert spoilt.geometry is clean.geometry
    assert np.abs(spoilt.data - clean.data).max() > 1
    again = corrupt(
        torch.from_numpy(clean.data.astype(np.float32, order="C")),
        [Artefact(one["name"], one["parameters"]) for one in case.parameters["artefacts"]],
    )
    np.testing.assert_allclose(again.numpy(), spoilt.data, rtol=1e-4, atol=1e-3)
    place = Place(tmp_path / "out", "artefact-3", Form.brats)
    write_case(case, place, {"scan": scan})
    assert is_whole(place, "artefact", 3, {"scan": scan})
    assert not is_whole(place, "artefact", 3, {})
    other = tmp_path / scan.name
    other.write_bytes(b"other content under the same name")
    assert not is_whole(place, "artefact", 3, {"scan": other})
    assert "scan.nii.gz" in place.truth.read_text()
    assert str(scan.parent) not in place.truth.read_text()


def test_bids_has_a_sidecar_in_seconds_and_truth_among_the_derivatives(tmp_path: Path, scan: Path) -> None:
    import json
    from dataclasses import replace

    case = simulate_artefact(3, scan)
    sequences = {"t1": {"tr": 2.3, "te": 0.003, "ti": 0.9, "spacing": 0.007, "flip": 8.0}}
    case = replace(case, volumes={"t1": case.truth["clean"]}, truth={"t2": case.truth["clean"]},
                   parameters={**case.parameters, "sequences": sequences, "field": 3.0})  # fmt: skip
    place = Place(tmp_path / "bids", "t1w-3", Form.bids)
    write_case(case, place, {})
    facts = json.loads((tmp_path / "bids/sub-t1w3/anat/sub-t1w3_T1w.json").read_text())
    assert facts["RepetitionTimePreparation"] == 2.3
    assert facts["InversionTime"] == 0.9
    assert facts["Simulated"] is True
    derived = tmp_path / "bids/derivatives/simulation"
    assert (derived / "sub-t1w3/anat/sub-t1w3_T2map.nii.gz").is_file()
    assert json.loads((derived / "dataset_description.json").read_text())["DatasetType"] == "derivative"
    assert is_whole(place, "artefact", 3, {})
