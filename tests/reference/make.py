#!/usr/bin/env python3
"""Writes expected.safetensors: random models of two blocks or more, and the logits that transformers computes from them.

    pip install torch transformers safetensors
    python tests/reference/make.py

`allot`'s tests read the file without Python. Each case has every key of its configuration that changes the computation, in the form
of transformers 4 as well as 5 if the two differ. The weights are large enough for every key to change the logits.

For each case NAME, the file holds `NAME/logits` of `NAME/ids`, and the weights below `NAME/`, under their names in a model folder.
`__metadata__` holds the configurations, as JSON.
"""

import json
import os
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = dict(vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
             num_key_value_heads=1, bos_token_id=1, eos_token_id=2, pad_token_id=0)
GEMMA = dict(SMALL, num_hidden_layers=4, head_dim=10, query_pre_attn_scalar=12, sliding_window=4, max_position_embeddings=64,
             rms_norm_eps=1e-5, hidden_activation="gelu_pytorch_tanh")
PATTERN = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]


def weights(model, seed):
    """Draws all weights, including norms and biases, large enough to reveal mistakes."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=draw)
            near = 0.0 if "gemma" in type(model).__name__.lower() else 1.0
            parameter.copy_(near + 0.3 * noise if "norm" in name else noise * (1.2 / parameter.shape[-1] ** 0.5))


def cases():
    """Returns for each case the configuration and the number of token ids."""
    llama = dict(SMALL, architectures=["LlamaForCausalLM"], model_type="llama", head_dim=12, max_position_embeddings=16,
                 rms_norm_eps=1e-5, hidden_act="silu", tie_word_embeddings=False)
    yarn = dict(factor=4.0, original_max_position_embeddings=16)
    qwen = dict(llama, architectures=["Qwen2ForCausalLM"], model_type="qwen2")
    gemma = dict(GEMMA, architectures=["Gemma3ForCausalLM"], model_type="gemma3_text")
    bases = {"sliding_attention": {"rope_type": "default", "rope_theta": 500.0},
             "full_attention": {"rope_type": "linear", "factor": 3.0, "rope_theta": 20000.0}}
    vision = dict(model_type="siglip_vision_model", hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                  num_attention_heads=2, image_size=8, patch_size=4)
    around = dict(architectures=["Gemma3ForConditionalGeneration"], model_type="gemma3", vision_config=vision,
                  mm_tokens_per_image=4, image_token_index=39, boi_token_index=37, eoi_token_index=38)
    pixtral = dict(model_type="pixtral", hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
                   head_dim=4, image_size=8, patch_size=4)
    short, long = [1.0, 1.1, 1.2, 1.3], [2.0, 3.0, 4.0, 5.0]
    phi = dict(SMALL, architectures=["Phi3ForCausalLM"], model_type="phi3", max_position_embeddings=64, rms_norm_eps=1e-5,
               hidden_act="silu", tie_word_embeddings=False, rope_theta=300.0)
    longrope = dict(type="longrope", short_factor=short, long_factor=long)
    opt = dict(architectures=["OPTForCausalLM"], model_type="opt", vocab_size=40, hidden_size=16, ffn_dim=24, num_hidden_layers=2,
               num_attention_heads=2, max_position_embeddings=32, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    return {
        "yarn": (dict(llama, rope_theta=300.0, rope_scaling=dict(yarn, type="yarn")), 40),
        "yarn_every_key": (dict(llama, rope_parameters=dict(
            rope_type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=300.0, beta_fast=4.0, beta_slow=0.5, mscale=0.7, mscale_all_dim=0.4,
            truncate=False), max_position_embeddings=256), 40),
        "yarn_with_attention_factor": (dict(qwen, max_position_embeddings=32, rope_theta=300.0, rope_scaling=dict(
            rope_type="yarn", factor=2.0, attention_factor=1.3)), 24),
        "dynamic_within": (dict(llama, rope_theta=300.0, rope_scaling=dict(type="dynamic", factor=3.0)), 12),
        "dynamic_beyond": (dict(llama, rope_theta=300.0, rope_scaling=dict(type="dynamic", factor=3.0)), 30),
        "gemma3_nested": (dict(gemma, layer_types=PATTERN, rope_parameters=bases), 20),
        "gemma3_pattern": (dict(gemma, sliding_window_pattern=3, rope_theta=20000.0, rope_local_base_freq=500.0,
                                rope_scaling={"rope_type": "linear", "factor": 3.0}, final_logit_softcapping=3.0), 20),
        "gemma3_inside": (dict(around, text_config=dict(
            {k: v for k, v in gemma.items() if k != "architectures"}, layer_types=PATTERN, rope_parameters=bases)), 20),
        "mistral3_inside": (dict(
            architectures=["Mistral3ForConditionalGeneration"], model_type="mistral3", vision_config=pixtral, image_token_index=39,
            spatial_merge_size=2, tie_word_embeddings=False,
            text_config=dict(SMALL, model_type="mistral", head_dim=10, max_position_embeddings=64, rms_norm_eps=1e-5,
                             rope_theta=1000.0, sliding_window=None, hidden_act="silu")), 20),
        "opt_bare_norms": (dict(
            architectures=["OPTForCausalLM"], model_type="opt", vocab_size=40, hidden_size=16, ffn_dim=24, num_hidden_layers=2,
            num_attention_heads=2, word_embed_proj_dim=16, max_position_embeddings=32, enable_bias=False,
            layer_norm_elementwise_affine=False, _remove_final_layer_norm=True, activation_function="gelu",
            bos_token_id=1, eos_token_id=2, pad_token_id=0), 20),
        "longrope_factor": (dict(llama, head_dim=8, max_position_embeddings=64, rope_theta=300.0, original_max_position_embeddings=16,
                                 rope_scaling=dict(longrope, factor=16.0)), 24),
        "phi3_original_inside": (dict(phi, rope_scaling=dict(longrope, original_max_position_embeddings=16)), 24),
        "phi3_original_default": (dict(phi, max_position_embeddings=65536, rope_scaling=longrope), 24),
        "phi3_named_yarn": (dict(phi, original_max_position_embeddings=16, rope_scaling=dict(longrope, type="yarn")), 24),
        "gemma3_unused_softcap": (dict(gemma, layer_types=PATTERN, attn_logit_softcapping=0.5), 20),
        "gemma3_private_pattern": (dict(gemma, _sliding_window_pattern=2), 20),
        "gemma3_inside_softcap": (dict(around, text_config=dict(
            {k: v for k, v in gemma.items() if k != "architectures"}, layer_types=PATTERN, final_logit_softcapping=1.0)), 20),
        "qwen2_window_everywhere": (dict(qwen, max_position_embeddings=64, use_sliding_window=True, sliding_window=4, max_window_layers=0,
                                         num_key_value_heads=None), 20),
        "opt_norms_after": (dict(opt, word_embed_proj_dim=12, do_layer_norm_before=False, _remove_final_layer_norm=False), 20),
    }


def main():
    tensors, configs = {}, {}
    for number, (name, (config, length)) in enumerate(cases().items()):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "config.json"), "w") as file:
                json.dump(config, file)
            kind = getattr(transformers, config["architectures"][0])
            read = transformers.AutoConfig.from_pretrained(folder)
            model = kind(read).eval().float()
            model.set_attn_implementation("eager")
            seed = 7 if name.startswith("dynamic") else number
            weights(model, seed)
            ids = torch.randint(3, 37, (2, length), generator=torch.Generator().manual_seed(number))
            with torch.no_grad():
                logits = model(input_ids=ids).logits
            model.save_pretrained(folder)
            saved = load_file(os.path.join(folder, "model.safetensors"))
        tensors |= {f"{name}/ids": ids.int(), f"{name}/logits": logits}
        # The weights of the vision tower are not needed.
        keep = {key: it for key, it in saved.items() if "vision" not in key and "projector" not in key}
        tensors |= {f"{name}/{key}": it for key, it in keep.items()}
        configs[name] = config
        print(f"{name:28} {len(keep)} tensors, logits of deviation {logits.std():.2f}: {list(keep)[0]}")
    made = {"torch": torch.__version__, "transformers": transformers.__version__}
    note = {"configs": json.dumps(configs), "made_with": json.dumps(made)}
    save_file({key: it.contiguous() for key, it in tensors.items()}, os.path.join(HERE, "expected.safetensors"), note)


if __name__ == "__main__":
    main()
