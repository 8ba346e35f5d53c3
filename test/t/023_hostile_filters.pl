# Filters of the sampling functions, as hostile as they come: each gives the rows that
# SELECT ... WHERE gives the same role, or a clean error of the expected kind; nothing
# is run twice, nothing outside of the query that is meant, and the session goes on.
# What would break: a filter that ends our query and begins another one, that runs with
# other rights than the caller's, that takes the backend with it, that is kept when it
# means something else by now.
use strict;
use warnings;
use utf8;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use Encode qw(encode);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hostile_filters');
my @files = demo_files();
my $list = join ', ', map { "'$_'" } @files;

$node->safe_psql('postgres', <<~"SQL");
	CREATE ROLE lab LOGIN IN ROLE pg_read_server_files;
	CREATE ROLE reader LOGIN;
	CREATE ROLE clinic LOGIN;
	CREATE ROLE narrow LOGIN;
	GRANT CREATE ON SCHEMA public TO lab;
	SQL
my %as = map { $_ => open_session($node, user => $_) } qw(lab reader clinic narrow);
my $boss = open_session($node);

ask_safe($as{lab}, <<~"SQL");
	SELECT create_collection('coll', ARRAY[$list]);
	SELECT create_collection('guarded', ARRAY[$list]);
	GRANT SELECT ON coll TO reader;
	GRANT SELECT (row_index, cell_type, x, x_indices, x_values) ON coll TO narrow;
	GRANT SELECT ON guarded TO clinic;
	CREATE POLICY donors ON guarded TO clinic USING (donor_id IN ('D01', 'D05'));
	ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
	SQL
ask_safe($boss, <<~'SQL');
	CREATE TABLE secret (i bigint, word text);
	INSERT INTO secret VALUES (1, 'xyzzy');
	CREATE SEQUENCE locked_counter;
	CREATE SEQUENCE counter;
	CREATE TABLE victim (i bigint);
	INSERT INTO victim VALUES (1);
	CREATE TABLE log (i bigint);
	GRANT ALL ON victim, log, counter TO PUBLIC;
	CREATE FUNCTION writes(bigint) RETURNS boolean LANGUAGE plpgsql
		AS 'BEGIN INSERT INTO log VALUES ($1); RETURN true; END';
	CREATE FUNCTION stable_writes(bigint) RETURNS boolean LANGUAGE plpgsql STABLE
		AS 'BEGIN INSERT INTO log VALUES ($1); RETURN true; END';
	CREATE FUNCTION does(text) RETURNS boolean LANGUAGE plpgsql
		AS 'BEGIN EXECUTE $1; RETURN true; END';
	CREATE FUNCTION fails(bigint) RETURNS boolean LANGUAGE plpgsql
		AS 'BEGIN IF $1 % 7 = 3 THEN RAISE ''no'' USING ERRCODE = ''MC777''; END IF; RETURN true; END';
	CREATE FUNCTION survives(bigint) RETURNS boolean LANGUAGE plpgsql
		AS 'BEGIN PERFORM 1 / ($1 % 2); RETURN true; EXCEPTION WHEN division_by_zero THEN RETURN false; END';
	CREATE FUNCTION again(text, bigint) RETURNS boolean LANGUAGE plpgsql
		AS 'BEGIN RETURN sample_size($1::regclass, filter => format(''again(%L, row_index)'', $1)) > 0; END';
	CREATE FUNCTION set_of() RETURNS SETOF boolean LANGUAGE sql AS 'SELECT true';
	CREATE PROCEDURE procedure() LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION lent() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text';
	SQL

# What each filter must give: 00000 stands for the rows of the same WHERE, 55000 for
# no row, anything else for the SQLSTATE; "a|b" for either of them, by the version.
# %T is the collection, of narrow and reader coll, of clinic guarded.
my @filters = (
	# what is not one condition: the end of it, and something more
	[ 'true; DROP TABLE victim', '42601' ],
	[ 'true); DROP TABLE victim; --', '42601' ],
	[ 'true); DROP TABLE victim; SELECT (true', '42601' ],
	[ 'true;', '42601' ], [ ';true', '42601' ], [ 'true; ;', '42601' ], [ 'true; SELECT 1', '42601' ],
	[ "true) -- ", '42601' ], [ "true) --\n", '42601' ], [ "true\n) -- \n", '42601' ], [ 'true) /*', '42601' ],
	[ 'true) UNION SELECT 1 WHERE (true', '42601' ], [ 'true) UNION ALL SELECT i FROM secret WHERE (true', '42601' ],
	[ 'true) INTERSECT SELECT 1 WHERE (true', '42601' ], [ 'true) EXCEPT SELECT 1 WHERE (true', '42601' ],
	[ 'true) GROUP BY (row_index', '42601' ], [ 'true) GROUP BY 1 HAVING (true', '42601' ], [ 'true) HAVING (true', '42601' ],
	[ 'true) ORDER BY (1', '42601' ], [ 'true) LIMIT (1', '42601' ], [ 'true) LIMIT ALL OFFSET (0', '42601' ], [ 'true) OFFSET (5', '42601' ],
	[ 'true) FETCH FIRST 1 ROW ONLY --', '42601' ], [ 'true) FOR UPDATE --', '42601' ], [ "true) FOR SHARE OF coll --\n", '42601' ],
	[ 'true) WINDOW w AS (ORDER BY 1', '42601' ], [ 'true) INTO (x', '42601' ], [ 'true) FROM secret --', '42601' ],
	[ 'true) RETURNING (row_index', '42601' ], [ 'true) ON CONFLICT DO NOTHING --', '42601' ], [ 'true) AS q, secret AS s WHERE (true', '42601' ],
	# statements
	[ 'SELECT true', '00000' ], [ 'WITH x AS (SELECT true) SELECT * FROM x', '00000' ], [ 'VALUES (true)', '00000' ], [ 'TABLE secret', '42601' ],
	[ 'SELECT word = \'xyzzy\' FROM secret', '42501' ], [ 'SELECT true UNION ALL SELECT true', '21000' ], [ 'SELECT true; SELECT true', '42601' ],
	[ 'DELETE FROM victim', '42601' ], [ 'INSERT INTO victim VALUES (2)', '42601' ], [ 'UPDATE victim SET i = 2', '42601' ],
	[ 'COPY victim TO STDOUT', '42601' ], [ "COPY victim FROM PROGRAM 'id'", '42601' ], [ 'SET ROLE lab', '42601' ], [ 'true; SET ROLE lab', '42601' ],
	[ 'RESET ROLE', '42601' ], [ 'COMMIT', '42703' ], [ 'true; COMMIT; SELECT true', '42601' ], [ 'ROLLBACK', '42703' ], [ 'DO $x$ BEGIN END $x$', '42601' ],
	[ 'EXECUTE p', '42601' ], [ 'CALL procedure()', '42601' ], [ 'VACUUM', '42703' ], [ 'VACUUM victim', '42601' ], [ 'GRANT ALL ON secret TO PUBLIC', '42601' ],
	[ 'EXPLAIN SELECT true', '42601' ], [ 'LISTEN x', '42601' ], [ 'WHERE true', '42601' ], [ 'CURRENT OF c', '42601' ],
	# subselects: those that read run with the rights of the caller, others do not run
	[ '(DELETE FROM victim RETURNING true)', '42601' ], [ '(WITH d AS (DELETE FROM victim RETURNING i) SELECT true FROM d)', '0A000' ],
	[ 'EXISTS (WITH d AS (INSERT INTO victim VALUES (3) RETURNING i) SELECT FROM d)', '0A000' ],
	[ '(SELECT true INTO TEMP t)', '42601' ], [ 'EXISTS (SELECT FROM victim FOR UPDATE)', '0A000' ],
	[ 'EXISTS (SELECT FROM secret)', '42501' ], [ 'row_index IN (SELECT i FROM secret)', '42501' ], [ '(TABLE secret) IS NOT NULL', '42601|42501' ],
	[ '(SELECT i FROM secret) = 1', '42501' ], [ 'row_index = ANY (ARRAY(SELECT i FROM secret))', '42501' ],
	# what is never read needs no right
	[ 'false AND EXISTS (SELECT FROM secret)', '55000' ], [ 'true OR (SELECT word FROM secret) = cell_type', '00000' ],
	[ 'EXISTS (SELECT FROM pg_authid WHERE rolpassword IS NULL)', '42501' ], [ 'EXISTS (SELECT FROM pg_shadow)', '42501' ],
	[ 'EXISTS (SELECT FROM locked_counter)', '42501' ], [ 'EXISTS (SELECT FROM %T_h5ad)', '42501' ],
	[ 'EXISTS (SELECT FROM secret s WHERE s.i = %T.row_index)', '42501' ],
	[ '(VALUES (true))', '00000' ], [ 'EXISTS (SELECT count(*) FROM %T)', '00000' ], [ 'row_index < (SELECT count(*) FROM %T) / 2', '00000' ],
	[ 'row_index IN (SELECT i FROM victim)', '00000|55000' ], [ 'row_index = (SELECT row_index FROM %T)', '21000' ],
	[ 'row_index IN (SELECT row_index FROM sample_rows(\'%T\', 5, seed => 1))', '00000' ],
	[ q{row_index IN (SELECT row_index FROM sample_rows('%T', 9, seed => 1, filter => 'row_index IN (SELECT row_index FROM sample_rows(''%T'', 400, seed => 2))'))}, '00000' ],
	[ q{EXISTS (SELECT FROM sample_batch('%T', 2, filter => 'true; DROP TABLE victim'))}, '42601' ],
	[ q{EXISTS (SELECT FROM labels('%T_h5ad', 'cell_type'))}, '42501' ],
	# parentheses, quotes and comments
	[ '', '42601' ], [ ' ', '42601' ], [ "\t\n", '42601' ], [ '--', '42601' ], [ '-- true', '42601' ], [ '/* true */', '42601' ], [ '/*', '42601' ], [ '*/', '42601' ],
	[ 'true */', '42601' ], [ 'true /* ', '42601' ], [ 'true /* /* */', '42601' ],
	[ ')', '42601' ], [ '(', '42601' ], [ ')(', '42601' ], [ '()', '42601' ], [ 'true)', '42601' ], [ '(true', '42601' ], [ 'true))((true', '42601' ],
	[ q{'}, '42601' ], [ '"', '42601' ], [ '""', '42601' ], [ '$$', '42601' ], [ '$a$', '42601' ], [ q{cell_type = $a$B cell$b$}, '42601' ],
	[ q{cell_type = 'B cell}, '42601' ], [ q{cell_type = E'\\'}, '42601' ], [ "true\\", '42601' ], [ '\! id', '42601' ], [ '\gexec', '42601' ], [ '@', '42601' ],
	[ 'true -- a comment', '00000' ], [ "true -- )\n AND row_index > 5", '00000' ], [ '/**/(/**/true/**/)/**/', '00000' ], [ 'true /* ) /* ( */ */', '00000' ],
	[ 'false) OR (1=1', '00000' ], [ 'true) AND (row_index < 1600', '00000' ], [ '((((row_index > 5))))', '00000' ],
	[ q{cell_type = $q$B cell$q$}, '00000' ], [ q{cell_type <> ');--'}, '00000' ], [ q{cell_type <> '/*' AND '*/' = '*/'}, '00000' ],
	[ qq{cell_type = 'B '\n'cell'}, '00000' ], [ q{'yes'}, '00000' ],
	# encodings and Unicode
	[ q{cell_type = U&'B\0020cell'}, '00000' ], [ q{U&"cell\005Ftype" = 'B cell'}, '00000' ], [ q{cell_type = U&'B!0020cell' UESCAPE '!'}, '00000' ],
	[ q{cell_type = E'B\x20cell'}, '00000' ], [ q{U&'\D800' = ''}, '42601' ], [ q{U&'\+110000' = ''}, '42601' ], [ q{U&'\0000' = ''}, '42601|22021' ],
	[ q{E'\x80' = ''}, '22021' ], [ q{E'\000' = ''}, '22021' ], [ q{E'\uD83D' = ''}, '42601' ], [ q{chr(0) = ''}, '54000' ],
	[ q{convert_from('\x80', 'UTF8') = ''}, '22021' ], [ q{convert_from('\x61', 'no such') = ''}, '22023' ],
	[ "row_index\x{a0}> 5", '42703' ], [ "row_index\x{200b} > 5", '42703' ], [ "\x{ff08}true\x{ff09}", '42703' ], [ "row_index > 5\x{202e}", '42601' ],
	[ "\x{1f9ec}", '42703' ], [ "cell_type <> '\x{1f9ec}\x{202e}'", '00000' ], [ "row_index \x{2265} 5", '42601' ], [ "cell_type = \x{2019}B cell\x{2019}", '42601' ],
	[ "\x{feff}true", '42703' ],
	# what cannot be in a WHERE
	[ 'count(*) > 0', '42803' ], [ 'sum(row_index) > 0', '42803' ], [ 'array_agg(cell_type) FILTER (WHERE true) IS NOT NULL', '42803' ],
	[ 'row_number() OVER () = 1', '42P20' ], [ 'sum(row_index) OVER w > 1', '42P20|42704' ], [ 'generate_series(1, 3) = 1', '0A000' ],
	[ 'unnest(ARRAY[true])', '0A000' ], [ 'set_of()', '0A000' ], [ 'procedure()', '42809' ], [ 'grouping(row_index) = 0', '42803' ],
	[ 'DEFAULT', '42601' ], [ 'DISTINCT true', '42601' ], [ 'ALL true', '42601' ], [ '*', '42601' ], [ '%T.*', '42804' ], [ 'NEW.row_index = 1', '42P01' ],
	[ 'true AS x', '42601' ], [ 'true, false', '42804' ], [ '(true, false)', '42804' ], [ 'ROW(true)', '42804' ], [ 'ARRAY[true]', '42804' ],
	[ '1', '42804' ], [ '0', '42804' ], [ q{'x'}, '22P02' ], [ 'NULL', '55000' ], [ 'NULL::text', '42804' ], [ 'row_index', '42804' ], [ 'x', '42804' ],
	[ 'now()', '42804' ], [ 'ROW(1, 2) = ROW(1)', '42601' ], [ 'ROW(row_index, 1) < ROW(5, 2)', '00000' ], [ '(row_index, cell_type) IS NOT NULL', '00000' ],
	# parameters, names of other tables, system columns
	[ '$1', '42P02' ], [ '$1::boolean', '42P02' ], [ '$0', '42P02|42601' ], [ '$99999999999', '42601|42P02' ], [ ':a', '42601' ], [ '?', '42601' ], [ '$1 OR true', '42P02' ],
	[ 'none = 1', '42703' ], [ 'i = 1', '42703' ], [ 'secret.i = 1', '42P01' ], [ 'pg_class.relname IS NULL', '42P01' ], [ 's.row_index = 1', '42P01' ], [ 'r.row_index = 1', '42P01' ],
	[ '%T_h5ad.row_index = 1', '42P01' ], [ 'public.%T.row_index < 1600', '00000' ], [ 'postgres.public.%T.row_index < 1600', '00000' ],
	[ 'elsewhere.public.%T.row_index < 5', '0A000' ], [ 'a.b.c.d.e = 1', '42601' ], [ 'Row_Index < 1600', '00000' ], [ '"Row_Index" < 9', '42703' ],
	[ 'ctid IS NOT NULL', '0A000|42501' ], [ 'xmin IS NOT NULL', '0A000|42501' ], [ 'oid = 1', '42703' ], [ 'collection IS NULL', '42703' ], [ 'filter = 1', '42703|42601' ],
	# functions that are not there, that may not be called, that are more than a condition
	[ 'no_function()', '42883' ], [ 'no_schema.f()', '3F000' ], [ 'row_index = cell_type', '42883' ], [ 'row_index @@@ 1', '42883' ],
	[ q{pg_read_file('/etc/passwd') IS NOT NULL}, '42501' ], [ q{pg_ls_dir('/') IS NOT NULL}, '0A000' ], [ q{lo_import('/etc/passwd') > 0}, '42501' ],
	[ q{current_setting('data_directory') IS NOT NULL}, '42501' ], [ q{current_setting('no.such') IS NULL}, '42704' ],
	[ q{set_config('role', 'lab', true) = 'lab'}, '42501' ], [ q{set_config('session_authorization', 'lab', true) = 'lab'}, '42501' ],
	[ q{set_config('mappedcoll.manifest_directory', '/tmp', true) = ''}, '42501' ], [ q{set_config('no such', 'x', true) = ''}, '42704|42602' ],
	[ q{nextval('locked_counter') > 0}, '42501' ], [ 'pg_reload_conf()', '42501' ], [ q{pg_cancel_backend(pg_backend_pid())}, '57014' ],
	[ q{does('DROP TABLE secret')}, '42501' ], [ q{does('COMMIT')}, '0A000' ], [ q{does('SAVEPOINT s')}, '0A000' ], [ q{does('DISCARD ALL')}, '25001' ],
	[ q{does('SELECT i FROM secret')}, '42501' ], [ q{does('SET LOCAL ROLE lab')}, '42501' ], [ q{does('ALTER TABLE %T DISABLE ROW LEVEL SECURITY')}, '42501|55006' ],
	[ q{does('CLOSE ALL')}, '00000' ], [ q{does('DEALLOCATE ALL')}, '00000' ], [ q{does('CLOSE "<unnamed portal 1>"')}, '24000|34000|2BP01|XX000' ],
	[ q{does('SELECT * FROM %T TABLESAMPLE weighted(''cell_type'') LIMIT 1')}, '00000', slow => 1 ],
	[ 'fails(row_index)', 'MC777' ], [ 'survives(row_index)', '00000' ], [ q{lent() <> current_user}, '00000' ], [ 'current_user = session_user', '00000' ],
	[ q{again('%T', row_index)}, '54001' ], [ q{has_table_privilege('secret', 'SELECT')}, '55000' ], [ q{pg_has_role('lab', 'USAGE')}, '55000' ],
	[ 'random() >= 0', '00000' ], [ 'random() > 2', '55000' ], [ 'clock_timestamp() >= now()', '00000' ],
	# errors while it runs
	[ '1/0 = 1', '22012' ], [ '1 / (row_index - row_index) = 1', '22012' ], [ '1 / (row_index % 5) >= 0', '22012' ], [ 'cell_type::int = 1', '22P02' ], [ q{'x'::int = 1}, '22P02' ],
	[ 'row_index * 9223372036854775807 > 0', '22003' ], [ 'row_index::int::smallint * 32767::smallint > 0', '22003' ], [ 'sqrt(-1 - row_index) > 0', '2201F' ],
	[ 'ln(row_index - row_index) > 0', '2201E' ], [ q{'2020-99-99'::date > now()}, '22008' ], [ q{cell_type ~ '('}, '2201B' ], [ q{cell_type LIKE '%\\'}, '22025' ],
	[ q{substring(cell_type, 1, -1) = ''}, '22011' ], [ q{repeat('x', 2000000000) = ''}, '54000' ], [ q{lpad('x', 2000000000) = ''}, '54000' ],
	[ q{'\{'::json IS NOT NULL}, '22P02' ], [ q{decode('zz', 'hex') = ''}, '22023' ], [ q{to_timestamp(cell_type, 'YYYY') > now()}, '22007' ],
	[ q{get_byte(x, 100000000) = 0}, '2202E' ], [ q{(ARRAY[[1,2],[3]])[1][1] = 1}, '2202E' ], [ q{cell_type COLLATE "no such" = ''}, '42704' ],
	[ q{pg_sleep('x') IS NULL}, '22P02' ],
	# size
	[ 'row_index IN (0' . (',1' x 20_000) . ')', '00000|55000' ], [ join(' OR ', map { "row_index = $_" } 0 .. 3000), '00000' ],
	[ q{cell_type <> '} . ('x' x 500_000) . q{'}, '00000' ], [ 'true' . (' ' x 500_000), '00000' ], [ ('(' x 1000) . 'true' . (')' x 1000), '00000' ],
	[ ('(' x 100_000) . 'true' . (')' x 100_000), '42601|54001' ], [ ('NOT ' x 100_000) . 'true', '42601|54001' ],
	[ ('CASE WHEN true THEN ' x 20_000) . 'true' . (' END' x 20_000), '42601|54001' ], [ ('-' x 1), '42601' ], [ '1 = ' . ('- ' x 50_000) . '1', '42601|54001' ],
	[ 'EXISTS (SELECT ' x 3_000 . 'true' . ')' x 3_000, '42601|54001|00000', slow => 1 ],
	[ ('x' x 200_000) . ' = 1', '42703' ], [ '"' . ('x' x 200_000) . '" = 1', '42703' ]);

my $calls = 0;

# A filter as a literal
sub literal
{
	my ($text) = @_;

	$text =~ s/'/''/g;
	$text =~ s/\\/\\\\/g;
	return "E'$text'";
}

# Rows of the condition, by SELECT itself
sub rows_of
{
	my ($session, $table, $condition) = @_;
	my ($state, $said, $out) = state_of($session, "SELECT string_agg(row_index::text, ',' ORDER BY row_index) FROM (SELECT row_index FROM $table WHERE ($condition\n)) s");

	return $state eq '00000' ? $out : $state;
}

# What the functions make of a filter: their states, one word if they agree; the rows
# if there are some
sub outcome
{
	my ($session, $table, $filter, $slow) = @_;
	my $text = encode('UTF-8', literal($filter));
	my ($size_state, $size_said, $n) = state_of($session, "SELECT sample_size('$table', filter => $text)");
	my %states = ($size_state => 1);
	my @others = ("SELECT row_index FROM sample_batch('$table', 2, 'cell_type', seed => 1, filter => $text)",
		"SELECT n_rows FROM sample_csr('$table', 2, seed => 1, filter => $text)",
		"SELECT n_rows FROM sample_dense('$table', 2, seed => 1, filter => $text)",
		"SELECT sample_fingerprint('$table', filter => $text)",
		"SELECT count(*) FROM sample_rows('$table', 2, seed => 1, replacement => false, filter => $text)");

	$calls++;
	for my $call ($slow ? $others[1] : @others)
	{
		my ($state) = state_of($session, $call);

		$states{$state} = 1;
		$calls++;
	}
	return ("states " . join(' ', sort keys %states), undef, $size_said) if keys %states > 1 || $size_state ne '00000';
	$calls++;
	my ($state, $said, $out) = state_of($session,
		"SELECT string_agg(row_index::text, ',' ORDER BY row_index) FROM sample_rows('$table', $n, seed => 1, replacement => false, filter => $text)");
	return ("states $state", $out, $said);
}

# What is left behind of each filter: nothing
my $watched = "SELECT (SELECT count(*) FROM victim), (SELECT count(*) FROM secret), (SELECT count(*) FROM log), "
  . "(SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace), (SELECT count(*) FROM pg_proc)";
my $before = ask_safe($boss, $watched);

for my $who ([ reader => 'coll' ], [ clinic => 'guarded' ])
{
	my ($name, $table) = @$who;
	my $session = $as{$name};

	for my $entry (@filters)
	{
		my ($text, $expected, %more) = @$entry;

		(my $filter = $text) =~ s/%T/$table/g;
		my ($got, $rows, $said) = outcome($session, $table, $filter, $more{slow});
		my $shown = length $text > 90 ? substr($text, 0, 60) . '... (' . length($text) . ' characters)' : $text;
		$shown =~ s/\n/\\n/g;
		$shown = encode('UTF-8', $shown);
		my ($state) = $got =~ /^states (\w{5})$/;

		if (!defined $state || $state !~ /^(?:$expected)$/)
		{
			fail("$name: $expected: $shown");
			diag("$got: $said");
		}
		elsif ($state eq '00000' && $text !~ /random|clock/)
		{
			is($rows, rows_of($session, $table, encode('UTF-8', $filter)), "$name: the rows of WHERE: $shown");
		}
		else
		{
			pass("$name: $state: $shown");
		}
		die "the session of $name is another one" if ask_safe($session, 'SELECT pg_backend_pid()') ne backend_pid($session);
	}
	is(ask_safe($boss, $watched), $before, "$name: nothing is left behind by them");
	is(ask_safe($session, "SELECT current_user || current_setting('row_security')"), "${name}on", "$name: nor in the session");
	is(ask_safe($session, "SELECT count(*) FROM sample_batch('$table', 5, 'cell_type', filter => 'row_index >= 0')"), '5', "$name: which samples as before");
}
cmp_ok(scalar(@filters), '>=', 100, 'enough of them');
note scalar(@filters) . " filters, $calls calls";

# Where columns are granted, a filter has those
for my $case ([ q{cell_type = 'B cell'}, '00000' ], [ 'row_index < 9', '00000' ], [ q{donor_id = 'D01'}, '42501' ], [ 'true OR donor_id IS NULL', '42501' ],
	[ 'coll IS NOT NULL', '42501' ], [ 'coll.* IS NOT NULL', '42501' ], [ 'row_to_json(coll) IS NOT NULL', '42501' ], [ 'row_index IN (SELECT 1 FROM coll c WHERE c.n_counts > 0)', '42501' ],
	[ 'tableoid IS NOT NULL', '42501' ], [ 'ctid IS NOT NULL', '42501|0A000' ], [ q{'n_counts' = 'n_counts'}, '00000' ], [ 'EXISTS (SELECT coll.age)', '42501' ],
	[ 'CASE WHEN false THEN age > 5 ELSE true END', '42501' ], [ '(coll).age > 5', '42501' ], [ 'file_index = 0', '42501' ], [ 'length(obs_name) > 0', '42501' ])
{
	my ($got) = outcome($as{narrow}, 'coll', $case->[0]);

	like($got, qr/^states (?:$case->[1])$/, "column privileges: $case->[0]");
}

# ------------------------------------------------------------------ side effects
#
# A function in a filter runs for each row that the caller sees, once a statement

for my $who ([ reader => 'coll' ], [ clinic => 'guarded' ])
{
	my ($name, $table) = @$who;
	my $session = $as{$name};
	my $n = ask_safe($session, "SELECT count(*) FROM $table");

	for my $call ("SELECT count(*) FROM sample_batch('$table', 3, 'cell_type', filter => 'writes(row_index)')",
		"SELECT count(*) FROM sample_rows('$table', 3, n_steps => 5, filter => 'writes(row_index)')",
		"SELECT sum(n_rows) FROM sample_csr('$table', 3, 'cell_type', n_steps => 3, obs_columns => '{donor_id}', filter => 'writes(row_index)')",
		"SELECT sum(n_rows) FROM sample_dense('$table', 3, filter => 'writes(row_index)', replacement => false)",
		"SELECT sample_size('$table', filter => 'writes(row_index)')",
		"SELECT length(sample_fingerprint('$table', filter => 'writes(row_index)')) > 0")
	{
		my ($before_state) = state_of($session, 'DELETE FROM log');
		my ($state, $said) = state_of($session, $call);
		# a function that is not volatile does not write
		my $expected = $call =~ /^SELECT (?:sample_size|length)/ ? '00000|0A000' : '00000';

		like($state, qr/^(?:$expected)$/, "$name: $call");
		diag($said) if $state !~ /^(?:$expected)$/;
		is(ask_safe($session, 'SELECT count(*), count(DISTINCT i) FROM log'), $state eq '00000' ? "$n|$n" : '0|0', 'each row once, and none twice');
	}
	ask_safe($session, 'DELETE FROM log');
	is(join(' ', state_of($session, "SELECT count(*) FROM sample_batch('$table', 3, filter => 'stable_writes(row_index)')")) =~ /^(\w+)/ ? $1 : '', '0A000',
		"$name: a function that says it is stable does not write");
	is(join(' ', state_of($session, "BEGIN READ ONLY; SELECT count(*) FROM sample_batch('$table', 3, filter => 'writes(row_index)'); ROLLBACK")) =~ /^(\w+)/ ? $1 : '', '25006',
		"$name: nor does one in a read-only transaction");
	is(ask_safe($session, "BEGIN; SAVEPOINT s; SELECT count(*) FROM sample_batch('$table', 3, filter => 'writes(row_index)'); ROLLBACK TO s; COMMIT; SELECT count(*) FROM log"), "3\n0",
		"$name: what it writes is rolled back to a savepoint");
	ask_safe($boss, "ALTER SEQUENCE counter RESTART");
	ask_safe($session, qq{SELECT count(*) FROM sample_rows('$table', 3, filter => 'nextval(''counter'') > 0')});
	is(ask_safe($boss, "SELECT nextval('counter')"), $n + 1, "$name: a sequence has counted each visible row once");

	# time
	ask_safe($session, "SET statement_timeout = '100ms'");
	for my $filter ('pg_sleep(20) IS NULL', 'pg_sleep(0.001 + row_index / 1e7) IS NULL', 'row_index = (SELECT count(*) FROM generate_series(1, 1000000000))',
		'(SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d, pg_class e) > row_index')
	{
		my ($state) = state_of($session, "SELECT sample_size('$table', filter => '$filter')");

		is($state, '57014', "$name: ended by statement_timeout: $filter");
	}
	ask_safe($session, 'RESET statement_timeout');

	# errors in the middle of a transaction
	is((ask($session, "BEGIN; SAVEPOINT s; SELECT sample_size('$table', filter => '1 / (row_index % 5) >= 0'); ROLLBACK TO s; SELECT sample_size('$table', filter => 'row_index >= 0'); COMMIT"))[0],
		$n, "$name: after an error in a filter and ROLLBACK TO, the transaction goes on");
}

# Whoever owns the table pulls it away from under the scan
for my $what ('DROP TABLE coll', 'DROP FOREIGN TABLE coll_h5ad', 'ALTER TABLE coll DROP COLUMN age', 'ALTER TABLE coll DETACH PARTITION coll_h5ad', 'TRUNCATE coll')
{
	my ($state, $said) = state_of($as{lab}, "SELECT sample_size('coll', filter => 'does(''$what'')')");

	# to detach what is scanned is no error: only the second time it is
	like($state, $what =~ /DETACH/ ? qr/^42P01$/ : qr/^(?:55006|0A000|2BP01)$/, "in a filter, by the owner: $what") or diag($said);
}
for my $what ('ALTER TABLE coll DETACH PARTITION coll_h5ad', 'ALTER TABLE coll RENAME TO gone', 'ALTER TABLE coll OWNER TO reader')
{
	my ($state, $said) = state_of($as{lab}, "BEGIN; SELECT count(*) FROM sample_batch('coll', 3, 'cell_type', filter => 'row_index > 0 OR does(''$what'')'); ROLLBACK");

	unlike($state, qr/^XX/, "in a filter, by the owner, once: $what") or diag($said);
}
is(ask_safe($as{lab}, "SELECT count(*) FROM sample_batch('coll', 3, 'cell_type', filter => 'row_index > 5')"), '3', 'and all is as before');
my ($refreshed, $said) = state_of($as{lab}, q{SELECT count(*) FROM sample_batch('coll', 3, 'cell_type', filter => 'row_index > 5 OR does(''SELECT refresh_collection(''''coll'''')'')')});
is($refreshed, '00000', 'in a filter, by the owner: refresh_collection') or diag($said);

# ------------------------------------------------------ what a filter means now
#
# Kept filters are those of what was understood, not of a text

my $reader = $as{reader};
my $by = sub { return ask_safe($reader, "SELECT sample_size('coll', filter => " . literal($_[0]) . ')') };
my $null = ask_safe($boss, 'SELECT count(*) FROM coll WHERE cell_type IS NULL');

is((state_of($reader, "SELECT sample_size('coll', filter => 'cell_type = NULL')"))[0], '55000', 'no row equals NULL') for 1 .. 2;
ask_safe($reader, 'SET transform_null_equals = on');
is($by->('cell_type = NULL'), $null, 'but with transform_null_equals some do');
ask_safe($reader, 'RESET transform_null_equals');
is((state_of($reader, "SELECT sample_size('coll', filter => 'cell_type = NULL')"))[0], '55000', 'and without it none again');

ask_safe($reader, 'SET standard_conforming_strings = off; SET escape_string_warning = off');
is((state_of($reader, q{SELECT sample_size('coll', filter => $f$cell_type = '\') OR (1=1$f$)}))[0], '42601', 'a backslash that hides a quote, where it does');
is(ask_safe($reader, q{SELECT sample_size('coll', filter => $f$cell_type <> '\') OR (1=1'$f$)}), 3200 - $null, 'one string');
ask_safe($reader, 'SET standard_conforming_strings = on');
is(ask_safe($reader, q{SELECT sample_size('coll', filter => $f$cell_type <> '\') OR (1=1$f$)}), '3200', 'and where it does not');
ask_safe($reader, 'RESET ALL');

# a number as a text depends on a setting
my ($value, $equal) = split /\|/, ask_safe($boss, "SELECT percent_mito, count(*) FROM coll WHERE length(percent_mito::text) > 12 GROUP BY 1 ORDER BY 1 LIMIT 1");
is($by->("percent_mito::text = '$value'"), $equal, 'a number with all its digits');
ask_safe($reader, 'SET extra_float_digits = -9');
is((state_of($reader, "SELECT sample_size('coll', filter => 'percent_mito::text = ''$value''')"))[0], '55000', 'is not the one with few digits');
ask_safe($reader, 'RESET extra_float_digits');
is($by->("percent_mito::text = '$value'"), $equal, 'and is again');

# the right to call a function: granted to a group, which one leaves; to all, then to
# none; and a domain that changes
ask_safe($boss, <<~'SQL');
	CREATE ROLE callers;
	CREATE FUNCTION mine(bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 < 100; END';
	REVOKE EXECUTE ON FUNCTION mine(bigint) FROM PUBLIC;
	GRANT EXECUTE ON FUNCTION mine(bigint) TO callers;
	GRANT callers TO reader;
	CREATE DOMAIN small AS bigint CHECK (VALUE < 5000);
	SQL
my $mine = "SELECT sample_size('coll', filter => 'mine(row_index)')";
is(ask_safe($reader, $mine), '100', 'a function that a group may call') for 1 .. 2;
ask_safe($boss, 'REVOKE callers FROM reader');
is((state_of($reader, $mine))[0], '42501', 'not by who has left it');
ask_safe($boss, 'GRANT callers TO reader');
is(ask_safe($reader, $mine), '100', 'but by who is back');
ask_safe($boss, 'ALTER FUNCTION mine(bigint) RENAME TO yours');
is((state_of($reader, $mine))[0], '42883', 'a function that is gone');
ask_safe($boss, 'ALTER FUNCTION yours(bigint) RENAME TO mine');
ask_safe($boss, q{CREATE OR REPLACE FUNCTION mine(bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 < 50; END'});
is(ask_safe($reader, $mine), '50', 'a function that became another');
is($by->('row_index::small < 10'), '10', 'a domain') for 1 .. 2;
ask_safe($boss, 'ALTER DOMAIN small ADD CHECK (VALUE < 3000)');
is((state_of($reader, "SELECT sample_size('coll', filter => 'row_index::small < 10')"))[0], '23514', 'that became narrower');

# operators of one's own, before those of PostgreSQL
ask_safe($boss, <<~'SQL');
	CREATE SCHEMA shadow;
	CREATE FUNCTION shadow.less(bigint, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
	CREATE OPERATOR shadow.< (FUNCTION = shadow.less, LEFTARG = bigint, RIGHTARG = int);
	CREATE TABLE shadow.coll (row_index bigint);
	GRANT USAGE ON SCHEMA shadow TO PUBLIC;
	SQL
is($by->('row_index < 7'), '7', 'an operator of PostgreSQL');
ask_safe($reader, 'SET search_path = shadow, pg_catalog, public');
is((state_of($reader, "SELECT sample_size('public.coll', filter => 'row_index < 7')"))[0], '55000', 'another before it in search_path');
is(ask_safe($reader, "SELECT sample_size('public.coll', filter => 'row_index OPERATOR(pg_catalog.<) 7')"), '7', 'the table is the one that was named');
is((state_of($reader, "SELECT sample_size('coll')"))[0], '42809', 'a table of that name before it is no collection');
ask_safe($reader, 'RESET search_path');
is($by->('row_index < 7'), '7', 'and back');

is(ask_safe($_, 'SELECT pg_backend_pid()'), backend_pid($_), 'the same backend as at the start') for values %as;
unlike(slurp_file($node->logfile), qr/(?:PANIC|terminated by signal|TRAP|XX000)/, 'no crash, and no internal error in the log');
$_->quit for values %as, $boss;
$node->stop;
done_testing();
