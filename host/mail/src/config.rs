//! The settings of mails: `RESLY_SMTP_URL` and `RESLY_MAIL_FROM`.

use std::{fmt, net::IpAddr};

use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};

/// Who mails are from.
#[derive(Clone, Debug)]
pub struct Sender(pub(crate) Mailbox);

/// How the connection to the server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// TLS from the first byte (`smtps`).
    Tls,
    /// `STARTTLS`, without which nothing is sent.
    StartTls,
    /// None: the server is on this machine.
    Loopback,
}

/// The mail server.
#[derive(Clone)]
pub struct ServerAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) protection: Protection,
    pub(crate) login: Option<(String, SecretString)>,
}

/// Without the password.
impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerAddress").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// What it takes to send mails.
#[derive(Clone, Debug)]
pub struct MailConfig {
    pub server: ServerAddress,
    pub from: Sender,
    /// More certificate authorities, as PEM.
    pub extra_ca_pem: Vec<u8>,
}

impl Sender {
    /// Reads `RESLY_MAIL_FROM`.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("`{text}` is no sender such as `Acme <help@example.com>`"))
    }
}

impl ServerAddress {
    /// Reads `RESLY_SMTP_URL`. The text holds a password, so it isn't repeated.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || "smtps://user:password@host:465 or smtp://user:password@host:587 is expected".to_owned();
        let url = Url::parse(text).map_err(|_| expected())?;
        let plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().filter(|host| !host.is_empty() && plain).ok_or_else(expected)?;
        let (protection, usual) = match url.scheme() {
            "smtps" => (Protection::Tls, 465),
            "smtp" if is_loopback(host) => (Protection::Loopback, 587),
            "smtp" => (Protection::StartTls, 587),
            _ => return Err(expected()),
        };
        let decode = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                let both = (decode(user).map_err(|_| expected())?, decode(password).map_err(|_| expected())?);
                Some((both.0, both.1.into()))
            }
            _ => return Err("a user without a password, or a password without a user, can't sign in".to_owned()),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: url.port().unwrap_or(usual), protection, login })
    }
}

impl ServerAddress {
    /// The same server, which has to offer `STARTTLS` on this machine, too.
    pub fn with_starttls(self) -> Self {
        Self { protection: Protection::StartTls, ..self }
    }
}

/// Whether a host is this machine, by its name or address alone.
fn is_loopback(host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    // The URL's parser knows hosts of http alone.
    let address = match Host::parse(host) {
        Ok(Host::Ipv4(address)) => IpAddr::V4(address),
        Ok(Host::Ipv6(address)) => IpAddr::V6(address),
        _ => return false,
    };
    address.is_loopback()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_server_s_address_says_how_it_is_protected() {
        for (text, host, port, protection) in [
            ("smtps://a:b@mail.example.com", "mail.example.com", 465, Protection::Tls),
            ("smtps://127.0.0.1:2465", "127.0.0.1", 2465, Protection::Tls),
            ("smtp://mail.example.com", "mail.example.com", 587, Protection::StartTls),
            ("smtp://mail.example.com:25/", "mail.example.com", 25, Protection::StartTls),
            ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, Protection::Loopback),
            ("smtp://[::1]:2525", "::1", 2525, Protection::Loopback),
            ("smtp://localhost", "localhost", 587, Protection::Loopback),
            ("smtp://127.0.0.1.evil.example", "127.0.0.1.evil.example", 587, Protection::StartTls),
        ] {
            let server = ServerAddress::parse(text).unwrap();
            assert_eq!((server.host.as_str(), server.port, server.protection), (host, port, protection), "{text}");
        }
        let server = ServerAddress::parse("smtps://ana%40example.com:p%2Fw@mail.example.com").unwrap();
        let (user, password) = server.login.clone().unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("ana@example.com", "p/w"));
        assert!(!format!("{server:?}").contains("p/w"));
        for wrong in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtps://a@b.c",
            "smtp://:p@b.c",
            "smtp://b.c/x",
            "smtp://b.c?tls=no",
        ] {
            let error = ServerAddress::parse(wrong).unwrap_err();
            assert!(!error.contains("b.c"), "{error}");
        }
    }

    #[test]
    fn a_sender_is_one_address() {
        for right in ["help@example.com", "Acme <help@example.com>", "\"Acme, Inc.\" <help@example.com>"] {
            Sender::parse(right).unwrap();
        }
        for wrong in ["", "Acme", "help@", "a@b.de, c@d.de", "Acme <help@example.com>\r\nBcc: x@example.com"] {
            assert!(Sender::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
