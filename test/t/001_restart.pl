# The extension is created, works, and is still there after a restart.  What
# would break: an install that leaves the program behind, a library that needs
# a preload, state that only a running server knows.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = $ENV{MC_DATA} or die 'MC_DATA is not set: run "make test"';

my $node = PostgreSQL::Test::Cluster->new('restart');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->start;

$node->safe_psql('postgres', 'CREATE EXTENSION mappedcoll');
is($node->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'mappedcoll'"),
	'0.1.0', 'the extension is installed in the version of this tree');

$node->safe_psql('postgres', "SELECT create_collection('coll', ARRAY['$data/demo'])");
is($node->safe_psql('postgres', 'SELECT count(*) FROM coll'),
	'3200', 'all rows of the three files are there');

my $draw = "SELECT row_index, label, md5(x) FROM sample_batch('coll', 64, 'cell_type', seed => 7, step => 3)";
my $before = $node->safe_psql('postgres', $draw);
is(scalar(split /\n/, $before), 64, 'a batch has the rows it was asked for');

$node->restart;
is($node->safe_psql('postgres', $draw), $before, 'the same batch after a restart');

# A crash is no different: nothing of a collection lies in memory alone
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', $draw), $before, 'the same batch after a crash');

# The manifests are a cache: the same rows when they are gone
my $manifests = $node->data_dir . '/mappedcoll';
my @files = glob("$manifests/*");
cmp_ok(scalar(@files), '>=', 3, 'each file has a manifest below the data directory');
unlink(@files) == @files or die "could not remove the manifests: $!";
is($node->safe_psql('postgres', $draw), $before, 'the same batch after the manifests were deleted');

$node->safe_psql('postgres', 'DROP TABLE coll');
$node->safe_psql('postgres', 'DROP EXTENSION mappedcoll');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_foreign_server WHERE srvname = 'mappedcoll'"),
	'0', 'DROP EXTENSION takes the server with it');

$node->stop;
done_testing();
