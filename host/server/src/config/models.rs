//! The settings of the language model, of the embedder and of the reranker.

use std::path::PathBuf;

use resly_models::{EmbedderConfig, Endpoint, ModelConfig};
use secrecy::SecretString;
use url::Url;

use super::layers::{Layers, variable};
use crate::local_models;

pub fn model(layers: &Layers, mistakes: &mut Vec<String>) -> Option<ModelConfig> {
    // Each setting is read in every case, so that every mistake is named.
    let provider = layers.parsed("model_api", mistakes, str::parse).unwrap_or_default();
    let temperature = layers.parsed("model_temperature", mistakes, temperature);
    let endpoint = endpoint(layers, mistakes, "model_url", "model", "model_key")?;
    Some(ModelConfig { provider, endpoint, temperature })
}

pub fn embedder(layers: &Layers, mistakes: &mut Vec<String>) -> Option<EmbedderConfig> {
    let provider = layers.parsed("embedder_api", mistakes, str::parse).unwrap_or_default();
    let endpoint = endpoint(layers, mistakes, "embedder_url", "embedder", "embedder_key")?;
    Some(EmbedderConfig { provider, endpoint })
}

pub fn reranker(layers: &Layers, mistakes: &mut Vec<String>) -> Option<Endpoint> {
    endpoint(layers, mistakes, "reranker_url", "reranker", "reranker_key")
}

/// The folder of a model that runs in this process. It takes the place of one at a URL.
pub fn folder(layers: &Layers, mistakes: &mut Vec<String>, folder: &'static str, url: &'static str) -> Option<PathBuf> {
    let path = layers.text(folder)?;
    if !local_models::BUILT_IN {
        mistakes.push(format!(
            "{}: this build has no local models; build one that has by {}, use {}, or leave both out",
            layers.origin(folder),
            local_models::HOW_TO_BUILD,
            variable(url)
        ));
    } else if layers.text(url).is_some() {
        mistakes.push(format!("{}: {} names another one; leave one of them out", layers.origin(folder), variable(url)));
    }
    Some(PathBuf::from(path))
}

fn endpoint(
    layers: &Layers,
    mistakes: &mut Vec<String>,
    url: &'static str,
    model: &'static str,
    key: &'static str,
) -> Option<Endpoint> {
    let parsed = layers.parsed(url, mistakes, |text| match Url::parse(text) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not a URL such as https://api.openai.com/v1")),
    });
    if layers.text(url).is_none() {
        for name in [model, key].into_iter().filter(|name| layers.text(name).is_some()) {
            mistakes.push(format!("{}: it needs {}", layers.origin(name), variable(url)));
        }
        return None;
    }
    let Some(name) = layers.text(model) else {
        mistakes.push(format!("{}: {} is needed with it", layers.origin(url), variable(model)));
        return None;
    };
    Some(Endpoint { url: parsed?, model: name.to_owned(), key: layers.text(key).map(SecretString::from) })
}

fn temperature(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=2.0).contains(number));
    number.ok_or_else(|| format!("`{text}` is not a number from 0 to 2"))
}
