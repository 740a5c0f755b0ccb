
# Logical replication: what a subscriber's triggers make of rows that are copied at first, old illegal ones among them,
# and of those that are applied later: as they are, and with ENABLE ALWAYS.

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
	# A worker that failed comes again at once.
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nwal_retrieve_retry_interval = 100ms");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION callhardening');
	return $node;
}

my $table = 'CREATE TABLE calls (dialpad_call_id bigint PRIMARY KEY, status text, direction text, note text, raw_payload jsonb)';
my $rows = q{SELECT string_agg(concat_ws(' ', dialpad_call_id, status, direction, note, raw_payload ->> 'password'), ', ' ORDER BY dialpad_call_id) FROM calls};

# ---- the publisher: hardened after these rows were there -------------------------------------------------

my $publisher = new_node('publisher');
$publisher->safe_psql('postgres', "$table;
INSERT INTO calls VALUES (1, 'Completed', 'incoming', 'old', NULL), (2, 'ringing', 'inbound', 'old', NULL), (3, 'jumping', 'sideways', 'old', '{\"password\": \"hunter2\"}'),
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
is($as_it_is->safe_psql('postgres', $rows), $old_rows, 'as they are: rows are copied as they are, old illegal ones too');

$always->wait_for_subscription_sync($publisher, 'always');
is($always->safe_psql('postgres', $rows), '1 ended inbound old, 2 ringing inbound old, 3 old [secret], 4 ended outbound old',
	'ALWAYS: they are copied, normalized and sanitized');
like(PostgreSQL::Test::Utils::slurp_file($always->logfile), qr/WARNING:  Unknown call status: "jumping"/, 'which the log tells');

$always_reject->wait_for_log(qr/ERROR:  Unknown call status: "jumping"/);
is($always_reject->safe_psql('postgres', $rows), '', 'ALWAYS, reject: the copy fails');
$always_reject->safe_psql('postgres', "SELECT harden_calls('calls', on_invalid => 'keep')");
is($always_reject->safe_psql('postgres', "SELECT string_agg(tgenabled::text, '') FROM pg_trigger WHERE tgrelid = 'calls'::regclass"), 'AAA',
	'which hardening again does not change');
$always_reject->wait_for_subscription_sync($publisher, 'always_reject');
is($always_reject->safe_psql('postgres', $rows), $always->safe_psql('postgres', $rows), 'until another mode is chosen');

# ---- what comes later ------------------------------------------------------------------------------------

sub publish
{
	my ($sql) = @_;
	$publisher->safe_psql('postgres', $sql);
	$publisher->wait_for_catchup($_) for 'as_it_is', 'always', 'always_reject';
}

# From a publisher that is not hardened, anything may come.
$always_reject->safe_psql('postgres', "SELECT harden_calls('calls', on_invalid => 'skip')");
publish("UPDATE calls SET status = 'ringing', note = 'new' WHERE dialpad_call_id = 4; INSERT INTO calls VALUES (5, 'hangup', 'OUT', 'new', '{\"password\": \"hunter3\"}')");
my $new_rows = '1 Completed incoming old, 2 ringing inbound old, 3 jumping sideways old hunter2, 4 ringing outbound new, 5 hangup OUT new hunter3';
is($as_it_is->safe_psql('postgres', $rows), $new_rows, 'as they are: what comes is applied as it is');
is($always->safe_psql('postgres', $rows), '1 ended inbound old, 2 ringing inbound old, 3 old [secret], 4 ended outbound new, 5 ended outbound new [secret]',
	'ALWAYS, keep: it follows the graph of the subscriber');
is($always_reject->safe_psql('postgres', $rows), '1 ended inbound old, 2 ringing inbound old, 3 old [secret], 4 ended outbound old, 5 ended outbound new [secret]',
	'ALWAYS, skip: a refused row stays as it was');
like(PostgreSQL::Test::Utils::slurp_file($always->logfile), qr/WARNING:  Invalid status transition: "ended" to "ringing"/, 'which the log tells');

# What others write on the subscriber is judged in any case.
$always->safe_psql('postgres', "UPDATE calls SET status = 'active' WHERE dialpad_call_id = 4");
is($always->safe_psql('postgres', 'SELECT status FROM calls WHERE dialpad_call_id = 4'), 'ended', 'an ordinary session is judged on the subscriber, too');
isnt($as_it_is->psql('postgres', "UPDATE calls SET status = 'active' WHERE dialpad_call_id = 5; UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 5"), 0,
	'whatever the subscription does');

# A publisher that is hardened sends what is right.
publish("SELECT harden_calls('calls')");
$publisher->safe_psql('postgres', "UPDATE calls SET status = 'ended' WHERE dialpad_call_id = 4");
publish("UPDATE calls SET status = 'active', note = 'late' WHERE dialpad_call_id = 4; INSERT INTO calls VALUES (6, 'hangup', 'OUT', 'new', '{\"password\": \"hunter4\"}')");
for my $node ($as_it_is, $always)
{
	is($node->safe_psql('postgres', q{SELECT string_agg(concat_ws(' ', dialpad_call_id, status, direction, note, raw_payload ->> 'password'), ', ' ORDER BY dialpad_call_id) FROM calls WHERE dialpad_call_id IN (4, 6)}),
		'4 ended outbound late, 6 ended outbound new [secret]', $node->name . ': what a hardened publisher sends is right everywhere');
}

# ---- a mode that refuses stops the subscription ------------------------------------------------------------

$always_reject->safe_psql('postgres', "SELECT harden_calls('calls', on_invalid => 'reject')");
$publisher->safe_psql('postgres', "SELECT unharden_calls('calls'); UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 4; UPDATE calls SET note = 'after' WHERE dialpad_call_id = 2");
$always_reject->wait_for_log(qr/ERROR:  Invalid status transition: "ended" to "ringing"/);
is($always_reject->safe_psql('postgres', 'SELECT note FROM calls WHERE dialpad_call_id = 2'), 'old', 'ALWAYS, reject: nothing is applied from there on');
$always_reject->safe_psql('postgres', "SELECT harden_calls('calls', on_invalid => 'keep')");
$publisher->wait_for_catchup('always_reject');
is($always_reject->safe_psql('postgres', 'SELECT note FROM calls WHERE dialpad_call_id = 2'), 'after', 'until another mode is chosen');

$_->stop for $as_it_is, $always, $always_reject, $publisher;
done_testing();
