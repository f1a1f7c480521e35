-- A dashboard's login sees how many rows the planner expects for a condition, and the planner knows that from the values of
-- all organizations. So there are no statistics of what customers write. The host finds rows by none of these columns
-- alone: an index of `organization_id` or of an id comes first.
DO $do$
DECLARE
    target RECORD;
    definition TEXT;
    definitions TEXT[];
BEGIN
    FOR target IN
        SELECT attrelid::regclass AS name,
            string_agg(format('ALTER %I SET STATISTICS 0', attname), ', ') AS without,
            -- Statistics that exist already go when a column gets a type, even its own. The planner uses none of JSON,
            -- and the trigger on vectors belongs to an extension.
            string_agg(format('ALTER %I TYPE %s', attname, format_type(atttypid, atttypmod)), ', ')
                FILTER (WHERE atttypid <> 'jsonb'::regtype AND attname <> 'vector') AS forgotten
        FROM (VALUES
            ('conversations', ARRAY['name', 'tags']),
            ('messages', ARRAY['client_id', 'content', 'citations', 'steps']),
            ('tickets', ARRAY['subject', 'body']),
            ('knowledge_sources', ARRAY['title', 'given_title', 'url', 'identity', 'site', 'text', 'content_hash',
                'failure_message', 'note', 'etag', 'last_modified']),
            -- Not `search`: no operator of its type is leakproof, so a login's plans don't use what is known of it.
            ('passages', ARRAY['title', 'section', 'text', 'vector']),
            ('billing_events', ARRAY['detail']),
            ('connector_logs', ARRAY['message', 'log', 'requests']),
            ('workflows', ARRAY['name', 'triggers', 'action', 'instructions']),
            ('visitors', ARRAY['external_id'])
        ) AS written (table_name, column_names)
        JOIN pg_attribute ON attrelid = table_name::regclass AND attname = ANY (column_names) AND NOT attisdropped
        GROUP BY attrelid
    LOOP
        EXECUTE format('ALTER TABLE %s %s', target.name, target.without);
        CONTINUE WHEN target.forgotten IS NULL;
        -- A column that a trigger names keeps its type, so triggers are made anew.
        definitions := '{}';
        FOR definition IN
            SELECT pg_get_triggerdef(oid) FROM pg_trigger
            WHERE tgrelid = target.name AND NOT tgisinternal AND tgname <> 'passages_embedding'
                AND (tgqual IS NOT NULL OR cardinality(tgattr::int2[]) > 0)
        LOOP
            definitions := definitions || definition;
        END LOOP;
        FOR definition IN
            SELECT format('DROP TRIGGER %I ON %s', tgname, target.name) FROM pg_trigger
            WHERE tgrelid = target.name AND NOT tgisinternal AND tgname <> 'passages_embedding'
                AND (tgqual IS NOT NULL OR cardinality(tgattr::int2[]) > 0)
        LOOP
            EXECUTE definition;
        END LOOP;
        EXECUTE format('ALTER TABLE %s %s', target.name, target.forgotten);
        FOREACH definition IN ARRAY definitions LOOP
            EXECUTE definition;
        END LOOP;
    END LOOP;
END
$do$;
