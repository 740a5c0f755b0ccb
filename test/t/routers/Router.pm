
# Partitions on private servers, and a router with PL/Proxy in front of them.

package Router;

use strict;
use warnings;

use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Skips the test if the server has no PL/Proxy.
sub require_plproxy
{
	my ($share) = run_command([ 'pg_config', '--sharedir' ]);
	plan skip_all => 'there is no PL/Proxy (Debian: postgresql-15-plproxy)' unless -e "$share/extension/plproxy.control";
	return;
}

sub new_server
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ], allows_streaming => $options{allows_streaming});
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\ntimezone = 'UTC'");
	$node->start;
	return $node;
}

sub new_partition
{
	my ($node, $database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION callhardening; SELECT create_call_tables()');
	return { node => $node, database => $database };
}

sub address_of
{
	my ($partition) = @_;
	return join ' ', 'host=' . $partition->{node}->host, 'port=' . $partition->{node}->port, "dbname=$partition->{database}";
}

# Runs docs/examples/router.sql.
sub make_router
{
	my ($node, @partitions) = @_;
	$node->safe_psql('postgres', 'CREATE DATABASE router');
	my @addresses = map { ('-v', "p$_=" . address_of($partitions[$_])) } 0 .. $#partitions;
	system_or_bail('psql', '-Xq', '-d', $node->connstr('router'), @addresses, '-f', dirname(__FILE__) . '/../../../docs/examples/router.sql');
	return;
}

sub process_all
{
	my ($node, $database) = @_;
	$node->safe_psql(
		$database, q{
CREATE OR REPLACE PROCEDURE process_all() LANGUAGE plpgsql AS $$
BEGIN
    SET client_min_messages = error;
    WHILE (SELECT claimed FROM process_call_events(500)) > 0 LOOP
        COMMIT;
    END LOOP;
END
$$;
CALL process_all()});
	return;
}

# The rows of calls, without what a database numbers and stamps for itself. Sorted by call.
sub calls_of
{
	my ($node, $database) = @_;
	my $rows = $node->safe_psql($database,
		q{SELECT to_jsonb(c) - '{id,created_at}'::text[] FROM calls AS c ORDER BY dialpad_call_id});
	return sort { ($a =~ /"dialpad_call_id": (\d+)/)[0] <=> ($b =~ /"dialpad_call_id": (\d+)/)[0] } split /\n/, $rows;
}

1;
