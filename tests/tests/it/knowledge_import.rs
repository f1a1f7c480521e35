//! `resly knowledge import`: a folder becomes sources, and a second run changes nothing.

use std::{fs, path::Path, sync::Arc};

use resly_core::testing::ScriptedExtractor;
use resly_server::knowledge_import::{ImportFolder, run};
use resly_tests::app::TestApp;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::sources::{found, told};

async fn import(app: &TestApp, folder: &Path, prune: bool) -> String {
    let base_url = Some("https://help.example/docs/".to_owned());
    let options = ImportFolder {
        folder: folder.to_owned(),
        host: app.url(""),
        prefix: Some("docs/".to_owned()),
        base_url,
        prune,
    };
    let report = run(options, Some(SecretString::from(app.admin.as_str()))).await.unwrap();
    report.render()
}

#[tokio::test]
async fn a_folder_is_uploaded_once_and_pruned() {
    let extractor = Arc::<ScriptedExtractor>::default();
    let app = TestApp::reading(Arc::clone(&extractor) as _, None, None).await;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("b c/.git")).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    for name in ["b c/.git/x.md", ".hidden.md", "photo.png", "noending", "~$a.docx", "old.doc"] {
        write(name, "x");
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link.txt")).unwrap();
    write("a.MD", "title: Zebras\nA zebra.");
    write("b c/d.html", "A lion.");
    write("bad.pdf", "%encrypted");
    write("b c/Price in $.md", "A parrot.");
    let table = import(&app, folder.path(), false).await;
    let expected = "skipped    .hidden.md  it is hidden\n\
                    added      a.MD  1 passages\n\
                    skipped    b c/.git  it is hidden\n\
                    added      b c/Price in $.md  1 passages\n\
                    added      b c/d.html  1 passages\n\
                    failed     bad.pdf  the file needs a password; remove it\n\
                    skipped    link.txt  it is a link; put the document itself there\n\
                    skipped    noending  its name has no ending that tells its format\n\
                    skipped    old.doc  this format can't be read; save it as DOCX or PDF\n\
                    skipped    photo.png  a picture can't be read; save its text as Markdown or text\n\
                    skipped    ~$a.docx  Office makes it while a document is open\n\
                    3 added, 0 changed, 0 unchanged, 0 deleted, 1 failed, 7 skipped\n";
    assert_eq!(table, expected);
    assert_eq!(extractor.take_read(), ["a.MD", "b c/Price in $.md", "b c/d.html", "bad.pdf"]);
    assert_eq!(found(&app, "parrot").await.len(), 1);
    assert_eq!(found(&app, "zebra").await, ["Zebras"]);
    let (_, listed) = told(app.send_as(&app.admin, "GET", "/api/admin/sources?key_prefix=docs/b c/d").await).await;
    let one: &Value = &listed["sources"][0];
    assert_eq!(
        (&one["url"], &one["key"]),
        (&json!("https://help.example/docs/b%20c/d.html"), &json!("docs/b c/d.html"))
    );

    fs::remove_file(folder.path().join("bad.pdf")).unwrap();
    let table = import(&app, folder.path(), false).await;
    assert!(table.ends_with("0 added, 0 changed, 3 unchanged, 0 deleted, 0 failed, 7 skipped\n"), "{table}");
    assert!(extractor.take_read().is_empty());
    write("a.MD", "A tiger.");
    fs::remove_file(folder.path().join("b c/d.html")).unwrap();
    app.knows("Mine", "A shark.").await;
    let table = import(&app, folder.path(), true).await;
    assert!(table.ends_with("0 added, 1 changed, 1 unchanged, 2 deleted, 0 failed, 7 skipped\n"), "{table}");
    assert!(found(&app, "lion").await.is_empty() && found(&app, "shark").await == ["Mine"]);

    // What can't be right is told, and nothing is deleted.
    let options = |folder: &Path| ImportFolder {
        folder: folder.to_owned(),
        host: app.url(""),
        prefix: Some("docs/".to_owned()),
        base_url: None,
        prune: true,
    };
    let refused = async |folder: &Path, key: Option<&str>| {
        let told = run(options(folder), key.map(SecretString::from)).await.err().unwrap();
        format!("{told:#}")
    };
    assert!(refused(folder.path(), None).await.contains("RESLY_ADMIN_KEY"));
    assert!(refused(folder.path(), Some(&app.key)).await.contains("403"), "the key has no admin scope");
    let empty = tempfile::tempdir().unwrap();
    fs::write(empty.path().join("old.doc"), "x").unwrap();
    let told = refused(empty.path(), Some(&app.admin)).await;
    assert!(told.contains("no documents") && told.contains("skipped old.doc: this format"), "{told}");
    assert!(refused(&empty.path().join("nothing"), Some(&app.admin)).await.contains("nothing"));
    let nobody = ImportFolder { host: "http://127.0.0.1:9".to_owned(), ..options(folder.path()) };
    let told = run(nobody, Some(SecretString::from("k"))).await.err().unwrap();
    assert!(format!("{told:#}").contains("no host answers"), "{told:#}");
    assert_eq!(found(&app, "tiger").await.len(), 1);
}
