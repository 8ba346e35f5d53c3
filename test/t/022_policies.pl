# Row-level security of a collection: what a caller gets from any surface is what it
# would be if the hidden rows did not exist.  For each of several policies the same
# queries are asked of the collection, as a role under the policy, and of a heap copy
# of the rows that the policy lets through; the sampling functions are held against
# that copy as well; and functions that raise an error when they are handed a hidden
# row, or a label that only hidden rows have, stand in every place of a query.  All of
# it with push-down and without, and with parallel plans where the server offers them.
# What would break: a condition, an aggregate or a label that is looked at by code
# before the policy, counts taken from the files, statistics that name what is hidden.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('policies', conf => [ 'max_parallel_workers_per_gather = 2', 'jit = off' ]);
my @files = demo_files();
my $list = join ', ', map { "'$_'" } @files;

$node->safe_psql('postgres', <<~"SQL");
	CREATE ROLE boss SUPERUSER LOGIN;
	CREATE ROLE clinic LOGIN;
	CREATE ROLE viewer LOGIN;
	CREATE ROLE member LOGIN IN ROLE clinic;
	GRANT CREATE ON SCHEMA public TO clinic, viewer;
	SQL
my %as = map { $_ => open_session($node, user => $_) } qw(boss clinic viewer member);
my $boss = $as{boss};

ask_safe($boss, <<~"SQL");
	SELECT create_collection('coll', ARRAY[$list], genes => ARRAY['CD3D'], obsm => ARRAY['X_pca']);
	CREATE TABLE whole AS SELECT * FROM coll;
	CREATE TABLE access (who name, donor text);
	INSERT INTO access VALUES ('clinic', 'D02'), ('clinic', 'D09'), ('viewer', 'D03'), ('member', 'D02'), ('member', 'D09');
	CREATE TABLE donors AS SELECT DISTINCT donor_id, right(donor_id, 1)::int % 3 AS cohort FROM whole;
	GRANT SELECT ON access, donors TO clinic, viewer;
	GRANT SELECT ON coll TO clinic;
	SELECT create_sampler('sampler', 'SELECT row_index, 1 + row_index % 5 AS weight FROM coll');
	GRANT SELECT ON sampler TO PUBLIC;
	ALTER TABLE coll ENABLE ROW LEVEL SECURITY;
	CREATE FUNCTION allows(text, boolean) RETURNS boolean LANGUAGE plpgsql STABLE COST 1000
		AS 'BEGIN RETURN \$1 = ''B cell'' AND NOT \$2; END';
	SQL

# The rows that are allowed now, and every value that they have in the columns of
# few values; what a trap is handed has to be among them.
ask_safe($boss, <<~'SQL');
	CREATE TABLE allowed (LIKE whole);
	ALTER TABLE allowed ADD PRIMARY KEY (row_index);
	CREATE TABLE allowed_values (name text, value text);
	CREATE FUNCTION trap_row(bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER STABLE COST 0.0000001
		SET search_path = public SET enable_seqscan = off AS $$
	BEGIN
		IF NOT EXISTS (SELECT FROM allowed WHERE row_index = $1) THEN
			RAISE 'row % is hidden', $1 USING ERRCODE = 'MC001';
		END IF;
		RETURN true;
	END $$;
	CREATE FUNCTION trap(name text, value text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER STABLE COST 0.0000001
		SET search_path = public AS $$
	BEGIN
		IF NOT EXISTS (SELECT FROM allowed_values a WHERE a.name = trap.name AND a.value IS NOT DISTINCT FROM trap.value) THEN
			RAISE '% % is hidden', name, value USING ERRCODE = 'MC001';
		END IF;
		RETURN true;
	END $$;
	CREATE FUNCTION trap_immutable(name text, value text) RETURNS boolean LANGUAGE sql IMMUTABLE COST 0.0000001
		AS 'SELECT trap(name, value)';
	CREATE FUNCTION trap_volatile(name text, value text) RETURNS boolean LANGUAGE plpgsql VOLATILE COST 0.0000001
		AS 'BEGIN RETURN trap(name, value); END';
	CREATE FUNCTION int64s(bytea) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
		SELECT array_agg((SELECT sum(get_byte($1, i * 8 + b)::numeric * 256::numeric ^ b)::bigint FROM generate_series(0, 7) AS b) ORDER BY i)
		FROM generate_series(0, length($1) / 8 - 1) AS i $$;
	CREATE FUNCTION int32s(bytea) RETURNS int[] LANGUAGE sql IMMUTABLE AS $$
		SELECT array_agg((get_byte($1, i * 4) + get_byte($1, i * 4 + 1) * 256 + (get_byte($1, i * 4 + 2) * 65536)
			+ CASE WHEN get_byte($1, i * 4 + 3) = 255 THEN -16777216 ELSE get_byte($1, i * 4 + 3) * 16777216 END) ORDER BY i)
		FROM generate_series(0, length($1) / 4 - 1) AS i $$;
	SQL

my @labelled = qw(cell_type donor_id sex chemistry severity is_doublet file_index);

# ------------------------------------------------------------------ policies
#
# name, condition of the policy, the same over the heap copy for role clinic (a
# policy may speak of current_user), restrictive policy

my @policies = (
	[ 'donors', "donor_id IN ('D01', 'D05')" ],
	[ 'a subquery', 'donor_id IN (SELECT donor FROM access WHERE who = current_user)', "donor_id IN ('D02', 'D09')" ],
	[ 'a file', 'file_index = 1' ],
	[ 'rows', 'row_index BETWEEN 100 AND 149 OR row_index = 3000' ],
	[ 'a type and a flag', "cell_type = 'B cell' AND NOT is_doublet" ],
	[ 'a leaky function', 'allows(cell_type, is_doublet)' ],
	[ 'numbers', 'n_counts > (SELECT 300) AND percent_mito < 5' ],
	[ 'a setting', q{donor_id = ANY (current_setting('lab.donors', true)::text[])}, q{donor_id IN ('D03', 'D10')} ],
	[ 'a gene', '"CD3D" > 0' ],
	[ 'what is missing', 'cell_type IS NULL' ],
	[ 'a pattern', "donor_id ~ '[13]' AND sex <> 'male'" ],
	[ 'nothing', 'false' ],
	[ 'two policies', "donor_id <> 'D01' AND chemistry IS NOT NULL" ]);

# ------------------------------------------------------------------- queries
#
# Over %T: the answer is that of the heap copy

my @queries = (
	'SELECT count(*) FROM %T',
	'SELECT row_index FROM %T ORDER BY 1',
	'SELECT count(*), count(cell_type), count(DISTINCT cell_type), min(row_index), max(row_index) FROM %T',
	'SELECT cell_type, count(*) FROM %T GROUP BY 1 ORDER BY 1',
	'SELECT donor_id, sex, count(*), min(n_counts), max(n_counts), sum(n_counts), round(avg(n_counts)::numeric, 6) FROM %T GROUP BY 1, 2 ORDER BY 1, 2',
	'SELECT file_index, count(*), count(age) FROM %T GROUP BY 1 ORDER BY 1',
	'SELECT is_doublet, count(*), avg(age)::numeric(20, 6) FROM %T GROUP BY 1 ORDER BY 1',
	'SELECT DISTINCT donor_id FROM %T ORDER BY 1',
	'SELECT DISTINCT severity, chemistry FROM %T ORDER BY 1, 2',
	'SELECT min(donor_id), max(donor_id), min(cell_type), max(age), min(age) FROM %T',
	'SELECT count(*) FILTER (WHERE sex = \'male\'), count(*) FILTER (WHERE donor_id < \'D05\') FROM %T',
	'SELECT cell_type FROM %T GROUP BY cell_type HAVING count(*) > 20 ORDER BY 1',
	'SELECT count(*) FROM %T WHERE donor_id = \'D07\'',
	'SELECT count(*) FROM %T WHERE donor_id <> \'D01\'',
	'SELECT count(*) FROM %T WHERE donor_id IN (\'D01\', \'D02\', \'D03\')',
	'SELECT count(*) FROM %T WHERE donor_id = ANY (\'{D05,D09}\') OR cell_type IS NULL',
	'SELECT count(*) FROM %T WHERE NOT (donor_id LIKE \'D0%\' AND sex = \'male\')',
	'SELECT count(*) FROM %T WHERE cell_type ~* \'^b\' OR severity IS NOT NULL',
	'SELECT count(*) FROM %T WHERE n_counts BETWEEN 200 AND 400 OR percent_mito = \'NaN\'',
	'SELECT count(*) FROM %T WHERE is_doublet IS NOT TRUE AND age > 40',
	'SELECT count(*) FROM %T WHERE true OR donor_id = \'D01\'',
	'SELECT count(*) FROM %T WHERE row_index IN (5, 105, 1500, 3000)',
	'SELECT count(*) FROM %T WHERE file_index <> 0 AND row_index >= 1000',
	'SELECT row_index, md5(x), md5(x_indices), md5(x_values), "CD3D", "X_pca" FROM %T WHERE row_index % 97 = 5 OR "CD3D" > 3 ORDER BY 1',
	'SELECT t.obs_name FROM %T t ORDER BY row_index DESC LIMIT 5',
	'SELECT row_index, rank() OVER (PARTITION BY donor_id ORDER BY n_counts, row_index) FROM %T ORDER BY 1 LIMIT 40',
	'SELECT d.cohort, c.cell_type, count(*) FROM %T c JOIN donors d USING (donor_id) GROUP BY 1, 2 ORDER BY 1, 2',
	'SELECT d.donor_id FROM donors d WHERE NOT EXISTS (SELECT FROM %T c WHERE c.donor_id = d.donor_id) ORDER BY 1',
	'SELECT i, c.cell_type FROM generate_series(0, 3199, 53) AS i LEFT JOIN LATERAL (SELECT cell_type FROM %T WHERE row_index = i OFFSET 0) c ON true ORDER BY 1',
	'SELECT count(*) FROM %T a JOIN %T b ON a.row_index = b.row_index + 1',
	'SELECT cell_type FROM %T UNION SELECT sex FROM %T ORDER BY 1',
	'SELECT donor_id, count(*) FROM %T GROUP BY GROUPING SETS ((donor_id), ()) ORDER BY 1, 2',
	'SELECT string_agg(DISTINCT donor_id, \',\' ORDER BY donor_id) FROM %T',
	'SELECT array_agg(row_index ORDER BY row_index) FROM %T WHERE donor_id = (SELECT min(donor_id) FROM %T)',
	'SELECT count(*) FROM (SELECT row_index FROM %T TABLESAMPLE bernoulli (100)) s',
	'SELECT coalesce(cell_type, \'?\') || donor_id, count(*) FROM %T GROUP BY 1 ORDER BY 1',
	'SELECT upper(sex), bool_and(is_doublet), bool_or(is_doublet) FROM %T GROUP BY 1 ORDER BY 1');

# Queries with traps: the answer does not matter, but that no trap sees what is hidden
my @traps = (
	'SELECT count(*) FROM %T WHERE trap_row(row_index)',
	(map { my $f = $_; map { "SELECT count(*) FROM %T WHERE $f('$_', $_\::text)" } qw(donor_id cell_type is_doublet) }
		qw(trap trap_immutable trap_volatile)),
	(map { "SELECT count(*) FROM %T WHERE trap('$_', $_\::text)" } qw(sex chemistry severity file_index)),
	'SELECT count(*) FROM %T WHERE NOT trap(\'donor_id\', donor_id)',
	'SELECT count(*) FROM %T WHERE sex = \'male\' AND trap(\'donor_id\', donor_id)',
	'SELECT count(*) FROM %T WHERE sex = \'male\' OR trap(\'cell_type\', cell_type)',
	'SELECT count(*) FROM %T WHERE trap(\'donor_id\', donor_id) OR trap(\'cell_type\', cell_type)',
	'SELECT count(*) FROM %T WHERE (trap(\'donor_id\', donor_id) AND trap(\'cell_type\', cell_type)) IS NOT FALSE',
	'SELECT count(*) FROM %T WHERE CASE WHEN trap(\'donor_id\', donor_id) THEN is_doublet ELSE true END',
	'SELECT count(*) FROM %T WHERE row_index < 2000 AND trap_row(row_index)',
	'SELECT count(*) FROM %T WHERE n_counts > 200 AND trap_row(row_index)',
	'SELECT count(*) FROM %T WHERE file_index = 1 AND trap(\'donor_id\', donor_id)',
	'SELECT count(*) FROM %T WHERE length(x) > 0 AND trap(\'donor_id\', donor_id)',
	'SELECT trap(\'donor_id\', donor_id), count(*) FROM %T GROUP BY 1',
	'SELECT donor_id, count(*) FROM %T GROUP BY 1 HAVING trap(\'donor_id\', donor_id)',
	'SELECT cell_type, count(*) FILTER (WHERE trap(\'donor_id\', donor_id)) FROM %T GROUP BY 1',
	'SELECT count(*) FILTER (WHERE trap(\'cell_type\', cell_type)) FROM %T',
	'SELECT sum(CASE WHEN trap_row(row_index) THEN 1 END) FROM %T',
	'SELECT max(CASE WHEN trap(\'donor_id\', donor_id) THEN donor_id END) FROM %T',
	'SELECT DISTINCT trap(\'cell_type\', cell_type) FROM %T',
	'SELECT row_index FROM %T ORDER BY trap(\'donor_id\', donor_id), row_index LIMIT 3',
	'SELECT count(*) FROM %T c JOIN donors d ON c.donor_id = d.donor_id AND trap(\'donor_id\', c.donor_id)',
	'SELECT count(*) FROM donors d LEFT JOIN %T c ON c.donor_id = d.donor_id AND trap(\'cell_type\', c.cell_type)',
	'SELECT count(*) FROM %T WHERE EXISTS (SELECT FROM donors d WHERE trap(\'donor_id\', %T.donor_id))',
	'SELECT count(*) FROM %T TABLESAMPLE weighted(\'cell_type\') REPEATABLE (1) WHERE trap_row(row_index)',
	'SELECT count(*) FROM %T TABLESAMPLE bernoulli (50) WHERE trap(\'donor_id\', donor_id)',
	'SELECT count(*) FROM (SELECT donor_id, row_number() OVER () AS n FROM %T) s WHERE trap(\'donor_id\', donor_id)',
	# built-in functions that fail by themselves: on hidden values alone
	'SELECT count(*) FROM %T WHERE 1 / (CASE WHEN donor_id IN (%D) THEN 0 ELSE 1 END) = 1',
	'SELECT count(*) FROM %T WHERE (CASE WHEN donor_id IN (%D) THEN donor_id ELSE \'1\' END)::int = 1',
	'SELECT donor_id, sum(1 / (CASE WHEN donor_id IN (%D) THEN 0 ELSE 1 END)) FROM %T GROUP BY 1',
	'SELECT 1 / (CASE WHEN donor_id IN (%D) THEN 0 ELSE 1 END), count(*) FROM %T GROUP BY 1');

# Filters of sampling functions: the same, where a row is left
my @trap_filters = (
	'trap_row(row_index)', "trap('donor_id', donor_id)", "trap_immutable('cell_type', cell_type)", "trap_volatile('donor_id', donor_id)",
	"donor_id = donor_id AND trap('cell_type', cell_type)", "true) OR (trap_row(row_index)", "NOT trap('donor_id', donor_id) OR true",
	'1 / (CASE WHEN donor_id IN (%D) THEN 0 ELSE 1 END) = 1', "donor_id IN (SELECT donor_id FROM coll WHERE trap_row(row_index)) OR true");

# -------------------------------------------------------------------- checks

my $checks = 0;

# The answer of a query, or its error
sub answer
{
	my ($session, $sql) = @_;
	my ($state, $said, $out) = state_of($session, $sql);

	$checks++;
	return $state eq '00000' ? $out : "$state: $said";
}

# Is a query one of this table?  PostgreSQL does not sample views
sub fits
{
	my ($query, $table) = @_;

	return $table eq 'coll' || $query !~ /TABLESAMPLE/;
}

# Queries whose answer over the collection is not that over the copy
sub differing
{
	my ($session, $table) = @_;
	my @wrong;

	for my $query (grep { fits($_, $table) } @queries)
	{
		(my $ours = $query) =~ s/%T/$table/g;
		(my $theirs = $query) =~ s/%T/allowed/g;
		my $got = answer($session, $ours);

		push @wrong, "$query: " . substr($got, 0, 500) if $got ne answer($boss, $theirs);
	}
	return join "\n", @wrong;
}

# Traps that were sprung
sub sprung
{
	my ($session, $table, $hidden) = @_;
	my @wrong;

	for my $query (grep { fits($_, $table) } @traps)
	{
		(my $ours = $query) =~ s/%T/$table/g;
		$ours =~ s/%D/$hidden/g;
		my $got = answer($session, $ours);

		push @wrong, "$ours: " . substr($got, 0, 500) if $got =~ /^\w{5}: /;
	}
	return join "\n", @wrong;
}

# What sampling shows a role, against the copy; n rows are allowed
sub sampled
{
	my ($session, $n, $hidden) = @_;
	my @wrong;
	my $must = sub {
		my ($what, $expected) = @_;
		my $got = answer($session, $what);

		push @wrong, "$what: " . substr($got, 0, 500) . ' is not ' . substr($expected, 0, 500) if $got ne $expected;
	};
	my $fails = sub {
		my ($what, $expected) = @_;
		my $got = answer($session, $what);

		push @wrong, "$what: " . substr($got, 0, 500) if $got !~ /^$expected: /;
	};
	my $rows = ask_safe($boss, "SELECT string_agg(row_index::text, ',' ORDER BY row_index) FROM allowed");
	my @few = split /,/, ask_safe($boss, 'SELECT string_agg(row_index::text, \',\') FROM (SELECT row_index FROM allowed ORDER BY md5(row_index::text) LIMIT 20) s');
	my @others = split /,/, ask_safe($boss,
		'SELECT string_agg(row_index::text, \',\') FROM (SELECT row_index FROM whole WHERE row_index NOT IN (SELECT row_index FROM allowed) ORDER BY md5(row_index::text) LIMIT 20) s');

	# who is not drawn from may not be told of
	for my $by (qw(cell_type donor_id severity file_index), 'donor_id, sex')
	{
		(my $text = $by) =~ s/, / || '__' || /;
		$must->("SELECT string_agg(concat_ws('|', label, n_rows, weight), ',' ORDER BY label COLLATE \"C\") FROM labels('coll', '$by')",
			ask_safe($boss, "SELECT string_agg(concat_ws('|', label, n, 1::float8 / n), ',' ORDER BY label COLLATE \"C\")
				FROM (SELECT ($text)::text AS label, count(*) AS n FROM allowed WHERE $text IS NOT NULL GROUP BY 1) s"));
	}
	$must->("SELECT string_agg(n_obs::text, ',' ORDER BY file_index), count(first_row_index) + count(nnz) + count(size) FROM collection_files('coll')",
		ask_safe($boss, "SELECT string_agg((SELECT count(*) FROM allowed WHERE file_index = f)::text, ',' ORDER BY f), 0 FROM generate_series(0, 2) AS f"));
	# uns can tell of any row of its file
	$must->("SELECT count(uns) + count(skipped) FROM collection_uns('coll') u JOIN collection_files('coll') f USING (file_index)
		WHERE n_obs < (ARRAY[" . join(', ', map { ask_safe($boss, "SELECT count(*) FROM whole WHERE file_index = $_") } 0 .. 2) . "])[file_index + 1]", '0');
	# genes: of the rows that are there, and NULL only where a file lacks them
	$must->("SELECT string_agg(row_index::text, ',' ORDER BY row_index) FROM gene_values('coll', 'CD3D')", $rows);
	$must->("SELECT string_agg(row_index || ':' || value, ',' ORDER BY row_index) FROM gene_values('coll', 'CD3D', 1000, 500)",
		ask_safe($boss, q{SELECT string_agg(row_index || ':' || "CD3D", ',' ORDER BY row_index) FROM allowed WHERE row_index BETWEEN 1000 AND 1499}));
	for my $row (@others)
	{
		$fails->("SELECT n_rows FROM fetch_csr('coll', '{$row}')", '22023');
	}
	$fails->("SELECT n_rows FROM fetch_csr('coll', '{" . join(',', @few, $others[0]) . "}')", '22023');
	$must->("SELECT count(*) FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (5) WHERE row_index NOT IN ($rows)", '0') if $n > 0;
	$must->('SELECT count(*) FROM coll TABLESAMPLE system (100)', $n);
	$fails->("SELECT sample_size('coll', 'cell_type', weights => '{\"B cell\": 1, \"no such type\": 1}')", '22023');
	if ($n == 0)
	{
		$fails->($_, '55000') for "SELECT row_index FROM sample_batch('coll', 2)", "SELECT sample_size('coll')", "SELECT sample_fingerprint('coll')",
		  "SELECT row_index FROM sample_rows('coll', 2, 'cell_type')", "SELECT n_rows FROM sample_csr('coll', 2)", "SELECT n_rows FROM sample_dense('coll', 2)",
		  "SELECT row_index FROM sample_rows('coll', 2, sampler => 'sampler')";
		return join "\n", @wrong;
	}
	$must->("SELECT sample_size('coll')", $n);
	$must->("SELECT sample_size('coll', sampler => 'sampler')", $n);
	$must->("SELECT string_agg(row_index::text, ',' ORDER BY row_index) FROM sample_rows('coll', $n, seed => 2, replacement => false)", $rows);
	$must->("SELECT string_agg(row_index::text, ',' ORDER BY row_index) FROM sample_rows('coll', $n, sampler => 'sampler', seed => 2, replacement => false)", $rows);
	$must->("SELECT string_agg(r::text, ',' ORDER BY r) FROM sample_csr('coll', $n, seed => 2, replacement => false, genes => '{CD3D}') s, unnest(int64s(s.row_index)) AS r", $rows)
	  if $n < 600;
	$must->("SELECT count(*) FROM sample_batch('coll', 400, seed => 2) WHERE row_index NOT IN ($rows)", '0');
	$must->("SELECT count(*) FROM sample_rows('coll', 4000, sampler => 'sampler', seed => 2) WHERE row_index NOT IN ($rows)", '0');
	$must->("SELECT count(*) FROM sample_rows('coll', 500, seed => 2, n_steps => 4, filter => 'donor_id < ''D06'' OR true') WHERE row_index NOT IN ($rows)", '0');
	$must->("SELECT count(*) FROM sample_dense('coll', 200, seed => 2, genes => '{CD3D}') s, unnest(int64s(s.row_index)) AS r WHERE r NOT IN ($rows)", '0');
	$must->("SELECT string_agg(r::text, ',' ORDER BY o) FROM fetch_csr('coll', '{" . join(',', @few) . "}') s, unnest(int64s(s.row_index)) WITH ORDINALITY AS u (r, o)",
		join ',', @few);
	# codes are numbers of the labels that one sees
	$must->("SELECT count(*) FROM (SELECT unnest(int64s(s.row_index)) AS row_index, unnest(int32s(s.obs[1])) AS code FROM fetch_csr('coll', '{" . join(',', @few)
		. "}', obs_columns => '{donor_id}') s) f JOIN labels('coll', 'donor_id') l USING (code) JOIN coll c USING (row_index) WHERE label = donor_id",
		ask_safe($boss, 'SELECT count(donor_id) FROM allowed WHERE row_index IN (' . join(',', @few) . ')'));
	if (ask_safe($boss, 'SELECT count(cell_type) > 0 FROM allowed') eq 't')
	{
		$must->("SELECT count(*) FROM sample_batch('coll', 400, 'cell_type', seed => 2) b LEFT JOIN coll c USING (row_index) WHERE label IS DISTINCT FROM cell_type", '0');
		$must->("SELECT count(*) FROM sample_rows('coll', 900, 'cell_type', seed => 2, replacement => false) WHERE row_index NOT IN ($rows)", '0');
		$must->("SELECT sample_size('coll', 'cell_type')", ask_safe($boss, 'SELECT count(cell_type) FROM allowed'));
		# the labels of equal weight are those that are visible
		$must->("SELECT count(DISTINCT label) FROM sample_batch('coll', 3000, 'cell_type', seed => 2)", ask_safe($boss, 'SELECT count(DISTINCT cell_type) FROM allowed'));
	}
	my $other = ask_safe($boss, 'SELECT min(donor_id) FROM whole WHERE donor_id NOT IN (SELECT donor_id FROM allowed)');
	if ($other ne '')
	{
		# a label that only hidden rows have is one that nobody has
		my ($hidden_label, $none) = map { answer($session, "SELECT sample_size('coll', 'donor_id', weights => '{\"$_\": 1}')") } $other, 'D99';

		s/D\d\d/label/g, s/stdin>:\d+/stdin/g for $hidden_label, $none;
		push @wrong, "a hidden label: $hidden_label, but $none" if $hidden_label ne $none || $none !~ /^22023/;
		$fails->("SELECT sample_size('coll', filter => 'donor_id = ''$other''')", '55000');
	}
	for my $filter (@trap_filters)
	{
		(my $text = $filter) =~ s/%D/$hidden/g;
		$text =~ s/'/''/g;
		for my $call ("SELECT count(*) FROM sample_batch('coll', 3, seed => 1, filter => '$text')",
			"SELECT sample_size('coll', 'donor_id', '$text')")
		{
			my $got = answer($session, $call);

			push @wrong, "$call: $got" if $got =~ /^\w{5}: /;
		}
	}
	return join "\n", @wrong;
}

# ---------------------------------------------------------------------- runs

my @ways = (
	[ 'pushed down', 'SET mappedcoll.enable_pushdown = on' ],
	[ 'not pushed down', 'SET mappedcoll.enable_pushdown = off' ],
	[ 'parallel', 'SET mappedcoll.enable_pushdown = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'
		. ' SET enable_partitionwise_aggregate = on; SET enable_hashagg = off; SET '
		. ($node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode') . ' = on' ]);

for my $policy (@policies)
{
	my ($name, $condition, $same) = @$policy;

	ask_safe($boss, <<~"SQL");
		SET client_min_messages = warning;
		DROP POLICY IF EXISTS p ON coll;
		DROP POLICY IF EXISTS q ON coll;
		TRUNCATE allowed, allowed_values;
		SQL
	if ($name eq 'two policies')
	{
		ask_safe($boss, <<~'SQL');
			CREATE POLICY p ON coll AS PERMISSIVE FOR SELECT USING (chemistry IS NOT NULL);
			CREATE POLICY q ON coll AS RESTRICTIVE FOR ALL TO clinic, member USING (donor_id <> 'D01');
			SQL
	}
	else
	{
		ask_safe($boss, "CREATE POLICY p ON coll FOR SELECT TO clinic, viewer USING ($condition)");
	}
	ask_safe($boss, 'INSERT INTO allowed SELECT * FROM whole WHERE ' . ($same // $condition));
	ask_safe($boss, "INSERT INTO allowed_values SELECT DISTINCT '$_', $_\::text FROM allowed") for @labelled;
	my $n = ask_safe($boss, 'SELECT count(*) FROM allowed');
	my $hidden = ask_safe($boss, "SELECT coalesce(string_agg(DISTINCT quote_literal(donor_id), ','), 'NULL') FROM whole WHERE donor_id NOT IN (SELECT donor_id FROM allowed WHERE donor_id IS NOT NULL)");

	for my $who (qw(clinic member))
	{
		ask_safe($as{$who}, "SET lab.donors = '{D03,D10}'");
		for my $way (@ways)
		{
			# a member is under the policies of the role: once is enough
			next if $who eq 'member' && $way->[0] ne 'pushed down';
			ask_safe($as{$who}, "RESET ALL; SET lab.donors = '{D03,D10}'; $way->[1]");
			is(differing($as{$who}, 'coll'), '', "$name, $way->[0], $who: $n rows, and the answers are theirs");
			is(sprung($as{$who}, 'coll', $hidden), '', "$name, $way->[0], $who: no trap saw a hidden row");
		}
		ask_safe($as{$who}, "RESET ALL; SET lab.donors = '{D03,D10}'");
		is(sampled($as{$who}, $n, $hidden), '', "$name, $who: sampling, labels and fetching");
	}
}

# The traps are set: who sees all rows springs each of them
{
	ask_safe($boss, <<~'SQL');
		TRUNCATE allowed, allowed_values;
		INSERT INTO allowed SELECT * FROM whole WHERE donor_id = 'D01' AND sex = 'male' AND cell_type = 'B cell';
		SQL
	ask_safe($boss, "INSERT INTO allowed_values SELECT DISTINCT '$_', $_\::text FROM allowed") for @labelled;
	for my $query (@traps)
	{
		(my $sql = $query) =~ s/%T/coll/g;
		$sql =~ s/%D/'D02'/g;
		like(answer($boss, $sql), qr/^(?:MC001|22012|22P02): /, "sprung by who sees all: $sql");
	}
}

# ------------------------------------------- security_barrier and plain views

ask_safe($boss, <<~'SQL');
	SET client_min_messages = warning;
	DROP POLICY p ON coll;
	DROP POLICY q ON coll;
	TRUNCATE allowed, allowed_values;
	INSERT INTO allowed SELECT * FROM whole WHERE donor_id IN ('D04', 'D08') AND age > 30;
	CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM coll WHERE donor_id IN ('D04', 'D08') AND age > 30;
	CREATE VIEW above WITH (security_barrier) AS SELECT * FROM barrier WHERE row_index >= 0;
	GRANT SELECT ON barrier, above TO viewer;
	REVOKE SELECT ON coll FROM viewer;
	SQL
ask_safe($boss, "INSERT INTO allowed_values SELECT DISTINCT '$_', $_\::text FROM allowed") for @labelled;
my $kept = ask_safe($boss, "SELECT string_agg(DISTINCT quote_literal(donor_id), ',') FROM whole WHERE donor_id NOT IN (SELECT donor_id FROM allowed)");
for my $view (qw(barrier above))
{
	for my $way (@ways)
	{
		ask_safe($as{viewer}, "RESET ALL; $way->[1]");
		is(differing($as{viewer}, $view), '', "view $view, $way->[0]: the answers are those of its rows");
		is(sprung($as{viewer}, $view, $kept), '', "view $view, $way->[0]: no trap saw a hidden row");
	}
}
ask_safe($as{viewer}, 'RESET ALL');

# Views over the entries and genes of a file, which have conditions of their own on rows
# and genes.  Foreign tables have no policies in PostgreSQL: views stand before them.
ask_safe($boss, <<~"SQL");
	CREATE SCHEMA imported;
	IMPORT FOREIGN SCHEMA "$files[2]" FROM SERVER mappedcoll INTO imported;
	CREATE VIEW some_x WITH (security_barrier) AS SELECT * FROM imported.x WHERE row_index < 40 AND gene LIKE 'C%';
	CREATE VIEW other_x WITH (security_barrier) AS SELECT * FROM imported.x WHERE row_index = ANY ('{3,77,401}') AND value > 1;
	CREATE VIEW some_var WITH (security_barrier) AS SELECT var_index, var_name, gene_id FROM imported.var WHERE var_name < 'D';
	CREATE VIEW some_obs WITH (security_barrier) AS SELECT * FROM imported.obs WHERE cell_type = 'B cell' AND donor_id <> 'D09';
	CREATE TABLE copy_some_x AS SELECT * FROM some_x;
	CREATE TABLE copy_other_x AS SELECT * FROM other_x;
	CREATE TABLE copy_some_var AS SELECT * FROM some_var;
	CREATE TABLE copy_some_obs AS SELECT * FROM some_obs;
	GRANT SELECT ON some_x, other_x, some_var, some_obs TO viewer;
	TRUNCATE allowed_values;
	SQL
for my $view (qw(some_x other_x))
{
	ask_safe($boss, "TRUNCATE allowed_values; INSERT INTO allowed_values SELECT DISTINCT v.name, v.value FROM copy_$view, "
		. "LATERAL (VALUES ('row_index', row_index::text), ('gene', gene), ('var_index', var_index::text), ('value', value::text)) AS v (name, value)");
	for my $way (@ways)
	{
		my @wrong;

		ask_safe($as{viewer}, "RESET ALL; $way->[1]");
		for my $query ('SELECT count(*), sum(value) FROM %T', 'SELECT * FROM %T ORDER BY 1, 2', 'SELECT gene, count(*), max(value) FROM %T GROUP BY 1 ORDER BY 1',
			'SELECT row_index, count(*) FROM %T GROUP BY 1 ORDER BY 1', q{SELECT * FROM %T WHERE gene = 'CD3D' ORDER BY 1}, q{SELECT * FROM %T WHERE gene IN ('CD3D', 'MS4A1', 'LYZ') OR row_index = 3 ORDER BY 1, 2},
			'SELECT count(*) FROM %T WHERE row_index BETWEEN 10 AND 90', 'SELECT gene, value FROM %T WHERE row_index = 77 ORDER BY 1', 'SELECT DISTINCT var_index FROM %T WHERE value > 2 ORDER BY 1')
		{
			(my $theirs = $query) =~ s/%T/copy_$view/g;
			(my $ours = $query) =~ s/%T/$view/g;
			my ($got, $expected) = (answer($as{viewer}, $ours), answer($boss, $theirs));

			push @wrong, "$ours: " . substr($got, 0, 300) if $got ne $expected;
		}
		for my $trap ((map { my $f = $_; map { "$f('$_', $_\::text)" } qw(row_index gene var_index value) } qw(trap trap_immutable trap_volatile)),
			"gene = 'CD3D' AND trap('row_index', row_index::text)", "row_index < 100 AND trap('gene', gene)", "value > 0 AND trap('gene', gene) AND trap('row_index', row_index::text)",
			"NOT trap('gene', gene)", "(gene = 'LYZ' OR trap('gene', gene))", '1 / (row_index - 50) < 100', '1 / (row_index - ' . ($view eq 'some_x' ? 41 : 4) . ') < 100')
		{
			my $got = answer($as{viewer}, "SELECT count(*) FROM $view WHERE $trap");

			push @wrong, "$trap: $got" if $got =~ /^\w{5}: /;
		}
		is(join("\n", @wrong), '', "view $view of entries, $way->[0]");
	}
}
ask_safe($boss, q{TRUNCATE allowed_values; INSERT INTO allowed_values SELECT DISTINCT v.name, v.value FROM copy_some_var, LATERAL (VALUES ('var_name', var_name), ('var_index', var_index::text), ('gene_id', gene_id)) AS v (name, value);
	INSERT INTO allowed_values SELECT DISTINCT v.name, v.value FROM copy_some_obs, LATERAL (VALUES ('cell_type', cell_type), ('donor_id', donor_id), ('sex', sex)) AS v (name, value)});
for my $way (@ways)
{
	my @wrong;

	ask_safe($as{viewer}, "RESET ALL; $way->[1]");
	for my $query ('SELECT count(*), min(%C), max(%C) FROM %T', 'SELECT * FROM %T ORDER BY 1', 'SELECT %C, count(*) FROM %T GROUP BY 1 ORDER BY 1', q{SELECT %C FROM %T WHERE %C > 'B' ORDER BY 1})
	{
		for my $view ([ some_var => 'var_name' ], [ some_obs => 'donor_id' ])
		{
			my ($ours, $theirs) = map { my $q = $query; my $t = $_; $q =~ s/%T/$t$view->[0]/g; $q =~ s/%C/$view->[1]/g; $q } '', 'copy_';
			my ($got, $expected) = (answer($as{viewer}, $ours), answer($boss, $theirs));

			push @wrong, "$ours: " . substr($got, 0, 300) if $got ne $expected;
		}
	}
	for my $function (qw(trap trap_immutable trap_volatile))
	{
		for my $case ((map { [ some_var => $_ ] } qw(var_name var_index gene_id)), (map { [ some_obs => $_ ] } qw(cell_type donor_id sex)))
		{
			for my $select ('count(*)', "min($case->[1])")
			{
				my $got = answer($as{viewer}, "SELECT $select FROM $case->[0] WHERE $function('$case->[1]', $case->[1]\::text)");

				push @wrong, "@$case: $got" if $got =~ /^\w{5}: /;
			}
		}
	}
	is(join("\n", @wrong), '', "views of imported genes and cells, $way->[0]");
}
ask_safe($as{viewer}, 'RESET ALL');
my ($no_policy) = state_of($boss, 'ALTER FOREIGN TABLE imported.x ENABLE ROW LEVEL SECURITY');
is($no_policy, '42809', 'PostgreSQL has no row-level security for foreign tables');

# --------------------------------------------------------- the planner's knowledge
#
# An operator's estimator asks the operator of the most common values, and these are
# of all rows: a leaky operator of one's own must not be handed them.

ask_safe($boss, q{CREATE POLICY p ON coll FOR SELECT TO clinic USING (donor_id IN ('D01', 'D05'))});
for my $analyzed (0, 1)
{
	ask_safe($boss, 'ANALYZE coll; ANALYZE coll_h5ad') if $analyzed;
	for my $who ([ clinic => 'coll', 'D01|D05' ], [ viewer => 'barrier', 'D04|D08' ])
	{
		my ($name, $table, $own) = @$who;

		ask($as{$name}, <<~"SQL");
			CREATE FUNCTION pg_temp.tell(text, text) RETURNS boolean LANGUAGE plpgsql STABLE COST 0.0001
				AS \$\$ BEGIN RAISE NOTICE 'told %', \$1; RETURN true; END \$\$;
			CREATE OPERATOR pg_temp.=== (FUNCTION = pg_temp.tell, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel);
			CREATE OPERATOR pg_temp.<<< (FUNCTION = pg_temp.tell, LEFTARG = text, RIGHTARG = text, RESTRICT = scalarltsel);
			CREATE OPERATOR pg_temp.~~~ (FUNCTION = pg_temp.tell, LEFTARG = text, RIGHTARG = text, RESTRICT = likesel);
			CREATE OPERATOR pg_temp.@@@ (FUNCTION = pg_temp.tell, LEFTARG = text, RIGHTARG = text, RESTRICT = contsel);
			CREATE OPERATOR pg_temp.!!! (FUNCTION = pg_temp.tell, LEFTARG = text, RIGHTARG = text, RESTRICT = matchingsel);
			SQL
		for my $operator (qw(=== <<< ~~~ @@@ !!!))
		{
			for my $verb ('EXPLAIN', 'EXPLAIN (ANALYZE, VERBOSE)', '')
			{
				my ($state, $said) = state_of($as{$name}, "$verb SELECT count(*) FROM $table WHERE donor_id OPERATOR(pg_temp.$operator) 'D0'");
				my @told = grep { !/^(?:$own)$/ } $said =~ /told (\w+)/g;

				is("$state @told", '00000 ', ($analyzed ? 'with' : 'without') . " ANALYZE, $name, $operator: "
					. ($verb || 'SELECT') . ' tells of nothing hidden');
				$checks++;
			}
		}
		# what EXPLAIN prints has no name of what is hidden
		my $explained = '';
		for my $query (grep { fits($_, $table) } @queries)
		{
			(my $sql = $query) =~ s/%T/$table/g;
			next if $sql =~ /D0\d/;
			my ($state, $said, $out) = state_of($as{$name}, "EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) $sql");

			$explained .= "$sql: $state, " . join(' ', $out =~ /\bD\d\d\b/g) . "\n"
			  if $state ne '00000' || grep { !/^(?:$own)$/ } $out =~ /\bD\d\d\b/g;
			$checks++;
		}
		is($explained, '', ($analyzed ? 'with' : 'without') . " ANALYZE, $name: EXPLAIN names nothing hidden");
		is(ask_safe($as{$name}, "SELECT count(*) FROM pg_stats WHERE tablename IN ('coll', 'coll_h5ad')"), '0',
			"$name sees no statistics of the collection");
		is(ask_safe($as{$name}, 'SELECT count(*) FROM pg_stats_ext'), '0', 'nor extended ones');
	}
}
cmp_ok(ask_safe($boss, "SELECT count(*) FROM pg_stats WHERE tablename = 'coll_h5ad'"), '>', 5, 'though there are some');
ask_safe($boss, <<~'SQL');
	SET client_min_messages = notice;
	CREATE FUNCTION pg_temp.tell(text, text) RETURNS boolean LANGUAGE plpgsql STABLE COST 0.0001
		AS $$ BEGIN RAISE NOTICE 'told %', $1; RETURN true; END $$;
	CREATE OPERATOR pg_temp.=== (FUNCTION = pg_temp.tell, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel);
	SQL
like((state_of($boss, q{EXPLAIN SELECT * FROM coll WHERE donor_id OPERATOR(pg_temp.===) 'D0'}))[1], qr/told D\d\d/, 'of which the planner asks for who sees all rows');

note "$checks checks";
$_->quit for values %as;
$node->stop;
done_testing();
