//! Detects weights stored in fewer bits, from the configuration or from the tensors.

use std::fs;
use std::path::Path;

use safetensors::Dtype;
use serde_json::{Map, Value};

use super::error::ModelError;
use super::files::TensorFiles;
use super::keys::Keys;
use super::quantised_form::QuantisedForm;

/// Files beside config.json in which older tools record how they quantised, with their methods.
const FILES: &[(&str, Option<QuantisedForm>)] = &[
    ("quantize_config.json", Some(QuantisedForm::Gptq)),
    ("quant_config.json", Some(QuantisedForm::Awq)),
    ("hf_quant_config.json", None),
    ("quanto_qmap.json", Some(QuantisedForm::Quanto)),
];

/// Refuses a configuration that says that its model is quantised, in the file or on loading.
///
/// # Errors
/// With the method's name.
pub(super) fn check_config(keys: &Keys<'_>) -> Result<(), ModelError> {
    // MLX writes its settings to `quantization`.
    for key in ["quantization_config", "compression_config", "quantization"] {
        let Some(object) = keys.object(key)?.filter(|it| !it.is_empty()) else { continue };
        if let Some(form) = of_config(object) {
            return Err(ModelError::Quantised { path: keys.path().to_owned(), place: keys.name(key), form });
        }
    }
    Ok(())
}

/// Refuses a folder in which a file beside config.json says that the weights are quantised.
///
/// # Errors
/// With the method's name.
pub(super) fn check_folder(folder: &Path) -> Result<(), ModelError> {
    for (name, form) in FILES {
        let path = folder.join(name);
        let Ok(text) = fs::read(&path) else { continue };
        let form = form.clone().unwrap_or_else(|| {
            let object: Map<String, Value> = serde_json::from_slice(&text).unwrap_or_default();
            let inner = object.get("quantization").and_then(|it| it.get("quant_algo"));
            QuantisedForm::Other(inner.and_then(Value::as_str).unwrap_or("ModelOpt").to_owned())
        });
        return Err(ModelError::Quantised { path, place: "$".to_owned(), form });
    }
    Ok(())
}

/// Returns the method of a `quantization_config`; `None` if it says that all weights are plain.
fn of_config(object: &Map<String, Value>) -> Option<QuantisedForm> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let on = |key: &str| object.get(key) == Some(&Value::Bool(true));
    let method = text("quant_method").or_else(|| text("quant_algo")).unwrap_or_default();
    Some(match method.to_lowercase().as_str() {
        "gptq" | "gptqmodel" => QuantisedForm::Gptq,
        "awq" => QuantisedForm::Awq,
        "compressed-tensors" | "compressed_tensors" | "sparseml" => {
            return compressed(object).map(QuantisedForm::CompressedTensors);
        }
        "bitsandbytes" => QuantisedForm::Bitsandbytes,
        "bitnet" => QuantisedForm::BitNet,
        "fp8" | "fbgemm_fp8" => QuantisedForm::Fp8,
        "mxfp4" => QuantisedForm::Mxfp4,
        "nvfp4" => QuantisedForm::Nvfp4,
        "hqq" => QuantisedForm::Hqq,
        "aqlm" => QuantisedForm::Aqlm,
        "quanto" => QuantisedForm::Quanto,
        "torchao" => QuantisedForm::Torchao,
        "gguf" => QuantisedForm::Gguf,
        "" if on("load_in_4bit") || on("load_in_8bit") || on("_load_in_4bit") || on("_load_in_8bit") => {
            QuantisedForm::Bitsandbytes
        }
        "" if object.contains_key("desc_act") => QuantisedForm::Gptq,
        "" if object.contains_key("group_size") && object.contains_key("bits") => QuantisedForm::Mlx,
        "" => QuantisedForm::Other("a method without a name".to_owned()),
        _ => QuantisedForm::Other(method.to_owned()),
    })
}

/// Keys of compressed-tensors that do not change what plain tensors compute.
const PLAIN: &[&str] = &[
    "dequantize",
    "global_compression_ratio",
    "ignore",
    "quant_method",
    "quantization_status",
    "run_compressed",
    "use_optimized_inference",
    "version",
];

/// Returns what compressed-tensors does to a model; `None` if it was pruned and saved dense: zeros in plain
/// tensors.
fn compressed(object: &Map<String, Value>) -> Option<String> {
    // transformers reads an object inside the object in place of the outer one; either may name a scheme.
    if let Some(Value::Object(inner)) = object.get("quantization_config")
        && let Some(found) = compressed(inner)
    {
        return Some(found);
    }
    let format = |value: &Value| value.as_str().filter(|it| *it != "dense").map(str::to_owned);
    let sparse = object.get("sparsity_config").and_then(|it| it.get("format")).and_then(format);
    if let Some(format) = sparse.or_else(|| object.get("format").and_then(format)) {
        return Some(format);
    }
    for (key, value) in object.iter().filter(|(_, value)| !is_empty(value)) {
        match key.as_str() {
            "config_groups" => return Some("quantised".to_owned()),
            "kv_cache_scheme" => return Some("with a quantised cache, kv_cache_scheme".to_owned()),
            "transform_config" => return Some("with transforms, transform_config".to_owned()),
            // Both are objects with known contents by now, or not objects.
            "quantization_config" | "sparsity_config" if value.is_object() => {}
            "format" if value.is_string() => {}
            known if PLAIN.contains(&known) => {}
            other => return Some(format!("with the unknown key {other}")),
        }
    }
    None
}

/// Returns whether a value holds nothing: null, an empty list, or an object of such values.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Name endings of a quantised linear's tensors, with the methods that use them.
const ENDINGS: &[(&str, QuantisedForm)] = &[
    (".g_idx", QuantisedForm::Gptq),
    (".SCB", QuantisedForm::Bitsandbytes),
    (".weight.absmax", QuantisedForm::Bitsandbytes),
    (".weight.quant_map", QuantisedForm::Bitsandbytes),
    (".weight_scale_inv", QuantisedForm::Fp8),
    ("_blocks", QuantisedForm::Mxfp4),
    (".weight_scale_2", QuantisedForm::Nvfp4),
    (".W_q", QuantisedForm::Hqq),
    (".codebooks", QuantisedForm::Aqlm),
    (".weight._data", QuantisedForm::Quanto),
    (".weight_qdata", QuantisedForm::Torchao),
    (".weight:qdata", QuantisedForm::Torchao),
    (".weight:_data", QuantisedForm::Torchao),
];

/// Refuses files whose tensors show that they are quantised.
///
/// # Errors
/// With the method, and the tensor that shows it.
pub(super) fn check_tensors(files: &TensorFiles) -> Result<(), ModelError> {
    for name in files.names() {
        let tensor = files.tensor(name)?;
        let form = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, form)| form.clone());
        let Some(form) = form.or_else(|| of_tensor(name, tensor.dtype, files)) else { continue };
        let (path, place) = (tensor.path.to_owned(), name.to_owned());
        return Err(ModelError::Quantised { path, place, form });
    }
    Ok(())
}

/// Returns the method by which a tensor is stored, if its name and type show one.
fn of_tensor(name: &str, dtype: Dtype, files: &TensorFiles) -> Option<QuantisedForm> {
    if let Some(module) = name.strip_suffix(".qweight") {
        // Only GPTQ stores an order of the columns; both GPTQ and AWQ store zeros.
        let ordered = files.contains(&format!("{module}.g_idx"));
        return Some(if ordered {
            QuantisedForm::Gptq
        } else {
            QuantisedForm::Other("GPTQ or AWQ".to_owned())
        });
    }
    let compressed = |format: &str| Some(QuantisedForm::CompressedTensors(format.to_owned()));
    if name.ends_with(".weight_packed") {
        return compressed("packed");
    }
    if name.ends_with(".bitmask") || name.ends_with(".compressed") {
        return compressed("sparse");
    }
    if !name.ends_with(".weight") {
        return None;
    }
    let beside = |ending: &str| files.tensor(&format!("{name}{ending}")).ok();
    let module = name.trim_end_matches(".weight");
    match dtype {
        Dtype::F8_E4M3 | Dtype::F8_E5M2 | Dtype::F8_E8M0 => Some(QuantisedForm::Fp8),
        Dtype::U8 if beside("_scale_2").is_some() => Some(QuantisedForm::Nvfp4),
        // BitNet has one scale for the whole weight.
        Dtype::U8 => match beside("_scale") {
            Some(scale) if scale.shape.iter().product::<usize>() == 1 => Some(QuantisedForm::BitNet),
            _ => Some(QuantisedForm::Other("packed integers".to_owned())),
        },
        Dtype::U32 | Dtype::I32 if files.contains(&format!("{module}.biases")) => Some(QuantisedForm::Mlx),
        Dtype::I8 => Some(QuantisedForm::Int8),
        _ => None,
    }
}
