-- Who called which version, why it failed, whether the host knew the answer; and for how long a plan keeps the log.
ALTER TABLE connector_logs ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE connector_logs ADD COLUMN caller TEXT NOT NULL DEFAULT 'chat';
ALTER TABLE connector_logs ADD COLUMN reason TEXT;
ALTER TABLE connector_logs ADD COLUMN cached BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE organizations ADD COLUMN log_days BIGINT NOT NULL DEFAULT 30;
UPDATE connector_logs SET
    caller = CASE WHEN conversation_id IS NULL THEN 'admin' ELSE 'chat' END,
    reason = CASE
        WHEN status IN ('invalid_input', 'not_found') THEN 'request_configuration'
        WHEN status IN ('mapping', 'output') THEN 'mapping'
        WHEN status IN ('limit', 'busy', 'fuel', 'deadline', 'memory', 'too_large') THEN 'limit'
        WHEN status IN ('internal', 'trap', 'component') THEN 'internal'
        WHEN status <> 'ok' THEN status
    END;
