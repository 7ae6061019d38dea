//! Models by id, downloaded from a local hub into a cache with the layout of the hub's own tools.
#![cfg(feature = "hub")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use allot::model::Checkpoint;
use tempfile::TempDir;

const ID: &str = "owner/tiny.stories-12l";
const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

/// The hub's files and behaviour, shared with the thread that answers.
#[derive(Default)]
struct Shelf {
    files: BTreeMap<String, Vec<u8>>,
    /// The requested paths, in order.
    asked: Vec<String>,
    /// A file and the number of its bytes that are sent before the connection breaks.
    breaks: Option<(String, usize)>,
    /// A status that answers every request instead.
    status: Option<u16>,
}

/// A hub on the loopback interface; its thread ends with the process.
struct Hub {
    address: String,
    shelf: Arc<Mutex<Shelf>>,
}

impl Hub {
    fn start(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let shelf = Arc::new(Mutex::new(Shelf { files, ..Shelf::default() }));
        let shared = Arc::clone(&shelf);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that disconnects is not a failure of the hub.
                thread::spawn(move || answer(stream, &shared).ok());
            }
        });
        Self { address, shelf }
    }

    fn change(&self, change: impl FnOnce(&mut Shelf)) {
        change(&mut self.shelf.lock().expect("no panic while it was held"));
    }

    /// Returns the files sent since the last call.
    fn sent(&self) -> Vec<String> {
        let mut shelf = self.shelf.lock().expect("no panic while it was held");
        let mut files: Vec<String> = std::mem::take(&mut shelf.asked);
        files.sort();
        files.dedup();
        files
    }
}

/// Answers one request, and closes the connection.
fn answer(mut stream: TcpStream, shelf: &Mutex<Shelf>) -> std::io::Result<()> {
    let (mut path, mut from, mut to) = (String::new(), 0, usize::MAX);
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        }
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            let (start, end) = range.split_once('-').unwrap_or_default();
            from = start.parse().unwrap_or(0);
            to = end.parse().map_or(usize::MAX, |end: usize| end + 1);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut shelf = shelf.lock().expect("no panic while it was held");
    if let Some(status) = shelf.status {
        return write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    if path.starts_with(&format!("/api/models/{ID}")) {
        let siblings: Vec<_> =
            shelf.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
        let body = serde_json::json!({ "sha": REVISION, "siblings": siblings }).to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        return write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
    }
    let name = path.strip_prefix(&format!("/{ID}/resolve/main/")).unwrap_or_default().to_owned();
    let Some(bytes) = shelf.files.get(&name).cloned() else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    shelf.asked.push(name.clone());
    let breaks = shelf.breaks.clone().filter(|(broken, _)| *broken == name && to == usize::MAX);
    drop(shelf);
    let part = &bytes[from.min(bytes.len())..to.min(bytes.len())];
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nETag: \"etag-{name}\"\r\nx-repo-commit: {REVISION}\r\n\
         Content-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\n\r\n",
        from + part.len().saturating_sub(1),
        bytes.len(),
        part.len()
    )?;
    stream.write_all(&part[..breaks.map_or(part.len(), |(_, most)| most.min(part.len()))])
}

/// Returns the bundled model's files, and others that a hub may have.
fn files() -> BTreeMap<String, Vec<u8>> {
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-stories-12l");
    let mut files = BTreeMap::new();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        files.insert(name.to_owned(), fs::read(bundled.join(name)).expect("readable"));
    }
    for other in ["README.md", "pytorch_model.bin", "onnx/model.onnx"] {
        files.insert(other.to_owned(), b"not wanted".to_vec());
    }
    files
}

fn allot(hub: &str, home: &Path, model: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allot"));
    for variable in ["HF_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command.args(["inspect", model]).env("HF_ENDPOINT", hub).env("HF_HOME", home);
    command.output().expect("it runs")
}

fn refuses(output: &Output, parts: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.starts_with("error: "), "{message}");
    assert!(message.lines().skip(1).all(|line| line.starts_with("  = help: ")), "{message}");
    for part in parts {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
}

fn succeeds(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

fn snapshot(home: &Path) -> PathBuf {
    home.join("hub/models--owner--tiny.stories-12l/snapshots").join(REVISION)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_model_is_downloaded_once_and_only_what_is_needed() {
    let (hub, home) = (Hub::start(files()), TempDir::new().expect("a folder"));
    succeeds(&allot(&hub.address, home.path(), ID));
    let wanted = ["config.json", "model.safetensors", "tokenizer.json"];
    assert_eq!(hub.sent(), wanted);
    assert_eq!(names(&snapshot(home.path())), wanted);
    for name in wanted {
        assert_eq!(fs::read(snapshot(home.path()).join(name)).expect("readable"), files()[name]);
    }
    // The second time the hub is not asked, not even for a newer revision.
    hub.change(|shelf| shelf.status = Some(500));
    succeeds(&allot(&hub.address, home.path(), ID));
    Checkpoint::open(snapshot(home.path())).expect("it opens");
}

#[test]
fn shards_are_downloaded_by_their_index() {
    let mut files = files();
    let whole = files.remove("model.safetensors").expect("it was there");
    let tensors = safetensors::SafeTensors::deserialize(&whole).expect("safetensors");
    let shard =
        |name: &str| format!("model-0000{}-of-00002.safetensors", 1 + usize::from(name.contains("norm")));
    let map: BTreeMap<String, String> =
        tensors.names().into_iter().map(|name| (name.to_owned(), shard(name))).collect();
    for file in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        let part = tensors.tensors().into_iter().filter(|(name, _)| map[name] == file);
        files.insert(file.to_owned(), safetensors::serialize(part, None).expect("serialised"));
    }
    let index = serde_json::json!({ "weight_map": map }).to_string();
    files.insert("model.safetensors.index.json".to_owned(), index.into_bytes());
    let (hub, home) = (Hub::start(files), TempDir::new().expect("a folder"));
    succeeds(&allot(&hub.address, home.path(), ID));
    assert_eq!(
        hub.sent(),
        [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json"
        ]
    );
    // A file removed from the cache is downloaded again, and nothing else.
    fs::remove_file(snapshot(home.path()).join("model-00002-of-00002.safetensors")).expect("removed");
    succeeds(&allot(&hub.address, home.path(), ID));
    assert_eq!(hub.sent(), ["model-00002-of-00002.safetensors"]);
}

#[test]
fn a_broken_download_leaves_no_partial_model_and_resumes_later() {
    let (hub, home) = (Hub::start(files()), TempDir::new().expect("a folder"));
    hub.change(|shelf| shelf.breaks = Some(("model.safetensors".to_owned(), 1_000_000)));
    refuses(&allot(&hub.address, home.path(), ID), &[ID, "continues the download"]);
    assert_eq!(names(&snapshot(home.path())), Vec::<String>::new());
    hub.change(|shelf| shelf.breaks = None);
    succeeds(&allot(&hub.address, home.path(), ID));
    assert_eq!(
        fs::read(snapshot(home.path()).join("model.safetensors")).expect("readable"),
        files()["model.safetensors"]
    );
}

#[test]
fn failed_downloads_report_the_reason() {
    let (hub, home) = (Hub::start(files()), TempDir::new().expect("a folder"));
    let run = |model: &str| allot(&hub.address, home.path(), model);
    refuses(&run("owner/other"), &["owner/other", "no such model"]);
    for status in [401, 403] {
        hub.change(|shelf| shelf.status = Some(status));
        refuses(&run(ID), &[ID, "gated", "HF_TOKEN"]);
    }
    hub.change(|shelf| shelf.status = Some(503));
    refuses(&run(ID), &[ID, "503", "later"]);
    hub.change(|shelf| (shelf.status, _) = (None, shelf.files.remove("model.safetensors")));
    refuses(&run(ID), &[ID, "no safetensors"]);
    // Nothing listens at the address of a listener that was just closed.
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("an address");
    refuses(&allot(&format!("http://{closed}"), home.path(), ID), &[ID, "without a network", "folder"]);
    assert_eq!(names(&snapshot(home.path())), Vec::<String>::new());
    // A cache in which nothing can be created.
    hub.change(|shelf| shelf.files = files());
    let file = home.path().join("file");
    fs::write(&file, "kept").expect("written");
    refuses(&allot(&hub.address, &file, ID), &[ID, "cannot write", "HF_HOME"]);
}
