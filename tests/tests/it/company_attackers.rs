//! What whoever runs an organization's provider can't do: be a member of another organization, or take over a person.

use http::StatusCode;
use resly_core::{id::OrganizationId, member::Role};
use resly_service::members::{
    self,
    invitations::{self, Inviter},
    links, sessions,
};
use resly_tests::{app::TestApp, console::ConsoleClient, host::make_organization, oidc::OidcService};

use super::company_sign_in::{fields, set, sign_in};

const PASSWORD: &str = "correct horse battery";
const SETTINGS: &str = "/console/account/organization/company-sign-in";

/// Ana is a member of the organization under test, with a password; the attacker owns another one and its provider, which says
/// whatever the attacker wants.
struct Scene {
    app: TestApp,
    provider: OidcService,
    attacked: OrganizationId,
    own: OrganizationId,
}

impl Scene {
    async fn new() -> Self {
        let provider = OidcService::start().await.unwrap();
        let app = TestApp::reaching(provider.address).await;
        provider.at(app.host().clock.now().seconds());
        let own = make_organization(app.host(), "attacker").await;
        let attacked = app.organization();
        let scene = Self { app, provider, attacked, own };
        scene.invite(attacked, "ana@example.com", Role::Admin).await;
        scene
    }

    /// Invites an e-mail, whose new person accepts with the password.
    async fn invite(&self, organization: OrganizationId, email: &str, role: Role) {
        let mut browser = ConsoleClient::new(&self.app);
        let token = self.invitation(organization, email, role).await;
        let fields = [("token", token.as_str()), ("name", "Ana"), ("password", PASSWORD)];
        let joined = browser.post("/console/invitation", &fields).await;
        assert_eq!(joined.status, StatusCode::SEE_OTHER, "{}", joined.html);
    }

    async fn invitation(&self, organization: OrganizationId, email: &str, role: Role) -> String {
        let by = Inviter { role: Role::Owner, name: "Owner".to_owned() };
        invitations::create(self.app.host(), organization, by, email, role).await.unwrap().1
    }

    async fn ana(&self) -> ConsoleClient<'_> {
        let mut browser = ConsoleClient::new(&self.app);
        let fields = [("email", "ana@example.com"), ("password", PASSWORD)];
        let signed_in = browser.post("/console/sign-in", &fields).await;
        assert_eq!((signed_in.status, signed_in.location.as_str()), (StatusCode::SEE_OTHER, "/console"));
        browser.page("/console/account").await;
        browser
    }

    async fn attacker(&self, new_role: &str) -> (ConsoleClient<'_>, String) {
        let mut owner = ConsoleClient::member_of(&self.app, self.own, Role::Owner).await;
        let path = set(&mut owner, &self.provider.issuer(), new_role).await;
        (owner, path)
    }

    /// Lets Ana, who is known on this host, join the attacker's organization by an invitation.
    async fn ana_joins(&self) {
        let person = self.app.host().store.person_by_email("ana@example.com").await.unwrap().unwrap().person;
        let token = self.invitation(self.own, "ana@example.com", Role::Viewer).await;
        let link = links::create_beside(
            &self.app.host().store,
            &*self.app.host().clock,
            &*self.app.host().random,
            self.attacked,
            Some("ana@example.com"),
        );
        let client = members::sign_in::Client { address: [192, 0, 2, 7].into(), user_agent: None };
        let session = members::sign_in::by_link(self.app.host(), &link.await.unwrap(), &client).await.unwrap();
        assert_eq!(session.session.person.id, person.id);
        invitations::join(self.app.host(), &token, &session.session).await.unwrap();
        sessions::end(self.app.host(), &session.token).await.unwrap();
    }
}

#[tokio::test]
async fn a_foreign_provider_that_names_a_member_makes_somebody_else() {
    let scene = Scene::new().await;
    let (_, path) = scene.attacker("admin").await;
    let mut forged = ConsoleClient::new(&scene.app);
    let back = sign_in(&mut forged, &path, &scene.provider).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.html);
    forged.page("/console/account").await;
    let entered = forged.post("/console/organization/enter", &[("organization", &scene.attacked.to_string())]).await;
    assert_eq!(entered.status, StatusCode::NOT_FOUND);
    let store = &scene.app.host().store;
    let ana = store.person_by_email("ana@example.com").await.unwrap().unwrap().person;
    assert_eq!(store.memberships(ana.id).await.unwrap().len(), 1, "nothing was added to Ana");
    // And Ana's own sign-in is as it was.
    assert!(scene.ana().await.page("/console/account").await.contains("ana@example.com"));
}

#[tokio::test]
async fn a_provider_does_not_become_a_member_by_the_e_mail_alone() {
    let scene = Scene::new().await;
    let (_, path) = scene.attacker("admin").await;
    scene.ana_joins().await;
    let refused = sign_in(&mut ConsoleClient::new(&scene.app), &path, &scene.provider).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.html.contains("sign in that way first"), "{}", refused.html);
    // Nor in the browser of somebody else.
    let mut other = ConsoleClient::member_of(&scene.app, scene.own, Role::Viewer).await;
    assert_eq!(sign_in(&mut other, &path, &scene.provider).await.status, StatusCode::FORBIDDEN);
    // Nor with an account of another e-mail in Ana's: that is somebody new.
    scene.provider.account("sub-7", "eve@example.com");
    let mut ana = scene.ana().await;
    sign_in(&mut ana, &path, &scene.provider).await;
    assert!(!ana.page("/console/account").await.contains("ana@example.com"));
}

#[tokio::test]
async fn a_linked_account_opens_its_organization_and_changes_nothing_of_the_person() {
    let scene = Scene::new().await;
    let (_, path) = scene.attacker("").await;
    scene.ana_joins().await;
    let other_session = scene.ana().await;
    let mut linking = scene.ana().await;
    let back = sign_in(&mut linking, &path, &scene.provider).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.html);

    // Now the provider's owner can come as Ana, into the attacker's organization.
    let mut forged = ConsoleClient::new(&scene.app);
    assert_eq!(sign_in(&mut forged, &path, &scene.provider).await.status, StatusCode::SEE_OTHER);
    let page = forged.page("/console/account").await;
    assert!(
        page.contains("attacker") && !page.contains("under test"),
        "Ana's other organizations aren't shown: {page}"
    );
    let entered = forged.post("/console/organization/enter", &[("organization", &scene.attacked.to_string())]).await;
    assert_eq!(entered.status, StatusCode::NOT_FOUND);
    for (form, fields) in [
        ("/console/account/profile", vec![("name", "Eve"), ("email", "eve@evil.example")]),
        ("/console/account/password", vec![("old", ""), ("new", "another horse battery")]),
    ] {
        let refused = forged.post(form, &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{form}: {}", refused.html);
    }
    let listed = forged.page("/console/account/sessions").await;
    assert!(!listed.contains("under test"), "sessions elsewhere aren't shown: {listed}");
    let left = forged.post("/console/account/sessions", &[]).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER);
    assert!(forged.get("/console").await.location.starts_with("/console/sign-in"), "its own have ended");
    assert_eq!(other_session.clone().get("/console").await.status, StatusCode::OK, "Ana's others go on");
    scene.ana().await;
    // An invitation elsewhere isn't accepted in Ana's name either.
    let mut forged = ConsoleClient::new(&scene.app);
    sign_in(&mut forged, &path, &scene.provider).await;
    let client = members::sign_in::Client { address: [192, 0, 2, 7].into(), user_agent: None };
    let third = make_organization(scene.app.host(), "third").await;
    let token = scene.invitation(third, "ana@example.com", Role::Owner).await;
    let taken = invitations::accept(scene.app.host(), &token, "Eve", PASSWORD, &client).await;
    assert!(taken.is_err());
    // A second account of the provider isn't linked beside the first.
    scene.provider.account("sub-2", "ana@example.com");
    let mut again = scene.ana().await;
    assert_eq!(sign_in(&mut again, &path, &scene.provider).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_answer_belongs_to_the_browser_and_the_provider_that_it_began_with() {
    let scene = Scene::new().await;
    let (_, path) = scene.attacker("viewer").await;
    let mut owner = ConsoleClient::signed_in(&scene.app, Role::Owner).await;
    let other = set(&mut owner, &scene.provider.issuer(), "viewer").await;
    let mut began = ConsoleClient::new(&scene.app);
    let away = began.get(&path).await;
    let back = scene.provider.agree(&away.location);
    let stale = async |browser: &mut ConsoleClient<'_>, path: &str| {
        let refused = browser.get(path).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}: {}", refused.html);
    };
    stale(&mut ConsoleClient::new(&scene.app), &back).await;
    let mut another = ConsoleClient::new(&scene.app);
    another.get(&path).await;
    stale(&mut another, &back).await;
    stale(&mut began.clone(), &back.replace(&path, &other)).await;
    stale(&mut began.clone(), &back.replace("state=", "state=x")).await;
    stale(&mut began.clone(), &back.replace("iss=http", "iss=https")).await;
    let without_code = back.replace("code=", "error=access_denied&nocode=");
    stale(&mut began.clone(), &without_code).await;
    assert_eq!(scene.provider.token_requests(), 0, "none of these got as far as the provider");
    assert_eq!(began.get(&back).await.status, StatusCode::SEE_OTHER);
    stale(&mut began, &back).await;
}

#[tokio::test]
async fn an_organization_can_do_without_passwords_and_a_link_always_opens_it() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let mut owner = ConsoleClient::signed_in(app, Role::Owner).await;
    let path = set(&mut owner, &scene.provider.issuer(), "viewer").await;
    let issuer = scene.provider.issuer();
    let mut required = fields(&issuer, "viewer");
    required.push(("required", "on"));
    let untried = owner.post(SETTINGS, &required).await;
    assert_eq!(untried.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(untried.html.contains("No owner has signed in"), "{}", untried.html);

    // The owner gets an e-mail, and signs in with the company in the same browser.
    owner.page("/console/account").await;
    owner.submit("/console/account/profile", &[("name", "Olga"), ("email", "olga@example.com")]).await;
    scene.provider.account("sub-olga", "olga@example.com");
    assert_eq!(sign_in(&mut owner, &path, &scene.provider).await.status, StatusCode::SEE_OTHER);
    let mut ana = scene.ana().await;
    owner.page(SETTINGS).await;
    owner.submit(SETTINGS, &required).await;

    assert!(ana.get("/console").await.location.starts_with("/console/sign-in"), "her session is closed at once");
    let mut browser = ConsoleClient::new(app);
    let refused = browser.post("/console/sign-in", &[("email", "ana@example.com"), ("password", PASSWORD)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.html.contains("Sign in with your company"), "{}", refused.html);
    let token = scene.invitation(scene.attacked, "bo@example.com", Role::Admin).await;
    let fields = [("token", token.as_str()), ("name", "Bo"), ("password", PASSWORD)];
    let refused = browser.post("/console/invitation", &fields).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.html);
    // With the company, the member and the invited one come in, as who they are.
    for (subject, email, role) in
        [("sub-ana", "ana@example.com", Role::Admin), ("sub-bo", "bo@example.com", Role::Admin)]
    {
        scene.provider.account(subject, email);
        let mut browser = ConsoleClient::new(app);
        let back = sign_in(&mut browser, &path, &scene.provider).await;
        assert_eq!(back.status, StatusCode::SEE_OTHER, "{email}: {}", back.html);
        let found = members::list(app.host(), scene.attacked).await.unwrap();
        let member = found.iter().find(|member| member.person.email.as_deref() == Some(email)).unwrap();
        assert_eq!(member.role, role);
    }
    // The operator's link is the way back.
    let mut back = ConsoleClient::signed_in(app, Role::Owner).await;
    back.page(SETTINGS).await;
    back.submit(&format!("{SETTINGS}/remove"), &[]).await;
    assert!(owner.get("/console").await.location.starts_with("/console/sign-in"), "the provider's sessions have ended");
    scene.ana().await;
}
