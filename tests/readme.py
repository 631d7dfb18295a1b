"""What README prints as commands."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "plugins/qrunet/mriuq_qrunet/weights/impute/weights.safetensors"


def commands() -> list[str]:
    """Return every line of README's ``sh`` blocks, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def starting(*words: str) -> list[str]:
    """Return the commands that begin with one of the words."""
    return [line for line in commands() if line.split()[0] in words]
