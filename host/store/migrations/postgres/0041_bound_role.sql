-- Row-level security for the host itself: it works for one organization at a time, under a role that owns no table, with
-- the organization in `resly.organization`. `store/src/row_scope.rs` makes the role and takes it.

-- The organization that the host works for. Whoever isn't (a member of) the owner of the tables can set it too, so then it
-- doesn't count. The session's user stays the same whatever role it takes; the current user is the function's owner here.
CREATE FUNCTION resly_scope() RETURNS UUID
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_has_role(session_user, current_user, 'MEMBER') THEN
        RETURN nullif(current_setting('resly.organization', true), '')::uuid;
    END IF;
    RETURN NULL;
END
$$;

-- Whose rows are seen: as in migration 31, and the host's.
DO $do$
BEGIN
    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION resly_organization() RETURNS UUID
        LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = %I, pg_temp
        AS $body$
        DECLARE
            host_scope UUID := resly_scope();
        BEGIN
            IF host_scope IS NOT NULL THEN
                RETURN host_scope;
            END IF;
            RETURN CASE
                WHEN EXISTS (SELECT FROM database_roles WHERE role_name = session_user)
                THEN (SELECT organization_id FROM database_roles WHERE role_name = session_user)
                ELSE (NULLIF(current_setting('request.jwt.claims', true), '')::jsonb ->> 'organization_id')::uuid
            END;
        END
        $body$
    $function$, current_schema());
END
$do$;

-- Lets the host at the rows of one organization in a table, and no one else write. A migration that makes a table with an
-- `organization_id` calls it once.
CREATE FUNCTION resly_bind(target REGCLASS, organization NAME DEFAULT 'organization_id') RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = target AND polname = 'own_organization') THEN
        EXECUTE format('CREATE POLICY own_organization ON %s FOR SELECT USING (%I = (SELECT resly_organization()))',
            target, organization);
    END IF;
    EXECUTE format('CREATE POLICY own_insert ON %s FOR INSERT WITH CHECK (%I = (SELECT resly_scope()))',
        target, organization);
    EXECUTE format('CREATE POLICY own_update ON %s FOR UPDATE USING (%I = (SELECT resly_scope()))', target, organization);
    EXECUTE format('CREATE POLICY own_delete ON %s FOR DELETE USING (%I = (SELECT resly_scope()))', target, organization);
END
$$;

SELECT resly_bind(polrelid::regclass, CASE polrelid WHEN 'organizations'::regclass THEN 'id' ELSE 'organization_id' END::name)
FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
WHERE polname = 'own_organization' AND relnamespace = current_schema()::regnamespace;

-- Who writes an answer is found together with its host.
CREATE POLICY bound_host ON hosts FOR SELECT USING ((SELECT resly_scope()) IS NOT NULL);
