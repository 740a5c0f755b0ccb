
# C3: a shard that Citus has moved by itself claims nothing on the server of before, and is no figure there: the old table and the
# row of its log are still on that server. Functions refuse the old name, and views leave it out.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();
my $cluster = CitusCluster->new(workers => 2);
$cluster->sql(0, q{CREATE SCHEMA t; SELECT create_distributed_call_tables('t', 1, 2)});
$cluster->sql(0, q{SELECT attach_call_shards('t.call_events')});
my ($source, $shard) = $cluster->shard_of('t.call_events');
my (undef, $calls) = $cluster->shard_of('t.calls');
my $target = 3 - $source;
my ($shard_id) = $shard =~ /_(\d+)$/;

# A shard with something for each view: a done event, an open claim, a retrying and a dead one.
$cluster->sql($source, qq{SELECT configure_call_event_log('$shard', max_attempts => 2, retry_base => '1 hour', retry_cap => '1 hour');
    SELECT ingest_call_event(format('{"call_id": %s, "state": "ringing"}', n)) FROM generate_series(1, 3) AS n;
    SELECT ingest_call_event('no JSON')});
my $failed = $cluster->sql($source, qq{SELECT claim_id FROM claim_call_events(1, log => '$shard') AS c,
    fail_call_event(c.claim_id, c.event_seq, 'x')});
$cluster->sql($source, "SELECT complete_call_events('{$failed}')");
$cluster->sql($source, qq{SELECT count(*) FROM process_call_events(1, '$shard')});
my $claim = $cluster->sql($source, qq{SELECT claim_id FROM claim_call_events(1, '1 hour', log => '$shard')});
$cluster->sql(0, q{SELECT ingest_call_event('{"call_id": 4, "state": "ringing"}')});

# And a consumer that has had all of it
$cluster->sql($source, qq{SELECT create_call_consumer('$shard', 'billing', from_beginning => true);
    SELECT configure_call_event_log('$shard', max_attempts => 3, consumer => 'billing')});
sub claim_for_billing
{
	my ($node) = @_;
	return $cluster->sql($node, qq{SELECT count(*), array_agg(DISTINCT claim_id)
	    FROM claim_call_events(log => '$shard', consumer => 'billing')});
}

# A claim takes one of the two lanes.
for (1, 2)
{
	my (undef, $ids) = split /\|/, claim_for_billing($source);
	$cluster->sql($source, "SELECT complete_call_events('$ids')");
}
is(claim_for_billing($source), '0|', 'a consumer has had all events');

my %figures = (
	call_event_log_status => "SELECT count(*) FROM call_event_log_status WHERE log::text = '$shard'",
	call_lane_status => "SELECT count(*) FROM call_lane_status WHERE log::text = '$shard'",
	call_consumers => "SELECT count(*) FROM call_consumers WHERE log::text = '$shard'",
	call_open_claims => "SELECT count(*) FROM call_open_claims WHERE log::text = '$shard'",
	call_retrying_events => 'SELECT count(*) FROM call_retrying_events',
	call_dead_events => 'SELECT count(*) FROM call_dead_events',
	call_event_counts => "SELECT count(*) FROM call_event_counts WHERE log::text = '$shard'",
	call_event_lag => "SELECT count(*) FROM call_event_lag WHERE log::text = '$shard'",
	log_metrics => "SELECT count(*) FROM _callhardening.log_metrics() WHERE log = '$shard'",
	consumer_metrics => "SELECT count(*) FROM _callhardening.consumer_metrics() WHERE log = '$shard'",
	size_metrics => "SELECT count(*) FROM _callhardening.size_metrics() WHERE relation = '$shard'",
	size_of_calls => "SELECT count(*) FROM _callhardening.size_metrics() WHERE relation = '$calls'",
	call_report => "SELECT count(*) FROM jsonb_array_elements(call_report() -> 'logs') AS l WHERE l ->> 'log' = '$shard'",
	tables_of_report => "SELECT count(*) FROM jsonb_array_elements(call_report() -> 'tables') AS t WHERE t ->> 'table' = '$calls'");
my %used = (
	pending_call_events => "SELECT * FROM pending_call_events('$shard')",
	ignored_call_events => "SELECT ignored_call_events('$shard')",
	claim_call_events => "SELECT * FROM claim_call_events(log => '$shard')",
	process_call_events => "SELECT * FROM process_call_events(log => '$shard')",
	purge_call_events => "SELECT purge_call_events('0', '$shard')",
	retry_dead_call_events => "SELECT retry_dead_call_events('$shard')",
	call_timeline => "SELECT * FROM call_timeline('1', '$shard')",
	create_call_consumer => "SELECT create_call_consumer('$shard', 'crm')",
	start_call_worker => "SELECT start_call_worker('$shard')",
	call_health => "SELECT * FROM call_health('$calls')",
	audit_calls => "SELECT * FROM audit_calls('$calls')",
	backfill_calls => "CALL backfill_calls('$calls')",
	configure_call_event_log => "SELECT configure_call_event_log('$shard', max_attempts => 9)",
	unharden_call_events => "SELECT unharden_call_events('$shard')",
	seek_call_consumer => "SELECT seek_call_consumer('$shard', 'billing', event_seq => 1)");

like($cluster->messages($source, qq{SELECT ingest_call_event('{"call_id": 9, "state": "ringing"}', '$shard');}),
	qr/ERROR:  0A000: t\.call_events_\d+ is a shard, and takes no event by its own name/, 'a shard takes no event by its own name');
cmp_ok($cluster->sql($source, $figures{$_}), '>', 0, "$_ has the shard before") for sort keys %figures;
is($cluster->sql($source, q{SELECT count(*) FROM call_enforcement WHERE level = 'gap'}), 0, 'there is no gap before');
unlike($cluster->messages($source, "BEGIN; $used{$_}; ROLLBACK;"), qr/55000/, "$_ takes the shard before") for sort keys %used;
is($cluster->sql($source, 'SELECT count(*) FROM call_open_claims'), 1, 'the claim is open');

$cluster->sql(0, sprintf('SELECT citus_move_shard_placement(%d, %s, %s, shard_transfer_mode => $$block_writes$$)', $shard_id,
	$cluster->host_and_port($source), $cluster->host_and_port($target)));
is($cluster->sql($source, "SET citus.override_table_visibility = off; SELECT to_regclass('$shard') IS NOT NULL"), 't',
	'the old table is still there');

is($cluster->sql($source, $figures{$_}), 0, "$_ has no figure of it after the move") for sort keys %figures;
like($cluster->messages($source, "$used{$_};"), qr/ERROR:  55000: shard t\.call\w+_\d+ is on another server/, "$_ refuses it")
  for sort keys %used;
is($cluster->sql($source, "SELECT outcome FROM complete_call_events('{$claim}')"), 'unknown', 'the claim from before is unknown');
is($cluster->sql($source, "SELECT coalesce(renew_call_claim($claim)::text, 'stale')"), 'stale', 'and cannot be renewed');
my $place = $cluster->node($target)->host . ':' . $cluster->node($target)->port;
is($cluster->sql($source, q{SELECT relation, gap, detail, advice FROM call_enforcement WHERE level = 'gap'}),
	"$shard|shard_moved_away|Citus has moved shard $shard_id to $place: its events are there|"
	  . q{On the coordinator: SELECT * FROM attach_call_shards('t.call_events').}, 'a gap names the node that has it, and the statement');
is($cluster->sql($source, q{SELECT string_agg(check_name, ' ') FROM check_call_hardening() WHERE NOT ok}), 'enforcement',
	'the self-test fails for the gap alone');
is($cluster->sql($target, q{SELECT string_agg(gap, ' ') FROM call_enforcement WHERE level = 'gap'}), 'shard_not_attached',
	'the other node names the shard that it has to attach');
is($cluster->sql(0, 'SELECT pending_estimate, error FROM cluster_call_event_log_status'),
	"|this node has shard $shard_id of t.call_events, and the shard is no event log", 'no node has a figure of it, and one says so');

# A node that cannot take the consumer yet
$cluster->sql($target, $_) for 'ALTER SYSTEM SET default_transaction_read_only = on', 'SELECT pg_reload_conf()';
$cluster->node($target)->poll_query_until('postgres', 'SHOW default_transaction_read_only', 'on');
like($cluster->messages(0, q{SELECT * FROM attach_call_shards('t.call_events')}), qr/WARNING: .*node \S+ did not answer/,
	'a node that cannot write is a warning');
is($cluster->sql($source, q{SELECT count(*) FROM _callhardening.consumers WHERE name = 'billing'}), 1,
	'and the server of before keeps the consumer');
$cluster->sql($target, $_) for 'SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only',
	'SELECT pg_reload_conf()';
$cluster->node($target)->poll_query_until('postgres', 'SHOW default_transaction_read_only', 'off');

$cluster->sql(0, q{SELECT attach_call_shards('t.call_events')});
is($cluster->sql(0, q{SELECT count(*) FROM cluster_call_enforcement WHERE level = 'gap'}), 0, 'attach_call_shards closes both gaps');
is($cluster->sql(0, q{SELECT count(*) FILTER (WHERE node LIKE '%:} . $cluster->node($target)->port . q{'), count(*)
    FROM cluster_call_event_log_status}), '1|1', 'one node has the figures');
is($cluster->sql($target, "SELECT claimed FROM process_call_events(log => '$shard')"), 4, 'and processes all events');
is($cluster->sql($target, "SELECT max_attempts FROM _callhardening.consumers WHERE name = 'billing'"), 3,
	'the consumer has followed the shard, with its limits');
my @again = map { (split /\|/, claim_for_billing($target))[0] } 1, 2;
is($again[0] + $again[1], 4, 'and gets all events once more');
is($cluster->sql($source, 'SELECT count(*) FROM call_event_logs WHERE shard_id IS NOT NULL'), 0, 'the server of before has forgotten both');

# Citus drops the old table after some seconds, and the log with it. The consumers still follow.
$cluster->sql(0, sprintf('SELECT citus_move_shard_placement(%d, %s, %s, shard_transfer_mode => $$block_writes$$)', $shard_id,
	$cluster->host_and_port($target), $cluster->host_and_port($source)));
$cluster->sql(0, 'CALL citus_cleanup_orphaned_resources()');
is($cluster->sql($target, 'SELECT count(*) FROM call_event_logs WHERE shard_id IS NOT NULL'), 0, 'the old table is dropped');
$cluster->sql(0, q{SELECT attach_call_shards('t.call_events')});
is($cluster->sql($source, "SELECT max_attempts FROM _callhardening.consumers WHERE name = 'billing'"), 3,
	'the consumer has followed the shard back');
is($cluster->sql($target, 'SELECT count(*) FROM _callhardening.left_shards'), 0, 'once');
($source, $target) = ($target, $source);

# It moves there and back, and Citus drops the old table meanwhile: the log that is here again stays.
for my $move ([ $target, $source ], [ $source, $target ])
{
	$cluster->sql(0, sprintf('SELECT citus_move_shard_placement(%d, %s, %s, shard_transfer_mode => $$block_writes$$)', $shard_id,
		map { $cluster->host_and_port($_) } @$move));
	$cluster->sql(0, 'CALL citus_cleanup_orphaned_resources()');
}
$cluster->sql(0, q{SELECT attach_call_shards('t.call_events')}) for 1, 2;
is($cluster->sql($target, 'SELECT count(*) FROM call_event_logs WHERE shard_id IS NOT NULL'), 1, 'a shard that has come back is attached');
is($cluster->sql($target, q{SELECT count(*) FROM _callhardening.consumers WHERE name = 'billing'}), 1, 'with its consumer');

# -- notify --------------------------------------------------------------------------------------

my $cannot = qr/ERROR:  0A000: shard t\.call_events_\d+ cannot notify/;
my $hint = qr/jsonb_set\(state, '\{settings,notify\}', 'false'\)/;
like($cluster->messages($target, "SELECT configure_call_event_log('$shard', notify => true);"), $cannot,
	'configure_call_event_log refuses notify');
like($cluster->messages($target, 'UPDATE _callhardening.logs SET notify = true WHERE shard_id IS NOT NULL;'), $cannot,
	'so does an UPDATE of its row');
my $state = $cluster->sql($target, "SELECT jsonb_set(detach_call_event_log('$shard'), '{settings,notify}', 'true')");
my $refused = $cluster->messages($target, "SELECT attach_call_event_log('$shard', '$calls', '$state');");
like($refused, $cannot, 'so does a state');
like($refused, $hint, 'and the hint has the statement for it');
is($cluster->sql($target, "SELECT attach_call_event_log('$shard', '$calls', jsonb_set('$state', '{settings,notify}', 'false'))"),
	'attached', 'the hint works');

# -- settings ------------------------------------------------------------------------------------

$cluster->sql(0, q{SELECT configure_call_event_log('t.call_events', max_attempts => 7, ignored_event_types => '{sms}')});
$cluster->sql(0, q{SELECT attach_call_shards('t.call_events')}) for 1, 2;
is($cluster->sql($target, "SELECT max_attempts, ignored_event_types FROM call_event_logs WHERE events = '$shard'::regclass"), '7|{sms}',
	'attach_call_shards passes the settings of the distributed log on');

# -- a split ---------------------------------------------------------------------------------------

$cluster->sql(0, sprintf('SELECT citus_split_shard_by_split_points(%d, $${0}$$, (SELECT array_agg(nodeid) FROM pg_dist_node,
    generate_series(1, 2) WHERE nodeport = %d)::int[], $$block_writes$$)', $shard_id, $cluster->node($target)->port));
$cluster->sql(0, 'CALL citus_cleanup_orphaned_resources()'); # Citus does so by itself, after some seconds
like($cluster->messages(0, q{SELECT * FROM attach_call_shards('t.call_events')}),
	qr/WARNING: .*the consumers of shard $shard_id are gone: billing/, 'consumers that cannot follow are a warning');
unlike($cluster->messages(0, q{SELECT * FROM attach_call_shards('t.call_events')}), qr/WARNING/, 'once');
is($cluster->sql(0, q{SELECT count(*) FROM cluster_call_enforcement WHERE level = 'gap'}), 0, 'and no gap is left');
is($cluster->sql(0, q{SELECT count(*), sum(pending_estimate) FROM cluster_call_event_log_status}), '2|4',
	'the two shards deliver all events once more');
# -- what a log loses when its schema is distributed -------------------------------------------------

sub distribute
{
	my ($schema, $before) = @_;
	$cluster->sql(0, "CREATE SCHEMA $schema; SELECT create_call_tables('$schema'); $before;
	    SET citus.enable_unsafe_triggers = on; SELECT citus_schema_distribute('$schema')");
	return;
}

distribute('n', q{SELECT configure_call_event_log('n.call_events', notify => true)});
like($cluster->messages(0, q{SELECT * FROM attach_call_shards('n.call_events');}),
	qr/WARNING: .*event log n\.call_events does not notify any more/, 'a log that notified says that it does so no more');
unlike($cluster->messages(0, q{SELECT * FROM attach_call_shards('n.call_events');}), qr/WARNING/, 'once');
distribute('c', q{SELECT create_call_consumer('c.call_events', 'crm')});
$refused = $cluster->messages(0, q{SELECT * FROM attach_call_shards('c.call_events');});
like($refused, qr/ERROR:  0A000: event log c\.call_events has consumers: crm/, 'a log with consumers is refused');
like($refused, qr/HINT:  SELECT drop_call_consumer\('c\.call_events', name\)/, 'with the statement that helps');
$cluster->sql(0, q{SELECT drop_call_consumer('c.call_events', 'crm')});
is($cluster->sql(0, q{SELECT string_agg(result, ' ') FROM attach_call_shards('c.call_events')}), 'attached', 'which helps');

$cluster->sql(0, q{CREATE SCHEMA h; SELECT create_call_tables('h'); CREATE TABLE h.webhooks (id bigint PRIMARY KEY, body jsonb,
    processed_at timestamptz); SELECT harden_call_events('h.webhooks', 'h.calls', 'body', processed_at_column => 'processed_at');
    INSERT INTO h.webhooks (id, body) VALUES (1, '{"call_id": 7, "state": "ringing"}');
    SET citus.enable_unsafe_triggers = on; SELECT citus_schema_distribute('h')});
$refused = $cluster->messages(0, q{SELECT * FROM attach_call_shards('h.webhooks');});
like($refused, qr/ERROR:  0A000: event log h\.webhooks was made of an existing table/, 'a log of harden_call_events is refused');
like($refused, qr/CREATE TEMP TABLE pending AS SELECT body AS body FROM h\.webhooks/, 'with the statement that helps');
$cluster->sql(0, q{CREATE TEMP TABLE pending AS SELECT body AS body FROM h.webhooks WHERE processed_at IS NULL;
    SELECT ingest_call_event(body, 'c.call_events') FROM pending});
is($cluster->sql(0, q{SELECT call_id FROM c.call_events}), 7, 'which helps');

# -- the way out of shards -------------------------------------------------------------------------

like($cluster->messages(0, q{SELECT unharden_call_events('c.call_events');}),
	qr/HINT:  Citus undistributes no table with an identity column\. Copy what you need .*, and drop it\./, 'a hint names the way out');
$cluster->sql(0, 'CREATE TABLE kept AS TABLE c.call_events; DROP TABLE c.call_events');
is($cluster->sql(0, 'SELECT call_id FROM kept'), 7, 'which keeps the events');
is($cluster->sql($_, q{SELECT count(*) FROM call_event_logs WHERE events::text LIKE 'c.call_events%'}), 0,
	"and node $_ forgets the log") for (0, 1, 2);

$cluster->stop;
done_testing();
