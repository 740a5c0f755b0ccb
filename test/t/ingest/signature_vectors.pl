# Every published signature is taken, and none with one bit changed: in the body, in a header of the scheme, in the URL, or
# in the secret. Each also goes into a log. Where a scheme covers a part only, only bits of this part are changed.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = $ENV{CALLHARDENING_PAYLOADS};
plan skip_all => 'CALLHARDENING_PAYLOADS is not set' unless $directory;

my %scheme = (
	'hubspot-v1' => 'hubspot_v1',
	'hubspot-v2' => 'hubspot_v2',
	'plivo-v2' => 'plivo_v2',
	'quo-legacy' => 'openphone_quo_legacy',
	'twilio-form-sha256-shared-key' => 'twilio_shared_key');

# The parts that these schemes cover. All others cover body and URL, if they have them.
my %body_covered = ('justcall-dynamic' => '"call.completed"', 'plivo-v2' => '');
my %url_covered = ('plivo-v2' => qr/^[^?]*\?/);
my %url_given = ('justcall-dynamic' => 'https://hook.example.com/justcall?x=1');

sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'" }

sub bytes_literal { return "'\\x" . unpack('H*', $_[0]) . "'::bytea" }

# A form in the encoding of most senders.
sub form
{
	my ($members) = @_;
	my $escape = sub {
		my ($text) = @_;
		utf8::encode($text);
		$text =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
		return $text;
	};
	my @pairs;
	for my $name (reverse sort keys %$members)
	{
		my $values = $members->{$name};
		push @pairs, $escape->($name) . '=' . $escape->($_) for ref $values ? @$values : $values;
	}
	return join '&', @pairs;
}

my $vectors = decode_json(slurp_file("$directory/signature-vectors.json"))->{vectors};

my $node = PostgreSQL::Test::Cluster->new('signature_vectors');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
CREATE SCHEMA log;
SELECT create_call_tables('log')});

# Calls check_call_signature for each vector with each bit of one part changed, and returns the number of bits, and of
# those that were taken nevertheless. Letters of ASCII have seven bits, and no bit makes a NUL.
$node->safe_psql(
	'postgres', q{
CREATE FUNCTION flip(bytes bytea, place int, n int) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT set_byte(bytes, place, get_byte(bytes, place) # (1 << n)) $$;
CREATE FUNCTION flips(bytes bytea, first int, size int, bits int) RETURNS SETOF bytea LANGUAGE sql AS $$
    SELECT flip(bytes, place, n) FROM generate_series(first, first + size - 1) AS place, generate_series(0, bits - 1) AS n
    WHERE bits = 8 OR get_byte(bytes, place) # (1 << n) <> 0 AND get_byte(bytes, place) < 128 $$;
});

my $bits = 0;
for my $vector (@$vectors)
{
	my $name = $vector->{name};
	next if $name =~ /handshake/;
	my $scheme = $scheme{$name} // $vector->{provider};
	my $body = defined $vector->{form} ? form($vector->{form}) : $vector->{body} // '{"id": 1}';
	utf8::encode($body) if utf8::is_utf8($body);
	my $headers = $vector->{header} // {};
	my $secret = $vector->{public_key} // $vector->{secret};
	my $url = $url_given{$name} // $vector->{url};
	my $document = $node->safe_psql('postgres', "SELECT call_signature_scheme('$scheme')");
	my %arguments = (
		body => bytes_literal($body),
		headers => literal(encode_json($headers)) . '::jsonb',
		secret => bytes_literal($secret),
		scheme => literal($document) . "::jsonb - 'tolerance'",
		url => defined $url ? literal($url) : 'NULL');
	my $check = sub {
		my %with = (%arguments, @_);
		return "check_call_signature($with{body}, $with{headers}, $with{secret}, $with{scheme}, $with{url})";
	};
	is($node->safe_psql('postgres', 'SELECT ' . $check->()), '', "$name is taken");

	# What is changed, and the argument with the changed bytes.
	my @changes = ([ 'secret', bytes_literal($secret), 0, length $secret, 8, secret => 'b' ]);
	my $covered = $vector->{path} ? $secret : $body_covered{$name} // $body;
	$covered = '' if $document =~ /"algorithm": "token"/ && !$vector->{path};
	push @changes, [ 'body', $arguments{body}, index($body, $covered), length $covered, 8, body => 'b' ]
	  if $covered ne '' && !defined $vector->{form};
	if (defined $url)
	{
		my ($part) = $url =~ ($url_covered{$name} // qr/.*/) ? $& : $url;
		push @changes,
		  [ 'url', bytes_literal($url), 0, length $part, 7, url => q{convert_from(b, 'UTF8')} ];
	}
	for my $header (grep { $document =~ /\Q$_\E/i } keys %$headers)
	{
		my $text = literal(encode_json({ map { $_ => $headers->{$_} } grep { $_ ne $header } keys %$headers }));
		push @changes,
		  [ $header, bytes_literal($headers->{$header}), 0, length $headers->{$header}, 7,
			headers => "$text\::jsonb || jsonb_build_object('$header', convert_from(b, 'UTF8'))" ];
	}
	# A changed letter of a form may be the same text: %C3 is %c3. So the decoded values are changed.
	if (defined $vector->{form} && $covered ne '')
	{
		my $changed = 0;
		for my $member (sort keys %{ $vector->{form} })
		{
			my %form = %{ $vector->{form} };
			$form{$member} = ref $form{$member} ? [ @{ $form{$member} }, '9' ] : $form{$member} . '9';
			my $result =
			  $node->safe_psql('postgres', 'SELECT ' . $check->(body => bytes_literal(form(\%form))));
			$changed++ if $result eq 'the signature does not match';
		}
		is($changed, scalar keys %{ $vector->{form} }, "$name with a changed parameter is refused");
	}
	for my $change (@changes)
	{
		my ($what, $bytes, $first, $size, $most, @with) = @$change;
		my $counts = $node->safe_psql('postgres',
				'SELECT count(*) || \' \' || count(*) FILTER (WHERE '
			  . $check->(@with)
			  . " IS NULL) FROM flips($bytes, $first, $size, $most) AS b");
		my ($count, $taken) = split ' ', $counts;
		ok($count > 0 && $taken == 0, "$name with one bit of the $what changed: $count refused, $taken taken");
		$bits += $count;
	}

	# Through a log of the provider
	my $provider = $vector->{provider} =~ /atendesimples|didww/ ? '' : $vector->{provider};
	# Another valid secret does not matter. It has the form of a base64 key of 32 bytes.
	my $another = literal('AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=') . '::bytea';
	my $call = sub {
		my ($webhook_body) = @_;
		return "ingest_call_webhook($webhook_body, $arguments{headers}, $arguments{url})";
	};
	$node->safe_psql('postgres', qq{
SET client_min_messages = error;
DELETE FROM log.call_events;
DELETE FROM _callhardening.event_secrets;
UPDATE _callhardening.logs SET provider = '$provider';
SELECT set_call_event_signature('log.call_events', $arguments{scheme});
SELECT set_call_event_secret('log.call_events', $another, 'another');
SELECT set_call_event_secret('log.call_events', $arguments{secret})});
	my $changed_body = bytes_literal($body . (defined $vector->{form} ? '&added=1' : ($body =~ /^\{/ ? ' ' : 'A')));
	my ($code, $out, $err) = $node->psql('postgres', q{\set VERBOSITY sqlstate
} . 'SELECT ' . $call->($changed_body));
	my $stored = $node->safe_psql('postgres', 'SELECT count(*) FROM log.call_events');
	my $is_covered = $covered eq $body && !defined $vector->{path};
	is("$err $stored", $is_covered ? 'psql:<stdin>:2: ERROR:  28000 0' : ' 1', "$name with a longer body");
	is($node->safe_psql('postgres', 'SELECT ' . $call->($arguments{body}) . ' > 0'), 't', "$name is stored");
}
note("$bits bits were changed");

# Handshakes
for my $vector (grep { $_->{name} =~ /handshake/ } @$vectors)
{
	my $body = bytes_literal($vector->{body} // '');
	my $headers = literal(encode_json($vector->{request_header} // {}));
	my $secret = bytes_literal($vector->{secret} // 'a token that is not needed');
	my $wanted = $vector->{response}{body} || $vector->{response}{header}{'Validation-Token'};
	my $answer = $node->safe_psql('postgres', qq{
UPDATE _callhardening.logs SET provider = '$vector->{provider}';
DELETE FROM _callhardening.event_signatures;
DELETE FROM _callhardening.event_secrets;
DO \$\$ BEGIN PERFORM set_call_event_secret(NULL, $secret); END \$\$;
SELECT answer_call_handshake($body, $headers)});
	is_deeply(ref $wanted ? decode_json($answer) : $answer, $wanted, "$vector->{name} is answered");
	my ($code, $out, $err) = $node->psql('postgres', "SELECT ingest_call_webhook($body, $headers)");
	like($err, qr/the request is a handshake, and not an event/, "$vector->{name} is no event");
}

$node->stop;
done_testing();
