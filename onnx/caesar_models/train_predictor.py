"""Trains the twelve predictor networks of `srn-sz` and writes a checkpoint.

    python -m caesar_models.train_predictor SAMPLES CHECKPOINT.pt --fine 32,32 --coarse 64,32 --rounds 20000

SAMPLES is a folder of `predictor_samples`. A round is one step of each network. Interrupted, the command goes on from its
checkpoint. The loss is the logarithm of the rate, so that every field counts alike at every bound; all of the training but
its first fifth computes with rounded weights and activations. The same seed gives the same networks.

Memory that is kept instead of being given back makes it twice as fast:
MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_TOP_PAD_=67108864
"""

import argparse
import math
import pathlib
import time

import numpy as np
import torch
import torch.nn as nn

from . import predictor
from .predictor_network import Predictor, code_lengths, load, tensors
from .predictor_samples import Folder

FIELDS, ROWS = 24, 170
# Rates of learning, of Adam and of `Orthogonal`, at their height; both fall to a 400th.
ADAM, ORTHOGONAL, FALL = 8e-3, 0.02, 1 / 400
# Bits a point below which a field counts no more: dead regions cost nothing anyway.
FLOOR = 0.02


class Batches:
    """Endless batches of one network: some fields, drawn by their share of the network's bits, some samples of each."""

    def __init__(self, folder, graph, totals, seed):
        self.samples = np.asarray(folder.samples[graph])
        self.random = np.random.default_rng([seed, predictor.GRAPHS.index(graph)])
        self.fields = [f for f in folder.index[graph] if f["count"] >= ROWS and f["bits"] > 0.003 * f["points"]]
        share = np.array([(f["bits"] + FLOOR * f["points"]) / totals[f["field"]] for f in self.fields])
        self.share = share / share.sum()
        self.factors = torch.tensor([1 / (f["bits"] / f["points"] + FLOOR) for f in self.fields])

    def batch(self):
        chosen = self.random.choice(len(self.fields), FIELDS, p=self.share)
        fields = [self.fields[i] for i in chosen]
        starts = [f["at"] + self.random.integers(f["count"] - ROWS + 1) for f in fields]
        batch = tensors(np.concatenate([self.samples[at:at + ROWS] for at in starts]))
        # Each field's weighted bits over its weight, in units of the linear predictions' bits a point.
        weight = batch["weight"].view(FIELDS, ROWS)
        weight *= (self.factors[chosen] / FIELDS)[:, None] / weight.sum(1, keepdim=True)
        return batch


def basis(batches, count, rounds=20):
    """The inverse root of the details' second moments in units of each field's errors, in which steps of equal size
    change the rate equally: without it smooth fields at tight bounds are learned last."""
    moments = torch.zeros(count, count, dtype=torch.float64)
    for _ in range(rounds):
        batch = batches.batch()
        details = (batch["e"][:, :count] * batch["unit"][:, None]).double()
        error = batch["target"].abs().double().view(FIELDS, ROWS).mean(1) + 0.3
        scaled = details / error.repeat_interleave(ROWS)[:, None]
        moments += scaled.T @ scaled / len(details) / rounds
    values, vectors = torch.linalg.eigh(moments)
    return (vectors * (values + 1e-2).rsqrt() @ vectors.T).float()


class Orthogonal(torch.optim.Optimizer):
    """Steps of hidden layers' weights whose singular values are all near 1 (Jordan et al., Muon, 2024): 2 % fewer bits than
    with Adam after as many rounds."""

    MOMENTUM = 0.95

    def __init__(self, weights, lr):
        super().__init__(weights, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                momentum = state.setdefault("momentum", torch.zeros_like(weight))
                momentum.mul_(self.MOMENTUM).add_(weight.grad)
                rows, columns = weight.shape
                step = orthogonal(weight.grad + self.MOMENTUM * momentum)
                weight.add_(step, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)


def orthogonal(matrix):
    """The singular vectors of a matrix with singular values near 1, by a Newton-Schulz iteration."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-12)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (2.0315 * square @ square - 4.775 * square) @ x
    return x if wide else x.T


class Training:
    def __init__(self, args, folder):
        torch.manual_seed(args.seed)
        sizes = {"fine": args.fine, "coarse": args.coarse}
        self.networks = nn.ModuleDict({g: Predictor(g, sizes[g.split("-")[2]]) for g in predictor.GRAPHS})
        totals = {}
        for fields in folder.index.values():
            for f in fields:
                totals[f["field"]] = totals.get(f["field"], 0) + f["bits"] + FLOOR * f["points"]
        self.batches = {g: Batches(folder, g, totals, args.seed) for g in predictor.GRAPHS}
        for graph, network in self.networks.items():
            network.basis.copy_(basis(self.batches[graph], predictor.detail_count(graph)))
        if args.start:
            smaller, _ = load(args.start)
            for graph, network in self.networks.items():
                network.grow_from(smaller[graph])
        self.turns = {g: predictor.turns(g) for g in predictor.GRAPHS}
        self.random = np.random.default_rng(args.seed)
        hidden = [layer.weight for n in self.networks.values() for layer in n.hidden]
        others = [p for p in self.networks.parameters() if not any(p is h for h in hidden)]
        self.optimisers = Orthogonal(hidden, ORTHOGONAL), torch.optim.Adam(others, ADAM, betas=(0.9, 0.99), fused=True)
        self.rates = ORTHOGONAL * args.height, ADAM * args.height
        self.round, self.rounds, self.float_part = 0, args.rounds, args.float_part

    def step(self):
        part = self.round / self.rounds
        height = FALL + (1 - FALL) * 0.5 * (1 + math.cos(math.pi * part)) * min(1, (self.round + 1) / 100)
        for optimiser, rate in zip(self.optimisers, self.rates):
            optimiser.zero_grad()
            optimiser.param_groups[0]["lr"] = rate * height
        found = {}
        for graph, network in self.networks.items():
            batch = self.batches[graph].batch()
            turns = self.turns[graph]
            sign = 1 - 2 * int(self.random.integers(2))
            order = turns[self.random.integers(len(turns))]
            correction, log_scale = network(batch, (order, sign), part >= self.float_part)
            written, smooth = code_lengths(batch["target"] * sign, correction, log_scale)
            ((written + smooth) * batch["weight"]).sum().backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            found[graph] = float((written.detach() * batch["weight"]).sum())
        for optimiser in self.optimisers:
            optimiser.step()
        self.round += 1
        return found

    def state(self):
        return {
            "networks": self.networks.state_dict(), "optimisers": [o.state_dict() for o in self.optimisers], "round": self.round,
            "random": [self.random.bit_generator.state, *(b.random.bit_generator.state for b in self.batches.values())],
        }

    def resume(self, state):
        self.networks.load_state_dict(state["networks"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"]):
            optimiser.load_state_dict(saved)
        self.round = state["round"]
        for generator, saved in zip([self.random, *(b.random for b in self.batches.values())], state["random"]):
            generator.bit_generator.state = saved


def sizes(text):
    return [int(n) for n in text.split(",")]


def arguments(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples")
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("--fine", type=sizes, default=[32, 32], help="hidden units of the networks of the finest level")
    parser.add_argument("--coarse", type=sizes, default=[64, 32], help="of all other levels")
    parser.add_argument("--start", help="checkpoint of networks of no more hidden units to grow from")
    parser.add_argument("--rounds", type=int, default=20000)
    parser.add_argument("--height", type=float, default=1, help="of the rates of learning; less than 1 to refine what --start brings")
    parser.add_argument("--float-part", type=float, default=0.2, help="part of the training without rounding")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(words)


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    training = Training(args, Folder(args.samples))
    if args.checkpoint.exists():
        training.resume(torch.load(args.checkpoint, weights_only=False))
    facts = {"fine": args.fine, "coarse": args.coarse, "rounds": args.rounds, "seed": args.seed, "start": args.start, "float_part": args.float_part}
    start, sums = time.time(), {}
    while training.round < args.rounds:
        for graph, loss in training.step().items():
            sums[graph] = sums.get(graph, 0) + loss
        if training.round % 500 == 0 or training.round == args.rounds:
            report = "  ".join(f"{g} {s / 500:.3f}" for g, s in sums.items())
            print(f"{training.round} {time.time() - start:.0f} s  mean {sum(sums.values()) / 6000:.4f}  {report}", flush=True)
            sums = {}
            torch.save(training.state() | facts, args.checkpoint)


if __name__ == "__main__":
    main()
