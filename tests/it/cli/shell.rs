//! Integration with the shell: completions, manual pages, threads, colours, the environment, a configuration file.
#![cfg(unix)]

use std::fs;

use crate::support::place::{MODEL, Place};

fn stdout(place: &Place, arguments: &[&str]) -> String {
    String::from_utf8(place.run(place.allot(arguments)).stdout).expect("UTF-8")
}

#[test]
fn completions_and_manual_pages_cover_every_command() {
    let place = Place::new();
    let man = place.path("man");
    stdout(&place, &["man", "--out", "man"]);
    let command = allot::cli::command();
    for name in command.get_subcommands().map(|it| it.get_name()).filter(|name| *name != "help") {
        let page = fs::read_to_string(man.join(format!("allot-{name}.1"))).expect("a page");
        assert!(page.contains(".TH") && page.contains("SYNOPSIS"), "{name}");
        for shell in ["bash", "zsh", "fish"] {
            assert!(stdout(&place, &["completions", shell]).contains(name), "{shell} does not know {name}");
        }
    }
    assert!(stdout(&place, &["man"]).contains("allot"));
}

#[test]
fn the_version_describes_the_build() {
    let place = Place::new();
    let said = stdout(&place, &["--version"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], format!("allot {}", env!("CARGO_PKG_VERSION")));
    assert!(lines[1].starts_with("commit: ") && lines[2].starts_with("features: "), "{said}");
}

#[test]
fn threads_do_not_change_results_and_colours_can_be_chosen() {
    let place = Place::new();
    let eval = ["eval", MODEL, "global", "-s", "0.6", "--method", "magnitude"];
    let plain = stdout(&place, &eval);
    assert_eq!(stdout(&place, &[&eval[..], &["--threads", "1"]].concat()), plain);
    assert_eq!(stdout(&place, &[&eval[..], &["--threads", "3"]].concat()), plain);
    assert!(!plain.contains('\u{1b}'));
    assert!(stdout(&place, &[&eval[..], &["--color", "always"]].concat()).contains('\u{1b}'));
    let mut forced = place.allot(&eval);
    forced.env("FORCE_COLOR", "1").env_remove("NO_COLOR");
    assert!(String::from_utf8_lossy(&place.run(forced).stdout).contains('\u{1b}'));
    let mut never = place.allot(&[&eval[..], &["--color", "never"]].concat());
    never.env("FORCE_COLOR", "1");
    assert!(!String::from_utf8_lossy(&place.run(never).stdout).contains('\u{1b}'));
}

#[test]
fn the_command_line_overrides_the_environment_which_overrides_the_file() {
    let place = Place::new();
    fs::create_dir_all(place.path("home/.config/allot")).expect("a folder");
    let file = place.path("home/.config/allot/config.toml");
    let eval = ["eval", MODEL, "uniform", "-s", "0.6"];
    let run = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = place.allot(arguments);
        command.env("HOME", place.path("home")).env_remove("XDG_CONFIG_HOME").env_remove("ALLOT_CONFIG");
        for (name, value) in environment {
            command.env(name, value);
        }
        command.output().expect("it runs")
    };
    fs::write(&file, "color = \"always\"  # even in a pipe\nthreads = 2\n").expect("written");
    assert!(run(&eval, &[]).stdout.contains(&0x1b));
    assert!(!run(&eval, &[("ALLOT_COLOR", "never")]).stdout.contains(&0x1b));
    let always = [&eval[..], &["--color", "always"]].concat();
    assert!(run(&always, &[("ALLOT_COLOR", "never")]).stdout.contains(&0x1b));
    assert!(!run(&eval, &[("ALLOT_CONFIG", "")]).stdout.contains(&0x1b));
    // Settings from the file do not count as given options, so no command refuses them.
    fs::write(&file, "memory = \"1GiB\"\ndevice = \"cpu\"\n").expect("written");
    assert_eq!(run(&["ops"], &[]).status.code(), Some(0));
    assert_eq!(run(&eval, &[]).status.code(), Some(0));
    fs::write(&file, "devise = \"cpu\"\n").expect("written");
    let wrong = run(&eval, &[]);
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said.contains("config.toml:1: there is no key `devise`; the keys are `device`"), "{said}");
}
