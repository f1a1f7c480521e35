//! `/api/admin/connectors`: the catalogue, and what an organization adds to it.

pub(super) mod view;

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{StatusCode, header};
use resly_core::{
    connector::{approval::RequestedGrants, connection::Origin},
    id::OrganizationId,
};
use resly_manifest::{Manifest, Mistake};
use resly_service::{
    App,
    catalogue::{CatalogEntry, NotInstallable},
    definition,
    upload::{self, InspectError},
};
use resly_store::{Compiling, NewConnectorVersion, SavedVersion, VersionState};

use self::view::{Connector, Connectors};
use super::definitions;
use crate::{
    Api, body,
    guard::Admin,
    problem::{Problem, invalid_connector, kinds},
    query::{NoParameters, Query},
};

/// What can be compiled within this time is answered when it is done.
const QUICK: Duration = Duration::from_secs(3);

/// The connectors that can be installed: the bundled ones and the organization's own, with versions that are being
/// compiled or were refused.
#[utoipa::path(get, path = "/api/admin/connectors", tag = "admin", operation_id = "listConnectors",
    responses((status = 200, description = "The connectors", body = Connectors)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    _: Query<NoParameters>,
) -> Result<Json<Connectors>, Problem> {
    let all = app.catalogue.all(principal.organization).await?;
    let trust = app.store.trust(principal.organization).await?;
    Ok(Json(Connectors::new(&all, &trust)))
}

#[derive(serde::Deserialize)]
pub struct VersionQuery {
    version: Option<String>,
}

/// One connector: the version that is asked for, or the newest that can be installed; and what versions there are.
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
    show(&app, principal.organization, &id, version.as_deref()).await.map(|(shown, _)| Json(shown))
}

/// A version, or the newest that is ready, with what it asks for beyond what was approved, and what versions there are.
pub(super) async fn show(
    app: &App,
    organization: OrganizationId,
    id: &str,
    version: Option<&str>,
) -> Result<(Connector, VersionState), Problem> {
    let versions = app.catalogue.versions(organization, id).await?;
    let trust = app.store.trust(organization).await?;
    let found = match version {
        Some(version) => versions.iter().find(|listed| listed.installable.manifest.version == version),
        None => {
            let first = |fits: fn(&CatalogEntry) -> bool| versions.iter().find(|listed| fits(listed));
            first(|listed| listed.state == VersionState::Ready && listed.approval.allows())
                .or_else(|| first(|listed| listed.state == VersionState::Ready))
                .or(versions.first())
        }
    };
    let found = found.ok_or_else(|| Problem::not_found("there is no such connector"))?;
    Ok((Connector::new(found, &versions, &trust), found.state))
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
    let app = &api.app;
    let (parts, body) = request.into_parts();
    if body::media_type(&parts.headers)?.as_deref() == Some("application/wasm") {
        let bytes = body::read(body, &parts, body::COMPONENT_CAP).await?;
        return upload(&api, principal.organization, bytes).await;
    }
    let bytes = body::read(body, &parts, body::BODY_CAP).await?;
    let reading = definitions::reading(&parts, bytes).await?;
    let manifest = definition::usable(app, principal.organization, reading).await?;
    let (id, version) = (manifest.id.clone(), manifest.version.clone());
    let new = NewConnectorVersion {
        organization: principal.organization,
        asking: RequestedGrants { manifest, signer: None },
        origin: Origin::Declarative,
        component: app.catalogue.runner(),
        wasm: None,
        imports: Vec::new(),
        state: VersionState::Ready,
        now: app.clock.now(),
    };
    keep(app, new).await?;
    let (shown, _) = show(app, principal.organization, &id, Some(&version)).await?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// Keeps a version, unless its id or its content is another's; how far it is.
async fn keep(app: &App, new: NewConnectorVersion) -> Result<VersionState, Problem> {
    let Manifest { id, version, .. } = &new.asking.manifest;
    let conflict = |detail: String| Problem::new(&kinds::CONFLICT, detail);
    if app.catalogue.is_bundled(id) {
        return Err(conflict(format!("`{id}` is a bundled connector; choose another id")));
    }
    let another = format!("`{id}` {version} is, or was, another content; give this one a higher version");
    match app.store.put_connector(new).await? {
        SavedVersion::As { state, .. } => Ok(state),
        SavedVersion::Different => Err(conflict(another)),
        SavedVersion::TooMany { what, most } => Err(Problem::new(
            &kinds::TOO_MANY_VERSIONS,
            format!("an organization keeps at most {most} {what}, and this would be more; delete old versions"),
        )),
        SavedVersion::QueueFull => Err(Problem::new(
            &kinds::COMPILE_QUEUE_FULL,
            format!("{} components of this organization are being compiled already", resly_store::COMPILING_MOST),
        )
        .retry_after(30)),
    }
}

fn invalid(message: String) -> Problem {
    invalid_connector(&[Mistake::new("", message)])
}

/// Looks at a packed component without running anything of it, keeps it, and has it compiled.
async fn upload(api: &Api, organization: OrganizationId, wasm: Bytes) -> Result<Response, Problem> {
    let app = &api.app;
    let bytes = wasm.clone();
    let looked = api.readers.examine(organization, move || upload::inspect(&bytes)).await?;
    let upload::InspectedUpload { asking, component, imports } = looked.map_err(|error| refused(&error))?;
    let mistakes = definition::plain_http(app, &asking.manifest);
    if !mistakes.is_empty() {
        return Err(invalid_connector(&mistakes));
    }
    let Manifest { id, version, .. } = &asking.manifest;
    let (id, version) = (id.clone(), version.clone());
    let trust = app.store.trust(organization).await?;
    if trust.required && asking.signer.is_none_or(|signer| trust.publisher(&signer).is_none()) {
        return Err(NotInstallable::Untrusted(version).into());
    }
    let new = NewConnectorVersion {
        organization,
        asking,
        origin: Origin::Uploaded,
        component,
        wasm: Some(wasm),
        imports,
        state: VersionState::Compiling,
        now: app.clock.now(),
    };
    let mut answer = StatusCode::OK;
    if keep(app, new).await? == VersionState::Compiling {
        let compiling = Compiling { organization, connector: id.clone(), version: version.clone(), component };
        // Whether it is done by then or not, the store says how far it is.
        let _ = tokio::time::timeout(QUICK, upload::compile(app, compiling)).await;
        answer = StatusCode::CREATED;
    }
    let (shown, state) = show(app, organization, &id, Some(&version)).await?;
    match state {
        VersionState::Compiling => {
            let place = format!("/api/admin/connectors/{id}?version={version}");
            Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(shown)).into_response())
        }
        VersionState::Refused => Err(invalid(shown.listed.reason.unwrap_or_default())),
        VersionState::Ready | VersionState::Deleted => Ok((answer, Json(shown)).into_response()),
    }
}

fn refused(error: &InspectError) -> Problem {
    invalid_connector(&error.mistakes())
}
