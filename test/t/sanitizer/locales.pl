
# The sanitizer gives the same bytes in every locale, for random documents in several databases of one cluster.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $documents = 5000;
my $policies = 57;
my $seed = $ENV{CALLHARDENING_SEED} // 1;

my $oracle = "$FindBin::Bin/../../oracle";
plan skip_all => 'there is no python3' if system('python3 -c "" >/dev/null 2>&1') != 0;

my $directory = PostgreSQL::Test::Utils::tempdir;
my %count = (policies => $policies, documents => "$documents $policies");
for my $what (sort keys %count)
{
	is(system("python3 $oracle/generate.py $what $seed $count{$what} >$directory/$what.csv"), 0, "the script makes random $what");
}

my $node = PostgreSQL::Test::Cluster->new('locales');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\njit = off");
$node->start;

# In Turkish the lower case of I is not i. So sorting or folding by the database's collation would show.
my %locale = (c => "LOCALE 'C.UTF-8'", c_bytes => "LOCALE 'C'");
if ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_collation WHERE collprovider = 'i'}) > 0)
{
	$locale{turkish} = "LOCALE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR'";
	$locale{german} = "LOCALE 'C.UTF-8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE-u-co-phonebk'";
}

# All databases have one key, so that tokens are compared too.
my $sums = q{
SELECT count(*), md5(string_agg(by_jsonb, E'\n' ORDER BY number)), md5(string_agg(by_text, E'\n' ORDER BY number))
FROM (SELECT d.number, sanitize_call_payload(body::jsonb, p.policy)::text || sanitize_call_payload(body::jsonb)::text AS by_jsonb,
             sanitize_call_payload(body, p.policy)::text || sanitize_call_payload(body)::text AS by_text
      FROM document d JOIN policy p ON p.number = d.policy) AS sanitized};
my %result;
for my $database (sort keys %locale)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 $locale{$database}");
	$node->safe_psql(
		$database, qq{
CREATE EXTENSION callhardening;
SELECT add_call_pseudonym_key(decode(repeat('5a', 32), 'hex'));
CREATE TABLE policy (number int, policy jsonb, small_policy jsonb);
CREATE TABLE document (number int, policy int, exact boolean, body text);
\\copy policy FROM '$directory/policies.csv' (FORMAT csv)
\\copy document FROM '$directory/documents.csv' (FORMAT csv)});
	$result{$database} = $node->safe_psql($database, $sums);
}
my ($checked, $by_jsonb, $by_text) = split(/\|/, $result{c});
is($checked, $documents, 'every document is sanitized');
is($by_text, $by_jsonb, 'both forms give the same bytes');
is($result{$_}, $result{c}, "to the same bytes in the database $_") for sort keys %locale;

SKIP:
{
	skip 'this server has no ICU', 1 unless $locale{turkish};
	is($node->safe_psql('turkish', q{SELECT lower('I') = 'i'}), 'f', 'the Turkish database folds letters differently');
}

done_testing();
