# A commit wakes one waiting worker and one waiting client of its log. No wake-up is lost, whatever a waiter does in the
# moment of the commit. Without a place in shared memory, workers and clients poll.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $places = 256;
my $node = PostgreSQL::Test::Cluster->new('wake');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', q{
fsync = off
autovacuum = off
max_connections = 300
max_worker_processes = 24
max_prepared_transactions = 1
callhardening.max_workers = 16
restart_after_crash = on});
$node->start;

sub answer
{
	my ($sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', "SET client_min_messages = error; $sql");
}

sub becomes
{
	my ($condition, $what, $database) = @_;
	ok($node->poll_query_until($database // 'postgres', "SELECT $condition"), $what);
}

sub create_log
{
	my ($database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	answer(q{
CREATE EXTENSION callhardening;
SELECT create_call_tables();
CREATE FUNCTION ingest(call_id bigint) RETURNS void LANGUAGE sql
	AS $$SELECT FROM ingest_call_event(jsonb_build_object('call_id', call_id, 'state', 'ringing'))$$;
-- The next event is committed as soon as the last one is served, or some microseconds later. `lost` is the first event that
-- nobody serves.
CREATE PROCEDURE play(first bigint, rounds int, served text, OUT lost bigint) LANGUAGE plpgsql AS $$
DECLARE
	begun timestamptz;
	is_served boolean;
BEGIN
	FOR id IN first .. first + rounds - 1 LOOP
		PERFORM pg_sleep(random() * 0.0003);
		PERFORM ingest(id);
		COMMIT;
		begun := clock_timestamp();
		LOOP
			EXECUTE served INTO is_served USING id;
			EXIT WHEN is_served;
			COMMIT;
			IF clock_timestamp() > begun + interval '60 s' THEN
				lost := id;
				RETURN;
			END IF;
		END LOOP;
	END LOOP;
END
$$}, $database);
}

sub start_workers
{
	my ($count, $poll, $database) = @_;
	answer("SELECT start_call_worker(poll => '$poll', workers => $count)", $database);
	becomes("(SELECT count(*) FROM call_event_waiters WHERE kind = 'worker' AND is_waiting) = $count", 'the workers wait', $database);
}

# When each worker began its last transaction or its last sleep.
sub activity
{
	my ($database) = @_;
	return answer("SELECT pid, state_change FROM pg_stat_activity WHERE backend_type = 'callhardening worker' AND state = 'idle'
		AND datname = '$database' ORDER BY pid");
}

# ---- workers ---------------------------------------------------------------------------------------------------

create_log('postgres');
start_workers(1, '1 hour');
is(answer(q{CALL play(1, 300, 'SELECT EXISTS (SELECT FROM calls WHERE dialpad_call_id = $1)', NULL)}), '', 'each event wakes the worker');

# COMMIT PREPARED runs in a process that does not know about the events.
answer(q{SELECT stop_call_worker(); BEGIN; SELECT ingest(10001); PREPARE TRANSACTION 'webhook'});
start_workers(1, '50 ms');
answer("COMMIT PREPARED 'webhook'");
becomes('EXISTS (SELECT FROM calls WHERE dialpad_call_id = 10001)', 'the poll finds the events of COMMIT PREPARED');

answer('SELECT stop_call_worker()');
start_workers(8, '1 hour');
my @before = split /\n/, activity('postgres');
answer('SELECT ingest(10002)');
becomes("EXISTS (SELECT FROM calls WHERE dialpad_call_id = 10002) AND
	8 = (SELECT count(*) FROM call_event_waiters WHERE kind = 'worker' AND is_waiting)", 'one of eight workers applies an event');
my %was = map { $_ => 1 } @before;
is(scalar(grep { !$was{$_} } split /\n/, activity('postgres')), 1, 'the other seven sleep on');
# A worker takes an eighth of the lanes at a time. It wakes the next one for the rest.
answer('SELECT count(ingest(20000 + i)) FROM generate_series(1, 500) AS i');
becomes('(SELECT count(*) FROM calls WHERE dialpad_call_id > 20000) = 500', 'many events of one commit are applied');
answer('SELECT stop_call_worker()');

# ---- between look and sleep ------------------------------------------------------------------------------------------

# While an event waits for its retry, a look opens this index, and has its snapshot by then. So the lock stops a waiter in the
# middle of its look, and this look does not find what is committed meanwhile.
sub stop_looks
{
	my $lock = $node->background_psql('postgres');
	$lock->query_safe('BEGIN; ALTER INDEX _callhardening.idx_retrying_events_due SET TABLESPACE pg_default');
	return $lock;
}

# An event is committed during the look of this session. Returns what the session then waits for: Extension is the sleep of a
# waiter, Client is the next statement.
sub commit_in_look
{
	my ($lock, $pid, $call_id, $kind) = @_;
	becomes("EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid AND wait_event_type = 'Lock')", "a $kind looks");
	is(answer("SELECT EXISTS (SELECT FROM call_event_waiters WHERE pid = $pid AND is_waiting)"), 't', "a $kind registers before it looks");
	answer("SELECT ingest($call_id)");
	$lock->query_safe('COMMIT');
	$lock->quit;
	my $rests = "FROM pg_stat_activity WHERE pid = $pid AND wait_event_type IN ('Extension', 'Client')";
	becomes("EXISTS (SELECT $rests)", 'it comes to rest');
	return answer("SELECT wait_event_type $rests");
}

answer(q{SELECT ingest(10003); CREATE TEMP TABLE claimed AS SELECT claim_id, event_seq FROM claim_call_events();
SELECT fail_call_event(claim_id, event_seq, 'later', '1 hour') FROM claimed;
SELECT FROM complete_call_events(ARRAY(SELECT claim_id FROM claimed))});
my $lock = stop_looks();
answer(q{SELECT start_call_worker(poll => '1 hour')});
commit_in_look($lock, answer('SELECT call_worker_pids()'), 10004, 'worker');
is(answer('SELECT EXISTS (SELECT FROM calls WHERE dialpad_call_id = 10004)'), 't', 'no wake-up of a worker is lost');
answer('SELECT stop_call_worker()');

$lock = stop_looks();
my $looking = $node->background_psql('postgres');
my $looking_pid = $looking->query_safe('SELECT pg_backend_pid()');
$looking->query_until(qr/called/, "\\echo called\nCALL wait_for_call_events(timeout => '1 hour');\n");
is(commit_in_look($lock, $looking_pid, 10005, 'client'), 'Client', 'no wake-up of a client is lost');
$looking->quit;

# ---- several databases -----------------------------------------------------------------------------------------------

create_log($_), start_workers(1, '1 hour', $_) for qw(one two);
my $two = activity('two');
is(answer(q{CALL play(1, 50, 'SELECT EXISTS (SELECT FROM calls WHERE dialpad_call_id = $1)', NULL)}, 'one'), '',
	'the worker of one database is woken');
is(activity('two'), $two, 'the worker of the other one sleeps on, though its log has the same number');
answer('SELECT stop_call_worker()', $_) for qw(one two);

# ---- clients ---------------------------------------------------------------------------------------------------------

my $wait = "CALL wait_for_call_events(timeout => '1 hour');\n";

# Runs the statements again and again, by pgbench.
sub start_clients
{
	my ($protocol, $clients, $sql) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . '/client.sql';
	append_to_file($script, $sql);
	my $output = '';
	return IPC::Run::start([ 'pgbench', '--no-vacuum', "--protocol=$protocol", '--client', $clients, '--transactions', 1000000,
		'--file', $script, '--host', $node->host, '--port', $node->port, 'postgres' ], '>', \$output, '2>&1');
}

sub stop_clients
{
	my ($run) = @_;
	$run->kill_kill;
	becomes("NOT EXISTS (SELECT FROM call_event_waiters WHERE kind = 'client')", 'the clients end');
}

answer('DO $$ BEGIN WHILE (SELECT claimed FROM process_call_events()) > 0 LOOP COMMIT; END LOOP; END $$');
answer('CREATE TABLE served (call_id bigint)');
for my $protocol (qw(simple extended prepared))
{
	my $first = 30000 + 1000 * length $protocol;
	my $client = start_clients($protocol, 1, $wait . q{WITH claimed AS MATERIALIZED (SELECT claim_id, call_id FROM claim_call_events()),
completed AS MATERIALIZED (SELECT FROM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM claimed)))
INSERT INTO served SELECT call_id::bigint FROM claimed, (SELECT count(*) FROM completed) AS c;
});
	becomes(q{EXISTS (SELECT FROM call_event_waiters WHERE kind = 'client' AND is_waiting)}, "a client waits ($protocol)");
	is(answer(q{SELECT backend_xmin IS NULL AND backend_xid IS NULL AND xact_start IS NOT NULL AND state = 'active'
		FROM pg_stat_activity WHERE pid IN (SELECT pid FROM call_event_waiters)}), 't', 'and holds no snapshot');
	is(answer(q{SELECT string_agg(DISTINCT locktype, ' ') FROM pg_locks WHERE pid IN (SELECT pid FROM call_event_waiters)}),
		'virtualxid', 'and no lock');
	is(answer("CALL play($first, 50, 'SELECT EXISTS (SELECT FROM served WHERE call_id = \$1)', NULL)"), '',
		'each event wakes the client');
	stop_clients($client);
}

my $waiting = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $waiting->query_safe('SELECT pg_backend_pid()');
$waiting->query_until(qr/called/, "\\echo called\nCALL wait_for_call_events(timeout => '1 hour');\n");
becomes("EXISTS (SELECT FROM call_event_waiters WHERE pid = $pid AND is_waiting)", 'a client waits');
answer("SELECT pg_cancel_backend($pid)");
becomes("EXISTS (SELECT FROM call_event_waiters WHERE pid = $pid AND NOT is_waiting)", 'a cancelled client does not wait');
$waiting->query_until(qr/called/, "\\echo called\nCALL wait_for_call_events(timeout => '1 hour');\n");
becomes("EXISTS (SELECT FROM call_event_waiters WHERE pid = $pid AND is_waiting)", 'it waits again');
answer("SELECT pg_terminate_backend($pid)");
becomes("NOT EXISTS (SELECT FROM call_event_waiters WHERE pid = $pid)", 'a terminated client leaves no place behind');
eval { $waiting->quit };

# ---- no place ------------------------------------------------------------------------------------------------------

my $health = q{SELECT value, level FROM call_health('calls') WHERE figure = 'waiting_places'};
my $clients = start_clients('simple', $places, $wait);
becomes("(SELECT count(*) FROM call_event_waiters) = $places", 'all places are taken');
is(answer($health), '0|warning', 'call_health tells');
answer(q{SELECT start_call_worker(poll => '50 ms')});
is(answer(q{SELECT count(*) FROM call_event_waiters WHERE kind = 'worker'}), '0', 'a worker has no place');
# The places are for all databases.
is(answer($health, 'one'), '0|warning', 'call_health tells in another database');
my $late = $node->background_psql('one');
$late->query_until(qr/called/, "\\echo called\nCALL wait_for_call_events(timeout => '1 hour');\nSELECT 'woken';\n");
becomes("EXISTS (SELECT FROM pg_stat_activity WHERE datname = 'one' AND query LIKE 'CALL wait%' AND wait_event_type = 'Extension')",
	'a client without a place sleeps');
is(answer('SELECT count(*) FROM call_event_waiters', 'one'), '0', 'and is not among the waiters');
answer('SELECT ingest(101)', 'one');
like($late->query_until(qr/woken/, ''), qr/woken/, 'and finds an event by itself');
$late->quit;
stop_clients($clients);
becomes("EXISTS (SELECT FROM call_event_waiters WHERE kind = 'worker')", 'the worker takes a place once one is free');
answer('SELECT stop_call_worker()');
is(answer($health), "$places|ok", 'all places are free again');

# ---- a crash -------------------------------------------------------------------------------------------------------

my $crashing = start_clients('simple', 3, $wait);
becomes("(SELECT count(*) FROM call_event_waiters) = 3", 'clients wait');
kill 'KILL', answer('SELECT pid FROM call_event_waiters LIMIT 1');
$crashing->finish;
$node->poll_query_until('postgres', 'SELECT true');
is(answer($health), "$places|ok", 'a killed client leaves no place behind');
start_workers(1, '1 hour');
answer('SELECT ingest(40001)');
becomes('EXISTS (SELECT FROM calls WHERE dialpad_call_id = 40001)', 'commits wake workers after a crash');
answer('SELECT stop_call_worker()');

# ---- preloaded, and without shared memory ------------------------------------------------------------------------------

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'callhardening'\ndynamic_shared_memory_type = mmap");
$node->restart;
is(answer($health), "$places|ok", 'the library can be preloaded');
start_workers(1, '1 hour');
answer('SELECT ingest(40002)');
becomes('EXISTS (SELECT FROM calls WHERE dialpad_call_id = 40002)', 'commits wake its workers');

# The server can make no further segment.
$node->restart;
my $segments = $node->data_dir . '/pg_dynshmem';
chmod 0500, $segments or die;
is(answer($health), '|warning', 'call_health tells that there is no shared memory');
answer(q{SELECT start_call_worker(poll => '50 ms')});
answer('SELECT ingest(40003)');
becomes('EXISTS (SELECT FROM calls WHERE dialpad_call_id = 40003)', 'without shared memory a worker polls');
is(answer('SELECT count(*) FROM call_event_waiters'), '0', 'nobody has a place');
answer('SELECT stop_call_worker()');
my $polling = $node->background_psql('postgres');
$polling->query_until(qr/called/, "\\echo called\nCALL wait_for_call_events(timeout => '1 hour');\nSELECT 'woken';\n");
becomes("EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'CALL wait%' AND state = 'active')", 'a client polls');
answer('SELECT ingest(40004)');
like($polling->query_until(qr/woken/, ''), qr/woken/, 'and finds an event');
$polling->quit;
chmod 0700, $segments or die;
$node->stop;

done_testing();
