--
-- engine.sql
--		Weights of all kinds, epochs that end, fingerprints and splits.
--
-- Seeds are fixed, so a result is the same on every machine; critical values
-- as in sampling.sql.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);

CREATE FUNCTION pg_temp.is_even(chi2 float8, df bigint, description text) RETURNS text LANGUAGE sql AS $$
	SELECT ok(chi2 > df * (1 - 2.0 / (9 * df) - 3.09 * sqrt(2.0 / (9 * df))) ^ 3
		AND chi2 < df * (1 - 2.0 / (9 * df) + 3.09 * sqrt(2.0 / (9 * df))) ^ 3,
		format('%s: chi-square %s of %s degrees', description, round(chi2::numeric, 1), df))
$$;
CREATE FUNCTION pg_temp.rows(n int, by text, seed bigint, step bigint DEFAULT 0, rank int DEFAULT 0, world int DEFAULT 1,
	filter text DEFAULT NULL, weights jsonb DEFAULT NULL, sampler regclass DEFAULT NULL, drop_last boolean DEFAULT false,
	replacement boolean DEFAULT false) RETURNS bigint[]
LANGUAGE sql AS $$
	SELECT coalesce(array_agg(row_index), '{}') FROM sample_rows('coll', $1, $2, $3, $4, 1, $5, $6, replacement, $7, $8, $9, $10)
$$;

-- label weights: each row of a label has its share
CREATE TEMP TABLE weightings (name text, weights jsonb, exponent float8);
INSERT INTO weightings VALUES ('equal', '"equal"', 1), ('proportional', '"proportional"', 0), ('sqrt', '"sqrt"', 0.5),
	('0.25', '0.25', 0.25), ('2', '2', 2);
SELECT pg_temp.is_even(sum((n - expected) ^ 2 / expected), count(*) - 1, 'labels by weights ' || name)
FROM (SELECT w.name, l.code, count(d.row_index) AS n,
		60000 * l.n_rows ^ (1 - exponent) / sum(l.n_rows ^ (1 - exponent)) OVER (PARTITION BY w.name) AS expected
	FROM weightings w CROSS JOIN labels('coll', 'cell_type') l
	LEFT JOIN LATERAL (SELECT * FROM sample_rows('coll', 60000, 'cell_type', seed => 5, weights => w.weights)) AS d ON d.label_code = l.code
	GROUP BY w.name, w.exponent, l.code, l.n_rows) AS c
GROUP BY name ORDER BY name;
SELECT is(pg_temp.rows(50, 'cell_type', 3, weights => '1', replacement => true), pg_temp.rows(50, 'cell_type', 3, replacement => true),
	'exponent 1 is the default');
SELECT pg_temp.is_even(sum((n - expected) ^ 2 / expected), 2, 'labels by an object')
FROM (SELECT label_code, count(*) AS n, 40000 * CASE label WHEN 'B cell' THEN 0.5 WHEN 'plasma cell' THEN 0.375 ELSE 0.125 END AS expected
	FROM sample_rows('coll', 40000, 'cell_type', seed => 6, weights => '{"B cell": 4, "plasma cell": 3, "CD4 T cell": 1, "megakaryocyte": 0}') d
	JOIN labels('coll', 'cell_type') l ON l.code = label_code GROUP BY 1, label) AS c;
SELECT is((SELECT array_agg(DISTINCT label) FROM sample_rows('coll', 4000, 'cell_type', seed => 6,
		weights => (SELECT jsonb_object_agg(label, n) FROM (VALUES ('B cell', 1), ('megakaryocyte', 2)) AS v (label, n))) d
	JOIN labels('coll', 'cell_type') l ON l.code = label_code), '{B cell,megakaryocyte}', 'a table of weights, by jsonb_object_agg');
SELECT throws_ok(format('SELECT * FROM sample_rows(''coll'', 5, ''cell_type'', weights => %L)', weights), '22023', message)
FROM (VALUES ('[1]', 'weights cannot be an array'), ('"even"', 'weights cannot be "even"'), ('true', 'weights cannot be a boolean'),
	('-1', 'weights cannot be -1'), ('11', 'weights cannot be 11'), ('{}', 'weights cannot be an empty object'),
	('{"B cell": -1}', 'weight of label "B cell" is not a number of 0 or more'), ('{"B cell": "1"}', 'weight of label "B cell" is not a number of 0 or more'),
	('{"B": 1}', 'no cell has the label "B" of weights')) AS v (weights, message);
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, 'cell_type', weights => '{"B cell": 0}')$$, '55000', 'there is no row to sample');
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, 'cell_type', weights => '{"B cell": 1e400}')$$, '22003');
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, weights => '1')$$, '22023', 'weights cannot be used without weight_by');

-- without replacement: the first of an epoch by weight, and each row once
SELECT is((SELECT array_agg(r ORDER BY r) FROM unnest(pg_temp.rows(3200, 'cell_type', 1, weights => '0.3')) AS r),
	(SELECT array_agg(row_index ORDER BY row_index) FROM coll WHERE cell_type IS NOT NULL), 'each row of an epoch once, by weights');
SELECT is((SELECT array_agg(r ORDER BY r) FROM unnest(pg_temp.rows(3200, 'cell_type', 1, weights => '{"B cell": 1, "plasma cell": 5}')) AS r),
	(SELECT array_agg(row_index ORDER BY row_index) FROM coll WHERE cell_type IN ('B cell', 'plasma cell')), 'an epoch of two labels');
SELECT pg_temp.is_even(sum((n - expected) ^ 2 / expected), 1, 'the first of an epoch comes by weight')
FROM (SELECT cell_type, count(*) AS n, 1500 * CASE cell_type WHEN 'B cell' THEN 0.25 ELSE 0.75 END AS expected
	FROM generate_series(1, 1500) AS s, LATERAL unnest(pg_temp.rows(1, 'cell_type', s, weights => '{"B cell": 1, "plasma cell": 3}')) AS r
	JOIN coll ON row_index = r GROUP BY 1) AS c;

-- a number of obs as the weight of its row
SELECT pg_temp.is_even(sum((n - expected) ^ 2 / expected), count(*) - 1, 'rows by the value of a column')
FROM (SELECT width_bucket(n_counts, edges) AS bucket, sum(coalesce(n, 0)) AS n, 50000.0 * sum(n_counts) / sum(sum(n_counts)) OVER () AS expected
	FROM coll CROSS JOIN (SELECT percentile_disc(array[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9]) WITHIN GROUP (ORDER BY n_counts) AS edges FROM coll) AS e
	LEFT JOIN (SELECT row_index, count(*) AS n FROM sample_rows('coll', 50000, 'n_counts', seed => 9, weights => '"value"') GROUP BY 1) AS d USING (row_index)
	GROUP BY 1) AS c;
SELECT is((SELECT count(*) FROM sample_rows('coll', 5000, 'n_counts', seed => 9, weights => '"value"', filter => $$sex = 'male'$$) JOIN coll USING (row_index)
	WHERE sex IS DISTINCT FROM 'male'), 0::bigint, 'a filter holds there too');
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, 'cell_type', weights => '"value"')$$, '42809', 'weights "value" need one column of numbers as weight_by');
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, 'n_counts, age', weights => '"value"')$$, '42809', 'weights "value" need one column of numbers as weight_by');

-- weights that are none: negative, NaN, infinite; and 0 is one
SELECT create_collection('numbers', ARRAY[:'data' || '/h5ad/numbers_of_all_types.h5ad']);
SELECT throws_ok(format('SELECT * FROM sample_rows(''numbers'', 5, %L, weights => ''"value"'', filter => %L)', by, filter), '22023',
	'weight is negative, infinite or NaN', by || ' where ' || filter)
FROM (VALUES ('i32be', 'true'), ('f32', 'row_index < 2'), ('f64', 'row_index = 2'), ('i8', 'true')) AS v (by, filter);
SELECT is((SELECT array_agg(DISTINCT row_index) FROM sample_rows('numbers', 1000, 'u8', seed => 1, weights => '"value"', filter => 'u8 < 2')),
	(SELECT array_agg(row_index) FROM numbers WHERE u8 = 1), 'rows of weight 0 are not drawn, others are');

-- a sampler: any query, with an in-house table
CREATE TABLE donors (donor_id text, share float8);
INSERT INTO donors SELECT donor_id, (row_number() OVER (ORDER BY donor_id)) % 4 FROM (SELECT DISTINCT donor_id FROM coll) AS d;
SELECT lives_ok($$SELECT create_sampler('by_donor',
	'SELECT row_index, share / count(*) OVER (PARTITION BY donor_id) AS weight FROM coll JOIN donors USING (donor_id)')$$, 'create_sampler');
SELECT is(obj_description('by_donor'::regclass), 'sampler: weights of rows of a collection, by row_index', 'it says what it is');
SELECT pg_temp.is_even(sum((n - expected) ^ 2 / expected), count(*) - 1, 'donors by the sampler')
FROM (SELECT donor_id, count(d.row_index) AS n, 30000 * share / sum(share) OVER () AS expected
	FROM donors LEFT JOIN (SELECT row_index, donor_id FROM sample_rows('coll', 30000, sampler => 'by_donor', seed => 2) JOIN coll USING (row_index)) AS d USING (donor_id)
	WHERE share > 0 GROUP BY donor_id, share) AS c;
SELECT is((SELECT count(*) FROM sample_rows('coll', 30000, sampler => 'by_donor', seed => 2) JOIN coll USING (row_index) JOIN donors USING (donor_id) WHERE share = 0),
	0::bigint, 'weight 0 is never drawn');
SELECT is((SELECT array_agg(r ORDER BY r) FROM unnest(pg_temp.rows(10000, NULL, 1, sampler => 'by_donor')) AS r),
	(SELECT array_agg(row_index ORDER BY row_index) FROM by_donor WHERE weight > 0), 'an epoch of the sampler');
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, 'cell_type', sampler => 'by_donor')$$, '22023', 'sampler cannot be used together with weight_by or weights');
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, sampler => 'donors')$$, '42809', '"donors" is not a sampler');
SELECT throws_ok($$SELECT create_sampler('bad', 'SELECT row_index FROM coll')$$, '22023', 'query of a sampler must give two columns, row_index and weight');
SELECT throws_ok($$SELECT create_sampler('bad', 'SELECT row_index, -1.0 AS weight FROM coll')$$, '23514');
SELECT throws_ok($$SELECT create_sampler('bad', 'SELECT row_index, ''NaN''::float8 AS weight FROM coll')$$, '23514');
SELECT throws_ok($$SELECT create_sampler('bad', 'SELECT 1::bigint AS row_index, 1.0 AS weight FROM coll')$$, '23505');
SELECT throws_ok($$SELECT create_sampler('bad', 'SELECT row_index, 1.0 AS weight FROM coll) AS q; DROP TABLE donors; --')$$, '42601');
SELECT throws_ok($$SELECT create_sampler(NULL, 'SELECT')$$, '22004', 'name must not be null');
CREATE TABLE outside (row_index bigint, weight float8);
INSERT INTO outside VALUES (1, 1), (3200, 1);
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, sampler => 'outside')$$, '22023', 'sampler "outside" has a row that is not in the collection');
UPDATE outside SET row_index = 1;
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, sampler => 'outside')$$, '22023', 'sampler "outside" has row_index 1 more than once');
UPDATE outside SET row_index = weight, weight = -1 WHERE ctid = '(0,3)';
DELETE FROM outside WHERE weight > 0;
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, sampler => 'outside')$$, '22023', 'sampler "outside" has the weight -1');
-- its table is the one that it made, whatever else has the name
CREATE TEMP TABLE shadowed (row_index bigint, weight float8);
SELECT lives_ok($$SELECT create_sampler('shadowed', 'SELECT row_index, 1.0 AS weight FROM coll WHERE row_index < 3; ')$$, 'a semicolon does no harm');
SELECT is((SELECT count(*) FROM public.shadowed), 3::bigint, 'a temporary table of the same name is another one');
SELECT is((SELECT count(*) FROM pg_temp.shadowed), 0::bigint, 'and stays empty');
SELECT throws_ok($$SELECT create_sampler('elsewhere.public.s', 'SELECT row_index, 1.0 AS weight FROM coll')$$, '0A000', NULL, 'no other database');
SELECT is((SELECT array_agg(DISTINCT cell_type) FROM sample_rows('coll', 20, 'cell_type', seed => 1, replacement => false,
	weights => '{"B cell": 1, "plasma cell": 5e-324}') JOIN coll USING (row_index)), '{B cell}', 'tiny weights come last');
CREATE ROLE regress_mc_engine;
GRANT SELECT ON coll TO regress_mc_engine;
SET LOCAL ROLE regress_mc_engine;
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, sampler => 'by_donor')$$, '42501', 'permission denied for table by_donor', 'a sampler needs SELECT on it');
RESET ROLE;
GRANT SELECT ON by_donor TO regress_mc_engine;
SET LOCAL ROLE regress_mc_engine;
SELECT lives_ok($$SELECT * FROM sample_rows('coll', 5, sampler => 'by_donor')$$, 'and is enough');
RESET ROLE;
ALTER TABLE coll ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON coll TO regress_mc_engine USING (row_index < 10);
GRANT SELECT ON outside TO regress_mc_engine;
SET LOCAL ROLE regress_mc_engine;
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, sampler => 'outside')$$, '22023', 'sampler "outside" has the weight -1');
RESET ROLE;
UPDATE outside SET row_index = row, weight = 1 FROM (VALUES (3200)) AS v (row);
SET LOCAL ROLE regress_mc_engine;
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, sampler => 'outside')$$, '55000', 'there is no row to sample', 'a policy also hides how many rows there are');
RESET ROLE;
DROP POLICY few ON coll;
ALTER TABLE coll DISABLE ROW LEVEL SECURITY;

-- a filter is evaluated again when a function in it changes
CREATE FUNCTION pg_temp.wanted(bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 < 10; END';
SELECT ok(max(row_index) < 10, 'a function as filter') FROM sample_rows('coll', 50, seed => 1, filter => 'pg_temp.wanted(row_index)');
CREATE OR REPLACE FUNCTION pg_temp.wanted(bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 >= 10; END';
SELECT ok(min(row_index) >= 10, 'another body, other rows') FROM sample_rows('coll', 50, seed => 1, filter => 'pg_temp.wanted(row_index)');

-- an epoch ends where the rows end
SELECT is((SELECT array_agg(n_rows) FROM sample_csr('coll', 1000, seed => 1, n_steps => 8, replacement => false, genes => '{}')),
	'{1000,1000,1000,200,1000,1000,1000,200}', 'the last batch of an epoch is shorter');
SELECT is((SELECT array_agg(n_rows) FROM sample_csr('coll', 1000, seed => 1, n_steps => 4, replacement => false, drop_last => true, genes => '{}')),
	'{1000,1000,1000,1000}', 'or dropped');
SELECT is((SELECT array_agg(n_rows) FROM generate_series(0, 3) AS r, LATERAL sample_csr('coll', 250, seed => 1, step => 3, rank => r, world_size => 4, replacement => false, genes => '{}')),
	'{200,0,0,0}', 'ranks without rows give an empty batch');
SELECT is((SELECT array_agg(r ORDER BY r) FROM (SELECT unnest(pg_temp.rows(100, by, 4, s, rank, 3, weights => w)) AS r
		FROM generate_series(0, 10) AS s, generate_series(0, 2) AS rank) AS d),
	(SELECT array_agg(row_index ORDER BY row_index) FROM coll WHERE by IS NULL OR cell_type IS NOT NULL), 'three ranks share an epoch: by ' || coalesce(by, 'nothing'))
FROM (VALUES (NULL, NULL::jsonb), ('cell_type', NULL), ('cell_type', '0.5')) AS v (by, w);
SELECT is(pg_temp.rows(300, by, 4, s, 0, 1), pg_temp.rows(100, by, 4, s, 0, 3) || pg_temp.rows(100, by, 4, s, 1, 3) || pg_temp.rows(100, by, 4, s, 2, 3),
	format('the last step does not depend on the number of ranks: by %s, step %s', coalesce(by, 'nothing'), s))
FROM (VALUES (NULL), ('cell_type')) AS v (by), generate_series(9, 11) AS s;
SELECT isnt(pg_temp.rows(3200, NULL, 1, 0), pg_temp.rows(3200, NULL, 1, 1), 'epochs have orders of their own');
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 3201, replacement => false, drop_last => true)$$, '55000', 'an epoch has fewer rows than one batch');
SELECT throws_ok($$SELECT * FROM sample_rows('coll', 5, drop_last => true)$$, '22023', 'drop_last cannot be used with replacement');

-- the number of rows of an epoch, however it is weighted
SELECT is(sample_size('coll', by, filter, weights, sampler), (SELECT count(DISTINCT row_index) FROM sample_rows('coll', 10000, by, seed => 1,
		filter => filter, weights => weights, sampler => sampler, replacement => false)), format('size: %s', v))
FROM (VALUES (NULL, NULL, NULL::jsonb, NULL::regclass), ('cell_type', NULL, NULL, NULL), ('cell_type', $$sex = 'male'$$, NULL, NULL), (NULL, 'n_counts > 500', NULL, NULL),
	('cell_type', NULL, '{"B cell": 2, "plasma cell": 0}', NULL), ('n_counts', NULL, '"value"', NULL), (NULL, $$sex = 'male'$$, NULL, 'by_donor')) AS v (by, filter, weights, sampler);
SELECT throws_ok($$SELECT sample_size('coll', filter => 'false')$$, '55000', 'there is no row to sample');

-- fingerprints
CREATE TEMP TABLE prints AS SELECT name, print FROM (VALUES
	('none', sample_fingerprint('coll')), ('cell_type', sample_fingerprint('coll', 'cell_type')), ('donor_id', sample_fingerprint('coll', 'donor_id')),
	('filter', sample_fingerprint('coll', filter => $$sex = 'male'$$)), ('both', sample_fingerprint('coll', 'cell_type', $$sex = 'male'$$)),
	('value', sample_fingerprint('coll', 'n_counts', weights => '"value"')), ('sampler', sample_fingerprint('coll', sampler => 'by_donor'))) AS v (name, print);
SELECT collect_tap(is(count(DISTINCT print), 7::bigint, 'different streams, different fingerprints'), ok(bool_and(print ~ '^[0-9a-f]{32}$'), '32 hexadecimal digits'))
FROM prints;
SELECT is(sample_fingerprint('coll', 'cell_type', $$sex IN ('male')$$), print, 'the rows count, not the words of a filter') FROM prints WHERE name = 'both';
SELECT create_collection('again', ARRAY[:'data' || '/demo']);
SELECT is(sample_fingerprint('again', 'cell_type'), print, 'another collection of the same files has the same') FROM prints WHERE name = 'cell_type';
SELECT create_collection('fewer', ARRAY[:'data' || '/demo/pbmc_site_a.h5ad', :'data' || '/demo/pbmc_site_b.h5ad']);
SELECT isnt(sample_fingerprint('fewer'), print, 'one of other files has not') FROM prints WHERE name = 'none';
SELECT lives_ok(format('SELECT * FROM sample_batch(''coll'', 5, ''cell_type'', expect_fingerprint => %L)', print), 'an expected fingerprint') FROM prints WHERE name = 'cell_type';
SELECT throws_ok(format('SELECT * FROM %s(''coll'', 5, ''cell_type'', expect_fingerprint => %L)', f, print), '55000', 'the collection is not the one that is expected', f)
FROM prints, unnest('{sample_batch,sample_rows,sample_csr,sample_dense}'::text[]) AS f WHERE name = 'donor_id';
UPDATE by_donor SET weight = weight * 2 WHERE row_index = (SELECT min(row_index) FROM by_donor WHERE weight > 0);
SELECT isnt(sample_fingerprint('coll', sampler => 'by_donor'), print, 'a sampler that changed') FROM prints WHERE name = 'sampler';

-- splits: golden values, fractions, and never both sides
SELECT is((SELECT array_agg(split_of('D' || i, 7, '{0.8,0.1,0.1}')) FROM generate_series(1, 12) AS i), '{0,0,1,0,0,2,2,0,2,0,0,2}', 'golden values');
SELECT pg_temp.is_even(sum((n - e) ^ 2 / e), 2, 'parts have their fractions')
FROM (SELECT split_of('donor ' || i, 3, '{0.7,0.2,0.1}') AS part, count(*) AS n FROM generate_series(1, 20000) AS i GROUP BY 1) AS c
JOIN (VALUES (0, 14000.0), (1, 4000), (2, 2000)) AS v (part, e) USING (part);
SELECT is(split_of(NULL, 1, '{1}'), NULL, 'a NULL key is in no part');
SELECT is((SELECT count(*) FROM sample_rows('coll', 500, 'cell_type', seed => 1, filter => $$split_of(donor_id, 7, '{0.5,0.5}') = 0$$) JOIN coll USING (row_index)
	WHERE split_of(donor_id, 7, '{0.5,0.5}') <> 0), 0::bigint, 'a split as a filter');
SELECT throws_ok(format('SELECT split_of(''a'', 1, %L)', f), state, message) FROM (VALUES
	('{0.5}', '22023', 'fractions must add up to 1, not 0.5'), ('{}', '22023', 'fractions must be an array of 1 to 1000 numbers'), ('{NULL,1}', '22004', 'fractions must not contain NULL'),
	('{-1,2}', '22023', 'fraction -1 is not between 0 and 1'), ('{NaN}', '22023', 'fraction NaN is not between 0 and 1'), ('{{0.5,0.5}}', '22023', 'fractions must be an array of 1 to 1000 numbers')) AS v (f, state, message);

SELECT * FROM finish();
ROLLBACK;
