//! Uses PostgreSQL's extensions `unaccent` and `pgvector` where the server has them, for those who query the database
//! themselves. The tables are whole without them.
//!
//! An extension may come at any time, so every start looks for them. What changes then is derived anew for the passages
//! that are there, by a job: see `knowledge/refresh.rs`.

use sqlx::{Executor, PgConnection};

/// Makes the extensions where the server has them and the login may, and what depends on them where it isn't there yet.
/// Hosts that start at once do this one after the other, under the lock of the migrations.
///
/// `unaccent` goes into the configurations of migration 43, before their own dictionaries. With `pgvector`, passages have a
/// column that a trigger fills; both go with the extension.
const PREPARE: &str = r#"
DO $do$
DECLARE
    home CONSTANT NAME := current_schema();
    extension TEXT;
    accents TEXT;
    config RECORD;
    place TEXT;
    changed BOOLEAN;
BEGIN
    FOR extension IN
        SELECT name FROM pg_available_extensions WHERE name IN ('unaccent', 'vector') AND installed_version IS NULL
    LOOP
        -- Servers refuse in many ways, here and below, and none of them may keep a host from starting.
        BEGIN
            EXECUTE format('CREATE EXTENSION %I', extension);
        EXCEPTION WHEN OTHERS THEN
            PERFORM set_config('resly.refused_' || extension, SQLERRM, false);
        END;
    END LOOP;

    changed := resly_make_text_configs();
    SELECT d.oid::regdictionary::text INTO accents
        FROM pg_extension e JOIN pg_ts_dict d ON d.dictnamespace = e.extnamespace AND d.dictname = 'unaccent'
        WHERE e.extname = 'unaccent';
    IF accents IS NOT NULL THEN
        BEGIN
            FOR config IN
                SELECT c.cfgname AS name, m.mapdict::regdictionary::text AS words
                FROM pg_ts_config c
                    JOIN pg_ts_config_map m ON m.mapcfg = c.oid AND m.mapseqno = 1
                    JOIN LATERAL ts_token_type(c.cfgparser) t ON t.tokid = m.maptokentype AND t.alias = 'word'
                WHERE c.cfgnamespace = current_schema()::regnamespace AND c.cfgname LIKE 'resly\_%'
                    AND m.mapdict::regdictionary::text <> accents
            LOOP
                -- Words of ASCII alone have no accents.
                EXECUTE format('ALTER TEXT SEARCH CONFIGURATION %I ALTER MAPPING FOR hword, hword_part, word WITH %s, %s',
                    config.name, accents, config.words);
                changed := true;
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            PERFORM set_config('resly.refused_unaccent', SQLERRM, false);
        END;
    END IF;

    SELECT quote_ident(n.nspname) INTO place
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector';
    IF place IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = 'passages'::regclass AND attname = 'embedding' AND NOT attisdropped
    ) THEN
        BEGIN
            -- Whoever waits for the table waits behind this. A later start tries again.
            PERFORM set_config('lock_timeout', '5s', true);
            EXECUTE format('ALTER TABLE passages ADD COLUMN embedding %s.vector', place);
            EXECUTE format($function$
                CREATE OR REPLACE FUNCTION resly_passage_embedding() RETURNS TRIGGER
                LANGUAGE plpgsql SECURITY DEFINER SET search_path = %I, %s, pg_temp
                AS $body$
                BEGIN
                    -- Joined with nothing, it is a copy in memory. Of a value that is stored outside its row, all would
                    -- be read for each byte.
                    NEW.embedding := resly_floats(NEW.vector || ''::bytea)::vector;
                    RETURN NEW;
                END
                $body$
            $function$, home, place);
            CREATE TRIGGER passages_embedding BEFORE INSERT OR UPDATE OF vector ON passages
                FOR EACH ROW EXECUTE FUNCTION resly_passage_embedding();
            ALTER FUNCTION resly_passage_embedding() DEPENDS ON EXTENSION vector;
            ALTER TRIGGER passages_embedding ON passages DEPENDS ON EXTENSION vector;
            changed := true;
        EXCEPTION WHEN OTHERS THEN
            PERFORM set_config('resly.refused_vector', SQLERRM, false);
        END;
        PERFORM set_config('lock_timeout', '0', true);
    END IF;

    IF changed THEN
        INSERT INTO passage_refresh (next_id) VALUES ('00000000-0000-0000-0000-000000000000')
        ON CONFLICT (only_row) DO UPDATE SET next_id = excluded.next_id;
    END IF;
END
$do$"#;
/// Which of them aren't used, and why the server refused.
const MISSING: &str = "SELECT name, current_setting('resly.refused_' || name, true)
    FROM (VALUES ('unaccent'), ('vector')) AS wanted (name)
    WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = name)
        OR current_setting('resly.refused_' || name, true) <> ''";

/// Makes what SQL users have of the extensions, and logs which of them are missing.
pub(super) async fn prepare(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    conn.execute(PREPARE).await?;
    let missing: Vec<(String, Option<String>)> = sqlx::query_as(MISSING).fetch_all(conn).await?;
    for (name, refused) in missing {
        let reason = refused.unwrap_or_else(|| "the server doesn't have it".to_owned());
        let without = if name == "vector" { "passages have no `embedding`" } else { "full text minds accents" };
        tracing::info!(
            "for those who query PostgreSQL themselves, {without}: the extension `{name}` isn't used ({reason}). To have \
             it, let an administrator of the server run `CREATE EXTENSION {name}` in this database, and start a host again"
        );
    }
    Ok(())
}
