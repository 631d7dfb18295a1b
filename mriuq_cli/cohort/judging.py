"""One scan before all judges: what each says, the verdict, and the errors of those that failed."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.cohort.rating import Rating, rate, standing, worst_of
from mriuq_cli.cohort.report import error_facts
from mriuq_cli.cohort.thresholds import Thresholds
from mriuq_cli.errors import MachineError, MethodError, MriuqError
from mriuq_cli.hooks.manager import CORE
from mriuq_cli.uncertainty.judgement import Judgement, Score

if TYPE_CHECKING:
    from mriuq_cli.data.case import Case
    from mriuq_cli.hooks.context import Context
    from mriuq_cli.hooks.manager import Plugin
    from mriuq_cli.uncertainty.estimate import Estimate

Image = NDArray[Any]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What the judges said of a scan: JSON-ready facts, images to write by name, and the error if nobody could."""

    facts: Mapping[str, Any]
    images: Mapping[str, Image] = field(default_factory=dict)
    error: MriuqError | None = None


def hear(
    scan: Case,
    judges: Sequence[Plugin],
    options: Mapping[str, Any],
    context: Context,
    thresholds: Thresholds,
    ready: Callable[[Plugin], None],
) -> Heard:
    """Ask every judge about a scan; ``ready`` waits for what one needs.

    A judge that fails is noted and the others are heard; if every method that was asked fails (the core's classical
    measures rate nothing and do not count, unless they are alone) that is the scan's error.
    """
    judged: dict[str, Judgement] = {}
    errors: dict[str, MriuqError] = {}
    for number, judge in enumerate(judges):
        part = replace(context, progress=_part(context, number, len(judges)))
        try:
            ready(judge)
            answer = _asked(judge, scan, options, part)
        except MriuqError as error:
            errors[judge.name] = error
            continue
        if answer is not None:
            judged[judge.name] = answer
    ratings = {name: rate(judgement, thresholds) for name, judgement in judged.items()}
    facts = _facts(judged, ratings, errors, scan)
    methods = [judge.name for judge in judges if judge.name != CORE] or [CORE]
    lost = errors and all(name in errors for name in methods)
    return Heard(facts, _images(judged), next(iter(errors.values())) if lost else None)


def _asked(judge: Plugin, scan: Case, options: Mapping[str, Any], context: Context) -> Judgement | None:
    """Ask one judge; whatever it raises comes back worded, with the plugin's name."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a method prints is no result
            answer = judge.call("mriuq_judge", scan=scan, options=options, context=context)
        if answer is not None:
            _require_sound(answer, scan)
    except MriuqError:
        raise
    except MemoryError as error:
        raise MachineError("memory ran out", where=scan.id) from error
    except Exception as error:
        logging.getLogger("mriuq").debug("%s", scan.id, exc_info=True)
        words = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
        if "OutOfMemory" in type(error).__name__:
            raise MachineError(
                f"memory ran out on {context.device}", where=scan.id, hint="Try --device cpu."
            ) from error
        blame = "defect of mriuq" if judge.name == CORE else f"method {judge.name} {judge.version} failed"
        kind = MriuqError if judge.name == CORE else MethodError
        raise kind(f"{blame}: {words}", where=scan.id, hint="Run it alone with --debug for the trace.") from error
    found: Judgement | None = answer
    return found


def _require_sound(answer: object, scan: Case) -> None:
    """Refuse an answer that is no judgement, or images that are not on the scan's grid."""
    if not isinstance(answer, Judgement):
        raise TypeError(f"mriuq_judge returned a {type(answer).__name__}, not a Judgement")
    images = {**{name: e.value for name, e in answer.estimates.items()}, **answer.maps}
    for name, image in images.items():
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"an image is called {name!r}; letters, digits and hyphens make a file's name")
        if image.shape != scan.geometry.shape:
            raise ValueError(f"image {name} has the shape {image.shape}, the scan {scan.geometry.shape}")


def _part(context: Context, number: int, count: int) -> Any:
    return lambda done, word: context.progress((number + min(max(done, 0.0), 1.0)) / count, word)


def _images(judged: Mapping[str, Judgement]) -> dict[str, Image]:
    """Return every image by the name that its file gets; a name that two judges use gets the later one's in front."""
    images: dict[str, Image] = {}
    for judge, judgement in judged.items():
        parts: dict[str, Image] = {}
        for name, estimate in judgement.estimates.items():
            parts |= _parts(name, estimate)
        parts |= {name: np.asarray(image) for name, image in judgement.maps.items()}
        images |= {(f"{judge}-{name}" if name in images else name): image for name, image in parts.items()}
    return images


def _parts(name: str, estimate: Estimate) -> dict[str, Image]:
    return {name: estimate.value, f"{name}_lower": estimate.lower, f"{name}_upper": estimate.upper}


def _facts(
    judged: Mapping[str, Judgement], ratings: Mapping[str, Rating], errors: Mapping[str, MriuqError], scan: Case
) -> dict[str, Any]:
    verdict = worst_of([rating.verdict for rating in ratings.values()])
    reasons = [f"{name}: {r.reason}" for name, r in ratings.items() if verdict is not None and r.verdict == verdict]
    likely = [(share, name) for judgement in judged.values() for name, share in judgement.artefacts.items()]
    return {
        "verdict": verdict,
        "reason": "; ".join(reasons),
        **{group: _worst_group(ratings, group) for group in ("visual", "algorithmic")},
        "artefact": {"name": max(likely)[1], "share": max(likely)[0]} if likely else None,
        "judges": {name: _judge_facts(judged[name], ratings[name]) for name in judged},
        "failures": {name: error_facts(error) for name, error in errors.items()},
        "warnings": list(scan.warnings),
    }


def _worst_group(ratings: Mapping[str, Rating], group: str) -> dict[str, Any] | None:
    """Return the worst percentile of a kind of quality, with what it rests on."""
    found = [(name, r.groups[group]) for name, r in ratings.items() if group in r.groups]
    rated = [(one.standing.percentile, name, one) for name, one in found if one.standing is not None]
    if not rated:
        return None
    percentile, judge, one = max(rated, key=lambda entry: entry[0])
    assert one.standing is not None
    return {
        "percentile": percentile, "words": one.standing.words, "better": one.standing.better, "clean": one.standing.n,
        "simulated": one.standing.simulated, "judge": judge, "score": one.score, "verdict": one.level,
        "wrong": one.wrong, "error_rates": {level: rates.facts() for level, rates in one.rates.items()},
    }  # fmt: skip


def _judge_facts(judgement: Judgement, rating: Rating) -> dict[str, Any]:
    familiar = judgement.familiarity is None or judgement.familiarity.familiar
    return {
        "verdict": rating.verdict,
        "reason": rating.reason,
        "scores": {name: _score_facts(score, familiar) for name, score in judgement.scores.items()},
        "artefacts": dict(judgement.artefacts),
        "familiarity": judgement.familiarity.facts() if judgement.familiarity is not None else None,
        "notes": list(judgement.notes),
        "facts": dict(judgement.facts),
    }


def _score_facts(score: Score, familiar: bool) -> dict[str, Any]:
    """Return a score; a scan that is unfamiliar has no percentile."""
    found = standing(score) if familiar else None
    facts = {"value": float(score.value), "better": score.better, "meaning": score.meaning, "group": score.group}
    return facts | {"percentile": None if found is None else found.percentile}
