"""A simulated case knows whose head it was made from, in every layout that it may lie in."""

from pathlib import Path

import numpy as np
import pytest

from mriuq_cli.cohort.simulated import Place, write_case
from mriuq_cli.data.case import Case, CaseRef, VolumeRef
from mriuq_cli.data.form import Form
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.people import anatomy_of, copies_words
from mriuq_cli.data.volume import Volume

GEOMETRY = geometry_from_affine((4, 4, 4), np.eye(4))
TEMPLATE = {"anatomy": {"source": "MNI152"}}


def written(folder: Path, form: Form, parameters: dict[str, object]) -> CaseRef:
    volumes = {"t1": Volume(np.ones((4, 4, 4), np.float32), GEOMETRY)}
    sequences = {"sequences": {"t1": {"tr": 2.0}}, "field": 3.0}
    place = Place(folder / "out", "t1w-3", form)
    write_case(Case("t1w-3", GEOMETRY, volumes, parameters={**sequences, **parameters}), place, {})
    path = place.shown if form is Form.four_d else place.image("t1")
    return CaseRef("t1w-3", {"t1": VolumeRef(path)})


@pytest.mark.parametrize("form", Form)
def test_the_anatomy_is_found_in_every_layout(tmp_path: Path, form: Form) -> None:
    assert anatomy_of(written(tmp_path, form, TEMPLATE)) == "MNI152"


@pytest.mark.parametrize(
    ("parameters", "known"),
    [
        ({"anatomy": {"source": "a", "label_map_sha256": "f00"}}, "f00"),
        ({"scan": {"name": "a.nii.gz", "sha256": "ba5"}}, "ba5"),
        ({"scan": {"preset": "t1w", "source": "MNI152"}}, "MNI152"),
        ({}, None),
    ],
)
def test_a_label_map_is_known_by_content_and_a_copy_by_what_was_copied(
    tmp_path: Path, parameters: dict[str, object], known: str | None
) -> None:
    assert anatomy_of(written(tmp_path, Form.brats, parameters)) == known


def test_a_scan_of_a_person_has_none_whatever_json_lies_beside_it(tmp_path: Path) -> None:
    ref = written(tmp_path, Form.brats, TEMPLATE)
    for text in ('{"Parameters": {"anatomy": {"source": "MNI152"}}}', "[]", "no", '{"Simulated": true}'):
        (tmp_path / "out" / "t1w-3" / "t1w-3.json").write_text(text)
        assert anatomy_of(ref) is None
    assert anatomy_of(CaseRef("empty", {})) is None


def test_copies_are_said_to_be_fewer_people_and_known_ones_not_unseen() -> None:
    assert copies_words(["a", None, "b", None], known=["c"]) == []
    (fewer,) = copies_words(["a", "a", "b", "b", "b", "c", None], known=[])
    assert fewer.startswith("5 simulated cases are deformed copies of 2 anatomies: 2 people, not 5")
    (taught,) = copies_words(["a", "b", None], known=["b"])
    assert taught.startswith("the weights have learnt from other copies of the anatomy of 1 simulated case:")
