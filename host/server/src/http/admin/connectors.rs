//! `/api/admin/connectors`: the catalogue, and what an organization adds to it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{StatusCode, header};
use resly_core::{
    connector::{
        connection::{Installable, Origin},
        manifest::{Auth, Manifest, check},
        sandbox::Digest,
    },
    id::OrganizationId,
};
use resly_store::{NewConnectorVersion, VersionState};
use serde_json::{Value, json};

use crate::{
    app::App,
    bundled::Listed,
    http::{
        body,
        guard::Admin,
        problem::{Problem, kinds},
    },
};

/// The connectors that can be installed: the bundled ones and the organization's own, with versions that are being
/// compiled or were refused.
#[utoipa::path(get, path = "/api/admin/connectors", tag = "admin", operation_id = "listConnectors",
    responses((status = 200, description = "`{connectors: [...]}`", body = Object),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn list(State(app): State<Arc<App>>, Admin(principal): Admin) -> Result<Json<Value>, Problem> {
    let connectors: Vec<Value> = app.catalogue.all(principal.organization).await?.iter().map(view).collect();
    Ok(Json(json!({"connectors": connectors})))
}

#[derive(serde::Deserialize)]
pub struct Which {
    version: Option<String>,
}

/// One connector: the version that is asked for, or the newest that can be installed; and what versions there are.
#[utoipa::path(get, path = "/api/admin/connectors/{id}", tag = "admin", operation_id = "getConnector",
    params(("id" = String, Path, description = "The connector's id"),
        ("version" = Option<String>, Query, description = "A version; the newest that is ready when left out")),
    responses((status = 200, description = "The connector; `state` is `ready`, `compiling` or `refused`, the last with a `reason`", body = Object),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
    Query(Which { version }): Query<Which>,
) -> Result<Json<Value>, Problem> {
    let versions = app.catalogue.versions(principal.organization, &id).await?;
    let newest = || versions.iter().find(|listed| listed.state == VersionState::Ready).or(versions.first());
    let found = match &version {
        Some(version) => versions.iter().find(|listed| listed.installable.manifest.version == *version),
        None => newest(),
    };
    let mut shown = view(found.ok_or_else(|| Problem::not_found("there is no such connector"))?);
    let summary = |listed: &Listed| {
        let Listed { installable, state, reason } = listed;
        json!({"version": installable.manifest.version, "origin": installable.origin, "state": state, "reason": reason})
    };
    shown["versions"] = versions.iter().map(summary).collect();
    Ok(Json(shown))
}

/// Adds a connector: a declarative definition as JSON or TOML, or a packed component (`application/wasm`).
///
/// A component is read and checked at once, then compiled in a process of its own: the answer is 202, and
/// `GET /api/admin/connectors/{id}?version=…` tells when it is ready or why it was refused.
#[utoipa::path(post, path = "/api/admin/connectors", tag = "admin", operation_id = "createConnector",
    request_body(content((Object = "application/json"), (String = "application/toml"), (Vec<u8> = "application/wasm"))),
    responses((status = 201, description = "The connector", body = Object),
        (status = 202, description = "The component is being compiled; `Location` tells how that goes", body = Object),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let manifest = match body::media_type(&parts.headers)?.as_deref() {
        None | Some("application/json") => {
            let bytes = body::read(body, &parts.headers, body::BODY_CAP).await?;
            from_json(&bytes)?
        }
        Some("application/toml") => {
            let bytes = body::read(body, &parts.headers, body::BODY_CAP).await?;
            from_toml(&bytes)?
        }
        Some("application/wasm") => {
            let bytes = body::read(body, &parts.headers, body::COMPONENT_CAP).await?;
            return upload(&app, principal.organization, bytes).await;
        }
        Some(other) => {
            return Err(Problem::new(
                &kinds::UNSUPPORTED_MEDIA_TYPE,
                format!("application/json, application/toml or application/wasm is expected, not {other:.100}"),
            ));
        }
    };
    require_valid(&manifest)?;
    if !manifest.is_declarative() {
        let at = manifest.actions.iter().position(|action| action.request.is_none()).unwrap_or_default();
        return Err(Problem::new(
            &kinds::INVALID_CONNECTOR,
            "a declarative connector states the request of each action",
        )
        .with("errors", json!([{"path": format!("/actions/{at}/request"), "message": "missing"}])));
    }
    let new = NewConnectorVersion {
        organization: principal.organization,
        manifest,
        origin: Origin::Declarative,
        component: app.catalogue.runner(),
        wasm: None,
        state: VersionState::Ready,
        now: app.clock.now(),
    };
    let (listed, _) = keep(&app, new).await?;
    Ok((StatusCode::CREATED, Json(view(&listed))).into_response())
}

/// Keeps a version, unless its id or its content is another's.
async fn keep(app: &App, new: NewConnectorVersion) -> Result<(Listed, VersionState), Problem> {
    if app.catalogue.is_bundled(&new.manifest.id) {
        return Err(Problem::new(
            &kinds::CONFLICT,
            format!("`{}` is a bundled connector; choose another id", new.manifest.id),
        ));
    }
    let installable =
        Installable { manifest: Arc::new(new.manifest.clone()), component: new.component, origin: new.origin };
    let Some(state) = app.store.put_connector(new).await? else {
        let Manifest { id, version, .. } = &*installable.manifest;
        return Err(Problem::new(
            &kinds::CONFLICT,
            format!("`{id}` {version} is there already with another content; give this one a higher version"),
        ));
    };
    Ok((Listed { installable, state, reason: None }, state))
}

fn invalid(detail: String) -> Problem {
    let errors = json!([{"path": "", "message": detail.clone()}]);
    Problem::new(&kinds::INVALID_CONNECTOR, detail).with("errors", errors)
}

fn from_json(bytes: &[u8]) -> Result<Manifest, Problem> {
    let value: Value = body::parse(bytes)?;
    serde_json::from_value(value).map_err(|error| invalid(error.to_string()))
}

fn from_toml(bytes: &[u8]) -> Result<Manifest, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("the definition is not UTF-8".to_owned()))?;
    toml::from_str(text).map_err(|error| invalid(error.to_string().trim_end().to_owned()))
}

fn require_valid(manifest: &Manifest) -> Result<(), Problem> {
    let mistakes = check(manifest);
    if mistakes.is_empty() {
        return Ok(());
    }
    let detail = match mistakes.as_slice() {
        [only] => format!("{}: {}", only.path, only.message),
        many => format!("{} mistakes; see `errors`", many.len()),
    };
    Err(Problem::new(&kinds::INVALID_CONNECTOR, detail).with("errors", json!(mistakes)))
}

/// Looks at a packed component without running anything of it, keeps it, and has it compiled.
async fn upload(app: &Arc<App>, organization: OrganizationId, wasm: Bytes) -> Result<Response, Problem> {
    let component = Digest::of(&wasm);
    let bytes = wasm.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let checked = resly_sandbox::precheck(&bytes).map_err(|error| error.to_string())?;
        let manifest = resly_sandbox::read_manifest(&bytes).map_err(|error| error.to_string())?;
        Ok::<_, String>((checked, manifest))
    });
    let (checked, manifest) = looked.await.map_err(|panicked| Problem::internal(&panicked))?.map_err(invalid)?;
    require_valid(&manifest)?;
    let new = NewConnectorVersion {
        organization,
        manifest,
        origin: Origin::Uploaded,
        component,
        wasm: Some(wasm.clone()),
        state: VersionState::Compiling,
        now: app.clock.now(),
    };
    let (listed, state) = keep(app, new).await?;
    let mut shown = view(&listed);
    shown["imports"] = json!(checked.imports);
    shown["sha256"] = json!(component.to_string());
    if state == VersionState::Ready {
        return Ok(Json(shown).into_response());
    }
    let Manifest { id, version, .. } = &*listed.installable.manifest;
    let place = format!("/api/admin/connectors/{id}?version={version}");
    tokio::spawn(compile(Arc::clone(app), organization, Arc::clone(&listed.installable.manifest), component, wasm));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(shown)).into_response())
}

/// Compiles an uploaded component, in a process of its own and within its budget, and says how it went.
async fn compile(app: Arc<App>, organization: OrganizationId, manifest: Arc<Manifest>, component: Digest, wasm: Bytes) {
    let refused = app.sandbox.prepare(component, &wasm).await.err().map(|error| error.to_string());
    let (id, version) = (manifest.id.clone(), manifest.version.clone());
    if let Err(error) = app.store.settle_connector(organization, id, version, component, refused).await {
        tracing::error!(%error, "how an upload was compiled could not be stored; uploading it again tries again");
    }
}

/// A connector as an admin reads it before anything of it runs.
fn view(listed: &Listed) -> Value {
    let Listed { installable, state, reason } = listed;
    let Manifest { id, name, version, author, description, hosts, auth, settings, actions, test, .. } =
        &*installable.manifest;
    let actions: Vec<Value> = actions
        .iter()
        .map(|action| {
            json!({"id": action.id, "title": action.title, "description": action.description,
                "side_effect": action.side_effect, "idempotent": action.idempotent, "cache_s": action.cache_s,
                "input": action.input, "output": action.output})
        })
        .collect();
    json!({"id": id, "name": name, "version": version, "author": author, "description": description,
        "origin": installable.origin, "state": state, "reason": reason, "hosts": hosts, "auth": auth, "credentials": Auth::fields(auth),
        "settings": settings, "actions": actions, "testable": test.is_some(),
        "has_fixtures": !installable.manifest.fixtures.is_empty()})
}
