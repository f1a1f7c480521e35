//! Finding conversations by words that were said in them, in every language.
//!
//! A conversation's words are cut as those of the knowledge are (`resly_analysis`), and kept as short hashes that differ
//! between organizations: the index holds no word that somebody could read. A job writes them. A list asks for the hashes
//! of its words; a conversation has to have all of them, each as it is written, without accents, or by its stem.

use std::{collections::BTreeSet, time::Duration};

use data_encoding::BASE32_NOPAD;
use resly_analysis::{Kind, Language, analyze, detect};
use resly_core::{boxed, error::StoreError, id::OrganizationId, model::Role, time::Timestamp};
use resly_store::{ConversationQuery, ConversationSummary, IndexedConversation, UnindexedConversation, WordGroups};
use sha2::{Digest, Sha256};

use crate::App;

/// How long a host may take for some conversations.
const LEASE: Duration = Duration::from_secs(120);
/// When to read a conversation again in which an answer is being written.
const AGAIN: Duration = Duration::from_secs(30);
/// Between two transactions, so that chats come first.
const PAUSE: Duration = Duration::from_millis(20);
/// Transactions of one run of the job, of each kind.
const RUNS: usize = 300;
/// Bytes of a hash. Five make eight characters.
const HASH_BYTES: usize = 5;
/// Different words that are kept of one conversation.
const WORDS: usize = 10_000;
/// Words that one search asks for, and forms of each.
const ASKED: usize = 12;
const FORMS: usize = 6;
/// Bytes of a text by which its language is found out.
const TEXT_FOR_LANGUAGE: usize = 4_000;

/// The language of a text as a BCP-47 code; `und` when the text doesn't tell.
pub fn language_of(text: &str) -> &'static str {
    detect(&text[..text.floor_char_boundary(TEXT_FOR_LANGUAGE)]).code()
}

/// The conversations that match a query, and in which all words of `text` were said, newest first.
#[boxed]
pub async fn find(
    app: &App,
    organization: OrganizationId,
    text: Option<&str>,
    query: ConversationQuery,
) -> Result<Vec<ConversationSummary>, StoreError> {
    let words = text.filter(|text| !text.trim().is_empty()).map(|text| asked(organization, text));
    app.store.find_conversations(organization, ConversationQuery { words, ..query }).await
}

/// Brings the index up to date: some conversations at a time, until nothing is left or enough was done for one run.
/// Returns how many were read.
#[boxed]
pub async fn index(app: &App) -> Result<usize, StoreError> {
    for _ in 0..RUNS {
        if !app.store.mark_unindexed_conversations(app.clock.now()).await? {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let mut read = 0;
    for _ in 0..RUNS {
        let now = app.clock.now();
        let taken = app.store.take_unindexed_conversations(now, LEASE).await?;
        if taken.is_empty() {
            break;
        }
        read += taken.len();
        let indexed = tokio::task::spawn_blocking(move || taken.into_iter().map(|of| indexed(of, now)).collect()).await;
        let Ok(indexed) = indexed else { break };
        app.store.index_conversations(indexed).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(read)
}

fn indexed(of: UnindexedConversation, now: Timestamp) -> IndexedConversation {
    let mut hashes = BTreeSet::new();
    let mut written = String::new();
    for (role, text) in &of.said {
        if *role == Role::User && written.len() < TEXT_FOR_LANGUAGE {
            written.push_str(&text[..text.floor_char_boundary(TEXT_FOR_LANGUAGE)]);
            written.push('\n');
        }
        for token in analyze(text, detect(text)) {
            if token.kind != Kind::Compound && hashes.len() < WORDS {
                hashes.insert(hash(of.organization, &token.text));
            }
        }
    }
    let words = hashes.into_iter().collect::<Vec<_>>().join(" ");
    let language = Some(detect(&written)).filter(|language| *language != Language::Unknown).map(Language::code);
    let again_at = of.is_unfinished.then(|| now.plus(AGAIN));
    IndexedConversation { of, words, language, again_at }
}

/// What a list asks the index for. A place in the text without a word as it is written says nothing of its own, and a part
/// of an identifier says less than the whole.
fn asked(organization: OrganizationId, text: &str) -> WordGroups {
    let mut groups: Vec<(u32, bool, Vec<String>)> = Vec::new();
    let tokens: Vec<_> = analyze(text, detect(text)).into_iter().filter(|token| token.kind.asks()).collect();
    let joined = |position: u32| {
        let written = tokens.iter().find(|token| token.position == position && token.kind == Kind::Exact);
        written.map(|token| token.text.chars().filter(|c| c.is_alphanumeric()).collect::<String>())
    };
    for token in &tokens {
        let is_less = token.kind == Kind::Part && joined(token.position).is_some_and(|whole| whole != token.text);
        if is_less || token.kind == Kind::Compound {
            continue;
        }
        if groups.last().is_none_or(|(position, ..)| *position != token.position) {
            groups.push((token.position, false, Vec::new()));
        }
        if let Some((_, is_written, forms)) = groups.last_mut() {
            *is_written |= token.kind == Kind::Exact;
            let form = hash(organization, &token.text);
            if forms.len() < FORMS && !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    groups.into_iter().filter(|(_, is_written, _)| *is_written).map(|(.., forms)| forms).take(ASKED).collect()
}

fn hash(organization: OrganizationId, word: &str) -> String {
    let digest = Sha256::new().chain_update(organization.0.as_bytes()).chain_update(word.as_bytes()).finalize();
    let mut text = BASE32_NOPAD.encode(&digest[..HASH_BYTES]);
    text.make_ascii_lowercase();
    text
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ORGANIZATION: OrganizationId = OrganizationId(Uuid::from_u128(1));

    /// Whether a conversation of these texts has all words of the question.
    fn finds(question: &str, said: &[&str]) -> bool {
        let mut words = BTreeSet::new();
        for text in said {
            for token in analyze(text, detect(text)) {
                if token.kind != Kind::Compound {
                    words.insert(hash(ORGANIZATION, &token.text));
                }
            }
        }
        let groups = asked(ORGANIZATION, question);
        !groups.is_empty() && groups.iter().all(|forms| forms.iter().any(|form| words.contains(form)))
    }

    #[test]
    fn words_are_found_in_every_script() {
        let said = ["Where is my parcel with the number RS-1001? Ich möchte kündigen.", "我的订阅费什么时候退款？"];
        for question in
            ["parcel", "PARCEL number", "RS-1001", "rs-1001", "kündigen", "kundigen", "订阅费", "退款", "费"]
        {
            assert!(finds(question, &said), "{question}");
        }
        for question in ["invoice", "parcel invoice", "rs-1002", "发票", "?!", ""] {
            assert!(!finds(question, &said), "{question}");
        }
        assert!(finds("посылка", &["Где моя посылка?"]) && finds("พัสดุ", &["พัสดุของฉันอยู่ที่ไหน"]));
        assert!(finds("parcels", &["The parcel is lost and I would like to have my money back."]));
    }

    #[test]
    fn a_search_is_bounded_and_differs_between_organizations() {
        let long = "word ".repeat(1000) + &(0..100).map(|n| format!("w{n} ")).collect::<String>();
        let groups = asked(ORGANIZATION, &long);
        assert_eq!(groups.len(), ASKED);
        assert!(groups.iter().flatten().all(|form| form.len() == 8 && form.bytes().all(|b| b.is_ascii_alphanumeric())));
        assert_ne!(hash(ORGANIZATION, "word"), hash(OrganizationId(Uuid::from_u128(2)), "word"));
    }

    #[test]
    fn languages_have_codes() {
        assert_eq!(language_of("Wo bleibt mein Paket? Ich warte seit einer Woche darauf."), "de");
        assert_eq!(language_of("?"), "und");
    }
}
