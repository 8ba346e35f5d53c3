--
-- sampling.sql
--		Draws: their distribution, and that they are a function of seed and
--		position alone.
--
-- Seeds are fixed, so a result is the same on every machine.  Critical values
-- are those of the chi-square distribution at 0.001 and 0.999: too even is as
-- suspicious as too uneven.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);

-- chi-square of a number of degrees of freedom, within its quantiles (by
-- Wilson and Hilferty's approximation: a cube root is nearly normal)
CREATE FUNCTION pg_temp.is_even(chi2 float8, df bigint, description text) RETURNS text LANGUAGE sql AS $$
	SELECT ok(chi2 > df * (1 - 2.0 / (9 * df) - 3.09 * sqrt(2.0 / (9 * df))) ^ 3
		AND chi2 < df * (1 - 2.0 / (9 * df) + 3.09 * sqrt(2.0 / (9 * df))) ^ 3,
		format('%s: chi-square %s of %s degrees', description, round(chi2::numeric, 1), df))
$$;

-- draws by position, without the vectors
CREATE FUNCTION pg_temp.batch(n int, by text, seed bigint, step bigint DEFAULT 0, rank int DEFAULT 0,
	world int DEFAULT 1, replacement boolean DEFAULT true, filter text DEFAULT NULL) RETURNS bigint[]
LANGUAGE sql AS $$
	SELECT array_agg(row_index) FROM sample_batch('coll', $1, $2, $3, $4, $5, $6, $7, $8)
$$;

-- labels: each the same weight
CREATE TEMP TABLE draws AS
	SELECT s AS seed, b.row_index, b.label
	FROM generate_series(1, 3) AS s, LATERAL sample_batch('coll', 5000, 'cell_type', seed => s) AS b;
SELECT is((SELECT count(*) FROM draws JOIN coll USING (row_index) WHERE label IS DISTINCT FROM cell_type), 0::bigint,
	'a label is the row''s own value');
SELECT is((SELECT array_agg(DISTINCT label ORDER BY label) FROM draws),
	(SELECT array_agg(DISTINCT cell_type ORDER BY cell_type) FROM coll WHERE cell_type IS NOT NULL),
	'every label is drawn, NULL is not');
SELECT pg_temp.is_even(chi2, 10, format('labels of seed %s are even', seed))
FROM (SELECT seed, sum((n - 5000 / 11.0) ^ 2 / (5000 / 11.0)) AS chi2
	FROM (SELECT seed, label, count(*) AS n FROM draws GROUP BY 1, 2) AS c GROUP BY 1) AS s ORDER BY seed;

-- rows within a label: each the same weight (54,400 draws, by the clause
-- that needs no vectors; expected counts from 5 for a CD4 T cell to 260 for a
-- stem cell)
CREATE TEMP TABLE clause_draws AS
	SELECT d.row_index, d.label FROM generate_series(101, 117) AS s, LATERAL (
		SELECT row_index, cell_type AS label FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (s)) AS d;
SELECT pg_temp.is_even(chi2, df, format('rows of %s are even', label))
FROM (SELECT label, count(*) - 1 AS df, sum((n - expected) ^ 2 / expected) AS chi2 FROM (
		SELECT c.cell_type AS label, c.row_index, count(d.row_index) AS n,
			(SELECT count(*) FROM clause_draws WHERE clause_draws.label = c.cell_type)
				/ count(*) OVER (PARTITION BY c.cell_type)::numeric AS expected
		FROM coll c LEFT JOIN clause_draws d USING (row_index) WHERE c.cell_type IS NOT NULL
		GROUP BY c.cell_type, c.row_index) AS rows
	GROUP BY label) AS s ORDER BY label;

-- without weights every row is the same, also one without a label
SELECT pg_temp.is_even(chi2, 3199, 'uniform draws are even')
FROM (SELECT sum((n - 10) ^ 2 / 10.0) AS chi2 FROM (
		SELECT count(b) AS n FROM generate_series(0, 3199) AS row
		LEFT JOIN unnest(pg_temp.batch(32000, NULL, 4)) AS b ON b = row GROUP BY row) AS c) AS s;

-- neighbouring draws are independent: pairs of labels
SELECT pg_temp.is_even(sum((coalesce(n, 0) - 9999 / 121.0) ^ 2 / (9999 / 121.0)), 120,
	'pairs of neighbouring labels are even')
FROM (SELECT a, b FROM (SELECT DISTINCT cell_type AS a FROM coll WHERE cell_type IS NOT NULL) AS x,
	(SELECT DISTINCT cell_type AS b FROM coll WHERE cell_type IS NOT NULL) AS y) AS pairs
LEFT JOIN (SELECT label AS a, next AS b, count(*) AS n FROM (
		SELECT label, lead(label) OVER () AS next
		FROM sample_batch('coll', 10000, 'cell_type', seed => 77)) AS s
	WHERE next IS NOT NULL GROUP BY 1, 2) AS c USING (a, b);

-- several columns, and file_index
SELECT pg_temp.is_even(chi2, n - 1, 'combinations of two columns are even')
FROM (SELECT sum((n - 10000 / 106.0) ^ 2 / (10000 / 106.0)) AS chi2, count(*) AS n FROM (
		SELECT label, count(*) AS n FROM sample_batch('coll', 10000, 'cell_type, donor_id', seed => 5) GROUP BY 1) AS c) AS s;
SELECT is((SELECT count(DISTINCT label) FROM sample_batch('coll', 10000, 'cell_type, donor_id', seed => 5)),
	(SELECT count(DISTINCT (cell_type, donor_id)) FROM coll WHERE cell_type IS NOT NULL), 'all combinations are drawn');
SELECT is((SELECT count(*) FROM sample_batch('coll', 1000, '"cell_type" , DONOR_ID', seed => 5) JOIN coll USING (row_index)
	WHERE label <> cell_type || '__' || donor_id), 0::bigint, 'a label of two columns is both, joined by __');
SELECT pg_temp.is_even(sum((n - 1000) ^ 2 / 1000.0), 2, 'files are even')
FROM (SELECT count(*) AS n FROM sample_batch('coll', 3000, 'file_index', seed => 6) GROUP BY label) AS s;
SELECT is((SELECT count(*) FROM sample_batch('coll', 1000, 'file_index', seed => 6) JOIN coll USING (row_index)
	WHERE label <> file_index::text), 0::bigint, 'a label by file_index is the number of the file');

-- a function of seed and position
SELECT is(pg_temp.batch(256, 'cell_type', 9, 3), pg_temp.batch(256, 'cell_type', 9, 3), 'the same seed and step give the same rows');
SELECT isnt(pg_temp.batch(256, 'cell_type', 9, 3), pg_temp.batch(256, 'cell_type', 9, 4), 'another step gives others');
SELECT isnt(pg_temp.batch(256, 'cell_type', 9, 3), pg_temp.batch(256, 'cell_type', 10, 3), 'another seed gives others');
SELECT isnt(pg_temp.batch(256, 'cell_type', NULL), pg_temp.batch(256, 'cell_type', NULL), 'no seed is a fresh one');
SELECT isnt(pg_temp.batch(64, NULL, NULL), pg_temp.batch(64, NULL, NULL), 'also without weights');
SELECT is((SELECT count(DISTINCT pg_temp.batch(8, 'cell_type', s)) FROM unnest('{0,1,-1,9223372036854775807,-9223372036854775808,4294967296,4294967297}'::bigint[]) AS s),
	7::bigint, 'seeds of any size differ');
-- known draws: this stream must stay what it is, on any machine and version
SELECT is(pg_temp.batch(8, 'cell_type', 42), '{2500,2040,173,204,1094,808,133,37}'::bigint[], 'weighted draws of seed 42');
SELECT is(pg_temp.batch(2, NULL, 3), '{2978,2122}'::bigint[], 'uniform draws of seed 3');

-- steps and ranks are slices of one stream
SELECT is(pg_temp.batch(10, by, 5, 7, replacement => r), (pg_temp.batch(80, by, 5, 0, replacement => r))[71:80],
	format('step 7 is the eighth part of a stream: by %s, replacement %s', by, r))
FROM unnest(ARRAY[NULL, 'cell_type']) AS by, unnest(ARRAY[true, false]) AS r;
SELECT is((SELECT array_agg(row ORDER BY rank, i) FROM generate_series(0, world - 1) AS rank,
		unnest(pg_temp.batch(96 / world, by, 11, 2, rank, world, r)) WITH ORDINALITY AS u (row, i)),
	pg_temp.batch(96, by, 11, 2, replacement => r),
	format('%s ranks share the batch of one: by %s, replacement %s', world, by, r))
FROM unnest('{2,3,4,8,96}'::int[]) AS world, unnest(ARRAY[NULL, 'cell_type']) AS by, unnest(ARRAY[true, false]) AS r;
SELECT is((SELECT count(DISTINCT row) FROM generate_series(0, 3) AS rank, generate_series(0, 7) AS step,
		unnest(pg_temp.batch(100, NULL, 11, step, rank, 4, false)) AS row), 3200::bigint,
	'the ranks of an epoch without replacement share all rows between them');
SELECT is((SELECT array_agg(row_index) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (-5) LIMIT 500) AS s),
	(SELECT array_agg(row ORDER BY step, i) FROM generate_series(0, 4) AS step,
		unnest(pg_temp.batch(100, 'cell_type', -5, step)) WITH ORDINALITY AS u (row, i)),
	'TABLESAMPLE weighted REPEATABLE is the stream of sample_batch');
SELECT is((SELECT array_agg(row_index) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type, donor_id') REPEATABLE (5) LIMIT 50) AS s),
	pg_temp.batch(50, 'cell_type, donor_id', 5), 'also by two columns');

-- without replacement, each row exactly once an epoch
SELECT is((SELECT array_agg(row ORDER BY row) FROM unnest(pg_temp.batch(3200, NULL, s, e, replacement => false)) AS row),
	(SELECT array_agg(i::bigint) FROM generate_series(0, 3199) AS i), format('epoch %s of seed %s holds each row once', e, s))
FROM generate_series(1, 2) AS s, unnest('{0,1,2,1000000}'::bigint[]) AS e;
SELECT isnt(pg_temp.batch(3200, NULL, 1, 0, replacement => false), pg_temp.batch(3200, NULL, 1, 1, replacement => false),
	'another epoch has another order');
SELECT is((SELECT array_agg(row ORDER BY row) FROM unnest(pg_temp.batch(3182, 'cell_type', s, e, replacement => false)) AS row),
	(SELECT array_agg(row_index ORDER BY row_index) FROM coll WHERE cell_type IS NOT NULL),
	format('weighted: epoch %s of seed %s holds each row with a label once', e, s))
FROM generate_series(1, 2) AS s, unnest('{0,1,1000000}'::bigint[]) AS e;
-- an epoch ends where the rows end
SELECT is(pg_temp.batch(5000, NULL, 1, 0, replacement => false), pg_temp.batch(3200, NULL, 1, 0, replacement => false), 'a batch ends with its epoch');
SELECT is(pg_temp.batch(4000, 'cell_type', 1, 1, replacement => false), pg_temp.batch(3182, 'cell_type', 1, 1, replacement => false),
	'weighted as well');
-- successive sampling: the first draw has the weights of a draw with
-- replacement, and rare labels are used up first
SELECT pg_temp.is_even(sum((n - 40) ^ 2 / 40.0), 10, 'first draws of 440 weighted orders are even')
FROM (SELECT count(*) AS n FROM generate_series(1, 440) AS s,
	LATERAL sample_batch('coll', 1, 'cell_type', seed => s, replacement => false) GROUP BY label) AS c;
CREATE TEMP TABLE o AS SELECT row_index, i FROM unnest(pg_temp.batch(3182, 'cell_type', 3, replacement => false)) WITH ORDINALITY AS u (row_index, i);
SELECT ok((SELECT avg(i) FROM o JOIN coll USING (row_index) WHERE cell_type = 'hematopoietic stem cell') * 4
	< (SELECT avg(i) FROM o JOIN coll USING (row_index) WHERE cell_type = 'CD4 T cell'), 'cells of a rare label come first');

-- bernoulli and system: each row with its probability
SELECT ok(abs(n - 16000) < 3.29 * sqrt(160000 * 0.1 * 0.9), 'bernoulli (10) keeps a tenth')
FROM (SELECT sum(n)::float8 AS n FROM generate_series(1, 50) AS s, LATERAL (
	SELECT count(*) AS n FROM coll TABLESAMPLE bernoulli(10) REPEATABLE (s)) AS c) AS t;
SELECT ok(abs(n - 80000) < 3.29 * 64 * sqrt(2500 * 0.5 * 0.5), 'system (50) keeps half')
FROM (SELECT sum(n)::float8 AS n FROM generate_series(1, 50) AS s, LATERAL (
	SELECT count(*) AS n FROM coll TABLESAMPLE system(50) REPEATABLE (s)) AS c) AS t;
SELECT is((SELECT max(n) FROM (SELECT row_index, count(*) AS n FROM coll TABLESAMPLE bernoulli(60) REPEATABLE (1) GROUP BY 1) AS s), 1::bigint,
	'bernoulli returns a row at most once');

-- labels()
CREATE FUNCTION pg_temp.same_labels(by text, expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM
		(SELECT label, n_rows, weight FROM labels(''coll'', %L)) AS a FULL JOIN
		(SELECT %s AS label, count(*) AS n FROM coll GROUP BY 1) AS b ON a.label = b.label
		WHERE coalesce(b.label, a.label) IS NOT NULL
			AND (n_rows IS DISTINCT FROM n OR abs(weight * n - 1) > 1e-12)', by, expression) INTO n;
	RETURN n || ' differ';
END $$;
SELECT is(pg_temp.same_labels(by, expression), '0 differ', format('labels by %s are those of GROUP BY', by))
FROM (VALUES ('cell_type', 'cell_type'), ('donor_id', 'donor_id'), ('sex', 'sex'), ('age', 'age::text'),
	('is_doublet', 'is_doublet::text'), ('n_counts', 'n_counts::text'), ('severity', 'severity'), ('chemistry', 'chemistry'),
	('file_index', 'file_index::text'), ('cell_type, donor_id', 'cell_type || ''__'' || donor_id'),
	('sex,severity', 'sex || ''__'' || severity'), ('age, chemistry, is_doublet', 'age || ''__'' || chemistry || ''__'' || is_doublet'),
	('file_index, sex', 'file_index || ''__'' || sex'), ('cell_type, cell_type', 'cell_type || ''__'' || cell_type')) AS v (by, expression);
SELECT is((SELECT count(*) FROM labels('coll', 'cell_type') WHERE label IS NULL), 0::bigint, 'no label is NULL');
SELECT is((SELECT sum(n_rows) FROM labels('coll', 'percent_mito')), 1952::numeric, 'nor NaN, of which there are 48');
SELECT is((SELECT array_agg(code ORDER BY code) FROM labels('coll', 'cell_type')), (SELECT array_agg(i) FROM generate_series(0, 10) AS i), 'codes count from 0');
SELECT is((SELECT count(*) FROM labels('coll', 'chemistry, severity')), 0::bigint, 'columns that are never both there have no labels');
SELECT throws_ok($$SELECT * FROM sample_batch('coll', 1, 'chemistry, severity')$$, '55000', 'there is no row to sample', 'and nothing to draw');

SELECT * FROM finish();
ROLLBACK;
