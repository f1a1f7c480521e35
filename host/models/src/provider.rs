//! The providers that a configuration may name: one row for each in `providers!`, and one function from a configuration
//! to what it names.

use std::{str::FromStr, sync::Arc};

use reqwest::header::HeaderName;
use resly_core::{knowledge::Embedder, model::Model};

use crate::{
    anthropic,
    builtin::Builtin,
    config::{EmbedderOptions, Endpoint, ModelOptions},
    embed::{self, builtin::BuiltinEmbedder},
    openai,
    upstream::{Authentication, ConfigError},
};

/// A language model.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    pub provider: ModelProvider,
    pub endpoint: Endpoint,
    /// Sent with every request; the server's own when there is none.
    pub temperature: Option<f64>,
}

/// An embedding model.
#[derive(Clone, Debug)]
pub struct EmbedderConfig {
    pub provider: EmbedderProvider,
    pub endpoint: Endpoint,
}

impl ModelConfig {
    fn options(&self) -> ModelOptions {
        let (endpoint, authentication) = (self.endpoint.clone(), self.provider.authentication());
        ModelOptions { endpoint, authentication, temperature: self.temperature }
    }
}

impl EmbedderConfig {
    fn options(&self) -> EmbedderOptions {
        EmbedderOptions { endpoint: self.endpoint.clone(), authentication: self.provider.authentication() }
    }
}

/// The language model that a configuration names; `builtin` without one.
pub fn model(config: Option<&ModelConfig>) -> Result<Arc<dyn Model>, ConfigError> {
    config.map_or_else(|| Ok(Arc::new(Builtin::new()) as _), |config| config.provider.build(config))
}

/// The embedder that a configuration names; the built-in one without one.
pub fn embedder(config: Option<&EmbedderConfig>) -> Result<Arc<dyn Embedder>, ConfigError> {
    config.map_or_else(|| Ok(Arc::new(BuiltinEmbedder::new()) as _), |config| config.provider.build(config))
}

/// A name that no provider of this build has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no provider `{name}`; this build has {}", .known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))]
pub struct UnknownProvider {
    name: String,
    known: &'static [&'static str],
}

/// Makes an enum of providers. A row has the provider's name in configurations, how its requests carry the key, and what
/// builds it. The first row is the default.
macro_rules! providers {
    ($(#[$doc:meta])* $Name:ident: $Config:ident => $Built:ident {
        $($Variant:ident = $name:literal, $authentication:expr, $build:path;)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Name {
            $($Variant,)+
        }

        impl $Name {
            /// The names, as configurations have them.
            pub const NAMES: &'static [&'static str] = &[$($name),+];
            const ALL: &'static [Self] = &[$(Self::$Variant),+];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }

            /// How a request carries the key.
            pub const fn authentication(self) -> Authentication {
                match self {
                    $(Self::$Variant => $authentication,)+
                }
            }

            fn build(self, config: &$Config) -> Result<Arc<dyn $Built>, ConfigError> {
                match self {
                    $(Self::$Variant => $build(config.options()).map(|built| Arc::new(built) as _),)+
                }
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::ALL[0]
            }
        }

        impl FromStr for $Name {
            type Err = UnknownProvider;

            fn from_str(name: &str) -> Result<Self, UnknownProvider> {
                let found = Self::ALL.iter().copied().find(|provider| provider.name() == name);
                found.ok_or_else(|| UnknownProvider { name: name.to_owned(), known: Self::NAMES })
            }
        }
    };
}

providers! {
    /// Who serves a language model, and by which API.
    ModelProvider: ModelConfig => Model {
        OpenAi = "openai", Authentication::Bearer, openai::OpenAi::from_options;
        Anthropic = "anthropic", Authentication::Header(HeaderName::from_static("x-api-key")), anthropic::Anthropic::from_options;
    }
}

providers! {
    /// Who serves an embedding model, and by which API.
    EmbedderProvider: EmbedderConfig => Embedder {
        OpenAi = "openai", Authentication::Bearer, embed::openai::OpenAiEmbedder::from_options;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint { url: "http://127.0.0.1:1/v1".to_owned(), model: "m".to_owned(), key: None }
    }

    #[test]
    fn every_provider_has_a_name_of_its_own_and_builds() {
        for provider in ModelProvider::ALL.iter().copied() {
            assert_eq!(provider.name().parse(), Ok(provider));
            let config = ModelConfig { provider, endpoint: endpoint(), temperature: None };
            assert!(model(Some(&config)).unwrap().name().ends_with(":m"));
        }
        for provider in EmbedderProvider::ALL.iter().copied() {
            assert_eq!(provider.name().parse(), Ok(provider));
            let config = EmbedderConfig { provider, endpoint: endpoint() };
            assert!(embedder(Some(&config)).unwrap().name().ends_with(":m"));
        }
    }

    #[test]
    fn without_a_configuration_the_built_in_ones_answer() {
        assert_eq!(model(None).unwrap().name(), "builtin");
        assert!(embedder(None).unwrap().name().starts_with("builtin"));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "opnai".parse::<ModelProvider>().unwrap_err().to_string();
        assert!(error.contains("`opnai`") && error.contains("`openai`"), "{error}");
        assert!("OpenAI".parse::<EmbedderProvider>().is_err(), "names are as they are written");
    }
}
