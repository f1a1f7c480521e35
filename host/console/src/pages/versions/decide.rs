//! An admin's decision: approve, reject, delete.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use resly_core::plan::Feature;
use resly_http::{Api, problem::Problem};
use resly_service::{
    connectors::{self, ConnectorError, VersionDecision},
    plans,
};

use super::{path, version};
use crate::{
    access::Admin,
    error::PageError,
    fields::{Fields, Submitted},
    member::Member,
    reply,
};

type Version = (String, String);

/// A member has no key; the audit log says who it was.
fn decision((connector, version): &Version, fields: &Fields) -> VersionDecision {
    let text = |name| fields.filled(name).map(str::to_owned);
    VersionDecision {
        by: None,
        connector: connector.clone(),
        version: version.clone(),
        sha256: text("sha256"),
        reason: text("reason"),
    }
}

pub async fn approve(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(version): Path<Version>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let required = plans::require(&api.app.store, organization, Feature::CustomConnectors).await;
    required.map_err(Problem::from)?;
    let decided = connectors::approve(&api.app, organization, decision(&version, &fields)).await;
    ended(member, &api, &version, decided.map(drop), "Approved. It can be installed now.").await
}

pub async fn reject(
    Admin(member): Admin,
    State(api): State<Api>,
    Path(version): Path<Version>,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    let decided = connectors::reject(&api.app, member.session.organization, decision(&version, &fields)).await;
    ended(member, &api, &version, decided.map(drop), "Rejected. It can't be installed.").await
}

pub async fn delete(
    Admin(member): Admin,
    State(api): State<Api>,
    Path((id, number)): Path<Version>,
    _: Submitted,
) -> Result<Response, PageError> {
    let organization = member.session.organization;
    let deleted = connectors::delete(&api.app, organization, id.clone(), number.clone()).await;
    if deleted.is_ok() {
        api.app.note_change(organization).await;
        return Ok(reply::done("/console/connectors", &format!("{id} {number} is deleted.")));
    }
    ended(member, &api, &(id, number), deleted, "").await
}

/// The version's page, with what was done, or with why it couldn't be.
async fn ended(
    member: Member,
    api: &Api,
    (id, number): &Version,
    done: Result<(), ConnectorError>,
    notice: &str,
) -> Result<Response, PageError> {
    let Err(error) = done else {
        api.app.note_change(member.session.organization).await;
        return Ok(reply::done(&path(id, number), notice));
    };
    let problem = Problem::from(error);
    let status = problem.kind().status;
    if status.is_server_error() || status == http::StatusCode::NOT_FOUND {
        return Err(problem.into());
    }
    Ok(version::draw(member, api, id, number, Some(problem.detail())).await?.into_response())
}
