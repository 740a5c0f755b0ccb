
# The life of a database: hardened tables are dumped and restored in every way, altered, renamed, moved and dropped. The
# extension is in schemas with odd names.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dumps = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('life');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
$node->start;

sub query { return $node->safe_psql(@_); }

# The error message of a failing statement.
sub failure
{
	my ($database, $sql) = @_;
	my ($status, $output, $error) = $node->psql($database, $sql);
	return $status == 0 ? 'nothing' : $error;
}

sub run_tool
{
	my ($tool, @arguments) = @_;
	PostgreSQL::Test::Utils::system_or_bail($tool, '--host', $node->host, '--port', $node->port, @arguments);
}

sub load
{
	my ($database, $file, $stop) = @_;
	return PostgreSQL::Test::Utils::system_log('psql', '-Xq', "--set=ON_ERROR_STOP=$stop",
		'--output=/dev/null', '--host', $node->host, '--port', $node->port,
		'--file', $file, $database);
}

# The objects made by hardening, and the rows of the tables.
my $definitions = q{
SELECT string_agg(format('%s %s', pg_get_triggerdef(oid), tgenabled), E'\n' ORDER BY tgrelid::regclass::text, tgname)
    FROM pg_trigger WHERE NOT tgisinternal;
SELECT string_agg(pg_get_indexdef(indexrelid), E'\n' ORDER BY indexrelid::regclass::text)
    FROM pg_index WHERE indrelid IN (SELECT tgrelid FROM pg_trigger WHERE NOT tgisinternal);
SELECT string_agg(concat_ws(' ', events, calls, lanes, is_default), ',' ORDER BY events::text) FROM "HOME".call_event_logs;
SELECT string_agg(concat_ws(' ', role, role_oid, task, log, relation, privilege, column_name, column_number, function, schema, is_added),
    E'\n'
    ORDER BY task, relation::text, privilege, column_number, function, schema) FROM _callhardening.role_tasks};
my $rights = q{SELECT count(*) FROM (SELECT relacl FROM pg_class UNION ALL SELECT attacl FROM pg_attribute
	UNION ALL SELECT proacl FROM pg_proc UNION ALL SELECT nspacl FROM pg_namespace) AS l (acl),
    aclexplode(acl) AS a WHERE grantee = (SELECT oid FROM pg_roles WHERE rolname = 'receiver')};
my $rows = q{
SELECT string_agg(concat_ws(' ', "call id", status, direction, raw_payload), E'\n' ORDER BY "call id") FROM telephony."Calls";
SELECT string_agg(concat_ws(' ', tableoid::regclass, dialpad_call_id, status), E'\n' ORDER BY dialpad_call_id) FROM telephony.parted;
SELECT string_agg(concat_ws(' ', dialpad_call_id, status), E'\n' ORDER BY dialpad_call_id) FROM public.calls};

# PostgreSQL does not accept characters that could end a quoted name in an extension's script.
for my $home ('a"b', 'has$dollar', "it's")
{
	(my $quoted = $home) =~ s/"/""/g;
	like(failure('postgres', qq{CREATE SCHEMA "$quoted"; CREATE EXTENSION callhardening SCHEMA "$quoted"}),
		qr/ERROR:  invalid character in extension "callhardening" schema/, "$home: CREATE EXTENSION refuses this schema");
}

query('postgres', 'CREATE ROLE receiver');
for my $home ('has space', 'Odd; Schema')
{
	my $name = $home eq 'has space' ? 'space' : 'odd';
	(my $all = $definitions) =~ s/HOME/$home/g;
	my $refused = q{UPDATE telephony."Calls" SET status = 'ringing' WHERE "call id" = 'two'};

	run_tool('createdb', $name);
	query($name, qq{
CREATE SCHEMA "$home"; CREATE EXTENSION callhardening SCHEMA "$home"; CREATE SCHEMA telephony;
CREATE TABLE telephony."Calls" ("call id" text PRIMARY KEY, status text, direction text, raw_payload jsonb);
INSERT INTO telephony."Calls"
    VALUES ('one', 'jumping', 'sideways', '{"password": "hunter2", "call_id": 1}'), ('two', 'ended', 'inbound', NULL);
SELECT "$home".harden_calls('telephony."Calls"', call_id_column => 'call id',
    on_invalid => 'reject', transitions => '{"ringing": ["ended"]}',
    policy => '{"version": 1, "rules": [{"path": "it''s \\\\ \\"odd\\"", "action": "drop"}]}');
INSERT INTO telephony."Calls" VALUES ('three', 'RINGING', 'OUT', '{"password": "hunter3", "call_id": 3}');
CREATE TABLE telephony.parted (dialpad_call_id bigint, status text, direction text) PARTITION BY LIST (status);
CREATE TABLE telephony.opened PARTITION OF telephony.parted FOR VALUES IN ('ringing', 'active');
CREATE TABLE telephony.closed PARTITION OF telephony.parted DEFAULT;
SET client_min_messages = error; SELECT "$home".harden_calls('telephony.parted');
ALTER TABLE telephony."Calls" ENABLE ALWAYS TRIGGER validate_hardened_call;
INSERT INTO telephony.parted VALUES (1, 'ringing'), (2, 'ended');
SELECT "$home".create_call_tables('public'); SELECT "$home".generate_call_events(5); SELECT * FROM "$home".process_call_events();
GRANT SELECT ON public.calls TO receiver; SELECT "$home".grant_call_role('receiver', what) FROM unnest('{ingest,read}'::text[]) AS what});
	my $origin = query($name, "$all; $rows");
	like($origin, qr/hunter2/, "$home: the old row has its password");
	unlike($origin, qr/hunter3/, "$home: the new row has none");

	# ---- dump and restore --------------------------------------------------------------------------------

	run_tool('pg_dump', '--file', "$dumps/$name.sql", $name);
	run_tool('pg_dump', '--format=custom', '--file', "$dumps/$name.dump", $name);
	run_tool('pg_dump', "--$_-only", '--file', "$dumps/$name.$_", $name) for 'schema', 'data';
	run_tool('pg_dump', '--data-only', '--disable-triggers', '--file', "$dumps/$name.disabled", $name);

	run_tool('createdb', "${name}_plain");
	is(load("${name}_plain", "$dumps/$name.sql", 1), 0, "$home: a plain dump is restored");
	is(query("${name}_plain", "$all; $rows"), $origin, "$home: the plain restore has the same objects and rows");
	like(failure("${name}_plain", $refused), qr/ERROR:  Invalid status transition: "ended" to "ringing"/,
		"$home: the plain restore is hardened");

	run_tool('createdb', "${name}_custom");
	run_tool('pg_restore', '--exit-on-error', '--jobs=2', '--dbname', "${name}_custom", "$dumps/$name.dump");
	is(query("${name}_custom", "$all; $rows"), $origin, "$home: a custom restore by two jobs has the same objects and rows");
	like(failure("${name}_custom", $refused), qr/ERROR:  Invalid status transition/, "$home: the custom restore is hardened");

	# The extension stores its grants. A restore keeps them, even before the role exists.
	my $revoke = qq{SELECT "$home".revoke_call_role('receiver', what) FROM unnest('{ingest,read}'::text[]) AS what};
	cmp_ok(query("${name}_custom", $rights), '>', 10, "$home: a restore has the rights of the role");
	query("${name}_custom", $revoke);
	is(query("${name}_custom", $rights), 1, "$home: they can be revoked there, and older rights stay");
	query('postgres', 'ALTER ROLE receiver RENAME TO somebody');
	run_tool('createdb', "${name}_strange");
	load("${name}_strange", "$dumps/$name.sql", 0);
	my $known = qq{SELECT count(*) > 10, count(role_oid) > 0 FROM _callhardening.role_tasks WHERE role = 'receiver'};
	is(query("${name}_strange", $known), 't|f', "$home: a restore without the role keeps the stored grants");
	query('postgres', 'ALTER ROLE somebody RENAME TO receiver');
	query("${name}_strange", qq{GRANT SELECT ON public.calls TO receiver; SELECT "$home".grant_call_role('receiver', 'read')});
	query("${name}_strange", $revoke);
	is(query("${name}_strange", $rights), 1, "$home: the stored grants find the role later");
	run_tool('dropdb', $_) for "${name}_strange";

	run_tool('createdb', "${name}_disabled");
	is(load("${name}_disabled", "$dumps/$name.schema", 1), 0, "$home: the schema alone is restored");
	like(query("${name}_disabled", qq{SELECT "$home".call_settings('telephony."Calls"')}), qr/reject/,
		"$home: the schema contains the settings");
	is(load("${name}_disabled", "$dumps/$name.disabled", 1), 0, "$home: data with --disable-triggers are restored");
	is(query("${name}_disabled", "$rows"), query($name, $rows), "$home: the rows are unchanged, old ones too");
	like(failure("${name}_disabled", $refused), qr/ERROR:  Invalid status transition/, "$home: after that the table is hardened");

	run_tool('createdb', "${name}_data");
	load("${name}_data", "$dumps/$name.schema", 1);
	isnt(load("${name}_data", "$dumps/$name.data", 1), 0, "$home: data alone go through the triggers, and reject refuses old rows");
	query("${name}_data", qq{SELECT "$home".harden_calls('telephony."Calls"', on_invalid => 'keep')});
	run_tool('dropdb', "${name}_data");
	run_tool('createdb', "${name}_data");
	load("${name}_data", "$dumps/$name.schema", 1);
	query("${name}_data", qq{SELECT "$home".harden_calls('telephony."Calls"', on_invalid => 'keep')});
	is(load("${name}_data", "$dumps/$name.data", 1), 0, "$home: with keep the old rows are restored");
	is(query("${name}_data", q{SELECT concat_ws(' ', status, direction, raw_payload ->> 'password')
		FROM telephony."Calls" WHERE "call id" = 'one'}),
		'[secret]', "$home: old payloads are sanitized");
	is(query("${name}_data", q{SELECT concat_ws(' ', status, direction, raw_payload) FROM telephony."Calls" WHERE "call id" = 'three'}),
		query($name, q{SELECT concat_ws(' ', status, direction, raw_payload) FROM telephony."Calls" WHERE "call id" = 'three'}),
			"$home: valid rows are unchanged");
}

# ---- DROP EXTENSION ----------------------------------------------------------------------------------------

like(failure('space', 'DROP EXTENSION callhardening'), qr/ERROR:  cannot drop extension callhardening because other objects depend on it/,
	'the extension cannot be dropped while tables are hardened');
query('space_plain', 'SET client_min_messages = error; DROP EXTENSION callhardening CASCADE');
is(query('space_plain', 'SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal'), 0, 'DROP EXTENSION ... CASCADE drops the triggers');
is(query('space_plain', $rows), query('space', $rows), 'DROP EXTENSION ... CASCADE keeps all rows');

# ---- names, schemas and files --------------------------------------------------------------------------------

query('space', q{CREATE SCHEMA moved; ALTER TABLE telephony."Calls" RENAME TO renamed; ALTER TABLE telephony.renamed SET SCHEMA moved;
ALTER TABLE calls SET SCHEMA moved; ALTER TABLE moved.calls RENAME TO my_calls; ALTER TABLE call_events SET SCHEMA moved});
my $late = q{UPDATE moved.renamed SET status = 'ringing' WHERE "call id" = 'two'};
like(failure('space', "\\set VERBOSITY verbose\n$late"), qr/CONSTRAINT NAME:  renamed_status_transition/,
	'a renamed and moved table is hardened under its new name');
is(query('space', q{SELECT concat_ws(' ', events, calls) FROM "has space".call_event_logs}),
	'moved.call_events moved.my_calls', 'a renamed and moved log is still a log');
query('space', q{SELECT "has space".ingest_call_event('{"call_id": 99, "state": "ringing"}'::jsonb)});
is(query('space', q{SELECT applied FROM "has space".process_call_events(); SELECT status FROM moved.my_calls WHERE dialpad_call_id = 99}),
	"1\nringing", 'its events are processed');

for my $sql ('VACUUM FULL moved.renamed', 'CLUSTER moved.renamed USING "Calls_pkey"',
	'REINDEX TABLE moved.renamed', 'REINDEX TABLE CONCURRENTLY moved.renamed',
	'ALTER TABLE moved.renamed ADD COLUMN first text DEFAULT \'x\', ADD COLUMN second text', 'ALTER TABLE moved.renamed DROP COLUMN first',
	'ALTER TABLE moved.renamed ALTER COLUMN second TYPE integer USING 1', 'ALTER TABLE moved.renamed SET UNLOGGED', 'ANALYZE moved.renamed')
{
	query('space', $sql);
	like(failure('space', $late), qr/ERROR:  Invalid status transition: "ended" to "ringing"/, "the table is still hardened after $sql");
}

# ---- watched columns -----------------------------------------------------------------------------------------

for my $column ('status', 'direction', '"call id"')
{
	like(failure('space', "ALTER TABLE moved.renamed ALTER COLUMN $column TYPE varchar(20)"),
		qr/ERROR:  cannot alter type of a column used in a trigger definition/,
		"the type of $column cannot be altered");
	like(failure('space', "ALTER TABLE moved.renamed DROP COLUMN $column"),
		qr/ERROR:  cannot drop column .* because other objects depend on it/, "$column cannot be dropped");
}
query('space', 'ALTER TABLE moved.renamed DROP COLUMN raw_payload');
like(failure('space', "UPDATE moved.renamed SET second = 2"),
	qr/ERROR:  .*raw_payload/, 'without its payload column the table takes no rows');
query('space', q{SELECT "has space".harden_calls('moved.renamed', payload_column => 'raw_payload')});
is(failure('space', "UPDATE moved.renamed SET second = 2"), 'nothing', 'after hardening again it takes rows');

# ---- dropped tables ------------------------------------------------------------------------------------------

# The session does not fire triggers.
query('space', 'SET session_replication_role = replica; DROP TABLE moved.my_calls');
is(query('space', q{SELECT calls, calls::oid FROM "has space".call_event_logs}), '-|0', 'a log forgets its dropped calls table');
like(failure('space', q{SELECT "has space".ingest_call_event('{"call_id": 99, "state": "hangup"}'::jsonb); SELECT *
	FROM "has space".process_call_events()}),
	qr/ERROR:  the calls table of event log .* no longer exists/, 'the error names the missing calls table');
run_tool('pg_dump', '--file', "$dumps/dropped.sql", 'space');
run_tool('createdb', 'dropped');
is(load('dropped', "$dumps/dropped.sql", 1), 0, 'such a log can be dumped and restored');
is(query('dropped', q{SELECT calls, calls::oid FROM "has space".call_event_logs}), '-|0', 'the restored log has no calls table');
query('space', 'DROP TABLE moved.renamed, telephony.parted, moved.call_events');
is(query('space', q{SELECT (SELECT count(*) FROM pg_trigger
	WHERE tgname ~ 'hardened_call|_call_event$') + (SELECT count(*) FROM "has space".call_event_logs)
    + (SELECT count(*) FROM _callhardening.lanes) + (SELECT count(*) FROM _callhardening.claims)}), 0, 'dropped tables leave no entries');
is(failure('space', 'DROP EXTENSION callhardening'), 'nothing', 'the extension can be dropped');

# ---- data alone, of a hardened event table -------------------------------------------------------

# Rows processed before hardening have no number, in the log and in its dump.
for my $what ('half', 'all')
{
	my $pending = $what eq 'half' ? 'NULL' : 'now()';
	# public.hooks is restored after call_event_logs, app.hooks before.
	for my $schema ('public', 'app')
	{
		my $name = "hooks_${what}_$schema";
		run_tool('createdb', $name);
		query($name, qq{
CREATE EXTENSION callhardening; CREATE SCHEMA app; CREATE TABLE calls (dialpad_call_id bigint PRIMARY KEY, status text, direction text);
CREATE TABLE $schema.hooks (id int PRIMARY KEY, payload jsonb NOT NULL, processed_at timestamp);
INSERT INTO $schema.hooks VALUES (1, '{"call_id": 1, "state": "ringing"}', now()), (2, '{"call_id": 2, "state": "ringing"}', $pending),
    (3, '{"call_id": 3, "state": "ringing"}', now());
SELECT harden_calls('calls'); SELECT harden_call_events('$schema.hooks', 'calls', processed_at_column => 'processed_at')});
		run_tool('pg_dump', "--$_-only", '--file', "$dumps/$name.$_", $name) for 'schema', 'data';
		run_tool('createdb', "${name}_data");
		is(load("${name}_data", "$dumps/$name.schema", 1) + load("${name}_data", "$dumps/$name.data", 1),
			0, "$schema.hooks, $what processed: data alone are restored");
		my $numbers = "SELECT string_agg(concat_ws(' ', id, event_seq), ',' ORDER BY id) FROM $schema.hooks";
		is(query("${name}_data", $numbers), query($name, $numbers),
			"$schema.hooks, $what processed: settled rows stay settled, without a number");
		is(failure("${name}_data", qq{INSERT INTO $schema.hooks
			VALUES (4, '{"call_id": 4, "state": "ringing"}'), (5, '{"call_id": 5, "state": "ringing"}')}),
			'nothing', "$schema.hooks, $what processed: webhooks continue");
		for (1 .. 10) { last if query("${name}_data", 'SELECT claimed FROM process_call_events()') eq '0' }
		is(query("${name}_data", q{SELECT string_agg(dialpad_call_id::text, ',' ORDER BY dialpad_call_id) FROM calls}),
			$what eq 'half' ? '2,4,5' : '4,5',
			"$schema.hooks, $what processed: pending and new events are applied");
	}
}

# If no column marks processed rows, the rows must be restored unchanged.
run_tool('createdb', 'hooks_none');
query('hooks_none', q{
CREATE EXTENSION callhardening; CREATE TABLE calls (dialpad_call_id bigint PRIMARY KEY, status text, direction text);
CREATE TABLE hooks (id int PRIMARY KEY, payload jsonb NOT NULL); INSERT INTO hooks VALUES (1, '{"call_id": 1, "state": "ringing"}');
SELECT harden_calls('calls'); SELECT harden_call_events('hooks', 'calls');
INSERT INTO hooks VALUES (2, '{"call_id": 2, "state": "ringing"}')});
run_tool('pg_dump', "--$_-only", '--file', "$dumps/none.$_", 'hooks_none') for 'schema', 'data';
run_tool('createdb', 'hooks_none_data');
load('hooks_none_data', "$dumps/none.schema", 1);
query('hooks_none_data', 'ALTER TABLE hooks DISABLE TRIGGER stamp_call_event');
is(load('hooks_none_data', "$dumps/none.data", 1), 0, 'a log without processed_at: data alone are restored without its trigger');
query('hooks_none_data',
	q{ALTER TABLE hooks ENABLE ALWAYS TRIGGER stamp_call_event; INSERT INTO hooks VALUES (3, '{"call_id": 3, "state": "ringing"}')});
for (1 .. 10) { last if query('hooks_none_data', 'SELECT claimed FROM process_call_events()') eq '0' }
is(query('hooks_none_data', q{SELECT string_agg(dialpad_call_id::text, ',' ORDER BY dialpad_call_id) FROM calls}),
	'2,3', 'a log without processed_at: pending and new events are applied');
is(query('hooks_none_data', 'SELECT count(*) FROM call_enforcement WHERE level = \'gap\''),
	0, 'a log without processed_at: the self-test finds no fault');

# ---- a schema alone ----------------------------------------------------------------------------------------------

# The dump contains the triggers, but not the rows of call_event_logs.
run_tool('createdb', 'native');
query('native', 'CREATE EXTENSION callhardening; SELECT create_call_tables()');
run_tool('pg_dump', '--schema-only', '--file', "$dumps/native.schema", 'native');
run_tool('createdb', 'native_schema');
load('native_schema', "$dumps/native.schema", 1);
query('native_schema', q{INSERT INTO call_events (payload) VALUES ('{"call_id": 1, "state": "ringing"}'), ('"no event"')});
my $gaps = q{SELECT relation, gap, detail, advice FROM call_enforcement WHERE level = 'gap'};
is(query('native_schema', $gaps), q{call_events|log_not_registered|the table has the trigger stamp_call_event, }
	. q{but no row in call_event_logs: no worker finds its events}
	. q{|Restore the data of call_event_logs too, or call register_call_event_log('public.call_events', its calls table, 'dialpad', 64). }
	. q{If it was detached in another place: attach_call_event_log('public.call_events', its calls table, state).},
	'a schema alone: an unregistered log is a gap');
like(query('native_schema', q{SELECT detail FROM check_call_hardening() WHERE check_name = 'enforcement'}),
	qr/log_not_registered/, 'a schema alone: the self-test reports it');
is(failure('native_schema', q{SELECT register_call_event_log('call_events', 'calls', 'dialpad', 8)}),
	'nothing', 'a schema alone: the advice works');
is(query('native_schema', $gaps), '', 'a schema alone: the gap is closed');
query('native_schema', q{INSERT INTO call_events (payload) VALUES ('{"call_id": 2, "state": "ringing"}')});
for (1 .. 10) { last if query('native_schema', 'SELECT claimed FROM process_call_events()') eq '0' }
is(query('native_schema', q{SELECT string_agg(dialpad_call_id::text, ',' ORDER BY dialpad_call_id) FROM calls}),
	'1,2', 'a schema alone: events from before and after are applied');
is(query('native_schema', 'SELECT count(*) FROM call_dead_events'), 1, 'a schema alone: an invalid event is dead');
like(failure('native_schema', q{SELECT register_call_event_log('call_events', 'calls', 'dialpad', 64)}),
	qr/ERROR:  trigger "stamp_call_event" .* already exists/,
	'a registered log cannot be registered again');

run_tool('createdb', 'hooks_schema');
load('hooks_schema', "$dumps/hooks_half_public.schema", 1);
query('hooks_schema', q{INSERT INTO hooks VALUES (1, '{"call_id": 1, "state": "ringing"}')});
my $advice = q{Restore the data of call_event_logs too, or call unharden_call_events('public.hooks'), and harden_call_events again. }
	. q{If it was detached in another place: attach_call_event_log('public.hooks', its calls table, state).};
like(query('hooks_schema', $gaps), qr/^hooks\|log_not_registered\|.*\|\Q$advice\E$/,
	'a schema alone: an unregistered hardened table is a gap');
query('hooks_schema',
	q{SELECT unharden_call_events('hooks'); SELECT harden_call_events('hooks', 'calls', processed_at_column => 'processed_at')});
is(query('hooks_schema', $gaps), '', 'a schema alone: hardening again closes the gap');
for (1 .. 10) { last if query('hooks_schema', 'SELECT claimed FROM process_call_events()') eq '0' }
is(query('hooks_schema', q{SELECT string_agg(dialpad_call_id::text, ',' ORDER BY dialpad_call_id) FROM calls}),
	'1', 'a schema alone: its new events are applied');

# ---- a restore with disabled triggers -----------------------------------------------------------------

# pg_dump enables them again as ordinary triggers.
my $fires = q{SELECT ok, detail FROM check_call_hardening() WHERE check_name = 'event_triggers'};
query('native', q{SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb)});
run_tool('pg_dump', '--data-only', '--disable-triggers', '--file', "$dumps/native.disabled", 'native');
run_tool('createdb', 'native_disabled');
load('native_disabled', "$dumps/native.schema", 1);
is(load('native_disabled', "$dumps/native.disabled", 1), 0, 'data are restored with --disable-triggers');
my $fault = query('native_disabled', $fires);
like($fault, qr/^f\|.*trigger follow_log does not fire always: ALTER TABLE _callhardening\.logs ENABLE ALWAYS TRIGGER follow_log/,
	'data with --disable-triggers: the self-test gives statements');
is(scalar(my @mend = $fault =~ /(ALTER TABLE \S+ ENABLE ALWAYS TRIGGER \w+)/g), 5,
	'data with --disable-triggers: there is a statement for each trigger');
query('native_disabled', join(';', @mend));
is(query('native_disabled', $fires), 't|they fire', 'data with --disable-triggers: the statements repair it');

# ---- a dump without superuser rights -------------------------------------------------------------------------------

query('postgres', 'CREATE ROLE tenant LOGIN; CREATE ROLE keeper LOGIN; GRANT pg_read_all_data TO keeper');
run_tool('createdb', '--owner=tenant', 'tenancy');
query('tenancy', q{
CREATE EXTENSION callhardening; CREATE SCHEMA tenancy AUTHORIZATION tenant; SELECT grant_call_role('tenant', 'own');
SET ROLE tenant; SELECT create_call_tables('tenancy'); RESET ROLE;
SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb)});
sub dump_by
{
	my ($role) = @_;
	return PostgreSQL::Test::Utils::run_command([ 'pg_dump', '--host', $node->host, '--port',
		$node->port, '--username', $role, '--file', "$dumps/$role.sql", 'tenancy' ]);
}
# pg_dump 18 uses the second wording.
my $denied = qr/permission denied for (table|sequence) \w+.* _callhardening\.|failed to get data for sequence "logs_/s;
like((dump_by('tenant'))[1], $denied, 'the owner of a database cannot dump it');
query('tenancy', q{SELECT grant_call_role('tenant', 'backup')});
is((dump_by('tenant'))[1], '', 'with the task backup the owner can dump it');
run_tool('createdb', 'tenancy_restored');
is(load('tenancy_restored', "$dumps/tenant.sql", 1), 0, 'this dump is restored');
is(query('tenancy_restored', 'SELECT claimed, applied FROM process_call_events()'), '1|1', 'its pending event is applied');
for my $table ('pseudonym_keys', 'event_secrets', 'issues')
{
	like(failure('tenancy', "SET ROLE tenant; TABLE _callhardening.$table"),
		qr/permission denied for table $table/, "the task backup cannot read $table");
}
query('tenancy', q{SELECT revoke_call_role('tenant', 'backup')});
like((dump_by('tenant'))[1], $denied, 'the task backup can be revoked');
is((dump_by('keeper'))[1], '', 'a member of pg_read_all_data can dump the database');
is(query('tenancy', q{SELECT ok FROM check_call_hardening() WHERE check_name = 'secrets'}), 't', 'the self-test accepts pg_read_all_data');
query('tenancy', 'GRANT pg_write_all_data TO keeper');
is(query('tenancy', q{SELECT detail FROM check_call_hardening() WHERE check_name = 'secrets'}),
	'keeper may read or write _callhardening.event_secrets, keeper may read or write _callhardening.pseudonym_keys',
	'the self-test reports a right to write');

# Sessions start workers at the same time. The second session waits for the first and starts the missing workers. No worker
# connects while pg_database is locked.
query('postgres', q{CREATE DATABASE worked});
query('worked', q{CREATE EXTENSION callhardening; SELECT create_call_tables('public')});
sub open_session
{
	my %session = (in => '', out => '', err => '');
	$session{psql} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('worked') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err}, IPC::Run::timeout(120));
	return \%session;
}
sub ask { my ($session, $sql) = @_; $session->{out} = ''; $session->{in} .= "$sql\n\\echo done\n"; $session->{psql}->pump_nb; }
sub answer { my ($session) = @_; $session->{psql}->pump until $session->{out} =~ /^done$/m; return $session->{out} =~ s/\s*done\s*//r; }
my ($keeper, $first, $second) = map { open_session() } 1 .. 3;
answer($_) for map { ask($_, 'SELECT 1;'); $_ } $first, $second;
sub wait_for_starts
{
	my ($granted) = @_;
	ask($keeper,
		"DO \$\$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 1128352851 AND granted = $granted)
		LOOP PERFORM pg_sleep(0.01); END LOOP; END \$\$;");
	answer($keeper);
}
ask($keeper, 'BEGIN; LOCK TABLE pg_database;');
answer($keeper);
ask($first, 'SELECT start_call_worker();');
wait_for_starts('true');
ask($second, 'SELECT start_call_worker(workers => 2);');
wait_for_starts('false');
ask($keeper, 'COMMIT;');
is(answer($first), 1, 'the first session starts a worker');
is(answer($second), 1, 'the second session wants two and starts one more');
$_->{psql}->finish for map { $_->{in} .= "\\q\n"; $_ } $keeper, $first, $second;
query('worked', q{SELECT stop_call_worker()});

# A worker of a dropped extension reports it once.
query('worked', q{SELECT start_call_worker(poll => '1 millisecond')});
my $before = -s $node->logfile;
query('worked', q{DROP EXTENSION callhardening CASCADE});
$node->poll_query_until('worked', q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'callhardening worker')})
  or die 'the worker stays';
my @said = grep { /callhardening worker|55000|ERROR/ && !/statement:/ } split /\n/, slurp_file($node->logfile, $before);
is(scalar @said, 1, 'a worker of a dropped extension writes one line');
like($said[0], qr/LOG:  callhardening worker for public.call_events ends: the extension was dropped/, 'the line names the reason');

$node->stop;
done_testing();
