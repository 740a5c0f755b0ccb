
# Every way into the table of an event log: each event ends in a lane that workers look into, is counted as pending until it is
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

# The extension is in $schema: pg_dump sorts data by schema, so the registry comes before the events of "public", or behind them.
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

# What is claimed until nothing comes any more, call by call. Each call is a session of its own.
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

# Pending before a worker looks, delivered once, and nothing is left.
sub delivers
{
	my ($node, $database, $expected, $what, $log) = @_;
	is(pending($node, $database, $log), scalar(split ' ', $expected), "$what: pending");
	is(deliver($node, $database, $log), $expected, "$what: delivered once");
	is(pending($node, $database, $log), 0, "$what: nothing is pending any more");
	is(problems($node, $database), '', "$what: the self-test finds nothing");
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

# ---- a log that was adopted, and so has lost its first lanes: its data alone ------------------------------

for my $schema ('aa', 'zz')
{
	make_log($low, "origin_$schema", $schema);
	ingest($low, "origin_$schema", 1 .. 5);
	is(deliver($low, "origin_$schema"), '1 2 3 4 5', "extension in $schema: what the origin has settled");
	copy_whole($low, "origin_$schema", $high, "adopted_$schema", $schema);
	is(deliver($high, "adopted_$schema"), '', "extension in $schema: nothing of it comes again");
	is($high->safe_psql("adopted_$schema", 'SELECT first_lane, min(lane) FROM call_event_logs, _callhardening.lanes GROUP BY 1'),
		'64|64', "extension in $schema: its first lanes are gone");
	ingest($high, "adopted_$schema", 6);

	copy_in_parts($high, "adopted_$schema", $low, "parts_$schema", $schema);
	is($low->safe_psql("parts_$schema", "SELECT purge_call_events('0')"), 0,
		"extension in $schema: a purge before the first claim leaves all of them");
	delivers($low, "parts_$schema", '1 2 3 4 5 6', "extension in $schema: data alone");
	# And what is settled now is settled in its dumps as well.
	copy_whole($low, "parts_$schema", $high, "again_$schema", $schema);
	is(pending($high, "again_$schema"), 0, "extension in $schema: restored as a whole, all of it is settled");
	ingest($high, "again_$schema", 7);
	delivers($high, "again_$schema", '7', "extension in $schema: what comes then");
	copy_in_parts($high, "again_$schema", $low, "parts_again_$schema", $schema);
	delivers($low, "parts_again_$schema", '1 2 3 4 5 6 7', "extension in $schema: data alone, once more");
	is($low->safe_psql("parts_again_$schema", "SELECT purge_call_events('0')"), 7, "extension in $schema: a purge takes what is settled");
}

# Half-way: the dump is made before the old lanes are found to be empty.
ingest($low, 'parts_again_zz', 8, 9);
copy_in_parts($low, 'parts_again_zz', $high, 'half', 'zz');
$high->safe_psql('half', 'SELECT process_call_events(1)');
copy_in_parts($high, 'half', $low, 'half_way', 'zz');
delivers($low, 'half_way', '8 9', 'data alone of a log that is half-way through such data');

# A client appends while nobody knows the log yet.
copy_in_parts($high, 'adopted_zz', $low, 'early', 'zz',
	q{INSERT INTO call_events (event_seq, payload) OVERRIDING SYSTEM VALUE VALUES (1000, '{"call_id": 50, "state": "hangup"}')});
like(problems($low, 'early'), qr/its sequence is behind/,
	'an event that comes before the registry, with a number of its own: the self-test tells');
$low->safe_psql('early', q{SELECT setval('call_events_event_seq_seq', 1000)});
delivers($low, 'early', '1 2 3 4 5 6 50', 'an event that comes before the registry');

# Into a log that is there. What was waiting is one of its calls, wherever it was waiting.
$high->safe_psql('adopted_zz', q{SELECT fail_call_event(claim_id, event_seq, 'x', '0') FROM claim_call_events()});
dump_to($high, 'adopted_zz', 'existing', '--data-only');
make_log($low, 'existing', 'zz');
ingest($low, 'existing', 100);
is(deliver($low, 'existing'), '100', 'a log that is there');
$low->safe_psql('existing', 'DELETE FROM call_events');
load($low, 'existing', 'existing', 0);
is(deliver($low, 'existing'), '1 2 3 4 5 6', 'data into it: delivered once');
is($low->safe_psql('existing', 'SELECT count(*) FROM call_retrying_events'), 0, 'data into it: what was waiting too');

# ---- without triggers --------------------------------------------------------------------------------------

dump_to($high, 'adopted_aa', 'schema', '--schema-only');
dump_to($high, 'adopted_aa', 'data', '--data-only', '--disable-triggers');
for my $node ($low, $high)
{
	make_database($node, 'untriggered', 'aa');
	load($node, 'untriggered', 'schema');
	load($node, 'untriggered', 'data');
	is(pending($node, 'untriggered'), 1, $node->name . ', without triggers: what was pending is pending');
	is(deliver($node, 'untriggered'), '6', $node->name . ', without triggers: and is delivered');
}

# Stamps of another cluster in a log of this one: the first five were made here, and the last one has a lane that this log has not.
# Nothing is green until a worker has found it.
dump_to($high, 'adopted_aa', 'rows', '--data-only', '--disable-triggers', '--table=call_events');
make_log($low, 'strange', 'aa');
ingest($low, 'strange', 200);
$low->safe_psql('strange', 'ALTER TABLE call_events ALTER event_seq RESTART 1000; UPDATE call_events SET event_seq = DEFAULT');
deliver($low, 'strange');
load($low, 'strange', 'rows');
is(pending($low, 'strange'), 6, 'rows of another cluster: pending');
is($low->safe_psql('strange', q{SELECT gap || ': ' || detail FROM call_enforcement WHERE level = 'gap'}),
	q{events_outside_lanes: no worker looks for 1 events: their lanes are not the log's}, 'rows of another cluster: a gap');
like(problems($low, 'strange'), qr/no worker looks for 1 events of public.call_events/,
	'rows of another cluster: the self-test counts them');
is(deliver($low, 'strange'), '1 2 3 4 5 6', 'rows of another cluster: a worker finds them');
is(pending($low, 'strange'), 0, 'rows of another cluster: once');
is($low->safe_psql('strange', q{SELECT string_agg(gap, ', ') FROM call_enforcement WHERE level = 'gap'}),
	'', 'rows of another cluster: no gap is left');

# What nobody can find stays a gap.
$low->safe_psql('strange', q{ALTER TABLE call_events DISABLE TRIGGER USER;
INSERT INTO call_events (event_lane, event_xid, call_id, payload)
    VALUES (2000000000, '5', '1', '{"call_id": 1}'), (-6, '5', '1', '{"call_id": 2}');
ALTER TABLE call_events ENABLE TRIGGER USER});
is(deliver($low, 'strange'), '', 'a lane that cannot be: no worker takes it');
is(pending($low, 'strange'), 2, 'a lane that cannot be: pending');
is($low->safe_psql('strange', q{SELECT gap || ': ' || detail FROM call_enforcement WHERE level = 'gap'}),
	q{events_outside_lanes: no worker looks for 2 events: their lanes are not the log's}, 'a lane that cannot be: a gap');

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
is(pending($high, 'adopted_aa', 'hooks3'), 0, 'a copy whose rows are settled as nothing says which are: none is pending');

# What is set back has no stamp, if it was processed before its table was a log.
$high->safe_psql('adopted_aa', q{
CREATE TABLE hooks4 (payload jsonb, done timestamptz);
INSERT INTO hooks4 VALUES ('{"call_id": 1}', now());
SELECT harden_call_events('hooks4', 'calls', processed_at_column => 'done');
UPDATE hooks4 SET done = NULL});
like(problems($high, 'adopted_aa'), qr/no worker looks for 1 events of public.hooks4/,
	'an old event that is set back: the self-test counts it');

# ---- COPY, and tables that lead to the log --------------------------------------------------------------------

make_log($low, 'roads', 'public');
$low->safe_psql('roads', q{COPY (VALUES ('{"call_id": 1}'), ('{"call_id": 2}')) TO '} . "$dumps/bodies" . q{';
	COPY call_events (payload) FROM '} . "$dumps/bodies'");
delivers($low, 'roads', '1 2', 'COPY');
$low->safe_psql('roads', q{
CREATE TABLE parent (event_seq bigint NOT NULL, event_lane integer NOT NULL DEFAULT -6,
    event_xid xid8 NOT NULL DEFAULT pg_current_xact_id(), event_digest bytea,
    call_id text, event_type text, received_at timestamptz NOT NULL DEFAULT now(), payload jsonb NOT NULL) PARTITION BY RANGE (event_seq);
ALTER TABLE call_events ALTER event_seq DROP IDENTITY;
ALTER TABLE parent ATTACH PARTITION call_events FOR VALUES FROM (1) TO (1000);
INSERT INTO parent (event_seq, payload) VALUES (500, '{"call_id": 3}')});
is(pending($low, 'roads'), 1, 'a partition: pending');
is(deliver($low, 'roads'), '3', 'a partition: delivered');
like($low->safe_psql('roads', q{SELECT string_agg(gap, ',') FROM call_enforcement WHERE relation = 'call_events'::regclass}),
	qr/table_altered/, 'a partition: and a gap');

$_->stop for $low, $high;
done_testing();
