//! A pruned model's folder: a copy of the dense one in which the bytes of pruned tensors are replaced.
//!
//! The copy has the same shards, headers and offsets, so every other tensor is identical byte for byte, and
//! only one linear is in memory at a time. It is made in a temporary folder beside its final place, and
//! renamed when it is complete, or removed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::Metadata;
use serde::Serialize;
use tempfile::TempDir;

use super::error::PruneError;
use crate::data::Values;
use crate::model::{Checkpoint, ModelError, temporary_prefix};

/// The file that records how a pruned model was made.
pub const PROVENANCE: &str = "allot.json";

/// Extensions of files that hold weights; only the model's own shards are copied.
const WEIGHT_FILES: &[&str] =
    &["safetensors", "bin", "pt", "pth", "ckpt", "h5", "msgpack", "gguf", "onnx", "ot", "tflite", "npz"];

/// A folder that is being written; if dropped before it is finished, it is deleted.
#[derive(Debug)]
pub struct PrunedFolder {
    target: PathBuf,
    temporary: TempDir,
    shards: Vec<(PathBuf, File)>,
    places: BTreeMap<String, (usize, u64, usize)>,
    left_out: Vec<String>,
}

/// Returns whether a pruned model may be written to `target`.
///
/// # Errors
/// When something exists that may not be replaced, or the folder is, contains or lies in the model's folder.
/// With `force`, only a folder that allot wrote is replaced.
pub fn check_target(checkpoint: &Checkpoint, target: &Path, force: bool) -> Result<(), PruneError> {
    let read = |path: &Path, source| ModelError::Read { path: path.to_owned(), source };
    let model = fs::canonicalize(checkpoint.folder()).map_err(|error| read(checkpoint.folder(), error))?;
    let whole = match (fs::canonicalize(target), target.file_name()) {
        (Ok(path), _) => path,
        (_, Some(name)) => {
            fs::canonicalize(parent(target)).unwrap_or_else(|_| parent(target).into()).join(name)
        }
        (Err(error), None) => return Err(read(target, error).into()),
    };
    if whole.starts_with(&model) || model.starts_with(&whole) {
        return Err(PruneError::Overlaps { path: target.to_owned(), model: checkpoint.folder().to_owned() });
    }
    if fs::symlink_metadata(target).is_err() || is_empty_folder(target) {
        return Ok(());
    }
    match (force, target.join(PROVENANCE).is_file()) {
        (false, _) => Err(PruneError::Exists { path: target.to_owned() }),
        (true, false) => Err(PruneError::NotOurs { path: target.to_owned() }),
        (true, true) => Ok(()),
    }
}

impl PrunedFolder {
    /// Copies a checkpoint's folder, including its weights, to a temporary folder beside `target`.
    ///
    /// Hidden files and weights in other formats are not copied; `go_on` is called before each file and may
    /// stop the work.
    ///
    /// # Errors
    /// As [`check_target`], when a file cannot be read or written, or the disk is full.
    pub fn create(
        checkpoint: &Checkpoint,
        target: &Path,
        force: bool,
        go_on: &dyn Fn() -> Result<(), PruneError>,
    ) -> Result<Self, PruneError> {
        check_target(checkpoint, target, force)?;
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The same mode as `mkdir` gives: the process's umask restricts it.
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let temporary = builder
            .prefix(&temporary_prefix())
            .tempdir_in(parent(target))
            .map_err(|source| ModelError::Write { path: target.to_owned(), source })?;
        let mut folder = Self {
            target: target.to_owned(),
            temporary,
            shards: Vec::new(),
            places: BTreeMap::new(),
            left_out: Vec::new(),
        };
        for shard in checkpoint.files().paths() {
            go_on()?;
            folder.copy_shard(checkpoint, shard)?;
        }
        folder.copy_others(checkpoint.folder(), Path::new(""), go_on)?;
        folder.left_out.sort_unstable();
        Ok(folder)
    }

    /// Replaces a tensor's numbers.
    ///
    /// # Errors
    /// When the model has no such tensor of that size, or the file cannot be written.
    pub fn write(&mut self, tensor: &str, values: &Values<'_>) -> Result<(), PruneError> {
        let bytes: &[u8] = match values {
            Values::F32(all) => bytemuck::cast_slice(all),
            Values::F16(all) => bytemuck::cast_slice(all),
            Values::Bf16(all) => bytemuck::cast_slice(all),
        };
        let place = self.places.get(tensor).filter(|(_, _, length)| *length == bytes.len());
        let Some((shard, offset, _)) = place else {
            let path = self.target.clone();
            return Err(ModelError::MissingTensor { path, tensor: tensor.to_owned() }.into());
        };
        let (path, file) = &mut self.shards[*shard];
        file.seek(SeekFrom::Start(*offset)).and_then(|_| file.write_all(bytes)).map_err(writing(path))?;
        Ok(())
    }

    /// Returns the files that were not copied, because they hold the dense weights in another form.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Adds `allot.json`, and renames the folder to its final name once everything is on the disk.
    ///
    /// # Errors
    /// When a file cannot be written, or the folder cannot be renamed; existing files are then unchanged.
    pub fn finish(self, provenance: &impl Serialize) -> Result<(), PruneError> {
        let path = self.target.join(PROVENANCE);
        let mut text =
            serde_json::to_vec_pretty(provenance).map_err(|error| writing(&path)(io::Error::other(error)))?;
        text.push(b'\n');
        let mut file = create(&self.temporary.path().join(PROVENANCE)).map_err(writing(&path))?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(writing(&path))?;
        for (path, file) in &self.shards {
            file.sync_all().map_err(writing(path))?;
        }
        drop(self.shards);
        sync_folder(self.temporary.path()).map_err(writing(&self.target))?;
        put_in_place(self.temporary, &self.target).map_err(writing(&self.target))?;
        Ok(())
    }

    /// Copies a shard to its place in the folder, and records where the tensors lie that the checkpoint reads
    /// from it.
    fn copy_shard(&mut self, checkpoint: &Checkpoint, from: &Path) -> Result<(), PruneError> {
        let Ok(inside) = from.strip_prefix(checkpoint.folder()) else { return Ok(()) };
        let shown = self.target.join(inside);
        let to = self.temporary.path().join(inside);
        fs::create_dir_all(parent(&to)).map_err(writing(&shown))?;
        let mut file = copy(from, &to, &shown)?;
        let (start, metadata) = header(&mut file).map_err(writing(&shown))?;
        for name in metadata.offset_keys() {
            // Another shard may hold an unused copy.
            let counts = checkpoint.files().tensor(&name).is_ok_and(|tensor| tensor.path == from);
            if let Some(info) = metadata.info(&name).filter(|_| counts) {
                let (from, to) = info.data_offsets;
                self.places.insert(name, (self.shards.len(), start + from as u64, to - from));
            }
        }
        self.shards.push((shown, file));
        Ok(())
    }

    /// Copies all files that are not weights, including folders.
    fn copy_others(
        &mut self,
        from: &Path,
        below: &Path,
        go_on: &dyn Fn() -> Result<(), PruneError>,
    ) -> Result<(), PruneError> {
        let read = |source| ModelError::Read { path: from.join(below), source };
        for entry in fs::read_dir(from.join(below)).map_err(read)? {
            go_on()?;
            let name = entry.map_err(read)?.file_name();
            let inside = below.join(&name);
            let (path, copied) = (from.join(&inside), self.temporary.path().join(&inside));
            let hidden = name.to_string_lossy().starts_with('.');
            if hidden || copied.exists() && !path.is_dir() || inside == Path::new(PROVENANCE) {
                continue;
            }
            let ending = path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_lowercase();
            if path.is_dir() {
                fs::create_dir_all(&copied).map_err(writing(&self.target.join(&inside)))?;
                self.copy_others(from, &inside, go_on)?;
            } else if WEIGHT_FILES.contains(&ending.as_str()) {
                self.left_out.push(inside.to_string_lossy().into_owned());
            } else {
                let shown = self.target.join(&inside);
                copy(&path, &copied, &shown)?.sync_all().map_err(writing(&shown))?;
            }
        }
        Ok(())
    }
}

/// Copies a file's bytes; the copy has a new file's permissions, because a read-only one could not be
/// changed.
fn copy(from: &Path, to: &Path, shown: &Path) -> Result<File, PruneError> {
    let reading = |source| ModelError::Read { path: from.to_owned(), source };
    let mut source = File::open(from).map_err(reading)?;
    let length = source.metadata().map_err(reading)?.len();
    let mut file = create(to).map_err(writing(shown))?;
    let copied = io::copy(&mut source, &mut file).map_err(writing(shown))?;
    if copied != length {
        return Err(ModelError::Truncated { path: from.to_owned(), needed: length, found: copied }.into());
    }
    Ok(file)
}

fn create(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).open(path)
}

/// Returns the offset of a shard's data, and its header.
fn header(file: &mut File) -> io::Result<(u64, Metadata)> {
    let mut length = [0; 8];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text)?;
    Ok((8 + length, serde_json::from_slice(&text)?))
}

/// Renames the finished folder; a folder that it replaces is moved aside first, and moved back if that fails.
fn put_in_place(temporary: TempDir, target: &Path) -> io::Result<()> {
    let aside = tempfile::Builder::new().prefix(".allot-old-").tempdir_in(parent(target))?;
    let old = aside.path().join("replaced");
    let replaces = target.is_dir();
    if replaces {
        fs::rename(target, &old)?;
    }
    if let Err(error) = fs::rename(temporary.path(), target) {
        // If it cannot be moved back, it must at least not be removed.
        if replaces && fs::rename(&old, target).is_err() {
            let _ = aside.keep();
        }
        return Err(error);
    }
    // The folder has its final name now, so nothing remains to be removed under the temporary one.
    let _ = temporary.keep();
    sync_folder(parent(target))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows cannot open folders; a rename there is as durable as possible.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn is_empty_folder(path: &Path) -> bool {
    !path.is_symlink() && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|it| *it != Path::new("")).unwrap_or(Path::new("."))
}

/// Names the file of the finished folder that could not be written.
fn writing(path: &Path) -> impl Fn(io::Error) -> PruneError {
    let path = path.to_owned();
    move |source| ModelError::Write { path: path.clone(), source }.into()
}
