--
-- packed.sql
--		sample_csr, sample_dense, fetch_csr and sample_rows: the same cells and
--		values as everywhere, packed.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT create_collection('coll', ARRAY[:'data' || '/demo'], obsm => '{X_pca}');

-- little-endian numbers, as a client reads them
CREATE FUNCTION pg_temp.reversed(b bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(string_agg(substr(b, i, 1), '' ORDER BY i DESC), '') FROM generate_series(1, length(b)) AS i
$$;
CREATE FUNCTION pg_temp.int8s(b bytea) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(array_agg(('x' || encode(pg_temp.reversed(substr(b, i * 8 + 1, 8)), 'hex'))::bit(64)::bigint ORDER BY i), '{}')
	FROM generate_series(0, length(b) / 8 - 1) AS i
$$;
CREATE FUNCTION pg_temp.int4s(b bytea) RETURNS int[] LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(array_agg(('x' || encode(pg_temp.reversed(substr(b, i * 4 + 1, 4)), 'hex'))::bit(32)::int ORDER BY i), '{}')
	FROM generate_series(0, length(b) / 4 - 1) AS i
$$;
CREATE FUNCTION pg_temp.uint2s(b bytea) RETURNS int[] LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(array_agg(get_byte(b, i * 2) + get_byte(b, i * 2 + 1) * 256 ORDER BY i), '{}')
	FROM generate_series(0, length(b) / 2 - 1) AS i
$$;

-- one batch is that of sample_batch, and its values those of the table
CREATE TEMP TABLE one AS SELECT * FROM sample_csr('coll', 40, 'cell_type', seed => 3, step => 5,
	obs_columns => '{donor_id,n_counts,is_doublet,file_index}', obsm_columns => '{X_pca}');
CREATE TEMP TABLE cells AS
	SELECT u.i, c.* FROM one, unnest(pg_temp.int8s(row_index)) WITH ORDINALITY AS u (row_index, i) JOIN coll c USING (row_index);
SELECT is(count(*), 1::bigint, 'one row a batch') FROM one;
SELECT is((SELECT array_agg(row_index) FROM sample_batch('coll', 40, 'cell_type', seed => 3, step => 5)),
	pg_temp.int8s(row_index), 'the cells of sample_batch') FROM one;
SELECT collect_tap(is(batch, 5::bigint, 'batch is the step'), is(part, 0, 'the one part'), is(n_rows, 40, 'n_rows'),
	is(n_vars::bigint, (SELECT count(*) FROM collection_vars('coll')), 'n_vars'))
FROM one;
SELECT collect_tap(is(indices, (SELECT string_agg(x_indices, '' ORDER BY i) FROM cells), 'indices'),
	is(data, (SELECT string_agg(x_values, '' ORDER BY i) FROM cells), 'data'),
	is(pg_temp.int8s(indptr), (SELECT 0::bigint || array_agg(s ORDER BY i) FROM (
		SELECT i, (sum(length(x_indices) / 4) OVER (ORDER BY i))::bigint AS s FROM cells) AS t), 'indptr'),
	is(pg_temp.int4s(label_code), (SELECT array_agg(l.code ORDER BY i) FROM cells JOIN labels('coll', 'cell_type') l ON l.label = cell_type), 'label_code'),
	is(pg_temp.int4s(obs[1]), (SELECT array_agg(coalesce(l.code, -1) ORDER BY i) FROM cells LEFT JOIN labels('coll', 'donor_id') l ON l.label = donor_id), 'obs: codes'),
	is(obs[2], (SELECT string_agg(pg_temp.reversed(float8send(coalesce(n_counts::float8, 'NaN'))), '' ORDER BY i) FROM cells), 'obs: integers'),
	is(obs[3], (SELECT string_agg(pg_temp.reversed(float8send(coalesce(is_doublet::int::float8, 'NaN'))), '' ORDER BY i) FROM cells), 'obs: booleans'),
	is(obs[4], (SELECT string_agg(pg_temp.reversed(float8send(file_index)), '' ORDER BY i) FROM cells), 'obs: file_index'),
	is(obsm[1], (SELECT string_agg(pg_temp.reversed(float4send(v)), '' ORDER BY i, k) FROM cells,
		unnest(coalesce("X_pca", array_fill('NaN'::real, ARRAY[8]))) WITH ORDINALITY AS u (v, k)), 'obsm'),
	is(dtypes, '{<i8,<i4,<f4,<i4,<f8,<f8,<f8,<f4}'::text[], 'dtypes'))
FROM one;

-- dense, all genes and some, in the order asked for
SELECT collect_tap(is(data, (SELECT string_agg(x, '' ORDER BY i) FROM cells), 'dense'), is(dtypes, '{<f4}', 'its dtype'))
FROM sample_dense('coll', 40, 'cell_type', seed => 3, step => 5);
CREATE TEMP TABLE genes AS SELECT var_index, var_name, row_number() OVER (ORDER BY md5(var_name)) - 1 AS k
	FROM collection_vars('coll') WHERE var_index % 9 = 2;
SELECT is(data, (SELECT string_agg(substr(x, var_index::int * 4 + 1, 4), '' ORDER BY i, k) FROM cells, genes), 'dense, a subset of genes')
FROM sample_dense('coll', 40, 'cell_type', seed => 3, step => 5, genes => (SELECT array_agg(var_name ORDER BY k) FROM genes));
SELECT collect_tap(is(n_vars::bigint, (SELECT count(*) FROM genes), 'n_vars of a subset'),
	is(pg_temp.int4s(indices), (SELECT array_agg(k::int ORDER BY i, k) FROM cells, unnest(pg_temp.int4s(x_indices)) AS v (var_index) JOIN genes USING (var_index)),
		'sparse, a subset of genes'))
FROM sample_csr('coll', 40, 'cell_type', seed => 3, step => 5, genes => (SELECT array_agg(var_name ORDER BY k) FROM genes));
SELECT is(indices, '', 'no gene at all') FROM sample_csr('coll', 4, genes => '{}');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 4, genes => '{CD3X}')$$, '42704', 'gene "CD3X" is not in the collection');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 4, genes => '{CD3D,CD3D}')$$, '22023', 'genes has "CD3D" more than once');

-- several steps, and parts
CREATE TEMP TABLE steps AS SELECT * FROM sample_csr('coll', 30, 'cell_type', seed => 8, step => 2, n_steps => 3);
SELECT is(array_agg(batch), '{2,3,4}', 'a row a step') FROM steps;
SELECT is(pg_temp.int8s(s.row_index), pg_temp.int8s(o.row_index), 'step ' || s.batch || ' by itself')
FROM steps s, LATERAL sample_csr('coll', 30, 'cell_type', seed => 8, step => s.batch) AS o;
CREATE TEMP TABLE parts AS SELECT * FROM sample_csr('coll', 30, 'cell_type', seed => 8, step => 2, n_steps => 3, part_rows => 12,
	obs_columns => '{donor_id}');
SELECT is(array_agg((batch, part, n_rows)::text), '{"(2,0,12)","(2,1,12)","(2,2,6)","(3,0,12)","(3,1,12)","(3,2,6)","(4,0,12)","(4,1,12)","(4,2,6)"}',
	'parts of 12 rows') FROM parts;
SELECT collect_tap(is(string_agg(p.data, '' ORDER BY p.part), s.data, 'parts of step ' || batch || ' make its data'),
	is(string_agg(p.row_index, '' ORDER BY p.part), s.row_index, 'and row_index'))
FROM parts p JOIN steps s USING (batch) GROUP BY batch, s.data, s.row_index;
SELECT is((SELECT count(*) FROM sample_csr('coll', 30, n_steps => 0)), 0::bigint, 'no steps');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 4, n_steps => -1)$$, '22023', 'n_steps must not be negative');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 4, n_steps => NULL)$$, '22004', 'n_steps must not be null');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 4, part_rows => 0)$$, '22023', 'part_rows must be at least 1');
SELECT throws_like($$SELECT * FROM sample_csr('coll', 1000000)$$, '%rows are too large for one value');

-- narrow forms
CREATE TEMP TABLE narrow AS SELECT * FROM sample_csr('coll', 40, 'cell_type', seed => 3, step => 5,
	indptr_type => 'int32', indices_type => 'narrow', data_type => 'narrow');
SELECT collect_tap(is(dtypes[1:2], '{<i4,<u2}', 'indptr and indices are narrow'),
	ok(dtypes[3] IN ('|u1', '<u2'), 'counts become integers: ' || dtypes[3]),
	is(pg_temp.int4s(indptr)::bigint[], (SELECT pg_temp.int8s(indptr) FROM one), 'the same indptr'),
	is(pg_temp.uint2s(indices), (SELECT pg_temp.int4s(indices) FROM one), 'the same indices'))
FROM narrow;
SELECT is((SELECT array_agg(get_byte(data, i) ORDER BY i) FROM generate_series(0, length(data) - 1) AS i),
	(SELECT array_agg(v::int ORDER BY i, k) FROM cells JOIN LATERAL (
		SELECT k, ('x' || encode(pg_temp.reversed(substr(x_values, k * 4 + 1, 4)), 'hex'))::bit(32)::int AS bits
		FROM generate_series(0, length(x_values) / 4 - 1) AS k) AS e ON true,
		LATERAL (SELECT (1 + (bits & 8388607) / 8388608.0) * 2.0 ^ ((bits >> 23) - 127) AS v) AS f),
	'the same values')
FROM narrow WHERE dtypes[3] = '|u1';
SELECT create_collection('halves', ARRAY[:'data' || '/h5ad/join_once.h5ad']);
SELECT throws_ok(format('SELECT * FROM %s(''halves'', 1, data_type => %L)', f, t), '22003', 'value 0.5 does not fit into data_type', f || ': ' || t || ' of 0.5')
FROM unnest('{sample_csr,sample_dense}'::text[]) AS f, unnest('{uint8,uint16}'::text[]) AS t;
SELECT is(dtypes[3], '<f2', 'the narrowest type that is exact') FROM sample_csr('halves', 1, data_type => 'narrow');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 4, data_type => 'int8')$$, '22023', 'data_type cannot be "int8"');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 4, indices_type => 'uint8')$$, '22023', 'indices_type cannot be "uint8"');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 4, indptr_type => 'narrow')$$, '22023', 'indptr_type cannot be "narrow"');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 4, data_type => NULL)$$, '22004', 'data_type must not be null');

-- rows by number
SELECT collect_tap(is(pg_temp.int8s(row_index), '{5,9,5,3000,0}', 'in the order given, repeats too'),
	is(indices, (SELECT string_agg(x_indices, '' ORDER BY i) FROM unnest('{5,9,5,3000,0}'::bigint[]) WITH ORDINALITY AS u (row_index, i) JOIN coll USING (row_index)), 'their indices'),
	is(data, (SELECT string_agg(x_values, '' ORDER BY i) FROM unnest('{5,9,5,3000,0}'::bigint[]) WITH ORDINALITY AS u (row_index, i) JOIN coll USING (row_index)), 'their values'))
FROM fetch_csr('coll', '{5,9,5,3000,0}');
SELECT is(array_agg(n_rows), '{2,2,1}', 'in parts') FROM fetch_csr('coll', '{5,9,5,3000,0}', part_rows => 2);
SELECT collect_tap(is(n_rows, 0, 'no rows'), is(pg_temp.int8s(indptr), '{0}', 'one pointer'))
FROM fetch_csr('coll', '{}');
SELECT throws_ok($$SELECT * FROM fetch_csr('coll', '{3200}')$$, '22023', 'collection "coll" has no row_index 3200');
SELECT throws_ok($$SELECT * FROM fetch_csr('coll', '{-1}')$$, '22023', 'collection "coll" has no row_index -1');
SELECT throws_ok($$SELECT * FROM fetch_csr('coll', '{1,NULL}')$$, '22004', 'row_indexes must not contain NULL');
SELECT throws_ok($$SELECT * FROM fetch_csr('coll', NULL)$$, '22004', 'row_indexes must not be null');
SELECT throws_ok($$SELECT * FROM fetch_csr('coll', '{1}', obsm_columns => '{X_umap}')$$, '42703', 'collection "coll" has no obsm column "X_umap"');
SELECT throws_ok($$SELECT * FROM fetch_csr('coll', '{1}', obs_columns => '{nothing}')$$, '42703', 'column "nothing" of collection "coll" does not exist');

-- the draws alone
SELECT collect_tap(is(array_agg(r.row_index ORDER BY o), pg_temp.int8s(s.row_index), 'sample_rows: step ' || batch),
	is(array_agg(r.label_code ORDER BY o), pg_temp.int4s(s.label_code), 'its codes'))
FROM sample_rows('coll', 30, 'cell_type', seed => 8, step => 2, n_steps => 3)
	WITH ORDINALITY AS r (batch, row_index, label_code, o) JOIN steps s USING (batch)
GROUP BY batch, s.row_index, s.label_code;

-- codes are those of labels, also where a filter leaves some out
SELECT is(array_agg(DISTINCT label_code), (SELECT array_agg(code) FROM labels('coll', 'cell_type') WHERE label IN ('B cell', 'plasma cell')),
	'codes do not depend on the filter')
FROM sample_rows('coll', 200, 'cell_type', seed => 1, filter => $$cell_type IN ('B cell', 'plasma cell')$$);

-- a policy hides rows and labels from all of them
CREATE ROLE regress_mc_packed;
GRANT SELECT ON coll TO regress_mc_packed;
ALTER TABLE coll ENABLE ROW LEVEL SECURITY;
CREATE POLICY males ON coll USING (sex = 'male');
CREATE TEMP TABLE males AS SELECT row_index FROM coll WHERE sex = 'male';
GRANT SELECT ON males TO regress_mc_packed;
SET LOCAL ROLE regress_mc_packed;
SELECT is((SELECT count(*) FROM sample_csr('coll', 500, 'cell_type', seed => 1, obs_columns => '{donor_id}'), unnest(pg_temp.int8s(row_index)) AS r
	WHERE r NOT IN (SELECT row_index FROM males)), 0::bigint, 'sample_csr obeys the policy');
SELECT is((SELECT max(c) FROM sample_csr('coll', 500, 'cell_type', seed => 1, obs_columns => '{donor_id}'), unnest(pg_temp.int4s(obs[1])) AS c),
	(SELECT max(code) FROM labels('coll', 'donor_id')), 'codes of obs are those of the labels that the caller sees');
SELECT throws_like(format('SELECT * FROM fetch_csr(''coll'', ARRAY[%s])', (SELECT min(r) FROM generate_series(0, 3199) AS r WHERE r NOT IN (SELECT row_index FROM males))),
	'collection "coll" has no row_index %', 'fetch_csr obeys the policy');
RESET ROLE;
ALTER TABLE coll DISABLE ROW LEVEL SECURITY;
REVOKE SELECT ON coll FROM regress_mc_packed;
GRANT SELECT (row_index, x_indices, x_values, cell_type) ON coll TO regress_mc_packed;
SET LOCAL ROLE regress_mc_packed;
SELECT lives_ok($$SELECT * FROM sample_csr('coll', 5, 'cell_type')$$, 'x_indices and x_values are enough for sample_csr');
SELECT throws_ok($$SELECT * FROM sample_dense('coll', 5, 'cell_type')$$, '42501', 'permission denied for table coll', 'but not for sample_dense');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 5, 'donor_id')$$, '42501', 'permission denied for table coll', 'weight_by needs its column');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 5, obs_columns => '{donor_id}')$$, '42501', 'permission denied for table coll', 'obs_columns need theirs');
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 5, obsm_columns => '{X_pca}')$$, '42501', 'permission denied for table coll', 'obsm_columns as well');
RESET ROLE;
REVOKE SELECT (x_indices, x_values) ON coll FROM regress_mc_packed;
SET LOCAL ROLE regress_mc_packed;
SELECT throws_ok($$SELECT * FROM sample_csr('coll', 5)$$, '42501', 'permission denied for table coll', 'vectors need a column that shows them');
SELECT throws_ok($$SELECT * FROM fetch_csr('coll', '{1}')$$, '42501', 'permission denied for table coll', 'fetch_csr as well');
SELECT lives_ok($$SELECT * FROM sample_rows('coll', 5, 'cell_type')$$, 'sample_rows needs none');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
