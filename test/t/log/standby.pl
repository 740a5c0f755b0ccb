
# No event can be claimed on a standby. After promotion it goes on, even if the primary has promised more than it sent.
# After a crash the same holds.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ], allows_streaming => 1);
# Commits are not yet on disk.
$primary->append_conf('postgresql.conf',
	"fsync = off\nautovacuum = off\nsynchronous_commit = off\nwal_writer_delay = 10s\nwal_keep_size = 64MB");
$primary->start;
$primary->safe_psql(
	'postgres', q{
CREATE EXTENSION callhardening;
SELECT create_call_tables()});

# The knowledge of the workers: claim ids, and how often each event was completed.
my (%issued, %completed);

sub ingest
{
	my ($node, $first, $last, $state) = @_;
	$node->safe_psql('postgres', join '', map {qq{SELECT ingest_call_event('{"call_id": $_, "state": "$state"}'::jsonb);\n}} $first .. $last);
}

# claim id => its events
sub claim
{
	my ($node, $events, $lease) = @_;
	my %claims;
	for my $line (split /\n/, $node->safe_psql('postgres', "SELECT claim_id, event_seq FROM claim_call_events($events, '$lease', 'worker')"))
	{
		my ($claim, $event) = split /\|/, $line;
		push @{ $claims{$claim} }, $event;
	}
	return \%claims;
}

# Outcomes by claim id.
sub complete
{
	my ($node, $claims) = @_;
	return {} unless %$claims;
	return { map { split /\|/ } split /\n/,
		$node->safe_psql('postgres', 'SELECT * FROM complete_call_events(ARRAY[' . join(',', keys %$claims) . ']::bigint[])') };
}

sub remember_issued
{
	my ($claims) = @_;
	my $again = grep { $issued{$_}++ } keys %$claims;
	return $again;
}

sub count_completed
{
	my ($claims, $outcomes) = @_;
	for my $claim (grep { $outcomes->{$_} eq 'completed' } keys %$claims)
	{
		$completed{$_}++ for @{ $claims->{$claim} };
	}
}

sub drain
{
	my ($node) = @_;
	my $again = 0;
	while (1)
	{
		my $claims = claim($node, 100, '1 minute');
		return $again unless %$claims;
		$again += remember_issued($claims);
		count_completed($claims, complete($node, $claims));
	}
}

# ---- nothing can be claimed on a standby -------------------------------------------------------------------

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'hot_standby_feedback = on');
$standby->start;

ingest($primary, 1, 60, 'calling');
my $done = claim($primary, 30, '1 hour');
remember_issued($done);
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
my ($claim) = keys %$done;
my ($event) = @{ $done->{$claim} };
my %verbs = (
	claim_call_events => 'SELECT * FROM claim_call_events()',
	complete_call_events => "SELECT * FROM complete_call_events(ARRAY[$claim])",
	release_call_events => "SELECT * FROM release_call_events(ARRAY[$claim])",
	fail_call_event => "SELECT fail_call_event($claim, $event, 'no')",
	renew_call_claim => "SELECT renew_call_claim($claim)",
	assert_call_claim => "SELECT assert_call_claim($claim)",
	process_call_events => 'SELECT * FROM process_call_events()',
	start_call_worker => q{SET statement_timeout = '30s'; SELECT start_call_worker()},
	purge_call_events => "SELECT purge_call_events('1 day')");
for my $verb (sort keys %verbs)
{
	my ($result, $stdout, $stderr) = $standby->psql('postgres', "\\set VERBOSITY verbose\n$verbs{$verb}");
	like($stderr, qr/ERROR:  25006: $verb cannot be used on a standby server\nDETAIL:  .*\nHINT:  Connect to the primary server\./,
		"$verb gives a clear error on a standby");
}
for my $statement (q{SELECT ingest_call_event('{"call_id": 1}'::jsonb)},
	'SELECT retry_dead_call_events()', 'SELECT configure_call_event_log(max_attempts => 3)')
{
	my ($result, $stdout, $stderr) = $standby->psql('postgres', "\\set VERBOSITY sqlstate\n$statement");
	like($stderr, qr/ERROR:  25006/, "a standby refuses: $statement");
}
is($standby->safe_psql('postgres', q{SELECT (r #>> '{logs,0,events,rows_read}')::int = (SELECT count(*) FROM call_events),
		r::text LIKE '%"unknown": "%' FROM call_report() AS r}), 't|f', 'the report is made on a standby, with nothing left out');
is($standby->safe_psql('postgres', 'SELECT sum(pending) > 0 FROM pending_call_events(exact => true)'),
	't', 'a standby shows the pending events');

# ---- the primary is lost with its unsent commits --------------------------------------------------------

# The standby has received everything up to here, and nothing after it.
count_completed($done, complete($primary, $done));
my $kept = claim($primary, 20, '1 hour');
remember_issued($kept);
ingest($primary, 1, 60, 'ringing');
$primary->safe_psql('postgres', 'SET synchronous_commit = on; CREATE TABLE reached ()');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
my $sent = $primary->safe_psql('postgres', 'SELECT max(event_seq) FROM call_events');
$standby->stop;

my %lost = %{ claim($primary, 60, '1 hour') };
remember_issued(\%lost);
my ($done_late) = keys %$kept;
my $late = complete($primary, { $done_late => $kept->{$done_late} });
is($late->{$done_late}, 'completed', 'a worker completes a claim on the primary before the loss');
ingest($primary, 61, 80, 'calling');
$primary->stop('immediate');
$standby->start;
$standby->promote;

is($standby->safe_psql('postgres', "SELECT max(event_seq) FROM call_events"), $sent, 'the standby has the received events and no others');
my $outcomes = complete($standby, \%lost);
is(join(',', sort { $a cmp $b } keys %{ { map { $_ => 1 } values %$outcomes } }), 'unknown', 'lost claims are unknown');
# A received claim is still open here. Later changes on the lost primary do not count.
$outcomes = complete($standby, $kept);
is(join(',', keys %{ { map { $_ => 1 } values %$outcomes } }), 'completed', 'received claims can be completed');
count_completed($kept, $outcomes);
is(drain($standby), 0, 'no claim id comes again');
$outcomes = complete($standby, \%lost);
is(join(',', grep { $_ !~ /stale|unknown/ } values %$outcomes), '', 'the ids of lost claims never become valid');
is($standby->safe_psql('postgres', 'SELECT first_lane, adopted IS NULL FROM call_event_logs'), '0|t', 'the log goes on in its lanes');

ingest($standby, 1, 80, 'hangup');
is(drain($standby), 0, 'the promoted standby processes new events');
my @events = split /\n/, $standby->safe_psql('postgres', 'SELECT event_seq FROM call_events');
is(join(',', grep { ($completed{$_} // 0) == 0 } @events), '', 'nothing is lost');
is(join(',', grep { $completed{$_} > 1 } keys %completed), '', 'nothing is completed twice');

# ---- a crash loses commits ---------------------------------------------------------------

# After the crash the same record numbers are issued again, for other claims. Only the timer, or too little memory, would
# write the commits to disk.
$standby->append_conf('postgresql.conf', "wal_buffers = 4MB\nwal_writer_flush_after = 16MB\nshared_buffers = 32MB\nfull_page_writes = off");
$standby->restart;
my $again = 0;
my $lost_claims = 0;
for my $round (1 .. 5)
{
	ingest($standby, 1, 40, "ringing $round");
	$standby->safe_psql('postgres', 'SET synchronous_commit = on; SELECT pg_current_xact_id()');
	my $claims = claim($standby, 40, '1 hour');
	$again += remember_issued($claims);
	$standby->stop('immediate');
	$standby->start;
	my $outcomes = complete($standby, $claims);
	$lost_claims += grep { $_ eq 'unknown' } values %$outcomes;
	count_completed($claims, $outcomes);
	$again += drain($standby);
	my $late = complete($standby, $claims);
	is(join(',', grep { $_ !~ /stale|unknown/ } values %$late), '', 'claim ids from before the crash are not valid');
}
is($again, 0, 'no claim id is issued twice after a crash');
cmp_ok($lost_claims, '>', 0, 'the crash lost some claims');
@events = split /\n/, $standby->safe_psql('postgres', 'SELECT event_seq FROM call_events');
is(join(',', grep { ($completed{$_} // 0) == 0 } @events), '', 'a crash loses no events');
is(join(',', grep { $completed{$_} > 1 } keys %completed), '', 'nothing is completed twice');

$standby->stop;
done_testing();
