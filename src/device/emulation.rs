//! Kernels run as C++ on the CPU, for tests without a GPU.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Tensor};

use super::error::EngineError;
use super::launcher::{Argument, Code, Launch, Launcher, Out};

/// Compiles and runs kernels with the system's C++ compiler.
#[derive(Debug)]
pub(super) struct Emulation {
    folder: tempfile::TempDir,
    /// Compiled programs by their source.
    programs: Mutex<BTreeMap<String, PathBuf>>,
    /// Maximum shared memory of a block of threads in bytes, as on a GPU of that size.
    shared: usize,
    /// Number of kernel runs.
    runs: AtomicUsize,
}

impl Emulation {
    /// Returns an emulation, or `None` if there is no C++ compiler.
    pub(super) fn new() -> Option<Self> {
        let found = Command::new("c++").arg("--version").output().is_ok_and(|output| output.status.success());
        let usable = found && cfg!(all(target_os = "linux", target_arch = "x86_64"));
        Some(Self {
            folder: tempfile::tempdir().ok().filter(|_| usable)?,
            programs: Mutex::default(),
            shared: 232_448,
            runs: AtomicUsize::new(0),
        })
    }

    /// Limits shared memory to this number of bytes.
    pub(super) fn sharing(self, shared: usize) -> Self {
        Self { shared, ..self }
    }

    fn compiled(&self, text: &str, main: String) -> PathBuf {
        let mut programs = self.programs.lock().expect("no test panicked here");
        if let Some(program) = programs.get(&main) {
            return program.clone();
        }
        // With the feature, the text for a GPU has to compile for one as well.
        #[cfg(feature = "cuda")]
        super::driver::check(text);
        #[cfg(not(feature = "cuda"))]
        let _ = text;
        let path = self.folder.path().join(format!("kernel{}", programs.len()));
        let code = path.with_extension("cpp");
        fs::write(&code, &main).expect("the code is written");
        let output = Command::new("c++")
            .args(["-std=c++17", "-O1", "-w", "-ffp-contract=off", "-o"])
            .args([&path, &code])
            .output()
            .expect("the compiler runs");
        assert!(output.status.success(), "{}\n{main}", String::from_utf8_lossy(&output.stderr));
        programs.insert(main, path.clone());
        path
    }
}

impl Launcher for Emulation {
    fn device(&self) -> Device {
        Device::Cpu
    }

    fn name(&self) -> Option<String> {
        None
    }

    fn memory(&self) -> Option<(u64, u64)> {
        None
    }

    fn room(&self, _what: &str, _bytes: u64) -> Result<(), EngineError> {
        Ok(())
    }

    fn shared_memory(&self) -> usize {
        self.shared
    }

    fn run(
        &self,
        code: &Code,
        kernel: &'static str,
        launch: Launch<'_>,
        outs: &[Out],
    ) -> Result<Vec<Tensor>, EngineError> {
        let text = code.text();
        let passed = Passed::new(launch.arguments, outs);
        let main = format!(
            "{}\n{text}\nstatic uint64_t numbers[64];
int main(int count, char** arguments) {{
    for (int i = 0; i + 5 < count; i++) numbers[i] = std::strtoull(arguments[i + 5], nullptr, 10);
    read_buffers(arguments[1]);
    emulate(std::strtoul(arguments[3], nullptr, 10), [] {{ {kernel}({}); }});
    write_buffers(arguments[2], std::strtoul(arguments[4], nullptr, 10));
}}\n",
            include_str!("emulate.h"),
            passed.arguments.join(", "),
        );
        let program = self.compiled(text, main);
        // Several threads may run kernels at the same time.
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let [from, to] = ["in", "out"].map(|name| self.folder.path().join(format!("{name}{run}")));
        fs::write(&from, passed.data).expect("the arguments are written");
        let status = Command::new(program)
            .args([&from, &to])
            .arg(launch.blocks.to_string())
            .arg(passed.inputs.to_string())
            .args(passed.numbers.iter().map(u64::to_string))
            .status()
            .expect("the kernel runs");
        assert!(status.success(), "{kernel} ended with {status}");
        let written = fs::read(&to).expect("the results are read");
        [from, to].iter().for_each(|file| drop(fs::remove_file(file)));
        let mut rest = written.as_slice();
        let tensor = |Out { dtype, count: length, .. }: &Out| {
            let (here, after) = rest.split_at(dtype.size_in_bytes() * length);
            rest = after;
            Ok(Tensor::from_raw_buffer(here, *dtype, &[*length], &Device::Cpu)?)
        };
        outs.iter().map(tensor).collect()
    }
}

/// The input of a kernel's process.
#[derive(Default)]
struct Passed {
    /// The buffers, each preceded by its length.
    data: Vec<u8>,
    /// The number of buffers, and the number of those that the kernel only reads.
    count: u64,
    inputs: u64,
    /// Whole numbers for the command line: arguments, and the indices of buffers. Changing them does not
    /// recompile the program.
    numbers: Vec<u64>,
    lists: usize,
    /// The kernel's arguments as C++ expressions.
    arguments: Vec<String>,
}

impl Passed {
    fn new(arguments: &[Argument<'_>], outs: &[Out]) -> Self {
        let mut passed = Self::default();
        let mut places = BTreeMap::new();
        for argument in arguments {
            let named = match argument {
                Argument::Tensor(tensor) => {
                    let place = passed.add(&bytes(tensor));
                    passed.buffer(place)
                }
                Argument::Addresses(tensors) => passed.list(tensors),
                Argument::U32(number) => passed.number(u64::from(*number)),
                Argument::U64(number) => passed.number(*number),
                Argument::Out(out) => {
                    places.insert(*out, passed.arguments.len());
                    String::new()
                }
            };
            passed.arguments.push(named);
        }
        passed.inputs = passed.count;
        for (out, Out { dtype, count, zeros }) in outs.iter().enumerate() {
            // Buffers that a kernel has to write itself do not start as 0.
            let before = if *zeros { 0 } else { 0xab };
            let buffer = passed.add(&vec![before; dtype.size_in_bytes() * count]);
            if let Some(place) = places.get(&out) {
                passed.arguments[*place] = passed.buffer(buffer);
            }
        }
        passed
    }

    /// Adds a buffer, and returns its index.
    fn add(&mut self, bytes: &[u8]) -> u64 {
        self.data.extend((bytes.len() as u64).to_le_bytes());
        self.data.extend_from_slice(bytes);
        self.count += 1;
        self.count - 1
    }

    fn number(&mut self, number: u64) -> String {
        self.numbers.push(number);
        format!("numbers[{}]", self.numbers.len() - 1)
    }

    fn buffer(&mut self, place: u64) -> String {
        format!("Any{{buffers[{}].data()}}", self.number(place))
    }

    /// Adds several consecutive buffers, and returns the expression of a list with the first one's index and
    /// their number.
    fn list(&mut self, tensors: &[Tensor]) -> String {
        let (first, count) = (self.number(self.count), self.number(tensors.len() as u64));
        for tensor in tensors {
            self.add(&bytes(tensor));
        }
        self.lists += 1;
        format!("list({}, {first}, {count})", self.lists - 1)
    }
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.flatten_all().expect("a tensor");
    match tensor.dtype() {
        DType::F32 => bytemuck::cast_slice(&tensor.to_vec1::<f32>().expect("singles")).to_vec(),
        DType::F16 => bytemuck::cast_slice(&tensor.to_vec1::<half::f16>().expect("halves")).to_vec(),
        DType::BF16 => bytemuck::cast_slice(&tensor.to_vec1::<half::bf16>().expect("halves")).to_vec(),
        DType::U8 => tensor.to_vec1::<u8>().expect("bytes"),
        DType::F64 => bytemuck::cast_slice(&tensor.to_vec1::<f64>().expect("doubles")).to_vec(),
        DType::U32 => bytemuck::cast_slice(&tensor.to_vec1::<u32>().expect("whole numbers")).to_vec(),
        other => panic!("no kernel takes {other:?}"),
    }
}
