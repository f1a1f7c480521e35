//! Types that hold secrets have no way to be printed; those that can be printed don't print them.

use std::{fmt::Debug, marker::PhantomData};

use base64::{Engine, engine::general_purpose::STANDARD};
use resly_core::time::Random;
use resly_egress::{CredentialSource, SessionSpec};
use resly_models::{Endpoint, embed::openai::OpenAiEmbedder, openai::OpenAi};
use resly_server::config::Config;
use resly_service::{
    key::{NewSecret, Pepper},
    keyring::Keyring,
    random::OsRandom,
};
use resly_store::StoreConfig;
use resly_telemetry::TelemetryConfig;
use resly_tests::canary::{Canaries, secret};
use resly_vault::{Credentials, MasterKeySource, MasterKeys, Vault, Wrapping};
use serde::Serialize;

/// Whether a type has a trait: the constant of its own, which needs the trait, is found before that of the other.
macro_rules! has {
    ($type:ty: $trait:path) => {{
        struct Probe<T>(PhantomData<T>);
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T> Otherwise for Probe<T> {}
        impl<T: $trait> Probe<T> {
            const HAS: bool = true;
        }
        #[expect(dead_code, reason = "only its constant is wanted")]
        const fn used<T>(probe: Probe<T>) -> PhantomData<T> {
            probe.0
        }
        // A text has each of the traits, and both constants: whichever is found, none is unused.
        let _ = (<Probe<String>>::HAS, <Probe<String> as Otherwise>::HAS);
        <Probe<$type>>::HAS
    }};
}

macro_rules! unprintable {
    ($($type:ty),+ $(,)?) => {$(
        assert!(!has!($type: Debug), "{} has Debug", stringify!($type));
        assert!(!has!($type: std::fmt::Display), "{} has Display", stringify!($type));
        assert!(!has!($type: Serialize), "{} has Serialize", stringify!($type));
    )+};
}

#[test]
fn what_holds_a_secret_can_not_be_printed() {
    assert!(has!(String: Debug) && has!(String: Serialize), "the probe sees what is there");
    unprintable!(
        Credentials,
        CredentialSource,
        TelemetryConfig,
        SessionSpec,
        Vault,
        Wrapping,
        NewSecret,
        Pepper,
        Keyring,
        Config,
        StoreConfig,
        OpenAi,
        OpenAiEmbedder,
        resly_egress::TokenRefresher,
    );
}

#[test]
fn what_can_be_printed_keeps_its_secret() {
    let mut canaries = Canaries::default();
    let key = secret("sk-");
    canaries.watch("a key", &key, &[]);
    let mut bytes = [0; 32];
    OsRandom.fill(&mut bytes);
    canaries.watch_bytes("a master key", &bytes, &[]);
    let master = STANDARD.encode(bytes);
    canaries.watch_bytes("a master key's text", &master.as_bytes()[..40], &[]);
    let master = format!("k1:{master}");
    let text = || Some(secrecy::SecretString::from(key.as_str()));
    let source = MasterKeySource {
        key: Some(secrecy::SecretString::from(format!("{master},{key}"))),
        file: None,
        data_dir: "data".into(),
        production: false,
        rotating: false,
    };
    let printed = [
        format!("{source:#?}"),
        format!("{:?}", MasterKeys::parse(&master).unwrap()),
        format!("{:?}", MasterKeys::parse(&format!("{master},{key}")).unwrap_err()),
        format!("{:?}", Endpoint { url: "http://x".into(), model: "m".into(), key: text() }),
        format!("{:?}", resly_models::openai::OpenAiConfig::new("http://x", "m", text())),
    ];
    for text in printed {
        let found = canaries.found_in("printed", text.as_bytes());
        assert!(found.is_empty(), "{found:?}");
    }
}
