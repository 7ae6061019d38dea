"""Scripts, their mistakes, and the user's own numbers."""

import numpy as np
import pytest

import allot


def test_a_script_is_checked_and_has_a_hash():
    script = allot.Script("log(mean(score))|>scale")
    again = allot.Script("log( mean( score ) ) |> scale")
    assert script == again and script.hash == again.hash
    assert allot.format(script.text).strip() == "log(mean(score)) |> scale()" or "scale" in allot.format(script.text)
    assert allot.Script.open("owl").name == "owl"
    assert "owl" in allot.published()


def test_mistakes_have_their_place():
    with pytest.raises(allot.ScriptError) as raised:
        allot.Script("log(meen(score)) |> scale")
    (found,) = raised.value.diagnostics
    assert (found.code, found.severity, found.line, found.column) == ("unknown-operator", "error", 1, 5)
    assert (found.start, found.end) == (4, 8)
    assert any("mean" in line for line in found.help)
    assert isinstance(raised.value, allot.AllotError)
    with pytest.raises(allot.AllotError, match="no published script"):
        allot.Script.open("no-such-script")


def test_importances_of_own_numbers():
    scores = [np.full((2, 4), value, np.float32) for value in (1.0, 2.0, 4.0)]
    script = allot.Script("mean(score) |> scale")
    assert script.importance({"score": scores}) == [1.0, 2.0, 4.0]
    # With the method `magnitude`, positive weights are their own scores.
    assert script.importance({"weight": scores}, method="magnitude") == [1.0, 2.0, 4.0]
    # Lists and other number types are accepted too.
    assert script.importance({"score": [it.astype(np.float64).tolist() for it in scores]}) == [1.0, 2.0, 4.0]
    ratios = script.ratios({"score": scores}, 0.5).ratios
    assert list(ratios) == ["layer 0", "layer 1", "layer 2"]
    assert ratios["layer 0"] > ratios["layer 1"] > ratios["layer 2"]


class Tensor:
    """A tensor of a library that offers nothing but DLPack."""

    def __init__(self, values):
        self._values = values

    def __dlpack__(self, **options):
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._values.__dlpack_device__()


def test_arrays_come_by_dlpack_and_by_buffers():
    scores = [np.arange(start, start + 8, dtype=np.float32).reshape(2, 4) for start in (1, 9, 33)]
    script = allot.Script("mean(score) |> scale")
    expected = script.importance({"score": scores})
    for kind in [np.float16, np.float32, np.float64, np.int32]:
        assert script.importance({"score": [Tensor(it.astype(kind)) for it in scores]}) == expected, kind
    # Neither the order in memory nor the kind of buffer matters.
    assert script.importance({"score": [Tensor(np.asfortranarray(it)) for it in scores]}) == expected
    assert script.importance({"score": [memoryview(it) for it in scores]}) == expected
    masks = [
        allot.Layers({"weight": make(it), "input_norm": make(np.ones(4, np.float32))} for it in scores)
        for make in (np.asarray, Tensor)
    ]
    allocation = allot.Script("uniform()").ratios(masks[0], 0.5)
    one, other = (layers.masks(allocation) for layers in masks)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_numbers_that_are_not_finite_are_refused():
    weights = [np.ones((2, 4), np.float32) for _ in range(2)]
    for value in [np.nan, np.inf]:
        wrong = weights[0].copy()
        wrong[1, 2] = value
        with pytest.raises(allot.ArgumentError, match="layer 1 has the value (NaN|inf) in row 1, column 2"):
            allot.Script("mean(score) |> scale").ratios({"score": [weights[0], wrong]}, 0.5)
        with pytest.raises(allot.ArgumentError, match="layer 1 has the value (NaN|inf) in row 1, column 2"):
            allot.Layers({"weight": it, "input_norm": np.ones(4)} for it in [weights[0], wrong])


def test_wrong_terminals_are_refused():
    script = allot.Script("mean(score) |> scale")
    ones = np.ones((2, 4), np.float32)
    for terminals, words in [
        ({}, "pass `weight` or `score`"),
        ({"score": [ones], "weight": [ones]}, "replaces the weights"),
        ({"weight": [ones], "input_norm": []}, "an array for each layer"),
        ({"weight": [ones], "input_norm": [np.ones(3)]}, "4 columns"),
        ({"weight": [np.ones(4)]}, "2 dimensions, not 1"),
        ({"weight": [ones], "nonsense": [ones]}, "no `nonsense`"),
    ]:
        with pytest.raises(allot.ArgumentError, match=words):
            script.importance(terminals)
    # A missing statistic is reported as by the command.
    with pytest.raises(allot.ScriptError, match="input_norm"):
        script.importance({"weight": [ones, ones]})
    with pytest.raises(allot.ArgumentError, match="the units are"):
        script.importance({"score": [ones]}, unit="head")


def test_masks_take_the_lowest_scores():
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=(4, 8)).astype(np.float32) for _ in range(3)]
    layers = allot.Layers({"name": f"l{i}", "weight": w, "input_norm": np.ones(8)} for i, w in enumerate(weights))
    allocation = allot.Script("uniform()").ratios(layers, 0.5)
    masks = layers.masks(allocation)
    for place, weight in enumerate(weights):
        mask = masks[f"l{place}"]
        assert mask.dtype == bool and mask.shape == weight.shape
        for row, marks in zip(np.abs(weight), mask):
            assert marks.sum() == 4 and row[marks].max() < row[~marks].min()


def test_rows_lose_their_own_ratios():
    rng = np.random.default_rng(4)
    weights = [rng.normal(size=(6, 16)) * np.arange(1, 7)[:, None] for _ in range(2)]
    layers = allot.Layers({"weight": weight, "input_norm": np.ones(16)} for weight in weights)
    allocation = allot.Script("unit row\nsum(score) |> scale(lambda = 0.3)").ratios(layers, 0.5)
    masks = layers.masks(allocation)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == allocation.pruned
    counts = [mask.sum(axis=1) for mask in masks.values()]
    assert any(len(set(of_layer)) > 1 for of_layer in counts), counts
