
# pg_upgrade: the new cluster has another identifier and continues the transaction ids of the old one.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @initdb = ('--encoding=UTF8', '--locale=C.UTF-8');
my $old = PostgreSQL::Test::Cluster->new('old');
$old->init(extra => \@initdb);
$old->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nshared_preload_libraries = 'callhardening'");
$old->start;

sub ingest
{
	my ($node, $first, $last, $state) = @_;
	$node->safe_psql('postgres', join '', map {qq{SELECT ingest_call_event('{"call_id": $_, "state": "$state"}'::jsonb);\n}} $first .. $last);
}

sub drain
{
	my ($node, @consumers) = @_;
	$node->safe_psql('postgres', join '', map {"CALL drain('$_');\n"} @consumers);
}

$old->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
SELECT create_call_tables();
SELECT create_call_consumer('call_events', 'crm'), create_call_consumer('call_events', 'sleeper');
CREATE TABLE done (place bigint GENERATED ALWAYS AS IDENTITY, consumer name DEFAULT 'default', event_seq bigint, call_id text);
CREATE PROCEDURE drain(whose name) LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    LOOP
        WITH claimed AS (SELECT * FROM claim_call_events(100, consumer => whose)),
        kept AS (INSERT INTO done (consumer, event_seq, call_id) SELECT whose, event_seq, call_id FROM claimed)
        SELECT array_agg(DISTINCT claim_id) INTO ids FROM claimed;
        EXIT WHEN ids IS NULL;
        PERFORM complete_call_events(ids);
        COMMIT;
    END LOOP;
END
$$;
CREATE FUNCTION violations() RETURNS SETOF text LANGUAGE sql AS $$
SELECT format('%s has lost event %s', consumer, event_seq) FROM call_events, call_consumers
WHERE (consumer, event_seq) NOT IN (SELECT consumer, event_seq FROM done)
UNION ALL
SELECT format('%s has done event %s %s times', consumer, event_seq, count(*)) FROM done
GROUP BY consumer, event_seq HAVING count(*) > 1
UNION ALL
SELECT format('%s has done event %s of call %s after %s', consumer, event_seq, call_id, before) FROM (
    SELECT consumer, event_seq, call_id,
        max(event_seq) OVER (PARTITION BY consumer, call_id ORDER BY place ROWS UNBOUNDED PRECEDING) AS before FROM done) AS d
WHERE before > event_seq
$$});
ingest($old, 1, 60, 'calling');
drain($old, 'default', 'crm');
ingest($old, 1, 60, 'ringing');
# A worker of each consumer but the sleeping one holds some events, and one of them has failed. The others are pending.
$old->safe_psql('postgres', q{
CREATE TABLE mine AS SELECT claim_id, event_seq, call_id FROM claim_call_events(20, '1 hour', 'worker');
SELECT fail_call_event(claim_id, event_seq, 'no', '0 seconds') FROM mine LIMIT 1;
CREATE TABLE theirs AS SELECT claim_id, event_seq FROM claim_call_events(20, '1 hour', 'worker', consumer => 'crm');
SELECT fail_call_event(claim_id, event_seq, 'no', '0 seconds') FROM theirs LIMIT 1;
SELECT release_call_events(ARRAY(SELECT DISTINCT claim_id FROM theirs))});
my $members = q{SELECT string_agg(pg_describe_object(classid, objid, 0), E'\n' ORDER BY pg_describe_object(classid, objid, 0) COLLATE "C")
    FROM pg_depend WHERE deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'callhardening')};
my $owned = $old->safe_psql('postgres', $members);
like($owned, qr/^schema _callhardening$/m, 'the extension owns its schema');
my $dumped = $old->safe_psql('postgres', 'SELECT string_agg(c::regclass::text, $$ $$ ORDER BY c::regclass::text)
	FROM pg_extension, unnest(extconfig) AS c WHERE extname = $$callhardening$$');
my $granted = $old->safe_psql('postgres', q{SELECT count(*) FROM call_role_grants('own')});

# A database with a worker that starts with the server. The upgrade itself starts none.
my $runs = q{SELECT status || running FROM call_worker_status};
$old->safe_psql('postgres', 'CREATE ROLE worker LOGIN; CREATE DATABASE kept');
$old->safe_psql(
	'kept', q{
CREATE EXTENSION callhardening;
SELECT create_call_tables();
SELECT grant_call_role('worker', 'process');
SET ROLE worker;
SELECT start_call_worker(keep => true)});
$old->poll_query_until('kept', $runs, 'running1') or die 'the worker does not start';

my $identifier = $old->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(extra => \@initdb);
my $bin = $old->config_data('--bindir');
my $place = PostgreSQL::Test::Utils::tempdir;
chdir $place or die "cannot go to $place";
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'callhardening'");
system_or_bail('pg_upgrade', '--no-sync', '--old-datadir', $old->data_dir,
	'--new-datadir', $new->data_dir, '--old-bindir', $bin, '--new-bindir', $bin,
	'--socketdir', $new->host, '--old-port', $old->port, '--new-port', $new->port);
$new->start;
isnt($new->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()'), $identifier, 'the cluster has another identifier');

# The worker comes back and completes one of its claims.
$new->safe_psql('postgres', q{
CREATE TABLE ended AS SELECT * FROM complete_call_events((SELECT ARRAY[max(claim_id)] FROM mine));
INSERT INTO done (event_seq, call_id) SELECT event_seq, call_id FROM mine JOIN ended USING (claim_id)
WHERE outcome = 'completed' AND event_seq NOT IN (SELECT event_seq FROM call_retrying_events WHERE consumer = 'default')});
is($new->safe_psql('postgres', 'SELECT outcome FROM ended'), 'completed', 'a claim can still be completed');
ingest($new, 1, 60, 'connected');
drain($new, 'default', 'crm', 'sleeper');
is($new->safe_psql('postgres', 'SELECT * FROM violations() LIMIT 10'), '',
	'what was pending comes once for each consumer, in order, and nothing else');
ingest($new, 1, 60, 'hangup');
drain($new, 'default', 'crm', 'sleeper');
is($new->safe_psql('postgres', 'SELECT * FROM violations() LIMIT 10'), '', 'the log goes on');
is($new->safe_psql('postgres', 'SELECT count(*) FROM _callhardening.lanes'), 3 * 64, 'with its lanes');
is($new->safe_psql('postgres', $members), $owned, 'the extension owns the same objects, including its schema');
is($new->safe_psql('postgres', 'SELECT string_agg(c::regclass::text, $$ $$ ORDER BY c::regclass::text)
	FROM pg_extension, unnest(extconfig) AS c WHERE extname = $$callhardening$$'),
	$dumped, 'pg_dump dumps the same tables');
is($new->safe_psql('postgres', q{SELECT string_agg(check_name, ' ') FROM check_call_hardening()
	WHERE NOT ok AND check_name NOT IN ('autovacuum')}), '', 'the self-test finds no fault');
$new->safe_psql('postgres', q{CREATE ROLE reader; SELECT grant_call_role('reader', 'read')});
is($new->safe_psql('postgres', q{SELECT count(*) FROM call_role_grants('own')}), $granted, 'each task has the same rights');
ok($new->poll_query_until('kept', $runs, 'running1'), 'a kept worker starts in the new cluster');

$new->stop;
done_testing();
