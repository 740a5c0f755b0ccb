
# A prepared transaction has rows of an event log. Nobody sees them before its end, even after a restart of the server. The adoption of
# a restored log, a detach and an attach wait for it, and each event comes once.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('prepared');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nmax_prepared_transactions = 4");
$node->start;

$node->safe_psql('postgres', q{
CREATE EXTENSION callhardening;
SELECT create_call_tables();
CREATE TABLE got (event_seq bigint, call_id text);
CREATE PROCEDURE drain() LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        INSERT INTO got SELECT event_seq, call_id FROM claim_call_events(lease => NULL, log => 'call_events');
        EXIT WHEN NOT FOUND;
        PERFORM complete_call_events(ARRAY(SELECT claim_id FROM call_open_claims));
        COMMIT;
    END LOOP;
END $$});

sub add
{
	my ($call) = @_;
	return qq{INSERT INTO call_events (payload) VALUES ('{"call_id": $call, "state": "ringing"}')};
}

sub prepare
{
	my ($sql) = @_;
	$node->safe_psql('postgres', "BEGIN; $sql; PREPARE TRANSACTION 'open'");
}

# With a limit, so that a wait is an error.
sub waits
{
	my ($sql, $what) = @_;
	my ($status, $out, $error) = $node->psql('postgres', "SET lock_timeout = '100 ms'; $sql");
	like($error, qr/ERROR:  canceling statement due to lock timeout/, "$what waits for a prepared transaction");
}

sub has_got
{
	my ($calls, $what) = @_;
	$node->safe_psql('postgres', 'CALL drain()');
	is($node->safe_psql('postgres', q{SELECT string_agg(call_id, ' ' ORDER BY call_id) FROM got}), $calls, $what);
	$node->safe_psql('postgres', 'TRUNCATE got');
}

# ---- the adoption ----------------------------------------------------------------------------------------

# The events 3 and 4 are pending in the dump. Event 4 is restored by a prepared transaction, with its stamp.
$node->safe_psql('postgres', add($_)) for 101, 102;
has_got('101 102', 'the first events');
$node->safe_psql('postgres', add($_)) for 103, 104;
$node->safe_psql('postgres', q{
CREATE TABLE dump AS SELECT * FROM call_events WHERE event_seq = 4;
DELETE FROM call_events WHERE event_seq = 4;
ALTER TABLE call_events ENABLE TRIGGER stamp_call_event;
UPDATE _callhardening.logs SET system_identifier = 0});
prepare('SET LOCAL session_replication_role = replica; INSERT INTO call_events OVERRIDING SYSTEM VALUE TABLE dump');
waits('CALL drain()', 'the first claim');
$node->restart;
waits('CALL drain()', 'after a restart, the first claim');
is($node->safe_psql('postgres', add(105) . ' RETURNING call_id'), '105', 'a client does not wait');
$node->safe_psql('postgres', q{COMMIT PREPARED 'open'});
has_got('103 104 105', 'what is pending in the dump comes');
$node->safe_psql('postgres', 'ALTER TABLE call_events ENABLE ALWAYS TRIGGER stamp_call_event');

# ---- detach and attach -----------------------------------------------------------------------------------

for my $end ('COMMIT', 'ROLLBACK')
{
	prepare(add(201));
	waits(q{SELECT detach_call_event_log('call_events')}, 'a detach');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM call_event_logs'), 1, 'and changes nothing');
	$node->restart;
	waits(q{SELECT detach_call_event_log('call_events')}, 'after a restart, a detach');
	$node->safe_psql('postgres', "$end PREPARED 'open'");
	my $state = $node->safe_psql('postgres', q{SELECT detach_call_event_log('call_events')});

	prepare(add(202));
	waits(qq{SELECT attach_call_event_log('call_events', 'calls', '$state')}, 'an attach');
	$node->restart;
	waits(qq{SELECT attach_call_event_log('call_events', 'calls', '$state')}, 'after a restart, an attach');
	$node->safe_psql('postgres', "$end PREPARED 'open'");
	is($node->safe_psql('postgres', qq{SELECT attach_call_event_log('call_events', 'calls', '$state')}), 'attached', 'then it is attached');
	has_got($end eq 'COMMIT' ? '201 202' : '', "after $end PREPARED, each event comes once");
}

# ---- prepared detach and attach --------------------------------------------------------------------------

$node->safe_psql('postgres', add(301));
prepare(q{SELECT detach_call_event_log('call_events')});
waits(q{SELECT detach_call_event_log('call_events')}, 'a second detach');
$node->restart;
$node->safe_psql('postgres', q{COMMIT PREPARED 'open'});
prepare(q{SELECT attach_call_event_log('call_events', 'calls')});
waits(add(302), 'a client of a log that is being attached');
$node->restart;
$node->safe_psql('postgres', q{COMMIT PREPARED 'open'});
$node->safe_psql('postgres', add(302));
has_got('301 302', 'a detach and an attach are prepared');

$node->stop;
done_testing();
