
# 100,000 random documents under random policies, each with two budgets, are compared with a model of the sanitizer. The
# model was written from the documentation (test/oracle).

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $documents = 100_000;
my $policies = 57;
my $seed = $ENV{CALLHARDENING_SEED} // 1;

my $oracle = "$FindBin::Bin/../../oracle";
plan skip_all => 'there is no python3' if system('python3 -c "" >/dev/null 2>&1') != 0;

my $directory = PostgreSQL::Test::Utils::tempdir;

sub generate
{
	my ($what, @arguments) = @_;
	my $file = "$directory/$what.csv";
	is(system("python3 $oracle/generate.py $what $seed @arguments >$file"), 0, "the script makes random $what");
	return $file;
}

my $node = PostgreSQL::Test::Cluster->new('sanitizer');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\njit = off");
$node->start;

# The built-in policies take part with budgets of their own, and without detectors: the model has none.
my $built_in = 3;
my $policy_file = generate('policies', $policies);
my $document_file = generate('documents', $documents, $policies + $built_in);
$node->safe_psql(
	'postgres', qq{
CREATE EXTENSION callhardening;
CREATE TABLE policy (number int, large_policy jsonb, small_policy jsonb);
CREATE TABLE document (number int, policy int, exact boolean, body text);
\\copy policy FROM '$policy_file' (FORMAT csv)
\\copy document FROM '$document_file' (FORMAT csv)
INSERT INTO policy
SELECT $policies + n - 1, jsonb_set(document, '{budget}', '{"max_bytes": 700}'), jsonb_set(document, '{budget}', '{"max_bytes": 256}')
FROM unnest(ARRAY['default', 'size_only', 'strict']) WITH ORDINALITY AS built_in (name, n),
    LATERAL (SELECT call_payload_policy(name) - 'detectors') AS p (document)});

# Each document in both forms, and each result once more.
$node->safe_psql(
	'postgres', q{
CREATE UNLOGGED TABLE result AS
SELECT d.number, d.policy, d.exact, d.body, large, sanitize_call_payload(large, large_policy) AS large_again,
       small, sanitize_call_payload(small, small_policy) AS small_again,
       CASE WHEN sanitize_call_payload(body, large_policy)::text <> large::text
              OR sanitize_call_payload(body, small_policy)::text <> small::text THEN 'the text form gives another result' END AS text_form
FROM document d JOIN policy p ON p.number = d.policy,
     LATERAL (SELECT sanitize_call_payload(body::jsonb, large_policy) AS large,
         sanitize_call_payload(body::jsonb, small_policy) AS small OFFSET 0) AS s
ORDER BY d.policy});
$node->safe_psql('postgres',
	"\\copy policy TO '$directory/policies.csv' (FORMAT csv)\n\\copy result TO '$directory/results.csv' (FORMAT csv)");
$node->stop;

my $report = `python3 $oracle/check.py $directory/policies.csv $directory/results.csv 2>&1`;
my $status = $?;
is($status, 0, 'the model agrees with every result') or diag($report);
my ($checked, $exact) = $report =~ /^(\d+) documents, (\d+) to the byte/m;
is($checked, $documents, 'every document is checked');
cmp_ok($exact, '>', $documents / 2, 'most are checked to the byte');

done_testing();
