//! The files of a model, read and checked.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokenizers::{Tokenizer, TruncationParams, TruncationStrategy};

use crate::{error::LoadError, pooling::Pooling};

const MOST_JSON: u64 = 1 << 20;
const MOST_TOKENIZER: u64 = 64 << 20;
const MOST_WEIGHTS: u64 = 8 << 30;

/// `config.json`, as far as it says something about the computation.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    pub model_type: String,
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    #[serde(default = "gelu")]
    pub hidden_act: String,
    pub max_position_embeddings: usize,
    #[serde(default = "two")]
    pub type_vocab_size: usize,
    #[serde(default = "tiny")]
    pub layer_norm_eps: f64,
    #[serde(default)]
    pub pad_token_id: u32,
    #[serde(default)]
    position_embedding_type: Option<String>,
    /// What a cross-encoder's results are called; one of them is a score.
    #[serde(default)]
    id2label: Option<serde_json::Map<String, Value>>,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn two() -> usize {
    2
}

fn tiny() -> f64 {
    1e-12
}

/// The two architectures that are known. They differ in how positions are counted and in a cross-encoder's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Bert,
    Roberta,
}

/// What goes before a text, for models that embed questions and documents differently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompts {
    pub query: String,
    pub document: String,
}

/// A model's files in memory.
pub struct Folder {
    pub path: PathBuf,
    pub config: Config,
    pub architecture: Architecture,
    /// It cuts a text after the most tokens. A large vocabulary takes hundreds of megabytes, so it is shared.
    pub tokenizer: Arc<Tokenizer>,
    pub weights: Vec<u8>,
    pub pooling: Pooling,
    pub prompts: Prompts,
    /// A hash of everything that the vectors depend on.
    pub identity: String,
}

impl Folder {
    /// Of a text, at most so many tokens are read, or fewer if the model takes fewer.
    pub fn read(path: &Path, most_tokens: usize) -> Result<Self, LoadError> {
        let file = path.join("config.json");
        let bytes = read(&file, MOST_JSON)?;
        let config: Config = parse(&file, &bytes)?;
        let architecture = config.check(&file)?;
        let mut hash = Sha256::new();
        hash.update(&bytes);

        let most_tokens = most_tokens.min(own_tokens(path, &config, architecture)?);
        let file = path.join("tokenizer.json");
        let bytes = read(&file, MOST_TOKENIZER)?;
        hash.update(&bytes);
        let tokenizer = Arc::new(tokenizer(&file, &bytes, &config, most_tokens)?);

        let pooling = pooling(path)?;
        let prompts = prompts(path)?;
        hash.update(format!("{pooling:?} {prompts:?} {most_tokens}"));

        let weights = read(&path.join("model.safetensors"), MOST_WEIGHTS)?;
        hash.update(&weights);
        let identity = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let path = path.to_owned();
        Ok(Self { path, config, architecture, tokenizer, weights, pooling, prompts, identity })
    }
}

impl Config {
    /// Refuses what the computation would break on, before it does.
    fn check(&self, file: &Path) -> Result<Architecture, LoadError> {
        let architecture = match self.model_type.as_str() {
            "bert" => Architecture::Bert,
            "roberta" | "xlm-roberta" | "camembert" => Architecture::Roberta,
            other => return Err(LoadError::unsupported(file, format!("model_type `{other}`"))),
        };
        if let Some(kind) = self.position_embedding_type.as_deref().filter(|kind| *kind != "absolute") {
            return Err(LoadError::unsupported(file, format!("position_embedding_type `{kind}`")));
        }
        if !matches!(self.hidden_act.as_str(), "gelu" | "relu" | "gelu_new" | "gelu_pytorch_tanh") {
            return Err(LoadError::unsupported(file, format!("hidden_act `{}`", self.hidden_act)));
        }
        let heads = self.num_attention_heads;
        if heads == 0 || self.hidden_size == 0 || !self.hidden_size.is_multiple_of(heads) {
            return Err(LoadError::malformed(
                file,
                format!("hidden_size {} can't be divided among {heads} heads", self.hidden_size),
            ));
        }
        Ok(architecture)
    }

    /// How many results a cross-encoder has.
    pub fn labels(&self) -> usize {
        self.id2label.as_ref().map_or(1, serde_json::Map::len)
    }
}

/// The tokenizer without the padding and with another length than it was saved with.
fn tokenizer(file: &Path, bytes: &[u8], config: &Config, most_tokens: usize) -> Result<Tokenizer, LoadError> {
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| LoadError::malformed(file, error))?;
    let tokens = tokenizer.get_vocab(true).into_values().max().map_or(0, |last| last as usize + 1);
    if tokens == 0 || tokens > config.vocab_size {
        return Err(LoadError::Vocabulary { file: file.to_owned(), tokens, rows: config.vocab_size });
    }
    tokenizer.with_padding(None);
    let truncation = TruncationParams {
        max_length: most_tokens,
        strategy: TruncationStrategy::LongestFirst,
        ..TruncationParams::default()
    };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| LoadError::malformed(file, error))?;
    Ok(tokenizer)
}

/// The most tokens of a text that the model takes, those that the tokenizer adds included.
fn own_tokens(path: &Path, config: &Config, architecture: Architecture) -> Result<usize, LoadError> {
    #[derive(Deserialize)]
    struct Sentences {
        max_seq_length: Option<usize>,
    }
    // RoBERTa counts positions from the one after the padding's id.
    let taken = if architecture == Architecture::Roberta { config.pad_token_id as usize + 1 } else { 0 };
    let own = config.max_position_embeddings.saturating_sub(taken);
    let file = path.join("sentence_bert_config.json");
    let set = optional::<Sentences>(&file)?.and_then(|sentences| sentences.max_seq_length).unwrap_or(own);
    let most = set.min(own);
    // A cross-encoder's own marks are four.
    if most < 8 {
        return Err(LoadError::malformed(&path.join("config.json"), format!("{most} tokens are too few for a text")));
    }
    Ok(most)
}

fn pooling(path: &Path) -> Result<Pooling, LoadError> {
    #[derive(Deserialize)]
    struct Module {
        #[serde(rename = "type")]
        kind: String,
    }
    let file = path.join("modules.json");
    for Module { kind } in optional::<Vec<Module>>(&file)?.unwrap_or_default() {
        // Normalising is done in any case.
        let name = kind.rsplit('.').next().unwrap_or_default();
        if !matches!(name, "Transformer" | "Pooling" | "Normalize") {
            return Err(LoadError::unsupported(&file, format!("the module `{name}`")));
        }
    }
    let file = path.join("1_Pooling").join("config.json");
    let Some(modes) = optional::<serde_json::Map<String, Value>>(&file)? else { return Ok(Pooling::default()) };
    let on: Vec<&str> = modes
        .iter()
        .filter(|(name, value)| name.starts_with("pooling_mode_") && value.as_bool() == Some(true))
        .map(|(name, _)| name.as_str())
        .collect();
    match on.as_slice() {
        [] | ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
        ["pooling_mode_cls_token"] => Ok(Pooling::First),
        ["pooling_mode_max_tokens"] => Ok(Pooling::Max),
        other => Err(LoadError::unsupported(&file, other.join(" with "))),
    }
}

fn prompts(path: &Path) -> Result<Prompts, LoadError> {
    #[derive(Deserialize)]
    struct Sentences {
        #[serde(default)]
        prompts: std::collections::BTreeMap<String, String>,
    }
    let Some(Sentences { mut prompts }) = optional(&path.join("config_sentence_transformers.json"))? else {
        return Ok(Prompts::default());
    };
    // The names by which sentence-transformers looks for them.
    let mut first = |names: &[&str]| names.iter().find_map(|name| prompts.remove(*name)).unwrap_or_default();
    Ok(Prompts { query: first(&["query"]), document: first(&["document", "passage", "corpus"]) })
}

/// A file that may be missing.
fn optional<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, LoadError> {
    if !file.exists() {
        return Ok(None);
    }
    parse(file, &read(file, MOST_JSON)?).map(Some)
}

fn parse<T: DeserializeOwned>(file: &Path, bytes: &[u8]) -> Result<T, LoadError> {
    serde_json::from_slice(bytes).map_err(|error| LoadError::malformed(file, error))
}

fn read(file: &Path, most: u64) -> Result<Vec<u8>, LoadError> {
    let unreadable = |error: std::io::Error| LoadError::Unreadable { file: file.to_owned(), reason: error.to_string() };
    let opened = File::open(file).map_err(unreadable)?;
    let bytes = opened.metadata().map_err(unreadable)?.len();
    if bytes > most {
        return Err(LoadError::TooLarge { file: file.to_owned(), bytes, most });
    }
    let mut read = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
    // What grows meanwhile, or is no plain file, has no honest length.
    opened.take(most).read_to_end(&mut read).map_err(unreadable)?;
    Ok(read)
}
