"""The conformance suite passes a method that keeps every law and names the law that a method breaks."""

from pathlib import Path

import pytest

from mriuq_cli.hooks.manager import HOOKS, get_plugin
from mriuq_cli.testing import checks, run_checks

SOURCE = (Path(__file__).parent / "complete_method.py").read_text()
FAULTS = {
    "light import": ("from mriuq_cli.api import API", "import numpy\nfrom mriuq_cli.api import API", "numpy"),
    "method data": ('"small", partial', '"tiny", partial', "'tiny' is not among the presets"),
    "options": ('default=1.5)] if verb == "predict"', 'default="x")] if verb == "predict"', "is not of type float"),
    "presets build": ("return nn.Sequential(", "return str(", "TypeError"),
    "stages": ('builds_on="first"', 'builds_on="third"', "builds on no earlier stage"),
    "training step": ("(model(batch) - 1)", "(model(batch) * float('nan'))", "not finite"),
    "baselines": ("dict.fromkeys(targets,", "dict.fromkeys(targets[:0],", "copy gives"),
    "judgement": ('Score(0.5, "high")', 'Score(0.5, "up")', "sharpness: better is 'up'"),
    "metrics": ("float((estimate", "float('inf') * float((estimate", "bias of flair"),
    "own grid": ("np.mean(z, axis=0, dtype=np.float64).astype(np.float32)", "np.mean(z, axis=0) * np.float64(1)", "64"),
    "ordered bounds": ("(value, value - half, value + half)", "(value, value + half, value - half)", "out of order"),
    "inputs untouched": (
        "    half = ",
        "    for volume in case.volumes.values(): volume.data[0] += 1\n    half = ",
        "t1",
    ),
    "same seed, same answer": ("    half = ", "    value += np.random.rand()\n    half = ", "differs"),
    "empty space": ("volume.data[brain].mean()", "volume.data.mean()", "differs"),
    "tiles": ("    half = ", "    value += np.float32(0.001 * bool(context.tile))\n    half = ", "differs by up to"),
    "outlier maps": ("checks=checks, outliers", "checks=checks | maps if maps else {}, outliers", "which checks"),
    "left stays left": (
        "    half = ",
        "    value = value + np.indices(value.shape)[0] / 40\n    half = ",
        "stored as LPS",
    ),
}


def results(name):
    return {result.name: result for result in run_checks(name)}


def test_a_method_that_keeps_every_law_passes(with_method):
    with_method("lawful", SOURCE)
    found = results("lawful")
    assert list(found) == [check.name for check in checks]
    unshipped = {name for name, result in found.items() if result.status == "not applicable"}
    assert unshipped == {"weights", "method card"}
    assert not [result for result in found.values() if result.status == "fail"]


def test_the_lawful_method_implements_every_hook_but_the_step(with_method):
    with_method("complete", SOURCE)
    plugin = get_plugin("complete")
    assert {hook for hook in HOOKS if not plugin.has(hook)} == {"mriuq_step"}


@pytest.mark.parametrize("law", FAULTS)
def test_a_broken_law_is_named(with_method, law):
    before, after, words = FAULTS[law]
    assert SOURCE.count(before) >= 1
    name = f"outlaw-{list(FAULTS).index(law)}"
    with_method(name, SOURCE.replace(before, after))
    (check,) = [check for check in checks if check.name == law]
    (result,) = run_checks(name, only=[check])
    assert result.status == "fail"
    assert words in result.detail


def test_a_method_with_a_step_of_its_own_is_not_trained_by_the_suite(with_method):
    step = (
        "\n\n@hookimpl\ndef mriuq_step(config, stage):\n    return lambda model, batch: {'loss': model(batch).mean()}\n"
    )
    with_method("stepper", SOURCE + step)
    assert results("stepper")["training step"].status == "not applicable"
    assert callable(get_plugin("stepper").call("mriuq_step", config={}, stage="first"))


def test_a_method_that_refuses_tiles_in_words_is_not_at_fault(with_method):
    refusal = (
        "    if context.tile:\n        from mriuq_cli.api import InputError\n        raise InputError('no tiles')\n"
    )
    with_method("whole", SOURCE.replace("    half = ", refusal + "    half = "))
    result = results("whole")["tiles"]
    assert (result.status, result.detail) == ("not applicable", "the method refuses: no tiles")
