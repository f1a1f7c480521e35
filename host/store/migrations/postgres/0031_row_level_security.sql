-- Logins of the database that are bound to one organization. One without an organization sees nothing.
CREATE TABLE database_roles (
    role_name TEXT PRIMARY KEY,
    organization_id UUID REFERENCES organizations (id) ON DELETE SET NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- The organization whose rows are seen: that of the login, or else that of the claims which Supabase's REST sets. A bound
-- login can set claims too, so its own don't count. The path of the schemas is fixed, with temporary tables last, so that
-- no reader can put a table of its own in the place of `database_roles`.
DO $$
BEGIN
    EXECUTE format($function$
        CREATE FUNCTION resly_organization() RETURNS UUID
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = %I, pg_temp
        AS $body$
            SELECT CASE
                WHEN EXISTS (SELECT FROM database_roles WHERE role_name = session_user)
                THEN (SELECT organization_id FROM database_roles WHERE role_name = session_user)
                ELSE (NULLIF(current_setting('request.jwt.claims', true), '')::jsonb ->> 'organization_id')::uuid
            END
        $body$
    $function$, current_schema());
END
$$;

-- Every table is closed to all but its owner, who is the host. Those with rows of one organization are open to it.
DO $$
DECLARE
    own TEXT;
    organization TEXT;
BEGIN
    FOR own IN
        SELECT table_name FROM information_schema.tables
        WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
            AND table_name = ANY (ARRAY['action_samples', 'alerts', 'api_keys', 'approvals', 'billing_events',
                'call_reservations', 'component_parts', 'components', 'connection_accounts', 'connection_health',
                'connections', 'connector_logs', 'connector_state', 'connector_versions', 'conversations',
                'crawl_pages', 'crawls', 'database_roles', 'host_secrets', 'key_usage', 'knowledge_sources',
                'messages', 'oauth_flows', 'organizations', 'passages', 'publishers', 'rate_windows',
                'source_documents', 'stored_bytes', 'tickets', 'turns', 'usage', 'vault_keys', 'visitors',
                'webhook_deliveries', 'webhooks', 'workflows'])
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', own);
        SELECT column_name INTO organization FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = own
            AND column_name = CASE own WHEN 'organizations' THEN 'id' ELSE 'organization_id' END;
        IF organization IS NOT NULL AND own <> 'database_roles' THEN
            -- Asked once for a statement, not for each row.
            EXECUTE format(
                'CREATE POLICY own_organization ON %I FOR SELECT USING (%I = (SELECT resly_organization()))',
                own, organization);
        END IF;
    END LOOP;
END
$$;

-- For dashboards. Days are those of UTC.
CREATE VIEW daily_conversations WITH (security_invoker = true) AS
    SELECT organization_id, (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS conversations,
        count(DISTINCT visitor_id) AS visitors
    FROM conversations GROUP BY 1, 2;

CREATE VIEW daily_answers WITH (security_invoker = true) AS
    SELECT organization_id, (created_at AT TIME ZONE 'UTC')::date AS day, status, finish_reason, count(*) AS answers,
        count(*) FILTER (WHERE jsonb_array_length(coalesce(citations, '[]'::jsonb)) > 0) AS with_citations,
        sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens
    FROM messages WHERE role = 'assistant' GROUP BY 1, 2, 3, 4;

CREATE VIEW daily_connector_calls WITH (security_invoker = true) AS
    SELECT organization_id, (created_at AT TIME ZONE 'UTC')::date AS day, connector, action, environment, status,
        count(*) AS calls, sum(fuel)::bigint AS fuel, sum(http_calls)::bigint AS http_calls,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_us) AS duration_us_p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_us) AS duration_us_p95
    FROM connector_logs GROUP BY 1, 2, 3, 4, 5, 6;
