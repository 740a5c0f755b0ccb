
# Published webhooks that are forms go through the log. It keeps them unchanged and returns their members.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = $ENV{CALLHARDENING_PAYLOADS};
plan skip_all => 'CALLHARDENING_PAYLOADS is not set' unless $directory;
my @files = sort glob("$directory/payloads/*.form");
cmp_ok(scalar @files, '>', 10, 'the test finds forms');

my $node = PostgreSQL::Test::Cluster->new('forms');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION callhardening; SELECT create_call_tables()');

sub sql
{
	return $node->safe_psql('postgres', "SET client_min_messages = error;\n$_[0]");
}

# A second decoder, without limits.
sub unescape
{
	my $text = shift // '';
	$text =~ tr/+/ /;
	$text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
	return $text;
}

sub members
{
	my %members;
	for my $pair (grep { length } split /&/, $_[0])
	{
		my ($name, $value) = map { unescape($_) } split(/=/, $pair, 2);
		push @{ $members{$name} }, $value // '';
	}
	my $json = JSON::PP->new->canonical->latin1; # bytes are bytes
	return $json->encode({ map { $_ => @{ $members{$_} } > 1 ? $members{$_} : $members{$_}[0] } keys %members });
}

# Any text as a literal.
sub literal
{
	return "convert_from(decode('" . unpack('H*', $_[0]) . "', 'hex'), 'UTF8')";
}

for my $file (@files)
{
	my $body = slurp_file($file);
	my ($name) = $file =~ m{([^/]+)\.form$};
	my ($text, $members) = (literal($body), literal(members($body =~ s/\s+\z//r)));

	my $seq = sql("SELECT ingest_call_event($text)");
	is(sql("SELECT ingest_call_event(convert_to($text, 'UTF8'))"), $seq, "$name: its bytes are a redelivery");
	is(sql("SELECT payload #>> '{}' = $text FROM call_events WHERE event_seq = $seq"), 't', "$name: the log keeps it unchanged");
	is(sql("SELECT decode_call_form(payload #>> '{}') = CAST($members AS jsonb) FROM call_events WHERE event_seq = $seq"),
		't', "$name: the function decodes its members");
	is(sql("SELECT error FROM call_dead_events WHERE event_seq = $seq"), 'the body has no call id',
		"$name: it is no event of Dialpad, so it is dead");

	# With the id and state of the log's provider it is an event.
	my $call = 1000 + $seq;
	my $event = literal(($body =~ s/\s+\z//r) . "&call_id=$call&state=ringing");
	sql("SELECT ingest_call_event($event)");
	is(sql("SELECT payload = decode_call_form($event) FROM claim_call_events(1000, '1 minute', 'test') WHERE call_id = '$call'"),
		't', "$name: a claim has its members");
	sql('SELECT release_call_events(ARRAY(SELECT claim_id FROM call_open_claims))');
	is(sql('SELECT applied FROM process_call_events(1000)'), '1', "$name: it is applied");
	is(sql("SELECT raw_payload = sanitize_call_payload(decode_call_form($event)) FROM calls WHERE dialpad_call_id = $call"),
		't', "$name: the call has its sanitized members");
}

$node->stop;
done_testing();
