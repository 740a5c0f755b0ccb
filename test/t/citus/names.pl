
# Messages and issues of a shard have the name that users know: that of the distributed table. The application of an issue is the
# client's, or NULL: never the name of a connection between two nodes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();
my $cluster = CitusCluster->new(workers => 2);
$cluster->sql(0, q{CREATE SCHEMA t; SELECT create_distributed_call_tables('t', 4, 2)});
$cluster->sql(0, q{SELECT attach_call_shards('t.call_events')});
$cluster->sql(0, q{INSERT INTO t.calls (dialpad_call_id, status) SELECT n, 'ended' FROM generate_series(1, 20) AS n});
my $backwards = q{UPDATE t.calls SET status = 'ringing' WHERE dialpad_call_id = 1};

# The node that has the call, and its shard there
sub home_of
{
	my ($table, $key) = @_;
	my ($port, $shard) = split /\|/, $cluster->sql(0, "SELECT nodeport, shard_name FROM citus_shards
	    WHERE table_name = '$table'::regclass AND shardid = get_shard_id_for_distribution_column('$table', $key)");
	my ($home) = grep { $cluster->node($_)->port == $port } 1, 2;
	return ($home, $shard);
}

my ($home, $shard) = home_of('t.calls', 1);
my $other = 3 - $home;

# -- messages of the trigger -----------------------------------------------------------------------

for my $node (0, $home, $other)
{
	my $said = $cluster->messages($node, "$backwards;");
	like($said, qr/^WARNING: .*Invalid status transition: "ended" to "ringing"$/m, "node $node warns");
	like($said, qr/^DETAIL:  Call "1" of table "calls", column "status"\.$/m, 'and names the distributed table');
}
$cluster->sql(0, q{SELECT harden_calls('t.calls', on_invalid => 'reject')});
my $refused = $cluster->messages($home, "$backwards;");
like($refused, qr/^ERROR:  23514: .*\nDETAIL:  Call "1" of table "calls", column "status"\./m, 'an error names it too');
like($refused, qr/^SCHEMA NAME:  t\nTABLE NAME:  calls\nCOLUMN NAME:  status\nCONSTRAINT NAME:  calls_status_transition$/m,
	'and so do its fields');
$cluster->sql(0, q{SELECT harden_calls('t.calls', on_invalid => 'keep')});

# A name of 63 bytes is cut in the name of its shards.
my $long = 'calls_' . 'long_' x 11;
$cluster->sql(0, qq{CREATE TABLE t.$long (dialpad_call_id bigint PRIMARY KEY, status text, direction text);
    SELECT harden_calls('t.$long'); SET citus.enable_unsafe_triggers = on;
    SELECT create_distributed_table('t.$long', 'dialpad_call_id', shard_count => 2, colocate_with => 'none');
    INSERT INTO t.$long VALUES (1, 'ended')});
like($cluster->messages(0, "UPDATE t.$long SET status = 'ringing';"), qr/of table "$long"/, 'a long name is whole');

# A table that only looks like a shard is itself.
$cluster->sql(1, q{SET citus.enable_ddl_propagation = off; CREATE SCHEMA own; CREATE TABLE own.calls_102008
    (dialpad_call_id bigint PRIMARY KEY, status text, direction text); SELECT harden_calls('own.calls_102008');
    INSERT INTO own.calls_102008 VALUES (1, 'ended')});
like($cluster->messages(1, q{UPDATE own.calls_102008 SET status = 'ringing';}), qr/of table "calls_102008"/,
	'a table with a name like that of a shard keeps it');

# A renamed column
$cluster->sql(0, q{ALTER TABLE t.calls RENAME COLUMN status TO state});
like($cluster->messages($home, q{UPDATE t.calls SET from_number = '1' WHERE dialpad_call_id = 1;}),
	qr/55000: table "calls" no longer has column "status"/, 'a missing column is one of the distributed table');
$cluster->sql(0, q{ALTER TABLE t.calls RENAME COLUMN state TO status});

# The table is renamed, while a session knows it by its old name.
my $session = $cluster->node($home)->background_psql('postgres', on_error_stop => 0);
$session->query($backwards);
$session->{stderr} = '';
$cluster->sql(0, 'ALTER TABLE t.calls RENAME TO legs');
$session->query($backwards =~ s/t\.calls/t.legs/r);
like($session->{stderr}, qr/of table "legs"/, 'a session sees a new name');
$session->quit;
$cluster->sql(0, 'ALTER TABLE t.legs RENAME TO calls');

# Citus copies rows to shards for COPY. It makes errors of its own of the shard's, and messages of level DEBUG1 of warnings.
my $copy = "COPY t.calls (dialpad_call_id, status) FROM stdin;\n1000\tno status\n\\.\n";
unlike($cluster->messages(0, $copy), qr/Unknown call status/, 'COPY passes no warning on');
$cluster->sql(0, q{DELETE FROM t.calls WHERE dialpad_call_id = 1000});
like($cluster->messages(0, "SET client_min_messages = debug1;\n$copy"), qr/DEBUG: .*Unknown call status: "no status"/,
	'but a message of a lower level');
$cluster->sql(0, q{SELECT harden_calls('t.calls', on_invalid => 'reject'); DELETE FROM t.calls WHERE dialpad_call_id = 1000});
like($cluster->messages(0, $copy), qr/ERROR:  XX000: Unknown call status: "no status"\nDETAIL:  Call "1000" of table "calls"/,
	'and the text and the detail of an error');
$cluster->sql(0, q{SELECT harden_calls('t.calls', on_invalid => 'keep')});

# -- issues ----------------------------------------------------------------------------------------

# The issues of all nodes since the last look
sub issues
{
	my $issues = join "\n", grep { $_ ne '' } map { $cluster->sql($_, q{SELECT kind, table_name, coalesce(application_name, 'NULL')
	    FROM call_issues ORDER BY 1, 2, 3}) } 0 .. 2;
	$cluster->sql($_, q{DELETE FROM _callhardening.issues}) for 0 .. 2;
	return $issues;
}

issues();
my $named = q{SET application_name = 'receiver'; };
$cluster->sql($home, $named . $backwards);
is(issues(), 'refused_status|t.calls|receiver', 'an issue names the distributed table, and the client of its own node');
$cluster->sql(0, $named . $backwards);
is(issues(), 'refused_status|t.calls|NULL', 'the client of another node is not known');
$cluster->sql($home, $named . q{UPDATE t.calls SET direction = 'sideways'});
is(join("\n", grep { !/NULL$/ } split /\n/, issues()), join("\n", ('unknown_direction|t.calls|receiver') x count_at($home)),
	'a connection of a node to itself is its client');

sub count_at
{
	my ($node) = @_;
	return $cluster->sql(0, sprintf(q{SELECT count(*) FROM generate_series(1, 20) AS n JOIN citus_shards ON shardid =
	    get_shard_id_for_distribution_column('t.calls', n) WHERE table_name = 't.calls'::regclass AND nodeport = %d},
		$cluster->node($node)->port));
}

# Events: a body without a call, and a dead event
$cluster->sql($home, $named . q{SELECT ingest_call_event('no JSON')});
like(issues(), qr/^unparsable_body\|t\.call_events\|(receiver|NULL)$/, 'an issue of a body names the distributed log');
my ($events_home, $events_shard) = home_of('t.call_events', 1);
$cluster->sql($events_home, q{SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}')});
$cluster->sql($events_home, "SELECT configure_call_event_log('$events_shard', max_attempts => 1);
    SELECT fail_call_event(claim_id, event_seq, 'x') FROM claim_call_events(log => '$events_shard')");
like(issues(), qr/^dead_event\|t\.call_events\|/m, 'so does one of a dead event');
like($cluster->messages(0, q{INSERT INTO t.call_events (call_key, payload) VALUES (5, '{"call_id": 6}');}),
	qr/column "call_key" of table t\.call_events is not the call id/, 'a wrong key is one of the distributed log');
is($cluster->sql(0, q{SELECT count(*) FROM cluster_call_issues WHERE error IS NOT NULL}), 0, 'the view of all nodes has no error');

$cluster->stop;
done_testing();
