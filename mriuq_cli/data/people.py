"""Who a case is of: deformed copies of one anatomy are one person, whatever their seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mriuq_cli.data.case import CaseRef
from mriuq_cli.data.nifti import stem
from mriuq_cli.data.sidecar import read_json
from mriuq_cli.errors import InputError


def anatomy_of(ref: CaseRef) -> str | None:
    """Return the anatomy that a simulated case was made from, by the truth file beside it; None for any other case.

    A label map is known by its SHA-256, the template by its name, a corrupted copy of a scan by that scan's SHA-256.
    """
    first = next(iter(ref.volumes.values()), None)
    for path in () if first is None else _truth_files(first.path):
        if path.is_file():
            try:
                facts = read_json(path)
            except InputError:
                continue
            if facts.get("Simulated") is True:
                return _source(facts.get("Parameters"))
    return None


def copies_words(anatomies: Sequence[str | None], known: Collection[str]) -> list[str]:
    """Say in what way simulated cases are fewer people than they seem, or people whom weights know.

    Parameters
    ----------
    anatomies
        Of each case that counts; None for one that was not simulated.
    known
        Anatomies that the weights in question have learnt from.
    """
    found = Counter(anatomy for anatomy in anatomies if anatomy is not None)
    words = []
    if copies := [number for number in found.values() if number > 1]:
        total, number = sum(copies), len(copies)
        source, who = ("one anatomy", "one person") if number == 1 else (f"{number} anatomies", f"{number} people")
        words.append(
            f"{total} simulated cases are deformed copies of {source}: {who}, not {total}, "
            "so figures vary less over them than over people"
        )
    if taught := sum(number for anatomy, number in found.items() if anatomy in known):
        words.append(
            f"the weights have learnt from other copies of the anatomy of {taught} simulated "
            f"{'case' if taught == 1 else 'cases'}: these people are not unseen"
        )
    return words


def _source(parameters: Any) -> str | None:
    for name in ("anatomy", "scan"):
        part = parameters.get(name) if isinstance(parameters, Mapping) else None
        if isinstance(part, Mapping):
            found = part.get("label_map_sha256") or part.get("source") or part.get("sha256")
            return None if found is None else str(found)
    return None


def _truth_files(image: Path) -> Iterator[Path]:
    """Yield where ``mriuq simulate`` may have put the truth of an image: each layout has its place."""
    yield image.parent / f"{image.parent.name}.json"
    yield image.parent / "truth" / f"{stem(image)}.json"
    if image.parent.name == "anat":
        subject = image.parents[1].name
        yield image.parents[2] / "derivatives" / "simulation" / subject / "anat" / f"{subject}_truth.json"
