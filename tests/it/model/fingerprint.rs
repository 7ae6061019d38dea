//! The single pass over all weights reads every byte, whatever file holds it, and finds every number that is
//! not finite.

use std::fs;
use std::path::Path;

use allot::model::{Checkpoint, ModelError};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");
const WEIGHTS: &str = "model.safetensors";

fn copy() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for name in ["config.json", "tokenizer.json", WEIGHTS] {
        fs::copy(Path::new(MODEL).join(name), folder.path().join(name)).expect("a copy");
    }
    folder
}

fn fingerprint(folder: &Path) -> String {
    Checkpoint::open(folder).expect("a model").fingerprint()
}

#[test]
fn every_byte_of_the_weights_counts() {
    let folder = copy();
    let path = folder.path().join(WEIGHTS);
    let whole = fs::read(&path).expect("weights");
    let before = fingerprint(folder.path());
    assert_eq!(before, fingerprint(Path::new(MODEL)));
    let start = 8 + u64::from_le_bytes(whole[..8].try_into().expect("a length")) as usize;
    let length = whole.len() - start;
    // The ends, and positions that a sample of starts, middles and ends would miss.
    for at in [0, 5000, length / 7, length / 3 + 1, length - 5001, length - 1] {
        let mut bytes = whole.clone();
        bytes[start + at] ^= 1;
        fs::write(&path, &bytes).expect("weights");
        assert_ne!(fingerprint(folder.path()), before, "byte {at} of {length}");
    }
}

#[test]
fn shards_of_the_same_weights_have_the_same_fingerprint() {
    let folder = copy();
    let before = fingerprint(folder.path());
    let bytes = fs::read(folder.path().join(WEIGHTS)).expect("weights");
    let all = SafeTensors::deserialize(&bytes).expect("tensors");
    let mut names: Vec<&str> = all.names().into_iter().collect();
    names.sort_unstable_by_key(|name| (name.len(), *name));
    let mut map = serde_json::Map::new();
    for (index, part) in names.chunks(names.len().div_ceil(3)).enumerate() {
        let shard = format!("model-{index}.safetensors");
        let views = part.iter().map(|name| (*name, all.tensor(name).expect("a tensor")));
        let written = safetensors::serialize(views, None).expect("a shard");
        fs::write(folder.path().join(&shard), written).expect("a shard");
        part.iter().for_each(|name| {
            map.insert((*name).to_owned(), shard.clone().into());
        });
    }
    fs::remove_file(folder.path().join(WEIGHTS)).expect("one file less");
    let index = serde_json::json!({ "weight_map": map }).to_string();
    fs::write(folder.path().join("model.safetensors.index.json"), index).expect("an index");
    assert_eq!(fingerprint(folder.path()), before);
}

/// Writes the weights in another type, with `value` at index `at` of a tensor.
fn write(folder: &Path, dtype: Dtype, name: &str, at: usize, value: f32) {
    let bytes = fs::read(Path::new(MODEL).join(WEIGHTS)).expect("weights");
    let all = SafeTensors::deserialize(&bytes).expect("tensors");
    let stored: Vec<(String, Vec<usize>, Vec<u8>)> = all
        .tensors()
        .into_iter()
        .map(|(own, view)| {
            let mut numbers: Vec<f32> =
                view.data().chunks_exact(2).map(|it| f16::from_le_bytes([it[0], it[1]]).to_f32()).collect();
            if own == name {
                numbers[at] = value;
            }
            let bytes: Vec<u8> = match dtype {
                Dtype::F16 => numbers.iter().flat_map(|it| f16::from_f32(*it).to_le_bytes()).collect(),
                Dtype::BF16 => numbers.iter().flat_map(|it| bf16::from_f32(*it).to_le_bytes()).collect(),
                _ => numbers.iter().flat_map(|it| it.to_le_bytes()).collect(),
            };
            (own, view.shape().to_vec(), bytes)
        })
        .collect();
    let views = stored.iter().map(|(name, shape, bytes)| {
        (name.clone(), TensorView::new(dtype, shape.clone(), bytes).expect("a tensor"))
    });
    fs::write(folder.join(WEIGHTS), safetensors::serialize(views, None).expect("weights")).expect("weights");
}

#[test]
fn numbers_that_are_not_finite_are_found_in_every_type_and_position() {
    let folder = copy();
    let name = "model.layers.7.mlp.up_proj.weight";
    let last = 256 * 96 - 1;
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        // The largest number of a type is finite.
        let largest = if dtype == Dtype::F16 { 65504.0 } else { 3.38e38 };
        write(folder.path(), dtype, name, last, largest);
        Checkpoint::open(folder.path()).expect("a model").check_finite().expect("all finite");
        for (at, value) in [(0, f32::NAN), (last, f32::INFINITY), (12_345, f32::NEG_INFINITY)] {
            write(folder.path(), dtype, name, at, value);
            let error =
                Checkpoint::open(folder.path()).expect("a model").check_finite().expect_err("refused");
            let ModelError::NotFinite { tensor, index, value: found, .. } = error else {
                panic!("{error}");
            };
            assert_eq!((tensor.as_str(), index), (name, vec![at / 96, at % 96]), "{dtype:?}");
            assert!(found == value || (found.is_nan() && value.is_nan()), "{dtype:?}: {found}");
        }
    }
}
