-- REST over the tables. Every row tells when it last changed, so that an incremental job can ask for what is new:
-- `updated_at`, indexed with the id. What the host writes often tells it itself; triggers see to the rest, also to what is
-- written past the host.
ALTER TABLE billing_events ADD COLUMN updated_at TEXT;
UPDATE billing_events SET updated_at = created_at;
ALTER TABLE connections ADD COLUMN updated_at TEXT;
UPDATE connections SET updated_at = created_at;
ALTER TABLE connector_logs ADD COLUMN updated_at TEXT;
UPDATE connector_logs SET updated_at = created_at;
ALTER TABLE messages ADD COLUMN updated_at TEXT;
UPDATE messages SET updated_at = created_at;
ALTER TABLE tickets ADD COLUMN updated_at TEXT;
UPDATE tickets SET updated_at = created_at;
ALTER TABLE visitors ADD COLUMN updated_at TEXT;
UPDATE visitors SET updated_at = last_seen_at;
ALTER TABLE workflows ADD COLUMN updated_at TEXT;
UPDATE workflows SET updated_at = created_at;
ALTER TABLE conversations ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';

-- `usage` has a few rows for each organization and is written by every chat, so it has no such index.
CREATE INDEX billing_events_updated ON billing_events (organization_id, updated_at, id);
CREATE INDEX connections_updated ON connections (organization_id, updated_at, id);
CREATE INDEX connector_logs_updated ON connector_logs (organization_id, updated_at, id);
CREATE INDEX conversations_updated ON conversations (organization_id, updated_at, id);
CREATE INDEX knowledge_sources_updated ON knowledge_sources (organization_id, updated_at, id);
CREATE INDEX messages_updated ON messages (organization_id, updated_at, id);
CREATE INDEX tickets_updated ON tickets (organization_id, updated_at, id);
CREATE INDEX visitors_updated ON visitors (organization_id, updated_at, id);
CREATE INDEX workflows_updated ON workflows (organization_id, updated_at, id);
-- What is embedded by these keys.
CREATE INDEX conversations_visitor ON conversations (visitor_id) WHERE visitor_id IS NOT NULL;
CREATE INDEX tickets_conversation ON tickets (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX connector_logs_conversation ON connector_logs (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX workflows_connection ON workflows (connection_id) WHERE connection_id IS NOT NULL;

CREATE TRIGGER connections_touched AFTER UPDATE ON connections WHEN new.updated_at IS old.updated_at BEGIN
    UPDATE connections SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
CREATE TRIGGER conversations_touched AFTER UPDATE ON conversations WHEN new.updated_at IS old.updated_at BEGIN
    UPDATE conversations SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
CREATE TRIGGER messages_touched AFTER UPDATE ON messages WHEN new.updated_at IS old.updated_at BEGIN
    UPDATE messages SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
CREATE TRIGGER tickets_touched AFTER UPDATE ON tickets WHEN new.updated_at IS old.updated_at BEGIN
    UPDATE tickets SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
CREATE TRIGGER visitors_touched AFTER UPDATE ON visitors WHEN new.updated_at IS old.updated_at BEGIN
    UPDATE visitors SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
CREATE TRIGGER workflows_touched AFTER UPDATE ON workflows WHEN new.updated_at IS old.updated_at BEGIN
    UPDATE workflows SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
CREATE TRIGGER billing_events_created AFTER INSERT ON billing_events WHEN new.updated_at IS NULL BEGIN
    UPDATE billing_events SET updated_at = new.created_at WHERE id = new.id;
END;
CREATE TRIGGER connections_created AFTER INSERT ON connections WHEN new.updated_at IS NULL BEGIN
    UPDATE connections SET updated_at = new.created_at WHERE id = new.id;
END;
CREATE TRIGGER connector_logs_created AFTER INSERT ON connector_logs WHEN new.updated_at IS NULL BEGIN
    UPDATE connector_logs SET updated_at = new.created_at WHERE id = new.id;
END;
CREATE TRIGGER messages_created AFTER INSERT ON messages WHEN new.updated_at IS NULL BEGIN
    UPDATE messages SET updated_at = new.created_at WHERE id = new.id;
END;
CREATE TRIGGER tickets_created AFTER INSERT ON tickets WHEN new.updated_at IS NULL BEGIN
    UPDATE tickets SET updated_at = new.created_at WHERE id = new.id;
END;
CREATE TRIGGER visitors_created AFTER INSERT ON visitors WHEN new.updated_at IS NULL BEGIN
    UPDATE visitors SET updated_at = new.created_at WHERE id = new.id;
END;
CREATE TRIGGER workflows_created AFTER INSERT ON workflows WHEN new.updated_at IS NULL BEGIN
    UPDATE workflows SET updated_at = new.created_at WHERE id = new.id;
END;
