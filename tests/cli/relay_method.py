"""A method for tests: a missing contrast is the mean of the given ones in standard scores, give or take the margin.

It is installed by a folder on the path that holds this file and a ``dist-info``, with options that let it be slow,
raise, or answer nonsense.
"""

import time

from mriuq_cli.api import API_VERSION, Method, Option, Role, hookimpl

NAMES = ("flair", "t1", "t1gd", "t2")


@hookimpl
def mriuq_method():
    roles = tuple(Role(name, f"{name} image", aliases=("t1ce",) if name == "t1gd" else ()) for name in NAMES)
    return Method(API_VERSION, "the mean of the others", inputs=roles, targets=roles, partial=True, outliers=True)


@hookimpl
def mriuq_options(verb):
    if verb != "predict":
        return []
    return [
        Option("sleep", "float", "Seconds to wait before answering.", default=0.0),
        Option("fail-on", "str", "Raise on the case of this name.", default=""),
        Option("stretch-by", "float", "Multiply the margin.", default=1.0),
    ]


@hookimpl
def mriuq_model(config):
    from torch import nn

    return nn.Linear(1, 1, bias=False)


@hookimpl
def mriuq_predict(model, case, options, context):
    import numpy as np

    from mriuq_cli.api import Check, Descriptor, Estimate, Prediction

    if options["fail_on"] and options["fail_on"] in case.id:
        raise RuntimeError("asked to fail")
    for step in range(int(options["sleep"] * 20)):
        time.sleep(0.05)
        context.progress(step / (options["sleep"] * 20), "waiting")
    margin = float(model.weight.detach()[0, 0]) * options["stretch_by"]
    brain = np.logical_or.reduce([volume.data != 0 for volume in case.volumes.values()])
    scores = {name: _scores(volume.data) for name, volume in case.volumes.items()}

    def guess(names):
        value = (sum(scores[name] for name in names) / np.float32(len(names))).astype(np.float32) * brain
        low, high = (value - np.float32(margin)) * brain, (value + np.float32(margin)) * brain
        return Estimate(value, low, high, brain, level=0.9, display=(1000.0, 250.0))

    given = tuple(name for name in NAMES if name in scores)
    checks = {}
    if len(given) > 1:
        for name in given:
            others = tuple(other for other in given if other != name)
            checks[name] = Check(guess(others), scores[name], others)
    return Prediction(
        estimates={name: guess(given) for name in NAMES if name not in scores},
        available=given,
        checks=checks,
        outliers=checks if options.get("outliers") else {},
        descriptors=(Descriptor("brain voxels", float(brain.sum()), "a large head", "a small head", floor=1.0),),
        facts={"margin": margin},
    )


def _scores(data):
    import numpy as np

    inside = data[data != 0]
    return np.where(data != 0, (data - inside.mean()) / inside.std(), 0).astype(np.float32)
