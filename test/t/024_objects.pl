# Collections as tables among others: what ALTER, RENAME, DROP, ROLLBACK and names do to
# them.  A heap table of the same rows goes through the same changes, and both have to
# give the same answers after each, in the session that made the change, in one that had
# everything open and prepared, and after the change was rolled back.  What would break:
# columns found by a number or a name that is another one by now, plans, dictionaries and
# weights that are kept for a table that changed, a name that is quoted somewhere and not
# elsewhere.
use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use Encode qw(encode);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('objects');
my $dir = PostgreSQL::Test::Utils::tempdir;
my @files = copy_demo("$dir/files");
my $list = join ', ', map { "'$_'" } @files;
my ($here, $there) = map { open_session($node) } 1 .. 2;

# an error in a transaction is not one of the statements after it
$_->query('\set ON_ERROR_ROLLBACK on') for $here, $there;

# ------------------------------------------------------------------- changes

ask_safe($here, <<~"SQL");
	SET client_min_messages = warning;
	CREATE SCHEMA "Läb";
	CREATE DOMAIN small AS bigint CHECK (VALUE < 1000);
	SELECT create_collection('coll', ARRAY[$list], genes => ARRAY['CD3D'], obsm => ARRAY['X_pca']);
	CREATE TABLE copy AS SELECT * FROM coll;
	SQL

# Where the tables are, and what the columns are called by now
our %name = (coll => 'coll', copy => 'copy', map { $_ => $_ }
	  qw(row_index file_index obs_name cell_type donor_id sex age n_counts percent_mito is_doublet chemistry severity x));

# Questions over the columns that there are; %c is a column, {t} the table
my @battery = (
	'SELECT count(*) FROM {t}',
	'SELECT {row_index}, {cell_type}, {donor_id}, {age}, {is_doublet}, md5({x}) FROM {t} WHERE {row_index} % 101 = 7 ORDER BY 1',
	'SELECT {cell_type}, count(*) FROM {t} GROUP BY 1 ORDER BY 1',
	'SELECT {sex}, {donor_id}, count(*), round(avg({age})::numeric, 6), max({n_counts}) FROM {t} GROUP BY 1, 2 ORDER BY 1, 2',
	'SELECT {is_doublet}, count({severity}) FROM {t} GROUP BY 1 ORDER BY 1',
	'SELECT min({cell_type}), max({donor_id}), min({age}), max({sex}), count(DISTINCT {chemistry}) FROM {t}',
	q{SELECT count(*) FROM {t} WHERE {donor_id} = 'D03' OR {sex} = 'male'},
	q{SELECT count(*) FROM {t} WHERE {cell_type} LIKE 'B%' OR {chemistry} IS NULL},
	q{SELECT count(*) FROM {t} WHERE {cell_type} < 'm' AND {sex} > 'female'},
	q{SELECT count(*) FROM {t} WHERE {donor_id} IN ('D01', 'D02') AND NOT {is_doublet}},
	'SELECT count(*) FROM {t} WHERE {age} > 40 AND {n_counts} < 500',
	'SELECT {row_index} FROM {t} WHERE {file_index} = 2 AND {age} BETWEEN 30 AND 31 ORDER BY {age}, {row_index} DESC',
	'SELECT {donor_id} FROM {t} GROUP BY 1 HAVING count(*) > 100 ORDER BY 1 DESC');

sub put
{
	my ($sql, $table) = @_;

	$sql =~ s/\{t\}/$name{$table}/g;
	$sql =~ s/\{(\w+)\}/$name{$1}/g;
	return encode('UTF-8', $sql);
}

# Is the battery's question one that can be asked still?
sub askable
{
	my ($sql) = @_;

	return !grep { $_ ne "t" && !defined $name{$_} } $sql =~ /\{(\w+)\}/g;
}

sub given
{
	my ($session, $sql) = @_;
	my ($state, $said, $out) = state_of($session, $sql);

	return $state eq '00000' ? $out : $state;
}

my $compared = 0;

# What differs between the collection and the heap table
sub differing
{
	my ($session) = @_;
	my @wrong;

	for my $setting (qw(on off))
	{
		ask_safe($session, "SET mappedcoll.enable_pushdown = $setting");
		for my $sql (grep { askable($_) } @battery)
		{
			my ($got, $expected) = map { given($session, put($sql, $_)) } qw(coll copy);

			push @wrong, put($sql, 'coll') . " ($setting): $got, not $expected" if $got ne $expected || $got =~ /^\d[\dA-Z][\dP]\d\d$/;
			$compared++;
		}
	}
	return join "\n", @wrong if !defined $name{row_index} || !defined $name{x};

	# sampling: the rows of a filter, and labels; names as SQL writes them
	my $coll = put('{t}', 'coll') =~ s/'/''/gr;
	for my $column (grep { defined $name{$_} } qw(cell_type donor_id sex))
	{
		my $by = put("{$column}", 'coll') =~ s/'/''/gr;
		my $got = given($session, "SELECT string_agg(label || n_rows, ',' ORDER BY label COLLATE \"C\") FROM labels('$coll', '$by')");
		my $expected = given($session, put("SELECT string_agg(trim(k) || n, ',' ORDER BY trim(k) COLLATE \"C\") FROM (SELECT {$column}::text AS k, count(*) AS n FROM {t} WHERE {$column} IS NOT NULL GROUP BY 1) s", 'copy'));

		push @wrong, "labels by $column: $got, not $expected" if $got ne $expected;
		my $filter = put("{$column} > 'C' AND {row_index} % 3 = 0", 'coll') =~ s/'/''/gr;
		$got = given($session, "SELECT sample_size('$coll', '$by', '$filter')");
		$expected = given($session, put("SELECT count(*) FROM {t} WHERE {$column} > 'C' AND {row_index} % 3 = 0", 'copy'));
		$expected = '55000' if $expected eq '0';
		push @wrong, "a filter on $column: $got, not $expected" if $got ne $expected;
		$got = given($session, "SELECT count(label), count(x) FROM sample_batch('$coll', 5, '$by', seed => 1)");
		push @wrong, "a batch by $column: $got" if $got ne '5|5';
		$compared += 3;
	}
	return join "\n", @wrong;
}

# A change: of both tables, and of what is called how
sub change
{
	my ($what, $sql, %renamed) = @_;
	my %old = %name;
	my @both = map { my $t = $_; my $s = $sql; $s =~ s/\{t\}/$name{$t}/g; $s =~ s/\{(\w+)\}/$name{$1}/g; encode('UTF-8', $s) } qw(coll copy);

	# a heap table asks how a value becomes one of the type
	$both[1] .= ' USING ' . encode('UTF-8', $1) . "::$2" if $both[1] =~ /ALTER COLUMN (\S+) TYPE (\w+(?: precision)?(?:\(\d+\))?)/;
	%name = (%name, %renamed);
	ask_safe($here, "BEGIN; $both[0]; $both[1]");
	is(differing($here), '', "$what: in its transaction");
	ask_safe($here, 'ROLLBACK');
	{
		local %name = %old;
		is(differing($here), '', "$what: rolled back");
	}
	ask_safe($here, "BEGIN; SAVEPOINT s; $both[0]; $both[1]; RELEASE s; COMMIT");
	is(differing($here), '', "$what: done");
	is(differing($there), '', "$what: in a session that had it open");
	return;
}

is(differing($_), '', 'as made') for $here, $there;

# Statements of the other session, prepared now and executed after each change
my @prepared = ('SELECT count(*) FROM coll', 'SELECT file_index, count(*) FROM coll GROUP BY 1 ORDER BY 1', 'SELECT * FROM coll WHERE row_index = 1500',
	"SELECT count(*) FROM sample_rows('coll', 10, seed => 1, filter => 'row_index < 50')", "SELECT sample_size('coll')");
for my $i (0 .. $#prepared)
{
	ask_safe($there, "PREPARE p$i AS $prepared[$i]");
	ask_safe($there, "EXECUTE p$i") for 1 .. 6;
}
my @first = map { ask_safe($there, "EXECUTE p$_") } 0 .. $#prepared;

change('RENAME COLUMN', q(ALTER TABLE {t} RENAME COLUMN donor_id TO "Spender ""Ä"" '; --"), donor_id => '"Spender ""Ä"" \'; --"');
change('two columns that swap names', 'ALTER TABLE {t} RENAME COLUMN sex TO tmp; ALTER TABLE {t} RENAME COLUMN chemistry TO sex; ALTER TABLE {t} RENAME COLUMN tmp TO chemistry',
	sex => 'chemistry', chemistry => 'sex');
change('and back', 'ALTER TABLE {t} RENAME COLUMN sex TO tmp; ALTER TABLE {t} RENAME COLUMN chemistry TO sex; ALTER TABLE {t} RENAME COLUMN tmp TO chemistry',
	sex => 'sex', chemistry => 'chemistry');
change('DROP COLUMN', 'ALTER TABLE {t} DROP COLUMN obs_name', obs_name => undef);
change('DROP COLUMN of the first', 'ALTER TABLE {t} DROP COLUMN file_index', file_index => undef);
for my $type ([ age => 'numeric' ], [ age => 'integer' ], [ n_counts => 'double precision' ], [ n_counts => 'real' ], [ sex => 'varchar(6)' ], [ sex => 'text' ],
	[ cell_type => 'varchar' ], [ cell_type => 'varchar(60)' ], [ cell_type => 'text' ], [ age => 'small' ], [ age => 'bigint' ], [ chemistry => 'char(20)' ])
{
	my ($column, $to) = @$type;

	change("$column TYPE $to", "ALTER TABLE {t} ALTER COLUMN {$column} TYPE $to");
}
# A type that PostgreSQL would need USING for, which a foreign table does not have
ask_safe($here, "CREATE TYPE sexes AS ENUM ('male', 'female')");
is(given($here, 'ALTER TABLE coll ALTER COLUMN sex TYPE sexes'), '42804', 'a type without a cast');
ask_safe($here, 'BEGIN; ALTER TABLE coll DETACH PARTITION coll_h5ad; ALTER TABLE coll ALTER COLUMN sex TYPE sexes USING sex::sexes;'
	. ' ALTER FOREIGN TABLE coll_h5ad ALTER COLUMN sex TYPE sexes; ALTER TABLE coll ATTACH PARTITION coll_h5ad FOR VALUES FROM (MINVALUE) TO (MAXVALUE);'
	. ' ALTER TABLE copy ALTER COLUMN sex TYPE sexes USING sex::sexes');
{
	local $name{x} = undef;
	is(differing($here), '', 'an enum, by the partition itself');
}
ask_safe($here, 'ROLLBACK');
is(differing($_), '', 'rolled back') for $here, $there;
change('another collation', 'ALTER TABLE {t} ALTER COLUMN cell_type TYPE text COLLATE "ucs_basic"');
change('a default and statistics', 'ALTER TABLE {t} ALTER COLUMN age SET DEFAULT 5, ALTER COLUMN cell_type SET STATISTICS 7');
change('RENAME', q(ALTER TABLE {t} RENAME TO "Größe "" ' {t} $$ ; --"), map { $_ => q("Größe "" ' ) . $_ . q( $$ ; --") } qw(coll copy));
change('SET SCHEMA', 'ALTER TABLE {t} SET SCHEMA "Läb"', map { $_ => q("Läb"."Größe "" ' ) . $_ . q( $$ ; --") } qw(coll copy));
ask_safe($here, encode('UTF-8', 'ALTER SCHEMA "Läb" RENAME TO "Other ""läb"""'));
%name = (%name, map { $_ => q("Other ""läb"""."Größe "" ' ) . $_ . q( $$ ; --") } qw(coll copy));
is(differing($_), '', 'another name of the schema') for $here, $there;
note "$compared comparisons";

is(given($there, "EXECUTE p$_"), '42P01', "prepared before the names changed: $prepared[$_]") for 0 .. 2;
ask_safe($here, encode('UTF-8', "ALTER TABLE $name{coll} RENAME TO coll; ALTER TABLE $name{copy} RENAME TO copy"));
ask_safe($here, encode('UTF-8', 'ALTER TABLE "Other ""läb""".coll SET SCHEMA public; ALTER TABLE "Other ""läb""".copy SET SCHEMA public; DROP SCHEMA "Other ""läb"""'));
%name = (%name, coll => 'coll', copy => 'copy');
is(differing($_), '', 'the old names') for $here, $there;

# What was prepared is of the same table, whose columns are others
is(given($there, 'EXECUTE p0'), $first[0], "prepared before: $prepared[0]");
is(given($there, 'EXECUTE p1'), '42703', 'prepared before, of a column that is gone');
is(given($there, 'EXECUTE p2'), '0A000', 'prepared before, whose result is of another type');
is(given($there, "EXECUTE p$_"), $first[$_], "prepared before: $prepared[$_]") for 3, 4;
ask_safe($there, 'DEALLOCATE ALL');

# Columns that show nothing of the files, and such that do again
ask_safe($here, 'ALTER TABLE coll ADD COLUMN tissue text');
is(differing($here), '', 'a column of nothing: the others are as before');
is(given($here, 'SELECT tissue FROM coll LIMIT 1'), 'HV005', 'and it is an error to read it');
is(given($here, "SELECT count(*) FROM sample_batch('coll', 2, 'tissue')"), '42703', 'or to sample by it');
ask_safe($here, 'ALTER TABLE coll DROP COLUMN tissue');
ask_safe($here, 'ALTER TABLE coll DROP COLUMN severity; ALTER TABLE coll ADD COLUMN severity text');
is(differing($here), '', 'a column that is dropped and comes back');
ask_safe($here, q{ALTER TABLE coll ADD COLUMN kind text; ALTER FOREIGN TABLE coll_h5ad ALTER COLUMN kind OPTIONS (obs 'cell_type')});
is(given($_, 'SELECT count(*) FROM coll WHERE kind IS DISTINCT FROM cell_type'), '0', 'two columns that show the same') for $here, $there;
is(given($here, 'SELECT count(*) FROM (SELECT kind, cell_type FROM coll GROUP BY 1, 2) s'), '12', 'grouped by both');
ask_safe($here, 'ALTER TABLE coll DROP COLUMN kind');

# Its partition
ask_safe($here, encode('UTF-8', 'ALTER FOREIGN TABLE coll_h5ad RENAME TO "Teil ""1"""'));
is(differing($_), '', 'another name of the partition') for $here, $there;
ask_safe($here, encode('UTF-8', 'ALTER FOREIGN TABLE "Teil ""1""" RENAME TO coll_h5ad'));
ask_safe($here, 'BEGIN; ALTER TABLE coll DETACH PARTITION coll_h5ad');
for my $sql ("SELECT count(*) FROM sample_batch('coll', 2)", "SELECT sample_size('coll')", "SELECT * FROM labels('coll', 'cell_type')",
	"SELECT refresh_collection('coll')", "SELECT * FROM collection_files('coll')", "SELECT * FROM fetch_csr('coll', '{1}')")
{
	ask_safe($here, 'SAVEPOINT s');
	like(given($here, $sql), qr/^(?:42809|55000|42P17)$/, "without its partition: $sql");
	ask_safe($here, 'ROLLBACK TO s');
}
is(given($here, 'SELECT count(*) FROM coll'), '0', 'without its partition there are no rows');
is(given($here, "SELECT count(*) FROM sample_batch('coll_h5ad', 2, 'cell_type')"), '2', 'the partition is a collection by itself');
ask_safe($here, 'ROLLBACK');
is(differing($_), '', 'and is back') for $here, $there;

# ------------------------------------------------------- comments and privileges

ask_safe($here, encode('UTF-8', q{COMMENT ON TABLE coll IS 'Zellen ''"'; COMMENT ON COLUMN coll.sex IS 'so'; COMMENT ON FOREIGN TABLE coll_h5ad IS 'Dateien'}));
is(given($here, "SELECT obj_description('coll'::regclass), obj_description('coll_h5ad'::regclass)"), encode('UTF-8', q{Zellen '"|Dateien}), 'comments');
is(given($here, q{SELECT col_description('coll'::regclass, attnum) FROM pg_attribute WHERE attrelid = 'coll'::regclass AND attname = 'sex'}), 'so', 'of a column, too');
ask_safe($here, 'ALTER TABLE coll RENAME TO coll2; SELECT refresh_collection(\'coll2\'); ALTER TABLE coll2 RENAME TO coll');
is(given($here, "SELECT obj_description('coll'::regclass)"), encode('UTF-8', q{Zellen '"}), 'a comment stays');

# --------------------------------------------------------------------- names

my $n = 0;
for my $name ('plain', 'MixedCase', 'with space', 'quo"te', q{apos'trophe}, 'dot.in.it', 'semi;colon --', '$dollar$', 'select', 'таблица', '细胞', '🧬',
	'back\\slash', '%s %d', 'x' x 63, 'é' x 31, 'a/b', '{brace}', "tab\tnew\nline", '  ', 'pg_class', 'coll"; DROP TABLE copy; --')
{
	for my $schema ('public', 'S c"h\'é')
	{
		my $quoted = join '.', map { my $q = $_; $q =~ s/"/""/g; qq{"$q"} } $schema, $name;
		my $literal = $quoted =~ s/\\/\\\\/gr =~ s/'/\\'/gr =~ s/\n/\\n/gr =~ s/\t/\\t/gr;
		my $session = $here;
		my $shown = encode('UTF-8', $quoted =~ s/\s/ /gr);
		my @wrong;
		my $works = sub {
			my ($sql, $expected) = @_;
			my $got = given($session, encode('UTF-8', $sql));

			push @wrong, encode('UTF-8', $sql) . ": $got" if $got !~ /^(?:$expected)$/;
		};

		ask_safe($session, encode('UTF-8', q{SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS "S c""h'é"}));
		$works->("SELECT create_collection(E'$literal', ARRAY['$files[2]']) IS NOT NULL", 't');
		$works->("SELECT count(*) FROM $quoted", '500');
		$works->("SELECT count(*) FROM $quoted TABLESAMPLE weighted('cell_type')", '500');
		$works->("SELECT count(*) FROM sample_batch(E'$literal', 3, 'cell_type', filter => 'n_counts > 10')", '3');
		$works->("SELECT count(*) FROM sample_csr(E'$literal', 3, n_steps => 2, obs_columns => '{donor_id}')", '2');
		$works->("SELECT n_rows FROM fetch_csr(E'$literal', '{1,2}')", '2');
		$works->("SELECT count(*) > 0 FROM labels(E'$literal', 'cell_type')", 't');
		$works->("SELECT count(*) FROM collection_files(E'$literal')", '1');
		$works->("SELECT count(*) > 0 FROM mappedcoll_stats WHERE collection = E'$literal'::regclass", 't');
		$works->("SELECT refresh_collection(E'$literal')", '0');
		$works->("SELECT create_collection(E'$literal', ARRAY['$files[2]'])", '42P07');
		my $sampler = $literal =~ s/"$/_s"/r;
		if (length(encode('UTF-8', $name)) < 60)
		{
			$works->("SELECT create_sampler(E'$sampler', E'SELECT row_index, 1.0 AS weight FROM " . ($literal =~ s/\\/\\\\/gr =~ s/'/\\'/gr) . "') IS NOT NULL", 't')
			  if $literal !~ /\\/;
			$works->("SELECT count(*) FROM sample_rows(E'$literal', 3, sampler => E'$sampler')", '3') if $literal !~ /\\/;
		}
		$works->("COMMENT ON TABLE $quoted IS E'$literal'", '');
		$works->("EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF) SELECT cell_type, count(*) FROM $quoted GROUP BY 1", '(?s).*Foreign.*');
		$works->("ALTER TABLE $quoted RENAME COLUMN cell_type TO \"$n\"", '');
		$works->("SELECT count(*) FROM sample_batch(E'$literal', 3, '\"$n\"')", '3');
		$works->("DROP TABLE $quoted", '');
		is(join("\n", @wrong), '', "a collection called $shown");
		$n++;
	}
}
is(ask_safe($here, 'SELECT count(*) FROM pg_foreign_table'), '1', 'all are gone');

# More columns than a table can have
my ($state, $said) = state_of($here, "SELECT create_collection('wide', ARRAY['" . data_dir() . "/hostile/columns_beyond_limit.h5ad'])");
is($state, '54011', 'more columns than a table can have');
like($said, qr/ERROR:  54011: a collection can have at most 1600 columns.*^HINT:  .*(?:fewer|by hand)/ms, 'with a hint') or diag($said);
is(ask_safe($here, "SELECT to_regclass('wide') IS NULL AND to_regclass('wide_h5ad') IS NULL"), 't', 'and nothing is left of it');

# --------------------------------------------------- search_path and prepared

ask_safe($here, <<~"SQL");
	SET client_min_messages = warning;
	CREATE SCHEMA a;
	CREATE SCHEMA b;
	SELECT create_collection('a.cells', ARRAY['$files[0]']);
	SELECT create_collection('b.cells', ARRAY['$files[2]']);
	SET search_path = a, public;
	PREPARE tables AS SELECT count(*) FROM cells;
	PREPARE groups AS SELECT count(*) FROM (SELECT donor_id FROM cells GROUP BY 1) s;
	PREPARE texts (text) AS SELECT sample_size(\$1::regclass);
	PREPARE constants AS SELECT sample_size('cells');
	PREPARE filters AS SELECT sample_size('cells', filter => 'EXISTS (SELECT FROM cells c WHERE c.row_index = 700)');
	SQL
my ($of_a, $of_b) = map { ask_safe($here, "SELECT count(*) FROM $_.cells") } qw(a b);
my ($donors_a, $donors_b) = map { ask_safe($here, "SELECT count(DISTINCT donor_id) FROM $_.cells") } qw(a b);
cmp_ok($of_a, '>', 700, 'one has row 700');
cmp_ok($of_b, '<', 700, 'the other has not');
for my $round (1 .. 8)
{
	my $in_a = $round % 2;

	ask_safe($here, 'SET search_path = ' . ($in_a ? 'a' : 'b') . ', public');
	is(given($here, 'EXECUTE tables'), $in_a ? $of_a : $of_b, "round $round: a prepared SELECT follows search_path");
	is(given($here, 'EXECUTE groups'), $in_a ? $donors_a : $donors_b, "round $round: so does one with GROUP BY");
	is(given($here, q{EXECUTE texts ('cells')}), $in_a ? $of_a : $of_b, "round $round: a name as a parameter, too");
	is(given($here, 'EXECUTE constants'), $in_a ? $of_a : $of_b, "round $round: a name in the statement is of this search_path");
	is(given($here, 'EXECUTE filters'), $in_a ? $of_a : '55000', "round $round: a filter is read by this search_path");
}
ask_safe($here, 'DEALLOCATE ALL; RESET search_path; DROP SCHEMA a CASCADE; DROP SCHEMA b CASCADE');

# ------------------------------------------------ prepared statements, refresh

my @after = (
	[ 'count(*)', 'SELECT count(*) FROM changing' ],
	[ 'GROUP BY', "SELECT string_agg(k || n, ',') FROM (SELECT cell_type AS k, count(*) AS n FROM changing GROUP BY 1 ORDER BY 1) s" ],
	[ 'aggregates', 'SELECT min(n_counts), max(n_counts), sum(n_counts), count(DISTINCT donor_id) FROM changing' ],
	[ 'a condition', "SELECT count(*) FROM changing WHERE donor_id < 'D09' AND cell_type LIKE '%cell'" ],
	[ 'a number', 'SELECT count(*), min(row_index) FROM changing WHERE n_counts > 300' ],
	[ 'rows', 'SELECT cell_type, md5(x) FROM changing WHERE row_index = ANY (ARRAY[1, 499])' ],
	[ 'labels', "SELECT string_agg(label || n_rows, ',') FROM labels('changing', 'donor_id')" ],
	[ 'a filter', "SELECT sample_size('changing', 'cell_type', 'n_counts > 300')" ],
	[ 'a batch', "SELECT md5(string_agg(row_index || label || md5(x), ',')) FROM sample_batch('changing', 50, 'cell_type', seed => 1)" ]);

system_or_bail('cp', $files[2], "$dir/changing.h5ad");
ask_safe($here, "SELECT create_collection('changing', ARRAY['$dir/changing.h5ad'])");
for my $session ($here, $there)
{
	for my $i (0 .. $#after)
	{
		ask_safe($session, "PREPARE c$i AS $after[$i][1]");
		ask_safe($session, "EXECUTE c$i") for 1 .. 7;
	}
}
for my $round (1, 2, 1)
{
	# another file of the same name, with other cells, genes and labels
	system_or_bail('cp', $files[$round], "$dir/new.h5ad");
	rename "$dir/new.h5ad", "$dir/changing.h5ad" or die $!;
	ask_safe($here, 'SET client_min_messages = error');
	ask_safe($here, "SELECT create_collection('fresh', ARRAY['$files[$round]'])");
	is(given($_, 'EXECUTE c0'), '55000', 'a changed file is an error') for $here, $there;
	ask_safe($here, "SELECT refresh_collection('changing')");
	for my $i (0 .. $#after)
	{
		(my $sql = $after[$i][1]) =~ s/changing/fresh/g;
		my $expected = given($here, $sql);
		# a column that the new file lacks
		my @got = map { given($_, "EXECUTE c$i") } $here, $there;

		is($_, $expected, "prepared, and refreshed to file $round: $after[$i][0]") for @got;
	}
	ask_safe($here, 'DROP TABLE fresh');
}
ask_safe($_, 'DEALLOCATE ALL') for $here, $there;

# ------------------------------------------------------------------- cursors

is(join('|', split /\n/, ask_safe($here, <<~'SQL')), '0|1|2|1|0|3198|3199|3198', 'a cursor that scrolls');
	BEGIN;
	DECLARE c SCROLL CURSOR FOR SELECT row_index FROM coll ORDER BY row_index;
	FETCH 3 FROM c;
	FETCH BACKWARD 2 FROM c;
	MOVE ABSOLUTE 3198 IN c;
	FETCH 2 FROM c;
	FETCH ABSOLUTE -2 FROM c;
	COMMIT;
	SQL
is(join('|', split /\n/, ask_safe($here, <<~'SQL')), '2|2|2|2', 'cursors over aggregates and samples, WITH HOLD');
	BEGIN;
	DECLARE g SCROLL CURSOR WITH HOLD FOR SELECT count(*) * 0 + 2 FROM coll GROUP BY cell_type;
	DECLARE s SCROLL CURSOR WITH HOLD FOR SELECT length(label) * 0 + 2 FROM sample_batch('coll', 5, 'cell_type');
	FETCH FIRST FROM g;
	FETCH FIRST FROM s;
	COMMIT;
	FETCH LAST FROM g;
	FETCH LAST FROM s;
	CLOSE ALL;
	SQL
# the table of an open cursor
ask_safe($here, "BEGIN; DECLARE c CURSOR FOR SELECT row_index, x FROM changing; FETCH 2 FROM c; SAVEPOINT s");
for my $sql ('DROP TABLE changing', 'ALTER TABLE changing DROP COLUMN x', 'ALTER FOREIGN TABLE changing_h5ad RENAME TO other')
{
	my $got = given($here, $sql);

	like($got, $sql =~ /RENAME/ ? qr/^$/ : qr/^55006$/, "with an open cursor: $sql");
	ask_safe($here, 'ROLLBACK TO s');
}
is(scalar(() = ask_safe($here, "SELECT refresh_collection('changing'); FETCH 3 FROM c; COMMIT") =~ /^\d+\|\\x/mg), 3, 'a cursor goes on over a refresh');

# --------------------------------------------------- ROLLBACK around everything

ask_safe($here, 'SET client_min_messages = warning');
is(join('|', split /\n/, ask_safe($here, <<~"SQL")), 'one|3|500|t|one|2|0|one|500|t', 'collections that come and go with savepoints');
	BEGIN;
	SAVEPOINT a;
	SELECT create_collection('one', ARRAY['$files[2]']);
	SELECT count(*) FROM sample_batch('one', 3, 'cell_type');
	SAVEPOINT b;
	SELECT count(*) FROM one;
	DROP TABLE one;
	ROLLBACK TO b;
	ROLLBACK TO a;
	SELECT to_regclass('one') IS NULL;
	SELECT create_collection('one', ARRAY['$files[0]', '$files[2]']);
	SAVEPOINT c;
	SELECT count(*) FROM collection_files('one');
	TRUNCATE copy;
	SELECT count(*) FROM copy;
	ROLLBACK TO c;
	DROP TABLE one;
	SELECT create_collection('one', ARRAY['$files[2]']);
	SELECT count(*) FROM one;
	ROLLBACK;
	SELECT to_regclass('one') IS NULL AND to_regclass('one_h5ad') IS NULL;
	SQL
is(join('|', split /\n/, ask_safe($here, <<~"SQL")), 's1|2|2|t|3', 'samplers that come and go');
	BEGIN;
	SAVEPOINT a;
	SELECT create_sampler('s1', 'SELECT row_index, 1.0 AS weight FROM coll WHERE row_index < 2');
	SELECT sample_size('coll', sampler => 's1');
	SAVEPOINT b;
	INSERT INTO s1 VALUES (5, 1);
	ROLLBACK TO b;
	SELECT sample_size('coll', sampler => 's1');
	ROLLBACK TO a;
	SELECT to_regclass('s1') IS NULL;
	SELECT count(*) FROM sample_batch('coll', 3);
	COMMIT;
	SQL
# a collection that was dropped leaves nothing that another would find, by its OID or name
for my $i (1 .. 30)
{
	my $file = $files[ $i % 3 ];

	ask_safe($here, "SELECT create_collection('again', ARRAY['$file']); PREPARE p AS SELECT count(*) FROM again") if $i == 1;
	ask_safe($here, "DROP TABLE again; SELECT create_collection('again', ARRAY['$file'])") if $i > 1;
	my $expected = ask_safe($here, "SELECT n_obs FROM collection_files('again')");
	is(join(' ', given($here, 'EXECUTE p'), given($here, "SELECT sample_size('again')"), given($there, "SELECT count(*) FROM sample_rows('again', $expected, replacement => false)"),
			given($there, "SELECT sum(n) FROM (SELECT count(*) AS n FROM again GROUP BY cell_type) s")),
		"$expected $expected $expected $expected", "made anew, $i") if $i % 5 < 2;
}
ask_safe($here, 'DEALLOCATE p; DROP TABLE again');

# ------------------------------------------------------------------ samplers

for my $case (
	[ 'a negative row_index', 'SELECT -1 AS row_index, 1.0 AS weight', '23514', qr/_row_index_check/ ],
	[ 'the lowest row_index', 'SELECT -9223372036854775808 AS row_index, 1.0 AS weight', '23514', qr/_row_index_check/ ],
	[ 'a row_index beyond bigint', 'SELECT 9223372036854775808 AS row_index, 1.0 AS weight', '22003', qr/out of range/ ],
	[ 'no row_index', 'SELECT NULL::bigint AS row_index, 1.0 AS weight', '23502', qr/null value in column "row_index"/ ],
	[ 'a row twice', 'SELECT 1 AS row_index, 1.0 AS weight UNION ALL SELECT 1, 2.0', '23505', qr/row_index\)=\(1\) already exists/ ],
	[ 'a row_index that is no number', q{SELECT 'x'::text AS row_index, 1.0 AS weight}, '42804', qr/row_index/ ],
	[ 'a negative weight', 'SELECT 1 AS row_index, -0.5 AS weight', '23514', qr/_weight_check/ ],
	[ 'an infinite weight', q{SELECT 1 AS row_index, 'Infinity'::float8 AS weight}, '23514', qr/_weight_check/ ],
	[ 'a weight that is no number', q{SELECT 1 AS row_index, 'NaN'::float8 AS weight}, '23514', qr/_weight_check/ ],
	[ 'three columns', 'SELECT 1 AS row_index, 1.0 AS weight, 2 AS more', '22023', qr/must give two columns/ ],
	[ 'two statements', 'SELECT 1 AS row_index, 1.0 AS weight; SELECT 1 AS row_index, 1.0 AS weight', '22023', qr/must give two columns/ ],
	[ 'a statement that writes', 'DELETE FROM copy RETURNING row_index, 1.0 AS weight', '42601', qr/syntax error/ ],
	[ 'a CTE that writes', 'WITH d AS (DELETE FROM copy RETURNING row_index) SELECT row_index, 1.0 AS weight FROM d', '0A000', qr/data-modifying/ ],
	[ 'a parenthesis too many', 'SELECT 1 AS row_index, 1.0 AS weight) AS q; DROP TABLE copy; --', '42601', qr/syntax error/ ],
	[ 'a comment that does not end', 'SELECT 1 AS row_index, 1.0 AS weight /*', '42601', qr/unterminated/ ],
	[ 'nothing', '', '22023', qr/must give two columns/ ])
{
	my ($what, $query, $expected, $message) = @$case;
	(my $literal = $query) =~ s/'/''/g;

	fails($here, "SELECT create_sampler('s', '$literal')", $expected, $message, undef, "a sampler of $what");
	is(ask_safe($here, "SELECT to_regclass('s') IS NULL AND (SELECT count(*) FROM copy) = 3200"), 't', "and it is not there");
}
ask_safe($here, q{SELECT create_sampler('s', 'SELECT row_index, 1.0 AS weight FROM generate_series(3198, 3200) AS row_index')});
fails($here, "SELECT sample_size('coll', sampler => 's')", '22023', qr/sampler "s" has a row that is not in the collection/, qr/row_index is 3200; the collection has 3200 rows/,
	'a row beyond the end, when it is used');
ask_safe($here, 'DELETE FROM s WHERE row_index = 3200');
is(ask_safe($here, "SELECT sample_size('coll', sampler => 's')"), '2', 'without it');
ask_safe($here, 'CREATE VIEW liar AS SELECT -5::bigint AS row_index, 1.0 AS weight');
fails($here, "SELECT sample_size('coll', sampler => 'liar')", '22023', qr/has a row that is not in the collection/, qr/row_index is -5/, 'a view of a negative row_index');
ask_safe($here, 'CREATE OR REPLACE VIEW liar AS SELECT NULL::bigint AS row_index, 1.0 AS weight');
fails($here, "SELECT sample_size('coll', sampler => 'liar')", '22023', qr/has a row that is not in the collection/, qr/row_index is null/, 'a view of no row_index');
ask_safe($here, 'CREATE OR REPLACE VIEW liar AS SELECT i::bigint AS row_index, 1.0 AS weight FROM (VALUES (4), (4)) AS v (i)');
fails($here, "SELECT sample_size('coll', sampler => 'liar')", '22023', qr/has row_index 4 more than once/, undef, 'a view of a row twice');
ask_safe($here, 'DROP VIEW liar; DROP TABLE s');

# ------------------------------------------- the extension, gone and back again

is(given($here, 'DROP EXTENSION mappedcoll'), '2BP01', 'the extension stays while there is a collection');
ask_safe($here, "SET client_min_messages = error; CREATE VIEW above AS SELECT cell_type FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (1)");
my $batch = "SELECT md5(string_agg(row_index || label, ',')) FROM sample_batch('coll', 30, 'cell_type', seed => 4)";
my $expected = ask_safe($here, $batch);
ask_safe($there, $batch);
ask_safe($here, "PREPARE b AS $batch; PREPARE g AS SELECT count(*) FROM (SELECT cell_type FROM coll GROUP BY 1) s");
ask_safe($here, 'EXECUTE b; EXECUTE g');

# in one transaction, rolled back: all is as it was
is(join('|', split /\n/, ask_safe($here, <<~"SQL")), "t|coll|$expected|$expected", 'DROP and CREATE in one transaction, rolled back');
	BEGIN;
	DROP EXTENSION mappedcoll CASCADE;
	SELECT to_regproc('sample_batch') IS NULL;
	CREATE EXTENSION mappedcoll;
	SELECT create_collection('coll', ARRAY[$list]);
	$batch;
	ROLLBACK;
	$batch;
	SQL
is(given($_, $batch), $expected, 'and in each session') for $here, $there;
is(given($here, 'EXECUTE b'), $expected, 'what was prepared works');
is(given($here, 'EXECUTE g'), '12', 'also with GROUP BY');

# in one transaction, committed, several times in one session, which has the library
# and its hooks loaded all the while
for my $round (1 .. 4)
{
	ask_safe($here, 'BEGIN; DROP EXTENSION mappedcoll CASCADE; CREATE EXTENSION mappedcoll; COMMIT');
	for my $session ($here, $there)
	{
		is(given($session, $_), '42P01', "round $round: the collection has gone with it: $_")
		  for 'SELECT count(*) FROM coll', 'SELECT cell_type, count(*) FROM coll GROUP BY 1', $batch;
	}
	is(given($here, 'EXECUTE b'), '42P01', "round $round: nor for what was prepared");
	ask_safe($here, "SELECT create_collection('coll', ARRAY[$list])");
	is(given($_, $batch), $expected, "round $round: made anew") for $here, $there;
	is(given($_, 'SELECT count(*) FROM (SELECT cell_type FROM coll GROUP BY 1) s'), '12', 'with all its labels') for $here, $there;
	is(given($here, 'EXECUTE b'), $expected, "round $round: a statement from before");
	is(given($here, 'EXECUTE g'), '12', "round $round: and another");
}
# away altogether, with the library still loaded
ask_safe($here, 'SET client_min_messages = error; DROP EXTENSION mappedcoll CASCADE');
is(given($_, $batch), '42883', 'without the extension there is no sampling') for $here, $there;
is(given($_, 'SELECT sex, count(*) FROM copy GROUP BY 1 ORDER BY 1'), given($_, 'SELECT sex, count(*) FROM copy GROUP BY sex ORDER BY sex'), 'other tables are as before') for $here, $there;
is(given($here, 'EXECUTE b'), '42883', 'nor in what was prepared');
ask_safe($here, "CREATE SCHEMA ext; CREATE EXTENSION mappedcoll SCHEMA ext; SELECT ext.create_collection('coll', ARRAY[$list])");
is(given($here, $batch =~ s/sample_batch/ext.sample_batch/r), $expected, 'back in another schema');
is(given($there, 'SELECT count(*) FROM (SELECT cell_type FROM coll GROUP BY 1) s'), '12', 'for the other session, too');
ask_safe($here, 'DROP EXTENSION mappedcoll CASCADE; CREATE EXTENSION mappedcoll SCHEMA public');

is(ask_safe($_, 'SELECT pg_backend_pid()'), backend_pid($_), 'the same backend as at the start') for $here, $there;
unlike(slurp_file($node->logfile), qr/(?:PANIC|terminated by signal|TRAP|XX000)/, 'no crash, and no internal error in the log');
$_->quit for $here, $there;
$node->stop;
done_testing();
