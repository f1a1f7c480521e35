//! How well a search finds: the question set of `tests/retrieval` on both stores, beside BM25.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, Result};
use resly_tests::{
    postgres,
    retrieval::{HelpCentre, Kind, Question, client::Organization, score::Score},
};

use crate::{
    bm25::{self, Bm25},
    served::Served,
    table::Table,
};

pub const ALL: [Kind; 7] =
    [Kind::Plain, Kind::Inflected, Kind::Paraphrase, Kind::Identifier, Kind::Compound, Kind::Typo, Kind::Unanswerable];

/// The variable with the file that gets the questions that weren't answered, in columns: kind, question, answers, found.
const MISSES: &str = "RETRIEVAL_MISSES";
/// What is measured side by side. The stores come first.
const WAYS: [&str; 4] = ["SQLite", "PostgreSQL", "plain BM25", "BM25 on segmented words without function words"];

/// The questions of one language with what each way to search found.
struct Asked {
    language: String,
    questions: Vec<Question>,
    found: [Vec<Vec<String>>; WAYS.len()],
}

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let centres = HelpCentre::all()?;
    let sqlite = Served::start(binary, None).await?;
    let postgres = Served::start(binary, Some(postgres::database().await)).await?;
    let hosts = [&sqlite, &postgres];

    let mut alone = Vec::new();
    for centre in &centres {
        let organizations = organizations(hosts, &centre.language, std::slice::from_ref(centre)).await?;
        alone.push(ask(centre, &organizations, &baselines(std::slice::from_ref(centre))).await?);
    }
    report(table, "each language alone", &alone);

    let organizations = organizations(hosts, "mixed", &centres).await?;
    let baselines = baselines(&centres);
    let mut mixed = Vec::new();
    for centre in &centres {
        mixed.push(ask(centre, &organizations, &baselines).await?);
    }
    report(table, "all languages in one organization", &mixed);

    if let Some(path) = std::env::var_os(MISSES) {
        let misses = misses(&alone) + &misses(&mixed);
        std::fs::write(&path, misses).with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(())
}

/// A line for each question that SQLite doesn't answer first, with what it found.
fn misses(asked: &[Asked]) -> String {
    let mut lines = String::new();
    for Asked { questions, found: [sqlite, ..], .. } in asked {
        for (question, found) in questions.iter().zip(sqlite) {
            if found.first().map_or(!question.answers.is_empty(), |first| !question.answers.contains(first)) {
                let Question { kind, text, answers, .. } = question;
                let found = &found[..found.len().min(3)];
                // Writing to a string doesn't fail.
                let _ = writeln!(lines, "{}\t{text}\t{}\t{}", kind.name(), answers.join(" "), found.join(" "));
            }
        }
    }
    lines
}

/// Makes an organization on each host that knows these help centres.
async fn organizations(hosts: [&Served; 2], name: &str, centres: &[HelpCentre]) -> Result<[Organization; 2]> {
    let make = async |host: &Served| {
        let mut organization = Organization::new(&host.base, &host.organization(name).await?);
        for centre in centres {
            organization.add(centre).await?;
        }
        anyhow::Ok(organization)
    };
    Ok([make(hosts[0]).await?, make(hosts[1]).await?])
}

fn baselines(centres: &[HelpCentre]) -> [Bm25; 2] {
    [bm25::plain as bm25::Analysis, bm25::segmented].map(|analysis| {
        let mut index = Bm25::new(analysis);
        centres.iter().for_each(|centre| index.add(centre));
        index
    })
}

async fn ask(centre: &HelpCentre, stores: &[Organization; 2], baselines: &[Bm25; 2]) -> Result<Asked> {
    let questions = centre.questions();
    let [sqlite, postgres] = stores;
    let by = |baseline: &Bm25| questions.iter().map(|asked| baseline.search(&centre.language, &asked.text)).collect();
    let found = [
        sqlite.search_all(&questions).await?,
        postgres.search_all(&questions).await?,
        by(&baselines[0]),
        by(&baselines[1]),
    ];
    Ok(Asked { language: centre.language.clone(), questions, found })
}

type Scores = [Score; WAYS.len()];

impl Asked {
    fn scores(&self, kinds: &[Kind]) -> Scores {
        std::array::from_fn(|way| Score::of(&self.questions, &self.found[way], kinds))
    }

    /// Questions for which the stores don't return the same passages in the same order.
    fn differing(&self) -> usize {
        let [sqlite, postgres, ..] = &self.found;
        sqlite.iter().zip(postgres).filter(|(sqlite, postgres)| sqlite != postgres).count()
    }
}

fn report(table: &mut Table, how: &str, asked: &[Asked]) {
    let header = [
        "language",
        "questions",
        "recall@1",
        "recall@5",
        "MRR",
        "answerable, nothing found",
        "off topic, nothing found",
        "recall@1 kept with a typo",
        "lists that differ",
    ];
    let mut rows: Vec<Vec<String>> = Vec::new();
    for one in asked {
        rows.push(row(&one.language, one.questions.len(), one.scores(&ALL), one.differing()));
    }
    let questions = asked.iter().map(|one| one.questions.len()).sum();
    let differing = asked.iter().map(Asked::differing).sum();
    rows.push(row("all", questions, total(asked, &ALL), differing));
    let title = format!("Retrieval, {how}, in %: {}", WAYS.join(" / "));
    table.grid(title, &header, rows);

    let header = ["kind", "questions", "recall@1", "recall@5", "answerable, nothing found"];
    let rows = Kind::ANSWERABLE.map(|kind| {
        let scores = total(asked, &[kind]);
        vec![
            kind.name().to_owned(),
            scores[0].answerable.to_string(),
            cell(scores, Score::recall_at_1),
            cell(scores, Score::recall_at_5),
            cell(scores, Score::nothing_found),
        ]
    });
    table.grid(format!("Retrieval by kind of question, {how}"), &header, rows.to_vec());
}

fn total(asked: &[Asked], kinds: &[Kind]) -> Scores {
    std::array::from_fn(|way| asked.iter().map(|one| one.scores(kinds)[way]).sum())
}

fn row(language: &str, questions: usize, scores: Scores, differing: usize) -> Vec<String> {
    vec![
        language.to_owned(),
        questions.to_string(),
        cell(scores, Score::recall_at_1),
        cell(scores, Score::recall_at_5),
        cell(scores, Score::mrr),
        cell(scores, Score::nothing_found),
        cell(scores, Score::off_topic_refused),
        cell(scores, Score::typos_kept),
        differing.to_string(),
    ]
}

fn cell(scores: Scores, share: fn(&Score) -> f64) -> String {
    let percent = |score: &Score| match share(score) * 100.0 {
        share if share.is_finite() => format!("{share:.0}"),
        _ => "–".to_owned(),
    };
    scores.each_ref().map(percent).join(" / ")
}
