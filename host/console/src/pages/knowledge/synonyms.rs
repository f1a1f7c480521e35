//! `/console/knowledge/synonyms`: the words and phrases that customers use for one another, a line for each set.

use std::fmt::Write;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use maud::{Markup, html};
use resly_core::{
    knowledge::{KnowledgeStore, OneWay, Synonyms},
    member::Permission,
};
use resly_http::{Api, problem::Problem};
use resly_service::synonyms;

use super::framed;
use crate::{
    access::{Admin, Viewer},
    error::PageError,
    fields::Submitted,
    frame::Page,
    member::Member,
    mistakes::Mistakes,
    parts::{Field, area, form, submit},
    reply,
};

pub async fn page(Viewer(member): Viewer, State(api): State<Api>) -> Result<Page, PageError> {
    let synonyms = api.app.store.synonyms(member.session.organization).await?;
    Ok(draw(member, &write(&synonyms), &Mistakes::default()))
}

fn draw(member: Member, lines: &str, mistakes: &Mistakes) -> Page {
    let error = mistakes.at("sets").or(mistakes.at("one_way"));
    let field = Field {
        name: "synonyms",
        label: "Synonyms",
        value: lines,
        error,
        placeholder: Some("refund, money back, chargeback\npin => password"),
        ..Field::default()
    };
    let may = member.may(Permission::Manage);
    let body: Markup = html! {
        (mistakes.notice(&["sets", "one_way"]))
        section class="panel" {
            p { "A line for each set of words or phrases that mean the same, with commas between: " code { "refund, money back" } ". "
                "With an arrow, a question with the first is also one with the others, and not the other way round: " code { "pin => password, passcode" } "." }
            @if may {
                (form(&member.form_token, "/console/knowledge/synonyms", &html! { (area(&field, 14, false)) (submit("Save")) }))
            } @else if lines.is_empty() { p class="quiet" { "There are none." } }
            @else { pre class="text" tabindex="0" aria-label="Synonyms" { (lines) } }
        }
    };
    framed(member, body)
}

pub async fn set(
    Admin(member): Admin,
    State(api): State<Api>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let (lines, organization) = (fields.raw("synonyms"), member.session.organization);
    match synonyms::set(&api.app, organization, read(lines)).await.map_err(Problem::from) {
        Ok(()) => Ok(reply::done(
            "/console/knowledge/synonyms",
            "The synonyms are saved. Questions are searched with them now.",
        )),
        Err(problem) => {
            let mistakes = Mistakes::of(problem)?;
            Ok(draw(member, lines, &mistakes).status(StatusCode::UNPROCESSABLE_ENTITY).into_response())
        }
    }
}

/// The lines of a set each.
fn write(Synonyms { sets, one_way }: &Synonyms) -> String {
    let mut lines = String::new();
    for set in sets {
        // Writing to a string can't fail.
        let _ = writeln!(lines, "{}", set.join(", "));
    }
    for OneWay { from, to } in one_way {
        let _ = writeln!(lines, "{from} => {}", to.join(", "));
    }
    lines
}

fn read(lines: &str) -> Synonyms {
    let members = |text: &str| -> Vec<String> {
        text.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
    };
    let mut synonyms = Synonyms::default();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        match line.split_once("=>") {
            Some((from, to)) => synonyms.one_way.push(OneWay { from: from.trim().to_owned(), to: members(to) }),
            None => synonyms.sets.push(members(line)),
        }
    }
    synonyms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were_written() {
        let lines = "refund, money back\npin => password, passcode\n";
        let read = read(&format!("\n{lines} \n , \n"));
        assert_eq!(read.sets, [vec!["refund", "money back"], Vec::new()], "an empty set is told as a mistake");
        assert_eq!(write(&Synonyms { sets: vec![read.sets[0].clone()], ..read }), lines);
    }
}
