-- A source of knowledge, and a counter of usage, tell whenever something changes that REST shows, as rows of the other
-- tables do. A lease or progress isn't shown. A source that is read again and found the same hasn't changed: it is `reading`
-- for a moment, and `ready` again.
CREATE TRIGGER knowledge_sources_touched BEFORE UPDATE ON knowledge_sources FOR EACH ROW WHEN (
    NEW.kind IS DISTINCT FROM OLD.kind
    OR NEW.title IS DISTINCT FROM OLD.title
    OR NEW.url IS DISTINCT FROM OLD.url
    OR NEW.content_type IS DISTINCT FROM OLD.content_type
    OR NEW.chunks IS DISTINCT FROM OLD.chunks
    OR NEW.failure_kind IS DISTINCT FROM OLD.failure_kind
    OR NEW.failure_message IS DISTINCT FROM OLD.failure_message
    OR NEW.note IS DISTINCT FROM OLD.note
    OR NEW.refresh_every_s IS DISTINCT FROM OLD.refresh_every_s
    OR NEW.text IS DISTINCT FROM OLD.text
    OR (NEW.status <> OLD.status AND NOT (NEW.status IN ('ready', 'reading') AND OLD.status IN ('ready', 'reading')))
) EXECUTE FUNCTION resly_touch();
CREATE TRIGGER usage_touched BEFORE UPDATE ON usage FOR EACH ROW WHEN (
    NEW.used IS DISTINCT FROM OLD.used
    OR NEW.plan_limit IS DISTINCT FROM OLD.plan_limit
) EXECUTE FUNCTION resly_touch();
