//! The parser that pest generates from the grammar's file.

#![allow(missing_docs, reason = "the rules are documented in the grammar's file")]

#[derive(pest_derive::Parser)]
#[grammar = "../../../grammar/allot.pest"]
pub struct Grammar;
