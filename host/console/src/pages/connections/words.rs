//! What states, failures and their remedies are called in the console.

use maud::{Markup, html};
use resly_core::connector::{
    connection::{ConnectionStatus, Environment},
    failure_reason::FailureReason,
    fault::{Fault, Remedy},
    health::HealthState,
};

use crate::{
    error::sentence,
    parts::{Tone, badge},
};

pub fn status(status: ConnectionStatus) -> Markup {
    match status {
        ConnectionStatus::Installed => badge(Tone::Quiet, "not in use yet"),
        ConnectionStatus::Enabled => badge(Tone::Good, "in use"),
        ConnectionStatus::Disabled => badge(Tone::Quiet, "disabled"),
        ConnectionStatus::NeedsAuth => badge(Tone::Bad, "needs credentials"),
    }
}

pub fn environment(environment: Environment) -> Markup {
    match environment {
        Environment::Sandbox => badge(Tone::Quiet, "sandbox"),
        Environment::Production => badge(Tone::Quiet, "production"),
    }
}

pub fn health(state: HealthState) -> Markup {
    match state {
        HealthState::Unknown => html! { span class="quiet" { "no call yet" } },
        HealthState::Healthy => badge(Tone::Good, "healthy"),
        HealthState::Degraded => badge(Tone::Warn, "unsteady"),
        HealthState::Failing => badge(Tone::Bad, "failing"),
        HealthState::NeedsAuth => badge(Tone::Bad, "credentials refused"),
    }
}

/// What an admin does about failed calls.
pub fn advice(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::NeedsAuth => {
            "Renew the credentials, or give them the permission that the message names. Then test the connection: chats \
             get it back when the test passes."
        }
        other => other.advice(),
    }
}

/// What happened, and what to do about it.
pub fn fault(fault: &Fault) -> (String, String) {
    let what = sentence(&fault.message);
    let next = fault.remedy.map_or_else(|| advice(fault.kind.reason()).to_owned(), remedy);
    (what, next)
}

fn remedy(remedy: Remedy) -> String {
    let text = match remedy {
        Remedy::Authorize => "Authorize the connection, on its page “Settings & credentials”.",
        Remedy::SetCredentials => "Enter its credentials, on its page “Settings & credentials”.",
        Remedy::SetClient => "Enter the id and secret of the OAuth app's client, on its page “Settings & credentials”.",
        Remedy::AuthorizeVisitor => "The visitor has to authorize an account of their own.",
        Remedy::SetVisitorCredentials => "Your app has to hand in the visitor's own credentials.",
        Remedy::NameVisitor => "Say whose account is meant, in the field “Visitor”.",
        Remedy::SendVisitorId => "The chat's app has to send the visitor's id.",
        Remedy::MendMapping => "Mend the connection's mapping, on its page “Mapping”.",
        other => return sentence(other.for_admin()),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use resly_core::connector::fault::FaultKind;

    use super::*;

    #[test]
    fn people_in_the_console_are_sent_to_pages_and_not_to_routes() {
        let remedies = [
            Remedy::Authorize,
            Remedy::SetCredentials,
            Remedy::SetClient,
            Remedy::AuthorizeVisitor,
            Remedy::SetVisitorCredentials,
            Remedy::NameVisitor,
            Remedy::SendVisitorId,
            Remedy::MendMapping,
            Remedy::AskAgain,
            Remedy::AllowRedirects,
        ];
        for remedy in remedies {
            let failed = Fault::new(FaultKind::NeedsAuth, "no account is connected").with_remedy(remedy);
            let (what, next) = fault(&failed);
            assert_eq!(what, "No account is connected.");
            assert!(!next.contains("/api/") && next.ends_with('.'), "{next}");
        }
        for reason in FailureReason::ALL {
            assert!(!advice(reason).contains("/api/"), "{}", reason.name());
        }
    }
}
