//! Hidden states that wait between two blocks: in memory, or in a scratch file if they do not fit.

use std::cell::RefCell;
use std::env;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Storage, Tensor};

use crate::model::ModelError;

/// Hidden states of all samples, in batches.
#[derive(Debug)]
pub(super) struct States(Store);

#[derive(Debug)]
enum Store {
    Memory(Vec<Tensor>),
    Scratch(Scratch),
}

/// A file without a name: the system removes it when the process ends, for whatever reason.
#[derive(Debug)]
struct Scratch {
    folder: PathBuf,
    /// Reading moves the file position, which callers do not see.
    file: RefCell<File>,
    device: Device,
    batches: Vec<Batch>,
}

#[derive(Debug)]
struct Batch {
    start: u64,
    /// The type in memory; the file holds f32, which represents every type exactly.
    dtype: DType,
    shape: Vec<usize>,
}

impl States {
    /// Returns storage for `bytes` of hidden states: in memory if that is at most `room` bytes, else in a
    /// scratch file.
    ///
    /// # Errors
    /// When a scratch file is needed and cannot be created.
    pub(super) fn new(bytes: u64, room: u64, device: &Device) -> Result<Self, ModelError> {
        Ok(Self(match bytes <= room {
            true => Store::Memory(Vec::new()),
            false => Store::Scratch(Scratch::new(device)?),
        }))
    }

    /// Returns the number of batches.
    pub(super) fn len(&self) -> usize {
        match &self.0 {
            Store::Memory(batches) => batches.len(),
            Store::Scratch(scratch) => scratch.batches.len(),
        }
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// When the scratch file cannot store it, for example because the disk is full.
    pub(super) fn push(&mut self, batch: Tensor) -> Result<(), ModelError> {
        match &mut self.0 {
            Store::Memory(batches) => batches.push(batch),
            Store::Scratch(scratch) => {
                let end = scratch.batches.last().map_or(0, Batch::end);
                let added = Batch { start: end, dtype: batch.dtype(), shape: batch.dims().to_vec() };
                scratch.write(&added, &batch)?;
                scratch.batches.push(added);
            }
        }
        Ok(())
    }

    /// Returns batch `index`, bit for bit as it was added.
    ///
    /// # Errors
    /// When the scratch file cannot be read.
    pub(super) fn get(&self, index: usize) -> Result<Tensor, ModelError> {
        match &self.0 {
            Store::Memory(batches) => Ok(batches[index].clone()),
            Store::Scratch(scratch) => scratch.read(&scratch.batches[index]),
        }
    }

    /// Replaces batch `index` by one of the same shape.
    ///
    /// # Errors
    /// When the scratch file cannot store it.
    pub(super) fn set(&mut self, index: usize, batch: Tensor) -> Result<(), ModelError> {
        match &mut self.0 {
            Store::Memory(batches) => batches[index] = batch,
            Store::Scratch(scratch) => scratch.write(&scratch.batches[index], &batch)?,
        }
        Ok(())
    }
}

impl Batch {
    fn numbers(&self) -> usize {
        self.shape.iter().product()
    }

    fn end(&self) -> u64 {
        self.start + 4 * self.numbers() as u64
    }
}

impl Scratch {
    fn new(device: &Device) -> Result<Self, ModelError> {
        let folder = folder();
        let file = tempfile::tempfile_in(&folder).map_err(failed(&folder))?;
        Ok(Self { folder, file: RefCell::new(file), device: device.clone(), batches: Vec::new() })
    }

    fn write(&self, batch: &Batch, tensor: &Tensor) -> Result<(), ModelError> {
        let tensor = tensor.contiguous()?;
        let write = |values: &[f32]| {
            let mut file = self.file.borrow_mut();
            file.seek(SeekFrom::Start(batch.start))?;
            file.write_all(bytemuck::cast_slice(values))
        };
        let (storage, layout) = tensor.storage_and_layout();
        let written = match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(cpu), Some((start, end))) => write(&cpu.as_slice::<f32>()?[start..end]),
            _ => {
                drop(storage);
                write(&tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
            }
        };
        written.map_err(failed(&self.folder))
    }

    fn read(&self, batch: &Batch) -> Result<Tensor, ModelError> {
        let mut values = vec![0f32; batch.numbers()];
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(batch.start))
            .and_then(|_| file.read_exact(bytemuck::cast_slice_mut(&mut values)))
            .map_err(failed(&self.folder))?;
        Ok(Tensor::from_vec(values, batch.shape.as_slice(), &self.device)?.to_dtype(batch.dtype)?)
    }
}

/// Returns the folder for scratch files: `TMPDIR` if set, else the folder for large temporary files, since
/// `/tmp` is often in memory itself.
fn folder() -> PathBuf {
    let large = Path::new("/var/tmp");
    match env::var_os("TMPDIR") {
        None if cfg!(unix) && large.is_dir() => large.to_owned(),
        _ => env::temp_dir(),
    }
}

fn failed(folder: &Path) -> impl Fn(io::Error) -> ModelError {
    let folder = folder.to_owned();
    move |source| ModelError::Scratch { folder: folder.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_file_gives_back_the_same_bits() {
        let device = Device::Cpu;
        let mut states = States::new(1, 0, &device).unwrap();
        let odd = [f32::MIN_POSITIVE / 8.0, -0.0, f32::MAX, 1.0 / 3.0];
        let first = Tensor::from_vec([odd, odd].concat(), (2, 2, 2), &device).unwrap();
        let last = Tensor::from_slice(&odd, (1, 2, 2), &device).unwrap();
        states.push(first.clone()).unwrap();
        states.push(last).unwrap();
        let turned = first.transpose(0, 1).unwrap();
        states.set(0, turned.clone()).unwrap();
        assert_eq!(states.len(), 2);
        let bits = |tensor: Tensor| -> Vec<u32> {
            let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
            values.into_iter().map(f32::to_bits).collect()
        };
        assert_eq!(bits(states.get(0).unwrap()), bits(turned));
        assert_eq!(bits(states.get(1).unwrap()), odd.map(f32::to_bits));
        assert_eq!(states.get(1).unwrap().dims(), &[1, 2, 2]);
    }
}
