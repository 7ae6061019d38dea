#!/usr/bin/env python3
"""Time and peak memory of every step on real models, and of what a user would run instead, in one run.

    pip install torch transformers safetensors
    cargo build --release && ALLOT=target/release/allot python benches/real.py steps MODELS WIKITEXT [NAME ...]
    cargo build --release && ALLOT=target/release/allot python benches/real.py beside MODELS WIKITEXT [NAME ...]

MODELS is a folder of model folders, WIKITEXT is WikiText-2's `wiki.test.raw`. `steps` prints a row for each step of allot, and beside its time and its
memory what `--dry-run` said they would be, mapped pages of the model's files counted. `beside` runs
perplexity, Wanda and SparseGPT in turns with PyTorch: transformers' own forward pass in f32 on the same windows, and the two methods'
published loops, written here from their formulas. Time is of the whole process, from its start to its end; peak memory is its largest
resident set as the system counts it, pages of mapped files and all. Of turns the least time counts.
"""

import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLES, LENGTH = 8, 512
WINDOWS, WINDOW = 4, 1024
TURNS = 2
SPARSITY = 0.5
SPARSEGPT_BLOCK = 128


# What is printed.


def machine():
    name = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1]) / 2**20
    print(f"{os.cpu_count()} cores of {name}, {memory:.0f} GiB; {platform.system()}; load before: {os.getloadavg()[0]:.1f}")


def timed(command):
    """Runs a command; returns its seconds, its peak resident set in MiB, and what it printed."""
    with tempfile.TemporaryFile() as out:
        begun = time.perf_counter()
        process = subprocess.Popen([str(it) for it in command], stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, command
        out.seek(0)
        return seconds, usage.ru_maxrss / 1024, out.read().decode()


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def allot(*arguments):
    return [os.environ.get("ALLOT", "allot"), *arguments, "--quiet"]


# Every step of allot.


def steps(folder, text, scratch):
    calibration = ["--text", text, "--samples", SAMPLES, "--length", LENGTH]
    windows = ["--text", text, "--length", WINDOW, "--limit", WINDOWS]
    statistics = scratch / "S.safetensors"
    prune = lambda *more: ["prune", folder, "--sparsity", SPARSITY, *more]
    steps = [
        ["inspect", folder, "--check"],
        ["stats", folder, *calibration, "--out", statistics],
        ["eval", folder, "owl", "--sparsity", SPARSITY, "--stats", statistics],
        prune("--method", "magnitude", "--out", scratch / "magnitude"),
        prune(*calibration, "--out", scratch / "wanda"),
        prune("--pattern", "2:4", *calibration, "--out", scratch / "2-4"),
        prune("--method", "sparsegpt", *calibration, "--out", scratch / "sparsegpt"),
        ["ppl", folder, *windows],
        ["ppl", folder, *windows, "--memory", "256MiB"],
        ["ppl", scratch / "sparsegpt", *windows],
    ]
    places = {str(folder): "MODEL", str(text): "wiki.test.raw", str(scratch) + "/": ""}
    for step in steps:
        # What the command says of itself before, where it can: `inspect` cannot.
        plan = None
        if step[0] != "inspect":
            _, _, printed = timed(allot(*step, "--dry-run", "--format", "json"))
            plan = json.loads(printed)
        seconds, peak, _ = timed(allot(*step))
        shown = "allot " + " ".join(map(str, step))
        for place, name in places.items():
            shown = shown.replace(place, name)
        planned = (f"{plan['seconds']:,.1f}", f"{(plan['memory'] + plan['mapped']) / 2**20:,.0f}") if plan else ("", "")
        yield [f"`{shown}`", f"{seconds:,.1f}", planned[0], f"{peak:,.0f}", planned[1]]


# What a user would run instead.


def beside(folder, text, scratch):
    windows = ["--text", text, "--length", WINDOW, "--limit", WINDOWS]
    calibration = ["--text", text, "--samples", SAMPLES, "--length", LENGTH]
    ids = scratch / "ids.safetensors"
    theirs = lambda *more: [sys.executable, __file__, "torch", *more]
    subprocess.run(list(map(str, theirs("ids", folder, text, ids))), check=True)
    tokens = lambda name: ["--tokens", f"{ids}:{name}"]
    out = scratch / "pruned"
    prune = lambda method: ["prune", folder, "--sparsity", SPARSITY, "--method", method, *tokens("calibration"), "--out", out, "--force"]
    jobs = {
        "perplexity": [allot("ppl", folder, *tokens("windows"), "--format", "json"), theirs("ppl", folder, ids)],
        "Wanda": [allot(*prune("wanda")), theirs("wanda", folder, ids, out)],
        "SparseGPT": [allot(*prune("sparsegpt")), theirs("sparsegpt", folder, ids, out)],
    }
    for job, commands in jobs.items():
        least, peak, inside, load = [math.inf] * 2, [0.0] * 2, math.inf, 0.0
        for _ in range(TURNS):
            for side, command in enumerate(commands):
                seconds, most, printed = timed(command)
                subprocess.run(["rm", "-rf", out], check=True)
                least[side], peak[side] = min(least[side], seconds), max(peak[side], most)
                load = max(load, os.getloadavg()[0])
                if side == 1:
                    inside = min(inside, json.loads(printed)["seconds"])
        yield [job, *(f"{it:,.1f}" for it in least), f"{inside:,.1f}", f"{least[1] / least[0]:.2f}",
               f"{inside / least[0]:.2f}", *(f"{it:,.0f}" for it in peak), f"{load:.1f}"]


# PyTorch's side, each in a process of its own.


def make_ids(folder, text, out):
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer

    lines = [line if line.strip() else "" for line in Path(text).read_text(encoding="utf-8").splitlines(keepends=True)]
    ids = Tokenizer.from_file(f"{folder}/tokenizer.json").encode("\n\n".join(lines)).ids
    first, rest = WINDOWS * WINDOW, SAMPLES * LENGTH
    save_file({
        "windows": torch.tensor(ids[:first]).reshape(WINDOWS, WINDOW),
        "calibration": torch.tensor(ids[first : first + rest]).reshape(SAMPLES, LENGTH),
    }, out)


def load(folder):
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def tensors(path, name):
    from safetensors.torch import load_file

    return load_file(path)[name]


def torch_perplexity(folder, ids):
    import torch

    model, windows = load(folder), tensors(ids, "windows")
    begun = time.perf_counter()
    losses = []
    for row in windows:
        logits = model(input_ids=row[None], use_cache=False).logits[0]
        losses.append(torch.nn.functional.cross_entropy(logits[:-1], row[1:]).item())
    seconds = time.perf_counter() - begun
    print(json.dumps({"perplexity": math.exp(sum(losses) / len(losses)), "seconds": seconds}))


class Moments:
    """Wanda's statistic of a linear's input: the mean of each channel's squares."""

    def __init__(self, linear):
        self.linear, self.sum, self.count = linear, 0.0, 0

    def add(self, inputs):
        rows = inputs[0].reshape(-1, inputs[0].shape[-1])
        self.sum = self.sum + rows.square().sum(0)
        self.count += rows.shape[0]

    def prune(self):
        weight = self.linear.weight.data
        scores = weight.abs() * (self.sum / self.count).sqrt()
        order = scores.sort(dim=1, stable=True).indices[:, : int(weight.shape[1] * SPARSITY)]
        weight.scatter_(1, order, 0.0)


class Hessian:
    """SparseGPT's statistic of a linear's input, 2 / samples * sum of x x^T, and its pruning in blocks of columns."""

    def __init__(self, linear):
        import torch

        columns = linear.weight.shape[1]
        self.linear, self.sum, self.samples = linear, torch.zeros(columns, columns), 0

    def add(self, inputs):
        rows = inputs[0].reshape(-1, inputs[0].shape[-1])
        self.sum += rows.T @ rows
        self.samples += inputs[0].shape[0]

    def prune(self):
        import torch

        weight, hessian = self.linear.weight.data, self.sum * (2 / self.samples)
        dead = hessian.diagonal() == 0
        hessian.diagonal()[dead] = 1
        weight[:, dead] = 0
        hessian.diagonal().add_(0.01 * hessian.diagonal().mean())
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
        upper = torch.linalg.cholesky(inverse, upper=True)
        columns = weight.shape[1]
        for begin in range(0, columns, SPARSEGPT_BLOCK):
            end = min(begin + SPARSEGPT_BLOCK, columns)
            block, factor = weight[:, begin:end].clone(), upper[begin:end, begin:end]
            scores = block.square() / factor.diagonal().square()
            limit = scores.flatten().sort().values[int(scores.numel() * SPARSITY)]
            pruned, errors = scores <= limit, torch.empty_like(block)
            for at in range(end - begin):
                column = block[:, at]
                kept = torch.where(pruned[:, at], 0.0, column)
                error = (column - kept) / factor[at, at]
                block[:, at:] -= error[:, None] * factor[at, at:]
                block[:, at], errors[:, at] = kept, error
            weight[:, begin:end] = block
            weight[:, end:] -= errors @ upper[begin:end, end:]


def torch_prune(kind, folder, ids, out):
    import torch

    model, samples = load(folder), tensors(ids, "calibration")
    blocks = model.model.layers
    # What each block is given beside the hidden states; before the clock, so that the loop is the published one.
    given, first = {}, []
    hooks = [
        block.register_forward_pre_hook(lambda _, args, kwargs, at=at: given.__setitem__(at, kwargs), with_kwargs=True)
        for at, block in enumerate(blocks)
    ]
    model(input_ids=samples[:1], use_cache=False)
    [hook.remove() for hook in hooks]
    begun = time.perf_counter()

    class Stop(Exception):
        pass

    def keep(_, args, kwargs):
        first.append(args[0] if args else kwargs["hidden_states"])
        raise Stop

    hook = blocks[0].register_forward_pre_hook(keep, with_kwargs=True)
    for row in samples:
        try:
            model(input_ids=row[None], use_cache=False)
        except Stop:
            pass
    hook.remove()
    hidden = first

    def through(at, states):
        kwargs = {key: value for key, value in given[at].items() if key != "hidden_states"}
        result = blocks[at](states, **kwargs)
        return result[0] if isinstance(result, tuple) else result

    for at, block in enumerate(blocks):
        linears = [module for module in block.modules() if isinstance(module, torch.nn.Linear)]
        collected = [kind(linear) for linear in linears]
        hooks = [
            linear.register_forward_hook(lambda _, inputs, __, of=of: of.add(inputs))
            for linear, of in zip(linears, collected)
        ]
        for states in hidden:
            through(at, states)
        [hook.remove() for hook in hooks]
        for of in collected:
            of.prune()
        hidden = [through(at, states) for states in hidden]
    seconds = time.perf_counter() - begun
    model.half().save_pretrained(out)
    print(json.dumps({"seconds": seconds}))


def torch_side(what, *arguments):
    import torch

    with torch.no_grad():
        match what:
            case "ids":
                make_ids(*arguments)
            case "ppl":
                torch_perplexity(*arguments)
            case "wanda":
                torch_prune(Moments, *arguments)
            case "sparsegpt":
                torch_prune(Hessian, *arguments)


HEADS = {
    "steps": ["command", "seconds", "planned", "peak, MiB", "planned"],
    "beside": ["", "allot, s", "PyTorch, s", "its loop, s", "whole process", "its loop alone", "allot, MiB",
               "PyTorch, MiB", "load"],
}


def main(what, *arguments):
    if what == "torch":
        return torch_side(*arguments)
    models, text, *names = arguments
    machine()
    print(f"calibration: {SAMPLES} windows of {LENGTH} tokens; perplexity: {WINDOWS} windows of {WINDOW}")
    for folder in sorted(it for it in Path(models).iterdir() if (it / "config.json").is_file()):
        if not names or folder.name in names:
            print(f"\n{folder.name}\n", flush=True)
            with tempfile.TemporaryDirectory() as scratch:
                table(HEADS[what], {"steps": steps, "beside": beside}[what](folder, Path(text), Path(scratch)))
    print(f"\nload after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
