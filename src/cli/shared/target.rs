//! Checks before any work begins that outputs can be written, so that a wrong path is reported at once and not after hours.

use std::path::{Path, PathBuf};

use super::error::{CliError, TargetKind};
use super::given::Given;

/// An output of some commands, at the path of an option.
struct Target {
    commands: &'static [&'static str],
    option: &'static str,
    kind: TargetKind,
    /// Whether missing parent folders are created.
    makes_parents: bool,
}

const TARGETS: &[Target] = &[
    Target { commands: &["prune"], option: "out", kind: TargetKind::Folder, makes_parents: false },
    Target {
        commands: &["search", "enumerate", "compare", "descend"],
        option: "out",
        kind: TargetKind::Folder,
        makes_parents: true,
    },
    Target { commands: &["pdf"], option: "out", kind: TargetKind::Folder, makes_parents: true },
    Target {
        commands: &["stats", "tasks", "snapshot", "export", "import"],
        option: "out",
        kind: TargetKind::File,
        makes_parents: false,
    },
    Target { commands: &["eval"], option: "figure", kind: TargetKind::File, makes_parents: false },
];

/// Checks that a command's outputs can be written. Commands that write folders decide themselves whether to replace one.
///
/// # Errors
/// When a file is in a folder's place or a folder in a file's, the parent folder is missing or not writable, or a file exists and
/// the command has no `--force`.
pub(in crate::cli) fn check(given: &Given<'_>) -> Result<(), CliError> {
    if given.is_on("dry_run") {
        return Ok(());
    }
    for target in TARGETS.iter().filter(|target| target.commands.contains(&given.command)) {
        if let Some(path) = given.values(target.option).first() {
            target.check(Path::new(path), given.is_on("force"))?;
        }
    }
    Ok(())
}

impl Target {
    fn check(&self, path: &Path, replaces: bool) -> Result<(), CliError> {
        let in_the_way = match self.kind {
            TargetKind::File => path.is_dir(),
            TargetKind::Folder => path.exists() && !path.is_dir(),
        };
        if in_the_way {
            return Err(CliError::OtherKind { path: path.to_owned(), kind: self.kind });
        }
        // Devices, such as `/dev/stdout`, are written to but not replaced.
        if self.kind == TargetKind::File && path.is_file() && !replaces {
            return Err(CliError::Exists { path: path.to_owned() });
        }
        let mut folder = parent(path);
        while self.makes_parents && !folder.exists() {
            folder = parent(&folder);
        }
        let failed = |cause| CliError::Write { path: path.to_owned(), cause };
        // Creating an unnamed file leaves no trace, and tests more than the permissions would.
        tempfile::tempfile_in(&folder).map(drop).map_err(failed)
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
