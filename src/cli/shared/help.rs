//! The help lines under an error's message: what to do about it on the command line.

use super::error::CliError;
use super::terminal;
use crate::allocate::script::ScriptError;
use crate::baselines::error::BaselineError;
use crate::compare::error::CompareError;
use crate::descent::error::{DescentError, Refusal};
use crate::device::{EngineError, Fits};
use crate::exchange::{ExchangeError, Unsaid};
use crate::interpret::error::InterpretError;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::ops::Op;
use crate::lang::render::render;
use crate::model::hub::DownloadProblem;
use crate::model::{FolderForm, ModelError, TokenizerProblem};
use crate::prune::{PruneError, RowObstacle};
use crate::search::error::SearchError;
use crate::search::space::SpaceError;
use crate::search::teacher_error::TeacherError;
use crate::stats::{StatisticsError, TextError};
use crate::tasks::TaskError;
use crate::trial::error::TrialError;

/// Prints a failure and its help to standard error; errors of a script are shown under its code.
pub(in crate::cli) fn report(error: &CliError) {
    let styled = terminal::styled(&std::io::stderr());
    let shown = match error {
        CliError::Diagnosed { name, text, diagnostics } => render(diagnostics, name, text, styled),
        CliError::NoValue { name, text, cause } => render(&[diagnostic(cause)], name, text, styled),
        _ => format!("{}: {}", label(styled), explained(error)),
    };
    terminal::message(&shown);
}

fn label(styled: bool) -> &'static str {
    if styled { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" }
}

/// Returns an error's message and its help lines, in the layout of diagnostics.
pub(in crate::cli) fn explained(error: &CliError) -> String {
    let mut text = format!("{error}\n");
    for line in of(error) {
        text.push_str(&format!("  = help: {line}\n"));
    }
    text
}

/// Returns the diagnostic of a script that has no value on a model, with its help lines.
pub(in crate::cli) fn diagnostic(error: &InterpretError) -> Diagnostic {
    interpret(error).into_iter().fold(error.diagnostic(), |diagnostic, line| diagnostic.help(line))
}

fn none() -> Vec<String> {
    Vec::new()
}

fn one(line: impl Into<String>) -> Vec<String> {
    vec![line.into()]
}

fn no_text(name: &str) -> Vec<String> {
    one(format!("pass `--{name} FILE`, or `--texts FOLDER` with a file {name}.jsonl in the folder"))
}

/// Returns the help lines of a failure.
pub(in crate::cli) fn of(error: &CliError) -> Vec<String> {
    match error {
        CliError::Read { cause, .. } => read(cause),
        CliError::NoRay => one("run `pip install './crates/python[ray]'`; programs call `allot.ray.run`"),
        CliError::Exists { .. } => one("pass `--force` to overwrite it"),
        CliError::Search(cause) => search(cause),
        CliError::Trial(cause) => trial(cause),
        CliError::Stopped { folder, device, .. } => {
            one(format!("continue with `allot search --resume {}{device}`", folder.display()))
        }
        CliError::LongText { .. } => one("use a shorter prompt, or a smaller `--tokens`"),
        CliError::SeveralTexts { name, .. } => one(format!("pass `--{name} FILE`")),
        CliError::NoText { name } => no_text(name),
        CliError::Compare(cause) => compare(cause),
        CliError::Descent(cause) => descent(cause),
        CliError::Prune(cause) => prune(cause),
        CliError::Task(cause) => task(cause),
        CliError::NoTask { .. } => {
            one(format!("built-in tasks: {}", crate::tasks::builtin::known().collect::<Vec<_>>().join(", ")))
        }
        CliError::EmptyPrompt => one("write a prompt"),
        CliError::Draw(_) => one("leave out `--temperature` to take the likeliest token"),
        CliError::NoSparsity => one("pass `--sparsity RATIO`"),
        CliError::Exchange { cause, .. } => exchange(cause),
        CliError::Snapshot { .. } => {
            one("write it again with `--out`, or use a version of allot that can read it")
        }
        CliError::UnknownFormat { .. } => one("name the format with `--from FORMAT`"),
        CliError::NoRows { .. } => {
            one("`--rows` lists the projections; a ratio for each row needs `unit row`")
        }
        CliError::NoModel => one("pass `--model MODEL` and `--sparsity RATIO`"),
        CliError::NoScriptInFile { .. } => one(
            "pass it to `allot eval`, `prune` or `ppl --allocation`, or export it to json, csv, llm-compressor, evopress, dlp or alphapruning",
        ),
        CliError::DecidedSparsity { .. } => one("leave out `--sparsity`"),
        CliError::NoGradients { .. } => one("leave out `--no-gradients`, or the script"),
        CliError::OtherModel { .. } => one("collect them again with `allot stats`"),
        CliError::DecidedUnit { .. } => one("leave out `--unit`"),
        CliError::BinaryOutput => one("pass `--out FILE`"),
        CliError::Memory { .. } => {
            one("leave out `--hessians` or `--gradients`, or allow more with `--memory`")
        }
        CliError::Text(cause) => text(cause),
        CliError::NoScript { similar, .. } => did_you_mean(similar),
        CliError::NoOperator { similar, .. } => no_operator(similar),
        CliError::NoMetric { .. } => one("try `wanda` or `magnitude`"),
        CliError::Model(cause) => model(cause),
        CliError::Statistics(cause) => statistics(cause),
        CliError::Script(cause) => script(cause),
        CliError::Refused { option, .. } => one(format!("leave out `{option}`")),
        CliError::StandardInputTwice => one("pass one of them as a file"),
        CliError::OtherKind { .. } => one("choose another name"),
        CliError::Configuration { .. } => one("set ALLOT_CONFIG to an empty string to ignore the file"),
        CliError::EveryFormula => one("leave out `--evaluations`"),
        CliError::NotTwo { .. } => one("name two scripts, or write them with `-e TEXT`"),
        CliError::NoScriptsIn { .. } => one("pass a file, or another folder"),
        CliError::NoWord { similar, .. } => {
            [did_you_mean(similar), one("`allot ops --all` lists operators, `allot list` lists scripts")]
                .concat()
        }
        CliError::NotByBlock { .. } => one(
            "it gives no ratios for whole blocks; export it to llm-compressor, evopress, json or csv, or use a function of blocks",
        ),
        CliError::NoSchema { similar, .. } => {
            [did_you_mean(similar), one("`allot schema` lists the schemas")].concat()
        }
        CliError::Reported | CliError::Figure { .. } => none(),
        CliError::NamedTwice { .. } | CliError::SparsityTwice { .. } => one("name it once"),
        CliError::Write { cause, .. } => write(cause),
        CliError::BrokenPipe
        | CliError::Standard(_)
        | CliError::Diagnosed { .. }
        | CliError::NoValue { .. }
        | CliError::Allocation(_)
        | CliError::GraphString(_)
        | CliError::NoGraphString
        | CliError::Json(_) => none(),
    }
}

fn did_you_mean(similar: &[String]) -> Vec<String> {
    match similar.is_empty() {
        true => none(),
        false => one(format!("did you mean `{}`?", similar.join("`, `"))),
    }
}

fn no_operator(similar: &[String]) -> Vec<String> {
    [did_you_mean(similar), one("`allot ops --all` lists all operators")].concat()
}

fn task(error: &TaskError) -> Vec<String> {
    match error {
        TaskError::Read { source, .. } => read(source),
        TaskError::Unknown { similar, .. } if similar.is_empty() => {
            one("`allot tasks --help` lists the built-in tasks; a file can describe any other task")
        }
        TaskError::Unknown { similar, .. } => did_you_mean(similar),
        TaskError::Twice { .. } => one("name it once"),
        TaskError::Description { .. } => one("`allot tasks --describe boolq` prints one to start from"),
        TaskError::NoFile { .. } => one("pass the folder that has one of them with `--data FOLDER`"),
        TaskError::NoShots { task, .. } => {
            one(format!("pass such a file with `--shots-from {task}=FILE`, or use `--shots 0`"))
        }
        TaskError::FewShots { .. } => one("use fewer `--shots`"),
        TaskError::Form { .. } => {
            one("describe the file's form: `allot tasks --describe NAME` prints a description to change")
        }
        TaskError::Length { longest, .. } => one(format!("use a `--max-length` of at most {longest}")),
        TaskError::OwnShots { task } => {
            one(format!("pass other documents with `--shots-from {task}=FILE`, or use `--shots 0`"))
        }
        TaskError::Leak { .. } => one("report on other tasks, or search by other tasks"),
        TaskError::Written { .. } => one("name it only in `--report-tasks`"),
        TaskError::NoDocument { .. } => one("use files with more documents, or name more tasks"),
        TaskError::Parquet { .. } => one(
            "convert it with Python: `import pandas; pandas.read_parquet(\"FILE.parquet\").to_json(\"FILE.jsonl\", orient=\"records\", lines=True)`",
        ),
        TaskError::Empty { .. } | TaskError::Document { .. } => one("correct the file"),
        TaskError::NoRoom { .. } => one("leave the task out, or use a model with a longer context"),
        TaskError::Other { .. } => {
            one("measure the other model again, with the same options and `--out FILE`")
        }
        TaskError::Text(cause) => text(cause),
        TaskError::Model(cause) => model(cause),
        TaskError::Interrupted(_) => none(),
    }
}

fn read(cause: &std::io::Error) -> Vec<String> {
    match cause.kind() {
        std::io::ErrorKind::NotFound => one("check the path"),
        std::io::ErrorKind::PermissionDenied => one("check its permissions"),
        _ => none(),
    }
}

fn write(cause: &std::io::Error) -> Vec<String> {
    match cause.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => one("free some space"),
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            one("choose a folder that you may write to")
        }
        std::io::ErrorKind::NotFound => one("make the folder first"),
        _ => none(),
    }
}

fn model(error: &ModelError) -> Vec<String> {
    const AGAIN: &str = "download or copy it again";
    match error {
        ModelError::Read { source, .. } => read(source),
        ModelError::Write { source, .. } => write(source),
        ModelError::NotCached { id, .. } => match cfg!(feature = "hub") {
            true => {
                one(format!("unset HF_HUB_OFFLINE to download it, run `hf download {id}`, or pass a folder"))
            }
            false => one(format!(
                "run `hf download {id}`, or pass a folder (this allot was built without the feature `hub`)"
            )),
        },
        ModelError::Download { problem, .. } => download(problem),
        ModelError::NoConfig { .. } => one("pass the folder with config.json and *.safetensors"),
        ModelError::NoWeights { form: Some(form), .. } | ModelError::Form { form, .. } => of_form(form),
        ModelError::NoWeights { form: None, .. } => one("check whether the download is complete"),
        ModelError::Class { .. } => {
            one("if the weights belong to that family anyway, name its class in config.json")
        }
        ModelError::Quantised { .. } => one("use the original weights, or dequantise them first"),
        ModelError::NoHead { .. } => one(
            "set tie_word_embeddings to true in config.json if the model shares its embedding, or use the whole model",
        ),
        ModelError::Ambiguous { .. } => one("save only the language model"),
        ModelError::Truncated { .. } | ModelError::HeaderSize { .. } | ModelError::Header { .. } => {
            one(AGAIN)
        }
        ModelError::MissingShard { .. } => one("download the missing file"),
        ModelError::Shape { .. } => one("use the config.json that came with these weights"),
        ModelError::DataType { .. } => one("dequantise a quantised model first"),
        ModelError::NotFinite { .. } => one("use another copy"),
        ModelError::Destroyed | ModelError::NoLoss { .. } => one("prune less, or use another method"),
        ModelError::Overflow { .. } => one(
            "check the model's weights and config.json, or use `--precision f32`: its activations on this text are not finite",
        ),
        ModelError::Spectrum { .. } => one("check whether the checkpoint is damaged"),
        ModelError::Scratch { .. } => one(
            "free some space there, set TMPDIR to a folder with more space, allow more with `--memory`, or use fewer samples",
        ),
        ModelError::Length { longest, .. } => one(format!("use a `--length` of at most {longest}")),
        ModelError::OtherVocabulary { .. } | ModelError::OtherToken { .. } => one(
            "compare both by `allot ppl` on one text, in bits per character, or compare with the model that this one was made from",
        ),
        ModelError::Window { .. } => one("use a `--length` of at least 2"),
        ModelError::Tokenizer { problem, .. } => match problem {
            TokenizerProblem::Missing => {
                one("put the model's tokenizer.json there, or pass token ids with `--tokens`")
            }
            TokenizerProblem::OtherForm(_) => one(
                "save it with `AutoTokenizer.from_pretrained(MODEL).save_pretrained(MODEL)`, or pass token ids with `--tokens`",
            ),
            TokenizerProblem::Unreadable(_) => one(AGAIN),
            TokenizerProblem::Ids { .. } | TokenizerProblem::Text(_) | TokenizerProblem::Id { .. } => none(),
        },
        ModelError::Precision => {
            one("use `--device cuda` for `--precision bf16`, or leave out `--precision`")
        }
        ModelError::Engine(cause) => engine(cause),
        ModelError::Compute { .. } if error.is_out_of_memory() => one(
            "the GPU's memory is full; in commands that have `--memory BYTES` it streams the model block by block, \
             `--precision bf16` halves the model's memory, and shorter or fewer windows take less memory",
        ),
        ModelError::Compute { .. }
        | ModelError::Config { .. }
        | ModelError::Architecture { .. }
        | ModelError::MissingTensor { .. }
        | ModelError::Token { .. } => none(),
    }
}

fn of_form(form: &FolderForm) -> Vec<String> {
    const CONVERT: &str = "convert it to a Hugging Face folder with safetensors";
    match form {
        FolderForm::Adapter(_) => one("merge it into its base model (`merge_and_unload`), and save that"),
        FolderForm::FlatLlava => {
            one("use its conversion for transformers, whose config.json has a text_config")
        }
        FolderForm::Pickles => one("save the model again with `safe_serialization=True`"),
        FolderForm::OtherNames(_) => one("name the file model.safetensors, or add the index of its shards"),
        FolderForm::Gguf => one("use the original weights, or dequantise them into safetensors first"),
        FolderForm::Consolidated | FolderForm::Framework(_) => one(CONVERT),
    }
}

fn download(problem: &DownloadProblem) -> Vec<String> {
    match problem {
        DownloadProblem::Refused => {
            one("check the id; for a gated model, request access on its page and set HF_TOKEN")
        }
        DownloadProblem::NoSuchModel => one("check the id"),
        DownloadProblem::Changed => one("run the command again"),
        DownloadProblem::Status(_) => one("try again later"),
        DownloadProblem::Unreachable { cache, .. } => {
            one(format!("without a network, pass a folder, or copy the model into {}", cache.display()))
        }
        DownloadProblem::Cache { .. } => one("set HF_HOME to a writable folder with enough space"),
        DownloadProblem::Broken(_) => one("run the command again; it continues the download"),
        DownloadProblem::Locked(_) => one("wait until that process has finished"),
        DownloadProblem::NoSafetensors | DownloadProblem::Answer(_) => none(),
    }
}

fn engine(error: &EngineError) -> Vec<String> {
    match error {
        EngineError::NotBuilt { .. } => {
            one("build allot with `cargo build --release --features cuda`, or leave out `--device`")
        }
        EngineError::NoDevice { .. } => {
            one("`nvidia-smi` lists the GPUs and their driver; `--device cuda:N` takes the N-th, from 0")
        }
        EngineError::OutOfMemory { fits: Fits::Linear(weights), .. } => one(format!(
            "a linear of {weights} 16-bit weights would fit; stop other programs on this GPU, or leave out `--device`"
        )),
        EngineError::OutOfMemory { fits: Fits::Model(weights), .. } => one(format!(
            "with `--precision bf16` a model of about {weights} weights would fit; search a larger one on the processor"
        )),
        EngineError::SeveralGpus { .. } => one(
            "only `allot search`, `allot enumerate` and `allot compare` measure on several GPUs at a time; name one GPU",
        ),
        EngineError::LargeLinear { .. } => one("leave out `--device`"),
        EngineError::Failed { .. } | EngineError::Tensor(_) => none(),
    }
}

fn statistics(error: &StatisticsError) -> Vec<String> {
    match error {
        StatisticsError::File(cause) => model(cause),
        StatisticsError::Kind { .. } => one("make one with `allot stats`"),
        StatisticsError::Old { .. }
        | StatisticsError::Damaged { .. }
        | StatisticsError::Stale { .. }
        | StatisticsError::Missing { .. }
        | StatisticsError::Value { .. } => one("make it again with `allot stats`"),
        StatisticsError::Unknown { .. } => none(),
    }
}

fn text(error: &TextError) -> Vec<String> {
    match error {
        TextError::Model(cause) => model(cause),
        TextError::Encoding { .. } | TextError::Zero { .. } | TextError::NoText { .. } => {
            one("convert it to UTF-8 text or JSON lines first")
        }
        TextError::Packed { .. } => one("use another copy"),
        TextError::Short { .. } => one("use a longer text or a smaller `--length`"),
        TextError::Line { .. }
        | TextError::Empty { .. }
        | TextError::Count { .. }
        | TextError::Ids { .. }
        | TextError::Id { .. } => none(),
    }
}

fn prune(error: &PruneError) -> Vec<String> {
    const LESS: &str = "prune less, or keep activations dense with `--propagate dense`";
    match error {
        PruneError::Model(cause) => model(cause),
        PruneError::NotAllocated { .. } | PruneError::NoSuchLinear { .. } | PruneError::OtherSize { .. } => {
            one("compute the allocation for this model")
        }
        PruneError::NeedsActivations { .. } => one(
            "pass a calibration text with `--text`, token ids with `--tokens`, or a statistics file with `--stats`",
        ),
        PruneError::NeedsTokens { .. } => {
            one("pass a calibration text with `--text`, or token ids with `--tokens`")
        }
        PruneError::Metric { source, .. } => interpret(source),
        PruneError::AcrossUnits { .. } => {
            one("use `--propagate dense` with a statistics file, or a metric without it")
        }
        PruneError::Score { .. } | PruneError::Activations { .. } => one(LESS),
        PruneError::Singular { .. } => one("use more calibration text, or another one"),
        PruneError::Overflow { .. } => one("prune less, use more calibration text or more damping"),
        PruneError::Exists { .. } => one("choose another name, or replace it with `--force`"),
        PruneError::NotOurs { .. } => one("remove it yourself, or choose another name"),
        PruneError::Overlaps { .. } => one("choose a folder next to it"),
        PruneError::Rows { obstacle } => row_obstacle(*obstacle),
        PruneError::RowCounts { .. } => {
            one("compute the allocation for this model: `allot eval MODEL SCRIPT --format json`")
        }
        PruneError::Pattern { .. } | PruneError::Interrupted(_) => none(),
    }
}

fn exchange(error: &ExchangeError) -> Vec<String> {
    match error {
        ExchangeError::Unequal { .. } => {
            one("export it with `--unit block`, or to llm-compressor, evopress, json or csv")
        }
        ExchangeError::Rows { .. } => one("export it as json, which holds the rows"),
        ExchangeError::RowScript => one("reduce the importance, such as with `mean`, for `unit projection`"),
        ExchangeError::Level { level, least, .. } => {
            one(format!("use `--levels {}`, or `--weights-diff {least}` or more", level.unsigned_abs()))
        }
        ExchangeError::NoLevels { .. } => one("use a smaller `--weights-diff`"),
        ExchangeError::Uniform { .. } => one("use its uniform sparsity instead"),
        ExchangeError::Missing { what, .. } => match what {
            Unsaid::Sparsity | Unsaid::LevelSparsity => one("pass `--sparsity`"),
            Unsaid::LevelStep => one("pass `--weights-diff`"),
            Unsaid::Mapping => one("pass `--epsilon`"),
        },
        ExchangeError::Twice { .. } => one("remove one of them"),
        ExchangeError::Inconsistent { .. } => one("create it again"),
        ExchangeError::NoBlock { .. }
        | ExchangeError::OtherPrefix { .. }
        | ExchangeError::LevelSum { .. }
        | ExchangeError::Malformed { .. }
        | ExchangeError::Count { .. }
        | ExchangeError::NoRatio { .. }
        | ExchangeError::NoSuchModule { .. }
        | ExchangeError::Ratio { .. }
        | ExchangeError::Targets { .. }
        | ExchangeError::Allocation(_)
        | ExchangeError::NoAllocation
        | ExchangeError::Operator { .. }
        | ExchangeError::OperatorOf { .. } => none(),
    }
}

fn row_obstacle(obstacle: RowObstacle) -> Vec<String> {
    match obstacle {
        RowObstacle::Pattern => {
            one("leave `--pattern` at `unstructured`, or evaluate with `--unit projection`")
        }
        RowObstacle::Matrix => {
            one("choose weights with `--method wanda` or `sparsegpt`, or evaluate with `--unit projection`")
        }
        RowObstacle::Rounding => one("leave `--rounding` at `exact`, or evaluate with `--unit projection`"),
    }
}

fn script(error: &ScriptError) -> Vec<String> {
    match error {
        ScriptError::NoAllocation => {
            one("pass it to `--method`, together with a script that has an allocation")
        }
        ScriptError::Interpret(cause) => interpret(cause),
        ScriptError::Allocation { .. } => none(),
    }
}

fn interpret(error: &InterpretError) -> Vec<String> {
    match error {
        InterpretError::NotCollected { op, .. } => not_collected(*op),
        InterpretError::MeasuredElsewhere { op, .. } => vec![
            "pass a calibration text, `--text FILE`, instead of the file: the statistic is then collected as it is needed".to_owned(),
            format!("or collect it for these settings: `allot stats MODEL --text FILE --sparsity RATIO --method METHOD{} --out STATS`", collecting(*op)),
        ],
        InterpretError::NeedsProjection { .. } => one("evaluate with `--unit projection`"),
        InterpretError::NeedsRows { .. } => one("evaluate with `--unit row`"),
        InterpretError::Backend(cause) => cause.downcast_ref().map_or_else(none, engine),
        InterpretError::NotFinite(_)
        | InterpretError::WrongLength { .. }
        | InterpretError::NoLinears
        | InterpretError::NoSpectrum { .. }
        | InterpretError::NoSuchLinear { .. }
        | InterpretError::Internal { .. } => none(),
    }
}

/// Returns the option with which `allot stats` collects a statistic.
const fn collecting(op: Op) -> &'static str {
    match op {
        Op::Gradient => " --gradients",
        Op::ReconstructionError => " --reconstruction-error",
        Op::InputKurtosis => " --input-kurtosis",
        Op::BlockSimilarity | Op::BlockChange => " --block-changes",
        Op::Damage => " --damage --unit UNIT",
        Op::Marginal => " --marginals",
        Op::MarginalSlope => " --marginal-slopes",
        _ => "",
    }
}

/// Returns the help for a missing statistic: how to collect it on a text, or into a statistics file.
fn not_collected(op: Op) -> Vec<String> {
    let option = collecting(op);
    let mut lines = vec![
        "pass a calibration text, `--text FILE`: the statistics that the script needs are collected on it"
            .to_owned(),
        format!(
            "or collect it once with `allot stats MODEL --text FILE{option} --out STATS`, and pass `--stats STATS`"
        ),
    ];
    if op == Op::InputNorm {
        lines.push("or score weights without it: `--method magnitude`".to_owned());
    }
    lines
}

const RESTORE: &str = "restore it, or start a new run";

fn trial(error: &TrialError) -> Vec<String> {
    match error {
        TrialError::Model(cause) => model(cause),
        TrialError::Prune(cause) => prune(cause),
        TrialError::Text(cause) => text(cause),
        TrialError::Task(cause) => task(cause),
        TrialError::Statistics(cause) => statistics(cause),
        TrialError::Script(cause) => script(cause),
        TrialError::NoTasks => one("name some with `--tasks NAMES --data FOLDER`"),
        TrialError::Journal { .. } => one(RESTORE),
        TrialError::Degenerate { .. } => one("choose another sparsity"),
        TrialError::MeasuredPattern { op, .. } => {
            vec![format!("leave out `--pattern`, or use a script without `{op}`")]
        }
        TrialError::MarginalTarget { .. } => one("choose a sparsity between 0 and 1"),
        TrialError::OtherGpu { .. } => {
            one("name GPUs of one kind, such as `--device cuda:0,1`; `nvidia-smi` lists them")
        }
        TrialError::Interrupted(_)
        | TrialError::Allocation(_)
        | TrialError::NoSubject { .. }
        | TrialError::NoBlock { .. }
        | TrialError::Locked { .. }
        | TrialError::NotPublished { .. }
        | TrialError::OtherAnswer
        | TrialError::AnswerCut { .. }
        | TrialError::AnswersMissing { .. } => none(),
    }
}

fn baseline(error: &BaselineError) -> Vec<String> {
    match error {
        BaselineError::Trial(cause) => trial(cause),
        BaselineError::Descent(cause) => descent(cause),
        BaselineError::Control { .. } => none(),
    }
}

fn teacher(error: &TeacherError) -> Vec<String> {
    match error {
        TeacherError::NotADescent { .. } => one("pass a folder that `allot descend --out` wrote"),
        TeacherError::OtherModel { .. } => one("run the descent on the model that you search on"),
        TeacherError::OtherSparsity { .. } => one(
            "run the descent at the search's sparsities as well (`allot descend --sparsity`), or search at the descent's",
        ),
        TeacherError::OtherMetric { .. } => one("run the descent and the search with the same `--method`"),
        TeacherError::OtherUnit { taught, .. } => {
            one(format!("run the descent with another `--unit`, or search with `--unit {taught}`"))
        }
        TeacherError::Rows => one("leave out `--unit row`, or the teachers"),
        TeacherError::Pattern => one("leave out `--pattern`, or the teachers"),
        TeacherError::Uniform { .. } => one("run the descent with more `--steps`, or leave out the teacher"),
        TeacherError::Both { .. } => {
            one("hold out a descent on other windows, that is, with another `--seed`")
        }
        TeacherError::Linears { .. } => none(),
    }
}

fn search(error: &SearchError) -> Vec<String> {
    match error {
        SearchError::Trial(cause) => trial(cause),
        SearchError::Control(cause) => baseline(cause),
        SearchError::Space(cause) => space(cause),
        SearchError::Exists { folder } => one(format!(
            "continue it with `allot search --resume {}`, or choose another `--out`",
            folder.display()
        )),
        SearchError::NotByTasks { .. } => {
            one("leave out the control; `random`, `ramp` and `evopress` need only the candidates' losses")
        }
        SearchError::Changed { .. } => one(RESTORE),
        SearchError::Fewer { begun, .. } => {
            one(format!("leave out `--evaluations`, or pass {begun} or more"))
        }
        SearchError::Teacher(cause) => teacher(cause),
        SearchError::MetricOfUnits => one("search only blocks, with `--unit block`"),
        SearchError::TooMany { .. } => {
            one("leave out operators (`--without`, `--only`), or use a smaller `--max-size` or grid")
        }
        SearchError::NoMarginals { sparsity } => one(format!(
            "leave out `--report-sparsity {sparsity}` or the operators (`--without marginal,marginal_slope`), or collect statistics with marginals there"
        )),
        SearchError::Told(_)
        | SearchError::Interrupted(_)
        | SearchError::NoFormula
        | SearchError::NotARun { .. } => none(),
    }
}

fn space(error: &SpaceError) -> Vec<String> {
    match error {
        SpaceError::NoOperator { similar, .. } => no_operator(similar),
        SpaceError::TooSmall { least, .. } => one(format!("allow {least} with `--max-size`")),
        SpaceError::NotInSpace { .. } | SpaceError::Units | SpaceError::Empty { .. } => none(),
    }
}

fn descent(error: &DescentError) -> Vec<String> {
    match error {
        DescentError::Interrupted(_) => {
            one("the same command with the same `--out` continues where this one stopped")
        }
        DescentError::Other { .. } | DescentError::NotADescent { .. } => one("choose another `--out`"),
        DescentError::Trial(cause) => trial(cause),
        DescentError::Refused(Refusal::Target(_)) => one("choose a sparsity between 0 and 1"),
        DescentError::NotFinite { .. } => one("choose a lower sparsity"),
        DescentError::Refused(_) => none(),
    }
}

fn compare(error: &CompareError) -> Vec<String> {
    const ELSEWHERE: &str = "choose another `--out`";
    match error {
        CompareError::Interrupted(_) => {
            one("the same command with the same `--out` continues where this one stopped")
        }
        CompareError::Other { .. } | CompareError::NotAComparison { .. } => one(ELSEWHERE),
        CompareError::SparseGptDense => one("leave `--propagate` at `pruned`"),
        CompareError::Trial(cause) => trial(cause),
        CompareError::Program(cause) => baseline(cause),
    }
}
