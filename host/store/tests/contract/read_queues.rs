//! The two queues of what is read: files, and the pages of sites.

use resly_core::knowledge::SourceKind;
use resly_store::{Exclusions, NewDocument, ReadQueue};

use crate::{
    backend::{Backend, at, organization},
    both,
    sources::{enqueue, file, take_besides},
};

both! {
    async fn a_file_waits_for_no_page_and_a_page_for_its_own_site_alone(backend: Backend) {
        let (store, org) = backend.with(&[]).await;
        let other = organization(&store, &[]).await;
        let page = |of, site: &str, seconds| {
            let (site, now) = (Some(site.to_owned()), at(seconds));
            NewDocument { kind: SourceKind::Page, url: site.clone(), site, file: None, now, ..file(of, None, b"") }
        };
        for (of, site, seconds) in [(org, "https://x.example", 0), (org, "https://y.example", 1), (other, "https://x.example", 2)] {
            enqueue(&store, page(of, site, seconds)).await.unwrap();
        }
        enqueue(&store, NewDocument { now: at(3), ..file(org, None, b"x") }).await.unwrap();
        assert_eq!(take_besides(&store, ReadQueue::Files, at(3), &Exclusions::default()).await.unwrap().kind, SourceKind::File);
        let asked = Exclusions { organizations: vec![], sites: vec![(org, "https://x.example".to_owned())] };
        let mut taken = Vec::new();
        while let Some(due) = take_besides(&store, ReadQueue::Pages, at(4), &asked).await {
            taken.push((due.organization, due.site.unwrap()));
        }
        assert_eq!(taken, [(other, "https://x.example".to_owned()), (org, "https://y.example".to_owned())]);
        assert!(take_besides(&store, ReadQueue::Files, at(4), &Exclusions::default()).await.is_none());
        let due = take_besides(&store, ReadQueue::Pages, at(4), &Exclusions::default()).await.unwrap();
        assert_eq!(due.site.as_deref(), Some("https://x.example"));
    }
}
