
# Runs README and docs from top to bottom: each page in a database of its own on one server. The outputs shown in a page
# are compared with the real ones. The reference is compared with the comments in the database.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = abs_path(dirname(__FILE__) . '/../../..');
my @pages = ("$root/README.md", sort glob("$root/docs/*.md"));

# The pages show this name, whoever runs the test.
$ENV{PGUSER} = 'postgres';
my $node = PostgreSQL::Test::Cluster->new('pages');
$node->init(extra => [ '--username=postgres', '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nlog_line_prefix = '%m [%p] %e '");
$node->start;
@ENV{qw(PGHOST PGPORT)} = ($node->host, $node->port);

cmp_ok(scalar(@pages), '>', 1, 'the test finds pages');
for my $page (@pages) {
	my ($out, $err) = run_command([ "$root/scripts/development/check_pages.py", $page ]);
	my ($run, $faults) = $out =~ /^1 pages: (\d+) run, .* (\d+) faults$/m;
	my $has_none = $out =~ /: no blocks: /;
	my $needs_citus = $out =~ /: not run: it needs .*Citus$/m;
	ok(defined $faults && $faults == 0 && ($run || $has_none || $needs_citus), basename($page)) or diag($out, $err);
	note($out);
}

my ($out, $err) = run_command([ "$root/scripts/development/reference.py", '--check' ]);
is($out . $err, '', 'the reference has the comments in the database');

# Statements in the log may contain any text.
unlike(slurp_file($node->logfile), qr/^[^\[]*\[\d+\] (XX000 |00000 LOG:  .*terminated by signal)/m,
	'the server log has no crash and no internal error');
$node->stop;
done_testing();
