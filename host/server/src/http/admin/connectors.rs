//! `/api/admin/connectors`: the catalogue, and what an organization adds to it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
};
use bytes::Bytes;
use http::StatusCode;
use resly_core::connector::{
    connection::{Installable, Origin},
    manifest::{Auth, Manifest, check},
    sandbox::Digest,
};
use resly_store::NewConnectorVersion;
use serde_json::{Value, json};

use crate::{
    app::App,
    http::{
        body,
        guard::Admin,
        problem::{Problem, kinds},
    },
};

/// The connectors that can be installed: the bundled ones and the organization's own.
#[utoipa::path(get, path = "/api/admin/connectors", tag = "admin", operation_id = "listConnectors",
    responses((status = 200, description = "`{connectors: [...]}`", body = Object),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn list(State(app): State<Arc<App>>, Admin(principal): Admin) -> Result<Json<Value>, Problem> {
    let connectors: Vec<Value> = app.catalogue.all(principal.organization).await?.iter().map(view).collect();
    Ok(Json(json!({"connectors": connectors})))
}

/// One connector: its newest version.
#[utoipa::path(get, path = "/api/admin/connectors/{id}", tag = "admin", operation_id = "getConnector",
    params(("id" = String, Path, description = "The connector's id")),
    responses((status = 200, description = "The connector", body = Object),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn get(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let found = app.catalogue.newest(principal.organization, &id).await?;
    Ok(Json(view(&found.ok_or_else(|| Problem::not_found("there is no such connector"))?)))
}

/// Adds a connector: a declarative definition as JSON or TOML.
///
/// A compiled component (`application/wasm`) is read and checked, but can't be installed by this version of the host.
#[utoipa::path(post, path = "/api/admin/connectors", tag = "admin", operation_id = "createConnector",
    request_body(content((Object = "application/json"), (String = "application/toml"), (Vec<u8> = "application/wasm"))),
    responses((status = 201, description = "The connector", body = Object),
        (status = "default", description = "A problem (RFC 9457)", body = crate::http::schema::Problem, content_type = "application/problem+json")))]
pub async fn create(
    State(app): State<Arc<App>>,
    Admin(principal): Admin,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Problem> {
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
            return Err(upload(bytes).await);
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
    if app.catalogue.is_bundled(&manifest.id) {
        return Err(Problem::new(
            &kinds::CONFLICT,
            format!("`{}` is a bundled connector; choose another id", manifest.id),
        ));
    }
    let manifest = Arc::new(manifest);
    let installable =
        Installable { component: app.catalogue.runner(), manifest: Arc::clone(&manifest), origin: Origin::Declarative };
    let stored = app
        .store
        .put_connector(NewConnectorVersion {
            organization: principal.organization,
            manifest: manifest.as_ref().clone(),
            origin: Origin::Declarative,
            component: installable.component,
            wasm: None,
            now: app.clock.now(),
        })
        .await?;
    if !stored {
        let Manifest { id, version, .. } = &*manifest;
        return Err(Problem::new(
            &kinds::CONFLICT,
            format!("`{id}` {version} is there already with another definition; give this one a higher version"),
        ));
    }
    Ok((StatusCode::CREATED, Json(view(&installable))))
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

/// Everything about an upload that can be said before it is compiled.
async fn upload(bytes: Bytes) -> Problem {
    let digest = Digest::of(&bytes);
    let looked = tokio::task::spawn_blocking(move || {
        let checked = resly_sandbox::precheck(&bytes).map_err(|error| error.to_string())?;
        let manifest = resly_sandbox::read_manifest(&bytes).map_err(|error| error.to_string())?;
        Ok::<_, String>((checked, manifest))
    })
    .await;
    match looked {
        Err(panicked) => Problem::internal(&panicked),
        Ok(Err(mistake)) => invalid(mistake),
        Ok(Ok((checked, manifest))) => match require_valid(&manifest) {
            Err(problem) => problem,
            Ok(()) => Problem::new(
                &kinds::UPLOADS_UNAVAILABLE,
                "the component and its manifest are well-formed, but this host doesn't install uploads yet",
            )
            .with("manifest", json!(manifest))
            .with("imports", json!(checked.imports))
            .with("sha256", digest.to_string()),
        },
    }
}

/// A connector as an admin reads it before anything of it runs.
fn view(installable: &Installable) -> Value {
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
        "origin": installable.origin, "hosts": hosts, "auth": auth, "credentials": Auth::fields(auth),
        "settings": settings, "actions": actions, "testable": test.is_some(),
        "has_fixtures": !installable.manifest.fixtures.is_empty()})
}
