
# The blocks of the pages about Citus, which pages.pl leaves out, on a coordinator and three workers. A shown output
# has to be the end of what is printed. Numbers of shards and ports of nodes are replaced, each by one of this cluster.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../perl";
use CitusCluster;
use PostgreSQL::Test::Utils;
use Test::More;

CitusCluster::require_citus();

my $docs = "$FindBin::Bin/../../../docs";
my $cluster = CitusCluster->new;
# A worker can be kept by a preloaded library only.
for my $node (map { $cluster->node($_) } 0 .. 3)
{
	$node->append_conf('postgresql.conf', q{shared_preload_libraries = 'citus,callhardening'});
	$node->restart;
}
my %shards; # of the page, by those of the cluster

# All blocks of a page, each with its statements and the shown output. The other pages run the blocks without this comment.
sub blocks_of
{
	my ($page) = @_;
	my $text = slurp_file("$docs/$page");
	my @blocks;
	push @blocks, { sql => $1, shown => $2, page => $page }
	  while $text =~ /<!-- run: not, it needs [^>]*Citus -->\n```sql\n(.*?)```\n(?:\n```(?:text)?\n(.*?)```\n)?/gs;
	is(scalar @blocks, scalar(() = $text =~ /^```sql$/mg), "$page: each block is run here");
	return @blocks;
}

# Ports of a page end in the number of the node.
sub name_node
{
	my ($number) = @_;
	return sprintf('%s:%d', $cluster->node($number)->host, $cluster->node($number)->port);
}

sub to_cluster
{
	my ($text) = @_;
	my %real = reverse %shards;
	$text =~ s/\b(?<!:)(10\d{4})\b/$real{$1} \/\/ $1/ge;
	$text =~ s/_(10\d{4})\b/'_' . ($real{$1} \/\/ $1)/ge;
	$text =~ s/'127\.0\.0\.1', (?:7\d0(\d))/$cluster->host_and_port($1)/ge;
	$text =~ s/127\.0\.0\.1:7\d0(\d)/name_node($1)/ge;
	return $text;
}

# Widths of columns are not compared.
sub comparable
{
	my ($text) = @_;
	$text =~ s/[ \t]+/ /g;
	$text =~ s/-{2,}/--/g;
	$text =~ s/^ +| +$//mg;
	return join "\n", grep { !/^\(\d+ rows?\)$/ && $_ ne '' } split /\n/, $text;
}

sub run_block
{
	my ($block, $number) = @_;
	my $sql = to_cluster($block->{sql});
	my ($printed) = run_both([ 'psql', '-X', '-d', $cluster->node($number)->connstr('postgres') ], "\\set VERBOSITY default\n$sql");
	my ($begin) = $sql =~ /\A\s*(\S.*)$/m;
	my $name = "$block->{page}, node $number: $begin";
	if (!defined $block->{shown})
	{
		unlike($printed, qr/^ERROR/m, $name);
		return $printed;
	}
	my ($shown, $found) = map { comparable($_) } (to_cluster($block->{shown}), $printed);
	ok(substr($found, -length $shown) eq $shown, $name) or diag("shown:\n$shown\nprinted:\n$found");
	return $printed;
}

# What psql prints to both of its outputs, in their order
sub run_both
{
	my ($command, $input) = @_;
	my $output = '';
	IPC::Run::run($command, '<', \$input, '>&', \$output);
	$output =~ s/^psql:<stdin>:\d+: //mg;
	return $output;
}

# The shards of a log in the page are those of the first output. Theirs are the same places in the cluster's.
sub learn_shards
{
	my ($log, $shown) = @_;
	my @real = split /\n/, $cluster->sql(0, "SELECT shardid FROM pg_dist_shard WHERE logicalrelid = '$log'::regclass ORDER BY 1");
	my @named = sort $shown =~ /\b(10\d{4}) \|/g;
	is(scalar @named, scalar @real, "$log: the page shows each shard");
	%shards = map { $real[$_] => $named[$_] } 0 .. $#real;
	return;
}

# The first block creates the tables, and its output names shards. So it is compared when they are known.
sub run_first_block
{
	my ($log, $block) = @_;
	my $printed = run_block({ %$block, shown => undef }, 0);
	learn_shards($log, $block->{shown});
	my ($shown, $found) = map { comparable($_) } (to_cluster($block->{shown}), $printed);
	ok(substr($found, -length $shown) eq $shown, "$block->{page}: its shards") or diag("shown:\n$shown\nprinted:\n$found");
	return;
}

sub node_of
{
	my ($block) = @_;
	my ($shard) = to_cluster($block->{sql}) =~ /_(10\d{4})\b/;
	return 0 unless defined $shard;
	my $port = $cluster->sql(0, "SELECT nodeport FROM citus_shards WHERE shardid = $shard");
	my ($number) = grep { $cluster->node($_)->port == $port } 1 .. 3;
	return $number;
}

# -- a schema for a tenant -------------------------------------------------------------------------

# The page shows the first worker, and Citus takes the next one for each schema.
my ($first, @rest) = blocks_of('citus.md');
$cluster->sql(0, sprintf(q{SELECT citus_set_node_property(%s, 'shouldhaveshards', false)}, $cluster->host_and_port($_))) for 2, 3;
run_first_block('acme.call_events', $first);
run_block($_, node_of($_)) for @rest;
$cluster->sql(0, sprintf(q{SELECT citus_set_node_property(%s, 'shouldhaveshards', true)}, $cluster->host_and_port($_))) for 2, 3;
$cluster->sql(0, 'DROP SCHEMA acme CASCADE');

# -- by the call -----------------------------------------------------------------------------------

($first, @rest) = blocks_of('citus_by_call.md');
run_first_block('t.call_events', $first);
# The page shows the figures with a server down, and after the move of a shard.
my ($figures) = grep { $_->{sql} =~ /cluster_call_event_log_status/ } @rest;
for my $block (grep { $_ != $figures } @rest)
{
	run_block($block, $_) for $block->{sql} =~ /^CALL move_call_shard/ ? 0 : (1, 2, 3);
}
$cluster->node(3)->stop;
run_block($figures, 0);
$cluster->stop;
done_testing();
