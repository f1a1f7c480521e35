//! The files in `docs/deploy` say what the host understands, and give it the time that it needs to end.

use std::{collections::BTreeSet, path::Path, time::Duration};

use resly_core::turn::TurnLimits;
use resly_server::config::{SETTINGS, variable};

/// From the end of the drain to that of the process.
const AFTER_DRAIN: u64 = 4;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const FILES: [&str; 4] =
    ["docs/deploy/compose.yaml", "docs/deploy/kubernetes.yaml", "docs/deploy/resly.service", "Dockerfile"];

/// The first number after a text.
fn number(text: &str, after: &str) -> u64 {
    let (_, rest) = text.split_once(after).unwrap_or_else(|| panic!("`{after}` is missing"));
    let rest = rest.trim_start_matches([' ', '"']);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("`{after}` has no number"))
}

#[test]
fn every_variable_is_a_setting() {
    let known: BTreeSet<String> = SETTINGS.iter().map(|setting| variable(setting.name)).collect();
    for file in FILES {
        let text = read(file);
        let named = text.match_indices("RESLY_").map(|(at, _)| {
            let end = |c: char| !c.is_ascii_uppercase() && c != '_' && !c.is_ascii_digit();
            text[at..].split(end).next().unwrap().to_owned()
        });
        let named: Vec<String> = named.filter(|name| name != "RESLY_").collect();
        assert!(!named.is_empty(), "{file}");
        for name in named {
            assert!(known.contains(&name), "{file}: {name} is no setting");
        }
    }
}

#[test]
fn nothing_is_killed_before_it_has_drained() {
    let [compose, kubernetes, systemd, _] = FILES.map(read);
    let pause = number(&kubernetes, "command: [sleep, ");
    for (file, text, drain, grace, before) in [
        ("compose.yaml", &compose, "RESLY_DRAIN_S: ", "stop_grace_period: ", 0),
        ("kubernetes.yaml", &kubernetes, "RESLY_DRAIN_S: ", "terminationGracePeriodSeconds: ", pause),
        ("resly.service", &systemd, "RESLY_DRAIN_S=", "TimeoutStopSec=", 0),
    ] {
        let (drain, grace) = (number(text, drain), number(text, grace));
        assert!(grace >= before + drain + AFTER_DRAIN, "{file}: {grace} s for {before} and a drain of {drain}");
    }
    let longest = TurnLimits::default().deadline;
    let drain = Duration::from_secs(number(&kubernetes, "RESLY_DRAIN_S: "));
    assert!(drain >= longest, "an answer may take {longest:?}, and a host that is replaced gives it {drain:?}");
}

#[test]
fn a_host_is_not_started_again_because_its_database_is_away() {
    let kubernetes = read("docs/deploy/kubernetes.yaml");
    let (_, liveness) = kubernetes.split_once("livenessProbe:").unwrap();
    let path = liveness.lines().find(|line| line.trim_start().starts_with("path:")).unwrap();
    assert_eq!(path.trim(), "path: /healthz");
}
