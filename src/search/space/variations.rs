//! The variations: what makes a new formula of old ones, each under its name in the literature.

macro_rules! variations {
    ($($variation:ident $name:literal $summary:literal, $source:literal, $full:literal, $dsa:literal;)*) => {
        /// A way to make a new formula of old ones.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Variation {
            $(#[doc = concat!($summary, ".")] $variation,)*
        }

        /// Every variation, in the order in which they are listed.
        pub static VARIATIONS: &[VariationInfo] = &[
            $(VariationInfo {
                variation: Variation::$variation, name: $name, summary: $summary, source: $source, full: $full,
                dsa: $dsa,
            },)*
        ];
    };
}

/// What is to be known of a variation.
#[derive(Clone, Copy, Debug)]
pub struct VariationInfo {
    /// The variation.
    pub variation: Variation,
    /// Its name in the literature.
    pub name: &'static str,
    /// One line that says what it does.
    pub summary: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// How often it is drawn in the full space, beside the others.
    pub full: f64,
    /// How often it is drawn in the `dsa` space; 0 where it does not apply.
    pub dsa: f64,
}

variations! {
    SubtreeCrossover "subtree crossover" "Puts a subtree of another formula in the place of one of the same type; nine of ten are no leaves",
        "Koza 1992; typed, Montana 1995", 4.0, 0.0;
    StageCrossover "stage crossover" "Takes the first stages of one pipeline and the last of another",
        "one-point crossover of linear genetic programming, Brameier and Banzhaf 2007", 0.0, 4.0;
    PointMutation "point mutation" "Puts another operator of the same signature in the place of one, or another leaf of its type",
        "node replacement, McKay et al. 1995", 2.0, 3.0;
    SubtreeMutation "subtree mutation" "Puts a random subtree in the place of one of the same type",
        "Koza 1992", 2.0, 0.0;
    HoistMutation "hoist mutation" "Lifts a subtree into the place of one around it of the same type",
        "Kinnear 1993", 0.7, 0.0;
    ShrinkMutation "shrink mutation" "Puts a leaf in the place of a subtree",
        "Angeline 1996", 1.0, 0.0;
    InsertMutation "insert mutation" "Puts an operator around a subtree, with leaves for its other operands",
        "node insertion, Koza 1992", 3.0, 0.0;
    TermInsertion "term insertion" "Adds a constant times a leaf or a reduction, where a value for each unit stands",
        "node insertion, Koza 1992, of the terms that tell units apart", 4.0, 0.0;
    DeleteMutation "delete mutation" "Puts an operand in the place of its operator",
        "node deletion, Koza 1992", 1.5, 0.0;
    ConstantMutation "constant mutation" "Moves a constant or a parameter by a random factor or addend",
        "ephemeral constants, Koza 1992; Gaussian, Schoenauer et al. 1996", 5.0, 0.0;
    ConstantsMutation "multi-constant mutation" "Moves many constants a little at once, as an evolution strategy does",
        "Rechenberg 1973; of formulas, Alonso et al. 2009", 5.0, 0.0;
    StageInsertion "stage insertion" "Puts an operator of one operand into a pipeline",
        "macro mutation of linear genetic programming, Brameier and Banzhaf 2007", 1.0, 2.0;
    StageDeletion "stage deletion" "Takes an operator of one operand out of a pipeline",
        "macro mutation of linear genetic programming, Brameier and Banzhaf 2007", 0.7, 1.5;
    StageSwap "stage swap" "Swaps two neighbouring stages of a pipeline",
        "permutation, Koza 1992", 0.3, 0.7;
    AllocatorMutation "allocator mutation" "Gives the importance to another allocator",
        "a gene of this representation", 0.7, 0.0;
    WindowMutation "window mutation" "Moves the allocator's parameter: lambda, epsilon or beta",
        "a gene of this representation", 3.0, 2.0;
    DirectionMutation "direction mutation" "Turns the importance round",
        "a gene of this representation", 0.3, 0.7;
    UnitMutation "unit mutation" "Allots to blocks instead of projections, or to projections instead of blocks",
        "a gene of this representation", 0.5, 0.7;
}

impl Variation {
    /// Returns what is to be known of the variation.
    pub fn info(self) -> &'static VariationInfo {
        &VARIATIONS[self as usize]
    }
}
