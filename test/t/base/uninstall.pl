# Runs the section "Uninstalling" of docs/installing.md. Tables and rows stay, nothing of the extension remains on them,
# and clients continue. The same for DROP EXTENSION ... CASCADE, and for a new CREATE EXTENSION
# afterwards.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $page = slurp_file('docs/installing.md');
my ($section) = $page =~ /^## Uninstalling\n(.*)/ms;
my ($statements) = $section =~ /^```sql\n(.*?)^```/ms;
like($statements, qr/^DROP EXTENSION callhardening;/m, 'the page has the statements for uninstalling');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

# Every catalog entry of the two tables, as pg_dump prints it.
sub tables
{
	my ($database) = @_;
	my ($dump) = run_command([ 'pg_dump', '--schema-only', '-t', 'calls', '-t',
		'call_events', '-h', $node->host, '-p', $node->port, $database ]);
	return $dump =~ s/^\\.*\n//mgr; # a key that is another one each time
}

my $set_up = q{CREATE EXTENSION callhardening; SELECT create_call_tables();
	SELECT generate_call_events(20); SELECT start_call_worker();};
my $client = q{INSERT INTO call_events (payload) VALUES ('{"call_id": 1, "state": "ringing"}');
	INSERT INTO calls (dialpad_call_id, status, direction) VALUES (1, 'anything', 'sideways')};

for my $database ('by_page', 'by_cascade')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, $set_up);
}

$node->poll_query_until('by_page', 'SELECT sum(pending) = 0 FROM pending_call_events(exact => true)');
my $events = $node->safe_psql('by_page', 'SELECT count(*) FROM call_events');
$node->safe_psql('by_page', $statements);
is($node->safe_psql('by_page', q{SELECT count(*) FROM pg_extension WHERE extname = 'callhardening'}), '0', 'the extension is gone');
unlike(tables('by_page'), qr/callhardening|event_lane|event_xid|event_digest|TRIGGER/, 'the tables have no objects of the extension');
is($node->safe_psql('by_page', 'SELECT count(*) FROM call_events'), $events, 'all events are kept');
is($node->safe_psql('by_page', 'SELECT count(*) FROM calls'), '20', 'all calls are kept');
is($node->psql('by_page', $client), 0, 'clients continue');

$node->safe_psql('by_cascade', 'SELECT stop_call_worker()');
$node->safe_psql('by_cascade', 'SET client_min_messages = error; DROP EXTENSION callhardening CASCADE');
is($node->psql('by_cascade', $client), 0, 'clients continue after DROP EXTENSION ... CASCADE');
$node->safe_psql('by_cascade', q{CREATE EXTENSION callhardening; SELECT harden_calls('calls');
	SELECT register_call_event_log('call_events', 'calls', 'dialpad', 64)});
is($node->safe_psql('by_cascade', 'SELECT sum(applied) FROM generate_series(1, 70) AS n, LATERAL process_call_events(1000 + n)'), '1',
	'a new extension takes up the appended events');
is($node->safe_psql('by_cascade', 'SELECT status FROM calls WHERE dialpad_call_id = 1'), 'ringing', 'it applies the appended event');
$node->safe_psql('by_cascade', 'SET client_min_messages = error; DROP EXTENSION callhardening CASCADE');
$node->safe_psql('by_cascade',
	q{CREATE EXTENSION callhardening; SELECT unharden_call_events('call_events'); SELECT unharden_calls('calls')});
$node->safe_psql('by_cascade', 'DROP EXTENSION callhardening');
is(tables('by_cascade'), tables('by_page'), 'a new extension can also remove the remains');

done_testing();
