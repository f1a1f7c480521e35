-- REST over the tables. Every row tells when it last changed, so that an incremental job can ask for what is new:
-- `updated_at`, indexed with the id. What the host writes often tells it itself; triggers see to the rest, also to what is
-- written past the host.
ALTER TABLE billing_events ADD COLUMN updated_at TIMESTAMPTZ;
UPDATE billing_events SET updated_at = created_at;
ALTER TABLE connections ADD COLUMN updated_at TIMESTAMPTZ;
UPDATE connections SET updated_at = created_at;
ALTER TABLE connector_logs ADD COLUMN updated_at TIMESTAMPTZ;
UPDATE connector_logs SET updated_at = created_at;
ALTER TABLE messages ADD COLUMN updated_at TIMESTAMPTZ;
UPDATE messages SET updated_at = created_at;
ALTER TABLE tickets ADD COLUMN updated_at TIMESTAMPTZ;
UPDATE tickets SET updated_at = created_at;
ALTER TABLE visitors ADD COLUMN updated_at TIMESTAMPTZ;
UPDATE visitors SET updated_at = last_seen_at;
ALTER TABLE workflows ADD COLUMN updated_at TIMESTAMPTZ;
UPDATE workflows SET updated_at = created_at;
ALTER TABLE conversations ADD COLUMN tags TEXT[] NOT NULL DEFAULT '{}';

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

CREATE FUNCTION resly_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER connections_touched BEFORE UPDATE ON connections FOR EACH ROW EXECUTE FUNCTION resly_touch();
CREATE TRIGGER conversations_touched BEFORE UPDATE ON conversations FOR EACH ROW EXECUTE FUNCTION resly_touch();
CREATE TRIGGER messages_touched BEFORE UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION resly_touch();
CREATE TRIGGER tickets_touched BEFORE UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION resly_touch();
CREATE TRIGGER visitors_touched BEFORE UPDATE ON visitors FOR EACH ROW EXECUTE FUNCTION resly_touch();
CREATE TRIGGER workflows_touched BEFORE UPDATE ON workflows FOR EACH ROW EXECUTE FUNCTION resly_touch();

CREATE FUNCTION resly_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := COALESCE(NEW.updated_at, NEW.created_at);
    RETURN NEW;
END
$$;
CREATE TRIGGER billing_events_created BEFORE INSERT ON billing_events FOR EACH ROW WHEN (NEW.updated_at IS NULL) EXECUTE FUNCTION resly_created();
ALTER TABLE billing_events ALTER COLUMN updated_at SET NOT NULL;
CREATE TRIGGER connections_created BEFORE INSERT ON connections FOR EACH ROW WHEN (NEW.updated_at IS NULL) EXECUTE FUNCTION resly_created();
ALTER TABLE connections ALTER COLUMN updated_at SET NOT NULL;
CREATE TRIGGER connector_logs_created BEFORE INSERT ON connector_logs FOR EACH ROW WHEN (NEW.updated_at IS NULL) EXECUTE FUNCTION resly_created();
ALTER TABLE connector_logs ALTER COLUMN updated_at SET NOT NULL;
CREATE TRIGGER messages_created BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.updated_at IS NULL) EXECUTE FUNCTION resly_created();
ALTER TABLE messages ALTER COLUMN updated_at SET NOT NULL;
CREATE TRIGGER tickets_created BEFORE INSERT ON tickets FOR EACH ROW WHEN (NEW.updated_at IS NULL) EXECUTE FUNCTION resly_created();
ALTER TABLE tickets ALTER COLUMN updated_at SET NOT NULL;
CREATE TRIGGER visitors_created BEFORE INSERT ON visitors FOR EACH ROW WHEN (NEW.updated_at IS NULL) EXECUTE FUNCTION resly_created();
ALTER TABLE visitors ALTER COLUMN updated_at SET NOT NULL;
CREATE TRIGGER workflows_created BEFORE INSERT ON workflows FOR EACH ROW WHEN (NEW.updated_at IS NULL) EXECUTE FUNCTION resly_created();
ALTER TABLE workflows ALTER COLUMN updated_at SET NOT NULL;
