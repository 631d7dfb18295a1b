"""The maps that come with nilearn, read without it."""

import numpy as np
import pytest

from mriuq_cli.errors import MachineError
from mriuq_cli.physics import template

nilearn = pytest.importorskip("nilearn.datasets", reason="needs the extra `simulate`: pip install 'mriuq[simulate]'")


@pytest.mark.parametrize("kind", ["t1", "gm", "wm"])
def test_maps_and_affine_are_those_that_nilearn_returns(kind):
    values, affine = template._read(kind)
    middle = "" if kind == "t1" else f"_{kind}"
    expected = getattr(nilearn, f"load_mni152{middle}_template")(resolution=1)
    np.testing.assert_array_equal(values, np.asarray(expected.dataobj, dtype=np.float32))
    np.testing.assert_array_equal(affine, expected.affine)
    assert values.dtype == np.float32


def test_without_the_maps_the_message_says_what_to_install(monkeypatch, tmp_path):
    for found in (None, template.find_spec("mriuq_cli")):
        monkeypatch.setattr(template, "find_spec", lambda _name, found=found: found)
        with pytest.raises(MachineError, match="template brain is not installed"):
            template._read("t1")
