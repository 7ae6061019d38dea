//! Checks that a valid script prints, formats and normalises to the same program.

#![no_main]

use allot::lang::check::{CheckOptions, check};
use allot::lang::program::Script;
use allot::lang::types::UnitKind;
use allot::exchange::dsa;
use allot::lang::{canonical, format, latex, print};
use libfuzzer_sys::fuzz_target;

const OPTIONS: CheckOptions = CheckOptions { unit: Some(UnitKind::Projection) };

fn read(source: &str) -> Option<Script> {
    check(source, OPTIONS).script
}

fuzz_target!(|source: &str| {
    let Some(script) = read(source) else { return };
    let printed = print::script(&script);
    assert_eq!(read(&printed).as_ref(), Some(&script), "printing changes the program: {printed}");
    let formatted = format::format(source).expect("what checks parses");
    assert_eq!(read(&formatted).as_ref(), Some(&script), "formatting changes the program: {formatted}");
    let normal = canonical::script(&script);
    assert_eq!(canonical::script(&normal), normal, "the normal form has another: {printed}");
    assert_eq!(canonical::hash(&normal), canonical::hash(&script));
    assert_eq!(read(&print::script(&normal)).as_ref(), Some(&normal));
    let _ = latex::script(&script);
    if let Some(text) = dsa::export(&script) {
        dsa::import(&text).expect("what is exported imports");
    }
});
