# Issues of those who have no statement of their own to fail: a subscription's worker, a transaction that is prepared. And
# what becomes of a writer when call_issues itself is locked, published or missing in the commit.

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
	"1|inbound|ended|\n2||ringing|", 'the initial copy passes the rules');
like(issues($subscriber), qr/^unknown_direction 2 sideways /, 'and its unknown word is an issue');

$publisher->safe_psql('postgres', q{UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1});
$publisher->wait_for_catchup('from_publisher');
is($subscriber->safe_psql('postgres', 'SELECT status FROM calls WHERE dialpad_call_id = 1'),
	'ended', 'the worker of a subscription is refused');
like(issues($subscriber), qr/, refused_status 1 ended ringing logical replication (apply )?worker for subscription [0-9]+$/,
	'and that is an issue, with the name of the worker');

is($subscriber->safe_psql('postgres', q{SELECT gap FROM call_enforcement WHERE level = 'note' ORDER BY 1}), "subscription\nsubscription",
	'the two AFTER triggers that do not fire for it are noted');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION from_publisher; TRUNCATE _callhardening.issues');

# -- a prepared transaction ------------------------------------------------------------------------

$subscriber->safe_psql('postgres', q{BEGIN; UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1; PREPARE TRANSACTION 'one'});
is(issues($subscriber), '', 'a prepared transaction has not happened yet');
$subscriber->safe_psql('postgres', q{COMMIT PREPARED 'one'});
like(issues($subscriber), qr/^refused_status 1 ended ringing/, 'it has when it is committed');
$subscriber->safe_psql('postgres', 'TRUNCATE _callhardening.issues');
$subscriber->safe_psql('postgres', q{BEGIN; UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1; PREPARE TRANSACTION 'two'});
$subscriber->safe_psql('postgres', q{ROLLBACK PREPARED 'two'});
is(issues($subscriber), '', 'and not when it is rolled back');

# -- a table that is in use ------------------------------------------------------------------------

my $locker = $subscriber->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE _callhardening.issues IN ACCESS EXCLUSIVE MODE');
$subscriber->safe_psql('postgres',
	q{SET statement_timeout = '10s'; UPDATE calls SET status = 'ringing', direction = 'outbound' WHERE dialpad_call_id = 1});
is($subscriber->safe_psql('postgres', 'SELECT direction FROM calls WHERE dialpad_call_id = 1'),
	'outbound', 'nobody waits for a lock on call_issues');
$locker->query_safe('COMMIT');
is(issues($subscriber), '', 'what happens meanwhile is in the server log alone');
$locker->query_safe('BEGIN; LOCK TABLE _callhardening.issues IN SHARE ROW EXCLUSIVE MODE');
$subscriber->safe_psql('postgres', q{UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1});
$locker->query_safe('COMMIT');
$locker->quit;
is(issues($subscriber), '', 'with a weaker lock as well');

# A table without a replica identity that is published could not be purged.
$subscriber->safe_psql('postgres',
	q{CREATE PUBLICATION everything FOR ALL TABLES; UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1});
is($subscriber->safe_psql('postgres', q{SELECT purge_call_issues('0')}), '1', 'published, it is written and purged');

# -- the extension goes with the statement -----------------------------------------------------------

$subscriber->safe_psql('postgres', q{BEGIN; UPDATE calls SET status = 'ringing' WHERE dialpad_call_id = 1;
	DROP EXTENSION callhardening CASCADE; COMMIT});
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM pg_extension WHERE extname = 'callhardening'}),
	'0', 'it can be dropped after a refusal');

$subscriber->stop;
$publisher->stop;
unlike(slurp_file($_->logfile), qr/XX000|terminated by signal|PANIC/, 'no internal error') for $subscriber, $publisher;

done_testing();
