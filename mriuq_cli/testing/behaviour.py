"""Checks of what a method predicts, on a small phantom; laws that hold whatever the method does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mriuq_cli.errors import MriuqError
from mriuq_cli.testing.check import NotApplicable, require
from mriuq_cli.testing.phantom import padded, reoriented, turned_back

if TYPE_CHECKING:
    from mriuq_cli.data.case import Case
    from mriuq_cli.testing.bench import Bench
    from mriuq_cli.uncertainty.estimate import Prediction

TOLERANCE = 1e-4
"""Two answers are one if no voxel differs by more than this share of the estimate's standard deviation."""

TILE = 32
LONG = (104, 16, 16)
"""Voxels of the exam that is parted into tiles: so long that most tiles do not see the whole of it."""

ORIENTATIONS = (
    ((0, 1, 2), (True, True, False)),
    ((1, 0, 2), (False, False, False)),
    ((2, 0, 1), (True, False, True)),
)
IMAGES = ("value", "lower", "upper")


def own_grid(bench: Bench) -> str:
    """Require float32 images of known targets on the case's own grid."""
    import numpy as np

    shape = bench.case.geometry.shape
    known = {role.name for role in bench.plugin.method.targets}
    answer = bench.answer
    require(answer.estimates, "nothing was predicted")
    require(set(answer.available) == set(bench.case.volumes), "'available' does not name the images that were given")
    for target, estimate in answer.estimates.items():
        require(target in known, f"{target} is not among the method's targets")
        require(estimate.mask.dtype == np.bool_, f"{target}: the mask is not boolean")
        for name in (*IMAGES, "mask"):
            image = getattr(estimate, name)
            require(image.shape == shape, f"{target}: {name} is {image.shape}, the case {shape}")
        for name in IMAGES:
            kind = getattr(estimate, name).dtype
            require(kind == np.float32, f"{target}: {name} is {kind}, not float32")
    return ", ".join(answer.estimates)


def ordered_bounds(bench: Bench) -> str:
    """Require lower <= value <= upper, all finite, inside the mask and zeros outside."""
    import numpy as np

    for target, estimate in bench.answer.estimates.items():
        require(0 < estimate.level < 1, f"{target}: level {estimate.level} is not between 0 and 1")
        require(estimate.unit, f"{target}: no unit")
        require(estimate.mask.any(), f"{target}: the mask is empty")
        for name in IMAGES:
            image = getattr(estimate, name)
            require(np.isfinite(image).all(), f"{target}: {name} is not finite")
            require(not image[~estimate.mask].any(), f"{target}: {name} is not 0 outside the mask")
        crossed = int(np.sum((estimate.lower > estimate.value) | (estimate.value > estimate.upper)))
        require(crossed == 0, f"{target}: bounds and value are out of order in {crossed} voxels")
    return "lower <= value <= upper"


def inputs_untouched(bench: Bench) -> str:
    """Require that predicting does not change the images it is given."""
    import numpy as np

    before = {name: volume.data.copy() for name, volume in bench.case.volumes.items()}
    bench.predict(bench.case)
    for name, image in before.items():
        require(np.array_equal(image, bench.case.volumes[name].data), f"{name} was changed")
    return ", ".join(before)


def deterministic(bench: Bench) -> str:
    """Require that the same seed gives the same voxels."""
    _require_same(bench.answer, bench.predict(bench.case), tolerance=0)
    return "equal to the bit"


def empty_space(bench: Bench) -> str:
    """Require that empty space around the head does not change what is said of a voxel."""
    before, after = (3, 5, 2), (6, 1, 7)
    answer = _or_not_applicable(bench, padded(bench.case, before, after))
    inner = tuple(slice(b, b + n) for b, n in zip(before, bench.case.geometry.shape, strict=True))
    worst = _require_same(bench.answer, answer, change=lambda image: image[inner])
    return f"largest difference {worst:.1e} SD"


def tiles(bench: Bench) -> str:
    """Require that tiles give what the whole field of view gives."""
    case = bench.hidden(bench.exam or bench.exam_number(0, LONG))
    worst = _require_same(bench.predict(case), _or_not_applicable(bench, case, tile=TILE))
    return f"tiles of {TILE}: largest difference {worst:.1e} SD"


def orientation(bench: Bench) -> str:
    """Require that a place of the body gets the same answer however the axes are stored."""
    worst = 0.0
    for order, flips in ORIENTATIONS:
        case = reoriented(bench.case, order, flips)
        answer = bench.predict(case)

        def back(image: Any, order: Any = order, flips: Any = flips) -> Any:
            return turned_back(image, order, flips)

        name = "".join(case.geometry.axcodes)
        worst = max(worst, _require_same(bench.answer, answer, change=back, when=f"stored as {name}: "))
    return f"{len(ORIENTATIONS)} orientations: largest difference {worst:.1e} SD"


def outlier_maps(bench: Bench) -> str:
    """Require that outlier maps cover every given image, and that asking for them changes nothing else."""
    import numpy as np

    if not bench.plugin.method.outliers:
        raise NotApplicable("the method makes no outlier maps")
    answer = bench.predict(bench.case, outliers=True)
    given = set(bench.case.volumes)
    if len(given) < 2:
        raise NotApplicable("one image is given, which no other can tell of")
    require(set(answer.outliers) == given, f"outliers are of {', '.join(answer.outliers) or 'nothing'}")
    for name, check in answer.outliers.items():
        require(check.estimate.mask.any(), f"{name}: nothing is evaluable")
        require(name not in check.available, f"{name} was predicted from itself")
    _require_same(bench.answer, answer, when="with --outliers ")
    require(set(bench.answer.checks) == set(answer.checks), "asking for outlier maps changes which checks are made")
    for name, check in bench.answer.checks.items():
        same = np.array_equal(check.estimate.mask, answer.checks[name].estimate.mask)
        require(same, f"{name}: asking for outlier maps changes where the self-check is taken")
    return ", ".join(answer.outliers)


def _or_not_applicable(bench: Bench, case: Case, tile: int | None = None) -> Prediction:
    """Predict; a method with a fixed field of view may refuse, in words."""
    try:
        return bench.predict(case, tile=tile)
    except MriuqError as error:
        raise NotApplicable(f"the method refuses: {error.what}") from error


def _require_same(
    expected: Prediction,
    answer: Prediction,
    *,
    change: Any = lambda image: image,
    tolerance: float = TOLERANCE,
    when: str = "",
) -> float:
    """Compare two predictions, the second one changed back; return the largest difference in SD of the value."""
    import numpy as np

    require(set(expected.estimates) == set(answer.estimates), f"{when}other targets: {', '.join(answer.estimates)}")
    worst = 0.0
    for target, estimate in expected.estimates.items():
        other = answer.estimates[target]
        require(np.array_equal(estimate.mask, change(other.mask)), f"{when}{target}: the mask differs")
        scale = float(estimate.value[estimate.mask].std()) or 1.0
        for name in IMAGES:
            apart = np.abs(getattr(estimate, name) - change(getattr(other, name))).max() / scale
            require(apart <= tolerance, f"{when}{target}: {name} differs by up to {apart:.2g} SD")
            worst = max(worst, float(apart))
    return worst
