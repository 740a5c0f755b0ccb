
# A log with settled, pending, claimed, waiting and dead events is dumped and restored: into other clusters, into the
# same one, into a clone of it, and from there once more. pg_upgrade carries such a log along, too.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dumps = PostgreSQL::Test::Utils::tempdir;

sub new_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ], allows_streaming => $options{allows_streaming});
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nmax_prepared_transactions = 4");
	# At the start of a page of the commit log, so that the server finds the page.
	PostgreSQL::Test::Utils::system_or_bail('pg_resetwal', '--next-transaction-id', $options{xid}, '--pgdata', $node->data_dir)
	  if $options{xid};
	$node->start;
	return $node;
}

# ---- the log ---------------------------------------------------------------------------------------------

# Each event has a transaction of its own, so the events of a call have the order of their numbers.
sub ingest
{
	my ($node, $database, $first, $last, $states) = @_;
	my $sql = '';
	for my $state (@$states)
	{
		$sql .= qq{SELECT ingest_call_event('{"call_id": $_, "state": "$state"}'::jsonb);\n} for $first .. $last;
	}
	$node->safe_psql($database, $sql);
}

sub fail_event
{
	my ($node, $database, $call, $retry_after) = @_;
	return $node->safe_psql($database, qq{
SELECT fail_call_event(claim_id, event_seq, 'does not work', '$retry_after') FROM mine WHERE call_id = '$call' ORDER BY event_seq LIMIT 1});
}

# The table `mine` holds the claimed events, like the memory of a worker.
sub claim
{
	my ($node, $database, $events, $lease) = @_;
	$node->safe_psql($database,
		"TRUNCATE mine; INSERT INTO mine SELECT claim_id, event_seq, call_id FROM claim_call_events($events, '$lease', 'worker')");
}

sub complete
{
	my ($node, $database) = @_;
	return $node->safe_psql($database, q{
CREATE TEMP TABLE ended AS SELECT * FROM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM mine));
INSERT INTO done (event_seq, call_id) SELECT event_seq, call_id FROM mine
    WHERE claim_id IN (SELECT claim_id FROM ended WHERE outcome = 'completed')
    AND event_seq NOT IN (SELECT event_seq FROM call_retrying_events UNION ALL SELECT event_seq FROM call_dead_events)
    ORDER BY event_seq;
SELECT string_agg(DISTINCT outcome, ',') FROM ended});
}

my $drain = 'CALL drain()';

sub make_log
{
	my ($node, $database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database") unless $database eq 'postgres';
	$node->safe_psql(
		$database, q{
CREATE EXTENSION callhardening;
SELECT create_call_tables();
SELECT configure_call_event_log(max_attempts => 3);
CREATE TABLE mine (claim_id bigint, event_seq bigint, call_id text);
CREATE TABLE done (place bigint GENERATED ALWAYS AS IDENTITY, event_seq bigint, call_id text);

-- Runs until a claim is empty.
CREATE PROCEDURE drain() LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        CREATE TEMP TABLE batch AS SELECT claim_id, event_seq, call_id FROM claim_call_events(100);
        EXIT WHEN NOT EXISTS (SELECT FROM batch);
        INSERT INTO done (event_seq, call_id) SELECT event_seq, call_id FROM batch;
        PERFORM complete_call_events((SELECT array_agg(DISTINCT claim_id) FROM batch));
        DROP TABLE batch;
        COMMIT;
    END LOOP;
    DROP TABLE batch;
END
$$;

-- Faults of a drained log.
CREATE FUNCTION violations() RETURNS SETOF text LANGUAGE sql AS $$
SELECT format('event %s of call %s is lost', e.event_seq, e.call_id) FROM call_events e
WHERE e.event_seq NOT IN (SELECT event_seq FROM done UNION ALL SELECT event_seq FROM call_dead_events)
UNION ALL
SELECT format('event %s of call %s was done %s times', event_seq, call_id, count(*))
    FROM done GROUP BY event_seq, call_id HAVING count(*) > 1
UNION ALL
SELECT format('event %s of call %s came after %s', event_seq, call_id, before) FROM (
    SELECT event_seq, call_id, max(event_seq) OVER (PARTITION BY call_id ORDER BY place ROWS UNBOUNDED PRECEDING) AS before FROM done) AS d
WHERE before > event_seq
UNION ALL
SELECT format('event %s is still waiting in lane %s', event_seq, lane) FROM call_retrying_events
UNION ALL
SELECT format('lane %s is still there', lane) FROM _callhardening.lanes l JOIN call_event_logs g ON g.log_id = consumer_id
WHERE lane < first_lane
UNION ALL
SELECT format('lane %s is still claimed', lane) FROM call_open_claims
$$});
	ingest($node, $database, 1, 100, [ 'calling', 'ringing' ]);
	$node->safe_psql($database, $drain);

	# Two events die, and later events of their calls go on.
	ingest($node, $database, 1, 2, ['connected']);
	for my $attempt (1 .. 3)
	{
		claim($node, $database, 100, '1 minute');
		fail_event($node, $database, $_, '0 seconds') for 1, 2;
		complete($node, $database);
	}

	# Pending events: some wait for a retry, some behind such an event, and some belong to lost workers. One of these
	# workers has released one event.
	ingest($node, $database, 1, 100, [ 'connected', 'hold' ]);
	claim($node, $database, 60, '1 hour');
	my @calls = split /\n/, $node->safe_psql($database, 'SELECT DISTINCT call_id FROM mine ORDER BY 1 LIMIT 6');
	fail_event($node, $database, $_, '0 seconds') for @calls;
	complete($node, $database);
	# Claims of retries, and claims of ranges.
	claim($node, $database, 40, '1 hour');
	claim($node, $database, 40, '1 hour');
	my $call = $node->safe_psql($database, 'SELECT min(call_id) FROM mine');
	fail_event($node, $database, $call, '0 seconds');
	is($node->safe_psql($database, 'SELECT count(*) FROM call_dead_events'), 2, 'two events are dead');
	cmp_ok($node->safe_psql($database, 'SELECT count(*) FROM call_retrying_events'), '>', 3, 'some are waiting');
	cmp_ok($node->safe_psql($database, 'SELECT count(*) FROM call_open_claims'), '>', 5, 'some are claimed');
}

# Events are appended before the first claim and after it. All are delivered once, in the order of their calls.
sub goes_on
{
	my ($node, $database, $what) = @_;
	ingest($node, $database, 1, 30, ['recording']);
	$node->safe_psql($database, $drain);
	is($node->safe_psql($database, 'SELECT * FROM violations() LIMIT 10'), '', "$what: everything pending comes once, in order");
	ingest($node, $database, 20, 50, ['hangup']);
	$node->safe_psql($database, $drain);
	is($node->safe_psql($database, 'SELECT * FROM violations() LIMIT 10'), '', "$what: the log goes on");
	is($node->safe_psql($database, 'SELECT count(*), count(DISTINCT lane % 64) = 64 FROM _callhardening.lanes'),
		'64|t', "$what: the log has its lanes");
	is($node->safe_psql($database, 'SELECT adopted IS NULL FROM call_event_logs'), 't', "$what: nothing is left to do in old ones");
}

sub revives_the_dead
{
	my ($node, $database, $what) = @_;
	is($node->safe_psql($database, "SELECT retry_dead_call_events()"), 2, "$what: the dead events are restored");
	$node->safe_psql($database, $drain);
	is($node->safe_psql($database, 'SELECT count(*) FROM done d
		WHERE call_id IN (SELECT DISTINCT call_id FROM done) AND event_seq NOT IN (SELECT event_seq FROM call_events)'),
		0, "$what: only events of the log are delivered");
	is($node->safe_psql($database, 'SELECT count(*) FROM call_events WHERE event_seq NOT IN (SELECT event_seq FROM done)'), 0,
		"$what: the dead events are retried");
	is($node->safe_psql($database, 'SELECT count(*) FROM call_retrying_events'), 0, "$what: nothing is left behind");
}

sub dump_plain
{
	my ($node, $database, $name) = @_;
	PostgreSQL::Test::Utils::system_or_bail('pg_dump', '--host', $node->host, '--port', $node->port, '--file', "$dumps/$name.sql", $database);
}

sub restore_plain
{
	my ($node, $database, $name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	load($node, $database, $name, 1);
}

sub load
{
	my ($node, $database, $name, $stop) = @_;
	PostgreSQL::Test::Utils::system_or_bail('psql', '-Xq', "--set=ON_ERROR_STOP=$stop",
		'--output=/dev/null', '--host', $node->host, '--port', $node->port,
		'--file', "$dumps/$name.sql", $database);
}

# ---- into other clusters ---------------------------------------------------------------------------------

my $source = new_node('source', xid => 1048576, allows_streaming => 1);
$source->backup('before');
make_log($source, 'origin');
dump_plain($source, 'origin', 'origin');
PostgreSQL::Test::Utils::system_or_bail('pg_dump', '--format=custom', '--host', $source->host, '--port', $source->port,
	'--file', "$dumps/origin.dump", 'origin');

my $lower = new_node('lower');
restore_plain($lower, 'restored', 'origin');
# One worker holds some events. Another worker finds no more events, since later events of those calls wait.
ingest($lower, 'restored', 1, 100, ['eavesdrop']);
claim($lower, 'restored', 40, '1 hour');
$lower->safe_psql('restored', $drain);
is(complete($lower, 'restored'), 'completed', 'a worker can complete in a cluster with lower xids');
goes_on($lower, 'restored', 'a cluster with lower xids');
# Here the log has another number. It is restored a second time while some events are pending, waiting or dead.
ingest($lower, 'restored', 40, 90, [ 'transcription', 'csat' ]);
claim($lower, 'restored', 40, '1 hour');
fail_event($lower, 'restored', $lower->safe_psql('restored', 'SELECT min(call_id) FROM mine'), '0 seconds');
dump_plain($lower, 'restored', 'second');

my $higher = new_node('higher', xid => 16777216);
PostgreSQL::Test::Utils::system_or_bail('createdb', '--host', $higher->host, '--port', $higher->port, 'restored');
PostgreSQL::Test::Utils::system_or_bail('pg_restore', '--jobs=2', '--host',
	$higher->host, '--port', $higher->port, '--dbname=restored', "$dumps/origin.dump");
is(complete($higher, 'restored'), 'completed', 'a worker can still complete what it claimed in the old cluster');
goes_on($higher, 'restored', 'a cluster with higher xids');
revives_the_dead($higher, 'restored', 'a cluster with higher xids');

restore_plain($higher, 'second', 'second');
is($higher->safe_psql('second', 'SELECT first_lane FROM call_event_logs'), 64, 'the second restore is one of a log that moved');
goes_on($higher, 'second', 'a second restore');
revives_the_dead($higher, 'second', 'a second restore');

# ---- into the same cluster, and into a clone of it that is behind ------------------------------------------

restore_plain($source, 'copy', 'origin');
goes_on($source, 'copy', 'the same cluster');
revives_the_dead($source, 'copy', 'the same cluster');

my $clone = PostgreSQL::Test::Cluster->new('clone');
$clone->init_from_backup($source, 'before');
$clone->start;
is($clone->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()'),
	$source->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()'), 'the clone has the identifier of its original');
restore_plain($clone, 'restored', 'origin');

# The transaction id of a pending event may belong to an open transaction here.
$clone->safe_psql(
	'restored', q{
CREATE PROCEDURE reach(wanted xid8) LANGUAGE plpgsql AS $$
BEGIN
    WHILE pg_current_xact_id() < wanted LOOP
        COMMIT;
    END LOOP;
END
$$});
my $wanted = $clone->safe_psql('restored', q{SELECT max(event_xid) FROM call_events WHERE event_seq NOT IN (
    SELECT event_seq FROM done UNION ALL SELECT event_seq FROM call_retrying_events UNION ALL SELECT event_seq FROM call_dead_events)});
my $open = $wanted - 1;
is($clone->safe_psql('restored', qq{
CALL reach('$open');
BEGIN;
SELECT pg_current_xact_id();
CREATE TABLE half_done ();
PREPARE TRANSACTION 'half done'}), $wanted, 'an open transaction has the xid of a pending event');
goes_on($clone, 'restored', 'a clone');
$clone->safe_psql('restored', "ROLLBACK PREPARED 'half done'");
like(complete($clone, 'restored'), qr/^(stale|unknown|stale,unknown)$/, 'a claim taken over in another cluster cannot be completed');
revives_the_dead($clone, 'restored', 'a clone');

# ---- data alone ------------------------------------------------------------------------------------------

# Events are stamped again, so all of them are delivered once more, even the dead ones. A waiting event is retried once.
sub comes_again
{
	my ($node, $database, $what) = @_;
	$node->safe_psql($database, 'TRUNCATE done');
	ingest($node, $database, 1, 30, ['recording']);
	$node->safe_psql($database, $drain);
	is($node->safe_psql($database, 'SELECT * FROM violations() LIMIT 10'), '', "$what: everything comes once, in order");
	is($node->safe_psql($database, 'SELECT count(*) FROM call_events WHERE event_seq NOT IN (SELECT event_seq FROM done)'),
		0, "$what: settled events are delivered again, too");
}

for my $what ('schema', 'data')
{
	PostgreSQL::Test::Utils::system_or_bail('pg_dump', "--$what-only", '--host',
		$source->host, '--port', $source->port, '--file', "$dumps/$what.sql", 'origin');
}
restore_plain($lower, 'data', 'schema');
load($lower, 'data', 'data', 1);
comes_again($lower, 'data', 'data into the schema of the dump');
# An event that died before can die again.
ingest($lower, 'data', 1, 1, ['connected']);

# Into tables created in this cluster. They already have settings.
$higher->safe_psql('postgres', 'CREATE DATABASE made');
$higher->safe_psql('made', q{CREATE EXTENSION callhardening; SELECT create_call_tables();});
PostgreSQL::Test::Utils::system_or_bail('pg_dump', '--schema-only',
	'--exclude-table=calls', '--exclude-table=call_events', '--host', $source->host,
	'--port', $source->port, '--file', "$dumps/rest.sql", 'origin');
load($higher, 'made', 'rest', 0);
load($higher, 'made', 'data', 0);
comes_again($higher, 'made', 'data into tables created there');

# Of a log that has fresh lanes, and none of those before. Its events are restored first, so the trigger finds no log.
sub pg_dump_of
{
	my ($node, $database, $name, @options) = @_;
	PostgreSQL::Test::Utils::system_or_bail('pg_dump', @options, '--host', $node->host, '--port', $node->port,
		'--file', "$dumps/$name.sql", $database);
}
my @events = ('--data-only', '--table=call_events', '--table=calls');
is($higher->safe_psql('second', 'SELECT count(*) FROM _callhardening.lanes JOIN call_event_logs ON lane < first_lane'), 0,
	'the log has no lanes of before');
pg_dump_of($higher, 'second', 'moved', '--schema-only');
pg_dump_of($higher, 'second', 'events', @events);
pg_dump_of($higher, 'second', 'registry', '--data-only', map { "--exclude-table-data=$_" } 'call_events', 'calls');
restore_plain($lower, 'moved', 'moved');
load($lower, 'moved', 'events', 1);
is($lower->safe_psql('moved', 'SELECT max(event_lane) < 64 FROM call_events'), 't', 'the trigger finds no log');
load($lower, 'moved', 'registry', 1);
comes_again($lower, 'moved', 'events before their log');

$_->stop for $lower, $higher, $clone, $source;
done_testing();
