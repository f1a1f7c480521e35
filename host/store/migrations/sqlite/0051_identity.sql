-- How an organization's people sign in with their company. `client_secret` is sealed. Without `new_role`, only who is invited
-- or a member comes in.
CREATE TABLE identity_providers (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL UNIQUE REFERENCES organizations (id),
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_secret BLOB NOT NULL,
    -- In lower case.
    domains TEXT NOT NULL,
    new_role TEXT,
    required INTEGER NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

-- Who somebody is at an organization's provider. It opens this organization alone. The host's own, as `people` are.
CREATE TABLE identities (
    organization TEXT NOT NULL REFERENCES organizations (id),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES people (id),
    -- As the provider said it last.
    email TEXT NOT NULL,
    created_at TEXT NOT NULL,
    last_used_at TEXT NOT NULL,
    PRIMARY KEY (organization, issuer, subject)
) STRICT;
CREATE INDEX identities_person ON identities (person_id);

-- Mails to send. They go to an `address`, or to the e-mail that a person has when the mail is sent. `secret` is sealed, such
-- as a link's token. When a mail has ended, its facts and its secret are gone.
CREATE TABLE mails (
    id TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    kind TEXT NOT NULL,
    address TEXT,
    person_id TEXT,
    -- The one that it is about, itself or by its ticket.
    conversation_id TEXT,
    facts TEXT NOT NULL,
    secret BLOB,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    next_try_at TEXT NOT NULL,
    lease_until TEXT,
    last_error TEXT,
    created_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;
CREATE INDEX mails_due ON mails (next_try_at) WHERE state = 'pending';
CREATE INDEX mails_pending ON mails (organization_id) WHERE state = 'pending';
CREATE INDEX mails_newest ON mails (organization_id, created_at, id);
CREATE INDEX mails_conversation ON mails (conversation_id);
CREATE INDEX mails_ended ON mails (ended_at);

-- Whether a member gets a mail when a conversation waits for a person.
ALTER TABLE members ADD COLUMN mail_handovers INTEGER NOT NULL DEFAULT 1;

-- As migration 37 has them for other tables.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('mails', 'sqlite_autoindex_mails_1', '30000 1'),
    ('mails', 'mails_due', '300 1'),
    ('mails', 'mails_pending', '300 30'),
    ('mails', 'mails_newest', '30000 3000 2 1'),
    ('mails', 'mails_conversation', '30000 3'),
    ('mails', 'mails_ended', '30000 1');
