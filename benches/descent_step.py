#!/usr/bin/env python3
"""Compares the time and memory of one step of a descent with the same step in PyTorch.

    pip install torch transformers tokenizers
    cargo build --release && ALLOT=target/release/allot python benches/descent_step.py MODEL TEXT [UNIT]

A step reads WINDOWS fresh windows of LENGTH tokens: a forward pass of the dense model, a forward and backward pass of the pruned model,
and the sums at the thresholds. allot's time is the difference between two whole descents, of ONE and of MANY steps, divided by the
difference in steps, so that the preparation does not count; no selection text is read. PyTorch's step has the same parts: transformers'
own model in f32, one window at a time, Wanda's ranks from the first window, and the mean of minus gradient times weight over a band of
0.02 of each row. The forward pass is that of the pruned model only. The lowest time of TURNS turns counts. Memory is the largest resident
set of the process.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ONE, MANY, WINDOWS, LENGTH, TURNS = 1, 3, 4, 256, 2
SPARSITY, BAND = 0.6, 0.02


def ours(model, text, unit):
    def seconds(steps):
        with tempfile.TemporaryDirectory() as out:
            begun = time.perf_counter()
            command = [
                os.environ.get("ALLOT", "allot"), "descend", model, "--sparsity", SPARSITY, "--unit", unit,
                "--calibration", text, "--fitness", text, "--samples", 4, "--length", LENGTH, "--steps", steps,
                "--step-windows", WINDOWS, "--out", f"{out}/found", "--quiet",
            ]
            process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            assert os.waitstatus_to_exitcode(status) == 0, command
            return time.perf_counter() - begun, usage.ru_maxrss / 1024

    turns = [(seconds(ONE), seconds(MANY)) for _ in range(TURNS)]
    one, many = (min(turn[which][0] for turn in turns) for which in (0, 1))
    return (many - one) / (MANY - ONE), max(turn[1][1] for turn in turns)


def theirs(model, text):
    import torch
    import torch.nn.functional as F
    import transformers
    from tokenizers import Tokenizer

    transformers.utils.logging.disable_progress_bar()
    lines = [json.loads(line)["text"] for line in open(text, encoding="utf-8")]
    ids = []
    tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
    for line in lines:
        ids += tokenizer.encode(line).ids
        if len(ids) >= WINDOWS * LENGTH:
            break
    windows = torch.tensor(ids[: WINDOWS * LENGTH]).reshape(WINDOWS, 1, LENGTH)
    net = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    net.requires_grad_(False)
    linears = [it for block in net.model.layers for it in block.modules() if isinstance(it, torch.nn.Linear)]

    norms = {}
    hooks = [it.register_forward_hook(lambda at, read, _: norms.__setitem__(at, read[0][0].norm(dim=0))) for it in linears]
    net(windows[0])
    for hook in hooks:
        hook.remove()
    places, dense = [], [it.weight.detach().clone() for it in linears]
    for linear in linears:
        order = (linear.weight.abs() * norms[linear]).argsort(dim=1)
        places.append(torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1]).expand_as(order)))

    def prune():
        for linear, weight, place in zip(linears, dense, places):
            linear.weight.data = weight * (place >= int(SPARSITY * place.shape[1]))

    def forward():
        for window in windows:
            with torch.no_grad():
                net(window)

    def step():
        sums = []
        for window in windows:
            for linear, weight in zip(linears, dense):
                linear.weight.data = weight
            with torch.no_grad():
                wanted = net(window).logits.log_softmax(-1)
            prune()
            for linear in linears:
                linear.weight.requires_grad_(True)
            loss = F.kl_div(net(window).logits.log_softmax(-1), wanted, reduction="sum", log_target=True) / LENGTH
            gradients = torch.autograd.grad(loss, [it.weight for it in linears])
            for linear in linears:
                linear.weight.requires_grad_(False)
            for gradient, weight, place in zip(gradients, dense, places):
                pruned, half = int(SPARSITY * place.shape[1]), int(BAND * place.shape[1])
                band = (place >= pruned - half) & (place < pruned + half)
                sums.append(-(gradient * weight * band).sum(dim=1))
        return sums

    def lowest(work):
        times = []
        for _ in range(TURNS):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
        return min(times)

    prune()
    forward_seconds, step_seconds = lowest(forward), lowest(step)
    return forward_seconds, step_seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    model, text = sys.argv[1:3]
    unit = sys.argv[3] if len(sys.argv) > 3 else "projection"
    load = os.getloadavg()[0]
    seconds, peak = ours(model, text, unit)
    forward, step, peak_there = theirs(model, text)
    name = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    print(f"{Path(model).name}, a step of {WINDOWS} windows of {LENGTH} tokens, one ratio for each {unit}; "
          f"{os.cpu_count()} cores of {name}; {platform.system()}; load before: {load:.1f}\n")
    print("| | a step, seconds | forward alone, seconds | step over PyTorch's forward | peak, MiB |")
    print("|---|---:|---:|---:|---:|")
    print(f"| allot | {seconds:.1f} | | {seconds / forward:.2f} | {peak:,.0f} |")
    print(f"| PyTorch | {step:.1f} | {forward:.1f} | {step / forward:.2f} | {peak_there:,.0f} |")


if __name__ == "__main__":
    main()
