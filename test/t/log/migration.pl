
# An existing installation: webhooks insert, processors poll with SKIP LOCKED in autocommit. The log is hardened while they
# run. Old and new processors work together, then only ours. In the end the tables are given back.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run ();
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('migration');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

my $installation = q{
CREATE TABLE apps (id uuid PRIMARY KEY, name text);
CREATE TABLE webhook_events (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), app_id uuid, event_type text, dialpad_event_id text UNIQUE,
    payload jsonb NOT NULL, processed_at timestamp, received_at timestamp DEFAULT now());
CREATE INDEX idx_webhook_events_pending ON webhook_events (received_at) WHERE processed_at IS NULL;
CREATE TABLE calls (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps, dialpad_call_id bigint UNIQUE NOT NULL,
    direction text CHECK (direction IN ('inbound', 'outbound')), from_number text, to_number text, status text, dialpad_user_id bigint,
    started_at timestamp, ended_at timestamp, duration_seconds integer, recording_url text, is_voicemail boolean, raw_payload jsonb,
    created_at timestamp DEFAULT now());
INSERT INTO apps VALUES ('00000000-0000-0000-0000-00000000000a', 'one'), ('00000000-0000-0000-0000-00000000000b', 'two');

-- an old webhook; a call's third event is its last
CREATE PROCEDURE old_webhook(first int, last int, pause float DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
    FOR leg IN first .. last LOOP
        FOR n IN 1 .. 3 LOOP
            INSERT INTO webhook_events (app_id, event_type, dialpad_event_id, payload)
            VALUES (CASE leg % 2 WHEN 0 THEN '00000000-0000-0000-0000-00000000000a' ELSE '00000000-0000-0000-0000-00000000000b' END::uuid,
                (ARRAY['call.ring', 'call.started', 'call.ended'])[n], leg || '.' || n,
                jsonb_build_object('call',
                    jsonb_build_object('id', leg, 'direction', 'inbound', 'from', '+14155550100', 'to', '+14155550199',
                    'user_id', 7, 'duration', 10 * n)))
            ON CONFLICT (dialpad_event_id) DO NOTHING;
            COMMIT;
            PERFORM pg_sleep(pause);
        END LOOP;
    END LOOP;
END $$;

-- an old processor: the lock is gone before the work starts
CREATE TABLE stop_old ();
CREATE PROCEDURE old_processor(once boolean DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE
    batch uuid[];
    event webhook_events;
    word text;
BEGIN
    LOOP
        batch := ARRAY(SELECT id FROM webhook_events WHERE processed_at IS NULL ORDER BY received_at LIMIT 20 FOR UPDATE SKIP LOCKED);
        COMMIT;
        FOR event IN SELECT * FROM webhook_events WHERE id = ANY (batch) ORDER BY received_at LOOP
            word := CASE event.event_type WHEN 'call.ring' THEN 'ringing'
                WHEN 'call.started' THEN 'active' WHEN 'call.ended' THEN 'ended' END;
            INSERT INTO calls (app_id, dialpad_call_id, direction, from_number,
                to_number, status, dialpad_user_id, duration_seconds, raw_payload)
            VALUES (event.app_id, (event.payload #>> '{call,id}')::bigint, 'inbound',
                event.payload #>> '{call,from}', event.payload #>> '{call,to}', word,
                7, (event.payload #>> '{call,duration}')::int, event.payload)
            ON CONFLICT (dialpad_call_id) DO UPDATE SET status = excluded.status,
                duration_seconds = greatest(calls.duration_seconds, excluded.duration_seconds), raw_payload = excluded.raw_payload;
            COMMIT;
            UPDATE webhook_events SET processed_at = now() WHERE id = event.id;
            COMMIT;
        END LOOP;
        EXIT WHEN once OR (SELECT count(*) FROM pg_attribute WHERE attrelid = 'stop_old'::regclass AND attname = 'now') > 0;
        PERFORM pg_sleep(0.005);
    END LOOP;
END $$;
CALL old_webhook(1, 100);
CALL old_processor(true); CALL old_processor(true); CALL old_processor(true); CALL old_processor(true); CALL old_processor(true);
CALL old_processor(true); CALL old_processor(true);
};
$node->safe_psql('postgres', $installation);
is($node->safe_psql('postgres', 'SELECT count(*), count(processed_at) FROM webhook_events'),
	'300|140', 'the old installation has processed half of its events');

# ---- hardened while its clients run ------------------------------------------------------------------------

sub dump_of
{
	my ($table, $database) = @_;
	my ($out, $err) = run_command([ 'pg_dump', '-s', '-t', $table, $node->connstr($database || 'postgres') ]);
	$out =~ s/^\\(un)?restrict .*$//mg;
	return $out;
}

my @clients;

sub start_client
{
	my ($sql) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $client = { err => \$err };
	$client->{handle} = IPC::Run::start([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1',
		'-d', $node->connstr('postgres'), '-c', $sql ], \$in, \$out, \$err);
	push @clients, $client;
	return;
}

$node->safe_psql('postgres', 'CREATE EXTENSION callhardening');
my $events_before = dump_of('webhook_events');
my $calls_before = dump_of('calls');
start_client('CALL old_webhook(1001, 1250, 0.008)');
start_client('CALL old_webhook(2001, 2250, 0.008)');
start_client('CALL old_processor()') for 1 .. 2;

my $arguments = q{'webhook_events', 'calls', event_type_column => 'event_type', received_at_column => 'received_at',
    processed_at_column => 'processed_at', carry => '{app_id}'};
$node->safe_psql('postgres', q{SELECT harden_calls('calls')});
like(dump_of('calls'), qr/USING gin \(raw_payload\)/, 'the table gets an index of the payload');
$node->safe_psql('postgres', "SET lock_timeout = '10s'; CALL prepare_harden_call_events($arguments)");
my $indexes = $node->safe_psql('postgres',
	q{SELECT string_agg(statement || ';', E'\n') FROM _callhardening.missing_event_indexes('webhook_events', true) AS statement});
is(scalar(split /\n/, $indexes), 3, 'the function lists three indexes to build');
$node->safe_psql('postgres', $_) for split /\n/, $indexes;
is($node->safe_psql('postgres', q{SELECT count(*) FROM _callhardening.missing_event_indexes('webhook_events', true)}),
	'0', 'the three indexes are built');
$node->safe_psql('postgres', "SET lock_timeout = '10s'; SELECT harden_call_events($arguments)");

# ---- both at work, then ours alone --------------------------------------------------------------------------

# A status may be wrong from the time before hardening: the old processors applied a later event before the last one.
$node->safe_psql(
	'postgres', q{
CREATE TABLE wrong_before AS SELECT dialpad_call_id FROM calls c WHERE status <> 'ended' AND EXISTS (
    SELECT FROM webhook_events e WHERE e.dialpad_event_id = c.dialpad_call_id || '.3' AND e.processed_at IS NOT NULL)});
note('wrong before: ' . $node->safe_psql('postgres', 'SELECT count(*) FROM wrong_before'));
for (1 .. 60) { $node->safe_psql('postgres', 'SELECT * FROM process_call_events(50)'); }
$node->safe_psql('postgres', 'ALTER TABLE stop_old ADD now int');
for my $client (@clients)
{
	IPC::Run::finish($client->{handle});
	unlike(${ $client->{err} }, qr/ERROR|FATAL/, 'an old client saw no error');
}
for (1 .. 200) { last if $node->safe_psql('postgres', 'SELECT claimed FROM process_call_events()') eq '0' }

is($node->safe_psql('postgres', 'SELECT count(*), count(processed_at) FROM webhook_events'),
	'1800|1800', 'each event is processed and marked');
is($node->safe_psql('postgres', q{SELECT count(*),
	count(*) FILTER (WHERE status IS DISTINCT FROM 'ended' AND dialpad_call_id NOT IN (TABLE wrong_before)) FROM calls}),
	'600|0', 'each call has ended, except those wrong before hardening');
is($node->safe_psql('postgres', q{SELECT count(*) FROM calls
	WHERE app_id <> CASE dialpad_call_id % 2 WHEN 0 THEN '00000000-0000-0000-0000-00000000000a'
	ELSE '00000000-0000-0000-0000-00000000000b' END::uuid}), '0', 'each call has its carried columns');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM call_retrying_events) + (SELECT count(*) FROM call_dead_events)'),
	'0', 'no event has failed');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM webhook_events WHERE event_seq IS NOT NULL'),
	'>', 0, 'pending events were stamped');

$node->safe_psql('postgres', 'CALL old_webhook(3001, 3010)');
is($node->safe_psql('postgres', q{SELECT ingest_call_event('{"call": {"id": 3011}}'::jsonb, event_type => 'call.ring') IS NOT NULL}),
	't', 'ingest_call_event appends to the log');
$node->safe_psql('postgres', q{UPDATE webhook_events SET app_id = '00000000-0000-0000-0000-00000000000a' WHERE app_id IS NULL});
for (1 .. 200) { last if $node->safe_psql('postgres', 'SELECT claimed FROM process_call_events()') eq '0' }
is($node->safe_psql('postgres', q{SELECT count(*), count(*) FILTER (WHERE status = 'ended' AND duration_seconds = 30)
	FROM calls WHERE dialpad_call_id > 3000}), '11|10', 'without the old processors the new events are applied');

# ---- the way back -------------------------------------------------------------------------------------------

my $columns = 'id, app_id, event_type, dialpad_event_id, payload, processed_at, received_at';
$node->safe_psql('postgres', "CREATE TABLE kept AS SELECT $columns FROM webhook_events");
$node->safe_psql('postgres', q{SELECT unharden_call_events('webhook_events'); SELECT unharden_calls('calls')});
is(dump_of('webhook_events'), $events_before, 'the events table has its old definition');
is(dump_of('calls'), $calls_before, 'the calls table has its old definition');
is( $node->safe_psql('postgres', 'SELECT count(*)
	FROM ((TABLE kept EXCEPT TABLE webhook_events) UNION ALL (TABLE webhook_events EXCEPT TABLE kept)) AS d'),
	'0', 'the events table has its old rows');
$node->safe_psql('postgres', 'CALL old_webhook(4001, 4002); CALL old_processor(true)');
is($node->safe_psql('postgres', q{SELECT string_agg(status, ',') FROM calls WHERE dialpad_call_id > 4000}),
	'ended,ended', 'the old clients continue');
# ---- the page on migration, statement by statement ------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE ROLE dba LOGIN; CREATE ROLE worker LOGIN; CREATE ROLE oncall LOGIN');

# The statements of the page outside these sections, each with the role that runs it.
sub page_without
{
	my $page = slurp_file('docs/migration.md');
	for my $section (@_) { $page =~ s/^## \Q$section\E\n.*?(?=^## )//ms or die "no section $section" }
	my @blocks;
	while ($page =~ /(?:^<!-- run: as (\w+) -->\n+)?^```sql\n(.*?)^```$/msg) { push @blocks, { role => $1, sql => $2 } }
	return @blocks;
}

sub run_block
{
	my ($way, $block) = @_;
	my $stderr = '';
	my @role = $block->{role} ? ('-U', $block->{role}) : ();
	is($node->psql($way, $block->{sql}, stderr => \$stderr, on_error_stop => 1, extra_params => \@role), 0,
		"$way: " . join(' ', split ' ', $block->{sql})) or diag $stderr;
	return $stderr;
}

# The page has two ways to the same end: one statement for a small table, and five steps for large ones.
sub follow_page
{
	my ($way, @blocks) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $way OWNER dba");
	$node->safe_psql($way, $installation, extra_params => [ '-U', 'dba' ]);
	my $before = dump_of('webhook_events', $way) . dump_of('calls', $way);
	while (my $block = shift @blocks)
	{
		my $stderr = run_block($way, $block);
		next unless $block->{sql} =~ /prepare_harden_call_events/;
		my $printed = join ' ', $stderr =~ /still to be done: (.*)/g;
		is($printed, join(' ', split ' ', $blocks[0]{sql}), "$way: the next step of the page is the printed statements");
	}
	is(dump_of('webhook_events', $way) . dump_of('calls', $way), $before, "$way: the way back restores both definitions");
	is($node->safe_psql($way, 'SELECT count(*), count(processed_at) > 140 FROM webhook_events'), '300|t',
		"$way: more events were processed");
	return;
}

follow_page('small', page_without('The example', 'Large tables'));
follow_page('large', page_without('The example', 'Small tables'));

unlike(slurp_file($node->logfile), qr/terminated by signal|XX000/, 'the server log has no crash and no internal error');
$node->stop;
done_testing();
