//! The connectors that the binary carries: each folder of `plugins` with a `connector.toml`, as `build.rs` found them.

use std::sync::Arc;

use bytes::Bytes;
use resly_core::connector::connection::{Installable, Origin};
use resly_manifest::{Digest, Manifest, from_toml, package::pack};

static MAPPING: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mapping.wasm"));
static HTTP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/http.wasm"));
static EXTRACT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/extract.wasm"));
static CONNECTORS: &[Source] = include!(concat!(env!("OUT_DIR"), "/connectors.rs"));

/// The files of a folder of `plugins`.
struct Source {
    folder: &'static str,
    manifest: &'static str,
    /// `None` for a declarative connector.
    wasm: Option<&'static [u8]>,
}

/// A bundled connector can't be used. This is a mistake in the build.
#[derive(Debug, thiserror::Error)]
#[error("the bundled connector `{connector}` can't be used: {detail}")]
pub struct BundleError {
    connector: &'static str,
    detail: String,
}

/// A connector that the binary carries.
struct Bundled {
    manifest: Arc<Manifest>,
    /// The component that runs it: its own, packed, or the runner of declarative connectors.
    component: Digest,
    wasm: Option<&'static [u8]>,
}

/// The connectors and components that the binary carries.
pub struct Bundle {
    mapper: Digest,
    runner: Digest,
    extractor: Digest,
    connectors: Vec<Bundled>,
}

impl Bundle {
    pub fn open() -> Result<Self, BundleError> {
        Ok(Self {
            mapper: Digest::of(MAPPING),
            runner: Digest::of(HTTP),
            extractor: Digest::of(EXTRACT),
            connectors: CONNECTORS.iter().map(Bundled::read).collect::<Result<_, _>>()?,
        })
    }

    /// The component that runs mappings.
    pub fn mapper(&self) -> Digest {
        self.mapper
    }

    /// The component that reads foreign documents. It isn't compiled ahead, because many hosts never read any.
    pub fn extractor(&self) -> Digest {
        self.extractor
    }

    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.connectors.iter().map(|bundled| &*bundled.manifest)
    }

    /// The connectors' components, for compiling them ahead: name, digest, bytes.
    pub fn components(&self) -> Vec<(&str, Digest, Bytes)> {
        let named = self
            .connectors
            .iter()
            .filter_map(|bundled| Some((bundled.manifest.id.as_str(), bundled.component, bundled.packed()?)));
        [("http", self.runner, Bytes::from_static(HTTP))].into_iter().chain(named).collect()
    }

    /// The component that runs declarative connectors.
    pub fn runner(&self) -> Digest {
        self.runner
    }

    /// All connectors.
    pub fn installables(&self) -> impl Iterator<Item = Installable> {
        self.connectors.iter().map(Bundled::installable)
    }

    pub fn installable(&self, id: &str) -> Option<Installable> {
        self.connectors.iter().find(|bundled| bundled.manifest.id == id).map(Bundled::installable)
    }

    pub fn component(&self, digest: Digest) -> Option<Bytes> {
        if digest == self.mapper {
            return Some(Bytes::from_static(MAPPING));
        }
        if digest == self.runner {
            return Some(Bytes::from_static(HTTP));
        }
        if digest == self.extractor {
            return Some(Bytes::from_static(EXTRACT));
        }
        self.connectors.iter().find(|bundled| bundled.component == digest)?.packed()
    }
}

impl Bundled {
    fn read(source: &Source) -> Result<Self, BundleError> {
        let Source { folder: connector, manifest, wasm } = *source;
        let wrong = |detail: String| BundleError { connector, detail };
        let manifest = from_toml(manifest).into_manifest().map_err(|mistakes| {
            let lines: Vec<String> =
                mistakes.iter().map(|mistake| format!("{}: {}", mistake.path, mistake.message)).collect();
            wrong(lines.join("; "))
        })?;
        let component = match wasm {
            Some(wasm) => Digest::of(&pack(wasm, &manifest).map_err(|error| wrong(error.to_string()))?),
            None if manifest.is_declarative() => Digest::of(HTTP),
            None => return Err(wrong("an action has neither a `request` nor a component".to_owned())),
        };
        Ok(Self { manifest: Arc::new(manifest), component, wasm })
    }

    /// Packs the component. The host keeps no copy, because it needs the bytes only to compile them.
    fn packed(&self) -> Option<Bytes> {
        pack(self.wasm?, &self.manifest).map(Bytes::from).ok()
    }

    fn installable(&self) -> Installable {
        Installable { manifest: Arc::clone(&self.manifest), component: self.component, origin: Origin::Bundled }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_folder_of_plugins_with_a_connector_toml_is_bundled() {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
        let manifests = fs::read_dir(plugins).unwrap().map(|entry| entry.unwrap().path().join("connector.toml"));
        let texts = manifests.filter(|file| file.exists()).map(|file| fs::read_to_string(file).unwrap());
        let ids: BTreeSet<String> = texts.map(|text| from_toml(&text).into_manifest().unwrap().id).collect();
        assert!(ids.contains("stripe") && ids.contains("gmail"), "with a crate and without one: {ids:?}");
        let bundle = Bundle::open().unwrap();
        assert_eq!(bundle.manifests().map(|manifest| manifest.id.clone()).collect::<BTreeSet<_>>(), ids);
    }

    #[test]
    fn the_bundle_is_whole() {
        let bundle = Bundle::open().unwrap();
        for (name, digest, bytes) in bundle.components() {
            assert_eq!(Digest::of(&bytes), digest, "{name}");
            assert!(bundle.component(digest).is_some());
            assert_ne!(digest, bundle.extractor(), "it is compiled with its first document, not ahead");
        }
        assert!(bundle.component(bundle.extractor()).is_some());
    }
}
