//! Conditions that search the passages of sources.

use resly_core::knowledge::KnowledgeStore;
use resly_rest::media::Media;

use super::data::rows;
use crate::{
    backend::{Backend, organization},
    both,
    full_text::{GERMAN, written_in},
};

both! {
    async fn sources_are_found_by_rest_through_their_passages(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let other = organization(&store, &[]).await;
        for organization in [org, other] {
            store.add_source(written_in("de", organization, "Hilfe", &GERMAN)).await.unwrap();
            store.add_source(written_in("en", organization, "Shop", &["It opens at nine.", "Ask at the desk."])).await.unwrap();
        }
        let deleted = written_in("en", org, "Gone", &["It opens at ten."]);
        store.add_source(deleted.clone()).await.unwrap();
        store.delete_sources(org, &[deleted.id]).await.unwrap();
        let find = async |condition: &str| {
            let request = format!("knowledge_sources?select=title&order=title&{condition}");
            match rows(&store, org, &request).await {
                Ok(found) => found.body(Media::Array),
                Err(error) => format!("{} {}", error.code, error.details.unwrap_or_default()),
            }
        };
        if backend.is_sqlite() {
            for condition in ["search=fts.a", "or=(title.eq.a,not.and(search.fts.a))"] {
                let refused = find(condition).await;
                assert!(refused.starts_with("PGRST127 ") && refused.contains("SQLite"), "{refused}");
            }
            return;
        }
        let (none, hilfe, shop) = ("[]", r#"[{"title":"Hilfe"}]"#, r#"[{"title":"Shop"}]"#);
        for (condition, found) in [
            ("search=wfts(german).rückgabe -versand", hilfe),
            ("search=plfts(german).RUCKGABE", hilfe),
            ("search=phfts(german).drei tage", hilfe),
            ("search=phfts(german).tage drei", none),
            ("search=fts.opening %26 !desk", shop),
            ("search=fts.opening %26 desk", none),
            ("search=not.fts.opening", hilfe),
            ("search=wfts(klingon).a", "42704 "),
            ("or=(search.fts.nine,search.wfts(german).versand)", r#"[{"title":"Hilfe"},{"title":"Shop"}]"#),
            ("search=plfts(simple).the", none),
        ] {
            assert_eq!(find(condition).await, found, "{condition}");
        }
    }
}
