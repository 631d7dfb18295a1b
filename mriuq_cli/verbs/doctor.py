"""``mriuq doctor``: whether this installation is whole and what this machine can do.

Every finding is a line: a group, a name, whether it is well, and what was seen. The worst finding decides the exit
code.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mriuq_cli.errors import ExitCode, MriuqError

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin
    from mriuq_cli.inference.weights import WeightsFolder

PACKAGES = ("mriuq", "torch", "numpy", "scipy", "nibabel", "safetensors", "zlib-ng", "typer", "pluggy", "pydantic")
OPTIONAL = ("monai", "scikit-learn", "nilearn", "matplotlib")
SMALL = 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about the installation; ``code`` is the exit code it asks for, 0 if all is well."""

    group: str
    name: str
    status: Literal["ok", "note", "broken"]
    detail: str
    code: int = 0


def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON object a finding, one a line.")] = False,
) -> None:
    """Check versions, devices, methods, weights and places to write."""
    import json as json_module

    worst = 0
    for finding in findings():
        worst = max(worst, finding.code)
        if json:
            print(json_module.dumps(asdict(finding)), flush=True)
        else:
            print(f"{finding.status:6}  {finding.group:9}  {finding.name:18}  {finding.detail}".rstrip(), flush=True)
    if worst:
        raise typer.Exit(worst)


def findings() -> Iterator[Finding]:
    """Look at everything, one finding after the other; a look that fails is a finding too."""
    looks: tuple[tuple[str, ExitCode, Callable[[], Iterator[Finding]]], ...] = (
        ("versions", ExitCode.MACHINE, versions),
        ("machine", ExitCode.MACHINE, machine),
        ("device", ExitCode.MACHINE, devices),
        ("methods", ExitCode.METHOD, methods),
        ("places", ExitCode.MACHINE, places),
        ("shell", ExitCode.DONE, shell),
    )
    for group, code, look in looks:
        try:
            yield from look()
        except Exception as error:  # noqa: BLE001 - what is broken here is what the person came to learn
            yield Finding(group, group, "broken", " ".join(f"{type(error).__name__}: {error}".split()), code)


def versions() -> Iterator[Finding]:
    """Name the interpreter and the packages."""
    from importlib.metadata import PackageNotFoundError, version

    yield Finding("versions", "python", "ok", f"{platform.python_version()}, {platform.platform()}, {sys.prefix}")
    for name in (*PACKAGES, *OPTIONAL):
        try:
            yield Finding("versions", name, "ok", version(name))
        except PackageNotFoundError:
            if name in OPTIONAL:
                yield Finding("versions", name, "note", "not installed; training or figures may need it")
            else:
                yield Finding("versions", name, "broken", "not installed", ExitCode.MACHINE)


def machine() -> Iterator[Finding]:
    """Count cores and memory."""
    from mriuq_cli.inference.device import usable_cores

    yield Finding("machine", "cores", "ok", f"{usable_cores()} of {os.cpu_count()} usable by this process")
    free, total = _memory()
    if total:
        status: Literal["ok", "note"] = "note" if free < SMALL else "ok"
        yield Finding("machine", "memory", status, f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB available")


def _memory() -> tuple[int, int]:
    """Return available and total bytes; zeros where the system does not tell."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return tuple(int(lines[key].split()[0]) * 1024 for key in ("MemAvailable", "MemTotal"))  # type: ignore[return-value]
    except (OSError, KeyError, ValueError):
        return 0, 0


def devices() -> Iterator[Finding]:
    """Run a small convolution on every device and compare it with sums made by numpy."""
    import torch

    names = ["cpu"]
    if torch.cuda.is_available():
        names += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    else:
        yield Finding("device", "cuda", "note", "no CUDA device; --device cuda would end with exit code 6")
    for name in names:
        try:
            apart = _convolution_error(name)
        except RuntimeError as error:
            yield Finding("device", name, "broken", f"a 3-D convolution fails: {error}", ExitCode.MACHINE)
            continue
        seen = f"{_about_device(name)}; a 3-D convolution is off by {apart:.0e} at most"
        right = apart < 1e-4
        yield Finding("device", name, "ok" if right else "broken", seen, 0 if right else ExitCode.MACHINE)


def _about_device(name: str) -> str:
    import torch

    if name == "cpu":
        return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    facts = torch.cuda.get_device_properties(name)
    return f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB"


def _convolution_error(device: str) -> float:
    """Return the largest difference between torch's conv3d and shifted sums in float64."""
    import numpy as np
    import torch

    generator = np.random.default_rng(0)
    image, kernel = generator.standard_normal((12, 11, 10)), generator.standard_normal((3, 3, 3))
    expected = sum(
        kernel[i, j, k] * image[i : i + 10, j : j + 9, k : k + 8] for i in range(3) for j in range(3) for k in range(3)
    )
    # TF32 would round to 3 digits; what is asked here is whether the kernel runs and is right.
    with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
        x, w = (torch.tensor(array, dtype=torch.float32, device=device)[None, None] for array in (image, kernel))
        found = torch.nn.functional.conv3d(x, w)[0, 0].cpu().numpy()
    return float(np.abs(found - expected).max())


def methods() -> Iterator[Finding]:
    """Import every method and verify the weights that it ships."""
    from mriuq_cli.errors import MethodError
    from mriuq_cli.hooks.discovery import discover
    from mriuq_cli.hooks.manager import load

    found = discover()
    if not found:
        yield Finding("methods", "none", "note", "no method is installed; for instance: pip install mriuq-qrunet")
    for one in found:
        try:
            plugin = load(one)
        except MethodError as error:
            detail = f"{one.distribution} {one.version}: {error.what}"
            yield Finding("methods", one.name, "broken", detail, ExitCode.METHOD)
            continue
        yield Finding("methods", one.name, "ok", f"{one.distribution} {one.version}")
        if plugin.method.weights is not None:
            yield from _weights(plugin, plugin.method.weights)


def _weights(plugin: Plugin, folder: Path) -> Iterator[Finding]:
    """Verify every set of weights that ships with its calibration, and that the one used by default is there."""
    from mriuq_cli.inference.weights import find_weights

    sets = sorted(entry for entry in folder.iterdir() if (entry / "weights.json").is_file()) if folder.is_dir() else []
    default = [] if plugin.method.default_weights in {entry.name for entry in sets} else [None]
    for entry in (*sets, *default):
        name = f"{plugin.name}/{entry.name if entry else plugin.method.default_weights or 'default'}"
        try:
            weights = find_weights(plugin, entry)
            yield Finding("weights", name, "ok", f"SHA-256 {weights.sha256[:16]}... as stated")
            yield _calibration(plugin, weights, name)
        except MriuqError as error:
            yield Finding("weights", name, "broken", error.what, int(error.exit_code))


def _calibration(plugin: Plugin, weights: WeightsFolder, name: str) -> Finding:
    """Read the calibration that lies beside weights; without one, intervals are the method's own."""
    from mriuq_cli.uncertainty.conformal import read_calibration

    if weights.calibration is None:
        return Finding("weights", f"{name} intervals", "note", "no calibration ships with these weights")
    known = read_calibration(weights.calibration, plugin.name)
    if not known.speaks_for(weights.sha256):
        detail = "the calibration was not made for these weights"
        return Finding("weights", f"{name} intervals", "broken", detail, ExitCode.WEIGHTS)
    return Finding("weights", f"{name} intervals", "ok", f"calibrated on {known.n} subjects, {known.rule}")


def places() -> Iterator[Finding]:
    """Try where files can be written; only the folder for temporary files has to be."""
    import tempfile

    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"mriuq")
        yield Finding("places", "temporary", "ok", f"{tempfile.gettempdir()} can be written")
    except OSError as error:
        yield Finding("places", "temporary", "broken", f"no folder can be written ({error})", ExitCode.MACHINE)
    home = os.environ.get("HOME")
    yield _place("home", Path(home) if home else None, "HOME is not set")
    yield _place("working folder", Path.cwd(), "")
    yield _place("installation", Path(__file__).parent, "")


def _place(name: str, folder: Path | None, absent: str) -> Finding:
    if folder is None or not folder.is_dir():
        return Finding("places", name, "note", absent if folder is None else f"{folder} is not there; nothing needs it")
    if os.access(folder, os.W_OK):
        return Finding("places", name, "ok", f"{folder} can be written")
    return Finding("places", name, "note", f"{folder} is read-only; nothing needs to be written there")


def shell() -> Iterator[Finding]:
    """Say how to get completion."""
    yield Finding("shell", "completion", "note", "mriuq --install-completion, for bash, zsh, fish or PowerShell")
