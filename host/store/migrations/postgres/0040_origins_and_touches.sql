-- The origins that publishable keys allow, so that a CORS preflight is answered by an index.
CREATE INDEX api_keys_origins ON api_keys USING gin (origins jsonb_path_ops)
    WHERE kind = 'publishable' AND deleted_at IS NULL;

-- A source of knowledge, and a counter of usage, tell whenever anything changes that REST shows, as rows of the other tables
-- do: also that a source is being read again and was found the same. Leases and progress aren't shown.
DROP TRIGGER knowledge_sources_touched ON knowledge_sources;
CREATE TRIGGER knowledge_sources_touched BEFORE UPDATE ON knowledge_sources FOR EACH ROW WHEN (
    NEW.kind IS DISTINCT FROM OLD.kind
    OR NEW.status IS DISTINCT FROM OLD.status
    OR NEW.title IS DISTINCT FROM OLD.title
    OR NEW.url IS DISTINCT FROM OLD.url
    OR NEW.content_type IS DISTINCT FROM OLD.content_type
    OR NEW.text IS DISTINCT FROM OLD.text
    OR NEW.chunks IS DISTINCT FROM OLD.chunks
    OR NEW.failure_kind IS DISTINCT FROM OLD.failure_kind
    OR NEW.failure_message IS DISTINCT FROM OLD.failure_message
    OR NEW.note IS DISTINCT FROM OLD.note
    OR NEW.refresh_every_s IS DISTINCT FROM OLD.refresh_every_s
    OR NEW.checked_at IS DISTINCT FROM OLD.checked_at
) EXECUTE FUNCTION resly_touch();
DROP TRIGGER usage_touched ON usage;
CREATE TRIGGER usage_touched BEFORE UPDATE ON usage FOR EACH ROW WHEN (
    NEW.period_start IS DISTINCT FROM OLD.period_start
    OR NEW.meter IS DISTINCT FROM OLD.meter
    OR NEW.environment IS DISTINCT FROM OLD.environment
    OR NEW.used IS DISTINCT FROM OLD.used
    OR NEW.estimated IS DISTINCT FROM OLD.estimated
    OR NEW.plan_limit IS DISTINCT FROM OLD.plan_limit
) EXECUTE FUNCTION resly_touch();
-- Entries that are written once tell as well what is done to them past the host.
CREATE TRIGGER billing_events_touched BEFORE UPDATE ON billing_events FOR EACH ROW EXECUTE FUNCTION resly_touch();
CREATE TRIGGER connector_logs_touched BEFORE UPDATE ON connector_logs FOR EACH ROW EXECUTE FUNCTION resly_touch();
