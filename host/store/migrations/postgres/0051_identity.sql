-- How an organization's people sign in with their company. `client_secret` is sealed. Without `new_role`, only who is invited
-- or a member comes in.
CREATE TABLE identity_providers (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL UNIQUE REFERENCES organizations (id),
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_secret BYTEA NOT NULL,
    -- In lower case.
    domains JSONB NOT NULL,
    new_role TEXT,
    required BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
SELECT resly_bind('identity_providers');

-- Who somebody is at an organization's provider. It opens this organization alone. The host's own, as `people` are.
CREATE TABLE identities (
    organization UUID NOT NULL REFERENCES organizations (id),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    person_id UUID NOT NULL REFERENCES people (id),
    -- As the provider said it last.
    email TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization, issuer, subject)
);
CREATE INDEX identities_person ON identities (person_id);
ALTER TABLE identities ENABLE ROW LEVEL SECURITY;

-- Mails to send. They go to an `address`, or to the e-mail that a person has when the mail is sent. `secret` is sealed, such
-- as a link's token. When a mail has ended, its facts and its secret are gone.
CREATE TABLE mails (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    kind TEXT NOT NULL,
    address TEXT,
    person_id UUID,
    -- The one that it is about, itself or by its ticket.
    conversation_id UUID,
    facts JSONB NOT NULL,
    secret BYTEA,
    state TEXT NOT NULL,
    tries BIGINT NOT NULL,
    next_try_at TIMESTAMPTZ NOT NULL,
    lease_until TIMESTAMPTZ,
    last_error TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ
);
CREATE INDEX mails_due ON mails (next_try_at) WHERE state = 'pending';
CREATE INDEX mails_pending ON mails (organization_id) WHERE state = 'pending';
CREATE INDEX mails_newest ON mails (organization_id, created_at, id);
CREATE INDEX mails_conversation ON mails (conversation_id);
CREATE INDEX mails_ended ON mails (ended_at);
SELECT resly_bind('mails');

-- Whether a member gets a mail when a conversation waits for a person.
ALTER TABLE members ADD COLUMN mail_handovers BOOLEAN NOT NULL DEFAULT TRUE;

-- As migration 45: no statistics of what customers write.
ALTER TABLE identity_providers ALTER issuer SET STATISTICS 0, ALTER client_id SET STATISTICS 0,
    ALTER domains SET STATISTICS 0;
ALTER TABLE mails ALTER address SET STATISTICS 0, ALTER facts SET STATISTICS 0, ALTER last_error SET STATISTICS 0;
