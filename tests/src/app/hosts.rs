//! Several hosts on one PostgreSQL database, with the same organization, key and admin. The public address of all is that
//! of the first one.
//!
//! A failure in here is a mistake in a test, so it panics.
#![expect(clippy::unwrap_used, reason = "this is test code in a library's place")]

use std::{net::SocketAddr, sync::Arc};

use resly_core::knowledge::document::Extractor;

use super::{Launch, TestApp};
use crate::{host::Parts, outage::Relay};

impl TestApp {
    /// Two hosts, with any server at this address.
    pub async fn pair_reaching(address: SocketAddr) -> (Self, Self) {
        let launch = Self::on_a_database(&[address], Parts::default()).await;
        let first = Self::launch(launch.clone()).await;
        let second = first.another(&launch).await;
        (first, second)
    }

    /// Two hosts, of which the second one hears of changes over connections that can be cut.
    pub async fn pair_with_a_line() -> (Self, Self, Relay) {
        let launch = Self::on_a_database(&["127.0.0.1:9".parse().unwrap()], Parts::default()).await;
        let first = Self::launch(launch.clone()).await;
        let line = Relay::start(launch.database_url.as_deref().unwrap());
        let settings = vec![("RESLY_DATABASE_DIRECT_URL".to_owned(), line.url.clone())];
        let second = first.another(&Launch { settings, ..launch }).await;
        (first, second, line)
    }

    /// Two hosts with settings by the names of their variables, each with compiled connectors of its own.
    pub async fn pair_with_settings(settings: &[(&str, &str)]) -> (Self, Self) {
        let launch = Self::on_a_database(&["127.0.0.1:9".parse().unwrap()], Parts::default()).await;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let launch = Launch { settings: settings.iter().map(owned).collect(), ..launch };
        let first = Self::launch(launch.clone()).await;
        let second = first.another(&launch).await;
        first.compiles_by_itself();
        second.compiles_by_itself();
        (first, second)
    }

    /// So many hosts, which read documents with this extractor, with any servers at these addresses.
    pub async fn hosts_reading(count: usize, extractor: Arc<dyn Extractor>, addresses: &[SocketAddr]) -> Vec<Self> {
        let launch = Self::on_a_database(addresses, Parts { extractor: Some(extractor), ..Parts::default() }).await;
        let mut hosts = vec![Self::launch(launch.clone()).await];
        while hosts.len() < count {
            hosts.push(hosts[0].another(&launch).await);
        }
        hosts
    }

    /// Gives the host an empty folder of its own for compiled connectors. Tests share one otherwise.
    pub fn compiles_by_itself(&self) {
        let folder = self.data.path().join("compiled");
        std::fs::remove_file(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
    }

    async fn on_a_database(addresses: &[SocketAddr], parts: Parts) -> Launch {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let database_url = Some(crate::postgres::database().await);
        Launch { allow: Some(addresses.join(",")), parts, database_url, ..Launch::default() }
    }

    async fn another(&self, launch: &Launch) -> Self {
        let twin = Some((self.base.clone(), self.organization, self.key.clone(), self.admin.clone()));
        Self::launch(Launch { twin, ..launch.clone() }).await
    }
}
