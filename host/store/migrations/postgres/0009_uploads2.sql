-- What an uploaded version asks for is approved before it can be installed; what was there before counts as approved.
-- `signer` is the public key of a valid signature, `imports` what the component imports. A version that is being compiled
-- is some host's until `lease_until`, and anybody's after it. A version that was deleted keeps its row, so that its number
-- never means something else.
ALTER TABLE connector_versions ADD COLUMN approval TEXT NOT NULL DEFAULT 'approved';
ALTER TABLE connector_versions ADD COLUMN approval_reason TEXT;
ALTER TABLE connector_versions ADD COLUMN decided_by UUID;
ALTER TABLE connector_versions ADD COLUMN decided_at TIMESTAMPTZ;
ALTER TABLE connector_versions ADD COLUMN signer BYTEA;
ALTER TABLE connector_versions ADD COLUMN imports JSONB NOT NULL DEFAULT '[]';
ALTER TABLE connector_versions ADD COLUMN lease_until TIMESTAMPTZ;
ALTER TABLE connector_versions ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
UPDATE connector_versions SET approval = 'not_needed' WHERE origin = 'declarative';
CREATE INDEX connector_versions_compiling ON connector_versions (lease_until) WHERE state = 'compiling';

-- Whose signatures an organization trusts, and whether it takes uploads of nobody else.
CREATE TABLE publishers (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    public_key BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, public_key)
);
ALTER TABLE organizations ADD COLUMN require_publisher BOOLEAN NOT NULL DEFAULT FALSE;

-- The code of an upload, in parts, so that nobody's write waits for the whole of it. `components.wasm` is empty then.
CREATE TABLE component_parts (
    digest BYTEA NOT NULL,
    part BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (digest, part)
);
