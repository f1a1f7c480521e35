//! The transformer: from texts to the states of their tokens.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::{
    bert::{self, BertModel, HiddenAct},
    xlm_roberta::{self, XLMRobertaModel},
};
use tokenizers::{EncodeInput, Encoding, Tokenizer};

use crate::{
    error::{LoadError, RunError},
    folder::{Architecture, Config, Folder},
};

/// Tokens of a batch, padding included. It bounds the memory that a batch takes.
const MOST_TOKENS_OF_BATCH: usize = 4096;

/// A loaded transformer with its tokenizer.
pub struct Encoder {
    network: Network,
    tokenizer: Arc<Tokenizer>,
    padding: u32,
}

enum Network {
    Bert(BertModel),
    Roberta(XLMRobertaModel),
}

/// The states of a batch's tokens, (texts, tokens, dimensions), and 1 for each token that is no padding, (texts, tokens).
pub struct States {
    pub states: Tensor,
    pub mask: Tensor,
}

impl Encoder {
    /// The weights have to be those of `folder`.
    pub fn load(folder: &Folder, weights: &VarBuilder) -> Result<Self, LoadError> {
        let network = Network::load(&folder.config, folder.architecture, weights)
            .map_err(|error| weights_error(folder, &error))?;
        Ok(Self { network, tokenizer: Arc::clone(&folder.tokenizer), padding: folder.config.pad_token_id })
    }

    /// Gives each text's result to `read`, which has one row for each text of a batch. Texts of a similar length go
    /// together, and the results are in the order of the texts.
    pub fn run<'t, T>(
        &self,
        texts: impl IntoIterator<Item = impl Into<EncodeInput<'t>>>,
        read: impl Fn(&States) -> Result<Vec<T>, RunError>,
    ) -> Result<Vec<T>, RunError> {
        let encode = |text| self.tokenizer.encode(text, true).map_err(|error| RunError::Tokens(error.to_string()));
        let mut encoded = Vec::new();
        for (place, text) in texts.into_iter().enumerate() {
            encoded.push((place, encode(text.into())?));
        }
        encoded.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        let mut results = Vec::with_capacity(encoded.len());
        let mut rest = encoded.as_slice();
        while let Some((_, longest)) = rest.first() {
            let fits = (MOST_TOKENS_OF_BATCH / longest.len().max(1)).clamp(1, rest.len());
            let (batch, others) = rest.split_at(fits);
            let read = read(&self.states(batch)?)?;
            results.extend(batch.iter().map(|(place, _)| *place).zip(read));
            rest = others;
        }
        results.sort_by_key(|(place, _)| *place);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    fn states(&self, batch: &[(usize, Encoding)]) -> candle_core::Result<States> {
        let width = batch.iter().map(|(_, text)| text.len()).max().unwrap_or_default().max(1);
        let shape = (batch.len(), width);
        let padded = |of: fn(&Encoding) -> &[u32], padding| {
            let mut values = Vec::with_capacity(batch.len() * width);
            for (row, (_, text)) in batch.iter().enumerate() {
                values.extend_from_slice(of(text));
                values.resize((row + 1) * width, padding);
            }
            Tensor::from_vec(values, shape, &Device::Cpu)
        };
        let ids = padded(Encoding::get_ids, self.padding)?;
        let mask = padded(Encoding::get_attention_mask, 0)?;
        let states = match &self.network {
            Network::Bert(network) => network.forward(&ids, &padded(Encoding::get_type_ids, 0)?, Some(&mask))?,
            // It has one type of tokens.
            Network::Roberta(network) => network.forward(&ids, &mask, &ids.zeros_like()?, None, None, None)?,
        };
        Ok(States { states, mask })
    }
}

impl Network {
    fn load(config: &Config, architecture: Architecture, weights: &VarBuilder) -> candle_core::Result<Self> {
        match architecture {
            Architecture::Bert => BertModel::load(below(weights, "bert"), &config.bert()).map(Self::Bert),
            Architecture::Roberta => {
                XLMRobertaModel::new(&config.roberta(), below(weights, "roberta")).map(Self::Roberta)
            }
        }
    }
}

/// The weights of the transformer, which a model with a head keeps under a name of their own.
fn below<'a>(weights: &VarBuilder<'a>, name: &str) -> VarBuilder<'a> {
    let below = weights.pp(name);
    if below.contains_tensor("embeddings.word_embeddings.weight") { below } else { weights.clone() }
}

/// The weights as single-precision numbers, in which the processor computes.
pub fn weights(folder: &mut Folder) -> Result<VarBuilder<'static>, LoadError> {
    let bytes = std::mem::take(&mut folder.weights);
    VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu)
        .map_err(|error| LoadError::malformed(&folder.path.join("model.safetensors"), error))
}

pub fn weights_error(folder: &Folder, error: &candle_core::Error) -> LoadError {
    LoadError::Weights { file: folder.path.join("model.safetensors"), reason: error.to_string() }
}

impl Config {
    fn bert(&self) -> bert::Config {
        bert::Config {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            hidden_act: match self.hidden_act.as_str() {
                "gelu" => HiddenAct::Gelu,
                "relu" => HiddenAct::Relu,
                _ => HiddenAct::GeluApproximate,
            },
            max_position_embeddings: self.max_position_embeddings,
            type_vocab_size: self.type_vocab_size,
            layer_norm_eps: self.layer_norm_eps,
            pad_token_id: self.pad_token_id as usize,
            ..bert::Config::default()
        }
    }

    fn roberta(&self) -> xlm_roberta::Config {
        xlm_roberta::Config {
            hidden_size: self.hidden_size,
            layer_norm_eps: self.layer_norm_eps,
            attention_probs_dropout_prob: 0.0,
            hidden_dropout_prob: 0.0,
            num_attention_heads: self.num_attention_heads,
            position_embedding_type: "absolute".to_owned(),
            intermediate_size: self.intermediate_size,
            hidden_act: match self.hidden_act.as_str() {
                "gelu" => Activation::Gelu,
                "relu" => Activation::Relu,
                _ => Activation::NewGelu,
            },
            num_hidden_layers: self.num_hidden_layers,
            vocab_size: self.vocab_size,
            max_position_embeddings: self.max_position_embeddings,
            type_vocab_size: self.type_vocab_size,
            pad_token_id: self.pad_token_id,
        }
    }
}
