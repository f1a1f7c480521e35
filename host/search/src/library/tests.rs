//! The library over a store in memory.

mod fakes;
mod updates;

use std::sync::atomic::Ordering;

use resly_core::{error::RerankError, id::RevisionId, knowledge::RevisedPassage};

use self::fakes::*;
use super::*;
use crate::words::Form;

#[tokio::test]
async fn what_both_ways_find_comes_first_and_what_none_finds_stays_away() {
    let setup = Setup::new();
    let library = &setup.library;
    library.add(ORG, text("A", "Some words about a parcel.")).await.unwrap();
    library.add(ORG, text("B", "You pay at the end.")).await.unwrap();
    library.add(ORG, text("C", "# Cards\n\nWe take cards; you pay by card.")).await.unwrap();
    assert_eq!(titles(library, ORG, "pay card").await, ["C:Cards", "B:"]);
    assert_eq!(titles(library, ORG, "card for money").await, ["C:Cards", "B:"]);
    assert_eq!(titles(library, ORG, "money").await, ["B:", "C:Cards"]);
    assert!(titles(library, ORG, "weather").await.is_empty());
    let scores: Vec<f32> = library.retrieve(ORG, "pay card", 5).await.unwrap().iter().map(|p| p.score).collect();
    assert!(scores[0] >= scores[1] && scores[1] > 0.0);
}

#[tokio::test]
async fn a_question_that_was_asked_costs_no_store_call() {
    let setup = Setup::new();
    let (library, store) = (&setup.library, &setup.store);
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    assert_eq!(store.counts(), [1, 1, 1, 0], "the request that adds a source indexes it");
    assert_eq!(titles(library, ORG, "pay").await, ["A:"]);
    assert_eq!(store.counts(), [0, 0, 0, 1]);
    assert_eq!(titles(library, ORG, "money").await, ["A:"]);
    assert_eq!(store.counts(), [0, 0, 0, 0]);
}

#[tokio::test]
async fn nothing_known_costs_next_to_nothing() {
    let setup = Setup::new();
    let (library, store, embedder) = (&setup.library, &setup.store, &setup.embedder);
    assert!(titles(library, ORG, "pay").await.is_empty());
    assert!(titles(library, ORG, "pay").await.is_empty());
    assert!(titles(library, ORG, "  ").await.is_empty());
    let counts = store.counts();
    assert_eq!(counts[TEXTS] + counts[VECTORS] + counts[PASSAGES], 0);
    assert!(embedder.batches.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_added_or_removed_counts_for_the_next_question() {
    let setup = Setup::new();
    let library = &setup.library;
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    assert_eq!(titles(library, ORG, "money").await, ["A:"]);
    let added = library.add(ORG, text("B", "Money back.")).await.unwrap();
    assert_eq!(titles(library, ORG, "money").await.len(), 2);
    assert!(library.remove(ORG, added.id).await.unwrap());
    assert!(!library.remove(ORG, added.id).await.unwrap());
    assert_eq!(titles(library, ORG, "money").await, ["A:"]);
}

#[tokio::test]
async fn a_source_that_another_host_deleted_is_not_found_once_the_version_is_read() {
    let setup = Setup::new();
    let (library, store) = (&setup.library, &setup.store);
    let added = library.add(ORG, text("A", "You pay.")).await.unwrap();
    assert_eq!(titles(library, ORG, "money").await.len(), 1);
    store.delete_source(ORG, added.id, now()).await.unwrap();
    library.versions.invalidate(&ORG).await;
    assert!(titles(library, ORG, "money").await.is_empty());
}

#[tokio::test]
async fn what_was_deleted_is_not_found_in_an_older_snapshot() {
    let setup = Setup::new();
    let (library, store) = (&setup.library, &setup.store);
    let added = library.add(ORG, text("A", "You pay.")).await.unwrap();
    library.add(ORG, text("B", "Money back.")).await.unwrap();
    assert_eq!(titles(library, ORG, "money").await.len(), 2);
    // The snapshot of the next version can't be made.
    store.down.store(true, Ordering::Relaxed);
    assert!(library.remove(ORG, added.id).await.unwrap());
    assert_eq!(titles(library, ORG, "money").await, ["B:"]);
}

#[tokio::test]
async fn organizations_do_not_meet() {
    let setup = Setup::new();
    let library = &setup.library;
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    library.add(OTHER, text("B", "They pay.")).await.unwrap();
    assert_eq!(titles(library, ORG, "pay money").await, ["A:"]);
    assert_eq!(titles(library, OTHER, "pay money").await, ["B:"]);
}

#[tokio::test]
async fn an_embedder_that_is_down_leaves_the_full_text() {
    let setup = Setup::new();
    let (library, store, embedder) = (&setup.library, &setup.store, &setup.embedder);
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    embedder.down.store(true, Ordering::Relaxed);
    assert_eq!(titles(library, ORG, "pay").await, ["A:"]);
    assert!(matches!(library.add(ORG, text("B", "x")).await, Err(AddError::Embed(_))));
    assert_eq!(store.sources.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_source_is_cut_embedded_in_batches_and_stored_whole() {
    let setup = Setup::new();
    let (library, store, embedder) = (&setup.library, &setup.store, &setup.embedder);
    let long: String = (0..150).map(|n| format!("# H{n}\n\nText {n}.\n\n")).collect();
    let added = library.add(ORG, text("Long", &long)).await.unwrap();
    assert_eq!(added.chunks, 150);
    assert_eq!(*embedder.batches.lock().unwrap(), [64, 64, 22]);
    let sources = store.sources.lock().unwrap();
    assert_eq!(sources[0].text, long);
    assert_eq!(sources[0].embedder, "topics");
    assert_eq!(sources[0].passages[149].section, "H149");
    let ids: std::collections::HashSet<_> = sources[0].passages.iter().map(|passage| passage.id).collect();
    assert_eq!(ids.len(), 150);
}

#[tokio::test]
async fn a_revision_embeds_only_what_is_new() {
    let setup = Setup::new();
    let (library, store, embedder) = (&setup.library, &setup.store, &setup.embedder);
    let added = library.add(ORG, text("Shop", "# A\n\nSame.\n\n# B\n\nOld.\n\n# A\n\nSame.")).await.unwrap();
    assert_eq!(added.chunks, 3);
    let ids: Vec<_> = store.passages(ORG).into_iter().map(|(_, passage)| passage.id).collect();
    let base = RevisionId(added.id.0);
    embedder.batches.lock().unwrap().clear();
    let revise = async |title: &str, changed: &str| {
        let (new, progress) = (text(title, changed), Progress::default());
        let chunks = Library::cut(&new).unwrap();
        let made = library.revise(ORG, base, new, chunks, &progress).await.unwrap();
        let kept = made.passages.iter().map(|passage| match passage {
            RevisedPassage::Kept(id) => ids.iter().position(|known| known == id),
            RevisedPassage::New(_) => None,
        });
        (kept.collect::<Vec<_>>(), progress.read())
    };
    let (kept, progress) = revise("Shop", "# New\n\nFirst.\n\n# A\n\nSame.\n\n# A\n\nSame.\n\n# A\n\nSame.").await;
    assert_eq!(kept, [None, Some(0), Some(2), None], "each passage is kept once, in order");
    assert_eq!((progress.embedded, progress.passages), (2, 2));
    // The title is a part of what is embedded.
    assert_eq!(revise("Store", "# A\n\nSame.").await.0, [None]);
    assert_eq!(*embedder.batches.lock().unwrap(), [2, 1]);
}

#[tokio::test]
async fn refusals_have_their_names() {
    let setup = Setup::new();
    let (library, store) = (&setup.library, &setup.store);
    assert!(matches!(library.add(ORG, text("A", " \n ")).await, Err(AddError::Empty)));
    store.full.store(true, Ordering::Relaxed);
    assert!(matches!(library.add(ORG, text("A", "x")).await, Err(AddError::Limit(_))));
}

#[tokio::test]
async fn many_questions_at_once_load_the_vectors_once() {
    let setup = Setup::new();
    let (library, store) = (&setup.library, &setup.store);
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    store.counts();
    let again = setup.again();
    let all = (0..20).map(|_| titles(&again, ORG, "money"));
    assert!(futures::future::join_all(all).await.iter().all(|found| found.len() == 1));
    let counts = store.counts();
    assert_eq!((counts[VERSION], counts[TEXTS], counts[VECTORS]), (1, 0, 1), "the words are in the data folder");
}

#[tokio::test]
async fn a_title_is_not_repeated_as_a_section() {
    let setup = Setup::new();
    let library = &setup.library;
    let pages = "# Pay\n\nHow to pay.\n\n## Cards\n\nYou pay by card.\n\n# Payday\n\nWe pay.";
    library.add(ORG, text("Pay", pages)).await.unwrap();
    let mut found = titles(library, ORG, "pay").await;
    found.sort();
    assert_eq!(found, ["Pay:", "Pay:Cards", "Pay:Payday"]);
}

#[tokio::test]
async fn the_beginning_of_a_word_finds_while_it_is_being_typed() {
    let setup = Setup::new();
    let library = &setup.library;
    library.add(ORG, text("A", "A zebra.")).await.unwrap();
    assert!(titles(library, ORG, "zeb").await.is_empty());
    assert_eq!(library.retrieve_as_you_type(ORG, " zeb", 5).await.unwrap().len(), 1);
    assert!(library.retrieve_as_you_type(ORG, "zeb ", 5).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_embedder_that_compares_words_finds_nothing_where_no_word_does() {
    let setup = Setup::new();
    let (library, embedder) = (&setup.library, &setup.embedder);
    library.add(ORG, text("A", "You pay.")).await.unwrap();
    assert_eq!(titles(library, ORG, "money").await, ["A:"]);
    embedder.lexical.store(true, Ordering::Relaxed);
    assert!(titles(library, ORG, "money").await.is_empty());
    assert_eq!(titles(library, ORG, "pay").await, ["A:"]);
}

#[tokio::test]
async fn synonyms_count_for_the_next_question_and_a_second_later_elsewhere() {
    let setup = Setup::new();
    let library = &setup.library;
    library.add(ORG, text("A", "The zebra is here.")).await.unwrap();
    let other = setup.again();
    assert!(titles(&other, ORG, "horse").await.is_empty());
    let set = vec!["horse".to_owned(), "zebra".to_owned()];
    library.set_synonyms(ORG, Synonyms { sets: vec![set], one_way: Vec::new() }).await.unwrap();
    assert_eq!(titles(library, ORG, "horse").await, ["A:"]);
    // What a second does.
    other.versions.invalidate(&ORG).await;
    assert_eq!(titles(&other, ORG, "horse").await, ["A:"]);
    library.set_synonyms(ORG, Synonyms::default()).await.unwrap();
    assert!(titles(library, ORG, "horse").await.is_empty());
}

/// Prefers what is about lions, answers after the others gave up, or not at all.
enum Lions {
    First,
    Late,
    Down,
}

#[async_trait]
impl Reranker for Lions {
    async fn rerank(&self, _: &str, documents: &[String]) -> Result<Vec<(usize, f32)>, RerankError> {
        match self {
            Self::Late => std::future::pending().await,
            Self::Down => Err(RerankError::Unavailable { at: "here".into(), detail: "down".into() }),
            Self::First => {
                let lions = |at: &usize| documents[*at].contains("lion");
                Ok((0..documents.len()).filter(lions).map(|at| (at, 0.5)).collect())
            }
        }
    }
}

#[tokio::test]
async fn a_reranker_orders_what_was_found_and_never_stops_a_search() {
    let setup = Setup::new();
    let library = &setup.library;
    for (title, words) in
        [("A", "A zebra, a zebra, a zebra."), ("B", "A zebra."), ("C", "A long day, a zebra and a lion.")]
    {
        library.add(ORG, text(title, words)).await.unwrap();
    }
    let alone = titles(library, ORG, "zebra").await;
    assert_eq!(alone[2], "C:");
    let with = |reranker| library.clone().with_reranker(Some(Arc::new(reranker)));
    let reranked = with(Lions::First).retrieve(ORG, "zebra", 2).await.unwrap();
    let found: Vec<_> = reranked.iter().map(|passage| (passage.title.as_str(), passage.score)).collect();
    assert_eq!(found, [("C", 0.5), (alone[0].trim_end_matches(':'), 0.5)], "beyond the limit is read, too");
    assert_eq!(titles(&with(Lions::Late), ORG, "zebra").await, alone);
    assert_eq!(titles(&with(Lions::Down), ORG, "zebra").await, alone);
    let typed = with(Lions::First).retrieve_as_you_type(ORG, "zeb", 5).await.unwrap();
    assert_ne!(typed[0].title, "C", "what is being typed isn't reranked");
}

#[tokio::test]
async fn a_search_says_why_it_ranked_its_passages() {
    let setup = Setup::new();
    let library = &setup.library;
    library.add(ORG, text("A", "Some words about a parcel.")).await.unwrap();
    library.add(ORG, text("B", "You pay at the end.")).await.unwrap();
    library.add(ORG, text("C", "# Cards\n\nWe take cards; you pay by card.")).await.unwrap();
    let why = library.explain(ORG, "pay card", 5).await.unwrap();
    let order: Vec<&str> = why.passages.iter().map(|found| found.passage.title.as_str()).collect();
    assert_eq!(order, ["C", "B"], "the order of the search itself");
    let [card, pay] = &why.passages[..] else { panic!("{why:?}") };
    assert_eq!((card.fused, card.by_words.unwrap().0, pay.by_words.unwrap().0), (1, 1, 2));
    assert!(card.by_words.unwrap().1 > pay.by_words.unwrap().1 && card.cosine.is_some());
    let forms = |word: &str| why.words.iter().find(|found| found.word == word).unwrap().forms.clone();
    assert_eq!(forms("card"), [Some(Form::Same), None]);
    assert_eq!(forms("pay"), [Some(Form::Same), Some(Form::Same)]);
    assert!((why.words.iter().map(|word| word.share).sum::<f32>() - 1.0).abs() < 1e-3);
    let nothing = library.explain(ORG, "weather", 5).await.unwrap();
    assert!(nothing.passages.is_empty() && !nothing.words_count && nothing.words[0].passages == 0);
    assert!(library.explain(OTHER, "pay", 5).await.unwrap().words.is_empty());
}
