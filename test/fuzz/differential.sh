#!/usr/bin/env bash
# differential.sh DIRECTORY ...: replays bodies in the server that libpq finds, with the extension installed. The text form
# and the jsonb form must give the same result or the same SQLSTATE. The first byte of a
# file belongs to the fuzz target.
set -euo pipefail

bodies=$(find "$@" -type f -size -64k | sort | while read -r file; do tail -c +2 "$file" | od -An -v -tx1 | tr -d ' \n'; echo; done)
psql -XAtq -v ON_ERROR_STOP=1 <<SQL
CREATE TEMPORARY TABLE body (hex text);
COPY body FROM stdin;
$bodies
\.
CREATE FUNCTION pg_temp.verdict(statement text, body bytea) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
    result text;
BEGIN
    EXECUTE statement INTO result USING body;
    RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
    RETURN 'error ' || SQLSTATE;
END
\$\$;
CREATE TEMPORARY TABLE verdict AS
SELECT hex, pg_temp.verdict('SELECT sanitize_call_payload(convert_from(\$1, ''UTF8'')::jsonb)::text', decode(hex, 'hex')) AS by_jsonb,
       pg_temp.verdict('SELECT sanitize_call_payload(convert_from(\$1, ''UTF8''))::text', decode(hex, 'hex')) AS by_text
FROM body;
SELECT 'not ok - ' || hex || ': ' || by_jsonb || ' by jsonb, ' || by_text || ' by text' FROM verdict
WHERE by_jsonb <> by_text ORDER BY length(hex) LIMIT 10;
SELECT CASE WHEN count(*) FILTER (WHERE by_jsonb <> by_text) = 0 THEN 'ok - ' ELSE 'not ok - ' END || count(*) || ' bodies, '
    || count(*) FILTER (WHERE by_jsonb LIKE 'error%') || ' refused' FROM verdict;
DO \$\$ BEGIN
    IF EXISTS (SELECT FROM verdict WHERE by_jsonb <> by_text) THEN
        RAISE EXCEPTION 'the two forms differ';
    END IF;
END \$\$;
SQL
