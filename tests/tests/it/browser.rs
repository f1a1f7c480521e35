//! The host's pages in a real browser: Debian's Chromium, which `playwright-core` from npm drives. Each suite of
//! `tests/browser` gets a demo host of its own, so that none sees what another has left.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

use resly_tests::{demo::Demo, host::binary};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");
/// The files of `tests/browser`; each has a test below.
const SUITES: [&str; 4] = ["console", "hostile", "kit", "pages"];

/// Runs a suite. One browser at a time takes what memory and processors there are.
fn run(suite: &str) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(
        Path::new(FOLDER).join("node_modules/playwright-core").exists(),
        "playwright-core is not installed: run `make test`, which installs it"
    );
    let pictures = binary().parent().and_then(Path::parent).expect("it is in a folder of target").join("screenshots");
    let output = Demo::start()
        .unwrap()
        .command("node")
        .args(["--test", &format!("{suite}.test.mjs")])
        .current_dir(FOLDER)
        .env("RESLY_SCREENSHOTS", pictures)
        .output()
        .expect("node is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_console_is_sound_in_every_view() {
    run("console");
}

#[test]
fn hostile_strings_do_nothing_on_a_page() {
    run("hostile");
}

#[test]
fn the_kit_catches_what_is_wrong() {
    run("kit");
}

#[test]
fn the_front_page_and_the_handbook_are_sound_in_every_view() {
    run("pages");
}

#[test]
fn every_suite_has_a_test() {
    let names = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = names.filter_map(|name| name.strip_suffix(".test.mjs").map(str::to_owned)).collect();
    assert_eq!(found, BTreeSet::from(SUITES.map(str::to_owned)));
}
