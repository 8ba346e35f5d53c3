--
-- values.sql
--		What the rows of the demo files hold, against what anndata, numpy and
--		pandas say of the same files (the literals come from them).
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT create_collection('inner_join', ARRAY[:'data' || '/demo'], vectors => 'array',
	genes => ARRAY['CD3D', 'MS4A1', 'LYZ'], obsm => ARRAY['X_pca']);
SELECT create_collection('outer_join', ARRAY[:'data' || '/demo'], var_join => 'outer', vectors => 'array');
SELECT create_collection('packed', ARRAY[:'data' || '/demo']);
SELECT create_collection('site_a', ARRAY[:'data' || '/demo/pbmc_site_a.h5ad'], vectors => 'array');
SELECT create_collection('site_c', ARRAY[:'data' || '/demo/pbmc_site_c.h5ad'], vectors => 'array');
SELECT create_collection('counts', ARRAY[:'data' || '/demo/pbmc_site_a.h5ad'], layer => 'layers/counts', vectors => 'array');

-- names
SELECT results_eq(
	$$SELECT file_index, md5(string_agg(obs_name, ',' ORDER BY row_index)) FROM inner_join GROUP BY 1 ORDER BY 1$$,
	$$VALUES (0, '853164a992eece09d10646941ffc9abd'), (1, 'e707576d38665133c314e08a2c8c1610'), (2, 'bc1af52626bafb5276da2a3a1144e55c')$$,
	'obs_names in their order');
SELECT is((SELECT md5(string_agg(var_name, ',' ORDER BY var_index)) FROM collection_vars('site_a')),
	'4e6bde51fe5ab15779220cf539429220', 'var_names of one file');
SELECT is((SELECT md5(string_agg(var_name, ',' ORDER BY var_index)) FROM collection_vars('inner_join')),
	'aff552f8f40153163a9e5e62260c63c9', 'genes of the inner join');
SELECT is((SELECT md5(string_agg(var_name, ',' ORDER BY var_index)) FROM collection_vars('outer_join')),
	'04eec47da72a66e33a5a976127e2cd26', 'genes of the outer join');

-- obs columns, each with the type it has in each file
CREATE FUNCTION pg_temp.column_md5(name text, file int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE format('SELECT md5(string_agg(coalesce(%I::text, ''NULL''), '','' ORDER BY row_index)) FROM inner_join WHERE file_index = %s', name, file) INTO result;
	RETURN result;
END $$;
SELECT is(pg_temp.column_md5(name, file), md5, format('%s of file %s', name, file))
FROM (VALUES ('cell_type', 0, '5e8dc889ecccf6d44cf6aa06346a7b5e'), ('cell_type', 1, '013fe9761429e719c1f4840babbb1bd5'),
	('cell_type', 2, 'adeb08bb61a0a4f7749f60b3102ad341'), ('donor_id', 0, '6e4d475933fa4ddf02f142c193dc961e'),
	('donor_id', 1, '072af21c5ba757d35d016aaa0c2930db'), ('donor_id', 2, '6594207b72abcd7351c9c99298e95ae4'),
	('sex', 0, '701e681baf0506179b0964578a38ed7c'), ('sex', 2, '46adce487d18d10e571ed7056ab6978a'),
	('age', 1, '7efcb319c2dfa13c2f8c0312c77eb905'), ('chemistry', 1, '47ad086efb2425c23d4206c3bae78a1d'),
	('severity', 2, '8149a46fe1a58d5ea74dc2d69979d6a0')) AS v (name, file, md5);
SELECT results_eq(
	$$SELECT file_index, sum(n_counts)::bigint, count(*) FILTER (WHERE is_doublet), count(is_doublet),
		count(*) FILTER (WHERE percent_mito = 'NaN'),
		round((sum(percent_mito) FILTER (WHERE percent_mito <> 'NaN'))::numeric, 4)
	FROM inner_join GROUP BY 1 ORDER BY 1$$,
	$$VALUES (0, 377077::bigint, 79::bigint, 1500::bigint, 48::bigint, 6479.1730),
		(1, 284649, 67, 1200, 0, NULL), (2, 113883, 0, 0, 0, 2262.5589)$$,
	'numbers and truth values; a NaN stays one, an absent column is NULL');
SELECT is((SELECT count(*) FROM inner_join WHERE file_index <> 1 AND (age IS NOT NULL OR chemistry IS NOT NULL)), 0::bigint,
	'columns that a file lacks are NULL there');

-- expression values
SELECT results_eq(
	$$SELECT sum(v)::bigint, sum(k * v)::bigint, sum((row_index + 1) * v)::bigint, sum((row_index + 1) * k * v)::bigint,
		count(*) FILTER (WHERE v <> 0)
	FROM site_a, unnest(x) WITH ORDINALITY AS u (v, k)$$,
	$$VALUES (377077::bigint, 280740614::bigint, 287248684::bigint, 213839147527::bigint, 232211::bigint)$$,
	'every element of a sparse file');
SELECT results_eq(
	$$SELECT sum(v)::bigint, sum(k * v)::bigint, sum((row_index + 1) * v)::bigint, sum((row_index + 1) * k * v)::bigint,
		count(*) FILTER (WHERE v <> 0)
	FROM site_c, unnest(x) WITH ORDINALITY AS u (v, k)$$,
	$$VALUES (113883::bigint, 67792410::bigint, 28609607::bigint, 17068933443::bigint, 68550::bigint)$$,
	'every element of a dense file');
SELECT results_eq(
	$$SELECT sum(v)::bigint, sum(row_index * i * v)::bigint, count(*) FROM inner_join, unnest(x_indices, x_values) AS u (i, v)$$,
	$$VALUES (661272::bigint, 484062569642::bigint, 370785::bigint)$$,
	'every entry of the inner join');
SELECT results_eq(
	$$SELECT row_index::int, count(*)::int, sum(i)::int, sum(v)::int, sum(i * v)::int
	FROM inner_join, unnest(x_indices, x_values) AS u (i, v)
	WHERE row_index = ANY ('{0,1499,1500,2699,2700,3199}') GROUP BY 1 ORDER BY 1$$,
	$$VALUES (0, 98, 44902, 137, 64317), (1499, 130, 61403, 241, 109319), (1500, 101, 46627, 170, 80241),
		(2699, 132, 62075, 323, 143101), (2700, 157, 75973, 326, 140206), (3199, 86, 40935, 127, 64301)$$,
	'first and last rows of each file');
SELECT results_eq(
	$$SELECT sum("CD3D")::int, count(*) FILTER (WHERE "CD3D" <> 0)::int, sum("MS4A1")::int, count(*) FILTER (WHERE "MS4A1" <> 0)::int,
		sum("LYZ")::int, count(*) FILTER (WHERE "LYZ" <> 0)::int FROM inner_join$$,
	$$VALUES (4146, 1337, 1033, 456, 1544, 776)$$, 'columns of single genes');
SELECT is((SELECT count(*) FROM outer_join
	WHERE n_counts <> (SELECT sum(v) FROM unnest(x_values) AS v)), 0::bigint,
	'n_counts of each cell, counted before it was written, is the sum over all genes of the outer join');
SELECT is((SELECT count(*) FROM outer_join o, LATERAL (
		SELECT 100 * sum(u.v) FILTER (WHERE g.name LIKE 'MT-%') / sum(u.v) AS percent
		FROM unnest(x_indices, x_values) AS u (i, v)
		JOIN (SELECT var_index, var_name AS name FROM collection_vars('outer_join')) AS g ON g.var_index = u.i) AS m
	WHERE row_index % 50 = 0 AND percent_mito <> 'NaN' AND abs(percent_mito - m.percent) > 1e-4), 0::bigint,
	'percent_mito is that of the genes by their names');
SELECT is((SELECT count(*) FROM site_a JOIN counts USING (row_index) WHERE site_a.x <> counts.x), 0::bigint,
	'the layer of counts, integers in the file, holds what X does');

-- the forms of a row agree
SELECT is((SELECT count(*) FROM outer_join WHERE x_indices <> (
		SELECT array_agg((k - 1)::int ORDER BY k) FROM unnest(x) WITH ORDINALITY AS u (v, k) WHERE v <> 0)
	OR x_values <> (SELECT array_agg(v ORDER BY k) FROM unnest(x) WITH ORDINALITY AS u (v, k) WHERE v <> 0)), 0::bigint,
	'x_indices and x_values are the non-zeros of x, ascending');
CREATE FUNCTION pg_temp.little_endian(bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS
	'SELECT substr($1, 4, 1) || substr($1, 3, 1) || substr($1, 2, 1) || substr($1, 1, 1)';
SELECT is((SELECT count(*) FROM packed p JOIN inner_join a USING (row_index)
	WHERE row_index % 100 = 7 AND (
		p.x <> (SELECT string_agg(pg_temp.little_endian(float4send(v)), '' ORDER BY k) FROM unnest(a.x) WITH ORDINALITY AS u (v, k))
		OR p.x_values <> (SELECT string_agg(pg_temp.little_endian(float4send(v)), '' ORDER BY k) FROM unnest(a.x_values) WITH ORDINALITY AS u (v, k))
		OR p.x_indices <> (SELECT string_agg(pg_temp.little_endian(int4send(v)), '' ORDER BY k) FROM unnest(a.x_indices) WITH ORDINALITY AS u (v, k)))), 0::bigint,
	'bytea vectors are the arrays, 4 bytes a value, little-endian');
SELECT is((SELECT count(*) FROM inner_join i JOIN outer_join o USING (row_index)
	JOIN (SELECT array_agg(o.var_index + 1 ORDER BY i.var_index) AS places
		FROM collection_vars('inner_join') i JOIN collection_vars('outer_join') o USING (var_name)) AS g ON true
	WHERE row_index % 100 = 3 AND i.x <> (SELECT array_agg(o.x[p] ORDER BY k) FROM unnest(g.places) WITH ORDINALITY AS u (p, k))), 0::bigint,
	'the inner join is the outer join at its genes');
SELECT is((SELECT count(*) FROM outer_join, collection_vars('outer_join') AS g
	WHERE row_index % 200 = 1 AND file_index = ANY (g.missing_in) AND x[g.var_index + 1] <> 0), 0::bigint,
	'genes that a file lacks read as 0');
SELECT is((SELECT count(*) FROM sample_batch('packed', 200, 'cell_type', seed => 3) b JOIN packed p USING (row_index)
	WHERE b.x = p.x AND b.label = p.cell_type), 200::bigint, 'sample_batch returns the rows'' own vectors and labels');

-- obsm
SELECT results_eq(
	$$SELECT row_index, "X_pca" FROM inner_join WHERE row_index IN (0, 2700) ORDER BY 1$$,
	$$VALUES (0::bigint, '{3.6966195106506348,-5.635787487030029,0.39411115646362305,1.6429194211959839,-1.1850544214248657,2.8252146244049072,-2.173251152038574,-2.8101513385772705}'::real[]),
		(2700, '{0.8802247643470764,8.05184268951416,1.409459114074707,4.351874351501465,-2.3040714263916016,-0.14634931087493896,-0.1778295636177063,-0.5969963073730469}')$$,
	'an embedding');
SELECT results_eq(
	$$SELECT file_index, count("X_pca"), round(sum(s)::numeric, 6) FROM inner_join
	LEFT JOIN LATERAL (SELECT sum(v::float8) AS s FROM unnest("X_pca") AS v) AS u ON true GROUP BY 1 ORDER BY 1$$,
	$$VALUES (0, 1500::bigint, -0.001861), (1, 0, NULL), (2, 500, 0.001319)$$, 'the whole embedding');

-- collection_files
SELECT results_eq(
	$$SELECT file_index, first_row_index, n_obs, n_vars, encoding, dtype, nnz,
		size = (pg_stat_file(path)).size, date_trunc('second', modified) = (pg_stat_file(path)).modification
	FROM collection_files('inner_join')$$,
	$$VALUES (0, 0::bigint, 1500::bigint, 1500::bigint, 'csr', 'float32', 232211::bigint, true, true),
		(1, 1500, 1200, 1420, 'csr', 'float32', 174225, true, true), (2, 2700, 500, 1250, 'dense', 'float32', NULL, true, true)$$,
	'collection_files');
SELECT results_eq(
	$$SELECT dtype, encoding, nnz FROM collection_files('counts')$$, $$VALUES ('int32', 'csr', 232211::bigint)$$,
	'collection_files of a layer');
SELECT * FROM finish();
ROLLBACK;
