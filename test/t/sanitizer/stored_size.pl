
# What a sanitized body takes as stored, of generated traffic and of the published payloads (these only with
# CALLHARDENING_PAYLOADS): no body above 300 bytes grows, and a record takes 40 bytes at most.

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

# Each body once as it is computed, which is without compression, and once as a column has it. In a row of its own: beside
# a larger value it would be moved out of line, where its size is counted otherwise.
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

cmp_ok(count('plain_came > 300'), '>', 1000, 'there are many bodies above 300 bytes');
cmp_ok(count('came < plain_came'), '>', 100, 'many of them are compressed');
is(count('plain_came > 300 AND plain_sanitized > plain_came'), 0, 'without compression none grows');

# PostgreSQL compresses no row below 2 kB. A body slightly above that can take less than a third of its size, and its
# result, which is below, is stored as it is.
is(count('plain_came > 300 AND sanitized > came AND NOT (came < plain_came AND sanitized = plain_sanitized)'),
	0, 'with compression none grows but what is too small for it now');
is($node->safe_psql('postgres', 'SELECT sum(sanitized) * 2 < sum(came) FROM size WHERE plain_came > 300'),
	't', 'all of them take less than half');
is(count('plain_sanitized - without_record > 40'), 0, 'no record takes more than 40 bytes');
cmp_ok(count('plain_sanitized > without_record'), '>', 100, 'many have a record');

done_testing();
