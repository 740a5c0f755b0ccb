
# Tables that Citus distributes by the call: each event lies beside the row of its call, from whichever node it came. The same
# traffic gives the same calls as on a plain server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();
my $cluster = CitusCluster->new;
my @workers = (1, 2, 3);

$cluster->sql(0, q{CREATE SCHEMA t; SELECT create_distributed_call_tables('t', 12, 4)});
like($cluster->messages(1, q{SELECT ingest_call_event('{"call_id": 1}', 't.call_events')}), qr/55000: t\.call_events is not an event log/,
	'before the shards are attached a worker says that it does not know the log');
$cluster->sql(0, q{SELECT ingest_call_event('{"call_id": 7, "state": "ringing"}', 't.call_events')});
is($cluster->sql(0, q{SELECT count(*), count(DISTINCT node), string_agg(DISTINCT result, ' ') FROM attach_call_shards('t.call_events')}),
	'12|3|attached', 'each shard is attached on its server');
my $rows_of_logs = 'SELECT string_agg(concat(ctid, xmin), $$ $$ ORDER BY log_id) FROM _callhardening.logs';
my @rows = map { $cluster->sql($_, $rows_of_logs) } 0 .. 3;
is($cluster->sql(0, q{SELECT count(*), string_agg(DISTINCT result, ' ') FROM attach_call_shards('t.call_events')}), '12|was attached',
	'once');
is_deeply([ map { $cluster->sql($_, $rows_of_logs) } 0 .. 3 ], \@rows, 'and nothing is written then');
is($cluster->sql(0, q{SELECT events, is_default FROM call_event_logs}), 't.call_events|t', 'the coordinator has no shard');
is($cluster->sql(1, q{SELECT count(*), count(*) FILTER (WHERE is_default), min(lanes) FROM call_event_logs}), '5|1|4',
	'a worker knows the log, and a third of its shards');

sub process_all
{
	for my $number (@workers)
	{
		my @logs = split /\n/, $cluster->sql($number, 'SELECT events FROM call_event_logs WHERE shard_id IS NOT NULL');
		$cluster->sql($number, "SELECT process_call_events(100000, '$_')") for @logs;
	}
	return;
}

process_all();
is($cluster->sql(0, 'SELECT dialpad_call_id, status FROM t.calls'), '7|ringing', 'an event from before the attachment is not lost');

# -- ingest from any node -------------------------------------------------------------------------

my @bodies = ('{"call_id": 8, "state": "ringing"}', 'no call', '{"call_id": "no number"}', '[1]');
for my $body (@bodies)
{
	my %numbers = map { $cluster->sql($_, "SELECT ingest_call_event('$body'::text)") => 1 } 0 .. 3;
	is(scalar keys %numbers, 1, "a redelivery of $body finds its first delivery from each node");
}
is($cluster->sql(2, 'SELECT count(*) FROM t.call_events'), 5, 'and nothing is kept twice');
is($cluster->sql(0, q{SELECT bool_and(CASE WHEN event_lane < 0 THEN call_key < 0 ELSE call_key = call_id::bigint END) FROM t.call_events}),
	't', 'the key of an event is its call, or negative');
is($cluster->sql(0, q{SELECT sum(result::int) FROM run_command_on_workers('SELECT count(*) FROM call_dead_events')}), 3,
	'the events without a call are dead events of the servers that have them');
my $several = $cluster->sql(1, q{BEGIN;
    SELECT count(ingest_call_event(format('{"call_id": %s}', n))) FROM generate_series(100, 140) AS n; COMMIT});
is($several, 41, 'a transaction on many shards');

# C2: the key is the call's. Otherwise a call would have a row on two servers.
for my $disabled (0, 1)
{
	$cluster->sql(0, q{SET citus.enable_unsafe_triggers = on; ALTER TABLE t.call_events DISABLE TRIGGER stamp_call_event}) if $disabled;
	my $lane = $disabled ? ', event_lane, call_id' : '';
	my $values = $disabled ? ", 0, '9'" : '';
	like($cluster->messages(0, qq{INSERT INTO t.call_events (call_key, payload$lane) VALUES (8, '{"call_id": 9}'$values)}), qr/ 23514: /,
		$disabled ? 'without the trigger too' : 'nobody can give an event the key of another call');
}
$cluster->sql(0, q{SET citus.enable_unsafe_triggers = on; ALTER TABLE t.call_events ENABLE ALWAYS TRIGGER stamp_call_event});

# -- the same traffic, the same calls ---------------------------------------------------------------

my $traffic = PostgreSQL::Test::Utils::tempdir . '/traffic';
$cluster->sql(0, q{CREATE SCHEMA plain; SELECT create_call_tables('plain')});
$cluster->sql(0, qq{COPY (SELECT * FROM call_traffic(400, 7)) TO '$traffic'});
for my $number (0 .. 3)
{
	$cluster->sql($number, qq{CREATE TABLE bodies (n int GENERATED ALWAYS AS IDENTITY, payload text); COPY bodies (payload) FROM '$traffic'});
}
$cluster->sql(0, q{SELECT count(ingest_call_event(payload, 'plain.call_events')) FROM (SELECT payload FROM bodies ORDER BY n) AS b});
$cluster->sql(0, q{SELECT process_call_events(100000, 'plain.call_events')});
# Each call's events come from one node, in their order.
$cluster->sql($_, qq{SELECT count(ingest_call_event(payload, 't.call_events')) FROM (SELECT payload FROM bodies
    WHERE greatest(0, (_callhardening.event_stamp(payload::jsonb, 'dialpad', 4, 'bigint')).event_lane) = $_ ORDER BY n) AS b}) for 0 .. 3;
process_all();
my $columns = $cluster->sql(0, q{SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = 't.calls'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'created_at'});
$cluster->sql(0, qq{CREATE TABLE distributed AS SELECT $columns FROM t.calls;
    DELETE FROM distributed WHERE dialpad_call_id < 1000});
is($cluster->sql(0, qq{SELECT (SELECT count(*) FROM (SELECT $columns FROM plain.calls EXCEPT SELECT $columns FROM distributed) AS d)
    + (SELECT count(*) FROM (SELECT $columns FROM distributed EXCEPT SELECT $columns FROM plain.calls) AS d)}), 0,
	'the same traffic gives the same calls');
cmp_ok($cluster->sql(0, 'SELECT count(*) FROM distributed'), '>', 300, 'and there are some');
$cluster->stop;
done_testing();
