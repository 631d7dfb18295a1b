"""A device that runs out of memory is asked again in tiles; whatever else goes wrong is not taken for that."""

from types import SimpleNamespace

import pytest
import torch

from mriuq_cli.cohort import case
from mriuq_cli.errors import MachineError
from mriuq_cli.hooks.context import Context

NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
]


def ask(error, room, device="cuda:0", fov="free"):
    """Ask a method whose device holds tiles of at most ``room`` voxels along an edge; return tile and tiles tried."""
    tried = []

    def call(hook, *, context, **given):
        tried.append(context.tile)
        if context.tile is None or context.tile > room:
            raise error
        return "answer"

    plan = SimpleNamespace(weights=SimpleNamespace(config={"fov": fov}), request=SimpleNamespace(options={}))
    bench = SimpleNamespace(plan=plan, plugin=SimpleNamespace(call=call), model=None)
    _, tile = case._predict(bench, SimpleNamespace(id="exam"), Context(device=device))
    return tile, tried


@pytest.mark.parametrize("error", NO_MEMORY, ids=str)
def test_a_gpu_without_memory_is_asked_again_in_the_largest_tiles_that_fit(error):
    assert ask(error, room=100) == (96, [None, 192, 128, 96])


def test_where_no_tile_fits_the_machine_is_at_fault_and_the_reason_is_told():
    with pytest.raises(MachineError, match=r"memory ran out on cuda:0: CUDA out of memory") as caught:
        ask(NO_MEMORY[0], room=10)
    assert "--device cpu" in str(caught.value)


@pytest.mark.parametrize("where", [{"device": "cpu"}, {"fov": "fixed"}])
def test_without_a_gpu_or_with_a_fixed_field_there_is_no_second_try(where):
    with pytest.raises(MachineError, match="memory ran out"):
        ask(NO_MEMORY[1], room=1000, **where)


def test_another_failure_of_the_device_is_not_taken_for_short_memory():
    with pytest.raises(RuntimeError, match="illegal memory access"):
        ask(RuntimeError("CUDA error: an illegal memory access was encountered"), room=1000)
