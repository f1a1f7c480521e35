-- Full text and vectors for those who query the database themselves. The host searches by its own index.
--
-- Only who writes passages pays for it, and never a chat. What is derived from them is written by triggers. The rows that
-- are there already stay as they are: a job of the host brings them up to date, some at a time.

-- `search` was generated, by one configuration for all languages. From now on a trigger writes it.
ALTER TABLE passages ALTER COLUMN search DROP EXPRESSION;

-- Where a job of the host goes on with what isn't up to date: at the passage of this id. No row when all is.
CREATE TABLE passage_refresh (
    only_row BOOLEAN NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    next_id UUID NOT NULL
);
ALTER TABLE passage_refresh ENABLE ROW LEVEL SECURITY;

-- Makes the configurations of the server under names of their own, so that `unaccent` can be put into them, and queries name
-- the same one with and without it. Every start of a host calls this (`open/extensions.rs`): a newer server knows more
-- languages, and who drops `unaccent` drops what it is in.
-- Returns whether some were missing.
CREATE FUNCTION resly_make_text_configs() RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
    missing NAME;
BEGIN
    FOR missing IN
        SELECT cfgname FROM pg_ts_config c
        WHERE cfgnamespace = 'pg_catalog'::regnamespace AND NOT EXISTS (
            SELECT FROM pg_ts_config WHERE cfgnamespace = current_schema()::regnamespace AND cfgname = 'resly_' || c.cfgname)
    LOOP
        EXECUTE format('CREATE TEXT SEARCH CONFIGURATION %I (COPY = pg_catalog.%I)', 'resly_' || missing, missing);
    END LOOP;
    RETURN FOUND;
END
$$;
SELECT resly_make_text_configs();

-- The functions find the tables wherever a caller's path of schemas leads, with temporary tables last.
DO $do$
BEGIN
    -- The configuration for a language, by its BCP-47 code or PostgreSQL's name of it. `resly_simple` cuts words and doesn't
    -- stem them.
    EXECUTE format($function$
        CREATE FUNCTION resly_text_config(language TEXT) RETURNS REGCONFIG
        LANGUAGE sql STABLE PARALLEL SAFE SET search_path = %1$I, pg_temp
        AS $body$
            SELECT coalesce(
                (SELECT oid::regconfig FROM pg_ts_config
                 WHERE cfgnamespace = current_schema()::regnamespace AND cfgname = 'resly_' || CASE language
                    WHEN 'ar' THEN 'arabic' WHEN 'ca' THEN 'catalan' WHEN 'da' THEN 'danish' WHEN 'de' THEN 'german'
                    WHEN 'el' THEN 'greek' WHEN 'en' THEN 'english' WHEN 'es' THEN 'spanish' WHEN 'et' THEN 'estonian'
                    WHEN 'eu' THEN 'basque' WHEN 'fi' THEN 'finnish' WHEN 'fr' THEN 'french' WHEN 'ga' THEN 'irish'
                    WHEN 'hi' THEN 'hindi' WHEN 'hu' THEN 'hungarian' WHEN 'hy' THEN 'armenian'
                    WHEN 'id' THEN 'indonesian' WHEN 'it' THEN 'italian' WHEN 'lt' THEN 'lithuanian'
                    WHEN 'nl' THEN 'dutch' WHEN 'no' THEN 'norwegian' WHEN 'pt' THEN 'portuguese'
                    WHEN 'ro' THEN 'romanian' WHEN 'ru' THEN 'russian' WHEN 'sr' THEN 'serbian'
                    WHEN 'sv' THEN 'swedish' WHEN 'ta' THEN 'tamil' WHEN 'tr' THEN 'turkish' ELSE language END),
                'resly_simple'::regconfig)
        $body$
    $function$, current_schema());

    -- Runs with the owner's rights, because the host writes passages under a role that has none on `passage_refresh`.
    EXECUTE format($function$
        CREATE FUNCTION resly_passage_search() RETURNS TRIGGER
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = %1$I, pg_temp
        AS $body$
        DECLARE
            config REGCONFIG := resly_text_config(NEW.language);
        BEGIN
            NEW.search := setweight(to_tsvector(config, NEW.title), 'A')
                || setweight(to_tsvector(config, NEW.section), 'B')
                || setweight(to_tsvector(config, NEW.text), 'C');
            -- Of an older host, or of a copy: the job finds the language.
            IF NEW.language IS NULL THEN
                INSERT INTO passage_refresh (next_id) VALUES (NEW.id)
                ON CONFLICT (only_row) DO UPDATE SET next_id = least(passage_refresh.next_id, excluded.next_id);
            END IF;
            RETURN NEW;
        END
        $body$
    $function$, current_schema());

    -- Finds an organization's passages by the index of words. A reader's own condition can't use it: policies come before
    -- it, and `@@` isn't leakproof. Who may see all rows anyway may name the organization.
    EXECUTE format($function$
        CREATE FUNCTION resly_search(query TSQUERY, organization UUID DEFAULT NULL)
        RETURNS TABLE (passage_id UUID, source_id UUID, rank REAL)
        LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100 SET search_path = %1$I, pg_temp
        AS $body$
        DECLARE
            own UUID := resly_organization();
        BEGIN
            IF own IS NULL AND pg_has_role(session_user, current_user, 'MEMBER') THEN
                own := organization;
            END IF;
            -- Planned with its values, so that the planner knows whether the words are rare or the organization is small.
            RETURN QUERY EXECUTE
                'SELECT p.id, p.source_id, ts_rank_cd(p.search, $2)
                 FROM passages p JOIN knowledge_sources s ON s.id = p.source_id
                 WHERE p.organization_id = $1 AND p.search @@ $2 AND s.chunks > 0 AND s.status <> ''deleting'''
                USING own, query;
        END
        $body$
    $function$, current_schema());
END
$do$;

CREATE TRIGGER passages_search BEFORE INSERT OR UPDATE OF title, section, text, language ON passages
    FOR EACH ROW EXECUTE FUNCTION resly_passage_search();

-- The numbers of a vector, which is stored as little-endian IEEE 754 singles. Null for what isn't one: no numbers, more
-- than `pgvector` takes, or one that isn't finite.
CREATE FUNCTION resly_floats(bytes BYTEA) RETURNS REAL[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
    SELECT CASE WHEN bool_and(exponent < 255) THEN
        array_agg((CASE
            WHEN exponent = 0 THEN sign * fraction * 2 ^ -149::float8
            WHEN exponent < 255 THEN sign * (8388608 + fraction) * 2 ^ (exponent - 150)::float8
        END)::real ORDER BY place) END
    FROM generate_series(0, least(length(bytes), 64000) - 4, 4) AS place,
        LATERAL (SELECT get_byte(bytes, place) AS b0, get_byte(bytes, place + 1) AS b1, get_byte(bytes, place + 2) AS b2,
            get_byte(bytes, place + 3) AS b3) AS byte,
        LATERAL (SELECT CASE WHEN b3 >= 128 THEN -1::float8 ELSE 1::float8 END AS sign,
            (b3 & 127) * 2 + (b2 >> 7) AS exponent, (b2 & 127) * 65536 + b1 * 256 + b0 AS fraction) AS part
    WHERE length(bytes) BETWEEN 4 AND 64000 AND length(bytes) % 4 = 0
$$;

-- Logins of dashboards that are there may read passages as well.
DO $$
DECLARE
    login TEXT;
BEGIN
    FOR login IN SELECT role_name FROM database_roles WHERE to_regrole(quote_ident(role_name)) IS NOT NULL LOOP
        EXECUTE format('GRANT SELECT ON passages TO %I', login);
    END LOOP;
END
$$;

INSERT INTO passage_refresh (next_id) SELECT '00000000-0000-0000-0000-000000000000' WHERE EXISTS (SELECT FROM passages);
