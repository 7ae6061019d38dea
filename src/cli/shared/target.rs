//! What commands write, looked at before any work begins: a place that cannot be written is known at once, not after hours.

use std::path::{Path, PathBuf};

use super::error::{CliError, TargetKind};
use super::given::Given;

/// What a command writes at an argument's path.
struct Target {
    commands: &'static [&'static str],
    option: &'static str,
    kind: TargetKind,
    /// Whether folders above it are made where they are missing.
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
        commands: &["stats", "tasks", "snapshot"],
        option: "out",
        kind: TargetKind::File,
        makes_parents: false,
    },
    Target { commands: &["eval"], option: "figure", kind: TargetKind::File, makes_parents: false },
    Target {
        commands: &["export", "import"],
        option: "output",
        kind: TargetKind::File,
        makes_parents: false,
    },
];

/// Fails when what a command is to write cannot be written there. Whether something may be replaced is the command's own question.
///
/// # Errors
/// When a file stands in a folder's place or a folder in a file's, the folder around it is missing, or it may not be written to.
pub(in crate::cli) fn check(given: &Given<'_>) -> Result<(), CliError> {
    if given.is_on("dry_run") {
        return Ok(());
    }
    for target in TARGETS.iter().filter(|target| target.commands.contains(&given.command)) {
        if let Some(path) = given.values(target.option).first() {
            target.check(Path::new(path))?;
        }
    }
    Ok(())
}

impl Target {
    fn check(&self, path: &Path) -> Result<(), CliError> {
        let in_the_way = match self.kind {
            TargetKind::File => path.is_dir(),
            TargetKind::Folder => path.exists() && !path.is_dir(),
        };
        if in_the_way {
            return Err(CliError::OtherKind { path: path.to_owned(), kind: self.kind });
        }
        let mut folder = parent(path);
        while self.makes_parents && !folder.exists() {
            folder = parent(&folder);
        }
        let failed = |cause| CliError::Write { path: path.to_owned(), cause };
        // A file without a name: it is gone before anybody can see it, and tells more than permissions do.
        tempfile::tempfile_in(&folder).map(drop).map_err(failed)
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
