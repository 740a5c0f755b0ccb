
# Logical replication to hardened tables: the rows of the initial copy, some of them invalid, and later rows. Without
# ENABLE ALWAYS a subscriber's triggers leave them as they are.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

sub new_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ], allows_streaming => 'logical');
	# A failed worker starts again at once.
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nwal_retrieve_retry_interval = 100ms");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION callhardening');
	return $node;
}

my $table = 'CREATE TABLE calls (dialpad_call_id bigint PRIMARY KEY, status text, direction text, note text, raw_payload jsonb)';
my $rows = q{SELECT string_agg(concat_ws(' ', dialpad_call_id, status, direction, note, raw_payload ->> 'password'), ', '
	ORDER BY dialpad_call_id) FROM calls};

# ---- the publisher: hardened after these rows were there -------------------------------------------------

my $publisher = new_node('publisher');
$publisher->safe_psql('postgres', "$table;
INSERT INTO calls VALUES (1, 'Completed', 'incoming', 'old', NULL), (2, 'ringing', 'inbound',
    'old', NULL), (3, 'jumping', 'sideways', 'old', '{\"password\": \"hunter2\"}'),
    (4, 'ended', 'outbound', 'old', NULL);
CREATE PUBLICATION calls FOR TABLE calls");
my $old_rows = '1 Completed incoming old, 2 ringing inbound old, 3 jumping sideways old hunter2, 4 ended outbound old';

sub subscriber
{
	my ($name, $on_invalid, $always) = @_;
	my $node = new_node($name);
	$node->safe_psql('postgres', "$table; SELECT harden_calls('calls', on_invalid => '$on_invalid')");
	if ($always)
	{
		$node->safe_psql('postgres', "ALTER TABLE calls ENABLE ALWAYS TRIGGER $_")
		  for 'validate_hardened_call', 'validate_hardened_call_insert', 'validate_hardened_call_update';
	}
	my $connection = $publisher->connstr . ' dbname=postgres';
	$node->safe_psql('postgres', "CREATE SUBSCRIPTION $name CONNECTION '$connection' PUBLICATION calls");
	return $node;
}

my $as_it_is = subscriber('as_it_is', 'reject', 0);
my $always = subscriber('always', 'keep', 1);
my $always_reject = subscriber('always_reject', 'reject', 1);

# ---- the copy --------------------------------------------------------------------------------------------

$as_it_is->wait_for_subscription_sync($publisher, 'as_it_is');
is($as_it_is->safe_psql('postgres', $rows), $old_rows, 'without ENABLE ALWAYS rows are copied unchanged, invalid ones too');

$always->wait_for_subscription_sync($publisher, 'always');
is($always->safe_psql('postgres', $rows), '1 ended inbound old, 2 ringing inbound old, 3 old [secret], 4 ended outbound old',
	'ALWAYS: copied rows are normalized and sanitized');
like(PostgreSQL::Test::Utils::slurp_file($always->logfile), qr/WARNING:  Unknown call status: "jumping"/,
	'ALWAYS: the server log has the warning');

$always_reject->wait_for_log(qr/ERROR:  Unknown call status: "jumping"/);
is($always_reject->safe_psql('postgres', $rows), '', 'ALWAYS, reject: the copy fails');
$always_reject->safe_psql('postgres', "SELECT harden_calls('calls', on_invalid => 'keep')");
is($always_reject->safe_psql('postgres', "SELECT string_agg(tgenabled::text, '') FROM pg_trigger WHERE tgrelid = 'calls'::regclass"), 'AAA',
	'hardening again keeps ENABLE ALWAYS');
$always_reject->wait_for_subscription_sync($publisher, 'always_reject');
is($always_reject->safe_psql('postgres', $rows), $always->safe_psql('postgres', $rows), 'ALWAYS: in another mode the copy succeeds');

# ---- later changes ------------------------------------------------------------------------------------

sub publish
{
	my ($sql) = @_;
	$publisher->safe_psql('postgres', $sql);
	$publisher->wait_for_catchup($_) for 'as_it_is', 'always', 'always_reject';
}

# A publisher without hardening may send any row.
$always_reject->safe_psql('postgres', "SELECT harden_calls('calls', on_invalid => 'skip')");
publish("UPDATE calls SET status = 'ringing', note = 'new' WHERE dialpad_call_id = 4; INSERT INTO calls
	VALUES (5, 'hangup', 'OUT', 'new', '{\"password\": \"hunter3\"}')");
my $new_rows = '1 Completed incoming old, 2 ringing inbound old, '
	. '3 jumping sideways old hunter2, 4 ringing outbound new, 5 hangup OUT new hunter3';
is($as_it_is->safe_psql('postgres', $rows), $new_rows, 'without ENABLE ALWAYS later rows are applied unchanged');
is($always->safe_psql('postgres', $rows),
	'1 ended inbound old, 2 ringing inbound old, 3 old [secret], 4 ended outbound new, 5 ended outbound new [secret]',
	'ALWAYS, keep: the status follows the graph of the subscriber');
is($always_reject->safe_psql('postgres', $rows),
	'1 ended inbound old, 2 ringing inbound old, 3 old [secret], 4 ended outbound old, 5 ended outbound new [secret]',
	'ALWAYS, skip: a row with an invalid change stays unchanged');
like(PostgreSQL::Test::Utils::slurp_file($always->logfile),
	qr/WARNING:  Invalid status transition: "ended" to "ringing"/, 'ALWAYS, skip: the server log has the warning');

# Statements of a subscriber's own sessions are always checked.
$always->safe_psql('postgres', "UPDATE calls SET status = 'active' WHERE dialpad_call_id = 4");
is($always->safe_psql('postgres', 'SELECT status FROM calls WHERE dialpad_call_id = 4'),
	'ended', 'with ALWAYS an ordinary session of the subscriber is checked');
isnt($as_it_is->psql('postgres', "UPDATE calls SET status = 'active' WHERE dialpad_call_id = 5; UPDATE calls SET status = 'ringing'
	WHERE dialpad_call_id = 5"), 0,
	'without ALWAYS an ordinary session of the subscriber is checked');

# A hardened publisher sends only valid rows.
publish("SELECT harden_calls('calls')");
$publisher->safe_psql('postgres', "UPDATE calls SET status = 'ended' WHERE dialpad_call_id = 4");
publish("UPDATE calls SET status = 'active', note = 'late' WHERE dialpad_call_id = 4; INSERT INTO calls
	VALUES (6, 'hangup', 'OUT', 'new', '{\"password\": \"hunter4\"}')");
for my $node ($as_it_is, $always)
{
	is($node->safe_psql('postgres', q{SELECT string_agg(concat_ws(' ', dialpad_call_id, status, direction, note, raw_payload ->> 'password'),
		', ' ORDER BY dialpad_call_id) FROM calls WHERE dialpad_call_id IN (4, 6)}),
		'4 ended outbound late, 6 ended outbound new [secret]', $node->name . ': rows of a hardened publisher are valid');
}

# ---- on_invalid => 'reject' stops the subscription ------------------------------------------------------------

$always_reject->safe_psql('postgres', "SELECT harden_calls('calls', on_invalid => 'reject')");
$publisher->safe_psql('postgres', "SELECT unharden_calls('calls'); UPDATE calls SET status = 'ringing'
	WHERE dialpad_call_id = 4; UPDATE calls SET note = 'after' WHERE dialpad_call_id = 2");
$always_reject->wait_for_log(qr/ERROR:  Invalid status transition: "ended" to "ringing"/);
is($always_reject->safe_psql('postgres', 'SELECT note FROM calls WHERE dialpad_call_id = 2'),
	'old', 'ALWAYS, reject: the subscription stops');
$always_reject->safe_psql('postgres', "SELECT harden_calls('calls', on_invalid => 'keep')");
$publisher->wait_for_catchup('always_reject');
is($always_reject->safe_psql('postgres', 'SELECT note FROM calls WHERE dialpad_call_id = 2'), 'after',
	'ALWAYS: in another mode the subscription goes on');

# ---- an event log ----------------------------------------------------------------------------------------

# Both servers have the log. Their transaction ids are far apart. Each number is a call.
$publisher->safe_psql('postgres', q{CREATE SCHEMA app; SELECT create_call_tables('app')});
sub ingest
{
	my ($node, $first, $last) = @_;
	$node->safe_psql('postgres', qq{SELECT count(ingest_call_event(jsonb_build_object('call_id', n, 'state', 'hangup'), 'app.call_events'))
		FROM generate_series($first, $last) AS n});
}

sub deliver
{
	my ($node, $log) = @_;
	return $node->safe_psql('postgres', qq{
CREATE TEMP TABLE got (call_id bigint);
DO \$\$
BEGIN
    LOOP
        CREATE TEMP TABLE batch AS SELECT claim_id, call_id FROM claim_call_events(1000, log => '$log');
        EXIT WHEN NOT EXISTS (SELECT FROM batch);
        INSERT INTO got SELECT call_id::bigint FROM batch;
        PERFORM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM batch));
        DROP TABLE batch;
    END LOOP;
END
\$\$;
SELECT count(*), min(call_id), max(call_id), count(DISTINCT call_id) FROM got});
}

my $replica = new_node('replica');
$replica->safe_psql('postgres', q{CREATE SCHEMA app; SELECT create_call_tables('app');
CREATE PROCEDURE burn() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1 .. 3000 LOOP PERFORM pg_current_xact_id();
    COMMIT; END LOOP; END $$; CALL burn()});
ingest($publisher, 1, 20);
$publisher->safe_psql('postgres', 'CREATE PUBLICATION events FOR TABLE app.call_events');
my $connection = $publisher->connstr . ' dbname=postgres';
$replica->safe_psql('postgres', "CREATE SUBSCRIPTION replica CONNECTION '$connection' PUBLICATION events");
$replica->wait_for_subscription_sync($publisher, 'replica');
is(deliver($replica, 'app.call_events'), '20|1|20|20', 'a replicated log: events of the initial copy are delivered');
ingest($publisher, 21, 40);
$publisher->safe_psql('postgres', q{SELECT ingest_call_event('no JSON', 'app.call_events')});
$publisher->wait_for_catchup('replica');
is($replica->safe_psql('postgres', q{SELECT sum(pending) FROM pending_call_events('app.call_events', true)}),
	20, 'a replicated log: later events are pending');
is(deliver($replica, 'app.call_events'), '20|21|40|20', 'a replicated log: later events are delivered');
is($replica->safe_psql('postgres', 'SELECT count(*) FROM call_dead_events'), 1, 'a replicated log: what has no call is a dead event');
is($replica->safe_psql('postgres', q{SELECT string_agg(level || ' ' || gap, ', ')
	FROM call_enforcement WHERE relation = 'app.call_events'::regclass}), 'note subscription, ok none',
	'a replicated log: a note warns of replicated deletes');

# An UPDATE carries all columns of the publisher.
ingest($publisher, 41, 50);
$publisher->safe_psql('postgres', q{UPDATE app.call_events SET event_type = 'updated'});
$publisher->wait_for_catchup('replica');
is($replica->safe_psql('postgres', q{SELECT count(*) FROM app.call_events WHERE event_type = 'updated'}),
	51, 'a replicated UPDATE is applied');
is(deliver($replica, 'app.call_events'), '10|41|50|10', 'a replicated UPDATE: events keep the stamps of this server');

# The trigger does not fire for the subscription, as after pg_restore --disable-triggers.
$replica->safe_psql('postgres', 'ALTER TABLE app.call_events ENABLE TRIGGER stamp_call_event');
is($replica->safe_psql('postgres', q{SELECT gap FROM call_enforcement
	WHERE relation = 'app.call_events'::regclass AND level = 'gap'}), 'trigger_not_always',
	'a replicated log without its trigger is a gap');
my ($status, $out, $error) = $replica->psql('postgres', q{SELECT * FROM claim_call_events(log => 'app.call_events')});
like($error, qr/ERROR:  a subscription writes to event log app.call_events without its trigger/,
	'workers refuse a replicated log without its trigger');
$replica->safe_psql('postgres', 'ALTER TABLE app.call_events ENABLE ALWAYS TRIGGER stamp_call_event');

# A switch-over: the subscriber continues the numbers.
$replica->safe_psql('postgres', 'DROP SUBSCRIPTION replica');
ingest($replica, 51, 60);
is(deliver($replica, 'app.call_events'), '10|51|60|10', 'after a switch-over, events have new numbers without setval');
is($replica->safe_psql('postgres', q{SELECT string_agg(check_name, ', ') FROM check_call_hardening() WHERE NOT ok}),
	'autovacuum', 'the self-test finds no other fault');
$replica->safe_psql('postgres',
	q{INSERT INTO app.call_events (event_seq, payload) OVERRIDING SYSTEM VALUE VALUES (1000, '{"call_id": 1000}')});
like($replica->safe_psql('postgres', q{SELECT detail FROM check_call_hardening() WHERE check_name = 'sequences'}),
	qr/app.call_events has event 1000, and its sequence is behind: SELECT setval\('app.call_events_event_seq_seq', 1000\)/,
		'the self-test reports a sequence behind its log');

# Secrets and keys are tables of the database, too.
$publisher->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
like($publisher->safe_psql('postgres', q{SELECT detail FROM check_call_hardening() WHERE check_name = 'publications'}),
	qr/^publication everything carries .*event_secrets.*pseudonym_keys.*: publish calls tables and event logs by name$/,
	'the self-test reports a publication of secrets and keys');
$publisher->safe_psql('postgres', 'DROP PUBLICATION everything');

$_->stop for $replica, $as_it_is, $always, $always_reject, $publisher;
done_testing();
