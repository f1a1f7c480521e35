//! `resly connector new`: writes a Rust connector to begin with.

use std::path::PathBuf;

use anyhow::{Context, ensure};

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// The files of a new connector. `{name}` stands for its name.
const SCAFFOLD: [(&str, &str); 5] = [
    ("README.md", include_str!("../../scaffold/README.md")),
    ("Cargo.toml", include_str!("../../scaffold/Cargo.toml.txt")),
    ("connector.toml", include_str!("../../scaffold/connector.toml")),
    ("src/lib.rs", include_str!("../../scaffold/lib.rs")),
    (".gitignore", "/target\n*.wasm\n*.key\n"),
];

/// Writes a new Rust connector into a folder of its name. It contains the SDK and the WIT package, so it needs nothing
/// else from us. Returns the folder.
pub fn scaffold(name: &str) -> anyhow::Result<PathBuf> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain) && name.len() <= 40,
        "a connector's name is a small letter, then small letters, digits and dashes, 40 at most"
    );
    let folder = PathBuf::from(name);
    std::fs::create_dir(&folder).with_context(|| format!("the folder {name} can't be made"))?;
    let own = SCAFFOLD.iter().map(|(path, text)| (*path, text.replace("{name}", name)));
    let carried = SDK.iter().map(|(path, text)| (*path, (*text).to_owned()));
    for (path, text) in own.chain(carried) {
        let file = folder.join(path);
        let written = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        written
            .and_then(|()| std::fs::write(&file, text))
            .with_context(|| format!("{} can't be written", file.display()))?;
    }
    Ok(folder)
}
