
# Workers that start_call_worker(keep => true) has written down start with the server, and again when they end. They follow the
# role, the database and the settings. What does not run is said in call_worker_status.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ], allows_streaming => 1);
$node->append_conf('postgresql.conf', <<'END');
fsync = off
autovacuum = off
restart_after_crash = on
max_worker_processes = 8
max_prepared_transactions = 2
shared_preload_libraries = 'callhardening'
callhardening.max_restart_pause = 4s
END
$node->start;
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
$node->safe_psql('postgres', 'CREATE ROLE worker LOGIN; CREATE ROLE other LOGIN; CREATE DATABASE calls');

my $set_up = q{
SET client_min_messages = error;
CREATE EXTENSION callhardening;
SELECT create_call_tables();
SELECT grant_call_role('worker', 'process');
SELECT grant_call_role('other', 'process');
SELECT grant_call_role('other', 'operate')};
my $keep = q{SET ROLE worker; SELECT start_call_worker(workers => 2, keep => true, poll => '10 milliseconds')};
my $call_id = 0;

# Waits until an expression over the row of call_worker_status is true.
sub comes_to
{
	my ($what, $condition, %of) = @_;
	my ($server, $database) = ($of{server} // $node, $of{database} // 'calls');
	my $came = $server->poll_query_until($database, "SELECT $condition FROM call_worker_status");
	ok($came, $what) or diag($server->safe_psql($database, 'SELECT * FROM call_worker_status', extra_params => ['-x']));
}

sub status
{
	my ($columns, %of) = @_;
	return ($of{server} // $node)->safe_psql($of{database} // 'calls', "SELECT $columns FROM call_worker_status");
}

sub pids
{
	return $node->safe_psql('calls', q{SELECT coalesce(string_agg(pid::text, ',' ORDER BY pid), '-') FROM call_worker_pids() AS pid});
}

sub applies_a_call
{
	my ($what, %of) = @_;
	my ($server, $database) = ($of{server} // $node, $of{database} // 'calls');
	$call_id++;
	$server->safe_psql($database, qq{SELECT ingest_call_event('{"call_id": $call_id, "state": "hangup"}'::jsonb)});
	ok($server->poll_query_until($database, "SELECT EXISTS (SELECT FROM calls WHERE dialpad_call_id = $call_id)"), $what);
}

sub error_of
{
	my ($statement, %of) = @_;
	my ($result, $stdout, $stderr) =
	  ($of{server} // $node)->psql($of{database} // 'calls', "\\set VERBOSITY verbose\nSET client_min_messages = error;\n$statement");
	return join ' ', map { s/^psql:<stdin>:\d+: //r } grep { /(ERROR|FATAL|DETAIL|HINT): / } split /\n/, $stderr;
}

sub reload
{
	my ($setting) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $setting");
	$node->reload;
}

# ---- they start after the commit, and not before ---------------------------------------------------------------------------

$node->safe_psql('calls', $set_up);
is(status('status, running, kept, launcher'), 'not kept|0||running', 'nothing is kept at first');
$node->safe_psql('calls', "BEGIN; $keep; ROLLBACK");
is(status('status, kept'), 'not kept|', 'a rollback keeps nothing');
like(error_of("BEGIN; $keep; PREPARE TRANSACTION 'p'"), qr/ERROR:  0A000: .*cannot be prepared/, 'such a transaction is not prepared');
is($node->safe_psql('calls', $keep), 2, 'start_call_worker tells how many will start');
comes_to('kept workers start after the commit', q{status = 'running' AND running = 2 AND role = 'worker' AND why IS NULL});
is(status('kept, max_events, poll'), '2|1000|00:00:00.01', 'the view has the parameters');
is($node->safe_psql('calls', q{SELECT DISTINCT usename FROM pg_stat_activity WHERE backend_type = 'callhardening worker'}),
	'worker', 'they run as the role that kept them');
applies_a_call('they work');
is($node->safe_psql('calls', $keep), 0, 'they are not started twice');
is($node->safe_psql('calls', q{SELECT detail FROM check_call_hardening() WHERE check_name = 'kept_workers'}),
	'all kept workers run', 'the self-test finds them');

# ---- they start again -------------------------------------------------------------------------------------------------------

my $before = pids();
$node->safe_psql('calls', 'SELECT pg_terminate_backend(pid) FROM call_worker_pids() AS pid LIMIT 1');
comes_to('an ended worker starts again', "running = 2 AND ARRAY(SELECT call_worker_pids()) <> ARRAY[$before]");
is(status('last_failure, last_failed_at IS NOT NULL'), 'a worker ended: the server log has the reason|t', 'the view has its end');

my ($victim) = split /,/, pids();
my $start = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
kill 'KILL', $victim;
# While the server takes no connections, psql may end before its query is written: that is an exception.
my $has_crashed;
$has_crashed = eval { $node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $victim)") }
  until defined $has_crashed;
$has_crashed or die 'no crash';
comes_to('they start after a crash of a worker', 'running = 2');
$node->stop('immediate');
$node->start;
comes_to('they start after a crash of the server', 'running = 2');
$node->restart;
comes_to('they start with the server', 'running = 2');

my $launcher = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'callhardening launcher'});
$before = pids();
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
$node->poll_query_until('postgres',
	qq{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'callhardening launcher' AND pid <> $launcher)})
  or die 'no launcher';
comes_to('the next launcher knows them', q{status = 'running'});
is(pids(), $before, 'it starts no others');
$node->safe_psql('calls', 'SELECT pg_terminate_backend(pid) FROM call_worker_pids() AS pid');
comes_to('it starts those again that another one has started',
	"running = 2 AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid IN ($before))");

# ---- they follow the role ---------------------------------------------------------------------------------------------------

$node->safe_psql('postgres', 'ALTER ROLE worker NOLOGIN');
comes_to('without LOGIN they end', q{running = 0 AND status = 'waiting' AND why = 'the role is not permitted to log in'});
comes_to('the pauses grow to the limit', q{next_try - last_failed_at = interval '4 seconds'});
like($node->safe_psql('calls', q{SELECT detail FROM check_call_hardening() WHERE check_name = 'kept_workers' AND NOT ok}),
	qr/^0 of 2 kept workers of public.call_events run: the role is not permitted to log in$/, 'the self-test names the reason');
is($node->safe_psql('calls', q{SELECT value, level FROM call_health('calls') WHERE figure = 'missing_workers'}),
	'2|critical', 'call_health counts them');
$node->safe_psql('postgres', 'ALTER ROLE worker LOGIN');
comes_to('with LOGIN they start', q{status = 'running'});
$node->safe_psql('postgres', 'ALTER ROLE worker RENAME TO renamed');
is(status('role'), 'renamed', 'a renamed role is the same role');
$node->safe_psql('calls', 'SELECT pg_terminate_backend(pid) FROM call_worker_pids() AS pid');
comes_to('and its workers start again', q{status = 'running' AND (SELECT count(*) FROM pg_stat_activity WHERE usename = 'renamed') = 2});
$node->safe_psql('postgres', 'ALTER ROLE renamed RENAME TO worker');
$node->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE calls FROM PUBLIC');
comes_to('without CONNECT they end', q{running = 0 AND why = 'the role is not permitted to connect to the database'});
$node->safe_psql('postgres', 'GRANT CONNECT ON DATABASE calls TO PUBLIC');
comes_to('with CONNECT they start', q{status = 'running'});

# ---- rights -----------------------------------------------------------------------------------------------------------------

like(error_of('SET ROLE other; SELECT stop_call_worker()'),
	qr/ERROR:  42501: permission denied to change the kept workers of public.call_events/,
	'another role cannot stop them');
like(error_of('SET ROLE other; SELECT start_call_worker(keep => true)'), qr/ERROR:  42501: permission denied to change the kept workers/,
	'nor keep others in their place');
is(status('role, kept'), 'worker|2', 'they are kept as before');
my $forged = 'INSERT INTO _callhardening.kept_workers SELECT 2, log_id, database, 10, 1, 1000, 200, now() FROM _callhardening.kept_workers';
like(error_of($forged), qr/ERROR:  42501: kept workers cannot be written by SQL/, 'no role writes them by SQL');
like(error_of('UPDATE _callhardening.kept_workers SET role = 10'), qr/ERROR:  42501: kept workers cannot be written by SQL/,
	'no role changes them by SQL');

# An owner of the table can do what no other role can. It gets no worker of a role that it is no member of.
$node->safe_psql(
	'calls', q{
CREATE ROLE hostile;
ALTER TABLE _callhardening.kept_workers OWNER TO hostile;
GRANT USAGE ON SCHEMA _callhardening TO hostile;
SET ROLE hostile;
ALTER TABLE _callhardening.kept_workers DISABLE TRIGGER refuse_kept_worker;
UPDATE _callhardening.kept_workers SET role = 10;
ALTER TABLE _callhardening.kept_workers ENABLE ALWAYS TRIGGER refuse_kept_worker});
$node->restart;
comes_to('a forged role starts nothing',
	q{launcher = 'running' AND status = 'waiting' AND why LIKE 'the launcher has not read it, or refuses it%'});
ok($node->log_contains('the kept workers of public.call_events are not started'), 'the log says why');
like(error_of("DELETE FROM _callhardening.kept_workers; $keep"), qr/ERROR:  42501: workers of role "worker" cannot be kept/,
	'under such an owner no worker is kept');
$node->safe_psql(
	'calls', qq{
DELETE FROM _callhardening.kept_workers;
ALTER TABLE _callhardening.kept_workers OWNER TO $superuser;
DROP OWNED BY hostile;
DROP ROLE hostile});

# ---- stopping ---------------------------------------------------------------------------------------------------------------

$node->safe_psql('calls', $keep);
comes_to('they run', q{status = 'running'});
is($node->safe_psql('calls', 'BEGIN; SELECT stop_call_worker(); ROLLBACK'), 2, 'stop_call_worker ends them');
comes_to('after a rollback they start again', q{status = 'running' AND kept = 2});
# A worker that comes up meanwhile waits for this lock. It must not stay.
$node->safe_psql(
	'calls', q{
BEGIN;
LOCK TABLE _callhardening.logs;
SELECT pg_terminate_backend(pid) FROM call_worker_pids() AS pid;
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'callhardening worker' AND wait_event_type = 'Lock'
            AND pid NOT IN (SELECT call_worker_pids())) LOOP
        PERFORM pg_sleep(0.05), pg_stat_clear_snapshot();
    END LOOP;
END $$;
SELECT stop_call_worker();
COMMIT});
ok($node->poll_query_until('calls', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'callhardening worker')}),
	'a worker that comes up while others are stopped ends, too');
$node->safe_psql('calls', $keep);
comes_to('they run', q{status = 'running'});
is($node->safe_psql('calls', 'SET ROLE worker; SELECT stop_call_worker()'), 2, 'their role stops them');
is(status('status, running, kept'), 'not kept|0|', 'then none is kept');
$node->restart;
$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'callhardening launcher')});
is(status('status, running'), 'not kept|0', 'and none starts with the server');

# ---- consumers --------------------------------------------------------------------------------------------------------------

$node->safe_psql('calls', q{SELECT create_call_consumer('call_events', 'crm')});
$node->safe_psql('calls', q{SET ROLE worker; SELECT start_call_worker(keep => true), start_call_worker(keep => true, consumer => 'crm')});
comes_to('each consumer has its workers', q{count(*) = 2 AND bool_and(status = 'running' AND running = 1)});
$node->restart;
comes_to('also after a restart', q{count(*) = 2 AND bool_and(status = 'running' AND running = 1)});
reload('callhardening.max_workers = 2');
$node->safe_psql('calls', q{SET client_min_messages = error; SET ROLE worker; SELECT start_call_worker(workers => 8, keep => true)});
$node->restart;
comes_to('with two places each has one', q{count(*) = 2 AND bool_and(running = 1)
	AND string_agg(why, ' ') = 'the limit callhardening.max_workers is reached'});
reload('callhardening.max_workers = 8');
$node->safe_psql('calls', q{SET ROLE worker; SELECT start_call_worker(keep => true)});
$node->restart;
comes_to('they run', q{count(*) = 2 AND bool_and(running = 1)});
$node->safe_psql('calls', q{SET ROLE worker; SELECT stop_call_worker(consumer => 'crm')});
comes_to('one of them is stopped alone', q{string_agg(consumer || running, ' ') = 'default1'});
$node->safe_psql('calls', q{SET ROLE worker; SELECT start_call_worker(keep => true, consumer => 'crm')});
comes_to('they run', q{count(*) = 2 AND bool_and(status = 'running')});
my $stopping = $node->background_psql('calls');
$stopping->query_safe(q{SET ROLE worker; BEGIN; SELECT stop_call_worker(consumer => 'crm')});
is($node->safe_psql('calls', q{SET lock_timeout = '10s'; SET ROLE worker; SELECT start_call_worker(keep => true)}), 0,
	'a session that stops the workers of one consumer does not block the others');
$stopping->query_safe('ROLLBACK');
$stopping->quit;
comes_to('they run', q{count(*) = 2 AND bool_and(status = 'running')});
# No worker runs that could tell the launcher of its end.
reload('callhardening.max_workers = 0');
comes_to('none runs', q{count(*) = 2 AND bool_and(running = 0)});
$node->safe_psql('calls', q{SELECT drop_call_consumer('call_events', 'crm')});
ok($node->poll_query_until('calls', 'SELECT count(*) = 1 FROM _callhardening.kept_worker_states()'), 'a dropped consumer keeps no workers');
is($node->safe_psql('calls', 'SELECT count(*) FROM _callhardening.kept_workers'), 1, 'nor a row');
reload('callhardening.max_workers = 8');
comes_to('the others run', q{status = 'running'});
is($node->safe_psql('calls', 'SET ROLE worker; SELECT stop_call_worker()'), 1, 'the others run');

# ---- a limit is reached -----------------------------------------------------------------------------------------------------

my $mark = -s $node->logfile;
reload('callhardening.max_workers = 100');
my ($stdout, $stderr);
$node->psql('calls', q{SET ROLE worker; SELECT start_call_worker(workers => 60, keep => true)}, stdout => \$stdout, stderr => \$stderr);
like($stderr, qr/WARNING:  not all of the 60 workers can run/, 'a number above the limits is said at once');
comes_to('all slots are used',
	q{running = 6 AND status = 'waiting' AND kept = 60 AND why = 'no background worker slot is left (max_worker_processes)'});
like($node->safe_psql('calls', q{SELECT detail FROM check_call_hardening() WHERE check_name = 'kept_workers'}),
	qr/^6 of 60 kept workers of public.call_events run: no background worker slot/, 'the self-test counts all');
comes_to('it tries again, later and later', q{next_try - last_failed_at = interval '4 seconds'});
my $said = () = slurp_file($node->logfile, $mark) =~ /a kept worker for public.call_events in database "calls" is not started/g;
is($said, 1, 'the log has one line about it');
applies_a_call('those that run work');
reload('callhardening.max_workers = 2');
comes_to('a lower limit ends some', q{running = 2 AND why = 'the limit callhardening.max_workers is reached'});
reload('callhardening.max_workers = 0');
comes_to('0 ends all', q{running = 0 AND status = 'stopped' AND why = 'callhardening.max_workers is 0'});
reload('callhardening.max_workers = 8');
comes_to('a higher limit starts them', 'running = 6');
$node->safe_psql('calls', 'SELECT stop_call_worker()');

# ---- copies -----------------------------------------------------------------------------------------------------------------

$node->safe_psql('calls', $keep);
comes_to('they run', q{status = 'running'});
like(error_of('CREATE DATABASE copy TEMPLATE calls', database => 'postgres'), qr/is being accessed by other users/,
	'a database with workers is not copied');
reload('callhardening.max_workers = 0');
comes_to('they end', 'running = 0');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE calls');
reload('callhardening.max_workers = 8');
comes_to('they run', q{status = 'running'});
$node->restart;
comes_to('they run', q{status = 'running'});
comes_to('a copy starts none', q{status = 'copied' AND running = 0 AND kept = 2}, database => 'copy');
is($node->safe_psql('copy', $keep), 2, 'the copy can keep its own');
comes_to('and they run', q{status = 'running'}, database => 'copy');
$node->safe_psql('copy', 'SELECT stop_call_worker()');

$node->safe_psql('postgres', 'CREATE DATABASE restored');
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('calls') ], 'the database is dumped');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'and restored');
is(status('status, running, kept, why', database => 'restored'), 'not kept|0||the log was restored: a dump has no kept workers',
	'a restored database keeps none');

# ---- databases are dropped --------------------------------------------------------------------------------------------------

$node->safe_psql('restored', $keep);
comes_to('they run in the restored database', q{status = 'running'}, database => 'restored');
like(error_of('DROP DATABASE restored', database => 'postgres'), qr/ERROR:  55006: .*is being accessed by other users/,
	'a database with workers is not dropped');
$node->safe_psql('restored', 'SELECT stop_call_worker()');
$node->safe_psql('postgres', 'DROP DATABASE restored');
$node->safe_psql('copy', $keep);
comes_to('they run in the copy', q{status = 'running'}, database => 'copy');
$mark = -s $node->logfile;
$node->safe_psql('postgres', 'DROP DATABASE copy WITH (FORCE)');
# A round of the launcher begins after the drop.
$node->safe_psql('calls', 'SELECT pg_terminate_backend(pid) FROM call_worker_pids() AS pid');
comes_to('the launcher goes on after DROP DATABASE', q{status = 'running' AND next_try IS NULL});
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'callhardening worker'}), 2,
	'nothing runs for the dropped one');
unlike(slurp_file($node->logfile, $mark), qr/FATAL:  database/, 'no worker looks for it');

# ---- the log, the extension, its version ------------------------------------------------------------------------------------

$node->safe_psql('calls', 'DROP TABLE call_events');
$node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'callhardening worker')})
  or die 'workers stay';
is($node->safe_psql('calls', 'SELECT count(*) FROM _callhardening.kept_workers'), 0,
	'a dropped log keeps no workers');
ok($node->poll_query_until('calls', 'SELECT count(*) = 0 FROM _callhardening.kept_worker_states()'), 'the launcher forgets them');
$node->safe_psql(
	'calls', q{
DROP TABLE calls;
SELECT create_call_tables();
SELECT grant_call_role('worker', 'process');
SELECT grant_call_role('other', 'process')});
$node->safe_psql('calls', $keep);
comes_to('they run', q{status = 'running'});
$node->safe_psql('calls', q{UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'callhardening'});
$node->restart;
comes_to('another version of the extension starts none',
	q{status = 'stopped' AND running = 0 AND why = 'the library and the extension have different versions'});
$node->safe_psql('calls', q{UPDATE pg_extension SET extversion = (SELECT call_library_version()) WHERE extname = 'callhardening'});
comes_to('after the update they start', q{status = 'running'});

$node->safe_psql('calls', 'DROP EXTENSION callhardening CASCADE; DROP TABLE calls, call_events');
$node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'callhardening worker')})
  or die 'workers stay';
$node->safe_psql('calls', $set_up);
ok($node->poll_query_until('calls', 'SELECT count(*) = 0 FROM _callhardening.kept_worker_states()'),
	'a dropped extension keeps no workers');
is(status('status, running'), 'not kept|0', 'and the next one has none');
$node->safe_psql('calls', $keep);
comes_to('but can keep some', q{status = 'running'});

$mark = -s $node->logfile;
$node->safe_psql('postgres', 'ALTER DATABASE calls ALLOW_CONNECTIONS false');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'callhardening worker'});
$node->wait_for_log(qr/DETAIL:  Reason: the database accepts no connections/, $mark);
$node->safe_psql('postgres', 'ALTER DATABASE calls ALLOW_CONNECTIONS true');
comes_to('a database that takes connections again has its workers', q{status = 'running'});

# ---- a dropped role ---------------------------------------------------------------------------------------------------------

$node->safe_psql('calls', 'DROP OWNED BY worker; DROP ROLE worker');
comes_to('workers of a dropped role end', q{running = 0 AND role IS NULL AND why = 'the role was dropped'});
$node->safe_psql('postgres', 'CREATE ROLE worker LOGIN');
$node->safe_psql('calls', q{SELECT grant_call_role('worker', 'process')});
$node->restart;
comes_to('another role with its name gets none', q{running = 0 AND why = 'the role was dropped'});
is($node->safe_psql('calls', q{SET ROLE other; SELECT stop_call_worker()}), 0, 'any role with the task ends that');
is(status('status'), 'not kept', 'nothing is kept');

# ---- without preloading -----------------------------------------------------------------------------------------------------

$node->safe_psql('calls', $keep);
comes_to('they run', q{status = 'running'});
$node->backup('backup');
$node->append_conf('postgresql.conf', q{shared_preload_libraries = ''});
$node->restart;
is(status('status, running, kept, launcher, why'), 'stopped|0|2|not preloaded|callhardening is not in shared_preload_libraries',
	'without preloading they are remembered, and not started');
like(error_of($keep), qr/ERROR:  55000: workers cannot be kept: callhardening is not preloaded/, 'no worker is kept');
is($node->safe_psql('calls', q{SET ROLE worker; SELECT start_call_worker(workers => 2)}), 2, 'others start as before');
is(status('status, running, why'), 'running|2|callhardening is not in shared_preload_libraries',
	'the view says that nothing would start them again');
is($node->safe_psql('calls', q{SET ROLE worker; SELECT stop_call_worker()}), 2, 'they stop as before');
is(status('status'), 'not kept', 'and are not kept any more');

# ---- a standby --------------------------------------------------------------------------------------------------------------

$node->append_conf('postgresql.conf', q{shared_preload_libraries = 'callhardening'});
$node->restart;
$node->safe_psql('calls', $keep);
comes_to('they run on the primary', q{status = 'running'});
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is(status('status, running, kept, launcher, why', server => $standby), 'stopped|0|2|standby|the server is a standby',
	'a standby starts none');
is($standby->safe_psql('calls', 'SELECT stop_call_worker()'), 0, 'there is nothing to stop on a standby');
$node->stop;
$standby->promote;
comes_to('the promotion starts them', q{status = 'running' AND running = 2}, server => $standby);
applies_a_call('they work', server => $standby);
$standby->stop;

for my $server ($node, $standby)
{
	unlike(slurp_file($server->logfile), qr/terminated by signal (?!9)|XX000|PANIC/, $server->name . ' has no crash and no internal error');
}
done_testing();
