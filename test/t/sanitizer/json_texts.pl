
# Texts that are JSON, nearly JSON or no JSON. For each of them the text form and the jsonb form give the same result or the
# same SQLSTATE.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no python3' if system('python3 -c "" >/dev/null 2>&1') != 0;

my $file = PostgreSQL::Test::Utils::tempdir . '/texts.csv';
is(system("python3 $FindBin::Bin/../../oracle/json_texts.py >$file"), 0, 'the script makes the texts');

my $node = PostgreSQL::Test::Cluster->new('json_texts');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql(
	'postgres', qq{
CREATE EXTENSION callhardening;
CREATE TABLE case_ (name text, hex text);
\\copy case_ FROM '$file' (FORMAT csv)});

# The result of a statement for a body, or its SQLSTATE.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION verdict(statement text, body bytea, policy jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE statement INTO result USING body, policy;
    RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
    RETURN 'error ' || SQLSTATE;
END
$$;
CREATE TABLE policy AS
SELECT * FROM (VALUES ('default', NULL::jsonb), ('permissive', '{"version": 1, "limits": {"depth": 64,
    "members": 1000000, "items": 1000000, "characters": 1000000}, "budget": {"max_bytes": 1000000}}'),
    ('opening', '{"version": 1, "rules": [{"path": "**", "action": "json"}]}'), ('dropping', '{"version": 1,
        "rules": [{"path": "*", "action": "drop"}]}')) AS p (name, document);
CREATE TABLE result AS
SELECT c.name, p.name AS policy,
       verdict($$SELECT sanitize_call_payload(convert_from($1, 'UTF8')::jsonb, $2)::text$$, decode(hex, 'hex'), p.document) AS by_jsonb,
       verdict($$SELECT sanitize_call_payload(convert_from($1, 'UTF8'), $2)::text$$, decode(hex, 'hex'), p.document) AS by_text
FROM case_ c, policy p});

cmp_ok($node->safe_psql('postgres', 'SELECT count(DISTINCT name) FROM case_'), '>', 1500, 'there are enough of them');
is( $node->safe_psql('postgres',
		q{SELECT policy, name, left(by_jsonb, 200), left(by_text, 200) FROM result WHERE by_jsonb <> by_text ORDER BY length(by_jsonb) LIMIT 20}),
	'',
	'both forms agree on each text');
is( $node->safe_psql('postgres',
		q{SELECT string_agg(DISTINCT by_jsonb, ' ' ORDER BY by_jsonb) FROM result WHERE by_jsonb LIKE 'error%'}),
	'error 22003 error 22021 error 22P02 error 22P05 error 54001',
	'the texts cover every error');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM result WHERE by_jsonb NOT LIKE 'error%'}), '>', 1000, 'as are accepted ones');

$node->stop;
done_testing();
