"""Torch is imported ahead, and kept to its threads before anybody uses it."""

import subprocess
import sys

SCRIPT = """
import sys
from mriuq_cli.inference.ahead import TorchAhead
ahead = TorchAhead({threads})
ahead.ready()
import torch
assert torch.get_num_threads() == {threads}
torch.set_num_threads(3)
ahead.ready()
assert torch.get_num_threads() == 3, "it speaks once"
"""


def test_torch_is_there_when_it_is_ready_and_has_its_threads():
    for threads in (1, 2):
        subprocess.run([sys.executable, "-c", SCRIPT.format(threads=threads)], check=True)


def test_what_the_import_raises_is_raised_where_it_is_waited_for(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('broken on purpose')")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + SCRIPT.format(threads=1)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "broken on purpose" in done.stderr.splitlines()[-1]
    assert done.stderr.count("Traceback") == 1
