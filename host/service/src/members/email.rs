//! E-mail addresses of people.

use crate::FieldError;

/// Bytes of an e-mail (RFC 5321, section 4.5.3.1.3, without the angle brackets).
const EMAIL: usize = 254;

/// An e-mail as it is stored and compared. Mail servers tell upper from lower case nowhere that matters.
pub(super) fn normalized_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Checks the member `email` of a request, which is normalized. Only a mail that arrives proves more.
pub(super) fn check_email(email: &str) -> Option<FieldError> {
    let parts = email.split_once('@');
    let fits = email.len() <= EMAIL
        && !email.contains(|c: char| c.is_whitespace() || c.is_control())
        && parts.is_some_and(|(local, domain)| {
            !local.is_empty()
                && domain.contains('.')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
                && !domain.contains('@')
        });
    (!fits).then(|| FieldError::new("email", "an address such as `ana@example.com` is expected"))
}
