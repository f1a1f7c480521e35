-- The people who sign in at the console. `people`, `sessions`, `sign_in_links` and `sign_in_attempts` are the host's own: a
-- person may be a member of several organizations, so no policy opens them to one. That is why their columns are called
-- `organization`; an `organization_id` marks a row that is one organization's.
CREATE TABLE people (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- In lower case.
    email TEXT UNIQUE,
    -- Argon2id, as a PHC string. NULL when the person has no password.
    password_hash TEXT,
    created_at TIMESTAMPTZ NOT NULL
);
ALTER TABLE people ENABLE ROW LEVEL SECURITY;

CREATE TABLE members (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    person_id UUID NOT NULL REFERENCES people (id),
    role TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, person_id)
);
CREATE INDEX members_person ON members (person_id);
SELECT resly_bind('members');

-- One for each e-mail and organization. A row goes when it is accepted or revoked.
CREATE TABLE invitations (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash BYTEA NOT NULL UNIQUE,
    -- The name of whoever invited.
    invited_by TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, email)
);
SELECT resly_bind('invitations');

-- `organization` is the one that the session shows. `method` is how the person signed in.
CREATE TABLE sessions (
    id UUID NOT NULL PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    person_id UUID NOT NULL REFERENCES people (id),
    organization UUID NOT NULL REFERENCES organizations (id),
    method TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX sessions_person ON sessions (person_id);
CREATE INDEX sessions_end ON sessions (expires_at);
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;

-- A row goes when its link is used. Without `person_id`, the link makes a person.
CREATE TABLE sign_in_links (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    organization UUID NOT NULL REFERENCES organizations (id),
    person_id UUID REFERENCES people (id),
    role TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
ALTER TABLE sign_in_links ENABLE ROW LEVEL SECURITY;

-- Passwords that were tried, by the hash of an e-mail or an address, since the first one of a window.
CREATE TABLE sign_in_attempts (
    subject UUID NOT NULL PRIMARY KEY,
    started_at TIMESTAMPTZ NOT NULL,
    attempts BIGINT NOT NULL
);
ALTER TABLE sign_in_attempts ENABLE ROW LEVEL SECURITY;

-- What members and keys changed. `before` and `after` hold what differs, and no secret.
CREATE TABLE audit_log (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    created_at TIMESTAMPTZ NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT,
    subject_name TEXT,
    before JSONB,
    after JSONB
);
CREATE INDEX audit_log_newest ON audit_log (organization_id, created_at, id);
SELECT resly_bind('audit_log');

-- The planner keeps no values of what customers write: see migration 45.
ALTER TABLE invitations ALTER email SET STATISTICS 0, ALTER invited_by SET STATISTICS 0;
ALTER TABLE audit_log ALTER actor_name SET STATISTICS 0, ALTER subject_id SET STATISTICS 0,
    ALTER subject_name SET STATISTICS 0, ALTER before SET STATISTICS 0, ALTER after SET STATISTICS 0;
