
# Every published payload is ingested and processed by the real server, into a calls table with a bigint key and one with
# a text key.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = $ENV{CALLHARDENING_PAYLOADS};
plan skip_all => 'CALLHARDENING_PAYLOADS is not set' unless $directory;

my $node = PostgreSQL::Test::Cluster->new('payloads');
# Without LANG the database would have the encoding SQL_ASCII.
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\ndatestyle = 'ISO'");
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
CREATE SCHEMA number;
SELECT create_call_tables('number');
CREATE SCHEMA word;
CREATE TABLE word.calls (LIKE number.calls INCLUDING ALL);
ALTER TABLE word.calls ALTER dialpad_call_id TYPE text, ALTER master_call_id TYPE text,
    ALTER entry_point_call_id TYPE text, ALTER operator_call_id TYPE text;
SELECT harden_calls('word.calls', provider => 'dialpad');
CREATE TABLE word.call_events (LIKE number.call_events INCLUDING ALL);
SELECT register_call_event_log('word.call_events', 'word.calls', 'dialpad', 64);
CREATE TABLE file (name text, log regclass, event_seq bigint)});

my @files = sort glob("$directory/payloads/*.json");
cmp_ok(scalar @files, '>=', 198, 'the test finds the payloads');

my $script = '';
for my $file (@files)
{
	my ($name) = $file =~ m{([^/]+)\.json$};
	my $body = slurp_file($file);
	for my $log ('number.call_events', 'word.call_events')
	{
		$script .= "INSERT INTO file VALUES ('$name', '$log', ingest_call_event(\$body\$$body\$body\$::text, '$log'));\n";
	}
}
$node->safe_psql('postgres', $script);

sub drain
{
	my ($log) = @_;
	my %sum = (claimed => 0, applied => 0, unchanged => 0, refused => 0, failed => 0);
	while (1)
	{
		my $row = $node->safe_psql('postgres', "SELECT * FROM process_call_events(log => '$log')");
		my %count;
		@count{qw(claimed applied unchanged refused failed)} = split /\|/, $row;
		last if $count{claimed} == 0;
		$sum{$_} += $count{$_} for keys %sum;
	}
	return \%sum;
}

for my $schema ('number', 'word')
{
	my $log = "$schema.call_events";
	is($node->safe_psql('postgres', "SELECT count(*) FROM file JOIN $log USING (event_seq) WHERE log = '$log'::regclass"),
		scalar @files, "every body is in the log ($schema)");
	is( $node->safe_psql(
			'postgres', qq{
SELECT count(*) FROM $log e WHERE (event_lane < 0) <> EXISTS (
    SELECT FROM _callhardening.dead_events d JOIN _callhardening.logs l ON l.log_id = d.consumer_id
        WHERE l.events = '$log'::regclass AND d.event_seq = e.event_seq)}),
		0, "exactly the events without a call are dead ($schema)");
	my $sum = drain($log);
	is($sum->{claimed}, $node->safe_psql('postgres', "SELECT count(*) FROM $log WHERE event_lane >= 0"),
		"every other event is claimed ($schema)");
	is($sum->{applied} + $sum->{unchanged} + $sum->{refused}, $sum->{claimed}, "no event failed ($schema)");
}

is( $node->safe_psql('postgres', q{
SELECT name FROM file JOIN number.call_events USING (event_seq)
WHERE log = 'number.call_events'::regclass AND event_lane >= 0 ORDER BY name}),
	join("\n", qw(
	  atendesimples-ping
	  dialpad-call-calling-outbound-shared-contact
	  dialpad-call-get
	  dialpad-call-transfer-response
	  dialpad-event-hangup-inbound-missed-office
	  dialpad-event-hangup-outbound-string-booleans
	  dialpad-event-ringing-outbound-user
	  dialpad-recordingsharelink-create
	  dialpad-thirdparty-nested-call-format
	  dialpad-transcript-get
	  dialpad-transcript-url-get
	  meetime-phone-event)),
	'payloads with a number as call id become calls');

is( $node->safe_psql('postgres', q{
SELECT name FROM file JOIN number.call_events e USING (event_seq) JOIN call_dead_events d USING (event_seq)
    JOIN call_event_logs l USING (log_id)
WHERE log = 'number.call_events'::regclass AND l.events = log AND error LIKE '%cannot hold the call id' ORDER BY name}),
	join("\n", qw(
	  dialpad-fixture-connected-callcenter-leg
	  dialpad-fixture-connected-operator-leg
	  dialpad-fixture-connected-outbound
	  dialpad-fixture-hangup-answered
	  dialpad-fixture-hangup-unanswered
	  dialpad-fixture-recap-summary
	  dialpad-fixture-transcription
	  dialpad-fixture-voicemail-uploaded
	  wephone-call-end)),
	'with a bigint key other call ids are dead events');

sub call
{
	my ($schema, $id) = @_;
	return $node->safe_psql('postgres', qq{
SELECT direction, status, from_number, to_number, dialpad_user_id, started_at, connected_at, ended_at, duration_seconds,
    recording_url, voicemail_url, is_voicemail, was_recorded, is_transferred, entry_point_call_id
FROM $schema.calls WHERE dialpad_call_id = '$id'});
}

# The content of the payload with this call id, as a person reads it.
my %expected = (
	# dialpad-call-calling-outbound-shared-contact
	'5780678246121472' => 'outbound|ringing|+1234567890|+0987654321|1234567890123456|2025-10-01 17:13:35.163+00||||||'
	  . '|f|f|',
	# dialpad-call-get: ids and times as strings
	'1002' => 'inbound|active|+14155557777|+14155551001|2|2013-01-01 00:00:00+00|2013-01-01 00:00:00+00|||||'
	  . '|f|f|1000',
	# dialpad-call-transfer-response, dialpad-recordingsharelink-create, dialpad-transcript-get: no values of the call itself
	'1007' => '||||||||||||||',
	'1006' => '||||||||||||||',
	'1001' => '||||||||||||||',
	# dialpad-event-hangup-inbound-missed-office: the target is not a user
	'6421977457180672' =>
	  'inbound|ended|+15105550101|+15105550102||2024-11-14 22:40:39.404+00||2024-11-14 22:40:48.355+00|0||||f|t|',
	# dialpad-event-hangup-outbound-string-booleans: times are seconds, flags "FALSE", no talk_time
	'461114531840' => 'outbound|ended|+132154|+161922|6651106703015936|1970-07-14 12:53:37+00|1970-07-14 17:54:44+00'
	  . '|1975-05-01 20:27:54+00|12||||f|f|',
	# dialpad-event-ringing-outbound-user: a cancelled ring leg
	'5635304278851584' => 'outbound|ringing|blocked|+17025550133|5171365938069504|2026-08-19 16:58:36.092+00|'
	  . '|2026-08-19 16:58:36.555+00|0||||f|f|',
	# dialpad-thirdparty-nested-call-format: the duration is in seconds
	'1234567890' => 'inbound|ended|+1234567890|+0987654321||2023-10-03 13:20:00+00||2023-10-03 13:22:00+00|120'
	  . '|https://...|||||');

for my $id (sort keys %expected)
{
	is(call($_, $id), $expected{$id}, "call $id ($_)") for 'number', 'word';
}

# dialpad-fixture-*: ids that are not numbers
is(call('word', 'ROOT'), 'inbound|active|||||||||||||', 'call ROOT');
is(call('word', 'OP1'), 'inbound|active|||||||||||||ROOT', 'call OP1');
# Six events without a time, in the order of their arrival.
is(call('word', 'call-1'), 'inbound|ended|||||||8||https://dialpad.com/vm/xyz|t|||', 'call call-1');

# A stored payload is small and has no share link.
is( $node->safe_psql('postgres', q{
SELECT count(*) FROM word.calls
WHERE octet_length(raw_payload::text) > 1000 OR raw_payload::text ~ '(ShareToken|vm/xyz|recording/voicemail)'}),
	0, 'no payload keeps a credential');

# A second delivery of all events under other keys changes nothing.
$node->safe_psql('postgres', 'CREATE TABLE kept AS SELECT * FROM word.calls');
$node->safe_psql('postgres', q{SELECT ingest_call_event(payload, 'word.call_events', event_key => 'again ' || event_seq)
    FROM word.call_events WHERE payload ? 'event_timestamp'});
my $again = drain('word.call_events');
is("$again->{claimed} $again->{applied}", '5 0', 'a second delivery changes nothing');
is($node->safe_psql('postgres', 'SELECT count(*) FROM (TABLE kept EXCEPT TABLE word.calls) AS changed'), 0, 'not one row');

$node->stop;
done_testing();
