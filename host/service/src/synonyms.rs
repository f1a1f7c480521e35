//! The words and phrases that an organization's customers use for one another.

use resly_analysis::{Language, analyze};
use resly_core::{
    boxed,
    error::StoreError,
    id::OrganizationId,
    knowledge::{OneWay, Synonyms},
};

use crate::{App, FieldError};

/// The most sets and one-way entries together.
const ENTRIES: usize = 1000;
/// The most members of a set, and the most that an entry leads to.
const MEMBERS: usize = 20;
/// Characters of a member.
const LENGTH: usize = 100;

/// Why synonyms weren't set.
#[derive(Debug, thiserror::Error)]
pub enum SynonymError {
    #[error("{} mistakes in what was sent", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Replaces all synonyms of the organization.
#[boxed]
pub async fn set(app: &App, organization: OrganizationId, synonyms: Synonyms) -> Result<(), SynonymError> {
    // Each word is analysed, which takes a while for as many as there may be.
    let checked = tokio::task::spawn_blocking(move || (check(&synonyms), synonyms)).await;
    let (mistakes, synonyms) = checked
        .map_err(|error| StoreError::Broken { doing: "check the words of the synonyms", detail: error.to_string() })?;
    if !mistakes.is_empty() {
        return Err(SynonymError::Invalid(mistakes));
    }
    Ok(app.library.set_synonyms(organization, synonyms).await?)
}

fn check(Synonyms { sets, one_way }: &Synonyms) -> Vec<FieldError> {
    if sets.len() + one_way.len() > ENTRIES {
        return vec![FieldError::new("sets", format!("at most {ENTRIES} sets and one-way entries are expected"))];
    }
    let mut mistakes = Vec::new();
    for (n, set) in sets.iter().enumerate() {
        if !(2..=MEMBERS).contains(&set.len()) {
            mistakes
                .push(FieldError::new(format!("sets[{n}]"), format!("2 to {MEMBERS} words or phrases are expected")));
        }
        for (at, member) in set.iter().take(MEMBERS).enumerate() {
            mistakes.extend(check_member(format!("sets[{n}][{at}]"), member));
        }
    }
    for (n, OneWay { from, to }) in one_way.iter().enumerate() {
        mistakes.extend(check_member(format!("one_way[{n}].from"), from));
        if !(1..=MEMBERS).contains(&to.len()) {
            let message = format!("1 to {MEMBERS} words or phrases are expected");
            mistakes.push(FieldError::new(format!("one_way[{n}].to"), message));
        }
        for (at, member) in to.iter().take(MEMBERS).enumerate() {
            mistakes.extend(check_member(format!("one_way[{n}].to[{at}]"), member));
        }
    }
    mistakes
}

fn check_member(path: String, member: &str) -> Option<FieldError> {
    if member.chars().count() > LENGTH {
        return Some(FieldError::new(path, format!("at most {LENGTH} characters are expected")));
    }
    let wordless = analyze(member, Language::Unknown).is_empty();
    wordless.then(|| FieldError::new(path, "a word or a phrase is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_by_their_place() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let paths = |synonyms: &Synonyms| check(synonyms).into_iter().map(|mistake| mistake.path).collect::<Vec<_>>();
        let good = Synonyms {
            sets: vec![texts(&["refund", "money back", "退款"])],
            one_way: vec![OneWay { from: "pass".to_owned(), to: texts(&["password"]) }],
        };
        assert!(paths(&good).is_empty());
        let bad = Synonyms {
            sets: vec![texts(&["refund"]), texts(&["a", "…"])],
            one_way: vec![OneWay { from: "x".repeat(101), to: Vec::new() }],
        };
        assert_eq!(paths(&bad), ["sets[0]", "sets[1][1]", "one_way[0].from", "one_way[0].to"]);
        let many = Synonyms { sets: vec![texts(&["a", "b"]); 1001], one_way: Vec::new() };
        assert_eq!(paths(&many), ["sets"]);
    }
}
