//! The variations, which make new formulas from old ones, under their names in the literature.

macro_rules! variations {
    ($($variation:ident $name:literal $summary:literal, $source:literal, $full:literal, $dsa:literal;)*) => {
        /// A way to make a new formula from old ones.
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

/// The properties of a variation.
#[derive(Clone, Copy, Debug)]
pub struct VariationInfo {
    /// The variation.
    pub variation: Variation,
    /// Name in the literature.
    pub name: &'static str,
    /// One line that describes it.
    pub summary: &'static str,
    /// Its source in the literature.
    pub source: &'static str,
    /// Relative frequency in the full space.
    pub full: f64,
    /// Relative frequency in the `dsa` space; 0 where it does not apply.
    pub dsa: f64,
}

variations! {
    SubtreeCrossover "subtree crossover" "Replaces a subtree by one of the same type from another formula; nine of ten inserted subtrees are not leaves",
        "Koza 1992; typed, Montana 1995", 4.0, 0.0;
    StageCrossover "stage crossover" "Joins the first stages of one pipeline to the last stages of another",
        "one-point crossover of linear genetic programming, Brameier and Banzhaf 2007", 0.0, 4.0;
    PointMutation "point mutation" "Replaces an operator by one of the same signature, or a leaf by one of the same type",
        "node replacement, McKay et al. 1995", 2.0, 3.0;
    SubtreeMutation "subtree mutation" "Replaces a subtree by a random one of the same type",
        "Koza 1992", 2.0, 0.0;
    HoistMutation "hoist mutation" "Replaces a subtree by one of its own subtrees of the same type",
        "Kinnear 1993", 0.7, 0.0;
    ShrinkMutation "shrink mutation" "Replaces a subtree by a leaf",
        "Angeline 1996", 1.0, 0.0;
    InsertMutation "insert mutation" "Wraps an operator around a subtree, with leaves for its other operands",
        "node insertion, Koza 1992", 3.0, 0.0;
    TermInsertion "term insertion" "Adds a constant times a leaf or a reduction to a node with one value per unit",
        "node insertion, Koza 1992, of the terms that tell units apart", 4.0, 0.0;
    DeleteMutation "delete mutation" "Replaces an operator by one of its operands",
        "node deletion, Koza 1992", 1.5, 0.0;
    ConstantMutation "constant mutation" "Moves a constant or a parameter by a random factor or addend",
        "ephemeral constants, Koza 1992; Gaussian, Schoenauer et al. 1996", 5.0, 0.0;
    ConstantsMutation "multi-constant mutation" "Moves many constants slightly at once, as an evolution strategy does",
        "Rechenberg 1973; of formulas, Alonso et al. 2009", 5.0, 0.0;
    StageInsertion "stage insertion" "Inserts a unary operator into a pipeline",
        "macro mutation of linear genetic programming, Brameier and Banzhaf 2007", 1.0, 2.0;
    StageDeletion "stage deletion" "Removes a unary operator from a pipeline",
        "macro mutation of linear genetic programming, Brameier and Banzhaf 2007", 0.7, 1.5;
    StageSwap "stage swap" "Swaps two neighbouring stages of a pipeline",
        "permutation, Koza 1992", 0.3, 0.7;
    AllocatorMutation "allocator mutation" "Passes the importance to another allocator",
        "a gene of this representation", 0.7, 0.0;
    WindowMutation "window mutation" "Moves the allocator's parameter: lambda, epsilon or beta",
        "a gene of this representation", 3.0, 2.0;
    DirectionMutation "direction mutation" "Negates the importance",
        "a gene of this representation", 0.3, 0.7;
    UnitMutation "unit mutation" "Changes the allocation unit to the space's next one",
        "a gene of this representation", 0.5, 0.7;
}

impl Variation {
    /// Returns the properties of the variation.
    pub fn info(self) -> &'static VariationInfo {
        &VARIATIONS[self as usize]
    }
}
