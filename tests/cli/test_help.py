"""Finding the way: help, version, mistyped words, completion, and how a run ends."""

import os
import signal
import time

import pytest

from mriuq_cli.main import METHOD_VERBS, VERBS, main

HEAVY = ("torch", "numpy", "nibabel", "monai", "pydantic", "scipy")
PARTIAL = """
from mriuq_cli.api import API_VERSION, Method, Option, Role, hookimpl

@hookimpl
def mriuq_method():
    roles = (Role("t1", "T1"), Role("t1gd", "T1 with gadolinium", ("t1ce",)), Role("flair", "FLAIR"))
    return Method(API_VERSION, "fills gaps", roles, roles, partial=True)

@hookimpl
def mriuq_options(verb):
    return [Option("mode", "str", "How.", choices=("fast", "slow"), multiple=True), Option("plain", "bool", "Plainly.")]
"""
SLOW = "import pathlib, time\npathlib.Path({marker!r}).touch()\ntime.sleep(60)\n"


@pytest.fixture
def modules(mriuq, tmp_path):
    """Return ``run(*words, site)``: the run, and the names of all modules that it had imported when it ended."""
    watcher, report = tmp_path / "watcher", tmp_path / "modules.txt"
    watcher.mkdir()
    (watcher / "sitecustomize.py").write_text(
        f"import atexit, sys\natexit.register(lambda: open({str(report)!r}, 'w').write(' '.join(sys.modules)))\n"
    )

    def run(*words, site=()):
        done = mriuq(*words, site=os.pathsep.join(map(str, (watcher, *site))))
        return done, set(report.read_text().split())

    return run


def complete(mriuq, line, site):
    words = line.split()
    position = len(words) - (not line.endswith(" "))
    variables = {"_MRIUQ_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(position)}
    return mriuq(site=site, **variables).stdout.split()


def test_help_names_every_verb(mriuq):
    run = mriuq("--help")
    assert run.returncode == 0
    assert all(verb in run.stdout and text.split(".")[0] in run.stdout for verb, text in VERBS.items())


def test_version_is_one_line_on_stdout(mriuq):
    run = mriuq("--version")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("mriuq ")
    assert run.stdout.count("\n") == 1


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["predict", "--help"], ["predict", "toy", "--help"]])
def test_help_imports_nothing_heavy(modules, toy_site, words):
    run, names = modules(*words, site=[toy_site])
    assert run.returncode == 0
    assert "mriuq_cli.main" in names
    assert not {name for name in names if name.split(".")[0] in HEAVY}


def test_listing_methods_imports_none_and_naming_one_imports_that_one(modules, toy_site, install_method):
    site = [toy_site, install_method("filler", PARTIAL)]
    listing, names = modules("predict", "--help", site=site)
    assert "toy" in listing.stdout
    assert "filler" in listing.stdout
    assert not names & {"mriuq_toy", "mriuq_filler_module", "mriuq_cli.verbs.predict"}
    _, names = modules("predict", "toy", "--help", site=site)
    assert "mriuq_toy" in names
    assert "mriuq_filler_module" not in names


def test_a_method_brings_its_contrasts_and_options(mriuq, toy_site, install_method):
    toy = mriuq("predict", "toy", "--help", site=toy_site).stdout
    assert "--t1,--t1w" in toy
    assert "--wider" in toy
    assert "--missing" not in toy
    filler = mriuq("predict", "filler", "--help", site=install_method("filler", PARTIAL)).stdout
    assert "--missing" in filler
    assert "--t1gd,--t1ce" in filler
    assert "fast|slow" in filler


@pytest.mark.parametrize("verb", METHOD_VERBS)
def test_every_method_verb_lists_the_methods_with_their_summaries(mriuq, toy_site, verb):
    assert "to show how short a method can be" in mriuq(verb, "--help", site=toy_site).stdout


@pytest.mark.parametrize(
    ("words", "code", "offered"),
    [
        (["predit"], 2, "predict"),
        (["--versoin"], 2, "--version"),
        (["predict", "toy", "--widr", "2"], 2, "--wider"),
        (["predict", "toy", "--wider", "much"], 2, "--wider"),
        (["predict", "toj", "in.nii.gz"], 4, "toy"),
        (["plugins", "check", "toj"], 4, "toy"),
    ],
)
def test_a_mistyped_word_is_refused_and_the_nearest_offered(mriuq, toy_site, words, code, offered):
    run = mriuq(*words, site=toy_site)
    assert (run.returncode, run.stdout) == (code, "")
    assert offered in run.stderr
    assert len(run.stderr.splitlines()) <= 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--missing", "flare"], "did you mean 'flair'"),
        (["--missing", "t1ce,t1gd"], "named twice"),
        (["--mode", "fast,slwo"], "did you mean 'slow'"),
    ],
)
def test_an_unknown_contrast_or_choice_is_a_usage_error(mriuq, install_method, words, said):
    run = mriuq("predict", "filler", "in.nii.gz", *words, site=install_method("filler", PARTIAL))
    assert run.returncode == 2
    assert said in run.stderr


def test_no_words_show_the_help_as_a_usage_error(mriuq):
    run = mriuq()
    assert (run.returncode, run.stdout) == (2, "")
    assert "predict" in run.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mriuq pre", ["predict"]),
        ("mriuq predict ", ["filler"]),
        ("mriuq predict filler --missing ", ["t1", "t1gd", "flair"]),
        ("mriuq predict filler --missing t1,f", ["t1,flair"]),
        ("mriuq predict filler --mode s", ["slow"]),
        ("mriuq predict filler --t1g", ["--t1gd"]),
    ],
)
def test_the_shell_completes_verbs_methods_and_contrasts(mriuq, install_method, line, expected):
    found = complete(mriuq, line, install_method("filler", PARTIAL))
    # Methods that are installed beside the test's own may be offered too.
    assert set(expected) <= set(found) if line.endswith("predict ") else found == expected


def test_debug_shows_the_trace_wherever_it_stands(mriuq, toy_site):
    for words in (["--debug", "predict", "toj"], ["predict", "toj", "--debug"]):
        run = mriuq(*words, site=toy_site)
        assert run.returncode == 4
        assert "Traceback" in run.stderr
    assert "Traceback" not in mriuq("predict", "toj", site=toy_site).stderr


def test_a_defect_is_one_line_and_code_1(monkeypatch, capsys):
    def broken(group=None):
        raise ZeroDivisionError("by the test")

    monkeypatch.setattr("mriuq_cli.verbs.doctor.findings", broken)
    previous = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["doctor"]) == 1
    finally:
        signal.signal(signal.SIGTERM, previous)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "defect of mriuq" in said.err
    assert "--debug" in said.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_a_run_with_their_codes(mriuq_process, install_method, tmp_path, number, code):
    marker = tmp_path / "started"
    process = mriuq_process("plugins", "list", site=install_method("slow", SLOW.format(marker=str(marker))))
    while not marker.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in stderr


def test_a_reader_that_leaves_is_no_news(mriuq_process, toy_site):
    process = mriuq_process("plugins", "list", site=toy_site)
    process.stdout.close()
    stderr = process.stderr.read()
    assert process.wait(timeout=30) == 6
    assert stderr == ""


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(mriuq_terminal, variables):
    assert "\x1b[" in mriuq_terminal("predit", TERM="xterm")
    assert "\x1b[" not in mriuq_terminal("predit", **{"TERM": "xterm", **variables})


def test_a_file_gets_no_escapes(mriuq):
    assert "\x1b[" not in mriuq("predit", TERM="xterm").stderr


def test_results_alone_are_on_stdout(mriuq, install_method):
    noisy = "print('hello from the import')\n" + PARTIAL
    run = mriuq("plugins", "list", "--json", site=install_method("noisy", noisy))
    assert "hello" not in run.stdout
    assert "hello" in run.stderr
    assert "noisy" in run.stdout
