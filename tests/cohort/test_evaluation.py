"""The parts of an evaluation: situations, cases kept small, figures, gate, comparisons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mriuq_cli.cohort.assessment import compare, narrower
from mriuq_cli.cohort.baselines import copy_best, predict_zero
from mriuq_cli.cohort.calibrating import left_out_pairs
from mriuq_cli.cohort.figures import SubjectFigures, intensity_bounds, subject_figures
from mriuq_cli.cohort.gate import gate
from mriuq_cli.cohort.records import Record, Truth, dropped_words, make_record, own_voxels, true_image
from mriuq_cli.cohort.situations import Situation, assign, situations
from mriuq_cli.cohort.store import CaseStore
from mriuq_cli.data.case import Case, CaseRef
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.volume import Volume
from mriuq_cli.errors import MethodError, UsageError
from mriuq_cli.hooks.method import Method, Role
from mriuq_cli.uncertainty.estimate import Estimate
from mriuq_cli.uncertainty.stretch import UNCHANGED

SHAPE = (24, 25, 26)
Z95 = 1.6449
NAMES = ("flair", "t1", "t1gd", "t2")


def _method(*, partial: bool = True) -> Method:
    roles = tuple(Role(name, name) for name in NAMES)
    return Method(1, "fake", inputs=roles, targets=roles if partial else (Role("pd", "pd"),), partial=partial)


def _case(seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    geometry = geometry_from_affine(SHAPE, np.eye(4))
    brain = np.zeros(SHAPE, bool)
    brain[3:21, 4:22, 5:23] = True
    base = rng.normal(size=SHAPE)
    arrays = {
        "t1": 500 + 80 * base, "t2": 900 + 90 * rng.normal(size=SHAPE), "flair": 700 + 60 * base,
        "t1gd": 400 - 50 * base,
    }  # fmt: skip
    volumes = {n: Volume(np.where(brain, a, 0).astype(np.float32), geometry) for n, a in arrays.items()}
    tumour = np.zeros(SHAPE, bool)
    tumour[8:12, 8:12, 0:12] = True
    prints = {name: f"{name}{seed}" for name in volumes}
    return Case(f"case{seed}", geometry, volumes, mask=brain, regions={"tumour": tumour}, fingerprints=prints)


def _records(sds: list[float], *, true_width: bool = True, seed: int = 0) -> list[Record]:
    """Normal errors whose size varies from voxel to voxel, and widths that know it or do not."""
    rng = np.random.default_rng(seed)
    mask = np.ones((40, 40, 40), bool)
    geometry = geometry_from_affine(mask.shape, np.eye(4))
    records = []
    for k, sd in enumerate(sds):
        value = rng.normal(size=mask.shape).astype(np.float32)
        sigma = np.exp(0.8 * rng.normal(size=mask.shape)).astype(np.float32)
        truth = value + (sd * sigma * rng.normal(size=mask.shape)).astype(np.float32)
        half = Z95 * (sigma if true_width else rng.permutation(sigma.ravel()).reshape(sigma.shape))
        estimate = Estimate(value, value - half, value + half, mask, 0.9)
        case = Case(f"{k}", geometry, {})
        known = Truth.of(truth, mask, mask, ssim=False)
        situation = Situation(("t1",), ("t2",))
        records.append(make_record(k, case, situation, "t2", estimate, known, draw=20_000))
    return records


def test_by_default_each_input_is_predicted_from_all_the_others() -> None:
    found = situations(_method())
    assert (found[0].targets, found[0].key) == (("flair",), "t1+t1gd+t2")
    assert len(found) == 4
    assert len(situations(_method(), all_subsets=True)) == 14
    assert situations(_method(), ("t2", "flair"))[0].key == "flair+t2"


def test_a_method_that_needs_all_its_inputs_has_one_situation() -> None:
    (only,) = situations(_method(partial=False))
    assert only.targets == ("pd",)
    with pytest.raises(UsageError, match="one situation"):
        situations(_method(partial=False), all_subsets=True)


def test_a_case_goes_to_weights_that_know_none_of_its_images() -> None:
    metas = [{"subjects": [["a1", "a2"]]}, {"subjects": [["b1"], ["c1"]]}, {"subjects": [["a1"], ["b1"]]}]
    prints = [frozenset({"a2", "x"}), frozenset({"b1"}), frozenset({"new"})]
    assert assign(prints, metas) == [1, 0, 0]
    assert assign([frozenset({"a1", "b1"})], metas) == [None]


def test_a_packed_case_is_the_case_and_is_read_once() -> None:
    case = _case()
    reads = []
    store = CaseStore([CaseRef("a", {})], lambda ref: reads.append(ref) or case)
    for _ in range(2):
        found = store.read(0)
    assert len(reads) == 1
    for name, volume in case.volumes.items():
        np.testing.assert_array_equal(found.volumes[name].data, volume.data)
    np.testing.assert_array_equal(found.mask, case.mask)
    np.testing.assert_array_equal(found.regions["tumour"], case.regions["tumour"])
    assert store.fingerprints(0) == frozenset(case.fingerprints.values())


def test_a_store_keeps_some_cases_and_reads_the_others_anew() -> None:
    reads: list[str] = []
    cases = {str(k): _case(k) for k in range(3)}
    store = CaseStore([CaseRef(k, {}) for k in cases], lambda ref: reads.append(ref.id) or cases[ref.id], kept=1)
    for _ in range(2):
        for k in range(3):
            np.testing.assert_array_equal(store.read(k).volumes["t1"].data, cases[str(k)].volumes["t1"].data)
    assert reads == ["0", "1", "2", "1", "2"]
    assert [store.fingerprints(k) for k in store.known] == [frozenset(c.fingerprints.values()) for c in cases.values()]
    assert len(reads) == 5


def test_truth_is_standard_over_its_own_voxels() -> None:
    image = true_image(_case().hiding(["t1"]), "t1", "z")
    inside = image[_case().mask]
    assert (inside.mean(), inside.std()) == pytest.approx((0, 1), abs=1e-5)
    assert not image[~_case().mask].any()


def test_voxels_where_the_true_image_is_empty_do_not_count() -> None:
    """A predictor that is right wherever there is a truth is right, whatever it says elsewhere."""
    case = _case()
    hole = case.volumes["flair"].data.copy()
    hole[3:8] = 0
    case = replace(case, volumes={**case.volumes, "flair": replace(case.volumes["flair"], data=hole)})
    hidden = case.hiding(["flair"])
    image, own = true_image(hidden, "flair", "z"), own_voxels(hidden, "flair")
    value = np.where(case.mask & ~own, np.float32(9), image)
    estimate = Estimate(value, value - 1, value + 1, case.mask, 0.9)
    record = make_record(
        0, hidden, Situation(("t1", "t1gd", "t2"), ("flair",)), "flair", estimate,
        Truth.of(image, estimate.mask, own, ssim=True), draw=10**6,
    )  # fmt: skip
    assert record.dropped == 5 * 18 * 18
    assert record.scores.n == 13 * 18 * 18
    assert record.scores.coverage(1, 1) == 1
    assert record.figures["mae"] == 0
    assert record.figures["ssim"] == pytest.approx(1, abs=1e-5)
    assert record.sample is not None and record.sample.value.size == record.scores.n
    assert "1620 voxels do not count" in dropped_words([record])
    with pytest.raises(MethodError, match="no voxel"):
        Truth.of(image, estimate.mask & ~own, own, ssim=False)


def _left_out(records: list[Record]) -> list[SubjectFigures]:
    """Figures of subjects each calibrated by all the others."""
    pairs = left_out_pairs({"only": records}, 0.9, "plug-in")
    return subject_figures(records, 0.9, "plug-in", pairs["only"])


def test_copy_chooses_on_other_cases_and_never_looks_at_the_truth() -> None:
    predict = copy_best([_case(1), _case(2)], ("t1", "t1gd", "t2"), ("flair",))
    shown = replace(_case(3).hiding(["flair"]), truth={})
    np.testing.assert_array_equal(predict(shown)["flair"], true_image(_case(3).hiding(["t1"]), "t1", "z"))
    assert not predict_zero([], ("t1",), ("flair",))(shown)["flair"].any()


def test_a_subjects_own_scores_do_not_move_its_own_figures() -> None:
    """Another subject's errors change how a subject is calibrated; its own do not."""
    before = _records([1.0, 1.2, 0.8, 1.1])
    worse = _records([1.0, 1.2, 5.0, 1.1])
    a, b = _left_out(before), _left_out(worse)
    assert a[2].width == pytest.approx(b[2].width, rel=1e-6)
    assert a[0].width < b[0].width
    assert b[2].coverage < 0.5


def test_there_is_no_gate_for_one_person() -> None:
    assert gate(_left_out(_records([1.0] * 5))[:1], 0.9, "plug-in") == []


def test_true_widths_pass_the_gate_and_shuffled_ones_do_not() -> None:
    true, shuffled = (
        {i.item: i.passed for i in gate(_left_out(r), 0.9, "plug-in")}
        for r in (_records([1.0] * 5), _records([1.0] * 5, true_width=False))
    )
    assert False not in true.values()
    assert shuffled["coverage"]
    assert shuffled["sharper than constant width"] is False
    assert shuffled["AUSE below that of intensity"] is False or shuffled["AUSE below that of gradient"] is False
    assert shuffled["coverage by fifths of width"] is False


def test_without_leaving_out_and_without_calibration_intervals_are_those_of_the_method() -> None:
    (only,) = subject_figures(_records([1.0]), 0.9, "plug-in", [UNCHANGED])
    assert only.coverage == pytest.approx(0.9, abs=0.01)
    assert np.isnan(only.constant_score)


def test_bounds_by_intensity_find_errors_that_grow_with_the_value() -> None:
    record = _records([1.0])[0]
    assert record.sample is not None
    value = np.linspace(0, 4, 20_000).astype(np.float32)
    error = ((0.5 + value) * np.random.default_rng(0).normal(size=value.size)).astype(np.float32)
    sample = replace(record.sample, value=value, truth=value + error)
    centres, low, high = intensity_bounds([sample], 0.9)
    np.testing.assert_allclose(high, Z95 * (0.5 + centres), rtol=0.2)
    np.testing.assert_allclose(low, -high, rtol=0.2)


def test_comparisons_are_with_the_best_simple_baseline_and_with_trees() -> None:
    records = [
        replace(r, figures={"mae": 0.5 + 0.1 * k, "psnr": 20.0 + k, "psnr_mean": 21.0 + k},
                baselines={"zero": {"mae": 2.0, "psnr": 9.0}, "cubic": {"mae": 0.7 + 0.1 * k, "psnr": 20.0 + k},
                           "trees": {"mae": 0.4 + 0.1 * k, "psnr": 21.5 + k}})
        for k, r in enumerate(_records([1.0] * 3))
    ]  # fmt: skip
    found = {(e["kind"], e["figure"]): e for e in compare(records)}
    assert found["best simple", "mae"]["baseline"] == "cubic"
    assert found["best simple", "mae"]["difference"]["mean"] == pytest.approx(-0.2)
    assert found["best simple", "mae"]["better"]
    assert found["best simple", "psnr"]["difference"]["mean"] == pytest.approx(1.0)
    assert not found["boosted trees", "mae"]["better"]
    assert not found["boosted trees", "psnr"]["better"]


def test_fewer_inputs_with_narrower_intervals_are_named() -> None:
    widths = {"t2": {"t1": 2.0, "t1+flair": 2.5, "t1+flair+t1gd": 1.5}}
    assert [(e["fewer"], e["more"]) for e in narrower(widths)] == [("t1", "t1+flair")]
