"""The doctor names what is broken, and its exit code is that of the worst finding."""

import json
import shutil
from types import SimpleNamespace

import exams
import pytest


def findings(run):
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_a_sound_installation_is_well_and_every_group_is_looked_at(mriuq, toy_site):
    run = mriuq("doctor", "--json", site=toy_site)
    rows = findings(run)
    mine = [row for row in rows if not row["name"].startswith("qrunet")]
    assert not [row for row in mine if row["status"] == "broken"]
    assert {"versions", "machine", "device", "methods", "weights", "places", "shell"} <= {row["group"] for row in rows}
    assert {"group": "methods", "name": "toy", "status": "ok", "detail": "mriuq-toy 0.1.0", "code": 0} in rows
    assert "toy/fixed" in mriuq("doctor", site=toy_site).stdout


def test_a_kernel_is_run_on_the_cpu(mriuq):
    (cpu,) = [row for row in findings(mriuq("doctor", "--json")) if row["name"] == "cpu"]
    assert cpu["status"] == "ok"
    assert "convolution" in cpu["detail"]


def test_a_broken_plugin_is_named_with_its_reason_and_gives_code_4(mriuq, install_method):
    run = mriuq("doctor", "--json", site=install_method("lame", "raise OSError('no leg')"))
    (lame,) = [row for row in findings(run) if row["name"] == "lame"]
    assert lame["status"] == "broken"
    assert "no leg" in lame["detail"]
    assert run.returncode >= 4


def test_altered_weights_are_named_and_give_code_5(mriuq, toy_site, tmp_path):
    site = tmp_path / "site"
    shutil.copytree(toy_site, site)
    path = site / "mriuq_toy" / "weights" / "fixed" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    run = mriuq("doctor", "--json", site=site)
    (weights,) = [row for row in findings(run) if row["name"] == "toy/fixed"]
    assert weights["status"] == "broken"
    assert weights["code"] == 5
    assert run.returncode == 5


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [({}, "ok", "9 subjects"), ({"for": ["0" * 64]}, "broken", "not made for these weights")],
)
def test_a_calibration_that_ships_is_read_and_has_to_be_for_its_weights(tmp_path, changes, status, words):
    from mriuq_cli.inference.weights import find_weights
    from mriuq_cli.verbs.doctor import _calibration

    plugin = SimpleNamespace(name="relay", method=SimpleNamespace(weights=None))
    folder = exams.weights(tmp_path / "weights")
    assert _calibration(plugin, find_weights(plugin, folder), "a").status == "note"
    exams.calibration(tmp_path / "calibration.json", **changes)
    (tmp_path / "calibration.json").rename(folder / "calibration.json")
    finding = _calibration(plugin, find_weights(plugin, folder), "a")
    assert (finding.status, finding.code) == (status, 0 if status == "ok" else 5)
    assert words in finding.detail


def test_a_machine_without_a_home_is_no_trouble(toy_site, mriuq):
    rows = findings(mriuq("doctor", "--json", site=toy_site, HOME="/nowhere/at/all"))
    (home,) = [row for row in rows if row["name"] == "home"]
    assert home["status"] == "note"
    assert home["code"] == 0


def test_no_folder_for_temporary_files_gives_code_6(monkeypatch):
    from mriuq_cli.verbs.doctor import places

    def refuse():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    first = next(iter(places()))
    assert first.status == "broken"
    assert first.code == 6


def test_a_wrong_kernel_gives_code_6(monkeypatch):
    from mriuq_cli.verbs import doctor

    monkeypatch.setattr(doctor, "_convolution_error", lambda device: 0.5)
    cpu = next(finding for finding in doctor.devices() if finding.name == "cpu")
    assert cpu.status == "broken"
    assert cpu.code == 6


def test_a_read_only_installation_is_a_note(monkeypatch):
    from mriuq_cli.verbs import doctor

    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    (place,) = [finding for finding in doctor.places() if finding.name == "installation"]
    assert place.status == "note"
    assert place.code == 0
