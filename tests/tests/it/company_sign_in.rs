//! Sign-in with a company: an honest provider, npm's `oidc-provider`, and one that lies.

use std::collections::BTreeMap;

use http::StatusCode;
use reqwest::{Client, Method, header, redirect::Policy};
use resly_core::member::Role;
use resly_service::members::{
    self, Person,
    invitations::{self, Inviter},
};
use resly_tests::{
    app::TestApp,
    console::{Answer, ConsoleClient},
    identity::Script,
    oidc::{CLIENT_ID, CLIENT_SECRET, Lie, OidcService},
};
use serde_json::Value;
use url::Url;

const SETTINGS: &str = "/console/account/organization/company-sign-in";

/// The fields of an owner's form for the provider.
pub fn fields<'f>(issuer: &'f str, new_role: &'f str) -> Vec<(&'f str, &'f str)> {
    vec![
        ("issuer", issuer),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("domains", "example.com, Example.COM"),
        ("new_role", new_role),
    ]
}

/// Sets a provider as an owner does. Returns the path where its people sign in.
pub async fn set(owner: &mut ConsoleClient<'_>, issuer: &str, new_role: &str) -> String {
    owner.page(SETTINGS).await;
    let page = owner.submit(SETTINGS, &fields(issuer, new_role)).await;
    let (_, rest) = page.split_once("/console/sign-in/oidc/").expect("the page has the sign-in's address");
    let id: String = rest.chars().take(36).collect();
    format!("/console/sign-in/oidc/{id}")
}

/// An app that may reach the provider, and the provider, whose clock is the app's.
async fn app_and_provider() -> (TestApp, OidcService) {
    let provider = OidcService::start().await.unwrap();
    let app = TestApp::reaching(provider.address).await;
    provider.at(app.host().clock.now().seconds());
    (app, provider)
}

/// Signs a browser in: to the provider, where the account agrees, and back.
pub async fn sign_in(browser: &mut ConsoleClient<'_>, path: &str, provider: &OidcService) -> Answer {
    let away = browser.get(path).await;
    assert_eq!(away.status, StatusCode::SEE_OTHER, "{}", away.html);
    browser.get(&provider.agree(&away.location)).await
}

async fn people(app: &TestApp) -> BTreeMap<String, (Role, Person)> {
    let found = members::list(app.host(), app.organization()).await.unwrap();
    let by_email = found.into_iter().map(|member| {
        let key = member.person.email.clone().unwrap_or_else(|| member.person.name.clone());
        (key, (member.role, member.person))
    });
    by_email.collect()
}

async fn actions(app: &TestApp) -> Vec<String> {
    let audit: Value = app.send_as(&app.admin, "GET", "/api/admin/audit").await.json().await.unwrap();
    assert!(!audit.to_string().contains(CLIENT_SECRET));
    let entries = audit["entries"].as_array().unwrap_or_else(|| panic!("{audit}"));
    entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn somebody_new_comes_in_with_the_role_that_the_owner_chose() {
    let (app, provider) = app_and_provider().await;
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    let path = set(&mut owner, &provider.issuer(), "agent").await;
    app.nothing_on_disk_contains(CLIENT_SECRET);
    let page = owner.page(SETTINGS).await;
    assert!(page.contains(&format!("{path}/callback")) && !page.contains(CLIENT_SECRET));

    let mut browser = ConsoleClient::new(&app);
    let back = sign_in(&mut browser, &format!("{path}?next=%2Fconsole%2Ftickets"), &provider).await;
    assert_eq!((back.status, back.location.as_str()), (StatusCode::SEE_OTHER, "/console/tickets"), "{}", back.html);
    let page = browser.page("/console/account").await;
    assert!(page.contains("Ana of the company") && !page.contains("New password"), "{page}");
    let found = people(&app).await;
    assert_eq!(found["ana@example.com"].0, Role::Agent);
    assert_eq!(app.host().store.person_by_email("ana@example.com").await.unwrap().map(|found| found.person), None);

    // The same account is the same person, whatever its e-mail is now.
    provider.account("sub-1", "anna@example.com");
    sign_in(&mut ConsoleClient::new(&app), &path, &provider).await;
    let found = people(&app).await;
    assert!(found.contains_key("anna@example.com") && !found.contains_key("ana@example.com"), "{found:?}");
    // Another account of the same e-mail is another person.
    provider.account("sub-2", "anna@example.com");
    sign_in(&mut ConsoleClient::new(&app), &path, &provider).await;
    assert_eq!(members::list(app.host(), app.organization()).await.unwrap().len(), 3);
    let actions = actions(&app).await;
    for expected in ["identity_provider.create", "member.create", "identity.link"] {
        assert!(actions.contains(&expected.to_owned()), "{expected}: {actions:?}");
    }
}

#[tokio::test]
async fn the_sign_in_page_finds_a_company_by_the_e_mail() {
    let (app, provider) = app_and_provider().await;
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    let path = set(&mut owner, &provider.issuer(), "viewer").await;
    let mut browser = ConsoleClient::new(&app);
    assert!(browser.page("/console/sign-in").await.contains("/console/sign-in/company"));
    let page = browser.page("/console/sign-in/company?email=Bo%40EXAMPLE.com&next=https%3A%2F%2Fevil.example").await;
    assert!(page.contains(&format!("{path}?next=%2Fconsole")) && page.contains("127.0.0.1"), "{page}");
    for other in ["bo%40example.org", "bo", "bo%40sub.example.com", "%22%3E%3Cscript%3E%40example.org"] {
        let page = browser.page(&format!("/console/sign-in/company?email={other}")).await;
        assert!(!page.contains("/console/sign-in/oidc/") && !page.contains("<script>"), "{other}: {page}");
    }
}

#[tokio::test]
async fn who_is_invited_comes_in_and_nobody_else() {
    let (app, provider) = app_and_provider().await;
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    let path = set(&mut owner, &provider.issuer(), "").await;
    let refused = sign_in(&mut ConsoleClient::new(&app), &path, &provider).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.html.contains("only who is invited"), "{}", refused.html);

    let by = Inviter { role: Role::Owner, name: "Owner".to_owned() };
    let invited = invitations::create(app.host(), app.organization(), by.clone(), "ana@example.com", Role::Admin);
    let (_, token) = invited.await.unwrap();
    let back = sign_in(&mut ConsoleClient::new(&app), &path, &provider).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.html);
    assert_eq!(people(&app).await["ana@example.com"].0, Role::Admin);
    assert!(invitations::find(app.host(), &token).await.unwrap().is_none(), "it is used up");

    // Who was removed stays out until somebody invites them again, whatever somebody new becomes.
    set(&mut owner, &provider.issuer(), "viewer").await;
    let ana = members::list(app.host(), app.organization()).await.unwrap();
    let ana = ana.into_iter().find(|member| member.person.name == "Ana of the company").unwrap();
    members::remove(app.host(), app.organization(), Role::Owner, ana.id).await.unwrap();
    let removed = sign_in(&mut ConsoleClient::new(&app), &path, &provider).await;
    assert!(removed.html.contains("no member of this organization any more"), "{}", removed.html);
    invitations::create(app.host(), app.organization(), by, "ana@example.com", Role::Viewer).await.unwrap();
    let back = sign_in(&mut ConsoleClient::new(&app), &path, &provider).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.html);
    assert_eq!(people(&app).await["ana@example.com"].0, Role::Viewer);
}

#[tokio::test]
async fn a_lying_token_signs_nobody_in() {
    let (app, provider) = app_and_provider().await;
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    let path = set(&mut owner, &provider.issuer(), "admin").await;
    for lie in Lie::OF_TOKENS {
        provider.lie(Some(lie));
        let asked = provider.token_requests();
        let mut browser = ConsoleClient::new(&app);
        let refused = sign_in(&mut browser, &path, &provider).await;
        let unverified = matches!(lie, Lie::Unverified | Lie::NoEmail);
        let expected = if unverified { StatusCode::FORBIDDEN } else { StatusCode::BAD_GATEWAY };
        assert_eq!(refused.status, expected, "{lie:?}: {}", refused.html);
        assert_eq!(provider.token_requests(), asked + 1, "{lie:?}: it was refused for its token");
        assert!(browser.get("/console").await.location.starts_with("/console/sign-in"), "{lie:?}");
    }
    for email in
        ["ana@example.org", "ana@sub.example.com", "ana@example.com.evil.example", "no e-mail", "a@b@evil.example"]
    {
        provider.lie(None);
        provider.account("sub-9", email);
        let refused = sign_in(&mut ConsoleClient::new(&app), &path, &provider).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{email}: {}", refused.html);
    }
    assert_eq!(members::list(app.host(), app.organization()).await.unwrap().len(), 1, "the owner alone");
}

#[tokio::test]
async fn a_lying_description_is_refused_when_it_is_set_and_later() {
    let (app, provider) = app_and_provider().await;
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    owner.page(SETTINGS).await;
    for lie in Lie::OF_DESCRIPTIONS {
        provider.lie(Some(lie));
        let refused = owner.post(SETTINGS, &fields(&provider.issuer(), "admin")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{lie:?}");
        assert!(refused.html.contains("id=\"f-issuer-error\""), "{lie:?}: {}", refused.html);
    }
    provider.lie(None);
    let path = set(&mut owner, &provider.issuer(), "admin").await;
    for lie in Lie::OF_DESCRIPTIONS {
        let mut browser = ConsoleClient::new(&app);
        let away = browser.get(&path).await;
        let back = provider.agree(&away.location);
        provider.lie(Some(lie));
        let refused = browser.get(&back).await;
        assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "{lie:?}: {}", refused.html);
        provider.lie(None);
    }
    assert_eq!(provider.inside(), 0, "no redirect is followed");
    assert_eq!(provider.token_requests(), 0);
}

#[tokio::test]
async fn only_an_issuer_on_the_web_can_be_set() {
    let (app, provider) = app_and_provider().await;
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    owner.page(SETTINGS).await;
    for (issuer, why) in [
        ("https://127.0.0.1:1", "only public addresses"),
        ("https://169.254.169.254", "only public addresses"),
        ("https://[::1]", "only public addresses"),
        ("http://login.example.com", "plain http"),
        ("ftp://login.example.com", "https://"),
        ("https://a:b@login.example.com", "user or password"),
        ("https://login.example.com?x=1", "query"),
        ("login.example.com", "https://"),
        ("", "1 to 2048"),
    ] {
        let refused = owner.post(SETTINGS, &fields(issuer, "viewer")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{issuer}");
        assert!(refused.html.contains(why), "{issuer}: {}", refused.html);
    }
    // Another issuer doesn't get the secret of the one before.
    set(&mut owner, &provider.issuer(), "viewer").await;
    let other = OidcService::start().await.unwrap();
    let own = provider.issuer();
    let mut kept = fields(&own, "viewer");
    kept.retain(|(name, _)| *name != "client_secret");
    owner.submit(SETTINGS, &kept).await;
    let issuer = other.issuer();
    kept[0].1 = &issuer;
    let refused = owner.post(SETTINGS, &kept).await;
    assert!(refused.html.contains("id=\"f-client_secret-error\""), "{}", refused.html);
    let mut admin = ConsoleClient::signed_in(&app, Role::Admin).await;
    assert_eq!(admin.get(SETTINGS).await.status, StatusCode::FORBIDDEN);
}

/// A browser that follows redirects and keeps cookies, at npm's provider: it signs in and agrees by its forms.
async fn agree_at(client: &Client, location: &str, host: &str) -> String {
    let mut cookies = BTreeMap::<String, String>::new();
    let (mut method, mut url, mut form) = (Method::GET, Url::parse(location).unwrap(), Vec::new());
    for _ in 0..20 {
        if url.as_str().starts_with(host) {
            return format!("{}?{}", url.path(), url.query().unwrap());
        }
        let sent: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = client.request(method, url.clone()).header(header::COOKIE, sent.join("; "));
        let request = if form.is_empty() {
            request
        } else {
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
            request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
        };
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some(to) = response.headers().get(header::LOCATION) {
            (method, url, form) = (Method::GET, url.join(to.to_str().unwrap()).unwrap(), Vec::new());
            continue;
        }
        let page = response.text().await.unwrap();
        let (_, action) = page.split_once("action=\"").unwrap_or_else(|| panic!("no form: {page}"));
        url = url.join(action.split('"').next().unwrap()).unwrap();
        method = Method::POST;
        form = match page.contains("value=\"login\"") {
            true => vec![("prompt", "login"), ("login", "bo"), ("password", "x")],
            false => vec![("prompt", "consent")],
        };
    }
    panic!("the provider goes round in circles");
}

#[tokio::test]
async fn npm_s_provider_signs_somebody_in() {
    let mut script = Script::start("provider.mjs", &[("CLIENT_SECRET", CLIENT_SECRET)]);
    let issuer = script.line().await;
    let address = issuer.trim_start_matches("http://").parse().unwrap();
    let app = TestApp::reaching(address).await;
    app.keep_the_machines_time();
    let mut owner = ConsoleClient::signed_in(&app, Role::Owner).await;
    let path = set(&mut owner, &issuer, "agent").await;
    script.tell(&format!("{}/callback", app.url(&path))).await;
    assert_eq!(script.line().await, "ready");

    let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let mut browser = ConsoleClient::new(&app);
    let away = browser.get(&path).await;
    assert_eq!(away.status, StatusCode::SEE_OTHER, "{}", away.html);
    let back = agree_at(&client, &away.location, &app.url("/")).await;
    let back = browser.get(&back).await;
    assert_eq!((back.status, back.location.as_str()), (StatusCode::SEE_OTHER, "/console"), "{}", back.html);
    assert!(browser.page("/console/account").await.contains("The person bo"));
    assert_eq!(people(&app).await["bo@example.com"].0, Role::Agent);
}
