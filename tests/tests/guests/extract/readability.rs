//! What is taken of the saved help-centre pages, beside what Mozilla's Readability takes: at least as much of what matters,
//! and less of the rest.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use resly_core::knowledge::document::{Document, Extractor};
use resly_sandbox::ExtractBounds;
use resly_tests::guest::ORGANIZATION;
use serde::Deserialize;

use super::load;

#[derive(Deserialize)]
struct Expected {
    matters: Vec<String>,
    noise: Vec<String>,
}

/// What Readability takes of each page.
fn readability() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("readability");
    assert!(folder.join("node_modules").exists(), "Readability is not installed: run `make test`, which installs it");
    let output = Command::new("node").arg("extract.mjs").current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn pages_give_more_than_to_readability_and_less_of_the_rest() {
    let (_guests, extractor) = load(ExtractBounds::default());
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("pages");
    let mut worse = Vec::new();
    let mut total = [0; 6];
    println!("{:22} {:>14} {:>14}", "", "matters", "the rest");
    println!("{:22} {:>4} {:>4} {:>4} {:>4} {:>4} {:>4}", "page", "ours", "its", "of", "ours", "its", "of");
    for (name, theirs) in readability() {
        let expected = fs::read_to_string(pages.join(format!("{name}.toml"))).unwrap();
        let Expected { matters, noise } = toml::from_str(&expected).unwrap();
        let bytes = fs::read(pages.join(format!("{name}.html"))).unwrap();
        let document = Document { bytes: bytes.into(), content_type: Some("text/html".to_owned()), name: None };
        let ours = extractor.extract(ORGANIZATION.into(), document).await.result.unwrap().text;
        // Code stands apart in Markdown.
        let ours = ours.replace('`', "");
        let count = |texts: &[String], within: &str| texts.iter().filter(|text| within.contains(*text)).count();
        let row = [
            count(&matters, &ours),
            count(&matters, &theirs),
            matters.len(),
            count(&noise, &ours),
            count(&noise, &theirs),
            noise.len(),
        ];
        println!("{name:22} {:>4} {:>4} {:>4} {:>4} {:>4} {:>4}", row[0], row[1], row[2], row[3], row[4], row[5]);
        if row[0] < row[1] || (row[3] >= row[4] && row[3] > 0) {
            worse.push(name);
        }
        total.iter_mut().zip(row).for_each(|(total, count)| *total += count);
    }
    println!(
        "{:22} {:>4} {:>4} {:>4} {:>4} {:>4} {:>4}",
        "all", total[0], total[1], total[2], total[3], total[4], total[5]
    );
    assert!(worse.is_empty(), "worse than Readability: {worse:?}");
    assert!(total[5] > 0 && total[3] < total[4]);
}
