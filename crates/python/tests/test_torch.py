"""A live transformers model gives the same results as the command on its folder."""

import numpy as np
import pytest

import allot

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

import allot.torch as live  # noqa: E402


@pytest.fixture()
def model(bundled):
    return transformers.AutoModelForCausalLM.from_pretrained(bundled, dtype=torch.float32)


@pytest.fixture(scope="module")
def ids(tmp_path_factory):
    """Token ids, as a file and as a tensor."""
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(3, 2000, (6, 48), generator=generator, dtype=torch.int64)
    path = tmp_path_factory.mktemp("ids") / "ids.safetensors"
    save_file({"ids": ids.to(torch.int32)}, path)
    return path, ids


def test_collected_statistics_and_ratios_equal_the_commands(model, bundled, ids):
    path, tensor = ids
    folder = allot.Model(bundled, tokens=f"{path}:ids", samples=6)
    layers = live.collect(model, [tensor[:4], tensor[4:]])
    moments = folder.second_moments()
    assert set(layers.names) == set(moments)
    for script in ["owl", "dlp", "alphapruning"]:
        here = allot.Script.open(script).ratios(layers, 0.7).ratios
        there = folder.ratios(script, 0.7).ratios
        assert list(here) == list(there)
        assert max(abs(here[name] - there[name]) for name in here) < 1e-4, script
        # Units' ratios are not rounded to whole weights, so they agree more closely.
        here, there = allot.Script.open(script).ratios(layers, 0.7).units, folder.ratios(script, 0.7).units
        assert max(abs(a - b) for a, b in zip(here.values(), there.values())) < 1e-6, script


def test_masks_of_equal_statistics_are_identical(model, bundled, ids, tmp_path):
    path, _ = ids
    folder = allot.Model(bundled, tokens=f"{path}:ids", samples=6)
    folder.save_statistics(tmp_path / "s.safetensors")
    dense = allot.Model(bundled, statistics=tmp_path / "s.safetensors")
    layers = live.layers(model, folder.second_moments())
    for method in ["wanda", "magnitude"]:
        allocation = dense.ratios("owl", 0.6, method=method)
        here, there = layers.masks(allocation, method=method), dense.masks(allocation, method=method)
        assert here.keys() == there.keys()
        assert all(np.array_equal(here[name], there[name]) for name in here), method


def test_masks_are_applied_in_place(model, ids):
    _, tensor = ids
    layers = live.collect(model, [tensor])
    masks = layers.masks(allot.Script.open("uniform").ratios(layers, 0.5))
    pruned = live.apply(model, masks)
    assert pruned == sum(int(mask.sum()) for mask in masks.values())
    for name, module in live.linears(model).items():
        assert torch.equal(module.weight == 0, torch.from_numpy(masks[name]) | (module.weight == 0))
        assert (module.weight[torch.from_numpy(masks[name])] == 0).all()
    wrong = {name: mask.T for name, mask in masks.items() if mask.shape[0] != mask.shape[1]}
    with pytest.raises(allot.ArgumentError, match="the mask of"):
        live.apply(model, wrong)
    with pytest.raises(allot.ArgumentError, match="no linear"):
        live.apply(model, {"nowhere": np.zeros((2, 2), bool)})


def test_bfloat16_tensors_are_accepted():
    scores = [torch.full((2, 4), value, dtype=torch.bfloat16) for value in (1.0, 2.0)]
    assert allot.Script("mean(score) |> scale").importance({"score": scores}) == [1.0, 2.0]
