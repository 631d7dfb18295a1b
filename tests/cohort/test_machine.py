"""Memory foretold, tiles chosen, devices picked."""

import resource
import subprocess
import sys
from dataclasses import replace

import pytest

from mriuq_cli.errors import MachineError, UsageError
from mriuq_cli.inference import device, memory
from mriuq_cli.inference.memory import Task, fit_tile, predict_demand

TASK = Task((240, 240, 155), inputs=4, targets=1)
FIGURES = {"per_voxel_bytes": 1000, "base_bytes": 0, "array_copies": 1}
GIB = 2**30


def need(tile=None):
    return predict_demand(TASK, FIGURES, tile)


def test_demand_is_the_larger_of_activations_and_results():
    voxels = TASK.voxels
    assert need() == voxels * 4 * 4 + voxels * 1000
    assert need(16) == voxels * 4 * 4 + voxels * (19 * 5 + 20)  # one target, four self-checks


def test_what_is_predicted_for_outlier_maps_is_held_while_the_network_works():
    asked = replace(TASK, outliers=4)
    assert predict_demand(asked, FIGURES) - need() == TASK.voxels * 19 * 8
    alone = FIGURES | {"self_checks": False}
    assert predict_demand(asked, alone) - predict_demand(TASK, alone) == TASK.voxels * 19 * 4


def test_what_fits_whole_is_done_whole():
    assert fit_tile(TASK, FIGURES, tiles=True, tile=None, available=need()) is None


def test_else_the_largest_tile_that_fits_is_chosen():
    assert fit_tile(TASK, FIGURES, tiles=True, tile=None, available=need(128)) == 128
    assert fit_tile(TASK, FIGURES, tiles=True, tile=None, available=need(128) - 1) == 96


def test_a_tile_that_was_asked_for_is_kept_or_refused_with_one_that_fits():
    assert fit_tile(TASK, FIGURES, tiles=True, tile=100, available=4 * GIB) == 100
    with pytest.raises(MachineError) as caught:
        fit_tile(TASK, FIGURES, tiles=True, tile=160, available=need(96))
    assert "--tile 96" in str(caught.value)


@pytest.mark.parametrize("tiles", [True, False])
def test_what_cannot_fit_is_refused_with_need_and_room(tiles):
    with pytest.raises(MachineError) as caught:
        fit_tile(TASK, FIGURES, tiles=tiles, tile=None, available=2**20)
    assert "240x240x155" in str(caught.value)
    assert "GiB" in str(caught.value)
    assert ("no tiles" in str(caught.value)) is not tiles


def test_weights_that_take_no_tiles_get_none():
    with pytest.raises(MachineError):
        fit_tile(TASK, FIGURES, tiles=False, tile=None, available=need(64))


def test_the_least_of_machine_control_group_and_process_limit_counts(tmp_path, monkeypatch):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 99 kB\nMemAvailable:  4000 kB\n")
    group = tmp_path / "group"
    group.mkdir()
    (group / "memory.max").write_text("3000000\n")
    (group / "memory.current").write_text("1000000\n")
    (group / "memory.stat").write_text("anon 5\ninactive_file 500000\n")
    monkeypatch.setattr(memory, "_own_size", lambda: 0)
    assert memory._meminfo(meminfo) == 4000 * 1024
    assert memory._cgroup(group) == 2_500_000
    (group / "memory.max").write_text("max\n")
    assert memory._cgroup(group) is None


def test_a_limit_on_address_space_counts(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (8 * GIB, 8 * GIB))
    assert memory._address_space() == 6 * GIB


def test_the_machine_has_some_memory_and_this_process_used_some():
    assert 0 < memory.available_memory() < 2**62
    assert memory.peak_memory() > 2**20


def test_the_peak_is_not_that_of_the_process_that_started_this_one():
    ballast = bytearray(400 * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    code = "from mriuq_cli.inference.memory import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300 * 2**20


def test_auto_is_the_cpu_where_no_driver_is_loaded_without_asking_torch(monkeypatch):
    monkeypatch.setattr(device, "_NODES", ())
    monkeypatch.setattr(device, "_cuda_devices", lambda: pytest.fail("torch was asked"))
    assert device.pick_device("auto") == "cpu"
    assert device.pick_device("CPU") == "cpu"


@pytest.mark.parametrize(("name", "found", "picked"), [("cuda", 1, "cuda:0"), ("cuda:1", 2, "cuda:1")])
def test_a_cuda_device_that_is_there_is_taken(monkeypatch, name, found, picked):
    monkeypatch.setattr(device, "_cuda_devices", lambda: found)
    assert device.pick_device(name) == picked


@pytest.mark.parametrize(("name", "found"), [("cuda", 0), ("cuda:1", 1)])
def test_a_cuda_device_that_is_not_there_is_the_machine_s_fault(monkeypatch, name, found):
    monkeypatch.setattr(device, "_cuda_devices", lambda: found)
    with pytest.raises(MachineError):
        device.pick_device(name)


def test_another_word_is_a_usage_error():
    with pytest.raises(UsageError):
        device.pick_device("gpu0")


def test_a_device_without_room_for_the_network_is_the_machine_s_fault():
    from types import SimpleNamespace

    from mriuq_cli.inference.weights import _moved

    def full(device):
        raise MemoryError

    with pytest.raises(MachineError, match="does not fit into the memory of cuda:0"):
        _moved(SimpleNamespace(to=full), "cuda:0")


@pytest.mark.parametrize(("check", "least"), [(device.require_threads, 1), (memory.require_tile, 16)])
def test_threads_and_tiles_have_a_least_number_and_need_not_be_stated(check, least):
    check(None)
    check(least)
    with pytest.raises(UsageError):
        check(least - 1)
