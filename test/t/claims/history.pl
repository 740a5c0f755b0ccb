
# Workers of two consumers claim and complete events while workers, backends and the server crash. Then
# test/history/check.py compares their answers with the log, event by event, for each consumer. A third consumer is moved
# all the time, and a fourth one is dropped and created again: they get every event that no seek has passed.
#
# CALLHARDENING_SEED repeats the choices of the clients and of this script, but not their timing.
# CALLHARDENING_HISTORY_SECONDS=1800 makes a long run. CALLHARDENING_HISTORY keeps the logs and tables in a directory.
# CALLHARDENING_HISTORY_SYNCHRONOUS (1, 0) sets whether all sessions wait for the disk at commit.
# CALLHARDENING_HISTORY_PROVIDER (dialpad, zoom_phone) sets the provider of the bodies. Otherwise the seed decides.

use strict;
use warnings;

use FindBin;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{CALLHARDENING_SEED} // int(rand 1_000_000);
my $seconds = $ENV{CALLHARDENING_HISTORY_SECONDS} // 60;
my $sources = "$FindBin::Bin/../../history";
my $directory = $ENV{CALLHARDENING_HISTORY} // PostgreSQL::Test::Utils::tempdir;
my $client = PostgreSQL::Test::Utils::tempdir . '/client';

# -- the checker -----------------------------------------------------------------------------------

for (split /\n/, `python3 $sources/check.py --self-test`)
{
	next unless /^((?:not )?ok) \d+ - (.*)/;
	is($1, 'ok', "the checker judges a made-up history as expected: $2");
}

# -- the server ------------------------------------------------------------------------------------

srand $seed;
my $synchronous = $ENV{CALLHARDENING_HISTORY_SYNCHRONOUS} // (rand() < 0.3);
my $lanes = (8, 8, 24)[ rand 3 ];
my $provider = $ENV{CALLHARDENING_HISTORY_PROVIDER} // ('dialpad', 'zoom_phone')[ $seed % 2 ];
my ($key, $stamp) = $provider eq 'dialpad' ? ('dialpad_call_id', 'event_timestamp') : ('call_id', 'event_ts');
note("CALLHARDENING_SEED=$seed: $seconds s, synchronous_commit = "
	  . ($synchronous ? 'on' : 'off') . ", $lanes lanes, bodies of $provider, in $directory");

my ($flags, $libraries) = map { chomp; $_ } `pg_config --includedir`, `pg_config --libdir`;
system_or_bail(qw(g++ -std=c++20 -O1 -Wall -Wextra), "-I$flags", "$sources/client.cpp", '-o', $client, "-L$libraries",
	"-Wl,-rpath,$libraries", '-lpq');

# The checker identifies a life of the server by its first checkpoint, so there must be no other checkpoints.
my $node = PostgreSQL::Test::Cluster->new('history');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf(
	'postgresql.conf', q{
fsync = off
full_page_writes = off
restart_after_crash = on
checkpoint_timeout = 1d
max_wal_size = 40GB
wal_writer_delay = 10s
max_prepared_transactions = 500
max_connections = 60
autovacuum_naptime = 3s
log_min_messages = error
log_statement = none
log_line_prefix = '%m [%p] %e '});
$node->start;
$node->safe_psql(
	'postgres', qq{
SET client_min_messages = error;
CREATE EXTENSION callhardening;
CREATE SCHEMA claimed;
CREATE SCHEMA processed;
SELECT create_call_tables('claimed', '$provider'), create_call_tables('processed', '$provider');
SELECT create_call_tables('public');
ALTER TABLE call_events RENAME TO template;
CREATE TABLE call_events (LIKE template INCLUDING ALL);
CREATE TABLE processed_events (LIKE template INCLUDING ALL);
DROP TABLE template, claimed.call_events, processed.call_events;
SELECT register_call_event_log('call_events', 'claimed.calls', '$provider', $lanes),
    register_call_event_log('processed_events', 'processed.calls', '$provider', 8);
SELECT configure_call_event_log(log, retry_base => '20 ms', retry_cap => '300 ms')
    FROM unnest('{call_events,processed_events}'::regclass[]) AS log;

-- A purge does not delete these rows.
CREATE TABLE ingested (tag text, seq bigint, xid xid8, lane int, call_id text);
CREATE INDEX ON ingested (seq);
CREATE FUNCTION note_event() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
    INSERT INTO ingested VALUES (NEW.payload ->> 'tag', NEW.event_seq, NEW.event_xid, NEW.event_lane, NEW.call_id);
    RETURN NULL;
END
\$\$;
CREATE TRIGGER note_event AFTER INSERT ON call_events FOR EACH ROW EXECUTE FUNCTION note_event();

SELECT create_call_consumer('call_events', consumer) FROM unnest('{crm,moving,brief}'::name[]) AS consumer;

-- What these consumers got since their creation, and the events before which they were moved, as far as these were visible.
CREATE TABLE got (consumer name, tag text);
CREATE INDEX ON got (tag, consumer);
CREATE TABLE missed (consumer name, tag text, seq bigint);
CREATE TABLE passed (consumer name, before_seq bigint, seen pg_snapshot);

CREATE FUNCTION get_events(consumer name) RETURNS bigint LANGUAGE plpgsql AS \$\$
#variable_conflict use_column
DECLARE
    claims bigint[];
BEGIN
    WITH claimed AS (SELECT * FROM claim_call_events(50, NULL, 'getter', 'call_events', consumer => get_events.consumer)),
        kept AS (INSERT INTO got SELECT get_events.consumer, payload ->> 'tag' FROM claimed)
    SELECT array_agg(DISTINCT claim_id) INTO claims FROM claimed;
    RETURN count(*) FILTER (WHERE outcome = 'completed') FROM complete_call_events(claims);
END
\$\$;
CREATE FUNCTION move_consumer(target bigint) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
    PERFORM seek_call_consumer('call_events', 'moving', event_seq => target);
    INSERT INTO passed VALUES ('moving', target, pg_current_snapshot());
END
\$\$;
CREATE FUNCTION renew_consumer() RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
    PERFORM drop_call_consumer('call_events', 'brief');
    PERFORM create_call_consumer('call_events', 'brief');
    DELETE FROM got WHERE consumer = 'brief';
    DELETE FROM passed WHERE consumer = 'brief';
    INSERT INTO passed VALUES ('brief', 9223372036854775807, pg_current_snapshot());
END
\$\$;
-- An empty poll of the only session with this consumer's events: it has got all that were visible before.
CREATE FUNCTION note_missed(wanted name, visible pg_snapshot) RETURNS void LANGUAGE sql AS \$\$
    INSERT INTO missed SELECT wanted, i.tag, i.seq FROM ingested AS i
    WHERE i.seq > (SELECT max(seq) - 500 FROM ingested) AND pg_visible_in_snapshot(i.xid, visible)
        AND NOT EXISTS (SELECT FROM got AS g WHERE g.tag = i.tag AND g.consumer = wanted)
        AND NOT EXISTS (SELECT FROM passed AS p WHERE p.consumer = wanted AND i.seq < p.before_seq
            AND pg_visible_in_snapshot(i.xid, p.seen))
\$\$;
-- Targets just ahead: an event that is committed during the seek must come. Targets just behind: so must an event of an
-- open transaction. The later seeks must not hide a miss, so it is noted before.
CREATE PROCEDURE get_for_a_while(consumer name, is_moved boolean) LANGUAGE plpgsql AS \$\$
DECLARE
    visible pg_snapshot;
BEGIN
    PERFORM pg_advisory_lock(hashtext(consumer));
    FOR i IN 1 .. 200 LOOP
        visible := pg_current_snapshot();
        IF get_events(consumer) = 0 AND is_moved THEN
            PERFORM note_missed(consumer, visible);
            PERFORM move_consumer(greatest(1, 3 + max(event_seq) - ((ARRAY[0, 0, 20, 300])[1 + floor(random() * 4)::int] * random())::int))
                FROM call_events;
        END IF;
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
END
\$\$;
SELECT renew_consumer();
INSERT INTO passed VALUES ('moving', 9223372036854775807, pg_current_snapshot());

CREATE TABLE effects (claim_id bigint, tag text, attempt int);
CREATE TABLE sums (claimed bigint, applied bigint, unchanged bigint, refused bigint, failed bigint);

-- The calls table refuses some events always, and others sometimes.
CREATE FUNCTION refuse_call() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
    IF NEW.raw_payload ->> 'fate' = 'always' OR random() < 0.002 THEN
        RAISE EXCEPTION 'refused';
    END IF;
    RETURN NEW;
END
\$\$;
CREATE TRIGGER zz_refuse_call BEFORE INSERT OR UPDATE ON processed.calls FOR EACH ROW EXECUTE FUNCTION refuse_call();
});

# -- the clients -----------------------------------------------------------------------------------

my %kinds = (claim => 'call_events', crm => 'call_events', append => 'call_events',
	process => 'processed_events', feed => 'processed_events');
my %running;
my $started = 0;

$ENV{HISTORY_SYNCHRONOUS} = 1 if $synchronous;
$ENV{HISTORY_PROVIDER} = $provider;

# The log files of the consumer crm.
my $directory_of_crm = "$directory/crm";
mkdir $directory_of_crm;

# The consumers of the kind `get` are checked in the database.
sub start_getter
{
	my ($consumer) = @_;
	my $is_moved = $consumer eq 'moving' && !$ENV{HISTORY_QUIET} ? 'true' : 'false';
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null';
		exec 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c', "CALL get_for_a_while('$consumer', $is_moved)"
		  or POSIX::_exit(2);
	}
	$running{$pid} = "get $consumer";
}

# The kind `feed` appends to the log that is processed. The checker reads nothing of it. The kind `crm` claims for the consumer
# of this name.
sub start_client
{
	my ($kind) = @_;
	return start_getter($1) if $kind =~ /^get (.*)/;
	my $name = sprintf '%s%d', substr($kind, 0, 1), ++$started;
	my $program = { feed => 'append', crm => 'claim' }->{$kind} // $kind;
	my $log = $kinds{$kind} eq 'call_events' ? "$directory/$name.log" : "$directory/$name.other";
	$log = "$directory_of_crm/$name.log" if $kind eq 'crm';
	my $random = int rand 1_000_000_000;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>>', "$directory/clients.out";
		open STDERR, '>&', \*STDOUT;
		$ENV{HISTORY_CONSUMER} = 'crm' if $kind eq 'crm';
		exec $client, $program, $node->connstr('postgres') . " application_name=$name", $log, $random, $name, $kinds{$kind}
		  or POSIX::_exit(2);
	}
	$running{$pid} = $kind;
}

# Replaces each client that was killed or died of a poison event.
sub replace_dead_clients
{
	while ((my $pid = waitpid(-1, POSIX::WNOHANG)) > 0)
	{
		my $kind = delete $running{$pid} // next;
		my $status = $?;
		die "a client of kind $kind ended with status $status" if $status != 0 && $status != 9 && $kind !~ /^get /;
		start_client($kind);
	}
}

sub stop_clients
{
	my ($wanted) = @_;
	my @pids = grep { $running{$_} =~ $wanted } keys %running;
	kill 'CONT', @pids;
	kill 'TERM', @pids;
	for my $pid (@pids)
	{
		waitpid $pid, 0;
		delete $running{$pid};
	}
}

my @stopped; # [when to go on, pid]

sub wake_stopped
{
	my ($now) = @_;
	kill 'CONT', map { $_->[1] } grep { $_->[0] <= $now && $running{ $_->[1] } } @stopped;
	@stopped = grep { $_->[0] > $now } @stopped;
}

sub some_client
{
	my @pids = sort { $a <=> $b } keys %running;
	return $pids[ rand @pids ];
}

# -- faults --------------------------------------------------------------------------

my %happened;

sub wait_for_server
{
	for (1 .. 600)
	{
		return if $node->psql('postgres', 'SELECT 1') == 0;
		sleep 0.1;
	}
	die 'the server does not come back';
}

# Killing a backend ends all others. The server's log begins a new life.
sub kill_backend
{
	my ($code, $pids) = $node->psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name ~ '^[acpf][0-9]+$'});
	my @pids = split /\n/, $pids // '';
	return unless @pids;
	kill 'KILL', $pids[ rand @pids ];
	sleep 0.3;
	wait_for_server();
	note_life();
}

sub crash
{
	$node->stop('immediate');
	sleep rand 0.3;
	$node->start;
	note_life();
}

# The checker needs every life, even if no client wrote it down.
sub note_life
{
	my $life = $node->safe_psql('postgres', q{SELECT (checkpoint_lsn - '0/0')::bigint FROM pg_control_checkpoint()});
	append_to_file("$_/lives.log", "life\t$life\tsync\t0\n") for $directory, $directory_of_crm;
}

my @actions = (
	[ 40, kill => sub { kill 'KILL', some_client() } ],
	[ 15, stall => sub {
		my $pid = some_client();
		kill 'STOP', $pid;
		push @stopped, [ time + 0.3 + rand 2, $pid ];
	} ],
	[ 10, disconnect => sub {
		$node->psql('postgres',
			q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^[acpf][0-9]+$' ORDER BY random() LIMIT 1});
	} ],
	[ 20, purge => sub { $node->psql('postgres', q{SELECT purge_call_events('0', 'call_events', 500)}) } ],
	[ 5, vacuum => sub { $node->psql('postgres', 'VACUUM call_events, _callhardening.claims, _callhardening.retrying_events') } ],
	[ 5, renew => sub { $node->psql('postgres', 'SELECT renew_consumer()') } ],
	[ 5, nothing => sub { sleep 0.5 } ]);

sub do_something
{
	my $roll = rand 100;
	for my $action (@actions)
	{
		my ($weight, $name, $do) = @$action;
		$roll -= $weight;
		next if $roll >= 0;
		$happened{$name}++;
		return $do->();
	}
}

note_life();
start_client($_) for ('claim') x 6, ('crm') x 3, ('append') x 3, ('process') x 2, 'feed', 'get moving', 'get brief';
my $end = time + $seconds;
my $next_crash = time + 3 + rand 6;
while (time < $end)
{
	sleep rand 0.5;
	replace_dead_clients();
	wake_stopped(time);
	do_something();
	next if time < $next_crash;
	my $name = rand() < 0.2 ? 'backend' : 'crash';
	$happened{$name}++;
	$name eq 'crash' ? crash() : kill_backend();
	$next_crash = time + 3 + rand 12;
}
wake_stopped(time + 3600);
note(join ', ', map {"$_: $happened{$_}"} sort keys %happened);

# -- the end ---------------------------------------------------------------------------------------

# Clients that stop end their prepared transactions. Killed clients leave theirs.
stop_clients(qr/^(append|feed)$/);
for my $name (split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts ORDER BY gid'))
{
	$node->safe_psql('postgres', (rand() < 0.5 ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$name'");
}

# From now on the workers make no deliberate mistakes.
$ENV{HISTORY_QUIET} = 1;
stop_clients(qr/./);
start_client($_) for ('claim') x 4, ('crm') x 2, 'process', 'get moving', 'get brief';
my $left = q{
SELECT 'waiting' FROM call_retrying_events
UNION ALL SELECT 'claimed'
    FROM (SELECT DISTINCT ON (consumer_id, lane) state FROM _callhardening.claims ORDER BY consumer_id, lane, record_no DESC) AS newest
WHERE state IN ('claimed', 'renewed')
UNION ALL SELECT 'pending' FROM call_consumers AS c, claim_call_events(1, NULL, 'drain', c.log, consumer => c.consumer)
LIMIT 1};
my $drained = 0;
for (1 .. 300)
{
	replace_dead_clients();
	$drained = $node->safe_psql('postgres', $left) eq '' ? $drained + 1 : 0;
	last if $drained >= 3;
	sleep 0.4;
}
stop_clients(qr/./);
cmp_ok($drained, '>=', 3, 'all events are settled in the end');

my $failed_clients = -e "$directory/clients.out" ? slurp_file("$directory/clients.out") : '';
$failed_clients =~ s/^(WARNING:  terminating connection|FATAL:  terminating connection|DETAIL:|HINT:).*\n//mg;
is($failed_clients, '', 'no client reports an error');

# -- the check -------------------------------------------------------------------------------------

sub report_of
{
	my ($consumer, $to, $others) = @_;
	my $number = $node->safe_psql('postgres', qq{SELECT c.consumer_id FROM _callhardening.consumers AS c
		JOIN _callhardening.logs AS l USING (log_id) WHERE l.events = 'call_events'::regclass AND c.name = '$consumer'});
	my %tables = (
		ingested => 'SELECT tag, seq, xid, lane, call_id FROM ingested',
		dead => qq{SELECT i.tag, d.event_seq, d.attempts, (extract(epoch FROM d.died_at) * 1000000)::bigint
			FROM _callhardening.dead_events AS d JOIN ingested AS i ON i.seq = d.event_seq WHERE d.consumer_id = $number},
		effects => "SELECT tag, claim_id, attempt FROM effects WHERE claim_id >> 49 = $number",
		settings => q{SELECT max_attempts FROM _callhardening.logs WHERE events = 'call_events'::regclass});
	for my $table (sort keys %tables)
	{
		append_to_file("$to/$table.tsv", join '', map {"$_\n"} split /\n/,
			$node->safe_psql('postgres', "COPY ($tables{$table}) TO STDOUT"));
	}
	my $report = `python3 $sources/check.py $to $others`;
	my $is_right = $? == 0;
	note($report);
	ok($is_right, "the history of consumer $consumer of seed $seed has no violation") or diag($report);
	return $report;
}

my $report = report_of('default', $directory, $directory_of_crm);
my %seen = $report =~ /^# (.*): (\d+)$/mg;
my %seen_by_crm = report_of('crm', $directory_of_crm, $directory) =~ /^# (.*): (\d+)$/mg;
cmp_ok($seen_by_crm{'claims'} // 0, '>', $seconds, 'the other consumer had enough claims');

is($node->safe_psql('postgres', q{
SELECT format('consumer %s did not get event %s with number %s', c.consumer, i.tag, i.seq)
FROM ingested AS i, (VALUES ('moving'::name), ('brief')) AS c (consumer)
WHERE NOT EXISTS (SELECT FROM got AS g WHERE g.tag = i.tag AND g.consumer = c.consumer)
    AND NOT EXISTS (SELECT FROM passed AS p WHERE p.consumer = c.consumer AND i.seq < p.before_seq
        AND pg_visible_in_snapshot(i.xid, p.seen))
UNION ALL SELECT format('consumer %s did not get event %s with number %s at first', consumer, tag, seq) FROM missed
LIMIT 10}), '', 'the consumers that are moved and created again got all events that were not passed');
note('seeks: ' . $node->safe_psql('postgres', q{SELECT string_agg(consumer || ' ' || count, ', ')
    FROM (SELECT consumer, count(*) FROM passed GROUP BY 1 UNION ALL SELECT consumer || ' got', count(*) FROM got GROUP BY 1) AS s}));

# A run without events proves nothing.
cmp_ok($seen{'events'} // 0, '>', 20 * $seconds, 'the run had enough events');
cmp_ok($seen{'lives of the server'} // 0, '>', 1, 'the server crashed at least once');
for my $what ('complete: stale', 'fail: retry', 'fail: dead', 'attempt 3', 'dead events', 'effects')
{
	cmp_ok($seen{$what} // 0, '>', 0, "this happened at least once: $what") unless $seconds < 60;
}

# The processed log and its tables crashed and recovered together.
is($node->safe_psql('postgres', qq{
SELECT 'not every event was processed once: ' || sum(claimed - failed) FROM sums
HAVING sum(claimed - failed) <> (SELECT count(*) FROM processed_events) - (SELECT count(*) FROM call_dead_events AS d
    JOIN _callhardening.logs AS l USING (log_id) WHERE l.events = 'processed_events'::regclass)
    OR sum(claimed) <> sum(applied + unchanged + refused + failed)
UNION ALL
SELECT 'died for nothing: ' || e.event_seq FROM call_dead_events AS d JOIN call_event_logs AS l USING (log_id)
    JOIN processed_events AS e USING (event_seq)
WHERE l.events = 'processed_events'::regclass AND e.payload ->> 'fate' <> 'always'
UNION ALL
SELECT format('call %s does not have its newest event', newest.call_id)
FROM (SELECT e.call_id, max((e.payload ->> '$stamp')::bigint) AS stamp FROM processed_events AS e
      WHERE e.event_seq NOT IN (SELECT d.event_seq FROM call_dead_events AS d JOIN call_event_logs AS l USING (log_id)
                                WHERE l.events = 'processed_events'::regclass)
      GROUP BY e.call_id) AS newest
LEFT JOIN processed.calls AS c ON c.${key}::text = newest.call_id
WHERE (c.raw_payload ->> '$stamp')::bigint IS DISTINCT FROM newest.stamp}), '', 'what was processed is right');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|XX000|signal (?!9:)/, 'the server log has no crash except the deliberate ones');
done_testing();
