-- The last output of each action of a connection, before its mapping: what a mapping is tried on.
CREATE TABLE action_samples (
    organization_id UUID NOT NULL,
    connection_id UUID NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    action TEXT NOT NULL,
    -- JSON as the connector wrote it; lists and texts are cut when it was larger than is kept, and then `cut_from` is its size
    output TEXT NOT NULL,
    cut_from BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (connection_id, action)
);
