
# The stored size of sanitized bodies, of generated traffic and of the published payloads (only with
# CALLHARDENING_PAYLOADS). No body above 300 bytes grows, and a record takes 40 bytes at most.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $payloads = $ENV{CALLHARDENING_PAYLOADS} // '';

my $node = PostgreSQL::Test::Cluster->new('stored_size');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\njit = off");
$node->start;

# Each body as computed, without compression, and as stored in a column. Each has a row of its own: beside a larger value
# it would be moved out of line, and its size would be counted differently.
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
CREATE TABLE body (id int GENERATED ALWAYS AS IDENTITY, body text);
INSERT INTO body (body) SELECT call_traffic(300);
CREATE TABLE came (id int, came jsonb);
CREATE TABLE sanitized (id int, sanitized jsonb);
});
if ($payloads ne '')
{
	$node->safe_psql('postgres',
		"INSERT INTO body (body) SELECT pg_read_file('$payloads/payloads/' || file)
			FROM pg_ls_dir('$payloads/payloads') AS file WHERE file LIKE '%.json'");
}
$node->safe_psql(
	'postgres', q{
INSERT INTO came SELECT id, body::jsonb FROM body;
INSERT INTO sanitized SELECT id, sanitize_call_payload(body) FROM body;
CREATE TABLE size AS
SELECT pg_column_size(body::jsonb) AS plain_came, pg_column_size(sanitize_call_payload(body)) AS plain_sanitized,
       pg_column_size(sanitize_call_payload(body) - '_sanitized') AS without_record,
       pg_column_size(came) AS came, pg_column_size(sanitized) AS sanitized
FROM body JOIN came USING (id) JOIN sanitized USING (id);
});

sub count
{
	my ($condition) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM size WHERE $condition");
}

cmp_ok(count('plain_came > 300'), '>', 1000, 'many bodies have more than 300 bytes');
cmp_ok(count('came < plain_came'), '>', 100, 'many bodies are compressed');
is(count('plain_came > 300 AND plain_sanitized > plain_came'), 0, 'without compression no body above 300 bytes grows');

# PostgreSQL compresses no row below 2 kB. A body slightly larger can shrink to less than a third. Its result is smaller than
# 2 kB, so it is stored uncompressed.
is(count('plain_came > 300 AND sanitized > came AND NOT (came < plain_came AND sanitized = plain_sanitized)'),
	0, 'with compression a body grows only if its result is too small to compress');
is($node->safe_psql('postgres', 'SELECT sum(sanitized) * 2 < sum(came) FROM size WHERE plain_came > 300'),
	't', 'all results together take less than half');
is(count('plain_sanitized - without_record > 40'), 0, 'no record takes more than 40 bytes');
cmp_ok(count('plain_sanitized > without_record'), '>', 100, 'many have a record');

done_testing();
