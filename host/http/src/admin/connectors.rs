//! `/api/admin/connectors`: the catalogue, and the organization's own connectors.

pub(super) mod view;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use resly_service::{
    App,
    connectors::{self, ConnectorError, Uploaded},
    upload,
};
use resly_store::VersionState;

use self::view::{Connector, Connectors};
use super::definitions;
use crate::{
    Api, body,
    guard::Admin,
    problem::Problem,
    query::{FromQuery, NoParameters, Parameters, Query},
};

/// The connectors that can be installed: the bundled ones and the organization's own, with versions that are being
/// compiled or were refused.
#[utoipa::path(get, path = "/api/admin/connectors", tag = "admin", operation_id = "listConnectors",
    responses((status = 200, description = "The connectors", body = Connectors)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Connectors>, Problem> {
    let (all, trust) = connectors::list(&app, principal.organization).await?;
    Ok(Json(Connectors::new(&all, &trust)))
}

pub struct VersionQuery {
    version: Option<String>,
}

impl FromQuery for VersionQuery {
    fn from_query(parameters: &mut Parameters) -> Self {
        Self { version: parameters.text("version") }
    }
}

/// One connector in this version, or in the newest that can be installed, with all of its versions.
#[utoipa::path(get, path = "/api/admin/connectors/{id}", tag = "admin", operation_id = "getConnector",
    params(("id" = String, Path, description = "The connector's id"),
        ("version" = Option<String>, Query, description = "A version; the newest that is ready when left out")),
    responses((status = 200, description = "The connector", body = Connector)))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    Query(VersionQuery { version }): Query<VersionQuery>,
) -> Result<Json<Connector>, Problem> {
    let found = connectors::find(&app, principal.organization, &id, version.as_deref()).await?;
    Ok(Json((&found).into()))
}

/// Adds a connector: a declarative definition as JSON or TOML, or a packed component (`application/wasm`).
///
/// A component is read and checked at once, then compiled in a process of its own. When that takes longer than a moment the
/// answer is 202, and `GET /api/admin/connectors/{id}?version=…` tells when it is ready or why it was refused. Before it
/// can be installed an admin approves what it asks for, unless as much of it was approved before.
#[utoipa::path(post, path = "/api/admin/connectors", tag = "admin", operation_id = "createConnector",
    request_body(description = "A definition (`/schemas/connector.json`), or a packed component", content((BTreeMap<String, Value> = "application/json"), (String = "application/toml"), (String = "application/wasm"))),
    responses((status = 201, description = "The connector", body = Connector),
        (status = 200, description = "The same component was there already", body = Connector),
        (status = 202, description = "The component is being compiled; `Location` tells how that goes", body = Connector)))]
pub async fn create(State(api): State<Api>, Admin(principal): Admin, request: Request) -> Result<Response, Problem> {
    let (organization, app) = (principal.organization, &api.app);
    let (parts, body) = request.into_parts();
    if body::media_type(&parts.headers)?.as_deref() != Some("application/wasm") {
        let bytes = body::read(body, &parts, body::BODY_CAP).await?;
        let reading = definitions::reading(&parts, bytes).await?;
        let defined = connectors::define(app, organization, reading).await?;
        return Ok((StatusCode::CREATED, Json(Connector::from(&defined))).into_response());
    }
    let wasm = body::read(body, &parts, body::COMPONENT_CAP).await?;
    let bytes = wasm.clone();
    let inspected = api.readers.examine(organization, move || upload::inspect(&bytes)).await?;
    let inspected = inspected.map_err(ConnectorError::from)?;
    Ok(uploaded(&connectors::upload(app, organization, wasm, inspected).await?))
}

fn uploaded(Uploaded { connector, is_new }: &Uploaded) -> Response {
    let (shown, manifest) = (Json(Connector::from(connector)), &connector.chosen.installable.manifest);
    if connector.chosen.state == VersionState::Compiling {
        let place = format!("/api/admin/connectors/{}?version={}", manifest.id, manifest.version);
        return (StatusCode::ACCEPTED, [(header::LOCATION, place)], shown).into_response();
    }
    let status = if *is_new { StatusCode::CREATED } else { StatusCode::OK };
    (status, shown).into_response()
}
