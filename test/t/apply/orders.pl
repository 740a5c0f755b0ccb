
# One stream of events in random orders, with random repetitions, processed by 1, 2 and 8 workers. CALLHARDENING_ORDERS=200
# tries 200 orders.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $orders = $ENV{CALLHARDENING_ORDERS} // 40;
my @workers = (1, 2, 8);

my $node = PostgreSQL::Test::Cluster->new('orders');
# Without LANG the database would have the encoding SQL_ASCII.
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
# The test counts refusals itself, so the log leaves them out.
$node->append_conf('postgresql.conf', "log_min_messages = error\nfsync = off");
$node->start;
$node->safe_psql(
	'postgres', q{
SET client_min_messages = error;
CREATE EXTENSION callhardening;
CREATE SCHEMA template;
SELECT create_call_tables('template');
CREATE TABLE stream AS
SELECT body::jsonb, row_number() OVER () AS n FROM (SELECT call_traffic(25, 7) AS body) AS traffic;
CREATE TABLE delivery (position bigint, body jsonb, event_key text);
CREATE TABLE sums (workers int, claimed bigint, applied bigint, unchanged bigint, refused bigint, failed bigint);
CREATE TABLE history (workers int, dialpad_call_id bigint, before text, after text);

CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO history VALUES (TG_ARGV[0]::int, NEW.dialpad_call_id, CASE TG_OP WHEN 'UPDATE' THEN OLD.status END, NEW.status);
    RETURN NULL;
END
$$});

# One log for each number of workers, so that all three run with the same order. Few lanes make the workers meet, and small
# batches spread the events of a call.
my $scripts = PostgreSQL::Test::Utils::tempdir;
for my $workers (@workers)
{
	my $schema = "w$workers";
	$node->safe_psql(
		'postgres', qq{
SET client_min_messages = error;
CREATE SCHEMA $schema;
CREATE TABLE $schema.calls (LIKE template.calls INCLUDING ALL);
CREATE TABLE $schema.call_events (LIKE template.call_events INCLUDING ALL);
SELECT harden_calls('$schema.calls', provider => 'dialpad');
SELECT register_call_event_log('$schema.call_events', '$schema.calls', 'dialpad', 8);
CREATE TRIGGER remember AFTER INSERT OR UPDATE OF status ON $schema.calls FOR EACH ROW EXECUTE FUNCTION remember($workers);

-- Faults of the result. There must be none in any order.
CREATE FUNCTION $schema.violations() RETURNS SETOF text LANGUAGE sql AS \$\$
SELECT 'pending: ' || claimed FROM process_call_events(log => '$schema.call_events') WHERE claimed > 0
UNION ALL
SELECT 'the sums do not account for every event: ' || sum(claimed) FROM sums WHERE workers = $workers
HAVING sum(claimed) IS DISTINCT FROM (SELECT count(*) FROM $schema.call_events) OR sum(failed) > 0
    OR sum(claimed) <> sum(applied) + sum(unchanged) + sum(refused) + sum(failed)
UNION ALL
SELECT 'a redelivery became an event' FROM (SELECT count(DISTINCT (body, event_key)) AS events FROM delivery) AS d
WHERE events <> (SELECT count(*) FROM $schema.call_events)
UNION ALL
SELECT format('call %s went from %s to %s', dialpad_call_id, before, after) FROM history
WHERE workers = $workers AND NOT is_valid_status_transition(before, after)
AND NOT EXISTS (SELECT FROM call_issues i
    WHERE kind = 'refined_status' AND i.table_name = '$schema.calls' AND i.call_id = dialpad_call_id::text
    AND i.old_value = before AND i.new_value = after)
UNION ALL
SELECT format('call %s: %s row(s)', s.id, count(c.id))
FROM (SELECT DISTINCT (body ->> 'call_id')::bigint AS id FROM stream) AS s LEFT JOIN $schema.calls c ON c.dialpad_call_id = s.id
GROUP BY s.id HAVING count(c.id) <> 1
UNION ALL
SELECT format('call %s was hung up and is %s', dialpad_call_id, status) FROM $schema.calls
WHERE status IN ('ringing', 'active') AND dialpad_call_id IN (
    SELECT (body ->> 'call_id')::bigint FROM stream WHERE body ->> 'state' = 'hangup')
UNION ALL
SELECT format('call %s does not have its newest event', c.dialpad_call_id)
FROM $schema.calls c JOIN (
    SELECT (body ->> 'call_id')::bigint AS id, max((body ->> 'event_timestamp')::bigint) AS newest FROM stream GROUP BY 1) AS s
    ON s.id = c.dialpad_call_id
WHERE (c.raw_payload ->> 'event_timestamp')::bigint IS DISTINCT FROM s.newest
UNION ALL
SELECT format('call %s has the direction %s', dialpad_call_id, direction) FROM $schema.calls
WHERE direction NOT IN ('inbound', 'outbound')
\$\$});
	append_to_file("$scripts/$schema.sql",
		"INSERT INTO sums SELECT $workers, * FROM process_call_events(10, '$schema.call_events');\n");
}

# The size of call_issues includes deleted rows, and above a limit no issue is recorded. So the tables are truncated. Then the
# events come in a random order, some twice: as a redelivery known to the log, or as an event of its own.
sub deliver
{
	my ($order) = @_;
	my $logs = join ', ', map {"w$_.calls, w$_.call_events"} @workers;
	my $ingest = join '', map {
		"SELECT count(ingest_call_event(body, 'w$_.call_events', event_key => event_key)) FROM (TABLE delivery ORDER BY position) AS d;\n"
	} @workers;
	$node->safe_psql(
		'postgres', qq{
TRUNCATE delivery, sums, history, _callhardening.issues, $logs;
SELECT setseed($order / $orders.0);
INSERT INTO delivery
SELECT row_number() OVER (ORDER BY random()), body, event_key FROM (
    SELECT body, NULL AS event_key FROM stream
    UNION ALL SELECT body, NULL FROM stream WHERE random() < 0.1
    UNION ALL SELECT body, 'again ' || n FROM stream WHERE random() < 0.1) AS events;
$ingest});
}

sub pending
{
	my ($workers) = @_;
	return $node->safe_psql('postgres',
		"SELECT count(*) - (SELECT coalesce(sum(claimed), 0) FROM sums WHERE workers = $workers) FROM w$workers.call_events");
}

# Workers do not wait for each other, so one may find every lane taken. They run until no event is left.
sub work
{
	my ($workers) = @_;
	for (1 .. 50)
	{
		system_or_bail('pgbench', '--no-vacuum', "--client=$workers", '--transactions=' . int(8 + 24 / $workers),
			"--file=$scripts/w$workers.sql", '--host=' . $node->host, '--port=' . $node->port, 'postgres');
		return if pending($workers) == 0;
	}
}

# All workers get the same events in the same order, so their rows must be the same.
my $rows = join ' UNION ALL ',
	map {"SELECT string_agg((to_jsonb(c) - '{id,created_at}'::text[])::text, ' ' ORDER BY dialpad_call_id) AS w FROM w$_.calls AS c"} @workers;
my $differ = "SELECT 'the rows differ' FROM ($rows) AS r HAVING count(DISTINCT w) <> 1";

for my $order (1 .. $orders)
{
	deliver($order);
	work($_) for @workers;
	is($node->safe_psql('postgres', join ' UNION ALL ', $differ, map {"SELECT '$_: ' || violations FROM w$_.violations()"} @workers),
		'', "order $order gives valid calls, the same for all workers");
}

# The checks above can fail: a graph that lets an ended call ring again violates one of them.
$node->safe_psql('postgres', q{
SELECT harden_calls('w1.calls', provider => 'dialpad', transitions =>
    '{"ringing": ["active", "ended", "missed", "rejected", "voicemail"],
        "active": ["ringing", "ended", "voicemail"], "ended": ["ringing", "active"]}')});
deliver(1);
work(1);
like($node->safe_psql('postgres', 'SELECT * FROM w1.violations()'), qr/went from ended to/, 'another graph is noticed');

$node->stop;
done_testing();
