
# A node is killed while webhooks come in and events are processed. What was answered is not lost: each such webhook has its call.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use IPC::Run qw(start pump finish);
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();
my $cluster = CitusCluster->new;
$cluster->sql(0, q{CREATE SCHEMA t; SELECT create_distributed_call_tables('t', 6, 4)});
$cluster->sql(0, q{SELECT attach_call_shards('t.call_events')});

# psql goes on after an error, and ends with its connection.
sub start_client
{
	my ($number, $script) = @_;
	my ($output, $errors) = ('', '');
	my $client = start [ 'psql', '-XAtq', '-d', $cluster->node($number)->connstr('postgres') ], '<', \$script, '>', \$output, '2>', \$errors;
	return { run => $client, output => \$output, errors => \$errors };
}

# Each webhook is a call of its own, in a transaction of its own. psql prints the call of each answer.
sub receiver_script
{
	my ($from) = @_;
	return join "\n", map { sprintf q{SELECT %d FROM ingest_call_event('{"call_id": %1$d, "state": "ringing"}') AS seq;}, $_ }
	  $from .. $from + 599;
}

my $first = 1000;
my %answered;
# The coordinator, and a node with shards. Webhooks come in by the node that is killed, and by another one.
for my $victim (1, 0)
{
	my @receivers = map { start_client($_, receiver_script($first += 1000)) } ($victim, 2);
	my $processor = start_client($victim || 3, join "\n", ('CALL process_node_call_events(20);') x 400);
	pump $receivers[0]{run} until (() = ${ $receivers[0]{output} } =~ /\n/g) > 100;
	$cluster->node($victim)->kill9;
	finish $_->{run} for @receivers, $processor;
	$answered{$_} = 1 for map { split /\n/, ${ $_->{output} } } @receivers;
	isnt(${ $receivers[0]{errors} }, '', "the receiver of node $victim was interrupted");
	my $other = () = ${ $receivers[1]{output} } =~ /\n/g;
	cmp_ok($other, $victim == 0 ? '==' : '<=', 600, "the receiver of another node goes on, as far as its shards are there: $other answers");
	$cluster->node($victim)->start;
}

cmp_ok(scalar keys %answered, '>', 800, 'many webhooks were answered');
$cluster->sql($_, 'CALL process_node_call_events(100000)') for (1, 2, 3) x 2;
my %calls = map { $_ => 1 } split /\n/, $cluster->sql(0, q{SELECT dialpad_call_id FROM t.calls WHERE status = 'ringing'});
is(scalar(grep { !$calls{$_} } keys %answered), 0, 'each of them has its call');
is($cluster->sql(0, 'SELECT count(*) - count(DISTINCT call_key) FROM t.call_events'), 0, 'and no event is there twice');
is($cluster->sql(0, 'SELECT sum(pending_estimate), count(error) FROM cluster_call_event_log_status'), '0|0', 'nothing is pending');
is($cluster->sql(0, q{SELECT count(*) FROM cluster_call_enforcement WHERE level = 'gap'}), 0, 'nothing is out of order');
$cluster->stop;
done_testing();
