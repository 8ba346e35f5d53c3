--
-- var_duplicates.sql
--		Genes of one name in a file: an error, the first of them, or their sum.
--		Files join_* of test/data/h5ad: A B A C B A (CSR, float32), D B B A (dense,
--		int32), C B E A (CSR, float64), no cells, no genes.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT set_config('test.dir', :'data' || '/h5ad/join_', true);

-- A collection of these files, made anew
CREATE FUNCTION pg_temp.make(name text, files text[], var_join text, var_duplicates text, genes text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('DROP TABLE IF EXISTS %I', name);
	PERFORM create_collection(name, ARRAY(SELECT current_setting('test.dir') || f || '.h5ad' FROM unnest(files) WITH ORDINALITY AS u (f, i) ORDER BY i),
		var_join => var_join, vectors => 'array', genes => genes, var_duplicates => var_duplicates);
END $$;

-- The axis, and the rows dense, with their non-zeros as they must be beside x
CREATE FUNCTION pg_temp.axis(name text) RETURNS text LANGUAGE sql AS
	'SELECT string_agg(var_name || coalesce(nullif(missing_in::text, ''{}''), ''''), '' '' ORDER BY var_index) FROM collection_vars(name)';
CREATE FUNCTION pg_temp.x(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text; bad bigint;
BEGIN
	EXECUTE format('SELECT string_agg(x::text, '' '' ORDER BY row_index) FROM %I', name) INTO result;
	EXECUTE format($q$SELECT count(*) FROM %1$I WHERE x IS DISTINCT FROM ARRAY(
		SELECT coalesce(v, 0) FROM generate_series(0, cardinality(x) - 1) AS j
		LEFT JOIN unnest(x_indices, x_values) AS u (i, v) ON i = j ORDER BY j)::real[]$q$, name) INTO bad;
	RETURN result || CASE WHEN bad > 0 THEN ' ' || bad || ' sparse rows differ' ELSE '' END;
END $$;

-- one file: by position unless a policy says otherwise
SELECT pg_temp.make('one', '{repeated_csr}', 'inner', 'error');
SELECT is(pg_temp.axis('one'), 'A B A C B A', 'error: the genes of one file as they are');
SELECT is(pg_temp.x('one'), '{1,2,4,8,16,32} {0,0,64,0,128,0} {0,0,0,0,0,0}', 'and their values');
CREATE FUNCTION pg_temp.check(files text[], var_join text, var_duplicates text, axis text, x text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE what text = concat_ws(' ', files, var_join, var_duplicates);
BEGIN
	PERFORM pg_temp.make('some_files', files, var_join, var_duplicates);
	RETURN NEXT is(pg_temp.axis('some_files'), axis, what);
	RETURN NEXT is(pg_temp.x('some_files'), x, what || ': values');
END $$;
SELECT pg_temp.check(f, j, p, axis, x) FROM unnest('{inner,outer}'::text[]) AS j, (VALUES
	('{repeated_csr}'::text[], 'first', 'A B C', '{1,2,8} {0,0,0} {0,0,0}'),
	('{repeated_csr}', 'sum', 'A B C', '{37,18,8} {64,128,0} {0,0,0}'),
	('{repeated_dense}', 'first', 'D B A', '{1,10,1000} {0,20,0}'),
	('{repeated_dense}', 'sum', 'D B A', '{1,110,1000} {0,20,0}')) AS v (f, p, axis, x);

-- files that differ
SELECT throws_ok(format('SELECT pg_temp.make(''many'', %L, %L, ''error'')', f, j), '22023',
	format('file "%s%s.h5ad": gene "%s" occurs twice in file %s', current_setting('test.dir'), twice, gene, number), f || ' ' || j)
FROM (VALUES ('{repeated_csr,once}', 'repeated_csr', 'A', 0), ('{once,repeated_csr}', 'repeated_csr', 'A', 1),
	('{once,repeated_dense}', 'repeated_dense', 'B', 1)) AS v (f, twice, gene, number), unnest('{inner,outer}'::text[]) AS j;
CREATE FUNCTION pg_temp.hint(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE query;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS result = PG_EXCEPTION_HINT;
	RETURN result;
END $$;
SELECT matches(pg_temp.hint($$SELECT pg_temp.make('many', '{repeated_csr,once}', 'inner', 'error')$$), 'var_duplicates.*"first" or "sum"',
	'the hint names the option');
SELECT pg_temp.check(f, j, p, axis, x) FROM (VALUES
	('{repeated_csr,repeated_dense,once}'::text[], 'inner', 'first', 'A B', '{1,2} {0,0} {0,0} {1000,10} {0,20} {3.5,0}'),
	('{repeated_csr,repeated_dense,once}', 'inner', 'sum', 'A B', '{37,18} {64,128} {0,0} {1000,110} {0,20} {3.5,0}'),
	('{once,repeated_dense,repeated_csr}', 'inner', 'sum', 'B A', '{0,3.5} {110,1000} {20,0} {18,37} {128,64} {0,0}'),
	('{repeated_dense,no_cells,once}', 'inner', 'sum', 'B A', '{110,1000} {20,0} {0,3.5}'),
	('{repeated_csr,repeated_dense,once}', 'outer', 'first', 'A B C{1} D{0,2} E{0,1}',
		'{1,2,8,0,0} {0,0,0,0,0} {0,0,0,0,0} {1000,10,0,1,0} {0,20,0,0,0} {3.5,0,0.5,0,2.5}'),
	('{repeated_csr,repeated_dense,once}', 'outer', 'sum', 'A B C{1} D{0,2} E{0,1}',
		'{37,18,8,0,0} {64,128,0,0,0} {0,0,0,0,0} {1000,110,0,1,0} {0,20,0,0,0} {3.5,0,0.5,0,2.5}'),
	('{once,repeated_dense,repeated_csr,no_cells,no_genes}', 'outer', 'sum', 'C{1,3,4} B{4} E{1,2,3,4} A{4} D{0,2,3,4} F{0,1,2,4}',
		'{0.5,0,2.5,3.5,0,0} {0,110,0,1000,1,0} {0,20,0,0,0,0} {8,18,0,37,0,0} {0,128,0,64,0,0} {0,0,0,0,0,0} {0,0,0,0,0,0} {0,0,0,0,0,0}'))
	AS v (f, j, p, axis, x);

-- columns of genes obey it, alone and beside vectors; not measured is NULL
SELECT pg_temp.make('genes', '{repeated_csr,repeated_dense,once}', 'outer', 'sum', '{B,E,A}');
SELECT results_eq('SELECT row_index, "B", "E", "A" FROM genes ORDER BY 1',
	$$VALUES (0::bigint, 18::real, NULL::real, 37::real), (1, 128, NULL, 64), (2, 0, NULL, 0), (3, 110, NULL, 1000), (4, 20, NULL, 0), (5, 0, 2.5, 3.5)$$,
	'sum: columns of genes');
SELECT results_eq('SELECT "B", "E", "A" FROM (SELECT * FROM genes WHERE x IS NOT NULL AND cardinality(x) > 0 ORDER BY row_index OFFSET 0) s',
	'SELECT "B", "E", "A" FROM genes ORDER BY row_index', 'the same beside dense vectors');
SELECT results_eq('SELECT "B", "E", "A" FROM (SELECT * FROM genes WHERE cardinality(x_indices) >= 0 ORDER BY row_index OFFSET 0) s',
	'SELECT "B", "E", "A" FROM genes ORDER BY row_index', 'the same beside sparse vectors');
SELECT results_eq('SELECT row_index FROM genes WHERE "B" > 19 ORDER BY 1', 'VALUES (1::bigint), (3), (4)', 'a condition on one');
ALTER FOREIGN TABLE genes_h5ad OPTIONS (SET var_duplicates 'first');
SELECT results_eq('SELECT row_index, "B", "E", "A" FROM genes ORDER BY 1',
	$$VALUES (0::bigint, 2::real, NULL::real, 1::real), (1, 0, NULL, 0), (2, 0, NULL, 0), (3, 10, NULL, 1000), (4, 20, NULL, 0), (5, 0, 2.5, 3.5)$$,
	'first: columns of genes, after ALTER FOREIGN TABLE');
ALTER FOREIGN TABLE genes_h5ad OPTIONS (DROP var_duplicates);
SELECT throws_like('SELECT "B" FROM genes', '%gene "A" occurs twice in file 0', 'without the option it is an error again');

-- a gene that is twice on the axis is no column
SELECT throws_ok($$SELECT pg_temp.make('one', '{repeated_csr}', 'inner', 'error', '{A}')$$, '42P08', 'gene "A" is more than once in the collection',
	'error: a gene that is there twice');
SELECT matches(pg_temp.hint($$SELECT pg_temp.make('one', '{repeated_csr}', 'inner', 'error', '{A}')$$), 'var_duplicates', 'the hint names the option');

-- real files without duplicates: no policy changes anything
SELECT create_collection('demo_' || p, ARRAY[:'data' || '/demo'], var_join => 'outer', var_duplicates => p) FROM unnest('{error,first,sum}'::text[]) AS p;
SELECT is((SELECT md5(string_agg(v::text, ',' ORDER BY var_index)) FROM collection_vars('demo_' || p) AS v),
	(SELECT md5(string_agg(v::text, ',' ORDER BY var_index)) FROM collection_vars('demo_error') AS v), 'the axis of the demo files, ' || p)
FROM unnest('{first,sum}'::text[]) AS p;
SELECT is((SELECT count(*) FROM demo_error e JOIN demo_first f USING (row_index) JOIN demo_sum s USING (row_index)
	WHERE e.x = f.x AND e.x = s.x AND e.x_indices = s.x_indices AND e.x_values = s.x_values), 3200::bigint, 'and their rows');

-- values of the option
SELECT throws_ok(format('SELECT pg_temp.make(''bad'', ''{once}'', ''inner'', %L)', p), '22023', format('invalid var_duplicates: "%s"', p), 'invalid: ' || p)
FROM unnest('{max,"",Sum}'::text[]) AS p;
SELECT throws_ok($$SELECT pg_temp.make('bad', '{once}', 'inner', NULL)$$, '22004', 'var_duplicates must not be null', 'NULL');
SELECT throws_ok($$ALTER FOREIGN TABLE genes_h5ad OPTIONS (ADD var_duplicates 'last')$$, '22023', 'invalid var_duplicates: "last"', 'of the foreign table');
SELECT * FROM finish();
ROLLBACK;
