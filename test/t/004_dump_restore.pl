# A collection goes through pg_dump like any other table, since its definition
# is all there is of it.  What would break: something that lies outside of the
# catalogs, options that do not survive quoting, a restore that needs the files
# to be read, DROP EXTENSION that leaves tables without a wrapper.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use File::Copy qw(copy);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('dump_restore');
my $dir = PostgreSQL::Test::Utils::tempdir;
my @files = copy_demo("$dir/files");

# a name with everything that has to be quoted in an array, a literal or SQL
my $odd = qq{$dir/files/it's "a" {b}, \\c \$d\$.h5ad};
rename $files[2], $odd or die $!;
$files[2] = $odd;

$node->safe_psql('postgres', <<~'SQL');
	CREATE ROLE reader;
	CREATE ROLE owner LOGIN IN ROLE pg_read_server_files;
	CREATE SCHEMA "Lab data" AUTHORIZATION owner;
	CREATE DATABASE plain;
	CREATE DATABASE custom;
	CREATE DATABASE tables;
	SQL

sub array
{
	return 'ARRAY[' . join(', ', map { (my $f = $_) =~ s/'/''/g; "'$f'" } @_) . ']';
}

my $session = open_session($node, user => 'owner');
ask_safe($session, 'SET search_path = "Lab data", public; SET client_min_messages = warning');
ask_safe($session, 'SELECT create_collection(\'coll\', ' . array(@files) . ')');
ask_safe($session, q{SELECT create_collection('"Other coll"', } . array(@files)
	. q{, var_join => 'outer', vectors => 'array', genes => ARRAY['CD3D', 'MS4A1'], obsm => ARRAY['X_pca'])});
ask_safe($session, "SELECT create_collection('counts', ARRAY['$files[0]'], layer => 'layers/counts')");
# the options that are not in every collection: a group, genes that are added up
system_or_bail('cp', data_dir() . '/h5ad/tenx_2_genomes.h5ad', "$dir/files/genomes.h5");
ask_safe($session, "SELECT create_collection('genome', ARRAY['$dir/files/genomes.h5'], vectors => 'array', "
	. "var_duplicates => 'sum', group_path => 'mm10')");
# the tables of all that is in a file, and of the files together
ask_safe($session, qq{IMPORT FOREIGN SCHEMA "$files[1]" FROM SERVER mappedcoll INTO "Lab data"});
ask_safe($session, qq{IMPORT FOREIGN SCHEMA "$dir/files" FROM SERVER mappedcoll INTO "Lab data" OPTIONS (prefix 'All ', var_join 'outer')});
ask_safe($session, 'GRANT SELECT ON x TO reader; GRANT SELECT (var_name) ON var TO reader; ALTER FOREIGN TABLE var RENAME COLUMN gene_id TO "Gene"');
ask_safe($session, <<~'SQL');
	COMMENT ON TABLE coll IS 'cells of three sites';
	COMMENT ON COLUMN coll.cell_type IS 'as annotated by the sites';
	COMMENT ON FOREIGN TABLE coll_h5ad IS 'its files';
	GRANT SELECT ON coll TO reader;
	GRANT SELECT (row_index, cell_type) ON "Other coll" TO reader;
	ALTER TABLE "Other coll" RENAME COLUMN donor_id TO "The donor";
	ALTER TABLE coll DROP COLUMN percent_mito;
	CREATE POLICY own ON coll TO reader USING (donor_id = 'D05');
	ALTER TABLE coll ENABLE ROW LEVEL SECURITY;
	CREATE VIEW drawn AS SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (42) LIMIT 20;
	SQL

my %show = (
	rows => 'SELECT count(*), md5(string_agg(c::text, \',\' ORDER BY row_index)) FROM coll c',
	'rows of arrays' => 'SELECT count(*), md5(string_agg(c::text, \',\' ORDER BY row_index)) FROM "Other coll" c',
	'rows of a layer' => 'SELECT count(*), md5(string_agg(c::text, \',\' ORDER BY row_index)) FROM counts c',
	'rows of a group, genes added up' => 'SELECT count(*), string_agg(c::text, \',\' ORDER BY row_index) FROM genome c',
	'imported cells' => 'SELECT count(*), md5(string_agg(o::text, \',\' ORDER BY row_index)) FROM "All obs" o',
	'imported genes' => 'SELECT count(*), md5(string_agg(v::text, \',\' ORDER BY var_index)), min("Gene") FROM var v',
	'imported entries' => 'SELECT count(*), sum(value), min(gene), max(gene) FROM "All x" WHERE row_index % 10 = 1',
	'imported obsm' => 'SELECT count(*), md5(string_agg(o::text, \',\' ORDER BY row_index)) FROM "All obsm" o',
	files => 'SELECT string_agg(concat_ws(\' \', path, n_obs, n_vars, nnz), \', \' ORDER BY file_index) FROM collection_files(\'coll\')',
	labels => 'SELECT string_agg(concat_ws(\' \', code, label, n_rows, weight), \', \' ORDER BY code) FROM labels(\'coll\', \'cell_type\')',
	'labels of a renamed column' => 'SELECT string_agg(concat_ws(\' \', code, label, n_rows, weight), \', \' ORDER BY code) FROM labels(\'"Other coll"\', \'"The donor"\')',
	genes => 'SELECT count(*), md5(string_agg(v::text, \',\' ORDER BY var_index)) FROM collection_vars(\'"Other coll"\') v',
	batch => $DRAW,
	tablesample => 'SELECT string_agg(row_index::text, \' \') FROM drawn',
	comments => 'SELECT string_agg(concat_ws(\'.\', objoid::regclass, objsubid, description), \', \' ORDER BY description) FROM pg_description WHERE objoid::regclass::text ~ \'^"?(coll|Other)\'',
	rights => 'SELECT string_agg(concat_ws(\' \', relname, relowner::regrole, relacl::text, relrowsecurity), \', \' ORDER BY relname) FROM pg_class WHERE relnamespace = \'"Lab data"\'::regnamespace',
	'rights on columns' => 'SELECT string_agg(concat_ws(\' \', attrelid::regclass, attname, attacl::text), \', \' ORDER BY attname) FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid = \'"Other coll"\'::regclass',
	options => 'SELECT string_agg(ftoptions::text, \', \' ORDER BY ftrelid::regclass::text) FROM pg_foreign_table');

sub shown
{
	my ($database, $what) = @_;

	return $node->safe_psql($database, qq{SET search_path = "Lab data", public; $show{$what}});
}

my %expected = map { $_ => shown('postgres', $_) } keys %show;
like($expected{rows}, qr/^3200\|/, 'there is something to compare: rows');
like($expected{'rows of a group, genes added up'}, qr/^4\|.*"\{11,0\}"/, 'genes added up');
like($expected{files}, qr/it's "a" \{b\}, \\c \$d\$\.h5ad/, 'a file with an odd name');
like($expected{comments}, qr/as annotated by the sites.*cells of three sites.*its files/, 'comments');
like($expected{'rights on columns'}, qr/reader=r/, 'rights on columns');
like($expected{batch}, qr/^64\|/, 'a batch');
like($expected{"imported $_"}, qr/^[1-9]\d*\|\w/, "imported $_") for qw(cells genes entries obsm);

# What pg_dump writes of a database, without what differs from run to run
sub dump_text
{
	my ($database) = @_;
	my ($out, $err) = run_command([ 'pg_dump', '-d', $node->connstr($database) ]);

	is($err, '', "pg_dump of $database has nothing to say");
	$out =~ s/^\\(?:un)?restrict .*$//mg;
	return $out;
}

my $dump = dump_text('postgres');
like($dump, qr/CREATE FOREIGN TABLE "Lab data"\.coll_h5ad/, 'the dump holds the foreign table');
unlike($dump, qr/^COPY "Lab data"/m, 'and no rows of it');

$node->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", '-d', $node->connstr('postgres') ], 'pg_dump, plain');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom.dump", '-d', $node->connstr('postgres') ], 'pg_dump, custom');
$node->command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$dir/directory", '-d', $node->connstr('postgres') ], 'pg_dump, directory, two jobs');

# A restore reads no file: the files are away meanwhile
rename "$dir/files", "$dir/away" or die $!;
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", '-d', $node->connstr('plain') ], 'restore by psql, without the files');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('custom'), "$dir/custom.dump" ], 'restore by pg_restore');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-j', '2', '-d', $node->connstr('tables'), "$dir/directory" ], 'restore by pg_restore with two jobs');
rename "$dir/away", "$dir/files" or die $!;

for my $database (qw(plain custom tables))
{
	is(dump_text($database), $dump, "$database: the dump of the restored database is the same");
	is(shown($database, $_), $expected{$_}, "$database: the same $_") for sort keys %show;
}

# A dump of the one table, over the extension that is there
$node->safe_psql('postgres', 'CREATE DATABASE one');
$node->safe_psql('one', 'CREATE EXTENSION mappedcoll; CREATE SCHEMA "Lab data"');
$node->command_ok([ 'pg_dump', '-t', '"Lab data".coll*', '-f', "$dir/only.sql", '-d', $node->connstr('postgres') ], 'pg_dump of the tables of one collection');
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/only.sql", '-d', $node->connstr('one') ], 'restored beside an extension');
is(shown('one', $_), $expected{$_}, "one: the same $_") for qw(rows labels batch);

# --include-foreign-data reads the rows through COPY
my ($copied, $error) = run_command([ 'pg_dump', '-a', '--include-foreign-data=mappedcoll', '-t', '"Lab data".coll_h5ad', '-d', $node->connstr('postgres') ]);
is(scalar(() = $copied =~ /^\d+\t[012]\t/mg), 3200, '--include-foreign-data dumps each row once');

# An extension in a schema of its own, which nobody's search_path names
$node->safe_psql('postgres', 'CREATE DATABASE schema_a');
$node->safe_psql('postgres', 'CREATE DATABASE schema_b');
$node->safe_psql('schema_a', 'CREATE SCHEMA ext; CREATE EXTENSION mappedcoll SCHEMA ext');
$node->safe_psql('schema_a', "SELECT ext.create_collection('coll', " . array(@files) . ')');
(my $draw = $DRAW) =~ s/sample_batch/ext.sample_batch/;
$node->safe_psql('schema_a', "CREATE VIEW drawn AS SELECT row_index FROM coll TABLESAMPLE ext.weighted('cell_type') REPEATABLE (42) LIMIT 20");
$node->safe_psql('schema_a', "CREATE VIEW batch AS $draw");
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/schema.dump", '-d', $node->connstr('schema_a') ], 'pg_dump of an extension in another schema');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('schema_b'), "$dir/schema.dump" ], 'restored');
for my $database (qw(schema_a schema_b))
{
	is($node->safe_psql($database, $draw), $expected{batch}, "$database: the same batch");
	is($node->safe_psql($database, 'SELECT * FROM batch'), $expected{batch}, "$database: the same in a view");
	is($node->safe_psql($database, "SELECT string_agg(row_index::text, ' ') FROM drawn"), $expected{tablesample}, "$database: the same TABLESAMPLE");
	is($node->safe_psql($database, "SELECT ext.refresh_collection('coll')"), '0', "$database: nothing to refresh");
}

# ------------------------------------------------------------ DROP EXTENSION

my ($status, $out, $err) = $node->psql('plain', 'DROP EXTENSION mappedcoll');
isnt($status, 0, 'DROP EXTENSION stops at a collection');
like($err, qr/cannot drop extension mappedcoll because other objects depend on it/, 'and says so');
is(shown('plain', 'batch'), $expected{batch}, 'which still works');
my $open = open_session($node, database => 'plain');
ask_safe($open, 'SET search_path = "Lab data", public');
is(ask_safe($open, $DRAW), $expected{batch}, 'a session has it open');
$node->safe_psql('plain', 'SET client_min_messages = error; DROP EXTENSION mappedcoll CASCADE');
is($node->safe_psql('plain', 'SELECT count(*) FROM pg_foreign_table'), '0', 'DROP EXTENSION CASCADE takes the foreign tables');
is($node->safe_psql('plain', q{SELECT count(*) FROM pg_proc WHERE prosrc ~ 'mappedcoll' OR probin ~ 'mappedcoll'}), '0', 'and every function');
is($node->safe_psql('plain', 'SELECT count(*) FROM "Lab data".coll'), '0', 'a partitioned table of its user stays, empty');
fails($open, $DRAW, '42883', qr/function sample_batch\(.*\) does not exist/, undef, 'the session that had it open gets an error');
$node->safe_psql('plain', 'CREATE EXTENSION mappedcoll; DROP SCHEMA "Lab data" CASCADE');
$node->safe_psql('plain', "SELECT create_collection('coll', " . array(@files) . ')');
is($node->safe_psql('plain', $DRAW), $expected{batch}, 'a collection made anew with a new extension');
ask_safe($open, 'SET search_path = public');
is(ask_safe($open, $DRAW), $expected{batch}, 'also in the old session');

$_->quit for $session, $open;
$node->stop;
done_testing();
