
# For every k, the k-th allocation of a session fails: the session gets error 53200 and goes on.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('allocations');
my $module = PostgreSQL::Test::Utils::tempdir . '/allocation_fault.so';
my $include = $node->config_data('--includedir-server');
my $compiled = system("cc -shared -fPIC -O1 -I'$include' -o $module $FindBin::Bin/../../modules/allocation_fault.c >/dev/null 2>&1") == 0;
plan skip_all => 'the module that lets allocations fail cannot be built here' unless $compiled;

$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\njit = off\nautovacuum = off\nlog_min_messages = fatal");
{
	local $ENV{LD_PRELOAD} = $module;
	$node->start;
}
$node->safe_psql(
	'postgres', qq{
CREATE EXTENSION callhardening;
CREATE FUNCTION fail_allocation(bigint) RETURNS void STRICT LANGUAGE c AS '$module';
CREATE FUNCTION allocation_failed() RETURNS boolean LANGUAGE c AS '$module';});

# Large enough for several blocks of everything, with a value for every rule.
$node->safe_psql(
	'postgres', q{
CREATE TABLE document AS
SELECT payload, payload::text AS body,
       '{"version": 1, "secrets": ["door"],
           "rules": [{"path": "**.note", "action": "truncate", "length": 40}, {"path": "**.phone", "action": "mask", "keep": 4},
         {"path": "inner.*.x", "action": "hash"}, {"path": "**.data", "action": "json"}], "detectors": {"phone": "mask", "email": "hash"},
         "limits": {"members": 3000, "items": 2000}, "budget": {"max_bytes": 20000}}'::jsonb AS policy
FROM (SELECT jsonb_object_agg('member' || i,
    jsonb_build_object('note', repeat('word ', 30), 'phone', '+1415555010' || i, 'x', i, 'door', 'x', 'nothing', NULL,
          'url', 'https://a:b@example.com/?sig=' || i, 'data', '{"a": [1, {"password": "x"}, null], "b": "\u00e4"}')) AS payload
      FROM generate_series(1, 200) AS i) AS made});

# Every try has a policy of its own, so it is compiled again. The results are the same.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION try_allocations() RETURNS TABLE (expression text, allocations int, refused int) LANGUAGE plpgsql AS $$
DECLARE
    expected jsonb;
    result jsonb;
BEGIN
    FOREACH expression IN ARRAY ARRAY['sanitize_call_payload(payload, $1)', 'sanitize_call_payload(body, $1)'] LOOP
        EXECUTE format('SELECT %s - %L FROM document', expression, '_sanitized') INTO expected USING (SELECT policy FROM document);
        allocations := 0;
        refused := 0;
        LOOP
            allocations := allocations + 1;
            BEGIN
                EXECUTE format('SELECT %s - %L FROM document, fail_allocation(%s)', expression, '_sanitized', allocations)
                    INTO result USING (SELECT jsonb_set(policy, '{limits,characters}', to_jsonb(1000 + allocations)) FROM document);
                EXIT WHEN NOT allocation_failed();
                IF result IS DISTINCT FROM expected THEN
                    RAISE 'allocation % fails unseen', allocations;
                END IF;
            EXCEPTION WHEN out_of_memory THEN
                refused := refused + 1;
            END;
        END LOOP;
        RETURN NEXT;
    END LOOP;
END
$$});
my ($stdout, $stderr);
is($node->psql('postgres', 'SELECT * FROM try_allocations()', stdout => \$stdout, stderr => \$stderr),
	0, 'each may fail in a session that goes on')
  or diag($stderr);
my @refused = $stdout =~ /\|(\d+)$/mg;
is(scalar @refused, 2, 'both forms had failing allocations');
cmp_ok($_, '>', 20, 'with error 53200') for @refused;
diag("form, allocations, refused: $stdout");

$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'the server log has no crash');
done_testing();
