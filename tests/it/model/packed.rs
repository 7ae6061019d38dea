//! Sequences cut into pieces give the same bits as whole ones, whatever else is in the pass.

use std::path::PathBuf;

use allot::model::{After, Checkpoint, Decoder, Packed, Piece};
use candle_core::Device;

use crate::support::data::{bundled, reference};
use crate::support::models::Numbers;

/// Returns folders of models: the bundled one, and every family if the reference is available.
fn folders() -> Vec<PathBuf> {
    let mut folders = vec![bundled()];
    if let Some(families) = reference("families") {
        let names = ["llama", "llama3", "mistral", "qwen2", "qwen3", "opt", "gemma2", "phi3", "llava"];
        folders.extend(names.map(|family| families.join(family)));
    }
    folders
}

/// Returns the bits of the hidden states of `count` tokens of a pass, starting at `from`.
fn bits(packed: &Packed, from: usize, count: usize) -> Vec<u32> {
    let rows = packed.hidden.narrow(0, from, count).unwrap().flatten_all().unwrap();
    rows.to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

/// Returns a pass over a single sequence.
fn whole(decoder: &Decoder, ids: &[u32]) -> Packed {
    decoder.packed(&[Piece { after: After::Nothing, ids }], &[]).unwrap()
}

#[test]
fn pieces_and_kept_keys_give_the_bits_of_whole_sequences() {
    for folder in folders() {
        let checkpoint = Checkpoint::open(&folder).unwrap();
        let decoder = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
        let mut numbers = Numbers(7);
        let vocabulary = checkpoint.config().vocabulary.min(150);
        let length = checkpoint.config().positions.min(90);
        let ids: Vec<u32> = (0..length).map(|_| numbers.below(vocabulary) as u32).collect();
        let other: Vec<u32> = ids.iter().rev().copied().collect();
        let alone = whole(&decoder, &ids);
        let width = checkpoint.config().hidden;
        for cut in [1, 2, 3, 8, 9, length / 2, length - 1] {
            let first = decoder.packed(&[Piece { after: After::Nothing, ids: &ids[..cut] }], &[0]).unwrap();
            assert_eq!(bits(&first, 0, cut), bits(&alone, 0, cut), "{} cut at {cut}", folder.display());
            assert_eq!(first.kept[0].length(), cut);
            let middle = cut + (length - cut).div_ceil(2);
            let pieces = [
                Piece { after: After::Nothing, ids: &other },
                Piece { after: After::Kept(&first.kept[0]), ids: &ids[cut..middle] },
                Piece { after: After::Piece(1), ids: &other[middle..] },
                Piece { after: After::Piece(1), ids: &ids[middle..] },
            ];
            let pieces = &pieces[..if middle == length { 2 } else { 4 }];
            let pass = decoder.packed(pieces, &[]).unwrap();
            let say = format!("{} cut at {cut} and {middle}", folder.display());
            assert_eq!(bits(&pass, 0, length), bits(&whole(&decoder, &other), 0, length), "{say}");
            let at = length;
            assert_eq!(bits(&pass, at, middle - cut), bits(&alone, cut, middle - cut), "{say}");
            let at = at + (middle - cut) + (length - middle);
            assert_eq!(bits(&pass, at, length - middle), bits(&alone, middle, length - middle), "{say}");
        }
        // A whole sequence also gives the same as every other command computes.
        let plain = decoder.hidden(&ids, length).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let same =
            alone.hidden.narrow(0, 0, length).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(plain.len(), length * width);
        let scale = plain.iter().fold(0f32, |most, it| most.max(it.abs()));
        let apart = plain.iter().zip(&same).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(apart <= 1e-5 * scale, "{}: {apart:e}", folder.display());
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let folder = folders().remove(0);
    let checkpoint = Checkpoint::open(&folder).unwrap();
    let decoder = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
    let ids: Vec<u32> = (0..200).map(|it| it * 7 % 1500).collect();
    let bits = [1, 2, 5].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| bits(&whole(&decoder, &ids), 0, ids.len()))
    });
    assert_eq!(bits[0], bits[1]);
    assert_eq!(bits[0], bits[2]);
}

#[test]
fn a_piece_after_itself_is_refused() {
    let checkpoint = Checkpoint::open(&folders()[0]).unwrap();
    let decoder = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
    let error = decoder.packed(&[Piece { after: After::Piece(0), ids: &[1, 2] }], &[]).unwrap_err();
    assert!(error.to_string().contains("piece 0 follows piece 0"), "{error}");
}
