
# An updated installation is like a fresh one: catalogs, comments, rights, dumps and behaviour. Each old release is
# updated, and a next version of this test's own. Then faults are planted in its update script, and each has to be found.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PrivateServer;
use Test::More;

my ($node, $files) = PrivateServer::new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
$node->start;
my ($version) = slurp_file("$files/callhardening.control") =~ /^default_version = '(.*)'/m;
my @releases = map { basename($_) =~ /^callhardening--([^-]+)\.sql$/ } glob 'releases/*.sql';

# -- what is compared ----------------------------------------------------------------------------

sub lines_of
{
	my ($database, $query) = @_;
	return split /\n/, $node->safe_psql($database, $query);
}

sub dump_of
{
	my ($database, @options) = @_;
	my ($text, $errors) = ('', '');
	$node->run_log([ 'pg_dump', @options, '-d', $node->connstr($database) ], '>', \$text, '2>', \$errors)
	  or die "pg_dump: $errors";
	return split /\n/, $text;
}

# pg_dump for pg_upgrade prints every member of the extension with its comment and its rights. Numbers of objects and
# transactions are not the same in two databases.
sub members
{
	my ($database) = @_;
	my @lines = grep { !/^\s*(--|$)|binary_upgrade_set_next|relfrozenxid|datfrozenxid|^\\(un)?restrict/ }
	  dump_of($database, '--binary-upgrade', '--schema-only');
	return map { s/'\{[0-9,]+\}'/'{...}'/r =~ s/(WHERE oid =) '\d+'/$1 .../r } @lines;
}

my %queries = (
	# What the extension is, and what pg_dump takes of its tables
	extension => q{
SELECT pg_identify_object(1259, c, 0) || ' ' || w FROM pg_extension, unnest(extconfig, extcondition) AS u (c, w)
WHERE extname = 'callhardening' UNION ALL
SELECT concat(extnamespace::regnamespace, extrelocatable, extversion) FROM pg_extension WHERE extname = 'callhardening'},
	# Every edge between two objects: also which are members of the extension
	edges => q{
SELECT regexp_replace(concat(d.deptype, ' ', pg_identify_object(d.classid, d.objid, d.objsubid), ' ',
    pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid)), '(_toast|ConstraintTrigger_[ac])_\d+', '\1', 'g')
FROM pg_depend AS d WHERE d.deptype <> 'p'},
	rights => q{
SELECT concat(pg_identify_object(i.classoid, i.objoid, i.objsubid), ' ', a.grantee::regrole, ' ', a.privilege_type, ' ', a.is_grantable)
FROM pg_init_privs AS i, aclexplode(i.initprivs) AS a WHERE i.privtype = 'e'},
	# Rows that come with the extension
	rows => q{
SELECT t::text FROM _callhardening.task_grants AS t UNION ALL SELECT m::text FROM _callhardening.installed_members AS m},
	check => q{SELECT c::text FROM check_call_hardening() AS c},
	# What every client of the catalogs sees of the views
	columns => q{
SELECT concat(c.oid::regclass, ' ', a.attnum, ' ', a.attname, ' ', format_type(a.atttypid, a.atttypmod))
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE a.attnum > 0 AND c.oid IN (SELECT _callhardening.member_oids('pg_class'))});

# Schema of the whole database; of the rows their tables, columns and number. Workers choose their lanes at random, and a
# lane has a record for each claim.
sub schema
{
	return grep { !/^--|^\\(un)?restrict/ } dump_of($_[0], '--schema-only');
}

sub dumped
{
	my ($table, %rows) = ('');
	for (dump_of($_[0], '--data-only'))
	{
		$table = $1 if /^COPY (.*) FROM/;
		$rows{$table}++ if $table;
		$table = '' if /^\\\.$/;
	}
	return map { /\.claims / ? $_ : "$_: $rows{$_}" } sort keys %rows;
}

my %parts = (members => \&members, schema => \&schema, dumped => \&dumped);
for my $name (keys %queries)
{
	$parts{$name} = sub { sort(lines_of($_[0], $queries{$name})) };
}

sub part_of
{
	my ($database, $part) = @_;
	return join "\n", $parts{$part}->($database);
}

# The lines of one text that the other one does not have, or has in another place
sub difference
{
	my ($updated, $fresh) = map { PrivateServer::temporary_file($_) } @_;
	my ($lines) = run_command([ 'diff', $updated, $fresh ]);
	return $lines;
}


# -- a database in use ---------------------------------------------------------------------------

my $life = q{
CREATE SCHEMA phone;
SELECT create_call_tables('phone');
CREATE TABLE phone.desk (call_id text PRIMARY KEY, status text, direction text, note jsonb);
INSERT INTO phone.desk VALUES ('old', 'ended', 'inbound', '{"token": "x"}');
SELECT harden_calls('phone.desk', call_id_column => 'call_id', payload_column => 'note', on_invalid => 'reject',
    transitions => '{"ringing": ["active", "ended"], "active": ["ended"], "ended": []}', provider => 'twilio',
    policy => '{"version": 1, "rules": [{"path": "**.memo", "action": "truncate", "length": 8}]}');
CREATE TABLE phone.hooks (body jsonb, came timestamptz, done timestamptz);
INSERT INTO phone.hooks SELECT format('{"CallSid": "D%s", "CallStatus": "ringing"}', n)::jsonb, now(), CASE WHEN n < 3 THEN now() END
FROM generate_series(1, 6) AS n;
SELECT harden_call_events('phone.hooks', 'phone.desk', payload_column => 'body', received_at_column => 'came',
    processed_at_column => 'done', provider => 'twilio');
SELECT create_call_changes('phone.calls');
SELECT create_call_consumer('phone.call_events', 'crm', from_beginning => true);
SELECT configure_call_event_log('phone.call_events', max_attempts => 2, retry_base => '0', ignored_event_types => '{sms}',
    is_default => true);
SELECT grant_call_role('watcher', what, 'phone.call_events') FROM unnest('{monitor,operate,process}'::text[]) AS what;
SELECT ingest_call_event(format('{"call_id": %s, "state": "ringing"}', n)) FROM generate_series(1, 20) AS n;
SELECT * FROM process_call_events();
SELECT ingest_call_event(format('{"call_id": %s, "state": "connected"}', n)) FROM generate_series(1, 20) AS n;
-- One event is dead, one is retrying, some are claimed, and the others are pending.
SELECT ingest_call_event('no event');
SELECT fail_call_event(claim_id, event_seq, 'no'), complete_call_events(ARRAY[claim_id]) FROM claim_call_events(1, consumer => 'crm');
CREATE TABLE claimed AS SELECT * FROM claim_call_events(5, '1 hour');
SELECT fail_call_event(claim_id, event_seq, 'no', '1 hour') FROM claimed ORDER BY event_seq LIMIT 1;
UPDATE phone.calls SET status = 'ringing', direction = 'sideways' WHERE dialpad_call_id = 1;
};

# What clients meet afterwards
my $behaviour = q{
SET client_min_messages = error;
SELECT count(*), min(outcome) FROM claimed, complete_call_events(ARRAY[claim_id]);
SELECT sum(claimed), sum(applied), sum(failed) FROM generate_series(1000, 1003) AS most, process_call_events(most, 'phone.call_events');
SELECT sum(claimed), sum(applied), sum(failed) FROM generate_series(1000, 1003) AS most, process_call_events(most, 'phone.hooks');
UPDATE call_retrying_events SET due_at = now() WHERE due_at IS NOT NULL;
SELECT sum(claimed), sum(applied), sum(failed) FROM generate_series(1000, 1003) AS most, process_call_events(most, 'phone.call_events');
SELECT retry_dead_call_events('phone.call_events');
SELECT log, consumer, pending_estimate, retrying, blocked, dead FROM call_consumers ORDER BY log::text, consumer;
SELECT kind, table_name, call_id, old_value, new_value FROM call_issues ORDER BY table_name, kind, call_id, new_value;
SELECT relation, level, gap FROM call_enforcement ORDER BY 1, 2, 3;
SELECT * FROM call_role_tasks ORDER BY 1, 2, 3;
SELECT call_settings('phone.desk');
UPDATE phone.desk SET status = 'active', note = '{"memo": "a long text", "token": "y"}' WHERE call_id = 'D5' RETURNING status, note;
SELECT status, count(*) FROM phone.calls GROUP BY 1 ORDER BY 1;
SELECT create_call_consumer('phone.call_changes', 'crm', from_beginning => true);
SELECT count(*) > 0 FROM claim_call_events(1000, log => 'phone.call_changes', consumer => 'crm') AS c;
SELECT grant_call_role('watcher', 'monitor', 'phone.call_events');
SELECT unharden_call_events('phone.hooks'), unharden_calls('phone.desk');
};

# As docs/installing.md says: an update can only drop rights on what it makes anew.
my $grant_again = 'SELECT grant_call_role(quote_ident(role)::regrole, task, log) FROM call_role_tasks';

sub live
{
	my ($database, $of_version) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "SET client_min_messages = error; CREATE EXTENSION callhardening VERSION '$of_version'; $life");
}

sub update
{
	my ($database, $from, $to) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE $from");
	return $node->psql($database, "ALTER EXTENSION callhardening UPDATE TO '$to'");
}

sub restore
{
	my ($database, $from) = @_;
	my $dump = PostgreSQL::Test::Utils::tempdir . "/$from.sql";
	$node->run_log([ 'pg_dump', '-f', $dump, '-d', $node->connstr($from) ]) or die "pg_dump of $from";
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->run_log([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr($database) ]) or die "restore of $from";
}

$node->safe_psql('postgres', 'CREATE ROLE watcher');

# -- each release --------------------------------------------------------------------------------

sub compare_update
{
	my ($old, $new, $name) = @_;
	live("old_$name", $old);
	live("fresh_$name", $new);
	is(update("updated_$name", "old_$name", $new), 0, "$old becomes $new");
	$node->safe_psql("${_}_$name", $grant_again) for 'updated', 'fresh';
	my %fresh = map { $_ => part_of("fresh_$name", $_) } keys %parts;
	is(difference(part_of("updated_$name", $_), $fresh{$_}), '', "$old to $new: $_") for sort keys %parts;
	for my $kind ('updated', 'fresh')
	{
		restore("${kind}_${name}_restored", "${kind}_$name");
	}
	my $answers = $node->safe_psql("fresh_$name", $behaviour);
	like($answers, qr/^5\|completed$/m, 'a claim from before is completed');
	is($node->safe_psql("updated_$name", $behaviour), $answers, "$old to $new: clients go on");
	is($node->safe_psql("updated_${name}_restored", $behaviour),
		$node->safe_psql("fresh_${name}_restored", $behaviour), "$old to $new: also from a dump");
	return %fresh;
}

my $number = 0;
compare_update($_, $version, $number++) for grep { $_ ne $version } @releases;

# -- a next version ------------------------------------------------------------------------------

my $script = slurp_file("$files/callhardening--$version.sql");

sub replaced
{
	my ($text, $old, $new) = @_;
	my $place = index $text, $old;
	die "the install script has no $old" if $place < 0;
	return substr($text, 0, $place) . $new . substr($text, $place + length $old);
}

# The statement of a script that begins like this
sub statement
{
	my ($text, $begin) = @_;
	$text =~ /^(\Q$begin\E.*?;)\n(?=\n|[A-Z-])/ms or die "the install script has no $begin";
	return "$1\n";
}

my $view = 'CREATE VIEW @extschema@.call_event_waiters AS';
my $flush = 'CREATE FUNCTION @extschema@.flush_call_event_counts()';
my $figure = 'CREATE FUNCTION _callhardening.directions_figure(';
my $table = q{CREATE TABLE _callhardening.planted (a int);
SELECT pg_catalog.pg_extension_config_dump('_callhardening.planted', '');
REVOKE ALL ON _callhardening.planted FROM PUBLIC;
COMMENT ON TABLE _callhardening.planted IS 'a new table';
};
# On a function that no task grants
my $grant = "GRANT EXECUTE ON FUNCTION \@extschema\@.check_call_hardening() TO pg_monitor;\n";
my $next = $script;
$next = replaced($next, "'only inbound, outbound and NULL'", "'none but inbound, outbound and NULL'");
$next = replaced($next, ', w.is_waiting', ', w.is_waiting, w.log_id');
$next = replaced($next, 'REVOKE EXECUTE ON FUNCTION @extschema@.check_call_hardening() FROM PUBLIC;',
	"REVOKE EXECUTE ON FUNCTION \@extschema\@.check_call_hardening() FROM PUBLIC;\n$grant");
$next =~ s/(CREATE FUNCTION \@extschema\@\.flush_call_event_counts)\(\)/$1(at_once boolean DEFAULT true)/;
$next =~ s/(ON FUNCTION \@extschema\@\.flush_call_event_counts)\(\)/$1(boolean)/g;
$next = replaced($next, 'COMMENT ON FUNCTION @extschema@.call_library_version() IS',
	"-- the new comment\nCOMMENT ON FUNCTION \@extschema\@.call_library_version() IS 'new: '");
$next = replaced($next, "-- the members as installed", "$table\n-- the members as installed");
PrivateServer::write_file("$files/callhardening--next.sql", $next);
my $control = slurp_file("$files/callhardening.control");
PrivateServer::write_file("$files/callhardening.control", replaced($control, "default_version = '$version'", "default_version = 'next'"));

my %steps = (
	body => statement($next, $figure) =~ s/^CREATE/CREATE OR REPLACE/r,
	column => statement($next, $view) =~ s/^CREATE/CREATE OR REPLACE/r,
	grant => $grant,
	signature => "DROP FUNCTION \@extschema\@.flush_call_event_counts();\n"
	  . statement($next, $flush =~ s/\(\)/(at_once boolean DEFAULT true)/r),
	closed => "REVOKE EXECUTE ON FUNCTION \@extschema\@.flush_call_event_counts(boolean) FROM PUBLIC;\n",
	comments => statement($next, 'COMMENT ON FUNCTION @extschema@.flush_call_event_counts(')
	  . statement($next, 'COMMENT ON FUNCTION @extschema@.call_library_version('),
	table => $table,
	members => "DELETE FROM _callhardening.installed_members;\n"
	  . "INSERT INTO _callhardening.installed_members SELECT * FROM _callhardening.members();\n");
my @order = qw(body column grant signature closed comments table members);

sub write_update
{
	my (%changed) = @_;
	PrivateServer::write_file("$files/callhardening--$version--next.sql", join "\n", map { $changed{$_} // $steps{$_} } @order);
}

write_update();
my %fresh = compare_update($version, 'next', 'next');

# A session keeps the library that it has loaded, and goes on with the new functions: here a worker in the server.
live('running', $version);
$node->safe_psql('running', q{SET client_min_messages = error; SELECT start_call_worker('phone.call_events')});
my $pids = $node->safe_psql('running', q{SELECT call_worker_pids('phone.call_events')});
$node->safe_psql('running', "ALTER EXTENSION callhardening UPDATE TO 'next'");
my $new_call = q{SELECT status FROM phone.calls WHERE dialpad_call_id = 99};
$node->safe_psql('running', q{SELECT ingest_call_event('{"call_id": 99, "state": "ringing"}')});
ok($node->poll_query_until('running', $new_call, 'ringing'), 'a worker goes on after the update');
is($node->safe_psql('running', q{SELECT call_worker_pids('phone.call_events')}), $pids, 'and is the same one');
$node->safe_psql('running', q{SELECT stop_call_worker('phone.call_events')});

# -- planted faults ------------------------------------------------------------------------------

# Each with what it says instead of a step, what is done after the update, and a part of the appearance that shows it
my @faults = (
	[ 'an old function body', { body => '' }, '', 'members' ],
	[ 'a missing comment', { comments => statement($next, 'COMMENT ON FUNCTION @extschema@.call_library_version(') }, '', 'members' ],
	[ 'a missing grant', { grant => '' }, '', 'members' ],
	[ 'a right of PUBLIC', { closed => '' }, '', 'members' ],
	# PostgreSQL then takes all rights on the view for those of the extension, and pg_dump leaves out the users' own.
	[ 'a grant where users have rights', { grant => "${grant}GRANT SELECT ON \@extschema\@.call_issues TO pg_monitor;\n"
			  . "REVOKE SELECT ON \@extschema\@.call_issues FROM pg_monitor;\n" }, '', 'schema' ],
	[ 'a missing mark for pg_dump', { table => $table =~ s/^SELECT .*\n//mr }, '', 'extension' ],
	[ 'an old list of members', { members => '' }, '', 'rows' ],
	[ 'an object that is no member', {}, 'ALTER EXTENSION callhardening DROP TABLE _callhardening.planted', 'edges' ],
	[ 'an edge between objects', {}, 'ALTER FUNCTION flush_call_event_counts(boolean) DEPENDS ON EXTENSION plpgsql', 'edges' ]);
for my $fault (@faults)
{
	my ($what, $changed, $afterwards, $part) = @$fault;
	write_update(%$changed);
	my $database = 'fault_' . $number++;
	update($database, 'old_next', 'next');
	$node->safe_psql($database, $grant_again);
	$node->safe_psql($database, $afterwards) if $afterwards;
	isnt(difference(part_of($database, $part), $fresh{$part}), '', "$what is found");
	$node->safe_psql('postgres', "DROP DATABASE $database");
}

# A fresh installation has the new column before another one. An update can only append it.
write_update();
PrivateServer::write_file("$files/callhardening--next.sql", replaced($next, ', w.is_waiting, w.log_id', ', w.log_id, w.is_waiting'));
live('reordered', 'next');
isnt(difference(part_of('reordered', 'columns'), $fresh{columns}), '', 'another order of columns is found');

$node->stop;
done_testing();
