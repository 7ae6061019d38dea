//! How operators are written, and how tightly they bind.

/// How an operator is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// `name(x)`.
    Call,
    /// `name` alone: a terminal.
    Name,
    /// A symbol before its operand.
    Prefix(&'static str),
    /// A symbol between its operands; the higher the precedence, the tighter it binds.
    Infix {
        /// The symbol.
        symbol: &'static str,
        /// How tightly it binds.
        precedence: u8,
    },
}

/// The precedence of comparisons, which do not chain.
pub const COMPARISON: u8 = 1;
/// The precedence of `+` and `-`.
pub const SUM: u8 = 2;
/// The precedence of `*` and `/`.
pub const PRODUCT: u8 = 3;
/// The precedence of the prefix `-`.
pub const NEGATION: u8 = 4;
/// The precedence of `^`, which binds to the right.
pub const POWER: u8 = 5;

/// Returns how tightly the operands to the left and right of an infix operator must bind to go without parentheses.
pub const fn sides(precedence: u8) -> (u8, u8) {
    match precedence {
        COMPARISON => (precedence + 1, precedence + 1),
        POWER => (precedence + 1, precedence),
        _ => (precedence, precedence + 1),
    }
}
