//! The released versions of `resly:connector`, in one table. The imports that a component may have, what it is linked
//! to, and the compatibility table in `wit/README.md` follow from it.

use wasmtime::component::{Linker, LinkerInstance};

use crate::{
    guest::Guest,
    host::{http, log, mapping, state},
};

/// One released version. It never changes. `wit/<version>` has its text, `tests/released/<version>` a component of it.
pub struct WitVersion {
    pub version: &'static str,
    /// The first host that has it.
    pub host: &'static str,
    /// The SDK for Rust that speaks it.
    pub sdk: &'static str,
    /// What is new in it, in Markdown.
    pub added: &'static str,
    imports: &'static [Import],
}

/// An interface that connectors import.
struct Import {
    name: &'static str,
    link: fn(&mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()>,
}

const HTTP: Import = Import { name: "http", link: http::link };
const MAPPING: Import = Import { name: "mapping", link: mapping::link };
const LOG: Import = Import { name: "log", link: log::link };
const STATE: Import = Import { name: "state", link: state::link };

/// All versions, the oldest first.
pub static WIT_VERSIONS: &[WitVersion] = &[WitVersion {
    version: "1.0.0",
    host: "0.1.0",
    sdk: "0.1",
    added: "`http`, `mapping`, `log`, `state`, `action`; world `mapper`",
    imports: &[HTTP, MAPPING, LOG, STATE],
}];

/// The interfaces that a connector and a mapper export.
pub const ACTION: &str = "action";
pub const APPLY: &str = "mapping";

impl WitVersion {
    /// The full names of what a connector of this version may import.
    pub fn imports(&self) -> impl Iterator<Item = String> {
        self.imports.iter().map(|import| self.full_name(import.name))
    }

    fn full_name(&self, interface: &str) -> String {
        format!("resly:connector/{interface}@{}", self.version)
    }
}

/// An interface's full name in every version, the newest first.
pub fn full_names(interface: &str) -> impl Iterator<Item = String> {
    WIT_VERSIONS.iter().rev().map(move |version| version.full_name(interface))
}

/// An interface's full name in the newest version.
pub fn newest_name(interface: &str) -> String {
    full_names(interface).next().unwrap_or_default()
}

/// Whether a connector may import an interface of `resly:connector`. The error is what to do if it may not.
pub fn check_import(interface: &str, version: &str) -> Result<(), String> {
    let Some(known) = WIT_VERSIONS.iter().find(|known| known.version == version) else {
        let versions = list(WIT_VERSIONS.iter().map(|known| known.version.to_owned()).collect());
        return Err(format!("this host has {versions} of the connector's interfaces; build with an SDK for that"));
    };
    if known.imports.iter().any(|import| import.name == interface) {
        return Ok(());
    }
    let interfaces = list(known.imports.iter().map(|import| format!("`{}`", import.name)).collect());
    Err(format!("the interfaces for connectors are {interfaces}"))
}

/// Links every version's interfaces.
pub fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    for version in WIT_VERSIONS {
        for import in version.imports {
            (import.link)(&mut linker.instance(&version.full_name(import.name))?)?;
        }
    }
    Ok(())
}

fn list(mut words: Vec<String>) -> String {
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} and {last}", words.join(", ")),
        last => last.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::PathBuf};

    use super::*;

    fn wit() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../wit")
    }

    #[test]
    fn the_handbook_s_table_is_this_one() {
        let readme = fs::read_to_string(wit().join("README.md")).unwrap();
        let section = readme.split("\n## ").find(|section| section.starts_with("Compatibility")).unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        let row = |known: &WitVersion| {
            let WitVersion { version, host, sdk, added, .. } = known;
            format!("| {version} | {host} | {sdk} | {added} |")
        };
        assert_eq!(rows, WIT_VERSIONS.iter().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn every_version_is_a_folder_whose_world_imports_what_is_linked() {
        let folders = fs::read_dir(wit()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        let folders = folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        // Another package is a folder with a name.
        let folders: BTreeSet<String> =
            folders.filter(|name| name.starts_with(|first: char| first.is_ascii_digit())).collect();
        assert_eq!(folders, WIT_VERSIONS.iter().map(|known| known.version.to_owned()).collect());
        for known in WIT_VERSIONS {
            let text = fs::read_to_string(wit().join(known.version).join("connector.wit")).unwrap();
            assert!(text.contains(&format!("\npackage resly:connector@{};\n", known.version)), "{}", known.version);
            let world = text.split("world connector {").nth(1).unwrap().split('}').next().unwrap();
            let imports = world.lines().filter_map(|line| line.trim().strip_prefix("import ")?.strip_suffix(';'));
            let linked: Vec<&str> = known.imports.iter().map(|import| import.name).collect();
            assert_eq!(imports.collect::<Vec<_>>(), linked, "{}", known.version);
        }
    }

    #[test]
    fn the_newest_version_has_the_path_that_is_documented() {
        let newest = WIT_VERSIONS.last().unwrap().version;
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(read(wit().join("connector.wit")), read(wit().join(newest).join("connector.wit")));
    }

    #[test]
    fn words_make_a_list() {
        let words = |words: &[&str]| list(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!([words(&["a"]), words(&["a", "b"]), words(&["a", "b", "c"])], ["a", "a and b", "a, b and c"]);
    }
}
