
# A shard that its owner has detached stays so, wherever Citus moves it: its events do not come twice. A shard that Citus has moved
# by itself begins anew. What tells them apart is which nodes had it as a log.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();
my $cluster = CitusCluster->new(workers => 4);
my @workers = (1 .. 4);

# -- a log with one shard --------------------------------------------------------------------------

my $number = 0;

# A log with 4 processed events. home: where its shard is
sub create_log
{
	my $schema = 's' . ++$number;
	my $log = { name => "$schema.call_events", schema => $schema };
	$cluster->sql(0, "CREATE SCHEMA $schema; SELECT create_distributed_call_tables('$schema', 1, 2)");
	attach($log);
	append($log, 1 .. 4);
	($log->{home}, $log->{shard}) = $cluster->shard_of($log->{name});
	(undef, $log->{calls}) = $cluster->shard_of("$schema.calls");
	($log->{id}) = $log->{shard} =~ /_(\d+)$/;
	is(process($log), 4, "$schema: its events are processed");
	return $log;
}

sub append
{
	my ($log, @calls) = @_;
	$cluster->sql(0, qq{SELECT ingest_call_event('{"call_id": $_, "state": "ringing"}', '$log->{name}')}) for @calls;
	return;
}

sub attach
{
	my ($log) = @_;
	return $cluster->sql(0, "SELECT string_agg(result, ' ') FROM attach_call_shards('$log->{name}') WHERE result <> 'moved away'");
}

sub process
{
	my ($log) = @_;
	return $cluster->sql($log->{home}, "SELECT claimed FROM process_call_events(log => '$log->{shard}')");
}

sub detach
{
	my ($log) = @_;
	return $cluster->sql($log->{home}, "SELECT detach_call_event_log('$log->{shard}')");
}

sub attach_with_state
{
	my ($log, $state) = @_;
	return $cluster->sql($log->{home}, "SELECT attach_call_event_log('$log->{shard}', '$log->{calls}'" . ($state ? ", '$state')" : ')'));
}

# Citus moves it, to the next worker that is not in the list.
sub move
{
	my ($log, @not) = @_;
	my ($to) = grep { my $node = $_; !grep { $_ == $node } $log->{home}, @not } @workers;
	$cluster->sql(0, sprintf('SELECT citus_move_shard_placement(%d, %s, %s, $$block_writes$$)', $log->{id},
		$cluster->host_and_port($log->{home}), $cluster->host_and_port($to)));
	$log->{home} = $to;
	return $to;
}

sub clean_up { return $cluster->sql(0, 'CALL citus_cleanup_orphaned_resources()') }

# -- detached by hand ------------------------------------------------------------------------------

my $log = create_log();
my $state = detach($log);
append($log, 5);
move($log);
is(attach($log), 'detached', 'a detached shard stays so after a move');
is($cluster->sql($log->{home}, q{SELECT gap, advice FROM call_enforcement WHERE level = 'gap'}),
	"shard_not_attached|On the coordinator: SELECT * FROM attach_call_shards('$log->{name}'). If that says detached, here: "
	  . "attach_call_event_log('$log->{shard}', '$log->{calls}', state), with what its detach has returned. Without a state all "
	  . 'events come once more.', 'a gap names the way on');
clean_up();
move($log);
is(attach($log), 'detached', 'after a second one, and without its old table');
is(attach_with_state($log, $state), 'attached', 'it is attached with its state');
is(process($log), 1, 'and only the new event comes');

# Then it is a log as each other.
move($log);
is(attach($log), 'attached', 'after a move by Citus alone it begins anew');
is(process($log), 5, 'with all of its events');
is(attach($log), 'was attached', 'once');
is($cluster->sql(0, q{SELECT count(*) FROM cluster_call_enforcement WHERE level = 'gap'}), 0, 'no gap is left');

# It was attached by hand, and Citus moves it before attach_call_shards knows.
$state = detach($log);
move($log);
attach_with_state($log, $state);
move($log);
clean_up();
is(attach($log), 'attached', 'the last node that had the log counts');

# A node of before that was silent does not know that the shard was attached elsewhere.
$log = create_log();
my $before = $log->{home};
move($log);
is(attach_with_state($log), 'adopted', 'a moved shard is attached by hand');
is(process($log), 4, 'with all of its events');
$state = detach($log);
move($log, $before);
is(attach($log), 'detached', 'the node before the detach does not count');
is(attach_with_state($log, $state), 'attached', 'its state does');
is(process($log), 0, 'and no event comes again');

# It has no events.
$log = create_log();
$cluster->sql($log->{home}, "SELECT create_call_consumer('$log->{shard}', 'crm', from_beginning => true)");
$cluster->sql($log->{home}, "SELECT complete_call_events(ARRAY(SELECT DISTINCT claim_id
    FROM claim_call_events(100, log => '$log->{shard}', consumer => 'crm')))") for 1, 2;
is($cluster->sql($log->{home}, "SELECT purge_call_events('0', '$log->{shard}')"), 4, 'all events of a shard are purged');
$state = detach($log);
move($log);
is(attach($log), 'detached', 'an empty shard stays detached');
attach_with_state($log, $state);
is($cluster->sql($log->{home}, "SELECT count(*) FROM call_consumers WHERE log = '$log->{shard}'::regclass AND consumer = 'crm'"), 1,
	'its consumer comes with its state');

# Only the node that had it knows it: attach_call_shards was interrupted before its last step.
$log = create_log();
$cluster->sql($_, "DELETE FROM _callhardening.known_shards WHERE shard_id = $log->{id}") for 0 .. 4;
move($log);
is(attach($log), 'attached', 'a moved shard begins anew if its node alone knows it');

# Its consumers have not followed it.
$log = create_log();
$before = $log->{home};
$cluster->sql($before, "SELECT create_call_consumer('$log->{shard}', 'crm', from_beginning => true)");
move($log);
like($cluster->messages($before, "SELECT detach_call_event_log('$log->{shard}')"), qr/^ERROR:  55000/, 'its old node cannot detach it');
attach_with_state($log);
like($cluster->messages($log->{home}, "SELECT detach_call_event_log('$log->{shard}');"),
	qr/^ERROR:  55000: shard \S+ has consumers on another node: crm\nHINT: +On the coordinator: SELECT \* FROM attach_call_shards/m,
	'nor does its new node, before its consumers are there');
is(attach($log), 'was attached', 'attach_call_shards');
is($cluster->sql($log->{home}, "SELECT count(*) FROM call_consumers WHERE log = '$log->{shard}'::regclass AND consumer = 'crm'"), 1,
	'has them follow');
like(detach($log), qr/"name": "crm"/, 'then it is detached with them');

# Another shard of its log is split.
$cluster->sql(0, q{CREATE SCHEMA p; SELECT create_distributed_call_tables('p', 4, 2)});
$log = { name => 'p.call_events', schema => 'p' };
attach($log);
append($log, 1 .. 20);
my @shards = map { [ split /\|/ ] } split /\n/, $cluster->sql(0, q{SELECT s.shardid, n.nodeport, s.shardminvalue, s.shardmaxvalue
    FROM pg_dist_shard AS s JOIN pg_dist_placement AS p USING (shardid) JOIN pg_dist_node AS n USING (groupid)
    WHERE s.logicalrelid = 'p.call_events'::regclass ORDER BY 1});
my ($kept, $split) = @shards[ 3, 0 ];
$log->{shard} = "p.call_events_$kept->[0]";
$log->{id} = $kept->[0];
($log->{home}) = grep { $cluster->node($_)->port == $kept->[1] } @workers;
my $of_kept = process($log);
cmp_ok($of_kept, '>', 0, 'a shard has events');
my ($home_of_split) = grep { $cluster->node($_)->port == $split->[1] } @workers;
my $of_split = $cluster->sql($home_of_split, "SELECT claimed FROM process_call_events(log => 'p.call_events_$split->[0]')");
$state = detach($log);
move($log);
my ($worker) = split /\n/, $cluster->sql(0, "SELECT nodeid FROM pg_dist_node WHERE nodeport = $split->[1]");
$cluster->sql(0, sprintf(q{SELECT citus_split_shard_by_split_points(%d, ARRAY['%d'], ARRAY[%d, %d], 'block_writes')}, $split->[0],
	int(($split->[2] + $split->[3]) / 2), $worker, $worker));
is($cluster->sql(0, "SELECT string_agg(DISTINCT result, ' ') FROM attach_call_shards('p.call_events') WHERE shard_id = $kept->[0]
    AND result <> 'moved away'"), 'detached', 'a detached shard is no part of another one');
is($cluster->sql(0, q{SELECT count(*) FROM attach_call_shards('p.call_events') WHERE result = 'was attached'}), 4,
	'the parts are attached');

# It is split itself: both parts take its state.
my $port = $cluster->node($log->{home})->port;
$worker = $cluster->sql(0, "SELECT nodeid FROM pg_dist_node WHERE nodeport = $port");
$cluster->sql(0, sprintf(q{SELECT citus_split_shard_by_split_points(%d, ARRAY['%d'], ARRAY[%d, %d], 'block_writes')}, $kept->[0],
	int(($kept->[2] + $kept->[3]) / 2), $worker, $worker));
is($cluster->sql(0, q{SELECT count(*) FROM attach_call_shards('p.call_events') WHERE result = 'detached'}), 2,
	'the parts of a detached shard are detached');
like($cluster->messages($log->{home}, "SELECT attach_call_event_log('$log->{shard}', 'p.calls', '$state');"),
	qr/^ERROR:  55000: Citus has split/m, 'the table of before takes no state');
is($cluster->sql($log->{home}, "SELECT count(*) FROM call_enforcement WHERE relation::text = '$log->{shard}'"), 0, 'and is no gap');
my $again = 0;
for my $part (split /\n/, $cluster->sql($log->{home}, qq{SELECT s.shard || '|' || s.calls_shard
    FROM _callhardening.local_shards('p.call_events'::regclass) AS s LEFT JOIN _callhardening.logs AS l ON l.shard_id = s.shard_id
    WHERE l.log_id IS NULL}))
{
	my ($events, $calls) = split /\|/, $part;
	$cluster->sql($log->{home}, "SELECT attach_call_event_log('$events', '$calls', '$state')");
	$again += $cluster->sql($log->{home}, "SELECT claimed FROM process_call_events(log => '$events')");
}
is($again, 0, 'with it no event comes again');

# What was known about it is gone.
for my $loss (
	[ 'its log has another name', sub { $cluster->sql(0, "ALTER TABLE $_[0]{name} RENAME TO hooks"); $_[0]{name} = "$_[0]{schema}.hooks";
		$_[0]{shard} =~ s/call_events/hooks/ } ],
	[ 'it has another owner', sub { $cluster->sql(0, "CREATE ROLE bo; GRANT ALL ON SCHEMA $_[0]{schema} TO bo");
		$cluster->sql(0, "ALTER TABLE $_[0]{schema}.$_ OWNER TO bo") for qw(calls call_events call_moving) } ],
	[ 'its node is removed', sub { my ($removed) = grep { $_ == $_[1] } @workers; @workers = grep { $_ != $removed } @workers;
		$cluster->sql(0, sprintf('SELECT citus_drain_node(%s)', $cluster->host_and_port($removed)));
		$cluster->sql(0, sprintf('SELECT citus_remove_node(%s)', $cluster->host_and_port($removed))) } ])
{
	my ($what, $lose) = @$loss;
	my $lost = create_log();
	detach($lost);
	my $home = $lost->{home};
	move($lost);
	$lose->($lost, $home);
	is(attach($lost), 'detached', "$what: a detached shard stays so");
	is(attach_with_state($lost), 'adopted', "$what: without its state it begins anew");
	is(process($lost), 4, "$what: with all of its events");
}

# -- moves that were interrupted -------------------------------------------------------------------

sub begin_move
{
	my ($log, $to) = @_;
	return $cluster->sql(0, sprintf("SELECT _callhardening.begin_shard_move('%s', %d, %s, 'auto')", $log->{name}, $log->{id},
		$cluster->host_and_port($to)));
}

sub end_move
{
	my ($log, $to, $note) = @_;
	my ($name, $id) = @$log{qw(name id)};
	return sprintf("SELECT _callhardening.move_shard_rows('$name', $id, %s, 'block_writes', '$note');
	    SELECT _callhardening.end_shard_move('$name', $id);", $cluster->host_and_port($to));
}

# The last step of a move has attached the shard, and then its session was lost.
$log = create_log();
my ($to) = grep { $_ != $log->{home} } @workers;
begin_move($log, $to);
move($log, grep { $_ != $to } @workers);
$cluster->sql(0, qq{SELECT _callhardening.attach_new_shard('$log->{name}', $log->{id}, to_jsonb(l) - '{log_id,events,calls}'::text[], 0)
    FROM _callhardening.logs AS l WHERE l.events = '$log->{name}'::regclass});
is(process($log), 0, 'a move that was lost in its last step: nothing comes twice');
is($cluster->sql($log->{home}, "SELECT count(*) FROM _callhardening.known_shards WHERE shard_id = $log->{id}"), 1,
	'and the node with the shard knows it');
move($log);
clean_up();
is(attach($log), 'attached', 'and the next move by Citus alone begins anew');

# It was given back while another session was about to move it.
$log = create_log();
($to) = grep { $_ != $log->{home} } @workers;
my $note = begin_move($log, $to);
$cluster->sql(0, sprintf("CALL move_call_shard('%s', %d, %s)", $log->{name}, $log->{id}, $cluster->host_and_port($log->{home})));
like($cluster->messages(0, end_move($log, $to, $note)), qr/^ERROR:  55000: shard \d+ is not on its way to .* any more$/m,
	'a shard that was given back does not move');
is(process($log), 0, 'and nothing comes twice');

# Until then nobody else attaches it, and a second session waits.
$log = create_log();

($to) = grep { $_ != $log->{home} } @workers;
$note = begin_move($log, $to);
like($cluster->messages($log->{home}, "SELECT attach_call_event_log('$log->{shard}', '$log->{calls}');"),
	qr/^ERROR:  55000: shard \S+ is on its way to .*\n.*HINT: .*CALL move_call_shard/s, 'a shard on its way is not attached by hand');
my $mover = $cluster->node(0)->background_psql('postgres');
$mover->query_safe(sprintf("BEGIN; SELECT _callhardening.move_shard_rows('$log->{name}', $log->{id}, %s, 'block_writes', '$note')",
	$cluster->host_and_port($to)));
my $other_session = $cluster->node(0)->background_psql('postgres');
$other_session->query_until(qr/begins/, sprintf("\\echo begins\nCALL move_call_shard('$log->{name}', $log->{id}, %s);\n\\echo ends\n",
	$cluster->host_and_port($log->{home})));
ok($cluster->node(0)->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'advisory'
    AND query LIKE 'CALL move_call_shard%'}), 'a second session waits for the move');
$mover->query_safe('COMMIT');
$mover->quit;
$other_session->query_until(qr/ends/, '');
$other_session->quit;
is($cluster->sql(0, "SELECT string_agg(result, ' ') FROM attach_call_shards('$log->{name}')"), 'was attached', 'and gives the shard back');
is(process($log), 0, 'with its state');

# The calls of its events are in one table.
$log = create_log();
$cluster->sql(0, sprintf("SELECT citus_move_shard_placement(%d, %s, %s, 'block_writes')", $log->{id}, $cluster->host_and_port($log->{home}),
	$cluster->host_and_port($to))) if $log->{home} != $to;
$log->{home} = $to;
my ($other_log) = (create_log());
my ($wrong_home, $wrong) = $cluster->shard_of("$other_log->{schema}.calls");
like($cluster->messages($log->{home}, "SELECT attach_call_event_log('$log->{shard}', '$wrong');"),
	qr/^ERROR:  55000: table \S+ is not the shard of calls beside \S+\nHINT: +The calls of its events are in \Q$log->{calls}\E\.$/m,
	'a shard is not attached to the calls of another one') if $wrong_home == $log->{home};

# -- beside attach_call_shards ---------------------------------------------------------------------

# A detached shard moves while attach_call_shards waits at another one.
$cluster->sql(0, q{CREATE SCHEMA r; SELECT create_distributed_call_tables('r', 6, 2)});
my ($at, $first, $second) = split /\|/, $cluster->sql(0, q{SELECT nodeport, min(shardid), max(shardid) FROM citus_shards
    WHERE table_name = 'r.call_events'::regclass GROUP BY nodeport HAVING count(*) > 1 ORDER BY nodeport LIMIT 1});
my ($node) = grep { $cluster->node($_)->port == $at } @workers;
my ($key, $detached_key) = map { $cluster->sql(0, qq{SELECT n FROM generate_series(1, 1000) AS n
    WHERE get_shard_id_for_distribution_column('r.call_events', n) = $_ LIMIT 1}) } $first, $second;
$cluster->sql(0, q{SELECT attach_call_shards('r.call_events')});
append({ name => 'r.call_events' }, $detached_key);
$cluster->sql($node, "SELECT claimed FROM process_call_events(log => 'r.call_events_$second')");
$cluster->sql($node, "SELECT detach_call_event_log('r.call_events_$second')");
my ($next) = grep { $_ != $node } @workers;
$cluster->sql(0, sprintf('SELECT citus_move_shard_placement(%d, %s, %s, $$block_writes$$)', $first, $cluster->host_and_port($node),
	$cluster->host_and_port($next)));
my $writer = $cluster->node(0)->background_psql('postgres');
$writer->query_safe(qq{BEGIN; SELECT ingest_call_event('{"call_id": $key, "state": "ringing"}', 'r.call_events')});
my $caller = $cluster->node(0)->background_psql('postgres');
$caller->query_until(qr/begins/, "\\echo begins\nSELECT shard_id, result FROM attach_call_shards('r.call_events')
    WHERE shard_id = $second;\n\\echo ends\n");
ok($cluster->node($next)->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%attach_node_shard%' AND pid <> pg_backend_pid()}), 'attach_call_shards waits');
$cluster->sql(0, sprintf('SELECT citus_move_shard_placement(%d, %s, %s, $$block_writes$$)', $second, $cluster->host_and_port($node),
	$cluster->host_and_port($next)));
$writer->query_safe('COMMIT');
$writer->quit;
like($caller->query_until(qr/ends/, ''), qr/^$second\|detached$/m, 'a detached shard that has moved meanwhile stays detached');
$caller->quit;

# The nodes would wait for the locks of their caller.
like($cluster->messages(0, q{BEGIN; SELECT configure_call_event_log('r.call_events', max_attempts => 7);
    SELECT * FROM attach_call_shards('r.call_events')}),
	qr/^ERROR:  25001: attach_call_shards was called inside of a transaction/m, 'a transaction that has written is refused');

like($cluster->messages(0, q{BEGIN; SELECT count(*) FROM r.calls; SELECT * FROM attach_call_shards('r.call_events')}),
	qr/^ERROR:  25001/m, 'so is one that has read');

# Drivers send a statement as a message of its own. It is no transaction either.
my $script = PostgreSQL::Test::Utils::tempdir() . '/attach.sql';
append_to_file($script, q{SELECT * FROM attach_call_shards('r.call_events');});
for my $mode (qw(simple extended prepared))
{
	my $client = $cluster->node(0);
	command_ok([ 'pgbench', '-n', '-t', 1, '-M', $mode, '-f', $script, '-h', $client->host, '-p', $client->port, 'postgres' ],
		"attach_call_shards works in the protocol's mode $mode");
}
is($cluster->sql(0, q{DO $$ BEGIN PERFORM attach_call_shards('r.call_events'); EXCEPTION WHEN division_by_zero THEN NULL; END $$;
    SELECT 1}), 1, 'and in a function with EXCEPTION');

# A transaction is open on a detached shard.
$log = create_log();
detach($log);
$writer = $cluster->node(0)->background_psql('postgres');
$writer->query_safe(qq{BEGIN; SELECT ingest_call_event('{"call_id": 9, "state": "ringing"}', '$log->{name}')});
is(attach($log), 'detached', 'attach_call_shards waits for no writer of a detached shard');
$writer->query_safe('COMMIT');
$writer->quit;

# Somebody has a table with the name of another's shard.
$cluster->sql(0, 'CREATE ROLE mallory LOGIN; CREATE SCHEMA mallory AUTHORIZATION mallory');
$log = create_log();
my $elsewhere = move($log);
attach($log);
($node) = grep { $_ != $elsewhere } @workers;
$cluster->sql($_, q{SELECT grant_call_role('mallory', 'own')}) for 0, $node;
$cluster->node($node)->safe_psql('postgres', qq{SET citus.enable_ddl_propagation = off; SELECT create_call_tables('mallory');
    ALTER TABLE mallory.call_events RENAME TO call_events_$log->{id};
    SELECT detach_call_event_log('mallory.call_events_$log->{id}') IS NOT NULL; DROP TABLE mallory.call_events_$log->{id}},
	extra_params => [ '-U', 'mallory' ]);
is($cluster->sql($node, "SELECT count(*) FROM _callhardening.left_shards WHERE shard_id = $log->{id}"), 0,
	'a table with the name of a shard is none');

# The first call after citus_schema_distribute fails for a while.
$cluster->sql(0, q{CREATE SCHEMA e; SELECT create_call_tables('e')});
append({ name => 'e.call_events' }, 1, 2);
$cluster->sql(0, q{SET citus.enable_unsafe_triggers = on; SELECT citus_schema_distribute('e')});
my ($home, $shard) = $cluster->shard_of('e.call_events');
$cluster->sql($home, 'ALTER SYSTEM SET lock_timeout = 100; SELECT pg_reload_conf()');
$writer = $cluster->node($home)->background_psql('postgres');
$writer->query_safe("SET citus.enable_manual_changes_to_shards = on; BEGIN; LOCK TABLE $shard IN ROW EXCLUSIVE MODE");
is(attach({ name => 'e.call_events' }), 'ERROR:  canceling statement due to lock timeout', 'a shard cannot be attached');
$writer->query_safe('COMMIT');
$writer->quit;
is(attach({ name => 'e.call_events' }), 'attached', 'until it can');
is($cluster->sql($home, "SELECT claimed FROM process_call_events(log => '$shard')"), 2, 'and the events of before come then');

$cluster->stop;
done_testing();
