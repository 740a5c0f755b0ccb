
# The extension on a cluster of Citus: it is on every node, and a node that joins later gets it too.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();

my $cluster = CitusCluster->new;
my $version = $cluster->sql(0, 'SELECT call_library_version()');

is($cluster->sql(0, 'SELECT count(*) FROM pg_dist_node WHERE isactive'), 4, 'the cluster has a coordinator and three workers');
is($cluster->sql($_, "SELECT extversion FROM pg_extension WHERE extname = 'callhardening'"), $version, "node $_ has the extension")
  for 0 .. 3;
is($cluster->sql($_, q{SELECT coalesce(string_agg(check_name || ': ' || detail, E'\n'), '') FROM check_call_hardening()
    WHERE NOT ok}), '', "the self-test passes on node $_") for 0 .. 3;

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
