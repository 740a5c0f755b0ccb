
# The example workers of the documentation. With a wrong setting a worker ends at its start and claims no events.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $examples = abs_path(dirname(__FILE__) . '/../../../docs/examples');
# A missing program raises an exception.
sub has { return eval { IPC::Run::run([@_], '<', \undef, '>', '/dev/null', '2>', '/dev/null') } }
# The system's python has the needed package. Another python may come first in the path.
my ($python) = grep { has($_, '-c', 'import psycopg2') } 'python3', '/usr/bin/python3';
my $has_node = has('node', '-e', q{require('pg'); if (!globalThis.fetch) process.exit(1)});
plan skip_all => 'there is neither psycopg2 nor pg' unless $python || $has_node;

my $node = PostgreSQL::Test::Cluster->new('examples');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
SELECT create_call_tables();
SELECT ingest_call_event(format('{"call_id": %s, "talk_time": %s}', id, id * 1000)::jsonb) FROM generate_series(1, 20) AS id;
CREATE ROLE client LOGIN;
SELECT grant_call_role('client', 'claim')});
@ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');

# The output of a worker until it ends, or until `condition` is true in the database.
sub run_worker
{
	my ($command, $condition) = @_;
	my $output = '';
	my $worker = IPC::Run::start([ 'env', 'PGUSER=client', @$command ], '<', \undef, '>&', \$output, IPC::Run::timeout(60));
	if ($condition) {
		$node->poll_query_until('postgres', $condition) or diag($output);
		$worker->signal('TERM');
	}
	$worker->finish;
	return ($worker->result(0), $output);
}

sub fails_at_its_start
{
	my ($name, $command, $message) = @_;
	my ($exit, $output) = run_worker($command);
	is($exit, 1, "$name: the worker ends");
	like($output, $message, "$name: the worker names the reason");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM _callhardening.claims'), '0', "$name: it has claimed nothing");
}

my $attempts = 'SELECT count(*) FROM call_retrying_events';
my $page = slurp_file("$examples/../clients.md");

# The loop of the page claims an event that was committed before its start, and one that is committed while it waits.
sub loop_works
{
	my ($fence, @command) = @_;
	my ($program) = $page =~ /^```$fence\n(.*?)^```$/ms or die "no $fence";
	my $first = $node->safe_psql('postgres', qq{SELECT ingest_call_event('{"call_id": 501, "of": "$fence"}'::jsonb)});
	my $output = '';
	my $loop = IPC::Run::start([ 'env', 'PGUSER=client', @command, $program ], '<', \undef, '>&', \$output, IPC::Run::timeout(60));
	$loop->pump until $output =~ /^event $first$/m;
	$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM call_event_waiters WHERE is_waiting)}) or diag($output);
	my $second = $node->safe_psql('postgres', qq{SELECT ingest_call_event('{"call_id": 502, "of": "$fence"}'::jsonb)});
	$loop->pump until $output =~ /^event $second$/m;
	ok($node->poll_query_until('postgres', 'SELECT sum(pending) = 0 FROM pending_call_events(exact => true)
		WHERE NOT EXISTS (SELECT FROM call_open_claims)'), "$fence: the loop of the page waits, claims and completes");
	$loop->kill_kill;
}

SKIP: {
	skip 'there is no psycopg2', 18 unless $python;
	for my $mode ([], ['--transaction']) {
		my @worker = ($python, "$examples/worker.py", @$mode);
		fails_at_its_start("no table (@$mode)", \@worker, qr/relation "talked" does not exist/);
		$node->safe_psql('postgres',
			'CREATE TABLE talked (event_seq bigint PRIMARY KEY, call_id text NOT NULL, milliseconds numeric NOT NULL)');
		fails_at_its_start("no right to write (@$mode)", \@worker, qr/permission denied for table talked/);
		$node->safe_psql('postgres', 'DROP TABLE talked');
	}
	# a right revoked while the worker runs costs no attempt
	$node->safe_psql('postgres', q{CREATE TABLE talked (event_seq bigint PRIMARY KEY, call_id text NOT NULL, milliseconds numeric NOT NULL);
GRANT INSERT ON talked TO client;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE insufficient_privilege; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON talked FOR EACH ROW EXECUTE FUNCTION refuse()});
	run_worker([ $python, "$examples/worker.py" ], q{SELECT count(*) > 0 FROM _callhardening.claims WHERE state = 'released'});
	is($node->safe_psql('postgres', $attempts), '0', 'a worker without the right to write releases its batch');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM talked'), '0', 'and nothing is written');
	$node->safe_psql('postgres', 'DROP TRIGGER refuse ON talked');
	run_worker([ $python, "$examples/worker.py" ], 'SELECT count(*) = 20 FROM talked');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM talked'), '20', 'a well configured worker completes its claims');
	is($node->safe_psql('postgres', $attempts), '0', 'and no event has failed');
	# Another consumer gets all events too.
	$node->safe_psql('postgres', q{TRUNCATE talked; SELECT create_call_consumer('call_events', 'lake', from_beginning => true)});
	local $ENV{CONSUMER} = 'lake';
	run_worker([ $python, "$examples/worker.py" ], 'SELECT count(*) = 20 FROM talked');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM talked'), '20', 'a worker of another consumer gets all events');
	loop_works('py', $python, '-c');
	$node->safe_psql('postgres', q{SELECT drop_call_consumer('call_events', 'lake'); TRUNCATE _callhardening.claims});
}

SKIP: {
	skip 'there is no pg for Node', 16 unless $has_node;
	my @worker = ('node', "$examples/worker.js");
	delete local $ENV{TARGET};
	$node->safe_psql('postgres', q{SELECT ingest_call_event('{"call_id": 77}'::jsonb)});
	fails_at_its_start('no target', \@worker, qr/TARGET is not set/);
	$ENV{TARGET} = 'crm.example.com/calls';
	fails_at_its_start('no URL', \@worker, qr/Invalid URL/);
	$ENV{TARGET} = 'ftp://127.0.0.1/calls';
	fails_at_its_start('another protocol', \@worker, qr/no URL of a web server/);
	$ENV{TARGET} = 'http://127.0.0.1:9/calls';
	fails_at_its_start('nobody there', \@worker, qr/TARGET cannot be reached/);

	# this target accepts only POST
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $said = '';
	my $target = IPC::Run::start([ 'node', '-e',
		qq{require('http').createServer((q, a) => { a.statusCode = q.method === 'POST' ? 200 : 405; a.end(); })
		.listen($port, '127.0.0.1', () => console.log('ready'))} ], '<', \undef, '>', \$said, IPC::Run::timeout(60));
	$target->pump until $said =~ /ready/;
	$ENV{TARGET} = "http://127.0.0.1:$port/calls";
	my ($exit, $output) = run_worker(\@worker, 'SELECT sum(pending) = 0 FROM pending_call_events(exact => true)');
	like($output, qr/claims completed/, 'a well configured worker completes its claims');
	is($node->safe_psql('postgres', $attempts), '0', 'and no event has failed');
	$node->safe_psql('postgres', q{SELECT create_call_consumer('call_events', 'crm', from_beginning => true)});
	local $ENV{CONSUMER} = 'crm';
	run_worker(\@worker, q{SELECT sum(pending) = 0 FROM pending_call_events(exact => true, consumer => 'crm')});
	is($node->safe_psql('postgres', q{SELECT pending_estimate FROM call_consumers WHERE consumer = 'crm'}),
		'0', 'a worker of another consumer gets all events');
	$target->kill_kill;
	loop_works('javascript', 'node', '-e');
}

done_testing();
