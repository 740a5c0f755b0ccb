
# The receiver in Python: examples/receiver/python.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use lib dirname(__FILE__);
use Test::More;
use suite;

# The system's python has the packages. Another python may come first in the path.
my ($python) = grep { runs($_, '-c', 'import aiohttp, asyncpg, prometheus_client') } 'python3', '/usr/bin/python3';
plan skip_all => 'there is no aiohttp, asyncpg or prometheus_client' unless $python;
$ENV{PYTHONDONTWRITEBYTECODE} = 1;

test_receiver($python, abs_path(dirname(__FILE__) . '/../../../examples/receiver/python/receiver.py'));
