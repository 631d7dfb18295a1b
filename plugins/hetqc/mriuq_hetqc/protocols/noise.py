"""Sigma against error over levels of Rician noise, 10 to -10 dB: the paper's third figure, and its size.

The noise of all levels of a scan is the same draw, scaled. Beside sigma stands a plain estimate of noise: the median
absolute value of the finest diagonal wavelet band over .6745.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mriuq_cli.api import Case, Context, Curve, Plot, Report, Row, Table, UsageError, spearman
from mriuq_hetqc.noise import MAD, haar
from mriuq_hetqc.protocols.reading import Bench
from mriuq_hetqc.protocols.statistics import r_squared
from mriuq_hetqc.spoil import add_noise

LEVELS = 41
"""How many levels of noise there are, if not said otherwise."""
_FROM, _TO = 10.0, -10.0
RIGHT = (0.8, 1.25)
"""RMSE over RMS sigma between which sigma is said to have the right size."""


def measure(model: Any, case: Case, options: Mapping[str, Any], context: Context) -> list[Row]:
    """Return a row for each level."""
    bench, found_at = Bench.of(model, case, context), levels(options)
    rows = []
    for number, decibel in enumerate(found_at):
        context.progress(number / len(found_at), f"{case.id} {decibel:g} dB")
        generator = torch.Generator(context.device).manual_seed(zlib.crc32(case.id.encode()))
        image = bench.cut(add_noise(bench.clean, decibel, generator))
        reading, scale = bench.read(image)
        stated = bench.for_users(reading)
        found = bench.compared(stated, scale)
        for name in ("rmse", "rms_sigma", "median_error", "median_sigma", "sigma_q1", "sigma_q3"):
            found[name] = float(found[name]) * scale  # type: ignore[arg-type]
        rows.append({
            "decibel": decibel, "noise_estimate": noise_estimate(image),
            **bench.scores(reading), **bench.pooled(reading), **bench.against_rivals(stated, scale), **found,
        })  # fmt: skip
    return rows


def levels(options: Mapping[str, Any]) -> list[float]:
    """Return the levels of noise, dB.

    Raises
    ------
    UsageError
        If there are fewer than two.
    """
    wanted = options.get("levels")
    many = LEVELS if wanted is None else int(wanted)
    if many < 2:
        raise UsageError(f"--levels {many}: two or more are needed")
    return [float(level) for level in np.linspace(_FROM, _TO, many)]


def noise_estimate(image: Tensor) -> float:
    """Return the SD of noise by the finest diagonal band of Haar's wavelet, in the unit of the image."""
    _, band = haar(image)
    sizes = band[band != 0].abs()
    return float(sizes.median()) / MAD if len(sizes) else 0.0


def report(rows: Sequence[Row], options: Mapping[str, Any]) -> Report:
    """Return a line for each scan, their mean, and the ranking of scans within each level."""
    scans: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        scans[row["case"]].append(row)
    lines = [(case, *_figures(levels)) for case, levels in scans.items()]
    mean = ("mean", *(float(np.mean([line[k] for line in lines])) for k in range(1, len(lines[0]))))
    columns = ("scan", "R² (RMSE)", "R² (MSE)", "R² (median error)", "R² of a noise estimate", "levels of right size",
               "ratio, smallest", "ratio, largest", "Spearman", "at best", "in the head", "in the field",
               "AUSE", "ENCE")  # fmt: skip
    many = max(map(len, scans.values()))
    tables = [Table(f"sigma against error over {many} levels of noise, brain", columns, (*lines, mean))]
    if len(scans) > 2:
        across = [spearman(*(np.array([levels[k][name] for levels in scans.values()]) for name in
                             ("median_sigma", "rmse"))) for k in range(many)]  # fmt: skip
        line = (float(np.nanmean(across)), float(np.nanmin(across)), float(np.nanmax(across)))
        tables.append(
            Table("Spearman of sigma and error across scans, level by level", ("mean", "least", "most"), (line,))
        )
    curves = tuple(
        Curve(case, *(tuple(float(row[name]) for row in levels) for name in
                      ("rmse", "median_sigma", "sigma_q1", "sigma_q3")))
        for case, levels in scans.items()
    )  # fmt: skip
    plot = Plot("sigma-against-error", f"{many} levels of noise", "RMSE of the recovered brain",
                "median sigma, quartiles", curves)  # fmt: skip
    return Report(tuple(tables), (plot,))


def _figures(levels: Sequence[Row]) -> tuple[float, ...]:
    def column(name: str) -> list[float]:
        return [float(row[name]) for row in levels]

    sigma, error = column("median_sigma"), column("rmse")
    ratio = np.array(error) / np.array(column("rms_sigma"))
    right = int(np.sum((ratio >= RIGHT[0]) & (ratio <= RIGHT[1])))
    return (
        r_squared(sigma, error), r_squared(sigma, [e**2 for e in error]), r_squared(sigma, column("median_error")),
        r_squared(column("noise_estimate"), error), right, float(ratio.min()), float(ratio.max()),
        *(float(np.mean(column(f"spearman{kind}"))) for kind in ("", "_at_best", "_head", "_field")),
        float(np.mean(column("ause"))), float(np.mean(column("ence"))),
    )  # fmt: skip
