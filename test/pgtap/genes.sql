--
-- genes.sql
--		gene_values, and genes as columns of the table: by column where a file has
--		its layer so, by looking for them in the rows of others; equal to x.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;

-- Values of every gene by gene_values, and by x; a place that a file has not measured is null in the first
CREATE FUNCTION pg_temp.differing(name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	result bigint;
BEGIN
	EXECUTE format($q$
		SELECT count(*) FROM collection_vars(%1$L) AS v
		JOIN LATERAL gene_values(%1$L, var_name) AS g ON true
		JOIN %1$I AS c ON c.row_index = g.row_index
		WHERE g.value IS DISTINCT FROM CASE WHEN c.file_index = ANY (v.missing_in) THEN NULL ELSE c.x[v.var_index + 1] END$q$, name) INTO result;
	RETURN result;
END $$;

SELECT create_collection('three', ARRAY[:'data' || '/h5ad/genes_csc.h5ad', :'data' || '/h5ad/genes_csr.h5ad', :'data' || '/h5ad/genes_dense.h5ad'],
	var_join => 'outer', vectors => 'array', genes => '{g0,g1,g3}');
SELECT is(array_agg(value ORDER BY row_index), '{0,3,4,0,1.5,0,-3,NULL,NULL}'::real[], 'a gene that two of three files have, duplicates summed') FROM gene_values('three', 'g0');
SELECT is(array_agg(value ORDER BY row_index), '{1,0,0,2,0,0,0,-7,0}'::real[], 'one that all have, with explicit zeros') FROM gene_values('three', 'g1');
SELECT is(array_agg(value ORDER BY row_index), '{0,0,0,0,NULL,NULL,NULL,NULL,NULL}'::real[], 'one without entries') FROM gene_values('three', 'g3');
SELECT is(array_agg(value ORDER BY row_index), '{NULL,NULL,NULL,NULL,2,0,0,0.25,NaN}'::real[], 'one with NaN') FROM gene_values('three', 'g2');
SELECT is(pg_temp.differing('three'), 0::bigint, 'the same as x');
SELECT is(array_agg(row_index ORDER BY row_index), ARRAY[1, 2, 4]::bigint[], 'a condition on a column') FROM three WHERE g0 > 0;
SELECT results_eq('SELECT row_index, g0, g1, g3 FROM three ORDER BY 1', $$SELECT row_index, a.value, b.value, c.value
	FROM gene_values('three', 'g0') AS a JOIN gene_values('three', 'g1') AS b USING (row_index) JOIN gene_values('three', 'g3') AS c USING (row_index) ORDER BY 1$$, 'columns');
SELECT results_eq('SELECT g3, g0, g1, x_values FROM three ORDER BY row_index', 'SELECT g3, g0, g1, x_values FROM (SELECT * FROM three ORDER BY row_index) AS t', 'with vectors');

-- ranges of rows
SELECT results_eq('SELECT * FROM gene_values(''three'', ''g0'', 3, 3)', 'VALUES (3::bigint, 0::real), (4, 1.5), (5, 0)', 'some rows');
SELECT results_eq('SELECT * FROM gene_values(''three'', ''g0'', first_row => 7)', 'VALUES (7::bigint, NULL::real), (8, NULL)', 'from one on');
SELECT is_empty('SELECT * FROM gene_values(''three'', ''g0'', 9)', 'behind the last');
SELECT is_empty('SELECT * FROM gene_values(''three'', ''g0'', 9223372036854775807, 9223372036854775807)', 'far behind it');
SELECT is_empty('SELECT * FROM gene_values(''three'', ''g0'', 2, 0)', 'none');
SELECT is(count(*), 7::bigint, 'more than there are') FROM gene_values('three', 'g0', 2, 9223372036854775807);
SELECT is(row_index, 0::bigint, 'rows stream') FROM gene_values('three', 'g0') LIMIT 1;
SELECT is(count(*), 9::bigint, 'in the select list') FROM (SELECT gene_values('three', 'g0')) AS s;

-- arguments
SELECT throws_ok('SELECT * FROM gene_values(NULL, ''g0'')', '22004', 'collection must not be null');
SELECT throws_ok('SELECT * FROM gene_values(''three'', NULL)', '22004', 'gene must not be null');
SELECT throws_ok('SELECT * FROM gene_values(''three'', ''gg'')', '42704', 'gene "gg" is not in the collection');
SELECT throws_ok('SELECT * FROM gene_values(''three'', ''g0'', -1)', '22023', 'first_row must not be negative');
SELECT throws_ok('SELECT * FROM gene_values(''three'', ''g0'', 0, -1)', '22023', 'n_rows must not be negative');
SELECT throws_ok('SELECT * FROM gene_values(''pg_class'', ''g0'')', '42809', '"pg_class" is not a mappedcoll collection');

-- all layers by column of a file of odd ones; each is transposed, too, which x shows
CREATE FUNCTION pg_temp.layer(data text, layer text, duplicates text DEFAULT 'error') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM create_collection('one', ARRAY[data], layer => layer, vectors => 'array', var_duplicates => duplicates);
	RETURN is(pg_temp.differing('one'), 0::bigint, layer);
EXCEPTION WHEN duplicate_table THEN
	DROP TABLE one;
	RETURN pg_temp.layer(data, layer, duplicates);
END $$;
SELECT pg_temp.layer(:'data' || '/h5ad/csc_of_all_kinds.h5ad', l) FROM unnest('{X,raw/X,layers/i1,layers/u1,layers/i2,layers/u2,layers/i4,layers/u4,layers/i8,layers/u8,layers/f2,layers/f8,layers/>i4,layers/>f2,
	layers/>f8,layers/bool,layers/index_i1,layers/index_u1,layers/index_i2,layers/index_>u2,layers/index_u4,layers/index_>i8,layers/index_u8,layers/odd,layers/large,layers/unsorted,layers/duplicates,
	layers/duplicates_f8,layers/empty_columns,layers/empty,layers/longer,layers/old}'::text[]) AS l;
SELECT pg_temp.layer(:'data' || '/h5ad/filters_of_libhdf5.h5ad', l) FROM unnest('{layers/csr,layers/csc,layers/scaled_i1}'::text[]) AS l;
SELECT pg_temp.layer(:'data' || '/h5ad/join_' || f || '.h5ad', 'X', d) FROM unnest('{repeated_csr,repeated_dense}'::text[]) AS f, unnest('{first,sum}'::text[]) AS d;
SELECT create_collection('demo_outer', ARRAY[:'data' || '/demo'], var_join => 'outer', vectors => 'array');
SELECT is(sum(abs(g.value - c.x[v.var_index + 1])), 0::real, 'genes of the demo files') FROM collection_vars('demo_outer') AS v
JOIN LATERAL gene_values('demo_outer', var_name) AS g ON true JOIN demo_outer AS c USING (row_index) WHERE var_index IN (0, 17, 500);

-- a file without the layer
SELECT create_collection('partly', ARRAY[:'data' || '/h5ad/genes_csr.h5ad', :'data' || '/h5ad/join_no_x.h5ad'], var_join => 'outer');
SELECT lives_ok('SELECT * FROM gene_values(''partly'', ''g0'', 0, 3)', 'rows of the other file');
SELECT throws_matching('SELECT * FROM gene_values(''partly'', (SELECT var_name FROM collection_vars(''partly'') WHERE NOT 1 = ANY (missing_in) LIMIT 1))', 'has no X');

-- rights: row_index with x, or with its sparse halves
CREATE ROLE gene_reader;
CREATE FUNCTION pg_temp.as_reader(granted text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'GRANT SELECT ' || granted || ' ON three TO gene_reader';
	SET LOCAL ROLE gene_reader;
	PERFORM * FROM gene_values('three', 'g0');
	RESET ROLE;
	REVOKE ALL ON three FROM gene_reader;
	EXECUTE 'REVOKE SELECT ' || granted || ' ON three FROM gene_reader';
	RETURN '00000';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END $$;
SELECT is(pg_temp.as_reader(granted), state, 'with ' || granted) FROM (VALUES ('', '00000'), ('(row_index, x)', '00000'), ('(row_index, x_indices, x_values)', '00000'), ('(row_index)', '42501'), ('(x)', '42501'),
	('(row_index, x_values)', '42501'), ('(row_index, g0)', '42501'), ('(obs_name)', '42501')) AS v (granted, state);
GRANT SELECT ON three TO gene_reader;
ALTER TABLE three ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON three TO gene_reader USING (row_index % 2 = 1);
SET ROLE gene_reader;
SELECT results_eq('SELECT * FROM gene_values(''three'', ''g0'')', 'VALUES (1::bigint, 3::real), (3, 0), (5, 0), (7, NULL)', 'rows that a policy lets through');
SELECT results_eq('SELECT * FROM gene_values(''three'', ''g0'', 2, 2)', 'VALUES (3::bigint, 0::real)', 'of those asked for');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
