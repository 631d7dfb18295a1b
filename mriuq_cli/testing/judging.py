"""Checks of what a method says of a scan's quality, on a small phantom."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mriuq_cli.errors import InputError, WeightsError
from mriuq_cli.hooks.context import Context
from mriuq_cli.testing.check import NotApplicable, require
from mriuq_cli.testing.phantom import phantom_case, reoriented

if TYPE_CHECKING:
    from mriuq_cli.data.case import Case
    from mriuq_cli.testing.bench import Bench
    from mriuq_cli.uncertainty.judgement import Judgement, Score

_GROUPS = ("visual", "algorithmic", "")
_TOLERANCE = 1e-3
_ORDER, _FLIPS = (2, 0, 1), (True, False, True)


def judgement(bench: Bench) -> str:
    """Require scores that can be judged, images on the scan's grid, and the same answer whatever else is asked for."""
    scan = _scan(bench)
    plain, mapped = _asked(bench, scan, maps=False), _asked(bench, scan, maps=True)
    require(plain.scores, "no score is given")
    for name, score in plain.scores.items():
        _require_score(name, score)
    shares = plain.artefacts.values()
    require(not shares or math.isclose(sum(shares), 1, abs_tol=1e-3), "the shares of the artefacts do not add up to 1")
    require(not plain.maps and not plain.estimates, "images are made that nobody asked for (options['maps'] is false)")
    images = {**{name: e.value for name, e in mapped.estimates.items()}, **mapped.maps}
    for name, image in images.items():
        require(image.shape == scan.geometry.shape, f"{name} is {image.shape}, the scan {scan.geometry.shape}")
    _require_same(plain, mapped, "with images", 0)
    turned = _asked(bench, reoriented(scan, _ORDER, _FLIPS), maps=False)
    _require_same(plain, turned, "stored in another orientation", _TOLERANCE)
    return ", ".join(plain.scores)


def _scan(bench: Bench) -> Case:
    case = bench.exam or phantom_case(["scan"])
    return replace(case, volumes={"scan": next(iter(case.volumes.values()))}, truth={})


def _asked(bench: Bench, scan: Case, *, maps: bool) -> Judgement:
    from mriuq_cli.inference.shipped import shipped_state
    from mriuq_cli.uncertainty.judgement import Judgement

    if not bench.plugin.has("mriuq_judge"):
        raise NotApplicable("the method does not judge scans")
    options = {"epistemic": False, "maps": maps}
    try:
        answer: Any = bench.plugin.call("mriuq_judge", scan=scan, options=options, context=Context())
    except InputError as error:
        raise NotApplicable(f"the method refuses the phantom: {error.what}") from error
    except WeightsError as error:
        if shipped_state(bench.plugin):
            raise
        raise NotApplicable("the method ships no weights yet") from error
    if answer is None:
        raise NotApplicable("the method does not judge the phantom")
    require(isinstance(answer, Judgement), f"the answer is a {type(answer).__name__}, not a Judgement")
    found: Judgement = answer
    return found


def _require_score(name: str, score: Score) -> None:
    require(score.better in ("low", "high"), f"{name}: better is {score.better!r}, not low or high")
    require(score.group in _GROUPS, f"{name}: group is {score.group!r}, not visual, algorithmic or empty")
    if (yardstick := score.yardstick) is not None:
        values = [*yardstick.clean, *(v for spoilt in yardstick.spoilt.values() for v in spoilt)]
        require(all(map(math.isfinite, values)), f"{name}: the yardstick holds a score that is not finite")
        require(0 <= yardstick.simulated <= len(yardstick.clean), f"{name}: more simulated scans than clean ones")


def _require_same(expected: Judgement, answer: Judgement, when: str, tolerance: float) -> None:
    require(list(expected.scores) == list(answer.scores), f"{when}: other scores")
    for name, score in expected.scores.items():
        other = answer.scores[name].value
        same = math.isclose(score.value, other, rel_tol=tolerance, abs_tol=1e-9)
        require(same or (math.isnan(score.value) and math.isnan(other)), f"{when}: {name} differs")
