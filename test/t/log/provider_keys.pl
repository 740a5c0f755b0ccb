
# Calls tables of several providers, and of one with ids that are texts, keep their keys in a dump: a whole one, a schema
# and its data one after the other, and a schema alone.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dumps = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('keys');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

# No order is kept between two logs, so each one has its own calls here.
sub ingest
{
	my ($database, $state) = @_;
	$node->safe_psql(
		$database, qq[
SELECT ingest_call_event('{"event": "phone.callee_$state", "event_ts": 1767225600000, "payload": {"object":
    {"call_id": "42", "callee": {"user_id": "u"}}}}'::text, 'every.zoom_phone_events');
SELECT ingest_call_event('{"uuid": "42", "status": "$state", "conversation_uuid": "c-1"}'::text, 'every.vonage_events');
SELECT ingest_call_event('{"callId": "c-42", "eventType": "$state", "parentCallId": "c-1"}'::text, 'one.call_events')]);
	return;
}

sub process
{
	my ($database) = @_;
	return $node->safe_psql(
		$database, q{
SELECT sum(p.applied + p.unchanged) FROM call_event_logs AS l CROSS JOIN LATERAL process_call_events(log => l.events) AS p});
}

sub calls
{
	my ($database) = @_;
	return $node->safe_psql(
		$database, q{
SELECT string_agg(concat_ws(' ', call_id, master_call_id), ', ' ORDER BY call_id COLLATE "C")
FROM (SELECT call_id, master_call_id FROM every.calls UNION ALL SELECT call_id, master_call_id FROM one.calls) AS c});
}

sub restore
{
	my ($database, @steps) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	for my $step (@steps)
	{
		$node->command_ok([ 'pg_dump', '--no-sync', @$step, '--file', "$dumps/$database", 'postgres' ], "@$step: dumped for $database");
		$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/$database", $database ], "restored into $database");
	}
	return;
}

$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
CREATE SCHEMA every;
CREATE SCHEMA one;
SELECT create_call_tables('every', '*');
SELECT create_call_event_log('every.calls', 'Zoom Phone'), create_call_event_log('every.calls', 'vonage');
SELECT create_call_tables('one', 'bandwidth')});
ingest('postgres', 'ringing');
is(process('postgres'), 3, 'the events of three logs are applied');
my $calls = 'c-42 c-1, vonage:42 vonage:c-1, zoom_phone:42';
is(calls('postgres'), $calls, 'each provider has its call');
ingest('postgres', 'answered');

my $gaps = q{SELECT relation, gap, detail FROM call_enforcement WHERE level = 'gap'};
restore('whole', []);
restore('parts', ['--schema-only'], ['--data-only']);
for my $database (qw(postgres whole parts))
{
	is($node->safe_psql($database, $gaps), '', "$database: no gap");
	is($node->safe_psql($database, q{SELECT (call_settings('every.calls')).provider, (call_settings('one.calls')).provider}),
		'*|bandwidth', "$database: the providers are kept");
	# A restore of data delivers all events once more.
	is(process($database), $database eq 'parts' ? 6 : 3, "$database: what was pending is applied");
	ingest($database, 'ended');
	is(process($database), 3, "$database: later events are applied");
	is(calls($database), $calls, "$database: to the same calls");
	my ($result, $out, $err) = $node->psql($database, q{SELECT harden_calls('every.calls', provider => 'vonage')});
	like($err, qr/begin with their provider/, "$database: the kind of key stays");
}

restore('schema', ['--schema-only']);
$node->safe_psql(
	'schema', q{
SELECT register_call_event_log('every.zoom_phone_events', 'every.calls', 'zoom_phone');
SELECT register_call_event_log('every.vonage_events', 'every.calls', 'vonage');
SELECT register_call_event_log('one.call_events', 'one.calls', 'bandwidth')});
ingest('schema', 'ringing');
is(process('schema'), 3, 'a schema alone: its logs are registered again');
is(calls('schema'), $calls, 'and their keys are the same');
is($node->safe_psql('schema', $gaps), '', 'without a gap');

unlike(slurp_file($node->logfile), qr/terminated by signal|XX000/, 'the server log has no crash and no internal error');
$node->stop;
done_testing();
