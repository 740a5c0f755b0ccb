
# The corpus of test/corpus: made-up secrets of each form in each situation, and harmless values. docs/detectors.md gives
# the bounds and shows the resulting table.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no python3' if system('python3 -c "" >/dev/null 2>&1') != 0;

my $corpus = "python3 $FindBin::Bin/../../corpus/corpus.py";
my $directory = PostgreSQL::Test::Utils::tempdir;
is(system("$corpus bodies >$directory/bodies.csv"), 0, 'the script makes the corpus');

my $node = PostgreSQL::Test::Cluster->new('corpus');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\njit = off");
$node->start;

# No rule, detector or limit takes part: a hidden value was found as a secret. Only digit groups are tested with the
# detectors of `strict`.
my $room = '"limits": {"depth": 60, "members": 1000, "items": 1000, "characters": 100000}, "budget": {"max_bytes": 1000000}';
my $policy = qq({"version": 1, $room});
my $detecting = qq({"version": 1, $room, "detectors": )
  . '{"phone": "mask", "email": "mask", "card": "mask", "ssn": "mask", "iban": "mask", "ip": "mask"}}';
$node->safe_psql(
	'postgres', qq{
CREATE EXTENSION callhardening;
CREATE TABLE body (number int, body text, detect boolean);
\\copy body FROM '$directory/bodies.csv' (FORMAT csv)
CREATE TABLE result AS
SELECT number, result, sanitize_call_payload(body::jsonb, policy) AS other_form, sanitize_call_payload(result, policy) AS again
FROM body, LATERAL (SELECT CASE WHEN detect THEN '$detecting' ELSE '$policy' END::jsonb AS policy) AS p,
    LATERAL (SELECT sanitize_call_payload(body, policy) AS result OFFSET 0) AS s;
\\copy (SELECT number, result FROM result) TO '$directory/results.csv' (FORMAT csv)});

is($node->safe_psql('postgres', 'SELECT count(*) FROM result WHERE result::text <> other_form::text'), 0, 'both forms agree');
is($node->safe_psql('postgres', 'SELECT count(*) FROM result WHERE result::text <> again::text'), 0, 'a second pass changes nothing');
$node->stop;

my $table = `$corpus report $directory/results.csv 2>$directory/missed`;
is($?, 0, 'every number is within its bound') or diag(slurp_file("$directory/missed"));
note($table);
my $documented = slurp_file("$FindBin::Bin/../../../docs/detectors.md");
ok(index($documented, $table) >= 0, 'the documentation has the resulting table') or diag($table);

done_testing();
