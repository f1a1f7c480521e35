//! Checks a component without compiling it, within a second: its size, its structure and its imports.

use wasmparser::{ComponentExternName, Encoding, Parser, Payload};

use crate::{error::ComponentError, versions};

/// The most bytes of a component. Those of Python's toolchain have 18 MB.
pub const COMPONENT_MOST: usize = 32 << 20;

/// Bounds on a whole component. Components of real toolchains stay far below them.
const SECTIONS: u64 = 10_000;
const MODULES: u64 = 64;
const COMPONENTS: u64 = 256;
const DEPTH: u64 = 4;
const FUNCTIONS: u64 = 200_000;
const FUNCTION_BYTES: u64 = 2 << 20;
const TYPES: u64 = 100_000;
const ITEMS: u64 = 1_000_000;

/// The packages of WASI 0.2's command world.
const WASI: [&str; 6] = ["cli", "io", "clocks", "random", "filesystem", "sockets"];

/// The result of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prechecked {
    /// The full names.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Checks a component's structure and imports. Compiling validates the rest, in a process that is bounded.
pub fn precheck(bytes: &[u8]) -> Result<Prechecked, ComponentError> {
    let most = |what, have: u64, limit| {
        if have > limit { Err(ComponentError::TooBig { what, have, limit }) } else { Ok(()) }
    };
    most("bytes", bytes.len() as u64, COMPONENT_MOST as u64)?;
    if !bytes.starts_with(b"\0asm") {
        return Err(ComponentError::Malformed(
            "this is not a WebAssembly component; `resly connector build` makes one of a connector's folder".to_owned(),
        ));
    }
    if bytes.starts_with(b"\0asm\x01\0\0\0") {
        return Err(ComponentError::Malformed(
            "this is a core WebAssembly module, not a component; build for the target `wasm32-wasip2`, or wrap it with \
             `wasm-tools component new`"
                .to_owned(),
        ));
    }
    let malformed = |error: wasmparser::BinaryReaderError| {
        ComponentError::Malformed(format!("this is not a WebAssembly component: {error}"))
    };
    let mut found = Prechecked { imports: Vec::new(), exports: Vec::new() };
    let (mut depth, mut sections, mut modules, mut components) = (0, 0, 0, 0);
    let (mut functions, mut types, mut items) = (0, 0, 0);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(malformed)?;
        if !matches!(payload, Payload::CodeSectionEntry(_)) {
            sections += 1;
            most("sections", sections, SECTIONS)?;
        }
        match payload {
            Payload::Version { encoding, .. } => {
                if depth == 0 && encoding != Encoding::Component {
                    return Err(ComponentError::Malformed("this is a core module, not a component".to_owned()));
                }
                depth += 1;
                most("levels of nesting", depth, DEPTH)?;
            }
            Payload::End(_) => depth -= 1,
            Payload::ModuleSection { .. } => {
                modules += 1;
                most("core modules", modules, MODULES)?;
            }
            Payload::ComponentSection { .. } => {
                components += 1;
                most("nested components", components, COMPONENTS)?;
            }
            Payload::CodeSectionStart { count, .. } => {
                functions += u64::from(count);
                most("functions", functions, FUNCTIONS)?;
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                most("bytes in one function", (range.end - range.start) as u64, FUNCTION_BYTES)?;
            }
            Payload::TypeSection(section) => types += u64::from(section.count()),
            Payload::CoreTypeSection(section) => types += u64::from(section.count()),
            Payload::ComponentTypeSection(section) => types += u64::from(section.count()),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let name = full_name(import.map_err(malformed)?.name);
                    allow(&name)?;
                    found.imports.push(name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    found.exports.push(full_name(export.map_err(malformed)?.name));
                }
            }
            Payload::ImportSection(section) => items += u64::from(section.count()),
            Payload::ExportSection(section) => items += u64::from(section.count()),
            Payload::ElementSection(section) => items += u64::from(section.count()),
            Payload::DataSection(section) => items += u64::from(section.count()),
            Payload::GlobalSection(section) => items += u64::from(section.count()),
            Payload::InstanceSection(section) => items += u64::from(section.count()),
            Payload::ComponentInstanceSection(section) => items += u64::from(section.count()),
            Payload::ComponentAliasSection(section) => items += u64::from(section.count()),
            Payload::ComponentCanonicalSection(section) => items += u64::from(section.count()),
            _ => {}
        }
        most("types", types, TYPES)?;
        most("items", items, ITEMS)?;
    }
    Ok(found)
}

impl Prechecked {
    /// Whether it has a connector's export.
    pub fn expect_connector(&self) -> Result<(), ComponentError> {
        self.expect_export(versions::ACTION)
    }

    /// Whether it exports an interface, in any released version.
    pub(crate) fn expect_export(&self, interface: &str) -> Result<(), ComponentError> {
        if versions::full_names(interface).any(|name| self.exports.contains(&name)) {
            Ok(())
        } else {
            Err(ComponentError::Export(versions::newest_name(interface)))
        }
    }
}

/// The name with the rest of its version, which the component model's canonical versions keep apart.
fn full_name(name: ComponentExternName<'_>) -> String {
    [name.name, name.version_suffix.unwrap_or_default()].concat()
}

fn allow(name: &str) -> Result<(), ComponentError> {
    let refuse = |advice: &str| Err(ComponentError::Import { name: name.to_owned(), advice: advice.to_owned() });
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    let Some((namespace, rest)) = path.split_once(':') else {
        return refuse("connectors import interfaces, not single functions; use those of `wit/connector.wit`");
    };
    let (package, interface) = rest.split_once('/').unwrap_or((rest, ""));
    match (namespace, package) {
        ("resly", "connector") => versions::check_import(interface, version).or_else(|advice| refuse(&advice)),
        ("wasi", "http") => refuse(
            "send requests through `resly:connector/http`, so that the host can check them and add the credential; with \
             ComponentizeJS, disable the `http` and `fetch-event` features",
        ),
        ("wasi", package) if !WASI.contains(&package) => {
            refuse("of WASI there are `cli`, `io`, `clocks`, `random`, `filesystem` and `sockets`, all without power")
        }
        ("wasi", _) if !version.starts_with("0.2.") => refuse("WASI is version 0.2 here; build for `wasm32-wasip2`"),
        ("wasi", _) => Ok(()),
        _ => refuse(
            "a connector has the interfaces of `wit/connector.wit` and WASI 0.2; compose what else it needs into it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wat: &str) -> Result<Prechecked, ComponentError> {
        precheck(&wat::parse_str(wat).unwrap())
    }

    fn import(name: &str) -> Result<Prechecked, ComponentError> {
        check(&format!("(component (import \"{name}\" (instance)))"))
    }

    #[test]
    fn what_connectors_have_may_be_imported() {
        for name in ["resly:connector/http@1.0.0", "wasi:cli/environment@0.2.6", "wasi:io/streams@0.2.0"] {
            assert_eq!(import(name).unwrap().imports, [name]);
        }
    }

    #[test]
    fn anything_else_is_refused_by_name_with_what_to_do() {
        for (name, advice) in [
            ("wasi:http/outgoing-handler@0.2.0", "resly:connector/http"),
            ("wasi:keyvalue/store@0.2.0", "WASI"),
            ("wasi:cli/environment@0.3.0", "0.2"),
            ("resly:connector/http@2.0.0", "1.0.0"),
            ("resly:connector/action@1.0.0", "`http`, `mapping`"),
            ("acme:secrets/vault@1.0.0", "compose"),
        ] {
            let error = import(name).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(advice), "{error}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
        check(&nested(4)).unwrap();
        assert!(matches!(check(&nested(5)), Err(ComponentError::TooBig { what: "levels of nesting", .. })));
    }

    #[test]
    fn what_is_no_component_is_said_so() {
        for bytes in [b"".as_slice(), b"hello", b"\0asm\x0d\0\x01\0\x07\xff"] {
            assert!(matches!(precheck(bytes), Err(ComponentError::Malformed(_))), "{bytes:?}");
        }
        let module = precheck(&wat::parse_str("(module)").unwrap()).unwrap_err().to_string();
        assert!(module.contains("wasm32-wasip2"), "{module}");
    }
}
