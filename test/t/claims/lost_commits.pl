
# With synchronous_commit = off, a crash loses the last commits. The server may forget an earlier answer. It loses no
# event: everything a later answer relies on is on disk.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('lost');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf',
	"fsync = off\nautovacuum = off\nsynchronous_commit = off\nwal_writer_delay = 10s\ncheckpoint_timeout = 1d");
$node->start;
$node->safe_psql(
	'postgres', q{
SET synchronous_commit = on;
CREATE EXTENSION callhardening;
SELECT create_call_tables();
SELECT configure_call_event_log(retry_base => '1 ms', retry_cap => '1 ms')});

sub answer { return $node->safe_psql('postgres', $_[0]) }

# Waits for the disk, also for all earlier commits.
sub ingest { return answer(qq{SET synchronous_commit = on; SELECT ingest_call_event('{"call_id": $_[0], "state": "$_[1]"}'::jsonb)}) }

sub claim
{
	my ($synchronous) = @_;
	return answer("SET synchronous_commit = $synchronous; SELECT DISTINCT claim_id FROM claim_call_events(lease => '1 hour')");
}

sub complete { return answer("SELECT outcome FROM complete_call_events('{$_[0]}')") }

# The server writes its WAL every 10 s and whenever a page is full. While the WAL writer is stopped, it does not write,
# and a crash loses the rest. The server kills the writer 5 s after asking it to end.
sub forget_what_follows
{
	kill 'STOP', answer(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'});
}

sub crash
{
	$node->stop('immediate');
	$node->start;
}

sub drain
{
	my @taken;
	for (1 .. 20)
	{
		my $batch = answer(q{SELECT string_agg(format('%s %s as attempt %s', call_id, event_type, attempt), ', ' ORDER BY event_seq),
			array_agg(DISTINCT claim_id) FROM claim_call_events()});
		my ($events, $claims) = split /\|/, $batch;
		last unless $events;
		push @taken, $events;
		answer("SELECT * FROM complete_call_events('$claims')");
	}
	return join '; ', @taken;
}

# -- facts behind a later answer ---------------------------------------------------------------------

# The claim is completed later. This settles all of its events except the failed ones.
my (undef, $second) = map { ingest(1, $_) } 'ringing', 'connected', 'hangup';
my $claim = claim('on');
is(answer("SELECT fail_call_event($claim, $second, 'no', retry_after => '0')"), 'retry', 'a failed event is to be retried');
crash();
is(complete($claim), 'completed', 'a claim can be completed after a crash');
is(drain(), '1 connected as attempt 2; 1 hangup as attempt 2', 'the failure survived: the event and the one behind it come again');

# The last attempt of an event, and a retry that fails again.
answer(q{SET synchronous_commit = on; SELECT configure_call_event_log(max_attempts => 2)});
my $event = ingest(2, 'ringing');
$claim = claim('on');
answer("SET synchronous_commit = on; SELECT fail_call_event($claim, $event, 'no', retry_after => '0')");
complete($claim);
$claim = claim('on');
is(answer("SELECT fail_call_event($claim, $event, 'no')"), 'dead', 'an event dies at its last attempt');
crash();
is(complete($claim), 'completed', 'its retry can be completed after a crash');
is(answer('SELECT event_seq, attempts FROM call_dead_events'), "$event|2", 'the dead event survived the crash');
answer(q{SET synchronous_commit = on; SELECT configure_call_event_log(max_attempts => 5); DELETE FROM call_dead_events});

# A worker in the server counts the attempt before the event can crash the server.
answer(q{
SET synchronous_commit = on;
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
CREATE TRIGGER zz_wait BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION wait()});
ingest(3, 'ringing');
answer('SELECT start_call_worker()');
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'}),
	'a worker is applying an event');
crash();
is(answer('SELECT sum(events) FROM call_open_claims'), '1', 'its attempt survived the crash');
answer('SET synchronous_commit = on; DROP TRIGGER zz_wait ON calls; SELECT release_call_events(array_agg(claim_id)) FROM call_open_claims');
is(drain(), '3 ringing as attempt 1', 'the event is delivered again');

# -- answers that may be forgotten --------------------------------------------------------------------------------

ingest(4, 'ringing');
forget_what_follows();
$claim = claim('off');
crash();
is(complete($claim), 'unknown', 'a forgotten claim is unknown and not mistaken for another');
is(drain(), '4 ringing as attempt 1', 'its events are delivered at once');

ingest(5, 'ringing');
$claim = claim('on');
forget_what_follows();
is(complete($claim), 'completed', 'a worker completes a claim');
crash();
is(complete($claim), 'completed', 'after the crash forgot this, the claim can be completed again');
is(drain(), '', 'its events are not delivered again');

ingest(6, 'ringing');
$claim = claim('on');
forget_what_follows();
answer("SELECT renew_call_claim($claim, '1 day')");
answer("SELECT release_call_events('{$claim}')");
crash();
is(answer("SELECT lease_end < now() + interval '2 hours' FROM call_open_claims"),
	't', 'after the crash forgot a renewal and a release, the old lease goes on');
answer("SELECT release_call_events('{$claim}')");
is(drain(), '6 ringing as attempt 1', 'the event is delivered after the second release');

unlike(slurp_file($node->logfile), qr/PANIC|XX000|terminated by signal/, 'the server log has no crash except the deliberate ones');
$node->stop;
done_testing();
