//! What trials leave: the last output of each action, and the fuel that they burnt.

use async_trait::async_trait;
use resly_core::{
    connector::last_output::{LastOutput, TrialStore},
    error::StoreError,
    id::{ConnectionId, OrganizationId},
    meter::Meter,
    time::Timestamp,
};

use crate::{
    Store,
    error::failed,
    log_budget,
    sql::{execute, row},
    types::{Count, Id, Text, Time},
    usage,
};

#[async_trait]
impl TrialStore for Store {
    /// Stores nothing when the connection was deleted meanwhile.
    async fn keep_sample(&self, sample: LastOutput) -> Result<(), StoreError> {
        self.write(sample.organization, "store an action's last output", move |mut db| {
            Box::pin(async move {
                execute!(
                    db,
                    "INSERT INTO action_samples (organization_id, connection_id, action, output, cut_from, created_at)
                     SELECT organization_id, id, $3, $4, $5, $6 FROM connections WHERE id = $1 AND organization_id = $2
                     ON CONFLICT (connection_id, action) DO UPDATE
                     SET output = excluded.output, cut_from = excluded.cut_from, created_at = excluded.created_at",
                    Id(sample.connection.0),
                    Id(sample.organization.0),
                    sample.action.as_str(),
                    Text(&sample.output),
                    sample.cut_from.map(Count),
                    Time(sample.at)
                )?;
                let bytes = sample.output.len();
                Ok(log_budget::add_of(&mut db, sample.organization, sample.connection, bytes, sample.at).await?)
            })
        })
        .await
    }

    async fn sample(
        &self,
        organization: OrganizationId,
        connection: ConnectionId,
        action: &str,
    ) -> Result<Option<LastOutput>, StoreError> {
        let doing = "read an action's last output";
        let mut db = self.reader(organization, doing).await?;
        let found = row!(
            db,
            (String, Option<Count>, Time),
            "SELECT output, cut_from, created_at FROM action_samples
             WHERE connection_id = $1 AND organization_id = $2 AND action = $3",
            Id(connection.0),
            Id(organization.0),
            Text(action)
        );
        Ok(found.map_err(failed(doing))?.map(|(output, cut_from, at)| LastOutput {
            organization,
            connection,
            action: action.to_owned(),
            output,
            cut_from: cut_from.map(|bytes| bytes.0),
            at: at.0,
        }))
    }

    async fn count_trial(&self, organization: OrganizationId, fuel: u64, now: Timestamp) -> Result<(), StoreError> {
        self.write(organization, "count a trial", move |mut db| {
            Box::pin(async move { Ok(usage::count_sandbox(&mut db, organization, Meter::Fuel, fuel, now).await?) })
        })
        .await
    }
}
