
# A schema for each tenant: citus_schema_distribute puts it on one node, and its log is processed there. Webhooks come in on
# each node. The schema moves with events pending.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();
my $cluster = CitusCluster->new;

sub distribute
{
	my ($schema) = @_;
	$cluster->sql(0, "SET citus.enable_unsafe_triggers = on; SELECT citus_schema_distribute('$schema')");
	return;
}

# -- before the shard is attached ------------------------------------------------------------------

$cluster->sql(0, q{CREATE SCHEMA t; SELECT create_call_tables('t');
    SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb, 't.call_events')});
distribute('t');
my ($home, $shard) = $cluster->shard_of('t.call_events');
my (undef, $calls) = $cluster->shard_of('t.calls');
my ($other) = grep { $_ != $home } 1 .. 3;

sub gaps
{
	my ($node) = @_;
	return $cluster->sql($node, q{SELECT relation, gap FROM call_enforcement WHERE level = 'gap' ORDER BY 2});
}

is(gaps(0), 't.call_events|distributed_log', 'the coordinator has a gap: the log was distributed');
is(gaps($other), 't.call_events|log_not_registered', 'a node without the shard has one: it ingests nothing');
is(gaps($home), "t.call_events|log_not_registered\n$shard|shard_not_attached", 'the node with the shard names it');
like($cluster->messages(0, 'SELECT process_call_events()'), qr/^ERROR:  0A000: event log t\.call_events is distributed/,
	'processing on the coordinator is refused');
like($cluster->messages($other, q{SELECT ingest_call_event('{"call_id": 2}'::jsonb, 't.call_events')}),
	qr/^ERROR:  55000: t\.call_events is not an event log/, 'a body on another node is refused');
$cluster->sql(0, q{SELECT ingest_call_event('{"call_id": 1, "state": "connected"}'::jsonb, 't.call_events')});

# -- attached --------------------------------------------------------------------------------------

sub attach
{
	return $cluster->sql(0, q{SELECT string_agg(result, ' ') FROM attach_call_shards('t.call_events') WHERE result <> 'moved away'});
}

sub process
{
	my ($node) = @_;
	return $cluster->sql($node, "SELECT claimed, failed FROM process_call_events(log => '$shard')");
}

is(attach(), 'attached', 'the shard is attached');
is(attach(), 'was attached', 'once');
is(gaps($_), '', "no gap is left on node $_") for 0 .. 3;
is(process($home), '2|0', 'events from before the distribution and from before the attachment are processed');
for my $node (0 .. 3)
{
	my $first = $cluster->sql($node, qq{SELECT ingest_call_event('{"call_id": 1$node, "state": "ringing"}'::jsonb, 't.call_events')});
	is($cluster->sql(($node + 1) % 4, qq{SELECT ingest_call_event('{"call_id": 1$node, "state": "ringing"}'::jsonb, 't.call_events')}),
		$first, "a redelivery on the next node finds the first delivery on node $node");
}
is($cluster->sql($home, "SELECT sum(pending) FROM pending_call_events('$shard')"), 4, 'pending events are counted, not estimated');
is(process($home), '4|0', 'the node with the shard processes what came in on each node');
is($cluster->sql($other, 'SELECT dialpad_call_id, status FROM t.calls ORDER BY 1'),
	"1|active\n10|ringing\n11|ringing\n12|ringing\n13|ringing", 'each node shows the calls');
is($cluster->sql(0, q{SELECT count(DISTINCT id) = 5 FROM t.calls}), 't', 'each call has an id');
like($cluster->messages($home, "SELECT configure_call_event_log('$shard', notify => true)"), qr/^ERROR:  0A000: shard .* cannot notify/m,
	'a shard does not notify');
is($cluster->sql($home, q{SELECT string_agg(check_name || ': ' || detail, E'\n') FROM check_call_hardening() WHERE NOT ok}), '',
	'the self-test passes where the shard is');
is($cluster->sql($home, qq{SELECT value FROM call_health('$calls') WHERE figure = 'calls'}), 5, 'call_health counts the shard');
is($cluster->sql($home, qq{SELECT count(*) FROM audit_calls('$calls') WHERE violations IS NULL}), 0, 'audit_calls reads it');

# A worker in the server, next to the data.
$cluster->sql(0, q{SELECT ingest_call_event('{"call_id": 20, "state": "ringing"}'::jsonb, 't.call_events')});
$cluster->sql($home, "SELECT start_call_worker('$shard')");
ok($cluster->node($home)->poll_query_until('postgres', 'SELECT EXISTS (SELECT FROM t.calls WHERE dialpad_call_id = 20)'),
	'a worker processes the shard');
$cluster->sql($home, "SELECT stop_call_worker('$shard')");
is($cluster->sql($home, "SELECT count(*) FROM claim_call_events(log => '$shard')"), 0, 'nothing is left to claim');
is($cluster->sql($home, "SELECT purge_call_events('0', '$shard')"), 7, 'settled events are purged');

# -- harden_calls changes the shard ----------------------------------------------------------------

$cluster->sql(0, q{SELECT harden_calls('t.calls', on_invalid => 'reject',
    policy => '{"version": 1, "rules": [{"path": "note", "action": "drop"}]}')});
like($cluster->messages($other, q{UPDATE t.calls SET status = 'ended' WHERE dialpad_call_id = 1;
    UPDATE t.calls SET status = 'ringing' WHERE dialpad_call_id = 1}), qr/Invalid status transition: "ended" to "ringing"/,
	'the new mode counts for writes from each node');
is($cluster->sql($other, q{INSERT INTO t.calls (dialpad_call_id, raw_payload) VALUES (30, '{"note": 1, "kept": 2}') RETURNING
    raw_payload ->> 'note', raw_payload ->> 'kept'}), '|2', 'and so does a policy of the table');
is($cluster->sql(0, q{SELECT success, result FROM run_command_on_placements('t.calls', 'CALL public.backfill_calls(''%s'')')}),
	't|CALL', 'the hint of backfill_calls works');

# -- the schema moves ------------------------------------------------------------------------------

sub append
{
	my ($node, @calls) = @_;
	$cluster->sql($node, qq{SELECT ingest_call_event('{"call_id": $_, "state": "connected"}'::jsonb, 't.call_events')}) for @calls;
	return;
}

sub move
{
	my ($node) = @_;
	$cluster->sql(0, sprintf(q{SELECT citus_schema_move('t', %s, 'block_writes')}, $cluster->host_and_port($node)));
	return;
}

# With the state each event is processed once.
append(0, 40, 41);
is(process($home), '2|0', 'two events are done');
append($other, 42, 43, 44);
my $state = $cluster->sql($home, "SELECT detach_call_event_log('$shard')");
is(attach(), 'detached', 'attach_call_shards leaves a detached shard alone');
append(0, 45);
move($other);
is(attach(), 'detached', 'a scheduler leaves it alone on its new node too') for 1, 2;
$cluster->sql(0, 'CALL citus_cleanup_orphaned_resources()');
is(attach(), 'detached', 'after Citus has dropped the old table too');
is(gaps($other), "$shard|shard_not_attached", 'its new node names it');
is($cluster->sql($other, "SELECT attach_call_event_log('$shard', '$calls', '$state')"), 'attached', 'the log is attached on the new node');
is(attach(), 'was attached', 'attach_call_shards has nothing to do');
append($home, 46);
is(process($other), '5|0', 'with the state, what was pending is processed once, and nothing else');
is(gaps($_), '', "no gap on node $_ after the move") for 0 .. 3;
is($cluster->sql(0, q{SELECT count(*) FROM t.calls WHERE dialpad_call_id BETWEEN 40 AND 46 AND status = 'active'}), 7, 'no event is lost');

# By Citus alone, all events that are not purged come once more.
append(0, 50);
move($home);
is(gaps($home), "$shard|shard_not_attached", 'after a move by Citus alone, the new node names the shard');
unlike(attach(), qr/was/, 'it is attached there');
is(process($home), '8|0', 'without the state, all events that are kept come once more');
is($cluster->sql(0, q{SELECT count(*) FROM t.calls WHERE dialpad_call_id BETWEEN 40 AND 50 AND status = 'active'}), 8,
	'and change nothing');

# -- two tenants, and the way back -----------------------------------------------------------------

$cluster->sql(0, q{CREATE SCHEMA u; SELECT create_call_tables('u')});
distribute('u');
$cluster->sql(0, q{SELECT attach_call_shards('u.call_events')});
is($cluster->sql(0, q{BEGIN; SELECT ingest_call_event('{"call_id": 1}'::jsonb, 't.call_events');
    SELECT ingest_call_event('{"call_id": 1}'::jsonb, 'u.call_events'); COMMIT; SELECT count(*) FROM u.call_events}) =~ s/.*\n//rs, 1,
	'one transaction appends to the logs of two tenants');
$cluster->sql(0, 'DROP SCHEMA u CASCADE');
is($cluster->sql($_, q{SELECT count(*) FROM call_event_logs WHERE events::text LIKE 'u.%' OR events::text ~ '^[0-9]'}), 0,
	"node $_ forgets a dropped tenant") for 0 .. 3;

$cluster->stop;
done_testing();
