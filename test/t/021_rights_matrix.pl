# Who may do what: each of many roles at each surface of the extension, with the
# SQLSTATE that it must get.  What must happen follows from what the role was granted
# and what the surface shows, not from what the extension does.  What would break: a
# function, a plan or a statement that reads a collection past a right that is
# missing, or refuses one that is there; and, since the list of functions is taken
# from the catalog, a new function of which nobody asked who may call it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('rights_matrix');
my @files = demo_files();
my $list = join ', ', map { "'$_'" } @files;
my $has_all_data = $node->pg_version >= 14;

# ------------------------------------------------------------------- roles
#
# What a role has: "SELECT column" of the collection, "any" SELECT at all,
# "partition" (SELECT on it), "view" (SELECT on the view), "owner" of the
# collection, "server" (the files of the server), "create" (in schema public),
# "write" (all but SELECT), "imported" (SELECT on the tables of IMPORT FOREIGN SCHEMA).

my @columns = qw(row_index file_index obs_name cell_type donor_id n_counts
  percent_mito is_doublet CD3D X_pca x x_indices x_values);
my @table = ('any', 'table', map { "SELECT $_" } @columns);

sub selects
{
	return ('any', map { "SELECT $_" } @_);
}

# table: the collection that the role is tried at, coll if none is named; policy: a
# policy says which rows it sees; rows: "none" where it sees none.
my %role = (
	boss => { has => [ @table, qw(partition view owner server create write imported superuser) ] },
	lab => { has => [ @table, qw(partition view owner server create write imported) ] },
	files => { has => [qw(server create)] },
	reader => { has => [ @table, 'create', 'imported' ] },
	member => { has => [ @table, 'create', 'imported' ] },
	distant => { has => [] },
	columns => { has => [ selects(qw(row_index cell_type x)) ] },
	sparse => { has => [ selects(qw(row_index x_indices x_values X_pca CD3D)) ] },
	indexes => { has => [ selects('row_index') ] },
	viewer => { has => ['view'] },
	curator => { has => ['create'] },
	partition => { has => ['partition'] },
	writer => { has => ['write'] },
	nobody => { has => [] },
	clinic => { has => [@table], table => 'guarded', policy => 1 },
	blind => { has => [@table], table => 'guarded', policy => 1, rows => 'none' },
	bypass => { has => [@table], table => 'guarded' },
	forced => { has => [ @table, qw(partition view owner server create write) ], table => 'forced', policy => 1 });
$role{all_data} = { has => [ @table, qw(partition view imported) ] } if $has_all_data;

$node->safe_psql('postgres', <<~"SQL");
	CREATE ROLE boss SUPERUSER LOGIN;
	CREATE ROLE lab LOGIN IN ROLE pg_read_server_files;
	CREATE ROLE files LOGIN IN ROLE pg_read_server_files;
	CREATE ROLE reader LOGIN;
	CREATE ROLE member LOGIN IN ROLE reader;
	CREATE ROLE distant LOGIN NOINHERIT IN ROLE reader;
	CREATE ROLE columns LOGIN;
	CREATE ROLE sparse LOGIN;
	CREATE ROLE indexes LOGIN;
	CREATE ROLE viewer LOGIN;
	CREATE ROLE curator LOGIN;
	CREATE ROLE partition LOGIN;
	CREATE ROLE writer LOGIN;
	CREATE ROLE nobody LOGIN;
	CREATE ROLE clinic LOGIN;
	CREATE ROLE blind LOGIN;
	CREATE ROLE bypass LOGIN BYPASSRLS;
	CREATE ROLE forced LOGIN IN ROLE pg_read_server_files;
	CREATE SCHEMA other;
	GRANT CREATE ON SCHEMA public TO lab, files, reader, curator, forced;
	GRANT CREATE ON DATABASE postgres TO lab;
	GRANT USAGE, CREATE ON SCHEMA other TO PUBLIC;
	SQL
$node->safe_psql('postgres', 'CREATE ROLE all_data LOGIN IN ROLE pg_read_all_data') if $has_all_data;

my %as = map { $_ => open_session($node, user => $_) } sort keys %role;

# Three collections of the same cells; the tables of samplers are for everybody but
# one, and so is the function that lends its owner's rights
for my $table ([ coll => 'lab' ], [ guarded => 'lab' ], [ forced => 'forced' ])
{
	my ($name, $owner) = @$table;

	ask_safe($as{$owner}, <<~"SQL");
		SELECT create_collection('$name', ARRAY[$list], genes => ARRAY['CD3D'], obsm => ARRAY['X_pca']);
		CREATE VIEW safe_$name WITH (security_barrier) AS
			SELECT row_index, donor_id, cell_type FROM $name WHERE donor_id IN ('D01', 'D05');
		SELECT create_sampler('sampler_$name', 'SELECT row_index, 1 + row_index % 3 AS weight FROM $name');
		SELECT create_sampler('locked_$name', 'SELECT row_index, 1.0 AS weight FROM $name');
		GRANT SELECT ON sampler_$name TO PUBLIC;
		CREATE FUNCTION lent_$name() RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER SET search_path = public
			AS 'SELECT row_index FROM sample_batch(''$name'', 2, ''cell_type'')';
		CREATE FUNCTION own_$name() RETURNS SETOF bigint LANGUAGE sql SET search_path = public
			AS 'SELECT row_index FROM sample_batch(''$name'', 2)';
		SQL
}
ask_safe($as{lab}, <<~"SQL");
	GRANT SELECT ON coll TO reader;
	GRANT SELECT (row_index, cell_type, x) ON coll TO columns;
	GRANT SELECT (row_index, x_indices, x_values, "X_pca", "CD3D") ON coll TO sparse;
	GRANT SELECT (row_index) ON coll TO indexes;
	GRANT SELECT ON safe_coll TO viewer;
	GRANT SELECT ON coll_h5ad TO partition;
	GRANT INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON coll TO writer;
	GRANT SELECT ON guarded TO clinic, blind, bypass;
	CREATE POLICY donors ON guarded TO clinic USING (donor_id IN ('D01', 'D05'));
	ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
	SQL
ask_safe($as{forced}, <<~"SQL");
	CREATE POLICY donors ON forced TO forced USING (donor_id IN ('D01', 'D05'));
	ALTER TABLE forced ENABLE ROW LEVEL SECURITY;
	ALTER TABLE forced FORCE ROW LEVEL SECURITY;
	SQL
ask_safe($as{curator}, <<~"SQL");
	CREATE VIEW curated WITH (security_barrier) AS SELECT row_index FROM coll WHERE donor_id = 'D01';
	GRANT SELECT ON curated TO PUBLIC;
	SQL

# The tables of IMPORT FOREIGN SCHEMA
ask_safe($as{lab}, <<~"SQL");
	CREATE SCHEMA imported;
	IMPORT FOREIGN SCHEMA "$files[2]" FROM SERVER mappedcoll INTO imported;
	GRANT USAGE ON SCHEMA imported TO PUBLIC;
	GRANT SELECT ON ALL TABLES IN SCHEMA imported TO reader;
	GRANT SELECT (gene) ON imported.x TO indexes;
	SQL
my $visible = ask_safe($as{boss}, "SELECT min(row_index) FROM coll WHERE donor_id = 'D01'");

# ---------------------------------------------------------------- surfaces
#
# name, what it needs, the statement (%T table, %H its partition, %R a row that all
# see), and:
#	state	the SQLSTATE where the rights are there; 00000
#	rows	the state for who sees no row
#	other	states of single roles, by what else there is to know
#	of		functions of the extension that are called

my @surfaces;

sub surface
{
	my ($name, $needs, $sql, %more) = @_;

	push @surfaces, { name => $name, needs => $needs, sql => $sql, state => '00000', other => {}, %more };
	return;
}

my $empty = '55000';
my $vectors = 'vectors';    # x, or x_indices and x_values

# What SELECT shows, of the parent and of the partition
for my $column (@columns)
{
	surface("column $column", ["SELECT $column"], qq{SELECT count(c) FROM (SELECT "$column" AS c FROM %T LIMIT 2) s});
	surface("column $column of the partition", ['partition'], qq{SELECT count(c) FROM (SELECT "$column" AS c FROM %H LIMIT 2) s});
}
surface('all columns', ['table'], 'SELECT count(s) FROM (SELECT * FROM %T LIMIT 1) s');
surface('the row itself', ['table'], 'SELECT t IS NULL FROM %T t LIMIT 1');
surface('tableoid', ['table'], 'SELECT tableoid FROM %T LIMIT 1');
surface('count(*)', ['any'], 'SELECT count(*) FROM %T');
surface('count(*) of the partition', ['partition'], 'SELECT count(*) FROM %H');
surface('EXISTS', ['any'], 'SELECT EXISTS (SELECT FROM %T)');
surface('a condition', [ 'SELECT row_index', 'SELECT cell_type' ], "SELECT count(row_index) FROM %T WHERE cell_type = 'B cell'");
surface('a condition alone', ['SELECT donor_id'], "SELECT count(*) FROM %T WHERE donor_id IN ('D01', 'D02') OR donor_id IS NULL");
surface('a range of row_index', ['SELECT row_index'], 'SELECT count(*) FROM %T WHERE row_index < 9');
surface('a file', ['SELECT file_index'], 'SELECT count(*) FROM %T WHERE file_index = 1');
surface('GROUP BY', ['SELECT cell_type'], 'SELECT cell_type, count(*) FROM %T GROUP BY 1');
surface('GROUP BY with aggregates', [ 'SELECT donor_id', 'SELECT n_counts', 'SELECT is_doublet' ],
	'SELECT donor_id, avg(n_counts), min(n_counts) FILTER (WHERE is_doublet) FROM %T GROUP BY 1 HAVING count(*) > 1');
surface('GROUP BY without its column', ['SELECT donor_id'], 'SELECT count(*) FROM %T GROUP BY donor_id');
surface('GROUP BY of the partition', ['partition'], 'SELECT cell_type, count(*) FROM %H GROUP BY 1');
surface('DISTINCT', ['SELECT cell_type'], 'SELECT DISTINCT cell_type FROM %T');
surface('min and max', ['SELECT n_counts'], 'SELECT min(n_counts), max(n_counts) FROM %T');
surface('ORDER BY', [ 'SELECT row_index', 'SELECT percent_mito' ], 'SELECT row_index FROM %T ORDER BY percent_mito LIMIT 1');
surface('a join', [ 'SELECT row_index', 'SELECT donor_id' ],
	"SELECT count(row_index) FROM %T JOIN (VALUES ('D01')) AS d (donor_id) USING (donor_id)");
surface('a nested loop by row_index', [ 'SELECT row_index', 'SELECT cell_type' ],
	'SELECT count(cell_type) FROM (VALUES (1), (5)) AS v (i), LATERAL (SELECT cell_type FROM %T WHERE row_index = i OFFSET 0) s');
surface('SELECT FOR UPDATE', [ 'SELECT row_index', 'write' ], 'SELECT row_index FROM %T LIMIT 1 FOR UPDATE');

# TABLESAMPLE
surface('TABLESAMPLE weighted', [ 'SELECT row_index', 'SELECT cell_type' ],
	"SELECT count(row_index) FROM %T TABLESAMPLE weighted('cell_type')", of => ['weighted']);
surface('TABLESAMPLE weighted by two', [ 'SELECT row_index', 'SELECT cell_type', 'SELECT donor_id' ],
	"SELECT count(row_index) FROM %T TABLESAMPLE weighted('cell_type, donor_id') REPEATABLE (1)");
surface('TABLESAMPLE bernoulli', ['SELECT row_index'], 'SELECT count(row_index) FROM %T TABLESAMPLE bernoulli (10)');
surface('TABLESAMPLE system', ['any'], 'SELECT count(*) FROM %T TABLESAMPLE system (10) REPEATABLE (1)');

# Other ways to a SELECT
surface('EXPLAIN', ['SELECT row_index'], 'EXPLAIN SELECT row_index FROM %T');
surface('EXPLAIN ANALYZE', ['SELECT cell_type'], "EXPLAIN (ANALYZE, VERBOSE) SELECT count(*) FROM %T WHERE cell_type LIKE 'B%'");
surface('EXPLAIN of an aggregate', ['SELECT donor_id'], 'EXPLAIN (VERBOSE, FORMAT JSON) SELECT donor_id, count(*) FROM %T GROUP BY 1');
surface('EXPLAIN of TABLESAMPLE', [ 'SELECT row_index', 'SELECT cell_type' ],
	"EXPLAIN (ANALYZE) SELECT row_index FROM %T TABLESAMPLE weighted('cell_type')");
surface('COPY of a query', [ 'SELECT obs_name', 'SELECT row_index' ],
	'COPY (SELECT obs_name FROM %T ORDER BY row_index LIMIT 2) TO STDOUT');
surface('COPY', ['SELECT row_index'], 'COPY %T (row_index) TO STDOUT', state => '42809', policy => '00000');
surface('COPY of the partition', ['partition'], 'COPY %H (row_index) TO STDOUT', state => '42809');
surface('a cursor', ['SELECT row_index'], 'DECLARE c CURSOR FOR SELECT row_index FROM %T; FETCH 2 FROM c');
surface('a prepared statement', ['SELECT row_index'], 'PREPARE p AS SELECT row_index FROM %T LIMIT 2; EXECUTE p; DEALLOCATE p',
	cleanup => 'DEALLOCATE ALL');
surface('CREATE TABLE AS', [ 'SELECT row_index', 'create' ], 'CREATE TABLE mine AS SELECT row_index FROM %T LIMIT 2');
surface('CREATE MATERIALIZED VIEW', [ 'SELECT row_index', 'create' ], 'CREATE MATERIALIZED VIEW mine AS SELECT row_index FROM %T');
surface('INSERT SELECT', [ 'SELECT row_index', 'create' ], 'CREATE TABLE mine (i bigint); INSERT INTO mine SELECT row_index FROM %T');
surface('CREATE VIEW', ['create'], 'CREATE VIEW mine AS SELECT row_index FROM %T');
surface('DO', ['SELECT row_index'], 'DO $$ BEGIN PERFORM row_index FROM %T LIMIT 1; END $$');

# Views and functions of others
surface('a security_barrier view', ['view'], 'SELECT count(*) FROM safe_%T');
surface('GROUP BY of a security_barrier view', ['view'], 'SELECT donor_id, count(*) FROM safe_%T GROUP BY 1');
surface('a view whose owner has no rights', ['nothing'], 'SELECT count(*) FROM curated');
surface('a SECURITY DEFINER function', [], 'SELECT count(*) FROM lent_%T()');
surface('a SECURITY INVOKER function', [ 'SELECT row_index', 'SELECT x' ], 'SELECT count(*) FROM own_%T()', rows => $empty);

# Sampling: the arguments of the functions below, from weight_by to expect_fingerprint
sub stream
{
	my (%a) = @_;

	return "'%T', 2, " . ($a{by} // 'NULL') . ', 1, 0, 1, 0, 1, true, ' . ($a{filter} // 'NULL') . ', NULL, NULL, false, NULL';
}
my $packed = "NULL, '{}', '{}', NULL, 'int64', 'int32', 'float32'";

surface('sample_batch', [ 'SELECT row_index', 'SELECT x' ], "SELECT count(x) FROM sample_batch('%T', 2)",
	rows => $empty, of => ['sample_batch']);
surface('sample_batch by a label', [ 'SELECT row_index', 'SELECT x', 'SELECT cell_type' ],
	"SELECT count(label) FROM sample_batch('%T', 2, 'cell_type')", rows => $empty);
surface('sample_batch with a filter', [ 'SELECT row_index', 'SELECT x', 'SELECT donor_id' ],
	"SELECT count(x) FROM sample_batch('%T', 2, filter => 'donor_id = ''D01''')", rows => $empty);
surface('sample_batch by values', [ 'SELECT row_index', 'SELECT x', 'SELECT n_counts' ],
	"SELECT count(x) FROM sample_batch('%T', 2, 'n_counts', weights => '\"value\"')", rows => $empty);
surface('sample_batch by a sampler', [ 'SELECT row_index', 'SELECT x' ],
	"SELECT count(x) FROM sample_batch('%T', 2, sampler => 'sampler_%T')", rows => $empty);
surface('sample_batch by a locked sampler', [ 'SELECT row_index', 'SELECT x', 'owner' ],
	"SELECT count(x) FROM sample_batch('%T', 2, sampler => 'locked_%T')", rows => $empty, other => { all_data => '00000' });
surface('sample_batch of the partition', ['partition'], "SELECT count(x) FROM sample_batch('%H', 2, 'cell_type')");
surface('sample_rows', ['SELECT row_index'], "SELECT count(*) FROM sample_rows('%T', 2)", rows => $empty, of => ['sample_rows']);
surface('sample_rows by a label', [ 'SELECT row_index', 'SELECT cell_type' ],
	"SELECT count(*) FROM sample_rows('%T', 2, 'cell_type', replacement => false)", rows => $empty);
surface('sample_csr', [ 'SELECT row_index', $vectors ], "SELECT count(*) FROM sample_csr('%T', 2)", rows => $empty, of => ['sample_csr']);
surface('sample_csr with all it can show', [ 'SELECT row_index', $vectors, 'SELECT cell_type', 'SELECT donor_id', 'SELECT X_pca' ],
	"SELECT count(*) FROM sample_csr('%T', 2, 'cell_type', obs_columns => '{donor_id}', obsm_columns => '{X_pca}')", rows => $empty);
surface('sample_csr of a gene', [ 'SELECT row_index', $vectors ], "SELECT count(*) FROM sample_csr('%T', 2, genes => '{CD3D}')", rows => $empty);
surface('sample_csr with obsm', [ 'SELECT row_index', $vectors, 'SELECT X_pca' ],
	"SELECT count(*) FROM sample_csr('%T', 2, obsm_columns => '{X_pca}')", rows => $empty);
surface('sample_dense', [ 'SELECT row_index', 'SELECT x' ], "SELECT count(*) FROM sample_dense('%T', 2)",
	rows => $empty, of => ['sample_dense']);
surface('fetch_csr', [ 'SELECT row_index', $vectors ], "SELECT count(*) FROM fetch_csr('%T', '{%R}')", rows => '22023', of => ['fetch_csr']);
surface('fetch_csr with obs', [ 'SELECT row_index', $vectors, 'SELECT n_counts' ],
	"SELECT count(*) FROM fetch_csr('%T', '{%R}', obs_columns => '{n_counts}')", rows => '22023');
surface('gene_values', [ 'SELECT row_index', $vectors ], "SELECT count(*) FROM gene_values('%T', 'CD3D', 0, 5)", of => ['gene_values']);
surface('gene_values of another gene', [ 'SELECT row_index', $vectors ], "SELECT count(*) FROM gene_values('%T', 'MS4A1', %R, 2)");
surface('gene_values of no gene', [ 'SELECT row_index', $vectors ], "SELECT count(*) FROM gene_values('%T', 'no such gene')", state => undef);
surface('below gene_values', [ 'SELECT row_index', $vectors ], "SELECT count(*) FROM mappedcoll_gene_values('%T', 'CD3D', 0, 5)",
	of => ['mappedcoll_gene_values']);
surface('sample_size', ['SELECT row_index'], "SELECT sample_size('%T')", rows => $empty, of => ['sample_size']);
surface('sample_size by a label', [ 'SELECT row_index', 'SELECT donor_id' ], "SELECT sample_size('%T', 'donor_id')", rows => $empty);
surface('sample_fingerprint', ['SELECT row_index'], "SELECT sample_fingerprint('%T')", rows => $empty, of => ['sample_fingerprint']);
surface('sample_fingerprint by a label', [ 'SELECT row_index', 'SELECT cell_type' ],
	"SELECT sample_fingerprint('%T', 'cell_type', 'row_index >= 0')", rows => $empty);
surface('below sample_batch', [ 'SELECT row_index', 'SELECT x' ], 'SELECT count(*) FROM mappedcoll_sample_batch(' . stream() . ')',
	rows => $empty, of => ['mappedcoll_sample_batch']);
surface('below sample_batch, with a filter', [ 'SELECT row_index', 'SELECT x', 'SELECT donor_id' ],
	'SELECT count(*) FROM mappedcoll_sample_batch(' . stream(filter => q{'donor_id IS NOT NULL'}) . ')', rows => $empty);
surface('below sample_rows', ['SELECT row_index'], 'SELECT count(*) FROM mappedcoll_sample_rows(' . stream() . ')',
	rows => $empty, of => ['mappedcoll_sample_rows']);
surface('below sample_csr', [ 'SELECT row_index', $vectors ], 'SELECT count(*) FROM mappedcoll_sample_csr(' . stream() . ", $packed)",
	rows => $empty, of => ['mappedcoll_sample_csr']);
surface('below sample_dense', [ 'SELECT row_index', 'SELECT x' ], 'SELECT count(*) FROM mappedcoll_sample_dense(' . stream() . ", $packed)",
	rows => $empty, of => ['mappedcoll_sample_dense']);
surface('below fetch_csr', [ 'SELECT row_index', $vectors ], "SELECT count(*) FROM mappedcoll_fetch_csr('%T', '{%R}', $packed)",
	rows => '22023', of => ['mappedcoll_fetch_csr']);
surface('below sample_size', [ 'SELECT row_index', 'SELECT cell_type' ], 'SELECT mappedcoll_sample_size(' . stream(by => q{'cell_type'}) . ')',
	rows => $empty, of => ['mappedcoll_sample_size']);
surface('below sample_fingerprint', ['SELECT row_index'], 'SELECT mappedcoll_sample_fingerprint(' . stream() . ')',
	rows => $empty, of => ['mappedcoll_sample_fingerprint']);
surface('sampling a table that is no collection', [], "SELECT * FROM sample_batch('pg_authid', 2)", state => '42809');
surface('fetching from a table that is no collection', [], "SELECT * FROM fetch_csr('pg_authid', '{0}')", state => '42809');
surface('a table that is no sampler', ['SELECT row_index'],
	"SELECT * FROM sample_batch('%T', 2, sampler => 'pg_authid')", state => '42809');

# Description
surface('collection_files', ['any'], "SELECT count(*) FROM collection_files('%T')", of => ['collection_files']);
surface('collection_files of the partition', ['partition'], "SELECT count(*) FROM collection_files('%H')");
surface('collection_vars', ['any'], "SELECT count(*) FROM collection_vars('%T')", of => ['collection_vars']);
surface('collection_uns', ['any'], "SELECT count(*) FROM collection_uns('%T')", of => ['collection_uns']);
surface('collection_uns of the partition', ['partition'], "SELECT count(*) FROM collection_uns('%H')");
surface('measured_genes', ['any'], "SELECT count(*) FROM measured_genes('%T')", of => ['measured_genes']);
surface('labels', ['SELECT cell_type'], "SELECT count(*) FROM labels('%T', 'cell_type')", of => ['labels']);
surface('labels of two', [ 'SELECT cell_type', 'SELECT donor_id' ], "SELECT count(*) FROM labels('%T', 'cell_type, donor_id')");
surface('labels of file_index', ['SELECT file_index'], "SELECT count(*) FROM labels('%T', 'file_index')");
surface('split_of', [], "SELECT split_of('D01', 1, '{0.8,0.2}')", of => ['split_of']);
surface('mappedcoll_stats', [], 'SELECT count(*) >= 0 FROM mappedcoll_stats', of => ['mappedcoll_stats']);
surface('mappedcoll_stats_reset', [], 'SELECT mappedcoll_stats_reset()', of => ['mappedcoll_stats_reset']);
surface('pg_stats', [], "SELECT count(*) FROM pg_stats WHERE tablename = '%T'");

# The tables of IMPORT FOREIGN SCHEMA
surface("imported: $_", ['imported'], $_) for
  'SELECT count(*) FROM imported.obs', 'SELECT cell_type, count(*) FROM imported.obs GROUP BY 1', 'SELECT count(*) FROM imported.var',
  q{SELECT var_name, gene_id FROM imported.var WHERE var_name = 'CD3D'}, q{SELECT * FROM imported.x WHERE row_index = 5 AND gene = 'CD3D'},
  'SELECT sum(value) FROM imported.x WHERE row_index < 3', 'SELECT "X_pca" FROM imported.obsm WHERE row_index = 1', 'EXPLAIN SELECT * FROM imported.x',
  q{SELECT count(*) FROM sample_batch('imported.obs', 2, 'cell_type')}, q{SELECT count(*) FROM labels('imported.obs', 'sex')}, q{SELECT count(*) FROM gene_values('imported.obs', 'CD3D', 0, 2)};
surface('imported: a column', ['imported'], 'SELECT gene FROM imported.x WHERE row_index = 1 LIMIT 1', other => { indexes => '42501' });
surface('imported: the column that is granted', ['imported'], 'SELECT count(gene) FROM (SELECT gene FROM imported.x LIMIT 2) s', other => { indexes => '00000' });
surface("imported: $_ is no collection of cells", [], "SELECT count(*) FROM sample_batch('imported.$_', 2)", state => '42809') for qw(var x);
surface("imported: ALTER of $_", ['imported owner'], "ALTER FOREIGN TABLE imported.$_ OPTIONS (SET files '/etc/passwd')", other => { map { $_ => '00000' } qw(boss lab) }) for qw(obs var x obsm);

# Making things
surface('create_collection', [qw(server create)], "SELECT create_collection('mine', ARRAY['$files[0]'])", of => ['create_collection']);
surface('create_collection of another file', ['server'], "SELECT create_collection('mine', ARRAY['/etc/passwd'])",
	state => undef);
surface('refresh_collection', ['owner'], "SELECT refresh_collection('%T')", of => ['refresh_collection']);
surface('create_sampler', [ 'SELECT row_index', 'create' ],
	"SELECT create_sampler('mine', 'SELECT row_index, 1.0 AS weight FROM %T')", of => ['create_sampler']);
surface('CREATE FOREIGN TABLE', [qw(server create)],
	"CREATE FOREIGN TABLE mine (row_index bigint) SERVER mappedcoll OPTIONS (files '$files[0]')");
surface('the validator', ['server'], "SELECT mappedcoll_validator(ARRAY['files=$files[0]'], 'pg_foreign_table'::regclass)",
	of => ['mappedcoll_validator']);
surface('the handler', [], 'SELECT mappedcoll_handler() IS NULL', of => ['mappedcoll_handler']);
surface('CREATE SERVER', ['superuser'], 'CREATE SERVER mine FOREIGN DATA WRAPPER mappedcoll');
surface('IMPORT FOREIGN SCHEMA', [qw(server create)],
	qq{IMPORT FOREIGN SCHEMA "$files[0]" FROM SERVER mappedcoll INTO public});
surface('DROP EXTENSION', ['superuser'], 'DROP EXTENSION mappedcoll', state => '2BP01');
surface('DROP SERVER', ['superuser'], 'DROP SERVER mappedcoll CASCADE', state => '2BP01');

# Changing them
surface($_->[0], [ 'owner', @{ $_->[3] // [] } ], $_->[1], state => $_->[2] // '00000') for (
	[ 'other files', "ALTER FOREIGN TABLE %H OPTIONS (SET files '$files[0]')" ],
	[ 'another layer', q{ALTER FOREIGN TABLE %H OPTIONS (SET layer 'layers/counts')} ],
	[ 'ADD COLUMN', 'ALTER TABLE %T ADD COLUMN extra text' ],
	[ 'DROP COLUMN', 'ALTER TABLE %T DROP COLUMN obs_name' ],
	[ 'RENAME COLUMN', 'ALTER TABLE %T RENAME COLUMN obs_name TO barcode' ],
	[ 'RENAME', 'ALTER TABLE %T RENAME TO renamed', undef, ['create'] ],
	[ 'RENAME of the partition', 'ALTER FOREIGN TABLE %H RENAME TO renamed', undef, ['create'] ],
	[ 'SET SCHEMA', 'ALTER TABLE %T SET SCHEMA other' ],
	[ 'DETACH PARTITION', 'ALTER TABLE %T DETACH PARTITION %H' ],
	[ 'DROP', 'DROP TABLE %T CASCADE' ],
	[ 'DROP of the partition', 'DROP FOREIGN TABLE %H' ],
	[ 'COMMENT', q{COMMENT ON TABLE %T IS 'mine'} ],
	[ 'COMMENT of a column', q{COMMENT ON COLUMN %T.cell_type IS 'mine'} ],
	[ 'CREATE POLICY', 'CREATE POLICY mine ON %T USING (true)' ],
	[ 'ENABLE ROW LEVEL SECURITY', 'ALTER TABLE %T ENABLE ROW LEVEL SECURITY' ],
	[ 'DISABLE ROW LEVEL SECURITY', 'ALTER TABLE %T DISABLE ROW LEVEL SECURITY' ],
	[ 'CREATE STATISTICS', 'CREATE STATISTICS mine ON cell_type, donor_id FROM %H', undef, ['create'] ]);
# who has a right that cannot be handed on gets a warning
surface('GRANT', ['owner'], 'GRANT ALL ON %H TO PUBLIC', other => { map { $_ => '00000' } qw(partition all_data) });
surface('ANALYZE', [], 'SET LOCAL client_min_messages = error; ANALYZE %T (cell_type)');
surface('INSERT', ['write'], 'INSERT INTO %T (row_index) VALUES (1)', state => undef);
# to be refused one way or the other
surface('UPDATE', [ 'write', 'any' ], 'UPDATE %T SET obs_name = NULL', state => undef);
surface('DELETE', [ 'write', 'any' ], 'DELETE FROM %T', state => undef);
surface('TRUNCATE', ['write'], 'TRUNCATE %T', state => undef);

# ------------------------------------------------------------- every function
#
# What belongs to the extension is what the catalog says belongs to it.

my %asked = map { $_ => 1 } map { @{ $_->{of} // [] } } @surfaces;
my $members = ask_safe($as{boss}, <<~"SQL");
	SELECT string_agg(DISTINCT proname, ' ' ORDER BY proname) FROM pg_depend JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
	WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mappedcoll') AND deptype = 'e'
	SQL
is(join(' ', sort keys %asked), $members, 'every function of the extension has a cell');
is(ask_safe($as{boss}, <<~"SQL"), 'mappedcoll_stats', 'and every relation of it');
	SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_depend JOIN pg_class c ON classid = 'pg_class'::regclass AND objid = c.oid
	WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mappedcoll') AND deptype = 'e'
	SQL
is(ask_safe($as{boss}, <<~"SQL"), 'pg_class pg_foreign_data_wrapper pg_foreign_server pg_proc', 'no other kind of object has come');
	SELECT string_agg(DISTINCT classid::regclass::text, ' ' ORDER BY classid::regclass::text) FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'mappedcoll') AND deptype = 'e'
	SQL

# -------------------------------------------------------------------- cells

# Has a role what a surface needs?
sub has
{
	my ($have, $need) = @_;

	return $have->{'SELECT x'} || ($have->{'SELECT x_indices'} && $have->{'SELECT x_values'})
	  if $need eq $vectors;
	return $have->{$need};
}

# The SQLSTATE that a role must get; undef: any error that is not one of rights
sub expected
{
	my ($surface, $name) = @_;
	my $role = $role{$name};
	my %have = map { $_ => 1 } @{ $role->{has} };

	return $surface->{other}{$name} if exists $surface->{other}{$name};
	return '42501' if grep { !has(\%have, $_) } @{ $surface->{needs} };
	return $surface->{rows} if ($role->{rows} // '') eq 'none' && exists $surface->{rows};
	return $surface->{policy} if $role->{policy} && exists $surface->{policy};
	return $surface->{state};
}

my $cells = 0;

for my $surface (@surfaces)
{
	my @wrong;

	for my $name (sort keys %role)
	{
		my $table = $role{$name}{table} // 'coll';
		my $expected = expected($surface, $name);
		(my $sql = $surface->{sql}) =~ s/%T/$table/g;
		$sql =~ s/%H/${table}_h5ad/g;
		$sql =~ s/%R/$visible/g;

		my ($state, $said) = state_of($as{$name}, "BEGIN;\n$sql;\nROLLBACK;\n" . ($surface->{cleanup} // ''));
		my $right = defined $expected ? $state eq $expected : $state !~ /^(?:00000|42501|XX\w+)$/;
		push @wrong, "$name: $state, not " . ($expected // 'an error of another kind') . ": $said" if !$right;
		$cells++;
	}
	is(join("\n", @wrong), '', "$surface->{name}: " . keys(%role) . ' roles');
}
cmp_ok(scalar(keys %role), '>=', 8, 'enough roles');
cmp_ok(scalar(@surfaces), '>=', 20, 'enough surfaces');
note "$cells cells: " . keys(%role) . ' roles, ' . @surfaces . ' surfaces';

for my $name (sort keys %as)
{
	is(ask_safe($as{$name}, 'SELECT pg_backend_pid()'), backend_pid($as{$name}), "the backend of $name has lived through it");
}
is(ask_safe($as{boss}, "SELECT count(*) FROM coll"), '3200', 'and nothing has changed');

# ----------------------------------------------------------------- settings

my %settings = map { split /\|/ } split /\n/,
  ask_safe($as{boss}, "SELECT name, context FROM pg_settings WHERE name LIKE 'mappedcoll.%' ORDER BY 1");
my %for_superusers = map { ("mappedcoll.$_" => 1) }
  grep { exists $settings{"mappedcoll.$_"} } qw(manifest_directory manifest_memory manifest_cpu_time manifest_size manifest_workers);
for my $setting (sort keys %settings)
{
	my ($state) = state_of($as{nobody}, "BEGIN; SET $setting TO DEFAULT; ROLLBACK");

	like($settings{$setting}, qr/^(?:user|superuser)$/, "$setting can be set");
	is($state, $settings{$setting} eq 'user' ? '00000' : '42501', "$setting by nobody");
}
is(join(' ', grep { $settings{"mappedcoll.$_"} ne 'superuser' } qw(manifest_directory manifest_memory manifest_cpu_time manifest_size)),
	'', 'what decides over files and memory of the server is for superusers');

# -------------------------------------------------- USAGE of the server alone
#
# does not name files: it is for the role that reads files of the server

ask_safe($as{boss}, 'GRANT USAGE ON FOREIGN SERVER mappedcoll TO reader');
for my $sql ("SELECT create_collection('mine', ARRAY['$files[0]'])", "SELECT create_collection('mine', ARRAY['/nonexistent/*'])",
	"CREATE FOREIGN TABLE mine (row_index bigint) SERVER mappedcoll OPTIONS (files '/etc/passwd')",
	qq{IMPORT FOREIGN SCHEMA "$files[0]" FROM SERVER mappedcoll INTO public}, 'IMPORT FOREIGN SCHEMA "/etc/passwd" FROM SERVER mappedcoll INTO public',
	'IMPORT FOREIGN SCHEMA "/nonexistent" FROM SERVER mappedcoll INTO public', 'IMPORT FOREIGN SCHEMA "/etc" LIMIT TO (none) FROM SERVER mappedcoll INTO public',
	q{IMPORT FOREIGN SCHEMA x FROM SERVER mappedcoll INTO public OPTIONS (files '/etc/passwd')})
{
	fails($as{reader}, $sql, '42501', qr/permission denied to set the files of a collection/, qr/pg_read_server_files/, "with USAGE alone: $sql");
}
ask_safe($as{boss}, 'REVOKE USAGE ON FOREIGN SERVER mappedcoll FROM reader');

# --------------------------------------------- statements that another role made
#
# Prepared by one, executed by another: the rights and the rows are those of who
# executes.

my $as_boss = $as{boss};
my $own = ask_safe($as_boss, "SELECT count(*) FROM guarded WHERE donor_id IN ('D01', 'D05')");
my $own_labels = ask_safe($as_boss, "SELECT count(DISTINCT cell_type) FROM guarded WHERE donor_id IN ('D01', 'D05')");
my @prepared = (
	[ 'count(*)', 'SELECT count(*) FROM guarded', '3200', $own ],
	[ 'a condition', "SELECT count(*) FROM guarded WHERE donor_id < 'D03'", undef, undef ],
	[ 'GROUP BY', 'SELECT count(DISTINCT d) FROM (SELECT donor_id AS d FROM guarded GROUP BY 1) s', '10', '2' ],
	[ 'an aggregate', 'SELECT string_agg(n, \',\') FROM (SELECT donor_id || count(*) AS n FROM guarded GROUP BY donor_id ORDER BY donor_id) s', undef, undef ],
	[ 'bernoulli', 'SELECT count(*) FROM guarded TABLESAMPLE bernoulli (100)', '3200', $own ],
	[ 'weighted', "SELECT count(*) FROM guarded TABLESAMPLE weighted('cell_type') REPEATABLE (3) WHERE donor_id NOT IN ('D01', 'D05')", undef, '0' ],
	[ 'sample_size', "SELECT sample_size('guarded')", '3200', $own ],
	[ 'sample_rows', "SELECT count(DISTINCT row_index) FROM sample_rows('guarded', $own, seed => 1, replacement => false)", $own, $own ],
	[ 'sample_rows in a join', "SELECT count(*) FROM sample_rows('guarded', 400, 'cell_type', seed => 1) s JOIN coll c USING (row_index) WHERE donor_id NOT IN ('D01', 'D05')", undef, '42501' ],
	[ 'a filter', "SELECT sample_size('guarded', filter => 'donor_id >= ''D05''')", undef, undef ],
	[ 'labels', "SELECT count(*) FROM labels('guarded', 'cell_type')", '11', $own_labels ],
	[ 'labels of donors', "SELECT string_agg(label, ' ') FROM labels('guarded', 'donor_id')", undef, 'D01 D05' ],
	[ 'fetch_csr', "SELECT n_rows FROM fetch_csr('guarded', '{$visible}')", '1', '1' ]);

# What a role gets for a statement: its state, or its rows
sub given
{
	my ($session, $sql) = @_;
	my ($state, $said, $out) = state_of($session, $sql);

	return $state eq '00000' ? $out : $state;
}

for my $mode (qw(auto force_generic_plan force_custom_plan))
{
	ask_safe($as_boss, "SET plan_cache_mode = $mode");
	for my $p (@prepared)
	{
		my ($name, $sql, $all, $few) = @$p;

		$all //= given($as{lab}, $sql);
		$few //= given($as{clinic}, $sql);
		for my $first (qw(boss clinic))
		{
			ask_safe($as_boss, "SET ROLE $first; PREPARE p AS $sql");
			my @got = map { ask_safe($as_boss, "SET ROLE $_"); "$_ " . given($as_boss, 'EXECUTE p') }
			  ((($first) x 6), qw(clinic boss nobody lab clinic blind bypass clinic boss));
			my %must = (boss => $all, clinic => $few, nobody => '42501', lab => $all, bypass => $all);
			my @bad = grep { my ($who, $what) = split / /, $_, 2; $who ne 'blind' && $what ne $must{$who} } @got;
			my ($blind) = grep { s/^blind // } map { "$_" } @got;

			@bad = grep { $name ne 'sample_rows in a join' || !/^bypass 42501$/ } @bad;
			is(join(', ', @bad), '', "$mode, prepared by $first: $name");
			unlike($blind, qr/^[1-9]/, "$mode, prepared by $first: $name without a policy") if $blind !~ /^\d{5}$/;
			ask_safe($as_boss, 'RESET ROLE; DEALLOCATE p');
		}
	}
}

$_->quit for values %as;
$node->stop;
done_testing();
