"""A whole method: T2 is guessed as minus T1 in standard scores, give or take a fixed margin."""

from pathlib import Path

from mriuq_cli.api import API_VERSION, Method, Option, Role, hookimpl

HERE = Path(__file__).parent


@hookimpl
def mriuq_method():
    return Method(
        api_version=API_VERSION,
        summary="T2 from T1 by one fixed multiplication",
        inputs=(Role("t1", "T1-weighted image", aliases=("t1w",)),),
        targets=(Role("t2", "T2-weighted image"),),
        presets={"fixed": {"margin": 1.5}},
        default_preset="fixed",
        weights=HERE / "weights",
        default_weights="fixed",
    )


@hookimpl
def mriuq_options(verb):
    return [Option("wider", "float", "Multiply the margin by this.", default=1.0)] if verb == "predict" else []


@hookimpl
def mriuq_model(config):
    from torch import nn

    return nn.Conv3d(1, 1, kernel_size=1)


@hookimpl
def mriuq_predict(model, case, options, context):
    import torch

    from mriuq_cli.api import Estimate, Prediction

    t1 = case.volumes["t1"].data
    brain = t1 != 0
    z = (t1 - t1[brain].mean()) / t1[brain].std()
    with torch.inference_mode():
        value = model(torch.from_numpy(z)[None, None].to(context.device))[0, 0].cpu().numpy()
    margin = context.config["margin"] * options["wider"]
    value, lower, upper = (image * brain for image in (value, value - margin, value + margin))
    estimate = Estimate(value, lower, upper, brain, level=0.9, kind="mean", display=(1000.0, 250.0))
    return Prediction({"t2": estimate}, available=("t1",))
