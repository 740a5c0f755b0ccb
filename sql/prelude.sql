\echo Use "CREATE EXTENSION callhardening" to load this file. \quit

-- What the sanitizer writes, and what it takes for a character, is UTF-8.
DO $$
BEGIN
    IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
        RAISE feature_not_supported USING
            MESSAGE = pg_catalog.format('callhardening needs a database in UTF8, not %s', pg_catalog.getdatabaseencoding()),
            HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
    END IF;
END
$$;
