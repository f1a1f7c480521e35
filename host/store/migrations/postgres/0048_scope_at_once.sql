-- Whose rows are seen: as in migration 41, with the condition of `resly_scope` in the function itself. Every statement of the
-- host calls it, and a call within it, with rights and a search path of its own, cost about as much again.
DO $do$
BEGIN
    EXECUTE format($function$
        CREATE OR REPLACE FUNCTION resly_organization() RETURNS UUID
        LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = %I, pg_temp
        AS $body$
        BEGIN
            IF pg_has_role(session_user, current_user, 'MEMBER') AND current_setting('resly.organization', true) <> '' THEN
                RETURN current_setting('resly.organization', true)::uuid;
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
