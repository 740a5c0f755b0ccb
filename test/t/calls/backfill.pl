
# A backfill is cancelled, and another is ended by a server crash, while clients write. Each time it goes on from the same
# place. It overwrites no client's change and leaves no row to repair.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $rows = 20000;
my $node = PostgreSQL::Test::Cluster->new('backfill');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nrestart_after_crash = off");
$node->start;
$node->safe_psql(
	'postgres', qq{
CREATE EXTENSION callhardening;
CREATE TABLE calls (dialpad_call_id bigint PRIMARY KEY, status text, direction text, raw_payload jsonb, writes int NOT NULL DEFAULT 0);
INSERT INTO calls SELECT i, 'completed', 'in', jsonb_build_object('call_id', i, 'password', 'hunter2', 'note', repeat('x', 300))
    FROM generate_series(1, $rows) AS i;
SELECT harden_calls('calls');});

my $batch = 'CALL backfill_calls(\'calls\', 20)';

sub repaired
{
	return $node->safe_psql('postgres', "SELECT coalesce(sum(rows_repaired), 0) FROM call_backfill_progress");
}

sub wait_for_repairs
{
	my ($wanted) = @_;
	my $until = time + 60;
	sleep 0.05 while repaired() < $wanted && time < $until;
	return repaired() >= $wanted;
}

# This session runs the backfill in the background.
sub begin_backfill
{
	my %session = (out => '', err => '');
	$session{psql} = IPC::Run::start([ 'psql', '-XAtq', '--dbname', $node->connstr('postgres'), '-c', $batch ],
		'<', \undef, '>', \$session{out}, '2>', \$session{err}, IPC::Run::timeout(120));
	return \%session;
}

# ---- a cancel keeps the finished batches --------------------------------------------------------------

my $session = begin_backfill();
ok(wait_for_repairs(500), 'the backfill finishes some batches');
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL backfill%'");
$session->{psql}->finish;
like($session->{err}, qr/canceling statement due to user request/, 'the backfill was cancelled');
my $after_cancel = repaired();
cmp_ok($after_cancel, '<', $rows, 'it was cancelled before its end');
is($node->safe_psql('postgres', "SELECT count(*) FROM calls WHERE status = 'ended'"),
	$after_cancel, 'the progress counts the repaired rows');
is($node->safe_psql('postgres', 'SELECT state FROM call_backfill_progress'), 'interrupted', 'and that it was interrupted');
my $page = $node->safe_psql('postgres', 'SELECT page FROM _callhardening.backfills');
cmp_ok($page, '>', 0, 'the progress names the page');

# ---- a crash keeps them, too -------------------------------------------------------------------------------------------

$session = begin_backfill();
ok(wait_for_repairs($after_cancel + 500), 'the next backfill goes on');
cmp_ok($node->safe_psql('postgres', 'SELECT page FROM _callhardening.backfills'), '>', $page, 'from where it was');
$node->stop('immediate');
$session->{psql}->finish;
$node->start;
my $after_crash = repaired();
cmp_ok($after_crash, '<', $rows, 'the server crashed before its end');
is($node->safe_psql('postgres', "SELECT count(*) FROM calls WHERE status = 'ended'"),
	$after_crash, 'after the crash the progress counts the repaired rows');

# ---- beside clients that write -----------------------------------------------------------------------------------

my $scripts = PostgreSQL::Test::Utils::tempdir;
append_to_file("$scripts/write.sql", qq{\\set a random(1, $rows)
\\set b random(1, $rows)
BEGIN;
UPDATE calls SET writes = writes + 1 WHERE dialpad_call_id = least(:a, :b);
UPDATE calls SET writes = writes + 1 WHERE dialpad_call_id = greatest(:a, :b) AND :a <> :b;
COMMIT;
});
my $log = '';
my $clients = IPC::Run::start([ 'pgbench', '--no-vacuum', '--client=4', '--transactions=2000', "--file=$scripts/write.sql",
		'--host=' . $node->host, '--port=' . $node->port, 'postgres' ], '>', \$log, '2>&1', IPC::Run::timeout(120));
my ($result, $stdout, $stderr) = $node->psql('postgres', $batch);
is($result, 0, 'a backfill finishes while clients write') or diag($stderr);
like($stderr, qr/NOTICE:  backfill of table public\.calls is finished: \d+ rows done, $rows repaired/, 'each row was repaired once');
ok($clients->finish, 'the clients finish') or diag($log);
like($log, qr/number of failed transactions: 0 /, 'no transaction of a client failed');
is($node->safe_psql('postgres', "SELECT string_agg(check_name, ' ') FROM audit_calls('calls') WHERE violations <> 0"),
	'', 'no row is left to repair');
my ($same) = $log =~ /number of transactions actually processed: (\d+)/;
my $writes = $node->safe_psql('postgres', 'SELECT sum(writes) FROM calls');
cmp_ok($writes, '>', 2 * $same - 20, 'no write of a client is lost');
cmp_ok($writes, '<=', 2 * $same, 'no write of a client is done twice');

$node->stop;
unlike(slurp_file($node->logfile), qr/XX000|terminated by signal|deadlock detected/,
	'the server log has no internal error and no deadlock');
done_testing();
