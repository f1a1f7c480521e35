//! The cards of the page, and the conversations behind each: as many as the card's number says.

use resly_core::{boxed, error::StoreError, id::OrganizationId, outcome::Outcome};
use resly_store::{Cursor, ListedOutcome, OutcomeQuery};

use super::{Numbers, report::ReportQuery};
use crate::App;

/// A number of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Card {
    Conversations,
    Resolved,
    Durable,
    HandedOver,
    Abandoned,
    Open,
    /// Those of which an answer was rated.
    Rated,
    Deflected,
}

impl Card {
    pub const ALL: [Self; 8] = [
        Self::Conversations,
        Self::Resolved,
        Self::Durable,
        Self::HandedOver,
        Self::Abandoned,
        Self::Open,
        Self::Rated,
        Self::Deflected,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Conversations => "conversations",
            Self::Resolved => "resolved",
            Self::Durable => "durable",
            Self::HandedOver => "handed_over",
            Self::Abandoned => "abandoned",
            Self::Open => "open",
            Self::Rated => "rated",
            Self::Deflected => "deflected",
        }
    }

    /// How many conversations are behind it.
    pub fn count(self, numbers: &Numbers) -> u64 {
        match self {
            Self::Conversations => numbers.total().conversations,
            Self::Resolved => numbers.resolved().part,
            Self::Durable => numbers.durable().part,
            Self::HandedOver => numbers.handed_over().part,
            Self::Abandoned => numbers.abandoned().part,
            Self::Open => numbers.of(Outcome::Open).conversations,
            Self::Rated => numbers.total().rated,
            Self::Deflected => numbers.deflected().part,
        }
    }

    fn outcomes(self) -> Vec<Outcome> {
        match self {
            Self::Conversations | Self::Rated => Vec::new(),
            Self::Resolved => Outcome::RESOLVED.to_vec(),
            Self::Durable => vec![Outcome::Durable],
            Self::HandedOver => vec![Outcome::HandedOver],
            Self::Abandoned => vec![Outcome::Abandoned],
            Self::Open => vec![Outcome::Open],
            Self::Deflected => Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Open).collect(),
        }
    }
}

/// The conversations behind a card, newest first.
#[boxed]
pub async fn conversations(
    app: &App,
    organization: OrganizationId,
    query: &ReportQuery,
    card: Card,
    before: Option<Cursor>,
    limit: u32,
) -> Result<Vec<ListedOutcome>, StoreError> {
    let wanted = OutcomeQuery {
        filter: query.filter(query.span),
        outcomes: card.outcomes(),
        without_person: card == Card::Deflected,
        rated: card == Card::Rated,
        before,
        limit,
    };
    app.store.list_outcomes(organization, wanted).await
}
