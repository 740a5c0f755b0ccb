
# Windows by snapshot: transactions that end late, in two phases or never, or have more subtransactions than a snapshot
# lists, and transaction ids that cross 2^31 and 2^32.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('windows');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf',
	"fsync = off\nfull_page_writes = off\nsynchronous_commit = off\nautovacuum = off\nmax_prepared_transactions = 8");
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
SELECT create_call_tables();
CREATE TABLE done (place bigint GENERATED ALWAYS AS IDENTITY, event_seq bigint, call_id text);
CREATE TABLE noise (n int);

CREATE PROCEDURE drain(batch int DEFAULT 100) LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    LOOP
        WITH claimed AS (SELECT * FROM claim_call_events(batch)),
        kept AS (INSERT INTO done (event_seq, call_id) SELECT event_seq, call_id FROM claimed)
        SELECT array_agg(DISTINCT claim_id) INTO ids FROM claimed;
        EXIT WHEN ids IS NULL;
        PERFORM complete_call_events(ids);
        COMMIT;
    END LOOP;
END
$$;

CREATE FUNCTION violations() RETURNS SETOF text LANGUAGE sql AS $$
SELECT format('event %s is lost', event_seq) FROM call_events WHERE event_seq NOT IN (SELECT event_seq FROM done)
UNION ALL
SELECT format('event %s was done, and is not there', event_seq) FROM done WHERE event_seq NOT IN (SELECT event_seq FROM call_events)
UNION ALL
SELECT format('event %s was done %s times', event_seq, count(*)) FROM done GROUP BY event_seq HAVING count(*) > 1
$$;

CREATE FUNCTION ingest(first int, last int, state text) RETURNS bigint LANGUAGE sql AS $$
SELECT count(ingest_call_event(jsonb_build_object('call_id', id, 'state', state), event_key => gen_random_uuid()::text))
    FROM generate_series(first, last) AS id
$$;

-- Each event in a subtransaction of its own. Every third is rolled back.
CREATE FUNCTION ingest_nested(first int, last int, state text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR id IN first .. last LOOP
        BEGIN
            PERFORM ingest_call_event(jsonb_build_object('call_id', id, 'state', state), event_key => gen_random_uuid()::text);
            IF id % 3 = 0 THEN
                RAISE division_by_zero;
            END IF;
        EXCEPTION WHEN division_by_zero THEN
        END;
    END LOOP;
END
$$;

CREATE PROCEDURE burn(upto xid8) LANGUAGE plpgsql AS $$
BEGIN
    WHILE pg_current_xact_id() < upto LOOP
        COMMIT;
    END LOOP;
END
$$});

sub check
{
	my ($what) = @_;
	$node->safe_psql('postgres', 'CALL drain()');
	is($node->safe_psql('postgres', 'SELECT * FROM violations() LIMIT 10'), '', $what);
}

# Drains the log and returns the number of events.
sub drained
{
	return $node->safe_psql('postgres',
		'CREATE TEMP TABLE before AS SELECT count(*) AS n FROM done; CALL drain(); SELECT count(*) - (SELECT n FROM before) FROM done');
}

# A session with an open transaction.
sub open_session
{
	my %session = (in => '', out => '', err => '');
	$session{psql} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err});
	return \%session;
}

sub run_in
{
	my ($session, $sql) = @_;
	$session->{out} = '';
	$session->{in} .= "$sql\n\\echo done\n";
	$session->{psql}->pump until $session->{out} =~ /^done$/m;
	die $session->{err} if $session->{err} =~ /ERROR/;
}

sub close_session
{
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	$session->{psql}->finish;
}

# ---- transactions that end late ----------------------------------------------------------------------------

sub windows
{
	my ($where, $while_open) = @_;
	$while_open //= sub { };
	my @sessions = map { open_session() } 1 .. 4;
	run_in($_, 'BEGIN; SET client_min_messages = error;') for @sessions;
	run_in($sessions[0], q{SELECT ingest(1, 60, 'calling');});
	run_in($sessions[1], q{SELECT ingest_nested(1, 240, 'ringing');});
	run_in($sessions[2], q{SELECT ingest(1, 20, 'connected'); SAVEPOINT a; SELECT ingest(1, 40, 'hold');
		ROLLBACK TO a; SELECT ingest(21, 40, 'hold'); RELEASE a;});
	# This session appends in a subtransaction, and later when it has been open for long.
	run_in($sessions[3], q{INSERT INTO noise VALUES (1); SAVEPOINT a; SELECT ingest(1, 10, 'recording'); RELEASE a;});
	$node->safe_psql('postgres', qq{
BEGIN; SELECT ingest(1, 50, 'voicemail'); PREPARE TRANSACTION '$where kept';
BEGIN; SELECT ingest_nested(1, 100, 'transcription'); PREPARE TRANSACTION '$where undone';
BEGIN; SELECT ingest_nested(1, 100, 'csat'); PREPARE TRANSACTION '$where nested';});
	$node->safe_psql('postgres', q{SELECT ingest(1, 30, 'hangup')});
	is(drained(), 30, "$where: open transactions do not delay the events of others");
	run_in($sessions[3], q{SELECT ingest(11, 20, 'recording');});
	$while_open->();
	$node->safe_psql('postgres', q{BEGIN; SELECT ingest(31, 60, 'hangup'); ROLLBACK; SELECT ingest(31, 60, 'hangup')});
	is(drained(), 30, "$where: aborted transactions do not delay them either");
	run_in($sessions[1], 'COMMIT;');
	is(drained(), 160, "$where: all events of a transaction with many subtransactions are delivered");
	$node->safe_psql('postgres', qq{COMMIT PREPARED '$where nested'; ROLLBACK PREPARED '$where undone'});
	is(drained(), 67, "$where: all events of a prepared transaction are delivered");
	run_in($sessions[2], 'COMMIT;');
	is(drained(), 40, "$where: events rolled back to a savepoint are not delivered");
	run_in($sessions[0], 'ROLLBACK;');
	is(drained(), 0, "$where: rolled back events are not delivered");
	run_in($sessions[3], 'COMMIT;');
	is(drained(), 20, "$where: events appended late by an old transaction are delivered");
	$node->restart;
	$node->safe_psql('postgres', "COMMIT PREPARED '$where kept'");
	is(drained(), 50, "$where: a prepared transaction survives a restart");
	check("$where: nothing is lost, nothing comes twice");
	close_session($_) for @sessions;
}

windows('in the middle');

# ---- a claimer's own transaction ------------------------------------------------------------------------------

# It appends, claims all events and appends again, in subtransactions too. Other transactions end in the meantime, so
# a snapshot would see its own id.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION drain_here() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    LOOP
        WITH claimed AS (SELECT * FROM claim_call_events(1000, NULL)),
        kept AS (INSERT INTO done (event_seq, call_id) SELECT event_seq, call_id FROM claimed)
        SELECT array_agg(DISTINCT claim_id) INTO ids FROM claimed;
        EXIT WHEN ids IS NULL;
        PERFORM complete_call_events(ids);
    END LOOP;
END
$$});
my $own = open_session();
my $other = q{SELECT ingest(1, 20, 'hangup')};
run_in($own, q{BEGIN; SELECT ingest(1, 200, 'calling');});
$node->safe_psql('postgres', $other);
run_in($own, q{SELECT drain_here(); SELECT ingest(1, 200, 'ringing');});
$node->safe_psql('postgres', $other);
run_in($own, q{SAVEPOINT a; SELECT drain_here(); SELECT ingest(1, 200, 'connected');
	ROLLBACK TO a; SELECT drain_here(); SELECT ingest(1, 200, 'hold'); COMMIT;});
close_session($own);
check('a transaction that claims and appends loses no events');

# ---- workers and writers at the same time ------------------------------------------------------------------------

sub storm
{
	my ($where) = @_;
	my $scripts = PostgreSQL::Test::Utils::tempdir;
	append_to_file("$scripts/append.sql", q{\set first random(1, 400)
BEGIN;
SELECT ingest(:first, :first + 5, 'state ' || random());
\sleep 1 ms
SAVEPOINT a;
SELECT ingest(:first, :first + 5, 'state ' || random());
ROLLBACK TO a;
SELECT ingest(:first, :first + 5, 'state ' || random());
COMMIT;
});
	append_to_file("$scripts/drain.sql", "CALL drain(20);\n");
	system_or_bail('pgbench', '--no-vacuum', '--client=6', '--transactions=60',
		"--file=$scripts/append.sql\@3", "--file=$scripts/drain.sql\@2",
		'--host=' . $node->host, '--port=' . $node->port, 'postgres');
	check("$where: concurrent workers and writers lose no events");
}

storm('in the middle');

# ---- across the limits of 32 bits ---------------------------------------------------------------------------

# All ids before the jump must be frozen, also in databases without connections.
sub jump
{
	my ($epoch, $xid) = @_;
	$node->safe_psql('postgres', 'ALTER DATABASE template0 ALLOW_CONNECTIONS true');
	$node->safe_psql($_, 'VACUUM FREEZE') for 'template0', 'template1', 'postgres';
	$node->safe_psql('postgres', 'CHECKPOINT');
	$node->stop;
	PostgreSQL::Test::Utils::system_or_bail('pg_resetwal', '--epoch', $epoch, '--next-transaction-id', $xid, '--pgdata', $node->data_dir);
	$node->start;
}

# Steps below two thousand million, to the first id of a page of the commit log.
my $page = 32768;
for my $end (2**31, 2**32)
{
	my $where = $end == 2**31 ? 'at 2^31' : 'at 2^32';
	jump(0, 1500000256 - 1500000256 % $page) if $end == 2**31;
	jump(0, 3500000256 - 3500000256 % $page) if $end == 2**32;
	# Some events are pending across the jump.
	$node->safe_psql('postgres', "SELECT ingest(1, 100, 'jump')");
	jump(0, $end - $page);
	my $near = $end - 400;
	$node->safe_psql('postgres', "CALL burn('$near')");
	my $beyond = $end + 50;
	is(drained(), 100, "$where: the pending events are delivered");
	windows($where, sub { $node->safe_psql('postgres', "CALL burn('$beyond')") });
	storm($where);
	cmp_ok($node->safe_psql('postgres', 'SELECT pg_current_xact_id()'), '>', $end, "$where: the transaction ids are beyond the limit");
}

$node->stop;
done_testing();
