# A hot standby reads the same files and gives the same rows.  What would break:
# anything that writes to the database, a manifest directory that replication
# brings along or fails to, draws that depend on the server.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use File::Path qw(remove_tree);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my @files = copy_demo("$dir/files");
my $primary = new_node('primary', init => { allows_streaming => 1 });

# The first standby is made before there is a collection, so that nothing of
# its manifests can come from the backup
$primary->backup('before');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'before', has_streaming => 1);
$standby->start;

new_collection($primary, \@files);
$primary->safe_psql('postgres', 'CREATE TABLE donors AS SELECT DISTINCT donor_id, md5(donor_id) AS cohort FROM coll');
$primary->safe_psql('postgres', "SELECT create_sampler('by_age', 'SELECT row_index, age::float8 AS weight FROM coll WHERE age > 40')");
$primary->wait_for_catchup($standby);

my %query = (
	'a batch' => $DRAW,
	'all rows' => $DIGEST,
	'the second rank of a step' => "SELECT row_index, label, md5(x) FROM sample_batch('coll', 32, 'cell_type, donor_id', seed => -5, step => 1000000, rank => 1, world_size => 3)",
	'a batch without replacement' => "SELECT row_index, label FROM sample_batch('coll', 200, 'cell_type', seed => 9, step => 40, replacement => false)",
	'an epoch by weights' => "SELECT * FROM sample_rows('coll', 100, 'cell_type', seed => 9, n_steps => 40, replacement => false, weights => '0.4')",
	'rows by a value' => "SELECT * FROM sample_rows('coll', 50, 'n_counts', seed => 9, step => 12345678901, n_steps => 3, weights => '\"value\"')",
	'rows of a sampler' => "SELECT * FROM sample_rows('coll', 50, seed => 9, n_steps => 3, sampler => 'by_age')",
	'packed batches' => "SELECT batch, part, md5(row_index), md5(label_code), md5(indptr), md5(indices), md5(data), md5(obs::text), dtypes FROM sample_csr('coll', 64, 'cell_type', seed => 9, n_steps => 5, obs_columns => '{donor_id,age}', part_rows => 40, data_type => 'narrow')",
	'dense batches' => "SELECT batch, md5(data) FROM sample_dense('coll', 16, 'cell_type', seed => 9, n_steps => 5)",
	'a fingerprint' => "SELECT sample_fingerprint('coll', 'cell_type', 'n_counts > 200')",
	'a filtered batch' => "SELECT row_index, label FROM sample_batch('coll', 50, 'cell_type', seed => 9, filter => 'n_counts > 200')",
	'TABLESAMPLE weighted' => "SELECT row_index, cell_type, md5(x) FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (42) LIMIT 50",
	'TABLESAMPLE bernoulli' => 'SELECT row_index FROM coll TABLESAMPLE bernoulli(3) REPEATABLE (7)',
	'TABLESAMPLE system' => 'SELECT row_index FROM coll TABLESAMPLE system(10) REPEATABLE (7)',
	'labels' => "SELECT * FROM labels('coll', 'cell_type')",
	'files' => "SELECT * FROM collection_files('coll')",
	'genes' => "SELECT * FROM collection_vars('coll')",
	'a join' => 'SELECT cohort, count(*) FROM coll JOIN donors USING (donor_id) GROUP BY 1 ORDER BY 1');
my %expected = map { $_ => $primary->safe_psql('postgres', $query{$_}) } keys %query;
my $directory = $standby->data_dir . '/mappedcoll';

is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'this is a standby');
ok(!-e $directory, 'it has no manifests');
cmp_ok(length $expected{$_}, '>', 20, "something to compare: $_") for sort keys %query;
is($standby->safe_psql('postgres', $query{$_}), $expected{$_}, "standby: the same: $_") for sort keys %query;
is(scalar(manifests($directory)), 3, 'the standby has built manifests of its own');

# In a transaction that is read-only by its own word, and in a parallel one
for my $node ($primary, $standby)
{
	is($node->safe_psql('postgres', "BEGIN READ ONLY; $DRAW; COMMIT"), $expected{'a batch'},
		$node->name . ': a batch in a read-only transaction');
	is($node->safe_psql('postgres', "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; $DIGEST; COMMIT"),
		$expected{'all rows'}, $node->name . ': all rows in a read-only transaction');
}

# A file that changes: each server finds out, and is told, by itself
my $old = open_session($standby);
is(ask_safe($old, $DRAW), $expected{'a batch'}, 'a session of the standby has the collection open');
my $away = "$files[2].away";
rename $files[2], $away or die $!;
write_bytes($files[2], read_bytes($away));
replace_text($files[2], 'plasma cell', 'PLASMA CELL');
fails($old, $DRAW, '55000', qr/file "\Q$files[2]\E" has changed/, qr/refresh_collection/, 'a file was replaced');
is(ask_safe($old, "SELECT refresh_collection('coll')"), '1', 'refresh_collection works on the standby');
my $changed = ask_safe($old, $DIGEST);
isnt($changed, $expected{'all rows'}, 'with other rows');
is($primary->safe_psql('postgres', "SELECT refresh_collection('coll')"), '1', 'and on the primary');
is($primary->safe_psql('postgres', $DIGEST), $changed, 'which are those of the primary');
unlink $files[2];
rename $away, $files[2] or die $!;
is(ask_safe($old, "SELECT refresh_collection('coll')"), '1', 'back again on the standby');
is(ask_safe($old, $DRAW), $expected{'a batch'}, 'the rows are back');
is($primary->safe_psql('postgres', "SELECT refresh_collection('coll')"), '1', 'and on the primary');

# A refused statement is that of a standby
fails($old, "SELECT create_collection('more', ARRAY['$files[0]'])", '25006', qr/cannot execute .* in a read-only transaction|in a read-only/,
	undef, 'create_collection is not for a standby');

# What a session has open follows the definition that is replicated
$primary->safe_psql('postgres', 'DROP TABLE coll');
new_collection($primary, [ @files[ 0, 1 ] ]);
my $two = $primary->safe_psql('postgres', $DRAW);
$primary->wait_for_catchup($standby);
isnt($two, $expected{'a batch'}, 'a collection of two files draws other rows');
is(ask_safe($old, $DRAW), $two, 'the standby\'s session sees the collection made anew');
$primary->safe_psql('postgres', 'DROP TABLE coll');
new_collection($primary, \@files);
$primary->wait_for_catchup($standby);
is(ask_safe($old, $DRAW), $expected{'a batch'}, 'and again');

# A base backup of now brings manifests along; of the same files they are good
$primary->backup('after');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($primary, 'after', has_streaming => 1);
my $state = manifest_state($copy->data_dir . '/mappedcoll');
is(scalar(manifests($copy->data_dir . '/mappedcoll')), 3, 'a base backup copies the manifests');
$copy->start;
is($copy->safe_psql('postgres', $query{$_}), $expected{$_}, "copy: the same: $_") for sort keys %query;
is(manifest_state($copy->data_dir . '/mappedcoll'), $state, 'and are used as they are');
$copy->stop;

# Promotion changes nothing
$standby->promote;
is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 'f', 'the standby is promoted');
is(ask_safe($old, $DRAW), $expected{'a batch'}, 'the same batch in the old session');
is($standby->safe_psql('postgres', $query{$_}), $expected{$_}, "promoted: the same: $_") for sort keys %query;
$standby->safe_psql('postgres', "SELECT create_collection('more', ARRAY['$files[0]'])");
is($standby->safe_psql('postgres', 'SELECT count(*) FROM more'), '1500', 'and it makes collections now');

$old->quit;
$standby->stop;
$primary->stop;
done_testing();
