-- Secrets of the host's own, such as what API keys are hashed with: random, and wrapped under a master key, so that master
-- keys can be replaced.
CREATE TABLE host_secrets (
    name TEXT NOT NULL PRIMARY KEY,
    wrapped BYTEA NOT NULL
);
