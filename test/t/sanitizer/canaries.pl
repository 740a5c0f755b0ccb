
# A payload has unique secrets in every place. None of them appears in a result, an error, the server's log, the heap or
# the write-ahead log.

use strict;
use warnings;

use FindBin;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# ---- canaries: sequences of letters found in no other word of this test ----------------------------------

my $run = 6;
my %is_run;    # every piece of a canary of this length

sub canary
{
	my ($letters) = @_;
	my $canary = join '', map { substr $letters, int(rand(length $letters)), 1 } 1 .. 14;
	$is_run{ substr $canary, $_, $run } = 1 for 0 .. length($canary) - $run;
	return $canary;
}
sub word { return canary('zqvkxjw') }
sub number { return canary('56789') + 0 }

# The first piece of a canary in a text. Files store numbers in binary form and have other digits, so they are left out there.
sub leak
{
	my ($text, $letters) = @_;
	$letters //= 'zqvkxjw5-9';
	while ($text =~ /(?=([$letters]{$run}))/g)
	{
		return $1 if $is_run{$1};
	}
	return '';
}
sub leak_in_file { return leak($_[0], 'zqvkxjw') }

# ---- the places for canaries -----------------------------------------------------------------------------

srand(17);
my $json = JSON::PP->new->canonical;

my $source = slurp_file("$FindBin::Bin/../../../src/core/findings/secret_name.cpp");
my @names = $source =~ /\{"(\w+)", credential, /g;
my %is_whole = map { $_ => 1 } $source =~ /\{"(\w+)", credential, Match::whole\}/g;
cmp_ok(scalar @names, '>', 40, 'the test finds the names of credentials in the source');

sub spellings
{
	my ($name) = @_;
	my @spellings = ($name, uc $name, join('-', split //, $name), "_${name}_");
	push @spellings, "client_$name", "X-Hook-" . ucfirst $name unless $is_whole{$name};
	return @spellings;
}

sub named_secrets
{
	my ($name) = @_;
	my @secrets = (word(), number(), [ word(), [ word() ] ], { inner => word() }, { word() => 1 }, $json->encode({ a => word() }));
	return map { { $_ => $secrets[ int(rand(@secrets)) ] } } spellings($name);
}

sub jwt { return 'eyJ' . word() . '.eyJ' . word() . '.' . word() }

my @texts = (
	sub { 'https://agent:' . word() . '@example.com/path' },
	sub { 'https://' . word() . '@example.com/' },
	sub { 'go to https://example.com/a?page=1&access_token=' . word() . '&sig=' . word() . ' now' },
	sub { 'https://example.com/#key=' . word() },
	sub { 'https://example.com/?X-Amz-Signature=' . word() . '#code=' . word() },
	sub { 'sip:alice:' . word() . '@example.com' },
	sub { 'Authorization: Bearer ' . word() . '1' },
	sub { "Host: example.com\r\nCookie: a=" . word() . '; b=' . word() . "\r\nAccept: */*" },
	sub { 'user=jane&password=' . word() . '&page=1' },
	sub { "-----BEGIN PRIVATE KEY-----\n" . word() . "\n" . word() . "\n-----END PRIVATE KEY-----" },
	sub { 'my token is ' . jwt() },
	sub { $json->encode({ a => [ { password => word() } ] }) },
	sub { $json->encode({ a => $json->encode({ b => $json->encode({ api_key => word() }) }) }) },
	sub { JSON::PP->new->pretty->encode({ deep => { client_secret => word(), pin => number() } }) },
	sub { 'o' x int(rand(300)) . ' password: ' . word() },
	sub { 'ä' x int(rand(300)) . ' {"token":"' . word() });

# In nested objects and arrays, also at the root.
sub at_depth
{
	my ($depth, $value) = @_;
	$value = $depth % 3 ? { "level$depth" => $value, note => 'plain' } : [ 'plain', $value ] while --$depth > 0;
	return ref $value eq 'HASH' ? $value : { items => $value };
}

my @documents;
for my $name (@names)
{
	push @documents, map { at_depth(1 + int(rand(20)), $_) } named_secrets($name);
}
for my $depth (1 .. 20)
{
	for my $text (@texts)
	{
		push @documents, at_depth($depth, { remarks => $text->(), custom_data => $text->(), call_id => 17, state => $text->() });
		push @documents, at_depth($depth, { $text->() => 'under a name', list => [ $text->(), 17 ] });
	}
}
# These must be found, to prove that the search works.
my $kept = 'findmefindmefindme';
$_->{call_id} = $kept for @documents;

# ---- the search -----------------------------------------------------------------------------------

my $node = PostgreSQL::Test::Cluster->new('canaries');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
# The write-ahead log has no temporary tables. If a statement contains no canary, the server log has only messages of the
# extension.
$node->append_conf('postgresql.conf', "wal_level = logical\nlog_min_messages = debug1\nlog_error_verbosity = verbose\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION callhardening');

my $file = PostgreSQL::Test::Utils::tempdir . '/bodies.csv';
open my $out, '>', $file or die $!;
for my $body (map { $json->encode($_) } @documents)
{
	$body =~ s/"/""/g;
	print $out qq{"$body"\n};
}
close $out;
my $read_bodies = qq{
CREATE TEMPORARY TABLE body (n serial, body text);
\\copy body (body) FROM '$file' (FORMAT csv)};
cmp_ok(leak(slurp_file($file)), 'ne', '', 'the bodies contain the canaries');

# Runs psql and returns its output. The input of psql contains no canary.
sub everything
{
	my ($sql) = @_;
	my ($stdout, $stderr);
	$node->psql('postgres', "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT always\n$read_bodies\n$sql", stdout => \$stdout, stderr => \$stderr);
	return "$stdout\n$stderr";
}

for my $policy ('default', 'size_only', 'strict')
{
	my $results = everything("
SELECT sanitize_call_payload(body::jsonb, call_payload_policy('$policy')) FROM body;
SELECT sanitize_call_payload(body, call_payload_policy('$policy')) FROM body;
SELECT explained FROM body, explain_call_payload(body::jsonb, call_payload_policy('$policy')) AS explained;");
	is(leak($results), '', "$policy leaves no canary, in both forms and in the explanation");
	cmp_ok(() = $results =~ /$kept/g, '>=', 2 * @documents, 'much of each body is left');

	my $schema = "by_$policy";
	my $written = everything("
CREATE SCHEMA $schema;
SELECT create_call_tables('$schema');
SELECT unharden_calls('$schema.calls');
SELECT harden_calls('$schema.calls', policy => call_payload_policy('$policy'), on_invalid => 'reject');
INSERT INTO $schema.calls (dialpad_call_id, raw_payload) SELECT n, body::jsonb FROM body RETURNING *;
UPDATE $schema.calls SET raw_payload = body::jsonb, status = 'ended' FROM body WHERE n = dialpad_call_id RETURNING raw_payload;
UPDATE $schema.calls SET raw_payload = body::jsonb, status = 'ringing' FROM body WHERE n = dialpad_call_id;
INSERT INTO $schema.calls (dialpad_call_id, raw_payload, status) SELECT -n, body::jsonb, body FROM body;
DO 'DECLARE b record; BEGIN FOR b IN SELECT * FROM body LOOP INSERT INTO $schema.calls (dialpad_call_id, raw_payload, direction)
    VALUES (-b.n, b.body::jsonb, b.body); END LOOP; END';");
	is(leak($written), '', "rows and messages of a trigger with $policy have no canary");
	like($written, qr/23514/, 'the trigger refused some rows');
}

is(leak(slurp_file($node->logfile)), '', 'the server log has no canary');
like(slurp_file($node->logfile), qr/Invalid status transition/, 'the server log has the refusals');

$node->safe_psql('postgres', 'CHECKPOINT');
my @relations = split /\n/,
  $node->safe_psql(
	'postgres', q{
SELECT pg_relation_filepath(file) FROM pg_class c, LATERAL (VALUES (c.oid), (nullif(c.reltoastrelid, 0))) AS f (file)
WHERE (c.relname = 'calls' OR c.oid IN (SELECT indexrelid FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid WHERE t.relname = 'calls'))
  AND file IS NOT NULL});
$node->stop;

my $heap = join '', map { slurp_file($node->data_dir . "/$_") } @relations;
is(leak_in_file($heap), '', 'the files of the tables have no canary');
like($heap, qr/$kept/, 'the files of the tables have the kept values');

my $log = join '', map { slurp_file($_) } glob $node->data_dir . '/pg_wal/0*';
is(leak_in_file($log), '', 'the write-ahead log has no canary');
like($log, qr/$kept/, 'the write-ahead log has the kept values');

done_testing();
