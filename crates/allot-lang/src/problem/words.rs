//! Problems in words: what is wrong, where, and what to do.

mod arguments;
mod hole;
mod names;
mod phrases;
mod statements;
mod syntax;
mod text;
mod types;

use phrases::shortened;

use super::Problem;
use crate::diagnostic::Diagnostic;

impl Problem {
    /// Puts the problem into words.
    pub fn diagnostic(&self) -> Diagnostic {
        let mut diagnostic = self.words();
        let labels = diagnostic.labels.iter_mut().map(|label| &mut label.text);
        for text in std::iter::once(&mut diagnostic.message).chain(labels).chain(&mut diagnostic.help) {
            *text = shortened(text);
        }
        diagnostic.edit = self.edit();
        diagnostic
    }

    fn words(&self) -> Diagnostic {
        match self {
            Self::TooLong { .. } => text::too_long(),
            Self::NotText { at } => text::not_text(*at),
            Self::TooDeep { span } => text::too_deep(*span),
            Self::TooLarge { span } => text::too_large(*span),
            Self::Syntax { span, found, expected, help } => {
                syntax::syntax(*span, found, expected, help.as_deref())
            }
            Self::UnknownCharacter { character, span } => syntax::unknown_character(*character, *span),
            Self::UnknownLetter { name, span } => syntax::unknown_letter(name, *span),
            Self::NotANumber { text, span } => syntax::not_a_number(text, *span),
            Self::UnclosedParenthesis { span } => syntax::unclosed_parenthesis(*span),
            Self::UnexpectedParenthesis { span } => syntax::unexpected_parenthesis(*span),
            Self::NumberTooLarge { span } => syntax::number_too_large(*span),
            Self::NotInLanguage { symbol, span } => syntax::not_in_language(symbol, *span),
            Self::ChainedComparison { first, second, .. } => syntax::chained_comparison(*first, *second),
            Self::Empty => statements::empty(),
            Self::NoValue { at, last_binding } => statements::no_value(*at, last_binding),
            Self::ValueNotLast { span, next, sign } => statements::value_not_last(*span, *next, *sign),
            Self::Repeated { what, span, first } => statements::repeated(what, *span, *first),
            Self::UnknownName { name, span, similar, below } => {
                names::unknown_name(name, *span, similar, *below)
            }
            Self::UnknownOperator { name, span, similar } => names::unknown_operator(name, *span, similar),
            Self::OperatorAsValue { op, span } => names::operator_as_value(*op, *span),
            Self::NotCallable { name, span, terminal } => names::not_callable(name, *span, *terminal),
            Self::StageIsValue { name, span } => names::stage_is_value(name, *span),
            Self::MissingOperand { op, operand, span } => arguments::missing_operand(*op, operand, *span),
            Self::TooManyArguments { op, span, piped, given } => {
                arguments::too_many_arguments(*op, *span, *piped, *given)
            }
            Self::MissingParameter { op, parameter, span } => {
                arguments::missing_parameter(*op, parameter, *span)
            }
            Self::UnknownParameter { op, name, span, similar } => {
                arguments::unknown_parameter(*op, name, *span, similar)
            }
            Self::RepeatedParameter { name, span, first } => {
                arguments::repeated_parameter(name, *span, *first)
            }
            Self::NamedOperand { op, name, span } => arguments::named_operand(*op, name, *span),
            Self::PositionalAfterNamed { op, span } => arguments::positional_after_named(*op, *span),
            Self::UnnamedOption { span } => arguments::unnamed_option(*span),
            Self::OutOfDomain { op, parameter, domain, span, found } => {
                arguments::out_of_domain(*op, parameter, *domain, *span, found)
            }
            Self::NotConstant { op, parameter, span, found } => {
                arguments::not_constant(*op, parameter, *span, *found)
            }
            Self::NotFinite { op, parameter, span } => arguments::not_finite(*op, parameter, *span),
            Self::BoundsReversed { op, span } => arguments::bounds_reversed(*op, *span),
            Self::WrongType { op, operand, found, span, name, over } => {
                types::wrong_type(*op, *operand, *found, *span, *name, *over)
            }
            Self::WrongStage { op, found, stage, input, over } => {
                types::wrong_stage(*op, *found, *stage, *input, *over)
            }
            Self::NotAnAllocation { found, span } => types::not_an_allocation(*found, *span),
            Self::AllocationInside { op, span, by, consumer } => {
                types::allocation_inside(*op, *span, *by, *consumer)
            }
            Self::MetricNotMatrix { found, span } => types::metric_not_matrix(*found, *span),
            Self::ScoreInMetric { op, span } => types::score_in_metric(*op, *span),
            Self::UnknownUnit { name, span } => statements::unknown_unit(name, *span),
            Self::NeedsProjection { op, span, unit } => types::needs_projection(*op, *span, *unit),
            Self::NeedsRows { op, span, name, unit } => types::needs_rows(*op, *span, *name, *unit),
            Self::Shadowed { name, span, first } => names::shadowed(name, *span, *first),
            Self::Recursive { name, span, binding } => names::recursive(name, *span, *binding),
            Self::Unused { name, span } => names::unused(name, *span),
            Self::Hole { span, wanted, fits } => hole::hole(*span, *wanted, fits),
            Self::Further { span, listed } => statements::further(*span, *listed),
        }
    }
}
