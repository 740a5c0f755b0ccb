
# The receiver in Node: examples/receiver/node.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use lib dirname(__FILE__);
use PostgreSQL::Test::Utils;
use Test::More;
use suite;

# An ES module finds packages beside itself only, so the receiver runs from a copy.
my $home = PostgreSQL::Test::Utils::tempdir();
my $example = abs_path(dirname(__FILE__) . '/../../../examples/receiver/node');
system('cp', glob("$example/*.js"), "$example/package.json", $home) == 0 or die 'the example cannot be copied';
my ($packages) = grep { -d "$_/pg" } split(/:/, $ENV{NODE_PATH} // ''), '/usr/share/nodejs';
plan skip_all => 'there is no pg for Node' unless $packages && runs('node', '--version');
symlink($packages, "$home/node_modules") or die "no link: $!";

test_receiver('node', "$home/receiver.js");
