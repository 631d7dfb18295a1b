"""Threads and memory of a process that computes."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
from mriuq_cli.inference.processor import set_up
set_up(1)
import torch
assert torch.get_num_threads() == 1
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(2**24).fill_(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 2**26 // 4096
"""Of the block that is taken twice."""


def faults(**environment):
    """Return how many pages Linux had to clear for the second block."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        check=True, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path), **environment},
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc can be told to keep memory")
def test_memory_that_torch_frees_is_used_again():
    assert faults() < PAGES / 10


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc gives memory back by size")
def test_whoever_has_set_malloc_up_is_not_overruled():
    assert faults(MALLOC_MMAP_MAX_="65536") > PAGES / 2
