
# A coordinator and three workers with Citus and callhardening, as private servers of a test. They meet in their socket
# directories: no port of the machine is opened.

package CitusCluster;

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

my $settings = q{
shared_preload_libraries = 'citus'
max_connections = 60
max_prepared_transactions = 60
max_worker_processes = 24
fsync = off
autovacuum_naptime = 1d
track_commit_timestamp = on
citus.max_background_task_executors = 1
citus.defer_shard_delete_interval = -1
};

sub is_installed
{
	my ($share) = run_command([ 'pg_config', '--sharedir' ]);
	my ($library) = run_command([ 'pg_config', '--pkglibdir' ]);
	return -e "$share/extension/citus.control" && -e "$library/citus.so";
}

# The first line of a test that needs Citus
sub require_citus
{
	plan skip_all => 'this server has no Citus: see make check-citus' unless is_installed();
}

sub start_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 'logical', extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', $settings);
	# A node that copies a shard connects to itself.
	$node->append_conf('postgresql.conf', sprintf("citus.local_hostname = '%s'", $node->host));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION citus');
	return $node;
}

# Nodes have their place in Citus's list: the coordinator is 0, worker1 is 1.
sub new
{
	my ($class, %options) = @_;
	my $workers = $options{workers} // 3;
	my @nodes = map { start_node($_ == 0 ? 'coordinator' : "worker$_") } 0 .. $workers;
	my $self = bless { nodes => \@nodes }, $class;
	my $coordinator = $nodes[0];
	$self->sql(0, sprintf("SELECT citus_set_coordinator_host('%s', %d)", $coordinator->host, $coordinator->port));
	$self->sql(0, sprintf("SELECT citus_add_node('%s', %d)", $_->host, $_->port)) for @nodes[ 1 .. $workers ];
	$self->sql(0, 'CREATE EXTENSION callhardening') unless $options{without_callhardening};
	return $self;
}

sub nodes { return @{ $_[0]{nodes} }; }
sub node { return $_[0]{nodes}[ $_[1] ]; }

# The answer of a statement on a node, by its number
sub sql
{
	my ($self, $number, $statement) = @_;
	return $self->node($number)->safe_psql('postgres', $statement);
}

# What a statement prints on a node when it fails or warns
sub messages
{
	my ($self, $number, $statement) = @_;
	my ($status, $output, $errors) = $self->node($number)->psql('postgres', "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT never\n$statement");
	$errors =~ s/^psql:<stdin>:\d+: //mg;
	$errors =~ s/^LOCATION: .*\n?//mg;
	return $errors;
}

# The number of the node with the shard, and the shard's name there. A distributed schema has one shard of each table.
sub shard_of
{
	my ($self, $table) = @_;
	my ($port, $name) = split /\|/, $self->sql(0, "SELECT nodeport, shard_name FROM citus_shards WHERE table_name = '$table'::regclass");
	my ($number) = grep { $self->node($_)->port == $port } 0 .. $#{ $self->{nodes} };
	return ($number, $name);
}

sub host_and_port
{
	my ($self, $number) = @_;
	return sprintf("'%s', %d", $self->node($number)->host, $self->node($number)->port);
}

# kill -9 of all processes of a node: a busy session would outlive its server. Waits for their end, since a new server would take the
# killed one for a running one.
sub kill_node
{
	my ($self, $number) = @_;
	my $node = $self->node($number);
	my @processes = ($node->{_pid}, split /\n/, $self->sql($number, 'SELECT pid FROM pg_stat_activity'));
	$node->kill9;
	kill 9, @processes;
	for (1 .. 600)
	{
		return unless kill 0, @processes;
		Time::HiRes::usleep(100_000);
	}
	die 'a killed process does not end';
}

sub stop
{
	my ($self) = @_;
	$_->stop('immediate') for reverse $self->nodes;
	return;
}

1;
