"""A method for tests that judges scans: visual quality is the brightest voxel, algorithmic quality the darkest, / 100.

Low is good; the yardstick has 20 simulated clean scans with scores 1 to 20. The scan's name makes it raise, take its
time, find the scan unfamiliar, or answer nonsense.
"""

import time

from mriuq_cli.api import API_VERSION, Method, hookimpl

CLEAN = tuple(float(n) for n in range(1, 21))


@hookimpl
def mriuq_method():
    return Method(API_VERSION, "the brightest voxel", inputs=(), targets=())


@hookimpl
def mriuq_judge(scan, options, context):
    import numpy as np

    from mriuq_cli.api import (
        Descriptor,
        Estimate,
        InputError,
        Judgement,
        Reference,
        Score,
        WeightsError,
        Yardstick,
        familiarity_of,
    )

    image = scan.volumes["scan"].data
    if "stripped" in scan.id:
        raise InputError("the skull is gone", where=scan.id)
    if "weightless" in scan.id:
        raise WeightsError("the weights are gone", where="judging")
    if "raise" in scan.id:
        raise RuntimeError("asked to fail")
    if "nonsense" in scan.id:
        return {"verdict": "pass"}
    if "silent" in scan.id:
        return None
    for step in range(100 if "slow" in scan.id else 0):
        time.sleep(0.05)
        context.progress(step / 100, "waiting")
    yardstick = Yardstick(CLEAN, {"noise": (15.0, 25.0, 30.0), "motion": (19.5, 21.0)}, simulated=20)
    bright, dark = float(image.max()) / 100, float(image[image > 0].min()) / 100
    reference = Reference(("tone",), np.arange(20.0)[:, None])
    tone = 1000.0 if "strange" in scan.id else 10.0
    maps = {"sigma-recon": (image / 10).astype(np.float32)} if options["maps"] else {}
    whole = np.ones(image.shape, dtype=bool)
    estimates = {"recovered": Estimate(image, image - 1, image + 1, whole, 0.9, "a.u.")} if options["maps"] else {}
    return Judgement(
        scores={
            "brightest": Score(bright, "low", "the brightest voxel", "visual", yardstick),
            "darkest": Score(dark, "low", "the darkest voxel", "algorithmic", yardstick),
            "epistemic": Score(float(options["epistemic"]), "low", "whether it was asked for"),
        },
        artefacts={"noise": 0.75, "motion": 0.25},
        familiarity=familiarity_of((Descriptor("tone", tone, "an odd tone", "a low tone", 1.0),), reference),
        estimates=estimates,
        maps=maps,
        facts={"threads": context.threads, "seed": context.seed},
    )
