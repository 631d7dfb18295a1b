"""The training loop: a resume is exact, budgets end it, and a state is whole or refused."""

import copy
import json
import math
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from mriuq_cli.errors import MachineError, WeightsError
from mriuq_cli.training import checkpoint
from mriuq_cli.training.checkpoint import load_state, save_state
from mriuq_cli.training.loop import Task, batch_indices, rate_at, train
from mriuq_cli.training.recipe import Optimisation, Validation

QUIET = Validation()


class Stream(Dataset):
    """Without a length; items draw from all three global generators, as other people's data sets do."""

    def __getitem__(self, index):
        x = torch.randn(4) + 0.1 * random.random() + 0.1 * float(np.random.random())  # noqa: NPY002
        return {"x": x, "y": x.sum() + 0.01 * index}


class Table(Dataset):
    def __len__(self):
        return 7

    def __getitem__(self, index):
        x = torch.linspace(-1, 1, 4) * (index + 1)
        return {"x": x + 0.1 * torch.randn(4), "y": x.square().sum() / 10}


def objective(model, batch):
    loss = (model(batch["x"])[:, 0] - batch["y"]).square().mean()
    return {"loss": loss, "part": loss / 2}


def task(folder, data=None, watch=None, loss=objective, seed=3):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
    return Task(model, loss, data or Stream(), watch, folder, seed, "cpu")


def options(**changes):
    return Optimisation(**({"steps": 30, "batch": 4, "rate": 0.01, "warmup": 5, "save_every": 13} | changes))


def run(job, settings, validation=QUIET, *, resume=False, report=lambda share, text: None):
    return train(job, settings, validation, resume=resume, report=report)


def log(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def same(one, other):
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


class Stopped(Exception):
    pass


def stop_at(step):
    def report(share, text):
        if text.startswith(f"step {step} "):
            raise Stopped

    return report


@pytest.mark.parametrize("data", [Stream, Table])
@pytest.mark.parametrize("stop", [14, 29])  # back to the states of steps 13 and 26
def test_a_run_that_was_stopped_and_resumed_is_the_undisturbed_run_bit_for_bit(tmp_path, data, stop):
    validation = Validation(subjects=1, every=4, batches=2)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    straight = task(whole, data(), Table())
    average = run(straight, options(), validation)
    with pytest.raises(Stopped):
        run(task(parts, data(), Table()), options(), validation, report=stop_at(stop))
    random.seed(99), np.random.seed(99)  # noqa: NPY002
    resumed = task(parts, data(), Table())
    assert same(run(resumed, options(), validation, resume=True), average)
    assert same(resumed.model, straight.model)
    assert log(parts) == log(whole)
    assert [line["step"] for line in log(whole)] == list(range(30))


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    average = run(task(tmp_path), options())
    before = log(tmp_path)
    assert same(run(task(tmp_path), options(), resume=True), average)
    assert log(tmp_path) == before


def test_without_resume_a_run_begins_at_step_nought(tmp_path):
    run(task(tmp_path), options(steps=5))
    run(task(tmp_path), options(steps=3))
    assert [line["step"] for line in log(tmp_path)] == [0, 1, 2]


def test_another_seed_gives_another_run(tmp_path):
    averages = [run(task(tmp_path / str(seed), seed=seed), options(steps=3)) for seed in (1, 2)]
    assert not same(*averages)


def test_the_rate_rises_over_the_warm_up_and_falls_on_a_half_cosine_to_nought():
    settings = options(steps=100, warmup=10, rate=0.5)
    rates = [rate_at(settings, step, step / 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[4] == pytest.approx(0.5 * 0.5 * 0.5 * (1 + math.cos(0.04 * math.pi)))
    assert all(early < late for early, late in pairwise(rates[:10]))
    assert all(early > late for early, late in pairwise(rates[10:]))
    assert rates[50] == pytest.approx(0.25) and rates[100] == pytest.approx(0, abs=1e-12)
    assert rate_at(options(warmup=0, rate=0.5), 0, 0) == 0.5


def test_the_log_holds_every_figure_and_the_rate_of_every_step(tmp_path):
    run(task(tmp_path, watch=Table()), options(steps=6), Validation(subjects=1, every=3, batches=2))
    lines = log(tmp_path)
    assert all({"step", "loss", "part", "gradient", "rate"} <= line.keys() for line in lines)
    assert [line["rate"] for line in lines] == [rate_at(options(steps=6), n, n / 6) for n in range(6)]
    assert ["watched" in line for line in lines] == [False, False, True] * 2


def test_best_is_the_state_with_the_lowest_watched_loss(tmp_path):
    run(task(tmp_path, watch=Table()), options(), Validation(subjects=1, every=2, batches=2))
    watched = {line["step"] + 1: line["watched"] for line in log(tmp_path) if "watched" in line}
    job = task(tmp_path)
    facts = load_state(tmp_path / "best", job.model, job.model, torch.optim.AdamW(job.model.parameters()))
    assert facts["watched"] == min(watched.values()) == watched[facts["step"]]


class Clock:
    """Seconds that pass only in the objective: one a step."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr("mriuq_cli.training.loop.time.monotonic", lambda: self.now)

    def objective(self, model, batch):
        self.now += 1
        return objective(model, batch)


def test_a_budget_of_minutes_ends_the_run_and_drives_the_schedule(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    settings = options(steps=None, minutes=0.2, warmup=0, rate=1.0)
    run(task(tmp_path, loss=clock.objective), settings)
    lines = log(tmp_path)
    assert len(lines) == 12
    assert [line["rate"] for line in lines] == pytest.approx([rate_at(settings, n, n / 12) for n in range(12)])


def test_the_budget_that_is_spent_first_counts(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    run(task(tmp_path / "a", loss=clock.objective), options(steps=4, minutes=1))
    run(task(tmp_path / "b", loss=clock.objective), options(steps=40, minutes=0.1))
    assert (len(log(tmp_path / "a")), len(log(tmp_path / "b"))) == (4, 6)


def test_minutes_spent_before_a_resume_count(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    settings = options(steps=None, minutes=0.2, save_every=1)
    with pytest.raises(Stopped):  # raised before the state of step 8 is saved
        run(task(tmp_path, loss=clock.objective), settings, report=stop_at(8))
    clock.now += 3600  # the machine was off
    run(task(tmp_path, loss=clock.objective), settings, resume=True)
    assert len(log(tmp_path)) == 12


def test_what_is_returned_is_the_moving_average_of_the_weights(tmp_path):
    class Seen(Stream):
        """Notes the weights at the start of every step."""

        def __init__(self):
            self.weights = []

        def collate(self, items):
            self.weights.append(job.model[0].weight.detach().clone())
            return torch.utils.data.default_collate(items)

    job = task(tmp_path, Seen())
    average = run(job, options(average=0.5, steps=20))
    weights = [*job.data.weights, job.model[0].weight.detach()]
    expected = weights[0]
    for step, weight in enumerate(weights[1:]):
        keep = min(0.5, (step + 1) / (step + 10))  # short at first, so that it forgets the fresh weights
        expected = keep * expected + (1 - keep) * weight
    assert torch.allclose(average[0].weight, expected, atol=1e-6)
    assert not torch.allclose(average[0].weight, weights[-1], atol=1e-6)
    assert not average.training and not any(p.requires_grad for p in average.parameters())


def test_an_average_of_nought_is_the_last_weights(tmp_path):
    job = task(tmp_path)
    assert same(run(job, options(average=0.0)), job.model)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run_before_the_weights_move(tmp_path, value):
    def spoil(model, batch):
        figures = objective(model, batch)
        calls.append(1)
        return figures | {"loss": figures["loss"] * (value if len(calls) == 3 else 1)}

    calls = []
    job = task(tmp_path, loss=spoil)
    with pytest.raises(MachineError, match="loss is not finite at step 2") as caught:
        run(job, options())
    assert "rate" in caught.value.hint
    assert all(torch.isfinite(p).all() for p in job.model.parameters())


def test_a_gradient_that_is_not_finite_ends_the_run_before_the_weights_move(tmp_path):
    def steep(model, batch):
        return {"loss": (model[0].weight[0, 0] * 0).sqrt() + objective(model, batch)["loss"]}

    job = task(tmp_path, loss=steep)
    with pytest.raises(MachineError, match="gradient is not finite at step 0"):
        run(job, options())
    assert all(torch.isfinite(p).all() for p in job.model.parameters())


@pytest.mark.parametrize("batch", [1, 3, 7, 10])
def test_every_epoch_holds_every_item_once_whatever_the_batch(batch):
    drawn = [index for step in range(21) for index in batch_indices(Table(), 0, step, batch)]
    epochs = [drawn[i : i + 7] for i in range(0, len(drawn) - 6, 7)]
    assert len(epochs) >= 3
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1, "the order changes from epoch to epoch"


def test_the_items_of_a_step_depend_on_seed_and_step_alone():
    assert batch_indices(Table(), 1, 5, 3) == batch_indices(Table(), 1, 5, 3)
    orders = {tuple(batch_indices(Table(), seed, 0, 7)) for seed in range(5)}
    assert len(orders) > 1


def test_items_of_a_stream_are_asked_for_once_each_in_order():
    assert [batch_indices(Stream(), 0, step, 3) for step in range(3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.fixture
def saved(tmp_path):
    """Return a run of five steps, and a function that loads its state into a fresh network."""
    job = task(tmp_path)
    run(job, options(steps=5))

    def load():
        fresh = task(tmp_path)
        facts = load_state(
            tmp_path / "last", fresh.model, task(tmp_path).model, torch.optim.AdamW(fresh.model.parameters())
        )
        return facts, fresh.model

    load.folder, load.model = tmp_path / "last", job.model
    return load


def test_a_state_comes_back_as_it_was(saved):
    facts, model = saved()
    assert facts["step"] == 5 and same(model, saved.model)


def test_where_there_is_no_state_none_is_loaded(tmp_path):
    model = nn.Linear(1, 1)
    assert load_state(tmp_path, model, model, torch.optim.AdamW(model.parameters())) is None


@pytest.mark.parametrize("place", [0, 8, 200, -1])
def test_a_state_with_one_altered_byte_is_refused(saved, place):
    (path,) = saved.folder.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="altered"):
        saved()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"file": "state-a.safetensors"}', '{"file": "x", "sha256": ""}']
)
def test_a_state_whose_json_is_damaged_is_refused(saved, text):
    (saved.folder / "state.json").write_text(text)
    with pytest.raises(WeightsError, match="altered"):
        saved()


def test_a_state_of_another_network_is_refused(saved):
    other = nn.Linear(2, 2)
    with pytest.raises(WeightsError, match="another network"):
        load_state(saved.folder, other, other, torch.optim.AdamW(other.parameters()))


@pytest.mark.parametrize("writes", [0, 1])
def test_a_crash_at_any_point_of_saving_leaves_the_state_before_it_whole(saved, monkeypatch, writes):
    """0: while the tensors are written; 1: between tensors and JSON. Twice, since two tensor files alternate."""
    write = checkpoint._write

    def crash(path, content):
        done.append(path)
        if len(done) > writes:
            raise Stopped
        write(path, content)

    for step in (5, 6):
        done = []
        other = task(saved.folder).model
        optimiser = torch.optim.AdamW(other.parameters())
        monkeypatch.setattr(checkpoint, "_write", crash)
        with pytest.raises(Stopped):
            save_state(saved.folder, other, copy.deepcopy(other), optimiser, {"step": 99})
        monkeypatch.setattr(checkpoint, "_write", write)
        facts, model = saved()
        assert facts["step"] == step and same(model, saved.model)
        save_state(saved.folder, saved.model, copy.deepcopy(saved.model), optimiser, {"step": step + 1})
        assert saved()[0]["step"] == step + 1
