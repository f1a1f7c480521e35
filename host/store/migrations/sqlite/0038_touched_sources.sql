-- A source of knowledge, and a counter of usage, tell whenever something changes that REST shows, as rows of the other
-- tables do. A lease or progress isn't shown. A source that is read again and found the same hasn't changed: it is `reading`
-- for a moment, and `ready` again.
CREATE TRIGGER knowledge_sources_touched
AFTER UPDATE OF status, kind, title, url, content_type, chunks, failure_kind, failure_message, note, refresh_every_s, text ON knowledge_sources
WHEN new.updated_at IS old.updated_at AND (
    new.kind IS NOT old.kind
    OR new.title IS NOT old.title
    OR new.url IS NOT old.url
    OR new.content_type IS NOT old.content_type
    OR new.chunks IS NOT old.chunks
    OR new.failure_kind IS NOT old.failure_kind
    OR new.failure_message IS NOT old.failure_message
    OR new.note IS NOT old.note
    OR new.refresh_every_s IS NOT old.refresh_every_s
    OR new.text IS NOT old.text
    OR (new.status IS NOT old.status AND NOT (new.status IN ('ready', 'reading') AND old.status IN ('ready', 'reading')))
) BEGIN
    UPDATE knowledge_sources SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
CREATE TRIGGER usage_touched
AFTER UPDATE OF used, plan_limit ON usage
WHEN new.updated_at IS old.updated_at AND (
    new.used IS NOT old.used
    OR new.plan_limit IS NOT old.plan_limit
) BEGIN
    UPDATE usage SET updated_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') WHERE id = new.id;
END;
