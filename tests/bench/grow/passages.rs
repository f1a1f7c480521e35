//! Fills an organization with passages, whose words are spread as those of a language are.

use anyhow::Result;
use resly_core::{
    id::{OrganizationId, PassageId, SourceId},
    knowledge::{EmbedAs, KnowledgeStore, NewPassage, NewSource},
    time::{Clock, SystemClock},
};
use resly_store::Store;
use uuid::Uuid;

/// How many passages a source has.
pub const PASSAGES: u64 = 100;
/// The id of the first source.
pub const FIRST_SOURCE: u128 = 0x7000_8000 << 64;

/// Adds passages in sources of a hundred, with the built-in embedder's vectors. Their words are spread as those of a
/// language are: few of them are in most passages, most in few.
pub async fn add(store: &Store, organization: OrganizationId, count: u64) -> Result<()> {
    let embedder = resly_models::embedder(None)?;
    let mut chance = 0x2545_f491_4f6c_dd1d_u64;
    for source in 0..count / PASSAGES {
        let mut texts = Vec::new();
        for _ in 0..PASSAGES {
            texts.push((0..70).map(|_| word(&mut chance)).collect::<Vec<_>>().join(" "));
        }
        let vectors = embedder.embed(&texts, EmbedAs::Document).await?;
        let id = |n: u64| Uuid::from_u128(FIRST_SOURCE + u128::from(source * 1000 + n));
        let passages = texts.iter().zip(vectors).zip(1..).map(|((text, vector), n)| NewPassage {
            id: PassageId(id(n)),
            section: String::new(),
            text: text.clone(),
            vector,
        });
        let new = NewSource {
            id: SourceId(id(0)),
            organization,
            title: format!("Chapter {source}"),
            url: None,
            identity: None,
            content_type: "text/plain".to_owned(),
            text: texts.join("\n\n"),
            language: "und",
            embedder: embedder.name().to_owned(),
            passages: passages.collect(),
            created_at: SystemClock.now(),
        };
        store.add_source(new).await?;
    }
    Ok(())
}

const SYLLABLES: [&str; 16] =
    ["ba", "ne", "ti", "ro", "su", "ka", "le", "mi", "do", "vu", "pa", "ge", "shi", "tro", "plu", "cra"];

/// A word of some 20,000, the n-th of which is about n times as rare as the first.
pub fn word(chance: &mut u64) -> String {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    let even = (*chance >> 11) as f64 / (1_u64 << 53) as f64;
    named((20_000_f64.powf(even)) as usize)
}

/// The n-th word.
pub fn named(rank: usize) -> String {
    let mut rank = rank + 17;
    let mut word = String::new();
    while rank > 0 {
        word.push_str(SYLLABLES[rank % 16]);
        rank /= 16;
    }
    word
}
