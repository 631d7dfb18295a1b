"""A small method that implements every hook and keeps every law; tests break it one line at a time."""

from mriuq_cli.api import API_VERSION, Method, Option, Role, hookimpl


@hookimpl
def mriuq_method():
    roles = (Role("t1", "T1", ("t1w",)), Role("t2", "T2", ("t2w",)), Role("flair", "FLAIR"))
    presets = {"small": {"gain": 1.0, "width": 2}, "large": {"gain": 1.0, "width": 8}}
    return Method(API_VERSION, "the mean of the others", roles, roles, presets, "small", partial=True, outliers=True)


@hookimpl
def mriuq_options(verb):
    return [Option("margin", "float", "Half the width.", default=1.5)] if verb == "predict" else []


@hookimpl
def mriuq_model(config):
    from torch import nn

    return nn.Sequential(nn.Conv3d(1, config["width"], 1), nn.ReLU(), nn.Conv3d(config["width"], 1, 1))


@hookimpl
def mriuq_stages(config):
    from mriuq_cli.api import Stage

    return [Stage("first"), Stage("second", builds_on="first")]


@hookimpl
def mriuq_loss(config, stage):
    def objective(model, batch):
        return {"loss": (model(batch) - 1).square().mean()}

    return objective


@hookimpl
def mriuq_dataset(config, cases, stage, split, previous):
    import torch

    return [torch.tensor(case().volumes["t1"].data)[None] / 500 for case in cases]


@hookimpl
def mriuq_metrics(config):
    return {"bias": lambda estimate, truth, masks: float((estimate.value - truth)[masks["brain"]].mean())}


@hookimpl
def mriuq_baselines(config):
    def copy(cases, available, targets):
        return lambda case: dict.fromkeys(targets, case.volumes[available[0]].data)

    return {"copy": copy}


@hookimpl
def mriuq_protocols():
    from mriuq_cli.api import Protocol, Report, Table

    def measure(model, case, options, context):
        return [{"mean": float(volume.data.mean()), "image": name} for name, volume in case.volumes.items()]

    def report(rows, options):
        lines = tuple((row["case"], row["image"], row["mean"]) for row in rows)
        return Report((Table("means", ("case", "image", "mean"), lines),))

    return {"table-1": Protocol("The mean of every image", measure, report)}


@hookimpl
def mriuq_simulate(preset, seed, options, context):
    return [f"ball of seed {seed}"] if preset == "ball" else None


@hookimpl
def mriuq_judge(scan, options, context):
    from mriuq_cli.api import Judgement, Score

    return Judgement({"sharpness": Score(0.5, "high")}) if scan is not None else None


@hookimpl
def mriuq_predict(model, case, options, context):
    import numpy as np

    from mriuq_cli.api import Check, Estimate, Prediction

    brain = np.logical_or.reduce([volume.data != 0 for volume in case.volumes.values()])
    z = [(volume.data - volume.data[brain].mean()) / volume.data[brain].std() for volume in case.volumes.values()]
    value = np.mean(z, axis=0, dtype=np.float64).astype(np.float32)
    half = np.float32(options["margin"])
    value, lower, upper = (image * brain for image in (value, value - half, value + half))
    estimates = {
        role: Estimate(value, lower, upper, brain, level=0.9)
        for role in ("t1", "t2", "flair")
        if role not in case.volumes
    }
    guess = Estimate(value, lower, upper, brain, level=0.9)
    checks = {role: Check(guess, value, tuple(set(case.volumes) - {role})) for role in case.volumes}
    maps = checks if options["outliers"] else {}
    return Prediction(estimates, available=tuple(case.volumes), checks=checks, outliers=maps)
