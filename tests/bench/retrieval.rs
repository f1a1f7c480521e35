//! How well a search finds: the question set of `tests/retrieval` on both stores, beside plain BM25.

use std::path::Path;

use anyhow::Result;
use resly_tests::{
    postgres,
    retrieval::{HelpCentre, Kind, Question, client::Organization, score::Score},
};

use crate::{bm25::Bm25, served::Served, table::Table};

const ALL: [Kind; 7] =
    [Kind::Plain, Kind::Inflected, Kind::Paraphrase, Kind::Identifier, Kind::Compound, Kind::Typo, Kind::Unanswerable];

/// The questions of one language with what each way to search found.
struct Asked {
    language: String,
    questions: Vec<Question>,
    /// On SQLite, on PostgreSQL, by BM25.
    found: [Vec<Vec<String>>; 3],
}

pub async fn run(binary: &Path, table: &mut Table) -> Result<()> {
    let centres = HelpCentre::all()?;
    let sqlite = Served::start(binary, None).await?;
    let postgres = Served::start(binary, Some(postgres::database().await)).await?;
    let hosts = [&sqlite, &postgres];

    let mut alone = Vec::new();
    for centre in &centres {
        let organizations = organizations(hosts, &centre.language, std::slice::from_ref(centre)).await?;
        let mut bm25 = Bm25::default();
        bm25.add(centre);
        alone.push(ask(centre, &organizations, &bm25).await?);
    }
    report(table, "each language alone", &alone);

    let organizations = organizations(hosts, "mixed", &centres).await?;
    let mut bm25 = Bm25::default();
    centres.iter().for_each(|centre| bm25.add(centre));
    let mut mixed = Vec::new();
    for centre in &centres {
        mixed.push(ask(centre, &organizations, &bm25).await?);
    }
    report(table, "all languages in one organization", &mixed);
    Ok(())
}

/// Makes an organization on each host that knows these help centres.
async fn organizations(hosts: [&Served; 2], name: &str, centres: &[HelpCentre]) -> Result<Vec<Organization>> {
    let mut made = Vec::new();
    for host in hosts {
        let mut organization = Organization::new(&host.base, &host.organization(name).await?);
        for centre in centres {
            organization.add(centre).await?;
        }
        made.push(organization);
    }
    Ok(made)
}

async fn ask(centre: &HelpCentre, organizations: &[Organization], bm25: &Bm25) -> Result<Asked> {
    let questions = centre.questions();
    let mut found: [Vec<Vec<String>>; 3] = Default::default();
    for (found, organization) in found.iter_mut().zip(organizations) {
        *found = organization.search_all(&questions).await?;
    }
    found[2] = questions.iter().map(|question| bm25.search(&centre.language, &question.text)).collect();
    Ok(Asked { language: centre.language.clone(), questions, found })
}

impl Asked {
    fn scores(&self, kinds: &[Kind]) -> [Score; 3] {
        [0, 1, 2].map(|way| Score::of(&self.questions, &self.found[way], kinds))
    }

    /// Questions for which the stores don't return the same passages in the same order.
    fn differing(&self) -> usize {
        let [sqlite, postgres, _] = &self.found;
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
    let title = format!("Retrieval, {how}, in %: SQLite / PostgreSQL / plain BM25");
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

fn total(asked: &[Asked], kinds: &[Kind]) -> [Score; 3] {
    [0, 1, 2].map(|way| asked.iter().map(|one| one.scores(kinds)[way]).sum())
}

fn row(language: &str, questions: usize, scores: [Score; 3], differing: usize) -> Vec<String> {
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

fn cell(scores: [Score; 3], share: fn(&Score) -> f64) -> String {
    let percent = |score: &Score| match share(score) * 100.0 {
        share if share.is_finite() => format!("{share:.0}"),
        _ => "–".to_owned(),
    };
    scores.each_ref().map(percent).join(" / ")
}
