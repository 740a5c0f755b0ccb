# docker/create.sh, which the image runs once: a receiver's event is applied by a worker, also after a restart. No password
# gets into the server log.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use MIME::Base64 qw(encode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('server');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nshared_preload_libraries = 'callhardening'");
$node->start;

my %passwords = map { $_ => "made up '$_" } qw(WEBHOOK_SECRET RECEIVER_PASSWORD MONITOR_PASSWORD);
{
	local %ENV = (
		%ENV, %passwords,
		PROVIDER => 'dialpad',
		PGHOST => $node->host,
		PGPORT => $node->port,
		POSTGRES_DB => 'postgres',
		POSTGRES_USER => $node->safe_psql('postgres', 'SELECT current_user'));
	command_ok([ 'docker/create.sh' ], 'the script runs');
	command_fails([ 'docker/create.sh' ], 'a second run fails');
}

# A webhook as Dialpad signs it. Its call has a row soon.
sub is_applied
{
	my ($call) = @_;
	my $signed = join('.', map { encode_base64url($_) } '{"alg": "HS256"}', qq({"call_id": $call, "state": "ringing"}));
	my $webhook = $signed . '.' . encode_base64url(hmac_sha256($signed, $passwords{WEBHOOK_SECRET}));
	$node->safe_psql('postgres', qq{SET ROLE call_receiver; SELECT ingest_call_webhook('$webhook'::bytea, '{}')});
	return $node->poll_query_until('postgres', "SELECT count(*) = 1 FROM calls WHERE dialpad_call_id = $call");
}

ok(is_applied(1), 'an event of the receiver is applied');
$node->restart;
ok(is_applied(2), 'the worker has come back after a restart');

is($node->safe_psql('postgres', q{SET ROLE call_monitor; SELECT count(*) FROM call_event_log_status}), '1', 'the monitor sees figures');
is( $node->psql('postgres', 'SET ROLE call_receiver; SELECT ingest_call_webhook(\'{}\'::bytea, \'{}\')'),
	3, 'a webhook without a signature is refused');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_authid WHERE rolname LIKE 'call%' AND rolpassword IS NOT NULL}),
	'2', 'roles that log in have passwords');
unlike(slurp_file($node->logfile), qr/made up/, 'the server log has no password');

done_testing();
