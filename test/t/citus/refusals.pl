
# What Citus has distributed is not here: nothing answers 0, or finishes at once. An extension of the test's own takes the
# place of Citus, with the same catalogs. So this needs no Citus.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PrivateServer;
use Test::More;

my ($node, $files) = PrivateServer::new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
$node->start;

my $catalogs = q{
CREATE TABLE %1$s.pg_dist_partition (logicalrelid regclass NOT NULL, partmethod "char" NOT NULL, partkey text,
    colocationid int NOT NULL DEFAULT 0, repmodel "char" NOT NULL DEFAULT 'c');
CREATE UNIQUE INDEX pg_dist_partition_logical_relid_index ON %1$s.pg_dist_partition (logicalrelid);
CREATE TABLE %1$s.pg_dist_shard (logicalrelid regclass, shardid bigint, shardminvalue text, shardmaxvalue text);
CREATE TABLE %1$s.pg_dist_placement (shardid bigint, groupid int);
CREATE TABLE %1$s.pg_dist_local_group (groupid int);
CREATE TABLE %1$s.pg_dist_node (groupid int, nodename text, nodeport int, noderole text DEFAULT 'primary');
INSERT INTO %1$s.pg_dist_local_group VALUES (1);
INSERT INTO %1$s.pg_dist_node VALUES (1, 'here', 5432), (2, 'there', 5433);
};

# Members of an extension may be moved into pg_catalog, and Citus does that.
PrivateServer::write_file("$files/citus.control", "default_version = '13.2'\nrelocatable = false\nschema = pg_catalog\n");
PrivateServer::write_file("$files/citus--13.2.sql", sprintf($catalogs, 'public') . join('', map {
	"ALTER TABLE public.$_ SET SCHEMA pg_catalog;\n" } qw(pg_dist_partition pg_dist_shard pg_dist_placement pg_dist_local_group
	pg_dist_node)) . q{
CREATE FUNCTION pg_catalog.shard_name(relation regclass, shard_id bigint) RETURNS text LANGUAGE sql STABLE AS $$
SELECT CASE n.nspname WHEN 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END || quote_ident(c.relname || '_' || shard_id)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
});

$node->safe_psql('postgres', q{
CREATE EXTENSION callhardening;
CREATE SCHEMA t;
SELECT create_call_tables('t');
SELECT generate_call_events(20);
CREATE TABLE t.desk (LIKE t.calls INCLUDING ALL);
CREATE TABLE t.webhooks (id bigint PRIMARY KEY, payload jsonb);
});

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub messages
{
	my ($statement) = @_;
	my ($status, $output, $errors) = $node->psql('postgres', "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT never\n$statement");
	$errors =~ s/^psql:<stdin>:\d+: //mg;
	$errors =~ s/^LOCATION: .*\n?//mg;
	$errors =~ s/\s+$//;
	return $errors;
}

# -- nobody else's catalog counts ------------------------------------------------------------------

my $pending = q{SELECT sum(pending) FROM pending_call_events('t.call_events', true)};
my $events = sql($pending);
cmp_ok($events, '>', 0, 'events are pending');

sql(sprintf($catalogs, 'public') . q{INSERT INTO pg_dist_partition VALUES ('t.call_events', 'n', NULL, 1, 's')});
is(sql($pending), $events, 'a table with the name of a catalog of Citus does not count');
sql(q{SET allow_system_table_mods = on; ALTER TABLE public.pg_dist_partition SET SCHEMA pg_catalog});
is(sql($pending), $events, 'nor does it in pg_catalog, without the extension');
sql(q{SET allow_system_table_mods = on; DROP TABLE pg_catalog.pg_dist_partition; DROP TABLE pg_dist_shard, pg_dist_placement,
    pg_dist_local_group, pg_dist_node});

sql('CREATE EXTENSION citus');
is(sql($pending), $events, 'with Citus, a table that it does not know is an ordinary table');
sql(q{UPDATE pg_class SET relname = relname WHERE false});

# -- the kinds -------------------------------------------------------------------------------------

sub distribute
{
	my ($table, $method, $replication, $group) = @_;
	sql("DELETE FROM pg_dist_partition WHERE logicalrelid = '$table'::regclass;
	     INSERT INTO pg_dist_partition VALUES ('$table', '$method', NULL, $group, '$replication')");
	return;
}

for my $kind ([ 'h', 's', 2, 'hash' ], [ 'a', 's', 2, 'append' ], [ 'r', 's', 2, 'range' ], [ 'n', 't', 3, 'reference' ],
	[ 'n', 's', 0, 'local' ], [ 'n', 's', 4, 'schema' ])
{
	my ($method, $replication, $group, $name) = @$kind;
	distribute('t.call_events', $method, $replication, $group);
	is(sql("SELECT _callhardening.distribution('t.call_events')"), $name, "a table of kind $name is known");
	my $hint = $name eq 'schema' ? q{SELECT \* FROM attach_call_shards\('t.call_events'\)} : "The shards of a $name table cannot be attached";
	like(messages('SELECT * FROM process_call_events()'), qr/^ERROR:  0A000: .*^HINT:  $hint/ms, "its events are not taken for none: $name");
	like(sql(q{SELECT advice FROM call_enforcement WHERE gap = 'distributed_log'}), qr/$hint/, 'and a gap says so');
}

# -- a distributed schema: on the node without the shards ------------------------------------------

distribute('t.calls', 'n', 's', 4);
sql(q{INSERT INTO pg_dist_shard VALUES ('t.call_events', 102008), ('t.calls', 102009);
      INSERT INTO pg_dist_placement VALUES (102008, 2), (102009, 2)});

my $refused = q{ERROR:  0A000: event log t.call_events is distributed by Citus
DETAIL:  Its events are in shards. Each shard is a log of its own, on its node.
HINT:  SELECT * FROM attach_call_shards('t.call_events') attaches the shards, and names them and their nodes.};

is(messages($_), $refused, "$_ is refused") for (
	q{SELECT * FROM claim_call_events()},
	q{SELECT * FROM process_call_events()},
	q{SELECT * FROM retry_dead_call_events()},
	q{SELECT purge_call_events('0')},
	q{SELECT * FROM pending_call_events()},
	q{SELECT ignored_call_events()},
	q{SELECT * FROM call_timeline('5')},
	q{CALL wait_for_call_events()},
	q{SELECT start_call_worker()},
	q{SELECT start_call_worker(keep => true)},
	q{SELECT create_call_consumer('t.call_events', 'x')},
	q{SELECT drop_call_consumer('t.call_events', 'x')},
	q{SELECT seek_call_consumer('t.call_events', 'x', event_seq => 1)},
	q{SELECT _callhardening.stray_events('t.call_events', 1)},
	q{SELECT call_event_log_channel()});

sub refusal
{
	my ($message, $detail, $hint) = @_;
	return "ERROR:  0A000: $message\nDETAIL:  $detail\nHINT:  $hint";
}

my $in_shards = 'Its rows are in shards.';
my %refusals = (
	q{SELECT configure_call_event_log(notify => true)} => refusal(
		q{distributed log t.call_events cannot notify}, 'A transaction with shards of several nodes would fail at its commit.',
		q{Start a worker in the server (start_call_worker), or wait with wait_for_call_events. In a state for }
		  . q{attach_call_event_log: jsonb_set(state, '{settings,notify}', 'false').}),
	q{SELECT register_call_event_log('t.call_events', 't.calls')} => refusal(
		q{table t.call_events is distributed by Citus and cannot become an event log}, $in_shards,
		q{Register the log in an ordinary schema. Then distribute the schema, and call attach_call_shards.}),
	q{SELECT create_call_event_log('t.calls', 'twilio')} => refusal(
		q{table t.calls is distributed by Citus and cannot get an event log}, $in_shards,
		q{Create the log in an ordinary schema. Then distribute the schema, and call attach_call_shards.}),
	q{SELECT harden_call_events('t.call_events', 't.calls')} => refusal(
		q{table t.call_events is distributed by Citus and cannot be changed as an event log}, $in_shards,
		q{Citus undistributes no table with an identity column. Copy what you need (CREATE TABLE ... AS TABLE t.call_events), and drop it.}),
	q{CALL move_call_shard('t.call_events', 102008, 'here', 5432)} => "ERROR:  0A000: event log t.call_events moves with its schema\n"
	  . 'HINT:  detach_call_event_log on the node of the shard, citus_schema_move on the coordinator, attach_call_event_log on the '
	  . 'new node.',
	q{SELECT harden_call_events('t.webhooks', 't.calls')} => refusal(
		q{table t.calls is distributed by Citus and cannot get an event log}, $in_shards,
		q{Create the log in an ordinary schema. Then distribute the schema, and call attach_call_shards.}),
	q{SELECT unharden_call_events('t.call_events')} => refusal(
		q{table t.call_events is distributed by Citus and cannot be changed as an event log}, $in_shards,
		q{Citus undistributes no table with an identity column. Copy what you need (CREATE TABLE ... AS TABLE t.call_events), and drop it.}),
	q{SELECT create_call_changes('t.calls')} => refusal(
		q{table t.calls is distributed by Citus and cannot log its changes}, $in_shards,
		q{Read its events with a consumer instead: create_call_consumer for each shard of its event log.}),
	q{CALL backfill_calls('t.calls')} => refusal(
		q{table t.calls is distributed by Citus and cannot be backfilled as one}, $in_shards,
		q{Backfill its shards: SELECT * FROM run_command_on_placements('t.calls', 'CALL public.backfill_calls(''%s'')').}));
is(messages("$_;") =~ s/^NOTICE: .*?(?=^ERROR)//msr, $refusals{$_}, "$_ is refused") for sort keys %refusals;

is(messages(q{SELECT configure_call_event_log('t.call_events', max_attempts => 4)}),
	"NOTICE:  00000: the shards of t.call_events have the settings of before\n"
	  . "HINT:  SELECT * FROM attach_call_shards('t.call_events') passes the new ones on.", 'the settings of a distributed log change');
is(messages(q{SELECT call_worker_pids('t.call_events')}), '', 'workers from before can be found, and stopped');
is(sql(q{SELECT ingest_call_event('{"call_id": 77, "state": "ringing"}'::jsonb) > 0}), 't', 'ingesting needs only the settings');

my $error = 'event log t.call_events is distributed by Citus (0A000)';
is(sql(q{SELECT pending_estimate, open_claims, claims_over, claimed, retrying, blocked, dead, events_per_second, ignored, error
    FROM call_event_log_status}), "|||||||||$error", 'call_event_log_status has no figure, and says why');
is(sql(q{SELECT DISTINCT pending_estimate, retrying, blocked, dead, events_per_second, error FROM call_lane_status}), "|||||$error",
	'nor has call_lane_status');
is(sql(q{SELECT pending_estimate, open_claims, claims_over, retrying, blocked, dead, behind, error FROM call_consumers}),
	"|||||||$error", 'nor has call_consumers');
is(sql(q{SELECT sqlstate, event_log_up FROM _callhardening.log_metrics()}), '0A000|0', 'a metric tells that the log is not up');
is(sql(q{SELECT relation, relation_bytes FROM _callhardening.size_metrics() WHERE relation LIKE 't.%' ORDER BY 1}),
	"t.call_events|\nt.calls|", 'the size of a distributed table is not known');
is(sql(q{SELECT relation, level, gap FROM call_enforcement WHERE level = 'gap'}), 't.call_events|gap|distributed_log',
	'call_enforcement has the gap');
is(sql(q{SELECT check_name FROM check_call_hardening() WHERE NOT ok AND check_name NOT IN ('autovacuum')}), "enforcement\nconsumers",
	'the self-test fails for it, and for nothing else');
is(sql(q{SELECT count(*), count(value), min(level), max(why) FROM call_health('t.calls')
    WHERE figure IN ('refused_hour', 'refused_day', 'unknown_words_hour', 'unknown_words_day',
    'unusable_bodies_hour', 'unusable_bodies_day', 'pending', 'dead', 'oldest_pending',
    'oldest_locked', 'oldest_snapshot', 'consumer_behind', 'missing_workers')}),
	q{13|0|warning|not known here: each shard has figures of its own on its node: call_health('t.calls_102009') on there:5433},
	'call_health knows no figure of the shards, and names them');

# -- a distributed schema: on the node with the shards ---------------------------------------------

sql(q{UPDATE pg_dist_placement SET groupid = 1;
CREATE TABLE t.call_events_102008 (LIKE t.call_events INCLUDING ALL);
CREATE TABLE t.calls_102009 (LIKE t.calls INCLUDING ALL);
CREATE TRIGGER stamp_call_event_102008 BEFORE INSERT ON t.call_events_102008 FOR EACH ROW
    EXECUTE FUNCTION _callhardening.stamp_call_event('payload', 'dialpad', '64', 'bigint')});
is(sql(q{SELECT relation, gap, detail, advice FROM call_enforcement WHERE gap IN ('shard_not_attached', 'log_not_registered')}),
	't.call_events_102008|shard_not_attached|this node has shard 102008 of t.call_events, and the shard is no event log: no worker '
	  . q{finds its events|On the coordinator: SELECT * FROM attach_call_shards('t.call_events'). If that says detached, here: }
	  . q{attach_call_event_log('t.call_events_102008', 't.calls_102009', state), with what its detach has returned. }
	  . 'Without a state all events come once more.',
	'call_enforcement names a shard that is not attached');

sql(q{INSERT INTO pg_dist_partition VALUES ('t.webhooks', 'n', NULL, 4, 's');
INSERT INTO pg_dist_shard VALUES ('t.webhooks', 102010);
INSERT INTO pg_dist_placement VALUES (102010, 1);
CREATE TABLE t.webhooks_102010 (id bigint PRIMARY KEY, payload jsonb);
SELECT harden_calls('t.desk')});
my $is_shard = 'Citus makes all shards alike.';
%refusals = (
	q{SELECT harden_calls('t.calls_102009')} => refusal(
		q{table t.calls_102009 is a shard of the distributed table t.calls}, $is_shard,
		q{On the coordinator: SELECT harden_calls('t.calls', ...).}),
	q{SELECT unharden_calls('t.calls_102009')} => refusal(
		q{table t.calls_102009 is a shard of the distributed table t.calls}, $is_shard,
		q{On the coordinator: SELECT unharden_calls('t.calls').}),
	q{SELECT create_call_changes('t.calls_102009')} => refusal(
		q{table t.calls_102009 is a shard of the distributed table t.calls}, $is_shard,
		q{Read the events of 't.calls' with a consumer instead: create_call_consumer.}),
	q{SELECT unharden_call_events('t.call_events_102008')} => refusal(
		q{table t.call_events_102008 is a shard of the distributed table t.call_events}, $is_shard,
		q{Copy what you need of 't.call_events', and drop it.}),
	q{SELECT register_call_event_log('t.call_events_102008', 't.calls_102009')} => refusal(
		q{table t.call_events_102008 is a shard of the distributed table t.call_events}, $is_shard,
		q{SELECT * FROM attach_call_shards('t.call_events').}),
	q{SELECT harden_call_events('t.webhooks', 't.desk')} => refusal(
		q{table t.webhooks is distributed by Citus and cannot be changed as an event log}, $in_shards,
		q{SELECT citus_schema_undistribute('t') first.}),
	q{SELECT harden_call_events('t.webhooks_102010', 't.desk')} => refusal(
		q{table t.webhooks_102010 is a shard of the distributed table t.webhooks}, $is_shard,
		q{SELECT * FROM attach_call_shards('t.webhooks').}));
is(messages("$_;"), $refusals{$_}, "$_ is refused") for sort keys %refusals;

# A table with a name like a shard's is none.
sql(q{CREATE TABLE t.calls_5 (LIKE t.calls INCLUDING ALL)});
is(messages(q{SELECT harden_calls('t.calls_5')}), '', 'a table that only looks like a shard is an ordinary table');

like(messages(q{SELECT set_call_event_secret('t.call_events', convert_to(repeat('x', 40), 'UTF8'))}),
	qr/^WARNING: .*the other nodes still take unsigned bodies for t\.call_events/, 'a secret tells that other nodes do not know of it');

# -- without Citus again ---------------------------------------------------------------------------

sql('DROP EXTENSION citus CASCADE');
cmp_ok(sql($pending), '>', $events, 'without Citus the log is an ordinary one again, in the same session pool');
is(sql(q{SELECT string_agg(gap, ',') FROM call_enforcement WHERE level = 'gap' AND relation = 't.call_events'::regclass}), '',
	'and has no gap');

$node->stop;
done_testing();
