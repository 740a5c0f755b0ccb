
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

# psql goes on after an error, and ends with its connection. It reads a file: a scalar would reach it only while the test pumps it.
my $clients = 0;

sub start_client
{
	my ($number, $script) = @_;
	my ($output, $errors) = ('', '');
	my $file = PostgreSQL::Test::Utils::tempdir . '/script' . $clients++;
	append_to_file($file, "$script\n");
	my $client = start [ 'psql', '-XAtq', '-d', $cluster->node($number)->connstr('postgres'), '-f', $file ], '>', \$output, '2>', \$errors;
	return { run => $client, output => \$output, errors => \$errors };
}

# Each statement is a transaction of its own, with a webhook, or with two, whose calls are mostly on different nodes: Citus commits
# these in two phases. psql prints the calls of each answer.
sub receiver_script
{
	my ($from) = @_;
	my $webhook = q{ingest_call_event('{"call_id": %d, "state": "ringing"}')};
	return join "\n", map { sprintf("SELECT %d FROM $webhook AS seq;", $_, $_),
		sprintf("SELECT '%d %d' FROM $webhook AS seq, $webhook AS other;", ($_ + 300, $_ + 600) x 2) } $from .. $from + 299;
}

sub count_answers { return scalar(() = ${ $_[0]{output} } =~ /\n/g); }

my $first = 1000;
my %answered;

# A transaction that is open when its node is killed: it processes events of a shard. Its events come again.
sub begin_batch
{
	my ($number) = @_;
	my $from = $first += 1000;
	$cluster->sql(2, qq{SELECT count(ingest_call_event(format('{"call_id": %s, "state": "ringing"}', n)))
	    FROM generate_series($from, $from + 99) AS n});
	$answered{$_} = 1 for $from .. $from + 99;
	my $shard = $cluster->sql($number, 'SELECT min(events::text) FROM call_event_logs WHERE shard_id IS NOT NULL');
	my $session = $cluster->node($number)->background_psql('postgres');
	cmp_ok($session->query_safe("BEGIN; SELECT claimed FROM process_call_events(5, '$shard')"), '>', 0, 'a batch is in its transaction');
	return $session;
}

# The coordinator, and a node with shards. Webhooks come in by the node that is killed, and by another one. Events are processed
# without a pause.
for my $victim (1, 0)
{
	my $batch = $victim ? begin_batch($victim) : undef;
	my @receivers = map { start_client($_, receiver_script($first += 1000)) } ($victim, 2);
	my $processor = start_client($victim || 3, q{DO 'BEGIN LOOP CALL process_node_call_events(5); END LOOP; END';});
	pump $receivers[0]{run} until count_answers($receivers[0]) > 100;
	my $applied = $cluster->sql(2, 'SELECT count(*) FROM t.calls');
	$cluster->kill_node($victim);
	finish $_->{run} for @receivers;
	$answered{$_} = 1 for map { split /\s/, ${ $_->{output} } } @receivers;
	isnt(${ $receivers[0]{errors} }, '', "the receiver of node $victim was interrupted");
	cmp_ok($applied, '>', 0, 'events had been processed');
	if ($victim == 0)
	{
		is(count_answers($receivers[1]), 600, 'the receiver of another node goes on');
		$cluster->sql(3, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %process_node%'});
		finish $processor->{run};
	}
	else
	{
		finish $processor->{run};
		isnt(${ $processor->{errors} }, '', 'the processor was interrupted');
		eval { $batch->quit };
		cmp_ok(count_answers($receivers[1]), '>', 0, 'the receiver of another node goes on, as far as its shards are there');
	}
	$cluster->node($victim)->start;
}

# Citus ends what was between the two phases. It would do so by itself after a minute.
$cluster->sql($_, 'SELECT recover_prepared_transactions()') for 0 .. 3;
is($cluster->sql($_, 'SELECT count(*) FROM pg_prepared_xacts'), 0, "no transaction is left between its phases on node $_") for 0 .. 3;
cmp_ok(scalar keys %answered, '>', 500, 'many webhooks were answered');
$cluster->sql($_, 'CALL process_node_call_events(100000)') for (1, 2, 3) x 2;
my %calls = map { $_ => 1 } split /\n/, $cluster->sql(0, q{SELECT dialpad_call_id FROM t.calls WHERE status = 'ringing'});
is(scalar(grep { !$calls{$_} } keys %answered), 0, 'each of them has its call');
is($cluster->sql(0, 'SELECT count(*) FROM t.calls'), $cluster->sql(0, 'SELECT count(*) FROM t.call_events'),
	'and each event was applied, with an answer or without one');
is($cluster->sql(0, 'SELECT count(*) - count(DISTINCT call_key) FROM t.call_events'), 0, 'and no event is there twice');
is($cluster->sql(0, 'SELECT sum(pending_estimate), count(error) FROM cluster_call_event_log_status'), '0|0', 'nothing is pending');
is($cluster->sql(0, q{SELECT count(*) FROM cluster_call_enforcement WHERE level = 'gap'}), 0, 'nothing is out of order');
$cluster->stop;
done_testing();
