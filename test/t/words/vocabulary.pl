
# Every word of the published vocabulary, through the functions that a client calls.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = $ENV{CALLHARDENING_PAYLOADS};
plan skip_all => 'CALLHARDENING_PAYLOADS is not set' unless $directory;

my $node = PostgreSQL::Test::Cluster->new('vocabulary');
# Without a LANG in the environment the database would be in SQL_ASCII.
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION callhardening');
$node->safe_psql(
	'postgres', q{
CREATE TABLE fact (provider text, kind text, field text, word text, canonical text, meaning text,
    confidence text, note text)});

# COPY reads the files as the server's own CSV parser understands them.
my ($status, $stdout, $stderr);
for my $file ([ fact => 'vocabulary', 600 ], [ addition => 'vocabulary-additions', 100 ])
{
	my ($table, $name, $rows) = @$file;
	$node->safe_psql('postgres', 'CREATE TABLE IF NOT EXISTS addition (LIKE fact)');
	($status, $stdout, $stderr) =
	  $node->psql('postgres', "\\copy $table FROM '$directory/$name.csv' (FORMAT csv, HEADER)");
	is($status, 0, "$name is read") or diag($stderr);
	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM $table"), '>', $rows, 'and has its rows');
}

# A fact is one that was seen, or that another provider documents in the same sense, or one of the words
# that are ambiguous and believed only.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION folded(text) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN regexp_replace(lower($1 COLLATE "C"), '[\s_-]', '', 'g');
-- An addition to a provider's word says what it means now.
DELETE FROM fact f USING addition a
WHERE (a.provider, a.kind) = (f.provider, f.kind) AND folded(a.word) = folded(f.word);
INSERT INTO fact TABLE addition;
CREATE TABLE expected AS
SELECT *, CASE WHEN canonical NOT IN ('unknown', 'none') THEN canonical END AS normal
FROM fact f
WHERE confidence <> 'unverified'
    OR EXISTS (SELECT FROM fact o WHERE o.kind = f.kind AND o.canonical = f.canonical AND o.confidence = 'documented'
        AND folded(o.word) = folded(f.word))
    OR (kind = 'status' AND provider IN ('3cx', 'talkdesk') AND folded(word) IN ('inbound', 'outbound'))});

my %function = (direction => 'normalize_call_direction', status => 'normalize_call_status');
for my $kind (sort keys %function)
{
	for my $spelling ('word', 'upper(word)', q{' ' || replace(word, '_', ' - ') || E'\t'})
	{
		my $normalized = "$function{$kind}($spelling, provider)";
		is( $node->safe_psql(
				'postgres', qq{
SELECT provider, word, normal, $normalized FROM expected
WHERE kind = '$kind' AND $normalized IS DISTINCT FROM normal}),
			'',
			"every $kind as $spelling");
	}

	# A word without a meaning is NULL in silence, so that the log shows only what nobody knows.
	(undef, undef, $stderr) = $node->psql('postgres',
		"SELECT count($function{$kind}(word, provider)) FROM expected WHERE kind = '$kind'");
	is($stderr, '', "no warning for a known $kind");
}

$node->stop;
done_testing();
