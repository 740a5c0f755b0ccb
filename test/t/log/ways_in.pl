
# Every way into the table of an event log. Each event gets a lane that workers read. It counts as pending until it is
# delivered, and is delivered once.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dumps = PostgreSQL::Test::Utils::tempdir;

sub new_node
{
	my ($name, $xid) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
	PostgreSQL::Test::Utils::system_or_bail('pg_resetwal', '--next-transaction-id', $xid, '--pgdata', $node->data_dir) if $xid;
	$node->start;
	return $node;
}

my $low = new_node('low');
my $high = new_node('high', 1048576);

# The extension is in $schema. pg_dump sorts data by schema, so the registry comes before or after the events of "public".
sub make_database
{
	my ($node, $database, $schema) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql('postgres', "ALTER DATABASE $database SET search_path = public, $schema") if $schema ne 'public';
}

sub make_log
{
	my ($node, $database, $schema) = @_;
	make_database($node, $database, $schema);
	$node->safe_psql($database, ($schema eq 'public' ? '' : "CREATE SCHEMA $schema; ")
		. "CREATE EXTENSION callhardening SCHEMA $schema; SELECT create_call_tables()");
}

sub ingest
{
	my ($node, $database, @calls) = @_;
	$node->safe_psql($database, join('', map { qq{SELECT ingest_call_event('{"call_id": $_, "state": "hangup"}'::jsonb);\n} } @calls));
}

# Claims until no event is left, and returns the call ids. Each run is a session of its own.
sub deliver
{
	my ($node, $database, $log) = @_;
	$log //= 'call_events';
	$node->safe_psql($database, qq{
CREATE TEMP TABLE got (call_id bigint);
DO \$\$
BEGIN
    LOOP
        CREATE TEMP TABLE batch AS SELECT claim_id, call_id FROM claim_call_events(1000, log => '$log');
        EXIT WHEN NOT EXISTS (SELECT FROM batch);
        INSERT INTO got SELECT call_id::bigint FROM batch;
        PERFORM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM batch));
        DROP TABLE batch;
    END LOOP;
END
\$\$;
SELECT string_agg(call_id::text, ' ' ORDER BY call_id) FROM got});
}

sub pending
{
	my ($node, $database, $log) = @_;
	$log //= 'call_events';
	return $node->safe_psql($database, "SELECT sum(pending) FROM pending_call_events('$log', true)");
}

sub problems
{
	my ($node, $database) = @_;
	return $node->safe_psql($database, q{SELECT string_agg(detail, '; ')
		FROM check_call_hardening() WHERE NOT ok AND check_name <> 'autovacuum'});
}

# Events are pending before a worker looks. They are delivered once, and none is left.
sub delivers
{
	my ($node, $database, $expected, $what, $log) = @_;
	is(pending($node, $database, $log), scalar(split ' ', $expected), "$what: the events are pending");
	is(deliver($node, $database, $log), $expected, "$what: each event is delivered once");
	is(pending($node, $database, $log), 0, "$what: no event is pending afterwards");
	is(problems($node, $database), '', "$what: the self-test finds no fault");
}

sub dump_to
{
	my ($node, $database, $name, @options) = @_;
	PostgreSQL::Test::Utils::system_or_bail('pg_dump', @options, '--host',
		$node->host, '--port', $node->port, '--file', "$dumps/$name.sql", $database);
}

sub load
{
	my ($node, $database, $name, $stop) = @_;
	PostgreSQL::Test::Utils::system_or_bail('psql', '-Xq', '--set=ON_ERROR_STOP=' . ($stop // 1),
		'--output=/dev/null', '--host', $node->host, '--port', $node->port,
		'--file', "$dumps/$name.sql", $database);
}

sub copy_whole
{
	my ($from, $source, $to, $target, $schema) = @_;
	dump_to($from, $source, 'whole');
	make_database($to, $target, $schema);
	load($to, $target, 'whole');
}

sub copy_in_parts
{
	my ($from, $source, $to, $target, $schema, $between) = @_;
	dump_to($from, $source, 'schema', '--schema-only');
	dump_to($from, $source, 'data', '--data-only');
	make_database($to, $target, $schema);
	load($to, $target, 'schema');
	$to->safe_psql($target, $between) if $between;
	load($to, $target, 'data');
}

# ---- an adopted log without its first lanes: its data alone ------------------------------

for my $schema ('aa', 'zz')
{
	make_log($low, "origin_$schema", $schema);
	ingest($low, "origin_$schema", 1 .. 5);
	is(deliver($low, "origin_$schema"), '1 2 3 4 5', "extension in $schema: the origin settles these events");
	copy_whole($low, "origin_$schema", $high, "adopted_$schema", $schema);
	is(deliver($high, "adopted_$schema"), '', "extension in $schema: settled events are not delivered again");
	is($high->safe_psql("adopted_$schema", 'SELECT first_lane, min(lane) FROM call_event_logs, _callhardening.lanes GROUP BY 1'),
		'64|64', "extension in $schema: the log has dropped its first lanes");
	ingest($high, "adopted_$schema", 6);

	copy_in_parts($high, "adopted_$schema", $low, "parts_$schema", $schema);
	is($low->safe_psql("parts_$schema", "SELECT purge_call_events('0')"), 0,
		"extension in $schema: a purge before the first claim deletes no event");
	delivers($low, "parts_$schema", '1 2 3 4 5 6', "extension in $schema: data alone");
	# Events settled now are settled in the dumps, too.
	copy_whole($low, "parts_$schema", $high, "again_$schema", $schema);
	is(pending($high, "again_$schema"), 0, "extension in $schema: after a whole restore all events are settled");
	ingest($high, "again_$schema", 7);
	delivers($high, "again_$schema", '7', "extension in $schema: a later event");
	copy_in_parts($high, "again_$schema", $low, "parts_again_$schema", $schema);
	delivers($low, "parts_again_$schema", '1 2 3 4 5 6 7', "extension in $schema: data alone, once more");
	is($low->safe_psql("parts_again_$schema", "SELECT purge_call_events('0')"), 7, "extension in $schema: a purge deletes settled events");
}

# Half-way: the dump is made before a worker finds the old lanes empty.
ingest($low, 'parts_again_zz', 8, 9);
copy_in_parts($low, 'parts_again_zz', $high, 'half', 'zz');
$high->safe_psql('half', 'SELECT process_call_events(1)');
copy_in_parts($high, 'half', $low, 'half_way', 'zz');
delivers($low, 'half_way', '8 9', 'data alone, of a log that is still reading restored data');

# A client appends while the log is not yet registered.
copy_in_parts($high, 'adopted_zz', $low, 'early', 'zz',
	q{INSERT INTO call_events (event_seq, payload) OVERRIDING SYSTEM VALUE VALUES (1000, '{"call_id": 50, "state": "hangup"}')});
like(problems($low, 'early'), qr/its sequence is behind/,
	'an event before the registry, with its own number: the self-test reports it');
$low->safe_psql('early', q{SELECT setval('call_events_event_seq_seq', 1000)});
delivers($low, 'early', '1 2 3 4 5 6 50', 'an event before the registry');

# Into an existing log. A waiting event belongs to one of its calls, in any lane.
$high->safe_psql('adopted_zz', q{SELECT fail_call_event(claim_id, event_seq, 'x', '0') FROM claim_call_events()});
dump_to($high, 'adopted_zz', 'existing', '--data-only');
make_log($low, 'existing', 'zz');
ingest($low, 'existing', 100);
is(deliver($low, 'existing'), '100', 'an existing log delivers its event');
$low->safe_psql('existing', 'DELETE FROM call_events');
load($low, 'existing', 'existing', 0);
is(deliver($low, 'existing'), '1 2 3 4 5 6', 'data restored into an existing log is delivered once');
is($low->safe_psql('existing', 'SELECT count(*) FROM call_retrying_events'), 0, 'data into it: what was waiting too');

# ---- without triggers --------------------------------------------------------------------------------------

dump_to($high, 'adopted_aa', 'schema', '--schema-only');
dump_to($high, 'adopted_aa', 'data', '--data-only', '--disable-triggers');
for my $node ($low, $high)
{
	make_database($node, 'untriggered', 'aa');
	load($node, 'untriggered', 'schema');
	load($node, 'untriggered', 'data');
	is(pending($node, 'untriggered'), 1, $node->name . ', restored without triggers: pending events are pending');
	is(deliver($node, 'untriggered'), '6', $node->name . ', restored without triggers: pending events are delivered');
}

# Stamps of another cluster: this log has the lanes of the first five events, but not that of the last one. The self-test
# reports them until a worker finds them. Such a restore leaves ordinary triggers, and they are a gap of their own.
my $always = 'ALTER TABLE call_events ENABLE ALWAYS TRIGGER stamp_call_event, ENABLE ALWAYS TRIGGER bury_call_event,
    ENABLE REPLICA TRIGGER keep_call_event_stamp';
dump_to($high, 'adopted_aa', 'rows', '--data-only', '--disable-triggers', '--table=call_events');
make_log($low, 'strange', 'aa');
ingest($low, 'strange', 200);
$low->safe_psql('strange', 'ALTER TABLE call_events ALTER event_seq RESTART 1000; UPDATE call_events SET event_seq = DEFAULT');
deliver($low, 'strange');
load($low, 'strange', 'rows');
is($low->safe_psql('strange', q{SELECT string_agg(gap, ', ' ORDER BY gap) FROM call_enforcement WHERE level = 'gap'}),
	'events_outside_lanes, trigger_not_always', 'rows and triggers of the restore are gaps');
$low->safe_psql('strange', $always);
is(pending($low, 'strange'), 6, 'rows of another cluster are pending');
is($low->safe_psql('strange', q{SELECT gap || ': ' || detail FROM call_enforcement WHERE level = 'gap'}),
	q{events_outside_lanes: no worker looks for 1 events: their lanes are not the log's}, 'rows of another cluster are reported as a gap');
like(problems($low, 'strange'), qr/no worker looks for 1 events of public.call_events/,
	'the self-test counts rows of another cluster');
is(deliver($low, 'strange'), '1 2 3 4 5 6', 'a worker finds rows of another cluster');
is(pending($low, 'strange'), 0, 'rows of another cluster are delivered once');
is($low->safe_psql('strange', q{SELECT string_agg(gap, ', ') FROM call_enforcement WHERE level = 'gap'}),
	'', 'after that no gap is left');

# Events that no worker can find stay a gap.
$low->safe_psql('strange', q{ALTER TABLE call_events DISABLE TRIGGER USER;
INSERT INTO call_events (event_lane, event_xid, call_id, payload)
    VALUES (2000000000, '5', '1', '{"call_id": 1}'), (-9, '5', '1', '{"call_id": 2}');
ALTER TABLE call_events ENABLE TRIGGER USER});
$low->safe_psql('strange', $always);
is(deliver($low, 'strange'), '', 'no worker takes events of an impossible lane');
is(pending($low, 'strange'), 2, 'events of an impossible lane are pending');
is($low->safe_psql('strange', q{SELECT gap || ': ' || detail FROM call_enforcement WHERE level = 'gap'}),
	q{events_outside_lanes: no worker looks for 2 events: their lanes are not the log's}, 'events of an impossible lane are a gap');

# ---- copies ------------------------------------------------------------------------------------------------

$high->safe_psql('adopted_aa', q{
CREATE TABLE copied (LIKE call_events INCLUDING ALL);
INSERT INTO copied OVERRIDING SYSTEM VALUE SELECT * FROM call_events;
SELECT setval('copied_event_seq_seq', 6);
SELECT register_call_event_log('copied', 'calls', 'dialpad', 4)});
delivers($high, 'adopted_aa', '1 2 3 4 5 6', 'a copy of an adopted log', 'copied');

$high->safe_psql('adopted_aa', q{
CREATE TABLE hooks (payload jsonb, done timestamptz);
SELECT harden_call_events('hooks', 'calls', processed_at_column => 'done', lanes => 64);
INSERT INTO hooks VALUES ('{"call_id": 1}'), ('{"call_id": 2}');
CREATE TABLE hooks2 (LIKE hooks INCLUDING ALL);
INSERT INTO hooks2 SELECT * FROM hooks;
UPDATE hooks2 SET event_lane = event_lane + 64;
SELECT harden_call_events('hooks2', 'calls', processed_at_column => 'done', lanes => 64);
CREATE TABLE hooks3 (LIKE hooks INCLUDING ALL);
INSERT INTO hooks3 SELECT * FROM hooks;
SELECT harden_call_events('hooks3', 'calls', lanes => 64)});
delivers($high, 'adopted_aa', '1 2', 'a copy of a hardened table', 'hooks2');
is(pending($high, 'adopted_aa', 'hooks3'), 0, 'a copy without processed_at has no pending events');

# An event processed before hardening has no stamp, even if it is set back.
$high->safe_psql('adopted_aa', q{
CREATE TABLE hooks4 (payload jsonb, done timestamptz);
INSERT INTO hooks4 VALUES ('{"call_id": 1}', now());
SELECT harden_call_events('hooks4', 'calls', processed_at_column => 'done');
UPDATE hooks4 SET done = NULL});
like(problems($high, 'adopted_aa'), qr/no worker looks for 1 events of public.hooks4/,
	'the self-test counts an old event that was set back');

# ---- COPY, and tables that lead to the log --------------------------------------------------------------------

make_log($low, 'ways', 'public');
$low->safe_psql('ways', q{COPY (VALUES ('{"call_id": 1}'), ('{"call_id": 2}')) TO '} . "$dumps/bodies" . q{';
	COPY call_events (payload) FROM '} . "$dumps/bodies'");
delivers($low, 'ways', '1 2', 'COPY');
$low->safe_psql('ways', q{
CREATE TABLE parent (event_seq bigint NOT NULL, event_lane integer NOT NULL DEFAULT -9,
    event_xid xid8 NOT NULL DEFAULT pg_current_xact_id(), event_digest bytea,
    call_id text, event_type text, received_at timestamptz NOT NULL DEFAULT now(), payload jsonb NOT NULL) PARTITION BY RANGE (event_seq);
ALTER TABLE call_events ALTER event_seq DROP IDENTITY;
ALTER TABLE parent ATTACH PARTITION call_events FOR VALUES FROM (1) TO (1000);
INSERT INTO parent (event_seq, payload) VALUES (500, '{"call_id": 3}')});
is(pending($low, 'ways'), 1, 'an event of a partition is pending');
is(deliver($low, 'ways'), '3', 'an event of a partition is delivered');
like($low->safe_psql('ways', q{SELECT string_agg(gap, ',') FROM call_enforcement WHERE relation = 'call_events'::regclass}),
	qr/table_altered/, 'a partition is a gap');

$_->stop for $low, $high;
done_testing();
