//! Maps each error of a use case to its problem.

use resly_egress::OAuthError;
use resly_manifest::Violation;
use resly_service::{
    NoPublicUrl,
    accounts::AccountError,
    actions::ActionError,
    billing::BillingError,
    catalogue::NotInstallable,
    connections::ConnectionError,
    connectors::ConnectorError,
    crawls::CrawlError,
    definition::{DefinitionError, DryRunError},
    deletions::DeletionError,
    keys::KeyError,
    organizations::OrganizationError,
    plan::PlanError,
    plans::PlansError,
    playground::PlaygroundError,
    publishers::PublisherError,
    sources::SourceError,
    synonyms::SynonymError,
    webhooks::WebhookError,
    workflows::WorkflowError,
};
use resly_store::{AddCrawlError, AddPublisherError, PlanDefinitionError, SubscribeError};

use super::{
    Problem, call_problem, fault_problem, kinds,
    members::{InvalidMember, UsingConnection},
};

impl From<NoPublicUrl> for Problem {
    fn from(error: NoPublicUrl) -> Self {
        Self::internal(&error)
    }
}

impl From<NotInstallable> for Problem {
    fn from(unavailable: NotInstallable) -> Self {
        let detail = unavailable.to_string();
        match unavailable {
            NotInstallable::Missing => Self::invalid_at("connector", detail),
            NotInstallable::NoVersion(_) => Self::invalid_at("version", detail),
            NotInstallable::Compiling(_) | NotInstallable::Refused { .. } => {
                Self::new(&kinds::CONNECTOR_NOT_READY, detail)
            }
            NotInstallable::Pending(_) | NotInstallable::Rejected(_) => Self::new(&kinds::CONNECTOR_UNAPPROVED, detail),
            NotInstallable::Untrusted(_) => Self::new(&kinds::UNTRUSTED_PUBLISHER, detail),
            NotInstallable::Store(error) => error.into(),
        }
    }
}

impl From<ConnectionError> for Problem {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Missing => Self::not_found("there is no such connection"),
            ConnectionError::Invalid(mistakes) => Self::invalid(mistakes),
            ConnectionError::NotInstallable(error) => error.into(),
            ConnectionError::Connector(error) => error.into(),
            ConnectionError::NoCredential(what, remedy) => {
                let how = remedy.for_admin();
                let detail = format!("in production this connection needs {what}: {how}; then test it, and enable it");
                Self::new(&kinds::CONNECTOR_NEEDS_AUTH, detail)
            }
            ConnectionError::CredentialRefused => Self::new(
                &kinds::CONNECTOR_NEEDS_AUTH,
                "the service refused this connection's credential: renew it (PATCH its `credentials`, or authorize it with \
                 POST /api/admin/connections/{id}/oauth/start), then test the connection; it goes back to chats when the \
                 test passes",
            ),
            ConnectionError::Untested => Self::new(
                &kinds::CONNECTION_UNTESTED,
                "run POST /api/admin/connections/{id}/test first, and mend what it tells; without a test in the manifest, \
                 call one of its actions",
            ),
            ConnectionError::ChangedMeanwhile => Self::new(
                &kinds::CHANGED_MEANWHILE,
                "the connection has been changed meanwhile; look at it and try again",
            ),
            ConnectionError::Unexamined(fault) => fault_problem(&fault),
            ConnectionError::Vault(error) => error.into(),
            ConnectionError::Store(error) => error.into(),
        }
    }
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::Connection(error) => error.into(),
            ActionError::Call(error) => error.into(),
            ActionError::Invalid(mistakes) => Self::invalid(mistakes),
            ActionError::NoSample => {
                Self::not_found("there is no output of this action yet: call it, or give a `sample` to the preview")
            }
            ActionError::Failed(fault, report) => call_problem(&fault, &report),
            ActionError::Filter { message, offset, fuel } => {
                Self::new(&kinds::MAPPING_FAILED, message).with(|members| {
                    members.offset = Some(offset);
                    members.fuel = Some(fuel);
                })
            }
            ActionError::Mapper(fault) => fault_problem(&fault),
            ActionError::Json(error) => Self::internal(&error),
            ActionError::Store(error) => error.into(),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let detail = error.to_string();
        match error {
            AccountError::Connection(error) => error.into(),
            AccountError::Call(error) => error.into(),
            AccountError::VisitorsBringTheirs | AccountError::OneAccount => Self::invalid_at("owner", detail),
            AccountError::BadVisitor => Self::invalid_at("visitor", detail),
            AccountError::NotOauth | AccountError::OnlyOauth | AccountError::NobodyAgrees => {
                Self::invalid_at("auth", detail)
            }
            AccountError::Invalid(mistakes) => Self::invalid(mistakes),
            AccountError::ChangedMeanwhile => Self::new(&kinds::CONFLICT, detail),
            AccountError::NoAccount => Self::not_found("this visitor has no account here"),
            AccountError::OAuth(OAuthError::Vault(_) | OAuthError::Store(_)) => Self::internal(&detail),
            AccountError::OAuth(OAuthError::Address(_)) => Self::invalid_at("settings", detail),
            AccountError::OAuth(_) => Self::new(&kinds::CONNECTOR_NEEDS_AUTH, detail),
            AccountError::NoPublicUrl(error) => error.into(),
            AccountError::Vault(error) => error.into(),
            AccountError::Store(error) => error.into(),
        }
    }
}

impl From<DefinitionError> for Problem {
    fn from(error: DefinitionError) -> Self {
        match error {
            DefinitionError::Violations(mistakes) => invalid_connector(&mistakes),
            DefinitionError::Unexamined(fault) => fault_problem(&fault),
        }
    }
}

impl From<ConnectorError> for Problem {
    fn from(error: ConnectorError) -> Self {
        let detail = error.to_string();
        match error {
            ConnectorError::Missing => Self::not_found("there is no such connector"),
            ConnectorError::NoVersion => Self::not_found("there is no such version of this connector"),
            ConnectorError::Definition(error) => error.into(),
            ConnectorError::Component(mistakes) => invalid_connector(&mistakes),
            ConnectorError::NotInstallable(error) => error.into(),
            ConnectorError::IdTaken(_)
            | ConnectorError::Bundled(_)
            | ConnectorError::AnotherContent { .. }
            | ConnectorError::NeedsNoApproval
            | ConnectorError::AnotherFile(_) => Self::new(&kinds::CONFLICT, detail),
            ConnectorError::TooMany { .. } => Self::new(&kinds::TOO_MANY_VERSIONS, detail),
            ConnectorError::QueueFull => Self::new(&kinds::COMPILE_QUEUE_FULL, detail).retry_after(30),
            ConnectorError::Refused(_) => Self::new(&kinds::CONNECTOR_NOT_READY, detail),
            ConnectorError::Invalid(mistakes) => Self::invalid(mistakes),
            ConnectorError::InUse(connections) => {
                let using = connections.into_iter().map(|(id, name)| UsingConnection { id, name }).collect();
                Self::new(&kinds::CONNECTOR_IN_USE, detail).with(|members| members.connections = Some(using))
            }
            ConnectorError::ObjectStore(_) => Self::new(&kinds::OBJECT_STORE_UNAVAILABLE, detail).retry_after(30),
            ConnectorError::Store(error) => error.into(),
        }
    }
}

/// The problem of a connector whose definition or manifest has mistakes.
fn invalid_connector(mistakes: &[Violation]) -> Problem {
    let detail = match mistakes {
        [only] => only.to_string(),
        many => format!("{} mistakes; see `errors`", many.len()),
    };
    Problem::new(&kinds::INVALID_CONNECTOR, detail)
        .with(|members| members.errors = Some(mistakes.iter().map(InvalidMember::from).collect()))
}

impl From<DryRunError> for Problem {
    fn from(error: DryRunError) -> Self {
        match error {
            DryRunError::Definition(error) => error.into(),
            DryRunError::Settings(mistakes) => Self::invalid(mistakes),
            DryRunError::Action(error) => error.into(),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        let detail = error.to_string();
        match error {
            KeyError::Missing => Self::not_found("there is no such key"),
            KeyError::Invalid(mistakes) => Self::invalid(mistakes),
            KeyError::OperatorOnly => Self::new(&kinds::INSUFFICIENT_SCOPE, detail),
            KeyError::Refused(error) => error.into(),
            KeyError::Store(error) => error.into(),
        }
    }
}

impl From<DeletionError> for Problem {
    fn from(error: DeletionError) -> Self {
        match error {
            DeletionError::NoVisitor => Self::not_found("nothing is stored about a visitor of this id"),
            DeletionError::Missing => Self::not_found("there is no such request"),
            DeletionError::Vault(error) => error.into(),
            DeletionError::Store(error) => error.into(),
        }
    }
}

impl From<PlanError> for Problem {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Invalid(mistakes) => Self::invalid(mistakes),
            PlanError::Refused(error) => error.into(),
        }
    }
}

impl From<SubscribeError> for Problem {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::NoOrganization => Self::not_found("there is no such organization"),
            SubscribeError::NoPlan(_) | SubscribeError::Retired(_) => Self::invalid_at("plan", error.to_string()),
            SubscribeError::Store(error) => error.into(),
        }
    }
}

impl From<PlansError> for Problem {
    fn from(error: PlansError) -> Self {
        let detail = error.to_string();
        match error {
            PlansError::Invalid(mistakes) => Self::invalid(mistakes),
            PlansError::Refused(PlanDefinitionError::Missing(_)) => Self::not_found("there is no such plan"),
            PlansError::Refused(PlanDefinitionError::Exists(_) | PlanDefinitionError::Needed(_)) => {
                Self::new(&kinds::CONFLICT, detail)
            }
            PlansError::Refused(PlanDefinitionError::Store(error)) | PlansError::Store(error) => error.into(),
        }
    }
}

impl From<OrganizationError> for Problem {
    fn from(error: OrganizationError) -> Self {
        let detail = error.to_string();
        match error {
            OrganizationError::Missing { .. } => Self::not_found("there is no such organization"),
            OrganizationError::NameTaken(_) | OrganizationError::Ambiguous { .. } => {
                Self::new(&kinds::CONFLICT, detail)
            }
            OrganizationError::Invalid(mistakes) => Self::invalid(mistakes),
            OrganizationError::Plan(error) => error.into(),
            OrganizationError::Key(error) => error.into(),
            OrganizationError::Store(error) => error.into(),
        }
    }
}

impl From<BillingError> for Problem {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::Off => Self::not_found(
                "this host takes no events of a biller: an operator sets RESLY_BILLING_WEBHOOK_SECRET for that",
            ),
            BillingError::Signature(error) => Self::new(&kinds::INVALID_SIGNATURE, error.to_string()),
            BillingError::Invalid(mistakes) => Self::invalid(mistakes),
            BillingError::Refused(SubscribeError::NoOrganization) => {
                Self::invalid_at("data.object.metadata.organization_id", "there is no such organization")
            }
            BillingError::Refused(error) => error.into(),
            BillingError::Store(error) => error.into(),
        }
    }
}

impl From<PublisherError> for Problem {
    fn from(error: PublisherError) -> Self {
        let detail = error.to_string();
        match error {
            PublisherError::Missing => Self::not_found("there is no such publisher"),
            PublisherError::Invalid(mistakes) => Self::invalid(mistakes),
            PublisherError::Refused(AddPublisherError::TooMany | AddPublisherError::Known) => {
                Self::new(&kinds::CONFLICT, detail)
            }
            PublisherError::Refused(AddPublisherError::Store(error)) | PublisherError::Store(error) => error.into(),
        }
    }
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Missing => Self::not_found("there is no such source"),
            SourceError::Invalid(mistakes) => Self::invalid(mistakes),
            SourceError::Full => Self::new(&kinds::READ_QUEUE_FULL, error.to_string()).retry_after(30),
            SourceError::Add(error) => error.into(),
            SourceError::Store(error) => error.into(),
        }
    }
}

impl From<SynonymError> for Problem {
    fn from(error: SynonymError) -> Self {
        match error {
            SynonymError::Invalid(mistakes) => Self::invalid(mistakes),
            SynonymError::Store(error) => error.into(),
        }
    }
}

impl From<CrawlError> for Problem {
    fn from(error: CrawlError) -> Self {
        match error {
            CrawlError::Missing => Self::not_found("there is no such crawl"),
            CrawlError::Invalid(mistakes) => Self::invalid(mistakes),
            CrawlError::Unexamined(fault) => fault_problem(&fault),
            CrawlError::Call(error) => error.into(),
            CrawlError::Add(AddCrawlError::Full) => Self::new(&kinds::TOO_MANY_CRAWLS, error.to_string()),
            CrawlError::Add(AddCrawlError::Store(error)) | CrawlError::Store(error) => error.into(),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Missing => Self::not_found("no webhook is set; set one with PUT /api/admin/webhook"),
            WebhookError::NoMessage => Self::not_found("there is no such message that was delivered or given up"),
            WebhookError::Invalid(mistakes) => Self::invalid(mistakes),
            WebhookError::Vault(error) => error.into(),
            WebhookError::Store(error) => error.into(),
        }
    }
}

impl From<WorkflowError> for Problem {
    fn from(error: WorkflowError) -> Self {
        match error {
            WorkflowError::Missing => Self::not_found("there is no such workflow"),
            WorkflowError::Invalid(mistakes) => Self::invalid(mistakes),
            WorkflowError::Call(error) => error.into(),
            WorkflowError::Store(error) => error.into(),
        }
    }
}

impl From<PlaygroundError> for Problem {
    fn from(error: PlaygroundError) -> Self {
        match error {
            PlaygroundError::Invalid(mistakes) => Self::invalid(mistakes),
            PlaygroundError::Plan(error) => error.into(),
            PlaygroundError::Begin(error) => error.into(),
            PlaygroundError::Retrieve(error) => error.into(),
            PlaygroundError::Store(error) => error.into(),
        }
    }
}
