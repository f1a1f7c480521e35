//! The help-centre pages that extracts are compared on, `tests/pages`: each page with the text that matters and the text
//! that an extract must not have. Both are written as they stand in the page.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    layout: String,
    language: String,
    title: String,
    matters: Vec<String>,
    noise: Vec<String>,
}

#[test]
fn every_page_has_the_texts_that_are_expected_of_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pages");
    let mut layouts: BTreeMap<String, usize> = BTreeMap::new();
    let mut languages: BTreeMap<String, usize> = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "html") {
            assert!(path.with_extension("toml").exists(), "{} has no expectations", path.display());
            continue;
        }
        let page = fs::read_to_string(path.with_extension("html")).unwrap();
        let expected: Expected = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let Expected { layout, language, title, matters, noise } = expected;
        assert!(matters.len() >= 5 && noise.len() >= 2, "{} expects too little", path.display());
        for text in matters.iter().chain(&noise).chain([&title]) {
            assert!(page.contains(text), "{} lacks `{text}`", path.display());
        }
        for text in &matters {
            // An extract with what matters would then have what must not be in it.
            let apart = noise.iter().all(|noise| !text.contains(noise) && !noise.contains(text));
            assert!(apart, "{}: `{text}` is also noise", path.display());
        }
        *layouts.entry(layout).or_default() += 1;
        *languages.entry(language).or_default() += 1;
    }
    assert!(layouts.len() >= 10 && layouts.values().sum::<usize>() >= 20, "{layouts:?}");
    assert!(languages.len() >= 8, "{languages:?}");
}
