-- Which of a connector's ways of authentication a connection uses (its usual one when NULL), whose account it is, and when
-- it last passed a test in the environment and with the hosts that it has.
ALTER TABLE connections ADD COLUMN auth TEXT;
ALTER TABLE connections ADD COLUMN owner TEXT NOT NULL DEFAULT 'organization';
ALTER TABLE connections ADD COLUMN tested_at TEXT;
