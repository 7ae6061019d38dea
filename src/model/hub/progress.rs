//! How far a download is.

/// How far the download of a file is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file's name in the model's folder.
    pub file: &'a str,
    /// The bytes that are here.
    pub done: u64,
    /// The bytes that it has.
    pub bytes: u64,
}
