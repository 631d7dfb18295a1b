"""Third parties: a plugin that works shows up everywhere, one that is broken says why and breaks nothing."""

import json

import nibabel as nib
import numpy as np
import pytest

GOOD = """
from mriuq_cli.api import API_VERSION, Method, Role, hookimpl

@hookimpl
def mriuq_method():
    return Method({version}, "made by a test", (Role("t1", "T1"),), (Role("t2", "T2"),))
"""
SOUND = GOOD.format(version="API_VERSION")
BROKEN = {
    "raises": ("raise ValueError('no luck')", "cannot be imported: ValueError: no luck"),
    "exits": ("import sys; sys.exit('I leave')", "SystemExit: I leave"),
    "newer": (GOOD.format(version=99), "made for version 99 of the contract"),
    "arguments": (
        SOUND + "\n@hookimpl\ndef mriuq_model(configuration):\n    pass\n",
        "mriuq_model has unknown arguments 'configuration'; the contract has: config",
    ),
    "many-arguments": (
        SOUND + "\n@hookimpl\ndef mriuq_predict(path, model_path):\n    pass\n",
        "mriuq_predict has unknown arguments 'model_path', 'path'; the contract has: model, case, options, context",
    ),
    "unknown-hook": (
        SOUND + "\n@hookimpl\ndef mriuq_modle(config):\n    pass\n",
        "unknown hook mriuq_modle; did you mean 'mriuq_model'?",
    ),
    "unmarked": (SOUND + "\ndef mriuq_model(config):\n    pass\n", "mriuq_model lacks the decorator @hookimpl"),
    "wordless": ("", "mriuq_method returned nothing"),
}


def listed(mriuq, site):
    run = mriuq("plugins", "list", "--json", site=site)
    assert run.returncode == 0
    return {row["name"]: row for row in map(json.loads, run.stdout.splitlines())}


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    random = np.random.default_rng(0)
    image = np.zeros((12, 13, 11), np.float32)
    image[2:9, 3:10, 2:9] = 500 + 100 * random.standard_normal((7, 7, 7))
    path = tmp_path_factory.mktemp("scan") / "in.nii.gz"
    nib.save(nib.Nifti1Image(image, np.diag([-2.0, 2, 3, 1])), path)
    return path


def test_a_plugin_that_pip_installed_is_listed_and_helped(mriuq, toy_site):
    row = listed(mriuq, toy_site)["toy"]
    assert row["status"] == "ok"
    assert row["distribution"] == "mriuq-toy"
    assert row["version"] == "0.1.0"
    assert "toy" in mriuq("predict", "--help", site=toy_site).stdout
    assert "toy" in mriuq("plugins", "list", site=toy_site).stdout


def test_a_plugin_that_pip_installed_predicts(mriuq, toy_site, scan, tmp_path):
    run = mriuq("predict", "toy", scan, "--wider", "2", "--out", tmp_path, site=toy_site)
    assert run.returncode == 0, run.stderr
    image, width = (nib.load(tmp_path / f"in_t2{part}.nii.gz") for part in ("", "_width"))
    assert run.stdout.split() == [str(tmp_path / "in_t2.nii.gz")]
    assert np.array_equal(image.affine, nib.load(scan).affine)
    # The margin of 1.5 on each side, doubled, in a display scale with an SD of 250.
    assert np.allclose(np.unique(np.round(width.get_fdata(), 1)), [0, 2 * 2 * 1.5 * 250])


def test_a_contrast_is_given_by_its_own_option(mriuq, toy_site, scan, tmp_path):
    run = mriuq("predict", "toy", "--t1w", scan, "--id", "named", "--out", tmp_path, site=toy_site)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "named_t2.nii.gz").is_file()


def test_a_plugin_that_pip_installed_keeps_the_contract(mriuq, toy_site):
    run = mriuq("plugins", "check", "toy", "--json", site=toy_site)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, run.stdout
    assert {result["status"] for result in results} == {"pass", "not applicable"}
    passed = {result["name"] for result in results if result["status"] == "pass"}
    assert {"commands", "light import", "weights", "left stays left", "empty space", "tiles"} <= passed


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_listed_with_its_reason_and_breaks_nothing(mriuq, install_method, kind):
    source, reason = BROKEN[kind]
    install_method("sound", SOUND)
    site = install_method(kind, source)
    rows = listed(mriuq, site)
    assert rows[kind]["status"] == "broken"
    assert reason in rows[kind]["reason"]
    assert rows["sound"]["status"] == "ok"
    assert mriuq("predict", "--help", site=site).returncode == 0
    assert mriuq("predict", "sound", "--help", site=site).returncode == 0


@pytest.mark.parametrize("kind", ["raises", "newer", "arguments"])
@pytest.mark.parametrize("words", [["predict", "{}", "in.nii.gz"], ["train", "{}"], ["plugins", "check", "{}"]])
def test_using_a_broken_plugin_ends_with_code_4_and_the_reason(mriuq, install_method, kind, words):
    source, reason = BROKEN[kind]
    run = mriuq(*(word.format(kind) for word in words), site=install_method(kind, source))
    assert (run.returncode, run.stdout) == (4, "")
    assert reason in run.stderr
    assert len(run.stderr.splitlines()) <= 3


def test_of_two_distributions_that_claim_a_name_none_is_used(mriuq, install_method):
    install_method("twin", SOUND, distribution="first-twin")
    site = install_method("twin", SOUND, distribution="second-twin")
    row = listed(mriuq, site)["twin"]
    assert row["status"] == "broken"
    assert "first-twin and second-twin" in row["reason"]
    assert mriuq("predict", "twin", "in.nii.gz", site=site).returncode == 4


def test_an_option_that_the_core_has_already_is_refused(mriuq, install_method):
    clash = "\n@hookimpl\ndef mriuq_options(verb):\n    from mriuq_cli.api import Option\n"
    site = install_method("greedy", SOUND + clash + "    return [Option('seed', 'int', 'Mine.')]\n")
    run = mriuq("predict", "greedy", "in.nii.gz", site=site)
    assert run.returncode == 4
    assert "--seed is already an option" in run.stderr
    check = mriuq("plugins", "check", "greedy", site=site)
    assert check.returncode == 4
    assert "fail            commands" in check.stdout


def test_a_plugin_that_breaks_the_contract_fails_its_check_with_code_4(mriuq, install_method):
    run = mriuq("plugins", "check", "heavy", "--json", site=install_method("heavy", "import numpy\n" + SOUND))
    results = {row["name"]: row for row in map(json.loads, run.stdout.splitlines())}
    assert run.returncode == 4
    assert results["light import"]["status"] == "fail"
    assert "numpy" in results["light import"]["detail"]
    assert results["method card"]["status"] == "not applicable"
