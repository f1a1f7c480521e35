//! One account of a connection: a store in memory, a scripted service, and a session that uses both.

use super::*;

/// One account, as a store keeps it.
#[derive(Default)]
pub struct Memory {
    pub account: Mutex<Option<(Account, Option<Uuid>)>>,
    /// What another host renews it to, when this one asks for the lease.
    pub elsewhere: Mutex<Option<Renewed>>,
}

impl Memory {
    pub fn put(&self, version: u64, renewed: Renewed) {
        let Renewed { sealed, terms } = renewed;
        let account = Account {
            sealed: Some(sealed),
            terms,
            version,
            claimed_until: None,
            failure: None,
            authorized_at: at(-3600),
        };
        *self.account.lock().unwrap() = Some((account, None));
    }

    pub fn drop(&self) {
        *self.account.lock().unwrap() = None;
    }

    pub fn version(&self) -> Option<u64> {
        self.account.lock().unwrap().as_ref().map(|(account, _)| account.version)
    }
}

#[async_trait]
impl AccountStore for Memory {
    async fn account(&self, _: &AccountKey) -> Result<Option<Account>, StoreError> {
        Ok(self.account.lock().unwrap().as_ref().map(|(account, _)| account.clone()))
    }

    async fn lease_account(
        &self,
        _: &AccountKey,
        lease: RenewalLease,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        if let Some(renewed) = self.elsewhere.lock().unwrap().take() {
            self.put(lease.version + 1, renewed);
            return Ok(false);
        }
        let mut held = self.account.lock().unwrap();
        let Some((_, by)) = held.as_mut().filter(|(account, by)| account.version == lease.version && by.is_none())
        else {
            return Ok(false);
        };
        *by = Some(lease.id);
        Ok(true)
    }

    async fn renew_account(&self, _: &AccountKey, lease: RenewalLease, renewed: Renewed) -> Result<bool, StoreError> {
        let mine = matches!(&*self.account.lock().unwrap(),
            Some((account, Some(by))) if account.version == lease.version && *by == lease.id);
        if mine {
            self.put(lease.version + 1, renewed);
        }
        Ok(mine)
    }

    async fn release_account(&self, _: &AccountKey, lease: RenewalLease) -> Result<(), StoreError> {
        if let Some((_, by)) = self.account.lock().unwrap().as_mut().filter(|(_, by)| *by == Some(lease.id)) {
            *by = None;
        }
        Ok(())
    }

    async fn fail_account(
        &self,
        _: &AccountKey,
        lease: RenewalLease,
        failure: RenewalFailure,
    ) -> Result<(), StoreError> {
        let mut held = self.account.lock().unwrap();
        if let Some((account, by)) = held.as_mut().filter(|(_, by)| *by == Some(lease.id)) {
            (account.failure, *by) = (Some(failure), None);
        }
        Ok(())
    }

    async fn forget_account(&self, _: &AccountKey, lease: RenewalLease) -> Result<bool, StoreError> {
        let mine = self.account.lock().unwrap().as_ref().is_some_and(|(_, by)| *by == Some(lease.id));
        if mine {
            self.drop();
        }
        Ok(mine)
    }
}

/// A service whose tokens are given at `/token` and taken at `/api`.
pub struct Harness {
    pub service: Service,
    pub memory: Arc<Memory>,
    pub egress: Arc<Egress>,
    pub vault: Arc<Vault>,
    pub keeper: Arc<TokenRefresher>,
    pub clock: Arc<ManualClock>,
    pub who: Arc<AccountSpec>,
    pub host: String,
}

impl Harness {
    pub async fn new(answer: impl Fn(&Received, &Memory) -> Response + Send + Sync + 'static) -> Self {
        let memory = Arc::new(Memory::default());
        let (shared, answer) = (Arc::clone(&memory), Arc::new(answer));
        let service = Service::start(move |seen| answer(seen, &shared)).await;
        let host = format!("a.test:{}", service.port());
        let egress = egress(&host, "");
        let keys = MasterKeys::parse("k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap();
        let random: Arc<dyn Random> = Arc::new(SequenceRandom::default());
        let vault = Arc::new(Vault::new(Arc::new(keys), Arc::new(MemoryVaultStore::default()), Arc::clone(&random)));
        let clock = Arc::new(ManualClock::at(at(0)));
        let store = Arc::clone(&memory) as Arc<dyn AccountStore>;
        let keeper = TokenRefresher::new(
            Arc::clone(&egress),
            Arc::clone(&vault),
            store,
            Arc::clone(&clock) as Arc<dyn Clock>,
            random,
        );
        let oauth = json!({"authorize_url": "https://a.test/a", "token_url": format!("http://{host}/token"),
            "revoke_url": format!("http://{host}/revoke"), "expired_when": {"status": 403, "body_contains": "expired"}});
        let client: Value = json!({"client_id": "app", "client_secret": CLIENT_SECRET});
        let who = AccountSpec {
            key: AccountKey {
                organization: OrganizationId(Uuid::from_u128(1)),
                connection: ConnectionId(Uuid::from_u128(2)),
                visitor: None,
            },
            oauth: Some(Box::new(serde_json::from_value(oauth).unwrap())),
            settings: json!({}),
            client: AppClient::Shared(Arc::new(Credentials::new(serde_json::from_value(client).unwrap()))),
        };
        Self { service, memory, egress, vault, keeper: Arc::new(keeper), clock, who: Arc::new(who), host }
    }

    /// Tokens of a number, which are to be renewed `due` seconds from noon and end `end` seconds from it.
    pub async fn tokens(&self, n: u32, due: i64, end: i64) -> Renewed {
        let fields = [
            ("access_token".to_owned(), format!("access-canary-{n}")),
            ("refresh_token".to_owned(), format!("refresh-canary-{n}")),
        ];
        let sealed = self.vault.seal(&account_context(&self.who.key), &Credentials::new(fields.into())).await.unwrap();
        let terms = AccountTerms {
            expires_at: Some(at(end)),
            renew_at: Some(at(due)),
            refreshable: true,
            ..AccountTerms::default()
        };
        Renewed { sealed, terms }
    }

    pub fn session(&self) -> Arc<resly_egress::Session> {
        let auth = serde_json::to_value(self.who.oauth.as_deref().unwrap()).unwrap();
        let mut auth = auth.as_object().unwrap().clone();
        auth.insert("type".to_owned(), json!("oauth2"));
        let credentials = CredentialSource::Account { keeper: Arc::clone(&self.keeper), who: Arc::clone(&self.who) };
        self.egress.session(SessionSpec { credentials, ..spec(manifest(&[&self.host], auth.into())) })
    }

    pub fn api(&self) -> String {
        format!("http://{}/api", self.host)
    }

    /// What was asked of a path: the credential of each request, and its body.
    pub fn asked(&self, path: &str) -> Vec<(String, String)> {
        let received = self.service.received().into_iter().filter(|seen| seen.target == path);
        let told = |seen: Received| {
            let credential = seen.header("authorization").unwrap_or_default().to_owned();
            (credential, String::from_utf8(seen.body).unwrap())
        };
        received.map(told).collect()
    }
}
