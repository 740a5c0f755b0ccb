
# A tenant's schema moves while webhooks come in, and its node is killed in the middle of the move, once in each mode of Citus. The
# move is repeated. What was answered is not lost, and each event is processed once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

CitusCluster::require_citus();
my $cluster = CitusCluster->new(workers => 2);
$cluster->sql(0, q{CREATE SCHEMA t; SELECT create_call_tables('t'); SET citus.enable_unsafe_triggers = on;
    SELECT citus_schema_distribute('t')});
$cluster->sql(0, q{SELECT attach_call_shards('t.call_events')});
my ($home, $events) = $cluster->shard_of('t.call_events');
my (undef, $calls) = $cluster->shard_of('t.calls');
my ($shard_id) = $events =~ /_(\d+)$/;

# A client that goes on after an error. It prints the call of each webhook with an answer, and is slow enough to last. Files take
# what it reads and writes, so it never waits for the test.
my $next = 1000;
my $files = PostgreSQL::Test::Utils::tempdir;

sub start_receiver
{
	my %receiver = map { $_ => "$files/$_$next" } qw(script output errors);
	append_to_file($receiver{script}, join "\n", map { qq{DO 'BEGIN PERFORM pg_sleep(0.003); END';
	    SELECT $_ FROM ingest_call_event('{"call_id": $_, "state": "ringing"}'::jsonb, 't.call_events') AS seq;} } $next .. $next + 19999);
	$next += 20000;
	$receiver{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $cluster->node(0)->connstr('postgres'), '-f', $receiver{script} ], '>',
		$receiver{output}, '2>', $receiver{errors});
	return \%receiver;
}

sub wait_for_answers
{
	my ($receiver, $number) = @_;
	my $before = () = slurp_file($receiver->{output}) =~ /\n/g;
	for (1 .. 1800)
	{
		return if (() = slurp_file($receiver->{output}) =~ /\n/g) >= $before + $number;
		Time::HiRes::usleep(100_000);
	}
	die 'the receiver gets no answer: ' . slurp_file($receiver->{errors});
}

my %answered;

sub end_receiver
{
	my ($receiver) = @_;
	$receiver->{run}->signal('TERM');
	eval { IPC::Run::finish($receiver->{run}) };
	$answered{$_} = 1 for slurp_file($receiver->{output}) =~ /^(\d+)\n/mg;
	return;
}

my $processed = 0;

sub process
{
	my ($claimed, $failed) = split /\|/, $cluster->sql($home, "SELECT claimed, failed FROM process_call_events(100000, '$events')");
	$processed += $claimed;
	is($failed, 0, 'no event has failed');
	return;
}

# Starts a move that stops before its last step: this session has a lock that the step waits for.
sub move_until_last_step
{
	my ($target, $mode) = @_;
	my $holder = $cluster->node(0)->background_psql('postgres');
	$holder->query_safe("BEGIN; SELECT lock_shard_metadata(5, ARRAY[$shard_id])");
	my ($output, $errors) = ('', '');
	my $move = IPC::Run::start([ 'psql', '-XAtq', '-d', $cluster->node(0)->connstr('postgres'), '-c', move_statement($target, $mode) ],
		'<', \undef, '>', \$output, '2>', \$errors);
	$cluster->node(0)->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity
	    WHERE query LIKE 'SELECT citus_schema_move%' AND wait_event_type = 'Lock')}) or die 'the move does not wait';
	return ($holder, $move, \$errors);
}

sub move_statement
{
	my ($target, $mode) = @_;
	return sprintf(q{SELECT citus_schema_move('t', %s, '%s')}, $cluster->host_and_port($target), $mode);
}

for my $mode ('force_logical', 'block_writes')
{
	my $target = 3 - $home;
	my $receiver = start_receiver();
	wait_for_answers($receiver, 50);
	process();
	wait_for_answers($receiver, 20);
	my $state = $cluster->sql($home, "SELECT detach_call_event_log('$events')");
	my ($holder, $move, $errors) = move_until_last_step($target, $mode);
	$cluster->kill_node($home);
	$holder->query_safe('ROLLBACK');
	$holder->quit;
	IPC::Run::finish($move);
	like($$errors, qr/^ERROR: /m, "$mode: the move fails, as its source was killed");
	$cluster->node($home)->start;
	is(($cluster->shard_of('t.call_events'))[0], $home, 'the schema is where it was');
	wait_for_answers($receiver, 20);
	unlike(slurp_file($receiver->{errors}), qr/not an event log/, 'the log takes webhooks all the time');
	$cluster->sql(0, 'CALL citus_cleanup_orphaned_resources()');
	$cluster->sql(0, move_statement($target, $mode));
	is(($cluster->shard_of('t.call_events'))[0], $target, 'the repeated move brings it to its new node');
	wait_for_answers($receiver, 20);
	is($cluster->sql($target, "SELECT attach_call_event_log('$events', '$calls', '$state')"), 'attached', 'with its state');
	is($cluster->sql(0, q{SELECT string_agg(result, ' ') FROM attach_call_shards('t.call_events')}), 'was attached', 'and marked');
	wait_for_answers($receiver, 20);
	end_receiver($receiver);
	$home = $target;
	process();
}

cmp_ok(scalar keys %answered, '>=', 260, 'many webhooks were answered');
my %called = map { $_ => 1 } split /\n/, $cluster->sql(0, q{SELECT dialpad_call_id FROM t.calls WHERE status = 'ringing'});
is(scalar(grep { !$called{$_} } keys %answered), 0, 'each of them has its call');
is($processed, $cluster->sql(0, 'SELECT count(*) FROM t.call_events'), 'each event was processed once');
$cluster->sql(0, 'CALL citus_cleanup_orphaned_resources()');
is($cluster->sql(0, q{SELECT node, relation, gap, detail FROM cluster_call_enforcement WHERE level = 'gap'}), '',
	'nothing is out of order');
$cluster->stop;
done_testing();
