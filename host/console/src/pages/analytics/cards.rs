//! The cards: a number each, how it changed, and the way to the conversations behind it.

use maud::{Markup, html};
use resly_service::analytics::{Card, Numbers, Report, Share};

use super::{CONVERSATIONS, filters::Choices, words};
use crate::numbers::{counted, thousands};

/// What a card shows beside its title.
struct Face {
    figure: String,
    /// What the figure is made of.
    of: String,
    change: Option<String>,
}

pub fn draw(report: &Report, choices: &Choices) -> Markup {
    let cards = [Card::Conversations, Card::Resolved, Card::HandedOver, Card::Rated, Card::Deflected, Card::Abandoned];
    html! {
        ul class="cards" {
            @for card in cards {
                @let Face { figure, of, change } = face(card, &report.total, &report.previous);
                li class="card" {
                    h2 { a href=(choices.address(CONVERSATIONS, Some(card))) { (title(card)) } }
                    p class="figure" { (figure) }
                    p class="hint" { (of) }
                    p class="hint foot" { (change.unwrap_or_else(|| "nothing to compare with before".to_owned())) }
                }
            }
        }
    }
}

fn title(card: Card) -> &'static str {
    match card {
        Card::Resolved => "Resolution rate",
        Card::Rated => "Satisfaction",
        Card::Deflected => "Deflection",
        other => words::card(other),
    }
}

fn face(card: Card, now: &Numbers, before: &Numbers) -> Face {
    let settled = |share: Share| format!("{} of {} settled", thousands(share.part), thousands(share.whole));
    let share = |now: Share, before: Share| Face {
        figure: words::percent(now),
        of: settled(now),
        change: words::points_since(now, before),
    };
    match card {
        Card::Resolved => share(now.resolved(), before.resolved()),
        Card::HandedOver => share(now.handed_over(), before.handed_over()),
        Card::Abandoned => share(now.abandoned(), before.abandoned()),
        Card::Deflected => share(now.deflected(), before.deflected()),
        Card::Rated => {
            let (good, total) = (now.satisfaction(), now.total());
            Face {
                of: format!("{} in {}", counted(good.whole, "rating"), counted(total.rated, "conversation")),
                ..share(good, before.satisfaction())
            }
        }
        Card::Conversations | Card::Durable | Card::Open => {
            let (count, then) = (card.count(now), card.count(before));
            Face {
                figure: thousands(count),
                of: format!("{} still open", thousands(Card::Open.count(now))),
                change: words::change_since(count, then),
            }
        }
    }
}
