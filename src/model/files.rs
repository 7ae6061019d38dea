//! Reads safetensors from disk: single or sharded, memory-mapped, checked before use.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors, tensor::Metadata};
use serde::Deserialize;

use super::error::ModelError;
use super::form::of_folder;
use super::hexadecimal::hash_of_data;
use crate::data::Values;

/// The longest header that the format allows, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// The tensors of one or several mapped safetensors files, by name.
#[derive(Debug)]
pub struct TensorFiles {
    folder: PathBuf,
    files: Vec<Mapped>,
    tensors: BTreeMap<String, StoredPlace>,
}

#[derive(Debug)]
struct Mapped {
    path: PathBuf,
    map: Mmap,
    /// The offset of the data, behind the header.
    data_start: usize,
    notes: BTreeMap<String, String>,
}

#[derive(Debug)]
struct StoredPlace {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    start: usize,
    end: usize,
}

/// One tensor as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredTensor<'a> {
    /// The file that holds it.
    pub path: &'a Path,
    /// The type of its numbers.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: &'a [usize],
    /// Its bytes, row-major and little-endian.
    pub bytes: &'a [u8],
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl TensorFiles {
    /// Opens the weights of a model folder as transformers does: `model.safetensors`, or else the shards that
    /// the index names.
    ///
    /// # Errors
    /// When the folder has no weights, a shard is missing, or a header does not describe its file.
    pub fn open_folder(folder: &Path) -> Result<Self, ModelError> {
        let single = folder.join(SINGLE);
        if single.is_file() {
            return Self::open_files(folder, vec![single], &BTreeMap::new());
        }
        let index = folder.join(INDEX);
        if index.is_file() {
            return Self::open_sharded(folder, &index);
        }
        let form = of_folder(folder);
        Err(ModelError::NoWeights { folder: folder.to_owned(), form })
    }

    /// Opens one safetensors file.
    ///
    /// # Errors
    /// When it cannot be read, or its header does not describe it.
    pub fn open_file(path: &Path) -> Result<Self, ModelError> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::open_files(&folder, vec![path.to_owned()], &BTreeMap::new())
    }

    /// Returns the XXH3 hash of the data of all files, without their headers.
    pub(crate) fn data_hash(&self) -> String {
        hash_of_data(self.files.iter().map(|file| &file.map[file.data_start..]))
    }

    fn open_sharded(folder: &Path, index: &Path) -> Result<Self, ModelError> {
        let weight_map = shards(index)?;
        let names: BTreeSet<&str> = weight_map.values().map(String::as_str).collect();
        let mut paths = Vec::with_capacity(names.len());
        for shard in names {
            let path = folder.join(shard);
            if !path.is_file() {
                return Err(ModelError::MissingShard { index: index.to_owned(), shard: shard.to_owned() });
            }
            paths.push(path);
        }
        let assigned = weight_map.iter().map(|(tensor, shard)| (tensor.as_str(), folder.join(shard)));
        Self::open_files(folder, paths, &assigned.collect())
    }

    /// Opens several files. If several hold the same tensor, the file that it is `assigned` to provides it.
    fn open_files(
        folder: &Path,
        paths: Vec<PathBuf>,
        assigned: &BTreeMap<&str, PathBuf>,
    ) -> Result<Self, ModelError> {
        let mut files: Vec<Mapped> = Vec::with_capacity(paths.len());
        let mut tensors: BTreeMap<String, StoredPlace> = BTreeMap::new();
        for path in paths {
            let map = map_file(&path)?;
            let (data_start, metadata) = read_header(&path, &map)?;
            let file = files.len();
            for name in metadata.offset_keys() {
                let Some(info) = metadata.info(&name) else {
                    continue;
                };
                let place = StoredPlace {
                    file,
                    dtype: info.dtype,
                    shape: info.shape.clone(),
                    start: data_start + info.data_offsets.0,
                    end: data_start + info.data_offsets.1,
                };
                let Some(other) = tensors.get(&name) else {
                    tensors.insert(name, place);
                    continue;
                };
                let assigned = assigned.get(name.as_str());
                if assigned == Some(&path) {
                    tensors.insert(name, place);
                } else if assigned != Some(&files[other.file].path) {
                    let other = files[other.file].path.display();
                    let problem = format!("`{name}` is also in {other}, and the index assigns it to neither");
                    return Err(ModelError::Header { path, problem });
                }
            }
            let notes = metadata.metadata().iter().flatten();
            let notes = notes.map(|(key, value)| (key.clone(), value.clone()));
            files.push(Mapped { path, notes: notes.collect(), data_start, map });
        }
        Ok(Self { folder: folder.to_owned(), files, tensors })
    }

    /// Returns the folder that holds the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the only file, or the folder if there are several files.
    pub(super) fn place(&self) -> PathBuf {
        match &self.files[..] {
            [only] => only.path.clone(),
            _ => self.folder.clone(),
        }
    }

    /// Returns an index beside `model.safetensors` that names other files; those are not read.
    pub(super) fn stale_index(&self) -> Option<PathBuf> {
        let index = self.folder.join(INDEX);
        let single = self.folder.join(SINGLE);
        let reads_single = matches!(&self.files[..], [only] if only.path == single);
        let names_it_alone = |map: &BTreeMap<String, String>| map.values().all(|shard| shard == SINGLE);
        let stale = reads_single && index.is_file() && !shards(&index).is_ok_and(|map| names_it_alone(&map));
        stale.then_some(index)
    }

    /// Returns the files' paths, in order of their names.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Returns the value of `key` in the first file's `__metadata__`.
    pub fn note(&self, key: &str) -> Option<&str> {
        let notes = &self.files.first()?.notes;
        notes.get(key).map(String::as_str)
    }

    /// Returns the names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Returns a tensor's location: its file's position in the list of files, and its first byte.
    pub(super) fn offset(&self, name: &str) -> Option<(usize, usize)> {
        self.tensors.get(name).map(|place| (place.file, place.start))
    }

    /// Returns whether a tensor of this name exists.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Returns the tensor `name` as it is stored.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn tensor(&self, name: &str) -> Result<StoredTensor<'_>, ModelError> {
        let place = self
            .tensors
            .get(name)
            .ok_or_else(|| ModelError::MissingTensor { path: self.place(), tensor: name.to_owned() })?;
        let file = &self.files[place.file];
        Ok(StoredTensor {
            path: &file.path,
            dtype: place.dtype,
            shape: &place.shape,
            bytes: &file.map[place.start..place.end],
        })
    }

    /// Returns the tensor `name` after checking its shape.
    ///
    /// # Errors
    /// When it does not exist, or its shape differs.
    pub fn shaped(&self, name: &str, expected: &[usize]) -> Result<StoredTensor<'_>, ModelError> {
        let tensor = self.tensor(name)?;
        if tensor.shape != expected {
            return Err(ModelError::Shape {
                path: tensor.path.to_owned(),
                tensor: name.to_owned(),
                expected: expected.to_vec(),
                found: tensor.shape.to_vec(),
            });
        }
        Ok(tensor)
    }

    /// Releases the memory of a tensor's pages; the system reads them from disk again when they are next
    /// used.
    ///
    /// Without this, a streamed model would accumulate in resident memory, page by page.
    pub fn release(&self, name: &str) {
        if let Some(place) = self.tensors.get(name) {
            self.release_part(name, 0, place.end - place.start);
        }
    }

    /// Releases the pages of `length` bytes of a tensor, starting at its byte `from`, as
    /// [`TensorFiles::release`] does.
    pub(super) fn release_part(&self, name: &str, from: usize, length: usize) {
        #[cfg(unix)]
        if let Some(place) = self.tensors.get(name) {
            // SAFETY: the map is shared and read-only, so dropped pages come back from the file with the same bytes.
            // A failure affects only memory use.
            let _ = unsafe {
                self.files[place.file].map.unchecked_advise_range(
                    memmap2::UncheckedAdvice::DontNeed,
                    place.start + from,
                    length,
                )
            };
        }
    }

    /// Returns the numbers of the tensor `name`, borrowed from the map if they are aligned, else copied.
    ///
    /// # Errors
    /// When it does not exist, or is not stored as f32, f16 or bf16.
    pub fn values(&self, name: &str) -> Result<Values<'_>, ModelError> {
        let tensor = self.tensor(name)?;
        tensor.values().ok_or_else(|| ModelError::DataType {
            path: tensor.path.to_owned(),
            tensor: name.to_owned(),
            found: format!("{:?}", tensor.dtype),
        })
    }
}

impl<'a> StoredTensor<'a> {
    /// Returns the tensor's numbers, or `None` if they are not f32, f16 or bf16.
    pub fn values(&self) -> Option<Values<'a>> {
        match self.dtype {
            Dtype::F32 => Some(Values::F32(view::<f32>(self.bytes))),
            Dtype::F16 => Some(Values::F16(view::<f16>(self.bytes))),
            Dtype::BF16 => Some(Values::Bf16(view::<bf16>(self.bytes))),
            _ => None,
        }
    }

    /// Returns the tensor's numbers, or `None` if they are not f64.
    pub fn doubles(&self) -> Option<Cow<'a, [f64]>> {
        (self.dtype == Dtype::F64).then(|| view::<f64>(self.bytes))
    }
}

/// Returns bytes as numbers: borrowed if aligned, else copied.
fn view<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(numbers) => Cow::Borrowed(numbers),
        Err(_) => bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect(),
    }
}

/// Returns each tensor's file according to an index, as a path relative to the index's folder, without `.`
/// components.
///
/// # Errors
/// When the index cannot be read, or names something outside its own folder.
pub(super) fn shards(index: &Path) -> Result<BTreeMap<String, String>, ModelError> {
    let text = fs::read(index).map_err(|source| ModelError::Read { path: index.to_owned(), source })?;
    let Index { weight_map } = serde_json::from_slice(&text).map_err(|error| ModelError::Header {
        path: index.to_owned(),
        problem: format!("its weight_map cannot be read ({error})"),
    })?;
    let below = |(tensor, shard): (String, String)| match below(&shard) {
        Some(path) => Ok((tensor, path)),
        None => Err(ModelError::MissingShard { index: index.to_owned(), shard }),
    };
    weight_map.into_iter().map(below).collect()
}

/// Returns a path without `.` components, or `None` if it leaves its folder: an index must not point anywhere
/// else on the disk.
fn below(shard: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(shard).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn map_file(path: &Path) -> Result<Mmap, ModelError> {
    let read = |source| ModelError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    // SAFETY: the map is read-only. Another process that shortens the file while we read it could still raise SIGBUS; every
    // tool that maps checkpoints takes that risk, and allot itself only ever replaces files by renaming.
    unsafe { Mmap::map(&file) }.map_err(read)
}

/// Returns the offset of the data, and the checked header.
fn read_header(path: &Path, bytes: &[u8]) -> Result<(usize, Metadata), ModelError> {
    let found = bytes.len() as u64;
    let Some(length) = bytes.first_chunk::<8>() else {
        return Err(ModelError::Truncated { path: path.to_owned(), needed: 8, found });
    };
    let header = u64::from_le_bytes(*length);
    if header > LONGEST_HEADER || header > found - 8 {
        return Err(ModelError::HeaderSize { path: path.to_owned(), header, file: found });
    }
    match SafeTensors::read_metadata(bytes) {
        Ok((header, metadata)) => Ok((8 + header, metadata)),
        Err(error) => Err(header_error(path, bytes, 8 + header as usize, &error)),
    }
}

/// Distinguishes a truncated file from one with an invalid header.
fn header_error(
    path: &Path,
    bytes: &[u8],
    data_start: usize,
    error: &safetensors::SafeTensorError,
) -> ModelError {
    let found = bytes.len() as u64;
    let promised = serde_json::from_slice::<Metadata>(&bytes[8..data_start])
        .ok()
        .and_then(|metadata| (data_start as u64).checked_add(metadata.data_len() as u64));
    match promised {
        Some(needed) if needed > found => ModelError::Truncated { path: path.to_owned(), needed, found },
        _ => ModelError::Header {
            path: path.to_owned(),
            problem: format!("its safetensors header is not valid ({error})"),
        },
    }
}
