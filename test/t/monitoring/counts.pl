
# The numbers of call_event_counts through sessions, databases, restarts and crashes: they only grow, a commit counts once, and
# what was saved stays. A failed save loses nothing.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = PostgreSQL::Test::Cluster->new('counts');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ], allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
max_prepared_transactions = 4
autovacuum = off
fsync = off
restart_after_crash = on
log_statement = none});
$node->start;

sub create
{
	my ($database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$node->safe_psql($database, 'SET client_min_messages = error; CREATE EXTENSION callhardening; SELECT create_call_tables()');
}

sub received { my ($database) = @_; return $node->safe_psql($database, 'SELECT received FROM call_event_counts') }
sub saved { my ($database) = @_; return $node->safe_psql($database, 'SELECT coalesce(sum(numbers[1]), 0) FROM _callhardening.counts') }
sub flush_counts { my ($database) = @_; return $node->safe_psql($database, 'SELECT flush_call_event_counts()') }

sub ingest
{
	my ($database, $first, $last) = @_;
	$node->safe_psql($database, qq{SELECT count(ingest_call_event(format('{"call_id": %s, "state": "ringing"}', n)::jsonb))
		FROM generate_series($first, $last) AS n});
}

sub wait_for_server
{
	for (1 .. 300)
	{
		sleep 0.2;
		return 1 if $node->psql('postgres', 'SELECT 1') == 0;
	}
	return 0;
}

# -- two databases ---------------------------------------------------------------------------------

create($_) for 'postgres', 'other';
ingest('postgres', 1, 10);
ingest('other', 1, 3);
is(received('postgres') . ' ' . received('other'), '10 3', 'each database has its own numbers, under the same number of a log');

# -- many sessions ---------------------------------------------------------------------------------

# Half of the transactions roll back. Some save the numbers meanwhile, and each of their saves may roll back as well.
my $script = PostgreSQL::Test::Utils::tempdir . '/script.sql';
append_to_file($script, <<'SQL');
\set n random(1, 1000000000)
\set end random(1, 4)
BEGIN;
SELECT ingest_call_event(jsonb_build_object('call_id', :n, 'of', :client_id, 'at', clock_timestamp()));
\if :end = 1
SELECT flush_call_event_counts();
\endif
\if :end <= 2
COMMIT;
\else
ROLLBACK;
\endif
SQL
my $load = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-j', 2, '-t', 500, '-f', $script, $node->connstr('postgres') ],
	'>', '/dev/null', '2>', '/dev/null');
is($node->safe_psql('postgres', q{
CREATE FUNCTION falls() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	last bigint := 0;
	present bigint;
	falls int := 0;
BEGIN
	FOR i IN 1 .. 8000 LOOP
		SELECT received INTO present FROM call_event_counts;
		falls := falls + (present < last)::int;
		last := present;
	END LOOP;
	RETURN falls;
END $$;
SELECT falls()}), 0, 'the numbers never fall while others save them');
$load->finish;
is(received('postgres'), $node->safe_psql('postgres', 'SELECT count(*) FROM call_events'), 'each committed event counts once');
flush_counts('postgres');
is(saved('postgres'), received('postgres'), 'all of them are saved');

# -- a killed session ------------------------------------------------------------------------------

# Its end restarts all sessions, and empties the memory.
ingest('other', 4, 5);
flush_counts('other');
ingest('other', 6, 7);
my $before = received('postgres');
my $victim = $node->background_psql('postgres');
$victim->query_safe('BEGIN');
$victim->query_safe(q{SELECT ingest_call_event('{"call_id": 5, "state": "lost"}'::jsonb)});
my $pid = $victim->query_safe('SELECT pg_backend_pid()');
kill 'KILL', $pid;
ok(wait_for_server(), 'the server is back after a session was killed');
eval { $victim->quit };
is(received('postgres'), $before, 'saved numbers outlive a crash');
is(received('other'), 5, 'numbers that were not saved are gone');

# -- crash and restart -----------------------------------------------------------------------------

ingest('postgres', 1001, 1004);
$node->stop('immediate');
$node->start;
is(received('postgres'), $before, 'the same after an immediate stop');
ingest('postgres', 1005, 1008);
is(received('postgres'), $before + 4, 'counting goes on');
flush_counts('postgres');
$node->restart;
is(received('postgres'), $before + 4, 'a restart keeps what was saved');
is($node->safe_psql('postgres', 'SELECT min(counted_since) < pg_postmaster_start_time() FROM call_event_counts'), 't',
	'and when the numbers began');

# -- a save by itself ------------------------------------------------------------------------------

# After a minute a commit saves. Here a rollback makes the last save long ago: the memory does not follow it.
ingest('postgres', 1101, 1103);
is(saved('postgres'), $before + 4, 'within a minute nothing is saved');
$node->safe_psql('postgres', 'BEGIN; SELECT flush_call_event_counts(); ROLLBACK');
is(saved('postgres'), $before + 4, 'a rollback saves nothing');
ingest('postgres', 1104, 1104);
is(saved('postgres'), $before + 8, 'the next commit saves its own events and all before');
is(received('postgres'), $before + 8, 'and counts nothing twice');

# -- a prepared transaction ------------------------------------------------------------------------

$node->safe_psql('postgres', q{BEGIN; SELECT ingest_call_event('{"call_id": 2001}'::jsonb); PREPARE TRANSACTION 'p'});
is(received('postgres'), $before + 9, 'a prepared transaction counts');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
is(received('postgres'), $before + 9, 'and does not count again');
flush_counts('postgres');

# -- a claim that finds nothing ----------------------------------------------------------------------

# No commit counts after these events. The claim of another consumer saves them.
$node->safe_psql('postgres', q{SELECT create_call_consumer('call_events', 'idle')});
my $save_is_long_ago = q{BEGIN; SELECT ingest_call_event('{"call_id": 3}'::jsonb), flush_call_event_counts(); ROLLBACK};
sub count_without_saving
{
	my ($call_id) = @_;
	$node->safe_psql('postgres', $save_is_long_ago);
	$node->safe_psql('postgres', "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT ingest_call_event('{\"call_id\": $call_id}'::jsonb); COMMIT");
}
count_without_saving(2003);
$node->safe_psql('postgres', q{SELECT seek_call_consumer('call_events', 'idle', 'infinity')});
is(saved('postgres'), $before + 9, 'a serializable transaction saves nothing');
is($node->safe_psql('postgres', q{SELECT count(*) FROM claim_call_events(consumer => 'idle')}), 0, 'a claim finds nothing');
is(saved('postgres'), $before + 10, 'it saves the numbers of the log');
$before += 1;
$node->safe_psql('postgres', q{SELECT drop_call_consumer('call_events', 'idle')});

# -- a save that waits for a standby ----------------------------------------------------------------

$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'});
$node->reload;
my $saving = $node->background_psql('postgres');
$saving->query_until(qr/saving/, "\\echo saving\nSELECT ingest_call_event('{\"call_id\": 2002}'::jsonb), flush_call_event_counts();\n");
$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')}) or die 'nobody saves';
is($node->safe_psql('postgres', q{SET statement_timeout = '60 s'; SELECT received FROM call_event_counts}), $before + 9,
	'a reader does not wait for a standby');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names');
$node->reload;
$saving->quit;
is(received('postgres'), $before + 10, 'then the save counts');
is(saved('postgres'), $before + 10, 'and is in the table');

# -- a standby -------------------------------------------------------------------------------------

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT received FROM call_event_counts'), $before + 10, 'a standby shows what was saved');
$standby->stop;

# -- a save by the launcher --------------------------------------------------------------------------

$node->append_conf('postgresql.conf', q{shared_preload_libraries = 'callhardening'});
$node->restart;
count_without_saving(2004);
ok($node->poll_query_until('postgres', 'SELECT sum(numbers[1]) = ' . ($before + 11) . ' FROM _callhardening.counts'),
	'the launcher saves what nobody else saves');
is(received('postgres'), $before + 11, 'and counts nothing twice');
$node->append_conf('postgresql.conf', q{shared_preload_libraries = ''});
$node->restart;

# -- more than 256 consumers -----------------------------------------------------------------------

$node->safe_psql('other', q{
SET client_min_messages = error;
SELECT create_call_consumer('call_events', 'c' || n) FROM generate_series(1, 260) AS n;
DO $$ BEGIN
	FOR n IN 1 .. 260 LOOP
		PERFORM ingest_call_event(jsonb_build_object('call_id', 5000 + n, 'n', n));
		COMMIT;
		PERFORM claim_call_events(1, consumer => ('c' || n)::name);
		COMMIT;
	END LOOP;
END $$});
my ($counted, $not) = split /\|/, $node->safe_psql('other', q{
SELECT count(claimed) FILTER (WHERE claimed = 1), count(*) FILTER (WHERE claimed IS NULL)
FROM call_event_counts WHERE consumer <> 'default'});
cmp_ok($counted, '>=', 250, 'most consumers are counted');
is($counted + $not, 260, 'a consumer without room has NULL, and none has a wrong number');
cmp_ok($not, '>', 0, 'there are such consumers');
# A dropped consumer makes room.
$node->safe_psql('other', q{SELECT drop_call_consumer('call_events', ('c' || n)::name) FROM generate_series(1, 20) AS n});
$node->safe_psql('other', q{SELECT count(*) FROM claim_call_events(1, consumer => 'c260')});
is($node->safe_psql('other', q{SELECT claimed FROM call_event_counts WHERE consumer = 'c260'}), 1, 'a dropped consumer makes room');
# So does a dropped database.
$node->safe_psql('postgres', 'DROP DATABASE other');
create('third');
ingest('third', 1, 2);
is(received('third'), 2, 'a dropped database makes room');

unlike(slurp_file($node->logfile), qr/PANIC|XX000|signal (?!9:)/, 'the server log has no crash except the deliberate ones');
$node->stop;
done_testing();
