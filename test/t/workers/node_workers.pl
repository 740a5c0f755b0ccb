
# The workers for all shards of a server are kept like those of a log: the launcher starts them with the server, and again when
# they end, and call_worker_status shows them. They need no Citus: without a shard they have nothing to do.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', <<'END');
fsync = off
autovacuum = off
max_prepared_transactions = 2
shared_preload_libraries = 'callhardening'
callhardening.max_restart_pause = 1s
END
$node->start;
$node->safe_psql('postgres', q{CREATE EXTENSION callhardening; SELECT create_call_tables();
    CREATE ROLE worker LOGIN; CREATE ROLE other LOGIN; SELECT grant_call_role('worker', 'process');
    SELECT grant_call_role('other', 'process'); SELECT grant_call_role('other', 'monitor')});

sub sql
{
	my ($statement) = @_;
	return $node->safe_psql('postgres', "SET client_min_messages = error; $statement");
}

sub comes_to
{
	my ($what, $condition) = @_;
	ok($node->poll_query_until('postgres', "SELECT $condition FROM call_worker_status WHERE log IS NULL"), $what)
	  or diag($node->safe_psql('postgres', 'SELECT * FROM call_worker_status', extra_params => ['-x']));
	return;
}

sub error_of
{
	my ($statement) = @_;
	my ($status, $output, $errors) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET client_min_messages = error;\n$statement");
	return join ' ', map { s/^psql:<stdin>:\d+: //r } grep { /ERROR: / } split /\n/, $errors;
}

my $keep = q{SET ROLE worker; SELECT start_call_worker(NULL, node => true, keep => true, workers => 2, poll => '10 milliseconds')};
my $stop = q{SELECT stop_call_worker(NULL, node => true)};

is(sql('SELECT log, status FROM call_worker_status'), 'call_events|not kept', 'without such workers they have no row');
is(sql(q{SELECT start_call_worker(NULL, node => true)}), 1, 'one that is not kept starts');
is(sql('SELECT log, consumer, status, running, kept FROM call_worker_status WHERE log IS NULL'), '||not kept|1|', 'and has a row');
is(sql('SELECT count(*) FROM call_event_waiters WHERE log IS NULL AND consumer IS NULL'), 1, 'it waits for commits of all shards');
is(sql($stop), 1, 'and is stopped');

is(sql($keep), 2, 'kept ones start after the commit');
comes_to('they run', q{status = 'running' AND running = 2 AND kept = 2 AND role = 'worker' AND poll = '10 milliseconds' AND why IS NULL});
is(sql('SELECT status, running FROM call_worker_status WHERE log IS NOT NULL'), 'not kept|0', 'and are no workers of a log');
is(sql('SET ROLE other; SELECT running FROM call_worker_status WHERE log IS NULL'), 2, 'a monitor sees them');
is(sql(q{SELECT string_agg(workers_kept || log || status, ' ') FROM _callhardening.worker_metrics() WHERE workers_kept > 0}), '2*running',
	'a metric counts them');
is(sql(q{SELECT count(*) FROM check_call_hardening() WHERE check_name = 'kept_workers' AND ok}), 1, 'the self-test passes');

my $before = sql(q{SELECT string_agg(pid::text, ',' ORDER BY pid) FROM call_worker_pids(NULL, node => true) AS pid});
sql(q{SELECT pg_terminate_backend(pid) FROM call_worker_pids(NULL, node => true) AS pid});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 AND count(*) FILTER (WHERE pid IN (} . $before . q{)) = 0
    FROM call_worker_pids(NULL, node => true) AS pid}), 'the launcher starts them again');
comes_to('the view has the end of the last ones', q{last_failure LIKE 'a worker ended%'});
$node->restart;
comes_to('they start with the server', q{status = 'running' AND running = 2});

like(error_of("SET ROLE other; $stop"), qr/42501: permission denied to change the kept workers of the shards of this server/,
	'another role does not stop them');
like(error_of("BEGIN; $stop; PREPARE TRANSACTION 'p'"), qr/0A000: .*cannot be prepared/, 'such a transaction is not prepared');
comes_to('after this they run', 'running = 2');
sql("BEGIN; $stop; ROLLBACK");
comes_to('a rollback keeps them', 'running = 2 AND kept = 2');
is(sql($stop), 2, 'they are stopped');
$node->restart;
is(sql('SELECT count(*) FROM call_worker_status WHERE log IS NULL'), 0, 'and start no more');

sql($keep);
comes_to('they run once more', 'running = 2');
sql('DROP EXTENSION callhardening CASCADE');
ok($node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'callhardening worker')}),
	'they end with the extension');

$node->stop;
done_testing();
