//! Code that several tests share.

pub mod allocation;
pub mod book;
pub mod calibrated;
pub mod data;
pub mod folders;
pub mod markup;
pub mod models;
pub mod place;
pub mod programs;
pub mod reference;
pub mod schema;
pub mod source;
