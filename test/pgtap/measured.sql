--
-- measured.sql
--		Which file measured which gene: collection_vars and measured_genes, and
--		what queries show of genes that a file has not; matrices and cells that are
--		not there.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;

-- The masks as collection_vars says it
CREATE FUNCTION pg_temp.masks(name text) RETURNS TABLE (file_index int, n bigint, mask bytea) LANGUAGE sql AS $$
	WITH v AS (SELECT var_index, missing_in FROM collection_vars(name)),
	bytes AS (
		SELECT f.file_index, b, sum(CASE WHEN NOT f.file_index = ANY (missing_in) THEN 1 << (var_index & 7)::int END) AS bits,
			count(*) FILTER (WHERE NOT f.file_index = ANY (missing_in)) AS n
		FROM collection_files(name) AS f, v, LATERAL (SELECT var_index >> 3 AS b) AS s GROUP BY 1, 2)
	SELECT bytes.file_index, sum(bytes.n)::bigint, string_agg(decode(lpad(to_hex(coalesce(bits, 0)), 2, '0'), 'hex'), '' ORDER BY b)
	FROM bytes GROUP BY 1 ORDER BY 1
$$;

SELECT create_collection('demo_outer', ARRAY[:'data' || '/demo'], var_join => 'outer');
SELECT create_collection('demo_inner', ARRAY[:'data' || '/demo']);
SELECT results_eq('SELECT * FROM measured_genes(''demo_outer'')', 'SELECT * FROM pg_temp.masks(''demo_outer'')', 'the outer join of the demo files');
SELECT results_eq('SELECT file_index, n_measured, length(mask) FROM measured_genes(''demo_outer'')',
	$$SELECT file_index, n_vars, (SELECT (count(*) + 7) / 8 FROM collection_vars('demo_outer'))::int FROM collection_files('demo_outer')$$,
	'a file measured its own genes');
SELECT results_eq('SELECT * FROM measured_genes(''demo_inner'')', 'SELECT * FROM pg_temp.masks(''demo_inner'')', 'the inner join of the demo files');
SELECT is((SELECT count(*) FROM measured_genes('demo_inner') WHERE n_measured = 924), 3::bigint, 'of which all files have all genes');
SELECT is((SELECT count(*) FROM demo_outer o JOIN measured_genes('demo_outer') m USING (file_index)
	CROSS JOIN LATERAL generate_series(0, length(o.x_indices) / 4 - 1, 7) AS k
	CROSS JOIN LATERAL (SELECT get_byte(x_indices, 4 * k) + 256 * get_byte(x_indices, 4 * k + 1) AS gene) AS g
	WHERE row_index % 50 = 0 AND get_bit(mask, gene) <> 1), 0::bigint, 'no entry stands at a gene that the file has not');
SELECT results_eq(
	$$SELECT file_index, count(*), count(*) FILTER (WHERE get_bit(mask, var_index) = 1) FROM measured_genes('demo_outer'), collection_vars('demo_outer') GROUP BY 1 ORDER BY 1$$,
	$$SELECT file_index, (SELECT count(*) FROM collection_vars('demo_outer')), n_measured FROM measured_genes('demo_outer')$$,
	'get_bit reads the mask');

-- numbers of genes around a byte, and none
CREATE FUNCTION pg_temp.make(name text, data text, files text[], var_join text, layer text DEFAULT 'X', genes text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('DROP TABLE IF EXISTS %I', name);
	PERFORM create_collection(name, ARRAY(SELECT data || '/h5ad/join_' || f || '.h5ad' FROM unnest(files) WITH ORDINALITY AS u (f, i) ORDER BY i),
		layer => layer, var_join => var_join, vectors => 'array', genes => genes, var_duplicates => 'first');
END $$;
CREATE FUNCTION pg_temp.check(data text, files text[], var_join text, masks text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.make('small', data, files, var_join);
	RETURN results_eq('SELECT file_index, n_measured, mask FROM measured_genes(''small'')', masks, concat_ws(' ', files, var_join));
END $$;
SELECT pg_temp.check(:'data', f::text[], j, masks) FROM (VALUES
	('{once}', 'inner', $$VALUES (0, 4::bigint, '\x0f'::bytea)$$),
	('{once,repeated_dense,no_cells,no_genes}', 'outer', $$VALUES (0, 4::bigint, '\x0f'::bytea), (1, 3, '\x1a'), (2, 3, '\x2a'), (3, 0, '\x00')$$),
	('{once,repeated_dense}', 'inner', $$VALUES (0, 2::bigint, '\x03'::bytea), (1, 2, '\x03')$$),
	('{once,no_genes}', 'inner', $$VALUES (0, 0::bigint, ''::bytea), (1, 0, '')$$),
	('{no_genes}', 'outer', $$VALUES (0, 0::bigint, ''::bytea)$$)) AS v (f, j, masks);
SELECT pg_temp.make('small', :'data', '{no_genes,once,no_cells}', 'outer');
SELECT results_eq('SELECT row_index, file_index, x FROM small ORDER BY 1',
	$$VALUES (0::bigint, 0, '{0,0,0,0,0}'::real[]), (1, 0, '{0,0,0,0,0}'), (2, 1, '{0.5,0,2.5,3.5,0}')$$, 'files without genes, without cells');
SELECT pg_temp.make('small', :'data', '{once,no_genes}', 'inner');
SELECT results_eq('SELECT row_index, x, x_indices, x_values FROM small ORDER BY 1',
	$$VALUES (0::bigint, '{}'::real[], '{}'::int[], '{}'::real[]), (1, '{}', '{}', '{}'), (2, '{}', '{}', '{}')$$, 'an axis without genes');
SELECT is((SELECT count(*) FROM sample_batch('small', 5, seed => 1) WHERE x = ''), 5::bigint, 'can be sampled');
SELECT pg_temp.make('small', :'data', '{no_cells}', 'inner');
SELECT is((SELECT count(x) FROM small), 0::bigint, 'no cells');
SELECT throws_ok('SELECT * FROM sample_batch(''small'', 5)', '55000', 'there is no row to sample', 'of which none can be drawn');

-- raw/X is joined by raw/var, in another order and of another set than var
SELECT pg_temp.make('raw', :'data', '{raw_1,raw_2}', 'inner', 'raw/X', '{B,D}');
SELECT results_eq('SELECT row_index, x, "B", "D" FROM raw ORDER BY 1',
	$$VALUES (0::bigint, '{1,2,4}'::real[], 2::real, 4::real), (1, '{0,6,8}', 6, 8), (2, '{30,0,20}', 0, 20)$$, 'raw/X, inner');
SELECT pg_temp.make('raw', :'data', '{raw_1,raw_2}', 'outer', 'raw/X', '{C,E}');
SELECT results_eq('SELECT row_index, x, "C", "E" FROM raw ORDER BY 1',
	$$VALUES (0::bigint, '{1,2,3,4,0}'::real[], 3::real, NULL::real), (1, '{0,6,0,8,0}', 0, NULL), (2, '{30,0,0,20,10}', NULL, 10)$$, 'raw/X, outer');
SELECT results_eq('SELECT var_name, missing_in FROM collection_vars(''raw'')',
	$$VALUES ('A', '{}'::int[]), ('B', '{}'), ('C', '{1}'), ('D', '{}'), ('E', '{0}')$$, 'its axis');
SELECT results_eq('SELECT n_measured, mask FROM measured_genes(''raw'')', $$VALUES (4::bigint, '\x0f'::bytea), (4, '\x1b')$$, 'its masks');
SELECT pg_temp.make('raw', :'data', '{raw_1,raw_2}', 'outer', 'X');
SELECT results_eq('SELECT x FROM raw ORDER BY row_index', $$VALUES ('{-1,-2,0}'::real[]), ('{-3,-4,0}'), ('{0,-5,-6}')$$, 'X of the same files');

-- no X
SELECT pg_temp.make('part', :'data', '{once,no_x}', 'inner', genes => '{A}');
SELECT is((SELECT string_agg(obs_name, ',' ORDER BY row_index) FROM part), 'r0,u0', 'obs of a file without X');
SELECT throws_ok(format('SELECT %s FROM part', c), '42704', format('file "%s/h5ad/join_no_x.h5ad" has no X', :'data'), c || ' of a file without X')
FROM unnest('{x,x_indices,x_values,"\"A\""}'::text[]) AS c;
SELECT throws_ok('SELECT x FROM sample_batch(''part'', 50, seed => 1)', '42704', format('file "%s/h5ad/join_no_x.h5ad" has no X', :'data'), 'sample_batch');
SELECT results_eq('SELECT x FROM part WHERE file_index = 0', $$VALUES ('{0,3.5}'::real[])$$, 'the other file''s rows by a condition on file_index');
SELECT is((SELECT count(x) FROM sample_batch('part', 50, seed => 1, filter => 'file_index = 0')), 50::bigint, 'or a filter');
SELECT results_eq('SELECT encoding, dtype, nnz FROM collection_files(''part'')', $$VALUES ('csr', 'float64', 3::bigint), (NULL, NULL, NULL)$$, 'collection_files');
SELECT pg_temp.make('no_x', :'data', '{no_x}', 'inner');
SELECT hasnt_column('no_x', 'x', 'no file has X: no vector');
SELECT throws_ok('SELECT * FROM sample_batch(''no_x'', 5)', '42703', 'collection "no_x" has no column that shows x', 'and sample_batch says so');
SELECT is((SELECT count(*) FROM no_x TABLESAMPLE weighted('file_index')), 1::bigint, 'TABLESAMPLE works');

-- obsm: dense in one file, sparse in another, absent in the third; of one width only
SELECT create_collection('obsm', ARRAY[:'data' || '/h5ad/join_obsm_1.h5ad', :'data' || '/h5ad/join_obsm_2.h5ad', :'data' || '/h5ad/join_once.h5ad'],
	obsm => '{same,one}', var_join => 'outer');
SELECT results_eq('SELECT row_index, same, one FROM obsm ORDER BY 1',
	$$VALUES (0::bigint, '{1,2,3}'::real[], '{0.5}'::real[]), (1, '{4,5,6}', '{1.5}'), (2, '{7,0,9}', NULL), (3, NULL, NULL)$$, 'obsm');
SELECT throws_ok(format('SELECT create_collection(''wide'', ARRAY[%L, %L], obsm => ''{other}'')', :'data' || '/h5ad/join_obsm_1.h5ad', :'data' || '/h5ad/join_obsm_2.h5ad'),
	'42804', 'obsm "other" has different widths in the files', 'obsm of two widths is refused');
CREATE FOREIGN TABLE wide (row_index bigint, other real[] OPTIONS (obsm 'other')) SERVER mappedcoll OPTIONS (files '/nowhere.h5ad');
SELECT set_config('test.files', format('{%s/h5ad/join_obsm_1.h5ad,%s/h5ad/join_obsm_2.h5ad}', :'data', :'data'), true);
DO $$ BEGIN EXECUTE format('ALTER FOREIGN TABLE wide OPTIONS (SET files %L)', current_setting('test.files')); END $$;
SELECT is((SELECT count(*) FROM wide), 3::bigint, 'a foreign table by hand');
SELECT throws_ok('SELECT other FROM wide WHERE row_index = 0', '42804', 'obsm "other" has different widths in the files', 'which does not read it either');

-- names that are too long are cut, as in SQL
SELECT is(create_collection(repeat('long', 16), ARRAY[:'data' || '/h5ad/join_once.h5ad'])::text, left(repeat('long', 16), 63), 'a name of 64 bytes is cut');
SELECT * FROM finish();
ROLLBACK;
