//! Checks how a connector authenticates.

use super::{
    NAME,
    hosts::endpoint,
    names::{is_host_header, is_printable, is_token, plain_text},
    text_setting,
};
use crate::{
    manifest::{ApiKeyPlace, Auth, Grant, Manifest, OAuth},
    violation::Violations,
};

const MOST_SIGNS: usize = 16;
/// The most bytes of one sign of an expired token.
const SIGN: usize = 200;

pub fn check(manifest: &Manifest, violations: &mut Violations) {
    way("/auth", &manifest.auth, manifest, violations);
    let mut kinds = vec![manifest.auth.kind()];
    for (at, alternative) in manifest.auth_alternatives.iter().enumerate() {
        let path = format!("/auth_alternatives/{at}");
        way(&path, alternative, manifest, violations);
        let kind = alternative.kind();
        violations.require(
            !kinds.contains(&kind),
            &path,
            format!("there is another way of type `{}`; a connection chooses by type", kind.name()),
        );
        kinds.push(kind);
    }
}

/// Checks one way to authenticate.
fn way(path: &str, auth: &Auth, manifest: &Manifest, violations: &mut Violations) {
    let at = |name: &str| format!("{path}/{name}");
    match auth {
        Auth::None | Auth::Bearer | Auth::Basic => {}
        Auth::ApiKey { place: ApiKeyPlace::Header, name, prefix } => {
            header_credential((&at("name"), name), (&at("prefix"), prefix), violations);
        }
        Auth::ApiKey { place: ApiKeyPlace::Query, name, prefix } => {
            violations.require(plain_text(name, NAME), &at("name"), "the query parameter needs a name");
            prefix_of_credential(&at("prefix"), prefix, violations);
        }
        Auth::Oauth2(oauth) => {
            let OAuth { authorize_url, token_url, revoke_url, scopes, grant, header, prefix, expired_when, .. } =
                &**oauth;
            token_answer(path, oauth, violations);
            header_credential((&at("header"), header), (&at("prefix"), prefix), violations);
            let urls = [
                ("authorize_url", authorize_url.as_ref()),
                ("token_url", Some(token_url)),
                ("revoke_url", revoke_url.as_ref()),
            ];
            for (name, url) in urls {
                let Some(url) = url else { continue };
                match endpoint(url) {
                    Ok(Some(setting)) => text_setting(&at(name), &setting, &manifest.settings, violations),
                    Ok(None) => {}
                    Err(message) => violations.add(at(name), message),
                }
            }
            violations.require(
                *grant == Grant::ClientCredentials || authorize_url.is_some(),
                &at("authorize_url"),
                "the grant `authorization_code` needs the address where a person agrees",
            );
            for (nth, scope) in scopes.iter().enumerate() {
                let sound = !scope.is_empty() && is_printable(scope) && !scope.contains([' ', '"', '\\']);
                violations.require(
                    sound,
                    &at(&format!("scopes/{nth}")),
                    "a scope is printable ASCII without spaces, quotes and backslashes (RFC 6749, section 3.3)",
                );
            }
            let few = expired_when.len() <= MOST_SIGNS;
            violations.require(few, &at("expired_when"), format!("at most {MOST_SIGNS} signs of an expired token"));
            for (nth, sign) in expired_when.iter().enumerate() {
                let path = at(&format!("expired_when/{nth}"));
                let pointer = sign.pointer.as_deref();
                // Every response is searched for each sign.
                let longest = [pointer, sign.body_contains.as_deref()].into_iter().flatten().map(str::len).max();
                violations.require(
                    longest.is_none_or(|length| length <= SIGN),
                    &path,
                    format!("`pointer` and `body_contains` have at most {SIGN} bytes"),
                );
                violations.require(
                    pointer.is_none_or(|pointer| pointer.is_empty() || pointer.starts_with('/')),
                    &path,
                    "`pointer` is a JSON Pointer (RFC 6901), such as `/error/code`",
                );
                violations.require(
                    sign.equals.is_none() || pointer.is_some(),
                    &path,
                    "`equals` needs the `pointer` where the value stands",
                );
                violations.require(
                    pointer.is_some() || sign.body_contains.is_some() || sign.status.is_some_and(|status| status >= 400),
                    &path,
                    "name what tells an expired token from a good answer: a status of 400 or more, `pointer` or `body_contains`",
                );
            }
        }
    }
}

/// Checks how the token endpoint's answer is read.
fn token_answer(path: &str, oauth: &OAuth, violations: &mut Violations) {
    let few = oauth.token_types.len() <= MOST_SIGNS;
    violations.require(few, &format!("{path}/token_types"), format!("at most {MOST_SIGNS} types of token"));
    for (nth, kind) in oauth.token_types.iter().enumerate() {
        violations.require(
            plain_text(kind, NAME),
            &format!("{path}/token_types/{nth}"),
            "a type of token is a short printable text, as the service writes it in `token_type`",
        );
    }
    for (name, pointer) in oauth.token_pointers.named() {
        violations.require(
            pointer.starts_with('/') && pointer.len() <= SIGN,
            &format!("{path}/token_pointers/{name}"),
            format!("a JSON Pointer (RFC 6901) of at most {SIGN} bytes, such as `/authed_user/access_token`"),
        );
    }
}

fn header_credential((at, name): (&str, &str), prefix: (&str, &str), violations: &mut Violations) {
    violations.require(is_token(name), at, format!("`{name}` is no header name (RFC 9110)"));
    let message = format!("`{name}` is a header that the host sets itself; a key can't go there");
    violations.require(!is_host_header(name), at, message);
    prefix_of_credential(prefix.0, prefix.1, violations);
}

fn prefix_of_credential(at: &str, prefix: &str, violations: &mut Violations) {
    let sound = prefix.len() <= NAME && is_printable(prefix);
    violations.require(sound, at, format!("a prefix is at most {NAME} printable ASCII characters"));
}
