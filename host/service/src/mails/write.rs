//! The words of mails, as plain text and as HTML. Whatever people wrote is escaped in the one and never a link in either.

use maud::{DOCTYPE, html};
use resly_core::mail::{MailFacts, MailKind};

/// A mail's words.
#[derive(Debug)]
pub(super) struct Written {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// What a mail says, before its form.
struct Words {
    subject: String,
    lines: Vec<String>,
    quoted: Option<String>,
    /// What to do, and the address where.
    action: Option<(&'static str, String)>,
    last: Option<&'static str>,
}

/// Writes a mail. `base` is the host's address, and `token` that of the mail's link.
pub(super) fn written(
    kind: MailKind,
    facts: &MailFacts,
    organization: &str,
    base: &str,
    token: Option<&str>,
) -> Written {
    let Words { subject, lines, quoted, action, last } = words(kind, facts, organization, base, token);
    let mut text = lines.join("\n\n");
    if let Some(quoted) = &quoted {
        let lines: Vec<String> = quoted.lines().map(|line| format!("> {line}")).collect();
        text = format!("{text}\n\n{}", lines.join("\n"));
    }
    if let Some((does, url)) = &action {
        text = format!("{text}\n\n{does}: {url}");
    }
    if let Some(last) = last {
        text = format!("{text}\n\n{last}");
    }
    text.push('\n');
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (subject) } }
            body {
                @for line in &lines { p { (line) } }
                @if let Some(quoted) = &quoted { blockquote { @for line in quoted.lines() { (line) br; } } }
                @if let Some((does, url)) = &action { p { a href=(url) { (does) } } }
                @if let Some(last) = last { p { (last) } }
            }
        }
    };
    Written { subject, text, html: page.into_string() }
}

fn words(kind: MailKind, facts: &MailFacts, organization: &str, base: &str, token: Option<&str>) -> Words {
    let title = facts.title.as_deref().unwrap_or_default();
    let by = facts.by.as_deref();
    let page = |does| facts.path.as_ref().map(|path| (does, format!("{base}{path}")));
    let words = |subject: String, lines: Vec<String>| Words { subject, lines, quoted: None, action: None, last: None };
    match kind {
        MailKind::Invitation => {
            let line = match by {
                Some(by) => format!("{by} invites you to {organization}."),
                None => format!("You are invited to {organization}."),
            };
            let url = token.map(|token| crate::members::invitations::url(base, token));
            Words {
                action: url.map(|url| ("Accept the invitation", url)),
                last: Some("The link works once, for seven days. If you don't know who this is from, do nothing."),
                ..words(format!("Join {organization}"), vec![line])
            }
        }
        MailKind::PasswordChanged => Words {
            last: Some("If it wasn't you, tell an owner of your organization at once."),
            ..words(
                "Your password was changed".to_owned(),
                vec![format!("Your password for {organization} is a new one. Your other sessions have ended.")],
            )
        },
        MailKind::SignInLinked => Words {
            last: Some("If it wasn't you, tell an owner of your organization at once."),
            ..words(
                "A new way to sign in".to_owned(),
                vec![format!("From now on you can sign in to {organization} with your account at {title}.")],
            )
        },
        MailKind::TicketAssigned => {
            let line = match by {
                Some(by) => format!("{by} gave you the ticket “{title}”."),
                None => format!("The ticket “{title}” is yours now."),
            };
            Words { action: page("Open the ticket"), ..words(format!("A ticket for you: {title}"), vec![line]) }
        }
        MailKind::TicketCommented => {
            let line = format!("{} commented on your ticket “{title}”:", by.unwrap_or("Somebody"));
            Words {
                quoted: facts.text.clone(),
                action: page("Open the ticket"),
                ..words(format!("A comment on: {title}"), vec![line])
            }
        }
        MailKind::TicketStatus => {
            let status = match facts.text.as_deref() {
                Some("open") => "open again",
                Some("pending") => "waiting for more",
                Some("closed") => "closed",
                _ => "resolved",
            };
            let line = format!("What you asked {organization}, “{title}”, is {status}.");
            words(format!("Your request is {status}"), vec![line])
        }
        MailKind::HandOver => Words {
            action: page("Open the conversation"),
            last: Some("Your profile has a switch for these mails."),
            ..words(
                "A conversation waits for a person".to_owned(),
                vec![format!("Somebody in a conversation of {organization} waits for a person to answer.")],
            )
        },
        MailKind::Test => words(
            format!("A test mail of {organization}"),
            vec!["This is a test. Mails of this organization arrive.".to_owned()],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: [&str; 6] = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'; javascript:alert(1)",
        "x\r\nBcc: eve@example.com",
        "</title><style>*{display:none}</style>",
        "<a href=\"https://evil.example\">",
    ];

    #[test]
    fn what_people_write_is_text_in_every_mail() {
        for kind in MailKind::ALL {
            for hostile in HOSTILE {
                let facts = MailFacts {
                    title: Some(hostile.to_owned()),
                    by: Some(hostile.to_owned()),
                    text: Some(hostile.to_owned()),
                    path: Some("/console/tickets/1".to_owned()),
                };
                let mail = written(kind, &facts, hostile, "https://help.example", Some("token"));
                for tag in ["<script", "<img", "<style", "<a href=\"https://evil"] {
                    assert!(!mail.html.contains(tag), "{kind:?}: {}", mail.html);
                }
                let links: Vec<&str> = mail.html.split("href=\"").skip(1).collect();
                assert!(links.iter().all(|link| link.starts_with("https://help.example/")), "{links:?}");
                assert!(!mail.subject.is_empty() && mail.text.ends_with('\n'));
            }
        }
    }

    #[test]
    fn an_invitation_has_its_link_in_both_texts() {
        let facts = MailFacts { by: Some("Ana".to_owned()), ..MailFacts::default() };
        let mail = written(MailKind::Invitation, &facts, "Acme", "https://help.example", Some("t0ken"));
        let url = "https://help.example/console/invitation?token=t0ken";
        assert_eq!(mail.subject, "Join Acme");
        assert!(mail.text.starts_with("Ana invites you to Acme.") && mail.text.contains(url), "{}", mail.text);
        assert!(mail.html.contains(&format!("<a href=\"{url}\">")), "{}", mail.html);
    }

    #[test]
    fn a_comment_is_quoted_line_by_line() {
        let facts = MailFacts {
            title: Some("Broken".to_owned()),
            by: Some("Bo".to_owned()),
            text: Some("one\ntwo".to_owned()),
            ..MailFacts::default()
        };
        let mail = written(MailKind::TicketCommented, &facts, "Acme", "https://help.example", None);
        assert!(mail.text.contains("\n> one\n> two\n"), "{}", mail.text);
        assert!(mail.html.contains("<blockquote>one<br>two<br></blockquote>"), "{}", mail.html);
    }
}
