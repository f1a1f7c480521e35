//! Prints the tokens of a text: `cargo run --release -p resly-analysis --example analyze -- "Wi-Fi im Hotel" de`

#![expect(clippy::print_stdout, reason = "a tool for a terminal")]

use resly_analysis::{Language, analyze, detect, is_stop};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let text = arguments.next().unwrap_or_default();
    let language = arguments.next().and_then(|tag| Language::from_tag(&tag)).unwrap_or_else(|| detect(&text));
    println!("{} ({language})", language.name());
    for token in analyze(&text, language) {
        let stop = if is_stop(&token.text, language) { "stop" } else { "" };
        println!(
            "{:>4} {:<9} {:<24} {:?} {stop}",
            token.position,
            format!("{:?}", token.kind),
            token.text,
            token.offset
        );
    }
}
