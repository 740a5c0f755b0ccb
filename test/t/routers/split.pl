
# Two partitions become four, while webhooks come in through the router and workers apply them. In the end each accepted
# event was delivered once to each of two consumers, and the calls are those of a plain server.

use strict;
use warnings;

use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib dirname(__FILE__);
use Router;

Router::require_plproxy();

my $calls = $ENV{CALLHARDENING_CALLS} // 400;
my $senders = 3;
my $front = Router::new_server('front');
my @machines = map { Router::new_server("machine$_") } 0 .. 1;
my @partitions = map { Router::new_partition($machines[$_], "calls_$_") } 0 .. 1;
Router::new_partition($front, 'plain');

# ---- workers ---------------------------------------------------------------------------------------------------

# `work` goes on after any error, since its log may be away. It keeps what it was given: a consumer's events by their
# digests, which no two events share, and the sums of process_call_events.
my $work = q{
CREATE TABLE told (digest bytea);
CREATE TABLE applied (claimed bigint, failed bigint);
CREATE TABLE stop (at timestamptz);
CREATE PROCEDURE tell() LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE batch ON COMMIT DROP AS SELECT * FROM claim_call_events(50, NULL, consumer => 'audit');
    INSERT INTO told SELECT e.event_digest FROM batch JOIN call_events AS e USING (event_seq);
    PERFORM complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM batch));
END
$$;
CREATE PROCEDURE work() LANGUAGE plpgsql AS $$
BEGIN
    SET client_min_messages = error;
    WHILE NOT EXISTS (SELECT FROM stop) LOOP
        BEGIN
            INSERT INTO applied SELECT claimed, failed FROM process_call_events(50);
            CALL tell();
        EXCEPTION WHEN OTHERS THEN
            PERFORM pg_sleep(0.05);
        END;
        COMMIT;
        PERFORM pg_sleep(0.02);
    END LOOP;
END
$$};
for my $partition (@partitions)
{
	$partition->{node}->safe_psql($partition->{database}, $work);
	$partition->{node}->safe_psql($partition->{database}, q{SELECT create_call_consumer('call_events', 'audit', true)});
}

my @running;

sub begin
{
	my ($node, $database, $sql) = @_;
	my %session = (out => '', err => '');
	$session{psql} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($database), '-c', $sql ],
		'<', \undef, '>', \$session{out}, '2>', \$session{err});
	push @running, \%session;
	return;
}

# ---- the router and its senders --------------------------------------------------------------------------------

# Two addresses for four partitions: the same databases as with two.
Router::make_router($front, @partitions, @partitions);
$front->safe_psql(
	'router', qq{
CREATE TABLE body (n bigint PRIMARY KEY, body bytea, sender int);
INSERT INTO body SELECT n, convert_to(body, 'UTF8'),
    call_event_partition(convert_to(body, 'UTF8'), 65536) / 4 % $senders FROM call_traffic($calls, 21) WITH ORDINALITY AS t (body, n);
CREATE TABLE accepted (n bigint, event_seq bigint);
CREATE TABLE refused (n bigint, partition int, error text);
CREATE TABLE released (until bigint);
INSERT INTO released VALUES (0)});
# A sender is a provider: it sends each body again until it is accepted, and waits while none is released.
$front->safe_psql(
	'router', q{
CREATE PROCEDURE send(me int) LANGUAGE plpgsql AS $$
DECLARE
    next record;
    seq bigint;
BEGIN
    SET client_min_messages = warning;
    FOR next IN SELECT * FROM body WHERE sender = me ORDER BY n LOOP
        LOOP
            seq := NULL;
            IF next.n <= (SELECT until FROM released) THEN
                BEGIN
                    seq := router.ingest_call_event(next.body);
                EXCEPTION WHEN OTHERS THEN
                    INSERT INTO refused VALUES (next.n, call_event_partition(next.body, 4), SQLERRM);
                END;
            END IF;
            EXIT WHEN seq IS NOT NULL;
            COMMIT;
            PERFORM pg_sleep(0.02);
        END LOOP;
        INSERT INTO accepted VALUES (next.n, seq);
        COMMIT;
        PERFORM pg_sleep(0.002);
    END LOOP;
END
$$;
-- Waits until a database has refused webhooks: it is in the middle of its split.
CREATE PROCEDURE wait_for_refusals(half int) LANGUAGE plpgsql AS $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM refused WHERE partition % 2 = half) LOOP
        COMMIT;
        PERFORM pg_sleep(0.02);
    END LOOP;
END
$$});
my $bodies = $front->safe_psql('router', 'SELECT count(*) FROM body');

sub release
{
	my ($part) = @_;
	$front->safe_psql('router', "UPDATE released SET until = $bodies * $part");
	return;
}

begin($_->{node}, $_->{database}, 'CALL work()') for @partitions;
begin($front, 'router', "CALL send($_)") for 0 .. $senders - 1;
release(0.25);
ok($front->poll_query_until('router', "SELECT count(*) >= $bodies * 0.2 FROM accepted"), 'webhooks are accepted with two partitions');
is($front->safe_psql('router', 'SELECT count(*), count(DISTINCT database) FROM router.log_status()'),
	'2|2', 'a database with two addresses is one database');

# ---- the splits ------------------------------------------------------------------------------------------------

my $script = dirname(__FILE__) . '/../../../docs/examples/split_partition.sh';

# A part of the traffic comes from the beginning of the split on. Another one comes when the old database has no log, and
# the split does not go on before it has refused some of it.
sub split_partition
{
	my ($from, $first_part, $second_part) = @_;
	my $new = { node => Router::new_server('machine' . ($from + 2)), database => 'calls_' . ($from + 2) };
	$new->{node}->safe_psql('postgres', "CREATE DATABASE $new->{database}");
	push @partitions, $new;
	my $setup = PostgreSQL::Test::Utils::tempdir . "/setup_$from.sql";
	my $router = $front->connstr('router');
	append_to_file($setup, join("\n", "$work;", "\\connect \"$router\"",
		"UPDATE released SET until = $bodies * $second_part;", "CALL wait_for_refusals($from);\n"));
	release($first_part);
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(
		[ 'bash', $script, Router::address_of($partitions[$from]), Router::address_of($new), $from + 2, 4, $router, $setup ],
		'>', \$out, '2>', \$err);
	ok($ok, "partition $from is split") or diag($out, $err);
	like($out, qr/takes webhooks again/, 'all steps are done');
	begin($new->{node}, $new->{database}, 'CALL work()');
	return;
}

split_partition(0, 0.4, 0.6);
split_partition(1, 0.7, 0.9);
release(1);
ok($front->poll_query_until('router', "SELECT count(*) = $bodies FROM accepted"), "all $bodies bodies are accepted in the end");
is($front->safe_psql('router', q{SELECT string_agg(o, ' ' ORDER BY o) FROM (
    SELECT substring(o, 'p.=.*port=(\d+)') AS o FROM pg_foreign_server, unnest(srvoptions) AS o WHERE o LIKE 'p_=%') AS ports}),
	join(' ', sort map { $_->{node}->port } @partitions), 'the router has four addresses');

# ---- the end ---------------------------------------------------------------------------------------------------

sub ask_all
{
	my ($sql) = @_;
	return map { $_->{node}->safe_psql($_->{database}, $sql) } @partitions;
}

for my $partition (@partitions)
{
	my $pending = q{SELECT sum(pending) = 0 FROM unnest('{default,audit}'::name[]) AS consumer,
		pending_call_events('call_events', exact => true, consumer => consumer)};
	ok($partition->{node}->poll_query_until($partition->{database}, $pending), "nothing is pending in $partition->{database}");
}
ask_all('INSERT INTO stop VALUES (now())');
$_->{psql}->finish for @running;
is(join('', map { $_->{err} } @running), '', 'no session reports an error');

$front->safe_psql('plain', 'CREATE TABLE body (n bigint, body bytea)');
my ($copy) = map { "$_/bodies" } PostgreSQL::Test::Utils::tempdir;
$front->safe_psql('router', "\\copy (SELECT n, body FROM body) TO '$copy'");
$front->safe_psql('plain', "\\copy body FROM '$copy'");
$front->safe_psql('plain', 'SELECT count(ingest_call_event(body)) FROM (SELECT body FROM body ORDER BY n) AS b');
Router::process_all($front, 'plain');

my @events = sort map { split /\n/ } ask_all(q{SELECT encode(event_digest, 'hex') FROM call_events});
my @told = sort map { split /\n/ } ask_all(q{SELECT encode(digest, 'hex') FROM told});
is_deeply(\@events, [ sort split /\n/, $front->safe_psql('plain', q{SELECT encode(event_digest, 'hex') FROM call_events}) ],
	'the events are those of the plain server, each in one database');
is_deeply(\@told, \@events, scalar(@events) . ' events were each delivered once');
my ($claimed, $failed) = (0, 0);
for (ask_all('SELECT coalesce(sum(claimed), 0), coalesce(sum(failed), 0) FROM applied'))
{
	my @sums = split /\|/;
	$claimed += $sums[0], $failed += $sums[1];
}
is("$claimed $failed", @events . ' 0', 'and as many were applied');

my @plain = Router::calls_of($front, 'plain');
my @routed = sort { ($a =~ /"dialpad_call_id": (\d+)/)[0] <=> ($b =~ /"dialpad_call_id": (\d+)/)[0] }
  map { Router::calls_of($_->{node}, $_->{database}) } @partitions;
is_deeply(\@routed, \@plain, @plain . ' calls are those of the plain server');
is( join(',', ask_all(q{SELECT count(*) FROM calls WHERE regexp_replace(current_database(), '.*_', '')::int <>
    call_event_partition(convert_to(jsonb_build_object('call_id', dialpad_call_id)::text, 'UTF8'), 4)})),
	'0,0,0,0', 'each call is in its partition');
is(join(',', ask_all(q{SELECT string_agg(gap, ' ') FROM call_enforcement WHERE level = 'gap'})), ',,,', 'no database has a gap');

$_->stop for $front, map { $_->{node} } @partitions;
done_testing();
