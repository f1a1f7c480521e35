//! The host's pages in a real browser: Debian's Chromium, which `playwright-core` from npm drives. Each suite of
//! `tests/browser` gets a host of its own, so that none sees what another has left: a demo, or for the paths of newcomers one
//! without an organization.

use std::{collections::BTreeSet, fs, path::Path};

use resly_tests::{demo::Demo, host::binary};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");
/// The files of `tests/browser`.
const SUITES: [&str; 5] = ["console", "hostile", "kit", "pages", PATHS];
const PATHS: &str = "paths";

/// Runs a suite. A browser takes what memory and processors there are, so they run one after the other.
fn run(suite: &str) {
    assert!(
        Path::new(FOLDER).join("node_modules/playwright-core").exists(),
        "playwright-core is not installed: run `make test`, which installs it"
    );
    let pictures = binary().parent().and_then(Path::parent).expect("it is in a folder of target").join("screenshots");
    let host = if suite == PATHS { Demo::without_organization() } else { Demo::start() };
    let output = host
        .unwrap()
        .command("node")
        .args(["--test", &format!("{suite}.test.mjs")])
        .current_dir(FOLDER)
        .env("RESLY_SCREENSHOTS", pictures)
        .output()
        .expect("node is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{suite}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// One test, so that one thread waits for browsers and the other tests go on beside it.
#[test]
fn pages_are_sound_in_a_real_browser() {
    for suite in SUITES {
        run(suite);
    }
}

#[test]
fn every_suite_is_run() {
    let names = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = names.filter_map(|name| name.strip_suffix(".test.mjs").map(str::to_owned)).collect();
    assert_eq!(found, BTreeSet::from(SUITES.map(str::to_owned)));
}
