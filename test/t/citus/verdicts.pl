
# What the trigger says of each pair of statuses is the same on a distributed table as on an ordinary one: on all roads, row by row,
# in the three modes of on_invalid.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();
my $cluster = CitusCluster->new;
$cluster->sql(0, q{CREATE SCHEMA t; CREATE SCHEMA plain; SELECT create_call_tables('plain');
    SELECT create_distributed_call_tables('t', 6, 4)});

my @statuses = (qw(ringing active ended missed rejected voicemail), 'no status', '');
my %roads = (
	update => sub { "UPDATE calls SET status = $_[1], to_number = 'new' WHERE dialpad_call_id = $_[0];" },
	upsert => sub { "INSERT INTO calls (dialpad_call_id, status) VALUES ($_[0], $_[1])
	    ON CONFLICT (dialpad_call_id) DO UPDATE SET status = excluded.status, to_number = 'new';" },
	cte => sub { "WITH w AS (UPDATE calls SET status = $_[1], to_number = 'new' WHERE dialpad_call_id = $_[0] RETURNING 1)
	    SELECT count(*) FROM w;" },
	prepared => sub { "PREPARE p AS UPDATE calls SET status = \$2, to_number = 'new' WHERE dialpad_call_id = \$1;
	    EXECUTE p($_[0], $_[1]); DEALLOCATE p;" },
	block => sub { "DO \$\$ BEGIN UPDATE calls SET status = $_[1], to_number = 'new' WHERE dialpad_call_id = $_[0]; END \$\$;" },
	two_rows => sub { "UPDATE calls SET status = $_[1], to_number = 'new' WHERE dialpad_call_id IN ($_[0], $_[0] + 5000);" },
	insert => sub { "DELETE FROM calls WHERE dialpad_call_id = $_[0]; INSERT INTO calls (dialpad_call_id, status) VALUES ($_[0], $_[1]);" },
	several_rows => sub { "DELETE FROM calls WHERE dialpad_call_id IN ($_[0], $_[0] + 5000);
	    INSERT INTO calls (dialpad_call_id, status) VALUES ($_[0], $_[1]), ($_[0] + 5000, 'ended');" },
	select => sub { "DELETE FROM calls WHERE dialpad_call_id = $_[0];
	    INSERT INTO calls (dialpad_call_id, status) SELECT $_[0], $_[1];" },
	copy => sub { "DELETE FROM calls WHERE dialpad_call_id = $_[0];\nCOPY calls (dialpad_call_id, status) FROM stdin;\n$_[0]\t"
		  . ($_[1] eq 'NULL' ? '\N' : $_[1] =~ s/'//gr) . "\n\\.\n" });

# The lines of what psql prints have the numbers of the script's lines. Nodes may warn in another order than one server.
sub verdicts
{
	my ($schema, $said, @roads) = @_;
	my $script = script(@roads);
	my ($status, $output, $errors) = $cluster->node(0)->psql('postgres',
		"SET search_path = $schema, public;\n\\set VERBOSITY sqlstate\n\\set ON_ERROR_STOP 0\n$script", on_error_stop => 0);
	my @lines = sort grep { /($said):/ } split /\n/, $errors;
	s/(ERROR: ).*/$1/ for $said eq 'ERROR' ? @lines : ();
	my $rows = $cluster->sql(0, "SELECT dialpad_call_id, status, to_number FROM $schema.calls ORDER BY 1");
	return (\@lines, [ split /\n/, $rows ]);
}

sub script
{
	my ($n, @lines) = (1000);
	for my $road (@_)
	{
		for my $old (@statuses[ 0 .. 5 ], '')
		{
			for my $new (@statuses)
			{
				my ($from, $to) = map { $_ eq '' ? 'NULL' : "'$_'" } ($old, $new);
				push @lines, "INSERT INTO calls (dialpad_call_id, status) VALUES ($n, $from), ($n + 5000, $from);", $roads{$road}->($n, $to);
				$n++;
			}
		}
	}
	return join "\n", @lines, '';
}

for my $mode ('keep', 'skip', 'reject')
{
	$cluster->sql(0, qq{SELECT harden_calls('$_.calls', on_invalid => '$mode'); TRUNCATE $_.calls}) for 'plain', 't';
	# Citus copies rows to shards for COPY and INSERT ... SELECT. It passes no warning on, and its errors have an SQLSTATE of its own.
	for my $part ([ 'ERROR|WARNING', grep { !/^(copy|select)$/ } sort keys %roads ], [ 'ERROR', 'copy', 'select' ])
	{
		my ($said, $rows) = verdicts('plain', @$part);
		my ($said_there, $rows_there) = verdicts('t', @$part);
		is_deeply($said_there, $said, "$mode: the same messages, statement by statement");
		cmp_ok(scalar @$rows, '>', 40, "$mode: there are rows");
		is_deeply($rows_there, $rows, "$mode: the same rows");
	}
}
$cluster->stop;
done_testing();
