"""Teach the last layers of hetqc's cleaning alone, from many more corrupted heads than a whole training sees.

    python benchmarks/hetqc_closing.py WEIGHTS HEADS --out WEIGHTS [--minutes M] [--seed S] [--keep STORE]
    python benchmarks/hetqc_closing.py WEIGHTS --stores STORE ... --out WEIGHTS

HEADS are case folders to learn from (simulated ones: `mriuq simulate t1w`). A forward pass over each corrupted crop
gives what goes into the layers at some places; that is kept, and the layers are then fitted to it in minutes.
Of every ten corrupted heads one is kept for validation; the loss there is printed after each epoch.
"""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path

import torch

from mriuq_cli.data.layouts import find_cohort
from mriuq_cli.data.reader import read_case
from mriuq_cli.hooks.manager import get_plugin
from mriuq_cli.inference.weights import find_weights, load_model
from mriuq_cli.training.checkpoint import save_weights
from mriuq_hetqc.dataset import Crops
from mriuq_hetqc.loss import regression
from mriuq_hetqc.marks import noise_told
from mriuq_hetqc.network import SIGMA, bands, bounded, fold
from mriuq_hetqc.surroundings import SURROUNDINGS, Cubes

CROP, PLACES, AROUND = 112, 4000, 0.5
"""Edge of crops in voxels, how many cubes of 2 voxels are kept of each, and how much one outside the head counts."""
EPOCHS, BATCH, RATE, DECAY, BETA = 8, 4096, 3e-3, 0.01, 0.5
SLOWLY, AVERAGE = 0.05, 0.998
"""Rate of the linear layer, which has learnt with the rest, over that of what bends, and decay of the mean kept."""
JITTER = 0.05
"""SD of what is added to the inputs, as shares of their own SD: heads are few, and are not to be learnt by heart."""
OFTEN, DARK, NOISY = 5, 0.03, 0.05
"""How often a place of air counts, what is dark enough for it, and above what noise: few places near a head are air."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("heads", type=Path, nargs="?")
    for name in ("out", "keep"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--stores", type=Path, nargs="*", default=[])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    plugin = get_plugin("hetqc")
    weights = find_weights(plugin, words.weights)
    model = load_model(plugin, weights, "cpu").to(memory_format=torch.channels_last_3d)
    seen = [torch.load(path) for path in words.stores]
    if words.heads:
        seen.append(gathered(model, words.heads, words.minutes, words.seed))
        if words.keep:
            torch.save(seen[-1], words.keep)
    if words.out:
        torch.manual_seed(words.seed)
        fit(model.clean.head, [{**one, "head": (k, one["pair"])} for k, many in enumerate(seen) for one in many])
        save_weights(words.out, model.half(), weights.meta, weights.meta["subjects"])


@torch.inference_mode()
def gathered(model, heads, minutes, seed):
    """Return for each corrupted head inputs of last layers ``f``, image ``x``, wanted correction ``t``, bands ``b``."""
    found, told = [], {}
    model.clean.head.register_forward_pre_hook(lambda _, inputs: told.update(f=joined(*inputs)))
    refs = find_cohort([heads], get_plugin("hetqc").method.inputs, complete=True).refs
    config = {"seed": seed, "crop": CROP, "reuse": 1, "slots": 1}
    crops = Crops(config, [functools.partial(read_case, ref) for ref in refs], "cpu", change=True)
    generator, began = torch.Generator().manual_seed(seed), time.time()
    while time.time() - began < 60 * minutes:
        item = crops[len(found)]
        image, marks = item["image"][None], item["marks"][None]
        model(image, marks)
        weight = fold(item["weight"][None])[0].mean(0).flatten().clamp_min(AROUND)
        places = torch.multinomial(weight, PLACES, generator=generator)
        parts = torch.stack([fold(band)[0].flatten(1) for band in bands(image, Cubes(image, noise_told(marks)))])
        found.append({
            "f": told["f"][0].flatten(1)[:, places].T.half(),
            "x": fold(image)[0].flatten(1)[:, places].T.half(),
            "t": fold(item["clean"][None] - image)[0].flatten(1)[:, places].T.half(),
            "b": parts[:, :, places].permute(2, 1, 0).half(), "pair": len(found),
        })  # fmt: skip
    print(f"{len(found)} corrupted heads")
    return found


def joined(features, around, known):
    """Return what goes into the layers that bend, ``(B, C, x, y, z)``."""
    return torch.cat((features.float(), around, known[..., None, None, None].expand(-1, -1, *around.shape[2:])), 1)


def fit(closing, seen):
    """Fit the last layers; what is left in them is the mean over the last steps."""
    heads = list(dict.fromkeys(one["head"] for one in seen))
    unseen = set(heads[9::10])
    learnt, kept = ({k: torch.cat([one[k] for one in seen if (one["head"] in unseen) == held]) for k in "fxtb"}
                    for held in (False, True))  # fmt: skip
    again = air(closing, learnt).repeat(OFTEN - 1)
    learnt = {k: torch.cat((values, values[again])) for k, values in learnt.items()}
    closing.requires_grad_(True)
    spread = learnt["f"][::50].float().std(0)
    n = len(learnt["f"])
    mean = torch.optim.swa_utils.AveragedModel(
        closing, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE)
    )
    rates = [SLOWLY * RATE, RATE]
    groups = [{"params": part.parameters(), "lr": rate} for part, rate in
              zip((closing.plain, closing.bent), rates, strict=True)]  # fmt: skip
    optimiser = torch.optim.AdamW(groups, weight_decay=DECAY)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=EPOCHS * (n // BATCH) + 1, pct_start=0.1)
    for epoch in range(EPOCHS):
        for places in torch.randperm(n)[: n // BATCH * BATCH].split(BATCH):
            f = learnt["f"][places].float()
            f = f + JITTER * spread * torch.randn(f.shape)
            loss, _ = of_places(closing, f, learnt["t"][places], learnt["b"][places])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(closing.parameters(), 5.0)
            optimiser.step()
            plan.step()
            mean.update_parameters(closing)
        with torch.inference_mode():
            many = [of_places(mean.module, *parts) for parts in zip(*(kept[k].float().split(50_000) for k in "ftb"),
                                                                    strict=True)]  # fmt: skip
        loss, square = (float(torch.stack([one[k] for one in many]).mean()) for k in (0, 1))
        print(f"epoch {epoch}: loss {loss:.4f}, RMSE {square**0.5:.4f} on {len(unseen)} of {len(heads)} heads")
    closing.load_state_dict(mean.module.state_dict())


def air(closing, learnt):
    """Return the places of noisy heads that are dark and have nothing empty around them."""
    around = learnt["f"][:, closing.plain.in_features :]
    noise = noise_told(around[:, SURROUNDINGS:])
    dark = (learnt["x"] + learnt["t"]).float().mean(1) < DARK
    return (dark & (around[:, SURROUNDINGS - 1] > 0.999) & (noise > NOISY)).nonzero()[:, 0]


def of_places(closing, f, t, b):
    """Return the loss and the mean square of errors."""
    features = closing.plain.in_features
    maps = closing.of_places(f[:, :features], f[:, features:]).unflatten(1, (8, -1))
    error = t.float() - maps[..., 0] + (maps[..., 2:] * b.float()).sum(-1)
    return regression(error, bounded(maps[..., 1], SIGMA), BETA).mean(), error.detach().square().mean()


if __name__ == "__main__":
    main()
