//! Backups: consistent under writes, restored whole, and refused when something is wrong with them.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use resly_core::{id::ConversationId, meter::Meter};
use resly_store::{BackupError, OpenError, POSTGRES_BACKUP, POSTGRES_RESTORE, Store, back_up, restore};

use super::{
    backend::{Backend, accept, at, key, question, texts, used, user},
    postgres,
};

fn folder(backend: &Backend) -> PathBuf {
    backend.config().data_dir
}

/// A backup in a folder of its own.
async fn backup_of(backend: &Backend) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("resly.backup");
    back_up(&self::folder(backend), &file, false).await.unwrap();
    (folder, file)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_writes_has_all_that_was_acknowledged_before_it_and_is_consistent() {
    const WRITERS: usize = 4;
    let backend = Backend::sqlite();
    let (store, organization) = backend.with(&[]).await;
    let new = key(organization);
    store.create_key(new.clone()).await.unwrap();
    let (written, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, written, stop) = (store.clone(), Arc::clone(&written), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut all: Vec<(ConversationId, String)> = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let text = format!("question {} of {writer}", all.len());
                    let turn = accept(&store, question(organization, new.id, vec![user(&text)])).await;
                    all.push((turn.conversation, text));
                    written.fetch_add(1, Ordering::SeqCst);
                }
                all
            })
        })
        .collect();
    let reached = async |count: usize| {
        while written.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
    };
    reached(60).await;
    let before = written.load(Ordering::SeqCst);
    let (_kept, file) = backup_of(&backend).await;
    // The writers go on, past the backup.
    reached(written.load(Ordering::SeqCst) + 60).await;
    stop.store(true, Ordering::SeqCst);
    let mut all = Vec::new();
    for writer in writers {
        all.extend(writer.await.unwrap());
    }

    let other = Backend::sqlite();
    let restored = restore(&file, &folder(&other), false).await.unwrap();
    assert_eq!((restored.schema, restored.replaced), (restored.newest_schema, None));
    let copy = other.open().await;
    let mut found = 0;
    for (conversation, text) in &all {
        match copy.conversation(organization, *conversation).await.unwrap() {
            // With its answer's place, which was stored in the same transaction.
            Some(_) => assert_eq!(texts(&copy, organization, *conversation).await, [text.as_str(), ""]),
            None => continue,
        }
        found += 1;
    }
    assert!(found >= before, "{found} of {before} that were acknowledged");
    assert!(found < all.len(), "the backup has its end at its begin");
    let used = used(&copy, organization, Meter::Messages).await;
    assert_eq!(used, u64::try_from(found).unwrap(), "what is counted is what is stored");
    other.assert_billed(&copy.usage(organization, at(0)).await.unwrap()).await;
}

#[tokio::test]
async fn a_backup_is_one_file_of_its_owner_alone_and_replaces_none() {
    let backend = Backend::sqlite();
    let (_store, _) = backend.with(&[]).await;
    let (kept, file) = backup_of(&backend).await;
    assert_eq!(names(kept.path()), ["resly.backup"]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let before = std::fs::read(&file).unwrap();
    backend.execute("UPDATE organizations SET name = 'renamed'").await;
    let again = back_up(&folder(&backend), &file, false).await.unwrap_err();
    assert!(matches!(again, BackupError::Exists { .. }) && again.to_string().contains("--force"), "{again}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    back_up(&folder(&backend), &file, true).await.unwrap();
    assert_ne!(std::fs::read(&file).unwrap(), before);
    assert_eq!(names(kept.path()), ["resly.backup"]);

    for inside in [folder(&backend).join("resly.db"), folder(&backend).join("search/../copy")] {
        std::fs::create_dir_all(folder(&backend).join("search")).unwrap();
        let error = back_up(&folder(&backend), &inside, true).await.unwrap_err();
        assert!(matches!(error, BackupError::InDataFolder { .. }), "{error}");
    }
    let nothing = tempfile::tempdir().unwrap();
    let error = back_up(nothing.path(), &kept.path().join("b"), false).await.unwrap_err();
    assert!(matches!(error, BackupError::Open(OpenError::NoDatabase { .. })), "{error}");
}

/// Also while this process starts others: a child has its parent's files open until its program runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_free_once_its_store_is_closed() {
    let backend = Backend::sqlite();
    backend.open().await.close().await;
    let lock = std::fs::File::open(folder(&backend).join("resly.lock")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let starts = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::SeqCst) {
                assert!(Command::new("true").status().unwrap().success());
            }
        }
    });
    for closed in 0..100 {
        backend.open().await.close().await;
        assert!(lock.try_lock().is_ok(), "still locked after {closed} that weren't");
        lock.unlock().unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    starts.join().unwrap();
}

#[tokio::test]
async fn a_restore_leaves_alone_a_folder_in_use_and_sets_a_database_aside() {
    let backend = Backend::sqlite();
    let (store, organization) = backend.with(&[]).await;
    let (_kept, file) = backup_of(&backend).await;
    for force in [false, true] {
        let error = restore(&file, &folder(&backend), force).await.unwrap_err();
        assert!(matches!(error, BackupError::Open(OpenError::InUse { .. })), "{error}");
    }
    backend.execute("UPDATE organizations SET name = 'later'").await;
    store.close().await;
    let error = restore(&file, &folder(&backend), false).await.unwrap_err();
    assert!(matches!(error, BackupError::HoldsDatabase { .. }) && error.to_string().contains("--force"), "{error}");

    // What a crash leaves: a log beside the database, and an index of knowledge that the backup doesn't have.
    std::fs::write(folder(&backend).join("resly.db-wal"), b"of another database").unwrap();
    std::fs::create_dir_all(folder(&backend).join("search/of-one")).unwrap();
    let restored = restore(&file, &folder(&backend), true).await.unwrap();
    let aside = folder(&backend).join("resly.db.replaced");
    assert_eq!(restored.replaced.as_deref(), Some(aside.as_path()));
    assert!(!folder(&backend).join("resly.db-wal").exists() && !folder(&backend).join("search").exists());
    let store = backend.open().await;
    let name = &store.organizations_called(&organization.to_string()).await.unwrap()[0].1;
    assert!(name.starts_with("org "), "{name}");
    store.close().await;
    assert_eq!(std::fs::read(folder(&backend).join("resly.db.replaced-wal")).unwrap(), b"of another database");
}

#[tokio::test]
async fn what_is_no_sound_backup_is_refused_and_changes_nothing() {
    let backend = Backend::sqlite();
    let (store, organization) = backend.with(&[]).await;
    let new = key(organization);
    store.create_key(new.clone()).await.unwrap();
    for n in 0..50 {
        accept(&store, question(organization, new.id, vec![user(&format!("{n} {}", "long ".repeat(100)))])).await;
    }
    let (kept, file) = backup_of(&backend).await;
    let good = std::fs::read(&file).unwrap();
    let refused = async |name: &str, bytes: &[u8], expected: &str| {
        let bad = kept.path().join(name);
        std::fs::write(&bad, bytes).unwrap();
        let data = kept.path().join("data");
        let error = restore(&bad, &data, true).await.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(expected), "{name}: {error}");
        assert_eq!(names(&data), ["resly.lock"], "{name}");
    };
    let mut torn = good.clone();
    let middle = torn.len() / 2;
    torn[middle..middle + 4096].fill(0x5a);
    refused("torn", &torn, "is damaged").await;
    refused("cut", &good[..good.len() / 2], "is damaged").await;
    refused("text", "not a database at all. ".repeat(200).as_bytes(), "is damaged").await;
    refused("empty", b"", "it has none of its tables").await;

    // One in use, copied by hand.
    std::fs::write(kept.path().join("by-hand-wal"), b"commits").unwrap();
    refused("by-hand", &good, "resly db backup").await;

    let changed = async |name: &str, sql: &'static str| {
        let path = kept.path().join(name);
        std::fs::write(&path, &good).unwrap();
        let mut conn = <sqlx::SqliteConnection as sqlx::Connection>::connect(path.to_str().unwrap()).await.unwrap();
        sqlx::query(sql).execute(&mut conn).await.unwrap();
        sqlx::Connection::close(conn).await.unwrap();
        std::fs::read(&path).unwrap()
    };
    let newer = changed(
        "newer",
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', TRUE, x'00', 0)",
    )
    .await;
    refused("newer", &newer, "tables have version 9999").await;
    let foreign = changed("foreign", "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1").await;
    refused("foreign", &foreign, "another build").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_that_are_told_for_postgres_restore_what_was_there() {
    let backend = Backend::postgres().await;
    let (store, organization) = backend.with(&[]).await;
    let new = key(organization);
    store.create_key(new.clone()).await.unwrap();
    let turn = accept(&store, question(organization, new.id, vec![user("Hi")])).await;
    let kept = tempfile::tempdir().unwrap();
    let empty = postgres::database().await;
    for (command, url) in [(POSTGRES_BACKUP, backend.url().unwrap()), (POSTGRES_RESTORE, empty.as_str())] {
        let command = command.replace("FILE", kept.path().join("dump").to_str().unwrap());
        let path = format!("{}:{}", postgres::binaries(), std::env::var("PATH").unwrap());
        let done = Command::new("sh").args(["-c", &command]).env("PATH", path).env("RESLY_DATABASE_URL", url).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let config = resly_store::StoreConfig { database_url: Some(empty), ..backend.config() };
    let copy = Store::open(&config).await.unwrap();
    assert_eq!(texts(&copy, organization, turn.conversation).await, ["Hi", ""]);
}
