//! What local embedding models cost and find: each on the question set of `tests/retrieval`, beside the built-in embedder.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use resly_tests::retrieval::{HelpCentre, client::Organization, score::Score};

use crate::{median, retrieval::ALL, served::Served, table::Table};

/// The variable with the folder that has a folder for each model.
const MODELS: &str = "BENCH_MODELS";
/// Passages of one organization that is timed, about as many as a help centre of a hundred pages has.
const TIMED_CENTRES: usize = 3;

/// What one embedder found in each language.
struct Measured {
    name: String,
    scores: Vec<(String, Score)>,
}

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let folder = std::env::var_os(MODELS).map_or_else(|| PathBuf::from("target/tools/models"), PathBuf::from);
    let centres = HelpCentre::all()?;
    let mut measured = vec![measure(binary, "built-in", None, &centres, table).await?];
    for (name, model) in models(&folder)? {
        measured.push(measure(binary, &name, Some(&model), &centres, table).await?);
    }
    let names: Vec<&str> = measured.iter().map(|one| one.name.as_str()).collect();
    let header = ["language", "recall@1", "recall@5", "MRR", "answerable, nothing found", "off topic, nothing found"];
    let mut rows = Vec::new();
    for (at, centre) in centres.iter().enumerate() {
        let scores: Vec<Score> = measured.iter().map(|one| one.scores[at].1).collect();
        rows.push(figures(&centre.language, &scores));
    }
    let all: Vec<Score> = measured.iter().map(|one| one.scores.iter().map(|(_, score)| *score).sum()).collect();
    rows.push(figures("all", &all));
    table.grid(format!("Retrieval by embedder, each language alone, in %: {}", names.join(" / ")), &header, rows);
    Ok(())
}

/// The folders of models, by name.
fn models(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = std::fs::read_dir(folder);
    let mut found = Vec::new();
    for entry in entries.with_context(|| format!("no models in {}: run `make models`", folder.display()))? {
        let entry = entry?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort();
    Ok(found)
}

async fn measure(
    binary: &Path,
    name: &str,
    model: Option<&Path>,
    centres: &[HelpCentre],
    table: &mut Table,
) -> Result<Measured> {
    let settings = match model {
        Some(model) => vec![("RESLY_EMBEDDER_DIR", std::path::absolute(model)?.to_string_lossy().into_owned())],
        None => Vec::new(),
    };
    let started = Instant::now();
    let host = Served::with_settings(binary, None, settings).await?;
    let of = format!("embedder {name}");
    table.row(&of, "start, until it listens", format!("{:.1} s", started.elapsed().as_secs_f64()));

    let mut scores = Vec::new();
    let mut waits = Vec::new();
    let (mut passages, mut adding) = (0, 0.0);
    for (at, centre) in centres.iter().enumerate() {
        let mut organization = Organization::new(&host.base, &host.organization(&centre.language).await?);
        let before = Instant::now();
        organization.add(centre).await?;
        // The first ones share the processors with the calibration.
        if at >= centres.len() - TIMED_CENTRES {
            passages += centre.passages().count();
            adding += before.elapsed().as_secs_f64();
        }
        let questions = centre.questions();
        let mut found = Vec::with_capacity(questions.len());
        for question in &questions {
            let before = Instant::now();
            found.extend(organization.search_all(std::slice::from_ref(question)).await?);
            waits.push(before.elapsed().as_secs_f64() * 1e3);
        }
        scores.push((centre.language.clone(), Score::of(&questions, &found, &ALL)));
    }
    table.row(&of, "passages embedded and stored", format!("{:.0}/s", passages as f64 / adding));
    table.row(&of, "search, one at a time, median", format!("{:.1} ms", median(&mut waits)));
    let resident = host.resident_kib()? as f64 / 1024.0;
    table.row(&of, "memory afterwards", format!("{resident:.0} MiB"));
    Ok(Measured { name: name.to_owned(), scores })
}

fn figures(language: &str, scores: &[Score]) -> Vec<String> {
    let shares = [Score::recall_at_1, Score::recall_at_5, Score::mrr, Score::nothing_found, Score::off_topic_refused];
    let percent = |share: fn(&Score) -> f64| {
        let all: Vec<String> = scores.iter().map(|score| format!("{:.0}", share(score) * 100.0)).collect();
        all.join(" / ")
    };
    [vec![language.to_owned()], shares.map(percent).to_vec()].concat()
}
