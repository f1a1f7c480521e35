//! Mails: what is told to whom, through npm's `smtp-server`, and through servers that go wrong.

use std::{path::Path, process::Command, time::Duration};

use http::StatusCode;
use mail_parser::MessageParser;
use resly_core::{
    id::{ConversationId, MailId},
    mail::{Mail, MailError, Mailer},
    member::{Person, Role},
};
use resly_mail::{MailConfig, Sender, ServerAddress, SmtpMailer};
use resly_service::{
    mails::{self, MailState, TestMailError},
    members::{self, links, profile, sign_in},
};
use resly_tests::{
    app::TestApp,
    console::ConsoleClient,
    identity::Script,
    mail_server::{MailServer, Manner},
};
use serde_json::{Value, json};

const MAILS: &str = "/console/account/organization/mail";

async fn mailing(url: &str) -> TestApp {
    TestApp::with_settings(&[("RESLY_SMTP_URL", url), ("RESLY_MAIL_FROM", "Acme <help@acme.example>")]).await
}

/// A member with an e-mail, who signed in by a link.
async fn member(app: &TestApp, role: Role, name: &str, email: &str) -> sign_in::SignedIn {
    let client = sign_in::Client { address: [192, 0, 2, 7].into(), user_agent: None };
    let token = links::create(app.host(), app.organization(), role).await.unwrap();
    let signed_in = sign_in::by_link(app.host(), &token, &client).await.unwrap();
    let patch = profile::ProfilePatch { name: Some(name.to_owned()), email: Some(email.to_owned()) };
    profile::change(app.host(), &signed_in.session, patch).await.unwrap();
    signed_in
}

/// A mail as its reader sees it.
struct Read {
    to: Vec<String>,
    subject: String,
    text: String,
    html: String,
    headers: Vec<String>,
}

fn read(message: &str) -> Read {
    let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
    let to = parsed.to().unwrap().clone().into_list();
    Read {
        to: to.into_iter().map(|to| to.address.unwrap().into_owned()).collect(),
        subject: parsed.subject().unwrap().to_owned(),
        text: parsed.body_text(0).unwrap().into_owned(),
        html: parsed.body_html(0).unwrap().into_owned(),
        headers: parsed.headers().iter().map(|header| header.name().to_owned()).collect(),
    }
}

/// Sends what is due, and reads that many mails from the server, in the order of their recipients and subjects.
async fn sent(app: &TestApp, server: &mut Script, count: usize) -> Vec<Read> {
    assert_eq!(mails::send_due(app.host()).await.unwrap(), count);
    let mut found = Vec::new();
    for _ in 0..count {
        let mail = server.mail().await;
        assert_eq!(mail["from"], "help@acme.example");
        found.push(read(mail["message"].as_str().unwrap()));
    }
    found.sort_by(|a, b| (&a.to, &a.subject).cmp(&(&b.to, &b.subject)));
    found
}

#[tokio::test]
async fn an_invitation_is_mailed_with_its_link() {
    let mut server = Script::start("smtp.mjs", &[]);
    let app = mailing(&format!("smtp://127.0.0.1:{}", server.line().await)).await;
    let invited = json!({"email": "bo@example.com", "role": "agent"});
    let answer = app.admin_post("/api/admin/invitations", &invited).await;
    let url = answer["url"].as_str().unwrap();
    let token = url.split_once("token=").unwrap().1;
    app.nothing_on_disk_contains(token);
    let mails = sent(&app, &mut server, 1).await;
    let mail = &mails[0];
    assert_eq!(mail.to, ["bo@example.com"]);
    assert!(mail.subject.starts_with("Join under test"), "{}", mail.subject);
    assert!(mail.text.contains(url) && mail.html.contains(url), "{} {}", mail.text, mail.html);
    assert_eq!(mails::send_due(app.host()).await.unwrap(), 0, "it is sent once");
    let mut browser = ConsoleClient::new(&app);
    let accepted = [("token", token), ("name", "Bo"), ("password", "correct horse battery")];
    assert_eq!(browser.post("/console/invitation", &accepted).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn members_are_told_of_what_concerns_them() {
    let mut server = Script::start("smtp.mjs", &[]);
    let app = mailing(&format!("smtp://127.0.0.1:{}", server.line().await)).await;
    let ana = member(&app, Role::Admin, "Ana <script>\u{2028}", "ana@example.com").await;
    let bo = member(&app, Role::Agent, "Bo", "bo@example.com").await;
    member(&app, Role::Viewer, "Vi", "vi@example.com").await;

    profile::set_password(app.host(), &bo.session, None, "correct horse battery").await.unwrap();
    let mails = sent(&app, &mut server, 1).await;
    assert_eq!((mails[0].to[0].as_str(), mails[0].subject.as_str()), ("bo@example.com", "Your password was changed"));

    // Tickets, by Ana in the console.
    let mut console = ConsoleClient::new(&app);
    let link = links::create_beside(
        &app.host().store,
        &*app.host().clock,
        &*app.host().random,
        app.organization(),
        Some("ana@example.com"),
    );
    console.post("/console/sign-in/link", &[("token", &link.await.unwrap())]).await;
    console.page("/console/tickets/new").await;
    let (ana_id, bo_id) = (ana.session.person.id.to_string(), bo.session.person.id.to_string());
    let subject = "Broken \u{2028}<img src=x>";
    let ticket = |assignee: &'static str, status: &'static str| {
        vec![
            ("subject", subject),
            ("body", "It is."),
            ("priority", "normal"),
            ("status", status),
            ("assignee", assignee),
            ("requester", "cy@example.com"),
            ("tags", ""),
            ("due", ""),
        ]
    };
    let bo_id: &'static str = bo_id.leak();
    let made = console.post("/console/tickets", &ticket(bo_id, "open")).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.html);
    let mails = sent(&app, &mut server, 1).await;
    assert_eq!(mails[0].to, ["bo@example.com"]);
    assert!(mails[0].subject.starts_with("A ticket for you: Broken"), "{}", mails[0].subject);
    assert!(!mails[0].html.contains("<img") && !mails[0].html.contains("<script"), "{}", mails[0].html);
    assert!(mails[0].text.contains(&made.location), "{} {}", mails[0].text, made.location);

    console.page(&made.location).await;
    console
        .submit(
            &format!("{}/comments", made.location),
            &[("body", "Look at line 2.\n.\nDone."), ("comment", "Look at line 2.\n.\nDone.")],
        )
        .await;
    let mails = sent(&app, &mut server, 1).await;
    assert!(mails[0].text.contains("> Look at line 2.") && mails[0].to == ["bo@example.com"], "{}", mails[0].text);

    // Another assignee, and another status: the assignee did it, so only the requester is told.
    let own: &'static str = ana_id.leak();
    console.submit(&made.location, &ticket(own, "resolved")).await;
    let mails = sent(&app, &mut server, 1).await;
    assert_eq!(mails[0].to, ["cy@example.com"]);
    assert_eq!(mails[0].subject, "Your request is resolved");
    assert!(!mails[0].text.contains("/console"), "{}", mails[0].text);
    console.submit(&made.location, &ticket(own, "resolved")).await;
    assert_eq!(mails::send_due(app.host()).await.unwrap(), 0, "nothing is different");
}

#[tokio::test]
async fn agents_are_told_that_a_conversation_waits_unless_they_switch_it_off() {
    let mut server = Script::start("smtp.mjs", &[]);
    let app = mailing(&format!("smtp://127.0.0.1:{}", server.line().await)).await;
    member(&app, Role::Agent, "Bo", "bo@example.com").await;
    member(&app, Role::Viewer, "Vi", "vi@example.com").await;
    let cy = member(&app, Role::Admin, "Cy", "cy@example.com").await;
    mails::want_handovers(app.host(), &cy.session, false).await.unwrap();
    let hand_over = async || {
        let answer = app.answer(json!({"messages": [{"role": "user", "content": "Hello?"}]})).await;
        let id: ConversationId =
            answer["conversationId"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap();
        let by = resly_core::conversation::handover::HandoverSource::Visitor;
        resly_service::inbox::conversations::hand_over(app.host(), app.organization(), id, by).await.unwrap();
        id
    };
    let first = hand_over().await;
    hand_over().await;
    let mails = sent(&app, &mut server, 1).await;
    assert_eq!(mails[0].to, ["bo@example.com"], "one mail, while it waits");
    assert!(mails[0].text.contains(&format!("/console/conversations/{first}")), "{}", mails[0].text);
    hand_over().await;
    sent(&app, &mut server, 1).await;
}

#[tokio::test]
async fn an_admin_sees_whether_mails_go_out() {
    let mut server = Script::start("smtp.mjs", &[]);
    let app = mailing(&format!("smtp://127.0.0.1:{}", server.line().await)).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    assert!(admin.page(MAILS).await.contains("help@acme.example"));
    let refused = admin.submit(&format!("{MAILS}/test"), &[]).await;
    assert!(refused.contains("You have no e-mail"), "{refused}");
    admin.page("/console/account").await;
    admin.submit("/console/account/profile", &[("name", "Ana"), ("email", "ana@example.com")]).await;
    let tested = admin.submit(&format!("{MAILS}/test"), &[]).await;
    assert!(tested.contains("on its way to ana@example.com"), "{tested}");
    assert_eq!(server.mail().await["to"], json!(["ana@example.com"]));
    // An address that the server refuses isn't tried again.
    app.admin_post("/api/admin/invitations", &json!({"email": "nobody@example.com", "role": "viewer"})).await;
    assert_eq!(mails::send_due(app.host()).await.unwrap(), 1);
    let page = admin.page(MAILS).await;
    assert!(
        page.contains("nobody@example.com") && page.contains("given up") && page.contains("no such mailbox"),
        "{page}"
    );
    assert!(admin.page("/console/account/organization").await.contains("help@acme.example"));

    let without = TestApp::start().await;
    let mut admin = ConsoleClient::signed_in(&without, Role::Admin).await;
    assert!(admin.page(MAILS).await.contains("RESLY_SMTP_URL"));
    without.admin_post("/api/admin/invitations", &json!({"email": "bo@example.com", "role": "viewer"})).await;
    assert!(mails::list(without.host(), without.organization(), None, 10).await.unwrap().is_empty());
    let person = Person { id: resly_core::id::PersonId(uuid::Uuid::nil()), name: String::new(), email: None };
    assert!(matches!(mails::test(without.host(), "x", &person).await, Err(TestMailError::NoServer)));
}

#[tokio::test]
async fn a_mail_is_tried_until_its_server_takes_it() {
    let server = MailServer::start().await.unwrap();
    let app = mailing(&server.url()).await;
    app.admin_post("/api/admin/invitations", &json!({"email": "bo@example.com", "role": "viewer"})).await;
    let state = async || mails::list(app.host(), app.organization(), None, 10).await.unwrap().remove(0);
    for (tries, manner) in [Manner::Closes, Manner::Cuts, Manner::Busy].into_iter().enumerate() {
        server.behaves(manner);
        assert_eq!(mails::send_due(app.host()).await.unwrap(), 1, "{manner:?}");
        let mail = state().await;
        assert_eq!((mail.state, mail.tries), (MailState::Pending, u32::try_from(tries + 1).unwrap()), "{manner:?}");
        assert!(mail.last_error.is_some());
        assert_eq!(mails::send_due(app.host()).await.unwrap(), 0, "not yet");
        app.later(Duration::from_secs(3600));
    }
    server.behaves(Manner::Takes);
    assert_eq!(mails::send_due(app.host()).await.unwrap(), 1);
    assert_eq!(state().await.state, MailState::Sent);
    // The one that was cut off may have arrived: each has the same id.
    let sent = server.mails();
    let ids: Vec<&str> =
        sent.iter().filter_map(|mail| mail.lines().find(|line| line.starts_with("Message-ID"))).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");

    // What the server says of the mail ends it; nothing of it stays.
    app.admin_post("/api/admin/invitations", &json!({"email": "cy@example.com", "role": "viewer"})).await;
    server.behaves(Manner::Refuses);
    assert_eq!(mails::send_due(app.host()).await.unwrap(), 1);
    assert_eq!(state().await.state, MailState::Failed);
    app.later(Duration::from_secs(8 * 24 * 3600));
    assert_eq!(app.host().store.expire_mails(app.host().clock.now()).await.unwrap(), 2);
}

fn mail() -> Mail {
    Mail {
        id: MailId(uuid::Uuid::from_u128(7)),
        to: "bo@example.com".to_owned(),
        subject: "Grüße".to_owned(),
        text: "Hello.\n.\nBye.".to_owned(),
        html: "<p>Hello.</p>".to_owned(),
        at: resly_core::time::Timestamp::from_micros(1_700_000_000_000_000),
    }
}

fn mailer(server: ServerAddress, ca: &[u8]) -> SmtpMailer {
    let from = Sender::parse("Acme <help@acme.example>").unwrap();
    SmtpMailer::new(MailConfig { server, from, extra_ca_pem: ca.to_vec() }).unwrap()
}

#[tokio::test]
async fn a_server_that_goes_wrong_costs_bounded_time() {
    let server = MailServer::start().await.unwrap();
    let plain = mailer(ServerAddress::parse(&server.url()).unwrap(), &[]).within(Duration::from_millis(500));
    for manner in [Manner::Hangs, Manner::Babbles, Manner::Closes] {
        server.behaves(manner);
        let failed = plain.send(&mail()).await;
        assert!(matches!(failed, Err(MailError::Failed(_))), "{manner:?}: {failed:?}");
    }
    // Without STARTTLS, neither a password nor a mail is sent.
    server.behaves(Manner::Takes);
    let url = format!("smtp://user:secret@{}", server.address);
    let strict = mailer(ServerAddress::parse(&url).unwrap().with_starttls(), &[]);
    assert!(matches!(strict.send(&mail()).await, Err(MailError::Failed(_))));
    assert!(
        server.commands().iter().all(|command| ["EHLO", "QUIT"].contains(&command.as_str())),
        "{:?}",
        server.commands()
    );
    let nobody = ServerAddress::parse("smtp://127.0.0.1:1").unwrap();
    assert!(matches!(mailer(nobody, &[]).send(&mail()).await, Err(MailError::Failed(_))));
}

/// Makes a certificate authority, and a certificate for `localhost`, in a folder.
fn certificates(folder: &Path) {
    let script = r#"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout key.pem -out server.csr
        printf 'subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' >extensions
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out cert.pem
    "#;
    let made = Command::new("sh").arg("-ec").arg(script).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test]
async fn the_connection_is_protected_and_signed_in() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let ca = std::fs::read(folder.path().join("ca.pem")).unwrap();
    for mode in ["tls", "starttls"] {
        let (key, certificate) = (path("key.pem"), path("cert.pem"));
        let variables =
            [("SMTP_MODE", mode), ("TLS_KEY", &key), ("TLS_CERT", &certificate), ("SMTP_LOGIN", "resly:p/w")];
        let mut server = Script::start("smtp.mjs", &variables);
        let port = server.line().await;
        let address = |password: &str, host: &str| {
            let scheme = if mode == "tls" { "smtps" } else { "smtp" };
            let parsed = ServerAddress::parse(&format!("{scheme}://resly:{password}@{host}:{port}")).unwrap();
            if mode == "tls" { parsed } else { parsed.with_starttls() }
        };
        mailer(address("p%2Fw", "localhost"), &ca).send(&mail()).await.unwrap();
        let taken: Value = server.mail().await;
        assert_eq!((&taken["user"], &taken["secure"]), (&json!("resly"), &json!(true)), "{mode}");
        let read = read(taken["message"].as_str().unwrap());
        assert_eq!((read.subject.as_str(), read.text.trim_end()), ("Grüße", "Hello.\r\n.\r\nBye."));
        assert!(read.headers.iter().any(|name| name.eq_ignore_ascii_case("message-id")));
        let wrong_password = mailer(address("wrong", "localhost"), &ca).send(&mail()).await;
        assert!(matches!(wrong_password, Err(MailError::Failed(_))), "the operator mends it: {wrong_password:?}");
        let wrong_name = mailer(address("p%2Fw", "127.0.0.1"), &ca).send(&mail()).await;
        assert!(matches!(wrong_name, Err(MailError::Failed(_))), "{wrong_name:?}");
        let wrong_ca = mailer(address("p%2Fw", "localhost"), &[]).send(&mail()).await;
        assert!(matches!(wrong_ca, Err(MailError::Failed(_))), "{wrong_ca:?}");
    }
}

#[tokio::test]
async fn a_member_who_left_gets_no_mail() {
    let server = MailServer::start().await.unwrap();
    let app = mailing(&server.url()).await;
    let bo = member(&app, Role::Agent, "Bo", "bo@example.com").await;
    profile::set_password(app.host(), &bo.session, None, "correct horse battery").await.unwrap();
    let listed = members::list(app.host(), app.organization()).await.unwrap();
    let id = listed.into_iter().find(|member| member.person.id == bo.session.person.id).unwrap().id;
    members::remove(app.host(), app.organization(), Role::Owner, id).await.unwrap();
    assert_eq!(mails::send_due(app.host()).await.unwrap(), 1);
    assert!(server.mails().is_empty());
}
