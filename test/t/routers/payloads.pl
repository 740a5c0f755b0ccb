
# Published payloads: call_event_partition reads the call that a log reads, in each part of a body. The program in Python
# gives the same partitions.

use strict;
use warnings;

use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib dirname(__FILE__);
use Router;

my $directory = $ENV{CALLHARDENING_PAYLOADS};
plan skip_all => 'CALLHARDENING_PAYLOADS is not set' unless $directory;

my $node = Router::new_server('payloads');
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
CREATE TABLE file (name text PRIMARY KEY, body bytea, provider text, id_type text, first bigint);
CREATE TABLE part (name text, part_no int, part bytea, call_id text); -- NULL: the log finds no call
-- The provider whose name a file begins with, such as zoom_phone of zoom-1.json.
CREATE FUNCTION provider_of(file text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT provider FROM call_providers()
    WHERE shape AND (replace(provider, '_', '') LIKE replace(split_part(file, '-', 1), '_', '') || '%')
    ORDER BY length(provider) LIMIT 1
$$;
CREATE PROCEDURE read_file(name text) LANGUAGE plpgsql AS $$
DECLARE
    file file;
BEGIN
    SELECT * INTO STRICT file FROM file AS f WHERE f.name = read_file.name;
    EXECUTE format('SELECT ingest_call_event($1, %L, event_key => $2)', file.provider || '.call_events')
        USING file.body, file.name INTO file.first;
    EXECUTE format('INSERT INTO part SELECT $1, d.part_no, d.part, e.call_id FROM divide_call_event($2, $3) AS d
        FULL JOIN (SELECT row_number() OVER (ORDER BY event_seq) AS part_no,
            CASE WHEN event_lane >= 0 THEN call_id END AS call_id FROM %I.call_events WHERE event_seq >= $4) AS e
        USING (part_no)', file.provider) USING file.name, file.body, file.provider, file.first;
END
$$});

# ---- the payloads --------------------------------------------------------------------------------------------------

my ($script, $files) = ('', 0);
for my $path (sort glob("$directory/payloads/*.{json,form}"))
{
	my $name = basename($path);
	my $hex = unpack('H*', slurp_file($path));
	$script .= "INSERT INTO file SELECT '$name', decode('$hex', 'hex'), provider_of('$name') WHERE provider_of('$name') IS NOT NULL;\n";
}
$node->safe_psql('postgres', $script);
$node->safe_psql(
	'postgres', q{
SET client_min_messages = error;
UPDATE file SET id_type = p.id_type FROM call_providers() AS p WHERE p.provider = file.provider;
SELECT format('CREATE SCHEMA %I', provider), format('SELECT create_call_tables(%L, %L)', provider, provider)
FROM file GROUP BY provider \gexec
SELECT format('CALL read_file(%L)', name) FROM file ORDER BY name \gexec
});
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM file'), '>=', 150, 'the test finds the payloads');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM part WHERE call_id IS NOT NULL'), '>=', 120, 'most of them have a call');
is($node->safe_psql('postgres', 'SELECT string_agg(DISTINCT name, $$ $$) FROM part WHERE part IS NULL'),
	'', 'the parts are those of the log');
is( $node->safe_psql(
		'postgres', q{
SELECT string_agg(name || ' ' || part_no, ', ') FROM part JOIN file USING (name) WHERE call_id IS NOT NULL
AND call_event_partition(part, 65536, provider, id_type) <> call_event_partition(
    convert_to(jsonb_build_object('call_id', call_id)::text, 'UTF8'), 65536, 'dialpad', id_type)}),
	'', 'each part goes where its call goes');
is( $node->safe_psql(
		'postgres', q{
CREATE FUNCTION base64url(bytes bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT translate(rtrim(translate(encode(bytes, 'base64'), E'\n', ''), '='), '+/', '-_')
$$;
SELECT string_agg(name, ', ') FROM file WHERE name IN (SELECT name FROM part WHERE call_id IS NOT NULL)
AND call_event_partition(body, 65536, provider, id_type) <> call_event_partition(
    convert_to(concat_ws('.', base64url('{"alg":"HS256"}'), base64url(body), base64url('x')), 'UTF8'), 65536, provider, id_type)}),
	'', 'as a JWS it goes there, too');

# ---- the program in Python -----------------------------------------------------------------------------------------

my $computed = $node->safe_psql(
	'postgres', q{
SELECT line FROM (
    SELECT DISTINCT call_id || ' ' || call_event_partition(part, 65536, provider, id_type) AS line
    FROM part JOIN file USING (name) WHERE call_id !~ '\s') AS lines ORDER BY line COLLATE "C"});
my $calls = join("\n", map { (split / /)[0] } split /\n/, $computed);
my $examples = dirname(__FILE__) . '/../../../docs/examples';
my $out = '';
IPC::Run::run([ '/usr/bin/python3', '-B', '-c', <<'PYTHON', $examples ], '<', \$calls, '>', \$out) or die 'the program failed';
import sys
sys.path.append(sys.argv[1])
from partition import partition
for line in sys.stdin:
    print(line.strip(), partition(line.strip(), 65536))
PYTHON
chomp $out;
is($out, $computed, 'the program gives the same partitions of ' . split(/\n/, $computed) . ' calls');

$node->stop;
done_testing();
