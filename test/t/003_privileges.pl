# Who may see what, over connections of the roles themselves.  What would break:
# a function that reads a collection past the rights of the caller, a view that
# needs rights of the reader instead of its owner (or gives more than its owner
# has), manifests that only the owner of a collection can have built.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('privileges');
my $directory = $node->data_dir . '/mappedcoll';
my @files = demo_files();
my $list = join ', ', map { "'$_'" } @files;

$node->safe_psql('postgres', <<~"SQL");
	CREATE ROLE lab LOGIN IN ROLE pg_read_server_files;
	CREATE ROLE outsider LOGIN;
	CREATE ROLE reader LOGIN;
	CREATE ROLE columns LOGIN;
	CREATE ROLE viewer LOGIN;
	CREATE ROLE half LOGIN;
	CREATE ROLE clinic LOGIN;
	CREATE ROLE nobody LOGIN;
	GRANT CREATE ON SCHEMA public TO lab, outsider, half, columns;
	SQL

my %as = map { $_ => open_session($node, user => $_) }
  qw(lab outsider reader columns viewer half clinic nobody);

# ------------------------------------------------------------ registration

fails($as{outsider}, "SELECT create_collection('theirs', ARRAY[$list])", '42501',
	qr/permission denied to set the files of a collection/,
	qr/pg_read_server_files/, 'who may not read files of the server makes no collection');
fails($as{outsider}, "SELECT create_collection('theirs', ARRAY['/etc/passwd'])", '42501',
	qr/permission denied to set the files/, undef, 'and does not learn whether a file is there');
fails($as{outsider},
	"CREATE FOREIGN TABLE theirs (row_index bigint) SERVER mappedcoll OPTIONS (files '$files[0]')",
	'42501', qr/permission denied/, undef, 'nor a foreign table by hand');
is(ask_safe($as{lab}, "SELECT create_collection('coll', ARRAY[$list])"), 'coll',
	'a member of pg_read_server_files makes one');
is(ask_safe($as{lab}, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('coll', 'coll_h5ad') GROUP BY 1"),
	'lab', 'and owns it');
my $batch = ask_safe($as{lab}, $DRAW);
my $digest = ask_safe($as{lab}, $DIGEST);

# --------------------------------------------------------- no rights at all

my %denied = (
	'SELECT' => 'SELECT row_index FROM coll',
	'SELECT of no column' => 'SELECT count(*) FROM coll',
	'the partition' => 'SELECT row_index FROM coll_h5ad',
	'sample_batch' => "SELECT row_index FROM sample_batch('coll', 4)",
	'sample_batch of the partition' => "SELECT row_index FROM sample_batch('coll_h5ad', 4)",
	'the function below sample_batch' =>
	  "SELECT mappedcoll_sample_batch('coll', 4, NULL, 1, 0, 1, 0, 1, true, NULL, NULL, NULL, false, NULL)",
	'sample_rows' => "SELECT * FROM sample_rows('coll', 4)",
	'sample_csr' => "SELECT * FROM sample_csr('coll', 4)",
	'sample_dense' => "SELECT * FROM sample_dense('coll', 4)",
	'fetch_csr' => "SELECT * FROM fetch_csr('coll', '{1}')",
	'sample_fingerprint' => "SELECT sample_fingerprint('coll')",
	'TABLESAMPLE' => "SELECT row_index FROM coll TABLESAMPLE weighted('cell_type')",
	'EXPLAIN' => 'EXPLAIN SELECT row_index FROM coll',
	'EXPLAIN of TABLESAMPLE' => "EXPLAIN (VERBOSE) SELECT row_index FROM coll TABLESAMPLE weighted('cell_type')",
	'COPY' => 'COPY (SELECT obs_name FROM coll) TO STDOUT',
	'labels' => "SELECT * FROM labels('coll', 'cell_type')",
	'collection_files' => "SELECT * FROM collection_files('coll')",
	'collection_vars' => "SELECT * FROM collection_vars('coll')",
	'measured_genes' => "SELECT * FROM measured_genes('coll')");
for my $what (sort keys %denied)
{
	fails($as{nobody}, $denied{$what}, '42501', qr/permission denied for/, undef,
		"$what without any right");
}
fails($as{nobody}, "SELECT refresh_collection('coll')", '42501', qr/must be owner of/, undef,
	'refresh_collection without any right');

# ------------------------------------------------------------- SELECT alone

ask_safe($as{lab}, 'GRANT SELECT ON coll TO reader');
unlink manifests($directory);
my $fresh = open_session($node, user => 'reader');
is(ask_safe($fresh, $DRAW), $batch, 'who may only SELECT samples, and has missing manifests built');
is(scalar(manifests($directory)), 3, 'they are there for all');
is(ask_safe($fresh, $DIGEST), $digest, 'and reads all rows');
is(ask_safe($fresh, "SELECT count(*) FROM labels('coll', 'cell_type')"), '11', 'and labels');
is(ask_safe($fresh, "SELECT string_agg(n_obs::text, ' ' ORDER BY file_index) FROM collection_files('coll')"),
	ask_safe($as{lab}, "SELECT string_agg(n_obs::text, ' ' ORDER BY file_index) FROM collection_files('coll')"),
	'and what the files are');
is(ask_safe($fresh, "SELECT count(*), min(n_measured) FROM measured_genes('coll')"), '3|924', 'and which genes they have');
fails($fresh, "SELECT refresh_collection('coll')", '42501', qr/must be owner of/, undef,
	'but does not refresh');
for my $statement (
	"INSERT INTO coll (row_index) VALUES (1)",
	'UPDATE coll SET cell_type = NULL',
	'DELETE FROM coll',
	'TRUNCATE coll',
	'ALTER TABLE coll DROP COLUMN x',
	"ALTER FOREIGN TABLE coll_h5ad OPTIONS (SET files '/etc/passwd')",
	'DROP TABLE coll')
{
	fails($fresh, $statement, '42501', qr/permission denied|must be owner/, undef, "nor: $statement");
}
my ($out, $messages) = ask($as{lab}, 'INSERT INTO coll (row_index) VALUES (1)');
like($messages, qr/ERROR:  (?:0A000|55000|HV\w+): .*"coll_h5ad"/, 'its owner does not write to it either');

# An owner who may no longer read files of the server keeps the collection, and
# names no other files
$node->safe_psql('postgres', 'REVOKE pg_read_server_files FROM lab');
is(ask_safe($as{lab}, $DRAW), $batch, 'the owner still samples without that role');
is(ask_safe($as{lab}, "SELECT refresh_collection('coll')"), '0', 'and refreshes');
fails($as{lab}, "ALTER FOREIGN TABLE coll_h5ad OPTIONS (SET files '$files[0]')", '42501',
	qr/permission denied to set the files/, undef, 'and sets no other file');
fails($as{lab}, "ALTER FOREIGN TABLE coll_h5ad OPTIONS (SET layer 'raw/X')", '42501',
	qr/permission denied to set the files/, undef, 'nor another layer of it');
$node->safe_psql('postgres', 'GRANT pg_read_server_files TO lab');

# ---------------------------------------------------------- column privileges

ask_safe($as{lab}, 'GRANT SELECT (row_index, cell_type, x) ON coll TO columns');
is(ask_safe($as{columns}, $DRAW), $batch, 'rights on row_index, x and the weight column suffice');
is(ask_safe($as{columns}, "SELECT count(*) FROM sample_batch('coll', 8)"), '8', 'or without a weight');
is(ask_safe($as{columns}, "SELECT count(DISTINCT cell_type) FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (1)"),
	'11', 'TABLESAMPLE by a column that may be read');
is(ask_safe($as{columns}, "SELECT sum(n_rows) FROM labels('coll', 'cell_type')"), '3182', 'labels of it');
for my $what (
	[ 'sample_batch by another', "SELECT row_index FROM sample_batch('coll', 4, 'donor_id')" ],
	[ 'sample_batch by both', "SELECT row_index FROM sample_batch('coll', 4, 'cell_type, donor_id')" ],
	[ 'a filter on another', "SELECT row_index FROM sample_batch('coll', 4, 'cell_type', filter => 'donor_id = ''D01''')" ],
	[ 'labels of another', "SELECT * FROM labels('coll', 'donor_id')" ],
	[ 'TABLESAMPLE by another', "SELECT row_index FROM coll TABLESAMPLE weighted('donor_id')" ],
	[ 'reading another', 'SELECT donor_id FROM coll' ],
	[ 'all of a row', 'SELECT coll FROM coll' ])
{
	fails($as{columns}, $what->[1], '42501', qr/permission denied for/, undef,
		"column privileges: $what->[0] is refused");
}
is(ask_safe($as{columns}, "SELECT count(*) FROM sample_batch('coll', 4, filter => 'cell_type = ''B cell''')"),
	'4', 'a filter on a column that may be read');
ask_safe($as{lab}, 'REVOKE SELECT ON coll FROM columns; GRANT SELECT (row_index, cell_type) ON coll TO columns');
fails($as{columns}, "SELECT row_index FROM sample_batch('coll', 4)", '42501', qr/permission denied for/,
	undef, 'sample_batch needs the right on x, which it returns');
is(ask_safe($as{columns}, "SELECT count(row_index) FROM coll TABLESAMPLE weighted('cell_type')"), '3200',
	'TABLESAMPLE needs what the query shows');

# A right that is taken away is gone in a session that has it all open
ask_safe($as{lab}, 'REVOKE SELECT ON coll FROM reader');
fails($fresh, $DRAW, '42501', qr/permission denied for/, undef, 'a revoked right is gone at once');
ask_safe($as{lab}, 'GRANT SELECT ON coll TO reader');

# -------------------------------------------------------------------- views

my $sampled = "SELECT row_index, cell_type FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (42) LIMIT 20";
my $expected = ask_safe($as{lab}, $sampled);
ask_safe($as{lab}, <<~"SQL");
	CREATE VIEW cells AS SELECT row_index, cell_type FROM coll;
	CREATE VIEW sampled AS $sampled;
	CREATE VIEW batch AS SELECT row_index FROM sample_batch('coll', 5, 'cell_type', seed => 1);
	CREATE FUNCTION batch_as_owner() RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER
		SET search_path = public
		AS 'SELECT row_index FROM sample_batch(''coll'', 5, ''cell_type'', seed => 1)';
	GRANT SELECT ON cells, sampled, batch TO viewer, clinic;
	REVOKE EXECUTE ON FUNCTION batch_as_owner() FROM public;
	GRANT EXECUTE ON FUNCTION batch_as_owner() TO viewer;
	SQL
fails($as{viewer}, 'SELECT row_index FROM coll', '42501', qr/permission denied for/, undef,
	'the reader of views has no right on the collection');
is(ask_safe($as{viewer}, 'SELECT count(*) FROM cells'), '3200', 'a view is read with its owner\'s rights');
is(ask_safe($as{viewer}, 'SELECT * FROM sampled'), $expected, 'so is TABLESAMPLE in a view, its weight column included');
fails($as{viewer}, 'SELECT * FROM batch', '42501', qr/permission denied for/, undef,
	'a function in a view runs with the reader\'s rights');
is(ask_safe($as{viewer}, 'SELECT count(*) FROM batch_as_owner()'), '5', 'a SECURITY DEFINER function with its owner\'s');
is(ask_safe($as{viewer}, 'SELECT string_agg(b::text, \' \') FROM batch_as_owner() b'),
	ask_safe($as{lab}, 'SELECT string_agg(row_index::text, \' \') FROM batch'), 'and the same rows');

# The owner of a view lacks the right on the weight column: the view must not work,
# also for somebody who has that right
ask_safe($as{lab}, 'GRANT SELECT (row_index, donor_id) ON coll TO half; GRANT SELECT ON coll TO clinic');
ask_safe($as{half}, <<~"SQL");
	CREATE VIEW half_sampled AS SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (42) LIMIT 20;
	CREATE VIEW half_donors AS SELECT row_index FROM coll TABLESAMPLE weighted('donor_id') REPEATABLE (42) LIMIT 20;
	GRANT SELECT ON half_sampled, half_donors TO clinic, viewer;
	SQL
for my $who (qw(half clinic viewer))
{
	fails($as{$who}, 'SELECT * FROM half_sampled', '42501', qr/permission denied for/, undef,
		"a view whose owner may not read the weight column fails for $who");
	is(ask_safe($as{$who}, 'SELECT count(*) FROM half_donors'), '20', "by a column the owner may read it works for $who");
}

# A view that asks for the reader's rights
SKIP:
{
	skip 'security_invoker is of PostgreSQL 15', 2 if $node->pg_version < 15;
	ask_safe($as{lab}, 'ALTER VIEW sampled SET (security_invoker = true)');
	fails($as{viewer}, 'SELECT * FROM sampled', '42501', qr/permission denied for/, undef,
		'security_invoker: the reader\'s rights');
	is(ask_safe($as{clinic}, 'SELECT * FROM sampled'), $expected, 'and who has them gets the rows');
}

# A prepared statement follows SET ROLE
$node->safe_psql('postgres', 'GRANT nobody TO lab');
ask_safe($as{lab}, "PREPARE s AS SELECT count(*) FROM sample_batch('coll', 3, 'cell_type', seed => 1)");
ask_safe($as{lab}, "PREPARE t AS SELECT count(*) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') LIMIT 3) s");
is(ask_safe($as{lab}, 'EXECUTE s'), '3', 'a prepared sample_batch') for 1 .. 6;
is(ask_safe($as{lab}, 'EXECUTE t'), '3', 'a prepared TABLESAMPLE') for 1 .. 6;
ask_safe($as{lab}, 'SET ROLE nobody');
fails($as{lab}, 'EXECUTE s', '42501', qr/permission denied for/, undef, 'a prepared sample_batch as another role');
fails($as{lab}, 'EXECUTE t', '42501', qr/permission denied for/, undef, 'a prepared TABLESAMPLE as another role');
ask_safe($as{lab}, 'RESET ROLE');

# -------------------------------------------------------- row-level security

ask_safe($as{lab}, <<~"SQL");
	CREATE POLICY own_donors ON coll TO clinic USING (donor_id IN ('D01', 'D05'));
	CREATE POLICY typed ON coll TO columns USING (cell_type = 'B cell');
	ALTER TABLE coll ENABLE ROW LEVEL SECURITY;
	GRANT SELECT (x) ON coll TO columns;
	SQL
my $own = ask_safe($as{lab}, "SELECT count(*) FROM coll WHERE donor_id IN ('D01', 'D05')");
is(ask_safe($as{lab}, 'SELECT count(*) FROM coll'), '3200', 'the owner sees all rows');
is(ask_safe($as{clinic}, 'SELECT count(*) FROM coll'), $own, 'a policy hides rows from a SELECT');
is(ask_safe($as{clinic}, "SELECT string_agg(DISTINCT donor_id, ' ' ORDER BY donor_id) FROM coll"), 'D01 D05', 'namely those');
is(ask_safe($as{clinic},
	"SELECT string_agg(DISTINCT c.donor_id, ' ' ORDER BY c.donor_id) FROM sample_batch('coll', 500, 'cell_type', seed => 3) s JOIN coll c USING (row_index)"),
	'D01 D05', 'sample_batch draws none of them');
is(ask_safe($as{clinic}, "SELECT count(*) FROM sample_batch('coll', 500, 'cell_type', seed => 3)"), '500',
	'and has all the rows asked for');
is(ask_safe($as{clinic}, "SELECT sum(n_rows) FROM labels('coll', 'cell_type')"),
	ask_safe($as{lab}, "SELECT count(cell_type) FROM coll WHERE donor_id IN ('D01', 'D05')"), 'labels counts visible rows only');
is(ask_safe($as{clinic}, "SELECT count(*) FROM coll TABLESAMPLE weighted('cell_type') WHERE donor_id NOT IN ('D01', 'D05')"),
	'0', 'TABLESAMPLE shows none of them');
is(ask_safe($as{clinic},
	"SELECT count(*) FROM sample_batch('coll', 100, filter => 'donor_id IN (''D01'', ''D07'')', seed => 1) s JOIN coll c USING (row_index) WHERE donor_id = 'D01'"),
	'100', 'a filter comes on top of the policy');
is(ask_safe($as{columns}, "SELECT string_agg(DISTINCT label, ' ') FROM sample_batch('coll', 200, 'cell_type', seed => 3)"),
	'B cell', 'a policy on a column, with column privileges');
is(ask_safe($as{reader}, 'SELECT count(*) FROM coll'), '0', 'no policy, no rows');
fails($as{reader}, "SELECT row_index FROM sample_batch('coll', 4)", '55000', qr/there is no row to sample/,
	undef, 'and nothing to sample');
ask_safe($as{reader}, 'SET row_security = off');
fails($as{reader}, 'SELECT count(*) FROM coll', '42501', qr/row-level security/, undef, 'row_security = off: SELECT fails');
fails($as{reader}, "SELECT row_index FROM sample_batch('coll', 4)", '42501', qr/row-level security/, undef,
	'and so does sample_batch');
is($node->safe_psql('postgres', 'SELECT count(*) FROM coll'), '3200', 'a superuser sees all rows');
is($node->safe_psql('postgres', $DRAW), $batch, 'and samples as before');

# A function in a filter sees visible rows only, and a filter is a condition and
# nothing more
ask_safe($as{clinic}, q{CREATE FUNCTION pg_temp.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001
	AS $$ BEGIN RAISE NOTICE 'told %', $1; RETURN true; END $$});
for my $sql (
	q{SELECT count(*) FROM sample_batch('coll', 5, filter => 'pg_temp.tell(donor_id)')},
	q{SELECT count(*) FROM sample_batch('coll', 5, 'cell_type', filter => 'donor_id LIKE ''D%'' AND pg_temp.tell(donor_id)')},
	q{SELECT count(*) > 0 FROM coll WHERE pg_temp.tell(donor_id) AND row_index >= 0},
	q{SELECT count(*) > 0 FROM coll TABLESAMPLE weighted('cell_type') WHERE pg_temp.tell(donor_id)})
{
	my ($result, $told) = ask($as{clinic}, $sql);
	my %donors = map { $_ => 1 } $told =~ /told (\w+)/g;

	unlike($told, qr/ERROR/, "works: $sql");
	is(join(' ', sort keys %donors), 'D01 D05', 'and tells of visible rows only');
}
for my $filter ("true; SELECT 1", "true) UNION SELECT 1 WHERE (true", '', '(', "donor_id = 'D01' LIMIT 1",
	"true) -- \n")
{
	(my $literal = $filter) =~ s/'/''/g;
	my ($result, $said) = ask($as{clinic}, "SELECT count(*) FROM sample_batch('coll', 5, filter => '$literal')");

	like($said, qr/ERROR:  42601: /, "not a condition: $filter");
}
is(ask_safe($as{clinic}, "SELECT count(DISTINCT donor_id) FROM sample_batch('coll', 300, 'donor_id', filter => 'true) OR (true') s JOIN coll c USING (row_index)"),
	'2', 'two conditions in parentheses are one, below the policy');

# A policy that changes is obeyed by sessions that have sampled under the old one
ask_safe($as{lab}, "ALTER POLICY own_donors ON coll USING (donor_id = 'D07')");
is(ask_safe($as{clinic},
	"SELECT string_agg(DISTINCT c.donor_id, ' ') FROM sample_batch('coll', 100, 'cell_type', seed => 3) s JOIN coll c USING (row_index)"),
	'D07', 'a changed policy is obeyed at once');
ask_safe($as{lab}, 'ALTER TABLE coll FORCE ROW LEVEL SECURITY');
fails($as{lab}, "SELECT row_index FROM sample_batch('coll', 4)", '55000', qr/there is no row to sample/,
	undef, 'FORCE ROW LEVEL SECURITY holds for the owner');

# A policy that looks at another table, with the rights of the one who asks
ask_safe($as{lab}, 'ALTER TABLE coll NO FORCE ROW LEVEL SECURITY');
$node->safe_psql('postgres', <<~"SQL");
	CREATE TABLE access (who name, donor text);
	INSERT INTO access VALUES ('clinic', 'D02'), ('columns', 'D03');
	GRANT SELECT ON access TO clinic;
	ALTER POLICY own_donors ON coll USING (donor_id IN (SELECT donor FROM access WHERE who = current_user));
	SQL
is(ask_safe($as{clinic},
	"SELECT string_agg(DISTINCT c.donor_id, ' ') FROM sample_batch('coll', 100, 'cell_type', seed => 3) s JOIN coll c USING (row_index)"),
	'D02', 'a policy with a subquery');
$node->safe_psql('postgres', "UPDATE access SET donor = 'D04' WHERE who = 'clinic'");
is(ask_safe($as{clinic},
	"SELECT string_agg(DISTINCT c.donor_id, ' ') FROM sample_batch('coll', 100, 'cell_type', seed => 3) s JOIN coll c USING (row_index)"),
	'D04', 'is evaluated anew when that table changes');

# ------------------------------------------------------------------ settings

for my $setting (qw(manifest_directory manifest_memory manifest_cpu_time manifest_size))
{
	fails($as{reader}, "SET mappedcoll.$setting = '64MB'", '42501', qr/permission denied to set parameter/, undef,
		"mappedcoll.$setting is for superusers");
}
is(ask_safe($as{reader}, 'SET mappedcoll.max_open_files = 3; SHOW mappedcoll.max_open_files'), '3',
	'mappedcoll.max_open_files is for everybody');

$_->quit for values %as, $fresh;
$node->stop;
done_testing();
