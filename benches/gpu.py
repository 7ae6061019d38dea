"""Measures with PyTorch what `cargo bench --features cuda --bench gpu` measures, on the same GPU: a copy, a matrix product, the bench's
reductions by `torch.compile`, and the tokens per second of LLaMA models with random weights in transformers. Run it right before or after
the bench.

    python3 benches/gpu.py [--without-7b | --reductions]

`--reductions` stops after the reductions.
"""

import sys
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def least(turns, work):
    work()
    torch.cuda.synchronize()
    best = float("inf")
    for _ in range(turns):
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


def llama(blocks, hidden, mlp, heads, vocabulary):
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=mlp, num_hidden_layers=blocks,
        num_attention_heads=heads, num_key_value_heads=heads, max_position_embeddings=2048,
    )
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM._from_config(config, attn_implementation="sdpa")
    torch.set_default_dtype(torch.float32)
    return model.eval()


@torch.no_grad()
def losses(model, ids, batch):
    for start in range(0, ids.shape[0], batch):
        some = ids[start : start + batch]
        logits = model(some, use_cache=False).logits[:, :-1]
        for window, row in zip(logits, some[:, 1:]):
            torch.nn.functional.cross_entropy(window.float(), row)


def plain(weight, norm):
    w = weight.float()
    return w.mean(), w.abs().sum(), w.max(), (w * w).sum().sqrt()


def twenty(weight, norm):
    w = weight.float()
    score = w.abs() * norm
    log, tanh = score.log(), w.tanh()
    d = w - w.mean()
    return (
        score.mean(), score.std(), score.var(), score.max(), score.min(), w.abs().sum(), (w * w).sum().sqrt(), log.mean(),
        w.abs().log().var(), (d**4).mean() / (d * d).mean() ** 2, log.mean().exp(), -(score * log).sum(), (score > 0.5).float().mean(),
        score.sqrt().mean(), score.sigmoid().mean(), score.tanh().mean(), (score * score).mean(), (-score).exp().mean(), tanh.std(),
        torch.nn.functional.softplus(w).mean(),
    )


def reductions():
    weight = (torch.rand(11008, 8192, device="cuda") * 0.2 - 0.1).to(torch.bfloat16)
    norm = 0.5 + (torch.arange(8192, device="cuda") % 7).float()
    weights = [weight.clone() for _ in range(8)]
    for name, work in (("4 plain reductions", plain), ("20 reductions", twenty)):
        compiled = torch.compile(work)
        seconds = least(5, lambda: [compiled(weight, norm) for weight in weights])
        print(f"{name} of bf16, compiled: {2 * 8 * weight.numel() / seconds / 1e9:.0f} GB/s", flush=True)


def main():
    print(torch.cuda.get_device_name(), "PyTorch", torch.__version__)
    x = torch.rand(1 << 29, device="cuda")
    y = torch.empty_like(x)
    print(f"copy: {2 * 4 * x.numel() / least(9, lambda: y.copy_(x)) / 1e9:.0f} GB/s")
    del x, y
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    print(f"matrix product in bf16: {2 * 8192**3 / least(9, lambda: a @ a) / 1e12:.0f} TFLOP/s")
    del a
    reductions()
    if "--reductions" in sys.argv:
        return
    model = llama(20, 2048, 5632, 16, 32000)
    ids = torch.randint(0, 32000, (32, 2048), device="cuda")
    for batch in (4, 8, 16):
        print(f"perplexity in bf16, batch {batch}: {ids.numel() / least(2, lambda: losses(model, ids, batch)):.0f} tokens/s")
    del model
    if "--without-7b" not in sys.argv:
        model = llama(32, 4096, 11008, 32, 32000)
        ids = torch.randint(0, 32000, (16, 2048), device="cuda")
        print(f"losses of a 7B on 16 windows of 2048: {least(2, lambda: losses(model, ids, 4)):.2f} s")


main()
