
# Random histories of event logs (test/history/random.sql): workers fail, release and lose events, an old processor
# marks events as processed, a DBA deletes and purges, and dumps are restored in every form. In the end, workers without
# mistakes take the remaining events. Then every event was delivered, is dead, or was marked or deleted. Half of the logs have
# three consumers: one of the workers, the default one, and one that sleeps, and then gets all events from the beginning.
#
# CALLHARDENING_SEED repeats a run. CALLHARDENING_HISTORIES sets the number of histories.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{CALLHARDENING_SEED} // int(rand 1_000_000);
my $wanted = $ENV{CALLHARDENING_HISTORIES} // 200;
my $at_once = 25;   # in one database
my $dumps = PostgreSQL::Test::Utils::tempdir;
srand $seed;
note("CALLHARDENING_SEED=$seed: $wanted histories");

# -- two clusters ----------------------------------------------------------------------------------

# The transaction ids of one cluster are far ahead of the other's.
sub new_node
{
	my ($name, $xid) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nsynchronous_commit = off");
	system_or_bail('pg_resetwal', '--next-transaction-id', $xid, '--pgdata', $node->data_dir) if $xid;
	$node->start;
	return $node;
}

my @nodes = (new_node('low'), new_node('high', 16777216));
for my $node (@nodes)
{
	$node->safe_psql('postgres', 'CREATE DATABASE made');
	load($node, 'made', "$FindBin::Bin/../../history/random.sql");
}

sub at { my ($node) = @_; return ('--host', $node->host, '--port', $node->port) }

sub load
{
	my ($node, $database, $file) = @_;
	system_or_bail('psql', '-Xq', '--set=ON_ERROR_STOP=1', '--output=/dev/null', at($node), '--file', $file, $database);
}

# -- dumped and restored ----------------------------------------------------------------------------

# If only data are restored, events are stamped again. All are delivered again, even those of open claims. Only events
# marked as processed are not.
my @forms = (
	[ plain => sub { my ($from, $to, $database) = @_;
		system_or_bail('pg_dump', at($from), '--file', "$dumps/all.sql", $database);
		load($to, 'restored', "$dumps/all.sql"); } ],
	[ custom => sub { my ($from, $to, $database) = @_;
		system_or_bail('pg_dump', '--format=custom', at($from), '--file', "$dumps/all.dump", $database);
		system_or_bail('pg_restore', at($to), '--dbname=restored', "$dumps/all.dump"); } ],
	[ data => sub { my ($from, $to, $database) = @_;
		for my $what ('schema', 'data')
		{
			system_or_bail('pg_dump', "--$what-only", at($from), '--file', "$dumps/$what.sql", $database);
			load($to, 'restored', "$dumps/$what.sql");
		}
		$to->safe_psql('restored', 'TRUNCATE done, held; UPDATE histories SET is_stamped_anew = true'); } ]);

sub restore
{
	my ($form, $from, $to, $database) = @_;
	$to->safe_psql('postgres', 'DROP DATABASE IF EXISTS restored') unless $database eq 'restored' && $from == $to;
	$from->safe_psql('postgres', 'ALTER DATABASE restored RENAME TO before'), $database = 'before' if $database eq 'restored';
	$to->safe_psql('postgres', 'CREATE DATABASE restored');
	$form->[1]->($from, $to, $database);
	$from->safe_psql('postgres', "DROP DATABASE $database");
}

# -- the histories ----------------------------------------------------------------------------------

sub live
{
	my ($node, $database, $first, $last) = @_;
	my $random = rand;
	$node->safe_psql($database, "SELECT setseed($random); CALL live($first, $last, 40)");
}

sub drain
{
	my ($node, $database, $first, $last) = @_;
	return $node->safe_psql($database, join '',
		map {"CALL drain($_); SELECT '$_: ' || v FROM violations($_) AS v LIMIT 5;
			CALL replay($_); SELECT '$_: ' || v FROM not_replayed($_) AS v LIMIT 5;\n"} $first .. $last);
}

my (%seen, %bad);
my $rounds = 0;
for (my $first = 1; $first <= $wanted; $first += $at_once)
{
	my $last = $first + $at_once - 1 > $wanted ? $wanted : $first + $at_once - 1;
	my ($node, $database) = ($nodes[ rand @nodes ], 'begun');
	my @story;
	$node->safe_psql('postgres', 'CREATE DATABASE begun TEMPLATE made');
	$node->safe_psql('begun', 'SELECT setseed(' . rand() . ");\n" . join '', map {"CALL begin_history($_);\n"} $first .. $last);
	live($node, $database, $first, $last);
	# The first restore of a round takes the forms in turn, so that each of them is restored.
	for my $form ($forms[ $rounds++ % @forms ], rand() < 0.5 ? $forms[ rand @forms ] : ())
	{
		my $to = $nodes[ rand @nodes ];
		push @story, "$form->[0] from " . $node->name . ' to ' . $to->name;
		$seen{ $form->[0] }++;
		restore($form, $node, $to, $database);
		($node, $database) = ($to, 'restored');
		# Some are drained directly after the restore: the first poll finds no event of this life.
		live($node, $database, $first, $last) if rand() < 0.8;
	}
	my $violations = drain($node, $database, $first, $last);
	$bad{$_} = 1 for $violations =~ /^(\d+): /mg;
	is($violations, '', "in histories $first to $last all events are delivered in order (" . join(', ', @story) . ')') or do
	{
		for my $number (sort { $a <=> $b } map { /^(\d+): / ? $1 : () } (split /\n/, $violations)[0])
		{
			diag($node->safe_psql($database, "SELECT step, detail FROM steps WHERE history = $number ORDER BY place"));
			diag($node->safe_psql($database, "SELECT l FROM call_event_logs AS l WHERE log_id = log_id_of($number)"));
			diag($node->safe_psql($database, "SELECT p FROM call_retrying_events AS p WHERE log_id = log_id_of($number)"));
			diag($node->safe_psql($database, "SELECT c FROM _callhardening.claims AS c
				WHERE consumer_id = log_id_of($number) ORDER BY lane, record_no"));
			diag($node->safe_psql($database, "SELECT event_lane, event_xid, event_seq, call_id FROM log$number ORDER BY event_seq"));
		}
	};
	$node->safe_psql('postgres', "DROP DATABASE $database");
}
is(scalar(keys %bad), 0, "none of $wanted histories leaves events behind");
cmp_ok($seen{$_} // 0, '>', 0, "at least one dump was restored: $_") for $wanted < 200 ? () : map { $_->[0] } @forms;

for my $node (@nodes)
{
	unlike(slurp_file($node->logfile), qr/PANIC|XX000|terminated by signal/, 'the server log has no crash and no internal error');
	$node->stop;
}
done_testing();
