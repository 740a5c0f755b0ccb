
# Four partitions in databases on three servers, behind a router with PL/Proxy. The same traffic goes through the router and
# into a plain server. In the end the calls are the same.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use File::Basename;
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib dirname(__FILE__);
use Router;

Router::require_plproxy();

my $calls = $ENV{CALLHARDENING_CALLS} // 400;
my $front = Router::new_server('front');
my @machines = map { Router::new_server("machine$_") } 0 .. 2;
my @partitions = map { Router::new_partition($machines[ $_ % 3 ], "calls_$_") } 0 .. 3;
Router::make_router($front, @partitions);
Router::new_partition($front, 'plain');

# ---- the same traffic ------------------------------------------------------------------------------------------

# Made-up webhooks, among them redeliveries, and bodies without a call.
sub send_traffic
{
	my ($database, $function) = @_;
	return $front->safe_psql(
		$database, qq{
SET client_min_messages = error;
SELECT count($function(convert_to(body, 'UTF8'))) FROM (
    SELECT body FROM (
        SELECT body, n FROM call_traffic($calls, 20) WITH ORDINALITY AS t (body, n)
        UNION ALL SELECT format('{"state": "ringing", "n": %s}', n), n FROM generate_series(1, 40) AS n
        UNION ALL SELECT format('no JSON %s', n), n FROM generate_series(1, 40) AS n) AS t
    ORDER BY n) AS bodies});
}

my $sent = send_traffic('router', 'router.ingest_call_event');
is(send_traffic('plain', 'ingest_call_event'), $sent, "$sent bodies were sent to both");

sub ask_all
{
	my ($sql) = @_;
	return map { $_->{node}->safe_psql($_->{database}, $sql) } @partitions;
}

sub sum
{
	my $sum = 0;
	$sum += $_ for @_;
	return $sum;
}

my @events = ask_all('SELECT count(*) FROM call_events');
is(sum(@events), $front->safe_psql('plain', 'SELECT count(*) FROM call_events'), 'redeliveries met their first delivery');
is(scalar(grep { $_ > $events[0] / 4 } @events), 4, "each partition has its share: @events");
is(sum(ask_all('SELECT count(*) FROM call_dead_events')), 80, 'bodies without a call are dead events of some partition');
is($front->safe_psql('router', 'SELECT count(*), count(DISTINCT database), bool_and(pending > 100) FROM router.log_status()'),
	'4|4|t', 'the router shows the pending events of all partitions');

Router::process_all($_->{node}, $_->{database}) for @partitions;
Router::process_all($front, 'plain');

# ---- the same calls --------------------------------------------------------------------------------------------

sub routed_calls
{
	return sort { ($a =~ /"dialpad_call_id": (\d+)/)[0] <=> ($b =~ /"dialpad_call_id": (\d+)/)[0] }
	  map { Router::calls_of($_->{node}, $_->{database}) } @partitions;
}

my @plain = Router::calls_of($front, 'plain');
my @routed = routed_calls();
cmp_ok(scalar @plain, '>=', $calls, 'there are ' . @plain . ' calls');
is_deeply(\@routed, \@plain, 'their rows are those of the plain server');

is($front->safe_psql('router', q{SELECT sum(pending), sum(dead), count(DISTINCT error) FROM router.log_status()}),
	'0|80|0', 'nothing is pending, and the dead events are counted');
my $calls_of_one = $partitions[2]{node}->safe_psql('calls_2', 'SELECT string_agg(dialpad_call_id::text, $$,$$) FROM calls');
is( $front->safe_psql('router', qq{SELECT count(*) FROM unnest('{$calls_of_one}'::bigint[]) AS id, router.find_call(id) AS c
    WHERE (c ->> 'dialpad_call_id')::bigint = id}),
	scalar(split /,/, $calls_of_one), 'the router finds each call of a partition by its id');
is($front->safe_psql('router', 'SELECT count(*) FROM router.find_call(-1)'), 0, 'and no other');

# Everything once more changes nothing.
send_traffic('router', 'router.ingest_call_event');
is_deeply([ ask_all('SELECT count(*) FROM call_events') ], \@events, 'a second delivery of all is known everywhere');

# ---- signed bodies ---------------------------------------------------------------------------------------------

my $secret = 'a made-up secret of 33 characters';
ask_all("SELECT set_call_event_secret('call_events', convert_to('$secret', 'UTF8'))");

sub signed
{
	my ($claims, $key) = @_;
	my $input = encode_base64url('{"alg":"HS256"}') . '.' . encode_base64url($claims);
	return "$input." . encode_base64url(hmac_sha256($input, $key));
}

sub send_signed
{
	my ($body) = @_;
	my ($out, $err) = ('', '');
	$front->psql('router', qq{SELECT router.ingest_call_webhook(convert_to('$body', 'UTF8'), '{}', NULL) > 0},
		stdout => \$out, stderr => \$err);
	return $out || $err;
}

for my $call (1 .. 8)
{
	is(send_signed(signed(qq({"call_id": $call, "state": "ringing"}), $secret)), 't', "signed call $call is taken");
}
like(send_signed(signed('{"call_id": 9, "state": "ringing"}', 'another secret of the same length')),
	qr/ERROR: .*signature does not match/s, 'a wrong signature is refused by the partition');
is( join(',', ask_all(q{SELECT count(*) FROM call_events WHERE call_id::bigint < 10 AND call_id::bigint > 0
    AND call_event_partition(convert_to(payload::text, 'UTF8'), 4) <> regexp_replace(current_database(), '.*_', '')::int})),
	'0,0,0,0', 'each is at the partition of its call');
is(sum(ask_all('SELECT count(*) FROM call_events WHERE call_id::bigint BETWEEN 1 AND 9')), 8, 'and there once');

# ---- a silent partition ----------------------------------------------------------------------------------------

$machines[1]->stop;
my ($out, $err);
my $status = $front->psql('router', 'SELECT * FROM router.log_status()', stdout => \$out, stderr => \$err);
isnt($status, 0, 'the status of all partitions is an error');
is($out, '', 'and no row looks like an answer');
like($err, qr/ERROR: .*calls_1/s, 'it names the database');
$front->psql('router', q{SELECT partition, pending IS NULL AS unknown, error IS NOT NULL AS error FROM router.known_log_status()
    ORDER BY partition}, stdout => \$out, stderr => \$err);
is($out, "0|f|f\n1|t|t\n2|f|f\n3|f|f", 'the known status has a row for it, without figures');
like($err, qr/WARNING:  partition 1 does not answer/, 'and a warning');

# Bodies of other partitions are taken.
my %answers;
for my $call (100 .. 119)
{
	my $partition = $front->safe_psql('router', "SELECT router.partition_of_call($call) % 4");
	my $result = send_signed(signed(qq({"call_id": $call, "state": "ringing"}), $secret));
	push @{ $answers{$partition} }, $result eq 't' ? 'taken' : 'error';
}
is(join(' ', map { my %seen = map { $_ => 1 } @{ $answers{$_} }; "$_:" . join('+', sort keys %seen) } sort keys %answers),
	'0:taken 1:error 2:taken 3:taken', 'only bodies for the stopped partition fail: their providers send them again');

$machines[1]->start;
is($front->safe_psql('router', 'SELECT count(*) FROM router.log_status()'), 4, 'after its start all is well again');
$front->stop;
$_->stop for @machines;
done_testing();
