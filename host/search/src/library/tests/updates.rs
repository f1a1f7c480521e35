//! What becomes of the index in the data folder when it is lost, shared, late or not asked for.

use std::path::PathBuf;

use uuid::Uuid;

use super::{super::*, fakes::*};
use crate::snapshots::RETRY;

/// As another host or a killed one would leave it: stored, and not in this host's index.
async fn store_alone(setup: &Setup, title: &str, words: &str) {
    let elsewhere = tempfile::tempdir().unwrap();
    let other = open(&setup.store, &setup.embedder, &setup.random, elsewhere.path(), SNAPSHOT_BYTES);
    other.add(ORG, text(title, words)).await.unwrap();
}

#[tokio::test]
async fn what_was_stored_and_not_indexed_is_found_by_the_next_search() {
    let setup = Setup::new();
    setup.library.add(ORG, text("A", "You pay.")).await.unwrap();
    store_alone(&setup, "B", "A zebra.").await;
    setup.library.versions.invalidate(&ORG).await;
    assert_eq!(titles(&setup.library, ORG, "zebra").await, ["B:"]);
    store_alone(&setup, "C", "A zebra crossing.").await;
    assert_eq!(titles(&setup.again(), ORG, "crossing").await, ["C:"]);
}

#[tokio::test]
async fn an_index_that_is_lost_broken_or_of_another_format_is_made_anew() {
    let setup = Setup::new();
    setup.library.add(ORG, text("A", "A zebra.")).await.unwrap();
    std::fs::remove_dir_all(setup.files()).unwrap();
    assert_eq!(titles(&setup.again(), ORG, "zebra").await, ["A:"]);

    let meta = setup.files().join("meta.json");
    let written = std::fs::read_to_string(&meta).unwrap();
    let other = written.replace("resly-words", "other-words");
    assert_ne!(written, other);
    for broken in [other.as_str(), "{", ""] {
        std::fs::write(&meta, broken).unwrap();
        assert_eq!(titles(&setup.again(), ORG, "zebra").await, ["A:"], "{broken}");
    }
    let files = || std::fs::read_dir(setup.files()).unwrap().map(|entry| entry.unwrap().path());
    let endings: Vec<_> = files().filter_map(|file| Some(file.extension()?.to_owned())).collect();
    for ending in endings.iter().filter(|ending| !["json", "lock"].iter().any(|kept| ending == kept)) {
        let named = |file: &PathBuf| file.extension() == Some(ending);
        let file = files().find(named).unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(titles(&setup.again(), ORG, "zebra").await, ["A:"], "{file:?} has another byte");
        let file = files().find(named).unwrap();
        std::fs::write(&file, &bytes[..middle]).unwrap();
        assert_eq!(titles(&setup.again(), ORG, "zebra").await, ["A:"], "{file:?} is cut off");
        std::fs::remove_file(files().find(named).unwrap()).unwrap();
        assert_eq!(titles(&setup.again(), ORG, "zebra").await, ["A:"], "{ending:?} is gone");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_or_is_locked_is_replaced_by_memory() {
    let setup = Setup::new();
    setup.library.add(ORG, text("A", "A zebra.")).await.unwrap();
    let lock = std::fs::File::options().append(true).open(setup.files().join("update.lock")).unwrap();
    lock.lock().unwrap();
    let second = setup.again();
    assert_eq!(titles(&second, ORG, "zebra").await, ["A:"]);
    second.add(ORG, text("B", "A lion.")).await.unwrap();
    assert_eq!(titles(&second, ORG, "lion").await, ["B:"]);
    drop(lock);
    assert_eq!(titles(&setup.again(), ORG, "lion").await, ["B:"]);

    std::fs::remove_dir_all(setup.folder.path()).unwrap();
    std::fs::write(setup.folder.path(), "a file").unwrap();
    assert_eq!(titles(&setup.again(), ORG, "lion").await, ["B:"]);
    std::fs::remove_file(setup.folder.path()).unwrap();
    std::fs::create_dir(setup.folder.path()).unwrap();
}

/// As when the folder's disk was full, and there is room again.
#[tokio::test]
async fn an_index_in_memory_goes_to_the_folder_once_that_can_be_used() {
    let setup = Setup::new();
    std::fs::remove_dir_all(setup.folder.path()).unwrap();
    std::fs::write(setup.folder.path(), "a file").unwrap();
    setup.library.add(ORG, text("A", "A zebra.")).await.unwrap();
    assert_eq!(titles(&setup.library, ORG, "zebra").await, ["A:"]);
    setup.store.counts();
    setup.clock.advance(RETRY);
    assert_eq!(titles(&setup.library, ORG, "zebra").await, ["A:"]);
    assert_eq!(setup.store.counts()[TEXTS], 0, "what is in memory isn't made again in memory");

    std::fs::remove_file(setup.folder.path()).unwrap();
    std::fs::create_dir(setup.folder.path()).unwrap();
    assert_eq!(titles(&setup.library, ORG, "zebra").await, ["A:"]);
    assert!(!setup.files().exists(), "it isn't tried at each search");
    setup.clock.advance(RETRY);
    assert_eq!(titles(&setup.library, ORG, "zebra").await, ["A:"]);
    assert!(setup.files().join("meta.json").exists());
    setup.clock.advance(RETRY);
    setup.store.counts();
    titles(&setup.library, ORG, "zebra").await;
    assert_eq!(setup.store.counts()[TEXTS], 0, "nothing is left to do");
}

#[tokio::test]
async fn what_an_index_lacks_is_added_without_a_change() {
    let setup = Setup::new();
    setup.library.add(ORG, text("A", "A zebra.")).await.unwrap();
    setup.store.behind.store(true, Ordering::Relaxed);
    setup.library.add(ORG, text("B", "You pay for a zebra.")).await.unwrap();
    setup.store.behind.store(false, Ordering::Relaxed);
    assert_eq!(titles(&setup.library, ORG, "zebra").await, ["A:"]);
    setup.clock.advance(RETRY);
    assert_eq!(titles(&setup.library, ORG, "zebra").await.len(), 2);
    assert_eq!(titles(&setup.library, ORG, "money").await, ["B:"], "its vectors are there as well");
}

#[tokio::test]
async fn processes_that_share_a_folder_use_what_the_other_wrote() {
    let setup = Setup::new();
    let other = setup.again();
    for (n, name) in ["lion", "gnu", "ostrich", "giraffe"].into_iter().enumerate() {
        let (writer, reader) = if n % 2 == 0 { (&setup.library, &other) } else { (&other, &setup.library) };
        let title = format!("N{n}");
        writer.add(ORG, text(&title, &format!("A {name} and a zebra."))).await.unwrap();
        setup.store.counts();
        reader.versions.invalidate(&ORG).await;
        assert_eq!(titles(reader, ORG, name).await, [format!("{title}:")]);
        assert_eq!(setup.store.counts()[TEXTS], 0, "what the other indexed isn't indexed again");
        assert_eq!(titles(reader, ORG, "zebra").await.len(), n + 1);
    }
}

#[tokio::test]
async fn an_older_state_is_searched_while_a_long_update_runs() {
    let setup = Setup::new();
    setup.library.add(ORG, text("A", "A zebra.")).await.unwrap();
    let closed = setup.store.gate.acquire().await.unwrap();
    store_only(&setup, "B", "Another zebra.");
    setup.library.versions.invalidate(&ORG).await;
    let (first, second) = futures::join!(titles(&setup.library, ORG, "zebra"), titles(&setup.library, ORG, "zebra"));
    assert_eq!((first, second), (vec!["A:".to_owned()], vec!["A:".to_owned()]));
    drop(closed);
    setup.library.changed(ORG).await;
    assert_eq!(titles(&setup.library, ORG, "zebra").await.len(), 2);
}

#[tokio::test]
async fn a_store_that_fails_during_an_update_is_asked_again() {
    let setup = Setup::new();
    setup.store.down.store(true, Ordering::Relaxed);
    setup.library.add(ORG, text("A", "A zebra.")).await.unwrap();
    assert!(matches!(setup.library.retrieve(ORG, "zebra", 5).await, Err(RetrieveError::Store(_))));
    setup.store.down.store(false, Ordering::Relaxed);
    assert_eq!(titles(&setup.library, ORG, "zebra").await, ["A:"]);
    setup.store.down.store(true, Ordering::Relaxed);
    store_only(&setup, "B", "Another zebra.");
    setup.library.versions.invalidate(&ORG).await;
    assert_eq!(titles(&setup.library, ORG, "zebra").await, ["A:"], "what is known is still found");
}

#[tokio::test]
async fn organizations_that_nobody_asks_about_take_no_memory() {
    let setup = Setup::with_snapshot_bytes(1 << 20);
    let organizations: Vec<_> = (100..140).map(|n| OrganizationId(Uuid::from_u128(n))).collect();
    for organization in &organizations {
        setup.library.add(*organization, text("A", "A zebra.")).await.unwrap();
    }
    let open = setup.library.snapshots.count().await;
    assert!((1..=4).contains(&open), "{open} are open");
    for organization in organizations.iter().rev() {
        assert_eq!(titles(&setup.library, *organization, "zebra").await, ["A:"]);
    }
    assert!(setup.library.snapshots.count().await <= 4);
    assert_eq!(setup.store.counts()[TEXTS], 40, "what was forgotten is read from the data folder");
}

#[tokio::test]
async fn a_link_in_the_place_of_an_index_is_not_followed() {
    let setup = Setup::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let precious = elsewhere.path().join("precious.txt");
    std::fs::write(&precious, "mine").unwrap();
    std::fs::write(elsewhere.path().join("meta.json"), "{").unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), setup.files()).unwrap();
    setup.library.add(ORG, text("A", "A zebra.")).await.unwrap();
    assert_eq!(titles(&setup.library, ORG, "zebra").await, ["A:"], "the index is in memory");
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_link_in_the_place_of_a_file_is_replaced() {
    let setup = Setup::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let precious = elsewhere.path().join("precious.txt");
    std::fs::write(&precious, "mine").unwrap();
    std::fs::create_dir_all(setup.files()).unwrap();
    std::os::unix::fs::symlink(&precious, setup.files().join("meta.json.new")).unwrap();
    setup.library.add(ORG, text("A", "A zebra.")).await.unwrap();
    assert_eq!(titles(&setup.library, ORG, "zebra").await, ["A:"]);
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "mine");
}
