//! Checks that a connection fits its connector: its settings, hosts and credentials.

use std::collections::{BTreeMap, BTreeSet};

use resly_core::connector::{connection::Owner, schema_check};
use resly_manifest::{Auth, AuthType, Grant, Manifest, Violation};
use resly_vault::Credentials;
use serde_json::{Map, Value};

use crate::FieldError;

/// The settings with the schema's top-level defaults filled in.
pub fn with_defaults(manifest: &Manifest, mut settings: Value) -> Value {
    let properties = manifest.settings.get("properties").and_then(Value::as_object);
    if let (Some(properties), Some(settings)) = (properties, settings.as_object_mut()) {
        for (name, schema) in properties {
            if let Some(default) = schema.get("default")
                && !settings.contains_key(name)
            {
                settings.insert(name.clone(), default.clone());
            }
        }
    }
    settings
}

/// The mistakes in settings that an admin sent: unknown names, and values that don't fit the schema.
pub fn check_settings(manifest: &Manifest, settings: &Value) -> Vec<FieldError> {
    /// The most unknown names that are told. A schema's mistakes have the same limit.
    const TOLD: usize = 8;
    let (Some(settings), Some(names)) = (settings.as_object(), setting_names(manifest)) else {
        return check_stored_settings(manifest, settings);
    };
    let given = settings.clone().into_iter();
    let (known, unknown): (Map<_, _>, Map<_, _>) = given.partition(|(name, _)| names.contains(name.as_str()));
    let message = if names.is_empty() {
        "this connector has no settings; leave it out".to_owned()
    } else {
        let names: Vec<&str> = names.into_iter().collect();
        format!("there is no such setting; this connector's are: {}", names.join(", "))
    };
    let unknown = unknown.keys().take(TOLD).map(|name| FieldError::new(format!("settings.{name}"), message.clone()));
    unknown.chain(check_stored_settings(manifest, &Value::Object(known))).collect()
}

/// The names that settings may have. `None` when the schema has more rules about names than its `properties`.
fn setting_names(manifest: &Manifest) -> Option<BTreeSet<&str>> {
    const ELSEWHERE: [&str; 11] = [
        "patternProperties",
        "unevaluatedProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "then",
        "else",
        "dependentSchemas",
        "$ref",
        "$dynamicRef",
    ];
    let schema = &manifest.settings;
    let open = schema.get("additionalProperties").is_some_and(|more| more != &Value::Bool(false));
    if open || ELSEWHERE.iter().any(|word| schema.get(word).is_some()) {
        return None;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    Some(properties.into_iter().flat_map(Map::keys).map(String::as_str).collect())
}

/// The mistakes in a connection's settings: against the schema, and in the hosts that they form. Unknown names are
/// allowed, because the settings may come from another version, whose schema had more of them.
pub fn check_stored_settings(manifest: &Manifest, settings: &Value) -> Vec<FieldError> {
    if !settings.is_object() {
        return vec![FieldError::new("settings", "an object is expected")];
    }
    if let Err(violations) = schema_check::validate(&manifest.settings, settings) {
        let mistake = |violation: &Violation| FieldError::new(violation.under("settings"), violation.message.clone());
        return violations.iter().map(mistake).collect();
    }
    match resly_egress::check_settings(manifest, settings) {
        Ok(_) => Vec::new(),
        Err(error) => vec![FieldError::new("settings", error.to_string())],
    }
}

/// Reads the way of authentication that an admin chose.
pub fn choose_auth(manifest: &Manifest, chosen: Option<AuthType>) -> Result<&Auth, FieldError> {
    manifest.auth_of(chosen).ok_or_else(|| {
        let offered: Vec<&str> = manifest.auths().map(|auth| auth.kind().name()).collect();
        FieldError::new("auth", format!("this connector authenticates by: {}", offered.join(", ")))
    })
}

/// Checks that visitors can have their own accounts by this way of authentication, and that there is no credential for
/// all of them.
pub fn check_owner(owner: Owner, auth: &Auth, has_credentials: bool) -> Option<FieldError> {
    if owner == Owner::Visitor && has_credentials && !matches!(auth, Auth::Oauth2(_)) {
        let message = "each visitor brings credentials of their own: PUT …/visitors/{visitor}/credentials";
        return Some(FieldError::new("credentials", message));
    }
    let alone = match auth {
        Auth::None => true,
        Auth::Oauth2(oauth) => oauth.grant == Grant::ClientCredentials,
        _ => false,
    };
    (owner == Owner::Visitor && alone)
        .then(|| FieldError::new("owner", "this connector uses no accounts, so visitors can't bring their own"))
}

/// The mistakes in credentials. They have exactly the fields that this way of authentication needs.
pub fn check_credentials(manifest: &Manifest, auth: &Auth, credentials: &BTreeMap<String, String>) -> Vec<FieldError> {
    let fields = auth.fields();
    let at = |field: &str| format!("credentials.{field}");
    let unknown = credentials.keys().filter(|name| !fields.contains(&name.as_str())).map(|name| {
        let wanted = if fields.is_empty() { "none".to_owned() } else { fields.join(", ") };
        let other = manifest.auths().find(|other| other.fields().contains(&name.as_str()));
        let instead = other.map(|other| format!("; for `{name}`, say `\"auth\": \"{}\"`", other.kind().name()));
        let instead = instead.unwrap_or_default();
        FieldError::new(at(name), format!("this connector's credentials are: {wanted}{instead}"))
    });
    let unfit = Credentials::new(credentials.clone()).check(auth).err();
    let unfit =
        unfit.map(|error| FieldError::new(error.field().map_or("credentials".to_owned(), at), error.to_string()));
    unknown.chain(unfit).collect()
}

/// The manifest, the way of authentication and the settings decide where a credential goes.
pub type CredentialTarget<'a> = (&'a Manifest, &'a Auth, &'a Value);

/// Whether a change of settings or of the version sends a credential to other hosts, or in another way.
pub fn changes_credential_target(before: CredentialTarget<'_>, after: CredentialTarget<'_>) -> bool {
    if !same_way(before, after) || before.0.auth_hosts != after.0.auth_hosts {
        return true;
    }
    let hosts = |(manifest, _, settings): CredentialTarget<'_>| resly_egress::check_settings(manifest, settings).ok();
    match (hosts(before), hosts(after)) {
        (Some(before), Some(after)) => before != after,
        _ => true,
    }
}

/// Whether a credential is used in the same way. OAuth's other members, such as scopes, may change: tokens and client
/// go to the same places as before.
fn same_way((_, before, settings): CredentialTarget<'_>, (_, after, new_settings): CredentialTarget<'_>) -> bool {
    let (Auth::Oauth2(old), Auth::Oauth2(new)) = (before, after) else { return before == after };
    let same = (&old.header, &old.prefix, old.grant, &old.issuer) == (&new.header, &new.prefix, new.grant, &new.issuer);
    match (resly_egress::endpoints(old, settings), resly_egress::endpoints(new, new_settings)) {
        (Ok(old), Ok(new)) => same && old == new,
        _ => false,
    }
}
