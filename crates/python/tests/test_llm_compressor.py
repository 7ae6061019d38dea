"""llm-compressor prunes by a recipe as the allocation says."""

import pytest

import allot

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
compressor = pytest.importorskip("llmcompressor", reason="llm-compressor is not installed")


@pytest.fixture(scope="module")
def dense(bundled, texts):
    return allot.Model(bundled, text=texts / "calibration.jsonl", samples=4, length=32)


@pytest.mark.parametrize("modifier", ["wanda", "sparsegpt"])
def test_recipes_prune_to_the_ratios(dense, bundled, modifier):
    from datasets import Dataset

    allocation = dense.ratios("owl", 0.7)
    recipe = allocation.to_llm_compressor(modifier=modifier)
    model = transformers.AutoModelForCausalLM.from_pretrained(bundled, dtype=torch.float32)
    ids = torch.randint(3, 2000, (4, 32), generator=torch.Generator().manual_seed(5)).tolist()
    windows = Dataset.from_list([{"input_ids": it, "attention_mask": [1] * 32} for it in ids])
    compressor.oneshot(model=model, dataset=windows, recipe=recipe, max_seq_length=32, num_calibration_samples=4)
    linears = {name: it for name, it in model.named_modules() if name in allocation.ratios}
    assert len(linears) == len(allocation.ratios)
    for name, linear in linears.items():
        zeros = (linear.weight == 0).double().mean().item()
        # Each row loses whole weights, and a few weights of the dense model are zero already.
        assert abs(zeros - allocation.ratios[name]) < 1.5 / linear.in_features, name
