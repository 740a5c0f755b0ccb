
# A log is taken to another server while its clients append and its workers are at it, and back again. Each consumer applies
# each event once, in the order of its call. Without the state it applies each event at least once.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dumps = PostgreSQL::Test::Utils::tempdir;

# The second server is behind the first one: its transaction ids come up again there.
sub new_node
{
	my ($name, $xid) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
	PostgreSQL::Test::Utils::system_or_bail('pg_resetwal', '--next-transaction-id', $xid, '--pgdata', $node->data_dir) if $xid;
	$node->start;
	return $node;
}

my $setup = q{
CREATE EXTENSION callhardening;
CREATE TABLE applied (place bigint GENERATED ALWAYS AS IDENTITY, consumer name, event_seq bigint, call_id text, attempt int);

-- Each event has a transaction of its own. Clients at the same time have different calls: events of one call have one order.
CREATE PROCEDURE append(first int, last int) LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN first .. last LOOP
        INSERT INTO call_events (payload) VALUES (jsonb_build_object('call_id', n % 48 + 48 * (n / 10000 % 2), 'state', 'ringing', 'n', n));
        COMMIT;
    END LOOP;
END $$;

-- Until the log was detached, and then some more.
CREATE PROCEDURE append_beyond_detach(first int) LANGUAGE plpgsql AS $$
DECLARE
    n int := first;
    beyond int := 0;
BEGIN
    WHILE beyond < 50 LOOP
        CALL append(n, n);
        n := n + 1;
        beyond := beyond + (NOT EXISTS (SELECT FROM call_event_logs))::int;
    END LOOP;
END $$;

-- Some calls fail for some consumers: every event of call 13 is dead in the end, the first one of each other call is retried.
CREATE FUNCTION does_fail(consumer name, call_id text, attempt int) RETURNS boolean LANGUAGE sql AS $$
    SELECT call_id = '13' OR call_id::int % 8 = length(consumer) AND attempt = 1 $$;

-- One batch, in one transaction with its effects. Returns how many events it has got.
CREATE FUNCTION work(wanted name) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    event record;
    claims bigint[] := '{}';
    failed text[] := '{}';
    got bigint := 0;
BEGIN
    FOR event IN SELECT c.* FROM claim_call_events(20, NULL, 'worker', 'call_events', consumer => wanted) AS c LOOP
        got := got + 1;
        claims := claims || event.claim_id;
        IF event.call_id = ANY (failed) THEN
            CONTINUE;
        ELSIF does_fail(wanted, event.call_id, event.attempt) THEN
            failed := failed || event.call_id;
            PERFORM fail_call_event(event.claim_id, event.event_seq, 'does not work', '0');
        ELSE
            INSERT INTO applied (consumer, event_seq, call_id, attempt)
            VALUES (wanted, event.event_seq, event.call_id, event.attempt);
        END IF;
    END LOOP;
    PERFORM complete_call_events(ARRAY(SELECT DISTINCT unnest(claims)));
    RETURN got;
END $$;

-- Until the log is detached, or with `drains` until nothing comes.
CREATE PROCEDURE work_on(wanted name, drains boolean) LANGUAGE plpgsql AS $$
DECLARE
    got bigint;
    idle int := 0;
BEGIN
    LOOP
        BEGIN
            got := work(wanted);
        EXCEPTION WHEN object_not_in_prerequisite_state OR undefined_object THEN
            RETURN;
        END;
        COMMIT;
        idle := CASE got WHEN 0 THEN idle + 1 ELSE 0 END;
        EXIT WHEN drains AND idle > 3;
    END LOOP;
END $$;
};
my @consumers = ('default', 'crm', 'lake');

# ---- servers ---------------------------------------------------------------------------------------------

sub start_psql
{
	my ($node, $sql) = @_;
	my ($output, $errors) = ('', '');
	my $run = IPC::Run::start([ 'psql', '-XAtq', '--set=ON_ERROR_STOP=1', '--dbname', $node->connstr('postgres'), '--command', $sql ],
		'>', \$output, '2>', \$errors);
	return { run => $run, errors => \$errors, sql => $sql };
}

sub finish
{
	for my $session (@_)
	{
		$session->{run}->finish;
		is($session->{run}->result(0), 0, "$session->{sql} ends well") or diag(${ $session->{errors} });
	}
}

sub drain
{
	my ($node) = @_;
	$node->safe_psql('postgres', "CALL work_on('$_', true)") for @consumers;
}

# With what was applied until now.
sub copy_tables
{
	my ($from, $to) = @_;
	$to->safe_psql('postgres', 'DROP TABLE IF EXISTS call_events, calls, applied');
	PostgreSQL::Test::Utils::system_or_bail('pg_dump', '--dbname', $from->connstr('postgres'),
		'--table=calls', '--table=call_events', '--table=applied', '--file', "$dumps/tables.sql");
	PostgreSQL::Test::Utils::system_or_bail('psql', '-Xq', '--set=ON_ERROR_STOP=1', '--output=/dev/null',
		'--file', "$dumps/tables.sql", '--dbname', $to->connstr('postgres'));
}

sub faults
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{
SELECT format('%s: event %s of call %s was lost', c.consumer, e.event_seq, e.call_id)
FROM call_events e CROSS JOIN call_consumers c
WHERE NOT EXISTS (SELECT FROM applied a WHERE a.consumer = c.consumer AND a.event_seq = e.event_seq)
  AND NOT EXISTS (SELECT FROM call_dead_events d WHERE d.consumer = c.consumer AND d.event_seq = e.event_seq)
UNION ALL
SELECT format('%s: event %s was applied %s times', consumer, event_seq, count(*))
FROM applied GROUP BY consumer, event_seq HAVING count(*) > 1
UNION ALL
SELECT format('%s: event %s of call %s is dead and was applied', d.consumer, d.event_seq, d.call_id)
FROM call_dead_events d JOIN applied a ON a.consumer = d.consumer AND a.event_seq = d.event_seq
UNION ALL
SELECT format('%s: event %s of call %s came after event %s', consumer, event_seq, call_id, before) FROM (
    SELECT *, max(event_seq) OVER (PARTITION BY consumer, call_id ORDER BY place ROWS UNBOUNDED PRECEDING) AS before FROM applied) AS o
WHERE before > event_seq
UNION ALL
SELECT format('%s: event %s of call %s is dead', consumer, event_seq, call_id) FROM call_dead_events WHERE call_id <> '13'
UNION ALL
SELECT format('%s: event %s still waits', consumer, event_seq) FROM call_retrying_events
LIMIT 10});
}

# ---- with the state --------------------------------------------------------------------------------------

my $first = new_node('first', 1048576);
my $second = new_node('second');
$_->safe_psql('postgres', $setup) for $first, $second;
$first->safe_psql('postgres', q{
SELECT create_call_tables();
SELECT configure_call_event_log(max_attempts => 3);
SELECT create_call_consumer('call_events', 'crm'), create_call_consumer('call_events', 'lake');
CALL append(1, 300);
CALL work_on('default', true);
SELECT work('crm')});

# Workers and two clients are at it.
my @clients = map { start_psql($first, "CALL append_beyond_detach($_)") } 10000, 20000;
my @workers = map { start_psql($first, "CALL work_on('$_', false)") } @consumers, 'default';
$first->poll_query_until('postgres', 'SELECT count(*) > 700 FROM call_events') or die 'nothing is appended';
# The first answer is lost.
$first->safe_psql('postgres', "SELECT detach_call_event_log('call_events')");
finish(@workers);
my $state = $first->safe_psql('postgres', "SELECT detach_call_event_log('call_events')");
finish(@clients);
cmp_ok($first->safe_psql('postgres', 'SELECT count(*) FROM call_events WHERE event_xid >= _callhardening.first_restore_mark()'),
	'>', 90, 'clients append while the log is detached');
is($first->safe_psql('postgres', 'SELECT count(*) FROM _callhardening.claims'), 0, 'nothing is left of the log');

copy_tables($first, $second);
$second->safe_psql('postgres', 'CALL append(30000, 30100)');
is($second->safe_psql('postgres', "SELECT attach_call_event_log('call_events', 'calls', '$state')"), 'attached', 'the log goes on');
is($second->safe_psql('postgres', "SELECT attach_call_event_log('call_events', 'calls', '$state')"), 'was attached', 'and only once');
@clients = (start_psql($second, 'CALL append_beyond_detach(40000)'));
@workers = map { start_psql($second, "CALL work_on('$_', false)") } @consumers;
$second->poll_query_until('postgres', q{SELECT count(*) > 200 FROM call_events WHERE (payload ->> 'n')::int >= 40000})
  or die 'nothing is appended';

# And back, with old lanes that are not empty yet, and an open claim.
my $claim = $second->safe_psql('postgres',
	"SELECT DISTINCT claim_id FROM claim_call_events(1, '1 hour', 'slow', 'call_events', consumer => 'lake')");
$state = $second->safe_psql('postgres', "SELECT detach_call_event_log('call_events')");
finish(@clients, @workers);
copy_tables($second, $first);
is($first->safe_psql('postgres', 'SELECT count(*) FROM _callhardening.detached_logs'), 0, 'a dropped table takes its state along');
is($first->safe_psql('postgres', "SELECT attach_call_event_log('call_events', 'calls', '$state')"), 'attached', 'the log comes back');
is($first->safe_psql('postgres', "SELECT outcome FROM complete_call_events(ARRAY[$claim]::bigint[])"), 'unknown',
	'a claim of the other server is not known') if $claim;
$first->safe_psql('postgres', 'CALL append(50000, 50100)');
drain($first);
is(faults($first), '', 'each consumer applied each event once, in order');
is($first->safe_psql('postgres', 'SELECT adopted IS NULL FROM call_event_logs'), 't', 'nothing is left in the lanes of before');

# Twice in its place: the marks of both times are the same.
for my $from (60000, 70000)
{
	$first->safe_psql('postgres', "SELECT detach_call_event_log('call_events')");
	$first->safe_psql('postgres', "CALL append($from, $from + 99)");
	is($first->safe_psql('postgres', "SELECT attach_call_event_log('call_events', 'calls')"), 'attached', 'with the state that was kept');
	drain($first);
	is(faults($first), '', 'in its place: each event once, in order');
}

# ---- without a state -------------------------------------------------------------------------------------

copy_tables($first, $second);
is($second->safe_psql('postgres', "SELECT attach_call_event_log('call_events', 'calls')"), 'adopted', 'a log without its state');
$second->safe_psql('postgres', q{TRUNCATE applied; CALL append(80000, 80010); CALL work_on('default', true)});
is($second->safe_psql('postgres', q{SELECT count(*) FROM call_events WHERE call_id <> '13'}),
	$second->safe_psql('postgres', q{SELECT count(DISTINCT event_seq) FROM applied}), 'all events come once more');

$_->stop for $first, $second;
done_testing();
