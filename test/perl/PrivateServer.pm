
# A server of the test's own, in which the test may change the files of the extension. PostgreSQL finds its files by the
# place of its programs. So a copy of the programs in another tree, with links to all other files, is enough.

package PrivateServer;

use strict;
use warnings;

use Cwd;
use File::Basename;
use File::Path qw(make_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

sub place_of
{
	my ($kind) = @_;
	my ($place) = run_command([ 'pg_config', "--$kind" ]);
	return $place;
}

# Links to the files of a directory, except for the named one.
sub link_files
{
	my ($from, $to, $except) = @_;
	make_path($to);
	opendir(my $directory, $from) or die "cannot read $from: $!";
	symlink("$from/$_", "$to/$_") or die "cannot make $to/$_: $!"
	  for grep { !/^\.\.?$/ && $_ ne $except } readdir($directory);
	closedir($directory);
}

# Returns the cluster, and the directory with the files of extensions.
sub new
{
	my ($name) = @_;
	my $tree = PostgreSQL::Test::Utils::tempdir;
	my ($bin, $share, $library) = map { place_of($_) } qw(bindir sharedir pkglibdir);
	make_path("$tree$bin", dirname("$tree$library"));
	system_or_bail('cp', '-RL', "$bin/.", "$tree$bin");
	symlink($library, "$tree$library") or die "cannot make $tree$library: $!";
	link_files($share, "$tree$share", 'extension');
	link_files("$share/extension", "$tree$share/extension", '');
	my $node = PostgreSQL::Test::Cluster->new($name, install_path => dirname("$tree$bin"));
	return ($node, "$tree$share/extension");
}

sub temporary_file
{
	my ($text) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . '/text';
	write_file($file, "$text\n");
	return $file;
}

# Puts a file of the test in the place of a link.
sub write_file
{
	my ($file, $text) = @_;
	unlink $file;
	open(my $out, '>', $file) or die "cannot write $file: $!";
	print $out $text;
	close $out;
}

1;
