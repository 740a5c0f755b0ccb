
# A shard goes to another server with what is remembered about it, while webhooks come in: no event is lost, none is processed twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();
my $cluster = CitusCluster->new;
my @workers = (1, 2, 3);
$cluster->sql(0, q{CREATE SCHEMA t; SELECT create_distributed_call_tables('t', 3, 4)});
$cluster->sql(0, q{SELECT attach_call_shards('t.call_events')});
my ($shard) = split /\|/, $cluster->sql(0, q{SELECT min(shardid) FROM pg_dist_shard WHERE logicalrelid = 't.call_events'::regclass});

sub place
{
	my $port = $cluster->sql(0, "SELECT nodeport FROM citus_shards WHERE shardid = $shard");
	my ($number) = grep { $cluster->node($_)->port == $port } @workers;
	return $number;
}

# How many events all nodes have claimed: each is processed once if it is the number of events.
my $claimed = 0;

sub process_all
{
	for my $number (@workers)
	{
		$claimed += $_ for map { $cluster->sql($number, "SELECT claimed - failed FROM process_call_events(100000, '$_')") }
		  split /\n/, $cluster->sql($number, 'SELECT events FROM call_event_logs WHERE shard_id IS NOT NULL');
	}
	return;
}

sub ingest
{
	my ($from, $to, $state) = @_;
	$cluster->sql(0, qq{SELECT count(ingest_call_event(format('{"call_id": %s, "state": "$state"}', n)))
	    FROM generate_series($from, $to) AS n});
	return;
}

sub move_statement
{
	my ($to, $mode) = @_;
	return sprintf("CALL move_call_shard('t.call_events', %d, %s, '%s')", $shard, $cluster->host_and_port($to), $mode);
}

# A receiver: each webhook in a transaction of its own. What it was answered is in the log.
my $next = 1000;

sub start_receiver
{
	my $script = join "\n", map { sprintf q{SELECT ingest_call_event('{"call_id": %d, "state": "ringing"}');}, $next++ } 1 .. 400;
	my $output = '';
	my $node = $cluster->node(3);
	my $receiver = start [ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$script, '>', \$output, '2>', \my $errors;
	return [ $receiver, \$output ];
}

sub finish_receiver
{
	my ($receiver) = @_;
	finish $receiver->[0];
	return scalar split /\n/, ${ $receiver->[1] };
}

# -- in both modes, under a receiver -----------------------------------------------------------------

ingest(1, 60, 'ringing');
process_all();
ingest(1, 60, 'connected');
# One event waits for its retry, and one is dead.
my $log = $cluster->sql(place(), "SELECT events FROM call_event_logs WHERE shard_id = $shard");
$cluster->sql(place(), "SELECT configure_call_event_log('$log', max_attempts => 2)");
$cluster->sql(place(), qq{CREATE TABLE c AS SELECT * FROM claim_call_events(2, log => '$log');
    SELECT fail_call_event(claim_id, event_seq, 'not yet', '0') FROM c ORDER BY event_seq LIMIT 1;
    SELECT complete_call_events(array_agg(DISTINCT claim_id)) FROM c});
my $completed = $cluster->sql(place(), 'SELECT count(*) - 1 FROM c');
my $answered = 0;
for my $mode ('block_writes', 'force_logical')
{
	my $from = place();
	my ($to) = grep { $_ != $from } @workers;
	my $receiver = start_receiver();
	is($cluster->messages(0, move_statement($to, $mode) . ';'), '', "$mode: the move has no fault");
	$answered += finish_receiver($receiver);
	is(place(), $to, "$mode: the shard is on its new server");
	is($cluster->sql($to, "SELECT count(*) FROM call_event_logs WHERE shard_id = $shard"), 1, 'and attached there');
	is($cluster->sql($from, "SELECT count(*) FROM call_event_logs WHERE shard_id = $shard"), 0, 'and nowhere else');
	is($cluster->sql($to, 'SELECT attempts, errors -> 0 ->> $$error$$ FROM call_retrying_events'), '1|not yet',
		'with the attempts of a failed event');
}
is($answered, 800, 'the receiver got an answer for each webhook');
process_all();
is($claimed + $completed, $cluster->sql(0, 'SELECT count(*) FROM t.call_events'), 'no event is lost, and none is processed twice');
is($cluster->sql(0, 'SELECT count(*) FROM t.calls'), 860 - $completed, 'each call has its row, but those that another worker has completed')
  if $completed == 0;
is($cluster->sql(0, 'SELECT count(*) FROM t.calls WHERE dialpad_call_id >= 1000'), 800, 'each webhook with an answer has its call');
is($cluster->sql(0, 'SELECT count(*) FROM t.call_moving'), 0, 'no note is left');

# -- C5: each step can be repeated -------------------------------------------------------------------

my $from = place();
my ($to) = grep { $_ != $from } @workers;
ingest(2000, 2020, 'ringing');
like($cluster->messages(0, move_statement($to, 'no such mode') . ';'), qr/22023: shard_transfer_mode must be/,
	'a wrong mode begins no move');
like($cluster->messages(1, move_statement($to, 'auto') . ';'), qr/55000: move_call_shard was not called on the coordinator/,
	'nor does a worker');
is($cluster->sql(0, 'SELECT count(*) FROM t.call_moving'), 0, 'no shard is on its way');

# The first step of a move, as if the next one had failed
sub begin_move
{
	my ($log, $shard_id, $target) = @_;
	$cluster->sql(0, sprintf("SELECT _callhardening.begin_shard_move('%s', %d, %s, 'auto')", $log, $shard_id,
		$cluster->host_and_port($target)));
	return;
}
begin_move('t.call_events', $shard, $to);
my $way = sprintf "shard $shard of t.call_events is on its way to %s:%d", $cluster->node($to)->host, $cluster->node($to)->port;
is($cluster->sql(0, "SELECT pending_estimate, error FROM cluster_call_event_log_status WHERE shard_id = $shard"), "|$way",
	'its figures are not known');
is($cluster->sql($from, q{SELECT string_agg(concat_ws('|', gap, detail, advice), ' ') FROM call_enforcement WHERE level = 'gap'}),
	"shard_on_its_way|$way: no worker finds its events|On the coordinator: " . move_statement($to, 'auto') =~ s/, 'auto'\)/)./r,
	'a gap names the statement that ends the move');
is($cluster->sql(0, "SELECT count(*) FROM t.call_moving WHERE shard_id = $shard"), 1, 'the state of the shard is noted');
is($cluster->sql(0, "SELECT result ~ '^on its way to' FROM attach_call_shards('t.call_events') WHERE shard_id = $shard"), 't',
	'attach_call_shards does not attach it without its state');
ingest(2021, 2040, 'ringing');
is($cluster->messages(0, move_statement($from, 'auto') . ';'), '', 'a step that was done is not done again');
is($cluster->sql($from, "SELECT count(*) FROM call_event_logs WHERE shard_id = $shard"), 1, 'it can be given back');
begin_move('t.call_events', $shard, $to);
# Citus moves it, and the last step is missing.
$cluster->sql(0, sprintf('SELECT citus_move_shard_placement(%d, %s, %s, $$block_writes$$)', $shard, $cluster->host_and_port($from),
	$cluster->host_and_port($to)));
is($cluster->sql(0, "SELECT result FROM attach_call_shards('t.call_events') WHERE shard_id = $shard AND result ~ '^attached'"), 'attached',
	'attach_call_shards does the last step of a move');
process_all();
is($claimed + $completed, $cluster->sql(0, 'SELECT count(*) FROM t.call_events'), 'exactly once, after all of it');

# Each node numbers events on its own. An event with a low number that comes while the shard is on its way is a new one.
$cluster->sql(0, q{CREATE SCHEMA n; SELECT create_distributed_call_tables('n', 1, 2)});
$cluster->sql(0, q{SELECT attach_call_shards('n.call_events')});
my ($other, $events) = $cluster->shard_of('n.call_events');
my ($node) = grep { $_ != $other } @workers;
my ($number) = $events =~ /_(\d+)$/;
$cluster->sql(0, sprintf('SELECT citus_move_shard_placement(%d, %s, %s, $$block_writes$$)', $number, $cluster->host_and_port($other),
	$cluster->host_and_port($node)));
$cluster->sql(3, q{SELECT count(ingest_call_event(format('{"call_id": %s, "state": "ringing"}', n), 'n.call_events'))
    FROM generate_series(1, 10) AS n});
$cluster->sql(0, q{SELECT attach_call_shards('n.call_events')});
$cluster->sql($node, "SELECT claimed FROM process_call_events(log => '$events')") for 1, 2;
begin_move('n.call_events', $number, $other);
$cluster->sql(0, q{SELECT count(ingest_call_event(format('{"call_id": %s, "state": "ringing"}', n), 'n.call_events'))
    FROM generate_series(11, 16) AS n});
unlike($cluster->messages(0, sprintf("CALL move_call_shard('n.call_events', %d, %s)", $number, $cluster->host_and_port($node))),
	qr/WARNING/, 'numbers of another node are no lost stamps');
$cluster->sql($node, "SELECT claimed FROM process_call_events(log => '$events')") for 1, 2;
is($cluster->sql(0, 'SELECT count(*) FROM n.calls'), 16, 'an event that came while its shard was on its way is processed');

# A shard that was given back, and has new events since.
begin_move('n.call_events', $number, $other);
$cluster->sql(0, sprintf("CALL move_call_shard('n.call_events', %d, %s)", $number, $cluster->host_and_port($node)));
$cluster->sql(0, q{SELECT count(ingest_call_event(format('{"call_id": %s, "state": "ringing"}', n), 'n.call_events'))
    FROM generate_series(17, 20) AS n});
$cluster->sql($node, "SELECT claimed FROM process_call_events(log => '$events')") for 1, 2;
$cluster->sql(0, sprintf("CALL move_call_shard('n.call_events', %d, %s)", $number, $cluster->host_and_port($other)));
is(join(' ', map { $cluster->sql($other, "SELECT claimed FROM process_call_events(log => '$events')") } 1, 2), '0 0',
	'its present state moves, and not the noted one');

# Citus has moved it, the last step is missing, and it moves on from there.
my ($third) = grep { $_ != $node && $_ != $other } @workers;
begin_move('n.call_events', $number, $node);
$cluster->sql(0, sprintf('SELECT citus_move_shard_placement(%d, %s, %s, $$block_writes$$)', $number, $cluster->host_and_port($other),
	$cluster->host_and_port($node)));
unlike($cluster->messages(0, sprintf("CALL move_call_shard('n.call_events', %d, %s);", $number, $cluster->host_and_port($third))),
	qr/ERROR/, 'a shard with a note and no log moves');
is($cluster->sql($third, "SELECT count(*) FROM call_event_logs WHERE shard_id = $number"), 1, 'it can be moved on');
$other = $third;

# What its owner has detached stays so. He has its state.
my $kept = $cluster->sql($other, "SELECT detach_call_event_log('$events')");
$cluster->sql(0, sprintf("CALL move_call_shard('n.call_events', %d, %s)", $number, $cluster->host_and_port($node)));
is($cluster->sql(0, q{SELECT result FROM attach_call_shards('n.call_events') WHERE result <> 'moved away'}), 'detached',
	'a detached shard moves as it is');
$cluster->sql($node, "SELECT attach_call_event_log('$events', (SELECT s.relation FROM _callhardening.local_shards() AS s
    WHERE s.shell = 'n.calls'::regclass), '$kept')");
is($cluster->sql(0, q{SELECT result FROM attach_call_shards('n.call_events')}), 'was attached', 'until he attaches it');
($other, $node) = ($node, $other);

# An attach waits for a move of Citus, and is refused after it.
my ($host_and_port, $answer) = ($cluster->host_and_port($node));
my $state = $cluster->sql($other, "SELECT detach_call_event_log('$events')");
my $mover = $cluster->node(0)->background_psql('postgres');
$mover->query_safe(sprintf('BEGIN; SELECT citus_move_shard_placement(%d, %s, %s, $$block_writes$$)', $number,
	$cluster->host_and_port($other), $host_and_port));
my $attacher = $cluster->node($other)->background_psql('postgres', on_error_stop => 0);
$attacher->query_until(qr/begins/, "\\echo begins\nSELECT attach_call_event_log('$events', (SELECT s.relation
    FROM _callhardening.local_shards() AS s WHERE s.shell = 'n.calls'::regclass), '$state');\n\\echo ends\n");
ok($cluster->node($other)->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%attach_call_event_log%' AND pid <> pg_backend_pid()}), 'an attach waits for a move');
$mover->query_safe('COMMIT');
$mover->quit;
$attacher->query_until(qr/ends/, '');
like($attacher->{stderr}, qr/shard n\.call_events_\d+ is on another server/, 'and is refused');
$attacher->quit;

# An event without a call that comes beside attach_call_shards is buried.
$cluster->sql(0, q{CREATE SCHEMA b; SELECT create_distributed_call_tables('b', 1, 2)});
$cluster->sql(0, q{SELECT attach_call_shards('b.call_events')});
my ($home) = $cluster->shard_of('b.call_events');
my $as_new = q{SET citus.override_table_visibility = off; UPDATE _callhardening.forgotten_logs AS f SET is_forgotten = true
    FROM _callhardening.logs AS l WHERE l.log_id = f.log_id AND l.shard_id IN
    (SELECT k.shard_id FROM _callhardening.known_shards AS k WHERE k.log = 'b.call_events'::regclass)};
$cluster->sql($home, $as_new);
my $session = $cluster->node($home)->background_psql('postgres');
$session->query_safe(q{BEGIN; SELECT _callhardening.attach_node_shard(l.events, k.shard_id, to_jsonb(l) - '{log_id,events,calls}'::text[],
    NULL) FROM _callhardening.logs AS l JOIN _callhardening.known_shards AS k ON k.log = l.events
    WHERE l.events = 'b.call_events'::regclass});
my $receiver = $cluster->node(0)->background_psql('postgres');
$receiver->query_until(qr/begins/, "\\echo begins\nSELECT ingest_call_event('no call at all', 'b.call_events');\n\\echo ends\n");
ok($cluster->node($home)->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO b.call_events%'}), 'a receiver waits for the attach');
$session->query_safe('COMMIT');
$session->quit;
$receiver->query_until(qr/ends/, '');
$receiver->quit;
is($cluster->sql($home, q{SELECT count(*) FROM call_dead_events JOIN call_event_logs USING (log_id)
    WHERE events::text ~ '^b.call_events'}), 1, 'its event is a dead one');

# A receiver has events of two shards of one node in a transaction. attach_call_shards waits for it, and holds neither.
$cluster->sql(0, q{CREATE SCHEMA d; SELECT create_distributed_call_tables('d', 6, 2)});
my ($at, $first, $second) = split /\|/, $cluster->sql(0, q{SELECT nodeport, min(shardid), max(shardid) FROM citus_shards
    WHERE table_name = 'd.call_events'::regclass GROUP BY nodeport ORDER BY nodeport LIMIT 1});
my ($key, $other_key) = map { $cluster->sql(0, qq{SELECT n FROM generate_series(1, 1000) AS n
    WHERE get_shard_id_for_distribution_column('d.call_events', n) = $_ LIMIT 1}) } $second, $first;
my $writer = $cluster->node(0)->background_psql('postgres', on_error_stop => 0);
$writer->query_safe(qq{BEGIN; SELECT ingest_call_event('{"call_id": $key, "state": "ringing"}', 'd.call_events')});
my $caller = $cluster->node(0)->background_psql('postgres');
$caller->query_until(qr/begins/, "\\echo begins\nSELECT shard_id, result FROM attach_call_shards('d.call_events');\n\\echo ends\n");
my ($waits) = grep { $cluster->node($_)->port == $at } @workers;
ok($cluster->node($waits)->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%attach_node_shard%' AND pid <> pg_backend_pid()}), 'the attach waits');
$writer->query(qq{SELECT ingest_call_event('{"call_id": $other_key, "state": "ringing"}', 'd.call_events'); COMMIT});
is($writer->{stderr}, '', 'the receiver goes on');
$writer->quit;
is(() = $caller->query_until(qr/ends/, '') =~ /\|attached/g, 6, 'and each shard is attached');
$caller->quit;

# A shard that its node cannot attach is a row and a warning, and the others are attached.
$cluster->sql(0, q{CREATE SCHEMA f; SELECT create_distributed_call_tables('f', 6, 2)});
$cluster->sql(0, q{CREATE ROLE owner; ALTER TABLE f.call_moving OWNER TO owner});
like($cluster->messages(0, q{SELECT * FROM attach_call_shards('f.call_events')}),
	qr/WARNING: .*shard \d+ of f\.call_events was not attached.*call_moving/s,
	'a table call_moving of another owner has no states for this log');
is($cluster->sql(0, q{SELECT relation, gap FROM call_enforcement WHERE gap = 'moving_table_missing'}), 'f.call_events|moving_table_missing',
	'a gap says so');
is($cluster->sql(0, q{SELECT count(*) FROM attach_call_shards('f.call_events') WHERE result ~ 'has no table call_moving'}), 6,
	'each shard has a row with the error');
$cluster->sql(0, q{ALTER TABLE f.call_moving OWNER TO CURRENT_USER});
is($cluster->sql(0, q{SELECT count(*) FROM attach_call_shards('f.call_events') WHERE result = 'attached'}), 6, 'until it is given back');

# A name with a sign of format()
$cluster->sql(0, q{CREATE SCHEMA "a%eb"; SELECT create_call_tables('a%eb')});
like($cluster->sql(0, q{SELECT detach_call_event_log('"a%eb".call_events') ->> 'format'}), qr/^1$/, 'any name can be detached');

like($cluster->messages(0, "CALL move_call_shard('t.call_events', 1, 'x', 1)"), qr/22023: t\.call_events has no shard 1/, 'no such shard');
like($cluster->messages(0, "CALL move_call_shard('t.call_events', $shard, 'x', 1)"), qr/22023: there is no active node x:1/,
	'no such node');
$cluster->stop;
done_testing();
