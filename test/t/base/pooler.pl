
# Through PgBouncer in transaction mode: each statement of a worker may run in another session.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my ($pgbouncer) = grep { -x } map {"$_/pgbouncer"} split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
plan skip_all => 'there is no pgbouncer' unless $pgbouncer;

my $node = PostgreSQL::Test::Cluster->new('pooled');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
SELECT create_call_tables();
SELECT configure_call_event_log(retry_base => '0');
CREATE TABLE done (place bigint GENERATED ALWAYS AS IDENTITY, event_seq bigint, call_id text);
CREATE TABLE failed (event_seq bigint PRIMARY KEY);
CREATE TABLE sessions (pid int)});

# ---- the pooler ----------------------------------------------------------------------------------------------

my $servers = 3;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $home = PostgreSQL::Test::Utils::tempdir_short();
my $user = $node->safe_psql('postgres', 'SELECT current_user');
append_to_file("$home/users.txt", qq{"$user" ""\n});
append_to_file("$home/pgbouncer.ini", join("\n",
	'[databases]', 'postgres = host=' . $node->host . ' port=' . $node->port . ' dbname=postgres',
	'[pgbouncer]', 'listen_addr =', "listen_port = $port", "unix_socket_dir = $home", 'auth_type = trust', "auth_file = $home/users.txt",
	'pool_mode = transaction', "default_pool_size = $servers", 'server_round_robin = 1',
		"logfile = $home/pgbouncer.log", "pidfile = $home/pgbouncer.pid",
	'ignore_startup_parameters = extra_float_digits', "admin_users = $user", ''));
$ENV{PGUSER} = $user;
system_or_bail($pgbouncer, '--daemon', '--quiet', "$home/pgbouncer.ini");
my $pooled = "host=$home port=$port user=$user dbname=postgres";
# The pooler returns to its caller before it listens.
for (1 .. 100)
{
	last if run_log([ 'psql', '-XAtq', '--dbname', $pooled, '--command', 'SELECT 1' ], '>', \my $answer, '2>', \my $refusal);
	sleep 0.1;
}

END
{
	# The node stops by itself at the end, the pooler does not.
	my $status = $?;
	kill 'INT', slurp_file("$home/pgbouncer.pid") if $home && -s "$home/pgbouncer.pid";
	$? = $status;
}

# Sends one statement after the other, each as a transaction.
sub connect_client
{
	my %client = (in => '', out => '', err => '');
	$client{psql} = IPC::Run::start([ 'psql', '-XAtq', '--dbname', $pooled ], '<',
		\$client{in}, '>', \$client{out}, '2>', \$client{err}, IPC::Run::timeout(60));
	return \%client;
}

sub ask
{
	my ($client, $sql) = @_;
	$client->{out} = '';
	$client->{in} .= "$sql;\n\\echo done\n";
	$client->{psql}->pump while $client->{psql}->pumpable && $client->{out} !~ /^done$/m;
	die "a client has ended: $client->{err}" unless $client->{out} =~ /^done$/m;
	my ($answer) = $client->{out} =~ /\A(.*?)\n?^done$/ms;
	return $answer;
}

# ---- workers ---------------------------------------------------------------------------------------------------

my @clients = map { connect_client() } 1 .. 8;
# The pooler opens a session when it needs one, and then uses them in turn.
ask($clients[$_], 'BEGIN; SELECT 1') for 0 .. $servers - 1;
ask($clients[$_], 'COMMIT') for 0 .. $servers - 1;
my $ingested = 0;
for my $state ('calling', 'ringing', 'connected', 'hold', 'hangup')
{
	# Events of one call after the other, from different clients.
	ask($clients[ $_ % @clients ], qq{SELECT ingest_call_event('{"call_id": $_, "state": "$state"}'::jsonb)}) for 1 .. 30;
	$ingested += 30;
}
ask($_, 'INSERT INTO sessions SELECT pg_backend_pid()') for @clients, @clients;
is($node->safe_psql('postgres', 'SELECT count(DISTINCT pid) FROM sessions'),
	$servers, scalar(@clients) . " clients share $servers sessions");

# Each step is a transaction of its own, among those of other workers. An event fails only once.
sub work
{
	my ($client, $number) = @_;
	my $step = $client->{step} // 'claim';
	if ($step eq 'claim')
	{
		my @rows = map { [ split /\|/ ] } split /\n/,
			ask($client, "SELECT claim_id, event_seq, call_id FROM claim_call_events(10, '1 minute', 'client $number')");
		return 0 unless @rows;
		$client->{events} = \@rows;
		$client->{ids} = join ',', keys %{ { map { $_->[0] => 1 } @rows } };
		$client->{step} = 'renew';
	}
	elsif ($step eq 'renew')
	{
		my $renewed = ask($client, "SELECT bool_and(renew_call_claim(id) > now()) FROM unnest(ARRAY[$client->{ids}]) AS id");
		$client->{wrong} .= "not renewed: $renewed; " if $renewed ne 't';
		$client->{step} = 'assert';
	}
	elsif ($step eq 'assert')
	{
		ask($client, "SELECT assert_call_claim(id) FROM unnest(ARRAY[$client->{ids}]) AS id");
		$client->{step} = 'fail';
	}
	elsif ($step eq 'fail')
	{
		my ($claim, $event, $call) = @{ $client->{events}[0] };
		if ($event % 2 == 0 && ask($client, "INSERT INTO failed VALUES ($event) ON CONFLICT DO NOTHING RETURNING 1"))
		{
			my $outcome = ask($client, "SELECT fail_call_event($claim, $event, 'not now', '0 seconds')");
			$client->{wrong} .= "failed: $outcome; " if $outcome ne 'retry';
			# Later events of the call in this claim are skipped.
			$client->{events} = [ grep { $_->[0] ne $claim || $_->[2] ne $call } @{ $client->{events} } ];
		}
		$client->{step} = 'complete';
	}
	else
	{
		my $done = join ',', map {"($_->[1], '$_->[2]')"} @{ $client->{events} };
		my $outcomes = ask($client, join ' ', 'BEGIN;', ($done ? "INSERT INTO done (event_seq, call_id) VALUES $done;" : ''),
			"SELECT DISTINCT outcome FROM complete_call_events(ARRAY[$client->{ids}]); COMMIT");
		$client->{wrong} .= "completed: $outcomes; " if $outcomes ne 'completed';
		$client->{step} = 'claim';
	}
	return 1;
}

my $idle = 0;
for (my $turn = 0; $idle < 2 * @clients && $turn < 2000; ++$turn)
{
	my $number = $turn % @clients;
	$idle = work($clients[$number], $number) ? 0 : $idle + 1;
}
is(join('', map { $_->{wrong} // '' } @clients), '', 'claims work across sessions');
is(join('', map { $_->{err} } @clients), '', 'no client reports an error');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT event_seq) FROM done'), "$ingested|$ingested", 'each event is done once');
is($node->safe_psql('postgres', q{SELECT count(*) FROM (
    SELECT event_seq, max(event_seq) OVER (PARTITION BY call_id ORDER BY place ROWS UNBOUNDED PRECEDING) AS before FROM done) AS d
        WHERE before > event_seq}),
	0, 'events are delivered in the order of their call');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM failed'), '>', 0, 'some failed at first');

# ---- processing ------------------------------------------------------------------------------------------------

my $scripts = PostgreSQL::Test::Utils::tempdir;
append_to_file("$scripts/process.sql", q{\set id random(1000, 1300)
SELECT ingest_call_event(jsonb_build_object('call_id', :id::int, 'state', 'ringing', 'event_timestamp', random()));
SELECT * FROM process_call_events(20);
});
for my $mode ('simple', 'extended')
{
	system_or_bail('pgbench', '--no-vacuum', "--protocol=$mode", '--client=10', '--transactions=20', "--file=$scripts/process.sql", $pooled);
}
ask($clients[0], 'SELECT claimed FROM process_call_events(1000)') for 1 .. 20;
is($node->safe_psql('postgres', 'SELECT sum(pending) FROM pending_call_events(exact => true)'), 0, 'nothing is left');
is($node->safe_psql('postgres', q{SELECT count(*) FROM call_events
	WHERE call_id::int >= 1000 AND call_id::bigint NOT IN (SELECT dialpad_call_id FROM calls)}), 0, 'every event was applied');

# ---- levels ----------------------------------------------------------------------------------------------------

for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	my ($stdout, $stderr);
	$node->psql('postgres', "\\set VERBOSITY verbose\nBEGIN ISOLATION LEVEL $level; SELECT * FROM claim_call_events();",
		stderr => \$stderr, connstr => $pooled);
	like($stderr, qr/ERROR:  0A000: .*HINT:  Use SET TRANSACTION ISOLATION LEVEL READ COMMITTED/s, "$level is refused");
}

for (@clients)
{
	$_->{in} .= "\\q\n";
	$_->{psql}->finish;
}
$node->stop;
done_testing();
