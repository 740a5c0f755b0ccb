
# Every word of the published vocabulary, and of our own, goes through the functions for clients.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = $ENV{CALLHARDENING_PAYLOADS};
plan skip_all => 'CALLHARDENING_PAYLOADS is not set' unless $directory;

my $node = PostgreSQL::Test::Cluster->new('vocabulary');
# Without LANG the database would have the encoding SQL_ASCII.
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION callhardening');
$node->safe_psql(
	'postgres', q{
CREATE TABLE fact (provider text, kind text, field text, word text, canonical text, meaning text,
    confidence text, note text)});

# COPY reads the files with the server's own CSV parser.
my ($status, $stdout, $stderr);
sub read_file
{
	my ($table, $file, $rows) = @_;
	$node->safe_psql('postgres', "CREATE TABLE IF NOT EXISTS $table (LIKE fact)");
	($status, $stdout, $stderr) = $node->psql('postgres', "\\copy $table FROM '$file' (FORMAT csv, HEADER)");
	is($status, 0, "the server reads $table") or diag($stderr);
	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM $table"), '>', $rows, "$table has enough rows");
}

read_file('fact', "$directory/vocabulary.csv", 600);
read_file('addition', "$directory/vocabulary-additions.csv", 100);
read_file('ours', "$FindBin::Bin/../../unit/words/our_vocabulary.csv", 0);

# A fact is a word seen in traffic, or one documented by another provider in the same sense, or an ambiguous word that is
# only assumed.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION folded(text) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN regexp_replace(lower($1 COLLATE "C"), '[\s_-]', '', 'g');
-- An addition to a provider's word says what it means now.
CREATE FUNCTION correct(corrections regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DELETE FROM fact f USING %s a
        WHERE (a.provider, a.kind) = (f.provider, f.kind) AND folded(a.word) = folded(f.word)', corrections);
    EXECUTE format('INSERT INTO fact TABLE %s', corrections);
END $$;
SELECT correct('addition');
SELECT correct('ours');
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
			"every $kind is normalized from $spelling");
	}

	# A known word without a meaning gives no warning, so the log shows only unknown words.
	(undef, undef, $stderr) = $node->psql('postgres',
		"SELECT count($function{$kind}(word, provider)) FROM expected WHERE kind = '$kind'");
	is($stderr, '', "a known $kind gives no warning");
}

$node->stop;
done_testing();
