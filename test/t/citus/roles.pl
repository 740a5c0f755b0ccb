
# Every road as a role that is no superuser: the owner of the tables sets them up and moves shards, and roles of grant_call_role
# ingest from each node, process on each node, and watch. Shards that are attached later give them their rights, too.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();
my $cluster = CitusCluster->new(workers => 2);
my @nodes = (0, 1, 2);

sub as
{
	my ($role, $node, $statement) = @_;
	return $cluster->sql($node, "SET client_min_messages = error; SET ROLE $role; $statement");
}

sub grant
{
	my ($log) = @_;
	for my $node (@nodes)
	{
		$cluster->sql($node, qq{SELECT grant_call_role('ingester', 'ingest', '$log'); SELECT grant_call_role('monitor', 'monitor', '$log');
		    SELECT grant_call_role('processor', 'process', '$log'); SELECT grant_call_role('operator', 'operate', '$log')});
	}
	return;
}

sub ingest
{
	my ($log, $node, $first) = @_;
	return as('ingester', $node, sprintf(q{SELECT count(ingest_call_event(format('{"call_id": %%s, "state": "ringing"}', n), '%s'))
	    FROM generate_series(%d, %d) AS n}, $log, $first, $first + 9));
}

$cluster->sql(0, join '', map { "CREATE ROLE $_ LOGIN; " } qw(owner ingester processor monitor operator));
$cluster->sql(0, 'CREATE SCHEMA t AUTHORIZATION owner; CREATE SCHEMA s AUTHORIZATION owner');
$cluster->sql($_, q{SELECT grant_call_role('owner', 'own')}) for @nodes;

# -- by the call -----------------------------------------------------------------------------------

as('owner', 0, q{SELECT create_distributed_call_tables('t', 4, 2)});
is(as('owner', 0, q{SELECT string_agg(DISTINCT result, ' ') FROM attach_call_shards('t.call_events')}), 'attached',
	'the owner creates the tables, and attaches the shards');
grant('t.call_events');
is(ingest('t.call_events', $_, $_ * 10), 10, "a role with the task ingest does so on node $_") for @nodes;
is(ingest('t.call_events', 1, 0), 10, 'also what was ingested before');
is(as('monitor', 0, 'SELECT sum(pending_estimate), count(error) FROM cluster_call_event_log_status'), '30|0',
	'a monitor sees the figures of all nodes');
is(as('operator', 2, 'SELECT sum(pending_estimate), count(error) FROM cluster_call_event_log_status'), '30|0', 'and so does an operator');
as('processor', $_, 'CALL process_node_call_events(); CALL process_node_call_events()') for 1, 2;
is(as('owner', 0, q{SELECT count(*) FROM t.calls WHERE status = 'ringing'}), 30, 'a role with the task process does so on each node');
is(as('processor', 1, 'SELECT start_call_worker(NULL, node => true)'), 1, 'and starts a worker');
ingest('t.call_events', 0, 100);
as('processor', 2, 'CALL process_node_call_events()');
ok($cluster->node(0)->poll_query_until('postgres', 'SELECT count(*) = 40 FROM t.calls'), 'which processes the shards of its node');
is(as('monitor', 1, 'SELECT running FROM call_worker_status WHERE log IS NULL'), 1, 'a monitor sees it');
is(as('processor', 1, 'SELECT stop_call_worker(NULL, node => true)'), 1, 'the role stops it');
my $refused = $cluster->messages(1, q{SET ROLE ingester; CALL process_node_call_events();});
like($refused, qr/42501/, 'a role without the task processes nothing');
is(as('operator', 0, q{SELECT count(*) FROM cluster_call_enforcement WHERE level = 'gap'}), 0, 'no node has a gap');

my ($shard_id, $port) = split /\|/,
  $cluster->sql(0, q{SELECT shardid, nodeport FROM citus_shards WHERE table_name = 't.call_events'::regclass ORDER BY 1 LIMIT 1});
my ($source) = grep { $cluster->node($_)->port == $port } 1, 2;
my $target = 3 - $source;
as('owner', 0, sprintf(q{CALL move_call_shard('t.call_events', %d, %s, 'block_writes')}, $shard_id, $cluster->host_and_port($target)));
is(as('owner', 0, q{SELECT string_agg(DISTINCT result, ' ') FROM attach_call_shards('t.call_events')}), 'was attached',
	'the owner moves a shard');
is(ingest('t.call_events', $_, 200 + $_ * 10), 10, "node $_ ingests for it") for @nodes;
as('processor', $_, 'CALL process_node_call_events()') for $target, $source;
is(as('owner', 0, q{SELECT count(*) FROM t.calls}), 70, 'the roles have their rights on the moved shard');
as('owner', 0, q{SELECT harden_calls('t.calls', on_invalid => 'reject')});
is(as('owner', $source, q{SELECT on_invalid FROM call_settings('t.calls')}), 'reject', 'the owner changes the settings of all shards');

# -- a schema for each tenant ------------------------------------------------------------------------

as('owner', 0, q{SELECT create_call_tables('s'); SET citus.enable_unsafe_triggers = on; SELECT citus_schema_distribute('s')});
is(as('owner', 0, q{SELECT string_agg(result, ' ') FROM attach_call_shards('s.call_events')}), 'attached', 'the owner attaches a schema');
grant('s.call_events');
my ($home, $shard) = $cluster->shard_of('s.call_events');
is(ingest('s.call_events', $_, $_ * 10), 10, "a role ingests for it on node $_") for @nodes;
is(as('processor', $home, "SELECT claimed, failed FROM process_call_events(log => '$shard')"), '30|0', 'a role processes it');
is(as('monitor', $home, "SELECT pending_estimate, error FROM call_event_log_status WHERE log::text = '$shard'"), '0|',
	'a monitor watches it');
is(as('operator', $home, "SELECT purge_call_events('0', '$shard')"), 30, 'an operator purges it');

# It moves by hand, and the roles get their rights where it is attached.
is(ingest('s.call_events', 0, 500), 10, 'events come in');
my (undef, $calls) = $cluster->shard_of('s.calls');
my $state = as('owner', $home, "SELECT detach_call_event_log('$shard')");
my ($other) = grep { $_ != $home } 1, 2;
as('owner', 0, sprintf(q{SELECT citus_schema_move('s', %s, 'block_writes')}, $cluster->host_and_port($other)));
is(as('owner', $other, "SELECT attach_call_event_log('$shard', '$calls', '$state')"), 'attached', 'the owner attaches it by hand');
is(as('processor', $other, "SELECT claimed, failed FROM process_call_events(log => '$shard')"), '10|0', 'a role processes it there');

# -- the owner against others --------------------------------------------------------------------------

# What he puts in the place of call_moving runs with nobody else's rights.
as('owner', 0, q{DROP TABLE t.call_moving; CREATE FUNCTION t.rise() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    ALTER ROLE owner SUPERUSER;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;
CREATE VIEW t.call_moving AS SELECT shardid AS shard_id, t.rise() AS state, ''::text AS to_host, 1 AS to_port FROM pg_dist_shard});
$cluster->sql(0, q{SELECT * FROM attach_call_shards('t.call_events'); SELECT * FROM call_enforcement});
like($cluster->messages(0, sprintf(q{CALL move_call_shard('t.call_events', %d, %s);}, $shard_id, $cluster->host_and_port($source))),
	qr/ERROR: /, 'a move needs the table call_moving');
is($cluster->sql($_, q{SELECT rolsuper FROM pg_roles WHERE rolname = 'owner'}), 'f', "he has no more rights on node $_") for @nodes;

# Nor does a table call_moving that he has altered stop the views of others.
$cluster->sql($source, q{SELECT count(*) FROM call_enforcement; SELECT count(*) FROM cluster_call_event_log_status});

# The number of a shard is nobody's say.
like($cluster->messages(1, q{SET ROLE owner; INSERT INTO _callhardening.my_logs (events, calls, provider, lanes, shard_id)
    VALUES ('s.call_events', 's.calls', 'dialpad', 1, 5);}), qr/42501: permission denied for view my_logs/, 'an owner cannot write it');

# Another tenant has no right on his schemas.
$cluster->sql(0, 'CREATE ROLE tenant LOGIN; CREATE SCHEMA u AUTHORIZATION tenant; CREATE SCHEMA v AUTHORIZATION tenant');
$cluster->sql($_, q{SELECT grant_call_role('tenant', 'own')}) for @nodes;
as('tenant', 0, q{SELECT create_call_tables('u')});
is(as('tenant', 0, q{SELECT count(*) FROM call_event_logs WHERE events = 'u.call_events'::regclass}), 1,
	'another tenant creates tables on the same node');
as('tenant', 0, q{SELECT create_distributed_call_tables('v', 2, 2)});
is(as('tenant', 0, q{SELECT string_agg(DISTINCT result, ' ') FROM attach_call_shards('v.call_events')}), 'attached',
	'and distributed ones');

$cluster->stop;
done_testing();
