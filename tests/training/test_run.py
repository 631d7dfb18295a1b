"""From recipe to weights with a method of two stages: who is learnt from, what the weights say, and resume."""

import json
from pathlib import PurePath
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import Dataset

from mriuq_cli.data.case import Cohort, VolumeRef
from mriuq_cli.errors import MachineError, MethodError, UsageError
from mriuq_cli.hooks.roles import Stage
from mriuq_cli.training import run as module
from mriuq_cli.training.recipe import Recipe
from mriuq_cli.training.run import Run, run_training, split


class Lazy(Dataset):
    """Reads a case only when an item is asked for; draws something of its own when it is made."""

    def __init__(self, cases, previous):
        self.cases, self.previous, self.shift = cases, previous, torch.rand(())

    def __len__(self):
        return len(self.cases)

    def __getitem__(self, index):
        case = self.cases[index]()
        given = float(sum(p.sum() for net in self.previous.values() for p in net.parameters()))
        return torch.tensor([float(case.number), float(self.shift), given])


class Fake:
    """A method as the manager would lend it."""

    name, distribution, version = "fake", "mriuq-fake", "1.0"
    method = SimpleNamespace(presets={"p": {"width": 3}}, api_version=1, weights=None)

    def has(self, hook):
        return hook == "mriuq_stages"

    def call(self, hook, **given):
        return getattr(self, hook)(**given)

    def mriuq_stages(self, config):
        return [Stage("first"), Stage("second")]

    def mriuq_model(self, config):
        return nn.Linear(config["width"], 1)

    def mriuq_loss(self, config, stage):
        return lambda model, batch: {"loss": (model(batch / 10) - 1).square().mean()}

    def mriuq_dataset(self, config, cases, stage, split, previous, context):
        assert list(previous) == ([] if stage == "first" else ["first"])
        return Lazy(cases, previous)


@pytest.fixture
def read(monkeypatch):
    """Return the ids of the cases in the order in which they are read."""
    ids = []

    def read_case(ref, read=None):
        ids.append(ref.id)
        prints = {"t1": f"{ref.id}-t1", "t2": f"{ref.id}-t2"}
        return SimpleNamespace(id=ref.id, number=int(ref.id[1:]), volumes={"t1": 1}, fingerprints=prints)

    monkeypatch.setattr(module._remember, "__defaults__", (read_case,))
    return ids


def cohort(n):
    return Cohort(tuple(SimpleNamespace(id=f"s{i}", subfolder=PurePath(), volumes={}) for i in reversed(range(n))))


def recipe(steps=6, **parts):
    train = {"steps": steps, "batch": 1, "save_every": 1, "warmup": 0, "rate": 0.01}
    return Recipe(**({"method": "fake", "preset": "p", "train": train} | parts))


def go(folder, stated, subjects=6, *, resume=False, stop=None):
    def report(share, text):
        if stop and report.calls == stop:
            raise KeyboardInterrupt
        report.calls += 1

    report.calls = 0
    return run_training(Fake(), stated, cohort(subjects), Run(folder, "cpu", 1, resume, report))


def ids(cases):
    return [ref.id for ref in cases]


def test_each_subject_is_held_out_of_one_fold():
    held = []
    for fold in range(3):
        learners, watched = split(cohort(7), recipe(folds={"count": 3, "hold_out": fold}))
        assert not ids(watched) and ids(learners) == sorted(ids(learners))
        held += sorted({f"s{i}" for i in range(7)} - set(ids(learners)))
    assert held == ["s0", "s3", "s6", "s1", "s4", "s2", "s5"]


def test_subjects_to_watch_are_neither_held_out_nor_learnt_from():
    learners, watched = split(cohort(6), recipe(folds={"count": 2, "hold_out": 0}, validation={"subjects": 1}))
    assert (ids(learners), ids(watched)) == (["s3", "s5"], ["s1"])


def copies(folder, anatomies):
    """Simulated cases with the truth that says of whom they are."""
    refs = []
    for number, anatomy in enumerate(anatomies):
        (folder / f"s{number}").mkdir()
        truth = {"Simulated": True, "Parameters": {"anatomy": {"source": anatomy}}}
        (folder / f"s{number}" / f"s{number}.json").write_text(json.dumps(truth))
        (folder / f"s{number}" / f"s{number}_t1.nii.gz").touch()
        volumes = {"t1": VolumeRef(folder / f"s{number}" / f"s{number}_t1.nii.gz")}
        refs.append(SimpleNamespace(id=f"s{number}", subfolder=PurePath(), volumes=volumes))
    return Cohort(tuple(refs))


def test_copies_of_one_anatomy_are_one_person_in_folds_and_to_watch(tmp_path):
    heads = copies(tmp_path, "abcabcab")
    for fold, held in enumerate(("s0 s3 s6", "s1 s4 s7", "s2 s5")):
        learners, _ = split(heads, recipe(folds={"count": 3, "hold_out": fold}))
        assert sorted(set(ids(heads)) - set(ids(learners))) == held.split()
    learners, watched = split(heads, recipe(validation={"subjects": 1}))
    assert (ids(watched), ids(learners)) == (["s0", "s3", "s6"], ["s1", "s2", "s4", "s5", "s7"])
    with pytest.raises(UsageError, match="3 people are too few") as told:
        split(heads, recipe(validation={"subjects": 3}))
    assert "--anatomy" in told.value.hint


def test_weights_name_the_anatomies_of_their_learners_and_of_those_they_started_from(tmp_path, read):
    first, second = tmp_path / "first", tmp_path / "second"
    for place, anatomies in ((first, "aab"), (second, "bc")):
        place.mkdir()
        stated = recipe(start=str(first / "run" / "weights")) if place is second else recipe()
        run_training(Fake(), stated, copies(place, anatomies), Run(place / "run", "cpu", 1, False, lambda *_: None))
    known = [json.loads((p / "run" / "weights" / "weights.json").read_text())["anatomies"] for p in (first, second)]
    assert known == [["a", "b"], ["a", "b", "c"]]


def test_somebody_must_be_left_to_learn_from():
    with pytest.raises(UsageError, match="2 cases are too few"):
        split(cohort(2), recipe(validation={"subjects": 2}))


def test_a_budget_is_needed(tmp_path):
    with pytest.raises(UsageError, match="no budget"):
        go(tmp_path / "run", recipe(train={"batch": 1}))
    assert not (tmp_path / "run").exists()


def test_weights_name_learners_alone(tmp_path, read):
    stated = recipe(folds={"count": 3, "hold_out": 1}, validation={"subjects": 1, "every": 2, "batches": 2})
    weights = go(tmp_path, stated)
    facts = json.loads((weights / "weights.json").read_text())
    assert facts["subjects"] == [[f"s{i}-t1", f"s{i}-t2"] for i in (2, 3, 5)]
    assert "s0" in read and not {"s1", "s4"} & set(read)
    assert facts["config"] == {"width": 3, "seed": 0} and facts["parameters"] == 4


@pytest.mark.parametrize("stop", [3, 6, 9])
def test_a_run_of_two_stages_resumes_to_the_same_weights_and_subjects(tmp_path, read, stop):
    """3: in the first stage; 6: after the first step of the second, before it is saved; 9: within the second."""
    whole = go(tmp_path / "whole", recipe())
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "parts", recipe(), stop=stop)
    del read[:]
    parts = go(tmp_path / "parts", recipe(), resume=True)
    assert (whole / "weights.safetensors").read_bytes() == (parts / "weights.safetensors").read_bytes()
    subjects = [json.loads((folder / "weights.json").read_text())["subjects"] for folder in (whole, parts)]
    assert subjects[0] == subjects[1] and len(subjects[0]) == 6


def test_weights_name_every_learner_even_where_a_resume_had_nothing_left_to_read(tmp_path, read):
    go(tmp_path, recipe())
    weights = go(tmp_path, recipe(), resume=True)
    assert len(json.loads((weights / "weights.json").read_text())["subjects"]) == 6


def test_a_run_that_starts_from_weights_goes_on_from_them_and_names_whom_they_saw(tmp_path, read):
    first = go(tmp_path / "first", recipe(folds={"count": 3, "hold_out": 1}))
    again = {"train": {"steps": 1, "batch": 1, "rate": 1e-9}, "folds": {"count": 3, "hold_out": 0}}
    second = go(tmp_path / "second", recipe(start=str(first), **again))
    one, two = (load_file(folder / "weights.safetensors") for folder in (first, second))
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)
    facts = json.loads((second / "weights.json").read_text())
    assert [marks[0] for marks in facts["subjects"]] == ["s1-t1", "s2-t1", "s4-t1", "s5-t1", "s0-t1", "s3-t1"]
    assert facts["training"]["start_sha256"] == json.loads((first / "weights.json").read_text())["sha256"]


def test_weights_of_another_network_are_no_start(tmp_path, read):
    first = go(tmp_path / "first", recipe())
    with pytest.raises(UsageError, match="another network"):
        go(tmp_path / "second", recipe(start=str(first), model={"width": 4}))
    assert not (tmp_path / "second").exists()


def test_a_folder_of_another_recipe_is_refused_and_resume_in_a_new_one_begins(tmp_path, read):
    go(tmp_path / "run", recipe(), resume=True)
    with pytest.raises(MachineError, match="already"):
        go(tmp_path / "run", recipe())
    with pytest.raises(MachineError, match="another recipe"):
        go(tmp_path / "run", recipe(steps=7), resume=True)


def test_an_id_that_comes_in_two_folders_is_two_subjects(tmp_path, read, monkeypatch):
    def read_case(ref):
        return SimpleNamespace(number=1, volumes={"t1": 1}, fingerprints={"t1": f"{ref.subfolder}/{ref.id}"})

    monkeypatch.setattr(module._remember, "__defaults__", (read_case,))
    refs = [SimpleNamespace(id="s", subfolder=PurePath(folder), volumes={}) for folder in "cabd"]
    stated = recipe(folds={"count": 4, "hold_out": 1})
    weights = run_training(Fake(), stated, Cohort(tuple(refs)), Run(tmp_path, "cpu", 1, False, lambda *_: None))
    assert json.loads((weights / "weights.json").read_text())["subjects"] == [["a/s"], ["c/s"], ["d/s"]]


def test_a_resume_on_other_subjects_is_refused(tmp_path, read):
    go(tmp_path / "run", recipe(), subjects=6)
    with pytest.raises(MachineError, match="other exams"):
        go(tmp_path / "run", recipe(), subjects=7, resume=True)


class Building(Fake):
    """Notes the network that each stage starts with; only the last one builds on another."""

    def __init__(self, builds_on):
        self.builds_on, self.starts, self.previous = builds_on, {}, {}

    def mriuq_stages(self, config):
        return [Stage("first"), Stage("second"), Stage("third", builds_on=self.builds_on)]

    def mriuq_loss(self, config, stage):
        def loss(model, batch):
            assert all(p.requires_grad for p in model.parameters())
            self.starts.setdefault(stage, model.weight.detach().clone())
            return super(Building, self).mriuq_loss(config, stage)(model, batch)

        return loss

    def mriuq_dataset(self, config, cases, stage, split, previous, context):
        self.previous = {name: net.weight.clone() for name, net in previous.items()}
        return Lazy(cases, {})


def test_a_stage_starts_from_the_one_it_builds_on_and_else_anew(tmp_path, read):
    plugin = Building("first")
    run_training(plugin, recipe(), cohort(4), Run(tmp_path, "cpu", 1, False, lambda *_: None))
    assert torch.equal(plugin.starts["first"], plugin.starts["second"])
    assert torch.equal(plugin.starts["third"], plugin.previous["first"])
    assert not torch.equal(plugin.starts["third"], plugin.starts["first"])


def test_a_stage_that_builds_on_none_there_is_and_a_step_of_ones_own_are_refused(tmp_path, read):
    with pytest.raises(MethodError, match="no earlier stage"):
        run_training(Building("fourth"), recipe(), cohort(4), Run(tmp_path / "a", "cpu", 1, False, lambda *_: None))
    plugin = Fake()
    plugin.has = lambda hook: True
    with pytest.raises(MethodError, match="mriuq_step"):
        run_training(plugin, recipe(), cohort(4), Run(tmp_path / "b", "cpu", 1, False, lambda *_: None))
    assert not (tmp_path / "b").exists()
