
# The k-th allocation of a session fails, for every k: error 53200, and the session goes on.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('allocations');
my $module = PostgreSQL::Test::Utils::tempdir . '/allocation_fault.so';
my $include = $node->config_data('--includedir-server');
my $compiled = system("cc -shared -fPIC -O1 -I'$include' -o $module $FindBin::Bin/../modules/allocation_fault.c >/dev/null 2>&1") == 0;
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

# Big enough for several blocks of everything, with something for every rule.
$node->safe_psql(
	'postgres', q{
CREATE TABLE document AS
SELECT payload, payload::text AS body,
       '{"version": 1, "secrets": ["door"], "rules": [{"path": "**.note", "action": "truncate", "length": 40}, {"path": "**.phone", "action": "mask", "keep": 4},
         {"path": "inner.*.x", "action": "hash"}, {"path": "**.data", "action": "json"}], "detectors": {"phone": "mask", "email": "hash"},
         "limits": {"members": 3000, "items": 2000}, "budget": {"max_bytes": 20000}}'::jsonb AS policy
FROM (SELECT jsonb_object_agg('member' || i, jsonb_build_object('note', repeat('word ', 30), 'phone', '+1415555010' || i, 'x', i, 'door', 'x', 'nothing', NULL,
          'url', 'https://a:b@example.com/?sig=' || i, 'data', '{"a": [1, {"password": "x"}, null], "b": "\u00e4"}')) AS payload
      FROM generate_series(1, 800) AS i) AS made});

# The lines of a session in which the k-th allocation fails. The library, the
# catalogs and the default policy are there before.
sub session
{
	my ($k, $expression) = @_;
	my ($stdout, $stderr);
	my $status = $node->psql(
		'postgres', "\\set VERBOSITY sqlstate
SELECT length(payload::text), length(body::jsonb::text), sanitize_call_payload('[1]'::jsonb) FROM document;
SELECT fail_allocation($k);
SELECT 'result', md5(($expression)::text) FROM document;
SELECT 'failed', allocation_failed();
SELECT 'again', md5(($expression)::text) FROM document;",
		on_error_stop => 0, stdout => \$stdout, stderr => \$stderr);
	return ($status, $stdout, $stderr);
}

for my $expression ('sanitize_call_payload(payload, policy)', 'sanitize_call_payload(body, policy)')
{
	my (undef, $clean) = session(0, $expression);
	my ($expected) = $clean =~ /^again\|(\w+)/m;
	my ($k, $refused) = (0, 0);
	my @wrong;
	while (++$k < 5000)
	{
		my ($status, $stdout, $stderr) = session($k, $expression);
		last if $stdout =~ /^failed\|f/m;
		my $is_right =
		    $status == 0
		  && $stdout =~ /^again\|$expected$/m
		  && ($stderr =~ /53200/ || $stdout =~ /^result\|$expected$/m)
		  && $stderr !~ /ERROR:  (?!53200)/;
		push @wrong, "allocation $k: $stdout $stderr" unless $is_right;
		++$refused if $stderr =~ /53200/;
	}
	is(join("\n", @wrong[ 0 .. ($#wrong > 4 ? 4 : $#wrong) ]), '', "each of $k allocations of $expression may fail");
	cmp_ok($refused, '>', 20, 'which is error 53200');
	note("$refused of $k allocations gave 53200");
}

# The same in one session, whose caches are warm.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION try_allocations() RETURNS TABLE (expression text, allocations int, refused int) LANGUAGE plpgsql AS $$
DECLARE
    expected text;
    result text;
BEGIN
    FOREACH expression IN ARRAY ARRAY['sanitize_call_payload(payload, policy)', 'sanitize_call_payload(body, policy)'] LOOP
        EXECUTE format('SELECT %s FROM document', expression) INTO expected;
        allocations := 0;
        refused := 0;
        LOOP
            allocations := allocations + 1;
            BEGIN
                PERFORM fail_allocation(allocations);
                EXECUTE format('SELECT %s FROM document', expression) INTO result;
                EXIT WHEN NOT allocation_failed();
                IF result <> expected THEN
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
is($node->psql('postgres', 'SELECT * FROM try_allocations()', stdout => \$stdout, stderr => \$stderr), 0, 'each may fail in a session that goes on')
  or diag($stderr);
note($stdout);

$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no crash in the log');
done_testing();
