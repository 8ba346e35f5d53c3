--
-- properties.sql
--		What holds for all arguments, tried with random ones.
--
-- The seed is printed; MC_SEED repeats a run.  A property is one test, whose
-- result is the list of the arguments that broke it.
--
BEGIN;
\set seed `echo "${MC_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}"`
SELECT no_plan();
SELECT diag('MC_SEED=' || :'seed');
SELECT setseed((:'seed'::bigint % 16777216) / 16777216.0) \g /dev/null
SET client_min_messages = warning;
SET statement_timeout = '30s';
SELECT create_collection('coll', ARRAY[:'data' || '/demo'], obsm => '{X_pca}');
SELECT create_sampler('thirds', 'SELECT row_index, row_index % 7 AS weight FROM coll WHERE row_index % 3 = 1') \g /dev/null

-- one of these, by chance
CREATE FUNCTION pg_temp.any_of(VARIADIC options text[]) RETURNS text LANGUAGE sql VOLATILE AS
	'SELECT options[1 + floor(random() * array_length(options, 1))::int]';

-- what to draw from, as arguments of a sampling function and as SQL
CREATE TEMP TABLE trials (number int, by_columns text, weights jsonb, sampler regclass, filter text, seed bigint,
	label text, row_weight text, arguments text);
DO $$
DECLARE
	t trials;
BEGIN
	FOR i IN 1 .. 40 LOOP
		t := NULL;
		t.number := i;
		t.seed := floor((random() - 0.5) * 2 ^ 62);
		t.by_columns := pg_temp.any_of(NULL, 'cell_type', 'donor_id', 'cell_type, donor_id', 'file_index', 'age', 'is_doublet', 'n_counts');
		IF t.by_columns IS NOT NULL THEN
			t.weights := pg_temp.any_of(NULL, '"equal"', '"sqrt"', '"proportional"', '0.3', '1.7');
		ELSIF random() < 0.3 THEN
			t.sampler := 'thirds';
		END IF;
		IF t.by_columns = 'n_counts' THEN
			t.weights := '"value"';
		END IF;
		t.filter := pg_temp.any_of(NULL, NULL, 'n_counts > ' || floor(random() * 400), 'donor_id <> ''D0' || floor(random() * 10) || '''',
			'file_index = ' || floor(random() * 3), 'percent_mito < 5 OR age > 40', 'is_doublet IS NOT TRUE',
			'row_index % 5 = ' || floor(random() * 5), 'length(x_indices) > 800', 'cell_type LIKE ''%cell'' AND sex = ''male''',
			'split_of(donor_id, ' || floor(random() * 100) || ', ''{0.8,0.2}'') = 0',
			'donor_id IN (SELECT max(donor_id) FROM coll GROUP BY sex)');
		t.label := CASE t.by_columns WHEN 'cell_type, donor_id' THEN 'cell_type || ''__'' || donor_id'
			WHEN 'n_counts' THEN '''''' ELSE coalesce(t.by_columns, '''''') || '::text' END;
		t.row_weight := CASE WHEN t.sampler IS NOT NULL THEN '(SELECT s.weight FROM thirds s WHERE s.row_index = c.row_index)'
			WHEN t.by_columns IS NULL THEN '1' WHEN t.by_columns = 'n_counts' THEN 'n_counts'
			WHEN coalesce(t.weights, '"equal"') = '"equal"' THEN '1.0 / n' WHEN t.weights = '"proportional"' THEN '1'
			WHEN t.weights = '"sqrt"' THEN 'n ^ -0.5' ELSE 'n ^ -' || (t.weights #>> '{}') END;
		t.arguments := format('weight_by => %L, weights => %L, sampler => %L, filter => %L, seed => %s', t.by_columns, t.weights, t.sampler, t.filter, t.seed);
		INSERT INTO trials SELECT t.*;
	END LOOP;
END $$;

-- row_index and weight of the rows that a trial can draw, by SQL alone
CREATE FUNCTION pg_temp.brute(t trials) RETURNS TABLE (row_index bigint, label text, weight float8) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT c.row_index, c.label, (%s)::float8 FROM (
			SELECT *, %s AS label, count(*) OVER (PARTITION BY %s) AS n FROM coll WHERE (%s)) AS c
		WHERE c.label IS NOT NULL AND (%s) > 0', t.row_weight, t.label, t.label, coalesce(t.filter, 'true'), t.row_weight);
END $$;
CREATE FUNCTION pg_temp.draws(t trials, more text) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
	result bigint[];
BEGIN
	EXECUTE format('SELECT array_agg(row_index) FROM sample_rows(''coll'', %s, %s)', t.arguments, more) INTO result;
	RETURN coalesce(result, '{}');
END $$;
CREATE FUNCTION pg_temp.can_draw(t trials) RETURNS boolean LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM pg_temp.brute(t))';
DELETE FROM trials t WHERE NOT pg_temp.can_draw(t);
SELECT cmp_ok(count(*), '>', 20::bigint, 'trials with rows to draw') FROM trials;
SELECT diag(count(*) || ' trials') FROM trials;

-- a test: nothing broke it
CREATE FUNCTION pg_temp.none(broken text[], description text) RETURNS text LANGUAGE sql AS
	'SELECT is(broken, NULL, description)';

SELECT pg_temp.none(array_agg(arguments), 'the same arguments, the same rows')
FROM trials t, LATERAL (SELECT random() < 0.5 + t.number * 0 AS r, floor(random() * 1e6 + t.number * 0)::bigint AS s) AS v
WHERE pg_temp.draws(t, format('batch_size => 50, step => %s, replacement => %L', s, r)) <>
	pg_temp.draws(t, format('batch_size => 50, step => %s, replacement => %L', s, r));

SELECT pg_temp.none(array_agg(arguments || format(' step %s world_size %s replacement %s', s, w, r)), 'the global batch does not depend on the ranks')
FROM trials t, LATERAL (SELECT random() < 0.5 + t.number * 0 AS r, floor(random() * 100 + t.number * 0)::bigint AS s, pg_temp.any_of('2', '3', '4', '6', '8', '12', left('24', 2 + t.number * 0))::int AS w) AS v
WHERE pg_temp.draws(t, format('batch_size => 120, step => %s, replacement => %L', s, r)) <>
	(SELECT array_agg(row_index ORDER BY rank, o) FROM generate_series(0, w - 1) AS rank,
		unnest(pg_temp.draws(t, format('batch_size => %s, step => %s, replacement => %L, rank => %s, world_size => %s', 120 / w, s, r, rank, w)))
			WITH ORDINALITY AS u (row_index, o));

SELECT pg_temp.none(array_agg(arguments || format(' step %s replacement %s', s, r)), 'to resume at a step is to go on')
FROM trials t, LATERAL (SELECT random() < 0.5 + t.number * 0 AS r, floor(random() * 100 + t.number * 0)::bigint AS s) AS v
WHERE pg_temp.draws(t, format('batch_size => 70, step => %s, n_steps => 5, replacement => %L', s, r)) <>
	(SELECT array_agg(row_index ORDER BY step, o) FROM generate_series(s, s + 4) AS step,
		unnest(pg_temp.draws(t, format('batch_size => 70, step => %s, replacement => %L', step, r))) WITH ORDINALITY AS u (row_index, o));

SELECT pg_temp.none(array_agg(arguments), 'an epoch is the rows that pass the filter and have a weight')
FROM trials t
WHERE (SELECT array_agg(r ORDER BY r) FROM unnest(pg_temp.draws(t, 'batch_size => 1000000, replacement => false, step => ' || t.number)) AS r)
	IS DISTINCT FROM (SELECT array_agg(row_index ORDER BY row_index) FROM pg_temp.brute(t));

SELECT pg_temp.none(array_agg(arguments), 'an epoch of ranks and steps deals each row once')
FROM trials t, LATERAL (SELECT count(*) AS n FROM pg_temp.brute(t)) AS b
WHERE (SELECT array_agg(r ORDER BY r) FROM generate_series(0, 2) AS rank, unnest(pg_temp.draws(t,
		format('batch_size => 60, replacement => false, n_steps => %s, rank => %s, world_size => 3', (n + 179) / 180, rank))) AS r)
	IS DISTINCT FROM (SELECT array_agg(row_index ORDER BY row_index) FROM pg_temp.brute(t));

-- of 20,000 draws each group of rows has its share, up to a chance of 10^-7
SELECT pg_temp.none(array_agg(arguments || format(' chi-square %s of %s', chi2, df)), 'rows come by their weights')
FROM (SELECT t.arguments, sum((n - e) ^ 2 / e) AS chi2, count(*) - 1 AS df
	FROM trials t, LATERAL (SELECT least(label || row_index % 2, label) AS g, sum(weight) / sum(sum(weight)) OVER () * 20000 AS e, array_agg(row_index) AS members
		FROM (SELECT row_index, weight, CASE WHEN label = '' THEN (row_index % 20)::text ELSE label END AS label FROM pg_temp.brute(t)) AS b GROUP BY 1) AS w,
		LATERAL (SELECT pg_temp.draws(t, 'batch_size => 20000') AS d) AS d,
		LATERAL (SELECT count(*) AS n FROM unnest(d) AS r WHERE r = ANY (members)) AS c
	WHERE t.number <= 15 AND e >= 5 GROUP BY t.number, t.arguments) AS s
WHERE df > 0 AND chi2 > df * (1 - 2.0 / (9 * df) + 5.2 * sqrt(2.0 / (9 * df))) ^ 3 + 10;

-- the functions agree
CREATE FUNCTION pg_temp.int8s(b bytea) RETURNS bigint[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg((get_byte(b, i * 8) + (get_byte(b, i * 8 + 1) << 8) + (get_byte(b, i * 8 + 2) << 16))::bigint ORDER BY i), '{}')
	FROM generate_series(0, length(b) / 8 - 1) AS i
$$;
CREATE FUNCTION pg_temp.of_other(f text, t trials, OUT rows bigint[], OUT bad bigint) LANGUAGE plpgsql AS $$
BEGIN
	IF f = 'sample_batch' THEN
		EXECUTE format('SELECT array_agg(row_index), count(*) FILTER (WHERE s.x <> c.x OR s.label <> c.label)
			FROM sample_batch(''coll'', 40, %s, step => 3) s JOIN (SELECT row_index, x, %s AS label FROM coll) c USING (row_index)', t.arguments, t.label) INTO rows, bad;
		EXECUTE format('SELECT array_agg(row_index) FROM sample_batch(''coll'', 40, %s, step => 3)', t.arguments) INTO rows;
	ELSE
		EXECUTE format('SELECT pg_temp.int8s(row_index), 0 FROM %s(''coll'', 40, %s, step => 3, genes => ''{}'')', f, t.arguments) INTO rows, bad;
	END IF;
END $$;
SELECT pg_temp.none(array_agg(arguments) FILTER (WHERE arguments IS NOT NULL), f || ' draws what sample_rows draws')
FROM unnest('{sample_batch,sample_csr,sample_dense}'::text[]) AS f LEFT JOIN (trials t CROSS JOIN LATERAL (SELECT pg_temp.draws(t, 'batch_size => 40, step => 3') AS want) AS w) ON
	(pg_temp.of_other(f, t)).rows <> want OR (pg_temp.of_other(f, t)).bad > 0
GROUP BY f ORDER BY f;

-- fingerprints: of the rows and weights, nothing else
CREATE FUNCTION pg_temp.print(t trials) RETURNS text LANGUAGE sql AS
	'SELECT sample_fingerprint(''coll'', t.by_columns, t.filter, t.weights, t.sampler)';
SELECT pg_temp.none(array_agg(arguments), 'its own fingerprint is expected')
FROM trials t WHERE pg_temp.draws(t, format('batch_size => 9, expect_fingerprint => %L', pg_temp.print(t))) <> pg_temp.draws(t, 'batch_size => 9');
SELECT pg_temp.none(array_agg(a.arguments || ' / ' || b.arguments), 'equal fingerprints, equal labels and rows')
FROM (SELECT t, t.arguments, pg_temp.print(t) AS print FROM trials t) AS a JOIN (SELECT t, t.arguments, pg_temp.print(t) AS print FROM trials t) AS b
	ON a.arguments < b.arguments AND a.print = b.print
WHERE (SELECT array_agg(row_index ORDER BY row_index) FROM pg_temp.brute(a.t)) <> (SELECT array_agg(row_index ORDER BY row_index) FROM pg_temp.brute(b.t));

-- NULL and the extremes of each argument of each function: an error of its
-- own or a result, never an internal error
CREATE TEMP TABLE extremes (type text, value text);
INSERT INTO extremes SELECT type, value FROM (VALUES
	('integer', '{0,1,-1,2147483647,-2147483648,NULL}'::text[]),
	('bigint', '{0,1,-1,9223372036854775807,-9223372036854775808,4611686018427387904,NULL}'),
	('boolean', '{true,false,NULL}'),
	('regclass', '{0,1,4294967295,coll,coll_h5ad,thirds,pg_class,pg_toast.pg_toast_1255,pg_class_oid_index,NULL}'),
	('text', ARRAY['', ' ', '"', '''', 'coll', 'cell_type', '"cell_type', ',', 'a,b', 'row_index', 'x', '%n%s', repeat('ä', 5000), 'true', 'false', '1/0',
		'1) OR (1=1', 'row_index = 1; DROP TABLE thirds', 'NULL', 'narrow', 'int32', 'float16', repeat('(', 20000), NULL]),
	('jsonb', ARRAY['null', 'true', '0', '-1', '1e300', '1e-300', '"value"', '""', '[]', '{}', '{"": 1}', '{"B cell": 1e308, "plasma cell": 1e308}',
		'{"B cell": 1e-308}', '{"B cell": null}', '[[[[[1]]]]]', NULL]),
	('text[]', ARRAY['{}', '{NULL}', '{""}', '{a,b}', '{{a},{b}}', '{CD3D}', '{CD3D,CD3D}', '{cell_type,cell_type}', '{x}', '{row_index,file_index,obs_name}', '{X_pca,X_pca}', '[5:5]={CD3D}', NULL]),
	('bigint[]', ARRAY['{}', '{NULL}', '{{1},{2}}', '{-1}', '{9223372036854775807}', '{3199}', '{3200}', '[7:8]={1,1}', NULL]),
	('double precision[]', ARRAY['{}', '{NULL}', '{1}', '{{1}}', '{0.5,NaN}', '{Infinity,-Infinity}', '{-0,1}', '[3:3]={1}', '{1e-320,1}', NULL])) AS v (type, list),
	unnest(list) AS value;
CREATE TEMP TABLE functions AS
SELECT oid, oid::regproc::text AS name, a.n, a.name AS argument, format_type(a.type, NULL) AS type, CASE a.name WHEN 'collection' THEN '''coll''::regclass'
	WHEN 'batch_size' THEN '5' WHEN 'step' THEN '3' WHEN 'n_steps' THEN '2' WHEN 'rank' THEN '0' WHEN 'world_size' THEN '1' WHEN 'replacement' THEN 'true'
	WHEN 'drop_last' THEN 'false' WHEN 'obs_columns' THEN '''{}''' WHEN 'obsm_columns' THEN '''{}''' WHEN 'indptr_type' THEN '''int64''' WHEN 'indices_type' THEN '''int32'''
	WHEN 'data_type' THEN '''float32''' WHEN 'row_indexes' THEN '''{1,2}''' WHEN 'key' THEN '''a''' WHEN 'fractions' THEN '''{0.5,0.5}''' WHEN 'name' THEN '''regress_sampler'''
	WHEN 'query' THEN '''SELECT row_index, 1.0 AS weight FROM coll''' WHEN 'seed' THEN '1' ELSE 'NULL' END || '::' || format_type(a.type, NULL) AS usual
FROM pg_proc, unnest(proargtypes, proargnames[1:pronargs]) WITH ORDINALITY AS a (type, name, n)
WHERE proname ~ '^(mappedcoll_)?(sample_|fetch_csr|split_of|create_sampler)|^labels$' AND pronargs > 0 AND proargtypes[0] <> 'internal'::regtype;
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	-- an internal function is not inlined, and would not stream in FROM
	EXECUTE 'SELECT count(*) FROM (SELECT ' || CASE WHEN call ~ '^mappedcoll_' THEN call ELSE '* FROM ' || call || ' AS r' END || ' LIMIT 3) AS s';
	RAISE EXCEPTION USING ERRCODE = 'P0001';		-- nothing that it made stays
EXCEPTION WHEN OTHERS OR query_canceled THEN
	RETURN SQLSTATE;
END $$;
CREATE TEMP TABLE calls AS
SELECT f.name, f.argument, format('%s(%s)', f.name, (SELECT string_agg(CASE WHEN o.n = f.n THEN quote_nullable(e.value) || '::' || o.type ELSE o.usual END, ', ' ORDER BY o.n)
	FROM functions o WHERE o.oid = f.oid)) AS call
FROM functions f JOIN extremes e USING (type);
INSERT INTO calls
SELECT f.name, 'several', format('%s(%s)', f.name, string_agg(CASE WHEN random() < 0.2 THEN (SELECT quote_nullable(value) || '::' || f.type FROM extremes e
	WHERE e.type = f.type ORDER BY random() + f.n + i * 0 LIMIT 1) ELSE usual END, ', ' ORDER BY f.n))
FROM generate_series(1, 60) AS i, functions f GROUP BY f.oid, f.name, i;
CREATE TEMP TABLE outcomes AS SELECT *, pg_temp.outcome(call) AS state FROM calls;
SELECT cmp_ok(count(*), '>', 1500::bigint, 'calls with extreme arguments') FROM outcomes;
SELECT diag(count(*) || ' calls: ' || string_agg(DISTINCT state, ' ')) FROM outcomes;
SELECT pg_temp.none(array_agg(left(call, 300) || ': ' || state), 'NULL and extremes: ' || name || ' gives a result or a clean error')
FROM (SELECT name, call, state, state !~ '^(P0001|22|42|54000|55000|23|21000)' AS bad FROM outcomes) AS o
GROUP BY name, bad HAVING bad;
SELECT is(count(*) FILTER (WHERE state !~ '^(P0001|22|42|54000|55000|23|21000)'), 0::bigint, 'no internal error') FROM outcomes;
SELECT isnt(count(*) FILTER (WHERE state = 'P0001'), 0::bigint, name || ' also works') FROM outcomes GROUP BY name ORDER BY name;

SELECT * FROM finish();
ROLLBACK;
