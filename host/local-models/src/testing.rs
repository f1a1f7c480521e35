//! Folders with models of a few random numbers.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const HIDDEN: usize = 8;
const INNER: usize = 16;
const LAYERS: usize = 2;
const POSITIONS: usize = 40;
const WORDS: [&str; 14] = [
    "<s>", "<pad>", "</s>", "<unk>", "a", "b", "the", "refund", "parcel", "card", "query:", "passage:", "weather",
    "late",
];

/// A model in a folder of its own.
pub struct Tiny {
    _folder: TempDir,
    pub path: PathBuf,
    tensors: HashMap<String, Tensor>,
}

impl Tiny {
    pub fn bert() -> Self {
        Self::new("bert", "", &[])
    }

    pub fn roberta() -> Self {
        Self::new("xlm-roberta", "", &[])
    }

    /// A cross-encoder of this type, with a head.
    pub fn cross_encoder(model_type: &str) -> Self {
        let (dense, score, prefix) = match model_type {
            "bert" => ("bert.pooler.dense", "classifier", "bert."),
            _ => ("classifier.dense", "classifier.out_proj", "roberta."),
        };
        Self::new(model_type, prefix, &[(dense, HIDDEN), (score, 1)])
    }

    fn new(model_type: &str, prefix: &str, head: &[(&str, usize)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        fs::create_dir(&path).unwrap();
        let mut tiny = Self { _folder: folder, path, tensors: HashMap::new() };
        tiny.write_json(
            "config.json",
            &json!({
                "model_type": model_type, "vocab_size": WORDS.len(), "hidden_size": HIDDEN,
                "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": INNER,
                "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "pad_token_id": 1,
            }),
        );
        tiny.write_json("tokenizer.json", &tokenizer(&WORDS));
        let mut random = Random(7);
        tiny.add(&mut random, &format!("{prefix}embeddings.word_embeddings.weight"), &[WORDS.len(), HIDDEN]);
        tiny.add(&mut random, &format!("{prefix}embeddings.position_embeddings.weight"), &[POSITIONS, HIDDEN]);
        tiny.add(&mut random, &format!("{prefix}embeddings.token_type_embeddings.weight"), &[2, HIDDEN]);
        tiny.add_norm(&format!("{prefix}embeddings.LayerNorm"));
        for layer in 0..LAYERS {
            let layer = format!("{prefix}encoder.layer.{layer}");
            for name in ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
            {
                tiny.add_linear(&mut random, &format!("{layer}.{name}"), HIDDEN, HIDDEN);
            }
            tiny.add_linear(&mut random, &format!("{layer}.intermediate.dense"), INNER, HIDDEN);
            tiny.add_linear(&mut random, &format!("{layer}.output.dense"), HIDDEN, INNER);
            tiny.add_norm(&format!("{layer}.attention.output.LayerNorm"));
            tiny.add_norm(&format!("{layer}.output.LayerNorm"));
        }
        for (name, rows) in head {
            tiny.add_linear(&mut random, name, *rows, HIDDEN);
        }
        tiny.save();
        tiny
    }

    fn add(&mut self, random: &mut Random, name: &str, shape: &[usize]) {
        let values = (0..shape.iter().product()).map(|_| random.next()).collect();
        self.tensors.insert(name.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    }

    fn add_linear(&mut self, random: &mut Random, name: &str, rows: usize, columns: usize) {
        self.add(random, &format!("{name}.weight"), &[rows, columns]);
        self.add(random, &format!("{name}.bias"), &[rows]);
    }

    fn add_norm(&mut self, name: &str) {
        for (what, value) in [("weight", 1f32), ("bias", 0.0)] {
            let tensor = Tensor::full(value, HIDDEN, &Device::Cpu).unwrap();
            self.tensors.insert(format!("{name}.{what}"), tensor);
        }
    }

    /// Changes the weights.
    pub fn with_weights(mut self, change: impl FnOnce(&mut HashMap<String, Tensor>)) -> Self {
        change(&mut self.tensors);
        self.save();
        self
    }

    fn save(&self) {
        candle_core::safetensors::save(&self.tensors, self.path.join("model.safetensors")).unwrap();
    }

    /// Writes a file of the folder.
    pub fn with_file(self, name: &str, value: &Value) -> Self {
        self.write_json(name, value);
        self
    }

    /// Changes a member of `config.json`.
    pub fn with_config(self, member: &str, value: Value) -> Self {
        let mut config: Value = serde_json::from_slice(&fs::read(self.path.join("config.json")).unwrap()).unwrap();
        config[member] = value;
        self.with_file("config.json", &config)
    }

    fn write_json(&self, name: &str, value: &Value) {
        let file: &Path = &self.path.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, value.to_string()).unwrap();
    }
}

/// Whole words, with the marks that the models are trained with.
pub fn tokenizer(words: &[&str]) -> Value {
    let vocabulary: serde_json::Map<_, _> =
        words.iter().enumerate().map(|(id, word)| ((*word).to_owned(), json!(id))).collect();
    let (mark, text) = (
        |id: &str, kind| json!({"SpecialToken": {"id": id, "type_id": kind}}),
        |id, kind| json!({"Sequence": {"id": id, "type_id": kind}}),
    );
    json!({
        "version": "1.0",
        // As published ones are saved: with a padding and a length that aren't ours.
        "truncation": {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 6}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 1,
                    "pad_type_id": 0, "pad_token": "<pad>"},
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [mark("<s>", 0), text("A", 0), mark("</s>", 0)],
            "pair": [mark("<s>", 0), text("A", 0), mark("</s>", 0), text("B", 1), mark("</s>", 1)],
            "special_tokens": {
                "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]},
            },
        },
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    })
}

/// Numbers between -1 and 1, the same ones each time (Lehmer, "MINSTD").
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        self.0 as f32 / 0x3fff_ffff as f32 - 1.0
    }
}

/// Texts of many lengths.
pub fn texts() -> Vec<String> {
    let words = ["a refund", "the parcel is late", "card", "", "b b b a the card weather late refund", "quite unknown"];
    words.iter().cycle().take(11).map(|text| (*text).to_owned()).collect()
}

pub fn assert_close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
}
