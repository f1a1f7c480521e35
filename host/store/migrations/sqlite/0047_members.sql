-- The people who sign in at the console. `people`, `sessions`, `sign_in_links` and `sign_in_attempts` are the host's own: a
-- person may be a member of several organizations, so no policy opens them to one. That is why their columns are called
-- `organization`; an `organization_id` marks a row that is one organization's.
CREATE TABLE people (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- In lower case.
    email TEXT UNIQUE,
    -- Argon2id, as a PHC string. NULL when the person has no password.
    password_hash TEXT,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE members (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    person_id TEXT NOT NULL REFERENCES people (id),
    role TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (organization_id, person_id)
) STRICT;
CREATE INDEX members_person ON members (person_id);

-- One for each e-mail and organization. A row goes when it is accepted or revoked.
CREATE TABLE invitations (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    -- The name of whoever invited.
    invited_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    UNIQUE (organization_id, email)
) STRICT;

-- `organization` is the one that the session shows. `method` is how the person signed in.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    person_id TEXT NOT NULL REFERENCES people (id),
    organization TEXT NOT NULL REFERENCES organizations (id),
    method TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT,
    created_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_person ON sessions (person_id);
CREATE INDEX sessions_end ON sessions (expires_at);

-- A row goes when its link is used. Without `person_id`, the link makes a person.
CREATE TABLE sign_in_links (
    token_hash BLOB NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organizations (id),
    person_id TEXT REFERENCES people (id),
    role TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

-- Passwords that were tried, by the hash of an e-mail or an address, since the first one of a window.
CREATE TABLE sign_in_attempts (
    subject TEXT NOT NULL PRIMARY KEY,
    started_at TEXT NOT NULL,
    attempts INTEGER NOT NULL
) STRICT;

-- What members and keys changed. `before` and `after` hold what differs, and no secret.
CREATE TABLE audit_log (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    created_at TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    actor_name TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT,
    subject_name TEXT,
    before TEXT,
    after TEXT
) STRICT;
CREATE INDEX audit_log_newest ON audit_log (organization_id, created_at, id);
