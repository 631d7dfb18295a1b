"""The installed executable, and a third party's distribution that pip really installed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from exams import heed_signals

EXECUTABLE = Path(sys.executable).with_name("mriuq")
TOY = Path(__file__).parent.parent / "toy_plugin"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def mriuq() -> Run:
    """Return ``run(*words, site=None, **environment)``: the executable, with a folder of more distributions."""

    def run(*words: object, site: Path | None = None, cwd: Path | None = None, **environment: str):
        variables = {**os.environ, "COLUMNS": "200", "TERMINAL_WIDTH": "200", "OMP_NUM_THREADS": "1", **environment}
        variables.pop("PYTHONPATH", None)
        if site is not None:
            variables["PYTHONPATH"] = str(site)
        command = [str(EXECUTABLE), *map(str, words)]
        return subprocess.run(command, env=variables, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)

    return run


@pytest.fixture(scope="session")
def toy_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the toy plugin with pip into a folder of its own, and return that folder."""
    site = tmp_path_factory.mktemp("toy") / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", str(site), str(TOY)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture
def mriuq_process():
    """Return ``start(*words, site)``: the executable, still running; killed at the end if need be."""
    started = []

    def start(*words: object, site: Path) -> subprocess.Popen[str]:
        variables = {**os.environ, "PYTHONPATH": str(site)}
        command = [str(EXECUTABLE), *map(str, words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, env=variables, text=True, preexec_fn=heed_signals, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            pipe.close()


@pytest.fixture
def mriuq_terminal():
    """Return ``run(*words, **environment)``: what the executable shows on a terminal."""
    import pty

    def run(*words: str, **environment: str) -> str:
        here, there = pty.openpty()
        variables = {**os.environ, **environment}
        if "NO_COLOR" not in environment:
            variables.pop("NO_COLOR", None)
        process = subprocess.Popen([str(EXECUTABLE), *words], env=variables, stdout=there, stderr=there)
        os.close(there)
        shown = b""
        try:
            while block := os.read(here, 4096):
                shown += block
        except OSError:  # Linux says EIO when the other end is closed
            pass
        os.close(here)
        process.wait(timeout=30)
        return shown.decode()

    return run
