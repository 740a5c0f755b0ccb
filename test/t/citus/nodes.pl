
# The extension is on every node. What each does for its shards: processing, workers, figures. A shard that Citus moves is processed
# where it is, and only there.

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

# -- the extension is on every node ----------------------------------------------------------------

my $version = $cluster->sql(0, 'SELECT call_library_version()');

is($cluster->sql(0, 'SELECT count(*) FROM pg_dist_node WHERE isactive'), 4, 'the cluster has a coordinator and three workers');
is($cluster->sql($_, "SELECT extversion FROM pg_extension WHERE extname = 'callhardening'"), $version, "node $_ has the extension")
  for 0 .. 3;
is($cluster->sql($_, q{SELECT coalesce(string_agg(check_name || ': ' || detail, E'\n'), '') FROM check_call_hardening()
    WHERE NOT ok}), '', "the self-test passes on node $_") for 0 .. 3;

# -- each node has shards --------------------------------------------------------------------------

$cluster->sql(0, q{CREATE SCHEMA t; SELECT create_distributed_call_tables('t', 6, 4)});
$cluster->sql(0, q{SELECT attach_call_shards('t.call_events')});

sub ingest
{
	my ($number, $from, $to, $state) = @_;
	$cluster->sql($number, qq{SELECT count(ingest_call_event(format('{"call_id": %s, "state": "$state"}', n)))
	    FROM generate_series($from, $to) AS n});
	return;
}

sub count_of
{
	my ($state) = @_;
	return $cluster->sql(0, "SELECT count(*) FROM t.calls WHERE status = '$state'");
}

# -- processing ----------------------------------------------------------------------------------

ingest(1, 1, 60, 'ringing');
$cluster->sql(1, 'CALL process_node_call_events()');
my $first = count_of('ringing');
cmp_ok($first, '>', 5, 'a node processes the events of its shards');
cmp_ok($first, '<', 50, 'and of no others');
$cluster->sql($_, 'CALL process_node_call_events(10)') for (2, 3) x 3;
is(count_of('ringing'), 60, 'all nodes have processed all');
like($cluster->messages(1, 'BEGIN; CALL process_node_call_events()'), qr/2D000/, 'a procedure commits, so it runs outside of transactions');

$cluster->sql($_, 'SELECT start_call_worker(NULL, node => true)') for @workers;
is($cluster->sql(1, 'SELECT start_call_worker(log => NULL, node => true), count(*) FROM call_worker_pids(NULL, node => true)'), '0|1',
	'one process for all shards of a node');
ingest(2, 1, 60, 'connected');
ok($cluster->node(0)->poll_query_until('postgres', q{SELECT count(*) = 60 FROM t.calls WHERE status = 'active'}),
	'the workers apply what comes in');
like($cluster->messages(1, q{SELECT start_call_worker('t.call_events', node => true)}), qr/22023: node must be true, and log must be NULL/,
	'a worker of a node is of no log');
is($cluster->sql($_, 'SELECT stop_call_worker(NULL, node => true)'), 1, "the worker of node $_ stops") for @workers;

# -- figures -------------------------------------------------------------------------------------

ingest(3, 101, 130, 'ringing');
$cluster->sql(0, q{SELECT ingest_call_event('no call')});
is($cluster->sql(0, 'SELECT sum(pending_estimate), sum(dead), count(error), count(*) FROM cluster_call_event_log_status'), '30|1|0|6',
	'the figures of all shards, from any node');
$cluster->sql(0, q{INSERT INTO t.calls (dialpad_call_id, status) VALUES (501, 'no status')});
is($cluster->sql(2, 'SELECT string_agg(kind || table_name, $$ $$ ORDER BY kind) FROM cluster_call_issues'),
	'unknown_statust.calls unparsable_bodyt.call_events', 'issues name the distributed table');
is($cluster->sql(2, 'SELECT log, lane, is_answered FROM cluster_call_dead_events'), 't.call_events|-1|t', 'dead events too');
is($cluster->sql(1, q{SELECT count(*) FROM cluster_call_enforcement WHERE level = 'gap'}), 0, 'no node has a gap');
like($cluster->sql(0, q{SELECT detail FROM call_enforcement WHERE gap = 'distributed' AND relation = 't.call_events'::regclass}),
	qr/^Citus has distributed the log: its events are in (t\.call_events_\d+ on \S+:\d+, ){4}and 2 more$/,
	'a note names the first shards, and says how many more there are');
like($cluster->sql(0, q{SELECT min(why) FROM call_health('t.calls') WHERE figure = 'pending'}),
	qr/: (call_health\('t\.calls_\d+'\) on \S+, ){4}and 2 more$/,
	'and so does call_health');

is($cluster->sql(0, 'SELECT count(*) FROM call_event_counts'), 0, 'a distributed log has no counts: its shards have them');
is($cluster->sql(0, q{SELECT call_report() @? '$.logs.**.waiting ? (@ != null)'}), 'f', 'nor is it known how many of its events wait');

# C6: a silent node is no zero.
$cluster->node(3)->stop('immediate');
my %silent = (
	cluster_call_event_log_status => 'pending_estimate IS NULL AND error IS NOT NULL',
	cluster_call_issues => 'kind IS NULL AND error IS NOT NULL',
	cluster_call_dead_events => 'NOT is_answered AND event_seq IS NULL',
	cluster_call_enforcement => q{gap = 'node_silent' AND level = 'gap'});
for my $view (sort keys %silent)
{
	is($cluster->sql(1, "SELECT count(*) FROM $view WHERE $silent{$view}"), 1, "$view has a row of the silent node");
	like($cluster->messages(1, "SELECT count(*) FROM $view"), qr/WARNING: .*did not answer/, 'and a warning');
}
is($cluster->sql(0, q{SELECT count(*) FROM attach_call_shards('t.call_events') WHERE shard_id IS NULL}), 1,
	'attach_call_shards has one too');
$cluster->node(3)->start;

# -- a move by Citus alone -------------------------------------------------------------------------

$cluster->sql($_, 'CALL process_node_call_events()') for @workers;
my ($shard_id, $from) = split /\|/, $cluster->sql(0, q{SELECT shardid, nodeport FROM citus_shards
    WHERE table_name = 't.call_events'::regclass AND nodeport <> (SELECT max(nodeport) FROM pg_dist_node) ORDER BY 1 LIMIT 1});
my ($source) = grep { $cluster->node($_)->port == $from } @workers;
my ($target) = grep { $_ != $source } @workers;
my ($shard, $calls) = split /\|/, $cluster->sql($source, "SELECT events, calls FROM call_event_logs WHERE shard_id = $shard_id");
ingest(0, 1, 60, 'hangup');
my $move = sprintf('SELECT citus_move_shard_placement(%d, %s, %s, shard_transfer_mode => $$block_writes$$)', $shard_id,
	$cluster->host_and_port($source), $cluster->host_and_port($target));

# C1: as long as a transaction has claimed events of the shard, Citus does not move it.
my $session = $cluster->node($source)->background_psql('postgres');
$session->query_safe("BEGIN; SELECT claimed FROM process_call_events(5, '$shard')");
like($cluster->messages(0, "SET statement_timeout = '3s'; $move"), qr/57014: /,
	'a move waits for the end of a transaction that processes the shard');
$session->query_safe('COMMIT');
$session->quit;
ingest(0, 1, 60, 'voicemail');
my $claim = $cluster->sql($source, "SELECT claim_id FROM claim_call_events(1, log => '$shard')");

# Each verb has found its shard here, and then waits for the move.
my $mover = $cluster->node(0)->background_psql('postgres');
$mover->query_safe("BEGIN; $move");
my %late = (
	process => "SELECT process_call_events(5, '$shard');",
	claim => "SELECT count(*) FROM claim_call_events(log => '$shard');",
	purge => "SELECT purge_call_events('0', '$shard');",
	backfill => "CALL backfill_calls('$calls');");
my (%sessions, %answers);
for my $verb (sort keys %late)
{
	$sessions{$verb} = $cluster->node($source)->background_psql('postgres', on_error_stop => 0);
	$answers{$verb} = $sessions{$verb}->query_until(qr/begins/, "\\echo begins\n$late{$verb}\n\\echo ends\n");
}
ok($cluster->node($source)->poll_query_until('postgres', q{SELECT count(*) = 4 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query ~ '(process_call|claim_call|purge_call)_events|backfill_calls'}), 'they wait for a move');
$mover->query_safe('COMMIT');
$mover->quit;
$answers{$_} =~ /ends/ or $answers{$_} .= $sessions{$_}->query_until(qr/ends/, '') for sort keys %sessions;
like($sessions{$_}->{stderr}, qr/shard t\.call\w+_\d+ is on another server/, "$_: the shard has left meanwhile")
  for qw(process purge backfill);
like($answers{claim}, qr/^0$/m, 'claim: the shard has left meanwhile');
$_->quit for values %sessions;

# C3: the row of the source claims nothing, and is no figure.
like($cluster->messages($source, "SELECT process_call_events(5, '$shard')"), qr/55000: shard t\.call_events_\d+ is on another server/,
	'the source processes it no more');
like($cluster->messages($source, "SELECT count(*) FROM claim_call_events(log => '$shard')"), qr/55000: shard/, 'nor does it claim events');
is($cluster->sql($source, "SELECT outcome FROM complete_call_events(ARRAY[$claim])"), 'unknown', 'nor does it complete a claim of before');
like($cluster->messages($source, "SELECT purge_call_events('0', '$shard')"), qr/55000: shard t\.call_events_\d+ is on another server/,
	'nor does it purge them');
is($cluster->sql(0, "SELECT count(pending_estimate) FROM cluster_call_event_log_status WHERE shard_id = $shard_id"), 0,
	'nor does it count them');
$cluster->sql($source, 'CALL process_node_call_events()');
is($cluster->sql(0, "SELECT string_agg(result, ' ' ORDER BY result) FROM attach_call_shards('t.call_events') WHERE shard_id = $shard_id"),
	'attached moved away', 'attach_call_shards registers it where it is');
is($cluster->sql($source, "SELECT count(*) FROM call_event_logs WHERE shard_id = $shard_id"), 0, 'and only there');
$cluster->sql($_, 'CALL process_node_call_events()') for @workers;
is($cluster->sql(0, q{SELECT count(*), count(*) FILTER (WHERE status IN ('ended', 'voicemail')) FROM t.calls
    WHERE dialpad_call_id <= 60}), '60|60', 'no event is lost');
is($cluster->sql(0, 'SELECT sum(pending_estimate) FROM cluster_call_event_log_status'), 0, 'nothing is pending');
# -- a node that joins later ------------------------------------------------------------------------

my $late = CitusCluster::start_node('worker4');
push @{ $cluster->{nodes} }, $late;
$cluster->sql(0, sprintf('SELECT citus_add_node(%s)', $cluster->host_and_port(4)));
is($cluster->sql(4, "SELECT extversion FROM pg_extension WHERE extname = 'callhardening'"), $version, 'a later node has it too');

# Citus does not ask a disabled node. It is silent too.
$cluster->sql(0, sprintf('SELECT citus_disable_node(%s, synchronous => true)', $cluster->host_and_port(4)));
is($cluster->sql(0, 'SELECT count(*) FROM cluster_call_event_log_status WHERE error IS NOT NULL AND pending_estimate IS NULL'), 1,
	'a disabled node has a row with its error');
like($cluster->messages(0, 'SELECT count(*) FROM cluster_call_event_log_status'),
	qr/WARNING: .*did not answer\nDETAIL: +the node is disabled/, 'and a warning');

# A coordinator that no node knows is not asked.
my @lonely = map { CitusCluster::start_node($_) } qw(lonely its_worker);
$lonely[0]->safe_psql('postgres', sprintf("SELECT citus_add_node('%s', %d); CREATE EXTENSION callhardening; CREATE SCHEMA p;
    SELECT create_call_tables('p'); SELECT ingest_call_event('{\"call_id\": 1}', 'p.call_events')", $lonely[1]->host, $lonely[1]->port));
is($lonely[0]->safe_psql('postgres', 'SELECT node, error FROM cluster_call_event_log_status'),
	'coordinator|no node knows it: SELECT citus_set_coordinator_host(host, port) on the coordinator', 'a row says so');
$_->stop for reverse @lonely;

$cluster->stop;
done_testing();
