
# The dashboard has the types of Grafana's own schema: the whole, and the options of each panel by the type of the panel.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use File::Copy;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $here = abs_path(dirname(__FILE__));
my ($packages) = grep { -d "$_/\@grafana/schema" && -d "$_/typescript" } split /:/, $ENV{NODE_PATH} // '';
plan skip_all => 'there is no @grafana/schema or no typescript' unless $packages;

my $json = JSON::PP->new->canonical->pretty;
my $home = PostgreSQL::Test::Utils::tempdir();
copy("$here/dashboard.ts", "$home/types.ts") or die $!;
symlink $packages, "$home/node_modules" or die $!;

# The compiler's complaints about a dashboard
sub faults
{
	my ($dashboard) = @_;
	my @lines = ('import type { Whole, Part } from "./types";', 'export const dashboard: Whole = ' . $json->encode($dashboard) . ';');
	for my $panel (grep { $_->{type} ne 'row' } @{ $dashboard->{panels} })
	{
		my %part = (options => $panel->{options}, custom => $panel->{fieldConfig}{defaults}{custom} // {});
		push @lines, qq{export const panel$panel->{id}: Part<"$panel->{type}"> = } . $json->encode(\%part) . ';';
	}
	unlink "$home/check.ts";
	append_to_file("$home/check.ts", join("\n", @lines, ''));
	my ($out, $err) = run_command([ 'node', "$packages/typescript/bin/tsc", '--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext',
		'--moduleResolution', 'bundler', '--target', 'es2022', "$home/check.ts" ]);
	return $out . $err;
}

my $text = slurp_file("$here/../../../docs/monitoring/dashboard.json");
is(faults(decode_json($text)), '', 'the dashboard follows the schema');
# The check sees a fault in the whole, and in a panel. The compiler runs once for both.
like(faults(decode_json($text =~ s/"graphTooltip": 1/"graphTooltip": "one"/r =~ s/"drawStyle": "line"/"drawStyle": "wave"/r)),
	qr/DashboardCursorSync.*"wave"/s, 'a wrong value is found');
my @ids = map { $_->{id} } @{ decode_json($text)->{panels} };
my %seen;
is(join(' ', grep { $seen{$_}++ } @ids), '', 'each panel has an id of its own');

done_testing();
