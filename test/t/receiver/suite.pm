
# What each example receiver has to do, against a real server. test_receiver(COMMAND) runs all of it.

package suite;

use strict;
use warnings;

use Digest::SHA qw(hmac_sha1_base64 hmac_sha256 hmac_sha256_hex);
use Exporter 'import';
use File::Basename;
use HTTP::Tiny;
use IO::Socket::INET;
use IPC::Run;
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(runs test_receiver);

my $secret = 'a made-up secret of 33 characters';
# In each body, and in a header and a query. No log line and no metric may have it.
my $canary = 'canary4155550142';
my $body_bytes = 20_000;
my $spool_bytes = 10_000;

my ($node, @command, $port, $receiver, $spool, $log_file);

# A missing program raises an exception.
sub runs { return eval { IPC::Run::run([@_], '<', \undef, '>', '/dev/null', '2>', '/dev/null') } }

# ---- the server ----------------------------------------------------------------------------------------------

sub start_server
{
	$node = PostgreSQL::Test::Cluster->new('receiver');
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
	$node->start;
	$node->safe_psql(
		'postgres', qq{
SET client_min_messages = error;
CREATE EXTENSION callhardening;
SELECT create_call_tables();
CREATE ROLE receiver LOGIN;
CREATE FUNCTION create_signed_log(provider text) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
	log regclass;
BEGIN
	IF provider <> 'dialpad' THEN
		EXECUTE format('CREATE SCHEMA %I', provider);
		PERFORM create_call_tables(provider, provider);
	END IF;
	log := CASE provider WHEN 'dialpad' THEN 'call_events' ELSE provider || '.call_events' END;
	PERFORM set_call_event_secret(log, convert_to('$secret', 'UTF8'));
	PERFORM grant_call_role('receiver', 'ingest', log => log);
END
\$\$;
SELECT create_signed_log(provider) FROM unnest('{dialpad,twilio,zoom_phone}'::text[]) AS provider;
ALTER TABLE twilio.call_events ADD CONSTRAINT no_refused CHECK (payload::text !~ 'refused')});
}

sub answer { return $node->safe_psql('postgres', $_[0]) }

# ---- the receiver --------------------------------------------------------------------------------------------

sub start_receiver
{
	local @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER PORT SPOOL SPOOL_BYTES BODY_BYTES DRAIN_SECONDS WEBHOOKS)} =
		($node->host, $node->port, 'postgres', 'receiver', $port, $spool, $spool_bytes, $body_bytes, 1, encode_json({
			dialpad => { log => 'public.call_events', spool => JSON::PP::true },
			plain => { log => 'public.call_events' },
			twilio => { log => 'twilio.call_events', url => 'https://example.com/webhooks/twilio' },
			zoom => { log => 'zoom_phone.call_events' } }));
	$receiver = IPC::Run::start([ @command ], '<', \undef, '>>', $log_file, '2>&1');
	for (1 .. 200) {
		return if http('GET', '/healthz')->{status} == 200;
		sleep 0.05;
	}
	die 'the receiver does not start: ' . slurp_file($log_file);
}

# A test that dies leaves no process.
END
{
	my $status = $?;
	eval { $receiver->signal('KILL') } if $receiver;
	$? = $status;
}

sub http
{
	my ($method, $path, $body, $headers) = @_;
	return HTTP::Tiny->new(timeout => 20, keep_alive => 0)
		->request($method, "http://127.0.0.1:$port$path", { content => $body // '', headers => $headers // {} });
}

sub post { return http('POST', @_) }

sub answers
{
	my ($name, $status, $path, $body, $headers) = @_;
	my $answer = post($path, $body, $headers);
	is($answer->{status}, $status, $name) or diag(explain($answer));
	return $answer;
}

sub metric
{
	my ($name) = @_;
	my ($value) = http('GET', '/metrics')->{content} =~ /^callhardening_receiver_\Q$name\E (\S+)$/m;
	return defined $value ? $value + 0 : undef;
}

# Until the value is expected, for at most 20 seconds.
sub becomes
{
	my ($name, $expected, $ask) = @_;
	my $found;
	for (1 .. 200) {
		$found = $ask->();
		last if defined $found && $found eq $expected;
		sleep 0.1;
	}
	is($found, $expected, $name);
}

# ---- deliveries ----------------------------------------------------------------------------------------------

sub jws
{
	my ($claims, $key) = @_;
	my $signed = encode_base64url('{"alg":"HS256"}') . '.' . encode_base64url($claims);
	return $signed . '.' . encode_base64url(hmac_sha256($signed, $key // $secret));
}

sub dialpad { return jws(qq({"call_id": $_[0], "state": "ringing", "token": "$canary"}), $_[1]) }

sub twilio
{
	my ($sid, $search) = @_;
	my $url = "https://example.com/webhooks/twilio$search";
	return ("CallSid=$sid&CallStatus=ringing&From=$canary", {
		'Content-Type' => 'application/x-www-form-urlencoded',
		'X-Twilio-Signature' => hmac_sha1_base64("${url}CallSid${sid}CallStatusringingFrom$canary", $secret) . '=' });
}

sub zoom
{
	my ($time) = @_;
	my $body = '{"event": "phone.callee_ringing", "payload": {"object": {"call_id": "z1"}}}';
	return ($body, { 'x-zm-request-timestamp' => $time, 'x-zm-signature' => 'v0=' . hmac_sha256_hex("v0:$time:$body", $secret) });
}

sub rows { return answer("SELECT count(*) FROM call_events WHERE call_id = '$_[0]'") }

# ---- what is answered ----------------------------------------------------------------------------------------

sub test_signatures
{
	is(answers('a signed webhook', 200, '/webhooks/dialpad', dialpad(1))->{content}, '', 'the answer is empty');
	answers('a redelivery', 200, '/webhooks/dialpad', dialpad(1));
	is(rows(1), 1, 'the log has both once');
	answers('another secret', 401, '/webhooks/dialpad', dialpad(2, "another $secret"));
	answers('no signature', 401, '/webhooks/dialpad', '{"call_id": 2}');
	answers('a body of another webhook', 401, '/webhooks/dialpad', (twilio('CA1', ''))[0]);
	is(rows(2), 0, 'nothing is kept of a refused webhook');
	answers('a signed body that is no JSON', 200, '/webhooks/dialpad', jws("no JSON, $canary"));
	is(answer('SELECT count(*) FROM call_dead_events'), 1, 'it is a dead event');

	answers('a form', 200, "/webhooks/twilio?tenant=$canary", twilio('CA1', "?tenant=$canary"));
	answers('a form, signed for another URL', 401, '/webhooks/twilio?tenant=2', twilio('CA2', '?tenant=1'));
	answers('a missing header', 401, '/webhooks/twilio', (twilio('CA2', ''))[0]);
	answers('a body that the table refuses', 400, '/webhooks/twilio', twilio('refused', ''));
	is(answer('SELECT string_agg(call_id, NULL) FROM twilio.call_events'), 'CA1', 'the log has the good form');

	answers('a signed time', 200, '/webhooks/zoom', zoom(int(time)));
	answers('an old time', 401, '/webhooks/zoom', zoom(int(time) - 400));
	my $handshake = answers('a handshake', 200, '/webhooks/zoom', '{"event": "endpoint.url_validation", "payload": {"plainToken": "t1"}}');
	is(decode_json($handshake->{content})->{encryptedToken}, hmac_sha256_hex('t1', $secret), 'its answer has the signed token');
	is($handshake->{headers}{'content-type'} =~ s/;.*//r, 'application/json', 'its answer is JSON');
}

sub test_requests
{
	answers('an unknown webhook', 404, '/webhooks/call_events', dialpad(3));
	answers('an unknown path', 404, "/$canary", dialpad(3));
	my $answer = http('GET', '/webhooks/dialpad');
	is($answer->{status}, 405, 'another method');
	is($answer->{headers}{allow}, 'POST', 'the answer names the right one');
	answers('a compressed body', 415, '/webhooks/dialpad', dialpad(3), { 'Content-Encoding' => 'gzip' });
	answers('a body of the longest size', 401, '/webhooks/dialpad', 'x' x $body_bytes);
	answers('a longer body', 413, '/webhooks/dialpad', 'x' x ($body_bytes + 1));
	my @parts = ('x' x 8000) x 3;
	answers('a longer body without its length', 413, '/webhooks/dialpad', sub { shift @parts });
	is(rows(3), 0, 'nothing is kept of them');
}

sub connect_raw { return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 20) || die "no connection: $!" }

sub raw_request
{
	my ($body) = @_;
	return "POST /webhooks/dialpad HTTP/1.1\r\nHost: localhost\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
}

# Reads until there are as many answers, or the connection ends.
sub read_statuses
{
	my ($socket, $count) = @_;
	my ($got, @statuses) = ('');
	local $SIG{ALRM} = sub { die 'no answer' };
	alarm 30;
	while (@statuses < $count && sysread($socket, $got, 4096, length $got)) {
		@statuses = $got =~ /^HTTP\/1\.1 (\d+)/mg;
	}
	alarm 0;
	return join ' ', @statuses;
}

sub test_connections
{
	my $socket = connect_raw();
	for my $id (11, 12) {
		print $socket raw_request(dialpad($id));
		is(read_statuses($socket, 1), 200, 'a connection is kept');
	}
	print $socket raw_request(dialpad(13)) . raw_request(dialpad(14, 'wrong')) . raw_request(dialpad(15));
	is(read_statuses($socket, 3), '200 401 200', 'pipelined requests are answered in their order');
	is(answer(q{SELECT string_agg(call_id, ' ' ORDER BY call_id) FROM call_events WHERE call_id ~ '^1\d$'}), '11 12 13 15',
		'the log has them');

	$socket = connect_raw();
	print $socket "POST /webhooks/dialpad HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx";
	close $socket;
	becomes('a sender that has gone is counted', 1,
		sub { scalar(() = http('GET', '/metrics')->{content} =~ /^\S+_total\{.*code="499".*\} [1-9]/mg) });
}

# ---- when the database is away ---------------------------------------------------------------------------------

sub is_unavailable
{
	my ($name, $body, $headers) = @_;
	my $answer = answers("$name: the provider shall try again", 503, '/webhooks/plain', $body, $headers);
	is($answer->{headers}{'retry-after'}, 5, "$name: it is told when");
}

sub test_lock
{
	my $locker = $node->background_psql('postgres');
	$locker->query_safe('BEGIN; LOCK TABLE call_events');
	is_unavailable('a locked log', dialpad(21));
	my $socket = connect_raw();
	print $socket raw_request(dialpad(23));
	for (1 .. 100) {
		last if $locker->query_safe(q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE usename = 'receiver' AND wait_event_type = 'Lock'});
		sleep 0.02;
	}
	$locker->query_safe('COMMIT');
	is(read_statuses($socket, 1), 200, 'a broken connection: a webhook has a second try');
	$locker->quit;
}

sub last_not_ready { return (grep { /"database not ready"/ } split /\n/, slurp_file($log_file))[-1] }

sub test_outages
{
	is(http('GET', '/readyz')->{status}, 200, 'the receiver is ready');
	test_lock();

	answer('ALTER ROLE receiver SET default_transaction_read_only = on');
	answer(q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'receiver'});
	is_unavailable('a standby', dialpad(21));
	is(http('GET', '/readyz')->{status}, 503, 'a standby: the receiver is not ready');
	answer('ALTER ROLE receiver RESET default_transaction_read_only');
	answers('a standby no more', 200, '/webhooks/plain', dialpad(21));

	answer('ALTER ROLE receiver NOLOGIN');
	answer(q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'receiver'});
	is_unavailable('a refused login', dialpad(22));
	is(http('GET', '/readyz')->{status}, 503, 'a refused login: the receiver is not ready');
	like(last_not_ready(), qr/"code": ?"28000"/, 'and says why');
	answer('ALTER ROLE receiver LOGIN');

	answer(q{SELECT set_call_event_secret('zoom_phone.call_events', NULL)});
	answers('a log without a secret', 500, '/webhooks/zoom', zoom(int(time)));
	is(http('GET', '/readyz')->{status}, 503, 'a log without a secret: the receiver is not ready');
	like(last_not_ready(), qr/has no secret/, 'and says why');
	answer(qq{SELECT set_call_event_secret('zoom_phone.call_events', convert_to('$secret', 'UTF8'))});
}

sub test_spool
{
	$node->stop('fast');
	is_unavailable('a stopped server', dialpad(31));
	is(http('GET', '/healthz')->{status}, 200, 'a stopped server: the receiver is alive');
	is(http('GET', '/readyz')->{status}, 503, 'a stopped server: it is not ready, as one webhook has no spool');
	answers('a webhook with a spool', 202, '/webhooks/dialpad', dialpad(31));
	answers('its redelivery', 202, '/webhooks/dialpad', dialpad(31));
	answers('a wrong signature is not noticed yet', 202, '/webhooks/dialpad', dialpad(32, 'wrong'));
	answers('a full spool', 503, '/webhooks/dialpad', 'x' x $spool_bytes);
	is(metric('spool_files'), 3, 'the spool has three files');
	my @modes = map { sprintf '%04o', (stat $_)[2] & 07777 } $spool, glob("$spool/*");
	is("@modes", '0700 0600 0600 0600', 'only the receiver can read them');

	append_to_file("$spool/1-torn.new", '{"webhook": "dial');
	append_to_file("$spool/1-broken.json", '{"webhook": "dial');
	$receiver->signal('KILL');
	$receiver->finish;
	start_receiver();
	is(metric('spool_files'), 4, 'a killed receiver finds its spool');
	ok(!-e "$spool/1-torn.new", 'it removes a file that it has not finished');
	$node->start;
	becomes('the spool is empty when the server is back, but for a broken file', 1, sub { metric('spool_files') });
	is(metric('spool_bytes'), -s "$spool/1-broken.json", 'no other byte is left');
	unlink "$spool/1-broken.json"; # the next receiver counts anew
	is(metric('spool_drained_total') . ' ' . metric('spool_dropped_total'), '2 1', 'two were ingested, and the wrong one is dropped');
	is(rows(31) . rows(32), '10', 'the log has the right one once');
}

# ---- load ----------------------------------------------------------------------------------------------------

sub start_load
{
	my ($seconds, $file, @once) = @_;
	my $said = '';
	my $load = IPC::Run::start([ 'python3', dirname(__FILE__) . '/load.py', $port, '/webhooks/dialpad', $secret, $seconds, $file, @once ],
		'<', \undef, '>', \$said, '2>&1', IPC::Run::timeout($seconds + 60));
	return ($load, \$said);
}

# Every delivery that was answered 2xx is in the log, and none is there twice.
sub log_has
{
	my ($file) = @_;
	my ($kept) = scalar(grep {/ 20[02]$/} split /\n/, slurp_file($file));
	cmp_ok($kept, '>=', 20, "deliveries were answered: $kept");
	answer(qq{
CREATE TABLE answers (call_id text, status int);
COPY answers FROM '$file' (DELIMITER ' ')});
	is(answer('SELECT count(*) FROM (SELECT call_id FROM answers WHERE status IN (200, 202) EXCEPT SELECT call_id FROM call_events) AS lost'),
		0, 'the log has each of them');
	is(answer('SELECT count(*) FROM (SELECT FROM call_events WHERE call_id IS NOT NULL GROUP BY call_id HAVING count(*) > 1) AS doubled'),
		0, 'and none twice');
	answer('DROP TABLE answers');
}

# The receiver and the server die, one after the other and together.
sub test_crashes
{
	my $seconds = $ENV{CALLHARDENING_RECEIVER_SECONDS} // 6;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/answers';
	my ($load, $said) = start_load($seconds, $file);
	my $end = time + $seconds;
	for (my $round = 0; time < $end - 2; ++$round) {
		sleep 0.7;
		$node->stop($round % 2 ? 'fast' : 'immediate') if $round % 3 != 1;
		sleep 0.3;
		if ($round % 3 != 0) {
			$receiver->signal('KILL');
			$receiver->finish;
			start_receiver();
		}
		$node->start unless defined $node->{_pid};
	}
	$load->finish;
	note($$said);
	my $statuses = decode_json($$said);
	is_deeply([ grep { !/^(200|202|503|refused|unanswered)$/ } keys %$statuses ], [], 'no other status was answered');
	cmp_ok($statuses->{unanswered}, '>', 0, 'requests were cut off');
	becomes('the spool is empty', 0, sub { metric('spool_files') });
	log_has($file);
}

sub test_stop
{
	my $file = PostgreSQL::Test::Utils::tempdir() . '/stop';
	my $some = answer('SELECT count(*) + 50 FROM call_events');
	my ($load, $said) = start_load(60, $file, 'once');
	$node->poll_query_until('postgres', "SELECT count(*) > $some FROM call_events") or die 'the load does not start';
	$receiver->signal('TERM');
	sleep 0.3;
	my $answer = http('GET', '/readyz');
	is($answer->{status} . ' ' . http('GET', '/healthz')->{status}, '503 503', 'a stopping receiver is not ready');
	is($answer->{headers}{connection}, 'close', 'it closes connections');
	$receiver->finish;
	# A connection that the crashes have taken from the pool for ever keeps it from its end.
	is($receiver->full_result(0), 0, 'it ends without an error')
		or diag(join "\n", grep { !/"event": *"webhook"/ } split /\n/, slurp_file($log_file));
	$load->finish;
	is_deeply([ sort keys %{ decode_json($$said) } ], ['200'], 'each request before was answered') or diag($$said);
	log_has($file);
}

# ---- what is written -------------------------------------------------------------------------------------------

sub test_log
{
	my @lines = split /\n/, slurp_file($log_file);
	is_deeply([ grep { !eval { decode_json($_)->{event} } } @lines ], [], 'each line of the log is JSON');
	unlike(slurp_file($log_file), qr/canary|14155550199|example\.com/, 'no line has a part of a body, a header or a query');
	like(slurp_file($log_file), qr/"code": ?"28000"/, 'the log has the reason of a refusal');
}

sub test_metrics
{
	my $metrics = http('GET', '/metrics');
	like($metrics->{headers}{'content-type'}, qr/^text\/plain; version=0\.0\.4/, 'metrics have the type that Prometheus expects');
	unlike($metrics->{content}, qr/canary/, 'metrics have no path of a sender');
	like($metrics->{content}, qr/_requests_total\{(webhook="unknown",code="404"|code="404",webhook="unknown")\} 1(\.0)?$/m,
		'an unknown webhook is counted without its name');
	like($metrics->{content}, qr/^callhardening_receiver_request_duration_seconds_bucket\{le="\+Inf"\} [1-9]/m, 'there is a histogram');
}

# A sender that is slow keeps no connection. `$headers` and `$body` were opened long before.
sub test_slow_senders
{
	my ($headers, $body) = @_;
	like(read_statuses($headers, 1), qr/^(408)?$/, 'headers that do not end');
	is(read_statuses($body, 1), 408, 'a body that does not end');
}

sub test_receiver
{
	@command = @_;
	start_server();
	$port = PostgreSQL::Test::Cluster::get_free_port();
	$spool = PostgreSQL::Test::Utils::tempdir() . '/spool';
	$log_file = "$PostgreSQL::Test::Utils::log_path/receiver_" . basename($0, '.pl') . '.json';
	start_receiver();
	my ($headers, $body) = (connect_raw(), connect_raw());
	print $headers "POST /webhooks/dialpad HTTP/1.1\r\nHost:";
	print $body "POST /webhooks/dialpad HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx";
	test_signatures();
	test_requests();
	test_connections();
	test_outages();
	test_slow_senders($headers, $body);
	test_metrics();
	test_spool();
	test_crashes();
	test_stop();
	test_log();
	$node->stop;
	done_testing();
}

1;
