//! `GET /api/admin/usage`: the month's usage, and its limits.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use resly_core::{
    meter::{self, Meter, UsageReport},
    time::{Period, Timestamp},
};
use resly_service::App;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    guard::Admin,
    openapi_enums,
    problem::Problem,
    query::{NoParameters, Query},
};

/// The usage of a month.
#[derive(Serialize, ToSchema)]
pub struct Usage {
    period: UsagePeriod,
    #[schema(value_type = BTreeMap<openapi_enums::Meter, Reading>)]
    meters: BTreeMap<Meter, Reading>,
    /// The usage in the `sandbox` environment, which counts toward no limit and no bill.
    #[schema(value_type = BTreeMap<openapi_enums::Meter, u64>)]
    sandbox: BTreeMap<Meter, u64>,
    stored_bytes: StoredBytes,
}

#[derive(Serialize, ToSchema)]
pub struct UsagePeriod {
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    end: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub struct Reading {
    used: u64,
    /// `null` is unlimited.
    #[schema(required)]
    limit: Option<u64>,
    /// For `fuel`: how much is set aside for running calls, in addition to `used`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved: Option<u64>,
    /// For a model's tokens: the part of `used` that comes from answers whose counts are the host's estimates.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated: Option<u64>,
}

/// The bytes that connectors and sources made the host store this month, by environment. They count toward no limit.
#[derive(Serialize, ToSchema)]
pub struct StoredBytes {
    production: u64,
    sandbox: u64,
}

impl From<UsageReport> for Usage {
    fn from(report: UsageReport) -> Self {
        let UsageReport { period: Period { start, end }, meters, sandbox, stored_bytes } = report;
        let reading = |meter::MeterReading { used, limit, reserved, estimated }: meter::MeterReading| Reading {
            used,
            limit,
            reserved,
            estimated,
        };
        let meter::StoredBytes { production, sandbox: tried } = stored_bytes;
        Self {
            period: UsagePeriod { start, end },
            meters: meters.into_iter().map(|(meter, read)| (meter, reading(read))).collect(),
            sandbox,
            stored_bytes: StoredBytes { production, sandbox: tried },
        }
    }
}

/// The month's meters.
#[utoipa::path(get, path = "/api/admin/usage", tag = "admin", operation_id = "getUsage",
    responses((status = 200, description = "The meters", body = Usage)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Usage>, Problem> {
    Ok(Json(app.store.usage(principal.organization, app.clock.now()).await?.into()))
}
