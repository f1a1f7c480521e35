use resly_models::{EmbedderProvider, ModelProvider};

use super::*;

fn read(flags: &[(&str, &str)], variables: &[(&str, &str)], file: Option<&str>) -> Result<Config, Vec<String>> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables: BTreeMap<String, String> = variables.iter().map(owned).collect();
    Config::read(&Sources {
        flags: flags.iter().map(owned).collect(),
        environment: &|name| variables.get(name).cloned(),
        variables: variables.keys().cloned().collect(),
        file: file.map(|text| (PathBuf::from("resly.toml"), text.to_owned())),
    })
    .map_err(|error| error.0)
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file() {
    let file = Some("listen = \"127.0.0.1:1\"\ndata = \"from-file\"\nlog = \"warn\"\n");
    let variables = [("RESLY_LISTEN", "127.0.0.1:2"), ("RESLY_DATA", "from-env"), ("RESLY_PUBLIC_URL", "")];
    let config = read(&[("listen", "127.0.0.1:3")], &variables, file).ok().unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.data, PathBuf::from("from-env"));
    assert_eq!(config.log, "warn");
    assert!(config.public_url.is_none(), "an empty variable is no value");
}

#[test]
fn every_mistake_is_named_at_once() {
    let variables = [
        ("RESLY_LISTEN", "nowhere"),
        ("RESLY_DATABASE_URL", "mysql://user:hunter2@x"),
        ("RESLY_PUBLIC_URL", "https://a.example/path"),
        ("RESLY_MODEL", "gpt"),
        ("RESLY_EMBEDDER_URL", "http://127.0.0.1:1/v1"),
        ("RESLY_EMBEDDER_DIR", "/models"),
        ("RESLY_PRODUCTION", "maybe"),
        ("RESLY_TRUSTED_PROXIES", "10.0.0.0/8,here"),
        ("RESLY_MASTER_KEY", "k1:hunter2"),
        ("RESLY_LOG", "resly=loud,=="),
        ("RESLY_LOG_FORMAT", "xml"),
        ("RESLY_LISTN", "127.0.0.1:1"),
        ("RESLY_MODEL_TEMPRATURE", "1"),
        // What Kubernetes sets in every pod beside a service of this name.
        ("RESLY_SERVICE_HOST", "10.0.0.1"),
        ("RESLY_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ];
    let mistakes = read(&[], &variables, Some("colour = \"red\"")).err().unwrap();
    assert_eq!(mistakes.len(), 14, "{mistakes:#?}");
    for variable in [
        "RESLY_LISTEN",
        "RESLY_DATABASE_URL",
        "RESLY_PUBLIC_URL",
        "RESLY_MODEL:",
        "RESLY_EMBEDDER",
        "colour",
        "RESLY_MASTER_KEY",
        "RESLY_LOG:",
        "RESLY_LOG_FORMAT",
        "RESLY_LISTN",
        "RESLY_MODEL_TEMPRATURE",
    ] {
        assert!(mistakes.iter().any(|mistake| mistake.contains(variable)), "{variable}: {mistakes:#?}");
    }
    assert!(!mistakes.join("").contains("hunter2"));
}

#[test]
fn the_model_s_temperature_and_token_cap_are_numbers_within_bounds() {
    let with = |more: &[(&'static str, &'static str)]| {
        let model = [("RESLY_MODEL_URL", "http://127.0.0.1:1/v1"), ("RESLY_MODEL", "m")];
        read(&[], &[&model, more].concat(), None)
    };
    let config = with(&[("RESLY_MODEL_TEMPERATURE", "0.2"), ("RESLY_MODEL_MAX_TOKENS", "900")]).ok().unwrap();
    let temperature = |config: &Config| config.model.as_ref().unwrap().temperature;
    assert_eq!((temperature(&config), config.model_max_tokens), (Some(0.2), Some(900)));
    let file = "model_url = \"http://127.0.0.1:1/v1\"\nmodel = \"m\"\nmodel_temperature = 0.5\nmodel_max_tokens = 12\n";
    let config = read(&[], &[], Some(file)).ok().unwrap();
    assert_eq!((temperature(&config), config.model_max_tokens), (Some(0.5), Some(12)));
    for (name, bad) in [
        ("RESLY_MODEL_TEMPERATURE", "hot"),
        ("RESLY_MODEL_TEMPERATURE", "2.1"),
        ("RESLY_MODEL_TEMPERATURE", "NaN"),
        ("RESLY_MODEL_MAX_TOKENS", "0"),
        ("RESLY_MODEL_MAX_TOKENS", "1.5"),
    ] {
        let mistakes = with(&[(name, bad)]).err().unwrap();
        assert!(mistakes.len() == 1 && mistakes[0].contains(name), "{mistakes:?}");
    }
    let alone = read(&[], &[("RESLY_MODEL_TEMPERATURE", "1"), ("RESLY_MODEL_MAX_TOKENS", "5")], None);
    assert_eq!(alone.err().unwrap().len(), 2, "they need a model");
}

#[test]
fn an_api_that_this_build_does_not_speak_is_a_mistake_that_names_those_it_does() {
    for (name, known) in [("RESLY_MODEL_API", ModelProvider::NAMES), ("RESLY_EMBEDDER_API", EmbedderProvider::NAMES)] {
        let mistakes = read(&[], &[(name, "opnai")], None).err().unwrap();
        assert!(mistakes.len() == 1 && mistakes[0].starts_with(name) && mistakes[0].contains("`opnai`"));
        for known in known {
            assert!(read(&[], &[(name, known)], None).is_ok());
            assert!(mistakes[0].contains(&format!("`{known}`")), "{mistakes:?}");
        }
    }
}

#[test]
fn a_line_break_in_a_setting_is_told() {
    for (name, value) in [
        ("RESLY_PUBLIC_URL", "https://chat.example\n.com"),
        ("RESLY_MODEL_URL", "https://api.example/\tv1"),
        ("RESLY_DATA", "a\nb"),
    ] {
        let mistakes = read(&[], &[(name, value), ("RESLY_MODEL", "m"), ("RESLY_LISTEN", "x")], None).err().unwrap();
        let named = |name: &str| mistakes.iter().any(|mistake| mistake.starts_with(name));
        assert!(named(name) && named("RESLY_LISTEN"), "beside every other: {mistakes:#?}");
    }
    let trimmed = read(&[], &[("RESLY_PUBLIC_URL", "https://chat.example\n")], None).ok().unwrap();
    assert_eq!(trimmed.public_url.unwrap().as_str(), "https://chat.example/", "as files end");
}

#[test]
fn a_postgres_store_implies_production() {
    let config = read(&[], &[("RESLY_DATABASE_URL", "postgres://u@db/resly")], None).ok().unwrap();
    assert!(config.production && !config.declared_production);
    assert!(!read(&[], &[], None).ok().unwrap().production);
}

#[test]
fn a_value_of_the_file_has_its_setting_s_type() {
    let told =
        read(&[], &[], Some("data = 5\nproduction = 2\nmax_connections = true\nlog = [\"info\"]\n")).err().unwrap();
    assert_eq!(
        told,
        [
            "resly.toml: `data` must be a text or a list of texts",
            "resly.toml: `max_connections` must be a number",
            "resly.toml: production: `2` is neither 1 nor 0",
        ]
    );
    let good = read(&[], &[], Some("max_connections = 5\nhead_timeout_s = \"3\"\nproduction = false\n")).ok().unwrap();
    assert_eq!((good.edge.connections, good.edge.head_time.as_secs(), good.production), (5, 3, false));
}

#[test]
fn a_local_model_needs_a_build_that_has_it_and_no_server_beside_it() {
    for (folder, server) in [
        ("RESLY_EMBEDDER_DIR", [("RESLY_EMBEDDER_URL", "http://127.0.0.1:1/v1"), ("RESLY_EMBEDDER", "m")]),
        ("RESLY_RERANKER_DIR", [("RESLY_RERANKER_URL", "http://127.0.0.1:1/v1"), ("RESLY_RERANKER", "m")]),
    ] {
        let alone = read(&[], &[(folder, "/models/a")], None);
        let both = read(&[], &[&[(folder, "/models/a")], &server[..]].concat(), None).err().unwrap();
        assert!(both.len() == 1 && both[0].contains(folder) && both[0].contains(server[0].0), "{both:?}");
        if crate::local_models::BUILT_IN {
            let config = alone.ok().unwrap();
            assert_eq!(config.embedder_dir.or(config.reranker_dir), Some(PathBuf::from("/models/a")));
        } else {
            let mistakes = alone.err().unwrap();
            assert!(mistakes.len() == 1 && mistakes[0].contains("make build FEATURES=local-models"), "{mistakes:?}");
        }
    }
}
