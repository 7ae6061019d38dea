//! The value of the corresponding unit in the previous or the next block.

use allot::data::ModelData;
use allot::lang::types::UnitKind;
use proptest::prelude::*;

use crate::support::models::{Stored, evaluate_one, model};

fn values(text: &str, model: &ModelData<'_>, unit: UnitKind) -> Vec<f64> {
    evaluate_one(text, model, unit).unwrap_or_else(|error| panic!("{text}: {error}")).values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn projections_see_their_kind_in_the_next_block(blocks in 1usize..6, kinds in 1usize..10, seed in any::<u64>()) {
        // With more than seven kinds, two projections have the same kind and are distinguished by their places.
        let model = model(blocks, &vec![(3, 4); kinds], Stored::F32, seed);
        for unit in [UnitKind::Projection, UnitKind::Row] {
            let own = values("mean(weight)", &model, unit);
            let before = values("previous(mean(weight))", &model, unit);
            let after = values("next(mean(weight))", &model, unit);
            for block in 0..blocks {
                for kind in 0..kinds {
                    let place = |block: usize| block * kinds + kind;
                    prop_assert_eq!(before[place(block)], own[place(block.saturating_sub(1))]);
                    prop_assert_eq!(after[place(block)], own[place((block + 1).min(blocks - 1))]);
                }
            }
        }
    }

    #[test]
    fn in_blocks_the_change_is_the_distance_from_the_block_before(blocks in 1usize..7, seed in any::<u64>()) {
        let model = model(blocks, &[(3, 4), (5, 2)], Stored::F32, seed);
        let (change, distance) = ("diff(mean(weight))", "mean(weight) - previous(mean(weight))");
        prop_assert_eq!(
            values(change, &model, UnitKind::Block),
            values(distance, &model, UnitKind::Block)
        );
        let there_and_back = values("previous(next(mean(weight)))", &model, UnitKind::Block);
        let own = values("mean(weight)", &model, UnitKind::Block);
        prop_assert_eq!(&there_and_back[1..], &own[1..]);
    }
}

#[test]
fn a_projection_without_a_counterpart_keeps_its_own_value() {
    let mut model = model(3, &[(3, 4), (5, 2)], Stored::F32, 7);
    let whole = values("mean(weight)", &model, UnitKind::Projection);
    // The second block loses its second kind.
    model.linears.remove(3);
    let before = values("previous(mean(weight))", &model, UnitKind::Projection);
    assert_eq!(before, [whole[0], whole[1], whole[0], whole[2], whole[5]]);
    let after = values("next(mean(weight))", &model, UnitKind::Projection);
    assert_eq!(after, [whole[2], whole[1], whole[4], whole[4], whole[5]]);
}
