//! People at the console: sign-in, sessions, passwords, invitations and roles; and the audit log.

use std::{net::IpAddr, time::Duration};

use reqwest::StatusCode;
use resly_core::actor::{self, Actor};
use resly_service::members::{
    self, Role, Session,
    invitations::{self, Inviter, JoinError},
    links,
    profile::{self, ProfileError, ProfilePatch},
    sessions,
    sign_in::{self, Client, SignInError, SignedIn},
};
use resly_tests::app::TestApp;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";
const HOUR: Duration = Duration::from_secs(3600);

fn client() -> Client {
    Client { address: IpAddr::from([192, 0, 2, 7]), user_agent: Some("x".repeat(1000)) }
}

async fn owner(app: &TestApp) -> SignedIn {
    let token = links::create(app.host(), app.organization(), Role::Owner).await.unwrap();
    sign_in::by_link(app.host(), &token, &client()).await.unwrap()
}

/// Gives a person an e-mail and the password.
async fn with_password(app: &TestApp, session: &Session, email: &str) {
    let patch = ProfilePatch { email: Some(email.to_owned()), ..ProfilePatch::default() };
    profile::change(app.host(), session, patch).await.unwrap();
    profile::set_password(app.host(), session, None, PASSWORD).await.unwrap();
}

async fn by_password(app: &TestApp, email: &str, password: &str) -> Result<SignedIn, SignInError> {
    sign_in::by_password(app.host(), email, password, &client()).await
}

async fn invite(app: &TestApp, email: &str, role: Role) -> String {
    let by = Inviter { role: Role::Owner, name: "Ana".to_owned() };
    invitations::create(app.host(), app.organization(), by, email, role).await.unwrap().1
}

async fn accept(app: &TestApp, token: &str) -> Result<SignedIn, JoinError> {
    invitations::accept(app.host(), token, "Bo", PASSWORD, &client()).await
}

#[tokio::test]
async fn a_session_is_found_by_its_token_until_it_ends() {
    let app = TestApp::start().await;
    let SignedIn { token, session } = owner(&app).await;
    assert_eq!((session.role, session.organization), (Role::Owner, app.organization()));
    assert_eq!(session.person.name, "Owner");
    for _ in 0..3 {
        app.later(11 * HOUR);
        let found = sessions::find(app.host(), &token).await.unwrap().unwrap();
        assert_eq!((found.id, found.expires_at), (session.id, session.expires_at));
    }
    assert!(sessions::find(app.host(), "nonsense").await.unwrap().is_none());
    let listed = sessions::list(app.host(), &session).await.unwrap();
    assert_eq!((listed.len(), listed[0].user_agent.as_ref().unwrap().len()), (1, 300));
    app.later(13 * HOUR);
    assert!(sessions::find(app.host(), &token).await.unwrap().is_none(), "it wasn't used for twelve hours");
    assert!(sessions::list(app.host(), &session).await.unwrap().is_empty());
    assert_eq!(members::forget_ended(app.host()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_password_signs_in_and_a_new_one_ends_other_sessions() {
    let app = TestApp::start().await;
    let SignedIn { token, session } = owner(&app).await;
    with_password(&app, &session, " Ana@Example.com ").await;
    let second = by_password(&app, "ana@example.COM", PASSWORD).await.unwrap();
    assert_ne!(second.token, token, "each sign-in has a token of its own");
    assert!(matches!(by_password(&app, "ana@example.com", "wrong").await, Err(SignInError::WrongPassword)));
    assert!(matches!(by_password(&app, "eve@example.com", PASSWORD).await, Err(SignInError::WrongPassword)));

    let set = async |session: &Session, old: Option<&str>, new: &str| {
        profile::set_password(app.host(), session, old, new).await
    };
    let another = "another horse battery";
    assert!(matches!(set(&second.session, None, another).await, Err(ProfileError::WrongPassword)));
    assert!(matches!(set(&second.session, Some(PASSWORD), "short").await, Err(ProfileError::Invalid(_))));
    set(&second.session, Some(PASSWORD), another).await.unwrap();
    assert!(sessions::find(app.host(), &token).await.unwrap().is_none());
    assert!(sessions::find(app.host(), &second.token).await.unwrap().is_some());
    assert!(matches!(by_password(&app, "ana@example.com", PASSWORD).await, Err(SignInError::WrongPassword)));

    // Who lost it comes in by a link, and needs no old one.
    let (store, clock, random) = (&app.host().store, &*app.host().clock, &*app.host().random);
    let lost = links::create_beside(store, clock, random, app.organization(), Some("ana@example.com")).await.unwrap();
    let back = sign_in::by_link(app.host(), &lost, &client()).await.unwrap();
    assert_eq!(back.session.person.id, session.person.id);
    set(&back.session, None, PASSWORD).await.unwrap();
    assert!(by_password(&app, "ana@example.com", PASSWORD).await.is_ok());
    let stranger = links::create_beside(store, clock, random, app.organization(), Some("eve@example.com")).await;
    assert!(stranger.is_err());
}

#[tokio::test]
async fn passwords_are_not_tried_without_end() {
    let app = TestApp::start().await;
    let SignedIn { session, .. } = owner(&app).await;
    with_password(&app, &session, "ana@example.com").await;
    for _ in 0..10 {
        assert!(matches!(by_password(&app, "ana@example.com", "wrong").await, Err(SignInError::WrongPassword)));
    }
    let refused = by_password(&app, "ana@example.com", PASSWORD).await;
    let Err(SignInError::TooManyAttempts { retry_after }) = refused else { panic!("{refused:?}") };
    assert!(retry_after > Duration::from_secs(600) && retry_after <= Duration::from_secs(900), "{retry_after:?}");
    app.later(retry_after);
    by_password(&app, "ana@example.com", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn an_old_password_is_not_tried_without_end() {
    let app = TestApp::start().await;
    let SignedIn { session, .. } = owner(&app).await;
    with_password(&app, &session, "ana@example.com").await;
    let stolen = by_password(&app, "ana@example.com", PASSWORD).await.unwrap().session;
    let set = async |old| profile::set_password(app.host(), &stolen, Some(old), "another long password").await;
    for _ in 0..10 {
        assert!(matches!(set("wrong").await, Err(ProfileError::WrongPassword)));
    }
    let refused = set(PASSWORD).await;
    let Err(ProfileError::TooManyAttempts { retry_after }) = refused else { panic!("{refused:?}") };
    by_password(&app, "ana@example.com", PASSWORD).await.unwrap();
    app.later(retry_after);
    set(PASSWORD).await.unwrap();
}

#[tokio::test]
async fn an_invitation_makes_a_member_and_known_people_sign_in_first() {
    let app = TestApp::start().await;
    let SignedIn { session, .. } = owner(&app).await;
    with_password(&app, &session, "ana@example.com").await;
    let token = invite(&app, "Bo@example.com", Role::Agent).await;
    let shown = invitations::find(app.host(), &token).await.unwrap().unwrap();
    assert!(shown.organization_name.starts_with("under test"), "{shown:?}");
    assert_eq!((shown.email.as_str(), shown.known), ("bo@example.com", false));
    let bo = accept(&app, &token).await.unwrap();
    assert_eq!((bo.session.role, bo.session.person.name.as_str()), (Role::Agent, "Bo"));
    assert!(accept(&app, &token).await.is_err());
    assert!(by_password(&app, "bo@example.com", PASSWORD).await.is_ok());

    // In another organization, where Ana is known already.
    let other = resly_tests::host::make_organization(app.host(), "other").await;
    let by = Inviter { role: Role::Admin, name: "Cy".to_owned() };
    let (_, token) = invitations::create(app.host(), other, by, "ana@example.com", Role::Viewer).await.unwrap();
    assert!(matches!(accept(&app, &token).await, Err(JoinError::SignInFirst)));
    assert!(invitations::join(app.host(), &token, &bo.session).await.is_err(), "it is another person's");
    assert_eq!(invitations::join(app.host(), &token, &session).await.unwrap(), other);
    let organizations = members::organizations(app.host(), &session).await.unwrap();
    let roles: Vec<_> = organizations.iter().map(|found| (found.organization, found.role)).collect();
    assert_eq!(roles, [(other, Role::Viewer), (app.organization(), Role::Owner)], "by their names");
    let ana = by_password(&app, "ana@example.com", PASSWORD).await.unwrap();
    let shown = sessions::enter(app.host(), &ana.token, other).await.unwrap().unwrap();
    assert_eq!((shown.organization, shown.role), (other, Role::Viewer));
    assert!(sessions::enter(app.host(), &bo.token, other).await.unwrap().is_none());
}

#[tokio::test]
async fn admins_manage_members_by_the_api() {
    let app = TestApp::start().await;
    let SignedIn { token, session } = owner(&app).await;
    let admin = app.make_key(json!({"name": "hr", "scopes": ["admin"]})).await;
    let admin = admin["key"].as_str().unwrap();
    let invited =
        app.post_as(admin, "/api/admin/invitations", &json!({"email": "bo@example.com", "role": "viewer"})).await;
    assert_eq!(invited.status(), StatusCode::CREATED);
    let invited: Value = invited.json().await.unwrap();
    assert_eq!(
        (&invited["invitation"]["email"], &invited["invitation"]["invited_by"]),
        (&json!("bo@example.com"), &json!("hr"))
    );
    let url = invited["url"].as_str().unwrap();
    let invitation = url.split_once("/console/invitation?token=").unwrap().1;
    let owner_invited = json!({"email": "cy@example.com", "role": "owner"});
    assert_eq!(app.post_as(admin, "/api/admin/invitations", &owner_invited).await.status(), 403);
    for wrong in [json!({"email": "cy", "role": "viewer"}), json!({"email": "cy@example.com", "role": "boss"})] {
        assert_eq!(app.post_as(admin, "/api/admin/invitations", &wrong).await.status(), 422, "{wrong}");
    }
    let bo = accept(&app, invitation).await.unwrap();
    let open: Value = app.send_as(admin, "GET", "/api/admin/invitations").await.json().await.unwrap();
    assert_eq!(open["invitations"], json!([]));

    let listed: Value = app.send_as(admin, "GET", "/api/admin/members").await.json().await.unwrap();
    let of = |email: Value| {
        let members = listed["members"].as_array().unwrap();
        let found = members.iter().find(|member| member["email"] == email).unwrap();
        format!("/api/admin/members/{}", found["id"].as_str().unwrap())
    };
    let (owner, viewer) = (of(Value::Null), of(json!("bo@example.com")));
    let change = async |key: &str, path: &str, role: &str| {
        let request = app.client.patch(app.url(path)).bearer_auth(key).json(&json!({"role": role}));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(change(admin, &viewer, "agent").await, 200);
    assert_eq!(change(admin, &viewer, "owner").await, 403);
    assert_eq!(change(admin, &owner, "viewer").await, 403);
    assert_eq!(change(&app.admin, &owner, "viewer").await, 409, "the last owner");
    assert_eq!(app.send_as(&app.admin, "DELETE", &owner).await.status(), 409);
    assert_eq!(change(&app.key, &viewer, "agent").await, 403, "a chat's key");
    assert_eq!(app.send_as(admin, "DELETE", &viewer).await.status(), 204);
    assert!(sessions::find(app.host(), &bo.token).await.unwrap().is_none());
    assert_eq!(app.send_as(admin, "DELETE", &viewer).await.status(), 404);
    assert!(sessions::find(app.host(), &token).await.unwrap().is_some());
    assert_eq!(session.role, Role::Owner);
}

#[tokio::test]
async fn the_audit_log_tells_who_changed_what() {
    let app = TestApp::start().await;
    let made = app.make_key(json!({"name": "=web", "scopes": ["chat"]})).await;
    let id = made["id"].as_str().unwrap();
    let path = format!("/api/admin/keys/{id}");
    for body in [json!({"name": "shop"}), json!({"name": "shop"})] {
        assert_eq!(app.admin_send("PATCH", &path, &body).await.status(), 200);
    }
    app.later(Duration::from_secs(1));
    // A member at the console, by the same use cases.
    let SignedIn { session, .. } = owner(&app).await;
    let member = Actor::member(app.organization(), &session.person, app.host().clock.now());
    actor::within(member, invite(&app, "bo@example.com", Role::Viewer)).await;
    app.later(Duration::from_secs(1));
    assert_eq!(app.send_as(&app.admin, "DELETE", &path).await.status(), 204);
    let hook = json!({"url": "https://hooks.example/resly"});
    assert!(app.admin_send("PUT", "/api/admin/webhook", &hook).await.status().is_success());

    let read = async |query: &str| -> Value {
        app.send_as(&app.admin, "GET", &format!("/api/admin/audit{query}")).await.json().await.unwrap()
    };
    let actions = |page: &Value| -> Vec<String> {
        let entries = page["entries"].as_array().unwrap_or_else(|| panic!("{page}"));
        entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    };
    let all = read("").await;
    assert_eq!(
        actions(&all),
        ["webhook.create", "key.delete", "invitation.create", "member.create", "key.change", "key.create"],
        "{all}"
    );
    let of_key = read(&format!("?subject={id}")).await;
    assert_eq!(actions(&of_key), ["key.delete", "key.change", "key.create"]);
    let change = &of_key["entries"][1];
    assert_eq!((&change["before"], &change["after"]), (&json!({"name": "=web"}), &json!({"name": "shop"})));
    assert_eq!((&change["actor_kind"], &change["subject_name"]), (&json!("key"), &json!("=web")));
    let invited = &all["entries"][2];
    assert_eq!((&invited["actor_kind"], &invited["actor_name"]), (&json!("member"), &json!("Owner")));
    assert_eq!(actions(&read("?action=key").await).len(), 3);
    assert_eq!(actions(&read("?action=key.create").await), ["key.create"]);
    assert_eq!(actions(&read(&format!("?actor={}", session.person.id)).await), ["invitation.create", "member.create"]);
    let at = invited["created_at"].as_str().unwrap();
    assert_eq!(actions(&read(&format!("?from={at}&action=key")).await), ["key.delete"]);
    assert_eq!(actions(&read(&format!("?to={at}")).await), ["member.create", "key.change", "key.create"]);

    let first = read("?limit=4").await;
    let rest = read(&format!("?limit=4&before={}", first["next"].as_str().unwrap())).await;
    assert_eq!((actions(&first).len(), actions(&rest).len(), &rest["next"]), (4, 2, &Value::Null));
    let csv =
        app.client.get(app.url("/api/admin/audit?action=key")).bearer_auth(&app.admin).header("accept", "text/csv");
    let csv = csv.send().await.unwrap();
    assert_eq!(csv.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = csv.text().await.unwrap();
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert!(csv.contains(",\"'=web\",") && !csv.contains(",=web"), "{csv}");
    let secret = made["key"].as_str().unwrap().rsplit('_').nth(1).unwrap();
    assert!(!all.to_string().contains(secret) && !csv.contains(secret));

    // Nobody else's.
    let other = resly_tests::host::make_organization(app.host(), "other").await;
    assert!(resly_service::audit::list(app.host(), other, Default::default(), None, 9).await.unwrap().is_empty());
    assert_eq!(app.send_as(&app.key, "GET", "/api/admin/audit").await.status(), 403);
}
