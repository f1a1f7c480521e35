//! The saved help-centre pages, `tests/pages`: what matters comes out, and what is around it doesn't.

use std::{fs, path::Path};

use serde::Deserialize;

use super::read;

#[derive(Deserialize)]
struct Expected {
    title: String,
    matters: Vec<String>,
    noise: Vec<String>,
}

#[test]
fn what_matters_is_kept_and_the_rest_is_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/pages");
    let (mut missing, mut noise) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let expected: Expected = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let page = read(&fs::read_to_string(path.with_extension("html")).unwrap(), None).unwrap();
        if page.title.as_deref() != Some(expected.title.as_str()) {
            missing.push(format!("{name}: the title is {:?}", page.title));
        }
        // Code stands apart in Markdown.
        let text = page.text.replace('`', "");
        missing
            .extend(expected.matters.iter().filter(|said| !text.contains(*said)).map(|said| format!("{name}: {said}")));
        noise.extend(expected.noise.iter().filter(|said| text.contains(*said)).map(|said| format!("{name}: {said}")));
        if std::env::var("SHOW_PAGES").is_ok_and(|shown| name.contains(&shown)) {
            eprintln!("=== {name}\n{}", page.text);
        }
    }
    assert!(missing.is_empty() && noise.is_empty(), "missing: {missing:#?}\nnoise: {noise:#?}");
}
