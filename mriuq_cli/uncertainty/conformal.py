"""Calibration: what turns a method's raw intervals into intervals that hold on subjects it never saw."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mriuq_cli.data.sidecar import write_json
from mriuq_cli.errors import WeightsError
from mriuq_cli.uncertainty.calibration_file import read_calibration_json
from mriuq_cli.uncertainty.estimate import Check, Descriptor, Estimate
from mriuq_cli.uncertainty.familiarity import Reference
from mriuq_cli.uncertainty.interval import share_inside, stretch
from mriuq_cli.uncertainty.scores import Scores
from mriuq_cli.uncertainty.stretch import Rule, Stretch

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Factors:
    """The stretch for one target in one situation, and the coverage found with it on left-out subjects.

    ``coverage``, ``sd`` and ``worst`` are over subjects, each with factors from all the others; ``regions`` holds
    the mean coverage inside named regions such as ``tumour``. All are NaN where nobody could be left out. ``width``
    is the mean width over the subjects with these factors, in the target's unit.
    """

    lower: float
    upper: float
    coverage: float
    sd: float
    worst: float
    regions: Mapping[str, float] = field(default_factory=dict)
    width: float = float("nan")


@dataclass(frozen=True, slots=True)
class Calibration:
    """A calibration as its file holds it.

    Parameters
    ----------
    method
        The method it is for.
    weights_sha256
        Hashes of the weights whose intervals were looked at.
    level, rule, n
        Nominal coverage, rule of the stretch, number of subjects.
    subjects
        One tuple of image fingerprints a subject.
    factors
        Target to situation key (``t1+t2``) to factors.
    familiarity
        Situation key to what the calibration subjects look like.
    cross_fitted
        True if each subject was predicted by weights of a fold that had not seen it.
    made_for
        Hashes of the weights that it is meant to ship with, beside those whose intervals were looked at.
    """

    method: str
    weights_sha256: tuple[str, ...]
    level: float
    rule: Rule
    n: int
    subjects: tuple[tuple[str, ...], ...]
    factors: Mapping[str, Mapping[str, Factors]]
    familiarity: Mapping[str, Reference] = field(default_factory=dict)
    cross_fitted: bool = False
    made_for: tuple[str, ...] = ()

    def speaks_for(self, sha256: str | None) -> bool:
        """Return whether it was made with, or for, these weights; a method without a network has none (None)."""
        return sha256 is None or sha256 in self.weights_sha256 or sha256 in self.made_for


@dataclass(frozen=True, slots=True)
class CalibrationNote:
    """What was done to an estimate: for the sidecar and the person at the terminal.

    ``ours`` is false for a calibration that was not made for the weights in use.
    """

    target: str
    level: float
    rule: Rule
    n: int
    available: tuple[str, ...]
    situation: str
    exact: bool
    factors: Factors
    ours: bool = True

    @property
    def expected(self) -> Factors | None:
        """What was found on left-out subjects; None where that says nothing of this estimate."""
        return self.factors if self.exact and self.ours else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that somebody who trusts the interval ought to read."""
        said = []
        if not self.exact:
            said.append(
                f"{self.target}: intervals were never calibrated for {'+'.join(self.available)} given; "
                f"those of {self.situation} are used"
                + ("" if set(self.situation.split("+")) <= set(self.available) else ", which may be too narrow")
            )
        shares = [(name, share) for name, share in self.factors.regions.items() if share < self.level - 0.05]
        found = [f"{share:.0%} of voxels in {name}" for name, share in shares]
        if self.expected is not None and self.factors.worst < self.level - 0.1:
            found.insert(0, f"{self.factors.worst:.0%} of voxels in the worst of {self.n} exams")
        if found:
            said.append(f"{self.target}: the {self.level:.0%} interval held {', '.join(found)}")
        return tuple(said)

    def facts(self) -> dict[str, Any]:
        """Return the note as JSON-ready figures."""
        found, expected = self.factors, self.expected
        return {
            "level": self.level, "rule": self.rule, "n": self.n, "situation": self.situation, "exact": self.exact,
            "lower_factor": found.lower, "upper_factor": found.upper,
            "expected_coverage": None if expected is None else {
                "mean": _number(expected.coverage), "sd": _number(expected.sd), "worst": _number(expected.worst),
                "regions": {name: _number(share) for name, share in expected.regions.items()},
            },
        }  # fmt: skip


def situation_key(available: Collection[str], order: Sequence[str]) -> str:
    """Return the key of a set of given inputs: their names in the method's order, joined by ``+``."""
    return "+".join(name for name in order if name in available)


def state_factors(
    pair: Stretch,
    scores: Sequence[Scores],
    left_out: Sequence[Stretch],
    regions: Mapping[str, Sequence[Scores | None]] | None = None,
) -> Factors:
    """State what a stretch does on the subjects that it was chosen on, each with the stretch of all the others.

    Parameters
    ----------
    pair
        The stretch of all subjects.
    scores
        One a subject, from weights that have not seen it.
    left_out
        The stretch without each subject, in their order; empty where nobody could be left out.
    regions
        Region name to the scores of its voxels, one a subject, None where a subject has none.
    """
    width = float(np.mean([s.width(*pair) for s in scores]))
    if not left_out:
        return Factors(*pair, coverage=float("nan"), sd=float("nan"), worst=float("nan"), width=width)
    found = np.array([s.coverage(*without) for s, without in zip(scores, left_out, strict=True)])
    inside = {}
    for name, parts in (regions or {}).items():
        shares = [p.coverage(*without) for p, without in zip(parts, left_out, strict=True) if p is not None]
        if shares:
            inside[name] = float(np.mean(shares))
    sd = float(found.std(ddof=1))
    return Factors(*pair, float(found.mean()), sd, float(found.min()), inside, width)


def find_factors(calibration: Calibration, target: str, available: Collection[str]) -> tuple[str, Factors, bool]:
    """Return situation key, factors, and whether the situation is the very one.

    Without it, the nearest wider one: of the calibrated situations with fewer inputs, all among the given ones, the
    one with most inputs; without such, the one with the largest factors (which may be too narrow all the same).

    Raises
    ------
    WeightsError
        If the calibration does not know the target.
    """
    known = calibration.factors.get(target)
    if not known:
        raise WeightsError(
            f"the calibration does not know {target}", hint=f"It knows {', '.join(calibration.factors) or 'nothing'}."
        )
    given = frozenset(available)
    inputs = {key: frozenset(key.split("+")) for key in known}
    for key, names in inputs.items():
        if names == given:
            return key, known[key], True

    def size(key: str) -> float:
        return known[key].lower + known[key].upper

    fewer = [key for key, names in inputs.items() if names < given]
    best = max(fewer, key=lambda key: (len(inputs[key]), size(key))) if fewer else max(known, key=size)
    return best, known[best], False


def calibrate_estimate(
    estimate: Estimate, target: str, available: tuple[str, ...], calibration: Calibration
) -> tuple[Estimate, CalibrationNote]:
    """Stretch a raw estimate as the calibration says.

    Returns
    -------
    tuple
        The estimate at the calibration's level, and what was done.

    Raises
    ------
    WeightsError
        If the calibration does not know the target.
    """
    key, factors, exact = find_factors(calibration, target, available)
    note = CalibrationNote(
        target=target, level=calibration.level, rule=calibration.rule, n=calibration.n, available=available,
        situation=key, exact=exact, factors=factors,
    )  # fmt: skip
    return replace(stretch(estimate, factors.lower, factors.upper), level=calibration.level), note


def calibrate_check(check: Check, target: str, calibration: Calibration) -> tuple[Estimate, float]:
    """Return the calibrated estimate of a given image, and the share of its voxels that the interval holds."""
    estimate, _ = calibrate_estimate(check.estimate, target, check.available, calibration)
    return estimate, share_inside(estimate, check.observed)


def self_check_descriptor(shares: Collection[float]) -> Descriptor:
    """Return the mean share of given voxels inside their own intervals, as one more thing to be unfamiliar by."""
    value = float(np.mean(list(shares))) if shares else float("nan")
    return Descriptor("self-check coverage", value, high="", low="its images do not predict one another as usual",
                      floor=0.02)  # fmt: skip


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration file; whole or not at all.

    Raises
    ------
    MachineError
        If the file cannot be written.
    """
    cal = calibration
    write_json(path, {
        "format": FORMAT, "method": cal.method, "weights_sha256": list(cal.weights_sha256), "for": list(cal.made_for),
        "level": cal.level, "rule": cal.rule, "n": cal.n, "cross-fitted": cal.cross_fitted,
        "subjects": [list(s) for s in cal.subjects],
        "factors": {
            target: {key: _factors_to_json(factors) for key, factors in known.items()}
            for target, known in cal.factors.items()
        },
        "familiarity": {key: reference.to_json() for key, reference in cal.familiarity.items()},
    })  # fmt: skip


def read_calibration(path: Path, method: str | None = None) -> Calibration:
    """Read a calibration file; ``method`` is the one it has to be for, None takes any.

    Raises
    ------
    WeightsError
        If it is absent, not JSON, of another format or method, or not shaped like a calibration.
    """
    data = read_calibration_json(path, FORMAT)
    if method is not None and data.get("method") != method:
        raise WeightsError(f"a calibration of the method {data.get('method')}, not of {method}", where=path)
    try:
        if data["rule"] not in ("plug-in", "risk") or not 0 < float(data["level"]) < 1:
            raise ValueError("level or rule")
        return Calibration(
            method=str(data["method"]),
            weights_sha256=tuple(map(str, data["weights_sha256"])),
            level=float(data["level"]),
            rule=data["rule"],
            n=int(data["n"]),
            subjects=tuple(tuple(map(str, prints)) for prints in data["subjects"]),
            factors={
                str(target): {str(key): _factors_from_json(entry) for key, entry in known.items()}
                for target, known in data["factors"].items()
            },
            familiarity={str(k): Reference.from_json(v) for k, v in data.get("familiarity", {}).items()},
            cross_fitted=bool(data.get("cross-fitted", False)),
            made_for=tuple(map(str, data.get("for", ()))),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"not a whole calibration file ({error})", where=path, hint="Make it anew with `mriuq calibrate`."
        ) from error


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _factors_to_json(factors: Factors) -> dict[str, Any]:
    return {
        "lower": factors.lower, "upper": factors.upper, "coverage": _number(factors.coverage),
        "sd": _number(factors.sd), "worst": _number(factors.worst), "width": _number(factors.width),
        "regions": {name: _number(share) for name, share in factors.regions.items()},
    }  # fmt: skip


def _factors_from_json(entry: Mapping[str, Any]) -> Factors:
    pair = Stretch(float(entry["lower"]), float(entry["upper"]))
    if not (np.isfinite(pair).all() and min(pair) > 0):
        raise ValueError("a factor is not a positive number")
    coverage, sd, worst, width = (
        float("nan") if entry.get(name) is None else float(entry[name]) for name in ("coverage", "sd", "worst", "width")
    )
    regions = {str(name): float(share) for name, share in entry.get("regions", {}).items() if share is not None}
    return Factors(pair.lower, pair.upper, coverage, sd, worst, regions, width)
