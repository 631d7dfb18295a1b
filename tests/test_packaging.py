"""What is installed is what was tested: wheels are whole, README's installation works, versions are frozen."""

import re
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from readme import ROOT, SHIPPED, starting


def run(*words: object, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tracked(folder: Path) -> Path:
    """Copy what a clone would hold; build folders and environments stay behind."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\n")
    for name in filter(None, listed):
        target = folder / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    pytest.importorskip("build", reason="needs the extra `dev`: pip install 'mriuq[dev]'")
    clone, out = tracked(tmp_path_factory.mktemp("clone")), tmp_path_factory.mktemp("wheels")
    for source in (clone, *sorted((clone / "plugins").iterdir())):
        run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source, cwd=clone)
    return sorted(out.glob("*.whl"))


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheels_hold_the_packages_and_nothing_beside_them(wheels: list[Path]) -> None:
    for wheel, package in zip(wheels, ("mriuq_cli", "mriuq_hetqc", "mriuq_qrunet"), strict=True):
        tops = {name.split("/")[0] for name in names(wheel) if ".dist-info" not in name}
        assert tops == {package}


def test_the_core_wheel_holds_every_module_and_the_licence(wheels: list[Path]) -> None:
    held = names(wheels[0])
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "mriuq_cli").rglob("*.py")}
    assert modules <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)


@pytest.mark.skipif(not SHIPPED.exists(), reason=f"no weights at {SHIPPED.relative_to(ROOT)}")
def test_the_wheels_of_plugins_hold_their_weights_in_ten_megabytes(wheels: list[Path]) -> None:
    for wheel, folder in zip(wheels[1:], ("mriuq_hetqc/weights/simulated", "mriuq_qrunet/weights/impute"), strict=True):
        expected = ("weights.safetensors", "weights.json", "calibration.json")
        assert {f"{folder}/{name}" for name in expected} <= names(wheel)
        assert wheel.stat().st_size < 10_000_000
    assert "mriuq_hetqc/weights/simulated/quality.json" in names(wheels[1])


@pytest.mark.slow
@pytest.mark.skipif(not SHIPPED.exists(), reason=f"no weights at {SHIPPED.relative_to(ROOT)}")
def test_an_empty_environment_made_as_readme_says_predicts_the_same_bytes(tmp_path: Path, wheels: list[Path]) -> None:
    pytest.importorskip("nilearn", reason="needs the extra `simulate`: pip install 'mriuq[simulate]'")
    clone = tracked(tmp_path / "clone")
    lines = starting("python3.11", ".venv/bin/pip", ".")
    run("bash", "-euc", "\n".join([*lines, "command -v mriuq"]), cwd=clone)
    # The same packages once more, now from the wheels that would be published.
    run(clone / ".venv/bin/pip", "install", "--no-deps", "--force-reinstall", *wheels, cwd=tmp_path)
    here = Path(sys.executable).with_name("mriuq")
    run(here, "simulate", "exam", ".", "--format", "4d", cwd=tmp_path)
    for program, out in ((here, "developed"), (clone / ".venv/bin/mriuq", "installed")):
        words = ("predict", "qrunet", "exam-0.nii.gz", "--missing", "flair", "--threads", "1", "--out", out)
        run(program, *words, cwd=tmp_path)
    for ending in (".nii.gz", "_lower.nii.gz", "_upper.nii.gz", "_width.nii.gz"):
        one, two = ((tmp_path / out / f"exam-0_flair{ending}").read_bytes() for out in ("developed", "installed"))
        assert one == two


def pinned() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split("==") for line in lines)


def needed(name: str, extras: set[str], seen: set[tuple[str, str]]) -> set[str]:
    """Return the installed distributions that ``name[extras]`` brings, itself included."""
    from packaging.requirements import Requirement

    try:
        requires = distribution(name).requires or []
    except PackageNotFoundError:
        return set()
    found = {re.sub(r"[-_.]+", "-", name).lower()}
    for text in requires:
        requirement = Requirement(text)
        wanted = [e for e in (extras or {""}) if not requirement.marker or requirement.marker.evaluate({"extra": e})]
        key = (requirement.name, ",".join(sorted(requirement.extras)))
        if wanted and key not in seen:
            seen.add(key)
            found |= needed(requirement.name, set(requirement.extras), seen)
    return found


def test_constraints_pin_every_distribution_of_every_extra() -> None:
    brought = needed("mriuq", {"train", "simulate", "figures", "dev"}, set()) - {"mriuq"}
    assert len(brought) > 50
    assert brought - set(pinned()) == set()


def test_constraints_hold_no_local_versions_and_no_torchvision() -> None:
    assert not [version for version in pinned().values() if "+" in version]
    assert "torchvision" not in pinned()


@pytest.mark.skipif(Path(sys.prefix) != ROOT / ".venv", reason="runs in the environment that `make test` makes")
def test_the_environment_of_make_holds_the_frozen_versions() -> None:
    frozen = pinned()
    for name in ("torch", "numpy", "nibabel", "scipy", "typer", "monai"):
        assert distribution(name).version.split("+")[0] == frozen[name]
