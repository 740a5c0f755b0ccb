
# Every published payload of the providers with a shape goes into a log of its provider. The real server ingests and
# processes it. Its call is compared with a list below, written by a person: every column that is not NULL, or no call.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = $ENV{CALLHARDENING_PAYLOADS};
plan skip_all => 'CALLHARDENING_PAYLOADS is not set' unless $directory;

# Keys are the first words of file names.
my %provider = (
	aircall => 'aircall',
	amazonconnect => 'amazon_connect',
	asterisk => 'asterisk',
	bandwidth => 'bandwidth',
	callrail => 'callrail',
	exotel => 'exotel',
	freeswitch => 'freeswitch',
	justcall => 'justcall',
	openphone => 'openphone_quo',
	plivo => 'plivo',
	quo => 'openphone_quo',
	ringcentral => 'ringcentral',
	signalwire => 'signalwire',
	telnyx => 'telnyx',
	twilio => 'twilio',
	twiliocompatible => 'twilio',
	vonage => 'vonage',
	webexcalling => 'webex_calling',
	zoom => 'zoom_phone');

my $node = PostgreSQL::Test::Cluster->new('provider_payloads');
# Without LANG the database would have the encoding SQL_ASCII.
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\ndatestyle = 'ISO'");
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
CREATE SCHEMA number;
SELECT create_call_tables('number');
CREATE TABLE result (name text, call text)});

# Ids of these providers are texts. Long texts are cut.
my %values = (
	status => 'status',
	direction => 'direction',
	from => 'from_number',
	to => 'to_number',
	user => 'dialpad_user_id',
	started => 'started_at',
	connected => 'connected_at',
	ended => 'ended_at',
	seconds => 'duration_seconds',
	recording => 'left(recording_url, 60)',
	voicemail => 'left(voicemail_url, 60)',
	is_voicemail => 'is_voicemail',
	recorded => 'was_recorded',
	transferred => 'is_transferred',
	master => 'master_call_id',
	entry_point => 'entry_point_call_id',
	operator => 'operator_call_id',
	# an event without a time gets its time of receipt
	event => q{CASE WHEN last_event_at < created_at - interval '1 minute' THEN last_event_at END});
my @columns = qw(status direction from to user started connected ended seconds recording voicemail is_voicemail recorded
  transferred master entry_point operator event);
my $row = join ', ', "'call ' || dialpad_call_id", map { "'$_ ' || ($values{$_})" } @columns;

my $script = '';
for my $name (sort { $a cmp $b } keys %{ { reverse %provider } })
{
	$script .= qq{
CREATE SCHEMA $name;
CREATE TABLE $name.calls (LIKE number.calls INCLUDING ALL);
ALTER TABLE $name.calls ALTER dialpad_call_id TYPE text, ALTER dialpad_user_id TYPE text, ALTER master_call_id TYPE text,
    ALTER entry_point_call_id TYPE text, ALTER operator_call_id TYPE text;
SELECT harden_calls('$name.calls', provider => '$name');
CREATE TABLE $name.call_events (LIKE number.call_events INCLUDING ALL);
SELECT register_call_event_log('$name.call_events', '$name.calls', '$name', 4);
};
}

my @names;
for my $file (sort glob("$directory/payloads/*.{json,form}"))
{
	my ($name, $first) = $file =~ m{(([^/-]+)[^/]*)\.(?:json|form)$};
	next unless exists $provider{$first};
	push @names, $name;
	my ($schema, $body) = ($provider{$first}, slurp_file($file));
	chomp $body;
	$script .= qq{
SELECT ingest_call_event(\$body\$$body\$body\$::text, '$schema.call_events', event_key => '$name');
SELECT failed + refused AS bad FROM process_call_events(log => '$schema.call_events') \\gset
INSERT INTO result SELECT '$name', (SELECT concat_ws('; ', $row) FROM $schema.calls)
    || CASE :bad WHEN 0 THEN '' ELSE '; failed' END;
DELETE FROM $schema.calls;
};
}
my ($result, $out, $err) = $node->psql('postgres', $script, on_error_stop => 1);
is($result, 0, 'every payload is ingested and processed') or diag $err;
unlike($err, qr/WARNING/, 'no payload gives a warning about a word');

my (%expected, $present);
while (my $line = <DATA>)
{
	chomp $line;
	if ($line =~ /^\t(.*)/) { $expected{$present} .= ($expected{$present} eq '' ? '' : '; ') . $1 }
	else { $expected{ $present = $line } = '' }
}
is_deeply([ sort @names ], [ sort keys %expected ], 'each payload has an expected call');
my %calls = map { split /\t/, $_, 2 } split /\n/,
  $node->safe_psql('postgres', q{SELECT name || E'\t' || coalesce(call, '') FROM result});
is($calls{$_}, $expected{$_}, $_) for @names;

# A member of a queue misses the call, events follow the call, and a later event has no direction.
sub steps
{
	my ($schema, @bodies) = @_;
	my $sql = join '', map { "SELECT ingest_call_event(\$body\$$_\$body\$::text, '$schema.call_events');\n" } @bodies;
	$node->safe_psql('postgres', "$sql SELECT process_call_events(log => '$schema.call_events')");
	return $node->safe_psql('postgres', "DELETE FROM $schema.calls RETURNING concat_ws('|', direction, status, dialpad_user_id)");
}

sub zoom
{
	my ($event, $seconds, $user) = @_;
	return sprintf '{"event": "phone.callee_%s", "event_ts": %d, "payload": {"object": {"call_id": "9001", "forwarded_by":
    {"extension_number": "800"}, "callee": {"user_id": "%s"}}}}', $event, 1767225600000 + 1000 * $seconds, $user;
}
is(steps('zoom_phone', zoom('ringing', 0, 'a'), zoom('ringing', 0, 'b'), zoom('missed', 5, 'a'), zoom('answered', 6, 'b')),
	'inbound|active|b', 'a member of a queue misses a call before another answers');
is(steps('zoom_phone', zoom('ringing', 10, 'a'), zoom('answered', 16, 'b'), zoom('missed', 15, 'a')),
	'inbound|active|b', 'a member of a queue misses a call after another answered');

sub aircall
{
	my ($event, $seconds, $answered) = @_;
	return sprintf '{"event": "call.%s", "timestamp": %d, "data": {"id": 9002, "direction": "inbound", "status": "done",
    "answered_at": %s}}', $event, 1767225600 + $seconds, $answered;
}
is(steps('aircall', aircall('created', 0, 'null'), aircall('answered', 5, '1767225605'), aircall('tagged', 8, '1767225605')),
	'inbound|active', 'a tag ends no call');
is(steps('aircall', aircall('created', 20, 'null'), aircall('hungup', 40, 'null'), aircall('ended', 70, 'null'),
		aircall('archived', 99, 'null')), 'inbound|missed', 'an archived call keeps its status');
is(steps('aircall', aircall('created', 20, 'null'), aircall('hungup', 40, 'null'), aircall('voicemail_left', 73, 'null'),
		aircall('ended', 70, 'null')), 'inbound|voicemail', 'a message may follow the hangup of a call without an answer');

sub telnyx
{
	my ($event, $seconds, $more) = @_;
	return sprintf '{"data": {"id": "%s", "event_type": "call.%s", "occurred_at": "2026-01-01T00:00:%02dZ",
    "payload": {"call_leg_id": "9003"%s}}}', "$event$seconds", $event, $seconds, $more;
}
is(steps('telnyx', telnyx('initiated', 0, ', "direction": "incoming"'), telnyx('answered', 5, ''), telnyx('playback.ended', 9, '')),
	'inbound|active', 'a later event without a direction keeps the known one');

# After a dialled leg the call itself goes on. A transcription says "completed" again, long after the call.
sub twilio
{
	my ($id, $status, $more) = @_;
	return "CallSid=CA$id&CallStatus=$status&Direction=inbound&From=%2B12025550100$more";
}
my $progress = '&CallbackSource=call-progress-events&Timestamp=Thu%2C+01+Jan+2026+00%3A00%3A0';
my $dialled = '&DialCallStatus=completed&DialCallDuration=30';
is(steps('twilio', twilio(1, 'in-progress', "${progress}1+%2B0000"), twilio(1, 'in-progress', $dialled)),
	'inbound|active', 'the end of a dialled leg does not end the call');
is(steps('twilio', twilio(2, 'in-progress', "${progress}1+%2B0000"),
		'CallSid=CA2&RecordingSid=RE1&RecordingStatus=failed', twilio(2, 'completed', '&TranscriptionSid=TR1')),
	'inbound|active', 'recordings and transcriptions have their own status');
is(steps('twilio', twilio(3, 'no-answer', "${progress}9+%2B0000"), twilio(3, 'completed', '&TranscriptionSid=TR2')),
	'inbound|missed', 'a transcription after the call');

$node->stop;
done_testing();

__DATA__
aircall-call-answered-inbound
	call 780003160; status active; direction inbound; from +44 20 7946 0018; to +43 720 555 079; user 731002
	started 2022-03-04 10:52:54+00; connected 2022-03-04 10:53:09+00; seconds 0; event 2022-03-04 10:53:09+00
aircall-call-answered-outbound
	call 780000699; status active; direction outbound; from +44 20 7946 0018; to +43 720 555 079; user 736001
	started 2022-03-04 10:28:55+00; connected 2022-03-04 10:29:00+00; seconds 0; event 2022-03-04 10:29:00+00
aircall-call-archived
	call 782000196; direction inbound; from +44 20 7946 0018; to +43 720 555 079; started 2022-03-07 11:04:36+00
	ended 2022-03-07 11:05:09+00; seconds 33; event 2022-03-07 11:34:22+00
aircall-call-commented
	call 780003160; direction inbound; from +44 20 7946 0018; to +43 720 555 079; user 731002; started 2022-03-04 10:52:54+00
	connected 2022-03-04 10:53:09+00; ended 2022-03-04 10:56:22+00; seconds 208; transferred true; event 2022-03-04 10:57:49+00
aircall-call-created-inbound
	call 780000754; status ringing; direction inbound; from +44 20 7946 0018; to +43 720 555 079; started 2022-03-04 10:28:59+00
	seconds 0; event 2022-03-04 10:28:59+00
aircall-call-created-minimal
	call 123; status ringing; direction inbound; event 2024-11-26 12:08:16+00
aircall-call-created-outbound
	call 123; status ringing; direction outbound; to +1 800-123-4567; started 2024-11-26 12:08:15+00; seconds 0
	event 2024-11-26 12:08:16+00
aircall-call-created-outbound-full
	call 780000699; status ringing; direction outbound; from +44 20 7946 0018; to +43 720 555 079; user 736001
	started 2022-03-04 10:28:55+00; seconds 0; event 2022-03-04 10:28:57+00
aircall-call-ended-outbound
	call 780000699; status ended; direction outbound; from +44 20 7946 0018; to +43 720 555 079; user 736001
	started 2022-03-04 10:28:55+00; connected 2022-03-04 10:29:00+00; ended 2022-03-04 10:29:15+00; seconds 20
	event 2022-03-04 10:29:46+00
aircall-call-hold-inbound
	call 780003160; status active; direction inbound; from +44 20 7946 0018; to +43 720 555 079; user 731002
	started 2022-03-04 10:52:54+00; connected 2022-03-04 10:53:09+00; seconds 0; event 2022-03-04 10:53:28+00
aircall-call-hold-outbound
	call 780000699; status active; direction outbound; from +44 20 7946 0018; to +43 720 555 079; user 736001
	started 2022-03-04 10:28:55+00; connected 2022-03-04 10:29:00+00; seconds 0; event 2022-03-04 10:29:11+00
aircall-call-hungup-outbound
	call 780000699; status ended; direction outbound; from +44 20 7946 0018; to +43 720 555 079; user 736001
	started 2022-03-04 10:28:55+00; connected 2022-03-04 10:29:00+00; ended 2022-03-04 10:29:15+00; seconds 20
	event 2022-03-04 10:29:15+00
aircall-call-ringing-on-agent-inbound
	call 780000754; status ringing; direction inbound; from +44 20 7946 0018; to +43 720 555 079; user 731002
	started 2022-03-04 10:28:59+00; seconds 0; event 2022-03-04 10:28:59+00
aircall-call-tagged
	call 780003160; direction inbound; from +44 20 7946 0018; to +43 720 555 079; user 731002; started 2022-03-04 10:52:54+00
	connected 2022-03-04 10:53:09+00; ended 2022-03-04 10:56:22+00; seconds 208; transferred true; event 2022-03-04 10:56:24+00
aircall-call-unhold-inbound
	call 780003160; status active; direction inbound; from +44 20 7946 0018; to +43 720 555 079; user 731002
	started 2022-03-04 10:52:54+00; connected 2022-03-04 10:53:09+00; seconds 0; event 2022-03-04 10:53:32+00
aircall-call-unhold-outbound
	call 780000699; status active; direction outbound; from +44 20 7946 0018; to +43 720 555 079; user 736001
	started 2022-03-04 10:28:55+00; connected 2022-03-04 10:29:00+00; seconds 0; event 2022-03-04 10:29:13+00
aircall-call-voicemail-left
	call 780000754; status voicemail; direction inbound; from +44 20 7946 0018; to +43 720 555 079; started 2022-03-04 10:28:59+00
	ended 2022-03-04 10:29:16+00; seconds 17; voicemail https://bucket.s3.us-west-2.example.com/companies/1/recordin; is_voicemail true
	event 2022-03-04 10:29:49+00
amazonconnect-contact-event-connected-to-agent
	call 11111111-1111-1111-1111-111111111111; status active; direction inbound; user arn; master 11111111-2222-3333-4444-555555555555
	event 2021-05-01 18:43:48+00
amazonconnect-contact-event-initiated
	call 11111111-1111-1111-1111-111111111111; status ringing; direction inbound; master 11111111-2222-3333-4444-555555555555
	event 2021-05-01 18:49:48+00
amazonconnect-contact-event-queued
	call 11111111-1111-1111-1111-111111111111; status ringing; master 11111111-2222-3333-4444-555555555555; event 2021-05-01 18:46:48+00
asterisk-ari-channel-destroyed
	call call-1; status ended; from +15555550100; to +15555550120; event 2026-07-10 15:03:00+00
asterisk-ari-channel-destroyed-channelvars
	call 1783695600.9; status ended; from 1001; to my-exten; started 2026-07-10 15:00:00+00; event 2026-07-10 15:03:00.123+00
asterisk-ari-stasis-start
	call 1705329000.42; status active; from 1001; to 1002; event 2024-01-15 14:30:00+00
bandwidth-conference-member-join
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; from +15555550142; to +15555550133; event 2026-09-01 10:02:11+00
bandwidth-create-call-response
bandwidth-list-conferences-response
bandwidth-recording-available
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; direction inbound; from +15555550142; to +15555550133
	recording https://voice.bandwidth.example.com/api/v2/accounts/920012/c; event 2026-09-01 10:02:20+00
bandwidth-schema-answer-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	started 2022-06-17 22:19:40.375+00; connected 2022-06-17 22:20:00+00; event 2022-06-17 22:19:40.375+00
bandwidth-schema-bridge-complete-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	started 2022-06-17 22:19:40.375+00; connected 2022-06-17 22:20:00+00; event 2022-06-17 22:19:40.375+00
bandwidth-schema-call-state
bandwidth-schema-disconnect-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	started 2022-06-17 22:19:40.375+00; connected 2022-06-17 22:20:00+00; ended 2022-06-17 22:20:00+00; event 2022-06-17 22:19:40.375+00
bandwidth-schema-initiate-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	started 2022-06-17 22:19:40.375+00; event 2022-06-17 22:19:40.375+00
bandwidth-schema-machine-detection-complete-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	started 2022-06-17 22:19:40.375+00; connected 2022-06-17 22:20:00+00; event 2022-06-17 22:19:40.375+00
bandwidth-schema-recording-available-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	recording https://voice.bandwidth.com/api/v2/accounts/9900000/conferen; master c-95ac8d6e-1a31c52e-b38f-4198-93c1-51633ec68f8d
	event 2022-06-17 22:19:40.375+00
bandwidth-schema-recording-complete-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	recording https://voice.bandwidth.com/api/v2/accounts/9900000/conferen; master c-95ac8d6e-1a31c52e-b38f-4198-93c1-51633ec68f8d
	event 2022-06-17 22:19:40.375+00
bandwidth-schema-redirect-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	started 2022-06-17 22:19:40.375+00; connected 2022-06-17 22:20:00+00; master c-95ac8d6e-1a31c52e-b38f-4198-93c1-51633ec68f8d
	event 2022-06-17 22:19:40.375+00
bandwidth-schema-transcription-available-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	recording https://voice.bandwidth.com/api/v2/accounts/9900000/conferen; master c-95ac8d6e-1a31c52e-b38f-4198-93c1-51633ec68f8d
	event 2022-06-17 22:19:40.375+00
bandwidth-schema-transfer-answer-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	started 2022-06-17 22:19:40.375+00; connected 2022-06-17 22:20:00+00; event 2022-06-17 22:19:40.375+00
bandwidth-schema-transfer-complete-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	started 2022-06-17 22:19:40.375+00; connected 2022-06-17 22:20:00+00; event 2022-06-17 22:19:40.375+00
bandwidth-schema-transfer-disconnect-callback
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; status active; direction inbound; from +15555555555; to +15555555555
	started 2022-06-17 22:19:40.375+00; connected 2022-06-17 22:20:00+00; ended 2022-06-17 22:20:00+00
	master c-95ac8d6e-1a31c52e-b38f-4198-93c1-51633ec68f8d; event 2022-06-17 22:19:40.375+00
bandwidth-transfer-complete
	call c-15ac29a2-1331029c-2cb0-4a07-b215-b22865662d85; direction inbound; from +15555550142; to +15555550133
	started 2026-09-01 10:00:00+00; connected 2026-09-01 10:00:06+00; event 2026-09-01 10:02:11+00
callrail-call-record-voicemail
	call CAL019c46b9fc277a7881e3728fea20869b; status voicemail; direction inbound; from +18885550190; to +18015550112
	started 2026-02-10 08:45:19.781+00; seconds 36; voicemail https://api.callrail.example.com/v3/a/1/calls/CAL019c/record
	is_voicemail true; recorded true
callrail-post-call
	call CAL8154748ae6bd4e278a7cddd38a662f4f; status missed; direction inbound; from +13036231131; to +13038163491
	started 2017-01-24 16:27:48.119+00; seconds 4; recording https://api.callrail.com/v3/a/227799611/calls/111222333/reco; recorded true
exotel-campaign-call-status
exotel-incoming-call
	call call_in_abc123; status ringing; direction inbound; from +919876543210; to sip:agent_001@app.exotel.com; user agent_001
	event 2024-06-15 10:30:00+00
exotel-outbound-call
	call call_out_def456; status ringing; direction outbound; from sip:agent_001@app.example.com; to +919875550110; user agent_001
exotel-status-callback-terminal
	call c5797dcb0000000000000000000001; status ended; from 09995550143; to 09995550142; started 2026-09-01 09:59:58+00
	ended 2026-09-01 10:01:38+00; recording https://recordings.example.com/r.mp3; event 2026-09-01 10:01:40+00
freeswitch-json-cdr
	call 01df56f4-d99a-4ef6-b7fe-b924b2415b7f; status ended; direction inbound; from test; to +498955550163
	started 2013-08-04 09:50:54+00; connected 2013-08-04 09:50:56+00; ended 2013-08-04 09:51:00+00; seconds 4
	master 8f7c860f-0619-4d3c-9515-cc23b0fa3997
freeswitch-json-cdr-duplicate-callflow
	call 01df56f4-d99a-4ef6-b7fe-b924b2415b7f; status ended; direction inbound; from test; to +498955550163
	started 2013-08-04 09:50:54+00; connected 2013-08-04 09:50:56+00; ended 2013-08-04 09:51:00+00; seconds 4
	master 8f7c860f-0619-4d3c-9515-cc23b0fa3997
justcall-call-completed-v2
	call 178600100; status ended; direction inbound; from 16815550142; to 18185550162; user 10001; seconds 223
	event 2024-01-18 14:34:13+00
openphone-call-completed-incoming-voicemail
openphone-call-completed-outgoing
openphone-call-recording-completed
plivo-hangup-outbound
	call 64d3290a-87a6-46b4-a6e2-20f5f4e07a02; status ended; direction outbound; from 917655550173; to 917735550155
	started 2024-09-26 08:35:10.910772+00; seconds 66; master 64d3290a-87a6-46b4-a6e2-20f5f4e07a02
quo-call-summary-completed-v4
	call AC16558bc5f73445598a2627f5a94fe014; event 2022-06-24 19:35:46.825+00
quo-call-transcript-completed-v4
	call AC16558bc5f73445598a2627f5a94fe014; event 2022-06-24 19:35:46.825+00
ringcentral-account-presence
ringcentral-account-telephony-sessions
	call cs171841903434018384-2; status ringing; direction inbound; from 103; to 102; user 400144455008
	master Y3MxNzE4NDE5MDM0MzQwMTgzODRAMTAuNjIuMjUuMTEx; event 2018-06-05 00:14:50.147+00
ringcentral-ace-pbx-insights
ringcentral-active-call-record
	call LIef14l8Nt_1zUA; status active; direction inbound; from +16505550166; to +16505550182; user 62260000016
	started 2021-01-19 23:58:57+00; master s-8f8125f1aeb944f486531c351a2f520e
ringcentral-call-log-record
	call ASaxDDkSZ5s42MA; status ended; direction inbound; from +14155555900; to +15625555772; started 2023-06-06 23:07:20+00
	seconds 55; recording https://media.ringcentral.com/restapi/.../recording/16622720
ringcentral-call-queue-member-presence
ringcentral-detailed-extension-presence
ringcentral-detailed-extension-presence-with-sip
ringcentral-extension-presence
ringcentral-extension-presence-line
ringcentral-extension-telephony-sessions
	call cs171841903434018384-2; status ringing; direction inbound; from 103; to 102; user 400144455008
	master Y3MxNzE4NDE5MDM0MzQwMTgzODRAMTAuNjIuMjUuMTEx; event 2018-06-05 00:14:50.147+00
ringcentral-subscription-blacklisted
ringcentral-telephony-session-answered-consult-outbound
	call p-9d11ac1bba524888bffaaef0488557c3-1; status active; direction outbound; from +19295550189; to 103; user 684100005
	master s-9d11ac1bba524888bffaaef0488557c3; event 2020-12-11 04:14:31.388+00
ringcentral-telephony-session-answered-inbound
	call p-a39d666edaab42fdaa476135027819bc-2; status active; direction inbound; from 101; to 102; user 684100005
	master s-a39d666edaab42fdaa476135027819bc; event 2020-12-10 23:48:49.972+00
ringcentral-telephony-session-disconnected-recorded
	call p-a0d17930c96bdz18b67acb764z37759330000-2; status ended; direction inbound; from +16505550188; to +16505550179
	user 62260000016; recorded true; master s-a0d17930c96bdz18b67acb764z37759330000; event 2023-10-25 16:35:10.08+00
ringcentral-telephony-session-proceeding-queue
	call p-a0d17e3226ac5z18b67af8d17z38176bd0000-3; status ringing; direction inbound; from +16505550188; to +12095550175
	user 62260000016; master s-a0d17e3226ac5z18b67af8d17z38176bd0000; event 2023-10-25 16:34:04.3+00
ringcentral-telephony-session-setup
	call p-a6abd24ca6774373a8120a3390d3cbe8-2; status ringing; direction inbound; from +14083388064; to +19043014558; user 809646016
	master s-a6abd24ca6774373a8120a3390d3cbe8; event 2020-06-14 19:27:18.34+00
ringcentral-telephony-session-setup-direct
	call p-a0d17930c96bdz18b67acb764z37759330000-2; status ringing; direction inbound; from +16505550188; to +16505550179
	user 62260000016; master s-a0d17930c96bdz18b67acb764z37759330000; event 2023-10-25 16:30:54.361+00
ringcentral-voicemail-message
ringcentral-websocket-notification
signalwire-compat-call
signalwire-relay-call-state
	call 00000000-0000-4000-8000-000000000003; status ended; master 00000000-0000-4000-8000-000000000004
	event 2026-09-01 10:02:20.123+00
signalwire-status-callback-completed
	call b3877c40-da60-4998-90ad-b792e98472pa; status ended; direction inbound; from +13105550145; to +13105550101; seconds 49
	event 2018-09-19 20:00:49+00
telnyx-call-answered
	call 428c31b6-7af4-4bcb-b7f5-5013ef9657c1; status active; from +18005550100; to +18005550199
	master 428c31b6-abf3-3bc1-b7f4-5013ef9657c1; event 2018-02-02 22:25:27.521992+00
telnyx-call-answered-captured
	call b0e6224c-c81c-11f0-afbb-02420aef93a0; status active; from +18125550185; to +13055550149; started 2025-11-23 03:30:00.076316+00
	master b0e6141e-c81c-11f0-abac-02420aef93a0; event 2025-11-23 03:30:00.996306+00
telnyx-call-enqueued
	call b0e6224c-c81c-11f0-afbb-02420aef93a0; status ringing; master b0e6141e-c81c-11f0-abac-02420aef93a0
	event 2025-09-02 09:18:06.39612+00
telnyx-call-initiated
	call d14dbcee-880b-11eb-8204-02420a0f7568; status ringing; direction inbound; from +1-202-555-0133; to +12025550131
	master 428c31b6-abf3-3bc1-b7f4-5013ef9657c1; event 2018-02-02 22:25:27.521992+00
telnyx-call-initiated-captured
	call b0e6224c-c81c-11f0-afbb-02420aef93a0; status ringing; direction inbound; from +18125550185; to +13055550149
	started 2025-11-23 03:30:00.076316+00; master b0e6141e-c81c-11f0-abac-02420aef93a0; event 2025-11-23 03:30:00.076316+00
telnyx-call-recording-saved
	call b0e6224c-c81c-11f0-afbb-02420aef93a0; recording https://s3.example.com/r.mp3?X-Amz-Signature=madeup
	master b0e6141e-c81c-11f0-abac-02420aef93a0; event 2025-09-02 09:18:06.39612+00
telnyx-call-refer-completed
	call 817f7de8-728a-11ea-9ce6-02420a0f8969; from +35315550160; to +13125550140; master 817f8c2a-728a-11ea-9cbe-02420a0f8969
	event 2020-03-30 13:29:44.65+00
telnyx-call-transcription
	call 5ca81340-5beb-11eb-ae45-02420a0f8b69; master 5ca81eee-5beb-11eb-ba6c-02420a0f8b69; event 2018-02-02 22:25:27.521992+00
telnyx-machine-detection-ended
	call 428c31b6-7af4-4bcb-b7f5-5013ef9657c1; from +35319605860; to +13129457420; master 428c31b6-abf3-3bc1-b7f4-5013ef9657c1
	event 2018-02-02 22:25:27.521992+00
telnyx-texml-status-completed
	call v2:7V3r4VFCGLTzKLOveE0-made-up; status ended; from +18445550190; to +13125550155; seconds 2
	event 2021-04-28 21:51:18.731479+00
telnyx-v1-call-answered
	call 428c31b6-7af4-4bcb-b7f5-5013ef9657c1; status active; from +35319605860; to +18005550199
	master 428c31b6-abf3-3bc1-b7f4-5013ef9657c1; event 2018-02-02 22:25:27.521992+00
telnyx-v1-call-initiated
	call 428c31b6-7af4-4bcb-b7f5-5013ef9657c1; status ringing; direction inbound; from +35319605860; to +13129457420
	started 2018-02-02 22:25:27.521992+00; master 428c31b6-abf3-3bc1-b7f4-5013ef9657c1; event 2018-02-02 22:25:27.521992+00
twilio-call-create-create
twilio-call-create-createwithtwiml
twilio-call-fetch-fetch
twilio-call-list-reademptydatesgreater
twilio-call-list-readfullpage1
twilio-call-list-readfullpage2
twilio-call-update-cancel
twilio-call-update-posttwiml
twilio-call-update-update
twilio-call-update-updatetimelimit
twilio-eventstreams-call-answered
	call CA0000000000000000000000000000001; status active; event 2025-01-01 00:00:00+00
twilio-recording-status-callback-completed
	call CA000000000000000000000000000000a2; recording https://api.twilio.com/2010-04-01/Accounts/AC000000000000000; recorded true
twilio-status-callback-busy
	call CA000000000000000000000000000000a5; status rejected; direction outbound; from +16465550195; to +14155550142; seconds 0
	event 2026-09-01 10:00:02+00
twilio-status-callback-completed-outbound-api
	call CA000000000000000000000000000000a1; status ended; direction outbound; from +16465550195; to +551155550112; seconds 49
	event 2018-03-25 09:53:19+00
twilio-status-callback-in-progress
	call CA000000000000000000000000000000a5; status active; direction outbound; from +16465550195; to +14155550142
	event 2026-09-01 10:00:02+00
twilio-status-callback-initiated
	call CA000000000000000000000000000000a5; status ringing; direction outbound; from +16465550195; to +14155550142
	event 2026-09-01 10:00:00+00
twilio-status-callback-ringing
	call CA000000000000000000000000000000a5; status ringing; direction outbound; from +16465550195; to +14155550142
	event 2026-09-01 10:00:01+00
twilio-transcription-callback
twilio-voice-request-client-outbound
	call CA000000000000000000000000000000a4; status ringing; direction outbound; from client:u_1f2e_o_7; to +573005550123
twiliocompatible-status-callback-ringing
	call ID00000000000000000000000000000001-CA000000000000000000000000000000a7; status ringing; direction outbound
	from 622155550105; to 628115550136; event 2020-02-09 09:30:03+00
vonage-answer-webhook
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; from 442079460000; to 447700900000; master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab
vonage-event-answered
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status active; direction inbound; from 442079460000; to 447700900000
	master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-event-busy
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status rejected; direction outbound; from 442079460000; to 447700900000
	master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-event-cancelled
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status missed; direction outbound; from 442079460000; to 447700900000
	master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-event-completed
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status ended; direction inbound; from 442079460000; to 447700900000
	started 2020-01-01 12:00:00+00; ended 2020-01-01 12:00:00+00; seconds 2; master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab
	event 2020-01-01 12:00:00+00
vonage-event-disconnected
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; from 442079460000; to 447700900000; master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab
	event 2020-01-01 12:00:00+00
vonage-event-error
vonage-event-failed
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status ended; direction outbound; from 442079460000; to 447700900000
	master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-event-human-machine
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status active; from 442079460000; to 447700900000
	master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-event-record
vonage-event-rejected
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status rejected; direction outbound; from 442079460000; to 447700900000
	master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-event-ringing
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status ringing; direction outbound; from 442079460000; to 447700900000
	master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-event-started
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status ringing; direction outbound; from 442079460000; to 447700900000
	master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-event-timeout
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status missed; direction outbound; from 442079460000; to 447700900000
	master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-event-transfer
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-event-unanswered
	call aaaaaaaa-bbbb-cccc-dddd-0123456789ab; status missed; direction outbound; from 442079460000; to 447700900000
	master CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab; event 2020-01-01 12:00:00+00
vonage-fallback
webexcalling-telephony-calls-answered
	call Q0FMTC1tYWRlLXVwOjA; status active; direction inbound; from +19055550170; user UEVPUExFLW1hZGUtdXA
	started 2025-08-05 16:48:19.359+00; connected 2025-08-05 16:48:21.154+00; master U0VTU0lPTi1tYWRlLXVw
	event 2025-08-05 16:48:21.24+00
webexcalling-telephony-calls-received
	call Q0FMTC1tYWRlLXVwOjA; status ringing; direction inbound; from +19055550170; user UEVPUExFLW1hZGUtdXA
	started 2025-08-05 16:48:19.359+00; master U0VTU0lPTi1tYWRlLXVw; event 2025-08-05 16:48:19.36+00
webexcalling-telephony-calls-updated
	call Q0FMTC1tYWRlLXVwOjA; status ringing; direction inbound; from +19055550170; user UEVPUExFLW1hZGUtdXA
	started 2025-08-05 16:48:19.359+00; master U0VTU0lPTi1tYWRlLXVw; event 2025-08-05 16:48:19.36+00
zoom-endpoint-url-validation
zoom-phone-ai-call-summary-changed
	call 7000000000000000123; event 2026-09-01 10:02:20.123+00
zoom-phone-blind-transfer-initiated
	call 7000000000000000123; status active; event 2026-09-01 10:02:20.123+00
zoom-phone-callee-answered
	call 7000000000000000123; status active; direction inbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	started 2026-09-01 10:00:00+00; connected 2026-09-01 10:00:06+00; event 2026-09-01 10:02:20.123+00
zoom-phone-callee-call-history-completed
	call 7000000000000000123; status ended; direction inbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	started 2026-09-01 10:00:00+00; connected 2026-09-01 10:00:06+00; ended 2026-09-01 10:02:11+00; seconds 125; recorded true
	event 2026-09-01 10:02:20.123+00
zoom-phone-callee-call-log-completed
	call 7000000000000000123; status ended; direction inbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	started 2026-09-01 10:02:20+00; connected 2026-09-01 10:00:06+00; ended 2026-09-01 10:02:11+00; recorded true
	event 2026-09-01 10:02:20.123+00
zoom-phone-callee-ended
	call 7000000000000000123; status ended; direction inbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	started 2026-09-01 10:00:00+00; connected 2026-09-01 10:00:06+00; ended 2026-09-01 10:02:11+00; event 2026-09-01 10:02:20.123+00
zoom-phone-callee-hold
	call 7000000000000000123; status active; direction inbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	event 2026-09-01 10:02:20.123+00
zoom-phone-callee-parked
	call 7000000000000000123; status active; direction inbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	event 2026-09-01 10:02:20.123+00
zoom-phone-callee-rejected
	call 7000000000000000123; status rejected; direction inbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	started 2026-09-01 10:00:00+00; ended 2026-09-01 10:02:11+00; event 2026-09-01 10:02:20.123+00
zoom-phone-callee-ringing
	call 7000000000000000123; status ringing; direction inbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	started 2026-09-01 10:00:00+00; event 2026-09-01 10:02:20.123+00
zoom-phone-callee-ringing-example
	call 6998252113337041462; status ringing; direction inbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	started 2022-05-11 09:13:27+00
zoom-phone-caller-call-history-completed
	call 7000000000000000123; status ended; direction outbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	started 2026-09-01 10:00:00+00; connected 2026-09-01 10:00:06+00; ended 2026-09-01 10:02:11+00; seconds 125; recorded true
	event 2026-09-01 10:02:20.123+00
zoom-phone-caller-ended
	call 7000000000000000123; status ended; direction outbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	started 2026-09-01 10:00:00+00; connected 2026-09-01 10:00:06+00; ended 2026-09-01 10:02:11+00; event 2026-09-01 10:02:20.123+00
zoom-phone-caller-hold
	call 7000000000000000123; status active; direction outbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	event 2026-09-01 10:02:20.123+00
zoom-phone-caller-ringing
	call 7000000000000000123; status ringing; direction outbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	started 2026-09-01 10:00:00+00; event 2026-09-01 10:02:20.123+00
zoom-phone-caller-unhold
	call 7000000000000000123; status active; direction outbound; from +12095550144; to +12055550156; user UserIdMadeUp0000000000
	event 2026-09-01 10:02:20.123+00
zoom-phone-recording-completed
	call 7000000000000000123; direction inbound; from +12095550144; to +12055550156; user RecordIdMadeUp00000000
	recording https://zoom.example.com/v2/phone/recording/download/madeup; event 2026-09-01 10:02:20.123+00
zoom-phone-recording-deleted
zoom-phone-recording-started
	call 7000000000000000123; event 2026-09-01 10:02:20.123+00
zoom-phone-recording-transcript-completed
	call 7000000000000000123; direction inbound; from +12095550144; to +12055550156; user RecordIdMadeUp00000000
	event 2026-09-01 10:02:20.123+00
zoom-phone-transfer-call-to-voicemail-initiated
	call 7000000000000000123; status voicemail; is_voicemail true; event 2026-09-01 10:02:20.123+00
zoom-phone-voicemail-transcript-completed
	call 7000000000000000123; from +12095550144; to +12055550156; user made-up-callee-user-id; event 2026-09-01 10:02:20+00
