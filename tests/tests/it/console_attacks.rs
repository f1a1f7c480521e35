//! What somebody tries who attacks the console, and gets nowhere with.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use resly_core::{id::MemberId, member::Role};
use resly_service::members;
use resly_tests::{app::TestApp, console::ConsoleClient, host::make_organization, model::Reply};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

/// The member of the organization under test that is no owner.
async fn other_member(app: &TestApp) -> MemberId {
    let listed = members::list(app.host(), app.organization()).await.unwrap();
    listed.into_iter().find(|member| member.role != Role::Owner).unwrap().id
}

#[tokio::test]
async fn a_neighbouring_host_plants_no_session_under_https() {
    let app = TestApp::with_settings(&[("RESLY_PUBLIC_URL", "https://help.example")]).await;
    let browser = ConsoleClient::signed_in(&app, Role::Viewer).await;
    let status = async |cookie: &str| {
        let cookie = format!("{cookie}={}", browser.session_token());
        let request = Request::get("/console").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
        app.route(request).await.status()
    };
    assert_eq!(status("__Host-resly_session").await, StatusCode::OK);
    assert_eq!(status("resly_session").await, StatusCode::SEE_OTHER, "any host of the domain can set this one");
}

#[tokio::test]
async fn a_page_says_nothing_that_a_neighbouring_host_wrote() {
    let app = TestApp::start().await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Viewer).await;
    let page = async |notice: &str| {
        let cookie = format!("resly_session={}; resly_notice={notice}", browser.session_token());
        let request = Request::get("/console/account").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
        let body = app.route(request).await.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8_lossy(&body).into_owned()
    };
    for planted in ["Call%20555", ".Call%20555", "AAAA.Call%20555"] {
        assert!(!page(planted).await.contains("Call 555"), "{planted}");
    }
    browser.page("/console/account").await;
    let saved = browser.submit("/console/account/profile", &[("name", "Ada"), ("email", "")]).await;
    assert!(saved.contains("Your profile is saved"), "{saved}");
}

#[tokio::test]
async fn a_form_of_somebody_who_is_removed_while_it_arrives_does_nothing() {
    let app = Arc::new(TestApp::start().await);
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page("/console/account").await;
    let (id, slow) = (other_member(&app).await, Arc::clone(&app));
    admin.meanwhile(move || {
        let app = Arc::clone(&slow);
        async move { drop(members::remove(app.host(), app.organization(), Role::Owner, id).await) }
    });
    let late = admin.post("/console/deploy/api/new", &[("name", "late"), ("scopes", "admin")]).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN, "{}", late.html);
    assert!(!owner.page("/console/deploy/api").await.contains("late"));
}

#[tokio::test]
async fn a_file_of_somebody_whose_role_changes_while_it_arrives_is_not_taken() {
    let app = Arc::new(TestApp::start().await);
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    admin.page("/console/account").await;
    let (id, slow) = (other_member(&app).await, Arc::clone(&app));
    admin.meanwhile(move || {
        let app = Arc::clone(&slow);
        async move {
            let (organization, role) = (app.organization(), Role::Viewer);
            drop(members::change_role(app.host(), organization, Role::Owner, id, role).await);
        }
    });
    let late = admin.post_files("/console/knowledge/file", &[("title", "late")], &[("file", b"Late words.")]).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN, "{}", late.html);
    assert!(owner.page("/console/knowledge").await.contains("Nothing is known yet"));
}

#[tokio::test]
async fn an_invitation_is_accepted_by_the_person_it_is_for_alone() {
    let app = TestApp::start().await;
    let mut ana = ConsoleClient::signed_in(&app, Role::Owner).await;
    ana.page("/console/account").await;
    ana.submit("/console/account/profile", &[("name", "Ana"), ("email", "ana@example.com")]).await;
    ana.submit("/console/account/password", &[("old", ""), ("new", PASSWORD)]).await;
    let elsewhere = make_organization(app.host(), "elsewhere").await;
    let mut inviter = ConsoleClient::member_of(&app, elsewhere, Role::Admin).await;
    inviter.page("/console/account/members").await;
    let invited = [("email", "ana@example.com"), ("role", "agent")];
    let shown = inviter.post("/console/account/members/invite", &invited).await.html;
    let (_, rest) = shown.split_once("/console/invitation?token=").unwrap();
    let token = &rest[..43];
    let path = format!("/console/invitation?token={token}");

    // Somebody else who has the link, signed in or not.
    let mut eve = ConsoleClient::signed_in(&app, Role::Owner).await;
    let page = eve.page(&path).await;
    assert!(page.contains("for somebody else") && !page.contains(">Join</button>"), "{page}");
    assert_eq!(eve.post("/console/invitation", &[("token", token)]).await.status, StatusCode::FORBIDDEN);
    let mut nobody = ConsoleClient::new(&app);
    let page = nobody.page(&path).await;
    assert!(page.contains("sign in with its password") && !page.contains("new-password"), "{page}");
    let taken = [("token", token), ("name", "Ana"), ("password", "another long password")];
    assert_eq!(nobody.post("/console/invitation", &taken).await.status, StatusCode::CONFLICT);

    // Ana herself, by a form of her own page.
    assert!(page.contains("/console/sign-in?next=%2Fconsole%2Finvitation%3Ftoken%3D"), "{page}");
    let mut browser = ConsoleClient::new(&app);
    let next = format!("/console/invitation?token={token}");
    let right = [("email", "ana@example.com"), ("password", PASSWORD), ("next", next.as_str())];
    assert_eq!(browser.post("/console/sign-in", &right).await.location, next);
    let forged = browser.clone().post("/console/invitation", &[("token", token)]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "it has no token of the session: {}", forged.html);
    assert!(browser.page(&next).await.contains(">Join</button>"));
    let home = browser.submit("/console/invitation", &[("token", token)]).await;
    assert!(home.contains("You are a member now") && home.contains("elsewhere"), "{home}");
    assert_eq!(browser.get(&next).await.status, StatusCode::NOT_FOUND, "it is used up");
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let app = TestApp::start().await;
    let browser = ConsoleClient::signed_in(&app, Role::Owner).await;
    app.model.says([Reply::text("Here.")]);
    let question = json!({"messages": [{"role": "user", "content": "Where?"}]});
    let asked: Value = app.post("/api/chat?format=json", &question).await.json().await.unwrap();
    let transcript = format!("/console/conversations/{}/transcript", asked["conversationId"].as_str().unwrap());
    let audit = "/console/account/audit.csv";
    for (path, status) in
        [("/console", 200), (transcript.as_str(), 200), (audit, 200), ("/console/", 303), ("/console/no", 404)]
    {
        let cookie = format!("resly_session={}", browser.session_token());
        let request = Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap();
        let answer = app.route(request).await;
        assert_eq!(answer.status(), status, "{path}");
        let said = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
        assert!(said("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(
            ["cache-control", "x-content-type-options", "x-frame-options", "referrer-policy"].map(said),
            ["no-store", "nosniff", "DENY", "same-origin"],
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_address_that_ends_in_a_slash_leads_to_its_page_and_nowhere_else() {
    let app = TestApp::start().await;
    let mut browser = ConsoleClient::signed_in(&app, Role::Viewer).await;
    for (path, page) in [
        ("/console/", "/console"),
        ("/console/deploy/api/", "/console/deploy/api"),
        ("/console//evil.example/", "/console//evil.example"),
    ] {
        let answer = browser.get(path).await;
        assert_eq!((answer.status, answer.location.as_str()), (StatusCode::SEE_OTHER, page), "{path}");
    }
    assert_eq!(browser.get("/console/no-such-page").await.status, StatusCode::NOT_FOUND);
}
