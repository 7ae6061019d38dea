//! `allot pdf`: figures for a paper.

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use crate::support::place::{MODEL, Place};

/// Returns what a command said, or nothing where the machine has no fonts to write a figure's text with.
fn said(output: &Output) -> Option<String> {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if error.contains("this machine has no fonts") {
        eprintln!("skipped: this machine has no fonts");
        return None;
    }
    Some(error)
}

#[test]
fn a_figure_becomes_a_page_beside_it_or_in_a_folder() {
    let place = Place::new();
    place.run(place.allot(&["eval", "owl", "--model", MODEL, "-s", "0.7", "--figure", "owl.svg", "--quiet"]));
    let output = place.allot(&["pdf", "owl.svg"]).output().expect("the binary runs");
    let Some(error) = said(&output) else { return };
    assert_eq!((output.status.code(), error.as_str()), (Some(0), "wrote owl.pdf\n"));
    let beside = fs::read(place.path("owl.pdf")).expect("a page");
    assert!(beside.starts_with(b"%PDF-"));
    let again = place.allot(&["pdf", "owl.svg"]).output().expect("the binary runs");
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
    place.run(place.allot(&["pdf", "owl.svg", "--out", "paper/figures"]));
    assert_eq!(fs::read(place.path("paper/figures/owl.pdf")).expect("a page"), beside);
    let mut piped = place.allot(&["pdf", "-"]);
    let mut child = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary runs");
    let figure = fs::read(place.path("owl.svg")).expect("a figure");
    child.stdin.take().expect("a pipe").write_all(&figure).expect("written");
    assert_eq!(child.wait_with_output().expect("it ends").stdout, beside);
}

/// No page is written where one of the figures is not a figure.
#[test]
fn what_is_no_figure_is_refused_before_a_page_is_written() {
    let place = Place::new();
    let figure =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"4\"><path d=\"M0 2h9\"/></svg>";
    fs::write(place.path("good.svg"), figure).expect("written");
    fs::write(place.path("bad.svg"), "mean(score) |> scale").expect("written");
    let output = place.allot(&["pdf", "good.svg", "bad.svg"]).output().expect("the binary runs");
    let Some(error) = said(&output) else { return };
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("bad.svg does not become PDF"), "{error}");
    assert!(!place.path("good.pdf").exists());
}
