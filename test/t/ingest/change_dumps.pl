
# A log of changes is dumped and restored: whole, as a schema without data, and as data alone. A subscription writes calls
# with a log of changes.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dumps = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('changes');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ], allows_streaming => 'logical');
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;

sub query { my ($database, $sql) = @_; return $node->safe_psql($database, $sql); }

sub dump_to
{
	my ($file, @options) = @_;
	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dumps/$file", @options, $node->connstr('postgres') ], "dump: @options");
}

sub restore
{
	my ($file, $database, @options) = @_;
	query('postgres', "CREATE DATABASE $database") unless query('postgres', "SELECT 1 FROM pg_database WHERE datname = '$database'");
	$node->command_ok([ 'pg_restore', '--exit-on-error', @options, '-d', $node->connstr($database), "$dumps/$file" ],
		"restore into $database: @options");
}

my $changes = q{SELECT string_agg(concat_ws(' ', event_seq, call_id, event_type, payload->>'status'), ', ' ORDER BY event_seq)
    FROM telephony."my changes"};
my $gaps = q{SELECT string_agg(DISTINCT gap, ' ' ORDER BY gap) FROM call_enforcement WHERE level = 'gap'};

# The changes as the reader gets them. Those from before a restore come first, in a claim of their own.
sub read_all
{
	my ($database) = @_;
	my @read;
	while (my $batch = query($database, q{WITH claimed AS (
    SELECT * FROM claim_call_events(log => 'telephony."my changes"', consumer => 'crm'))
SELECT string_agg(concat_ws(' ', event_seq, call_id, event_type), ', ' ORDER BY event_seq) FROM claimed}))
	{
		push @read, $batch;
		query($database, 'SELECT complete_call_events(ARRAY(SELECT claim_id FROM call_open_claims))');
	}
	return join(', ', @read);
}

query(
	'postgres', q{
CREATE EXTENSION callhardening;
CREATE SCHEMA telephony;
SELECT create_call_tables('telephony');
SELECT create_call_changes('telephony.calls', 'my changes', lanes => 1);
SELECT create_call_consumer('telephony."my changes"', 'crm', from_beginning => true);
INSERT INTO telephony.calls (dialpad_call_id, status) VALUES (1, 'ringing'), (2, 'ringing');
SELECT complete_call_events(ARRAY(SELECT DISTINCT claim_id FROM claim_call_events(log => 'telephony."my changes"', consumer => 'crm')));
UPDATE telephony.calls SET status = 'active' WHERE dialpad_call_id = 1;
});
my $before = '1 1 created ringing, 2 2 created ringing, 3 1 status active';
is(query('postgres', $changes), $before, 'three changes');

# The whole database: the restore is no change, and the log goes on.
dump_to('whole');
restore('whole', 'whole');
is(query('whole', $changes), $before, 'a restore logs nothing');
is(query('whole', $gaps), '', 'the restored log has no gap');
query('whole', q{UPDATE telephony.calls SET status = 'ended' WHERE dialpad_call_id = 1});
is(query('whole', $changes), "$before, 4 1 status ended", 'the restored log goes on');
is(read_all('whole'), '3 1 status, 4 1 status', 'the reader goes on where it was');
is(query('whole', q{SELECT drop_call_changes('telephony.calls'); SELECT count(*) FROM call_event_logs}),
	"\n1", 'the restored log can be dropped');

# Without its row in call_event_logs the trigger does nothing, and create_call_changes registers the table.
dump_to('schema', '--schema-only');
restore('schema', 'schema');
query('schema', q{INSERT INTO telephony.calls (dialpad_call_id, status) VALUES (7, 'ringing')});
is(query('schema', $changes), '', 'a schema without data logs nothing');
like(query('schema', $gaps), qr/log_not_registered/, 'this is a gap');
is(query('schema', q{SELECT create_call_changes('telephony.calls')}), 'telephony."my changes"', 'the log is registered');
query('schema', q{UPDATE telephony.calls SET status = 'active'; SELECT create_call_consumer('telephony."my changes"', 'crm', true)});
is(read_all('schema'), '1 7 status', 'it can be read');

# Data alone: --disable-triggers leaves the changes as they were.
restore('schema', 'data');
restore('whole', 'data', '--data-only', '--disable-triggers');
is(query('data', $changes), $before, 'a restore of data with disabled triggers logs nothing');
query('data', q{UPDATE telephony.calls SET status = 'ended' WHERE dialpad_call_id = 1});
is(query('data', $changes), "$before, 4 1 status ended", 'the log of the data goes on');
is(read_all('data'), '3 1 status, 4 1 status', 'and so does its reader');

# A subscription writes as a replica. Its owner may have the changes logged there.
query('postgres', 'CREATE DATABASE subscriber');
query(
	'subscriber', q{
CREATE EXTENSION callhardening;
CREATE SCHEMA telephony;
SELECT create_call_tables('telephony');
SELECT create_call_changes('telephony.calls', 'my changes');
});
query('postgres', q{CREATE PUBLICATION calls FOR TABLE telephony.calls; SELECT pg_create_logical_replication_slot('calls', 'pgoutput')});
query('subscriber', sprintf(q{CREATE SUBSCRIPTION calls CONNECTION '%s dbname=postgres' PUBLICATION calls
    WITH (create_slot = false, slot_name = 'calls', copy_data = false)}, $node->connstr));
query('postgres', q{INSERT INTO telephony.calls (dialpad_call_id, status) VALUES (8, 'ringing')});
$node->poll_query_until('subscriber', 'SELECT count(*) = 1 FROM telephony.calls') or die 'the row does not come';
is(query('subscriber', $changes), '', 'a subscription logs nothing');
is(query('subscriber', q{SELECT DISTINCT gap FROM call_enforcement WHERE detail ~ 'add_call_change'}),
	'subscription', 'the view on gaps has a note');
query('subscriber', 'ALTER TABLE telephony.calls ENABLE ALWAYS TRIGGER add_call_change');
query('postgres', q{UPDATE telephony.calls SET status = 'active' WHERE dialpad_call_id = 8});
$node->poll_query_until('subscriber', q{SELECT count(*) = 1 FROM telephony."my changes"}) or die 'the change does not come';
is(query('subscriber', $changes), '1 8 status active', 'a trigger that fires always logs it');
query('subscriber', 'DROP SUBSCRIPTION calls');

unlike(slurp_file($node->logfile), qr/terminated by signal|XX000/, 'the server log has no crash and no internal error');
$node->stop;
done_testing();
