//! Reports of a search: text, Markdown, and one page that needs no network.

use std::time::Duration;

use crate::support::markup::balance;
use allot::baselines::program::Baseline;
use allot::lang::published;
use allot::model::Identity;
use allot::prune::{Method, Pattern};
use allot::report::TableOptions;
use allot::report::search::{figures, front, html, judged, markdown, script, text};
use allot::search::searcher::Searcher;
use allot::search::settings::Settings;
use allot::search::space::SpaceOptions;
use allot::search::summary::{
    ControlComparison, Formula, PartLeftOut, RunSummary, Summary, TargetSummary, Winner,
};
use allot::search::teacher::TeacherDistance;
use allot::stats::Source;
use allot::trial::loss::{Damage, Measure};
use allot::trial::ranking::Ranking;
use allot::trial::ratios::RealisedRatios;
use allot::trial::settings::{TextSettings, TrialSettings};
use allot::trial::spent::{Judged, Point, Spent};
use allot::trial::target::Target;

const METRIC: &str = "metric(per = row) abs(weight) * input_norm\n";

fn winner(name: &str, script: &str, size: usize, loss: f64) -> Winner {
    let formula = Formula {
        script: format!("{METRIC}{script}\n"),
        latex: String::new(),
        size,
        hash: "5981559d989b17c4".to_owned(),
        found: None,
    };
    Winner {
        name: name.into(),
        formula: (size > 0).then_some(formula),
        fitness: loss,
        selection: Some(1.01 * loss),
        report: vec![Damage { kl: 0.98 * loss, perplexity: 17.0 * loss.exp() }],
        unsearched: Vec::new(),
        tasks: Vec::new(),
    }
}

/// Returns commands as a search prints them.
fn commands() -> Vec<String> {
    [
        "allot eval MODEL best.allot --sparsity 0.7 --text c.jsonl",
        "allot prune 'my <model>' best.allot --out pruned",
        "allot search --resume .",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Returns a run of ten candidates that improves in steps; every third is stopped early, and one is off the
/// scale.
fn run(searcher: Searcher, seed: u64, best: Winner) -> RunSummary {
    let loss = |evaluation: usize| match evaluation {
        4 => 9.0 + seed as f64,
        _ => best.fitness * (1.0 + 0.3 / evaluation as f64 + 0.01 * (evaluation * 7 % 4) as f64),
    };
    let points =
        (1..=10).map(|evaluation| Point { evaluation, loss: loss(evaluation), full: evaluation % 3 != 0 });
    let spent = Spent {
        proposals: 1250,
        known_formulas: 140,
        invalid: 11,
        known_behaviours: 99,
        evaluations: 1000,
        full_evaluations: 7,
        tokens: 1_234_567,
        judged: Judged::default(),
        screened: 0,
    };
    RunSummary { searcher, seed, spent, points: points.collect(), best }
}

fn ratios(name: &str, blocks: [f64; 3], spread: f64) -> RealisedRatios {
    let kinds = [("self_attn.q_proj", -1.0), ("self_attn.v_proj", -0.5), ("mlp.down_proj", 1.0)];
    let projections = blocks.iter().enumerate().flat_map(|(block, share)| {
        kinds.map(|(kind, side)| (format!("model.layers.{block}.{kind}"), share + side * spread))
    });
    RealisedRatios { name: name.to_owned(), blocks: blocks.to_vec(), projections: projections.collect() }
}

/// Returns two seeds of a search with three controls, on a model of three blocks.
fn summary() -> Summary {
    let short = "unit projection\nminmax(std(score)) - depth |> scale(lambda = 0.15)";
    let long = "unit projection\nminmax(var(sqrt(score))) - 0.45999999999999996 * depth + 0.1 * value |> scale(lambda = 0.12)";
    let mut best = winner("discovered", long, 13, 0.72);
    if let Some(formula) = &mut best.formula {
        let found = long.replace("sqrt(score)", "sqrt(relu(score))");
        formula.found = Some(format!("{METRIC}{found}\n"));
    }
    Summary {
        version: "0.1.0".to_owned(),
        method: "wanda".to_owned(),
        measure: Measure::Kl,
        settings: vec![TargetSummary {
            model: "tiny".to_owned(),
            target: 0.7,
            dense_perplexity: 17.0,
            uniform_loss: 1.1,
            dense_tasks: Vec::new(),
        }],
        unsearched: Vec::new(),
        runs: vec![
            run(Searcher::Evolution, 0, best.clone()),
            run(Searcher::Evolution, 1, winner("evolution", short, 6, 0.75)),
            run(Searcher::Random, 0, winner("random formulas", short, 6, 0.85)),
            run(Searcher::Random, 1, winner("random formulas", "softmax(depth) |> scale", 3, 0.9)),
            run(
                Searcher::Baseline(Baseline::Ramp),
                0,
                winner("depth ramp, best slope", "ramp(beta = 0.02)", 1, 0.9),
            ),
            run(
                Searcher::Baseline(Baseline::EvopressProjection),
                0,
                winner("EvoPress-style, per projection", "", 0, 0.8),
            ),
        ],
        best: best.clone(),
        front: vec![winner("atp", "ramp(beta = 0.01)", 1, 0.92), winner("discovered", short, 6, 0.75), best],
        published: vec![
            winner("atp", "ramp(beta = 0.01)", 1, 0.92),
            winner("uniform", "uniform()", 1, 1.1),
            winner("owl", "mean(score > 5 * mean(score)) |> scale(lambda = 0.08)", 8, 1.2),
            winner("dlp", "-median(score) |> scale(lambda = 0.15)", 4, 3.0),
        ],
        ratios: vec![
            ratios("discovered", [0.55, 0.75, 0.8], 0.05),
            ratios("owl", [0.73, 0.65, 0.72], 0.0),
            ratios("uniform", [0.7, 0.7, 0.7], 0.0),
        ],
        comparisons: vec![
            ControlComparison {
                control: Searcher::Random,
                setting: 0,
                difference: -0.0523,
                interval: (-0.061, -0.0431),
                p_value: 0.00031,
            },
            ControlComparison {
                control: Searcher::Baseline(Baseline::Ramp),
                setting: 0,
                difference: 0.01,
                interval: (-0.02, 0.04),
                p_value: 3e-9,
            },
        ],
        leaving_out: [
            ("minmax(var(sqrt(score))) - 0.45999999999999996 * depth", "0.1 * value", 0.9),
            ("0.1 * value", "minmax(var(sqrt(score))) - 0.45999999999999996 * depth", 0.7399),
            ("sqrt", "minmax(var(score)) - 0.45999999999999996 * depth + 0.1 * value", f64::NAN),
        ]
        .map(|(part, rest, loss)| PartLeftOut { part: part.to_owned(), rest: rest.to_owned(), loss })
        .into(),
        teachers: Vec::new(),
    }
}

/// Returns the search with a second setting, with losses as shares of uniform's.
fn two_settings() -> Summary {
    let mut summary = summary();
    let second = TargetSummary { model: "other".to_owned(), target: 0.6, ..summary.settings[0].clone() };
    summary.settings.push(second);
    let relative = |winner: &mut Winner| {
        winner.fitness = (winner.fitness / 1.1).ln();
        winner.selection = winner.selection.map(|loss| (loss / 1.1).ln());
        let first = winner.report[0].clone();
        winner.report.push(Damage { kl: 0.5 * first.kl, perplexity: 0.8 * first.perplexity });
    };
    for run in &mut summary.runs {
        relative(&mut run.best);
        run.points.iter_mut().for_each(|point| point.loss = (point.loss / 1.1).ln());
    }
    relative(&mut summary.best);
    summary.leaving_out.iter_mut().for_each(|it| it.loss = (it.loss / 1.1).ln());
    summary.front.iter_mut().for_each(relative);
    summary.published.iter_mut().for_each(relative);
    summary
}

/// Returns the search at 70 and 50 %, reported at 60 % too, where one control has no ratios and a published
/// allocation does better.
fn budgets() -> Summary {
    let mut summary = two_settings();
    let main = summary.settings[0].clone();
    summary.settings[1] = TargetSummary { target: 0.5, ..main };
    summary.unsearched = vec![0.6];
    let published = summary.published.iter_mut();
    let runs = summary.runs.iter_mut().map(|run| &mut run.best);
    for winner in published.chain(runs).chain([&mut summary.best]) {
        let [at_70, at_50] = &winner.report[..] else { panic!("two settings") };
        let kl = (at_70.kl * at_50.kl).sqrt();
        winner.unsearched =
            vec![winner.formula.is_some().then_some(Damage { kl, perplexity: 20.0 * kl.exp() })];
    }
    summary.published[0].unsearched = vec![Some(Damage { kl: 0.3, perplexity: 21.0 })];
    let at_50 = summary.comparisons.iter().map(|it| ControlComparison { setting: 1, ..it.clone() });
    let mut comparisons: Vec<ControlComparison> = at_50.chain(summary.comparisons.iter().cloned()).collect();
    comparisons.sort_by_key(|it| (it.control, it.setting));
    summary.comparisons = comparisons;
    summary
}

/// Returns the search without selection and report texts, with perplexity as measure, one seed and no
/// control.
fn bare() -> Summary {
    let mut summary = summary();
    let forget = |winner: &mut Winner| {
        winner.selection = None;
        winner.report.clear();
    };
    summary.measure = Measure::Perplexity;
    summary.settings[0].dense_perplexity = f64::NAN;
    summary.runs.truncate(1);
    summary.comparisons.clear();
    summary.runs.iter_mut().for_each(|run| forget(&mut run.best));
    forget(&mut summary.best);
    summary.front.iter_mut().for_each(forget);
    summary.published.iter_mut().for_each(forget);
    summary
}

/// Returns the search with one teacher and one held-out teacher, whose name contains HTML.
fn taught() -> Summary {
    let mut summary = summary();
    let distance = |teacher: &str, held_out, distance| TeacherDistance {
        teacher: teacher.to_owned(),
        target: 0,
        sparsity: 0.7,
        held_out,
        steep: !held_out,
        distance,
    };
    summary.teachers = vec![distance("/found", false, 0.2345), distance("/<other>", true, 0.3)];
    let judged = Judged { formulas: 4321, reductions: 12, time: Duration::from_secs(4) };
    summary.runs.iter_mut().for_each(|run| run.spent.judged = judged.clone());
    summary
}

/// Returns the inputs of a search, with a name that contains HTML.
fn identity() -> Identity {
    let mut identity = Identity::default();
    identity.add("the fingerprint of the weights of <m>", "xxh3-12");
    identity.add("`bos_token_id` in config.json of <m>", "0");
    identity.add("the report text", "c5e9");
    identity
}

/// Returns the part of a page between two texts, including both.
fn part<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let start = page.find(from).unwrap_or_else(|| panic!("the page has no {from}"));
    let length = page[start..].find(to).unwrap_or_else(|| panic!("the page has no {to} after {from}"));
    &page[start..start + length + to.len()]
}

#[test]
fn text_of_a_search_with_controls() {
    insta::assert_snapshot!(text(&summary(), &TableOptions { width: 100, ..TableOptions::default() }));
}

/// Returns the settings of a search without any measurement.
fn settings() -> Settings {
    let text = |name: &str| Source::Text(vec![name.into()]);
    let metric = published::script("wanda").and_then(|it| it.metric).expect("a metric");
    let trial = TrialSettings {
        models: vec!["model".into()],
        targets: vec![Target { subject: 0, sparsity: 0.7 }],
        ranking: Ranking { method: Method::Wanda, metric },
        pattern: Pattern::Unstructured,
        measure: Measure::Kl,
        texts: TextSettings::of(text("calibration.jsonl"), text("fitness.jsonl")),
        tasks: None,
    };
    Settings::new(trial, SpaceOptions::default())
}

#[test]
fn teachers_stand_in_the_text_on_the_page_and_in_the_script() {
    assert_eq!(judged(&summary()), None);
    let summary = taught();
    let text = text(&summary, &TableOptions { width: 100, ..TableOptions::default() });
    insta::assert_snapshot!(part(&text, "Distance from the teachers", "Budget spent"));
    let page = html(&summary, &identity(), &commands());
    let listed = part(&page, "<h2 id=\"teachers\">", "</ul>");
    assert!(listed.contains("&lt;other&gt; at 70%") && listed.contains("0.300"), "{listed}");
    let script = script::file(&summary, &settings(), 8, &summary.best).expect("a formula");
    assert!(script.contains("# Teachers: /found.\n"), "{script}");
    // Each run judged 4321 formulas in four seconds.
    let runs = summary.runs.len();
    let said = judged(&summary).expect("formulas were judged");
    assert!(said.contains(&format!("in {}.0 seconds, 1080 a second", 4 * runs)), "{said}");
    assert!(said.contains("3.0 a second"), "{said}");
}

#[test]
fn text_for_a_narrow_terminal_is_cut_to_its_width() {
    let options = TableOptions { width: 72, ascii: true, ..TableOptions::default() };
    let narrow = text(&summary(), &options);
    assert!(narrow.is_ascii(), "{narrow}");
    // The script is shown as written, indented by four spaces.
    for line in narrow.lines().filter(|line| !line.starts_with("    ")) {
        assert!(line.len() <= 72, "{} characters: {line}", line.len());
    }
    insta::assert_snapshot!(narrow);
}

#[test]
fn text_of_a_search_over_two_settings() {
    insta::assert_snapshot!(text(&two_settings(), &TableOptions::default()));
}

#[test]
fn a_search_for_several_sparsities_shows_each() {
    let summary = budgets();
    insta::assert_snapshot!(text(&summary, &TableOptions { width: 100, ..TableOptions::default() }));
    let page = html(&summary, &identity(), &commands());
    balance(&page).unwrap_or_else(|problem| panic!("{problem}"));
    let table = part(&page, "<h2 id=\"table\">", "</section>");
    assert!(table.contains("60%†") && table.contains("tiny at 60%, not searched"), "{table}");
    let script = script::file(&summary, &settings(), 8, &summary.best).expect("a formula");
    insta::assert_snapshot!(script);
    insta::assert_snapshot!(markdown(&summary));
}

#[test]
fn text_of_a_search_without_a_report_text() {
    insta::assert_snapshot!(text(&bare(), &TableOptions::default()));
}

#[test]
fn the_front_alone() {
    let options = TableOptions { width: 60, ..TableOptions::default() };
    let front = front(&summary(), &options);
    let lines = front.lines().skip(1);
    assert!(lines.clone().all(|line| line.chars().count() <= 60), "{front}");
    assert_eq!(lines.count(), 2 + 3, "a head and a line for each formula: {front}");
}

#[test]
fn the_table_in_markdown() {
    insta::assert_snapshot!(markdown(&summary()));
}

#[test]
fn a_mean_over_seeds_comes_with_its_spread_and_a_single_seed_with_none() {
    let many = markdown(&summary());
    // The losses on the report text are 0.98 of 0.72 and 0.75; their mean and standard deviation with n - 1.
    assert!(many.contains("| discovered (2 seeds) | 6–13 | 0.7203 ± 0.0208 |"), "{many}");
    let mut one = summary();
    one.runs.retain(|run| run.seed == 0);
    assert!(!markdown(&one).contains('±'), "{}", markdown(&one));
}

#[test]
fn parts_of_the_page() {
    let page = html(&summary(), &identity(), &commands());
    insta::assert_snapshot!("page_head", part(&page, "<header>", "</header>"));
    insta::assert_snapshot!("page_curve", part(&page, "<h2 id=\"curve\">", "</section>"));
    insta::assert_snapshot!("page_table", part(&page, "<h2 id=\"table\">", "</section>"));
    insta::assert_snapshot!("page_ratios", part(&page, "<h2 id=\"ratios\">", "</section>"));
    insta::assert_snapshot!("page_map", part(&page, "<h3>The discovered allocation", "</section>"));
    insta::assert_snapshot!("page_front", part(&page, "<h2 id=\"front\">", "</section>"));
    insta::assert_snapshot!("page_end", part(&page, "<h2 id=\"spent\">", "</html>"));
}

#[test]
fn pages_are_well_formed_and_fetch_nothing() {
    let mut empty = bare();
    empty.runs.clear();
    empty.front.clear();
    empty.published.clear();
    empty.ratios.clear();
    let mut broken = summary();
    broken.runs[0].points.iter_mut().for_each(|point| point.loss = f64::INFINITY);
    broken.runs[1].points[0].loss = f64::NAN;
    broken.runs[2].points[0].loss = 0.0;
    broken.ratios[0].projections[0].0 = "a name without a block".to_owned();
    broken.ratios[1].blocks[0] = f64::NAN;
    let mut still = summary();
    still.runs.iter_mut().flat_map(|run| &mut run.points).for_each(|point| point.loss = 0.5);
    for (name, summary) in [
        ("whole", summary()),
        ("two settings", two_settings()),
        ("bare", bare()),
        ("empty", empty),
        ("broken", broken),
        ("all the same", still),
    ] {
        let page = html(&summary, &identity(), &commands());
        balance(&page).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        for fetched in
            ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe", "<object"]
        {
            assert!(!page.contains(fetched), "{name}: the page has {fetched}");
        }
        for number in ["NaN", "inf\"", "infinity"] {
            assert!(!page.contains(number), "{name}: the page has {number}");
        }
        // The text form must not fail on any of them either.
        assert!(text(&summary, &TableOptions::default()).ends_with('\n'), "{name}");
    }
}

#[test]
fn pages_list_their_inputs() {
    let page = html(&summary(), &identity(), &commands());
    let made = part(&page, "<h2 id=\"made-from\">", "</section>");
    assert!(
        made.contains("<dt>the fingerprint of the weights of &lt;m&gt;</dt><dd><code>xxh3-12</code>"),
        "{made}"
    );
    assert!(made.contains("<dt>the report text</dt>") && made.contains("<dd>1, in the run"), "{made}");
    assert!(!made.contains("bos_token_id"), "{made}");
}

#[test]
fn figures_stand_alone() {
    let figures = figures(&summary());
    let names: Vec<&str> = figures.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["curve.svg", "ratios.svg", "front.svg"]);
    for (name, svg) in &figures {
        balance(svg).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{name}");
        assert!(!svg.contains("var(--") && !svg.contains("@media"), "{name} needs a browser");
    }
    let mut nothing = summary();
    nothing.front.clear();
    nothing.ratios.clear();
    nothing.runs.clear();
    assert!(allot::report::search::figures(&nothing).is_empty());
}

#[test]
fn a_published_function_that_does_better_is_named() {
    let mut summary = summary();
    let said = |summary: &Summary| text(summary, &TableOptions { width: 200, ..TableOptions::default() });
    for winner in &mut summary.published {
        winner.report[0].kl = summary.best.report[0].kl + 0.1;
    }
    assert!(!said(&summary).contains("does better"), "{}", said(&summary));
    summary.published[0].report[0].kl = 0.01;
    let name = summary.published[0].name.to_string();
    assert!(
        said(&summary)
            .contains(&format!("the published `{name}` does better than the function found: KL 0.0100"))
    );
    assert!(html(&summary, &identity(), &commands()).contains("does better than the function found"));
    for winner in &mut summary.published {
        winner.report[0].kl = 0.01;
    }
    assert!(said(&summary).contains("Uniform sparsity does better, too."), "{}", said(&summary));
}

#[test]
fn ids_of_a_page_are_unique() {
    let page = html(&summary(), &identity(), &commands());
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "two elements have one id");
    for label in page.split("aria-labelledby=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        for id in label.split(' ') {
            assert!(ids.contains(&id), "nothing has the id {id}");
        }
    }
}

#[test]
fn names_and_scripts_cannot_break_out_of_the_page() {
    let hostile = "<img alt='x'>&\"</style>";
    let mut summary = summary();
    summary.settings[0].model = hostile.to_owned();
    summary.method = hostile.to_owned();
    summary.version = hostile.to_owned();
    summary.ratios[0].name = hostile.to_owned();
    summary.ratios[0].projections[0].0 = format!("model.layers.0.{hostile}");
    for winner in summary.front.iter_mut().chain(&mut summary.published).chain([&mut summary.best]) {
        winner.name = hostile.into();
        if let Some(formula) = &mut winner.formula {
            formula.script = hostile.to_owned();
        }
    }
    let page = html(&summary, &identity(), &commands());
    balance(&page).unwrap_or_else(|problem| panic!("{problem}"));
    assert!(!page.contains("<img"), "a name became an element");
    assert_eq!(page.matches("</style>").count(), 1, "a name ended the style sheet");
}

#[test]
fn contrast_is_enough_in_light_and_dark() {
    let page = html(&bare(), &identity(), &[]);
    let style = part(&page, "<style>", "</style>");
    let (light, dark) = style.split_once("prefers-color-scheme: dark").expect("the page has a dark form");
    for scheme in [light, dark] {
        let colour = |name: &str| {
            let rest =
                scheme.split(&format!("--{name}: #")).nth(1).unwrap_or_else(|| panic!("no colour {name}"));
            u32::from_str_radix(&rest[..6], 16).expect("a colour has six digits")
        };
        let against = |name: &str, ground: &str| contrast(colour(name), colour(ground));
        for ground in ["page", "raised", "marked"] {
            for ink in ["ink", "soft"] {
                assert!(against(ink, ground) >= 4.5, "{ink} on {ground}: {:.2}", against(ink, ground));
            }
        }
        for mark in ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "keeps", "loses", "frame"] {
            assert!(against(mark, "page") >= 3.0, "{mark} on the page: {:.2}", against(mark, "page"));
        }
    }
}

/// Returns the contrast ratio of two colours as defined by WCAG 2.
fn contrast(a: u32, b: u32) -> f64 {
    let luminance = |colour: u32| {
        let part = |shift: u32| {
            let share = f64::from(colour >> shift & 255) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}
