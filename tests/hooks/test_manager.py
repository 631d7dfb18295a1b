"""Plugins are found without import, imported alone, checked, and called in one place."""

import subprocess
import sys
from pathlib import Path

import pytest

from mriuq_cli.errors import InputError, MethodError
from mriuq_cli.hooks.context import Context
from mriuq_cli.hooks.discovery import discover
from mriuq_cli.hooks.manager import broadcast, get_plugin

SOURCE = (Path(__file__).parent / "complete_method.py").read_text()
SIMULATE = "mriuq_simulate"


def ask(preset):
    return dict(broadcast(SIMULATE, preset=preset, seed=7, options={}, context=Context()))


def test_discovery_reads_names_versions_and_summaries_without_importing(with_method):
    with_method("unread", "raise RuntimeError('imported')", version="2.5")
    (found,) = [one for one in discover() if one.name == "unread"]
    assert (found.distribution, found.version, found.summary) == ("mriuq-unread", "2.5", "made by a test")


def test_a_plugin_tells_its_facts_and_its_hooks(with_method):
    with_method("able", SOURCE)
    plugin = get_plugin("able")
    assert (plugin.name, plugin.distribution, plugin.version) == ("able", "mriuq-able", "1.0")
    assert plugin.method.partial
    assert plugin.has("mriuq_stages")
    assert not plugin.has("mriuq_step")
    assert [option.name for option in plugin.options("predict")] == ["margin"]
    assert plugin.options("train") == ()


def test_a_broadcast_hook_of_one_plugin_answers_with_its_one_answer(with_method):
    with_method("judging", SOURCE)
    plugin = get_plugin("judging")
    arguments = {"options": {}, "context": Context()}
    assert plugin.call("mriuq_judge", scan="any", **arguments).scores["sharpness"].value == 0.5
    assert plugin.call("mriuq_judge", scan=None, **arguments) is None
    assert plugin.call("mriuq_protocols")["table-1"].summary == "The mean of every image"


def test_a_hook_that_is_not_there_is_an_error_of_the_method(with_method):
    with_method("stepless", SOURCE)
    with pytest.raises(MethodError, match="does not implement mriuq_step"):
        get_plugin("stepless").call("mriuq_step", config={}, stage="main")


def test_an_unknown_method_is_refused_and_the_nearest_offered(with_method):
    with_method("nearest", SOURCE)
    with pytest.raises(MethodError, match="did you mean 'nearest'"):
        get_plugin("neares")


def test_what_a_hook_raises_names_the_method_and_the_hook(with_method):
    with_method("fragile", SOURCE.replace('return {"table-1"', 'raise KeyError("x")\n    return {"table-1"'))
    with pytest.raises(KeyError) as caught:
        get_plugin("fragile").call("mriuq_protocols")
    assert caught.value.__notes__ == ["raised by method 'fragile' (mriuq-fragile 1.0) in mriuq_protocols"]


def test_a_worded_error_of_a_method_passes_as_it_is(with_method):
    raising = 'from mriuq_cli.api import InputError\n    raise InputError("skull")\n    return {"table-1"'
    with_method("worded", SOURCE.replace('return {"table-1"', raising))
    with pytest.raises(InputError, match="skull"):
        get_plugin("worded").call("mriuq_protocols")


def test_everyone_is_asked_and_those_who_do_not_know_are_silent(with_method):
    with_method("knowing", SOURCE)
    with_method("ignorant", SOURCE.replace('preset == "ball"', "False"))
    answers = ask("ball")
    assert answers["knowing"] == ["ball of seed 7"]
    assert "ignorant" not in answers
    assert "mriuq" not in answers


def test_a_plugin_that_is_broken_or_fails_is_left_out_with_a_warning(with_method, caplog):
    with_method("hale", SOURCE)
    with_method("unborn", "raise ValueError('at import')")
    with_method("faulty", SOURCE.replace('[f"ball', '[1 / 0, f"ball'))
    answers = ask("ball")
    assert "hale" in answers
    assert not {"unborn", "faulty"} & set(answers)
    assert "at import" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_the_core_simulates_through_the_same_hook():
    import inspect

    from mriuq_cli.hooks import manager, spec

    plugin = next(plugin for source, plugin in manager._everyone(manager.logging.getLogger()) if source == "mriuq")
    implemented = inspect.signature(plugin.module.mriuq_simulate).parameters
    assert plugin.has(SIMULATE)
    assert set(implemented) <= set(inspect.signature(spec.mriuq_simulate).parameters)


def test_importing_the_hooks_imports_nothing_heavy():
    code = (
        "import sys, mriuq_cli.main, mriuq_cli.testing, mriuq_cli.hooks.manager, mriuq_cli.verbs.plugins\n"
        "import mriuq_cli.api, mriuq_cli.verbs.doctor, mriuq_cli.present.console\n"
        "print(sorted({'torch', 'numpy', 'nibabel', 'monai', 'rich', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
