# Every published body of every provider goes through the sanitizer with the policy that a user gets. What must go and what
# must stay comes from the facts about the providers, not from earlier results:
#  - credentials and personal data: the lists below, from the providers' own descriptions
#  - phone numbers: any value that is one by its form, or by the name of its member
#  - ids, states, times, durations: the places in shapes.csv, and those that explain_call_event reports

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = $ENV{CALLHARDENING_PAYLOADS};
plan skip_all => 'CALLHARDENING_PAYLOADS is not set' unless $directory;

# Keys are the first words of file names. All other first words are their providers.
my %provider = (
	'8x8' => '8x8_contact_center',
	amazonconnect => 'amazon_connect',
	msteams => 'ms_teams',
	openphone => 'openphone_quo',
	quo => 'openphone_quo',
	twiliocompatible => 'twilio',
	vonagebusiness => 'vonage_business',
	webexcalling => 'webex_calling',
	zoom => 'zoom_phone');

# Members with credentials, by their path. Items of arrays have the path of the array.
my %credentials = (
	'8x8_contact_center' => qr/callRecording$|\.dtmf$/,
	aircall => qr/^token$|\.(recording|voicemail|asset)$|\.number\.messages\./,
	bandwidth => qr/assword$|mediaUrl$|^identity$/,
	callrail => qr/recording$|recording_player$/,
	dial9 => qr/^auth_token$/,
	exotel => qr/RecordingUrl$/,
	hipcall => qr/record_url$|voicemail_url$/,
	llamadapro => qr/recordingUrl$/,
	ms_teams => qr/clientState$/,
	openphone_quo => qr/\.(media|voicemail)\.url$/,
	ringcentral => qr/contentUri$|attachments\.uri$|recording\.uri$/,
	signalwire => qr/RecordingUrl$/,
	telnyx => qr/recording_urls\.|client_state$/,
	twilio => qr/RecordingUrl$|TranscriptionUrl$/,
	vonage => qr/recording_url$/,
	zoom_phone => qr/download_url$|(plain|encrypted)Token$/);

# Names, addresses and words of people. Of texts, the policy leaves 60 characters.
my %personal = (
	aircall => qr/\.(user|transferred_(by|to)|posted_by|tagged_by|participants|contact)\.(name|first_name|last_name|emails?)$/,
	asterisk => qr/\.(caller|connected)\.name$/,
	callrail => qr/^customer_(name|city)$|^agent_email$/,
	exotel => qr/caller_info\.name$/,
	freeswitch => qr/caller_id_name$|sip_from_display$/,
	justcall => qr/(contact|agent)_name$/,
	ms_teams => qr/[dD]isplayName$|userPrincipalName$/,
	ringcentral => qr/(^|\.)(from|to)\.(name|location)$|(from|to)Name$|mobilePickupData\.to$|speakerInfo\.name$|uiCallInfo\./,
	twilio => qr/(City|Zip|CallerName)$/,
	webex_calling => qr/remoteParty\.name$/,
	zoom_phone => qr/\.(caller|callee|owner|(accepted|forwarded|outgoing|redirect_forwarded)_(by|to))\.(name|device_name)$
		|_(name|email)$/x);
my $text = qr/TranscriptionText$|\btranscription\.(text|content)$|dialogue\.content$|\bsummary$|nextSteps$|insights\..*(text|value)$
	|comments\.content$|transcript(ion_text)?$/x;

my $node = PostgreSQL::Test::Cluster->new('provider_policies');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
CREATE TABLE payload (name text, provider text, raw text, body jsonb);
CREATE FUNCTION leaves(document jsonb) RETURNS TABLE (path text, value text) LANGUAGE sql AS $$
    WITH RECURSIVE node (path, value) AS (
        SELECT '', document
        UNION ALL
        SELECT node.path || member.name, member.value
        FROM node, LATERAL (
            SELECT CASE node.path WHEN '' THEN key ELSE '.' || key END AS name, each.value
            FROM jsonb_each(CASE jsonb_typeof(node.value) WHEN 'object' THEN node.value ELSE '{}' END) AS each
            UNION ALL
            SELECT '', items.value
            FROM jsonb_array_elements(CASE jsonb_typeof(node.value) WHEN 'array' THEN node.value ELSE '[]' END) AS items
        ) AS member)
    SELECT path, value #>> '{}' FROM node WHERE jsonb_typeof(value) NOT IN ('object', 'array', 'null') AND value <> '""'
$$});

# A quoted field has doubled quotes.
sub fields
{
	my @fields;
	while ($_[0] =~ /\G(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/g)
	{
		my $field = $1 // $2;
		push @fields, $field =~ s/""/"/gr;
		last if pos $_[0] >= length $_[0];
	}
	return @fields;
}

my %kept_paths;
for my $line (split /\n/, slurp_file("$directory/shapes.csv"))
{
	my ($provider, undef, undef, $field, $path, undef, $confidence) = fields($line);
	next unless $confidence =~ /^(documented|seen)$/;
	next if $field =~ /_number$|_url$|secret|credential|string|envelope|application|external/;
	push @{ $kept_paths{$provider} }, map { s/\[\d*\]\.?/./gr =~ s/^\.+|\.+$//gr =~ s/\.+/./gr } $path =~ /[\w\[][\w.\[\]-]*/g;
}

sub literal { return "convert_from(decode('" . unpack('H*', $_[0]) . "', 'hex'), 'UTF8')" }

my $script = '';
for my $file (sort glob("$directory/payloads/*.{json,form}"))
{
	my ($name, $first, $ending) = $file =~ m{(([^/-]+)[^/]*)\.(json|form)$};
	my $raw = literal(slurp_file($file) =~ s/\s+\z//r);
	my $body = $ending eq 'form' ? "decode_call_form($raw)" : "$raw\::jsonb";
	$script .= "INSERT INTO payload VALUES ('$name', '" . ($provider{$first} // $first) . "', $raw, $body);\n";
}
$node->safe_psql('postgres', $script);
$node->safe_psql('postgres', q{CREATE TABLE clean AS SELECT name, sanitize_call_payload(body) AS body FROM payload});

# Rows of a query, fields in hexadecimal digits.
sub rows
{
	my ($columns, $from) = @_;
	my $list = join ', ', map { "encode(convert_to(($_)::text, 'UTF8'), 'hex')" } @$columns;
	return map { [ map { pack 'H*', $_ } split /\|/, $_, -1 ] } split /\n/, $node->safe_psql('postgres', "SELECT $list FROM $from");
}

my (%before, %after, %text, %is, %explained);
$is{ $_->[0] } = $_->[1] for rows([qw(name provider)], 'payload');
push @{ $before{ $_->[0] } }, [ @$_[ 1, 2 ] ] for rows([qw(name path value)], 'payload, leaves(body)');
push @{ $after{ $_->[0] }{ $_->[1] } }, $_->[2] for rows([qw(name path value)], 'clean, leaves(body)');
$text{ $_->[0] } = $_->[1] for rows([qw(name body)], 'clean');
push @{ $explained{ $_->[0] } }, $_->[1] =~ s/^\$\.?//r =~ s/\[\d*\]//gr
  for rows([qw(name path)], q{payload, call_providers() AS known,
    explain_call_event(raw, payload.provider) AS found
    WHERE known.provider = payload.provider AND known.shape AND found.outcome = 'taken' AND found.path <> ''
        AND found.field !~ '_number|_url'});

my (%checked, %failed);
sub check
{
	my ($what, $name, $path, $good) = @_;
	++$checked{$what};
	push @{ $failed{$what} }, "$name: $path" unless $good;
	return;
}

# The digits of a phone number, or nothing.
sub number_of
{
	my ($path, $value) = @_;
	return if $value =~ /^\d{4}-\d\d-\d\d|:\d\d:/; # a time
	my $member = $path =~ s/.*\.//r;
	return if $member =~ /(time|stamp|epoch|date|duration|_at|At|ms|_ts|uration|[sS]equence\w*|page|source|Record)$/;
	my $digits = $value =~ s/[^0-9]//gr;
	return unless length $digits >= 7 && length $digits <= 15;
	return $digits if $value =~ /^\+[0-9 ().-]+$/;
	return $value =~ /(\d{7,15})/ ? $1 : () if $value =~ /^(sips?|tel|client):\+?\d{7,}|^\+?\d{7,}@|<sips?:\+?\d{7,}/;
	return unless $value =~ /^[0-9 ().-]+$/;
	return $digits if $member =~ /number|phone|digits|^(from|to|caller|called|callee|destination|exophone|ani|cli)$/i
	  && $member !~ /(_|I)ds?$|numberId/;
	return;
}

for my $name (sort keys %before)
{
	my $provider = $is{$name};
	my ($wanted, $people) = ($credentials{$provider} // qr/(?!)/, $personal{$provider} // qr/(?!)/);
	my %kept = map { $_ => 1 } @{ $kept_paths{$provider} // [] };
	# In one payload the id of the call is the caller's number.
	my $parts = join '"', map { s/[^0-9A-Za-z]//gr } map { @{ $after{$name}{$_} } } grep { !/id$/i } keys %{ $after{$name} };
	for (@{ $before{$name} })
	{
		my ($path, $value) = @$_;
		my $left = $after{$name}{$path} // [];
		my $stays = grep { $_ eq $value } @$left;
		if ($path =~ $wanted && $value !~ /^(true|false|\*+|made-up-transcript-download-url)$/)
		{
			my $gone = $value =~ m{^https?://[^/]+/(.+)} ? $1 : $value;
			check('credential', $name, $path, !$stays && (length $gone < 4 || index($text{$name}, $gone) < 0));
			next;
		}
		check('personal', $name, $path, !$stays && !grep { index($_, $value) >= 0 } @$left) if $path =~ $people;
		check('text', $name, $path, !grep { length $_ > 62 * 3 } @$left) if $path =~ $text;
		if (my $digits = number_of($path, $value))
		{
			my $last = substr $digits, -7;
			check('number', $name, $path, !$stays && $parts !~ /(?<!\d)\d{0,8}$last(?!\d)/);
			next;
		}
		next if $path =~ $people;
		check('kept', $name, $path, $stays) if $kept{$path} || grep { $path =~ /(^|\.)\Q$_\E$/ } @{ $explained{$name} // [] };
	}
}

for my $what (qw(credential personal text number kept))
{
	my @bad = @{ $failed{$what} // [] };
	cmp_ok($checked{$what} // 0, '>=', 14, "$what: " . ($checked{$what} // 0) . ' values checked');
	is(scalar @bad, 0, "$what: every value is right") or diag join "\n", @bad;
}

my ($most) = $node->safe_psql('postgres', q{SELECT (call_payload_policy() #>> '{budget,max_bytes}')});
is($node->safe_psql('postgres', "SELECT string_agg(name, ' ') FROM clean WHERE octet_length(body::text) > $most"),
	'', "no result has more than $most bytes");
is( $node->safe_psql(
		'postgres', q{SELECT string_agg(name, ' ') FROM clean JOIN payload USING (name)
    WHERE octet_length(payload.body::text) > 300 AND octet_length(clean.body::text) > octet_length(payload.body::text)}),
	'', 'no body above 300 bytes grows');
is( $node->safe_psql('postgres', 'SELECT string_agg(name, \' \') FROM clean WHERE sanitize_call_payload(body) <> body'),
	'', 'a second pass changes nothing');

$node->stop;
done_testing();
