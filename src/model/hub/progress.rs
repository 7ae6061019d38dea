//! Progress of a download.

/// Progress of one file's download.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file's name in the model's folder.
    pub file: &'a str,
    /// Bytes downloaded so far.
    pub done: u64,
    /// The file's size in bytes.
    pub bytes: u64,
}
