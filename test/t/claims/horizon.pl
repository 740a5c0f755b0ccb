# call_horizon names the holders of the horizon: a query on a standby, the slot of such a standby, and a forgotten
# prepared transaction.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ], allows_streaming => 1);
$primary->append_conf('postgresql.conf', "fsync = off\nmax_prepared_transactions = 1");
$primary->start;
$primary->safe_psql('postgres', q{CREATE EXTENSION callhardening;
	CREATE TABLE any_table (i int); SELECT pg_create_physical_replication_slot('reports')});
$primary->backup('backup');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "fsync = off\nhot_standby_feedback = on\nwal_receiver_status_interval = 1s");
$standby->start;
$primary->wait_for_catchup($standby);

sub holders
{
	return $primary->safe_psql('postgres',
		q{SELECT holder, CASE holder WHEN 'replication slot' THEN name ELSE application END FROM call_horizon
		WHERE holder IN ('standby', 'replication slot') AND transactions >= 0});
}

# Feedback comes with the next status, some seconds later at most.
sub is_listed
{
	my ($expected, $what) = @_;
	for my $second (1 .. 30)
	{
		last if holders() eq $expected;
		sleep 1;
	}
	return is(holders(), $expected, $what);
}

is_listed('standby|standby', 'a standby with feedback is named');

$standby->append_conf('postgresql.conf', 'primary_slot_name = reports');
$standby->restart;
is_listed('replication slot|reports', 'with a slot the slot is named');

$standby->stop;
is(holders(), 'replication slot|reports', 'the slot still holds it when the standby is gone');

$primary->safe_psql('postgres', q{SELECT pg_drop_replication_slot('reports')});
is(holders(), '', 'after dropping the slot nothing holds it');

is($primary->safe_psql('postgres', q{
BEGIN;
CREATE TABLE half_done ();
PREPARE TRANSACTION 'forgotten';
SELECT name, transactions >= 0 FROM call_horizon WHERE holder = 'prepared transaction';
ROLLBACK PREPARED 'forgotten'}), 'forgotten|t', 'a prepared transaction is listed by its name');
$primary->stop;

done_testing();
