# Issues of a subscription's worker and of a prepared transaction, since no statement of theirs can fail. A writer also
# continues if call_issues is locked, published, or dropped in the same transaction.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @initdb = ('--encoding=UTF8', '--locale=C.UTF-8');

sub make_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 'logical', extra => \@initdb);
	$node->append_conf('postgresql.conf', "fsync = off\nmax_prepared_transactions = 2");
	$node->start;
	$node->safe_psql('postgres', 'CREATE TABLE calls (dialpad_call_id bigint PRIMARY KEY, direction text, status text, raw_payload jsonb)');
	return $node;
}

sub issues
{
	my ($node) = @_;
	return $node->safe_psql('postgres',
		q{SELECT string_agg(concat_ws(' ', kind, call_id, old_value, new_value, application_name), ', ' ORDER BY happened_at) FROM call_issues});
}

my $publisher = make_node('publisher');
my $subscriber = make_node('subscriber');

# -- a subscription --------------------------------------------------------------------------------

$subscriber->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
SELECT harden_calls('calls');
ALTER TABLE calls ENABLE ALWAYS TRIGGER validate_hardened_call;});
$publisher->safe_psql('postgres', q{INSERT INTO calls VALUES (1, 'Incoming', 'ended'), (2, 'sideways', 'ringing');
	CREATE PUBLICATION all_calls FOR TABLE calls});
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION from_publisher CONNECTION '$connection' PUBLICATION all_calls");
$subscriber->wait_for_subscription_sync($publisher, 'from_publisher');
is($subscriber->safe_psql('postgres', 'SELECT * FROM calls ORDER BY 1'),
	"1|inbound|ended|\n2||ringing|", 'the initial copy is normalized');
like(issues($subscriber), qr/^unknown_direction 2 sideways /, 'an unknown word of the initial copy is an issue');

$publisher->safe_psql('postgres', q{UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1});
$publisher->wait_for_catchup('from_publisher');
is($subscriber->safe_psql('postgres', 'SELECT status FROM calls WHERE dialpad_call_id = 1'),
	'ended', 'an invalid status of a subscription is not applied');
like(issues($subscriber), qr/, refused_status 1 ended ringing logical replication (apply )?worker for subscription [0-9]+$/,
	'it is an issue with the name of the worker');

is($subscriber->safe_psql('postgres', q{SELECT gap FROM call_enforcement WHERE level = 'note' ORDER BY 1}), "subscription\nsubscription",
	'a note names the two AFTER triggers without ENABLE ALWAYS');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION from_publisher; TRUNCATE _callhardening.issues');

# -- a prepared transaction ------------------------------------------------------------------------

$subscriber->safe_psql('postgres', q{BEGIN; UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1; PREPARE TRANSACTION 'one'});
is(issues($subscriber), '', 'a prepared transaction has no issues yet');
$subscriber->safe_psql('postgres', q{COMMIT PREPARED 'one'});
like(issues($subscriber), qr/^refused_status 1 ended ringing/, 'COMMIT PREPARED records its issues');
$subscriber->safe_psql('postgres', 'TRUNCATE _callhardening.issues');
$subscriber->safe_psql('postgres', q{BEGIN; UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1; PREPARE TRANSACTION 'two'});
$subscriber->safe_psql('postgres', q{ROLLBACK PREPARED 'two'});
is(issues($subscriber), '', 'ROLLBACK PREPARED discards its issues');

# -- a table that is in use ------------------------------------------------------------------------

my $locker = $subscriber->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE _callhardening.issues IN ACCESS EXCLUSIVE MODE');
$subscriber->safe_psql('postgres',
	q{SET statement_timeout = '10s'; UPDATE calls SET status = 'ringing', direction = 'outbound' WHERE dialpad_call_id = 1});
is($subscriber->safe_psql('postgres', 'SELECT direction FROM calls WHERE dialpad_call_id = 1'),
	'outbound', 'a statement does not wait for a lock on call_issues');
$locker->query_safe('COMMIT');
is(issues($subscriber), '', 'issues during the lock are only in the server log');
$locker->query_safe('BEGIN; LOCK TABLE _callhardening.issues IN SHARE ROW EXCLUSIVE MODE');
$subscriber->safe_psql('postgres', q{UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1});
$locker->query_safe('COMMIT');
$locker->quit;
is(issues($subscriber), '', 'the same holds for a weaker lock');

# A published table without a replica identity could not be purged.
$subscriber->safe_psql('postgres',
	q{CREATE PUBLICATION everything FOR ALL TABLES; UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1});
is($subscriber->safe_psql('postgres', q{SELECT purge_call_issues('0')}), '1', 'published, it is written and purged');

# -- the extension is dropped after an issue -----------------------------------------------------------

$subscriber->safe_psql('postgres', q{BEGIN; UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1;
	DROP EXTENSION callhardening CASCADE; COMMIT});
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM pg_extension WHERE extname = 'callhardening'}),
	'0', 'the extension can be dropped after an issue in the same transaction');

$subscriber->stop;
$publisher->stop;
unlike(slurp_file($_->logfile), qr/XX000|terminated by signal|PANIC/, 'no internal error') for $subscriber, $publisher;

done_testing();
