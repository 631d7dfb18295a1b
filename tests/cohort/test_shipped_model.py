"""A judging method loads the weights that it ships, once a process."""

import sys
from pathlib import Path

import exams
import pytest

from mriuq_cli.errors import WeightsError
from mriuq_cli.hooks.discovery import discover
from mriuq_cli.hooks.manager import get_plugin
from mriuq_cli.inference.shipped import shipped_model, shipped_state


@pytest.fixture
def relay(tmp_path, monkeypatch):
    """Put the relay method on the path, with the weights `small`, in a folder that has a folder `small` too."""
    site = exams.plugin_path(tmp_path / "site")
    source = (site / "relay_method.py").read_text()
    shipped = tmp_path / "shipped"
    (site / "relay_method.py").write_text(
        source.replace("outliers=True)", f"outliers=True, weights=__import__('pathlib').Path({str(shipped)!r}))")
    )
    exams.weights(shipped / "small", margin=2.5)
    (tmp_path / "small").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "relay_method", raising=False)
    for cached in (discover, get_plugin, shipped_model):
        cached.cache_clear()
    yield shipped
    monkeypatch.undo()
    sys.modules.pop("relay_method", None)
    for cached in (discover, get_plugin, shipped_model):
        cached.cache_clear()


def test_the_network_comes_filled_with_what_its_folder_says(relay):
    model, weights = shipped_model("relay", "small")
    assert float(model.weight[0, 0]) == 2.5
    assert not model.training
    assert weights.config == {"fov": "free"}
    assert weights.folder == relay / "small"
    assert shipped_model("relay", "small")[0] is model


def test_weights_that_do_not_ship_are_refused(relay):
    with pytest.raises(WeightsError, match="ships no weights called 'large'"):
        shipped_model("relay", "large")


def test_what_a_receipt_says_of_them_changes_with_them(relay):
    before = shipped_state(get_plugin("relay"))
    exams.weights(Path(relay) / "small", margin=3)
    assert before.keys() == {"small"}
    assert shipped_state(get_plugin("relay")) != before
