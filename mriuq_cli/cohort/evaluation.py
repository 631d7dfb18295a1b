"""Cases by situations through a method: raw predictions against the truth, one case in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mriuq_cli.cohort.baselines import CORE, fit_all
from mriuq_cli.cohort.records import Record, Truth, make_record, own_voxels, true_image
from mriuq_cli.cohort.situations import Situation, seen_by
from mriuq_cli.cohort.store import Cases, CaseStore
from mriuq_cli.data.case import Case
from mriuq_cli.errors import MethodError
from mriuq_cli.hooks.context import Context
from mriuq_cli.uncertainty.estimate import Array, Descriptor, Mask, Prediction
from mriuq_cli.uncertainty.scores import Scores, score_voxels

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin
    from mriuq_cli.hooks.roles import Metric, Predictor
    from mriuq_cli.inference.weights import WeightsFolder

DRAW, DRAW_FEW = 200_000, 40_000
"""Voxels a case for figures of order, in the default situations and in the others."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Weights (None: the method has no network) and the positions of the cases that they are to predict."""

    weights: WeightsFolder | None
    cases: tuple[int, ...]

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration of the weights."""
        return self.weights.config if self.weights else {}


@dataclass(frozen=True, slots=True)
class Settings:
    """What is collected. ``thorough`` situations get SSIM, baselines, the method's own figures and large samples.

    ``teachers`` are cases to fit baselines on; by default those of the cohort that the weights have learnt from.
    """

    situations: tuple[Situation, ...]
    thorough: frozenset[str]
    baselines: bool = True
    sample: bool = True
    teachers: Cases | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    context: Context = field(default_factory=Context)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What kind of scan a case is in one situation: descriptors, and scores of its given images by name.

    ``checks`` maps a given image to the inputs that it was predicted from and the scores of that prediction.
    """

    case: int
    situation: Situation
    descriptors: tuple[Descriptor, ...]
    checks: Mapping[str, tuple[tuple[str, ...], Scores]]


@dataclass(slots=True, eq=False)
class Collected:
    """Everything that an evaluation or a calibration is computed from."""

    records: list[Record] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def collect(plugin: Plugin, store: CaseStore, folds: Sequence[Fold], settings: Settings) -> Collected:
    """Predict every case of every fold in every situation.

    Raises
    ------
    MethodError
        If the method leaves out a target.
    """
    found = Collected()
    report = settings.context.progress
    total = sum(len(fold.cases) for fold in folds) or 1
    done = 0
    halves: dict[str, float] = {}
    for fold in folds:
        if not fold.cases:
            continue
        report(done / total, "baselines" if settings.baselines else "weights")
        worker = _Worker(plugin, fold, settings, _fitted(plugin, store, fold, settings, found.notes), halves)
        for index in fold.cases:
            case = store.read(index)
            report(done / total, case.id)
            for records, look in worker.work(index, case):
                found.records += records
                found.looks.append(look)
            done += 1
    return found


def _fitted(
    plugin: Plugin, store: CaseStore, fold: Fold, settings: Settings, notes: list[str]
) -> dict[str, dict[str, Predictor]]:
    """Fit the baselines of each thorough situation on the teachers, else on what the weights have learnt from."""
    if not settings.baselines:
        return {}
    seen = store.cases([i for i in store.known if fold.weights and seen_by(fold.weights.meta, store.fingerprints(i))])
    learnt = settings.teachers or seen
    known = dict(CORE)
    if plugin.has("mriuq_baselines"):
        known |= plugin.call("mriuq_baselines", config=fold.config)
    if not learnt:
        known = {"zero": known["zero"]}
        notes.append(
            "no baselines but zero: the cohort holds no exam that the weights have learnt from (--learn-from names "
            "exams to fit them on)"
        )
    thorough = [s for s in settings.situations if s.key in settings.thorough]
    return {s.key: fit_all(known, learnt, s) for s in thorough}


class _Worker:
    """One fold at work."""

    def __init__(
        self, plugin: Plugin, fold: Fold, settings: Settings, predictors: Mapping[str, Mapping[str, Predictor]],
        halves: dict[str, float],
    ) -> None:  # fmt: skip
        self.plugin = plugin
        self.settings = settings
        folder = fold.weights.folder if fold.weights else None
        self.context = replace(settings.context, config=fold.config, weights=folder, progress=_quiet)
        self.predictors = predictors
        self.halves = halves
        self.model: Any = None
        if fold.weights is not None:
            from mriuq_cli.inference.weights import load_model

            self.model = load_model(plugin, fold.weights, self.context.device)
        own = plugin.has("mriuq_metrics")
        self.metrics: Mapping[str, Metric] = plugin.call("mriuq_metrics", config=fold.config) if own else {}

    def work(self, index: int, case: Case) -> Iterator[tuple[list[Record], Look]]:
        """Predict one case in every situation."""
        truths: dict[tuple[str, str], tuple[Array, Mask]] = {}
        for situation in self.settings.situations:
            lacking = [t for t in situation.targets if t not in case.volumes and t not in case.truth]
            if lacking:
                raise MethodError(f"the case lacks {', '.join(lacking)}, so nothing can be compared", where=case.id)
            hidden = case.hiding(situation.targets)
            prediction = self._predict(hidden)
            absent = [t for t in situation.targets if t not in prediction.estimates]
            if absent:
                raise MethodError(f"mriuq_predict left out {', '.join(absent)}", where=case.id)
            yield self._records(index, hidden, situation, prediction, truths), _look(index, situation, prediction)

    def _predict(self, hidden: Case) -> Prediction:
        """Ask the method, which is shown neither the truth nor what experts drew on it."""
        shown = _shown(hidden)

        def ask() -> Prediction:
            answer: Prediction = self.plugin.call(
                "mriuq_predict", model=self.model, case=shown, options=self.settings.options, context=self.context
            )
            return answer

        if self.model is None:
            return ask()
        import torch

        with torch.inference_mode():
            return ask()

    def _records(
        self, index: int, hidden: Case, situation: Situation, prediction: Prediction,
        truths: dict[tuple[str, str], tuple[Array, Mask]],
    ) -> list[Record]:  # fmt: skip
        """Compare; ``truths`` keeps the true images of this case and their own voxels by target and unit."""
        thorough = situation.key in self.settings.thorough
        others = {name: predict(_shown(hidden)) for name, predict in self.predictors.get(situation.key, {}).items()}
        records = []
        for target in situation.targets:
            estimate = prediction.estimates[target]
            key = (target, estimate.unit)
            if key not in truths:
                truths[key] = true_image(hidden, *key), own_voxels(hidden, target)
            truth = Truth.of(truths[key][0], estimate.mask, truths[key][1], ssim=thorough)
            half = self.halves.setdefault(target, 1.0 if estimate.unit == "z" else truth.peak / 10)
            draw = (DRAW if thorough else DRAW_FEW) if self.settings.sample else 0
            record = make_record(index, hidden, situation, target, estimate, truth, draw=draw, half=half)
            if thorough:
                masks = {"brain": truth.brain, "field": np.ones_like(estimate.mask)}
                own = {name: float(metric(estimate, truth.image, masks)) for name, metric in self.metrics.items()}
                beside = {name: truth.figures(images[target]) for name, images in others.items() if target in images}
                record = replace(record, authors=own, baselines=beside)
            records.append(record)
        return records


def _shown(hidden: Case) -> Case:
    """Return what a predictor gets to see."""
    return replace(hidden, truth={}, regions={})


def _look(index: int, situation: Situation, prediction: Prediction) -> Look:
    checks = {}
    for name, check in prediction.checks.items():
        where, estimate = check.estimate.mask, check.estimate
        if where.any():
            images = (estimate.value, estimate.lower, estimate.upper, check.observed)
            checks[name] = (check.available, score_voxels(*(image[where] for image in images)))
    return Look(index, situation, prediction.descriptors, checks)


def _quiet(done: float, what: str) -> None:
    """Keep the method's own steps off the bar, which counts cases."""
