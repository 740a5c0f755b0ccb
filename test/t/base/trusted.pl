
# The owner of a database cannot create the extension: it is not trusted. A superuser creates it, and grants the task own.
# With trusted = true in a copy of the control file, the owner could create it and not use it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PrivateServer;
use Test::More;

my ($node, $files) = PrivateServer::new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', "CREATE ROLE owner LOGIN; CREATE DATABASE shipped OWNER owner; CREATE DATABASE trusting OWNER owner;");

# What a statement of the database owner prints as an error
sub refusal
{
	my ($database, $statement) = @_;
	my ($status, $out, $errors) = $node->psql($database, $statement, extra_params => [ '-U', 'owner' ]);
	return $status ? $errors : "done: $out";
}

sub by_owner
{
	my ($database, $statement) = @_;
	return $node->safe_psql($database, $statement, extra_params => [ '-U', 'owner' ]);
}

# -- as shipped ----------------------------------------------------------------------------------

my $refused = refusal('shipped', 'CREATE EXTENSION callhardening');
like($refused, qr/permission denied to create extension "callhardening"/, 'the owner of a database cannot create the extension');
like($refused, qr/Must be superuser/, 'with a hint');
$node->safe_psql('shipped', q{CREATE EXTENSION callhardening; CREATE SCHEMA phone AUTHORIZATION owner;
	SELECT grant_call_role('owner', 'own')});
by_owner('shipped', q{SELECT create_call_tables('phone')});
$node->safe_psql('shipped', q{SELECT grant_call_role('owner', what) FROM unnest('{ingest,process,operate}'::text[]) AS what});
is(by_owner('shipped', q{SELECT ingest_call_event('{"call_id": 1, "state": "ringing"}'::jsonb); SELECT applied FROM process_call_events()}),
	"1\n1", 'after a superuser has created it, the owner can do all of it');

# -- with trusted = true -------------------------------------------------------------------------

PrivateServer::write_file("$files/callhardening.control", slurp_file("$files/callhardening.control") . "trusted = true\n");
by_owner('trusting', 'CREATE EXTENSION callhardening');
is(by_owner('trusting', q{SELECT extowner::regrole FROM pg_extension WHERE extname = 'callhardening'}), 'owner',
	'trusted: the owner has the extension');
is( by_owner('trusting', q{SELECT DISTINCT p.proowner = 10 FROM pg_proc AS p
	JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension AS e ON e.oid = d.refobjid WHERE e.extname = 'callhardening'}),
	't', 'and the superuser of initdb has its functions');
# Neither to use it nor to get at the rights of the functions' owner
for my $statement (
	'SELECT create_call_tables()', q{SELECT grant_call_role('owner', 'own')}, 'SELECT * FROM check_call_hardening()',
	'SELECT * FROM call_issues', 'SELECT secret FROM _callhardening.pseudonym_keys',
	q{INSERT INTO _callhardening.kept_workers VALUES (1, 1, 1, 10, 1, 1, 1, now())},
	'ALTER EXTENSION callhardening DROP FUNCTION call_library_version()',
	'ALTER EXTENSION callhardening DROP TABLE _callhardening.kept_workers',
	q{CREATE OR REPLACE FUNCTION call_library_version() RETURNS text LANGUAGE sql AS 'SELECT 1::text'},
	'DROP EVENT TRIGGER keep_call_schema',
	'ALTER FUNCTION _callhardening.enforcement_gaps() SET search_path = public', 'ALTER SCHEMA _callhardening RENAME TO mine',
	q{CREATE FUNCTION _callhardening.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'})
{
	like(refusal('trusting', $statement), qr/ERROR:  (permission denied|must be (owner|superuser))/,
		"trusted: no $statement");
}
my ($dump, $errors) = run_command([ 'pg_dump', '-U', 'owner', '-h', $node->host, '-p', $node->port, 'trusting' ]);
# PostgreSQL 18 has words of its own for a sequence.
like($errors, qr/permission denied|may lack SELECT privilege/, 'trusted: the owner cannot dump the database');
by_owner('trusting', 'DROP EXTENSION callhardening');
is($node->safe_psql('trusting', q{SELECT count(*) FROM pg_extension WHERE extname = 'callhardening'}), '0',
	'trusted: the owner can drop it');

$node->stop;
done_testing();
